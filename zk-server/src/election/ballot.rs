//! Votes: which of two is better, and which count as the same (Java: `Vote`,
//! `FastLeaderElection.totalOrderPredicate`, `getVoteTracker`).

use std::collections::{BTreeMap, BTreeSet};

use proto::quorum::{Notification, PeerState};

use crate::mutants::{self, Mutant};
use crate::quorum::View;

/// What a server has when it begins to look for a leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Basis {
    /// the last zxid in its log
    pub zxid: i64,
    /// its `currentEpoch`
    pub epoch: i64,
}

/// A vote for a leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vote {
    pub leader: i64,
    pub zxid: i64,
    /// the election in which it was given
    pub round: i64,
    pub peer_epoch: i64,
}

impl Vote {
    /// Whether it takes the place of another one of the same round.
    pub(super) fn is_better_than(&self, other: &Self, view: &View) -> bool {
        if mutants::is(Mutant::VoteById) {
            return self.leader > other.leader;
        }
        // A server of weight 0 votes for itself at first, but nobody else does: among equals it gives way,
        // for a reconfiguration may count on its vote (in Java its high id never does).
        let id = |vote: &Self| match view.weight(vote.leader) {
            0 => i64::MIN,
            _ => vote.leader,
        };
        let order = |vote: &Self| (vote.peer_epoch, vote.zxid, id(vote));
        view.weight(self.leader) != 0 && order(self) > order(other)
    }
}

/// A vote as another server told it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ballot {
    pub vote: Vote,
    pub state: PeerState,
    /// format of the message
    version: i32,
}

impl Ballot {
    pub(super) fn of(notification: &Notification) -> Self {
        Self {
            vote: Vote {
                leader: notification.leader,
                zxid: notification.zxid,
                round: notification.round,
                peer_epoch: notification.peer_epoch,
            },
            state: notification.state,
            version: notification.version,
        }
    }

    pub(super) fn looking(vote: Vote) -> Self {
        Self {
            vote,
            state: PeerState::Looking,
            version: 0,
        }
    }

    /// Java does not keep the format with the votes of a round: those of servers that have a leader
    /// are then the same by leader alone.
    pub(super) fn without_version(self) -> Self {
        Self { version: 0, ..self }
    }

    /// Zxid and round of servers that have a leader may differ (ZOOKEEPER-1805), and those before
    /// 3.4.6 tell another epoch (ZOOKEEPER-1732).
    fn counts_with(&self, other: &Self) -> bool {
        if self.state == PeerState::Looking || other.state == PeerState::Looking {
            return self.vote == other.vote;
        }
        let same_age = (self.version > 0) == (other.version > 0);
        self.vote.leader == other.vote.leader
            && (!same_age || self.vote.peer_epoch == other.vote.peer_epoch)
    }
}

/// The last ballot of each server.
pub(super) type Ballots = BTreeMap<i64, Ballot>;

/// Who has voted like this.
pub(super) fn supporters(ballots: &Ballots, like: &Ballot) -> BTreeSet<i64> {
    let same = ballots
        .iter()
        .filter(|(_, ballot)| like.counts_with(ballot));
    same.map(|(id, _)| *id).collect()
}
