//! Ensembles in the deterministic world: some seeds of random faults, and that a seed is a run. The many
//! seeds of `scripts/test.sh` are run by the program zk-sim.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use std::process::Command;

use integration_tests::rng::seed;
use integration_tests::sim::ensemble::{
    Coverage, KNOWN_BUGS, Plan, SCENARIOS, Scenario, Shown, World,
};

const SEEDS: u64 = 20;

fn run(plan: Plan) -> Coverage {
    let mut world = World::new(plan);
    if let Err(failure) = world.run() {
        panic!(
            "{failure}\nzk-sim --first {} --trace shows it",
            failure.seed
        );
    }
    world.coverage
}

#[test]
fn three_servers_without_faults_serve_from_the_first_second_on() {
    let coverage = run(Plan::calm(1));
    assert_eq!(coverage.happened.get("leader elected"), Some(&1));
    assert_eq!(coverage.happened.get("role abandoned"), None);
    assert!(coverage.checks["LinearizableWrites"] > 300, "{coverage}");
}

#[test]
fn faults_of_all_kinds_break_nothing() {
    let first = seed() % 1_000_000_000;
    println!("TEST_SEED={first}");
    let mut coverage = Coverage::default();
    for seed in first..first + SEEDS {
        coverage.add(&run(Plan::random(seed)));
    }
    println!("{coverage}");
    assert!(coverage.faults.values().sum::<u64>() >= 20 * SEEDS);
    assert_eq!(coverage.simulated_us, SEEDS * 60_000_000);
}

#[test]
fn every_known_bug_has_its_situation_and_breaks_nothing() {
    for scenario in SCENARIOS {
        let mut coverage = Coverage::default();
        for seed in 0..3 {
            coverage.add(&run(scenario.plan(seed)));
        }
        assert!(
            scenario.has_happened(&coverage),
            "{}: {coverage}",
            scenario.name
        );
    }
}

/// The table of the known bugs names scenarios and tests that are there.
#[test]
fn every_known_bug_is_held_by_something() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
    for (bug, shown) in KNOWN_BUGS {
        assert!(!shown.is_empty(), "{bug}");
        for shown in *shown {
            let there = match *shown {
                Shown::Scenario(name) => Scenario::find(name).is_some(),
                Shown::Test(file, name) => read(file).contains(&format!("fn {name}()")),
                Shown::Said(file, words) => read(file).contains(words),
            };
            assert!(there, "{bug}: {shown:?}");
        }
    }
    for issue in SCENARIOS.iter().flat_map(|scenario| scenario.issues) {
        let issue = issue.to_string();
        let known = |(bug, _): &&(&str, _)| bug.split([' ', ':', ',']).any(|word| word == issue);
        assert!(
            KNOWN_BUGS.iter().any(|bug| known(&bug)),
            "ZOOKEEPER-{issue}"
        );
    }
}

/// In other processes, where nothing is at the same addresses.
#[test]
fn the_same_seed_is_the_same_run() {
    let fingerprints = || {
        let output = Command::new(env!("CARGO_BIN_EXE_zk-sim"))
            .args([
                "--first",
                "77",
                "--seeds",
                "4",
                "--jobs",
                "1",
                "--fingerprints",
            ])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<String> = text.lines().take(4).map(str::to_owned).collect();
        assert_eq!(lines.len(), 4, "{text}");
        lines
    };
    let first = fingerprints();
    assert_eq!(first, fingerprints());
    let values: std::collections::BTreeSet<_> = first.iter().map(|l| l.split(' ').nth(1)).collect();
    assert_eq!(values.len(), 4, "{first:?}");
}

/// Every event of a run, as it is printed.
#[test]
fn the_same_seed_is_the_same_run_to_the_byte() {
    let trace = |seed: &str| {
        let args = ["--first", seed, "--jobs", "1", "--trace"];
        let output = Command::new(env!("CARGO_BIN_EXE_zk-sim"))
            .args(args)
            .output();
        let mut text = String::from_utf8(output.unwrap().stdout).unwrap();
        // How long it took is not of the run.
        let end = text.rfind(" watch events judged").unwrap();
        text.truncate(end);
        text
    };
    let first = trace("7");
    assert!(first.lines().count() > 300);
    assert!(first == trace("7"), "seed 7 is not the same run twice");
    assert!(first != trace("8"));
}

#[test]
fn what_is_never_exercised_fails_the_run() {
    let run = |more: &[&str]| {
        let args = [&["--first", "3", "--jobs", "1"], more].concat();
        let output = Command::new(env!("CARGO_BIN_EXE_zk-sim"))
            .args(args)
            .output();
        let output = output.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.success(), text)
    };
    let (well, text) = run(&[]);
    assert!(well, "{text}");
    let (well, text) = run(&["--all"]);
    assert!(!well, "{text}");
    let missing = text.lines().find(|l| l.starts_with("never exercised: "));
    assert!(missing.unwrap().contains("TRUNC breaks off"), "{text}");
}
