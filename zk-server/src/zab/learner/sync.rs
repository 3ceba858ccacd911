//! From DIFF, TRUNC or SNAP to UPTODATE (Java: `Learner.syncWithLeader` of 3.9.5).
//!
//! A leader of 3.6 or 3.9 takes its snapshot while it goes on: proposals and commits that are in the
//! snapshot already may follow it. They are passed over; a hole never is.

use bytes::Bytes;
use proto::quorum::{PacketType, QuorumPacket};

use crate::config::Role;
use crate::mutants::{self, Mutant};
use crate::quorum::View;
use crate::store::epochs::Epoch;
use crate::store::orders::DiskOrder;
use crate::tree::Database;
use crate::units::{LinkId, Now, Zxid};
use crate::zab::config::{self, Transaction};
use crate::zab::event::{Event, Sync};
use crate::zab::io::Effect;
use crate::zab::zxid::{begins_epoch, epoch_of, follows};

use crate::zab::observer_master::ObserverMaster;

use super::{Learner, Phase, Waiting, role_in};

impl Learner {
    pub(super) fn begin_sync(&mut self, packet: &QuorumPacket, out: &mut Vec<Effect>) {
        let (zxid, leader, ours) = (packet.zxid, self.source(), self.applied);
        let say = |sync| {
            Effect::Say(Event::Receiving {
                leader,
                sync,
                zxid,
                ours,
            })
        };
        match packet.kind {
            PacketType::Diff => {
                out.push(say(Sync::Diff));
                self.phase = Phase::Synchronizing;
            }
            PacketType::Trunc if (0..=self.applied).contains(&zxid) => {
                out.push(say(Sync::Trunc));
                if zxid == self.applied {
                    self.phase = Phase::Synchronizing;
                } else {
                    self.truncate(zxid, out);
                }
            }
            PacketType::Snap if zxid >= 0 => {
                out.push(say(Sync::Snap));
                self.phase = Phase::ReceivingSnapshot { zxid };
                out.push(Effect::ReceiveSnapshot {
                    link: self.link,
                    zxid,
                });
            }
            kind => self.unexpected(kind, out),
        }
    }

    /// What `ReceiveSnapshot` asked for has come.
    pub fn snapshot(
        &mut self,
        link: LinkId,
        database: Box<Database>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let Phase::ReceivingSnapshot { zxid } = self.phase else {
            return;
        };
        if link != self.link {
            return;
        }
        self.heard_us = now.mono_us;
        out.push(Effect::Disk(DiskOrder::SaveSnapshot(database.image())));
        out.push(Effect::Install(database));
        self.applied = zxid;
        self.last = zxid;
        self.phase = Phase::Synchronizing;
    }

    fn truncate(&mut self, zxid: i64, out: &mut Vec<Effect>) {
        self.phase = Phase::Truncating { zxid };
        self.truncating = true;
        let more = mutants::is(Mutant::CutOneMore) || mutants::is(Mutant::CutOneMoreUnseen);
        let zxid = Zxid(zxid - i64::from(more));
        out.push(Effect::Disk(DiskOrder::Truncate { zxid }));
    }

    /// The files are cut, and read back.
    pub(super) fn truncated(&mut self, database: Box<Database>, now: Now, out: &mut Vec<Effect>) {
        let Phase::Truncating { zxid } = self.phase else {
            return;
        };
        self.truncating = false;
        let end = database.last_zxid().0;
        out.push(Effect::Install(database));
        // No transaction has an epoch's first zxid; what comes before it is here, as the log had
        // transactions of that epoch.
        let same = begins_epoch(zxid) && epoch_of(zxid) == epoch_of(self.applied);
        let unseen = mutants::is(Mutant::CutOneMoreUnseen);
        if end != zxid && !(same && end < zxid) && !unseen {
            // What is left is sound: the leader fills it up when this server comes again.
            let reason =
                format!("the leader wants the log to end at 0x{zxid:x}; cut, it ends at 0x{end:x}");
            return self.abandon(reason, out);
        }
        self.applied = zxid;
        self.last = zxid;
        self.phase = Phase::Synchronizing;
        for packet in std::mem::take(&mut self.held) {
            if self.phase == Phase::Over {
                return;
            }
            self.sync_packet(packet, now, out);
        }
    }

    pub(super) fn sync_packet(&mut self, packet: QuorumPacket, now: Now, out: &mut Vec<Effect>) {
        match packet.kind {
            PacketType::Proposal => {
                let record = packet.data.unwrap_or_default();
                self.sync_proposal(packet.zxid, record, out);
            }
            PacketType::Commit => self.sync_commit(packet.zxid, None, out),
            PacketType::CommitAndActivate => match packet.activation() {
                Ok((leader, _)) => self.sync_commit(packet.zxid, Some(leader), out),
                Err(error) => self.abandon(error.to_string(), out),
            },
            PacketType::Inform => {
                let record = packet.data.unwrap_or_default();
                self.sync_inform(packet.zxid, record, None, out);
            }
            PacketType::InformAndActivate => match packet.activation() {
                Ok((leader, record)) => self.sync_inform(packet.zxid, record, Some(leader), out),
                Err(error) => self.abandon(error.to_string(), out),
            },
            PacketType::NewLeader if self.phase == Phase::Synchronizing => {
                self.new_leader(&packet, out);
            }
            PacketType::UpToDate if mutants::is(Mutant::NeverUpToDate) => {}
            PacketType::UpToDate if self.phase == Phase::Established => {
                self.up_to_date(now, out);
            }
            PacketType::Ping => {}
            kind => self.unexpected(kind, out),
        }
    }

    fn sync_proposal(&mut self, zxid: i64, record: Bytes, out: &mut Vec<Effect>) {
        if zxid <= self.last {
            return;
        }
        if let Some(config) = self.check(zxid, &record, out) {
            self.last = zxid;
            self.waiting.push_back(Waiting {
                zxid,
                record,
                config,
            });
        }
    }

    /// Whether a transaction may be next; its configuration when it is a reconfiguration.
    pub(super) fn check(
        &mut self,
        zxid: i64,
        record: &[u8],
        out: &mut Vec<Effect>,
    ) -> Option<Option<View>> {
        if !follows(self.last, zxid) && epoch_of(zxid) <= epoch_of(self.last) {
            let (last, next) = (self.last, self.last + 1);
            let reason = format!(
                "DIFF sync got proposal 0x{zxid:x}, last queued 0x{last:x}, expected 0x{next:x}"
            );
            self.abandon(reason, out);
            return None;
        }
        match config::transaction(zxid, record) {
            Ok(Transaction::Plain) => Some(None),
            Ok(Transaction::Reconfig(view)) => {
                self.see(&view, out);
                Some(Some(view))
            }
            Err(reason) => {
                self.abandon(reason, out);
                None
            }
        }
    }

    fn sync_commit(&mut self, zxid: i64, leader: Option<i64>, out: &mut Vec<Effect>) {
        if zxid <= self.applied {
            return;
        }
        match self.waiting.pop_front() {
            Some(next) if next.zxid == zxid => {
                self.apply(zxid, next.record, out);
                if let (Some(leader), Some(view)) = (leader, next.config) {
                    self.activate(view, Some(leader), out);
                }
            }
            next => {
                let reason = mismatch(zxid, next.map(|next| next.zxid));
                self.abandon(reason, out);
            }
        }
    }

    /// A leader of 3.4 proposes to observers too what it will inform them of.
    fn sync_inform(
        &mut self,
        zxid: i64,
        record: Bytes,
        leader: Option<i64>,
        out: &mut Vec<Effect>,
    ) {
        if zxid <= self.applied {
            return;
        }
        if self.waiting.front().is_none() {
            self.sync_proposal(zxid, record, out);
        }
        if self.phase != Phase::Over {
            self.sync_commit(zxid, leader, out);
        }
    }

    fn apply(&mut self, zxid: i64, record: Bytes, out: &mut Vec<Effect>) {
        self.applied = zxid;
        out.push(Effect::Apply { zxid, record });
        if self.phase != Phase::Synchronizing {
            self.owe_ack(zxid);
        }
    }

    /// The leader waits for an ACK of every proposal that it sent after NEWLEADER, whether it has
    /// committed it since or not (Java: `SyncLimitCheck`).
    pub(super) fn owe_ack(&mut self, zxid: i64) {
        if self.role == Role::Participant {
            self.unacked.push_back(zxid);
        }
    }

    /// Everything committed is applied, and on its way to the disk: the epoch is next.
    fn new_leader(&mut self, packet: &QuorumPacket, out: &mut Vec<Effect>) {
        let (epoch, theirs) = (self.epoch, epoch_of(packet.zxid));
        if theirs != epoch {
            let reason = format!("NEWLEADER of epoch {theirs} from the leader of epoch {epoch}");
            return self.abandon(reason, out);
        }
        let text = packet.bytes();
        if text.len() > 1 && self.settings.reconfig_enabled {
            match config::view("the leader's NEWLEADER", text) {
                Ok(view) => {
                    self.see(&view, out);
                    // A leader that serves sends the last one that it has proposed (as Java does): that
                    // one is in force when it is committed, and a quorum of it alone decides nothing yet.
                    let is_it = |config: &View| config.version() == view.version();
                    let mut proposed = self.waiting.iter().filter_map(|w| w.config.as_ref());
                    if !proposed.any(is_it) {
                        self.configured = Some(view);
                    }
                }
                Err(reason) => return self.abandon(reason, out),
            }
        }
        self.phase = Phase::Establishing;
        out.push(Effect::Disk(DiskOrder::WriteEpoch {
            which: Epoch::Current,
            value: epoch,
        }));
    }

    /// Transactions and epoch are on disk.
    pub(super) fn established(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.heard_us = now.mono_us;
        self.start.current_epoch = self.epoch;
        self.phase = Phase::Established;
        self.acknowledge(self.epoch << 32, out);
    }

    fn up_to_date(&mut self, now: Now, out: &mut Vec<Effect>) {
        if let Some(view) = self.configured.take() {
            self.activate(view, None, out);
            if self.phase == Phase::Over {
                return;
            }
        }
        self.phase = Phase::Serving;
        self.acknowledge(self.epoch << 32, out);
        if self.settings.observer_masters && self.role == Role::Participant {
            let (me, epoch) = (self.start.me, self.epoch);
            let master =
                ObserverMaster::new(self.settings, me, epoch, self.link, self.applied, now);
            self.observers = Some(Box::new(master));
        }
        out.push(Effect::Serve { epoch: self.epoch });
        let waiting = std::mem::take(&mut self.waiting);
        if self.role == Role::Observer {
            // An observer is informed of them when they are committed.
            self.last = self.applied;
            return;
        }
        for next in waiting {
            self.propose(next.zxid, next.record, next.config, out);
        }
    }

    pub(super) fn acknowledge(&self, zxid: i64, out: &mut Vec<Effect>) {
        self.send(QuorumPacket::new(PacketType::Ack, zxid), out);
    }

    fn see(&mut self, view: &View, out: &mut Vec<Effect>) {
        if self.settings.reconfig_enabled && view.version() != self.start.last_seen.version() {
            self.start.last_seen = view.clone();
            out.push(Effect::Seen(view.clone()));
        }
    }

    /// Java: `QuorumPeer.processReconfig`. A change of this server's role, or of who leads, ends
    /// its role.
    pub(super) fn activate(&mut self, view: View, leader: Option<i64>, out: &mut Vec<Effect>) {
        let before = &self.start.active;
        if !self.settings.reconfig_enabled || view.version() <= before.version() {
            return;
        }
        let role_changes = role_in(&view, self.start.me) != self.role;
        let leader_changes = match leader {
            Some(leader) => leader != self.leader,
            None => {
                let data = |view: &View| {
                    let server = view.server(self.leader)?;
                    (server.role == Role::Participant).then(|| server.addresses.clone())
                };
                data(before).is_none() || data(before) != data(&view)
            }
        };
        self.start.active = view.clone();
        out.push(Effect::Activate { view, leader });
        if role_changes || leader_changes {
            self.abandon("changes proposed in reconfig".to_owned(), out);
        }
    }
}

pub(super) fn mismatch(zxid: i64, next: Option<i64>) -> String {
    match next {
        Some(next) => format!("Committing 0x{zxid:x}, but next proposal is 0x{next:x}"),
        None => format!("Committing 0x{zxid:x}, but there is no proposal"),
    }
}
