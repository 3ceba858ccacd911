//! The server core behind its lock, and what its outputs cause. Inputs come from connection tasks,
//! the log thread and the timer; whoever brings one carries out what follows from it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;

use crate::core::Event;
use crate::core::io::{ConnId, DiskDone, DiskOrder, Input, Now, Output};
use crate::core::server::Server;
use crate::net::outbox::Conn;
use crate::store::image::Image;

use super::clock::Clock;
use super::log::LogQueue;

/// Shared by all threads.
#[derive(Debug)]
pub struct Core {
    state: Mutex<State>,
    clock: Clock,
    log: Arc<LogQueue>,
    /// monotonic microseconds at which the timer will tick
    armed_us: AtomicU64,
    rearm: Notify,
}

#[derive(Debug)]
struct State {
    server: Server,
    conns: HashMap<ConnId, Arc<Conn>>,
    next_conn: u64,
    /// kept for its capacity
    outputs: Vec<Output>,
}

/// What is left to do once the lock is free.
#[derive(Debug, Default)]
struct Aftermath {
    /// connections with something to write
    touched: Vec<Arc<Conn>>,
    events: Vec<Event>,
    snapshot: Option<Image>,
    /// the log has something to do
    logged: bool,
}

impl Core {
    pub fn new(server: Server, clock: Clock, log: Arc<LogQueue>) -> Self {
        Self {
            state: Mutex::new(State {
                server,
                conns: HashMap::new(),
                next_conn: 1,
                outputs: Vec::new(),
            }),
            clock,
            log,
            armed_us: AtomicU64::new(0),
            rearm: Notify::new(),
        }
    }

    pub fn now(&self) -> Now {
        self.clock.now()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock stops the process in release builds.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks into the server; for four-letter words, administration and metrics.
    pub fn with<T>(&self, look: impl FnOnce(&mut Server) -> T) -> T {
        look(&mut self.lock().server)
    }

    /// Connections that are open, those of four-letter words included.
    pub fn connection_count(&self) -> usize {
        self.lock().conns.len()
    }

    /// Takes over an accepted connection.
    pub fn connect(&self, write: OwnedWriteHalf, peer: SocketAddr) -> Arc<Conn> {
        let mut after = Aftermath::default();
        let conn = {
            let mut state = self.lock();
            let id = ConnId(state.next_conn);
            state.next_conn += 1;
            let conn = Arc::new(Conn::new(id, peer, write));
            state.conns.insert(id, conn.clone());
            self.handle(&mut state, Input::Connected { conn: id, peer }, &mut after);
            conn
        };
        self.finish(after);
        conn
    }

    /// Whole frames of one socket read.
    pub fn frames(&self, conn: ConnId, frames: Bytes) {
        self.feed(Input::Frames { conn, frames });
    }

    /// Few bytes wait to be written to a connection that the core had choked.
    pub fn drained(&self, conn: ConnId) {
        self.feed(Input::Drained { conn });
    }

    pub fn disconnect(&self, conn: ConnId) {
        let mut after = Aftermath::default();
        {
            let mut state = self.lock();
            state.conns.remove(&conn);
            self.handle(&mut state, Input::Disconnected { conn }, &mut after);
        }
        self.finish(after);
    }

    /// What the log thread has done.
    pub fn disk(&self, done: impl IntoIterator<Item = DiskDone>) {
        let mut after = Aftermath::default();
        {
            let mut state = self.lock();
            for done in done {
                let input = match done {
                    DiskDone::Logged { zxid } => Input::Logged { zxid },
                    DiskDone::SnapshotDone { zxid, ok } => Input::SnapshotDone { zxid, ok },
                    // a server that is alone orders nothing else
                    _ => continue,
                };
                self.handle(&mut state, input, &mut after);
            }
        }
        self.finish(after);
    }

    /// Gives the core an input and does what it asks for.
    pub fn feed(&self, input: Input) {
        let mut after = Aftermath::default();
        self.handle(&mut self.lock(), input, &mut after);
        self.finish(after);
    }

    fn handle(&self, state: &mut State, input: Input, after: &mut Aftermath) {
        let mut outputs = std::mem::take(&mut state.outputs);
        state.server.handle(self.clock.now(), input, &mut outputs);
        for output in outputs.drain(..) {
            self.carry_out(state, output, after);
        }
        state.outputs = outputs;
        after.events.extend(state.server.drain_events());
        if let Some(deadline) = state.server.next_deadline() {
            if deadline < self.armed_us.load(Ordering::Relaxed) {
                self.rearm.notify_one();
            }
        }
    }

    /// Bytes are queued in the order of the outputs while the lock is held; the writing comes after.
    fn carry_out(&self, state: &mut State, output: Output, after: &mut Aftermath) {
        match output {
            Output::Send { conn, bytes } => {
                if let Some(conn) = state.conns.get(&conn) {
                    conn.queue(bytes);
                    after.touch(conn);
                }
            }
            Output::Close { conn } => {
                if let Some(conn) = state.conns.remove(&conn) {
                    conn.close_when_sent();
                    after.touch(&conn);
                }
            }
            Output::Pause { conn } => {
                if let Some(conn) = state.conns.get(&conn) {
                    conn.pause();
                }
            }
            Output::Resume { conn } => {
                if let Some(conn) = state.conns.get(&conn) {
                    conn.resume();
                }
            }
            Output::Choke { conn } => {
                if let Some(conn) = state.conns.get(&conn) {
                    conn.choke();
                }
            }
            Output::Append { zxid, record } => {
                self.log.append(zxid, record);
                after.logged = true;
            }
            Output::RollLog => {
                self.log.disk(DiskOrder::Roll);
                after.logged = true;
            }
            Output::Snapshot { image } => after.snapshot = Some(image),
            Output::Quorum(_) => {}
        }
    }

    fn finish(&self, after: Aftermath) {
        // The disk is the slowest of all: it begins first.
        if after.logged {
            self.log.wake();
        }
        for conn in &after.touched {
            conn.flush();
        }
        if let Some(image) = after.snapshot {
            self.log.snapshot(image);
        }
        for event in after.events {
            report(&event);
        }
    }

    /// Ticks when the core wants it. Runs until it is dropped.
    pub async fn run_timer(&self) {
        /// Ticks come at least this often: the core tells a stall of the server by their gap.
        const LONGEST_US: u64 = 500_000;
        loop {
            let now = self.clock.now().mono_us;
            let wanted = self.lock().server.next_deadline();
            let at = wanted.unwrap_or(u64::MAX).clamp(now, now + LONGEST_US);
            self.armed_us.store(at, Ordering::Relaxed);
            tokio::select! {
                () = tokio::time::sleep_until(self.clock.instant(at).into()) => {
                    self.feed(Input::Tick);
                }
                () = self.rearm.notified() => {}
            }
        }
    }

    /// Closes every connection, for the end of the process.
    pub fn close_all(&self) {
        let all: Vec<Arc<Conn>> = self.lock().conns.drain().map(|(_, conn)| conn).collect();
        for conn in all {
            conn.flush();
            conn.close_when_sent();
        }
    }
}

impl Aftermath {
    fn touch(&mut self, conn: &Arc<Conn>) {
        let same = |known: &Arc<Conn>| Arc::ptr_eq(known, conn);
        if !self.touched.last().is_some_and(same) {
            self.touched.push(conn.clone());
        }
    }
}

fn report(event: &Event) {
    match event {
        Event::SessionExpired { session } => {
            tracing::info!("Expiring session 0x{session:x}, timeout exceeded");
        }
        Event::Quota(quota) => tracing::warn!("Quota exceeded: {quota:?}"),
        Event::Stalled { ms } => tracing::warn!(
            "This server stood still for {ms} ms (a slow disk, a paused machine or a clock that \
             jumped); sessions were given the time back"
        ),
        Event::ClientAhead { conn, seen, ours } => tracing::info!(
            "Refusing connection {} as it has seen zxid 0x{seen:x} our last zxid is 0x{ours:x} \
             client must try another server",
            conn.0
        ),
        Event::Malformed { conn } => {
            tracing::warn!("Closing connection {}: a request could not be read", conn.0);
        }
        Event::UnknownRequest { conn, op } => {
            tracing::warn!("Connection {} sent a request of unknown type {op}", conn.0);
        }
        Event::LargeRequestRefused { conn, bytes } => tracing::warn!(
            "Closing connection {}: its request of {bytes} bytes is over what large requests may \
             take together (largeRequestMaxBytes)",
            conn.0
        ),
        Event::NotAuthenticated { conn } => tracing::error!(
            "Closing connection {}: it has no identity of a scheme that enforce.auth.schemes names",
            conn.0
        ),
        Event::ConnectionThrottled { conn } => tracing::warn!(
            "Closing connection {}: sessions come faster than connection_throttle_tokens allows",
            conn.0
        ),
        Event::StaleRequest { conn } => tracing::warn!(
            "Closing connection {}: its request waited longer than its session's timeout \
             (request_throttle_max_requests)",
            conn.0
        ),
        Event::LongReply { conn, op, bytes } => tracing::warn!(
            "The reply to {op} on connection {} has {bytes} bytes, which is over jute.maxbuffer: only \
             clients with a larger jute.maxbuffer can read it",
            conn.0
        ),
        Event::LimitReached { conn, what } => tracing::warn!(
            "Connection {} has as many {what} as this server keeps; it was refused another one",
            conn.0
        ),
        Event::SessionUpgraded { session } => tracing::info!("Upgrading session 0x{session:x}"),
        Event::SessionMoved { session } => {
            tracing::info!("Session 0x{session:x} has moved to another server");
        }
        Event::DigestMismatch { zxid } => {
            tracing::error!("Digests are not matching. Value is Zxid. (0x{zxid:x})");
        }
        Event::ReadWriteClient { conn } => tracing::info!(
            "Refusing session request for not-read-only client (connection {})",
            conn.0
        ),
        Event::AuthFailed { conn, scheme } => {
            tracing::warn!(
                "Authentication failed for scheme: {scheme} on connection {}",
                conn.0
            );
        }
    }
}
