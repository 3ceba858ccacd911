//! OffsetCommit (Java: `KafkaApis.handleOffsetCommitRequest`,
//! `GroupCoordinatorAdapter.commitOffsets`).

use std::sync::Arc;

use proto::kafka::ErrorCode;
use proto::kafka::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitResponse,
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};

use super::groups::{answer, groups, identity};
use super::{Call, Handled};
use crate::group::effect::{CommitRequest, CommittedOffset, Reply, TopicPartition};

pub(super) fn handle(call: Call, request: OffsetCommitRequest) -> Handled {
    if request.group_instance_id.is_some() && call.api_version < 7 {
        return call.now(&response(&request, |_| ErrorCode::UNSUPPORTED_VERSION));
    }
    let Some(groups) = groups(&call) else {
        return call.now(&response(&request, |_| {
            ErrorCode::COORDINATOR_NOT_AVAILABLE
        }));
    };
    // Offsets of topics that do not exist are refused one by one; the rest is committed.
    let metadata = call.broker.metadata.load_full();
    let known: Vec<bool> = request
        .topics
        .iter()
        .map(|t| metadata.topic(&t.name).is_some())
        .collect();
    let offsets = offsets(&request, &known, groups.now().wall_ms);
    if offsets.is_empty() {
        return call.now(&response(&request, |_| {
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        }));
    }
    let commit = CommitRequest {
        group_id: request.group_id.to_string(),
        generation: request.generation_id_or_member_epoch,
        member: identity(&request.member_id, request.group_instance_id.as_ref()),
        offsets,
    };
    let reply = groups.call(|coordinator, now, token| coordinator.commit(now, token, commit));
    answer(call, reply, move |_, reply| {
        let mut codes = match reply {
            Some(Reply::Commit(codes)) => codes.into_iter(),
            _ => Vec::new().into_iter(),
        };
        response(&request, |topic| match known[topic] {
            false => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            true => codes.next().unwrap_or(ErrorCode::COORDINATOR_NOT_AVAILABLE),
        })
    })
}

fn offsets(
    request: &OffsetCommitRequest,
    known: &[bool],
    now_ms: i64,
) -> Vec<(TopicPartition, CommittedOffset)> {
    // Versions 2 to 4 may give a retention of their own.
    let expire_timestamp = match request.retention_time_ms {
        -1 => None,
        retention => Some(now_ms.saturating_add(retention)),
    };
    let one = |p: &OffsetCommitRequestPartition| CommittedOffset {
        offset: p.committed_offset,
        leader_epoch: p.committed_leader_epoch,
        metadata: p.committed_metadata.as_deref().unwrap_or_default().into(),
        commit_timestamp: match p.commit_timestamp {
            -1 => now_ms,
            given => given,
        },
        expire_timestamp,
    };
    let mut offsets = Vec::new();
    for (topic, _) in request
        .topics
        .iter()
        .zip(known)
        .filter(|(_, known)| **known)
    {
        let name: Arc<str> = topic.name.as_str().into();
        for partition in &topic.partitions {
            let at = TopicPartition {
                topic: name.clone(),
                partition: partition.partition_index,
            };
            offsets.push((at, one(partition)));
        }
    }
    offsets
}

/// A response in the request's order; `code` is asked once for each partition, with the index of
/// its topic.
fn response(
    request: &OffsetCommitRequest,
    mut code: impl FnMut(usize) -> ErrorCode,
) -> OffsetCommitResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for (index, topic) in request.topics.iter().enumerate() {
        let partitions = topic
            .partitions
            .iter()
            .map(|p| OffsetCommitResponsePartition {
                partition_index: p.partition_index,
                error_code: code(index),
                ..OffsetCommitResponsePartition::default()
            })
            .collect();
        topics.push(OffsetCommitResponseTopic {
            name: topic.name.clone(),
            partitions,
            ..OffsetCommitResponseTopic::default()
        });
    }
    OffsetCommitResponse {
        topics,
        ..OffsetCommitResponse::default()
    }
}
