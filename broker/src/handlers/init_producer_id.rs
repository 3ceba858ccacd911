//! InitProducerId: an id for an idempotent producer. Transactional producers are refused, since
//! this broker has no transaction coordinator. Mirrors
//! kafka.server.KafkaApis.handleInitProducerIdRequest.

use proto::kafka::ErrorCode;
use proto::kafka::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};

use super::{Call, Handled};

const NONE: i64 = -1;

pub(super) fn handle(call: Call, request: InitProducerIdRequest) -> Handled {
    if let Err(error) = check(&request) {
        return call.now(&refused(error));
    }
    Handled::later(async move {
        let id = match call.broker.producer_ids.get() {
            Some(ids) => ids.next().await,
            None => None,
        };
        let response = match id {
            Some(producer_id) => InitProducerIdResponse {
                producer_id,
                producer_epoch: 0,
                ..InitProducerIdResponse::default()
            },
            // what makes every client ask again
            None => refused(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
        };
        call.answer(&response)
    })
}

fn check(request: &InitProducerIdRequest) -> Result<(), ErrorCode> {
    let (id, epoch) = (request.producer_id, i64::from(request.producer_epoch));
    if (id == NONE) != (epoch == NONE) {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    match request.transactional_id.as_deref() {
        None => Ok(()),
        Some("") => Err(ErrorCode::INVALID_REQUEST),
        // fatal to the client, where a coordinator that is merely away would keep it waiting
        Some(_) => Err(ErrorCode::UNSUPPORTED_VERSION),
    }
}

fn refused(error_code: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse {
        error_code,
        producer_id: NONE,
        producer_epoch: -1,
        ..InitProducerIdResponse::default()
    }
}
