//! Ten thousand sessions on one server of an ensemble, each with a watch on one znode: what they take
//! there, and how long it is until all of them are told that it has changed.

#![allow(
    clippy::disallowed_methods,
    reason = "a load generator reads the clock"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::op::xid;
use proto::zk::request::{ConnectRequest, PathWatchRequest};
use proto::zk::response::ReplyHeader;

use super::ensemble::{Refused, SERVERS, SESSION_MS, cpu};
use super::table::{Comparison, Table, Target};
use super::{Plan, process, round::Round};
use crate::zk::oracle::{Acls, Request};
use crate::zk::{Ensemble, ZkClient, frame, plain_connect};

const WATCHERS: usize = 10_000;
/// Sessions that are opened at a time.
const CROWD: usize = 100;
const PATH: &str = "/storm";

pub fn run(plan: &Plan, ours: &Ensemble, java: &Ensemble, table: &mut Table) -> Result<()> {
    let load = format!("{WATCHERS} sessions with a watch");
    if !plan.wants(&load) {
        return Ok(());
    }
    driver::limits::raise_open_files()?;
    let rounds = plan.rounds.max(3);
    // One after the other: both at once are more files than many systems let a process have.
    let (java, ours) = (measure(java, rounds)?, measure(ours, rounds)?);
    let c = Comparison {
        name: load.clone(),
        pairs: ours.rounds.into_iter().zip(java.rounds).collect(),
        floor: vec![0.0; rounds],
    };
    table.row(&c, "ms until all are told", Target::None, |round| {
        round.elapsed.as_secs_f64() * 1e3
    });
    table.row(
        &c,
        "CPU us/watch told, all servers",
        Target::None,
        |round| round.cpu_us_per_operation(),
    );
    for (figure, a, b, limit) in [
        (
            "bytes per session, that server",
            ours.per_session,
            java.per_session,
            2048.0,
        ),
        (
            "bytes per watch, that server",
            ours.per_watch,
            java.per_watch,
            100.0,
        ),
    ] {
        table.plain(&load, figure, (a, b, a / b), Target::Ours(limit));
    }
    Ok(())
}

struct Measured {
    rounds: Vec<Round>,
    per_session: f64,
    per_watch: f64,
}

fn measure(ensemble: &Ensemble, rounds: usize) -> Result<Measured> {
    let mut storm = Storm::gather(ensemble)?;
    // Whoever runs for the first time is no measure.
    for _ in 0..3 {
        storm.round()?;
    }
    let measured = (0..rounds).map(|_| storm.round());
    Ok(Measured {
        rounds: measured.collect::<Result<_>>()?,
        per_session: storm.per_session,
        per_watch: storm.per_watch,
    })
}

struct Storm<'a> {
    ensemble: &'a Ensemble,
    writer: ZkClient,
    watchers: Vec<Watcher>,
    armed: bool,
    per_session: f64,
    per_watch: f64,
}

impl<'a> Storm<'a> {
    /// Connects all to a follower, and gives each its watch.
    fn gather(ensemble: &'a Ensemble) -> Result<Self> {
        let id = ensemble.leader().context("no leader")? % SERVERS + 1;
        let (addr, pid) = (ensemble.addr(id), ensemble.process(id).pid());
        let connect = || ZkClient::connect(addr, SESSION_MS).map_err(|_| Refused);
        let mut writer = connect()?;
        let made = Request::create(OpCode::Create, PATH, Some(b"0"), Acls::Open, 0);
        writer
            .call(OpCode::Create, &made.body)
            .map_err(|_| Refused)?;
        let resident = || -> Result<f64> { Ok(process::resident_kib(pid)? as f64 * 1024.0) };
        let empty = resident()?;
        let mut watchers = Vec::with_capacity(WATCHERS);
        while watchers.len() < WATCHERS {
            let crowd: Vec<Watcher> = (0..CROWD)
                .map(|_| Watcher::connect(addr))
                .collect::<Result<_>>()?;
            watchers.extend(crowd);
            let new = watchers.len() - CROWD;
            for watcher in &mut watchers[new..] {
                watcher.frame(|_| Ok(()))?;
            }
        }
        let connected = resident()?;
        for watcher in &mut watchers {
            watcher.watch()?;
        }
        let each = |more: f64| more.max(0.0) / WATCHERS as f64;
        Ok(Self {
            ensemble,
            // Nobody pinged for the first one meanwhile: on a slow disk its session has expired.
            writer: connect()?,
            watchers,
            armed: true,
            per_session: each(connected - empty),
            per_watch: each(resident()? - connected),
        })
    }

    /// One change, until everybody has heard of it; an operation is a watcher told.
    fn round(&mut self) -> Result<Round> {
        if !std::mem::take(&mut self.armed) {
            for watcher in &mut self.watchers {
                watcher.watch()?;
            }
        }
        let before = cpu(self.ensemble)?;
        let begun = Instant::now();
        let set = Request::set(PATH, Some(b"1"), -1);
        self.writer.send(OpCode::SetData, &set.body);
        for watcher in &mut self.watchers {
            watcher.told()?;
        }
        let elapsed = begun.elapsed();
        self.writer.receive().map_err(|_| Refused)?;
        Ok(Round {
            operations: WATCHERS as u64,
            elapsed,
            cpu: cpu(self.ensemble)? - before,
            ..Round::default()
        })
    }
}

struct Watcher(TcpStream);

impl Watcher {
    /// Asks for a session; the answer comes later.
    fn connect(addr: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut watcher = Self(stream);
        let connect = plain_connect(&ConnectRequest {
            timeout: 120_000,
            password: Some(&[0; 16]),
            ..ConnectRequest::default()
        });
        watcher.0.write_all(&connect)?;
        Ok(watcher)
    }

    fn watch(&mut self) -> Result<()> {
        let request = PathWatchRequest {
            path: PATH,
            watch: true,
        };
        let ask = frame(1, OpCode::GetData.code(), &request.to_vec());
        self.0.write_all(&ask)?;
        self.expect(1)
    }

    fn told(&mut self) -> Result<()> {
        self.expect(xid::NOTIFICATION)
    }

    fn expect(&mut self, xid: i32) -> Result<()> {
        self.frame(|frame| {
            let header = ReplyHeader::from_bytes(frame)?;
            if header.xid != xid || header.err != 0 {
                bail!(
                    "xid {} with error {} instead of {xid}",
                    header.xid,
                    header.err
                );
            }
            Ok(())
        })
    }

    /// One frame, which nothing follows: mostly one read, and no memory that is kept.
    fn frame(&mut self, look: impl FnOnce(&[u8]) -> Result<()>) -> Result<()> {
        let mut buffer = [0; 512];
        let mut end = 0;
        loop {
            let n = self.0.read(&mut buffer[end..])?;
            if n == 0 {
                bail!("the server closed the connection, or its answer is too long");
            }
            end += n;
            if let Some((length, body)) = buffer[..end].split_first_chunk() {
                if body.len() >= u32::from_be_bytes(*length) as usize {
                    return look(body);
                }
            }
        }
    }
}
