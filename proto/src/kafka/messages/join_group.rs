//! `JoinGroup`: a member enters or re-enters a group (API key 11).
//!
//! 0 has one timeout for session and rebalance. From 4 on a new member is first given its id and
//! asks again; 5 knows static members (KIP-345), 7 returns the protocol's type, 9 lets a leader
//! skip the assignment (KIP-814).

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;
use bytes::Bytes;

messages! {
    /// Java: `JoinGroupRequestData`.
    struct JoinGroupRequest (0..=9, flexible 6..) {
        group_id: Str,
        session_timeout_ms: i32,
        /// -1: as the session timeout
        rebalance_timeout_ms: i32 [1.., ignorable] = -1,
        member_id: Str,
        group_instance_id: Option<Str> [5..],
        protocol_type: Str,
        protocols: Vec<JoinGroupRequestProtocol>,
        reason: Option<Str> [8.., ignorable],
    }
    struct JoinGroupRequestProtocol {
        name: Str,
        metadata: Bytes,
    }
    /// Java: `JoinGroupResponseData`.
    struct JoinGroupResponse (0..=9, flexible 6..) {
        throttle_time_ms: i32 [2.., ignorable],
        error_code: ErrorCode,
        generation_id: i32 = -1,
        protocol_type: Option<Str> [7.., ignorable],
        protocol_name: Option<Str> [0.., nullable 7..] = Some(Str::EMPTY),
        leader: Str,
        skip_assignment: bool [9..],
        member_id: Str,
        members: Vec<JoinGroupResponseMember>,
    }
    struct JoinGroupResponseMember {
        member_id: Str,
        group_instance_id: Option<Str> [5.., ignorable],
        metadata: Bytes,
    }
}
