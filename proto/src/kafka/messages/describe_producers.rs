//! `DescribeProducers`: active producers of partitions (API key 61; KIP-664).

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `DescribeProducersRequestData`.
    struct DescribeProducersRequest (0..=0, flexible 0..) {
        topics: Vec<TopicRequest>,
    }
    struct TopicRequest {
        name: Str,
        partition_indexes: Vec<i32>,
    }
    /// Java: `DescribeProducersResponseData`.
    struct DescribeProducersResponse (0..=0, flexible 0..) {
        throttle_time_ms: i32,
        topics: Vec<TopicResponse>,
    }
    struct TopicResponse {
        name: Str,
        partitions: Vec<PartitionResponse>,
    }
    struct PartitionResponse {
        partition_index: i32,
        error_code: ErrorCode,
        error_message: Option<Str>,
        active_producers: Vec<ProducerState>,
    }
    struct ProducerState {
        producer_id: i64,
        producer_epoch: i32,
        last_sequence: i32 = -1,
        last_timestamp: i64 = -1,
        coordinator_epoch: i32,
        current_txn_start_offset: i64 = -1,
    }
}
