//! What consumers send each other through JoinGroup and SyncGroup (Java: `ConsumerProtocol`).
//!
//! The coordinator passes these on unread, but looks into subscriptions to tell which topics a
//! group uses; tools show the assignments. Read with [`super::from_versioned_or_later`].

use bytes::Bytes;

use crate::kafka::macros::messages;
use crate::kafka::types::Str;

/// The protocol type of groups whose members speak this protocol.
pub const PROTOCOL_TYPE: &str = "consumer";

messages! {
    /// Java: `ConsumerProtocolSubscription`. 1 adds owned partitions (cooperative rebalance), 2
    /// the generation they are of, 3 the rack.
    struct ConsumerProtocolSubscription (0..=3) {
        topics: Vec<Str>,
        user_data: Option<Bytes>,
        owned_partitions: Vec<TopicPartition> [1.., ignorable],
        generation_id: i32 [2.., ignorable] = -1,
        rack_id: Option<Str> [3.., ignorable],
    }
    /// Java: `ConsumerProtocolAssignment`. All versions are the same.
    struct ConsumerProtocolAssignment (0..=3) {
        assigned_partitions: Vec<TopicPartition>,
        user_data: Option<Bytes>,
    }
    struct TopicPartition {
        topic: Str,
        partitions: Vec<i32>,
    }
}
