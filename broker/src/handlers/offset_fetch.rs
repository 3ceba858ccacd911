//! OffsetFetch (Java: `KafkaApis.handleOffsetFetchRequest`): one group up to version 7, several
//! since. Version 0 asks ZooKeeper.

use std::sync::Arc;

use indexmap::IndexMap;
use proto::kafka::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchResponse, OffsetFetchResponseGroup,
    OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use proto::kafka::{ErrorCode, Str};
use tracing::warn;

use super::groups::{groups, text};
use super::{Call, Handled};
use crate::group::effect::{CommittedOffset, FetchedOffset, TopicPartition};
use crate::zk::consumer_offsets;

/// Topics and partitions asked for; `None` for all that have an offset.
type Wanted = Option<Vec<(Str, Vec<i32>)>>;

pub(super) fn handle(call: Call, request: OffsetFetchRequest) -> Handled {
    let stable = request.require_stable;
    if call.api_version >= 8 {
        let one = |group: &proto::kafka::messages::offset_fetch::OffsetFetchRequestGroup| {
            let topics = group.topics.as_ref();
            let wanted = topics.map(|topics| {
                topics
                    .iter()
                    .map(|t| (t.name.clone(), t.partition_indexes.clone()))
                    .collect()
            });
            group_response(
                &group.group_id,
                fetch(&call, &group.group_id, wanted, stable),
            )
        };
        let groups = request.groups.iter().map(one).collect();
        return call.now(&OffsetFetchResponse {
            groups,
            ..OffsetFetchResponse::default()
        });
    }
    let wanted: Wanted = request.topics.as_ref().map(|topics| {
        topics
            .iter()
            .map(|t| (t.name.clone(), t.partition_indexes.clone()))
            .collect()
    });
    if call.api_version == 0 {
        return from_zookeeper(call, request.group_id, wanted);
    }
    let fetched = fetch(&call, &request.group_id, wanted.clone(), stable);
    call.now(&single_response(call.api_version, wanted, fetched))
}

/// What version 0 of OffsetCommit wrote (`KafkaApis.handleOffsetFetchRequestFromZookeeper`).
fn from_zookeeper(call: Call, group: Str, wanted: Wanted) -> Handled {
    let Ok(client) = call.broker.zk.client() else {
        let error = Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        return call.now(&single_response(0, wanted, error));
    };
    Handled::later(async move {
        let asked = flatten(wanted.unwrap_or_default());
        let metadata = call.broker.metadata.load_full();
        let known = |at: &TopicPartition| metadata.partition(&at.topic, at.partition).is_some();
        let paths = asked.iter().filter(|at| known(at));
        let paths = paths.map(|at| consumer_offsets::path(&group, &at.topic, at.partition));
        let mut read = match consumer_offsets::get(&client, paths.collect()).await {
            Ok(offsets) => offsets,
            Err(error) => {
                warn!("offsets of group {group}: {error}");
                Vec::new()
            }
        }
        .into_iter();
        let fetched = asked.into_iter().map(|at| {
            let (offset, error) = match known(&at).then(|| read.next()) {
                None | Some(Some(Ok(None))) => (None, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
                Some(Some(Ok(Some(offset)))) => (Some(offset), ErrorCode::NONE),
                Some(Some(Err(_)) | None) => (None, ErrorCode::UNKNOWN_SERVER_ERROR),
            };
            let offset = offset.map(CommittedOffset::bare);
            FetchedOffset { at, offset, error }
        });
        let fetched = Ok(fetched.collect());
        call.answer(&single_response(0, None, fetched))
    })
}

fn fetch(
    call: &Call,
    group: &Str,
    wanted: Wanted,
    require_stable: bool,
) -> Result<Vec<FetchedOffset>, ErrorCode> {
    let groups = groups(call).ok_or(ErrorCode::COORDINATOR_NOT_AVAILABLE)?;
    let partitions = wanted.map(flatten);
    groups.ask(|coordinator, _| {
        coordinator.fetch_offsets(group, partitions.as_deref(), require_stable)
    })
}

fn flatten(topics: Vec<(Str, Vec<i32>)>) -> Vec<TopicPartition> {
    let mut all = Vec::new();
    for (name, partitions) in topics {
        let topic: Arc<str> = name.as_str().into();
        all.extend(partitions.into_iter().map(|partition| TopicPartition {
            topic: topic.clone(),
            partition,
        }));
    }
    all
}

fn by_topic(fetched: Vec<FetchedOffset>) -> IndexMap<Arc<str>, Vec<FetchedOffset>> {
    let mut topics: IndexMap<Arc<str>, Vec<FetchedOffset>> = IndexMap::new();
    for offset in fetched {
        topics
            .entry(offset.at.topic.clone())
            .or_default()
            .push(offset);
    }
    topics
}

fn group_response(
    group_id: &Str,
    fetched: Result<Vec<FetchedOffset>, ErrorCode>,
) -> OffsetFetchResponseGroup {
    let (error_code, fetched) = match fetched {
        Ok(fetched) => (ErrorCode::NONE, fetched),
        Err(error) => (error, Vec::new()),
    };
    let partition = |f: FetchedOffset| {
        let (committed_offset, committed_leader_epoch, metadata) = values(&f);
        OffsetFetchResponsePartitions {
            partition_index: f.at.partition,
            committed_offset,
            committed_leader_epoch,
            metadata,
            error_code: f.error,
            ..OffsetFetchResponsePartitions::default()
        }
    };
    let topic = |(name, fetched): (Arc<str>, Vec<FetchedOffset>)| OffsetFetchResponseTopics {
        name: text(&name),
        partitions: fetched.into_iter().map(partition).collect(),
        ..OffsetFetchResponseTopics::default()
    };
    OffsetFetchResponseGroup {
        group_id: group_id.clone(),
        topics: by_topic(fetched).into_iter().map(topic).collect(),
        error_code,
        ..OffsetFetchResponseGroup::default()
    }
}

fn single_response(
    version: i16,
    wanted: Wanted,
    fetched: Result<Vec<FetchedOffset>, ErrorCode>,
) -> OffsetFetchResponse {
    let (error_code, fetched) = match fetched {
        Ok(fetched) => (ErrorCode::NONE, fetched),
        // Before version 2 there is no place for an error but the partitions.
        Err(error) if version < 2 => {
            let all = flatten(wanted.unwrap_or_default());
            let failed = |at| FetchedOffset {
                at,
                offset: None,
                error,
            };
            (error, all.into_iter().map(failed).collect())
        }
        Err(error) => (error, Vec::new()),
    };
    let partition = |f: FetchedOffset| {
        let (committed_offset, committed_leader_epoch, metadata) = values(&f);
        OffsetFetchResponsePartition {
            partition_index: f.at.partition,
            committed_offset,
            committed_leader_epoch,
            metadata,
            error_code: f.error,
            ..OffsetFetchResponsePartition::default()
        }
    };
    let topic = |(name, fetched): (Arc<str>, Vec<FetchedOffset>)| OffsetFetchResponseTopic {
        name: text(&name),
        partitions: fetched.into_iter().map(partition).collect(),
        ..OffsetFetchResponseTopic::default()
    };
    OffsetFetchResponse {
        topics: by_topic(fetched).into_iter().map(topic).collect(),
        error_code,
        ..OffsetFetchResponse::default()
    }
}

/// Offset, leader epoch and metadata as a response tells them; -1 for nothing committed.
fn values(fetched: &FetchedOffset) -> (i64, i32, Option<Str>) {
    match &fetched.offset {
        None => (-1, -1, Some(Str::EMPTY)),
        Some(offset) => (
            offset.offset,
            offset.leader_epoch,
            Some(text(&offset.metadata)),
        ),
    }
}
