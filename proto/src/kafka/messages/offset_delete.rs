//! `OffsetDelete`: deletes offsets of a group (API key 47). Never became flexible.

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `OffsetDeleteRequestData`.
    struct OffsetDeleteRequest (0..=0) {
        group_id: Str,
        topics: Vec<OffsetDeleteRequestTopic>,
    }
    struct OffsetDeleteRequestTopic {
        name: Str,
        partitions: Vec<OffsetDeleteRequestPartition>,
    }
    struct OffsetDeleteRequestPartition {
        partition_index: i32,
    }
    /// Java: `OffsetDeleteResponseData`.
    struct OffsetDeleteResponse (0..=0) {
        error_code: ErrorCode,
        throttle_time_ms: i32,
        topics: Vec<OffsetDeleteResponseTopic>,
    }
    struct OffsetDeleteResponseTopic {
        name: Str,
        partitions: Vec<OffsetDeleteResponsePartition>,
    }
    struct OffsetDeleteResponsePartition {
        partition_index: i32,
        error_code: ErrorCode,
    }
}
