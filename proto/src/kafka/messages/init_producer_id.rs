//! `InitProducerId`: gives a producer its id and epoch (API key 22).
//!
//! 3 lets a producer bump its own epoch (KIP-360), 4 knows PRODUCER_FENCED.

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `InitProducerIdRequestData`.
    struct InitProducerIdRequest (0..=5, flexible 2..) {
        transactional_id: Option<Str>,
        transaction_timeout_ms: i32,
        producer_id: i64 [3..] = -1,
        producer_epoch: i16 [3..] = -1,
    }
    /// Java: `InitProducerIdResponseData`.
    struct InitProducerIdResponse (0..=5, flexible 2..) {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        producer_id: i64 = -1,
        producer_epoch: i16,
    }
}
