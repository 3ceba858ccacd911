//! `OffsetCommit`: stores a group's offsets (API key 8).
//!
//! 0 stores in ZooKeeper, later versions in `__consumer_offsets`. 1 has a timestamp per partition,
//! 2 to 4 a time of retention; from 5 on the broker's setting rules. 7 knows static members, 9 the
//! errors of the next generation of groups.

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
        /// -1: as the broker is set
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
