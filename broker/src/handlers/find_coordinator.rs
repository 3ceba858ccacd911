//! FindCoordinator: the leader of the group's partition of the offsets topic, which is created
//! when it is first asked for. Mirrors KafkaApis.handleFindCoordinatorRequest.

use std::sync::atomic::Ordering;

use proto::kafka::messages::find_coordinator::{
    Coordinator, FindCoordinatorRequest, FindCoordinatorResponse,
};
use proto::kafka::{ErrorCode, Str};
use tracing::warn;

use super::topics::{self, OFFSETS_TOPIC};
use super::{Call, Handled};
use crate::group::coordinator::partition_for;

/// Key types.
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

pub(super) fn handle(call: Call, request: FindCoordinatorRequest) -> Handled {
    let exists = call.broker.metadata.load().topic(OFFSETS_TOPIC).is_some();
    if exists || request.key_type != GROUP {
        let response = respond(&call, &request, None);
        return call.now(&response);
    }
    Handled::later(async move {
        let (code, why) = topics::auto_create(&call.broker, OFFSETS_TOPIC).await;
        let why = (code != ErrorCode::LEADER_NOT_AVAILABLE).then(|| {
            let factor = call.broker.config().offsets_topic_replication_factor;
            let place = call.broker.config().settings.place("offsets.topic.replication.factor");
            let live = call.broker.metadata.load().nodes.len();
            // every client asks again and again
            if !call.broker.told_why_groups_wait.swap(true, Ordering::Relaxed) {
                warn!(
                    "{OFFSETS_TOPIC} cannot be created, so no group can work: {why} Live brokers: {live}; \
                     start more brokers or set offsets.topic.replication.factor={} ({place}, now {factor})",
                    live.max(1)
                );
            }
            format!("The offsets topic cannot be created: {why} (offsets.topic.replication.factor={factor}, live brokers: {live})")
        });
        call.answer(&respond(&call, &request, why.as_deref()))
    })
}

fn respond(
    call: &Call,
    request: &FindCoordinatorRequest,
    why: Option<&str>,
) -> FindCoordinatorResponse {
    let mut response = FindCoordinatorResponse::default();
    if call.api_version >= 4 {
        let keys = request.coordinator_keys.iter();
        response.coordinators = keys
            .map(|key| find(call, key, request.key_type, why))
            .collect();
        return response;
    }
    let found = find(call, &request.key, request.key_type, why);
    response.error_code = found.error_code;
    response.error_message = found.error_message;
    response.node_id = found.node_id;
    response.host = found.host;
    response.port = found.port;
    response
}

fn find(call: &Call, key: &Str, key_type: i8, why: Option<&str>) -> Coordinator {
    let nobody = |error_code: ErrorCode, why: Option<&str>| Coordinator {
        key: key.clone(),
        node_id: -1,
        port: -1,
        error_code,
        error_message: why.map(Str::from),
        ..Coordinator::default()
    };
    match key_type {
        GROUP => {}
        TRANSACTION => {
            // fatal to the client, which shows the text; one that is merely away would keep it waiting
            let why = "this broker does not serve transactions yet; \
                       producers without transactional.id, idempotent ones included, work";
            return nobody(ErrorCode::UNSUPPORTED_VERSION, Some(why));
        }
        _ => return nobody(ErrorCode::INVALID_REQUEST, None),
    }
    let image = call.broker.metadata.load();
    let count = image
        .topic(OFFSETS_TOPIC)
        .map_or(0, |topic| topic.partitions.len());
    let count = i32::try_from(count).unwrap_or(0);
    if count == 0 {
        return nobody(ErrorCode::COORDINATOR_NOT_AVAILABLE, why);
    }
    let partition = partition_for(key, count);
    match image.leader_on(OFFSETS_TOPIC, partition, &call.peer.listener) {
        Some((id, point)) => Coordinator {
            key: key.clone(),
            node_id: id,
            host: point.host.clone(),
            port: point.port,
            ..Coordinator::default()
        },
        None => nobody(ErrorCode::COORDINATOR_NOT_AVAILABLE, None),
    }
}
