//! `OffsetCommit` (API key 8).

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `OffsetCommitRequestData`.
    struct OffsetCommitRequest (0..=9, flexible 8..) {
        group_id: Str,
        generation_id_or_member_epoch: i32 [1.., ignorable] = -1,
        member_id: Str [1.., ignorable],
        group_instance_id: Option<Str> [7..],
        retention_time_ms: i64 [2..=4, ignorable] = -1,
        topics: Vec<OffsetCommitRequestTopic>,
    }
    struct OffsetCommitRequestTopic {
        name: Str,
        partitions: Vec<OffsetCommitRequestPartition>,
    }
    struct OffsetCommitRequestPartition {
        partition_index: i32,
        committed_offset: i64,
        committed_leader_epoch: i32 [6.., ignorable] = -1,
        commit_timestamp: i64 [1] = -1,
        committed_metadata: Option<Str>,
    }
    /// Java: `OffsetCommitResponseData`.
    struct OffsetCommitResponse (0..=9, flexible 8..) {
        throttle_time_ms: i32 [3.., ignorable],
        topics: Vec<OffsetCommitResponseTopic>,
    }
    struct OffsetCommitResponseTopic {
        name: Str,
        partitions: Vec<OffsetCommitResponsePartition>,
    }
    struct OffsetCommitResponsePartition {
        partition_index: i32,
        error_code: ErrorCode,
    }
}
