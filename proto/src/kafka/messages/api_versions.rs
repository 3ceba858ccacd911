//! `ApiVersions`: what a broker offers (API key 18).
//!
//! A broker that does not know the version asked for answers in version 0 with UNSUPPORTED_VERSION
//! and its range for this API (KIP-511). The response header stays at version 0 for ever. Feature
//! versions may start at 0 from 4 on (KAFKA-17011).

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `ApiVersionsRequestData`.
    struct ApiVersionsRequest (0..=4, flexible 3..) {
        client_software_name: Str [3.., ignorable],
        client_software_version: Str [3.., ignorable],
    }
    /// Java: `ApiVersionsResponseData`.
    struct ApiVersionsResponse (0..=4, flexible 3..) {
        error_code: ErrorCode,
        api_keys: Vec<ApiVersion>,
        throttle_time_ms: i32 [1.., ignorable],
        supported_features: Vec<SupportedFeatureKey> [3.., tag 0, ignorable],
        finalized_features_epoch: i64 [3.., tag 1, ignorable] = -1,
        finalized_features: Vec<FinalizedFeatureKey> [3.., tag 2, ignorable],
        zk_migration_ready: bool [3.., tag 3, ignorable],
    }
    struct ApiVersion {
        api_key: i16,
        min_version: i16,
        max_version: i16,
    }
    struct SupportedFeatureKey {
        name: Str,
        min_version: i16,
        max_version: i16,
    }
    struct FinalizedFeatureKey {
        name: Str,
        max_version_level: i16,
        min_version_level: i16,
    }
}
