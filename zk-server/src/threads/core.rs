//! The server core behind its lock, and what its outputs cause. Inputs come from connection tasks,
//! the log thread and the timer; whoever brings one carries out what follows from it.
//!
//! The core is a server that is alone, or a member of an ensemble, whose server comes and goes.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use proto::quorum::QuorumPacket;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::{Notify, oneshot};

use crate::core::Settings;
use crate::core::io::{Input, Output};
use crate::core::server::Server;
use crate::core::stats::Stats;
use crate::net::outbox::Conn;
use crate::net::quorum::Link;
use crate::peer::{Peer, PeerEvent, PeerInput, PeerOutput, PeerStatus};
use crate::store::image::Image;
use crate::store::orders::{DiskDone, DiskOrder};
use crate::tree::Database;
use crate::units::{ConnId, LinkId, Now, Zxid};

use super::clock::Clock;
use super::ensemble::Ensemble;
use super::events::{Told, report};
use super::later;
use super::log::LogQueue;

/// Shared by all threads.
#[derive(Debug)]
pub struct Core {
    state: Mutex<State>,
    clock: Clock,
    log: Arc<LogQueue>,
    /// the other servers
    ensemble: Option<Arc<Ensemble>>,
    /// monotonic microseconds at which the timer will tick
    armed_us: AtomicU64,
    rearm: Notify,
}

#[derive(Debug)]
enum Machine {
    Alone(Box<Server>),
    Member(Box<Peer>),
    /// alone, and its files are about to take an operator's snapshot
    Restoring(Box<(Settings, Database, Stats)>),
    /// on its way from one to another
    Idle,
}

#[derive(Debug)]
struct State {
    machine: Machine,
    conns: HashMap<ConnId, Arc<Conn>>,
    next_conn: u64,
    /// who waits for an operator's snapshot
    restoring: Option<oneshot::Sender<Result<(), String>>>,
    /// kept for its capacity
    outputs: Vec<Output>,
    peer_outputs: Vec<PeerOutput>,
}

/// What is left to do once the lock is free.
#[derive(Debug, Default)]
struct Aftermath {
    /// connections with something to write
    touched: Vec<Arc<Conn>>,
    /// links with something to write
    links: Vec<Arc<Link>>,
    /// links to be closed
    closed: Vec<Arc<Link>>,
    events: Vec<Told>,
    snapshot: Option<Image>,
    /// the log has something to do
    logged: bool,
}

impl Core {
    /// A server that is alone.
    pub fn new(server: Server, clock: Clock, log: Arc<LogQueue>) -> Self {
        Self::with_machine(Machine::Alone(Box::new(server)), None, clock, log)
    }

    /// A member of an ensemble.
    pub fn member(peer: Peer, ensemble: Arc<Ensemble>, clock: Clock, log: Arc<LogQueue>) -> Self {
        Self::with_machine(Machine::Member(Box::new(peer)), Some(ensemble), clock, log)
    }

    fn with_machine(
        machine: Machine,
        ensemble: Option<Arc<Ensemble>>,
        clock: Clock,
        log: Arc<LogQueue>,
    ) -> Self {
        Self {
            state: Mutex::new(State {
                machine,
                conns: HashMap::new(),
                next_conn: 1,
                restoring: None,
                outputs: Vec::new(),
                peer_outputs: Vec::new(),
            }),
            clock,
            log,
            ensemble,
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

    /// Looks into the server, if one runs; for four-letter words, administration and metrics.
    pub fn with<T>(&self, look: impl FnOnce(&mut Server) -> T) -> Option<T> {
        match &mut self.lock().machine {
            Machine::Alone(server) => Some(look(server)),
            Machine::Member(peer) => peer.server_mut().map(look),
            Machine::Restoring(_) | Machine::Idle => None,
        }
    }

    /// Looks at the member of an ensemble; nothing for a server that is alone.
    pub fn with_peer<T>(&self, look: impl FnOnce(&mut Peer) -> T) -> Option<T> {
        match &mut self.lock().machine {
            Machine::Member(peer) => Some(look(peer)),
            _ => None,
        }
    }

    pub fn peer_status(&self) -> Option<PeerStatus> {
        self.with_peer(|peer| peer.status())
    }

    pub fn ensemble(&self) -> Option<&Arc<Ensemble>> {
        self.ensemble.as_ref()
    }

    /// A connection to the quorum port that is none of a server was closed.
    pub fn stranger(&self, peer: SocketAddr, why: &str) {
        if let Some(ensemble) = &self.ensemble {
            let line = format!("Closing the connection of {peer} on the quorum port");
            let now = self.clock.now().mono_us;
            ensemble.strangers.warn(peer.ip(), now, &line, why);
        }
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

    /// An operator's snapshot takes the place of everything that this server has, or its ensemble; clients
    /// are disconnected. The receiver hears when the files have it, those of a quorum in an ensemble, or
    /// why it was not taken.
    pub fn restore(&self, database: Box<Database>) -> oneshot::Receiver<Result<(), String>> {
        let (tell, told) = oneshot::channel();
        let mut after = Aftermath::default();
        {
            let mut state = self.lock();
            if state.restoring.is_some() {
                // Nobody waits any more when the operator has gone.
                let _ = tell.send(Err("another snapshot is being restored".to_owned()));
                return told;
            }
            state.restoring = Some(tell);
            if let Machine::Member(_) = state.machine {
                let now = self.clock.now();
                self.step_peer(&mut state, now, PeerInput::Restore { database }, &mut after);
                self.settle(&mut state, &mut after);
            } else {
                self.restore_alone(&mut state, database, &mut after);
            }
        }
        self.finish(after);
        told
    }

    /// The zxids go on behind those that were given, as in Java: none of them gets a second meaning.
    fn restore_alone(&self, state: &mut State, mut database: Box<Database>, after: &mut Aftermath) {
        let (settings, last, stats, mut outputs) =
            match std::mem::replace(&mut state.machine, Machine::Idle) {
                Machine::Alone(server) => {
                    let settings = server.settings().clone();
                    let last = server.last_assigned();
                    let mut outputs = Vec::new();
                    let stats = server.retire(&mut outputs).stats.of_next_role();
                    (settings, last, stats, outputs)
                }
                machine => {
                    state.machine = machine;
                    let why = "another snapshot is being restored".to_owned();
                    return state.restored(Err(why));
                }
            };
        for output in outputs.drain(..) {
            self.carry_out(state, output, after);
        }
        if database.last_zxid() <= last {
            database.continue_at(Zxid(last.0 + 1));
        }
        self.log.disk(DiskOrder::SaveSnapshot(database.image()));
        after.logged = true;
        state.machine = Machine::Restoring(Box::new((settings, *database, stats)));
    }

    /// The files of a server that is alone have the operator's snapshot.
    fn serve_restored(&self, state: &mut State) {
        match std::mem::replace(&mut state.machine, Machine::Idle) {
            Machine::Restoring(restored) => {
                let (settings, database, stats) = *restored;
                let mut server = Server::new(settings, database, self.clock.now());
                server.set_stats(stats);
                state.machine = Machine::Alone(Box::new(server));
                state.restored(Ok(()));
                self.rearm.notify_one();
            }
            machine => state.machine = machine,
        }
    }

    /// What the log thread has done.
    pub fn disk(&self, done: impl IntoIterator<Item = DiskDone>) {
        let mut after = Aftermath::default();
        {
            let mut state = self.lock();
            let now = self.clock.now();
            for done in done {
                self.handle_done(&mut state, now, done, &mut after);
            }
            self.settle(&mut state, &mut after);
        }
        self.finish(after);
    }

    /// Gives the core an input and does what it asks for.
    pub fn feed(&self, input: Input) {
        let mut after = Aftermath::default();
        self.handle(&mut self.lock(), input, &mut after);
        self.finish(after);
    }

    /// Something for the member of an ensemble, from other servers.
    pub fn peer(&self, input: PeerInput) {
        let mut after = Aftermath::default();
        {
            let mut state = self.lock();
            self.step_peer(&mut state, self.clock.now(), input, &mut after);
            self.settle(&mut state, &mut after);
        }
        self.finish(after);
    }

    /// Packets of one socket read.
    pub fn packets(&self, link: LinkId, packets: impl IntoIterator<Item = QuorumPacket>) {
        let mut after = Aftermath::default();
        {
            let mut state = self.lock();
            let now = self.clock.now();
            for packet in packets {
                let input = PeerInput::Packet { link, packet };
                self.step_peer(&mut state, now, input, &mut after);
            }
            self.settle(&mut state, &mut after);
        }
        self.finish(after);
    }

    fn handle(&self, state: &mut State, input: Input, after: &mut Aftermath) {
        self.step(state, self.clock.now(), input, after);
        self.settle(state, after);
    }

    /// One of the inputs that come together; [`Self::settle`] follows the last one.
    fn step(&self, state: &mut State, now: Now, input: Input, after: &mut Aftermath) {
        let Machine::Alone(server) = &mut state.machine else {
            match input {
                // come again when there is a server
                Input::Connected { conn, .. } if !matches!(state.machine, Machine::Member(_)) => {
                    self.carry_out(state, Output::Close { conn }, after);
                }
                Input::Tick => self.step_peer(state, now, PeerInput::Tick, after),
                input => self.step_peer(state, now, PeerInput::Client(input), after),
            }
            return;
        };
        let mut outputs = std::mem::take(&mut state.outputs);
        server.handle(now, input, &mut outputs);
        for output in outputs.drain(..) {
            self.carry_out(state, output, after);
        }
        state.outputs = outputs;
    }

    fn step_peer(&self, state: &mut State, now: Now, input: PeerInput, after: &mut Aftermath) {
        let Machine::Member(peer) = &mut state.machine else {
            return;
        };
        let mut outputs = std::mem::take(&mut state.peer_outputs);
        peer.handle(now, input, &mut outputs);
        for output in outputs.drain(..) {
            self.carry_out_peer(state, output, after);
        }
        state.peer_outputs = outputs;
    }

    fn handle_done(&self, state: &mut State, now: Now, done: DiskDone, after: &mut Aftermath) {
        if let Machine::Member(_) = state.machine {
            return self.step_peer(state, now, PeerInput::Disk(done), after);
        }
        match done {
            DiskDone::Logged { zxid } => self.step(state, now, Input::Logged { zxid }, after),
            DiskDone::SnapshotDone { zxid, ok } => {
                self.step(state, now, Input::SnapshotDone { zxid, ok }, after);
            }
            DiskDone::SnapshotSaved { .. } => self.serve_restored(state),
            // a server that is alone orders nothing else
            _ => {}
        }
    }

    /// What is told, and when the timer must look again.
    fn settle(&self, state: &mut State, after: &mut Aftermath) {
        let deadline = match &mut state.machine {
            Machine::Alone(server) => {
                let events = server.drain_events().into_iter();
                after.events.extend(events.map(Told::Server));
                server.next_deadline()
            }
            Machine::Member(peer) => {
                let (events, deadline) = (peer.drain_events(), peer.next_deadline());
                for event in events {
                    match &event {
                        PeerEvent::Restored(_) => state.restored(Ok(())),
                        PeerEvent::NotRestored { reason } => state.restored(Err(reason.clone())),
                        _ => {}
                    }
                    after.events.push(Told::Peer(event));
                }
                deadline
            }
            Machine::Restoring(_) | Machine::Idle => None,
        };
        self.arm(deadline);
    }

    fn arm(&self, deadline: Option<u64>) {
        if deadline.is_some_and(|at| at < self.armed_us.load(Ordering::Relaxed)) {
            self.rearm.notify_one();
        }
    }

    /// What goes to other servers is queued in the order of the outputs; the writing comes after.
    fn carry_out_peer(&self, state: &mut State, output: PeerOutput, after: &mut Aftermath) {
        let Some(ensemble) = &self.ensemble else {
            return;
        };
        let quorum = &ensemble.quorum;
        match output {
            PeerOutput::Client(output) => self.carry_out(state, output, after),
            PeerOutput::Notify { to, notification } => ensemble.election.notify(to, &notification),
            PeerOutput::Listen(port) => quorum.listen(port),
            PeerOutput::Dial { link, server, port } => quorum.dial(link, server, port),
            PeerOutput::Send { link, packet } => after.touch_link(quorum.send(link, &packet)),
            PeerOutput::SendSnapshot { link, image } => {
                after.touch_link(quorum.send_snapshot(link, image));
            }
            PeerOutput::ReceiveSnapshot { link, zxid } => quorum.receive_snapshot(link, zxid),
            PeerOutput::Close { link } => after.closed.extend(quorum.link(link)),
            PeerOutput::Disk(order) => {
                self.log.disk(order);
                after.logged = true;
            }
            PeerOutput::Configured { view, active } => {
                ensemble.configure(&view, active);
                self.log.configured(view, active);
                after.logged = true;
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
        later::leave(after.logged.then_some(&self.log), after.links);
        for link in &after.closed {
            link.close();
        }
        for conn in &after.touched {
            conn.flush();
        }
        if let Some(image) = after.snapshot {
            self.log.snapshot(image);
        }
        for event in after.events {
            if let (Told::Peer(event), Some(ensemble)) = (&event, &self.ensemble) {
                ensemble.note(event, self.clock.now());
            }
            report(event, self.ensemble.as_deref(), self.clock.now());
        }
    }

    /// Ticks when the core wants it. Runs until it is dropped.
    pub async fn run_timer(&self) {
        /// Ticks come at least this often: the core tells a stall of the server by their gap.
        const LONGEST_US: u64 = 500_000;
        loop {
            let now = self.clock.now().mono_us;
            let wanted = match &self.lock().machine {
                Machine::Alone(server) => server.next_deadline(),
                Machine::Member(peer) => peer.next_deadline(),
                Machine::Restoring(_) | Machine::Idle => None,
            };
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

impl State {
    fn restored(&mut self, result: Result<(), String>) {
        if let Some(tell) = self.restoring.take() {
            // Nobody waits any more when the operator has gone.
            let _ = tell.send(result);
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

    fn touch_link(&mut self, link: Option<Arc<Link>>) {
        let Some(link) = link else { return };
        if !self.links.iter().any(|known| Arc::ptr_eq(known, &link)) {
            self.links.push(link);
        }
    }
}
