//! `UpdateMetadata`: the controller tells every broker what clients may ask for (API key 6).
//!
//! 0 has one endpoint a broker, 1 several by security protocol, 3 by listener name; 5 groups
//! partitions by topic and adds the broker epoch, 7 topic ids.

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::{Str, Uuid};

messages! {
    /// Java: `UpdateMetadataRequestData`.
    struct UpdateMetadataRequest (0..=8, flexible 6..) {
        controller_id: i32,
        is_k_raft_controller: bool [8..],
        controller_epoch: i32,
        broker_epoch: i64 [5.., ignorable] = -1,
        ungrouped_partition_states: Vec<UpdateMetadataPartitionState> [0..=4],
        topic_states: Vec<UpdateMetadataTopicState> [5..],
        live_brokers: Vec<UpdateMetadataBroker>,
        r#type: i8 [8.., tag 0],
    }
    struct UpdateMetadataTopicState {
        topic_name: Str,
        topic_id: Uuid [7.., ignorable],
        partition_states: Vec<UpdateMetadataPartitionState>,
    }
    struct UpdateMetadataBroker {
        id: i32,
        v0_host: Str [0, ignorable],
        v0_port: i32 [0, ignorable],
        endpoints: Vec<UpdateMetadataEndpoint> [1.., ignorable],
        rack: Option<Str> [2.., ignorable],
    }
    struct UpdateMetadataEndpoint {
        port: i32,
        host: Str,
        listener: Str [3.., ignorable],
        security_protocol: i16,
    }
    struct UpdateMetadataPartitionState {
        topic_name: Str [0..=4, ignorable],
        partition_index: i32,
        controller_epoch: i32,
        leader: i32,
        leader_epoch: i32,
        isr: Vec<i32>,
        zk_version: i32,
        replicas: Vec<i32>,
        offline_replicas: Vec<i32> [4.., ignorable],
    }
    /// Java: `UpdateMetadataResponseData`.
    struct UpdateMetadataResponse (0..=8, flexible 6..) {
        error_code: ErrorCode,
    }
}
