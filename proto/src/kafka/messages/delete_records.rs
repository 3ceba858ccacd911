//! `DeleteRecords`: moves the start of logs forward (API key 21).

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `DeleteRecordsRequestData`.
    struct DeleteRecordsRequest (0..=2, flexible 2..) {
        topics: Vec<DeleteRecordsTopic>,
        timeout_ms: i32,
    }
    struct DeleteRecordsTopic {
        name: Str,
        partitions: Vec<DeleteRecordsPartition>,
    }
    struct DeleteRecordsPartition {
        partition_index: i32,
        offset: i64,
    }
    /// Java: `DeleteRecordsResponseData`.
    struct DeleteRecordsResponse (0..=2, flexible 2..) {
        throttle_time_ms: i32,
        topics: Vec<DeleteRecordsTopicResult>,
    }
    struct DeleteRecordsTopicResult {
        name: Str,
        partitions: Vec<DeleteRecordsPartitionResult>,
    }
    struct DeleteRecordsPartitionResult {
        partition_index: i32,
        low_watermark: i64,
        error_code: ErrorCode,
    }
}
