//! `AlterPartitionReassignments`: starts or cancels reassignments of replicas (API key 45).
//!
//! Null replicas cancel (KIP-455).

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `AlterPartitionReassignmentsRequestData`.
    struct AlterPartitionReassignmentsRequest (0..=0, flexible 0..) {
        timeout_ms: i32 = 60000,
        topics: Vec<ReassignableTopic>,
    }
    struct ReassignableTopic {
        name: Str,
        partitions: Vec<ReassignablePartition>,
    }
    struct ReassignablePartition {
        partition_index: i32,
        /// null cancels
        replicas: Option<Vec<i32>>,
    }
    /// Java: `AlterPartitionReassignmentsResponseData`.
    struct AlterPartitionReassignmentsResponse (0..=0, flexible 0..) {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        error_message: Option<Str>,
        responses: Vec<ReassignableTopicResponse>,
    }
    struct ReassignableTopicResponse {
        name: Str,
        partitions: Vec<ReassignablePartitionResponse>,
    }
    struct ReassignablePartitionResponse {
        partition_index: i32,
        error_code: ErrorCode,
        error_message: Option<Str>,
    }
}
