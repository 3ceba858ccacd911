//! `UpdateFeatures`: finalizes feature levels of the cluster (API key 57).

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `UpdateFeaturesRequestData`.
    struct UpdateFeaturesRequest (0..=1, flexible 0..) {
        timeout_ms: i32 = 60000,
        feature_updates: Vec<FeatureUpdateKey>,
        validate_only: bool [1..],
    }
    struct FeatureUpdateKey {
        feature: Str,
        max_version_level: i16,
        allow_downgrade: bool [0],
        upgrade_type: i8 [1..] = 1,
    }
    /// Java: `UpdateFeaturesResponseData`.
    struct UpdateFeaturesResponse (0..=1, flexible 0..) {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        error_message: Option<Str>,
        results: Vec<UpdatableFeatureResult>,
    }
    struct UpdatableFeatureResult {
        feature: Str,
        error_code: ErrorCode,
        error_message: Option<Str>,
    }
}
