//! What goes into the group coordinator and what comes out.

use std::sync::Arc;

use bytes::Bytes;
use proto::kafka::error::ErrorCode;

/// Names one request that waits for its reply; chosen by the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u64);

/// Names one append that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppendId(pub u64);

/// The moment of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// milliseconds of a clock that never goes back
    pub mono_ms: u64,
    /// milliseconds since 1970
    pub wall_ms: i64,
}

/// Limits and delays (Java: `GroupConfig`, `OffsetConfig`), named as the broker's keys.
#[derive(Debug, Clone)]
pub struct Config {
    pub group_min_session_timeout_ms: i32,
    pub group_max_session_timeout_ms: i32,
    pub group_max_size: usize,
    pub group_initial_rebalance_delay_ms: u64,
    /// longest metadata of a commit, in characters
    pub offset_metadata_max_bytes: usize,
    pub offsets_retention_ms: i64,
    pub offsets_retention_check_interval_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            group_min_session_timeout_ms: 6_000,
            group_max_session_timeout_ms: 1_800_000,
            group_max_size: i32::MAX as usize,
            group_initial_rebalance_delay_ms: 3_000,
            offset_metadata_max_bytes: 4096,
            offsets_retention_ms: 7 * 24 * 3_600_000,
            offsets_retention_check_interval_ms: 600_000,
        }
    }
}

/// A partition whose offset is committed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    pub topic: Arc<str>,
    pub partition: i32,
}

impl TopicPartition {
    pub fn new(topic: &str, partition: i32) -> Self {
        Self {
            topic: topic.into(),
            partition,
        }
    }
}

/// A committed offset (Java: `OffsetAndMetadata`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    pub offset: i64,
    /// -1 when the client gave none
    pub leader_epoch: i32,
    pub metadata: Arc<str>,
    /// milliseconds since 1970
    pub commit_timestamp: i64,
    /// only of commits in the old versions that carry a retention
    pub expire_timestamp: Option<i64>,
}

impl CommittedOffset {
    /// One of which nothing else is known.
    pub fn bare(offset: i64) -> Self {
        Self {
            offset,
            leader_epoch: -1,
            metadata: "".into(),
            commit_timestamp: -1,
            expire_timestamp: None,
        }
    }
}

/// A member as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMember {
    pub member_id: Arc<str>,
    pub group_instance_id: Option<Arc<str>>,
    pub client_id: Arc<str>,
    pub client_host: Arc<str>,
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
    pub subscription: Bytes,
    pub assignment: Bytes,
}

/// A group as the log keeps it (Java: `GroupMetadataValue`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredGroup {
    pub protocol_type: Arc<str>,
    pub generation: i32,
    pub protocol: Option<Arc<str>>,
    pub leader: Option<Arc<str>>,
    /// milliseconds since 1970, -1 when unknown
    pub current_state_timestamp: i64,
    pub members: Vec<StoredMember>,
}

/// A record of `__consumer_offsets`; without a value it is a tombstone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    Offset {
        group: Arc<str>,
        at: TopicPartition,
        value: Option<CommittedOffset>,
    },
    Group {
        group: Arc<str>,
        value: Option<StoredGroup>,
    },
}

#[derive(Debug, Clone)]
pub struct JoinRequest {
    pub group_id: String,
    /// empty for a member that has no id yet
    pub member_id: String,
    pub group_instance_id: Option<String>,
    /// JoinGroup v4 and later of dynamic members (KIP-394)
    pub require_known_member_id: bool,
    /// JoinGroup v9 and later (KIP-814)
    pub support_skipping_assignment: bool,
    pub client_id: String,
    pub client_host: String,
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
    pub protocol_type: String,
    /// in the member's order of preference
    pub protocols: Vec<(Arc<str>, Bytes)>,
    pub reason: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedMember {
    pub member_id: Arc<str>,
    pub group_instance_id: Option<Arc<str>>,
    pub metadata: Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinReply {
    pub error: ErrorCode,
    pub member_id: Arc<str>,
    pub generation: i32,
    pub protocol_type: Option<Arc<str>>,
    pub protocol: Option<Arc<str>>,
    pub leader: Option<Arc<str>>,
    pub skip_assignment: bool,
    /// all members, for the leader only
    pub members: Vec<JoinedMember>,
}

impl JoinReply {
    pub fn error(member_id: &str, error: ErrorCode) -> Self {
        Self {
            error,
            member_id: member_id.into(),
            generation: -1,
            protocol_type: None,
            protocol: None,
            leader: None,
            skip_assignment: false,
            members: Vec::new(),
        }
    }
}

#[derive(Debug, Clone)]
pub struct SyncRequest {
    pub group_id: String,
    pub generation: i32,
    pub member_id: String,
    pub group_instance_id: Option<String>,
    pub protocol_type: Option<String>,
    pub protocol: Option<String>,
    pub assignments: Vec<(String, Bytes)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncReply {
    pub error: ErrorCode,
    pub protocol_type: Option<Arc<str>>,
    pub protocol: Option<Arc<str>>,
    pub assignment: Bytes,
}

impl SyncReply {
    pub fn error(error: ErrorCode) -> Self {
        Self {
            error,
            protocol_type: None,
            protocol: None,
            assignment: Bytes::new(),
        }
    }
}

/// Who a request speaks for.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    pub member_id: String,
    pub group_instance_id: Option<String>,
}

#[derive(Debug, Clone)]
pub struct CommitRequest {
    pub group_id: String,
    /// -1 from consumers without a group membership
    pub generation: i32,
    pub member: Identity,
    pub offsets: Vec<(TopicPartition, CommittedOffset)>,
}

/// What `OffsetFetch` tells of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedOffset {
    pub at: TopicPartition,
    /// `None` when nothing is committed
    pub offset: Option<CommittedOffset>,
    pub error: ErrorCode,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedMember {
    pub member_id: Arc<str>,
    pub group_instance_id: Option<Arc<str>>,
    pub client_id: Arc<str>,
    pub client_host: Arc<str>,
    pub metadata: Bytes,
    pub assignment: Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    pub error: ErrorCode,
    /// the name of the state as Kafka's tools print it
    pub state: &'static str,
    pub protocol_type: Arc<str>,
    pub protocol: Arc<str>,
    pub members: Vec<DescribedMember>,
}

/// One line of `ListGroups`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    pub group_id: Arc<str>,
    pub protocol_type: Arc<str>,
    pub state: &'static str,
}

/// The answer to a request that may have to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Join(JoinReply),
    Sync(SyncReply),
    /// one code for each offset, in the request's order
    Commit(Vec<ErrorCode>),
    /// of `DeleteGroups` and `OffsetDelete`: the tombstones are in the log
    Deleted(ErrorCode),
}

#[derive(Debug)]
pub enum Effect {
    Reply {
        token: Token,
        reply: Reply,
    },
    /// Append these to the partition of `__consumer_offsets` and report with
    /// `GroupCoordinator::appended` once they are committed.
    Append {
        id: AppendId,
        partition: i32,
        records: Vec<Record>,
    },
    /// Something an operator wants to know of a group.
    Log {
        group: Arc<str>,
        message: String,
    },
}
