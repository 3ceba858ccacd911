//! `SyncGroup`: hands a group's assignments from its leader to all (API key 14).
//!
//! 3 knows static members; 5 lets both sides check type and name of the protocol (KIP-559).

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;
use bytes::Bytes;

messages! {
    /// Java: `SyncGroupRequestData`.
    struct SyncGroupRequest (0..=5, flexible 4..) {
        group_id: Str,
        generation_id: i32,
        member_id: Str,
        group_instance_id: Option<Str> [3..],
        protocol_type: Option<Str> [5.., ignorable],
        protocol_name: Option<Str> [5.., ignorable],
        assignments: Vec<SyncGroupRequestAssignment>,
    }
    struct SyncGroupRequestAssignment {
        member_id: Str,
        assignment: Bytes,
    }
    /// Java: `SyncGroupResponseData`.
    struct SyncGroupResponse (0..=5, flexible 4..) {
        throttle_time_ms: i32 [1.., ignorable],
        error_code: ErrorCode,
        protocol_type: Option<Str> [5.., ignorable],
        protocol_name: Option<Str> [5.., ignorable],
        assignment: Bytes,
    }
}
