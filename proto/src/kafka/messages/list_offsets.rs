//! `ListOffsets`: finds offsets by timestamp (API key 2).
//!
//! 0 answers with several segment boundaries, later versions with one offset and its timestamp. 7
//! knows the timestamp -3 (the greatest one), 8 -4 and 9 -5 (local and tiered ends of the log).

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `ListOffsetsRequestData`.
    struct ListOffsetsRequest (0..=9, flexible 6..) {
        /// -1 for a consumer, -2 for a debugger that sees all
        replica_id: i32,
        isolation_level: i8 [2..],
        topics: Vec<ListOffsetsTopic>,
    }
    struct ListOffsetsTopic {
        name: Str,
        partitions: Vec<ListOffsetsPartition>,
    }
    struct ListOffsetsPartition {
        partition_index: i32,
        current_leader_epoch: i32 [4.., ignorable] = -1,
        /// milliseconds, or -1 the end, -2 the start, -3 the greatest timestamp
        timestamp: i64,
        max_num_offsets: i32 [0] = 1,
    }
    /// Java: `ListOffsetsResponseData`.
    struct ListOffsetsResponse (0..=9, flexible 6..) {
        throttle_time_ms: i32 [2.., ignorable],
        topics: Vec<ListOffsetsTopicResponse>,
    }
    struct ListOffsetsTopicResponse {
        name: Str,
        partitions: Vec<ListOffsetsPartitionResponse>,
    }
    struct ListOffsetsPartitionResponse {
        partition_index: i32,
        error_code: ErrorCode,
        /// segment boundaries, falling
        old_style_offsets: Vec<i64> [0],
        timestamp: i64 [1..] = -1,
        offset: i64 [1..] = -1,
        leader_epoch: i32 [4..] = -1,
    }
}
