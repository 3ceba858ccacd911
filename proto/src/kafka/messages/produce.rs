//! `Produce` (API key 0).

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::{Records, Str};

messages! {
    /// Java: `ProduceRequestData`.
    struct ProduceRequest (0..=11, flexible 9..) {
        transactional_id: Option<Str> [3..],
        acks: i16,
        timeout_ms: i32,
        topic_data: Vec<TopicProduceData>,
    }
    struct TopicProduceData {
        name: Str,
        partition_data: Vec<PartitionProduceData>,
    }
    struct PartitionProduceData {
        index: i32,
        records: Records,
    }
    /// Java: `ProduceResponseData`.
    struct ProduceResponse (0..=11, flexible 9..) {
        responses: Vec<TopicProduceResponse>,
        throttle_time_ms: i32 [1.., ignorable],
        node_endpoints: Vec<NodeEndpoint> [10.., tag 0],
    }
    struct TopicProduceResponse {
        name: Str,
        partition_responses: Vec<PartitionProduceResponse>,
    }
    struct NodeEndpoint {
        node_id: i32,
        host: Str,
        port: i32,
        rack: Option<Str>,
    }
    struct PartitionProduceResponse {
        index: i32,
        error_code: ErrorCode,
        base_offset: i64,
        log_append_time_ms: i64 [2.., ignorable] = -1,
        log_start_offset: i64 [5.., ignorable] = -1,
        record_errors: Vec<BatchIndexAndErrorMessage> [8.., ignorable],
        error_message: Option<Str> [8.., ignorable],
        current_leader: LeaderIdAndEpoch [10.., tag 0],
    }
    struct BatchIndexAndErrorMessage {
        batch_index: i32,
        batch_index_error_message: Option<Str>,
    }
    struct LeaderIdAndEpoch {
        leader_id: i32 = -1,
        leader_epoch: i32 = -1,
    }
}
