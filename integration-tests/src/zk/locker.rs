//! Clients that take turns with a lock (ZooKeeper's recipe: the ephemeral with the lowest number has it,
//! each waits for the one before it), across servers and reconnects. Two that have it at once are found
//! out at once, for they share this process.
#![allow(
    clippy::disallowed_methods,
    reason = "drives real servers with threads and clocks"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::request::{DeleteRequest, PathWatchRequest};
use proto::zk::response::GetChildrenResponse;

use super::{Gone, Ticket, ZkClient};
use crate::proc::wait_until;

/// Below it stand those who want the lock.
pub(super) const LOCK: &str = "/load/lock";
const EPHEMERAL_SEQUENTIAL: i32 = 3;
/// Silence after which a client that waits pings, so that its session lives.
const PATIENCE: Duration = Duration::from_secs(2);

/// Clients that want the same lock again and again.
#[derive(Debug)]
pub(super) struct Lockers {
    threads: Vec<JoinHandle<u64>>,
    stop: Arc<AtomicBool>,
    /// how often each has had it
    turns: Vec<Arc<AtomicU64>>,
}

impl Lockers {
    /// One client for each server, with sessions of `timeout` milliseconds. [`LOCK`] exists.
    pub(super) fn start(addrs: &[SocketAddr], timeout: i32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let holder = Arc::new(AtomicUsize::new(0));
        let turns: Vec<Arc<AtomicU64>> = addrs.iter().map(|_| Arc::default()).collect();
        let start = |(number, turns): (usize, &Arc<AtomicU64>)| {
            let mut addrs = addrs.to_vec();
            addrs.rotate_left(number - 1);
            let locker = Locker {
                number,
                addrs,
                timeout,
                ticket: Ticket::default(),
                holder: holder.clone(),
                holds: false,
                turns: turns.clone(),
                stop: stop.clone(),
                expired: 0,
            };
            std::thread::spawn(move || locker.run())
        };
        Self {
            threads: (1..).zip(&turns).map(start).collect(),
            stop,
            turns,
        }
    }

    /// Whether one has ended, which none does by itself.
    pub(super) fn failed(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Waits until each has had the lock once more; gives how many sessions were lost on the way.
    #[track_caller]
    pub(super) fn finish(self) -> u64 {
        for turns in &self.turns {
            let before = turns.load(Ordering::Relaxed);
            wait_until("each client to get the lock", || {
                assert!(!self.failed(), "a client that locks has failed");
                turns.load(Ordering::Relaxed) > before
            });
        }
        self.stop.store(true, Ordering::Relaxed);
        let expired = |thread: JoinHandle<u64>| thread.join().expect("a client that locks");
        self.threads.into_iter().map(expired).sum()
    }
}

struct Locker {
    /// from 1 on; its znodes begin with it
    number: usize,
    addrs: Vec<SocketAddr>,
    timeout: i32,
    ticket: Ticket,
    /// who of all has the lock; 0 is nobody
    holder: Arc<AtomicUsize>,
    /// it is this one
    holds: bool,
    turns: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    expired: u64,
}

impl Locker {
    fn run(mut self) -> u64 {
        while !self.stopped() {
            if self.connected().is_err() {
                self.addrs.rotate_left(1);
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        self.ticket.close_session(&self.addrs);
        self.expired
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn connected(&mut self) -> Result<(), Gone> {
        let mut client = ZkClient::resume(self.addrs[0], &self.ticket, self.timeout, PATIENCE)?;
        if client.session == 0 {
            self.expired += 1;
            self.ticket = Ticket::default();
            self.let_go();
            return Err(Gone);
        }
        let done = self.take_turns(&mut client);
        self.ticket = client.ticket();
        done
    }

    fn take_turns(&mut self, client: &mut ZkClient) -> Result<(), Gone> {
        while !self.stopped() {
            let wanted = PathWatchRequest {
                path: LOCK,
                watch: false,
            };
            let (err, reply) = client.call(OpCode::GetChildren, &wanted.to_vec())?;
            let children = GetChildrenResponse::from_bytes(&reply).map_err(|_| Gone)?;
            let mut queue = children.children;
            queue.sort_unstable_by_key(|name| name.rsplit_once('-').map(|(_, turn)| turn));
            // One that was created before the connection broke counts, though nobody has told so.
            let mine = format!("{}-", self.number);
            match queue.iter().position(|name| name.starts_with(&mine)) {
                _ if err != 0 => return Err(Gone),
                None => {
                    let path = format!("{LOCK}/{mine}");
                    if client.create(&path, EPHEMERAL_SEQUENTIAL)? != 0 {
                        return Err(Gone);
                    }
                }
                Some(0) => self.hold(client, queue[0])?,
                Some(place) => self.wait_for(client, queue[place - 1])?,
            }
        }
        Ok(())
    }

    /// Has the lock, and gives it back. When the connection breaks it is kept for the next one.
    fn hold(&mut self, client: &mut ZkClient, name: &str) -> Result<(), Gone> {
        if !self.holds {
            let before = self.holder.swap(self.number, Ordering::SeqCst);
            assert_eq!(before, 0, "{before} and {} have the lock", self.number);
            self.holds = true;
        }
        client.synced(LOCK)?;
        self.let_go();
        self.turns.fetch_add(1, Ordering::Relaxed);
        let path = &format!("{LOCK}/{name}");
        let delete = DeleteRequest { path, version: -1 };
        match client.call(OpCode::Delete, &delete.to_vec())?.0 {
            0 => Ok(()),
            _ => Err(Gone),
        }
    }

    fn let_go(&mut self) {
        if std::mem::take(&mut self.holds) {
            self.holder.store(0, Ordering::SeqCst);
        }
    }

    /// Waits for the end of the one before, which only its watch tells.
    fn wait_for(&self, client: &mut ZkClient, name: &str) -> Result<(), Gone> {
        let path = &format!("{LOCK}/{name}");
        let request = PathWatchRequest { path, watch: true };
        let (err, _) = client.call(OpCode::Exists, &request.to_vec())?;
        while err == 0 && !self.stopped() && !client.wait_event()? {}
        Ok(())
    }
}
