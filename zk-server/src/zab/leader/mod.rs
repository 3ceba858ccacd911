//! A server that leads (Java: `Leader`).
//!
//! All its answers come from what it was told: packets of learners, completions of the disk, the
//! server's transactions. Between two calls everything that it has committed is in the database.

mod broadcast;
mod discovery;
mod proposal;
mod quorum;
mod restore;
mod status;
mod sync;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use bytes::Bytes;
use driver::metrics::Summary;
use proto::quorum::QuorumPacket;

use crate::quorum::View;
use crate::store::epochs::Epoch;
use crate::store::orders::DiskDone;
use crate::tree::Database;
use crate::units::Now;

use super::handler::{Handler, Handlers, Stage};
use super::io::Effect;
use super::settings::{Settings, Start};
use crate::units::LinkId;

use proposal::Outstanding;
use quorum::Views;
use restore::Bring;
pub use status::{LeaderStatus, LearnerStatus, ProposalSizes};

/// How far this leader has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waits for a quorum that tells what epochs it has accepted.
    Discovering,
    /// The new epoch is being written.
    Accepting,
    /// Waits for a quorum that accepts the new epoch.
    Electing,
    /// Waits for a quorum that has the leader's history.
    Establishing,
    Serving,
    Over,
}

#[derive(Debug)]
pub struct Leader {
    settings: Settings,
    start: Start,
    views: Views,
    phase: Phase,
    /// the new epoch, as far as it is known while discovering
    epoch: i64,
    began_us: u64,
    /// until when this phase has to end
    deadline_us: Option<u64>,
    /// have told which epoch they accepted
    connecting: BTreeSet<i64>,
    /// have accepted the new one
    electing: BTreeSet<i64>,
    /// have the leader's history on their disks
    established: BTreeSet<i64>,
    learners: Handlers,
    outstanding: Outstanding,
    last_proposed: i64,
    last_committed: i64,
    proposal_sizes: ProposalSizes,
    /// milliseconds from the making of a transaction to each server's ACK
    ack_ms: BTreeMap<i64, Summary>,
    /// a reconfiguration has made another server the leader
    resigned: bool,
    /// `sync` requests that wait for a proposal to be committed
    pending_syncs: VecDeque<(i64, LinkId)>,
    ticks: u64,
    /// half ticks are odd
    half_tick: bool,
    next_half_us: u64,
    /// an operator's snapshot instead of this server's history, until a quorum has it
    bring: Option<Bring>,
}

impl Leader {
    /// Does nothing before the quorum port is open, but wait for it.
    pub fn new(settings: Settings, start: Start, now: Now) -> Self {
        Self {
            views: Views::new(start.active.clone(), start.last_seen.clone()),
            phase: Phase::Discovering,
            epoch: start.accepted_epoch + 1,
            began_us: now.mono_us,
            deadline_us: Some(now.mono_us + settings.ticks_us(settings.init_limit)),
            connecting: BTreeSet::new(),
            electing: BTreeSet::new(),
            established: BTreeSet::new(),
            learners: Handlers::new(settings),
            outstanding: Outstanding::default(),
            last_proposed: 0,
            last_committed: 0,
            proposal_sizes: ProposalSizes::default(),
            ack_ms: BTreeMap::new(),
            resigned: false,
            pending_syncs: VecDeque::new(),
            ticks: 0,
            half_tick: false,
            next_half_us: 0,
            bring: None,
            settings,
            start,
        }
    }

    /// The quorum port is open: learners can come.
    pub fn listening(&mut self, out: &mut Vec<Effect>) {
        if self.phase == Phase::Discovering {
            let (me, accepted) = (self.start.me, self.start.accepted_epoch);
            self.connecting(me, accepted, out);
        }
    }

    /// What the oracle says now.
    pub fn oracle(&mut self, grants: bool, db: &Database, now: Now, out: &mut Vec<Effect>) {
        if self.start.oracle.is_none() {
            return;
        }
        self.start.oracle = Some(grants);
        let me = self.start.me;
        match self.phase {
            Phase::Discovering if self.connecting.contains(&me) => {
                self.connecting(me, self.start.accepted_epoch, out);
            }
            Phase::Electing => self.check_elected(db, now, out),
            Phase::Establishing => self.check_established(now, out),
            _ => {}
        }
    }

    /// A learner has connected.
    pub fn accepted(&mut self, link: LinkId, peer: SocketAddr, now: Now) {
        self.learners.accepted(link, peer, self.ticks, now);
    }

    pub fn packet(
        &mut self,
        link: LinkId,
        packet: QuorumPacket,
        db: &Database,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let Some(learner) = self.learners.get_mut(&link) else {
            return;
        };
        if self.phase == Phase::Over {
            return;
        }
        learner.received += 1;
        let done = match learner.stage {
            Stage::Greeting => self.greeting(link, &packet, now, out),
            Stage::Informed => self.ack_epoch(link, &packet, db, now, out),
            Stage::Syncing => self.ack_new_leader(link, &packet, now, out),
            Stage::Active => self.broadcast_packet(link, &packet, now, out),
            Stage::Known | Stage::Elected { .. } | Stage::ReadingLog { .. } | Stage::Synced => {
                Err(format!("it sent {:?} before it was its turn", packet.kind))
            }
        };
        if let Err(reason) = done {
            self.close(link, reason, out);
        }
    }

    /// The connection is closed or broken. No answer to an `Effect::Close` is needed.
    pub fn gone(&mut self, link: LinkId, reason: &str, out: &mut Vec<Effect>) {
        self.forget(link, reason.to_owned(), out);
    }

    /// `EpochWritten`, `Logged` and `LogRead`; others mean nothing to a leader.
    pub fn disk(&mut self, done: DiskDone, db: &Database, now: Now, out: &mut Vec<Effect>) {
        if self.phase == Phase::Over {
            return;
        }
        match done {
            DiskDone::EpochWritten { which, value } if value == self.epoch => {
                match (which, self.phase) {
                    (Epoch::Accepted, Phase::Accepting) => self.epoch_accepted(db, now, out),
                    (Epoch::Current, Phase::Establishing) => {
                        self.established.insert(self.start.me);
                        if self.is_keeping() {
                            self.set_deadline(now);
                        }
                        self.check_established(now, out);
                    }
                    _ => {}
                }
            }
            DiskDone::Logged { zxid } => self.logged(zxid.0, now, out),
            DiskDone::LogRead { link, records } => self.log_read(link, &records, db, now, out),
            _ => {}
        }
    }

    /// The last byte of a `SendSnapshot` has been written: from here on the learner is expected to
    /// answer within `initLimit`.
    pub fn snapshot_sent(&mut self, link: LinkId, now: Now) {
        self.learners.snapshot_sent(link, now);
    }

    /// The server has made a transaction and `DiskOrder::Append` is ordered. `config`: the new
    /// configuration, when the transaction is a reconfiguration.
    pub fn proposed(
        &mut self,
        zxid: i64,
        record: Bytes,
        config: Option<View>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        if self.phase == Phase::Serving {
            self.proposal_sizes.note(record.len());
            self.propose(zxid, record, config, now, out);
        }
    }

    pub fn tick(&mut self, now: Now, out: &mut Vec<Effect>) {
        if self.deadline_us.is_some_and(|at| at <= now.mono_us) {
            let reason = self.late();
            return self.abandon(reason, out);
        }
        for link in self.learners.silent(now) {
            let reason = "it has been silent for too long, or the quorum has not formed in time";
            self.close(link, reason.to_owned(), out);
        }
        if self.next_half_us <= now.mono_us {
            match self.phase {
                Phase::Serving => self.half_tick(now, out),
                _ if self.is_keeping() => self.ping_while_keeping(now, out),
                _ => {}
            }
        }
    }

    /// In microseconds of `Now::mono_us`.
    pub fn next_deadline(&self) -> Option<u64> {
        let half = self.phase == Phase::Serving || self.is_keeping();
        let half = half.then_some(self.next_half_us);
        let learners = self.learners.next_deadline();
        [half, learners, self.deadline_us]
            .into_iter()
            .flatten()
            .min()
    }

    /// Closes a learner's connection for what it did, or did not.
    fn close(&mut self, link: LinkId, reason: String, out: &mut Vec<Effect>) {
        if self.learners.contains_key(&link) {
            out.push(Effect::Close { link });
            self.forget(link, reason, out);
        }
    }

    fn forget(&mut self, link: LinkId, reason: String, out: &mut Vec<Effect>) {
        let Some(learner) = self.learners.forget(link, reason, out) else {
            return;
        };
        self.pending_syncs.retain(|&(_, waiting)| waiting != link);
        // One that has gone may follow a later leader by the time that this one's own disk is ready.
        if let Some(server) = learner.server.filter(|_| self.phase == Phase::Establishing) {
            let mut others = self.learners.values();
            if !others.any(|other| other.server == Some(server) && other.stage == Stage::Synced) {
                self.established.remove(&server);
            }
        }
    }

    fn abandon(&mut self, reason: String, out: &mut Vec<Effect>) {
        if self.phase == Phase::Over {
            return;
        }
        self.phase = Phase::Over;
        self.deadline_us = None;
        for link in std::mem::take(&mut *self.learners).into_keys() {
            out.push(Effect::Close { link });
        }
        out.push(Effect::Abandon { reason });
    }
}
