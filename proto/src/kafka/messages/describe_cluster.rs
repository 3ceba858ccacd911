//! `DescribeCluster`: cluster id, controller and brokers (API key 60; KIP-700).

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `DescribeClusterRequestData`.
    struct DescribeClusterRequest (0..=1, flexible 0..) {
        include_cluster_authorized_operations: bool,
        endpoint_type: i8 [1..] = 1,
    }
    /// Java: `DescribeClusterResponseData`.
    struct DescribeClusterResponse (0..=1, flexible 0..) {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        error_message: Option<Str>,
        endpoint_type: i8 [1..] = 1,
        cluster_id: Str,
        controller_id: i32 = -1,
        brokers: Vec<DescribeClusterBroker>,
        cluster_authorized_operations: i32 = -2147483648,
    }
    struct DescribeClusterBroker {
        broker_id: i32,
        host: Str,
        port: i32,
        rack: Option<Str>,
    }
}
