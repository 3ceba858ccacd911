//! `Metadata`: brokers, topics and who leads them (API key 3).
//!
//! "All topics" is an empty array in version 0 and null later, when an empty array means none. 4
//! may forbid the creation of missing topics. Ids appear in 10, and can be asked for from 12 on.

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::{Str, Uuid};

messages! {
    /// Java: `MetadataRequestData`.
    struct MetadataRequest (0..=12, flexible 9..) {
        /// null, in version 0 empty: all
        topics: Option<Vec<MetadataRequestTopic>> [0.., nullable 1..] = Some(Vec::new()),
        allow_auto_topic_creation: bool [4..] = true,
        include_cluster_authorized_operations: bool [8..=10],
        include_topic_authorized_operations: bool [8..],
    }
    struct MetadataRequestTopic {
        topic_id: Uuid [10.., ignorable],
        name: Option<Str> [0.., nullable 10..] = Some(Str::EMPTY),
    }
    /// Java: `MetadataResponseData`.
    struct MetadataResponse (0..=12, flexible 9..) {
        throttle_time_ms: i32 [3.., ignorable],
        brokers: Vec<MetadataResponseBroker>,
        cluster_id: Option<Str> [2.., ignorable],
        controller_id: i32 [1.., ignorable] = -1,
        topics: Vec<MetadataResponseTopic>,
        cluster_authorized_operations: i32 [8..=10] = -2147483648,
    }
    struct MetadataResponseBroker {
        node_id: i32,
        host: Str,
        port: i32,
        rack: Option<Str> [1.., ignorable],
    }
    struct MetadataResponseTopic {
        error_code: ErrorCode,
        name: Option<Str> [0.., nullable 12..] = Some(Str::EMPTY),
        topic_id: Uuid [10.., ignorable],
        is_internal: bool [1.., ignorable],
        partitions: Vec<MetadataResponsePartition>,
        topic_authorized_operations: i32 [8..] = -2147483648,
    }
    struct MetadataResponsePartition {
        error_code: ErrorCode,
        partition_index: i32,
        leader_id: i32,
        leader_epoch: i32 [7.., ignorable] = -1,
        replica_nodes: Vec<i32>,
        isr_nodes: Vec<i32>,
        offline_replicas: Vec<i32> [5.., ignorable],
    }
}
