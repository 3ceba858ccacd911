//! Runs ours and Apache's servers side by side on the same load, prints ratios and records them.
#![allow(clippy::print_stdout, reason = "a benchmark program")]

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use integration_tests::bench::{Plan, ensemble, kafka, record, zookeeper};

#[derive(Debug, Parser)]
#[command(about = "Ours and Apache's servers, side by side")]
struct Args {
    /// folder of our release binaries
    #[arg(long, default_value = "target/release")]
    binaries: PathBuf,
    /// pairs of rounds of each load
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// seconds of a round of Apache's; ours does as many writes
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// which loads
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "zookeeper,ensemble,kafka"
    )]
    loads: Vec<Loads>,
    /// only loads whose name has this in it; nothing is recorded
    #[arg(long, default_value = "")]
    only: String,
    /// where the servers keep their data while the benchmark runs
    #[arg(long)]
    dir: Option<PathBuf>,
    /// the file whose sections the tables replace
    #[arg(long)]
    record: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Loads {
    Zookeeper,
    Ensemble,
    Kafka,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let temp = tempfile::Builder::new().prefix("bench").tempdir()?;
    let dir = args.dir.unwrap_or_else(|| temp.path().to_owned());
    let plan = Plan {
        binaries: args.binaries,
        rounds: args.rounds,
        time: Duration::from_secs_f64(args.seconds),
        only: args.only,
    };
    for loads in args.loads {
        let (name, table) = match loads {
            Loads::Zookeeper => ("zookeeper", zookeeper::run(&plan, &dir)?),
            Loads::Ensemble => ("ensemble", ensemble::run(&plan, &dir)?),
            Loads::Kafka => ("kafka", kafka::run(&plan, &dir)?),
        };
        if let Some(file) = args.record.as_ref().filter(|_| plan.only.is_empty()) {
            record::write(file, name, &table.text)?;
        }
        println!();
    }
    Ok(())
}
