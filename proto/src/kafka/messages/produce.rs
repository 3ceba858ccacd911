//! `Produce`: appends records to partitions (API key 0).
//!
//! From 3 on the records are one v2 batch a partition and may be transactional; before, a message
//! set of v0 (0, 1) or v1 (2). 7 allows zstd, 8 names the records that spoilt a batch, 10 tells a
//! client that came to the wrong broker who leads now (KIP-951). With `acks` 0 there is no
//! response.

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::{Records, Str};

messages! {
    /// Java: `ProduceRequestData`.
    struct ProduceRequest (0..=11, flexible 9..) {
        transactional_id: Option<Str> [3..],
        /// -1: all of the ISR, 1: the leader, 0: nobody, and no response
        acks: i16,
        /// how long the ISR may take
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
        /// -1 unless the topic stamps records itself
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
