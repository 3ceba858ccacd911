//! A server that follows or observes (Java: `Learner`, `Follower`, `Observer`).
//!
//! It logs and applies only what is committed until the leader says UPTODATE; proposals wait in
//! memory till then. NEWLEADER is acknowledged after everything applied so far and the epoch are on
//! disk (ZOOKEEPER-3911, 4643, 4646), a proposal after it is logged.

mod broadcast;
mod discovery;
mod sync;

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::Bytes;
use proto::quorum::{PacketType, QuorumPacket};

use crate::config::Role;
use crate::quorum::View;
use crate::store::epochs::Epoch;
use crate::store::orders::DiskDone;
use crate::tree::Database;
use crate::units::Now;

use super::event::Source;
use super::io::Effect;
use super::leader::LearnerStatus;
use super::observer_master::ObserverMaster;
use super::settings::{Settings, Start};
use crate::units::LinkId;

/// So many links, from the one that it is given on, are a learner's own: Java's five tries to connect
/// with `leaderConnectDelayDuringRetryMs` between them, and before those some with shorter pauses, for
/// a leader that has not begun to listen yet.
pub const LINKS: u64 = 10;
const FIRST_PAUSE_US: u64 = 5_000;

/// How far this learner has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Dialling, or waiting until `retry_us` to dial again.
    Connecting {
        dials: u64,
        give_up_us: u64,
        retry_us: Option<u64>,
    },
    /// FOLLOWERINFO or OBSERVERINFO is sent.
    Registering,
    /// The new epoch is being written.
    Accepting,
    /// ACKEPOCH is sent: DIFF, TRUNC or SNAP is next.
    Registered,
    ReceivingSnapshot {
        zxid: i64,
    },
    /// What the leader sends meanwhile waits.
    Truncating {
        zxid: i64,
    },
    /// The history that is missing here comes in.
    Synchronizing,
    /// NEWLEADER has come, the epoch is being written.
    Establishing,
    /// NEWLEADER is acknowledged, UPTODATE is next.
    Established,
    Serving,
    Over,
}

/// A proposal that is not committed.
#[derive(Debug)]
struct Waiting {
    zxid: i64,
    record: Bytes,
    config: Option<View>,
}

#[derive(Debug)]
pub struct Learner {
    settings: Settings,
    start: Start,
    role: Role,
    leader: i64,
    /// observer: the followers that may serve it, in the order in which it tries them; empty: the leader
    masters: Vec<i64>,
    /// whom it has dialled last
    master: i64,
    first_link: LinkId,
    link: LinkId,
    phase: Phase,
    /// why the last dial failed
    unreachable: String,
    /// the leader's, once it has told it
    epoch: i64,
    /// when the leader was heard last
    heard_us: u64,
    /// the last transaction here that is committed
    applied: i64,
    /// the last one that was proposed, or that is committed
    last: i64,
    /// while no server runs: proposals that are not committed, in order
    waiting: VecDeque<Waiting>,
    /// came while the log was being cut
    held: VecDeque<QuorumPacket>,
    /// proposals after NEWLEADER that are not acknowledged yet, in order
    unacked: VecDeque<i64>,
    /// while serving: proposals that are not committed, in order
    uncommitted: VecDeque<Waiting>,
    /// came with NEWLEADER
    configured: Option<View>,
    /// between the order to cut the log and the database that is left
    truncating: bool,
    /// while serving, when this follower is to serve observers
    observers: Option<Box<ObserverMaster>>,
}

impl Learner {
    /// Dials `leader`, or one of `masters` in turn. Whether this server follows or observes is in its
    /// configuration.
    pub fn new(
        settings: Settings,
        start: Start,
        leader: i64,
        masters: Vec<i64>,
        first_link: LinkId,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Self {
        let role = role_in(&start.active, start.me);
        let limit = match settings.connect_limit {
            0 => settings.init_limit,
            limit => limit,
        };
        let mut learner = Self {
            role,
            leader,
            master: leader,
            masters,
            first_link,
            link: first_link,
            phase: Phase::Connecting {
                dials: 0,
                give_up_us: now.mono_us + settings.ticks_us(limit),
                retry_us: None,
            },
            unreachable: String::new(),
            epoch: start.accepted_epoch,
            heard_us: now.mono_us,
            applied: start.last_zxid,
            last: start.last_zxid,
            waiting: VecDeque::new(),
            held: VecDeque::new(),
            unacked: VecDeque::new(),
            uncommitted: VecDeque::new(),
            configured: None,
            truncating: false,
            observers: None,
            settings,
            start,
        };
        learner.begin(now, out);
        learner
    }

    pub fn packet(
        &mut self,
        link: LinkId,
        packet: QuorumPacket,
        db: &Database,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        if link != self.link {
            if let Some(observers) = &mut self.observers {
                observers.packet(link, &packet, &self.start, db, now, out);
            }
            return;
        }
        self.heard_us = now.mono_us;
        match self.phase {
            Phase::Registering => self.leader_info(&packet, now, out),
            Phase::Registered => self.begin_sync(&packet, out),
            Phase::Truncating { .. } => self.held.push_back(packet),
            Phase::Synchronizing | Phase::Establishing | Phase::Established => {
                self.sync_packet(packet, now, out);
            }
            Phase::Serving => {
                if let Some(observers) = &mut self.observers {
                    observers.begin_syncs(&self.start, db, now, out);
                }
                self.broadcast_packet(packet, out);
            }
            // The leader has nothing to say before it is told who connects.
            Phase::Connecting { .. } | Phase::Accepting | Phase::ReceivingSnapshot { .. } => {
                self.unexpected(packet.kind, out);
            }
            Phase::Over => {}
        }
    }

    /// `EpochWritten`, `Reloaded`, `Logged`, `LogRead`; others mean nothing to a learner.
    pub fn disk(&mut self, done: DiskDone, db: &Database, now: Now, out: &mut Vec<Effect>) {
        match done {
            DiskDone::EpochWritten { which, value } => match (which, self.phase) {
                (Epoch::Accepted, Phase::Accepting) if value == self.epoch => {
                    self.epoch_accepted(now, out);
                }
                (Epoch::Current, Phase::Establishing) if value == self.epoch => {
                    self.established(now, out);
                }
                _ => {}
            },
            DiskDone::Reloaded { database } if self.truncating => {
                self.heard_us = now.mono_us;
                self.truncated(database, now, out);
            }
            DiskDone::Logged { zxid } => self.logged(zxid.0, out),
            DiskDone::LogRead { link, records } => {
                if let Some(observers) = &mut self.observers {
                    observers.log_read(link, &records, &self.start, db, now, out);
                }
            }
            _ => {}
        }
    }

    /// Dialling failed, or the connection is gone.
    pub fn gone(&mut self, link: LinkId, reason: &str, now: Now, out: &mut Vec<Effect>) {
        if self.phase == Phase::Over {
            return;
        }
        if link != self.link {
            if let Some(observers) = &mut self.observers {
                observers.gone(link, reason, out);
            }
            return;
        }
        if matches!(self.phase, Phase::Connecting { .. }) {
            self.dial_failed(reason, now, out);
        } else {
            let reason = format!("the connection to {} is gone: {reason}", self.master_name());
            self.finish(reason, out);
        }
    }

    pub fn tick(&mut self, now: Now, out: &mut Vec<Effect>) {
        match self.phase {
            Phase::Connecting { retry_us, .. } if retry_us.is_some_and(|at| at <= now.mono_us) => {
                self.dial(out);
            }
            Phase::Connecting { give_up_us, .. } if give_up_us <= now.mono_us => {
                let mut reason = format!("{} can't be reached in time", self.master_name());
                if !self.unreachable.is_empty() {
                    reason = format!("{reason}: {}", self.unreachable);
                }
                self.abandon(reason, out);
            }
            _ => {}
        }
        if self.silent_until().is_some_and(|at| at <= now.mono_us) {
            let (master, ms) = (self.master_name(), (now.mono_us - self.heard_us) / 1000);
            self.abandon(format!("{master} has been silent for {ms} ms"), out);
        }
        if let Some(observers) = &mut self.observers {
            observers.tick(now, out);
        }
    }

    /// In microseconds of `Now::mono_us`.
    pub fn next_deadline(&self) -> Option<u64> {
        let own = match self.phase {
            Phase::Connecting {
                give_up_us,
                retry_us,
                ..
            } => Some(retry_us.map_or(give_up_us, |at| at.min(give_up_us))),
            _ => self.silent_until(),
        };
        let observers = self.observers.as_ref().and_then(|o| o.next_deadline());
        [own, observers].into_iter().flatten().min()
    }

    /// Until when the leader has to say something; `None` while this side is at work.
    fn silent_until(&self) -> Option<u64> {
        let ticks = match self.phase {
            Phase::Registering | Phase::Registered | Phase::Synchronizing => {
                self.settings.init_limit
            }
            Phase::Established | Phase::Serving => self.settings.sync_limit,
            _ => return None,
        };
        Some(self.heard_us + self.settings.ticks_us(ticks))
    }

    /// Whether the files have run ahead of the database, so that `DiskOrder::Reload` has to come
    /// before anything else when this role ends here.
    pub fn needs_reload(&self) -> bool {
        self.truncating
    }

    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Whom this server follows.
    pub fn leader(&self) -> i64 {
        self.leader
    }

    /// The server that it is connected to, or dials: the leader, or the master of an observer.
    pub fn master(&self) -> i64 {
        self.master
    }

    /// How many of the masters it was given have been tried and left.
    pub fn masters_left(&self) -> usize {
        let at = self.masters.iter().position(|&id| id == self.master);
        at.map_or(0, |at| at + 1)
    }

    fn source(&self) -> Source {
        match self.masters.is_empty() {
            true => Source::Leader(self.leader),
            false => Source::ObserverMaster(self.master),
        }
    }

    fn master_name(&self) -> String {
        match self.source() {
            Source::Leader(id) => format!("leader {id}"),
            Source::ObserverMaster(id) => format!("observer master {id}"),
        }
    }

    /// Observers that are told of commits; `None`: this server serves none.
    pub fn synced_observers(&self) -> Option<usize> {
        self.observers.as_ref().map(|o| o.synced_observers())
    }

    /// For operators.
    pub fn observers(&self) -> Vec<LearnerStatus> {
        self.observers
            .as_ref()
            .map_or_else(Vec::new, |o| o.status())
    }

    /// `orst`
    pub fn reset_observers(&mut self) {
        if let Some(observers) = &mut self.observers {
            observers.reset();
        }
    }

    /// Whether observers may connect.
    pub fn serves_observers(&self) -> bool {
        self.observers.is_some()
    }

    /// An observer has connected.
    pub fn accepted(&mut self, link: LinkId, peer: SocketAddr, now: Now) {
        if let Some(observers) = &mut self.observers {
            observers.accepted(link, peer, now);
        }
    }

    /// The last byte of a `SendSnapshot` has been written.
    pub fn snapshot_sent(&mut self, link: LinkId, now: Now) {
        if let Some(observers) = &mut self.observers {
            observers.snapshot_sent(link, now);
        }
    }

    /// The leader's epoch, as far as it is known.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    pub fn role(&self) -> Role {
        self.role
    }

    fn send(&self, packet: QuorumPacket, out: &mut Vec<Effect>) {
        out.push(Effect::Send {
            link: self.link,
            packet,
        });
    }

    fn unexpected(&mut self, kind: PacketType, out: &mut Vec<Effect>) {
        let (leader, phase) = (self.master_name(), self.phase);
        self.abandon(
            format!("{leader} sent {kind:?} to a learner that is {phase:?}"),
            out,
        );
    }

    fn abandon(&mut self, reason: String, out: &mut Vec<Effect>) {
        if self.phase != Phase::Over {
            out.push(Effect::Close { link: self.link });
            self.finish(reason, out);
        }
    }

    /// The link is closed already.
    fn finish(&mut self, reason: String, out: &mut Vec<Effect>) {
        self.phase = Phase::Over;
        self.held.clear();
        self.waiting.clear();
        if let Some(observers) = self.observers.take() {
            observers.end(out);
        }
        out.push(Effect::Abandon { reason });
    }
}

/// A server that is not in the configuration follows without a vote.
fn role_in(view: &View, me: i64) -> Role {
    match view.server(me) {
        Some(server) => server.role,
        None => Role::Participant,
    }
}
