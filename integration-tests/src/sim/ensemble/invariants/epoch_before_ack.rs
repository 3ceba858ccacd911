//! The ack of a new leader says that its history and then its epoch are on the disk (ZOOKEEPER-3911,
//! 4646, 4785).

use super::{Facts, Seen, Verdict};

pub(super) fn check(facts: &Facts, seen: &Seen) -> Verdict {
    let Seen::AckedLeader { node, epoch, zxid } = *seen else {
        return Verdict::Silent;
    };
    let durable = facts.durable.get(&node).copied().unwrap_or(0);
    if !facts.holds(durable, zxid) {
        return Verdict::Broken(format!(
            "{node} acks the leader of epoch {epoch} at 0x{zxid:x}, its disk is at 0x{durable:x}"
        ));
    }
    match facts.epochs.get(&node) {
        Some(&written) if written == epoch => Verdict::Holds,
        written => Verdict::Broken(format!(
            "{node} acks the leader of epoch {epoch}, currentEpoch on its disk is {written:?}"
        )),
    }
}
