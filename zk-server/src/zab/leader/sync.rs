//! Counts the learners that have this leader's history, and lets them serve (Java:
//! `startForwarding`, `waitForNewLeaderAck`, `startZkServer`).

use bytes::Bytes;
use proto::quorum::QuorumPacket;

use crate::config::Role;
use crate::mutants::{self, Mutant};
use crate::tree::Database;
use crate::units::{LinkId, Now, Zxid};
use crate::zab::event::Event;
use crate::zab::handler::{Begun, Stage, send};
use crate::zab::io::Effect;

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
        if self.resigned {
            return self.send_away(link, out);
        }
        let begun = self.learners.begin_sync(link, zxid, db, now, out);
        self.finish_sync(link, begun, out);
    }

    pub(super) fn log_read(
        &mut self,
        link: LinkId,
        records: &[(Zxid, Bytes)],
        db: &Database,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        if self.resigned {
            return self.send_away(link, out);
        }
        let begun = self.learners.log_read(link, records, db, now, out);
        self.finish_sync(link, begun, out);
    }

    /// A learner that comes now would hold up a leader for ever that commits nothing any more (as in Java).
    fn send_away(&mut self, link: LinkId, out: &mut Vec<Effect>) {
        let reason = "a reconfiguration has made another server the leader";
        self.close(link, reason.to_owned(), out);
    }

    /// Behind what is committed comes what is proposed, for those that acknowledge it.
    fn finish_sync(&mut self, link: LinkId, begun: Result<Begun, String>, out: &mut Vec<Effect>) {
        let (server, role) = match begun {
            Ok(Begun::Sent { server, role }) => (server, role),
            Ok(Begun::Waits) => return,
            Err(reason) => return self.close(link, reason, out),
        };
        if role == Role::Participant && !mutants::is(Mutant::MissProposalsInSync) {
            self.outstanding.withdraw(server);
            for proposal in self.outstanding.iter() {
                send(link, proposal.packet(), out);
            }
            if let Some(learner) = self.learners.get_mut(&link) {
                learner.sent += self.outstanding.len() as u64;
            }
        }
        // Observers are not told of proposals: they get what is in force.
        let config = match role == Role::Observer && self.phase == Phase::Serving {
            true => &self.views.active,
            false => &self.views.last_seen,
        };
        let config = config.text().clone();
        self.learners.send_new_leader(link, self.epoch, config, out);
    }

    pub(super) fn ack_new_leader(
        &mut self,
        link: LinkId,
        packet: &QuorumPacket,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Result<(), String> {
        self.learners
            .new_leader_acknowledged(link, packet, self.epoch, now)?;
        if self.phase == Phase::Serving {
            self.learners.activate(link, self.ticks, now, out);
        } else {
            let server = self.learners.get(&link).and_then(|l| l.server);
            self.established.extend(server);
            self.check_established(now, out);
        }
        Ok(())
    }

    /// A quorum has this server's history and the epoch on disk: it is the leader of the epoch.
    pub(super) fn check_established(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.keep_when_others_have(now, out);
        if !self.is_enough(&self.established) {
            return;
        }
        self.phase = Phase::Serving;
        self.end_bringing();
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
            self.learners.activate(link, self.ticks, now, out);
        }
    }
}
