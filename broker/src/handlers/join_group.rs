//! JoinGroup (Java: `KafkaApis.handleJoinGroupRequest`, `GroupCoordinatorAdapter.joinGroup`).

use std::sync::Arc;

use bytes::Bytes;
use proto::kafka::ErrorCode;
use proto::kafka::messages::join_group::{
    JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember,
};

use super::groups::{answer, groups, text};
use super::{Call, Handled};
use crate::group::effect::{JoinReply, JoinRequest, Reply};

pub(super) fn handle(call: Call, request: JoinGroupRequest) -> Handled {
    let member_id = request.member_id.to_string();
    if request.group_instance_id.is_some() && call.api_version < 5 {
        return call.now(&failed(&call, &member_id, ErrorCode::UNSUPPORTED_VERSION));
    }
    let Some(groups) = groups(&call) else {
        return call.now(&failed(
            &call,
            &member_id,
            ErrorCode::COORDINATOR_NOT_AVAILABLE,
        ));
    };
    let request = join_request(&call, request);
    let reply = groups.call(|coordinator, now, token| coordinator.join(now, token, request));
    answer(call, reply, move |call, reply| match reply {
        Some(Reply::Join(reply)) => response(call, reply),
        _ => failed(call, &member_id, ErrorCode::COORDINATOR_NOT_AVAILABLE),
    })
}

fn join_request(call: &Call, request: JoinGroupRequest) -> JoinRequest {
    let dynamic = request.group_instance_id.is_none();
    JoinRequest {
        group_id: request.group_id.to_string(),
        member_id: request.member_id.to_string(),
        group_instance_id: request.group_instance_id.map(|id| id.to_string()),
        require_known_member_id: call.api_version >= 4 && dynamic,
        support_skipping_assignment: call.api_version >= 9,
        client_id: call
            .client_id
            .as_ref()
            .map(|id| id.to_string())
            .unwrap_or_default(),
        // As Java's InetAddress prints itself.
        client_host: format!("/{}", call.peer.address.ip()),
        rebalance_timeout_ms: match call.api_version {
            0 => request.session_timeout_ms,
            _ => request.rebalance_timeout_ms,
        },
        session_timeout_ms: request.session_timeout_ms,
        protocol_type: request.protocol_type.to_string(),
        protocols: request
            .protocols
            .iter()
            .map(|p| {
                (
                    Arc::from(p.name.as_str()),
                    Bytes::copy_from_slice(&p.metadata),
                )
            })
            .collect(),
        reason: request.reason.map(|r| r.to_string()),
    }
}

fn failed(call: &Call, member_id: &str, error: ErrorCode) -> JoinGroupResponse {
    response(call, JoinReply::error(member_id, error))
}

fn response(call: &Call, reply: JoinReply) -> JoinGroupResponse {
    let protocol = reply.protocol.as_deref().map(text);
    JoinGroupResponse {
        error_code: reply.error,
        generation_id: reply.generation,
        protocol_type: reply.protocol_type.as_deref().map(text),
        protocol_name: match call.api_version {
            7.. => protocol,
            _ => Some(protocol.unwrap_or_default()),
        },
        leader: reply.leader.as_deref().map(text).unwrap_or_default(),
        skip_assignment: reply.skip_assignment,
        member_id: text(&reply.member_id),
        members: reply
            .members
            .into_iter()
            .map(|m| JoinGroupResponseMember {
                member_id: text(&m.member_id),
                group_instance_id: m.group_instance_id.as_deref().map(text),
                metadata: m.metadata,
                ..JoinGroupResponseMember::default()
            })
            .collect(),
        ..JoinGroupResponse::default()
    }
}
