//! What operators are shown about a leader and its learners (Java: `LeaderBean`,
//! `getLearnerHandlerInfo`, the gauges of `LeaderZooKeeperServer`).

use std::collections::BTreeMap;
use std::net::SocketAddr;

use driver::metrics::Summary;

use crate::config::Role;
use crate::units::LinkId;

use crate::zab::handler::Handler;

use super::{Leader, Phase};

/// Bytes of the proposals of this leader; -1 before the first (Java: `BufferStats`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProposalSizes {
    pub last: i64,
    pub min: i64,
    pub max: i64,
}

impl Default for ProposalSizes {
    fn default() -> Self {
        Self {
            last: -1,
            min: -1,
            max: -1,
        }
    }
}

impl ProposalSizes {
    pub(super) fn note(&mut self, bytes: usize) {
        self.last = i64::try_from(bytes).unwrap_or(i64::MAX);
        if self.min == -1 || self.last < self.min {
            self.min = self.last;
        }
        self.max = self.max.max(self.last);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LearnerStatus {
    pub link: LinkId,
    /// when it connected, in milliseconds since 1970
    pub since_ms: i64,
    pub server: Option<i64>,
    pub peer: SocketAddr,
    pub role: Role,
    /// it may serve, and was heard of in time
    pub synced: bool,
    pub received: u64,
    pub sent: u64,
    pub requests: u64,
    pub last_zxid: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderStatus {
    pub phase: Phase,
    pub epoch: i64,
    pub learners: Vec<LearnerStatus>,
    /// without observers
    pub synced_followers: usize,
    /// followers that do not vote
    pub synced_non_voting_followers: usize,
    pub synced_observers: usize,
    pub outstanding: usize,
    pub pending_syncs: usize,
    pub last_proposed: i64,
    pub last_committed: i64,
    pub proposal_sizes: ProposalSizes,
    /// when this leader was elected, on the monotonic clock
    pub began_us: u64,
}

impl Leader {
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The new epoch, once it is decided.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    pub fn status(&self) -> LeaderStatus {
        let forwarding = |role| {
            let all = self.learners.values();
            all.filter(move |l| l.role == role && l.forwarding())
        };
        let votes = |l: &&Handler| l.server.is_some_and(|id| self.views.active.is_voter(id));
        let followers = forwarding(Role::Participant).count();
        LeaderStatus {
            phase: self.phase,
            epoch: self.epoch,
            learners: self.learners.status(self.ticks),
            synced_followers: followers,
            synced_non_voting_followers: followers
                - forwarding(Role::Participant).filter(votes).count(),
            synced_observers: forwarding(Role::Observer).count(),
            outstanding: self.outstanding.len(),
            pending_syncs: self.pending_syncs.len(),
            last_proposed: self.last_proposed,
            last_committed: self.last_committed,
            proposal_sizes: self.proposal_sizes,
            began_us: self.began_us,
        }
    }

    /// Milliseconds from the making of a transaction to the ACK of each server.
    pub fn ack_ms(&self) -> &BTreeMap<i64, Summary> {
        &self.ack_ms
    }

    /// `srst`
    pub fn reset_proposal_sizes(&mut self) {
        self.proposal_sizes = ProposalSizes::default();
    }

    /// The counters of observers begin anew (Java: `resetObserverConnectionStats`).
    pub fn reset_observers(&mut self) {
        self.learners.reset_observers();
    }

    /// Servers that are connected and in step: what a reconfiguration needs a quorum of.
    pub fn synced_servers(&self) -> impl Iterator<Item = i64> + '_ {
        let synced = |l: &&Handler| l.forwarding() && l.counts_until_tick >= self.ticks;
        let followers = self.learners.values().filter(synced);
        let followers = followers.filter(|l| l.role == Role::Participant);
        let me = std::iter::once(self.start.me);
        followers.filter_map(|l| l.server).chain(me)
    }
}
