//! DeleteGroups (Java: `KafkaApis.handleDeleteGroupsRequest`).

use proto::kafka::messages::delete_groups::{
    DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse,
};
use proto::kafka::{ErrorCode, Str};

use super::groups::groups;
use super::{Call, Handled};
use crate::group::effect::Reply;

pub(super) fn handle(call: Call, request: DeleteGroupsRequest) -> Handled {
    let Some(groups) = groups(&call) else {
        let all = request.groups_names.into_iter();
        let refused = all
            .map(|name| (name, ErrorCode::COORDINATOR_NOT_AVAILABLE))
            .collect();
        return call.now(&response(refused));
    };
    let begun: Vec<_> = request
        .groups_names
        .into_iter()
        .map(|name| {
            let reply =
                groups.call(|coordinator, now, token| coordinator.delete_group(now, token, &name));
            (name, reply)
        })
        .collect();
    Handled::later(async move {
        let mut results = Vec::with_capacity(begun.len());
        for (name, reply) in begun {
            let error = match reply.await {
                Ok(Reply::Deleted(error)) => error,
                _ => ErrorCode::COORDINATOR_NOT_AVAILABLE,
            };
            results.push((name, error));
        }
        call.answer(&response(results))
    })
}

fn response(results: Vec<(Str, ErrorCode)>) -> DeleteGroupsResponse {
    let one = |(group_id, error_code)| DeletableGroupResult {
        group_id,
        error_code,
        ..DeletableGroupResult::default()
    };
    DeleteGroupsResponse {
        results: results.into_iter().map(one).collect(),
        ..DeleteGroupsResponse::default()
    }
}
