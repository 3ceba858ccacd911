//! From the election to a quorum that has accepted the new epoch (Java: `getEpochToPropose`,
//! `waitForEpochAck`, first half of `LearnerHandler.run`).
//!
//! The new epoch is on this server's disk before anyone is told of it.

use proto::quorum::QuorumPacket;

use crate::store::epochs::Epoch;
use crate::store::orders::DiskOrder;
use crate::tree::Database;
use crate::units::{LinkId, Now};
use crate::zab::handler::{self, MAX_EPOCH, Stage};
use crate::zab::io::Effect;

use super::{Leader, Phase};

/// Learners that stand in no configuration (Java takes any observer): as many are served.
const STRANGERS: usize = 128;

impl Leader {
    /// The first packet of a learner.
    pub(super) fn greeting(
        &mut self,
        link: LinkId,
        packet: &QuorumPacket,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Result<(), String> {
        let version = self.views.active.version();
        let who = handler::introduced(packet, self.start.me, version)?;
        let (server, accepted_epoch) = (who.server, who.accepted_epoch);
        let voter = self.views.active.is_voter(server);
        if voter && self.phase != Phase::Discovering && accepted_epoch > self.epoch {
            // Java's leader stays, and that server can't ever follow it.
            let epoch = self.epoch;
            let reason = format!(
                "server {server} has accepted epoch {accepted_epoch} and can't follow one of epoch {epoch}: a new election finds a later one"
            );
            self.abandon(reason, out);
            return Ok(());
        }
        if !self.views.knows(server) && self.strangers() >= STRANGERS {
            return Err(format!(
                "server {server} stands in no configuration, and {STRANGERS} others like it are connected"
            ));
        }
        if let Some(older) = self.learners.older(server) {
            let reason = format!("server {server} has connected again");
            self.close(older, reason, out);
        }
        self.learners.introduce(link, &who, now, out);
        match self.phase {
            Phase::Discovering => self.connecting(server, accepted_epoch, out),
            Phase::Accepting => {}
            _ => self.learners.inform(link, self.epoch, now, out),
        }
        Ok(())
    }

    /// Learners that no configuration lists.
    fn strangers(&self) -> usize {
        let ids = self.learners.values().filter_map(|learner| learner.server);
        ids.filter(|id| !self.views.knows(*id)).count()
    }

    /// A server has told which epoch it accepted last: the new one is later than all. One that no
    /// configuration lists has no say (it has in Java, and could use up all epochs).
    pub(super) fn connecting(&mut self, server: i64, accepted: i64, out: &mut Vec<Effect>) {
        if server != self.start.me && !self.views.knows(server) {
            return;
        }
        self.epoch = self.epoch.max(accepted + self.epochs());
        if self.epoch > MAX_EPOCH {
            let reason = format!("there is no epoch after {MAX_EPOCH}");
            return self.abandon(reason, out);
        }
        if self.views.active.is_voter(server) {
            self.connecting.insert(server);
        }
        let with_me = self.connecting.contains(&self.start.me);
        let enough = self.views.active.is_quorum(&self.connecting) || self.oracle_stands_in();
        if with_me && enough {
            self.phase = Phase::Accepting;
            self.deadline_us = None;
            out.push(Effect::Disk(DiskOrder::WriteEpoch {
                which: Epoch::Accepted,
                value: self.epoch,
            }));
        }
    }

    pub(super) fn epoch_accepted(&mut self, db: &Database, now: Now, out: &mut Vec<Effect>) {
        self.phase = Phase::Electing;
        self.set_deadline(now);
        self.version_initial_config(out);
        let known: Vec<LinkId> = self
            .learners
            .iter()
            .filter(|(_, learner)| learner.stage == Stage::Known)
            .map(|(&link, _)| link)
            .collect();
        for link in known {
            self.learners.inform(link, self.epoch, now, out);
        }
        if self.views.active.is_voter(self.start.me) {
            self.electing.insert(self.start.me);
        }
        self.check_elected(db, now, out);
    }

    /// A configuration that was only written in files gets a version that beats others of the kind
    /// once it is established (ZOOKEEPER-1783).
    fn version_initial_config(&mut self, out: &mut Vec<Effect>) {
        let views = &mut self.views;
        let initial = views.active.version() == 0 && views.last_seen.version() == 0;
        if initial && self.settings.reconfig_enabled {
            views.last_seen = views.active.with_version(self.epoch << 32);
            out.push(Effect::Seen(views.last_seen.clone()));
        }
    }

    pub(super) fn ack_epoch(
        &mut self,
        link: LinkId,
        packet: &QuorumPacket,
        db: &Database,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Result<(), String> {
        let epoch = self.learners.epoch_acknowledged(link, packet, now)?;
        let zxid = packet.zxid;
        let server = self.learners.get(&link).and_then(|l| l.server);
        let server = server.unwrap_or_default();
        if self.phase != Phase::Electing {
            self.synchronize(link, zxid, db, now, out);
            return Ok(());
        }
        if let Some(epoch) = epoch {
            let (ours, last) = (self.start.current_epoch, self.start.last_zxid);
            if (epoch, zxid) > (ours, last) {
                return Err(format!(
                    "Follower is ahead of the leader, leader summary: {ours} (current epoch), {last} (last zxid)"
                ));
            }
            if self.views.active.is_voter(server) {
                self.electing.insert(server);
                self.check_elected(db, now, out);
            }
        }
        Ok(())
    }

    /// From here on no leader of an older epoch can have a quorum, and this server's history holds
    /// all that any quorum has committed.
    pub(super) fn check_elected(&mut self, db: &Database, now: Now, out: &mut Vec<Effect>) {
        let with_me = self.electing.contains(&self.start.me);
        let enough = self.views.active.is_quorum(&self.electing) || self.oracle_stands_in();
        if !with_me || !enough {
            return;
        }
        self.phase = Phase::Establishing;
        self.set_deadline(now);
        if self.bring.is_some() {
            return self.offer(out);
        }
        out.push(Effect::Disk(DiskOrder::WriteEpoch {
            which: Epoch::Current,
            value: self.epoch,
        }));
        self.synchronize_elected(db, now, out);
    }

    pub(super) fn synchronize_elected(&mut self, db: &Database, now: Now, out: &mut Vec<Effect>) {
        let elected: Vec<(LinkId, i64)> = self
            .learners
            .iter()
            .filter_map(|(&link, learner)| match learner.stage {
                Stage::Elected { zxid } => Some((link, zxid)),
                _ => None,
            })
            .collect();
        for (link, zxid) in elected {
            self.synchronize(link, zxid, db, now, out);
        }
    }

    /// That server is looking for a leader, as a notification says (Java: `reportLookingSid`).
    pub fn looking(&mut self, server: i64, now: Now, out: &mut Vec<Effect>) {
        let limit = self.settings.max_time_to_wait_for_epoch_ms;
        let Ok(limit) = u64::try_from(limit) else {
            return;
        };
        let waiting = self.phase == Phase::Discovering;
        let late = now.mono_us.saturating_sub(self.began_us) > limit * 1000;
        if waiting && late && self.views.votes_in_all(server) {
            self.abandon("Quit leading due to voter changed mind.".to_owned(), out);
        }
    }

    pub(super) fn set_deadline(&mut self, now: Now) {
        let limit = self.settings.ticks_us(self.settings.init_limit);
        self.deadline_us = Some(now.mono_us + limit);
    }

    /// Why a phase that has taken `initLimit` ends this role.
    pub(super) fn late(&self) -> String {
        match self.phase {
            Phase::Discovering => "Timeout while waiting for epoch from quorum".to_owned(),
            Phase::Electing => "Timeout while waiting for epoch to be acked by quorum".to_owned(),
            _ => {
                let synced = self.views.describe(&self.established);
                let followers = self.learners.values().filter_map(|l| l.server);
                let present = followers.chain([self.start.me]).collect();
                let hint = if self.views.have_quorum(&present) {
                    " Enough followers present. Perhaps the initTicks need to be increased."
                } else {
                    ""
                };
                format!(
                    "Waiting for a quorum of followers, only synced with sids: [ {synced} ]{hint}"
                )
            }
        }
    }
}
