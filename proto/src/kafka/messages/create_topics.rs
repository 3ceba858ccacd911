//! `CreateTopics` (API key 19).

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::{Str, Uuid};

messages! {
    /// Java: `CreateTopicsRequestData`.
    struct CreateTopicsRequest (0..=7, flexible 5..) {
        topics: Vec<CreatableTopic>,
        timeout_ms: i32 = 60000,
        validate_only: bool [1..],
    }
    struct CreatableTopic {
        name: Str,
        num_partitions: i32,
        replication_factor: i16,
        assignments: Vec<CreatableReplicaAssignment>,
        configs: Vec<CreatableTopicConfig>,
    }
    struct CreatableReplicaAssignment {
        partition_index: i32,
        broker_ids: Vec<i32>,
    }
    struct CreatableTopicConfig {
        name: Str,
        value: Option<Str>,
    }
    /// Java: `CreateTopicsResponseData`.
    struct CreateTopicsResponse (0..=7, flexible 5..) {
        throttle_time_ms: i32 [2.., ignorable],
        topics: Vec<CreatableTopicResult>,
    }
    struct CreatableTopicResult {
        name: Str,
        topic_id: Uuid [7.., ignorable],
        error_code: ErrorCode,
        error_message: Option<Str> [1.., ignorable],
        num_partitions: i32 [5.., ignorable] = -1,
        replication_factor: i16 [5.., ignorable] = -1,
        configs: Option<Vec<CreatableTopicConfigs>> [5.., ignorable],
        topic_config_error_code: i16 [5.., tag 0, ignorable],
    }
    struct CreatableTopicConfigs {
        name: Str,
        value: Option<Str>,
        read_only: bool,
        config_source: i8 = -1,
        is_sensitive: bool,
    }
}
