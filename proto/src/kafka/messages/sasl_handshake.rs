//! `SaslHandshake` (API key 17).

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
