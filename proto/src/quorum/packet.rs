//! `QuorumPacket`, the unit of the protocol between leader and learners (Java:
//! `org.apache.zookeeper.server.quorum.QuorumPacket`, types in `Leader`).

use bytes::Bytes;

/// Java's constants in `Leader`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(i32)]
pub enum PacketType {
    /// a client's request, forwarded by a learner
    Request = 1,
    /// a transaction to log
    Proposal = 2,
    /// a transaction (or the new leader) is on the learner's disk
    Ack = 3,
    Commit = 4,
    Ping = 5,
    /// does this session live?
    Revalidate = 6,
    /// flushes the pipe between learner and leader
    Sync = 7,
    /// a committed transaction, for observers
    Inform = 8,
    /// `Commit` of a new configuration
    CommitAndActivate = 9,
    /// the history of the new leader is complete
    NewLeader = 10,
    FollowerInfo = 11,
    /// the learner may serve
    UpToDate = 12,
    Diff = 13,
    Trunc = 14,
    Snap = 15,
    ObserverInfo = 16,
    LeaderInfo = 17,
    AckEpoch = 18,
    /// `Inform` of a new configuration
    InformAndActivate = 19,
}

/// One packet. On the wire a jute record without a length of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumPacket {
    pub kind: PacketType,
    /// a zxid, or an epoch in the upper half, or -1, as the kind has it
    pub zxid: i64,
    pub data: Option<Bytes>,
    /// scheme and id, of a forwarded request's client
    pub auth: Vec<(String, String)>,
}

impl QuorumPacket {
    pub fn new(kind: PacketType, zxid: i64) -> Self {
        Self {
            kind,
            zxid,
            data: None,
            auth: Vec::new(),
        }
    }

    pub fn with(kind: PacketType, zxid: i64, data: impl Into<Bytes>) -> Self {
        Self {
            data: Some(data.into()),
            ..Self::new(kind, zxid)
        }
    }
}
