//! `ConsumerGroupHeartbeat`: the next generation's group protocol (API key 68; KIP-848).
//!
//! Listed by brokers in ZooKeeper mode, which refuse it with UNSUPPORTED_VERSION.

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::{Str, Uuid};

messages! {
    /// Java: `ConsumerGroupHeartbeatRequestData`.
    struct ConsumerGroupHeartbeatRequest (0..=0, flexible 0..) {
        group_id: Str,
        member_id: Str,
        member_epoch: i32,
        instance_id: Option<Str>,
        rack_id: Option<Str>,
        rebalance_timeout_ms: i32 = -1,
        subscribed_topic_names: Option<Vec<Str>>,
        server_assignor: Option<Str>,
        topic_partitions: Option<Vec<RequestTopicPartitions>>,
    }
    struct RequestTopicPartitions {
        topic_id: Uuid,
        partitions: Vec<i32>,
    }
    /// Java: `ConsumerGroupHeartbeatResponseData`.
    struct ConsumerGroupHeartbeatResponse (0..=0, flexible 0..) {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        error_message: Option<Str>,
        member_id: Option<Str>,
        member_epoch: i32,
        heartbeat_interval_ms: i32,
        assignment: Option<Assignment>,
    }
    struct Assignment {
        topic_partitions: Vec<ResponseTopicPartitions>,
    }
    struct ResponseTopicPartitions {
        topic_id: Uuid,
        partitions: Vec<i32>,
    }
}
