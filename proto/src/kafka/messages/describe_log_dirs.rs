//! `DescribeLogDirs`: log directories, what lies in them and how large it is (API key 35).
//!
//! 3 adds an error for the whole answer, 4 the size of the volumes (KIP-827).

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `DescribeLogDirsRequestData`.
    struct DescribeLogDirsRequest (0..=4, flexible 2..) {
        topics: Option<Vec<DescribableLogDirTopic>>,
    }
    struct DescribableLogDirTopic {
        topic: Str,
        partitions: Vec<i32>,
    }
    /// Java: `DescribeLogDirsResponseData`.
    struct DescribeLogDirsResponse (0..=4, flexible 2..) {
        throttle_time_ms: i32,
        error_code: ErrorCode [3.., ignorable],
        results: Vec<DescribeLogDirsResult>,
    }
    struct DescribeLogDirsResult {
        error_code: ErrorCode,
        log_dir: Str,
        topics: Vec<DescribeLogDirsTopic>,
        total_bytes: i64 [4.., ignorable] = -1,
        usable_bytes: i64 [4.., ignorable] = -1,
    }
    struct DescribeLogDirsTopic {
        name: Str,
        partitions: Vec<DescribeLogDirsPartition>,
    }
    struct DescribeLogDirsPartition {
        partition_index: i32,
        partition_size: i64,
        offset_lag: i64,
        is_future_key: bool,
    }
}
