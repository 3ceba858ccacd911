//! Runs ours and Apache's servers side by side on the same load and prints ratios.
//!
//! Rounds of a few seconds alternate between the two, and only neighbouring rounds are compared:
//! a machine's speed changes within minutes, and its neighbours' within seconds.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark program"
)]

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use integration_tests::bench::kafka_load::KafkaLoad;
use integration_tests::bench::process;
use integration_tests::bench::round::Round;
use integration_tests::bench::side::{Side, answers_api_versions, answers_srvr, free_addr};
use integration_tests::bench::table::{self, Comparison};
use integration_tests::bench::zk_load::{ZkLoad, ZkOp};

/// The peers that we compare with.
const ZOOKEEPER: &str = "zookeeper-3.9.5";
const KAFKA: &str = "kafka-3.9.2";

#[derive(Debug, Parser)]
#[command(about = "Ours and Apache's servers, side by side")]
struct Args {
    /// folder of our release binaries
    #[arg(long, default_value = "target/release")]
    binaries: PathBuf,
    /// pairs of rounds of each load
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// seconds of a round
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// which loads: zookeeper, kafka
    #[arg(long, value_delimiter = ',', default_value = "zookeeper,kafka")]
    loads: Vec<String>,
    /// where the servers keep their data while the benchmark runs
    #[arg(long)]
    dir: Option<PathBuf>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let temp = tempfile::Builder::new().prefix("bench").tempdir()?;
    let dir = args.dir.clone().unwrap_or_else(|| temp.path().to_owned());
    println!("{}", table::HEAD);
    if args.loads.iter().any(|l| l == "zookeeper") {
        zookeeper(&args, &dir)?;
    }
    if args.loads.iter().any(|l| l == "kafka") {
        kafka(&args, &dir)?;
    }
    Ok(())
}

/// Starts a ZooKeeper server with its data under `dir`; Java when a class path is given.
fn zookeeper_side(args: &Args, java: Option<&str>, dir: &Path) -> Result<Side> {
    fs::create_dir_all(dir)?;
    let addr = free_addr()?;
    let config = dir.join("zoo.cfg");
    let data = dir.join("data");
    fs::write(
        &config,
        format!(
            "tickTime=2000\ndataDir={}\nclientPort={}\nclientPortAddress=127.0.0.1\n\
             admin.enableServer=false\n",
            data.display(),
            addr.port()
        ),
    )?;
    let command = match java {
        None => {
            let mut command = Command::new(args.binaries.join("zk-server"));
            command.arg(&config).env("ZOO_LOG_DIR", dir);
            command
        }
        Some(class_path) => {
            let mut command = Command::new("java");
            command.args(["-Xmx1000m", "-cp", class_path]);
            command
                .arg("org.apache.zookeeper.server.quorum.QuorumPeerMain")
                .arg(&config);
            command
        }
    };
    Side::start(command, dir, addr, answers_srvr)
}

/// The disk's own price of a commit: p99 of a small append and fdatasync, in microseconds.
fn disk_p99_us(dir: &Path, time: Duration) -> Result<f64> {
    let file = fs::File::create(dir.join("fdatasync.probe"))?;
    file.set_len(64 << 20)?;
    file.sync_all()?;
    let mut round = Round::default();
    let start = Instant::now();
    let mut at = 0;
    while start.elapsed() < time {
        let before = Instant::now();
        file.write_all_at(&[1; 256], at)?;
        file.sync_data()?;
        at += 256;
        round.latencies.push(before.elapsed().as_micros() as u32);
    }
    round.latencies.sort_unstable();
    Ok(round.percentile(0.99))
}

fn measured(side: &Side, run: impl FnOnce() -> Result<Round>) -> Result<Round> {
    let (cpu, user) = (
        process::cpu_time(side.pid())?,
        process::user_time(side.pid())?,
    );
    let mut round = run()?;
    round.cpu = process::cpu_time(side.pid())? - cpu;
    round.user = process::user_time(side.pid())? - user;
    Ok(round)
}

fn zookeeper(args: &Args, dir: &Path) -> Result<()> {
    let class_path = integration_tests::peers::java()
        .map_err(anyhow::Error::msg)?
        .class_path(ZOOKEEPER);
    let ours = zookeeper_side(args, None, &dir.join("zk-ours"))?;
    let java = zookeeper_side(args, Some(&class_path), &dir.join("zk-java"))?;
    let mib = |side: &Side| -> Result<f64> { Ok(side.resident_kib()? as f64 / 1024.0) };
    start_figures("zookeeper", &ours, &java, 0.1, 12.0)?;

    let mut ours_load = ZkLoad::prepare(ours.addr, "ours")?;
    let mut java_load = ZkLoad::prepare(java.addr, "java")?;
    let time = Duration::from_secs_f64(args.seconds);
    // The JVM compiles its hot paths first; a cold one is no measure.
    for (op, seconds) in [(ZkOp::Get, 5), (ZkOp::Create, 1), (ZkOp::Set, 5)] {
        for load in [&mut java_load, &mut ours_load] {
            load.run(op, 64, Duration::from_secs(seconds))
                .context("warm-up")?;
        }
    }
    // One in flight first: the mass of znodes that the other leaves behind makes for snapshots,
    // whose writing would be measured instead.
    for window in [1, 64] {
        for (op, name) in [
            (ZkOp::Get, "get"),
            (ZkOp::Set, "set"),
            (ZkOp::Create, "create"),
        ] {
            let mut pairs = Vec::new();
            for _ in 0..args.rounds {
                let a = measured(&ours, || ours_load.run(op, window, time))?;
                let b = measured(&java, || java_load.run(op, window, time))?;
                pairs.push((a, b));
            }
            let c = Comparison {
                name: format!("zookeeper {name}, {window} in flight"),
                pairs,
            };
            let target = (window == 64).then_some(0.1);
            println!(
                "{}",
                table::row(&c, "CPU us/op", target, Round::cpu_us_per_operation)
            );
            println!(
                "{}",
                table::row(&c, "op/s", None, Round::operations_per_second)
            );
            let disk = match op {
                ZkOp::Get => 0.0,
                _ => disk_p99_us(dir, time)?,
            };
            let beyond = |r: &Round| (r.percentile(0.99) - disk).max(1.0);
            let label = format!("p99 us beyond the disk's {disk:.0}");
            println!("{}", table::row(&c, &label, Some(0.25), beyond));
        }
    }
    let (a, b) = (mib(&ours)?, mib(&java)?);
    println!(
        "{}",
        table::plain("zookeeper loaded", "resident MiB", a, b, a / b, None)
    );
    Ok(())
}

/// Ready time and idle memory, with the absolute limits of ours.
fn start_figures(name: &str, ours: &Side, java: &Side, ready_s: f64, mib: f64) -> Result<()> {
    let (a, b) = (ours.ready.as_secs_f64(), java.ready.as_secs_f64());
    let load = format!("{name} start");
    println!(
        "{} ours <= {ready_s} s: {}",
        table::plain(&load, "s to first answer", a, b, a / b, None),
        if a <= ready_s { "met" } else { "MISSED" }
    );
    let (a, b) = (
        ours.resident_kib()? as f64 / 1024.0,
        java.resident_kib()? as f64 / 1024.0,
    );
    let load = format!("{name} idle");
    println!(
        "{} ours <= {mib} MiB: {}",
        table::plain(&load, "resident MiB", a, b, a / b, None),
        if a <= mib { "met" } else { "MISSED" }
    );
    Ok(())
}

/// Starts a broker with its data under `dir` on the ZooKeeper at `zookeeper`; Java when a class
/// path is given.
fn kafka_side(args: &Args, java: Option<&str>, dir: &Path, zookeeper: SocketAddr) -> Result<Side> {
    fs::create_dir_all(dir)?;
    let addr = free_addr()?;
    let config = dir.join("server.properties");
    fs::write(
        &config,
        format!(
            "broker.id=0\nlisteners=PLAINTEXT://{addr}\nlog.dirs={}\nzookeeper.connect={zookeeper}\n\
             offsets.topic.replication.factor=1\ntransaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\nlog.retention.check.interval.ms=1000\n",
            dir.join("logs").display(),
        ),
    )?;
    let command = match java {
        None => {
            let mut command = Command::new(args.binaries.join("broker"));
            command.arg(&config).env("LOG_DIR", dir);
            command
        }
        Some(class_path) => {
            // What kafka-server-start.sh and kafka-run-class.sh give the Java machine.
            let mut command = Command::new("java");
            command.args(["-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC"]);
            command.args([
                "-XX:MaxGCPauseMillis=20",
                "-XX:InitiatingHeapOccupancyPercent=35",
            ]);
            command.args(["-XX:+ExplicitGCInvokesConcurrent", "-XX:MaxInlineLevel=15"]);
            command.args(["-Djava.awt.headless=true", "-cp", class_path, "kafka.Kafka"]);
            command.arg(&config);
            command
        }
    };
    Side::start(command, dir, addr, answers_api_versions)
}

fn kafka(args: &Args, dir: &Path) -> Result<()> {
    let java = integration_tests::peers::java().map_err(anyhow::Error::msg)?;
    // Each broker on a ZooKeeper of ours, which costs next to nothing.
    let zk_ours = zookeeper_side(args, None, &dir.join("kafka-ours-zk"))?;
    let zk_java = zookeeper_side(args, None, &dir.join("kafka-java-zk"))?;
    let ours = kafka_side(args, None, &dir.join("kafka-ours"), zk_ours.addr)?;
    let class_path = java.class_path(KAFKA);
    let java = kafka_side(
        args,
        Some(&class_path),
        &dir.join("kafka-java"),
        zk_java.addr,
    )?;
    start_figures("broker", &ours, &java, 0.1, 24.0)?;

    let mut ours_load = KafkaLoad::prepare(ours.addr, "bench")?;
    let mut java_load = KafkaLoad::prepare(java.addr, "bench")?;
    let time = Duration::from_secs_f64(args.seconds);
    for (load, name) in [(&mut java_load, "Apache's"), (&mut ours_load, "ours")] {
        eprintln!("warming up {name}");
        load.produce(1_000, 16, Duration::from_secs(8))
            .context("warm-up")?;
        load.produce(64_000, 4, Duration::from_secs(3))
            .context("warm-up")?;
        load.fetch(2, Duration::from_secs(5)).context("warm-up")?;
    }
    let mut compare = |name: &str, run: &dyn Fn(&mut KafkaLoad) -> Result<Round>| {
        let mut pairs = Vec::new();
        for _ in 0..args.rounds {
            let first = measured(&ours, || run(&mut ours_load))?;
            let second = measured(&java, || run(&mut java_load))?;
            pairs.push((first, second));
        }
        let name = name.to_owned();
        Ok::<_, anyhow::Error>(Comparison { name, pairs })
    };
    let c = compare("produce 64 KB, 4 in flight", &|load| {
        load.produce(64_000, 4, time)
    })?;
    println!(
        "{}",
        table::row(&c, "CPU s/GB", Some(0.25), Round::cpu_s_per_gb)
    );
    latencies(&c, None);
    let c = compare("produce 1 KB, 16 in flight", &|load| {
        load.produce(1_000, 16, time)
    })?;
    println!(
        "{}",
        table::row(
            &c,
            "CPU us/request",
            Some(0.125),
            Round::cpu_us_per_operation
        )
    );
    latencies(&c, None);
    let c = compare("produce 1 KB, 1 in flight", &|load| {
        load.produce(1_000, 1, time)
    })?;
    println!(
        "{}",
        table::row(&c, "CPU us/request", None, Round::cpu_us_per_operation)
    );
    latencies(&c, Some(1.0));
    // Enough for every fetch to be a full megabyte.
    compare("fill", &|load| {
        load.produce(64_000, 4, Duration::from_secs(1))
    })?;
    let c = compare("fetch 1 MB, 2 in flight", &|load| load.fetch(2, time))?;
    println!(
        "{}",
        table::row(&c, "CPU s/GB", Some(0.8), Round::cpu_s_per_gb)
    );
    println!(
        "{}",
        table::row(&c, "user CPU s/GB", Some(0.25), Round::user_s_per_gb)
    );
    latencies(&c, None);
    let (a, b) = (
        ours.resident_kib()? as f64 / 1024.0,
        java.resident_kib()? as f64 / 1024.0,
    );
    println!(
        "{}",
        table::plain("broker loaded", "resident MiB", a, b, a / b, None)
    );
    Ok(())
}

/// Throughput and latency; `p50` is the target of the median's ratio.
fn latencies(c: &Comparison, p50: Option<f64>) {
    println!(
        "{}",
        table::row(c, "op/s", None, Round::operations_per_second)
    );
    for (label, share, target) in [
        ("p50 us", 0.5, p50),
        ("p99 us", 0.99, None),
        ("p99.9 us", 0.999, None),
    ] {
        println!("{}", table::row(c, label, target, |r| r.percentile(share)));
    }
}
