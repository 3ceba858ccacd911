//! `LeaderAndIsr`: the controller makes a broker leader or follower (API key 4).
//!
//! 0 and 1 repeat the topic with each partition, 2 groups by topic and adds the broker epoch that
//! fences late requests; 5 brings topic ids and says whether the request is the whole truth.

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::{Str, Uuid};

messages! {
    /// Java: `LeaderAndIsrRequestData`.
    struct LeaderAndIsrRequest (0..=7, flexible 4..) {
        controller_id: i32,
        is_k_raft_controller: bool [7..],
        controller_epoch: i32,
        broker_epoch: i64 [2.., ignorable] = -1,
        /// 0 unknown, 1 some partitions, 2 all that this broker has
        r#type: i8 [5..],
        ungrouped_partition_states: Vec<LeaderAndIsrPartitionState> [0..=1],
        topic_states: Vec<LeaderAndIsrTopicState> [2..],
        live_leaders: Vec<LeaderAndIsrLiveLeader>,
    }
    struct LeaderAndIsrTopicState {
        topic_name: Str,
        topic_id: Uuid [5.., ignorable],
        partition_states: Vec<LeaderAndIsrPartitionState>,
    }
    struct LeaderAndIsrLiveLeader {
        broker_id: i32,
        host_name: Str,
        port: i32,
    }
    struct LeaderAndIsrPartitionState {
        topic_name: Str [0..=1, ignorable],
        partition_index: i32,
        controller_epoch: i32,
        leader: i32,
        leader_epoch: i32,
        isr: Vec<i32>,
        partition_epoch: i32,
        replicas: Vec<i32>,
        adding_replicas: Vec<i32> [3.., ignorable],
        removing_replicas: Vec<i32> [3.., ignorable],
        /// whether the replica may be created here
        is_new: bool [1.., ignorable],
        /// 0 recovered, 1 recovering from an unclean election
        leader_recovery_state: i8 [6..],
    }
    /// Java: `LeaderAndIsrResponseData`.
    struct LeaderAndIsrResponse (0..=7, flexible 4..) {
        error_code: ErrorCode,
        partition_errors: Vec<LeaderAndIsrPartitionError> [0..=4],
        topics: Vec<LeaderAndIsrTopicError> [5..],
    }
    struct LeaderAndIsrTopicError {
        topic_id: Uuid,
        partition_errors: Vec<LeaderAndIsrPartitionError>,
    }
    struct LeaderAndIsrPartitionError {
        topic_name: Str [0..=4, ignorable],
        partition_index: i32,
        error_code: ErrorCode,
    }
}
