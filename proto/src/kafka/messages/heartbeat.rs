//! `Heartbeat`: a member says that it lives (API key 12). 3 knows static members.

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `HeartbeatRequestData`.
    struct HeartbeatRequest (0..=4, flexible 4..) {
        group_id: Str,
        generation_id: i32,
        member_id: Str,
        group_instance_id: Option<Str> [3..],
    }
    /// Java: `HeartbeatResponseData`.
    struct HeartbeatResponse (0..=4, flexible 4..) {
        throttle_time_ms: i32 [1.., ignorable],
        error_code: ErrorCode,
    }
}
