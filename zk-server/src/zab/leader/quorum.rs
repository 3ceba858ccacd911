//! The active configuration and the one that may follow it: a quorum is one of both (Java:
//! `SyncedLearnerTracker`). In an ensemble of two an oracle may stand in for the other server (Java:
//! `QuorumOracleMaj`).

use std::collections::BTreeSet;

use crate::config::Role;
use crate::quorum::View;

use super::Leader;

#[derive(Debug, Clone)]
pub(super) struct Views {
    pub active: View,
    pub last_seen: View,
}

impl Views {
    pub(super) fn new(active: View, last_seen: View) -> Self {
        Self { active, last_seen }
    }

    /// The one that is proposed, not active.
    pub(super) fn pending(&self) -> Option<&View> {
        (self.last_seen.version() > self.active.version()).then_some(&self.last_seen)
    }

    pub(super) fn have_quorum(&self, ids: &BTreeSet<i64>) -> bool {
        self.active.is_quorum(ids) && self.pending().is_none_or(|view| view.is_quorum(ids))
    }

    /// Whether one of them lists the server.
    pub(super) fn knows(&self, id: i64) -> bool {
        [&self.active, &self.last_seen]
            .iter()
            .any(|view| view.server(id).is_some())
    }

    /// Java: `hasSid`.
    pub(super) fn votes_in_all(&self, id: i64) -> bool {
        self.active.is_voter(id) && self.pending().is_none_or(|view| view.is_voter(id))
    }

    /// Java: `ackSetsToString`, as `java.util.HashSet` prints it.
    pub(super) fn describe(&self, ids: &BTreeSet<i64>) -> String {
        let set = |view: &View| {
            let ids: Vec<String> = ids
                .iter()
                .filter(|&&id| view.is_voter(id))
                .map(i64::to_string)
                .collect();
            format!("[{}]", ids.join(", "))
        };
        match self.pending() {
            Some(pending) => format!("{},{}", set(&self.active), set(pending)),
            None => set(&self.active),
        }
    }
}

impl Leader {
    /// Whether these servers are enough, of which this one is.
    pub(super) fn is_enough(&self, ids: &BTreeSet<i64>) -> bool {
        ids.contains(&self.start.me) && (self.views.have_quorum(ids) || self.oracle_stands_in())
    }

    /// The oracle wants this server to go on without the other voter, which does not follow.
    pub(super) fn oracle_stands_in(&self) -> bool {
        let follows = |l: &super::Handler| l.role == Role::Participant && l.forwarding();
        self.start.oracle == Some(true)
            && self.bring.is_none()
            && self.views.pending().is_none()
            && self.views.active.voters().len() == 2
            && self.views.active.is_voter(self.start.me)
            && !self.learners.values().any(follows)
    }
}
