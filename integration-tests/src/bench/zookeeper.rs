//! The ZooKeeper side of the benchmark: start, idle memory, get, set, create.

#![allow(
    clippy::disallowed_methods,
    reason = "starts servers on files of their own"
)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::Plan;
use super::measure::{DiskProbe, EchoProbe, Kind, Measured, Pair};
use super::round::Round;
use super::side::{Side, answers_srvr, free_addr};
use super::table::{Table, Target};
use super::zk_load::{ZkLoad, ZkOp};

/// What we compare with.
const ZOOKEEPER: &str = "zookeeper-3.9.5";

/// Starts a server with its data under `dir`; Java when a class path is given.
pub fn start(plan: &Plan, java: Option<&str>, dir: &Path) -> Result<Side> {
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
            let mut command = Command::new(plan.binaries.join("zk-server"));
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

/// A file system in memory: what remains of a latency there is what a server adds to the disk's own.
const RAM: &str = "/dev/shm";

const LOADS: [(ZkOp, &str, Kind); 3] = [
    (ZkOp::Get, "get", Kind::Reads),
    (ZkOp::Set, "set", Kind::Writes),
    (ZkOp::Create, "create", Kind::Writes),
];

/// All rounds; the table is printed as it grows.
pub fn run(plan: &Plan, dir: &Path) -> Result<Table> {
    let mut table = Table::default();
    on_disk(plan, dir, &mut table)?;
    let no_disk = LOADS.iter().any(|(_, load, _)| {
        [1, 64]
            .iter()
            .any(|&window| plan.wants(&in_ram(load, window)))
    });
    if no_disk && Path::new(RAM).is_dir() {
        let dir = tempfile::Builder::new().prefix("bench").tempdir_in(RAM)?;
        in_memory(plan, dir.path(), &mut table)?;
    }
    Ok(table)
}

fn in_ram(load: &str, window: usize) -> String {
    format!("{load}, {window} in flight, no disk")
}

/// Both servers with their data under `dir`.
fn sides(plan: &Plan, dir: &Path) -> Result<(Side, Side)> {
    let class_path = crate::peers::java()
        .map_err(anyhow::Error::msg)?
        .class_path(ZOOKEEPER);
    let ours = start(plan, None, &dir.join("zk-ours"))?;
    let java = start(plan, Some(&class_path), &dir.join("zk-java"))?;
    Ok((ours, java))
}

/// The two under load, warm.
fn pair(plan: &Plan, (ours, java): (Side, Side)) -> Result<Pair<ZkLoad>> {
    let measured = |side: Side| -> Result<_> {
        let load = ZkLoad::prepare(side.addr, "load")?;
        Ok(Measured { side, load })
    };
    let mut pair = Pair {
        ours: measured(ours)?,
        java: measured(java)?,
        rounds: plan.rounds,
        time: plan.time,
    };
    for (op, _, kind) in LOADS {
        pair.warm_up(kind, Duration::from_secs(5), &|load, until| {
            load.run(op, 64, until)
        })?;
    }
    Ok(pair)
}

fn on_disk(plan: &Plan, dir: &Path, table: &mut Table) -> Result<()> {
    let (ours, java) = sides(plan, dir)?;
    super::start_figures(table, &ours, &java, 0.1, 12.0)?;
    let mut pair = pair(plan, (ours, java))?;
    let (mut disk, mut echo) = (DiskProbe::new(dir)?, EchoProbe::new()?);
    // One in flight first: with the mass of znodes that the other leaves behind, snapshots take
    // longer.
    for window in [1, 64] {
        let of_many = |target| match window {
            64 => target,
            _ => Target::None,
        };
        for (op, name, kind) in LOADS {
            let name = format!("{name}, {window} in flight");
            if !plan.wants(&name) {
                continue;
            }
            let mut probe = || match kind {
                Kind::Reads => echo.p99_us(Duration::from_millis(500)),
                Kind::Writes => disk.p99_us(Duration::from_millis(500)),
            };
            let c = pair.compare(&name, kind, &mut probe, &|load, until| {
                load.run(op, window, until)
            })?;
            let cpu = of_many(Target::Ratio(0.1));
            table.row(&c, "CPU us/op", cpu, Round::cpu_us_per_operation);
            match kind {
                Kind::Reads => {
                    table.latencies(&c, Target::None, Target::Ratio(0.25));
                    if window == 1 {
                        table.floor_share(&c, "a bare echo's p99 as a share of it");
                    }
                }
                Kind::Writes => {
                    table.latencies(&c, Target::None, Target::None);
                    table.floor_share(&c, "fdatasync's p99 as a share of it");
                }
            }
        }
    }
    let (ours, java) = (&pair.ours.side, &pair.java.side);
    super::resident(table, "loaded", ours, java, Target::None)
}

/// The same servers on a file system in memory, where an `fdatasync` costs nothing.
fn in_memory(plan: &Plan, dir: &Path, table: &mut Table) -> Result<()> {
    let mut pair = pair(plan, sides(plan, dir)?)?;
    for window in [1, 64] {
        for (op, name, kind) in LOADS {
            if kind == Kind::Reads {
                continue;
            }
            let name = in_ram(name, window);
            if !plan.wants(&name) {
                continue;
            }
            let c = pair.compare(&name, kind, &mut || Ok(0.0), &|load, until| {
                load.run(op, window, until)
            })?;
            table.row(&c, "CPU us/op", Target::None, Round::cpu_us_per_operation);
            let p99 = match window {
                64 => Target::Ratio(0.25),
                _ => Target::None,
            };
            table.latencies(&c, Target::None, p99);
        }
    }
    Ok(())
}
