//! `DescribeUserScramCredentials`: lists SCRAM mechanisms of users (API key 50).

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `DescribeUserScramCredentialsRequestData`.
    struct DescribeUserScramCredentialsRequest (0..=0, flexible 0..) {
        users: Option<Vec<UserName>>,
    }
    struct UserName {
        name: Str,
    }
    /// Java: `DescribeUserScramCredentialsResponseData`.
    struct DescribeUserScramCredentialsResponse (0..=0, flexible 0..) {
        throttle_time_ms: i32,
        error_code: ErrorCode,
        error_message: Option<Str>,
        results: Vec<DescribeUserScramCredentialsResult>,
    }
    struct DescribeUserScramCredentialsResult {
        user: Str,
        error_code: ErrorCode,
        error_message: Option<Str>,
        credential_infos: Vec<CredentialInfo>,
    }
    struct CredentialInfo {
        mechanism: i8,
        iterations: i32,
    }
}
