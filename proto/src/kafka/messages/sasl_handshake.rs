//! `SaslHandshake`: picks a SASL mechanism (API key 17).
//!
//! After 0 raw tokens follow without headers, after 1 [`super::sasl_authenticate`] requests. Never
//! flexible: old clients guess its version (KAFKA-9577).

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use crate::kafka::types::Str;

messages! {
    /// Java: `SaslHandshakeRequestData`.
    struct SaslHandshakeRequest (0..=1) {
        mechanism: Str,
    }
    /// Java: `SaslHandshakeResponseData`.
    struct SaslHandshakeResponse (0..=1) {
        error_code: ErrorCode,
        mechanisms: Vec<Str>,
    }
}
