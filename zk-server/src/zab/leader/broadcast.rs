//! Proposals, acknowledgements and commits of an established leader; pings, and the learners'
//! requests (Java: `propose`, `processAck`, `tryToCommit`, `processSync`, the loop of `lead`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use driver::metrics::Summary;
use proto::quorum::payload::{Request, Revalidate, Revalidated};
use proto::quorum::{PacketType, QuorumPacket};
use proto::zk::OpCode;

use crate::auth::Identity;
use crate::config::Role;
use crate::core::io::RemoteRequest;
use crate::quorum::View;
use crate::units::{LinkId, Now};
use crate::zab::handler::{self, Handler, send};
use crate::zab::io::Effect;
use crate::zab::zxid::{COUNTER, begins_epoch};

use super::Leader;
use super::proposal::Proposal;

impl Leader {
    pub(super) fn propose(
        &mut self,
        zxid: i64,
        record: Bytes,
        config: Option<View>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        if zxid & COUNTER == COUNTER {
            let reason = "zxid lower 32 bits have rolled over, forcing re-election, and therefore new epoch start";
            return self.abandon(reason.to_owned(), out);
        }
        let mut views = self.views.clone();
        if let Some(view) = &config {
            self.views.last_seen = view.clone();
            out.push(Effect::Seen(view.clone()));
            views = self.views.clone();
        }
        self.last_proposed = zxid;
        let proposal = Proposal {
            zxid,
            record,
            views,
            acks: BTreeSet::new(),
            config,
        };
        for (&link, learner) in self.learners.iter_mut() {
            if learner.forwarding() && learner.role == Role::Participant {
                learner.acks.proposed(zxid, now.mono_us);
                learner.sent += 1;
                learner.last_zxid = zxid;
                send(link, proposal.packet(), out);
            }
        }
        self.outstanding.push(proposal);
    }

    /// This server's log has everything up to `zxid` on stable storage: its own ACK.
    pub(super) fn logged(&mut self, zxid: i64, now: Now, out: &mut Vec<Effect>) {
        let frequency = self.settings.ack_frequency;
        for (zxid, made_ms) in self.outstanding.not_logged(zxid) {
            if is_measured(zxid, frequency) {
                note_ack(&mut self.ack_ms, self.start.me, made_ms, now);
            }
        }
        self.outstanding.logged(self.start.me, zxid);
        self.commit(out);
    }

    /// A packet of a learner that serves.
    pub(super) fn broadcast_packet(
        &mut self,
        link: LinkId,
        packet: &QuorumPacket,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Result<(), String> {
        self.learners.heard(link, self.ticks, now);
        let Some(learner) = self.learners.get_mut(&link) else {
            return Ok(());
        };
        match packet.kind {
            PacketType::Ack => {
                learner.acks.acknowledged(packet.zxid);
                let server = learner.server.filter(|_| learner.role == Role::Participant);
                if let Some(server) = server {
                    self.acknowledged(server, packet.zxid, now, out);
                }
            }
            PacketType::Ping => handler::touched(packet, out)?,
            PacketType::Revalidate => {
                let ask = Revalidate::read(packet).map_err(|error| error.to_string())?;
                out.push(Effect::Revalidate {
                    link,
                    session: ask.session,
                    timeout_ms: ask.timeout_ms,
                });
            }
            PacketType::Request => {
                learner.requests += 1;
                let ids = learner.identities(&packet.auth);
                let request = Request::read(packet).map_err(|error| error.to_string())?;
                self.request(link, request, ids, out);
            }
            // Java says so in its log, and goes on.
            _ => {}
        }
        Ok(())
    }

    fn request(
        &mut self,
        link: LinkId,
        request: Request,
        ids: Arc<[Identity]>,
        out: &mut Vec<Effect>,
    ) {
        if request.op == OpCode::Sync.code() {
            // Answered when everything proposed before it is committed.
            if self.outstanding.is_empty() {
                self.send_sync(link, out);
            } else {
                self.pending_syncs.push_back((self.last_proposed, link));
            }
            return;
        }
        out.push(Effect::Request(RemoteRequest {
            link,
            session: request.session,
            xid: request.cxid,
            op: request.op,
            body: request.body,
            ids,
        }));
    }

    fn answer_syncs(&mut self, committed: i64, out: &mut Vec<Effect>) {
        while let Some(&(zxid, link)) = self.pending_syncs.front() {
            if zxid > committed {
                break;
            }
            self.pending_syncs.pop_front();
            self.send_sync(link, out);
        }
    }

    fn send_sync(&mut self, link: LinkId, out: &mut Vec<Effect>) {
        if let Some(learner) = self.learners.get_mut(&link) {
            learner.sent += 1;
            send(link, QuorumPacket::new(PacketType::Sync, 0), out);
        }
    }

    /// The server's answer to `Effect::Revalidate`.
    pub fn revalidated(&mut self, link: LinkId, session: i64, valid: bool, out: &mut Vec<Effect>) {
        if let Some(learner) = self.learners.get_mut(&link) {
            learner.sent += 1;
            send(link, Revalidated { session, valid }.packet(), out);
        }
    }

    fn acknowledged(&mut self, server: i64, zxid: i64, now: Now, out: &mut Vec<Effect>) {
        if is_measured(zxid, self.settings.ack_frequency) {
            if let Some(made_ms) = self.outstanding.made_ms(zxid) {
                note_ack(&mut self.ack_ms, server, made_ms, now);
            }
        }
        // The one after UPTODATE, and those of what is committed already, mean nothing.
        if !begins_epoch(zxid) && self.outstanding.acknowledge(server, zxid) {
            self.commit(out);
        }
    }

    /// Commits what a quorum has logged, in order.
    fn commit(&mut self, out: &mut Vec<Effect>) {
        let mut done = None;
        let alone = self.oracle_stands_in().then_some(self.start.me);
        while !self.resigned {
            let Some(proposal) = self.outstanding.pop_committed(alone) else {
                break;
            };
            let zxid = proposal.zxid;
            self.last_committed = zxid;
            done = Some(zxid);
            let leader = proposal.config.as_ref().map(|view| {
                let acks = &proposal.acks;
                self.designated_leader(view, acks)
            });
            self.tell_committed(&proposal, leader, out);
            self.answer_syncs(zxid, out);
            if let (Some(view), Some(leader)) = (proposal.config, leader) {
                out.push(Effect::Commit { zxid });
                done = None;
                self.activate(view, leader, out);
            }
        }
        if let Some(zxid) = done {
            out.push(Effect::Commit { zxid });
        }
    }

    fn tell_committed(&mut self, proposal: &Proposal, leader: Option<i64>, out: &mut Vec<Effect>) {
        let zxid = proposal.zxid;
        for (&link, learner) in self.learners.iter_mut() {
            if !learner.forwarding() {
                continue;
            }
            let packet = match (learner.role, leader) {
                (Role::Participant, None) => QuorumPacket::new(PacketType::Commit, zxid),
                (Role::Participant, Some(leader)) => {
                    QuorumPacket::commit_and_activate(zxid, leader)
                }
                (Role::Observer, None) => {
                    QuorumPacket::with(PacketType::Inform, zxid, proposal.record.clone())
                }
                (Role::Observer, Some(leader)) => {
                    QuorumPacket::inform_and_activate(zxid, leader, &proposal.record)
                }
            };
            learner.sent += 1;
            learner.last_zxid = zxid;
            send(link, packet, out);
        }
    }

    /// Who should lead the new configuration: this server if it votes there at the same address,
    /// else one that has acknowledged the most (Java: `getDesignatedLeader`).
    pub(super) fn designated_leader(&self, view: &View, acks: &BTreeSet<i64>) -> i64 {
        let me = self.start.me;
        let stays = view.is_voter(me)
            && view.server(me).map(|s| &s.addresses)
                == self.views.active.server(me).map(|s| &s.addresses);
        let voters = acks.iter().copied().filter(|&id| view.is_voter(id));
        let mut candidates: BTreeSet<i64> = voters.filter(|&id| id != me).collect();
        let mut best = match candidates.first() {
            Some(&first) if !stays => first,
            _ => return me,
        };
        for proposal in self.outstanding.iter() {
            candidates.retain(|id| proposal.acks.contains(id));
            match candidates.first() {
                Some(&next) => best = next,
                None => break,
            }
        }
        best
    }

    /// The configuration that a quorum has acknowledged with NEWLEADER.
    pub(super) fn activate_established(&mut self, out: &mut Vec<Effect>) {
        if self.settings.reconfig_enabled {
            let view = self.views.last_seen.clone();
            let leader = self.designated_leader(&view, &self.established);
            self.activate(view, leader, out);
        }
    }

    /// Java: `processReconfig`. A leader that is not to lead stays until its followers have left,
    /// but commits nothing any more.
    fn activate(&mut self, view: View, leader: i64, out: &mut Vec<Effect>) {
        self.resigned = leader != self.start.me;
        if view.version() > self.views.active.version() {
            self.views.active = view.clone();
            if view.version() > self.views.last_seen.version() {
                self.views.last_seen = view.clone();
            }
            out.push(Effect::Activate {
                view,
                leader: Some(leader),
            });
        }
    }

    /// Twice a tick: pings; once a tick: is there still a quorum?
    pub(super) fn half_tick(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.next_half_us = now.mono_us + self.settings.ticks_us(1) / 2;
        if !self.half_tick {
            self.ticks += 1;
            let counts = |ticks| move |l: &&Handler| l.counts_until_tick >= ticks;
            let synced = self.learners.values().filter(counts(self.ticks));
            let mut ids: BTreeSet<i64> = synced.filter_map(|learner| learner.server).collect();
            ids.insert(self.start.me);
            if self.oracle_stands_in() {
                // What the other server would have acknowledged.
                self.commit(out);
            } else if !self.views.have_quorum(&ids) {
                let synced = self.views.describe(&ids);
                let reason =
                    format!("Not sufficient followers synced, only synced with sids: [ {synced} ]");
                return self.abandon(reason, out);
            }
        }
        self.half_tick = !self.half_tick;
        self.ping(now, out);
    }

    pub(super) fn ping(&mut self, now: Now, out: &mut Vec<Effect>) {
        for link in self.learners.ping(self.last_proposed, now, out) {
            let reason = "Closing connection to peer due to transaction timeout.";
            self.close(link, reason.to_owned(), out);
        }
    }
}

/// As Java's `leader.ackLoggingFrequency` chooses them.
fn is_measured(zxid: i64, frequency: i64) -> bool {
    frequency > 0 && zxid % frequency == 0
}

fn note_ack(all: &mut BTreeMap<i64, Summary>, server: i64, made_ms: i64, now: Now) {
    // The clock has gone back meanwhile: nobody knows.
    if let Ok(ms) = u64::try_from(now.wall_ms.saturating_sub(made_ms)) {
        all.entry(server).or_default().record(ms);
    }
}
