//! `ListGroups`: the groups that a broker coordinates (API key 16).
//!
//! 4 filters by state, 5 by type.

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `ListGroupsRequestData`.
    struct ListGroupsRequest (0..=5, flexible 3..) {
        states_filter: Vec<Str> [4..],
        types_filter: Vec<Str> [5..],
    }
    /// Java: `ListGroupsResponseData`.
    struct ListGroupsResponse (0..=5, flexible 3..) {
        throttle_time_ms: i32 [1.., ignorable],
        error_code: ErrorCode,
        groups: Vec<ListedGroup>,
    }
    struct ListedGroup {
        group_id: Str,
        protocol_type: Str,
        group_state: Str [4.., ignorable],
        group_type: Str [5.., ignorable],
    }
}
