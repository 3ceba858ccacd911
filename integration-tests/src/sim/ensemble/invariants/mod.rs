//! What must never happen, one property a file, by the names of ZooKeeper's TLA+ specification where
//! it has one. Each looks at what was just seen in the light of all facts, before they change.

mod agreement;
mod cuts_exactly;
mod digests;
mod ephemerals;
mod global_primary_order;
mod integrity;
mod kept;
mod leadership;
mod local_primary_order;
mod logged_before_ack;
mod memory_is_disk;
mod prefix_consistency;
mod primary_integrity;
#[cfg(test)]
mod tests;
mod total_order;

use super::facts::{Facts, Seen};

/// What an invariant says of something that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// it has nothing to do with it
    Silent,
    Holds,
    Broken(String),
}

type Check = fn(&Facts, &Seen) -> Verdict;

/// Name and check.
pub const INVARIANTS: &[(&str, Check)] = &[
    ("Leadership1", leadership::check),
    ("Leadership2", leadership::check_broadcast),
    ("PrefixConsistency", prefix_consistency::check),
    ("Integrity", integrity::check),
    ("Agreement", agreement::check),
    ("TotalOrder", total_order::check),
    ("LocalPrimaryOrder", local_primary_order::check),
    ("GlobalPrimaryOrder", global_primary_order::check),
    ("PrimaryIntegrity", primary_integrity::check),
    ("AcknowledgedIsKept", kept::check),
    ("LoggedBeforeAck", logged_before_ack::check),
    ("HistoryBeforeEpoch", logged_before_ack::check_epoch),
    ("EpochBeforeAck", logged_before_ack::check_leader),
    ("MemoryIsDisk", memory_is_disk::check),
    ("CutsExactly", cuts_exactly::check),
    ("EqualDigests", digests::check),
    ("EphemeralHasSession", ephemerals::check),
];
