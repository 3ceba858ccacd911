//! DescribeGroups (Java: `KafkaApis.handleDescribeGroupsRequest`).

use proto::kafka::messages::describe_groups::{
    DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};
use proto::kafka::{ErrorCode, Str};

use super::groups::{groups, text};
use super::{Call, Handled};
use crate::group::effect::{DescribedMember, GroupDescription};

/// READ, DELETE and DESCRIBE, as bits of `AclOperation` (KIP-430): without an authorizer everybody
/// may do what a group knows.
const ALL_OPERATIONS: i32 = 1 << 3 | 1 << 6 | 1 << 8;

pub(super) fn handle(call: Call, request: DescribeGroupsRequest) -> Handled {
    let coordinator = groups(&call);
    let one = |group_id: &Str| {
        let description = match &coordinator {
            Some(groups) => groups.ask(|coordinator, _| coordinator.describe(group_id)),
            None => GroupDescription {
                error: ErrorCode::COORDINATOR_NOT_AVAILABLE,
                state: "",
                protocol_type: "".into(),
                protocol: "".into(),
                members: Vec::new(),
            },
        };
        let mut group = described(group_id, description);
        if request.include_authorized_operations {
            group.authorized_operations = ALL_OPERATIONS;
        }
        group
    };
    let groups = request.groups.iter().map(one).collect();
    call.now(&DescribeGroupsResponse {
        groups,
        ..DescribeGroupsResponse::default()
    })
}

fn described(group_id: &Str, description: GroupDescription) -> DescribedGroup {
    let member = |m: DescribedMember| DescribedGroupMember {
        member_id: text(&m.member_id),
        group_instance_id: m.group_instance_id.as_deref().map(text),
        client_id: text(&m.client_id),
        client_host: text(&m.client_host),
        member_metadata: m.metadata,
        member_assignment: m.assignment,
        ..DescribedGroupMember::default()
    };
    DescribedGroup {
        error_code: description.error,
        group_id: group_id.clone(),
        group_state: text(description.state),
        protocol_type: text(&description.protocol_type),
        protocol_data: text(&description.protocol),
        members: description.members.into_iter().map(member).collect(),
        ..DescribedGroup::default()
    }
}
