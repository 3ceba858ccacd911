//! The one owner of everything a server knows (Java: `ZooKeeperServer`).
//!
//! `handle` takes one input at a time and never waits: what must be durable first is in the queue
//! of proposals until the log reports it.

use std::collections::{HashMap, HashSet, VecDeque};

use bytes::Bytes;

use crate::pipeline::commit::Proposals;
use crate::pipeline::forward::Forwards;
use crate::pipeline::overlay::Overlay;
use crate::pipeline::prep::QuotaExceeded;
use crate::pipeline::reconfig::Views;
use crate::pipeline::records::RecordBuffer;
use crate::session::{SessionTracker, id};
use crate::store::image::Image;
use crate::tree::Database;
use crate::watch::Watches;

use super::conn::{Conns, Phase};
use super::containers::ContainerSweep;
use super::io::{Input, Mode, Output};
use super::queue::Waiting;
use super::settings::Settings;
use super::snapshots::Snapshots;
use super::stats::Stats;
use super::throttle::ConnectionThrottle;
use crate::units::{ConnId, Now, Zxid};

/// Something an operator should read; the driver logs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    SessionExpired {
        session: i64,
    },
    Quota(QuotaExceeded),
    ReconfigRefused {
        why: String,
    },
    /// The server did nothing for so long; deadlines of sessions moved by as much.
    Stalled {
        ms: u64,
    },
    /// A client was refused because it has seen a later zxid than this server has.
    ClientAhead {
        conn: ConnId,
        seen: i64,
        ours: i64,
    },
    /// A request cannot be read; its connection is closed.
    Malformed {
        conn: ConnId,
    },
    UnknownRequest {
        conn: ConnId,
        op: i32,
    },
    LargeRequestRefused {
        conn: ConnId,
        bytes: usize,
    },
    AuthFailed {
        conn: ConnId,
        scheme: String,
    },
    /// A client without one of the identities that `enforce.auth.schemes` asks for.
    NotAuthenticated {
        conn: ConnId,
    },
    /// Sessions are opened faster than the connection throttle allows.
    ConnectionThrottled {
        conn: ConnId,
    },
    /// A request waited longer than its session's timeout.
    StaleRequest {
        conn: ConnId,
    },
    /// A reply that only clients with a larger `jute.maxbuffer` than ours can read.
    LongReply {
        conn: ConnId,
        op: &'static str,
        bytes: usize,
    },
    /// There is no room for a watch, or for an identity, of this connection.
    LimitReached {
        conn: ConnId,
        what: &'static str,
    },
    /// A local session has become one of the ensemble.
    SessionUpgraded {
        session: i64,
    },
    /// A write was refused because its session has moved to another server; its connection is closed.
    SessionMoved {
        session: i64,
    },
    /// The tree is not the leader's after this transaction. Told once; the rest is counted.
    DigestMismatch {
        zxid: i64,
    },
    /// A client that wants to write came while this server can only read.
    ReadWriteClient {
        conn: ConnId,
    },
}

/// Events beyond this many between two drains are only counted.
const MAX_EVENTS: usize = 1000;

/// What is left of a server whose role is over.
#[derive(Debug)]
pub struct Retired {
    pub stats: Stats,
    /// with every committed transaction that the server knew of
    pub database: Database,
    /// appended, not known to be committed; in their order
    pub unapplied: Vec<(Zxid, Bytes)>,
}

#[derive(Debug)]
pub struct Server {
    pub(crate) mode: Mode,
    pub(crate) settings: Settings,
    pub(crate) db: Database,
    pub(crate) overlay: Overlay,
    pub(crate) records: RecordBuffer,
    pub(crate) tracker: SessionTracker,
    pub(crate) watches: Watches,
    pub(crate) conns: Conns,
    by_id: HashMap<ConnId, u32>,
    pub(crate) by_session: HashMap<i64, u32>,
    pub(crate) proposals: Proposals,
    /// the last zxid given to a write
    pub(crate) last_assigned: i64,
    /// member of an ensemble: this server's log has everything up to here
    pub(crate) last_logged: i64,
    pub(crate) next_session: i64,
    pub(crate) containers: ContainerSweep,
    pub(crate) snapshots: Snapshots,
    pub(crate) stats: Stats,
    pub(crate) throttle: ConnectionThrottle,
    pub(crate) now: Now,
    pub(crate) started_us: u64,
    /// requests that wait in the queues of connections
    pub(crate) held: usize,
    pub(crate) large_bytes: usize,
    /// connections that have requests waiting for the throttle
    pub(crate) throttled: VecDeque<ConnId>,
    pub(crate) quota_events: Vec<QuotaExceeded>,
    /// learner: what waits for the leader
    pub(crate) forwards: Forwards,
    /// learner: connections that wait to hear whether their session lives
    pub(crate) revalidations: HashMap<i64, VecDeque<(u32, ConnId)>>,
    /// learner: sessions of the ensemble that were heard of, with their timeouts
    pub(crate) touched: HashMap<i64, i32>,
    /// learner: local sessions on their way to become the ensemble's
    pub(crate) upgrading: HashSet<i64>,
    /// leader: what a reconfig looks at
    pub(crate) views: Option<Box<Views>>,
    /// alone or leader: owners of ephemerals that have no session
    pub(crate) orphans: Vec<i64>,
    pub(crate) abandoned: bool,
    pub(crate) mismatch_told: bool,
    events: Vec<Event>,
}

impl Server {
    /// A standalone server on a restored database. Ephemerals without a session are deleted by
    /// transactions: the snapshot has them, and the next start reads what comes in their place.
    pub fn new(settings: Settings, db: Database, now: Now) -> Self {
        let last = db.last_zxid().0;
        Self::with(settings, Mode::Standalone, db, last, now)
    }

    /// A server in its role in an ensemble, on a database that is in step with the leader's. `epoch`
    /// is the leader's: its first zxid is the one after `epoch << 32`.
    pub fn serve(settings: Settings, mode: Mode, db: Database, epoch: i64, now: Now) -> Self {
        let last = if mode == Mode::Leading {
            epoch << 32
        } else {
            db.last_zxid().0
        };
        Self::with(settings, mode, db, last, now)
    }

    /// Ends the role: every client's connection is closed, and nothing is applied any more.
    pub fn retire(mut self, out: &mut Vec<Output>) -> Retired {
        let slots: Vec<u32> = self
            .conns
            .slots
            .iter()
            .map(|(slot, _)| slot as u32)
            .collect();
        for slot in slots {
            self.close(slot, out);
        }
        Retired {
            stats: self.stats,
            database: self.db,
            unapplied: self.proposals.into_records(),
        }
    }

    fn with(settings: Settings, mode: Mode, db: Database, last_assigned: i64, now: Now) -> Self {
        let mut tracker = SessionTracker::new(settings.tick_time_ms, now.mono_us);
        if matches!(mode, Mode::Standalone | Mode::Leading) {
            for (&id, &timeout) in db.sessions() {
                tracker.track(id, timeout);
            }
        }
        let orphans = if matches!(mode, Mode::Standalone | Mode::Leading) {
            db.orphans()
        } else {
            Vec::new()
        };
        Self {
            mode,
            overlay: Overlay::default(),
            records: RecordBuffer::default(),
            tracker,
            watches: Watches::default(),
            conns: Conns::default(),
            by_id: HashMap::new(),
            by_session: HashMap::new(),
            proposals: Proposals::default(),
            last_assigned,
            last_logged: last_assigned,
            next_session: id::next_id(settings.server_id, now.wall_ms, db.sessions()),
            containers: ContainerSweep::new(&settings, now),
            snapshots: Snapshots::new(&settings),
            stats: Stats::new(),
            throttle: ConnectionThrottle::new(
                settings.connection_throttle,
                settings.seed,
                now.mono_us / 1000,
            ),
            now,
            started_us: now.mono_us,
            held: 0,
            large_bytes: 0,
            throttled: VecDeque::new(),
            quota_events: Vec::new(),
            forwards: Forwards::default(),
            revalidations: HashMap::new(),
            touched: HashMap::new(),
            upgrading: HashSet::new(),
            views: None,
            orphans,
            abandoned: false,
            mismatch_told: false,
            events: Vec::new(),
            settings,
            db,
        }
    }

    /// Takes one input and appends what it leads to, in the order in which it must be done.
    pub fn handle(&mut self, now: Now, input: Input, out: &mut Vec<Output>) {
        if self.abandoned {
            return;
        }
        self.now = now;
        if let Some(gap) = self.tracker.advance(now.mono_us) {
            self.stats.stalls += 1;
            self.stats.stalled_us += gap;
            self.event(Event::Stalled { ms: gap / 1000 });
        }
        // Before anyone can meet what they left behind.
        self.close_orphans(out);
        match input {
            Input::Connected { conn, peer } => {
                let slot = self.conns.add(conn, peer, now);
                self.by_id.insert(conn, slot);
            }
            Input::Frames { conn, frames } => self.frames(conn, &frames, out),
            Input::Disconnected { conn } => {
                if let Some(&slot) = self.by_id.get(&conn) {
                    self.forget(slot);
                }
            }
            Input::Drained { conn } => self.drained(conn, out),
            Input::Logged { zxid } => {
                if self.mode == Mode::Standalone {
                    self.commit_to(zxid.0, out);
                }
            }
            Input::Quorum(told) => self.hear(told, out),
            Input::SnapshotDone { .. } => self.snapshots.done(),
            Input::Tick => {}
        }
        self.expire_sessions(out);
        self.sweep_containers(out);
        self.wake_throttled(out);
        self.flush(out);
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// When the next `Tick` must come at the latest, on the monotonic clock.
    pub fn next_deadline(&self) -> Option<u64> {
        if !self.orphans.is_empty() {
            return Some(self.now.mono_us);
        }
        let sessions = self.tracker.next_deadline();
        let containers = self.sweeps().then(|| self.containers.next_us());
        [sessions, containers].into_iter().flatten().min()
    }

    /// The state as of the last committed transaction.
    pub fn image(&self) -> Image {
        self.db.image()
    }

    /// What the operator should be told since the last call.
    pub fn drain_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    pub(crate) fn event(&mut self, event: Event) {
        if self.events.len() < MAX_EVENTS {
            self.events.push(event);
        }
    }

    fn frames(&mut self, conn: ConnId, frames: &Bytes, out: &mut Vec<Output>) {
        self.stats.bytes_received += frames.len() as u64;
        let mut at = 0;
        while let Some(head) = frames.get(at..at + 4) {
            // The connection may have been closed by the frame before.
            let Some(&slot) = self.by_id.get(&conn) else {
                return;
            };
            let len = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
            at += 4;
            if len > frames.len() - at {
                self.event(Event::Malformed { conn });
                self.close(slot, out);
                return;
            }
            self.frame(slot, frames, at..at + len, out);
            at += len;
        }
        self.pause_if_busy(conn, out);
    }

    fn frame(
        &mut self,
        slot: u32,
        frames: &Bytes,
        range: std::ops::Range<usize>,
        out: &mut Vec<Output>,
    ) {
        self.stats.packets_received += 1;
        let at_us = self.now.mono_us;
        let Some(conn) = self.conns.get_mut(slot) else {
            return;
        };
        conn.stats.received += 1;
        let range_len = range.len();
        match conn.phase {
            Phase::New => self.connect(slot, &frames[range], out),
            Phase::Connecting => {
                let frame = frames.slice(range);
                conn.queue.push(frame, at_us);
                self.held += 1;
                self.large_bytes += self.large(range_len);
            }
            Phase::Open => self.request(slot, frames, range, out),
        }
    }

    /// Java's `globalOutstandingLimit`: a connection with requests outstanding is not read from
    /// while the server has too many.
    fn pause_if_busy(&mut self, id: ConnId, out: &mut Vec<Output>) {
        let busy = self.outstanding_requests() > self.settings.global_outstanding_limit;
        let Some(&slot) = self.by_id.get(&id) else {
            return;
        };
        let Some(conn) = self.conns.get_mut(slot) else {
            return;
        };
        let connecting = conn.phase == Phase::Connecting;
        if !conn.paused && conn.outstanding() > 0 && (busy || connecting) {
            conn.paused = true;
            out.push(Output::Pause { conn: id });
        }
    }

    pub(crate) fn resume_if_idle(&mut self, slot: u32, out: &mut Vec<Output>) {
        let busy = self.outstanding_requests() > self.settings.global_outstanding_limit;
        if let Some(conn) = self.conns.get_mut(slot) {
            if conn.paused && conn.phase == Phase::Open && (!busy || conn.outstanding() == 0) {
                conn.paused = false;
                out.push(Output::Resume { conn: conn.id });
            }
        }
    }

    /// Closes a connection after what it is owed has been sent.
    pub(crate) fn close(&mut self, slot: u32, out: &mut Vec<Output>) {
        if let Some(conn) = self.conns.get_mut(slot) {
            let id = conn.id;
            let bytes = std::mem::take(&mut conn.out);
            if !bytes.is_empty() {
                self.stats.bytes_sent += bytes.len() as u64;
                let bytes = bytes.into();
                out.push(Output::Send { conn: id, bytes });
            }
            out.push(Output::Close { conn: id });
            self.forget(slot);
        }
    }

    /// Drops a connection; its session lives on, its writes go on without a reply.
    fn forget(&mut self, slot: u32) {
        let Some(conn) = self.conns.slots.try_remove(slot as usize) else {
            return;
        };
        self.by_id.remove(&conn.id);
        if self.by_session.get(&conn.session) == Some(&slot) {
            self.by_session.remove(&conn.session);
        }
        self.watches.remove_watcher(slot);
        for waiting in conn.queue.iter() {
            if let Waiting::Request { frame, .. } = waiting {
                self.held -= 1;
                self.large_bytes -= self.large(frame.len());
            }
        }
    }

    fn expire_sessions(&mut self, out: &mut Vec<Output>) {
        for session in self.tracker.expire() {
            self.stats.sessions_expired += 1;
            self.event(Event::SessionExpired { session });
            self.end_session(session, out);
        }
    }

    pub(super) fn end_session(&mut self, session: i64, out: &mut Vec<Output>) {
        if self.tracker.is_local(session) {
            self.tracker.remove(session);
            self.close_connection_of(session, out);
        } else {
            self.close_session_of(session, out);
        }
    }

    fn flush(&mut self, out: &mut Vec<Output>) {
        let mut dirty = std::mem::take(&mut self.conns.dirty);
        for slot in dirty.drain(..) {
            let Some(conn) = self.conns.get_mut(slot) else {
                continue;
            };
            conn.dirty = false;
            let bytes = std::mem::take(&mut conn.out);
            if bytes.is_empty() {
                continue;
            }
            let conn = conn.id;
            self.stats.bytes_sent += bytes.len() as u64;
            let bytes = bytes.into();
            out.push(Output::Send { conn, bytes });
        }
        self.conns.dirty = dirty;
        let exceeded = std::mem::take(&mut self.quota_events);
        for quota in exceeded {
            if quota.hard {
                self.stats.namespaces.quota_exceeded(&quota.prefix);
            }
            self.event(Event::Quota(quota));
        }
    }

    pub(crate) fn slot_of(&self, id: ConnId) -> Option<u32> {
        self.by_id.get(&id).copied()
    }

    /// The last zxid given to a write; those up to `Database::last_zxid` are committed.
    pub fn last_assigned(&self) -> Zxid {
        Zxid(self.last_assigned)
    }
}
