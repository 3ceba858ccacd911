//! Brings a learner up to date (Java: second half of `LearnerHandler.run`, `LearnerSyncThrottler`).
//!
//! One call decides what a learner lacks, sends it, and has it told of all commits from there on: none
//! can come between (TLA+ issues 1 and 2, ZOOKEEPER-3104).

use bytes::Bytes;
use proto::quorum::{PacketType, QuorumPacket};

use crate::config::Role;
use crate::store::orders::DiskOrder;
use crate::tree::Database;
use crate::units::{LinkId, Now, Zxid};
use crate::zab::event::{Event, Sync};
use crate::zab::io::Effect;

use super::Handlers;
use super::state::Stage;
use super::sync_plan::{self, History, Plan};

/// What has become of the beginning of a synchronisation.
#[derive(Debug)]
pub(in crate::zab) enum Begun {
    /// What is missing is being read from the log, or the learner is gone.
    Waits,
    /// All that is committed is sent; `Handlers::send_new_leader` ends it.
    Sent { server: i64, role: Role },
}

impl Handlers {
    /// `zxid`: the end of the learner's history.
    pub(in crate::zab) fn begin_sync(
        &mut self,
        link: LinkId,
        zxid: i64,
        db: &Database,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Result<Begun, String> {
        let plan = sync_plan::plan(zxid, db, &self.settings);
        if let Plan::ReadLog { bytes } = plan {
            if let Some(learner) = self.all.get_mut(&link) {
                learner.stage = Stage::ReadingLog { zxid };
                learner.deadline_us = None;
                out.push(Effect::Disk(DiskOrder::ReadLog {
                    link,
                    after: Zxid(zxid),
                    bytes,
                }));
            }
            return Ok(Begun::Waits);
        }
        self.carry_out(link, zxid, plan, db, now, out)
    }

    /// What `DiskOrder::ReadLog` asked for.
    pub(in crate::zab) fn log_read(
        &mut self,
        link: LinkId,
        records: &[(Zxid, Bytes)],
        db: &Database,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Result<Begun, String> {
        match self.all.get(&link).map(|learner| learner.stage) {
            Some(Stage::ReadingLog { zxid }) => {
                let plan = sync_plan::plan_with_log(zxid, db, records);
                self.carry_out(link, zxid, plan, db, now, out)
            }
            _ => Ok(Begun::Waits),
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
    ) -> Result<Begun, String> {
        let sync = match plan {
            Plan::Diff { .. } => Sync::Diff,
            Plan::Trunc { .. } => Sync::Trunc,
            Plan::Snap | Plan::ReadLog { .. } => Sync::Snap,
        };
        self.throttle(link, sync)?;
        let deadline = self.in_init_limit(now);
        let Some(learner) = self.all.get_mut(&link) else {
            return Ok(Begun::Waits);
        };
        learner.stage = Stage::Syncing;
        learner.sync = Some(sync);
        learner.deadline_us = (sync != Sync::Snap).then_some(deadline);
        let (server, role) = (learner.server.unwrap_or_default(), learner.role);
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
        learner.sent += (out.len() - before) as u64;
        Ok(Begun::Sent { server, role })
    }

    /// Servers that vote are brought up to date in any case (Java: `LearnerSyncThrottler`).
    fn throttle(&self, link: LinkId, sync: Sync) -> Result<(), String> {
        let snap = sync == Sync::Snap;
        let (limit, what) = if snap {
            (self.settings.max_concurrent_snap_syncs, "snap")
        } else {
            (self.settings.max_concurrent_diff_syncs, "diff")
        };
        let syncs = self.all.values().filter_map(|learner| learner.sync);
        let running = syncs.filter(|&sync| (sync == Sync::Snap) == snap).count();
        let learner = self.all.get(&link);
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

    /// NEWLEADER, behind everything that the learner lacked.
    pub(in crate::zab) fn send_new_leader(
        &mut self,
        link: LinkId,
        epoch: i64,
        config: Bytes,
        out: &mut Vec<Effect>,
    ) {
        let new_leader = QuorumPacket::with(PacketType::NewLeader, epoch << 32, config);
        if let Some(learner) = self.all.get_mut(&link) {
            learner.sent += 1;
            learner.last_zxid = epoch << 32;
            send(link, new_leader, out);
        }
    }

    pub(in crate::zab) fn new_leader_acknowledged(
        &mut self,
        link: LinkId,
        packet: &QuorumPacket,
        epoch: i64,
        now: Now,
    ) -> Result<(), String> {
        if packet.kind != PacketType::Ack {
            let kind = packet.kind;
            return Err(format!(
                "Next packet was supposed to be an ACK, but received packet: {kind:?}"
            ));
        }
        let (zxid, ours) = (packet.zxid, epoch << 32);
        if zxid != ours {
            return Err(format!(
                "NEWLEADER ACK is from a different epoch - current 0x{ours:x} received 0x{zxid:x}"
            ));
        }
        let deadline = self.in_init_limit(now);
        if let Some(learner) = self.all.get_mut(&link) {
            learner.stage = Stage::Synced;
            learner.deadline_us = Some(deadline);
            learner.sync = None;
            learner.acks.start();
        }
        Ok(())
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

pub(in crate::zab) fn send(link: LinkId, packet: QuorumPacket, out: &mut Vec<Effect>) {
    out.push(Effect::Send { link, packet });
}
