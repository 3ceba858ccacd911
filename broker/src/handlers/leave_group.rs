//! LeaveGroup (Java: `KafkaApis.handleLeaveGroupRequest`): one member up to version 2, several
//! since.

use proto::kafka::ErrorCode;
use proto::kafka::messages::leave_group::{
    LeaveGroupRequest, LeaveGroupResponse, MemberIdentity, MemberResponse,
};

use super::groups::{groups, identity};
use super::{Call, Handled};

pub(super) fn handle(call: Call, request: LeaveGroupRequest) -> Handled {
    let members = match call.api_version {
        0..=2 => vec![MemberIdentity {
            member_id: request.member_id.clone(),
            ..MemberIdentity::default()
        }],
        _ => request.members.clone(),
    };
    let left = match groups(&call) {
        None => Err(ErrorCode::COORDINATOR_NOT_AVAILABLE),
        Some(groups) => {
            let who: Vec<_> = members
                .iter()
                .map(|m| {
                    let reason = m.reason.as_ref().map(|r| r.to_string());
                    (identity(&m.member_id, m.group_instance_id.as_ref()), reason)
                })
                .collect();
            groups.ask(|coordinator, now| coordinator.leave(now, &request.group_id, &who))
        }
    };
    let response = match left {
        Err(error_code) => LeaveGroupResponse {
            error_code,
            ..LeaveGroupResponse::default()
        },
        Ok(codes) if call.api_version <= 2 => LeaveGroupResponse {
            error_code: codes.first().copied().unwrap_or(ErrorCode::NONE),
            ..LeaveGroupResponse::default()
        },
        Ok(codes) => LeaveGroupResponse {
            members: members
                .into_iter()
                .zip(codes)
                .map(member_response)
                .collect(),
            ..LeaveGroupResponse::default()
        },
    };
    call.now(&response)
}

fn member_response((member, error_code): (MemberIdentity, ErrorCode)) -> MemberResponse {
    MemberResponse {
        member_id: member.member_id,
        group_instance_id: member.group_instance_id,
        error_code,
        ..MemberResponse::default()
    }
}
