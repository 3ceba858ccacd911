//! `AlterReplicaLogDirs`: moves replicas between a broker's log directories (API key 34).

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `AlterReplicaLogDirsRequestData`.
    struct AlterReplicaLogDirsRequest (0..=2, flexible 2..) {
        dirs: Vec<AlterReplicaLogDir>,
    }
    struct AlterReplicaLogDir {
        path: Str,
        topics: Vec<AlterReplicaLogDirTopic>,
    }
    struct AlterReplicaLogDirTopic {
        name: Str,
        partitions: Vec<i32>,
    }
    /// Java: `AlterReplicaLogDirsResponseData`.
    struct AlterReplicaLogDirsResponse (0..=2, flexible 2..) {
        throttle_time_ms: i32,
        results: Vec<AlterReplicaLogDirTopicResult>,
    }
    struct AlterReplicaLogDirTopicResult {
        topic_name: Str,
        partitions: Vec<AlterReplicaLogDirPartitionResult>,
    }
    struct AlterReplicaLogDirPartitionResult {
        partition_index: i32,
        error_code: ErrorCode,
    }
}
