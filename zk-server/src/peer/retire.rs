//! The end of a role: connections are closed, and the database becomes again what the files hold
//! (Java: `ZooKeeperServer.shutdown`, `ZKDatabase.fastForwardDataBase`).
//!
//! Transactions that were logged and not committed stay in the log and count in the next election, so
//! they are applied here: **memory is what a restart would read** (ZOOKEEPER-2845, 5094).

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::config;
use crate::mutants::{self, Mutant};
use crate::store::orders::{DiskDone, DiskOrder};
use crate::units::{LinkId, Zxid};

use super::events::PeerEvent;
use super::io::PeerOutput;
use super::machine::{Home, Peer, Role};

#[derive(Debug)]
pub(super) struct Retiring {
    /// logged, and to be applied when they are durable
    unapplied: Vec<(Zxid, Bytes)>,
    /// the database is not what the files hold: it is read back
    reload: bool,
    /// connections that are closed when the next election begins
    links: BTreeSet<LinkId>,
}

impl Retiring {
    /// Something more that is on its way to the log. Learners look for a leader when their connections
    /// are closed: not before this server does, which they would take for one that leads.
    pub(super) fn logs_alone(&mut self, zxid: Zxid, record: Bytes, links: BTreeSet<LinkId>) {
        self.unapplied.push((zxid, record));
        self.links = links;
    }
}

impl Peer {
    /// This role is over.
    pub(super) fn abandon(&mut self, reason: String, out: &mut Vec<PeerOutput>) {
        let reload = match &self.role {
            Role::Learning(learner) => {
                learner.needs_reload() && !mutants::is(Mutant::KeepAfterBrokenTruncate)
            }
            Role::Leading(_) => false,
            Role::Looking(_) | Role::Retiring(_) => return,
        };
        self.retire(reason, out);
        if reload {
            self.reload(out);
        } else {
            self.order(DiskOrder::Flush, out);
        }
    }

    pub(super) fn retire(&mut self, reason: String, out: &mut Vec<PeerOutput>) {
        self.end_restore(&reason);
        self.events.push(PeerEvent::Abandoned { reason });
        self.observed = match &self.role {
            Role::Learning(learner) => {
                self.masters_left += learner.masters_left();
                learner.role() == config::Role::Observer
            }
            _ => false,
        };
        out.push(PeerOutput::Listen(None));
        for link in std::mem::take(&mut self.links) {
            out.push(PeerOutput::Close { link });
        }
        // Nobody is there any more to want it.
        self.effects.clear();
        self.said.clear();
        let mut unapplied = std::mem::take(&mut self.pending);
        if let Some(rest) = self.stop_server(out) {
            unapplied = rest;
        }
        self.reconfig = None;
        self.role = Role::Retiring(Retiring {
            unapplied,
            reload: false,
            links: BTreeSet::new(),
        });
    }

    /// Ends the server, if one runs; what it has logged and not applied.
    pub(super) fn stop_server(&mut self, out: &mut Vec<PeerOutput>) -> Option<Vec<(Zxid, Bytes)>> {
        match std::mem::replace(&mut self.home, Home::Moving) {
            Home::Serving(server) => {
                let mut outputs = Vec::new();
                let retired = server.retire(&mut outputs);
                out.extend(outputs.into_iter().map(PeerOutput::Client));
                self.stats = retired.stats.of_next_role();
                self.home = Home::Idle(Box::new(retired.database));
                Some(retired.unapplied)
            }
            home => {
                self.home = home;
                None
            }
        }
    }

    /// Something that was ordered is done, while this server retires.
    pub(super) fn retired(&mut self, done: DiskDone, out: &mut Vec<PeerOutput>) {
        let Role::Retiring(retiring) = &mut self.role else {
            return;
        };
        match done {
            // Answers to what the role had ordered come first.
            DiskDone::Reloaded { database } if retiring.reload && self.reloads == 0 => {
                self.last_appended = database.last_zxid();
                self.home = Home::Idle(database);
                self.keep_committed();
                self.look(out);
            }
            DiskDone::Flushed if !retiring.reload && self.flushes == 0 => {
                for link in std::mem::take(&mut retiring.links) {
                    out.push(PeerOutput::Close { link });
                }
                let mut unapplied = std::mem::take(&mut retiring.unapplied);
                if mutants::is(Mutant::ForgetUnapplied) {
                    unapplied.clear();
                }
                if self.apply_logged(unapplied) {
                    self.look(out);
                } else {
                    self.reload(out);
                }
            }
            _ => {}
        }
    }

    fn apply_logged(&mut self, records: Vec<(Zxid, Bytes)>) -> bool {
        let Home::Idle(database) = &mut self.home else {
            return false;
        };
        for (zxid, record) in records {
            if database.apply_logged(&record).is_err() {
                return false;
            }
            database.committed_mut().push(zxid.0, record);
        }
        true
    }

    fn reload(&mut self, out: &mut Vec<PeerOutput>) {
        self.events.push(PeerEvent::Reloading);
        self.order(DiskOrder::Reload, out);
        self.role = Role::Retiring(Retiring {
            unapplied: Vec::new(),
            reload: true,
            links: BTreeSet::new(),
        });
    }

    pub(super) fn keep_committed(&mut self) {
        if let Home::Idle(database) = &mut self.home {
            database
                .committed_mut()
                .keep(self.settings.commit_log_count);
        }
    }
}
