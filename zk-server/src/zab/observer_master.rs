//! A follower that serves observers, so that the leader has fewer learners (Java: `ObserverMaster`,
//! the parts about it in `Follower` and `FollowerZooKeeperServer`).
//!
//! An observer gets what the follower has committed, then every commit. What an observer lacks is
//! decided, sent and followed by commits in one call, so nothing is kept for the time between (Java
//! keeps `observerMaster.sizeLimit` bytes, and sends an observer away that they do not reach back to).
//! An observer whose last master had heard more of the epoch waits until this one has heard it too (Java
//! cuts the observer's log, and what it has shown to clients is gone for a while).
//! What observers want of the leader goes on over the follower's own link; the leader answers `sync` in
//! its order, and a session's revalidations in theirs, so queues tell whose answer has come.

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::Bytes;
use proto::quorum::payload::{Request, Revalidate, Revalidated};
use proto::quorum::{PacketType, QuorumPacket};
use proto::zk::OpCode;

use crate::config::Role;
use crate::tree::Database;
use crate::units::{LinkId, Now, Zxid};

use super::handler::{self, Begun, Handlers, Stage, send};
use super::io::Effect;
use super::leader::LearnerStatus;
use super::settings::{Settings, Start};
use super::zxid::{begins_epoch, epoch_of};

/// A question to the leader, whose answer is for that session.
#[derive(Debug)]
struct Asked {
    session: i64,
    /// an observer and the session's timeout; `None`: this server itself wants to know
    by: Option<(LinkId, i32)>,
}

#[derive(Debug)]
pub(super) struct ObserverMaster {
    settings: Settings,
    me: i64,
    epoch: i64,
    /// to the leader
    leader: LinkId,
    observers: Handlers,
    last_committed: i64,
    /// who waits for the answer to a `sync`; `None`: this server itself
    syncs: VecDeque<Option<LinkId>>,
    revalidations: VecDeque<Asked>,
    next_ping_us: u64,
}

impl ObserverMaster {
    /// For a follower that serves from now on.
    pub(super) fn new(
        settings: Settings,
        me: i64,
        epoch: i64,
        leader: LinkId,
        last_committed: i64,
        now: Now,
    ) -> Self {
        Self {
            me,
            epoch,
            leader,
            observers: Handlers::new(settings),
            last_committed,
            syncs: VecDeque::new(),
            revalidations: VecDeque::new(),
            next_ping_us: now.mono_us + settings.ticks_us(1) / 2,
            settings,
        }
    }

    pub(super) fn accepted(&mut self, link: LinkId, peer: SocketAddr, now: Now) {
        self.observers.accepted(link, peer, 0, now);
    }

    pub(super) fn packet(
        &mut self,
        link: LinkId,
        packet: &QuorumPacket,
        start: &Start,
        db: &Database,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let Some(observer) = self.observers.get_mut(&link) else {
            return;
        };
        observer.received += 1;
        let done = match observer.stage {
            Stage::Greeting => self.greeting(link, packet, start, now, out),
            Stage::Informed => self.epoch_acknowledged(link, packet, start, db, now, out),
            Stage::Syncing => self.new_leader_acknowledged(link, packet, now, out),
            Stage::Active => self.served(link, packet, now, out),
            // The others are a leader's, but for the one who waits for the disk.
            _ => Err(format!("it sent {:?} before it was its turn", packet.kind)),
        };
        if let Err(reason) = done {
            self.close(link, reason, out);
        }
    }

    fn greeting(
        &mut self,
        link: LinkId,
        packet: &QuorumPacket,
        start: &Start,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Result<(), String> {
        let who = handler::introduced(packet, self.me, start.active.version())?;
        if who.role != Role::Observer {
            return Err(format!(
                "Non observer attempting to connect to ObserverMaster. type = {:?}",
                packet.kind
            ));
        }
        if let Some(older) = self.observers.older(who.server) {
            let reason = format!("server {} has connected again", who.server);
            self.close(older, reason, out);
        }
        self.observers.introduce(link, &who, now, out);
        self.observers.inform(link, self.epoch, now, out);
        Ok(())
    }

    /// An observer has no say in the epoch: it gets its history at once.
    fn epoch_acknowledged(
        &mut self,
        link: LinkId,
        packet: &QuorumPacket,
        start: &Start,
        db: &Database,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Result<(), String> {
        self.observers.epoch_acknowledged(link, packet, now)?;
        self.begin_syncs(start, db, now, out);
        Ok(())
    }

    /// For those that wait for their history, where all that they have is committed here. An observer has
    /// what its leader has committed: what this server lacks of the same epoch is on its way.
    pub(super) fn begin_syncs(
        &mut self,
        start: &Start,
        db: &Database,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let ahead =
            |zxid| epoch_of(zxid) == self.epoch && !begins_epoch(zxid) && zxid > db.last_zxid().0;
        let waiting = self
            .observers
            .iter()
            .filter_map(|(&link, o)| match o.stage {
                Stage::Elected { zxid } if !ahead(zxid) => Some((link, zxid)),
                _ => None,
            });
        for (link, zxid) in waiting.collect::<Vec<_>>() {
            let begun = self.observers.begin_sync(link, zxid, db, now, out);
            self.finish_sync(link, begun, start, out);
        }
    }

    pub(super) fn log_read(
        &mut self,
        link: LinkId,
        records: &[(Zxid, Bytes)],
        start: &Start,
        db: &Database,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let begun = self.observers.log_read(link, records, db, now, out);
        self.finish_sync(link, begun, start, out);
    }

    fn finish_sync(
        &mut self,
        link: LinkId,
        begun: Result<Begun, String>,
        start: &Start,
        out: &mut Vec<Effect>,
    ) {
        match begun {
            Ok(Begun::Sent { .. }) => {
                // One that is only proposed is none of theirs yet.
                let config = start.active.text().clone();
                self.observers
                    .send_new_leader(link, self.epoch, config, out);
            }
            Ok(Begun::Waits) => {}
            Err(reason) => self.close(link, reason, out),
        }
    }

    pub(super) fn snapshot_sent(&mut self, link: LinkId, now: Now) {
        self.observers.snapshot_sent(link, now);
    }

    fn new_leader_acknowledged(
        &mut self,
        link: LinkId,
        packet: &QuorumPacket,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Result<(), String> {
        self.observers
            .new_leader_acknowledged(link, packet, self.epoch, now)?;
        self.observers.activate(link, 0, now, out);
        Ok(())
    }

    /// A packet of an observer that serves.
    fn served(
        &mut self,
        link: LinkId,
        packet: &QuorumPacket,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Result<(), String> {
        self.observers.heard(link, 0, now);
        match packet.kind {
            // the one after UPTODATE
            PacketType::Ack if begins_epoch(packet.zxid) => {}
            PacketType::Ack => {
                let zxid = packet.zxid;
                return Err(format!("Observers shouldn't send ACKS ack = {zxid:x}"));
            }
            PacketType::Ping => handler::touched(packet, out)?,
            PacketType::Revalidate => {
                let ask = Revalidate::read(packet).map_err(|error| error.to_string())?;
                self.revalidations.push_back(Asked {
                    session: ask.session,
                    by: Some((link, ask.timeout_ms)),
                });
                send(self.leader, packet.clone(), out);
            }
            PacketType::Request => {
                let request = Request::read(packet).map_err(|error| error.to_string())?;
                if request.op == OpCode::Sync.code() {
                    self.syncs.push_back(Some(link));
                }
                if let Some(observer) = self.observers.get_mut(&link) {
                    observer.requests += 1;
                }
                send(self.leader, packet.clone(), out);
            }
            // Java says so in its log, and goes on.
            _ => {}
        }
        Ok(())
    }

    /// This server itself has sent a `sync`.
    pub(super) fn own_sync(&mut self) {
        self.syncs.push_back(None);
    }

    /// This server itself has asked for a session.
    pub(super) fn own_revalidation(&mut self, session: i64) {
        self.revalidations.push_back(Asked { session, by: None });
    }

    /// The leader has answered the oldest `sync`.
    pub(super) fn synced(&mut self, out: &mut Vec<Effect>) {
        match self.syncs.pop_front() {
            Some(Some(link)) => self.send(link, QuorumPacket::new(PacketType::Sync, 0), out),
            Some(None) | None => out.push(Effect::Synced),
        }
    }

    /// The leader has answered whether a session lives.
    pub(super) fn revalidated(
        &mut self,
        packet: &QuorumPacket,
        answer: Revalidated,
        out: &mut Vec<Effect>,
    ) {
        let Revalidated { session, valid } = answer;
        let mut asked = self.revalidations.iter();
        let at = asked.position(|asked| asked.session == session);
        let by = at.and_then(|at| self.revalidations.remove(at)?.by);
        let Some((link, timeout_ms)) = by else {
            return out.push(Effect::Revalidated { session, valid });
        };
        if valid {
            out.push(Effect::Touch {
                session,
                timeout_ms,
            });
        }
        self.send(link, packet.clone(), out);
    }

    /// A quorum has logged this. `leader`: who leads the configuration that it brings.
    pub(super) fn committed(
        &mut self,
        zxid: i64,
        record: &Bytes,
        leader: Option<i64>,
        out: &mut Vec<Effect>,
    ) {
        self.last_committed = zxid;
        for (&link, observer) in self.observers.iter_mut() {
            if !observer.forwarding() {
                continue;
            }
            observer.sent += 1;
            observer.last_zxid = zxid;
            let packet = match leader {
                None => QuorumPacket::with(PacketType::Inform, zxid, record.clone()),
                Some(leader) => QuorumPacket::inform_and_activate(zxid, leader, record),
            };
            send(link, packet, out);
        }
    }

    pub(super) fn tick(&mut self, now: Now, out: &mut Vec<Effect>) {
        for link in self.observers.silent(now) {
            self.close(link, "it has been silent for too long".to_owned(), out);
        }
        if self.next_ping_us <= now.mono_us {
            self.next_ping_us = now.mono_us + self.settings.ticks_us(1) / 2;
            // Observers owe no ACKs, so that none is late.
            self.observers.ping(self.last_committed, now, out);
        }
    }

    /// In microseconds of `Now::mono_us`.
    pub(super) fn next_deadline(&self) -> Option<u64> {
        let ping = (!self.observers.is_empty()).then_some(self.next_ping_us);
        [ping, self.observers.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// The connection is closed or broken.
    pub(super) fn gone(&mut self, link: LinkId, reason: &str, out: &mut Vec<Effect>) {
        self.observers.forget(link, reason.to_owned(), out);
    }

    /// This server follows no longer.
    pub(super) fn end(mut self, out: &mut Vec<Effect>) {
        for link in std::mem::take(&mut *self.observers).into_keys() {
            out.push(Effect::Close { link });
        }
    }

    pub(super) fn reset(&mut self) {
        self.observers.reset_observers();
    }

    pub(super) fn status(&self) -> Vec<LearnerStatus> {
        self.observers.status(0)
    }

    /// Observers that are told of commits.
    pub(super) fn synced_observers(&self) -> usize {
        self.observers.values().filter(|o| o.forwarding()).count()
    }

    fn send(&mut self, link: LinkId, packet: QuorumPacket, out: &mut Vec<Effect>) {
        if let Some(observer) = self.observers.get_mut(&link) {
            observer.sent += 1;
            send(link, packet, out);
        }
    }

    fn close(&mut self, link: LinkId, reason: String, out: &mut Vec<Effect>) {
        if self.observers.forget(link, reason, out).is_some() {
            out.push(Effect::Close { link });
        }
    }
}
