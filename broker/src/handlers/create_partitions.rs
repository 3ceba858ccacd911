//! CreatePartitions: writes a longer assignment; the controller does the rest. Mirrors
//! ZkAdminManager.createPartitions.

use std::collections::{BTreeMap, HashSet};

use proto::kafka::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic,
    CreatePartitionsTopicResult,
};
use proto::kafka::{ErrorCode, Str};
use proto::zk::ErrorCode as ZkCode;

use super::topics::{self, Refused};
use super::{Call, Handled, create_topics};
use crate::zk::json::Assignment;

pub(super) fn handle(call: Call, request: CreatePartitionsRequest) -> Handled {
    Handled::later(async move {
        let mut seen = HashSet::new();
        let mut results = Vec::new();
        let mut patience = topics::Patience::new(request.timeout_ms);
        for topic in &request.topics {
            let done = if !call.broker.is_controller() {
                Err((ErrorCode::NOT_CONTROLLER, String::new()))
            } else if !seen.insert(&topic.name) {
                Err((
                    ErrorCode::INVALID_REQUEST,
                    "Duplicate topic in request.".to_owned(),
                ))
            } else {
                let grow = grow(&call, topic, request.validate_only);
                patience.limit(grow).await
            };
            let led = match &done {
                Ok(count) if !request.validate_only => {
                    topics::wait_for_leaders(&call.broker, &topic.name, *count, request.timeout_ms)
                        .await
                }
                _ => true,
            };
            let (error_code, why) = match done {
                Ok(_) if led => (ErrorCode::NONE, String::new()),
                Ok(_) => (ErrorCode::REQUEST_TIMED_OUT, String::new()),
                Err(refused) => refused,
            };
            results.push(CreatePartitionsTopicResult {
                name: topic.name.clone(),
                error_code,
                error_message: (!why.is_empty()).then(|| Str::from(why.as_str())),
                ..CreatePartitionsTopicResult::default()
            });
        }
        call.answer(&CreatePartitionsResponse {
            results,
            ..CreatePartitionsResponse::default()
        })
    })
}

/// How many partitions the topic has afterwards.
async fn grow(
    call: &Call,
    topic: &CreatePartitionsTopic,
    validate_only: bool,
) -> Result<usize, Refused> {
    let broker = &call.broker;
    let image = broker.metadata.load_full();
    let read = broker
        .zk
        .read_topic(&topic.name)
        .await
        .map_err(|e| topics::zk_failed(&e))?;
    let Some((mut assignment, version)) = read else {
        let why = format!("The topic '{}' does not exist.", &*topic.name);
        return Err((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, why));
    };
    let old = assignment.partitions.len();
    let wanted = usize::try_from(topic.count).unwrap_or(0);
    if wanted <= old {
        let why = if wanted == old {
            format!("Topic already has {old} partitions.")
        } else {
            format!(
                "Topic currently has {old} partitions, which is higher than the requested {}.",
                topic.count
            )
        };
        return Err((ErrorCode::INVALID_PARTITIONS, why));
    }
    let first = assignment
        .partitions
        .values()
        .next()
        .map(|p| p.replicas.clone())
        .unwrap_or_default();
    let new = match &topic.assignments {
        None => topics::assign(
            &image,
            wanted - old,
            first.len(),
            old,
            first.first().copied(),
        )?,
        Some(given) => {
            if given.len() != wanted - old {
                let why = format!(
                    "Increasing the number of partitions by {} but {} assignments provided.",
                    wanted - old,
                    given.len()
                );
                return Err((ErrorCode::INVALID_REPLICA_ASSIGNMENT, why));
            }
            let start = i32::try_from(old).unwrap_or(i32::MAX);
            let given: BTreeMap<i32, Vec<i32>> = (start..)
                .zip(given.iter().map(|assignment| assignment.broker_ids.clone()))
                .collect();
            create_topics::check_assignment(&given, start, &image)?;
            given
        }
    };
    if validate_only {
        return Ok(wanted);
    }
    for (index, replicas) in new {
        assignment.partitions.insert(
            index,
            Assignment {
                replicas,
                ..Assignment::default()
            },
        );
    }
    match broker.zk.set_topic(&topic.name, &assignment, version).await {
        Ok(()) => Ok(wanted),
        Err(e) if e.is(ZkCode::BadVersion) => Err((
            ErrorCode::REASSIGNMENT_IN_PROGRESS,
            "The topic is being changed by somebody else.".to_owned(),
        )),
        Err(e) => Err(topics::zk_failed(&e)),
    }
}
