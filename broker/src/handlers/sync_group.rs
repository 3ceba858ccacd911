//! SyncGroup (Java: `KafkaApis.handleSyncGroupRequest`, `GroupCoordinatorAdapter.syncGroup`).

use bytes::Bytes;
use proto::kafka::ErrorCode;
use proto::kafka::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};

use super::groups::{answer, groups, text};
use super::{Call, Handled};
use crate::group::effect::{Reply, SyncReply, SyncRequest};

pub(super) fn handle(call: Call, request: SyncGroupRequest) -> Handled {
    // From version 5 on both names have to be there (KIP-559).
    let incomplete = call.api_version >= 5
        && (request.protocol_type.is_none() || request.protocol_name.is_none());
    if incomplete {
        return call.now(&response(SyncReply::error(
            ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
        )));
    }
    let Some(groups) = groups(&call) else {
        return call.now(&response(SyncReply::error(
            ErrorCode::COORDINATOR_NOT_AVAILABLE,
        )));
    };
    let request = SyncRequest {
        group_id: request.group_id.to_string(),
        generation: request.generation_id,
        member_id: request.member_id.to_string(),
        group_instance_id: request.group_instance_id.map(|id| id.to_string()),
        protocol_type: request.protocol_type.map(|p| p.to_string()),
        protocol: request.protocol_name.map(|p| p.to_string()),
        assignments: request
            .assignments
            .iter()
            .map(|a| {
                (
                    a.member_id.to_string(),
                    Bytes::copy_from_slice(&a.assignment),
                )
            })
            .collect(),
    };
    let reply = groups.call(|coordinator, now, token| coordinator.sync(now, token, request));
    answer(call, reply, |_, reply| match reply {
        Some(Reply::Sync(reply)) => response(reply),
        _ => response(SyncReply::error(ErrorCode::COORDINATOR_NOT_AVAILABLE)),
    })
}

fn response(reply: SyncReply) -> SyncGroupResponse {
    SyncGroupResponse {
        error_code: reply.error,
        protocol_type: reply.protocol_type.as_deref().map(text),
        protocol_name: reply.protocol.as_deref().map(text),
        assignment: reply.assignment,
        ..SyncGroupResponse::default()
    }
}
