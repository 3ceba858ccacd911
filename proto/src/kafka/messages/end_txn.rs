//! `EndTxn`: commits or aborts a transaction (API key 26).
//!
//! 2 knows PRODUCER_FENCED, 4 TRANSACTION_ABORTABLE.

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `EndTxnRequestData`.
    struct EndTxnRequest (0..=4, flexible 3..) {
        transactional_id: Str,
        producer_id: i64,
        producer_epoch: i16,
        /// false aborts
        committed: bool,
    }
    /// Java: `EndTxnResponseData`.
    struct EndTxnResponse (0..=4, flexible 3..) {
        throttle_time_ms: i32,
        error_code: ErrorCode,
    }
}
