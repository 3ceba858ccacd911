//! `IncrementalAlterConfigs`: sets, removes, appends to, subtracts from configuration values (API
//! key 44).

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `IncrementalAlterConfigsRequestData`.
    struct IncrementalAlterConfigsRequest (0..=1, flexible 1..) {
        resources: Vec<AlterConfigsResource>,
        validate_only: bool,
    }
    struct AlterConfigsResource {
        resource_type: i8,
        resource_name: Str,
        configs: Vec<AlterableConfig>,
    }
    struct AlterableConfig {
        name: Str,
        /// 0 set, 1 delete, 2 append, 3 subtract
        config_operation: i8,
        value: Option<Str>,
    }
    /// Java: `IncrementalAlterConfigsResponseData`.
    struct IncrementalAlterConfigsResponse (0..=1, flexible 1..) {
        throttle_time_ms: i32,
        responses: Vec<AlterConfigsResourceResponse>,
    }
    struct AlterConfigsResourceResponse {
        error_code: ErrorCode,
        error_message: Option<Str>,
        resource_type: i8,
        resource_name: Str,
    }
}
