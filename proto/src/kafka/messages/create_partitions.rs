//! `CreatePartitions`: adds partitions to topics (API key 37). 3 may be throttled by quota.

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `CreatePartitionsRequestData`.
    struct CreatePartitionsRequest (0..=3, flexible 2..) {
        topics: Vec<CreatePartitionsTopic>,
        timeout_ms: i32,
        validate_only: bool,
    }
    struct CreatePartitionsTopic {
        name: Str,
        count: i32,
        assignments: Option<Vec<CreatePartitionsAssignment>>,
    }
    struct CreatePartitionsAssignment {
        broker_ids: Vec<i32>,
    }
    /// Java: `CreatePartitionsResponseData`.
    struct CreatePartitionsResponse (0..=3, flexible 2..) {
        throttle_time_ms: i32,
        results: Vec<CreatePartitionsTopicResult>,
    }
    struct CreatePartitionsTopicResult {
        name: Str,
        error_code: ErrorCode,
        error_message: Option<Str>,
    }
}
