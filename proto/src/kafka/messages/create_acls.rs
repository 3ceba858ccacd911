//! `CreateAcls`: adds ACLs (API key 30). 1 adds the pattern type, 3 user resources.

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `CreateAclsRequestData`.
    struct CreateAclsRequest (0..=3, flexible 2..) {
        creations: Vec<AclCreation>,
    }
    struct AclCreation {
        resource_type: i8,
        resource_name: Str,
        resource_pattern_type: i8 [1..] = 3,
        principal: Str,
        host: Str,
        operation: i8,
        permission_type: i8,
    }
    /// Java: `CreateAclsResponseData`.
    struct CreateAclsResponse (0..=3, flexible 2..) {
        throttle_time_ms: i32,
        results: Vec<AclCreationResult>,
    }
    struct AclCreationResult {
        error_code: ErrorCode,
        error_message: Option<Str>,
    }
}
