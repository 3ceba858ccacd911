//! Looking for a leader, and the beginning of the role that comes out of it (Java: the LOOKING case of
//! `QuorumPeer.run`). When it lasts and the configuration wants it, clients may read meanwhile.

use proto::quorum::Notification;

use crate::core::io::Mode;
use crate::election::{self, Basis};
use crate::units::LinkId;
use crate::zab::learner::LINKS;
use crate::zab::{self, Leader, Learner, Start};

use super::events::PeerEvent;
use super::io::{PeerOutput, Port};
use super::machine::{Home, Peer, Role};

/// A read-only server comes no sooner than this (Java: `max(2000, tickTime)`).
const READ_ONLY_AFTER_MS: u64 = 2000;

#[derive(Debug, Default)]
pub(super) struct Looking {
    /// the election has begun
    begun: bool,
    /// it may begin, on the monotonic clock
    begin_us: u64,
}

impl Looking {
    pub(super) fn next_deadline(&self, peer: &Peer) -> Option<u64> {
        if !self.begun {
            return Some(self.begin_us.max(peer.now.mono_us));
        }
        let waits = peer.settings.read_only && matches!(peer.home, Home::Idle(_));
        waits.then(|| peer.read_only_at())
    }
}

impl Peer {
    fn read_only_at(&self) -> u64 {
        let after_ms = READ_ONLY_AFTER_MS.max(self.settings.server.tick_time_ms);
        self.looking_since_us + after_ms * 1000
    }

    pub(super) fn begin_election(&mut self, out: &mut Vec<PeerOutput>) {
        self.role = Role::Looking(Looking {
            begun: true,
            begin_us: 0,
        });
        self.looking_since_us = self.now.mono_us;
        self.events.push(PeerEvent::Looking);
        if let Some((leader, zxid)) = self.designated.take() {
            self.election.designate(leader, zxid);
            return self.begin_role(leader, out);
        }
        let basis = Basis {
            zxid: self.last_appended.0,
            epoch: self.current_epoch,
        };
        let mut said = Vec::new();
        self.election.look(basis, self.now, &mut said);
        self.elect(said, out);
    }

    pub(super) fn notified(
        &mut self,
        from: i64,
        notification: &Notification,
        out: &mut Vec<PeerOutput>,
    ) {
        let mut said = Vec::new();
        self.election
            .notification(from, notification, self.now, &mut said);
        self.elect(said, out);
    }

    pub(super) fn reach(&mut self, server: i64, gone: bool, out: &mut Vec<PeerOutput>) {
        let mut said = Vec::new();
        self.election
            .out_of_reach(server, gone, self.now, &mut said);
        self.elect(said, out);
    }

    pub(super) fn oracle(&mut self, grants: bool, out: &mut Vec<PeerOutput>) {
        self.settings.oracle = Some(grants);
        let mut effects = Vec::new();
        if let (Role::Leading(leader), Some(db)) = (&mut self.role, self.home.database()) {
            leader.oracle(grants, db, self.now, &mut effects);
        }
        self.effects.extend(effects);
        let mut said = Vec::new();
        self.election.oracle(grants, self.now, &mut said);
        self.elect(said, out);
    }

    pub(super) fn tick_election(&mut self, out: &mut Vec<PeerOutput>) {
        if let Role::Looking(looking) = &self.role {
            if !looking.begun && looking.begin_us <= self.now.mono_us {
                self.begin_election(out);
            }
        }
        let mut said = Vec::new();
        self.election.tick(self.now, &mut said);
        self.elect(said, out);
        let looking = matches!(self.role, Role::Looking(_));
        let idle = matches!(self.home, Home::Idle(_));
        if looking && idle && self.settings.read_only && self.now.mono_us >= self.read_only_at() {
            self.start_server(Mode::ReadOnly, self.current_epoch);
        }
    }

    /// Does what the election says.
    fn elect(&mut self, said: Vec<election::Effect>, out: &mut Vec<PeerOutput>) {
        for effect in said {
            match effect {
                election::Effect::Notify { to, notification } => {
                    out.push(PeerOutput::Notify { to, notification });
                }
                election::Effect::Decided { vote, .. } => {
                    if matches!(self.role, Role::Looking(_)) {
                        self.begin_role(vote.leader, out);
                    }
                }
                election::Effect::Newer(view) => {
                    self.activate(view, out);
                    if matches!(self.role, Role::Looking(_)) {
                        return self.begin_election(out);
                    }
                }
                election::Effect::LooksAgain { server } => {
                    if let Role::Leading(leader) = &mut self.role {
                        let mut effects = Vec::new();
                        leader.looking(server, self.now, &mut effects);
                        self.effects.extend(effects);
                    }
                }
            }
        }
    }

    /// The followers that may serve this observer, in the order in which it tries them (Java:
    /// `updateObserverMasterList`, which shuffles them): the one after its last comes first, and each
    /// observer begins with another one. The leader is none of them, for leaders don't listen there.
    fn masters(&self, leader: i64) -> Vec<i64> {
        if !self.settings.zab.observer_masters || !self.observes() {
            return Vec::new();
        }
        let voters = self.active.voters().iter().copied();
        let mut masters: Vec<i64> = voters.filter(|&id| id != leader).collect();
        let first = self.settings.id.unsigned_abs() as usize + self.masters_left;
        let first = first.checked_rem(masters.len()).unwrap_or(0);
        masters.rotate_left(first);
        masters
    }

    /// After a role. An observer waits a little, so that not all of them come at once when a leader
    /// has gone.
    pub(super) fn look(&mut self, out: &mut Vec<PeerOutput>) {
        let longest = match self.observed {
            true => self.settings.observer_election_delay_ms,
            false => 0,
        };
        if longest == 0 {
            return self.begin_election(out);
        }
        let wait = zab::Settings::jitter_us(longest, self.settings.id, self.now);
        self.role = Role::Looking(Looking {
            begun: false,
            begin_us: self.now.mono_us + wait,
        });
    }

    fn begin_role(&mut self, leader: i64, out: &mut Vec<PeerOutput>) {
        // of clients that were content to read
        self.stop_server(out);
        if leader != self.settings.id {
            self.end_restore(&format!("server {leader} was elected to lead"));
        }
        let took_us = self.now.mono_us - self.looking_since_us;
        self.election_us = Some(took_us);
        let start = Start {
            me: self.settings.id,
            active: self.active.clone(),
            last_seen: self.seen.clone(),
            accepted_epoch: self.accepted_epoch,
            current_epoch: self.current_epoch,
            last_zxid: self.last_appended.0,
            oracle: self.settings.oracle,
        };
        let mut effects = Vec::new();
        let zab = self.settings.zab;
        if leader == self.settings.id {
            self.events.push(PeerEvent::Leading { took_us });
            out.push(PeerOutput::Listen(Some(Port::Quorum)));
            self.discovered = false;
            let leader = match self.restoring {
                Some(_) => Leader::restoring(zab, start, self.now),
                None => Leader::new(zab, start, self.now),
            };
            self.role = Role::Leading(Box::new(leader));
        } else {
            self.events.push(if self.observes() {
                PeerEvent::Observing { leader, took_us }
            } else {
                PeerEvent::Following { leader, took_us }
            });
            let link = self.next_link;
            self.next_link = LinkId(link.0 + LINKS);
            let masters = self.masters(leader);
            let learner = Learner::new(zab, start, leader, masters, link, self.now, &mut effects);
            self.role = Role::Learning(Box::new(learner));
        }
        self.effects.extend(effects);
    }
}
