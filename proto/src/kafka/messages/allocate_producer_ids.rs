//! `AllocateProducerIds`: the controller hands out a block of producer ids (API key 67).

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;

messages! {
    /// Java: `AllocateProducerIdsRequestData`.
    struct AllocateProducerIdsRequest (0..=0, flexible 0..) {
        broker_id: i32,
        broker_epoch: i64 = -1,
    }
    /// Java: `AllocateProducerIdsResponseData`.
    struct AllocateProducerIdsResponse (0..=0, flexible 0..) {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        producer_id_start: i64,
        producer_id_len: i32,
    }
}
