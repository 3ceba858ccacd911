//! `AlterConfigs`: replaces the whole configuration of resources (API key 33).
//!
//! What a request leaves out returns to its default: see [`super::incremental_alter_configs`].

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `AlterConfigsRequestData`.
    struct AlterConfigsRequest (0..=2, flexible 2..) {
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
        value: Option<Str>,
    }
    /// Java: `AlterConfigsResponseData`.
    struct AlterConfigsResponse (0..=2, flexible 2..) {
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
