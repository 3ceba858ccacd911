//! `CreateTopics`: creates topics (API key 19).
//!
//! 1 can validate only; from 4 on -1 stands for the broker's default number of partitions and
//! replicas (KIP-464); 5 returns the configuration, 6 may be throttled by quota, 7 returns ids.

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
        /// -1: by assignments or the default of the broker
        num_partitions: i32,
        /// -1: by assignments or the default of the broker
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
