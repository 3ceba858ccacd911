//! `Envelope`: a broker forwards a client's request to the controller (API key 58).
//!
//! The request inside keeps its own header; a broker in ZooKeeper mode opens it as controller only.

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
