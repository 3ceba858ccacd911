//! Known bugs, put into our code one at a time: the simulator finds each within a few seeds. A simulator
//! that finds nothing proves nothing.
#![allow(clippy::print_stdout, reason = "tells what found each bug")]

use integration_tests::sim::ensemble::{Failure, Plan, World};
use zk_server::mutants::{self, Mutant};

/// So many seeds at most for one bug.
const SEEDS: u64 = 150;

/// The first seed that fails with this bug in.
fn found(mutant: Mutant) -> Option<Failure> {
    mutants::set(Some(mutant));
    let failure = (0..SEEDS).find_map(|seed| World::new(Plan::random(seed)).run().err());
    mutants::set(None);
    failure
}

/// `expected`: properties of which one must be what is broken.
fn is_found(mutant: Mutant, expected: &[&str]) {
    let failure =
        found(mutant).unwrap_or_else(|| panic!("{mutant:?} was not found in {SEEDS} seeds"));
    println!("{mutant:?}: {failure}");
    assert!(
        expected.contains(&failure.property),
        "{mutant:?}: {failure}"
    );
}

#[test]
fn an_ack_before_the_log_is_synced() {
    is_found(Mutant::AckBeforeLog, &["LoggedBeforeAck"]);
}

#[test]
fn an_epoch_before_the_history_it_stands_for() {
    is_found(
        Mutant::EpochBeforeHistory,
        &["HistoryBeforeEpoch", "EpochBeforeAck"],
    );
}

#[test]
fn transactions_that_were_logged_and_are_forgotten() {
    is_found(Mutant::ForgetUnapplied, &["MemoryIsDisk"]);
}

#[test]
fn a_broken_truncation() {
    is_found(Mutant::KeepAfterBrokenTruncate, &["MemoryIsDisk"]);
}

#[test]
fn a_hole_in_the_committed_log() {
    is_found(
        Mutant::HoleInCommittedLog,
        &["LocalPrimaryOrder", "EqualDigests", "Heals"],
    );
}

#[test]
fn proposals_that_are_missed_during_a_sync() {
    is_found(Mutant::MissProposalsInSync, &["LocalPrimaryOrder", "Heals"]);
}

#[test]
fn votes_that_look_at_ids_only() {
    is_found(
        Mutant::VoteById,
        &["PrimaryIntegrity", "AcknowledgedIsKept", "Agreement"],
    );
}

#[test]
fn a_truncation_that_leaves_too_much() {
    is_found(
        Mutant::TruncateTooLittle,
        &[
            "LocalPrimaryOrder",
            "PrefixConsistency",
            "Integrity",
            "Heals",
            "HistoryBeforeEpoch",
            "EpochBeforeAck",
            "MemoryIsDisk",
            "EqualDigests",
        ],
    );
}

#[test]
fn half_of_the_voters_as_a_quorum() {
    is_found(
        Mutant::HalfIsQuorum,
        &[
            "Agreement",
            "Leadership1",
            "Leadership2",
            "PrimaryIntegrity",
            "Integrity",
        ],
    );
}

#[test]
fn a_follower_that_shows_what_is_only_proposed() {
    is_found(
        Mutant::ApplyUncommitted,
        &["Agreement", "PrefixConsistency"],
    );
}

#[test]
fn a_log_that_a_start_has_read_and_not_synced() {
    is_found(
        Mutant::TrustUnsyncedLog,
        &[
            "MemoryIsDisk",
            "LoggedBeforeAck",
            "AcknowledgedIsKept",
            "PrimaryIntegrity",
            "LocalPrimaryOrder",
        ],
    );
}

#[test]
fn watch_events_that_nobody_is_told() {
    is_found(Mutant::LoseWatchEvents, &["WatchBeforeData"]);
}
