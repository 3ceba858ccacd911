//! `ConsumerGroupDescribe`: describes groups of the next generation (API key 69; KIP-848).
//!
//! Listed by brokers in ZooKeeper mode, which refuse it with UNSUPPORTED_VERSION.

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::{Str, Uuid};

messages! {
    /// Java: `ConsumerGroupDescribeRequestData`.
    struct ConsumerGroupDescribeRequest (0..=0, flexible 0..) {
        group_ids: Vec<Str>,
        include_authorized_operations: bool,
    }
    /// Java: `ConsumerGroupDescribeResponseData`.
    struct ConsumerGroupDescribeResponse (0..=0, flexible 0..) {
        throttle_time_ms: i32,
        groups: Vec<DescribedGroup>,
    }
    struct DescribedGroup {
        error_code: ErrorCode,
        error_message: Option<Str>,
        group_id: Str,
        group_state: Str,
        group_epoch: i32,
        assignment_epoch: i32,
        assignor_name: Str,
        members: Vec<Member>,
        authorized_operations: i32 = -2147483648,
    }
    struct Member {
        member_id: Str,
        instance_id: Option<Str>,
        rack_id: Option<Str>,
        member_epoch: i32,
        client_id: Str,
        client_host: Str,
        subscribed_topic_names: Vec<Str>,
        subscribed_topic_regex: Option<Str>,
        assignment: Assignment,
        target_assignment: Assignment,
    }
    struct TopicPartitions {
        topic_id: Uuid,
        topic_name: Str,
        partitions: Vec<i32>,
    }
    struct Assignment {
        topic_partitions: Vec<TopicPartitions>,
    }
}
