//! `AddPartitionsToTxn`: partitions enter a transaction (API key 24).
//!
//! 0 to 3 come from clients, for one transaction; 4 and later from brokers, in batches, which may
//! only ask whether the partitions are in (KIP-890). 2 knows PRODUCER_FENCED, 5
//! TRANSACTION_ABORTABLE.

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `AddPartitionsToTxnRequestData`.
    struct AddPartitionsToTxnRequest (0..=5, flexible 3..) {
        transactions: Vec<AddPartitionsToTxnTransaction> [4..],
        v3_and_below_transactional_id: Str [0..=3],
        v3_and_below_producer_id: i64 [0..=3],
        v3_and_below_producer_epoch: i16 [0..=3],
        v3_and_below_topics: Vec<AddPartitionsToTxnTopic> [0..=3],
    }
    struct AddPartitionsToTxnTransaction {
        transactional_id: Str,
        producer_id: i64,
        producer_epoch: i16,
        /// only ask whether the partitions are in the transaction
        verify_only: bool,
        topics: Vec<AddPartitionsToTxnTopic>,
    }
    struct AddPartitionsToTxnTopic {
        name: Str,
        partitions: Vec<i32>,
    }
    /// Java: `AddPartitionsToTxnResponseData`.
    struct AddPartitionsToTxnResponse (0..=5, flexible 3..) {
        throttle_time_ms: i32,
        error_code: ErrorCode [4.., ignorable],
        results_by_transaction: Vec<AddPartitionsToTxnResult> [4..],
        results_by_topic_v3_and_below: Vec<AddPartitionsToTxnTopicResult> [0..=3],
    }
    struct AddPartitionsToTxnResult {
        transactional_id: Str,
        topic_results: Vec<AddPartitionsToTxnTopicResult>,
    }
    struct AddPartitionsToTxnTopicResult {
        name: Str,
        results_by_partition: Vec<AddPartitionsToTxnPartitionResult>,
    }
    struct AddPartitionsToTxnPartitionResult {
        partition_index: i32,
        partition_error_code: i16,
    }
}
