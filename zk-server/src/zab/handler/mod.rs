//! The learners of a leader or of an observer master: who they are, what is sent to bring them up to
//! date, how long they may be silent (Java: `LearnerHandler`, `LearnerMaster`). What a learner has to
//! wait for, and what its packets mean in the end, is its master's business.

mod state;
mod sync;
mod sync_plan;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};

use proto::quorum::payload::{LearnerInfo, PROTOCOL_VERSION, Touch};
use proto::quorum::{PacketType, QuorumPacket};

use crate::config::Role;
use crate::units::{LinkId, Now};

use super::event::Event;
use super::io::Effect;
use super::leader::LearnerStatus;
use super::settings::Settings;
use super::zxid::epoch_of;

pub(super) use state::{Handler, Stage};
pub(super) use sync::{Begun, send};

/// A zxid has 31 bits for it; the last number is none that a server starts with.
pub(super) const MAX_EPOCH: i64 = i32::MAX as i64 - 1;

/// What a learner says of itself with its first packet.
#[derive(Debug)]
pub(super) struct Introduced {
    pub server: i64,
    pub role: Role,
    pub accepted_epoch: i64,
}

#[derive(Debug)]
pub(super) struct Handlers {
    settings: Settings,
    all: BTreeMap<LinkId, Handler>,
}

impl Deref for Handlers {
    type Target = BTreeMap<LinkId, Handler>;

    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

impl DerefMut for Handlers {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.all
    }
}

impl Handlers {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            all: BTreeMap::new(),
        }
    }

    /// A learner has connected. `ticks`: those that have passed.
    pub(super) fn accepted(&mut self, link: LinkId, peer: SocketAddr, ticks: u64, now: Now) {
        let until = ticks + self.settings.init_limit + self.settings.sync_limit;
        let deadline = self.in_init_limit(now);
        self.all
            .insert(link, Handler::new(peer, now.wall_ms, deadline, until));
    }

    /// It may serve, and has to be heard of in every `syncLimit`.
    pub(super) fn activate(&mut self, link: LinkId, ticks: u64, now: Now, out: &mut Vec<Effect>) {
        self.heard(link, ticks, now);
        if let Some(learner) = self.all.get_mut(&link) {
            learner.stage = Stage::Active;
            learner.sent += 1;
            let server = learner.server.unwrap_or_default();
            send(link, QuorumPacket::new(PacketType::UpToDate, -1), out);
            out.push(Effect::Say(Event::LearnerSynced { server }));
        }
    }

    /// A learner that serves has sent something.
    pub(super) fn heard(&mut self, link: LinkId, ticks: u64, now: Now) {
        let limit = self.settings.sync_limit;
        if let Some(learner) = self.all.get_mut(&link) {
            learner.deadline_us = Some(now.mono_us + self.settings.ticks_us(limit));
            learner.counts_until_tick = ticks + limit;
        }
    }

    /// An older connection of that server: one that has not been seen to break.
    pub(super) fn older(&self, server: i64) -> Option<LinkId> {
        let mut all = self.all.iter();
        let older = all.find(|(_, learner)| learner.server == Some(server));
        older.map(|(&link, _)| link)
    }

    /// From here on it is known who is at the other end.
    pub(super) fn introduce(
        &mut self,
        link: LinkId,
        who: &Introduced,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let deadline = self.in_init_limit(now);
        if let Some(learner) = self.all.get_mut(&link) {
            learner.server = Some(who.server);
            learner.role = who.role;
            learner.stage = Stage::Known;
            learner.deadline_us = Some(deadline);
            out.push(Effect::Say(Event::LearnerConnected {
                server: who.server,
                peer: learner.peer,
                role: who.role,
            }));
        }
    }

    /// LEADERINFO
    pub(super) fn inform(&mut self, link: LinkId, epoch: i64, now: Now, out: &mut Vec<Effect>) {
        let deadline = self.in_init_limit(now);
        if let Some(learner) = self.all.get_mut(&link) {
            learner.stage = Stage::Informed;
            learner.deadline_us = Some(deadline);
            learner.sent += 1;
            send(link, QuorumPacket::leader_info(epoch), out);
        }
    }

    /// ACKEPOCH: the epoch that the learner's history is of, unless it had accepted the new one
    /// before. Its history ends with the packet's zxid.
    pub(super) fn epoch_acknowledged(
        &mut self,
        link: LinkId,
        packet: &QuorumPacket,
        now: Now,
    ) -> Result<Option<i64>, String> {
        if packet.kind != PacketType::AckEpoch {
            return Err(format!("{:?} is not ACKEPOCH", packet.kind));
        }
        let epoch = packet.acked_epoch().map_err(|error| error.to_string())?;
        let zxid = packet.zxid;
        if zxid < 0 {
            return Err(format!("its history ends at 0x{zxid:x}, which can't be"));
        }
        let deadline = self.in_init_limit(now);
        if let Some(learner) = self.all.get_mut(&link) {
            learner.stage = Stage::Elected { zxid };
            learner.deadline_us = Some(deadline);
        }
        Ok(epoch)
    }

    /// The last byte of a snapshot has been written: from here on the learner is expected to answer
    /// within `initLimit`.
    pub(super) fn snapshot_sent(&mut self, link: LinkId, now: Now) {
        let deadline = self.in_init_limit(now);
        if let Some(learner) = self.all.get_mut(&link) {
            if learner.stage == Stage::Syncing {
                learner.deadline_us = Some(deadline);
            }
        }
    }

    /// Whether every learner gets a snapshot.
    pub(super) fn snapshots_only(&mut self, on: bool) {
        self.settings.force_snap_sync = on;
    }

    /// It is not the turn of those that have this history and wait for others.
    pub(super) fn patient(&mut self) {
        for learner in self.all.values_mut() {
            if learner.stage == Stage::Synced {
                learner.deadline_us = None;
            }
        }
    }

    /// Those that should have spoken.
    pub(super) fn silent(&self, now: Now) -> Vec<LinkId> {
        let all = self.all.iter();
        let late = all.filter(|(_, l)| l.deadline_us.is_some_and(|at| at <= now.mono_us));
        late.map(|(&link, _)| link).collect()
    }

    /// The next of their deadlines.
    pub(super) fn next_deadline(&self) -> Option<u64> {
        self.all.values().filter_map(|l| l.deadline_us).min()
    }

    /// PING to all that are told of commits. Gives those that have owed an ACK for too long.
    pub(super) fn ping(&mut self, zxid: i64, now: Now, out: &mut Vec<Effect>) -> Vec<LinkId> {
        let limit = self.settings.ticks_us(self.settings.sync_limit);
        let mut late = Vec::new();
        for (&link, learner) in &mut self.all {
            if !learner.forwarding() || learner.stage == Stage::Syncing && learner.is_snap() {
                continue;
            }
            if learner.acks.waiting_us(now.mono_us) >= limit {
                late.push(link);
            } else {
                learner.sent += 1;
                send(link, QuorumPacket::new(PacketType::Ping, zxid), out);
            }
        }
        late
    }

    /// For operators, after so many ticks.
    pub(super) fn status(&self, ticks: u64) -> Vec<LearnerStatus> {
        let all = self.all.iter();
        all.map(|(&link, learner)| LearnerStatus {
            link,
            since_ms: learner.since_ms,
            server: learner.server,
            peer: learner.peer,
            role: learner.role,
            synced: learner.stage == Stage::Active && learner.counts_until_tick >= ticks,
            received: learner.received,
            sent: learner.sent,
            requests: learner.requests,
            last_zxid: learner.last_zxid,
        })
        .collect()
    }

    /// The counters of observers begin anew (Java: `resetObserverConnectionStats`).
    pub(super) fn reset_observers(&mut self) {
        for learner in self.all.values_mut() {
            if learner.role == Role::Observer {
                (learner.received, learner.sent, learner.requests) = (0, 0, 0);
                learner.last_zxid = -1;
            }
        }
    }

    /// Its connection is closed, or is to be closed.
    pub(super) fn forget(
        &mut self,
        link: LinkId,
        reason: String,
        out: &mut Vec<Effect>,
    ) -> Option<Handler> {
        let learner = self.all.remove(&link)?;
        out.push(Effect::Say(Event::LearnerClosed {
            server: learner.server,
            peer: learner.peer,
            reason,
        }));
        Some(learner)
    }

    fn in_init_limit(&self, now: Now) -> u64 {
        now.mono_us + self.settings.ticks_us(self.settings.init_limit)
    }
}

/// Who says so, and whether it may follow server `me`, whose configuration has that version.
pub(super) fn introduced(
    packet: &QuorumPacket,
    me: i64,
    config_version: i64,
) -> Result<Introduced, String> {
    let role = match packet.kind {
        PacketType::FollowerInfo => Role::Participant,
        PacketType::ObserverInfo => Role::Observer,
        kind => {
            return Err(format!(
                "First packet {kind:?} is not FOLLOWERINFO or OBSERVERINFO!"
            ));
        }
    };
    let info = LearnerInfo::read(packet);
    let server = match info.server {
        Some(server) if info.protocol >= PROTOCOL_VERSION => server,
        _ => return Err("it is older than 3.4, which is not supported".to_owned()),
    };
    if server == me {
        return Err(format!(
            "it calls itself server {server}, as this server does: two servers have the same myid"
        ));
    }
    if info
        .config_version
        .is_some_and(|theirs| theirs > config_version)
    {
        return Err(
            "Follower is ahead of the leader (has a later activated configuration)".to_owned(),
        );
    }
    let accepted_epoch = epoch_of(packet.zxid);
    if !(-1..MAX_EPOCH).contains(&accepted_epoch) {
        return Err(format!(
            "it accepted epoch {accepted_epoch}, which can't be"
        ));
    }
    Ok(Introduced {
        server,
        role,
        accepted_epoch,
    })
}

/// The sessions that an answer to PING tells of.
pub(super) fn touched(packet: &QuorumPacket, out: &mut Vec<Effect>) -> Result<(), String> {
    for touch in Touch::read(packet) {
        let touch = touch.map_err(|error| error.to_string())?;
        out.push(Effect::Touch {
            session: touch.session,
            timeout_ms: touch.timeout_ms,
        });
    }
    Ok(())
}
