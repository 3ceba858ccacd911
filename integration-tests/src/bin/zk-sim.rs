//! Runs ensembles in the deterministic world, seed after seed, and prints what was exercised.
//!
//! ```text
//! zk-sim --seeds 2000             seeds 0 to 1999
//! zk-sim --first 17 --trace       one seed, with all that happens
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
use integration_tests::sim::ensemble::{Coverage, Plan, World};

#[derive(Debug, Parser)]
#[command(name = "zk-sim", about = "Simulates ZooKeeper ensembles with faults")]
struct Args {
    /// The first seed; from the clock when absent and --minutes is given
    #[arg(long)]
    first: Option<u64>,
    /// How many seeds
    #[arg(long, default_value_t = 1)]
    seeds: u64,
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
    let until = args.minutes.map(|m| begun + Duration::from_secs(m * 60));
    let next = AtomicU64::new(0);
    let found = Mutex::new(Found::default());
    std::thread::scope(|scope| {
        for _ in 0..args.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let over = match until {
                        Some(until) => Instant::now() >= until,
                        None => n >= args.seeds,
                    };
                    if over {
                        return;
                    }
                    one(first + n, &args, &found);
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

fn one(seed: u64, args: &Args, found: &Mutex<Found>) {
    let mut world = World::new(Plan::random(seed));
    world.trace = args.trace;
    let result = world.run();
    if args.fingerprints {
        println!("{seed} {:016x}", world.fingerprint());
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
        println!("FAILED {failure}");
        found.failures.push(failure.to_string());
    }
}
