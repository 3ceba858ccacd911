//! `OffsetFetch`: reads a group's offsets (API key 9).
//!
//! 0 reads from ZooKeeper, later versions from `__consumer_offsets`. From 2 on null asks for all
//! topics; 7 can wait for pending transactions; 8 asks for several groups at once.

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `OffsetFetchRequestData`.
    struct OffsetFetchRequest (0..=9, flexible 6..) {
        group_id: Str [0..=7],
        topics: Option<Vec<OffsetFetchRequestTopic>> [0..=7, nullable 2..=7] = Some(Vec::new()),
        groups: Vec<OffsetFetchRequestGroup> [8..],
        /// refuse while a transaction may still change the offset (KIP-447)
        require_stable: bool [7..],
    }
    struct OffsetFetchRequestTopic {
        name: Str,
        partition_indexes: Vec<i32>,
    }
    struct OffsetFetchRequestGroup {
        group_id: Str,
        member_id: Option<Str> [9.., ignorable],
        member_epoch: i32 [9.., ignorable] = -1,
        topics: Option<Vec<OffsetFetchRequestTopics>>,
    }
    struct OffsetFetchRequestTopics {
        name: Str,
        partition_indexes: Vec<i32>,
    }
    /// Java: `OffsetFetchResponseData`.
    struct OffsetFetchResponse (0..=9, flexible 6..) {
        throttle_time_ms: i32 [3.., ignorable],
        topics: Vec<OffsetFetchResponseTopic> [0..=7],
        error_code: ErrorCode [2..=7, ignorable],
        groups: Vec<OffsetFetchResponseGroup> [8..],
    }
    struct OffsetFetchResponseTopic {
        name: Str,
        partitions: Vec<OffsetFetchResponsePartition>,
    }
    struct OffsetFetchResponseGroup {
        group_id: Str,
        topics: Vec<OffsetFetchResponseTopics>,
        error_code: ErrorCode,
    }
    struct OffsetFetchResponsePartition {
        partition_index: i32,
        committed_offset: i64,
        committed_leader_epoch: i32 [5..=7, ignorable] = -1,
        metadata: Option<Str>,
        error_code: ErrorCode,
    }
    struct OffsetFetchResponseTopics {
        name: Str,
        partitions: Vec<OffsetFetchResponsePartitions>,
    }
    struct OffsetFetchResponsePartitions {
        partition_index: i32,
        committed_offset: i64,
        committed_leader_epoch: i32 = -1,
        metadata: Option<Str>,
        error_code: ErrorCode,
    }
}
