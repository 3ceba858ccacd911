//! The Kafka side of the benchmark: start, idle memory, produce, fetch.

#![allow(
    clippy::disallowed_methods,
    reason = "starts servers on files of their own"
)]

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::Plan;
use super::kafka_load::KafkaLoad;
use super::measure::{KeepProbe, Kind, Measured, Pair};
use super::round::Round;
use super::side::{Side, answers_api_versions, free_addr};
use super::table::{Table, Target};
use super::zookeeper;

/// What we compare with.
const KAFKA: &str = "kafka-3.9.2";

/// Starts a broker with its data under `dir` on the ZooKeeper at `zookeeper`; Java when a class
/// path is given.
fn start(plan: &Plan, java: Option<&str>, dir: &Path, zookeeper: SocketAddr) -> Result<Side> {
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
            let mut command = Command::new(plan.binaries.join("broker"));
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

/// All rounds; the table is printed as it grows.
pub fn run(plan: &Plan, dir: &Path) -> Result<Table> {
    let class_path = crate::peers::java()
        .map_err(anyhow::Error::msg)?
        .class_path(KAFKA);
    // Each broker on a ZooKeeper of ours, which costs next to nothing.
    let zk_ours = zookeeper::start(plan, None, &dir.join("kafka-ours-zk"))?;
    let zk_java = zookeeper::start(plan, None, &dir.join("kafka-java-zk"))?;
    let ours = start(plan, None, &dir.join("kafka-ours"), zk_ours.addr)?;
    let java = start(
        plan,
        Some(&class_path),
        &dir.join("kafka-java"),
        zk_java.addr,
    )?;
    let mut table = Table::default();
    super::start_figures(&mut table, &ours, &java, 0.1, 24.0)?;

    let measured = |side: Side| -> Result<_> {
        let load = KafkaLoad::prepare(side.addr, "load")?;
        Ok(Measured { side, load })
    };
    let mut pair = Pair {
        ours: measured(ours)?,
        java: measured(java)?,
        rounds: plan.rounds,
        time: plan.time,
    };
    rounds(plan, dir, &mut pair, &mut table)?;
    super::resident(
        &mut table,
        "loaded",
        &pair.ours.side,
        &pair.java.side,
        Target::None,
    )?;
    Ok(table)
}

fn rounds(plan: &Plan, dir: &Path, pair: &mut Pair<KafkaLoad>, table: &mut Table) -> Result<()> {
    for (size, window, seconds) in [(1_000, 16, 8), (64_000, 4, 5)] {
        let time = Duration::from_secs(seconds);
        pair.warm_up(Kind::Writes, time, &|load, until| {
            load.produce(size, window, until)
        })?;
    }
    let mut produce = |name: &str, size, window, floor: &mut dyn FnMut() -> Result<f64>| {
        pair.compare(name, Kind::Writes, floor, &|load, until| {
            load.produce(size, window, until)
        })
    };
    let none = &mut || Ok(0.0);
    let name = "produce 64 KB, 4 in flight";
    if plan.wants(name) {
        let mut keep = KeepProbe::new(dir, 64_000)?;
        let half = Duration::from_millis(500);
        let c = produce(name, 64_000, 4, &mut || keep.cpu_s_per_gb(64_000, 4, half))?;
        table.row(&c, "CPU s/GB", Target::Ratio(0.25), Round::cpu_s_per_gb);
        let figure = "CPU of a bare receive and write as a share of it";
        table.share(&c, figure, Round::cpu_s_per_gb);
        table.row(&c, "user CPU s/GB", Target::None, Round::user_s_per_gb);
        table.latencies(&c, Target::None, Target::None);
    }
    let per_request = Round::cpu_us_per_operation;
    for (name, window, cpu, p50) in [
        (
            "produce 1 KB, 16 in flight",
            16,
            Target::Ratio(0.125),
            Target::None,
        ),
        (
            "produce 1 KB, 1 in flight",
            1,
            Target::None,
            Target::Ratio(1.0),
        ),
    ] {
        if plan.wants(name) {
            let c = produce(name, 1_000, window, none)?;
            table.row(&c, "CPU us/request", cpu, per_request);
            table.latencies(&c, p50, Target::None);
        }
    }
    let name = "fetch 1 MB, 2 in flight";
    if plan.wants(name) {
        // Enough for every fetch to be a full megabyte.
        produce("fill", 64_000, 4, none)?;
        pair.warm_up(Kind::Reads, Duration::from_secs(5), &|load, until| {
            load.fetch(2, until)
        })?;
        let c = pair.compare(name, Kind::Reads, &mut || Ok(0.0), &|load, until| {
            load.fetch(2, until)
        })?;
        let user = Round::user_s_per_gb;
        table.row(&c, "CPU s/GB", Target::Ratio(0.8), Round::cpu_s_per_gb);
        table.row(&c, "user CPU s/GB", Target::Ratio(0.25), user);
        table.latencies(&c, Target::None, Target::None);
    }
    Ok(())
}
