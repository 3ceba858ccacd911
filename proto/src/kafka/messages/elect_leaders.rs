//! `ElectLeaders`: elects leaders by preference or, if need be, uncleanly (API key 43).
//!
//! 0 knows preferred leaders only, 1 the type of election (KIP-460).

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `ElectLeadersRequestData`.
    struct ElectLeadersRequest (0..=2, flexible 2..) {
        /// 0 preferred, 1 unclean
        election_type: i8 [1..],
        topic_partitions: Option<Vec<TopicPartitions>>,
        timeout_ms: i32 = 60000,
    }
    struct TopicPartitions {
        topic: Str,
        partitions: Vec<i32>,
    }
    /// Java: `ElectLeadersResponseData`.
    struct ElectLeadersResponse (0..=2, flexible 2..) {
        throttle_time_ms: i32,
        error_code: ErrorCode [1..],
        replica_election_results: Vec<ReplicaElectionResult>,
    }
    struct ReplicaElectionResult {
        topic: Str,
        partition_result: Vec<PartitionResult>,
    }
    struct PartitionResult {
        partition_id: i32,
        error_code: ErrorCode,
        error_message: Option<Str>,
    }
}
