//! `AlterPartition`: a leader proposes a new ISR to the controller (API key 56; once AlterIsr).
//!
//! 1 adds the state of recovery, 2 topic ids for names, 3 the broker epoch of each ISR member, so
//! that a restarted replica cannot slip in (KIP-903).

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::{Str, Uuid};

messages! {
    /// Java: `AlterPartitionRequestData`.
    struct AlterPartitionRequest (0..=3, flexible 0..) {
        broker_id: i32,
        broker_epoch: i64 = -1,
        topics: Vec<RequestTopicData>,
    }
    struct RequestTopicData {
        topic_name: Str [0..=1, ignorable],
        topic_id: Uuid [2.., ignorable],
        partitions: Vec<RequestPartitionData>,
    }
    struct RequestPartitionData {
        partition_index: i32,
        leader_epoch: i32,
        new_isr: Vec<i32> [0..=2],
        new_isr_with_epochs: Vec<BrokerState> [3..],
        /// 0 recovered, 1 recovering from an unclean election
        leader_recovery_state: i8 [1..],
        partition_epoch: i32,
    }
    struct BrokerState {
        broker_id: i32,
        broker_epoch: i64 = -1,
    }
    /// Java: `AlterPartitionResponseData`.
    struct AlterPartitionResponse (0..=3, flexible 0..) {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        topics: Vec<ResponseTopicData>,
    }
    struct ResponseTopicData {
        topic_name: Str [0..=1, ignorable],
        topic_id: Uuid [2.., ignorable],
        partitions: Vec<ResponsePartitionData>,
    }
    struct ResponsePartitionData {
        partition_index: i32,
        error_code: ErrorCode,
        leader_id: i32,
        leader_epoch: i32,
        isr: Vec<i32>,
        leader_recovery_state: i8 [1.., ignorable],
        partition_epoch: i32,
    }
}
