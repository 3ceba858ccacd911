//! `SaslAuthenticate`: one token of a SASL exchange (API key 36).
//!
//! 1 tells when the client must authenticate again (KIP-368).

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;
use bytes::Bytes;

messages! {
    /// Java: `SaslAuthenticateRequestData`.
    struct SaslAuthenticateRequest (0..=2, flexible 2..) {
        auth_bytes: Bytes,
    }
    /// Java: `SaslAuthenticateResponseData`.
    struct SaslAuthenticateResponse (0..=2, flexible 2..) {
        error_code: ErrorCode,
        error_message: Option<Str>,
        auth_bytes: Bytes,
        session_lifetime_ms: i64 [1.., ignorable],
    }
}
