//! What must never happen, one property a file of its name, by the names of ZooKeeper's TLA+ specification where
//! it has one. Each looks at what was just seen in the light of all facts, before they change.

mod acknowledged_is_kept;
mod agreement;
mod cuts_exactly;
mod ephemeral_has_session;
mod epoch_before_ack;
mod equal_digests;
mod global_primary_order;
mod history_before_epoch;
mod integrity;
mod leadership1;
mod leadership2;
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
    ("Leadership1", leadership1::check),
    ("Leadership2", leadership2::check),
    ("PrefixConsistency", prefix_consistency::check),
    ("Integrity", integrity::check),
    ("Agreement", agreement::check),
    ("TotalOrder", total_order::check),
    ("LocalPrimaryOrder", local_primary_order::check),
    ("GlobalPrimaryOrder", global_primary_order::check),
    ("PrimaryIntegrity", primary_integrity::check),
    ("AcknowledgedIsKept", acknowledged_is_kept::check),
    ("LoggedBeforeAck", logged_before_ack::check),
    ("HistoryBeforeEpoch", history_before_epoch::check),
    ("EpochBeforeAck", epoch_before_ack::check),
    ("MemoryIsDisk", memory_is_disk::check),
    ("CutsExactly", cuts_exactly::check),
    ("EqualDigests", equal_digests::check),
    ("EphemeralHasSession", ephemeral_has_session::check),
];
