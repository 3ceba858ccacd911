//! The peer itself: which role it has, who holds the database meanwhile, and where each input goes
//! (Java: `QuorumPeer.run`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use proto::quorum::PeerState;

use crate::core::Server;
use crate::core::io::Output;
use crate::core::stats::Stats;
use crate::election::{Basis, Election};
use crate::quorum::View;
use crate::store::epochs::Epoch;
use crate::store::orders::{DiskDone, DiskOrder};
use crate::tree::Database;
use crate::units::{ConnId, LinkId, Now, Zxid};
use crate::zab::learner::Phase;
use crate::zab::{Effect, Leader, Learner};

use super::effects::Said;
use super::events::{Events, PeerEvent};
use super::io::{PeerInput, PeerOutput};
use super::looking::Looking;
use super::restore::Restoring;
use super::retire::Retiring;
use super::settings::{PeerSettings, PeerStart};
use super::status::{PeerStatus, ZabState};

/// The database lies in one place at a time.
#[derive(Debug)]
pub(super) enum Home {
    /// no server runs
    Idle(Box<Database>),
    Serving(Box<Server>),
    /// on its way from one to the other
    Moving,
}

/// What this server is to the ensemble.
#[derive(Debug)]
pub(super) enum Role {
    Looking(Looking),
    Leading(Box<Leader>),
    Learning(Box<Learner>),
    /// between a role and the next election
    Retiring(Retiring),
}

#[derive(Debug)]
pub struct Peer {
    pub(super) settings: PeerSettings,
    pub(super) now: Now,
    pub(super) election: Election,
    pub(super) role: Role,
    pub(super) home: Home,
    pub(super) current_epoch: i64,
    pub(super) accepted_epoch: i64,
    pub(super) active: View,
    pub(super) seen: View,
    /// end of the log, durable or not
    pub(super) last_appended: Zxid,
    /// connections to other servers that this role has opened or taken
    pub(super) links: BTreeSet<LinkId>,
    pub(super) next_link: LinkId,
    /// clients that connected while no server ran, and have said nothing yet
    pub(super) early: BTreeMap<ConnId, SocketAddr>,
    /// logged by a learner before it serves, and not committed yet
    pub(super) pending: Vec<(Zxid, bytes::Bytes)>,
    /// whom a reconfiguration makes the leader, without an election, and its zxid
    pub(super) designated: Option<(i64, i64)>,
    /// an operator's snapshot, until it is this ensemble's state
    pub(super) restoring: Option<Restoring>,
    /// a reconfiguration that the next proposal carries
    pub(super) reconfig: Option<(Zxid, View)>,
    /// `Flush` and `Reload` that have no answer yet
    pub(super) flushes: u32,
    pub(super) reloads: u32,
    /// its last role was an observer's
    pub(super) observed: bool,
    /// how many masters this observer has left
    pub(super) masters_left: usize,
    /// what is still to be done of the present input
    pub(super) effects: VecDeque<Effect>,
    pub(super) said: VecDeque<Said>,
    /// kept for their capacity
    pub(super) outputs: Vec<Output>,
    pub(super) spare: Vec<Effect>,
    /// a leader's epoch is agreed on and written
    pub(super) discovered: bool,
    pub(super) looking_since_us: u64,
    pub(super) election_us: Option<u64>,
    pub(super) events: Events,
    /// what the servers of former roles have counted
    pub(super) stats: Stats,
}

impl Peer {
    /// A peer that begins to look for a leader with the first `Tick`.
    pub fn new(settings: PeerSettings, start: PeerStart, now: Now) -> Self {
        let PeerStart {
            mut database,
            current_epoch,
            accepted_epoch,
            active,
            seen,
        } = start;
        database.committed_mut().keep(settings.commit_log_count);
        let last = database.last_zxid();
        let basis = Basis {
            zxid: last.0,
            epoch: current_epoch,
        };
        let mut election = Election::new(settings.id, settings.election, active.clone(), basis);
        election.set_views(active.clone(), seen.clone());
        if let Some(grants) = settings.oracle {
            // It looks for nobody yet, so that nothing follows.
            election.oracle(grants, now, &mut Vec::new());
        }
        Self {
            election,
            settings,
            now,
            role: Role::Looking(Looking::default()),
            last_appended: last,
            home: Home::Idle(Box::new(database)),
            current_epoch,
            accepted_epoch,
            seen: seen.unwrap_or_else(|| active.clone()),
            active,
            links: BTreeSet::new(),
            next_link: LinkId::FIRST_DIALLED,
            early: BTreeMap::new(),
            pending: Vec::new(),
            designated: None,
            restoring: None,
            reconfig: None,
            flushes: 0,
            reloads: 0,
            observed: false,
            masters_left: 0,
            effects: VecDeque::new(),
            said: VecDeque::new(),
            outputs: Vec::new(),
            spare: Vec::new(),
            discovered: false,
            looking_since_us: now.mono_us,
            election_us: None,
            events: Events::default(),
            stats: Stats::new(),
        }
    }

    /// Takes one input and appends what it leads to, in the order in which it must be done.
    pub fn handle(&mut self, now: Now, input: PeerInput, out: &mut Vec<PeerOutput>) {
        self.now = now;
        match input {
            PeerInput::Client(input) => self.client(input, out),
            PeerInput::Notification { from, notification } => {
                self.notified(from, &notification, out);
            }
            PeerInput::Disk(done) => self.disk_done(done, out),
            PeerInput::Oracle { grants } => self.oracle(grants, out),
            PeerInput::OutOfReach { server, gone } => self.reach(server, gone, out),
            PeerInput::Restore { database } => self.restore(database, out),
            PeerInput::Tick => self.tick(out),
            input => self.link(input, out),
        }
        self.settle(out);
    }

    /// What came of a connection to another server.
    fn link(&mut self, input: PeerInput, out: &mut Vec<PeerOutput>) {
        if let PeerInput::Accepted { link, peer } = input {
            match &mut self.role {
                Role::Leading(leader) => {
                    self.links.insert(link);
                    leader.accepted(link, peer, self.now);
                }
                Role::Learning(learner) if learner.serves_observers() => {
                    self.links.insert(link);
                    learner.accepted(link, peer, self.now);
                }
                _ => out.push(PeerOutput::Close { link }),
            }
            return;
        }
        let mut effects = std::mem::take(&mut self.spare);
        match &mut self.role {
            Role::Leading(leader) => {
                if let Some(db) = self.home.database() {
                    leading(leader, &mut self.links, input, db, self.now, &mut effects);
                }
            }
            Role::Learning(learner) => {
                if let Some(db) = self.home.database() {
                    learning(learner, &mut self.links, input, db, self.now, &mut effects);
                }
            }
            // of a role that is over
            Role::Looking(_) | Role::Retiring(_) => {}
        }
        self.queue(effects);
    }

    fn disk_done(&mut self, done: DiskDone, out: &mut Vec<PeerOutput>) {
        match &done {
            DiskDone::EpochWritten { which, value } => match which {
                Epoch::Current => {
                    self.current_epoch = *value;
                    self.discovered = true;
                }
                Epoch::Accepted => self.accepted_epoch = *value,
            },
            DiskDone::SnapshotDone { zxid, ok } => {
                let input = crate::core::io::Input::SnapshotDone {
                    zxid: *zxid,
                    ok: *ok,
                };
                return self.client(input, out);
            }
            DiskDone::Logged { zxid } => {
                if let Home::Serving(server) = &mut self.home {
                    server.noted_logged(*zxid);
                }
            }
            DiskDone::Flushed => self.flushes = self.flushes.saturating_sub(1),
            DiskDone::Reloaded { .. } => self.reloads = self.reloads.saturating_sub(1),
            _ => {}
        }
        let mut effects = std::mem::take(&mut self.spare);
        match &mut self.role {
            Role::Leading(leader) => {
                if let Some(db) = self.home.database() {
                    leader.disk(done, db, self.now, &mut effects);
                }
            }
            Role::Learning(learner) => {
                if let Some(db) = self.home.database() {
                    learner.disk(done, db, self.now, &mut effects);
                }
            }
            Role::Looking(_) => {}
            Role::Retiring(_) => self.retired(done, out),
        }
        self.queue(effects);
    }

    /// What a ZAB machine wants done after what it wanted before. The list began as `spare`.
    pub(super) fn queue(&mut self, mut effects: Vec<Effect>) {
        self.effects.extend(effects.drain(..));
        self.spare = effects;
    }

    fn tick(&mut self, out: &mut Vec<PeerOutput>) {
        let mut effects = std::mem::take(&mut self.spare);
        match &mut self.role {
            Role::Leading(leader) => leader.tick(self.now, &mut effects),
            Role::Learning(learner) => learner.tick(self.now, &mut effects),
            Role::Looking(_) | Role::Retiring(_) => {}
        }
        self.queue(effects);
        self.tick_restoring();
        self.tell_synced(out);
        self.settle(out);
        self.tick_election(out);
        if matches!(self.home, Home::Serving(_)) {
            self.client(crate::core::io::Input::Tick, out);
        }
    }

    /// When the next `Tick` must come at the latest, on the monotonic clock.
    pub fn next_deadline(&self) -> Option<u64> {
        let role = match &self.role {
            Role::Leading(leader) => leader.next_deadline(),
            Role::Learning(learner) => learner.next_deadline(),
            Role::Looking(looking) => looking.next_deadline(self),
            Role::Retiring(_) => None,
        };
        let server = self.server().and_then(Server::next_deadline);
        let election = self.election.next_deadline();
        [role, server, election, self.restore_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// What the operator should be told since the last call.
    pub fn drain_events(&mut self) -> Vec<PeerEvent> {
        if let Home::Serving(server) = &mut self.home {
            for event in server.drain_events() {
                self.events.push(PeerEvent::Server(event));
            }
        }
        self.events.take()
    }

    /// The server, while clients are served.
    pub fn server(&self) -> Option<&Server> {
        match &self.home {
            Home::Serving(server) => Some(server),
            Home::Idle(_) | Home::Moving => None,
        }
    }

    pub fn server_mut(&mut self) -> Option<&mut Server> {
        match &mut self.home {
            Home::Serving(server) => Some(server),
            Home::Idle(_) | Home::Moving => None,
        }
    }

    /// Wherever it is.
    pub fn database(&self) -> Option<&Database> {
        self.home.database()
    }

    /// Whether it looks for a leader; a server between two roles does not yet.
    pub fn is_looking(&self) -> bool {
        matches!(self.role, Role::Looking(_))
    }

    pub fn leader(&self) -> Option<&Leader> {
        match &self.role {
            Role::Leading(leader) => Some(leader),
            _ => None,
        }
    }

    /// The counters of the observers that this server feeds begin anew.
    pub fn reset_observers(&mut self) {
        match &mut self.role {
            Role::Leading(leader) => leader.reset_observers(),
            Role::Learning(learner) => learner.reset_observers(),
            Role::Looking(_) | Role::Retiring(_) => {}
        }
    }

    /// A leader's sizes of proposals begin anew.
    pub fn reset_proposal_sizes(&mut self) {
        if let Role::Leading(leader) = &mut self.role {
            leader.reset_proposal_sizes();
        }
    }

    pub fn learner(&self) -> Option<&Learner> {
        match &self.role {
            Role::Learning(learner) => Some(learner),
            _ => None,
        }
    }

    /// A server that is not in the configuration follows, without a vote.
    pub(super) fn observes(&self) -> bool {
        self.active.is_observer(self.settings.id)
    }

    /// What it knows of the oracle of an ensemble of two; `None`: there is none.
    pub fn oracle_says(&self) -> Option<bool> {
        self.settings.oracle
    }

    pub fn status(&self) -> PeerStatus {
        let serving = matches!(self.home, Home::Serving(_));
        let (state, leader) = match &self.role {
            Role::Leading(_) => (PeerState::Leading, Some(self.settings.id)),
            Role::Learning(learner) => {
                let state = if self.observes() {
                    PeerState::Observing
                } else {
                    PeerState::Following
                };
                (state, Some(learner.leader()))
            }
            Role::Looking(_) | Role::Retiring(_) => (PeerState::Looking, None),
        };
        let zab = match &self.role {
            Role::Looking(_) | Role::Retiring(_) => ZabState::Election,
            _ if serving => ZabState::Broadcast,
            Role::Leading(_) if self.discovered => ZabState::Synchronization,
            Role::Learning(learner) => match learner.phase() {
                Phase::Connecting { .. } | Phase::Registering | Phase::Accepting => {
                    ZabState::Discovery
                }
                _ => ZabState::Synchronization,
            },
            Role::Leading(_) => ZabState::Discovery,
        };
        PeerStatus {
            id: self.settings.id,
            state,
            zab,
            leader,
            current_epoch: self.current_epoch,
            accepted_epoch: self.accepted_epoch,
            last_processed: self.database().map_or(Zxid(0), Database::last_zxid),
            last_appended: self.last_appended,
            active: self.active.clone(),
            seen: self.seen.clone(),
            election_us: self.election_us,
        }
    }

    pub(super) fn order(&mut self, order: DiskOrder, out: &mut Vec<PeerOutput>) {
        match &order {
            DiskOrder::Append { zxid, .. } => self.last_appended = *zxid,
            DiskOrder::Flush => self.flushes += 1,
            DiskOrder::Reload | DiskOrder::Truncate { .. } => self.reloads += 1,
            _ => {}
        }
        let of_log = matches!(order, DiskOrder::Append { .. } | DiskOrder::Roll);
        if !of_log || self.keeps_log() {
            out.push(PeerOutput::Disk(order));
        }
    }

    /// An observer may do without: after a restart it gets what came after its last snapshot anew.
    pub(super) fn keeps_log(&self) -> bool {
        self.settings.sync_enabled || !self.observes()
    }
}

impl Home {
    pub(super) fn database(&self) -> Option<&Database> {
        match self {
            Self::Serving(server) => Some(server.database()),
            Self::Idle(database) => Some(database),
            Self::Moving => None,
        }
    }
}

fn leading(
    leader: &mut Leader,
    links: &mut BTreeSet<LinkId>,
    input: PeerInput,
    db: &Database,
    now: Now,
    out: &mut Vec<Effect>,
) {
    match input {
        PeerInput::Packet { link, packet } => leader.packet(link, packet, db, now, out),
        PeerInput::Listening => leader.listening(out),
        PeerInput::NotListening { reason } => out.push(Effect::Abandon { reason }),
        PeerInput::SnapshotSent { link } => leader.snapshot_sent(link, now),
        PeerInput::Gone { link, reason } => {
            links.remove(&link);
            leader.gone(link, &reason, out);
        }
        _ => {}
    }
}

fn learning(
    learner: &mut Learner,
    links: &mut BTreeSet<LinkId>,
    input: PeerInput,
    db: &Database,
    now: Now,
    out: &mut Vec<Effect>,
) {
    match input {
        PeerInput::Connected { link } => learner.connected(link, now, out),
        PeerInput::Packet { link, packet } => learner.packet(link, packet, db, now, out),
        PeerInput::SnapshotSent { link } => learner.snapshot_sent(link, now),
        PeerInput::Snapshot { link, database } => learner.snapshot(link, database, now, out),
        PeerInput::Gone { link, reason } => {
            links.remove(&link);
            learner.gone(link, &reason, now, out);
        }
        _ => {}
    }
}
