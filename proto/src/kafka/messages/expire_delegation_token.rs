//! `ExpireDelegationToken`: ends a delegation token (API key 40).

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use bytes::Bytes;

messages! {
    /// Java: `ExpireDelegationTokenRequestData`.
    struct ExpireDelegationTokenRequest (0..=2, flexible 2..) {
        hmac: Bytes,
        expiry_time_period_ms: i64,
    }
    /// Java: `ExpireDelegationTokenResponseData`.
    struct ExpireDelegationTokenResponse (0..=2, flexible 2..) {
        error_code: ErrorCode,
        expiry_timestamp_ms: i64,
        throttle_time_ms: i32,
    }
}
