//! `DescribeGroups`: state and members of groups (API key 15).
//!
//! Protocol data and assignments are filled in only while a group is stable.

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;
use bytes::Bytes;

messages! {
    /// Java: `DescribeGroupsRequestData`.
    struct DescribeGroupsRequest (0..=5, flexible 5..) {
        groups: Vec<Str>,
        include_authorized_operations: bool [3..],
    }
    /// Java: `DescribeGroupsResponseData`.
    struct DescribeGroupsResponse (0..=5, flexible 5..) {
        throttle_time_ms: i32 [1.., ignorable],
        groups: Vec<DescribedGroup>,
    }
    struct DescribedGroup {
        error_code: ErrorCode,
        group_id: Str,
        group_state: Str,
        protocol_type: Str,
        protocol_data: Str,
        members: Vec<DescribedGroupMember>,
        authorized_operations: i32 [3..] = -2147483648,
    }
    struct DescribedGroupMember {
        member_id: Str,
        group_instance_id: Option<Str> [4.., ignorable],
        client_id: Str,
        client_host: Str,
        member_metadata: Bytes,
        member_assignment: Bytes,
    }
}
