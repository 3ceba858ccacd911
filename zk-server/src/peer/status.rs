//! What `stat`, `mntr`, the admin server and the driver's log lines show of a peer: data only.

use proto::quorum::PeerState;

use crate::quorum::View;
use crate::units::Zxid;

/// Java's `QuorumPeer.ZabState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZabState {
    Election,
    Discovery,
    Synchronization,
    Broadcast,
}

/// A moment of a peer.
#[derive(Debug, Clone)]
pub struct PeerStatus {
    pub id: i64,
    pub state: PeerState,
    pub zab: ZabState,
    /// who leads, as far as this server knows
    pub leader: Option<i64>,
    pub current_epoch: i64,
    pub accepted_epoch: i64,
    /// the last transaction that was applied
    pub last_processed: Zxid,
    /// the last transaction that was given to the log
    pub last_appended: Zxid,
    pub active: View,
    /// the last configuration that was proposed; the active one when there is none later
    pub seen: View,
    /// how long the last election took; none before the first
    pub election_us: Option<u64>,
}
