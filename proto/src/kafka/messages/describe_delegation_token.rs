//! `DescribeDelegationToken`: lists delegation tokens (API key 41). 3 names the requester.

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;
use bytes::Bytes;

messages! {
    /// Java: `DescribeDelegationTokenRequestData`.
    struct DescribeDelegationTokenRequest (0..=3, flexible 2..) {
        owners: Option<Vec<DescribeDelegationTokenOwner>>,
    }
    struct DescribeDelegationTokenOwner {
        principal_type: Str,
        principal_name: Str,
    }
    /// Java: `DescribeDelegationTokenResponseData`.
    struct DescribeDelegationTokenResponse (0..=3, flexible 2..) {
        error_code: ErrorCode,
        tokens: Vec<DescribedDelegationToken>,
        throttle_time_ms: i32,
    }
    struct DescribedDelegationToken {
        principal_type: Str,
        principal_name: Str,
        token_requester_principal_type: Str [3..],
        token_requester_principal_name: Str [3..],
        issue_timestamp: i64,
        expiry_timestamp: i64,
        max_timestamp: i64,
        token_id: Str,
        hmac: Bytes,
        renewers: Vec<DescribedDelegationTokenRenewer>,
    }
    struct DescribedDelegationTokenRenewer {
        principal_type: Str,
        principal_name: Str,
    }
}
