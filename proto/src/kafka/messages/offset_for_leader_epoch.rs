//! `OffsetForLeaderEpoch`: where the log of a leader epoch ends (API key 23).
//!
//! 2 checks the asker's own epoch; 3 says who asks: a follower, or -2 for a consumer that sees all.

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `OffsetForLeaderEpochRequestData`.
    struct OffsetForLeaderEpochRequest (0..=4, flexible 4..) {
        replica_id: i32 [3.., ignorable] = -2,
        topics: Vec<OffsetForLeaderTopic>,
    }
    struct OffsetForLeaderTopic {
        topic: Str,
        partitions: Vec<OffsetForLeaderPartition>,
    }
    struct OffsetForLeaderPartition {
        partition: i32,
        current_leader_epoch: i32 [2.., ignorable] = -1,
        leader_epoch: i32,
    }
    /// Java: `OffsetForLeaderEpochResponseData`.
    struct OffsetForLeaderEpochResponse (0..=4, flexible 4..) {
        throttle_time_ms: i32 [2.., ignorable],
        topics: Vec<OffsetForLeaderTopicResult>,
    }
    struct OffsetForLeaderTopicResult {
        topic: Str,
        partitions: Vec<EpochEndOffset>,
    }
    struct EpochEndOffset {
        error_code: ErrorCode,
        partition: i32,
        leader_epoch: i32 [1.., ignorable] = -1,
        end_offset: i64 = -1,
    }
}
