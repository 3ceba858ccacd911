//! Messages of the election port (Java: `FastLeaderElection.Notification`, `QuorumCnxManager`).

use bytes::Bytes;

/// Java's `QuorumPeer.ServerState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum PeerState {
    Looking = 0,
    Following = 1,
    Leading = 2,
    Observing = 3,
}

/// A server's vote, told to another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    pub state: PeerState,
    /// whom it votes for
    pub leader: i64,
    /// last zxid of that server
    pub zxid: i64,
    /// the round of the election (Java: `electionEpoch`, the logical clock)
    pub round: i64,
    /// `currentEpoch` of that server
    pub peer_epoch: i64,
    /// format: 0 before 3.4.6, 1, and 2 with a configuration
    pub version: i32,
    /// the sender's configuration as text; empty when it sent none
    pub config: Bytes,
}
