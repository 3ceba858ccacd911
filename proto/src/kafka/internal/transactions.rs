//! Records of `__transaction_state` (Java: `TransactionLogKey`, `TransactionLogValue`).

use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `TransactionLogKey`.
    struct TransactionLogKey (0..=0) {
        transactional_id: Str,
    }
    /// Java: `TransactionLogValue`. 1 is flexible; a broker in ZooKeeper mode writes 0.
    struct TransactionLogValue (0..=1, flexible 1..) {
        producer_id: i64,
        producer_epoch: i16,
        transaction_timeout_ms: i32,
        transaction_status: i8,
        transaction_partitions: Option<Vec<PartitionsSchema>>,
        transaction_last_update_timestamp_ms: i64,
        transaction_start_timestamp_ms: i64,
    }
    struct PartitionsSchema {
        topic: Str,
        partition_ids: Vec<i32>,
    }
}
