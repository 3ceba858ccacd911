//! `Fetch`: reads records, for consumers and for followers (API key 1).
//!
//! The version bounds the record format that the reader understands: 0 and 1 message sets v0, 2 and
//! 3 v1, 4 and later v2; 10 knows zstd. From 3 on partitions are served in the order asked for,
//! under one limit. 7 brings sessions (KIP-227), 9 leader epochs, 12 tells followers where logs
//! diverge, 13 puts topic ids for names, 15 moves the follower's id into a tagged field, 16 names
//! the new leader.

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::{Records, Str, Uuid};

messages! {
    /// Java: `FetchRequestData`.
    struct FetchRequest (0..=17, flexible 12..) {
        replica_id: i32 [0..=14] = -1,
        max_wait_ms: i32,
        min_bytes: i32,
        max_bytes: i32 [3.., ignorable] = i32::MAX,
        /// 0 read uncommitted, 1 read committed
        isolation_level: i8 [4.., ignorable],
        session_id: i32 [7.., ignorable],
        /// 0 starts a session, -1 ends it or does without
        session_epoch: i32 [7.., ignorable] = -1,
        topics: Vec<FetchTopic>,
        /// partitions to take out of the session
        forgotten_topics_data: Vec<ForgottenTopic> [7..],
        rack_id: Str [11.., ignorable],
        cluster_id: Option<Str> [12.., tag 0, ignorable],
        replica_state: ReplicaState [15.., tag 1],
    }
    struct ReplicaState {
        replica_id: i32 = -1,
        replica_epoch: i64 = -1,
    }
    struct FetchTopic {
        topic: Str [0..=12, ignorable],
        topic_id: Uuid [13.., ignorable],
        partitions: Vec<FetchPartition>,
    }
    struct ForgottenTopic {
        topic: Str [7..=12, ignorable],
        topic_id: Uuid [13.., ignorable],
        partitions: Vec<i32>,
    }
    struct FetchPartition {
        partition: i32,
        current_leader_epoch: i32 [9.., ignorable] = -1,
        fetch_offset: i64,
        last_fetched_epoch: i32 [12..] = -1,
        /// of the follower that asks
        log_start_offset: i64 [5.., ignorable] = -1,
        partition_max_bytes: i32,
        replica_directory_id: Uuid [17.., tag 0, ignorable],
    }
    /// Java: `FetchResponseData`.
    struct FetchResponse (0..=17, flexible 12..) {
        throttle_time_ms: i32 [1.., ignorable],
        error_code: ErrorCode [7.., ignorable],
        session_id: i32 [7..],
        responses: Vec<FetchableTopicResponse>,
        node_endpoints: Vec<NodeEndpoint> [16.., tag 0],
    }
    struct FetchableTopicResponse {
        topic: Str [0..=12, ignorable],
        topic_id: Uuid [13.., ignorable],
        partitions: Vec<PartitionData>,
    }
    struct NodeEndpoint {
        node_id: i32,
        host: Str,
        port: i32,
        rack: Option<Str>,
    }
    struct PartitionData {
        partition_index: i32,
        error_code: ErrorCode,
        high_watermark: i64,
        last_stable_offset: i64 [4.., ignorable] = -1,
        log_start_offset: i64 [5.., ignorable] = -1,
        aborted_transactions: Option<Vec<AbortedTransaction>> [4.., ignorable],
        /// a nearer replica to read from (KIP-392)
        preferred_read_replica: i32 [11..] = -1,
        /// empty, not null, where there is nothing to send
        records: Records,
        /// set when the last fetched epoch does not fit this log: truncate and ask again
        diverging_epoch: EpochEndOffset [12.., tag 0],
        current_leader: LeaderIdAndEpoch [12.., tag 1],
        snapshot_id: SnapshotId [12.., tag 2],
    }
    struct EpochEndOffset {
        epoch: i32 = -1,
        end_offset: i64 = -1,
    }
    struct LeaderIdAndEpoch {
        leader_id: i32 = -1,
        leader_epoch: i32 = -1,
    }
    struct SnapshotId {
        end_offset: i64 = -1,
        epoch: i32 = -1,
    }
    struct AbortedTransaction {
        producer_id: i64,
        first_offset: i64,
    }
}
