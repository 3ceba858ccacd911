//! An operator's snapshot takes the place of an ensemble's state (Java:
//! `ZooKeeperServer.restoreFromSnapshot`).
//!
//! Java swaps the tree below the running server: members differ until all of them were restored, and
//! a restart brings the old state back. Here the leader gives up its role, is elected again and brings
//! the snapshot as its history (`zab/leader/restore.rs`): one in step with a quorum, or nobody. Until
//! a quorum has the snapshot this server's files know nothing of it, and it comes back with what it had.

use bytes::Bytes;
use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::error::ErrorCode;
use proto::zk::txn::{ErrorTxn, TxnHeader};

use crate::mutants::{self, Mutant};
use crate::store::epochs::Epoch;
use crate::store::orders::DiskOrder;
use crate::tree::Database;
use crate::units::Zxid;

use super::events::{PeerEvent, Replaced};
use super::io::PeerOutput;
use super::machine::{Home, Peer, Role};

/// From an operator's word to the ensemble's state.
#[derive(Debug)]
pub(super) struct Restoring {
    step: Step,
    /// when the snapshot was taken
    taken: Zxid,
    /// the end of what it takes the place of
    ours: Zxid,
    /// until when this server has to be elected
    until_us: u64,
}

#[derive(Debug)]
enum Step {
    /// for this server to be the leader of a new epoch
    Waits(Box<Database>),
    /// It is the database, learners get it; `before` is what the files have.
    Offered { before: Box<Database> },
    /// the files get it
    Kept,
}

impl Peer {
    /// Why this server takes no operator's snapshot now.
    pub fn cannot_restore(&self) -> Option<String> {
        if self.restoring.is_some() {
            return Some("another snapshot is being restored".to_owned());
        }
        match &self.role {
            Role::Leading(_) if self.last_in_epoch().is_none() => {
                Some("the zxids of this epoch are used up: try again".to_owned())
            }
            Role::Leading(leader) => leader.cannot_restore().map(str::to_owned),
            Role::Learning(learner) => Some(format!(
                "this server does not lead: ask server {}, the leader",
                learner.leader()
            )),
            Role::Looking(_) | Role::Retiring(_) => {
                Some("the ensemble has no leader: start more servers, or try again".to_owned())
            }
        }
    }

    /// Whether an operator's snapshot is on its way.
    pub fn restores(&self) -> bool {
        self.restoring.is_some()
    }

    /// A zxid for one more transaction of the epoch that this server leads.
    fn last_in_epoch(&self) -> Option<Zxid> {
        let last = self.last_appended.0.max(self.current_epoch << 32);
        let next = last + 1;
        (next >> 32 == last >> 32 && next as u32 != u32::MAX).then_some(Zxid(next))
    }

    pub(super) fn restore(&mut self, database: Box<Database>, out: &mut Vec<PeerOutput>) {
        if let Some(reason) = self.cannot_restore() {
            self.events.push(PeerEvent::NotRestored { reason });
            return;
        }
        let (ours, last) = (self.last_appended, self.last_in_epoch());
        let links = std::mem::take(&mut self.links);
        self.retire("a snapshot is restored".to_owned(), out);
        // One transaction that nobody else has, and that changes nothing: among equals this server is
        // elected. And no log but this one has the end of this history, so that a leader that has got the
        // snapshot already, one of Java's too, never takes this server for one that lacks only what came later.
        if let (Some(zxid), Role::Retiring(retiring)) = (last, &mut self.role) {
            let record = nothing(zxid, self.now.wall_ms);
            retiring.logs_alone(zxid, record.clone(), links);
            self.order(DiskOrder::Append { zxid, record }, out);
        }
        self.order(DiskOrder::Flush, out);
        self.restoring = Some(Restoring {
            taken: database.last_zxid(),
            step: Step::Waits(database),
            ours,
            until_us: self.now.mono_us + self.settings.zab.ticks_us(self.settings.zab.init_limit),
        });
    }

    /// A quorum has accepted this leader's epoch.
    pub(super) fn offer(&mut self, zxid: Zxid, out: &mut Vec<PeerOutput>) {
        // A leader that is to bring one has one, and no server runs before it is established.
        let (Some(restoring), Home::Idle(home)) = (&mut self.restoring, &mut self.home) else {
            return;
        };
        let Step::Waits(database) = &mut restoring.step else {
            return;
        };
        database.restore_at(zxid);
        let view = &self.active;
        database.set_config(view.text(), view.version(), self.now.wall_ms);
        database
            .committed_mut()
            .keep(self.settings.commit_log_count);
        std::mem::swap(home, database);
        let step = std::mem::replace(&mut restoring.step, Step::Kept);
        if let Step::Waits(before) = step {
            restoring.step = Step::Offered { before };
        }
        let taken = restoring.taken;
        self.events.push(PeerEvent::Offers { at: zxid, taken });
        self.offer_badly(zxid, out);
        let mut effects = Vec::new();
        if let (Role::Leading(leader), Some(db)) = (&mut self.role, self.home.database()) {
            leader.offered(db, self.now, &mut effects);
        }
        self.effects.extend(effects);
    }

    /// What must not be done here.
    fn offer_badly(&mut self, zxid: Zxid, out: &mut Vec<PeerOutput>) {
        if mutants::is(Mutant::RestoreAhead) {
            let value = (zxid.0 >> 32) + 16;
            let which = Epoch::Accepted;
            self.order(DiskOrder::WriteEpoch { which, value }, out);
            self.keep(value, out);
        }
        if mutants::is(Mutant::RestoreUnheard) {
            let (taken, ours) = (Zxid(0), self.last_appended);
            let replaced = Replaced {
                at: zxid,
                taken,
                ours,
            };
            self.events.push(PeerEvent::Restored(replaced));
        }
    }

    /// With this server's files a quorum has it.
    pub(super) fn keep(&mut self, epoch: i64, out: &mut Vec<PeerOutput>) {
        let (Some(restoring), Home::Idle(database)) = (&mut self.restoring, &self.home) else {
            return;
        };
        restoring.step = Step::Kept;
        let image = database.image();
        self.last_appended = database.last_zxid();
        self.order(DiskOrder::SaveSnapshot(image), out);
        let which = Epoch::Current;
        let value = epoch;
        self.order(DiskOrder::WriteEpoch { which, value }, out);
    }

    /// This leader serves what a quorum has.
    pub(super) fn has_restored(&mut self) {
        let at = self.last_appended;
        if let Some(Restoring { taken, ours, .. }) = self.restoring.take() {
            let replaced = Replaced { at, taken, ours };
            self.events.push(PeerEvent::Restored(replaced));
        }
    }

    /// It does not become, or may not have become, the state of a quorum.
    pub(super) fn end_restore(&mut self, why: &str) {
        let Some(restoring) = self.restoring.take() else {
            return;
        };
        let now = match restoring.step {
            Step::Waits(_) => "nothing has changed: try again",
            Step::Offered { before } => {
                self.home = Home::Idle(before);
                "this server has what it had; if another had taken the snapshot already and is elected now, it \
                 is the ensemble's state all the same: look at the data before you try again"
            }
            Step::Kept => {
                "others have the snapshot, and no quorum says so: look at the data before you try again"
            }
        };
        let reason = format!("{why}; {now}");
        self.events.push(PeerEvent::NotRestored { reason });
    }

    pub(super) fn restore_deadline(&self) -> Option<u64> {
        let restoring = self.restoring.as_ref()?;
        let waits = matches!(restoring.step, Step::Waits(_));
        // A leader has limits of its own.
        (waits && !matches!(self.role, Role::Leading(_))).then_some(restoring.until_us)
    }

    pub(super) fn tick_restoring(&mut self) {
        if self
            .restore_deadline()
            .is_some_and(|at| at <= self.now.mono_us)
        {
            self.end_restore("no quorum has elected this server in time (initLimit)");
        }
    }

    /// The leader's state takes the place of what is here: an operator's snapshot on either side is
    /// something that operators must know.
    pub(super) fn note_restore(&mut self, database: &Database) {
        let ours = self.last_appended;
        let here = self.home.database().and_then(Database::restored);
        let here = here.map_or(Zxid(0), |(at, _)| at);
        let (at, taken) = database.restored().unwrap_or_default();
        if ours.0 <= 0 || at == here {
            return;
        }
        self.events.push(if at > here {
            PeerEvent::Replaced(Replaced { at, taken, ours })
        } else {
            PeerEvent::RestoreUndone { at: here, ours }
        });
    }
}

/// A request that failed, as leaders log it.
fn nothing(zxid: Zxid, time: i64) -> Bytes {
    let header = TxnHeader {
        zxid: zxid.0,
        time,
        op: OpCode::Error.code(),
        ..TxnHeader::default()
    };
    let mut record = header.to_vec();
    let err = ErrorCode::RuntimeInconsistency.code();
    ErrorTxn { err }.write(&mut record);
    record.into()
}
