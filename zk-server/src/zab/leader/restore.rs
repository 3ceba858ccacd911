//! A leader that brings an operator's snapshot in the place of its own history.
//!
//! Election and discovery are those of any leader, by its own history: so it has all that any quorum has
//! committed, and its epoch is later than any before. Then learners get the snapshot as they would get
//! the history of a leader that they lack much of, Java's too. Its zxid is of an epoch that this one
//! leaves out and nobody can have. This server's own files get it last, when with them a quorum has it:
//! until then it is nothing to a crash here. A learner that has it while no quorum does has an epoch
//! older than that of whoever leads without it, and gives it up, as any history that was not established.

use std::collections::BTreeSet;

use crate::tree::Database;
use crate::units::Now;
use crate::zab::io::Effect;
use crate::zab::settings::{Settings, Start};

use super::{Leader, Phase};

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bring {
    /// no quorum has accepted the epoch
    Waits,
    /// learners get it
    Offered,
    /// this server's files get it
    Kept,
}

impl Leader {
    /// One whose history is to be what `Effect::Offer` asks for.
    pub fn restoring(settings: Settings, start: Start, now: Now) -> Self {
        let mut leader = Self::new(settings, start, now);
        leader.bring = Some(Bring::Waits);
        leader.epoch = leader.start.accepted_epoch + leader.epochs();
        leader
    }

    /// How far the new epoch is from those that were accepted. The one between is the snapshot's:
    /// whoever accepts the new one follows no leader of that.
    pub(super) fn epochs(&self) -> i64 {
        1 + i64::from(self.bring.is_some())
    }

    /// Why this leader can't bring a snapshot, if it can't.
    pub fn cannot_restore(&self) -> Option<&'static str> {
        if self.phase != Phase::Serving {
            return Some("this server does not serve yet: try again");
        }
        if self.resigned || self.views.pending().is_some() {
            return Some("a reconfiguration is under way: try again when it is in force");
        }
        let synced: BTreeSet<i64> = self.synced_servers().collect();
        (!self.views.have_quorum(&synced))
            .then_some("no quorum of the servers is in step: start the others first")
    }

    /// A quorum has accepted the epoch.
    pub(super) fn offer(&mut self, out: &mut Vec<Effect>) {
        // Not an epoch's first zxid: a learner that ends there counts as having all before it.
        let zxid = (self.epoch - 1) << 32 | 1;
        out.push(Effect::Offer { zxid });
    }

    /// `db` is the snapshot from here on.
    pub fn offered(&mut self, db: &Database, now: Now, out: &mut Vec<Effect>) {
        self.bring = Some(Bring::Offered);
        // What its log has is the history of before.
        self.learners.snapshots_only(true);
        self.synchronize_elected(db, now, out);
        self.check_established(now, out);
    }

    pub(super) fn keep_when_others_have(&mut self, now: Now, out: &mut Vec<Effect>) {
        if self.bring != Some(Bring::Offered) {
            return;
        }
        let mut with_me = self.established.clone();
        with_me.insert(self.start.me);
        if self.views.have_quorum(&with_me) {
            self.bring = Some(Bring::Kept);
            // A large one takes its time on a small disk.
            self.deadline_us = None;
            self.learners.patient();
            self.next_half_us = now.mono_us;
            let epoch = self.epoch;
            out.push(Effect::Keep { epoch });
        }
    }

    pub(super) fn is_keeping(&self) -> bool {
        self.bring == Some(Bring::Kept) && self.phase == Phase::Establishing
    }

    /// Learners wait for UPTODATE no longer than `syncLimit` in silence.
    pub(super) fn ping_while_keeping(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.next_half_us = now.mono_us + self.settings.ticks_us(1) / 2;
        self.learners.patient();
        self.ping(now, out);
    }

    /// From here on it is this leader's history as any other.
    pub(super) fn end_bringing(&mut self) {
        if self.bring.take().is_some() {
            self.learners.snapshots_only(self.settings.force_snap_sync);
        }
    }
}
