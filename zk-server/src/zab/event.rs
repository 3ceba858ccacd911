//! What an operator may want to read in the log about leader and learners.

use std::net::SocketAddr;

use crate::config::Role;

/// How a learner is brought up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    Diff,
    Trunc,
    Snap,
}

/// Whom a learner is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Leader(i64),
    /// a follower that serves observers
    ObserverMaster(i64),
}

impl Source {
    pub fn id(self) -> i64 {
        match self {
            Self::Leader(id) | Self::ObserverMaster(id) => id,
        }
    }

    pub fn what(self) -> &'static str {
        match self {
            Self::Leader(_) => "the leader",
            Self::ObserverMaster(_) => "the observer master",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Leader: a learner says who it is (Java: "Follower sid: {} : info : {}").
    LearnerConnected {
        server: i64,
        peer: SocketAddr,
        role: Role,
    },
    /// Leader: what a learner lacks is sent (Java: "Synchronizing with Learner sid: {}").
    Synchronizing {
        server: i64,
        sync: Sync,
        /// the end of its history
        learner_zxid: i64,
        /// the end of the leader's
        leader_zxid: i64,
        min_committed: i64,
        max_committed: i64,
    },
    /// Leader: a learner may serve.
    LearnerSynced { server: i64 },
    /// Leader: a learner's connection is closed (Java: "******* GOODBYE").
    LearnerClosed {
        /// `None`: it has not said
        server: Option<i64>,
        peer: SocketAddr,
        reason: String,
    },
    /// Leader: a quorum follows (Java: "Have quorum of supporters, sids: [{}]; starting up and
    /// setting last processed zxid: 0x{}").
    QuorumEstablished { servers: Vec<i64>, zxid: i64 },
    /// Learner: dialling the leader failed, and is tried again.
    LeaderUnreachable {
        leader: Source,
        dials: u64,
        reason: String,
    },
    /// Learner: the leader has begun to send what is missing here (Java: "Getting a diff from the
    /// leader 0x{}"). `ours`: the end of this server's history.
    Receiving {
        leader: Source,
        sync: Sync,
        zxid: i64,
        ours: i64,
    },
}
