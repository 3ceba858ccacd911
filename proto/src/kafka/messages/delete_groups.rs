//! `DeleteGroups`: deletes empty groups (API key 42).

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `DeleteGroupsRequestData`.
    struct DeleteGroupsRequest (0..=2, flexible 2..) {
        groups_names: Vec<Str>,
    }
    /// Java: `DeleteGroupsResponseData`.
    struct DeleteGroupsResponse (0..=2, flexible 2..) {
        throttle_time_ms: i32,
        results: Vec<DeletableGroupResult>,
    }
    struct DeletableGroupResult {
        group_id: Str,
        error_code: ErrorCode,
    }
}
