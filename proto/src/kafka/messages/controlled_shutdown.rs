//! `ControlledShutdown`: a broker asks the controller to move its leaders (API key 7).
//!
//! Version 0 has a header of its own, without client id. 2 adds the broker epoch.

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `ControlledShutdownRequestData`.
    struct ControlledShutdownRequest (0..=3, flexible 3..) {
        broker_id: i32,
        broker_epoch: i64 [2.., ignorable] = -1,
    }
    /// Java: `ControlledShutdownResponseData`.
    struct ControlledShutdownResponse (0..=3, flexible 3..) {
        error_code: ErrorCode,
        /// those that could not be moved away
        remaining_partitions: Vec<RemainingPartition>,
    }
    struct RemainingPartition {
        topic_name: Str,
        partition_index: i32,
    }
}
