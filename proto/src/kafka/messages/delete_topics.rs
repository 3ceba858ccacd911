//! `DeleteTopics`: deletes topics (API key 20).
//!
//! 3 may say that deletion is disabled, 5 may be throttled by quota, 6 takes names or ids.

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::{Str, Uuid};

messages! {
    /// Java: `DeleteTopicsRequestData`.
    struct DeleteTopicsRequest (0..=6, flexible 4..) {
        topics: Vec<DeleteTopicState> [6..],
        topic_names: Vec<Str> [0..=5, ignorable],
        timeout_ms: i32,
    }
    struct DeleteTopicState {
        name: Option<Str>,
        topic_id: Uuid,
    }
    /// Java: `DeleteTopicsResponseData`.
    struct DeleteTopicsResponse (0..=6, flexible 4..) {
        throttle_time_ms: i32 [1.., ignorable],
        responses: Vec<DeletableTopicResult>,
    }
    struct DeletableTopicResult {
        name: Option<Str> [0.., nullable 6..] = Some(Str::EMPTY),
        topic_id: Uuid [6.., ignorable],
        error_code: ErrorCode,
        error_message: Option<Str> [5.., ignorable],
    }
}
