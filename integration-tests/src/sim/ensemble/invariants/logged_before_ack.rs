//! An ack says that the transaction and all before it are on the disk, and the ack of a new leader
//! that its history and then its epoch are (ZOOKEEPER-3023, 3911, 4643, 4646, 4685, 4785).

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

/// The epoch comes to the disk after the history that it stands for.
pub(super) fn check_epoch(facts: &Facts, seen: &Seen) -> Verdict {
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

pub(super) fn check_leader(facts: &Facts, seen: &Seen) -> Verdict {
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
