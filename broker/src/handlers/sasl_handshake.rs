//! SaslHandshake: no listener here speaks SASL, which the client is told as Kafka tells it on
//! PLAINTEXT listeners. Mirrors KafkaApis.handleSaslHandshakeRequest.

use proto::kafka::ErrorCode;
use proto::kafka::messages::sasl_handshake::{SaslHandshakeRequest, SaslHandshakeResponse};

use super::{Call, Handled};

pub(super) fn handle(call: Call, _: SaslHandshakeRequest) -> Handled {
    let error_code = ErrorCode::ILLEGAL_SASL_STATE;
    call.now(&SaslHandshakeResponse {
        error_code,
        ..SaslHandshakeResponse::default()
    })
}
