//! Brings learners up to date, and counts those that are (Java: second half of
//! `LearnerHandler.run`, `startForwarding`, `waitForNewLeaderAck`, `startZkServer`).
//!
//! One call decides what a learner lacks, sends it, and forwards from there on: no proposal can come
//! between (TLA+ issues 1 and 2, ZOOKEEPER-3104).

use bytes::Bytes;
use proto::quorum::{PacketType, QuorumPacket};

use crate::config::Role;
use crate::mutants::{self, Mutant};
use crate::store::orders::DiskOrder;
use crate::tree::Database;
use crate::units::{LinkId, Now, Zxid};
use crate::zab::event::{Event, Sync};
use crate::zab::io::Effect;

use super::follower::Stage;
use super::sync_plan::{self, History, Plan};
use super::{Leader, Phase};

impl Leader {
    /// `zxid`: the end of the learner's history.
    pub(super) fn synchronize(
        &mut self,
        link: LinkId,
        zxid: i64,
        db: &Database,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let plan = sync_plan::plan(zxid, db, &self.settings);
        if let Plan::ReadLog { bytes } = plan {
            if let Some(learner) = self.learners.get_mut(&link) {
                learner.stage = Stage::ReadingLog { zxid };
                learner.deadline_us = None;
                out.push(Effect::Disk(DiskOrder::ReadLog {
                    link,
                    after: Zxid(zxid),
                    bytes,
                }));
            }
            return;
        }
        self.carry_out(link, zxid, plan, db, now, out);
    }

    pub(super) fn log_read(
        &mut self,
        link: LinkId,
        records: &[(Zxid, Bytes)],
        db: &Database,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let Some(learner) = self.learners.get(&link) else {
            return;
        };
        if let Stage::ReadingLog { zxid } = learner.stage {
            let plan = sync_plan::plan_with_log(zxid, db, records);
            self.carry_out(link, zxid, plan, db, now, out);
        }
    }

    fn carry_out(
        &mut self,
        link: LinkId,
        zxid: i64,
        plan: Plan,
        db: &Database,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let sync = match plan {
            Plan::Diff { .. } => Sync::Diff,
            Plan::Trunc { .. } => Sync::Trunc,
            Plan::Snap | Plan::ReadLog { .. } => Sync::Snap,
        };
        if let Err(reason) = self.throttle(link, sync) {
            return self.close(link, reason, out);
        }
        let deadline = now.mono_us + self.settings.ticks_us(self.settings.init_limit);
        let Some(learner) = self.learners.get_mut(&link) else {
            return;
        };
        learner.stage = Stage::Syncing;
        learner.sync = Some(sync);
        learner.deadline_us = (sync != Sync::Snap).then_some(deadline);
        let server = learner.server.unwrap_or_default();
        let participant = learner.role == Role::Participant;
        let leader_zxid = db.last_zxid().0;
        out.push(Effect::Say(Event::Synchronizing {
            server,
            sync,
            learner_zxid: zxid,
            leader_zxid,
            min_committed: db.committed().min().unwrap_or(leader_zxid),
            max_committed: db.committed().max().unwrap_or(leader_zxid),
        }));
        let before = out.len();
        match plan {
            Plan::Diff { announce, then } => {
                send(link, QuorumPacket::new(PacketType::Diff, announce), out);
                send_committed(link, then, out);
            }
            Plan::Trunc { to } => {
                send(link, QuorumPacket::new(PacketType::Trunc, to), out);
            }
            Plan::Snap | Plan::ReadLog { .. } => {
                send(link, QuorumPacket::new(PacketType::Snap, leader_zxid), out);
                out.push(Effect::SendSnapshot { link });
            }
        }
        if participant && !mutants::is(Mutant::MissProposalsInSync) {
            self.outstanding.withdraw(server);
            for proposal in self.outstanding.iter() {
                send(link, proposal.packet(), out);
            }
        }
        let config = self.views.last_seen.text().clone();
        let new_leader = QuorumPacket::with(PacketType::NewLeader, self.epoch << 32, config);
        send(link, new_leader, out);
        if let Some(learner) = self.learners.get_mut(&link) {
            learner.sent += (out.len() - before) as u64;
            learner.last_zxid = self.epoch << 32;
        }
    }

    /// Servers that vote are brought up to date in any case (Java: `LearnerSyncThrottler`).
    fn throttle(&self, link: LinkId, sync: Sync) -> Result<(), String> {
        let snap = sync == Sync::Snap;
        let (limit, what) = if snap {
            (self.settings.max_concurrent_snap_syncs, "snap")
        } else {
            (self.settings.max_concurrent_diff_syncs, "diff")
        };
        let syncs = self.learners.values().filter_map(|learner| learner.sync);
        let running = syncs.filter(|&sync| (sync == Sync::Snap) == snap).count();
        let learner = self.learners.get(&link);
        let exempt = learner.is_none_or(|learner| learner.role == Role::Participant);
        if exempt || running < limit {
            Ok(())
        } else {
            let next = running + 1;
            Err(format!(
                "too many concurrent {what} syncs: it would be number {next}, {limit} are allowed"
            ))
        }
    }

    pub(super) fn ack_new_leader(
        &mut self,
        link: LinkId,
        packet: &QuorumPacket,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Result<(), String> {
        if packet.kind != PacketType::Ack {
            let kind = packet.kind;
            return Err(format!(
                "Next packet was supposed to be an ACK, but received packet: {kind:?}"
            ));
        }
        let (zxid, ours) = (packet.zxid, self.epoch << 32);
        if zxid != ours {
            return Err(format!(
                "NEWLEADER ACK is from a different epoch - current 0x{ours:x} received 0x{zxid:x}"
            ));
        }
        let deadline = now.mono_us + self.settings.ticks_us(self.settings.init_limit);
        let Some(learner) = self.learners.get_mut(&link) else {
            return Ok(());
        };
        learner.stage = Stage::Synced;
        learner.deadline_us = Some(deadline);
        learner.sync = None;
        learner.acks.start();
        if self.phase == Phase::Serving {
            self.activate_learner(link, now, out);
        } else {
            self.established.extend(learner.server);
            self.check_established(now, out);
        }
        Ok(())
    }

    /// A quorum has this server's history and the epoch on disk: it is the leader of the epoch.
    pub(super) fn check_established(&mut self, now: Now, out: &mut Vec<Effect>) {
        let with_me = self.established.contains(&self.start.me);
        if !with_me || !self.views.have_quorum(&self.established) {
            return;
        }
        self.phase = Phase::Serving;
        self.deadline_us = None;
        self.last_proposed = self.epoch << 32;
        self.last_committed = self.last_proposed;
        self.next_half_us = now.mono_us + self.settings.ticks_us(1) / 2;
        self.half_tick = true;
        out.push(Effect::Say(Event::QuorumEstablished {
            servers: self.established.iter().copied().collect(),
            zxid: self.last_proposed,
        }));
        // The server begins with the configuration in its tree.
        self.activate_established(out);
        out.push(Effect::Serve { epoch: self.epoch });
        let synced: Vec<LinkId> = self
            .learners
            .iter()
            .filter(|(_, learner)| learner.stage == Stage::Synced)
            .map(|(&link, _)| link)
            .collect();
        for link in synced {
            self.activate_learner(link, now, out);
        }
    }

    fn activate_learner(&mut self, link: LinkId, now: Now, out: &mut Vec<Effect>) {
        let deadline = now.mono_us + self.settings.ticks_us(self.settings.sync_limit);
        if let Some(learner) = self.learners.get_mut(&link) {
            learner.stage = Stage::Active;
            learner.deadline_us = Some(deadline);
            learner.counts_until_tick = self.ticks + self.settings.sync_limit;
            learner.sent += 1;
            let server = learner.server.unwrap_or_default();
            send(link, QuorumPacket::new(PacketType::UpToDate, -1), out);
            out.push(Effect::Say(Event::LearnerSynced { server }));
        }
    }
}

fn send_committed(link: LinkId, history: History, out: &mut Vec<Effect>) {
    for (zxid, record) in history {
        send(
            link,
            QuorumPacket::with(PacketType::Proposal, zxid, record),
            out,
        );
        send(link, QuorumPacket::new(PacketType::Commit, zxid), out);
    }
}

pub(super) fn send(link: LinkId, packet: QuorumPacket, out: &mut Vec<Effect>) {
    out.push(Effect::Send { link, packet });
}
