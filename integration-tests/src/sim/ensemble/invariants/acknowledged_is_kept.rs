//! Acknowledged means kept: a write that a client was told of is in the history of every leader of a later
//! epoch, and at the end on every server.

use super::{Facts, Seen, Verdict};

pub(super) fn check(facts: &Facts, seen: &Seen) -> Verdict {
    let (node, zxid, before) = match *seen {
        Seen::Established { node, zxid, epoch } => (node, zxid, epoch),
        Seen::Settled { node, zxid, .. } => (node, zxid, i64::MAX),
        _ => return Verdict::Silent,
    };
    let told = facts.acknowledged_in.range(..before).next_back();
    let told = told.map_or(0, |(_, &last)| last);
    if told == 0 {
        return Verdict::Silent;
    }
    if facts.holds(zxid, told) {
        Verdict::Holds
    } else {
        Verdict::Broken(format!(
            "{node} has history up to 0x{zxid:x}, without 0x{told:x}, which was acknowledged"
        ))
    }
}
