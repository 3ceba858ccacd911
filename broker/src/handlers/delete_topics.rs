//! DeleteTopics: asks the controller by znode, as tools do, and waits until the topics are gone.
//! Mirrors KafkaApis.handleDeleteTopicsRequest and ZkAdminManager.deleteTopics.

use std::time::Duration;

use proto::kafka::messages::delete_topics::{
    DeletableTopicResult, DeleteTopicsRequest, DeleteTopicsResponse,
};
use proto::kafka::{ErrorCode, Str, Uuid};
use proto::zk::ErrorCode as ZkCode;

use super::topics::{self, Patience};
use super::{Call, Handled};

pub(super) fn handle(call: Call, request: DeleteTopicsRequest) -> Handled {
    Handled::later(async move {
        let mut responses = Vec::new();
        let mut patience = topics::Patience::new(request.timeout_ms);
        for (name, id) in asked(&call, &request) {
            responses.push(delete(&call, &mut patience, name, id).await);
        }
        wait_until_gone(&call, &mut responses, request.timeout_ms).await;
        call.answer(&DeleteTopicsResponse {
            responses,
            ..DeleteTopicsResponse::default()
        })
    })
}

/// Names with ids, from either form of the request; what is missing is looked up.
fn asked(call: &Call, request: &DeleteTopicsRequest) -> Vec<(Option<Str>, Uuid)> {
    let image = call.broker.metadata.load();
    let named = request
        .topic_names
        .iter()
        .map(|name| (Some(name.clone()), image.topic_id(name)));
    let stated = request.topics.iter().map(|topic| match &topic.name {
        Some(name) => (Some(name.clone()), image.topic_id(name)),
        None => (image.topic_name(&topic.topic_id).cloned(), topic.topic_id),
    });
    named.chain(stated).collect()
}

async fn delete(
    call: &Call,
    patience: &mut Patience,
    name: Option<Str>,
    id: Uuid,
) -> DeletableTopicResult {
    let config = call.broker.config().clone();
    let image = call.broker.metadata.load_full();
    let known = name
        .as_ref()
        .is_some_and(|name| image.topic(name).is_some());
    let (error_code, why) = match &name {
        _ if !call.broker.is_controller() => (ErrorCode::NOT_CONTROLLER, None),
        _ if !config.delete_topic_enable => {
            let old = call.api_version < 3;
            let code = if old {
                ErrorCode::INVALID_REQUEST
            } else {
                ErrorCode::TOPIC_DELETION_DISABLED
            };
            (code, Some("Topic deletion is disabled.".to_owned()))
        }
        None => (ErrorCode::UNKNOWN_TOPIC_ID, None),
        Some(_) if !known => (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, None),
        Some(name) => match patience.limit(request_deletion(call, name)).await {
            Ok(()) => (ErrorCode::NONE, None),
            Err((code, why)) => (code, Some(why)),
        },
    };
    // up to version 5 a name cannot be null
    let name = if call.api_version < 6 {
        Some(name.unwrap_or(Str::EMPTY))
    } else {
        name
    };
    let error_message = why.map(|why| Str::from(why.as_str()));
    DeletableTopicResult {
        name,
        topic_id: id,
        error_code,
        error_message,
        ..Default::default()
    }
}

async fn request_deletion(call: &Call, name: &str) -> Result<(), topics::Refused> {
    match call.broker.zk.request_deletion(name).await {
        // asked for already: one waits for the same end
        Err(e) if !e.is(ZkCode::NodeExists) => Err(topics::zk_failed(&e)),
        _ => Ok(()),
    }
}

async fn wait_until_gone(call: &Call, responses: &mut [DeletableTopicResult], timeout_ms: i32) {
    let timeout = Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0));
    let names: Vec<Str> = responses
        .iter()
        .filter(|response| response.error_code == ErrorCode::NONE)
        .filter_map(|response| response.name.clone())
        .collect();
    let gone = call
        .broker
        .metadata
        .wait_for(|image| names.iter().all(|name| image.topic(name).is_none()));
    if tokio::time::timeout(timeout, gone).await.is_ok() {
        return;
    }
    let image = call.broker.metadata.load();
    for response in responses {
        let still = response
            .name
            .as_ref()
            .is_some_and(|name| image.topic(name).is_some());
        if response.error_code == ErrorCode::NONE && still {
            response.error_code = ErrorCode::REQUEST_TIMED_OUT;
        }
    }
}
