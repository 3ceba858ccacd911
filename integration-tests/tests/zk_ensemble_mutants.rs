//! Known bugs, put into our code one at a time: the simulator finds each within a few seeds. A simulator
//! that finds nothing proves nothing.
#![allow(clippy::print_stdout, reason = "tells what found each bug")]

use integration_tests::sim::ensemble::{Failure, Plan, SCENARIOS, World};
use zk_server::mutants::{self, Mutant};

/// So many seeds at most for one bug.
const SEEDS: u64 = 60;

/// The first seed that fails with this bug in.
fn found(mutant: Mutant, plan: impl Fn(u64) -> Plan) -> Option<Failure> {
    mutants::set(Some(mutant));
    let failure = (0..SEEDS).find_map(|seed| World::new(plan(seed)).run().err());
    mutants::set(None);
    failure
}

fn is_found(mutant: Mutant, plan: impl Fn(u64) -> Plan) {
    match found(mutant, plan) {
        Some(failure) => println!("{mutant:?}: {failure}"),
        None => panic!("{mutant:?} was not found in {SEEDS} seeds"),
    }
}

/// In the situation of a ZOOKEEPER issue.
fn is_found_by_scenario(mutant: Mutant, issue: u32) {
    let scenario = SCENARIOS.iter().find(|s| s.issues.contains(&issue));
    let scenario = scenario.unwrap_or_else(|| panic!("no scenario of ZOOKEEPER-{issue}"));
    is_found(mutant, |seed| scenario.plan(seed));
}

#[test]
fn an_ack_before_the_log_is_synced() {
    is_found_by_scenario(Mutant::AckBeforeLog, 3023);
}

#[test]
fn an_epoch_before_the_history_it_stands_for() {
    is_found_by_scenario(Mutant::EpochBeforeHistory, 4643);
}

#[test]
fn transactions_that_were_logged_and_are_forgotten() {
    is_found_by_scenario(Mutant::ForgetUnapplied, 2845);
}

#[test]
fn a_broken_truncation() {
    is_found_by_scenario(Mutant::KeepAfterBrokenTruncate, 5094);
}

#[test]
fn a_hole_in_the_committed_log() {
    is_found_by_scenario(Mutant::HoleInCommittedLog, 4925);
}

#[test]
fn proposals_that_are_missed_during_a_sync() {
    is_found(Mutant::MissProposalsInSync, Plan::random);
}

#[test]
fn votes_that_look_at_ids_only() {
    is_found_by_scenario(Mutant::VoteById, 1154);
}

#[test]
fn a_follower_that_shows_what_is_only_proposed() {
    is_found_by_scenario(Mutant::ApplyUncommitted, 4394);
}

#[test]
fn half_of_the_voters_as_a_quorum() {
    is_found(Mutant::HalfIsQuorum, Plan::random);
}

#[test]
fn a_log_that_a_start_has_read_and_not_synced() {
    is_found(Mutant::TrustUnsyncedLog, Plan::random);
}

#[test]
fn watch_events_that_nobody_is_told() {
    is_found(Mutant::LoseWatchEvents, Plan::random);
}
