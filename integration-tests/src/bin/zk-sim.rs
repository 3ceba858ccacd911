//! Runs ensembles in the deterministic world, seed after seed, and prints what was exercised.
//!
//! ```text
//! zk-sim --seeds 2000             seeds 0 to 1999
//! zk-sim --first 17 --trace       one seed, with all that happens
//! zk-sim --seeds 0 --scenarios 10 every known bug's situation, ten seeds of each
//! zk-sim --minutes 60             for an hour, from a seed of the clock on
//! ```
//! Exit code 1: a seed has failed (it is printed), or something was never exercised.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program that prints its results, measures its time and starts its threads"
)]

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use integration_tests::sim::ensemble::{Coverage, Plan, SCENARIOS, Scenario, World};

#[derive(Debug, Parser)]
#[command(name = "zk-sim", about = "Simulates ZooKeeper ensembles with faults")]
struct Args {
    /// The first seed; from the clock when absent and --minutes is given
    #[arg(long)]
    first: Option<u64>,
    /// How many seeds
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// How many seeds of each scenario
    #[arg(long, default_value_t = 0)]
    scenarios: u64,
    /// Only the scenario of this name, or of this ZOOKEEPER issue
    #[arg(long)]
    scenario: Option<String>,
    /// Go on for so many minutes instead
    #[arg(long)]
    minutes: Option<u64>,
    /// Threads; one seed runs in one thread
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Print all that happens
    #[arg(long)]
    trace: bool,
    /// Print a fingerprint of every run
    #[arg(long)]
    fingerprints: bool,
    /// Fail when a fault, an invariant or an event was never exercised
    #[arg(long)]
    all: bool,
}

/// What the threads have found.
#[derive(Default)]
struct Found {
    coverage: Coverage,
    failures: Vec<String>,
    histories: (u64, u64, u64),
}

fn main() -> ExitCode {
    let args = Args::parse();
    let begun = Instant::now();
    let first = match (args.first, args.minutes) {
        (Some(first), _) => first,
        (None, None) => 0,
        (None, Some(_)) => integration_tests::rng::seed() % 1_000_000_000_000,
    };
    let wanted = |scenario: &&Scenario| match &args.scenario {
        None => true,
        Some(text) => {
            scenario.name == text || scenario.issues.iter().any(|n| n.to_string() == *text)
        }
    };
    let scenarios: Vec<&Scenario> = SCENARIOS.iter().filter(wanted).collect();
    let until = args.minutes.map(|m| begun + Duration::from_secs(m * 60));
    let next = AtomicU64::new(0);
    let found = Mutex::new(Found::default());
    std::thread::scope(|scope| {
        for _ in 0..args.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some((seed, scenario)) = nth(n, &args, &scenarios, until) else {
                        return;
                    };
                    one(first + seed, scenario, &args, &found);
                }
            });
        }
    });
    let found = found
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    print!("{}", found.coverage);
    let (writes, reads, watches) = found.histories;
    println!("{writes} writes, {reads} reads and {watches} watch events judged");
    println!("{} ms", begun.elapsed().as_millis());
    for failure in &found.failures {
        println!("FAILED {failure}");
    }
    let missing = found.coverage.missing();
    if args.all && !missing.is_empty() {
        println!("never exercised: {}", missing.join(", "));
        return ExitCode::FAILURE;
    }
    if found.failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The n-th run: seeds first, then the scenarios; in turns when there is no end.
fn nth<'s>(
    n: u64,
    args: &Args,
    scenarios: &[&'s Scenario],
    until: Option<Instant>,
) -> Option<(u64, Option<&'s Scenario>)> {
    let count = scenarios.len() as u64;
    let of = |n: u64| scenarios.get((n % count.max(1)) as usize).copied();
    if let Some(until) = until {
        let scenario = if n % 4 == 3 { of(n / 4) } else { None };
        return (Instant::now() < until).then_some((n, scenario));
    }
    if n < args.seeds {
        return Some((n, None));
    }
    let n = n - args.seeds;
    (n < args.scenarios * count).then(|| (n / count, of(n)))
}

fn one(seed: u64, scenario: Option<&Scenario>, args: &Args, found: &Mutex<Found>) {
    let plan = match scenario {
        Some(scenario) => scenario.plan(seed),
        None => Plan::random(seed),
    };
    let mut world = World::new(plan);
    world.trace = args.trace;
    let result = world.run();
    if args.fingerprints {
        println!("{seed} {:016x}", world.fingerprint());
    }
    if let Some(scenario) = scenario {
        if scenario.has_happened(&world.coverage) {
            world.coverage.scenario(scenario.name);
        }
    }
    let mut found = found
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    found.coverage.add(&world.coverage);
    let history = world.history();
    found.histories.0 += history.writes;
    found.histories.1 += history.reads;
    found.histories.2 += history.watches;
    if let Err(failure) = result {
        let failure = match scenario {
            Some(scenario) => format!("scenario \"{}\": {failure}", scenario.name),
            None => failure.to_string(),
        };
        println!("FAILED {failure}");
        found.failures.push(failure);
    }
}
