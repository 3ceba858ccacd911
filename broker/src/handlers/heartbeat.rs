//! Heartbeat (Java: `KafkaApis.handleHeartbeatRequest`).

use proto::kafka::ErrorCode;
use proto::kafka::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};

use super::groups::{groups, identity};
use super::{Call, Handled};

pub(super) fn handle(call: Call, request: HeartbeatRequest) -> Handled {
    let error_code = match groups(&call) {
        None => ErrorCode::COORDINATOR_NOT_AVAILABLE,
        Some(groups) => {
            let member = identity(&request.member_id, request.group_instance_id.as_ref());
            groups.ask(|coordinator, now| {
                coordinator.heartbeat(now, &request.group_id, &member, request.generation_id)
            })
        }
    };
    call.now(&HeartbeatResponse {
        error_code,
        ..HeartbeatResponse::default()
    })
}
