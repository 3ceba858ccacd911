//! `FindCoordinator`: which broker coordinates a group or transaction (API key 10).
//!
//! 0 knows groups only; 4 asks for several keys at once (KIP-699), 5 allows one more error, 6 knows
//! share groups, which a broker in ZooKeeper mode refuses.

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `FindCoordinatorRequestData`.
    struct FindCoordinatorRequest (0..=6, flexible 3..) {
        key: Str [0..=3],
        /// 0 group, 1 transaction
        key_type: i8 [1..],
        coordinator_keys: Vec<Str> [4..],
    }
    /// Java: `FindCoordinatorResponseData`.
    struct FindCoordinatorResponse (0..=6, flexible 3..) {
        throttle_time_ms: i32 [1.., ignorable],
        error_code: ErrorCode [0..=3],
        error_message: Option<Str> [1..=3, ignorable],
        node_id: i32 [0..=3],
        host: Str [0..=3],
        port: i32 [0..=3],
        coordinators: Vec<Coordinator> [4..],
    }
    struct Coordinator {
        key: Str,
        node_id: i32,
        host: Str,
        port: i32,
        error_code: ErrorCode,
        error_message: Option<Str>,
    }
}
