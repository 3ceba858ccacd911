//! Known bugs, put into our code one at a time: the simulator finds each within a few seeds, by the property
//! that it breaks first. A simulator that finds nothing proves nothing.
#![allow(clippy::print_stdout, reason = "tells what found each bug")]

use integration_tests::sim::ensemble::{Failure, Plan, SCENARIOS, Scenario, World};
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

fn is_found(mutant: Mutant, property: &str, plan: impl Fn(u64) -> Plan) {
    match found(mutant, plan) {
        Some(failure) => {
            println!("{mutant:?}: {failure}");
            assert_eq!(failure.property, property, "{mutant:?}: {failure}");
        }
        None => panic!("{mutant:?} was not found in {SEEDS} seeds"),
    }
}

/// In the situation of a ZOOKEEPER issue.
fn is_found_by_scenario(mutant: Mutant, issue: u32, property: &str) {
    let scenario = SCENARIOS.iter().find(|s| s.issues.contains(&issue));
    let scenario = scenario.unwrap_or_else(|| panic!("no scenario of ZOOKEEPER-{issue}"));
    is_found(mutant, property, |seed| scenario.plan(seed));
}

fn is_found_in(mutant: Mutant, scenario: &str, property: &str) {
    let scenario = Scenario::find(scenario).expect("a scenario of this name");
    is_found(mutant, property, |seed| scenario.plan(seed));
}

#[test]
fn an_ack_before_the_log_is_synced() {
    is_found_by_scenario(Mutant::AckBeforeLog, 3023, "LoggedBeforeAck");
}

#[test]
fn a_log_that_is_said_to_be_durable_and_is_not() {
    is_found(Mutant::SkipSync, "DoneIsDurable", Plan::calm);
}

#[test]
fn an_epoch_before_the_history_it_stands_for() {
    is_found_by_scenario(Mutant::EpochBeforeHistory, 4643, "HistoryBeforeEpoch");
}

#[test]
fn transactions_that_were_logged_and_are_forgotten() {
    is_found_by_scenario(Mutant::ForgetUnapplied, 2845, "MemoryIsDisk");
}

#[test]
fn a_broken_truncation() {
    is_found_by_scenario(Mutant::KeepAfterBrokenTruncate, 5094, "MemoryIsDisk");
}

#[test]
fn a_hole_in_the_committed_log() {
    is_found_by_scenario(Mutant::HoleInCommittedLog, 4925, "CommittedLogIsWhole");
}

#[test]
fn proposals_that_are_missed_during_a_sync() {
    is_found(Mutant::MissProposalsInSync, "SyncIsWhole", Plan::random);
}

/// The leaders that come of it find out by themselves: the next phase looks at the histories.
#[test]
fn votes_that_look_at_ids_only() {
    is_found_by_scenario(Mutant::VoteById, 1154, "Heals");
}

#[test]
fn a_follower_that_shows_what_is_only_proposed() {
    is_found_by_scenario(Mutant::ApplyUncommitted, 4394, "Agreement");
}

#[test]
fn half_of_the_voters_as_a_quorum() {
    is_found(Mutant::HalfIsQuorum, "PrimaryIntegrity", Plan::random);
}

#[test]
fn a_log_that_a_start_has_read_and_not_synced() {
    is_found(Mutant::TrustUnsyncedLog, "StartIsDurable", Plan::random);
}

#[test]
fn watch_events_that_nobody_is_told() {
    is_found(Mutant::LoseWatchEvents, "WatchBeforeData", Plan::random);
}

#[test]
fn a_truncation_that_takes_one_too_many() {
    is_found_by_scenario(Mutant::CutOneMore, 1156, "CutsExactly");
}

#[test]
fn a_truncation_that_takes_one_too_many_unseen() {
    is_found_by_scenario(Mutant::CutOneMoreUnseen, 1156, "CutsExactly");
}

#[test]
fn a_start_that_counts_on_what_a_failed_sync_has_left_in_memory() {
    is_found_in(
        Mutant::KeepAfterFailedSync,
        "a sync fails, the process starts again, the power goes",
        "StartIsDurable",
    );
}

#[test]
fn ephemerals_that_outlive_their_session() {
    is_found_by_scenario(Mutant::KeepEphemerals, 2355, "EqualDigests");
}

#[test]
fn sessions_that_live_and_are_told_that_they_do_not() {
    is_found_by_scenario(Mutant::ForgetSessions, 2355, "ExpiryIsReal");
}

#[test]
fn sessions_that_expire_though_their_clients_are_there() {
    is_found(Mutant::ForgetTouches, "ExpiryIsReal", Plan::calm);
}

#[test]
fn writes_that_do_not_see_those_before_them() {
    is_found(Mutant::ForgetOutstanding, "EqualDigests", Plan::calm);
}

#[test]
fn a_reconfiguration_that_the_log_knows_and_the_file_does_not() {
    is_found_in(
        Mutant::ConfigAfterLog,
        "members come, go and change",
        "ConfigBeforeLog",
    );
}

#[test]
fn a_proposed_configuration_that_loses_its_file_to_an_older_one() {
    is_found_in(
        Mutant::ForgetProposedConfig,
        "members change while a learner is synchronised",
        "ConfigBeforeLog",
    );
}

#[test]
fn learners_that_are_never_told_to_serve() {
    is_found(Mutant::NeverUpToDate, "Heals", Plan::calm);
}

#[test]
fn access_control_lists_that_a_snapshot_loses() {
    is_found_by_scenario(Mutant::LoseAcls, 3306, "EqualTrees");
}

#[test]
fn a_restored_snapshot_that_beats_what_others_have_acknowledged_since() {
    is_found_in(
        Mutant::RestoreAhead,
        "a restore breaks off",
        "PrimaryIntegrity",
    );
}

#[test]
fn a_restore_that_is_acknowledged_before_a_quorum_has_it() {
    is_found_in(
        Mutant::RestoreUnheard,
        "a restore breaks off",
        "AcknowledgedIsKept",
    );
}
