//! Clients that write to an ensemble while it is troubled, and know exactly what was acknowledged:
//! each keeps one session alive across servers, with an ephemeral znode and a watch on it. Others take
//! turns with a lock.
#![allow(
    clippy::disallowed_methods,
    reason = "drives real servers with threads and clocks"
)]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::request::PathWatchRequest;
use proto::zk::response::{GetChildrenResponse, GetDataResponse};

use super::locker::{LOCK, Lockers};
use super::oracle::{Acls, Request};
use super::watcher::Watcher;
use super::{Gone, Ticket, ZkClient};
use crate::proc::wait_until;

/// How long a client waits for an answer before it tries the next server.
const PATIENCE: Duration = Duration::from_secs(5);
const NODE_EXISTS: i32 = -110;

/// Running writers. Stop them with [`Load::stop`], then check what they report.
#[derive(Debug)]
pub struct Load {
    writers: Vec<JoinHandle<Report>>,
    watchers: Vec<Watcher>,
    lockers: Lockers,
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
}

/// Its data is a number that the first writer raises; watched by a client of each server.
const BEAT: &str = "/load/beat";

/// What one writer knows.
#[derive(Debug)]
pub struct Report {
    writer: usize,
    /// children `n1`, `n2` and so on of `/load/wN` that a server has acknowledged
    acknowledged: BTreeSet<u64>,
    /// the last that was asked for
    attempted: u64,
    /// the last number in [`BEAT`] that was acknowledged
    beat: u64,
    ticket: Ticket,
    /// its session's ephemeral is there
    ephemeral: bool,
    /// sessions that were lost
    pub expired: u64,
    /// the longest time between two acknowledgements
    pub longest_gap: Duration,
}

impl Load {
    /// `writers` clients of those servers, with sessions of `timeout` milliseconds. Returns when each
    /// has written.
    #[track_caller]
    pub fn start(addrs: &[SocketAddr], writers: usize, timeout: i32) -> Self {
        let mut client = ZkClient::connect(addrs[0], timeout).expect("a server answers");
        for path in ["/load", LOCK] {
            let err = client.create(path, 0).expect("an answer");
            assert!(matches!(err, 0 | NODE_EXISTS), "create {path}: {err}");
        }
        client.call(OpCode::CloseSession, &[]).ok();
        let stop = Arc::new(AtomicBool::new(false));
        let written = Arc::new(AtomicU64::new(0));
        let start = |writer| {
            let (stop, written) = (stop.clone(), written.clone());
            let mut addrs = addrs.to_vec();
            let turn = writer % addrs.len();
            addrs.rotate_left(turn);
            std::thread::spawn(move || Writer::new(writer, addrs, timeout, written).run(&stop))
        };
        let load = Self {
            writers: (0..writers).map(start).collect(),
            watchers: (0..addrs.len())
                .map(|turn| {
                    let mut addrs = addrs.to_vec();
                    addrs.rotate_left(turn);
                    Watcher::start(addrs, BEAT, timeout)
                })
                .collect(),
            lockers: Lockers::start(addrs, timeout),
            stop: stop.clone(),
            written: written.clone(),
        };
        load.wait_for(writers as u64 * 3);
        load
    }

    /// Waits until so many more writes were acknowledged.
    #[track_caller]
    pub fn wait_for(&self, more: u64) {
        let from = self.written.load(Ordering::Relaxed);
        wait_until("writes to be acknowledged", || {
            assert!(
                !self.writers.iter().any(JoinHandle::is_finished),
                "a writer has failed"
            );
            assert!(!self.lockers.failed(), "a client that locks has failed");
            self.written.load(Ordering::Relaxed) >= from + more
        });
    }

    /// Ends the writers, and the watchers when they have seen the last change.
    #[track_caller]
    pub fn stop(self) -> Vec<Report> {
        self.stop.store(true, Ordering::Relaxed);
        let join = |writer: JoinHandle<Report>| writer.join().expect("a writer");
        let mut reports: Vec<Report> = self.writers.into_iter().map(join).collect();
        let beat = reports[0].beat;
        for watcher in self.watchers {
            reports[0].expired += watcher.finish(beat);
        }
        reports[0].expired += self.lockers.finish();
        reports
    }
}

struct Writer {
    addrs: Vec<SocketAddr>,
    timeout: i32,
    written: Arc<AtomicU64>,
    ticket: Ticket,
    client: Option<ZkClient>,
    home: String,
    last: Instant,
    report: Report,
}

impl Writer {
    fn new(writer: usize, addrs: Vec<SocketAddr>, timeout: i32, written: Arc<AtomicU64>) -> Self {
        Self {
            addrs,
            timeout,
            written,
            ticket: Ticket::default(),
            client: None,
            home: format!("/load/w{writer}"),
            last: Instant::now(),
            report: Report {
                writer,
                acknowledged: BTreeSet::new(),
                attempted: 0,
                beat: 0,
                ticket: Ticket::default(),
                ephemeral: false,
                expired: 0,
                longest_gap: Duration::ZERO,
            },
        }
    }

    fn run(mut self, stop: &AtomicBool) -> Report {
        while !stop.load(Ordering::Relaxed) {
            let done = match self.client.take() {
                None => self.connect(),
                Some(mut client) => {
                    let done = self.write(&mut client);
                    self.ticket = client.ticket();
                    done.map(|()| client)
                }
            };
            match done {
                Ok(client) => self.client = Some(client),
                Err(Gone) => {
                    self.addrs.rotate_left(1);
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        }
        self.report.ticket = self.ticket;
        self.report
    }

    fn connect(&mut self) -> Result<ZkClient, Gone> {
        let mut client = ZkClient::resume(self.addrs[0], &self.ticket, self.timeout, PATIENCE)?;
        if client.session == 0 {
            self.report.expired += 1;
            self.ticket = Ticket::default();
            return Err(Gone);
        }
        if client.session != self.ticket.session {
            self.report.ephemeral = false;
        }
        self.ticket = client.ticket();
        // The connection may go at any moment: until both are known to be there they are asked for.
        if !self.report.ephemeral {
            let path = format!("/load/e{}", self.report.writer);
            for (path, flags) in [(&self.home, 0), (&path, 1)] {
                let made = Request::create(OpCode::Create, path, None, Acls::Open, flags);
                let (err, _) = client.call(OpCode::Create, &made.body)?;
                if !matches!(err, 0 | NODE_EXISTS) {
                    return Err(Gone);
                }
            }
            self.report.ephemeral = true;
        }
        Ok(client)
    }

    fn write(&mut self, client: &mut ZkClient) -> Result<(), Gone> {
        self.report.attempted += 1;
        let n = self.report.attempted;
        let path = format!("{}/n{n}", self.home);
        let made = Request::create(OpCode::Create, &path, Some(b"x"), Acls::Open, 0);
        let (err, _) = client.call(OpCode::Create, &made.body)?;
        if err != 0 {
            // A moved session, say: the connection is of no use any more.
            return Err(Gone);
        }
        self.report.acknowledged.insert(n);
        if self.report.writer == 0 {
            let set = Request::set(BEAT, Some(n.to_string().as_bytes()), -1);
            if client.call(OpCode::SetData, &set.body)?.0 != 0 {
                return Err(Gone);
            }
            self.report.beat = n;
        }
        self.written.fetch_add(1, Ordering::Relaxed);
        let gap = self.last.elapsed();
        if n > 1 {
            self.report.longest_gap = self.report.longest_gap.max(gap);
        }
        self.last = Instant::now();
        Ok(())
    }
}

impl Report {
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    /// Everything acknowledged is there, nothing that nobody wrote, and the session's ephemeral.
    #[track_caller]
    pub fn check(&self, client: &mut ZkClient, server: &str) {
        let path = format!("/load/w{}", self.writer);
        let watch = false;
        let reply = client.must(
            OpCode::GetChildren,
            &PathWatchRequest { path: &path, watch },
        );
        let children = GetChildrenResponse::from_bytes(&reply).expect("children");
        let there: BTreeSet<u64> = children
            .children
            .iter()
            .map(|name| name[1..].parse().expect("n and a number"))
            .collect();
        let lost: Vec<&u64> = self.acknowledged.difference(&there).collect();
        assert!(lost.is_empty(), "{server} has lost {lost:?} of {path}");
        let last = there.last().copied().unwrap_or_default();
        assert!(last <= self.attempted, "{server} has made up n{last}");
        assert!(self.ephemeral, "{server}: no ephemeral was ever made");
        if self.expired == 0 {
            let path = format!("/load/e{}", self.writer);
            let (err, reply) = client
                .call(
                    OpCode::GetData,
                    &PathWatchRequest { path: &path, watch }.to_vec(),
                )
                .expect("an answer");
            assert_eq!(err, 0, "{server}: {path} is gone though its session lives");
            let owner = GetDataResponse::from_bytes(&reply).expect("data").stat;
            assert_eq!(
                owner.ephemeral_owner, self.ticket.session,
                "{server}: {path}"
            );
        }
    }

    /// Ends the session, so that nothing of it ends by itself later.
    #[track_caller]
    pub fn close_session(&self, addr: SocketAddr) {
        self.ticket.close_session(&[addr]);
    }
}
