//! `ListTransactions`: transactions that a broker coordinates (API key 66). 1 filters by duration.

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `ListTransactionsRequestData`.
    struct ListTransactionsRequest (0..=1, flexible 0..) {
        state_filters: Vec<Str>,
        producer_id_filters: Vec<i64>,
        duration_filter: i64 [1..] = -1,
    }
    /// Java: `ListTransactionsResponseData`.
    struct ListTransactionsResponse (0..=1, flexible 0..) {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        unknown_state_filters: Vec<Str>,
        transaction_states: Vec<TransactionState>,
    }
    struct TransactionState {
        transactional_id: Str,
        producer_id: i64,
        transaction_state: Str,
    }
}
