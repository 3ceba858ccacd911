//! ListGroups (Java: `KafkaApis.handleListGroupsRequest`; filters of KIP-518 and KIP-848).

use proto::kafka::messages::list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup};
use proto::kafka::{ErrorCode, Str};

use super::groups::{groups, text};
use super::{Call, Handled};

pub(super) fn handle(call: Call, request: ListGroupsRequest) -> Handled {
    let Some(groups) = groups(&call) else {
        let error_code = ErrorCode::COORDINATOR_NOT_AVAILABLE;
        return call.now(&ListGroupsResponse {
            error_code,
            ..ListGroupsResponse::default()
        });
    };
    let states: Vec<String> = request
        .states_filter
        .iter()
        .map(|s| s.to_string())
        .collect();
    let (error_code, listed) = groups.ask(|coordinator, _| coordinator.list(&states));
    // All groups here are of the classic protocol.
    let types = &request.types_filter;
    let classic = types.is_empty()
        || types
            .iter()
            .any(|t| t.as_str().eq_ignore_ascii_case("classic"));
    let groups = listed
        .iter()
        .filter(|_| classic)
        .map(|g| ListedGroup {
            group_id: text(&g.group_id),
            protocol_type: text(&g.protocol_type),
            group_state: text(g.state),
            group_type: Str::from_static("classic"),
            ..ListedGroup::default()
        })
        .collect();
    call.now(&ListGroupsResponse {
        error_code,
        groups,
        ..ListGroupsResponse::default()
    })
}
