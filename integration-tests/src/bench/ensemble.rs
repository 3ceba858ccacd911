//! Three servers of ours against three of Apache's: operations through all of them at once, a
//! storm of watches, a million znodes, the loss of the leader, and the way back of a server.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a benchmark reads clocks and tells how far it is"
)]

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use proto::zk::OpCode;

use super::measure::{DiskProbe, settle};
use super::relay::Relays;
use super::round::{Round, Until};
use super::table::{Comparison, Table, Target};
use super::zk_load::{ZkLoad, ZkOp};
use super::{Plan, process, storm};
use crate::peers;
use crate::zk::oracle::{Acls, Request};
use crate::zk::{Ensemble, Kind, ZkClient};

const JAVA: Kind = Kind::Java("3.9.5");
pub(super) const SERVERS: usize = 3;
pub(super) const SESSION_MS: i32 = 40_000;
const ZNODES: usize = 1_000_000;
/// Creations kept under way while the znodes are made.
const WINDOW: usize = 1000;
/// What the elections write.
const ELECTED: &str = "/elected";
const KILLED: &str = "leader killed, tickTime=2000";

/// All rounds; the table is printed as it grows.
pub fn run(plan: &Plan, dir: &Path) -> Result<Table> {
    let mut table = Table::default();
    let dir = dir.join("ensemble");
    let mut ours = start(&dir.join("ours"), Kind::Ours)?;
    let mut java = start(&dir.join("java"), JAVA)?;
    // First: what a session takes shows in a process that has no free memory of its own.
    storm::run(plan, &ours, &java, &mut table)?;
    operations(plan, &dir, &ours, &java, &mut table)?;
    elections(plan, &mut ours, &mut java, &mut table)?;
    znodes(plan, &mut ours, &mut java, &mut table)?;
    Ok(table)
}

fn start(dir: &Path, kind: Kind) -> Result<Ensemble> {
    let java = peers::java().map_err(anyhow::Error::msg)?;
    let mut ensemble = Ensemble::local(dir, SERVERS, 0)
        .java(java)
        .line("tickTime=2000")
        .line("initLimit=30")
        .line("syncLimit=10")
        // Apache's own default: tests make it small.
        .line("preAllocSize=65536")
        .line("maxSessionTimeout=600000");
    // What Apache's scripts give the Java machine, and its own choice of the rest.
    for option in [
        "-Xmx1000m",
        "-XX:-UseSerialGC",
        "-XX:+UseG1GC",
        "-XX:TieredStopAtLevel=4",
    ] {
        ensemble = ensemble.java_option(option);
    }
    ensemble.start_all(&[kind; SERVERS]);
    Ok(ensemble)
}

pub(super) fn cpu(ensemble: &Ensemble) -> Result<Duration> {
    let times = ensemble.running();
    let times = times
        .iter()
        .map(|&id| process::cpu_time(ensemble.process(id).pid()));
    times.sum()
}

fn resident_mib(ensemble: &Ensemble) -> Result<f64> {
    let mut most = 0;
    for id in ensemble.running() {
        most = most.max(process::resident_kib(ensemble.process(id).pid())?);
    }
    Ok(most as f64 / 1024.0)
}

/// One connection to each server, all loaded at once; CPU time is the sum over the servers.
struct Loads {
    pids: Vec<u32>,
    loads: Vec<ZkLoad>,
}

impl Loads {
    fn prepare(ensemble: &Ensemble) -> Result<Self> {
        let loads = ensemble
            .ids()
            .map(|id| ZkLoad::prepare(ensemble.addr(id), &id.to_string()));
        let running = ensemble.running().into_iter();
        Ok(Self {
            pids: running.map(|id| ensemble.process(id).pid()).collect(),
            loads: loads.collect::<Result<_>>()?,
        })
    }

    fn cpu(&self) -> Result<Duration> {
        self.pids.iter().map(|&pid| process::cpu_time(pid)).sum()
    }

    fn run(&mut self, op: ZkOp, window: usize, until: Until) -> Result<Round> {
        self.settle()?;
        let before = self.cpu()?;
        let rounds: Vec<Result<Round>> = std::thread::scope(|scope| {
            let running: Vec<_> = self
                .loads
                .iter_mut()
                .map(|load| scope.spawn(move || load.run(op, window, until)))
                .collect();
            let join = running.into_iter().map(|thread| thread.join());
            join.map(|done| done.unwrap_or_else(|_| bail!("a load generator panicked")))
                .collect()
        });
        let mut whole = Round::default();
        for round in rounds {
            let round = round?;
            whole.operations += round.operations;
            whole.bytes += round.bytes;
            whole.elapsed = whole.elapsed.max(round.elapsed);
            whole.latencies.extend(round.latencies);
        }
        whole.latencies.sort_unstable();
        self.settle()?;
        whole.cpu = self.cpu()? - before;
        Ok(whole)
    }

    /// What a round leaves behind (snapshots, collections of garbage) is part of its cost.
    fn settle(&self) -> Result<()> {
        self.pids.iter().try_for_each(|&pid| settle(pid))
    }
}

const LOADS: [(ZkOp, &str); 4] = [
    (ZkOp::Set, "set"),
    (ZkOp::Get, "get"),
    (ZkOp::Mix, "70/30 mix"),
    (ZkOp::Create, "create"),
];
const WINDOWS: [usize; 3] = [1, 64, 1024];

fn operations(
    plan: &Plan,
    dir: &Path,
    ours: &Ensemble,
    java: &Ensemble,
    table: &mut Table,
) -> Result<()> {
    let name = |name: &str, window: usize| format!("{name}, {window} in flight");
    let mut loads = LOADS
        .iter()
        .flat_map(|(_, load)| WINDOWS.map(|window| name(load, window)));
    if !loads.any(|load| plan.wants(&load)) {
        return Ok(());
    }
    let (mut ours, mut java) = (Loads::prepare(ours)?, Loads::prepare(java)?);
    let (relays, loads) = Relays::start(plan, dir)?;
    let mut bare = Loads {
        pids: relays.pids(),
        loads,
    };
    for (op, seconds) in [(ZkOp::Get, 4), (ZkOp::Set, 6), (ZkOp::Create, 2)] {
        for loads in [&mut java, &mut ours] {
            let until = Until::Time(Duration::from_secs(seconds));
            loads.run(op, 64, until).context("warm-up")?;
        }
    }
    let mut disk = DiskProbe::new(dir)?;
    for (op, load) in LOADS {
        for window in WINDOWS {
            let mut c = Comparison {
                name: name(load, window),
                pairs: Vec::new(),
                floor: Vec::new(),
            };
            if !plan.wants(&c.name) {
                continue;
            }
            let mut relayed = Vec::new();
            for _ in 0..plan.rounds {
                let floor = match op {
                    ZkOp::Get => 0.0,
                    _ => disk.p99_us(Duration::from_millis(500))?,
                };
                let java = java.run(op, window, Until::Time(plan.time))?;
                // As many requests of each connection as Apache's had on average.
                let each = java.operations / SERVERS as u64;
                let until = match op {
                    ZkOp::Get => Until::Time(plan.time),
                    _ => Until::Count(each),
                };
                if op == ZkOp::Set {
                    relayed.push((bare.run(op, window, until)?, java.clone()));
                }
                c.pairs.push((ours.run(op, window, until)?, java));
                c.floor.push(floor);
            }
            let cpu = Round::cpu_us_per_operation;
            table.row(&c, "CPU us/op, all servers", Target::Ratio(0.125), cpu);
            table.latencies(&c, Target::None, Target::Ratio(0.25));
            if op != ZkOp::Get {
                table.floor_share(&c, "fdatasync's p99 as a share of it");
            }
            if op == ZkOp::Set {
                c.pairs = relayed;
                for (figure, of) in [
                    (
                        "CPU us/op of bare relays in place of ours",
                        cpu as fn(&Round) -> f64,
                    ),
                    ("p50 us of bare relays", |round| round.percentile(0.5)),
                    ("p99 us of bare relays", |round| round.percentile(0.99)),
                ] {
                    table.row(&c, figure, Target::None, of);
                }
            }
        }
    }
    Ok(())
}

/// From kill -9 of the leader to the first write that a survivor acknowledges.
fn elections(
    plan: &Plan,
    ours: &mut Ensemble,
    java: &mut Ensemble,
    table: &mut Table,
) -> Result<()> {
    if !plan.wants(KILLED) {
        return Ok(());
    }
    for ensemble in [&*ours, &*java] {
        let mut client = ZkClient::connect(ensemble.addr(1), SESSION_MS).map_err(|_| Refused)?;
        let made = Request::create(OpCode::Create, ELECTED, Some(b"0"), Acls::Open, 0);
        client
            .call(OpCode::Create, &made.body)
            .map_err(|_| Refused)?;
    }
    let mut pairs = Vec::new();
    for _ in 0..plan.rounds {
        pairs.push((election(ours, Kind::Ours)?, election(java, JAVA)?));
    }
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let a = median(pairs.iter().map(|&(a, _)| a).collect());
    let b = median(pairs.iter().map(|&(_, b)| b).collect());
    let ratio = median(pairs.iter().map(|&(a, b)| a / b).collect());
    let figure = "ms to the first write";
    table.plain(KILLED, figure, (a, b, ratio), Target::Ratio(0.5));
    table.plain(KILLED, figure, (a, b, ratio), Target::Ours(500.0));
    Ok(())
}

fn election(ensemble: &mut Ensemble, kind: Kind) -> Result<f64> {
    let leader = ensemble.wait_serving();
    let addrs: Vec<SocketAddr> = ensemble
        .ids()
        .filter(|&id| id != leader)
        .map(|id| ensemble.addr(id))
        .collect();
    ensemble.kill(leader);
    let begun = Instant::now();
    let limit = Duration::from_secs(1);
    let ticket = crate::zk::Ticket::default();
    let set = Request::set(ELECTED, Some(b"2"), -1);
    let mut turn = 0;
    let ms = loop {
        turn += 1;
        let addr = addrs[turn % addrs.len()];
        let written = ZkClient::resume(addr, &ticket, SESSION_MS, limit)
            .and_then(|mut client| client.call(OpCode::SetData, &set.body));
        if written.is_ok_and(|(err, _)| err == 0) {
            break begun.elapsed().as_secs_f64() * 1e3;
        }
        if begun.elapsed() > Duration::from_secs(120) {
            bail!("no write for two minutes after the leader was killed");
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    ensemble.start(leader, kind);
    ensemble.wait_serving();
    Ok(ms)
}

/// A million znodes of a hundred bytes: what they take, and how a server comes back with them.
fn znodes(plan: &Plan, ours: &mut Ensemble, java: &mut Ensemble, table: &mut Table) -> Result<()> {
    let load = format!("{ZNODES} znodes of 100 bytes");
    if !plan.wants(&load) {
        return Ok(());
    }
    let mut figures = Vec::new();
    for (ensemble, kind) in [(ours, Kind::Ours), (java, JAVA)] {
        eprintln!("{ZNODES} znodes on {kind}");
        fill(ensemble)?;
        let resident = resident_mib(ensemble)?;
        let leader = ensemble.leader().context("no leader")?;
        let id = leader % SERVERS + 1;
        ensemble.stop(id);
        let disk = come_back(ensemble, id, kind)?;
        ensemble.stop(id);
        std::fs::remove_dir_all(ensemble.member_dir(id).join("data/version-2"))?;
        let snap = come_back(ensemble, id, kind)?;
        figures.push((resident, disk, snap));
        for id in ensemble.ids() {
            ensemble.kill(id);
        }
    }
    let [(ours, ours_disk, ours_snap), (java, java_disk, java_snap)] = figures[..] else {
        bail!("two sides");
    };
    let third = Target::Ratio(0.333);
    for (figure, a, b) in [
        ("resident MiB, the largest server", ours, java),
        ("s to serve again, from disk", ours_disk.0, java_disk.0),
        ("resident MiB then", ours_disk.1, java_disk.1),
        ("s to serve again, by SNAP", ours_snap.0, java_snap.0),
        ("resident MiB then", ours_snap.1, java_snap.1),
    ] {
        table.plain(&load, figure, (a, b, a / b), third);
    }
    Ok(())
}

fn fill(ensemble: &Ensemble) -> Result<()> {
    let leader = ensemble.leader().context("no leader")?;
    // Folders of a thousand, so that no list of children is too long.
    let mut load = ZkLoad::connect(ensemble.addr(leader))?;
    load.create(ZNODES as u64, WINDOW, |n, path| {
        let _ = match n % 1000 {
            0 => write!(path, "/m{}", n / 1000),
            k => write!(path, "/m{}/n{k}", n / 1000),
        };
    })?;
    ensemble.wait_level();
    Ok(())
}

#[derive(Debug, thiserror::Error)]
#[error("the server refused the session")]
pub(super) struct Refused;

/// Seconds from exec until it serves, and its memory then, in MiB.
fn come_back(ensemble: &mut Ensemble, id: usize, kind: Kind) -> Result<(f64, f64)> {
    let begun = Instant::now();
    ensemble.start(id, kind);
    while ensemble.mode(id).is_none() {
        if begun.elapsed() > Duration::from_secs(300) {
            bail!("member {id} does not come back");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let seconds = begun.elapsed().as_secs_f64();
    let resident = process::resident_kib(ensemble.process(id).pid())? as f64 / 1024.0;
    Ok((seconds, resident))
}
