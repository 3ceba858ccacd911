//! Carries out what ZAB asks for, and tells ZAB what the server asks for. All effects of one call
//! come before the next call.

use bytes::Bytes;

use crate::core::Server;
use crate::core::io::{FromQuorum, Input, Mode, Output, ToQuorum};
use crate::mutants::{self, Mutant};
use crate::quorum::View;
use crate::store::orders::DiskOrder;
use crate::units::Zxid;
use crate::zab::{self, Effect, Learner};

use super::events::PeerEvent;
use super::io::{PeerOutput, Port};
use super::machine::{Home, Peer, Role};

/// What a server has said that the ensemble has yet to hear.
#[derive(Debug)]
pub(super) enum Said {
    Appended { zxid: Zxid, record: Bytes },
    Quorum(ToQuorum),
}

impl Peer {
    /// Until nothing is left to do.
    pub(super) fn settle(&mut self, out: &mut Vec<PeerOutput>) {
        loop {
            if let Some(effect) = self.effects.pop_front() {
                self.carry_out(effect, out);
            } else if let Some(said) = self.said.pop_front() {
                self.relay(said);
            } else {
                return;
            }
        }
    }

    fn carry_out(&mut self, effect: Effect, out: &mut Vec<PeerOutput>) {
        match effect {
            Effect::Dial { link, server, port } => {
                self.links.insert(link);
                out.push(PeerOutput::Dial { link, server, port });
            }
            Effect::Send { link, packet } => out.push(PeerOutput::Send { link, packet }),
            Effect::SendSnapshot { link } => {
                if let Some(db) = self.home.database() {
                    let image = db.image();
                    out.push(PeerOutput::SendSnapshot { link, image });
                }
            }
            Effect::ReceiveSnapshot { link, zxid } => {
                out.push(PeerOutput::ReceiveSnapshot { link, zxid });
            }
            Effect::Close { link } => {
                self.links.remove(&link);
                out.push(PeerOutput::Close { link });
            }
            Effect::Disk(order) => self.order(order, out),
            Effect::Apply { zxid, record } => self.apply(Zxid(zxid), record, out),
            Effect::Install(database) => {
                self.note_restore(&database);
                self.last_appended = database.last_zxid();
                self.home = Home::Idle(database);
                self.keep_committed();
            }
            Effect::Offer { zxid } => self.offer(Zxid(zxid), out),
            Effect::Keep { epoch } => self.keep(epoch, out),
            Effect::Serve { epoch } => self.serve(epoch, out),
            Effect::Propose { zxid, record } => self.propose(Zxid(zxid), record, out),
            Effect::Commit { zxid } => self.hear(FromQuorum::Commit { zxid: Zxid(zxid) }, out),
            Effect::Request(request) => self.hear(FromQuorum::Remote(request), out),
            Effect::Touch {
                session,
                timeout_ms,
            } => {
                let told = FromQuorum::Touch {
                    session,
                    timeout_ms,
                };
                self.hear(told, out);
            }
            Effect::Revalidate {
                link,
                session,
                timeout_ms,
            } => {
                let told = FromQuorum::Revalidate {
                    link,
                    session,
                    timeout_ms,
                };
                self.hear(told, out);
            }
            Effect::Pinged { zxid } => self.pong(zxid),
            Effect::Revalidated { session, valid } => {
                self.hear(FromQuorum::Revalidated { session, valid }, out);
            }
            Effect::Synced => self.hear(FromQuorum::Synced, out),
            Effect::Seen(view) => {
                self.saw(view, out);
                self.tell_views(out);
            }
            Effect::Activate { view, leader } => {
                let present = self.status().leader;
                let other = leader.filter(|&leader| Some(leader) != present);
                self.designated = other.map(|leader| (leader, view.version()));
                self.activate(view, out);
            }
            Effect::Say(event) => {
                let moved = matches!(
                    event,
                    zab::Event::LearnerSynced { .. } | zab::Event::LearnerClosed { .. }
                );
                self.events.push(PeerEvent::Zab(event));
                if moved {
                    self.tell_synced(out);
                }
            }
            Effect::Abandon { reason } => self.abandon(reason, out),
        }
    }

    /// A committed transaction while no server runs.
    fn apply(&mut self, zxid: Zxid, record: Bytes, out: &mut Vec<PeerOutput>) {
        let append = DiskOrder::Append {
            zxid,
            record: record.clone(),
        };
        self.order(append, out);
        let Home::Idle(database) = &mut self.home else {
            return;
        };
        match database.apply_logged(&record) {
            Ok(_) if mutants::is(Mutant::HoleInCommittedLog) => {}
            Ok(_) => database.committed_mut().push(zxid.0, record),
            Err(error) => self.effects.push_front(Effect::Abandon {
                reason: format!("transaction 0x{:x} of the leader: {error}", zxid.0),
            }),
        }
    }

    fn propose(&mut self, zxid: Zxid, record: Bytes, out: &mut Vec<PeerOutput>) {
        if matches!(self.home, Home::Serving(_)) {
            self.hear(FromQuorum::Proposal { zxid, record }, out);
            if mutants::is(Mutant::ApplyUncommitted) {
                self.hear(FromQuorum::Commit { zxid }, out);
            }
            return;
        }
        self.pending.push((zxid, record.clone()));
        self.order(DiskOrder::Append { zxid, record }, out);
    }

    fn serve(&mut self, epoch: i64, out: &mut Vec<PeerOutput>) {
        let mode = match &self.role {
            Role::Leading(_) => Mode::Leading,
            _ if self.observes() => Mode::Observing,
            _ => Mode::Following,
        };
        self.start_server(mode, epoch);
        for (zxid, record) in std::mem::take(&mut self.pending) {
            self.hear(FromQuorum::Pending { zxid, record }, out);
        }
        if mode == Mode::Leading {
            self.tell_views(out);
        } else if self.learner().is_some_and(Learner::serves_observers) {
            out.push(PeerOutput::Listen(Some(Port::Observers)));
        }
        for (conn, peer) in std::mem::take(&mut self.early) {
            self.client(Input::Connected { conn, peer }, out);
        }
        self.election.set_epoch(self.current_epoch);
        self.events.push(PeerEvent::Serving { epoch });
        self.has_restored();
    }

    pub(super) fn start_server(&mut self, mode: Mode, epoch: i64) {
        self.home = match std::mem::replace(&mut self.home, Home::Moving) {
            Home::Idle(mut database) => {
                let view = &self.active;
                database.set_config(view.text(), view.version(), self.now.wall_ms);
                let mut settings = self.settings.server.clone();
                // As in Java: all learners together may have as many requests outstanding as a leader.
                let others = view.voters().len().saturating_sub(1);
                if mode != Mode::Observing && others > 1 {
                    settings.global_outstanding_limit /= others;
                }
                if !self.keeps_log() {
                    (settings.snap_count, settings.snap_size_bytes) = (u64::MAX, 0);
                }
                let mut server = Server::serve(settings, mode, *database, epoch, self.now);
                server.set_stats(std::mem::take(&mut self.stats));
                Home::Serving(Box::new(server))
            }
            home => home,
        };
    }

    /// A configuration is proposed: it comes to its file before its transaction comes to the log. A server
    /// that starts again with the one and without the other would count the old quorum alone.
    fn saw(&mut self, view: View, out: &mut Vec<PeerOutput>) {
        if self.seen.version() == view.version() {
            return;
        }
        self.seen = view.clone();
        self.election
            .set_views(self.active.clone(), Some(view.clone()));
        out.push(PeerOutput::Configured {
            view,
            active: false,
        });
    }

    /// Tells the server something of the ensemble.
    pub(super) fn hear(&mut self, told: FromQuorum, out: &mut Vec<PeerOutput>) {
        self.serve_input(Input::Quorum(told), out);
    }

    fn tell_views(&mut self, out: &mut Vec<PeerOutput>) {
        if matches!(self.role, Role::Leading(_)) {
            let told = FromQuorum::Views {
                active: self.active.clone(),
                seen: self.seen.clone(),
            };
            self.hear(told, out);
        }
    }

    /// Who could make a quorum of another configuration.
    pub(super) fn tell_synced(&mut self, out: &mut Vec<PeerOutput>) {
        if !self.settings.server.reconfig_enabled {
            return;
        }
        if let Role::Leading(leader) = &self.role {
            let synced = leader.synced_servers().collect();
            self.hear(FromQuorum::SyncedLearners(synced), out);
        }
    }

    /// Gives an input to the server, if one runs. What it orders of clients and files goes out at once;
    /// what concerns the ensemble waits for its turn.
    pub(super) fn serve_input(&mut self, input: Input, out: &mut Vec<PeerOutput>) {
        let Home::Serving(server) = &mut self.home else {
            return;
        };
        let mut outputs = std::mem::take(&mut self.outputs);
        server.handle(self.now, input, &mut outputs);
        let mut proposed = None;
        for output in outputs.drain(..) {
            match output {
                Output::Append { zxid, record } => {
                    if let Some(view) = proposed.take() {
                        if !mutants::is(Mutant::ConfigAfterLog) {
                            self.saw(view, out);
                        }
                    }
                    let copy = record.clone();
                    self.order(DiskOrder::Append { zxid, record }, out);
                    self.said.push_back(Said::Appended { zxid, record: copy });
                }
                Output::RollLog => self.order(DiskOrder::Roll, out),
                Output::Snapshot { image } => self.order(DiskOrder::Snapshot(image), out),
                Output::Quorum(told) => {
                    if let ToQuorum::Reconfig { view, .. } = &told {
                        proposed = Some(view.clone());
                    }
                    self.said.push_back(Said::Quorum(told));
                }
                output => out.push(PeerOutput::Client(output)),
            }
        }
        self.outputs = outputs;
    }

    fn relay(&mut self, said: Said) {
        match said {
            Said::Appended { zxid, record } => self.appended(zxid, record),
            Said::Quorum(told) => self.told(told),
        }
    }

    fn pong(&mut self, zxid: i64) {
        let touched = match &mut self.home {
            Home::Serving(server) => server.take_touched(),
            Home::Idle(_) | Home::Moving => Vec::new(),
        };
        if let Role::Learning(learner) = &mut self.role {
            let mut effects = std::mem::take(&mut self.spare);
            learner.pong(zxid, touched, &mut effects);
            self.queue(effects);
        }
    }

    pub(super) fn activate(&mut self, view: View, out: &mut Vec<PeerOutput>) {
        self.active = view.clone();
        if self.seen.version() < view.version() {
            self.seen = view.clone();
        }
        let next = Some(self.seen.clone()).filter(|seen| seen.version() > view.version());
        self.election.set_views(view.clone(), next.clone());
        self.tell_views(out);
        out.push(PeerOutput::Configured { view, active: true });
        // That takes the file of a proposed one away. A newer one, proposed while a learner was brought up to
        // date, has yet to be logged.
        if !mutants::is(Mutant::ForgetProposedConfig) {
            out.extend(next.map(|view| PeerOutput::Configured {
                view,
                active: false,
            }));
        }
    }

    /// A leader's server has made a transaction.
    fn appended(&mut self, zxid: Zxid, record: Bytes) {
        let Role::Leading(leader) = &mut self.role else {
            return;
        };
        let view = match self.reconfig.take() {
            Some((of, view)) if of == zxid => Some(view),
            other => {
                self.reconfig = other;
                None
            }
        };
        let mut effects = std::mem::take(&mut self.spare);
        leader.proposed(zxid.0, record, view, self.now, &mut effects);
        self.queue(effects);
    }

    fn told(&mut self, told: ToQuorum) {
        let mut effects = std::mem::take(&mut self.spare);
        match (&mut self.role, told) {
            (
                Role::Learning(learner),
                ToQuorum::Forward {
                    session,
                    xid,
                    op,
                    body,
                    ids,
                },
            ) => learner.forward(session, xid, op, body, &ids, &mut effects),
            (
                Role::Learning(learner),
                ToQuorum::Revalidate {
                    session,
                    timeout_ms,
                },
            ) => learner.revalidate(session, timeout_ms, &mut effects),
            (
                Role::Leading(leader),
                ToQuorum::Revalidated {
                    link,
                    session,
                    valid,
                },
            ) => leader.revalidated(link, session, valid, &mut effects),
            (Role::Leading(_), ToQuorum::Reconfig { zxid, view }) => {
                self.reconfig = Some((zxid, view));
            }
            (_, ToQuorum::Abandon { reason }) => effects.push(Effect::Abandon { reason }),
            // of a role that is over
            _ => {}
        }
        self.queue(effects);
    }
}
