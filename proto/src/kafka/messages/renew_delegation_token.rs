//! `RenewDelegationToken`: prolongs a delegation token (API key 39).

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use bytes::Bytes;

messages! {
    /// Java: `RenewDelegationTokenRequestData`.
    struct RenewDelegationTokenRequest (0..=2, flexible 2..) {
        hmac: Bytes,
        renew_period_ms: i64,
    }
    /// Java: `RenewDelegationTokenResponseData`.
    struct RenewDelegationTokenResponse (0..=2, flexible 2..) {
        error_code: ErrorCode,
        expiry_timestamp_ms: i64,
        throttle_time_ms: i32,
    }
}
