//! `LeaveGroup`: members leave a group (API key 13). 3 takes several, named by either id.

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `LeaveGroupRequestData`.
    struct LeaveGroupRequest (0..=5, flexible 4..) {
        group_id: Str,
        member_id: Str [0..=2],
        members: Vec<MemberIdentity> [3..],
    }
    struct MemberIdentity {
        member_id: Str,
        group_instance_id: Option<Str>,
        reason: Option<Str> [5.., ignorable],
    }
    /// Java: `LeaveGroupResponseData`.
    struct LeaveGroupResponse (0..=5, flexible 4..) {
        throttle_time_ms: i32 [1.., ignorable],
        error_code: ErrorCode,
        members: Vec<MemberResponse> [3..],
    }
    struct MemberResponse {
        member_id: Str,
        group_instance_id: Option<Str>,
        error_code: ErrorCode,
    }
}
