//! `DescribeAcls`: lists ACLs (API key 29). 1 adds the pattern type, 3 user resources.

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `DescribeAclsRequestData`.
    struct DescribeAclsRequest (0..=3, flexible 2..) {
        resource_type_filter: i8,
        resource_name_filter: Option<Str>,
        pattern_type_filter: i8 [1..] = 3,
        principal_filter: Option<Str>,
        host_filter: Option<Str>,
        operation: i8,
        permission_type: i8,
    }
    /// Java: `DescribeAclsResponseData`.
    struct DescribeAclsResponse (0..=3, flexible 2..) {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        error_message: Option<Str>,
        resources: Vec<DescribeAclsResource>,
    }
    struct DescribeAclsResource {
        resource_type: i8,
        resource_name: Str,
        pattern_type: i8 [1..] = 3,
        acls: Vec<AclDescription>,
    }
    struct AclDescription {
        principal: Str,
        host: Str,
        operation: i8,
        permission_type: i8,
    }
}
