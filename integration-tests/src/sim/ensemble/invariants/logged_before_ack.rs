//! An ack says that the transaction and all before it are on the disk (ZOOKEEPER-3023, 4685).

use super::{Facts, Seen, Verdict};

pub(super) fn check(facts: &Facts, seen: &Seen) -> Verdict {
    let Seen::Acked { node, zxid } = *seen else {
        return Verdict::Silent;
    };
    let durable = facts.durable.get(&node).copied().unwrap_or(0);
    if facts.holds(durable, zxid) {
        Verdict::Holds
    } else {
        Verdict::Broken(format!(
            "{node} acks 0x{zxid:x}, its disk has history up to 0x{durable:x}"
        ))
    }
}
