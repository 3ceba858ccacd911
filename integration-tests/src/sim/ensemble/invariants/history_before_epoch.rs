//! The epoch comes to the disk after the history that it stands for (ZOOKEEPER-4643).

use super::{Facts, Seen, Verdict};

pub(super) fn check(facts: &Facts, seen: &Seen) -> Verdict {
    let Seen::EpochWritten { node, epoch, zxid } = *seen else {
        return Verdict::Silent;
    };
    let durable = facts.durable.get(&node).copied().unwrap_or(0);
    if facts.holds(durable, zxid) {
        Verdict::Holds
    } else {
        Verdict::Broken(format!(
            "{node} has written epoch {epoch} with history up to 0x{durable:x} on its disk, its leader's ends at 0x{zxid:x}"
        ))
    }
}
