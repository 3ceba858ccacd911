//! Clients that see every change of one znode through watches alone, across servers and
//! reconnects (Java: `ClientCnxn.primeConnection` sets them again).
#![allow(
    clippy::disallowed_methods,
    reason = "drives real servers with threads and clocks"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::request::{PathWatchRequest, SetWatches};
use proto::zk::response::GetDataResponse;

use super::{Gone, Ticket, ZkClient};
use crate::proc::wait_until;

/// Silence after which a watcher pings, so that its session lives.
const PATIENCE: Duration = Duration::from_secs(2);

/// One watcher of `path`, whose data is a number that only grows.
#[derive(Debug)]
pub(super) struct Watcher {
    thread: JoinHandle<u64>,
    stop: Arc<AtomicBool>,
    seen: Arc<AtomicU64>,
}

impl Watcher {
    pub(super) fn start(addrs: Vec<SocketAddr>, path: &str, timeout: i32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::new(AtomicU64::new(0));
        let mut state = State {
            addrs,
            path: path.to_owned(),
            timeout,
            ticket: Ticket::default(),
            armed: false,
            seen: seen.clone(),
            expired: 0,
        };
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                if state.watch(&stopped).is_err() {
                    state.addrs.rotate_left(1);
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
            state.expired
        });
        Self { thread, stop, seen }
    }

    /// Waits until the watch has told of `value`; gives how many sessions were lost on the way.
    #[track_caller]
    pub(super) fn finish(self, value: u64) -> u64 {
        wait_until("a watch to tell of the last change", || {
            self.seen.load(Ordering::Relaxed) >= value
        });
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("a watcher")
    }
}

struct State {
    addrs: Vec<SocketAddr>,
    path: String,
    timeout: i32,
    ticket: Ticket,
    /// a watch is set: only its event makes us read again
    armed: bool,
    seen: Arc<AtomicU64>,
    expired: u64,
}

impl State {
    fn watch(&mut self, stop: &AtomicBool) -> Result<(), Gone> {
        let mut client = ZkClient::resume(self.addrs[0], &self.ticket, self.timeout, PATIENCE)?;
        if client.session == 0 {
            self.expired += 1;
            self.ticket = Ticket::default();
            self.armed = false;
            return Err(Gone);
        }
        let done = self.follow(&mut client, stop);
        self.ticket = client.ticket();
        done
    }

    fn follow(&mut self, client: &mut ZkClient, stop: &AtomicBool) -> Result<(), Gone> {
        if self.armed {
            let request = SetWatches {
                relative_zxid: self.ticket.zxid(),
                data_watches: vec![&self.path],
                exist_watches: Vec::new(),
                child_watches: Vec::new(),
            };
            client.send_special(
                proto::zk::op::xid::SET_WATCHES,
                OpCode::SetWatches,
                &request,
            );
        }
        while !stop.load(Ordering::Relaxed) {
            if !self.armed {
                let path = &self.path;
                let request = PathWatchRequest { path, watch: true };
                let (err, reply) = client.call(OpCode::GetData, &request.to_vec())?;
                let data = GetDataResponse::from_bytes(&reply).map_err(|_| Gone)?.data;
                let text = std::str::from_utf8(data.unwrap_or_default()).unwrap_or_default();
                let value: u64 = text.parse().map_err(|_| Gone)?;
                let before = self.seen.swap(value, Ordering::Relaxed);
                assert!(err == 0 && before <= value, "{before} then {value}");
                self.armed = true;
            }
            if client.wait_event()? {
                self.armed = false;
            }
        }
        Ok(())
    }
}
