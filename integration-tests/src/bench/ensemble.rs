//! Three servers of ours against three of Apache's: operations through all of them at once, a
//! storm of watches, a million znodes, the loss of the leader, and the way back of a server.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a benchmark reads clocks and tells how far it is"
)]

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::request::{ConnectRequest, PathWatchRequest};

use super::round::{Inbox, Round, Until};
use super::table::{Comparison, Table, Target};
use super::zk_load::{ZkLoad, ZkOp};
use super::{Plan, process};
use crate::peers;
use crate::zk::oracle::{Acls, Request};
use crate::zk::{Ensemble, Kind, ZkClient, frame, plain_connect};

const JAVA: Kind = Kind::Java("3.9.5");
const SERVERS: usize = 3;
const SESSION_MS: i32 = 40_000;
const WATCHERS: usize = 10_000;
const ZNODES: usize = 1_000_000;
/// Creations kept under way while the znodes are made.
const WINDOW: usize = 1000;

/// All rounds; the table is printed as it grows.
pub fn run(plan: &Plan, dir: &Path) -> Result<Table> {
    let mut table = Table::default();
    let dir = dir.join("ensemble");
    let mut ours = start(&dir.join("ours"), Kind::Ours)?;
    let mut java = start(&dir.join("java"), JAVA)?;
    operations(plan, &ours, &java, &mut table)?;
    watches(&ours, &java, &mut table)?;
    elections(plan, &mut ours, &mut java, &mut table)?;
    znodes(&mut ours, &mut java, &mut table)?;
    Ok(table)
}

fn start(dir: &Path, kind: Kind) -> Result<Ensemble> {
    let java = peers::java().map_err(anyhow::Error::msg)?;
    let mut ensemble = Ensemble::local(dir, SERVERS, 0)
        .java(java)
        .line("tickTime=2000")
        .line("initLimit=30")
        .line("syncLimit=10")
        .line("maxSessionTimeout=120000");
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

fn cpu(ensemble: &Ensemble) -> Result<Duration> {
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
struct Loads<'a> {
    ensemble: &'a Ensemble,
    loads: Vec<ZkLoad>,
}

impl<'a> Loads<'a> {
    fn prepare(ensemble: &'a Ensemble) -> Result<Self> {
        let loads = ensemble
            .ids()
            .map(|id| ZkLoad::prepare(ensemble.addr(id), &id.to_string()));
        Ok(Self {
            ensemble,
            loads: loads.collect::<Result<_>>()?,
        })
    }

    fn run(&mut self, op: ZkOp, window: usize, until: Until) -> Result<Round> {
        let before = cpu(self.ensemble)?;
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
        whole.cpu = cpu(self.ensemble)? - before;
        Ok(whole)
    }
}

fn operations(plan: &Plan, ours: &Ensemble, java: &Ensemble, table: &mut Table) -> Result<()> {
    let (mut ours, mut java) = (Loads::prepare(ours)?, Loads::prepare(java)?);
    for (op, seconds) in [(ZkOp::Get, 4), (ZkOp::Set, 6), (ZkOp::Create, 2)] {
        for loads in [&mut java, &mut ours] {
            let until = Until::Time(Duration::from_secs(seconds));
            loads.run(op, 64, until).context("warm-up")?;
        }
    }
    for (op, name) in [
        (ZkOp::Set, "set"),
        (ZkOp::Get, "get"),
        (ZkOp::Mix, "70/30 mix"),
        (ZkOp::Create, "create"),
    ] {
        for window in [1, 64, 1024] {
            let mut c = Comparison {
                name: format!("{name}, {window} in flight"),
                pairs: Vec::new(),
                disk_us: Vec::new(),
            };
            for _ in 0..plan.rounds {
                let java = java.run(op, window, Until::Time(plan.time))?;
                // As many requests of each connection as Apache's had on average.
                let each = java.operations / SERVERS as u64;
                let until = match op {
                    ZkOp::Get => Until::Time(plan.time),
                    _ => Until::Count(each),
                };
                c.pairs.push((ours.run(op, window, until)?, java));
                c.disk_us.push(0.0);
            }
            let cpu = Round::cpu_us_per_operation;
            table.row(&c, "CPU us/op, all servers", Target::Ratio(0.125), cpu);
            table.latencies(&c, Target::None, Target::Ratio(0.25));
        }
    }
    Ok(())
}

/// Sessions on one server, each with a watch on one znode, until all are told of its change.
fn watches(ours: &Ensemble, java: &Ensemble, table: &mut Table) -> Result<()> {
    let (a, b) = (storm(ours)?, storm(java)?);
    let load = format!("{WATCHERS} sessions with a watch");
    for (figure, a, b, target) in [
        ("ms until all are told", a.told_ms, b.told_ms, Target::None),
        (
            "bytes per session, that server",
            a.per_session,
            b.per_session,
            Target::Ours(2048.0),
        ),
        (
            "bytes per watch, that server",
            a.per_watch,
            b.per_watch,
            Target::Ours(100.0),
        ),
    ] {
        table.plain(&load, figure, (a, b, a / b), target);
    }
    Ok(())
}

struct Storm {
    told_ms: f64,
    per_session: f64,
    per_watch: f64,
}

fn storm(ensemble: &Ensemble) -> Result<Storm> {
    let id = ensemble.leader().context("no leader")? % SERVERS + 1;
    let (addr, pid) = (ensemble.addr(id), ensemble.process(id).pid());
    let mut writer = ZkClient::connect(addr, SESSION_MS).map_err(|_| Refused)?;
    let made = Request::create(OpCode::Create, "/storm", Some(b"0"), Acls::Open, 0);
    writer
        .call(OpCode::Create, &made.body)
        .map_err(|_| Refused)?;
    let resident = || -> Result<f64> { Ok(process::resident_kib(pid)? as f64 * 1024.0) };
    let empty = resident()?;
    let mut watchers = Vec::with_capacity(WATCHERS);
    for _ in 0..WATCHERS {
        watchers.push(Watcher::connect(addr)?);
    }
    let connected = resident()?;
    for watcher in &mut watchers {
        watcher.watch()?;
    }
    let watching = resident()?;
    let begun = Instant::now();
    let set = Request::set("/storm", Some(b"1"), -1);
    writer.send(OpCode::SetData, &set.body);
    for watcher in &mut watchers {
        watcher.inbox.fill(&mut watcher.stream)?;
        watcher.inbox.next().context("an event")?;
    }
    let told_ms = begun.elapsed().as_secs_f64() * 1e3;
    let each = |more: f64| more.max(0.0) / WATCHERS as f64;
    Ok(Storm {
        told_ms,
        per_session: each(connected - empty),
        per_watch: each(watching - connected),
    })
}

#[derive(Debug, thiserror::Error)]
#[error("the server refused the session")]
struct Refused;

struct Watcher {
    stream: TcpStream,
    inbox: Inbox,
}

impl Watcher {
    fn connect(addr: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(addr)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut watcher = Self {
            stream,
            inbox: Inbox::default(),
        };
        let connect = plain_connect(&ConnectRequest {
            timeout: 120_000,
            password: Some(&[0; 16]),
            ..ConnectRequest::default()
        });
        watcher.ask(&connect)?;
        Ok(watcher)
    }

    fn watch(&mut self) -> Result<()> {
        let request = PathWatchRequest {
            path: "/storm",
            watch: true,
        };
        self.ask(&frame(1, OpCode::GetData.code(), &request.to_vec()))
    }

    fn ask(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes)?;
        self.inbox.fill(&mut self.stream)?;
        self.inbox.next().context("no answer")?;
        // Ten thousand of them: the load generator's memory counts too.
        self.inbox = Inbox::default();
        Ok(())
    }
}

/// From kill -9 of the leader to the first write that a survivor acknowledges.
fn elections(
    plan: &Plan,
    ours: &mut Ensemble,
    java: &mut Ensemble,
    table: &mut Table,
) -> Result<()> {
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
    let load = "leader killed, tickTime=2000";
    let figure = "ms to the first write";
    table.plain(load, figure, (a, b, ratio), Target::Ratio(0.5));
    table.plain(load, figure, (a, b, ratio), Target::Ours(500.0));
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
    let set = Request::set("/storm", Some(b"2"), -1);
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
fn znodes(ours: &mut Ensemble, java: &mut Ensemble, table: &mut Table) -> Result<()> {
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
    let load = format!("{ZNODES} znodes of 100 bytes");
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
    let mut client = ZkClient::connect(ensemble.addr(leader), SESSION_MS).map_err(|_| Refused)?;
    let (mut sent, mut made) = (0, 0);
    while made < ZNODES {
        while sent < ZNODES && sent < made + WINDOW {
            // Folders of a thousand, so that no list of children is too long.
            let path = match sent % 1000 {
                0 => format!("/m{}", sent / 1000),
                n => format!("/m{}/n{n}", sent / 1000),
            };
            let create = Request::create(OpCode::Create, &path, Some(&[b'x'; 100]), Acls::Open, 0);
            client.send(OpCode::Create, &create.body);
            sent += 1;
        }
        let (err, _) = client.receive().map_err(|_| Refused)?;
        if err != 0 {
            bail!("creation {made} failed: {err}");
        }
        made += 1;
    }
    ensemble.wait_level();
    Ok(())
}

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
