//! Acknowledged means kept: a write that a client was told of is in the history of every later leader,
//! and at the end on every server.

use super::{Facts, Seen, Verdict};

pub(super) fn check(facts: &Facts, seen: &Seen) -> Verdict {
    let (Seen::Established { node, zxid, .. } | Seen::Settled { node, zxid, .. }) = *seen else {
        return Verdict::Silent;
    };
    let told = facts.acknowledged;
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
