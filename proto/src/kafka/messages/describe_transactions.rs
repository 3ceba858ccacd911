//! `DescribeTransactions`: state of transactions (API key 65; KIP-664).

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `DescribeTransactionsRequestData`.
    struct DescribeTransactionsRequest (0..=0, flexible 0..) {
        transactional_ids: Vec<Str>,
    }
    /// Java: `DescribeTransactionsResponseData`.
    struct DescribeTransactionsResponse (0..=0, flexible 0..) {
        throttle_time_ms: i32,
        transaction_states: Vec<TransactionState>,
    }
    struct TransactionState {
        error_code: ErrorCode,
        transactional_id: Str,
        transaction_state: Str,
        transaction_timeout_ms: i32,
        transaction_start_time_ms: i64,
        producer_id: i64,
        producer_epoch: i16,
        topics: Vec<TopicData>,
    }
    struct TopicData {
        topic: Str,
        partitions: Vec<i32>,
    }
}
