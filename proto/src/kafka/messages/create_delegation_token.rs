//! `CreateDelegationToken`: makes a delegation token (API key 38). 3 for another owner.

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;
use bytes::Bytes;

messages! {
    /// Java: `CreateDelegationTokenRequestData`.
    struct CreateDelegationTokenRequest (0..=3, flexible 2..) {
        owner_principal_type: Option<Str> [3..],
        owner_principal_name: Option<Str> [3..],
        renewers: Vec<CreatableRenewers>,
        max_lifetime_ms: i64,
    }
    struct CreatableRenewers {
        principal_type: Str,
        principal_name: Str,
    }
    /// Java: `CreateDelegationTokenResponseData`.
    struct CreateDelegationTokenResponse (0..=3, flexible 2..) {
        error_code: ErrorCode,
        principal_type: Str,
        principal_name: Str,
        token_requester_principal_type: Str [3..],
        token_requester_principal_name: Str [3..],
        issue_timestamp_ms: i64,
        expiry_timestamp_ms: i64,
        max_timestamp_ms: i64,
        token_id: Str,
        hmac: Bytes,
        throttle_time_ms: i32,
    }
}
