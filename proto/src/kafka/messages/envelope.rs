//! `Envelope` (API key 58).

use crate::kafka::error::ErrorCode;
use crate::kafka::macros::messages;
use bytes::Bytes;

messages! {
    /// Java: `EnvelopeRequestData`.
    struct EnvelopeRequest (0..=0, flexible 0..) {
        request_data: Bytes,
        request_principal: Option<Bytes>,
        client_host_address: Bytes,
    }
    /// Java: `EnvelopeResponseData`.
    struct EnvelopeResponse (0..=0, flexible 0..) {
        response_data: Option<Bytes>,
        error_code: ErrorCode,
    }
}
