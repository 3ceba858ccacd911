//! PrimaryIntegrity: before a leader broadcasts it has everything that was delivered of earlier epochs
//! (ZOOKEEPER-1154: the highest zxid was absent from the election).

use super::{Facts, Seen, Verdict};

pub(super) fn check(facts: &Facts, seen: &Seen) -> Verdict {
    let Seen::Established { node, epoch, zxid } = *seen else {
        return Verdict::Silent;
    };
    let last = facts.last_committed_before(epoch);
    if facts.holds(zxid, last) {
        Verdict::Holds
    } else {
        Verdict::Broken(format!(
            "{node} leads epoch {epoch} with history up to 0x{zxid:x}; 0x{last:x} is delivered elsewhere"
        ))
    }
}
