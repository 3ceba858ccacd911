//! OffsetCommit: to the group's coordinator, in version 0 to ZooKeeper (Java: `KafkaApis.handleOffsetCommitRequest`,
//! `GroupCoordinatorAdapter.commitOffsets`).

use std::sync::Arc;

use proto::kafka::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitResponse,
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use proto::kafka::{ErrorCode, Str};
use tracing::warn;

use super::groups::{answer, groups, identity};
use super::{Call, Handled};
use crate::group::effect::{CommitRequest, CommittedOffset, Reply, TopicPartition};
use crate::zk::consumer_offsets;

pub(super) fn handle(call: Call, request: OffsetCommitRequest) -> Handled {
    if request.group_instance_id.is_some() && call.api_version < 7 {
        return call.now(&response(&request, || ErrorCode::UNSUPPORTED_VERSION));
    }
    // Offsets of partitions that do not exist are refused one by one; the rest is committed.
    let known = known(&call, &request);
    if !known.contains(&true) {
        let unknown = || ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        return call.now(&response(&request, unknown));
    }
    match call.api_version {
        0 => to_zookeeper(call, request, known),
        _ => to_coordinator(call, request, known),
    }
}

/// Whether they exist, for each partition of the request in its order.
fn known(call: &Call, request: &OffsetCommitRequest) -> Vec<bool> {
    let metadata = call.broker.metadata.load();
    let topics = request.topics.iter();
    let known = topics.flat_map(|topic| {
        let partitions = topic.partitions.iter();
        partitions.map(|p| metadata.partition(&topic.name, p.partition_index).is_some())
    });
    known.collect()
}

/// The request's partitions that are known, with their topics' names.
fn wanted<'a>(
    request: &'a OffsetCommitRequest,
    known: &'a [bool],
) -> impl Iterator<Item = (&'a Str, &'a OffsetCommitRequestPartition)> {
    let topics = request.topics.iter();
    topics
        .flat_map(|topic| topic.partitions.iter().map(|p| (&topic.name, p)))
        .zip(known)
        .filter_map(|(partition, known)| known.then_some(partition))
}

/// One code for each partition of the request: of those that are known the next of `codes`.
fn merged(
    request: &OffsetCommitRequest,
    known: &[bool],
    codes: Vec<ErrorCode>,
) -> OffsetCommitResponse {
    let (mut known, mut codes) = (known.iter(), codes.into_iter());
    response(request, || match known.next() {
        Some(true) => codes.next().unwrap_or(ErrorCode::COORDINATOR_NOT_AVAILABLE),
        _ => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    })
}

fn to_coordinator(call: Call, request: OffsetCommitRequest, known: Vec<bool>) -> Handled {
    let Some(groups) = groups(&call) else {
        return call.now(&merged(&request, &known, Vec::new()));
    };
    let commit = CommitRequest {
        group_id: request.group_id.to_string(),
        generation: request.generation_id_or_member_epoch,
        member: identity(&request.member_id, request.group_instance_id.as_ref()),
        offsets: offsets(&request, &known, groups.now().wall_ms),
    };
    let reply = groups.call(|coordinator, now, token| coordinator.commit(now, token, commit));
    answer(call, reply, move |_, reply| {
        let codes = match reply {
            Some(Reply::Commit(codes)) => codes,
            _ => Vec::new(),
        };
        merged(&request, &known, codes)
    })
}

/// Version 0 has neither members nor generations: its offsets lie in ZooKeeper
/// (`KafkaApis.commitOffsetsToZookeeper`).
fn to_zookeeper(call: Call, request: OffsetCommitRequest, known: Vec<bool>) -> Handled {
    let Ok(client) = call.broker.zk.client() else {
        return call.now(&merged(&request, &known, Vec::new()));
    };
    Handled::later(async move {
        let most = call.broker.config().offset_metadata_max_bytes;
        let most = usize::try_from(most).unwrap_or(0);
        let fits = |p: &OffsetCommitRequestPartition| {
            let metadata = p.committed_metadata.as_deref().unwrap_or_default();
            metadata.encode_utf16().count() <= most
        };
        let fitting = wanted(&request, &known).filter(|(_, p)| fits(p));
        let offsets: Vec<(String, i64)> = fitting
            .map(|(topic, p)| {
                let path = consumer_offsets::path(&request.group_id, topic, p.partition_index);
                (path, p.committed_offset)
            })
            .collect();
        let mut set = consumer_offsets::set(&client, &offsets).await.into_iter();
        let codes = wanted(&request, &known).map(|(_, p)| match fits(p) {
            false => ErrorCode::OFFSET_METADATA_TOO_LARGE,
            true => match set.next() {
                Some(Ok(())) => ErrorCode::NONE,
                Some(Err(error)) => {
                    warn!("offset of group {}: {error}", request.group_id);
                    ErrorCode::UNKNOWN_SERVER_ERROR
                }
                None => ErrorCode::COORDINATOR_NOT_AVAILABLE,
            },
        });
        let codes = codes.collect();
        call.answer(&merged(&request, &known, codes))
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
    let mut name: Arc<str> = "".into();
    let mut offsets = Vec::new();
    for (topic, partition) in wanted(request, known) {
        if *name != **topic {
            name = topic.as_str().into();
        }
        let at = TopicPartition {
            topic: name.clone(),
            partition: partition.partition_index,
        };
        offsets.push((at, one(partition)));
    }
    offsets
}

/// A response in the request's order; `code` is asked once for each partition.
fn response(
    request: &OffsetCommitRequest,
    mut code: impl FnMut() -> ErrorCode,
) -> OffsetCommitResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let partitions = topic
            .partitions
            .iter()
            .map(|p| OffsetCommitResponsePartition {
                partition_index: p.partition_index,
                error_code: code(),
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
