//! `AlterUserScramCredentials`: sets and removes SCRAM credentials (API key 51).

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;
use bytes::Bytes;

messages! {
    /// Java: `AlterUserScramCredentialsRequestData`.
    struct AlterUserScramCredentialsRequest (0..=0, flexible 0..) {
        deletions: Vec<ScramCredentialDeletion>,
        upsertions: Vec<ScramCredentialUpsertion>,
    }
    struct ScramCredentialDeletion {
        name: Str,
        mechanism: i8,
    }
    struct ScramCredentialUpsertion {
        name: Str,
        mechanism: i8,
        iterations: i32,
        salt: Bytes,
        salted_password: Bytes,
    }
    /// Java: `AlterUserScramCredentialsResponseData`.
    struct AlterUserScramCredentialsResponse (0..=0, flexible 0..) {
        throttle_time_ms: i32,
        results: Vec<AlterUserScramCredentialsResult>,
    }
    struct AlterUserScramCredentialsResult {
        user: Str,
        error_code: ErrorCode,
        error_message: Option<Str>,
    }
}
