//! `StopReplica`: the controller takes replicas away, with their data or without (API key 5).
//!
//! Each version up to 3 has another layout of the partitions: 0 a flat list, 1 and 2 lists by
//! topic, 3 lists with leader epoch and deletion per partition (KIP-570).

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `StopReplicaRequestData`.
    struct StopReplicaRequest (0..=4, flexible 2..) {
        controller_id: i32,
        is_k_raft_controller: bool [4..],
        controller_epoch: i32,
        broker_epoch: i64 [1.., ignorable] = -1,
        delete_partitions: bool [0..=2],
        ungrouped_partitions: Vec<StopReplicaPartitionV0> [0],
        topics: Vec<StopReplicaTopicV1> [1..=2],
        topic_states: Vec<StopReplicaTopicState> [3..],
    }
    struct StopReplicaPartitionV0 {
        topic_name: Str,
        partition_index: i32,
    }
    struct StopReplicaTopicV1 {
        name: Str,
        partition_indexes: Vec<i32>,
    }
    struct StopReplicaTopicState {
        topic_name: Str,
        partition_states: Vec<StopReplicaPartitionState>,
    }
    struct StopReplicaPartitionState {
        partition_index: i32,
        leader_epoch: i32 = -1,
        delete_partition: bool,
    }
    /// Java: `StopReplicaResponseData`.
    struct StopReplicaResponse (0..=4, flexible 2..) {
        error_code: ErrorCode,
        partition_errors: Vec<StopReplicaPartitionError>,
    }
    struct StopReplicaPartitionError {
        topic_name: Str,
        partition_index: i32,
        error_code: ErrorCode,
    }
}
