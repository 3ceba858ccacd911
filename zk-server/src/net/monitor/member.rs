//! What a member of an ensemble shows beside what every server shows (Java: `QuorumZooKeeperServer`,
//! `LeaderZooKeeperServer`, `FollowerZooKeeperServer`, `ObserverZooKeeperServer`).

use proto::quorum::PeerState;

use super::Value;
use super::figures::int;
use crate::core::io::Mode;
use crate::net::Net;
use crate::peer::{PeerStatus, ZabState};
use crate::zab::Learner;
use crate::zab::leader::{LeaderStatus, LearnerStatus, ProposalSizes};

/// A moment of a member and, while it leads, of what it leads.
#[derive(Debug, Clone)]
pub struct Member {
    pub status: PeerStatus,
    pub leading: Option<LeaderStatus>,
    /// observers that it serves as a follower
    pub observers: Vec<LearnerStatus>,
    /// the server that it is a learner of: the leader, or an observer's master
    pub master: Option<i64>,
}

impl Member {
    /// `None` for a server that is alone, and for one that is cut off and serves read-only clients
    /// (Java: `ReadOnlyZooKeeperServer` knows nothing of its ensemble).
    pub fn of(net: &Net) -> Option<Self> {
        if net.core.with(|server| server.mode()) == Some(Mode::ReadOnly) {
            return None;
        }
        net.core.with_peer(|peer| Self {
            status: peer.status(),
            leading: peer.leader().map(|leader| leader.status()),
            observers: peer.learner().map_or_else(Vec::new, Learner::observers),
            master: peer.learner().map(Learner::master),
        })
    }

    /// Java's `getDetailedPeerState`.
    pub fn state(&self) -> String {
        let state = match self.status.state {
            PeerState::Looking => "looking",
            PeerState::Following => "following",
            PeerState::Leading => "leading",
            PeerState::Observing => "observing",
        };
        match self.status.zab {
            ZabState::Election => state.to_owned(),
            zab => format!("{state} - {}", zab_name(zab)),
        }
    }

    /// Bytes of proposals, while this server leads.
    pub fn proposal_sizes(&self) -> Option<ProposalSizes> {
        self.leading.as_ref().map(|leading| leading.proposal_sizes)
    }

    /// Gauges that only members of an ensemble have.
    pub(super) fn gauges(&self, net: &Net) -> Vec<(&'static str, Value)> {
        let count = |n: usize| int(n as u64);
        let mut all = vec![("quorum_size", count(self.status.active.config().voters()))];
        if let Some(leading) = &self.leading {
            let up_us = net.core.now().mono_us.saturating_sub(leading.began_us);
            all.extend([
                ("synced_followers", count(leading.synced_followers)),
                (
                    "synced_non_voting_followers",
                    count(leading.synced_non_voting_followers),
                ),
                ("synced_observers", count(leading.synced_observers)),
                ("pending_syncs", count(leading.pending_syncs)),
                ("leader_uptime", int(up_us / 1000)),
                ("learners", count(leading.learners.len())),
                (
                    "last_proposal_size",
                    Value::Int(leading.proposal_sizes.last),
                ),
                ("max_proposal_size", Value::Int(leading.proposal_sizes.max)),
                ("min_proposal_size", Value::Int(leading.proposal_sizes.min)),
            ]);
        } else if self.status.state == PeerState::Following {
            let synced = self.observers.iter().filter(|observer| observer.synced);
            all.push(("synced_observers", count(synced.count())));
        }
        all
    }
}

/// Java's `ZabState`, in lower case.
pub fn zab_name(zab: ZabState) -> &'static str {
    match zab {
        ZabState::Election => "election",
        ZabState::Discovery => "discovery",
        ZabState::Synchronization => "synchronization",
        ZabState::Broadcast => "broadcast",
    }
}
