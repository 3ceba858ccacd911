//! `DescribeConfigs`: configuration of topics, brokers, loggers (API key 32).
//!
//! 0 says only whether a value is a default, 1 says where it comes from and what it hides; 3 adds
//! the type and documentation.

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `DescribeConfigsRequestData`.
    struct DescribeConfigsRequest (0..=4, flexible 4..) {
        resources: Vec<DescribeConfigsResource>,
        include_synonyms: bool [1..],
        include_documentation: bool [3..],
    }
    struct DescribeConfigsResource {
        /// 2 topic, 4 broker, 8 logger
        resource_type: i8,
        resource_name: Str,
        configuration_keys: Option<Vec<Str>>,
    }
    /// Java: `DescribeConfigsResponseData`.
    struct DescribeConfigsResponse (0..=4, flexible 4..) {
        throttle_time_ms: i32,
        results: Vec<DescribeConfigsResult>,
    }
    struct DescribeConfigsResult {
        error_code: ErrorCode,
        error_message: Option<Str>,
        resource_type: i8,
        resource_name: Str,
        configs: Vec<DescribeConfigsResourceResult>,
    }
    struct DescribeConfigsResourceResult {
        name: Str,
        value: Option<Str>,
        read_only: bool,
        is_default: bool [0],
        /// Java: `DescribeConfigsResponse.ConfigSource`
        config_source: i8 [1.., ignorable] = -1,
        is_sensitive: bool,
        synonyms: Vec<DescribeConfigsSynonym> [1.., ignorable],
        config_type: i8 [3.., ignorable],
        documentation: Option<Str> [3.., ignorable],
    }
    struct DescribeConfigsSynonym {
        name: Str,
        value: Option<Str>,
        source: i8,
    }
}
