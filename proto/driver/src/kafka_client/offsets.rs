//! Offsets of partitions and of groups: log start and end, by time, committed, commit. Knows the
//! forms that the requests took over time, so that callers do not (Java: `KafkaAdminClient`,
//! `OffsetFetcher`, `ConsumerCoordinator`).

use std::collections::BTreeMap;

use proto::kafka::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsTopic,
};
use proto::kafka::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use proto::kafka::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use proto::kafka::{ErrorCode, Str};

use super::cluster::Cluster;
use super::connection::{CallError, Connection};

/// A partition by its name.
pub type TopicPartition = (Str, i32);

/// What `ListOffsets` takes for a time (Java: `ListOffsetsRequest`).
pub const LATEST: i64 = -1;
pub const EARLIEST: i64 = -2;

/// The partitions of each topic together, in the order of the map.
pub fn by_topic<T: Copy>(
    partitions: impl IntoIterator<Item = (TopicPartition, T)>,
) -> BTreeMap<Str, Vec<(i32, T)>> {
    let mut topics: BTreeMap<Str, Vec<(i32, T)>> = BTreeMap::new();
    for ((topic, partition), value) in partitions {
        topics.entry(topic).or_default().push((partition, value));
    }
    topics
}

/// Asks each partition's leader for the offset at a time; -1 where no record is that young.
pub async fn list_offsets(
    cluster: &mut Cluster,
    times: &BTreeMap<TopicPartition, i64>,
    isolation_level: i8,
) -> Result<BTreeMap<TopicPartition, Result<i64, ErrorCode>>, CallError> {
    let topics: Vec<Str> = by_topic(times.iter().map(|(p, t)| (p.clone(), *t)))
        .into_keys()
        .collect();
    let names: Vec<&str> = topics.iter().map(Str::as_str).collect();
    let metadata = cluster.metadata(Some(&names)).await?;
    let mut found = BTreeMap::new();
    let mut by_leader: BTreeMap<i32, Vec<(TopicPartition, i64)>> = BTreeMap::new();
    for (partition, time) in times {
        let topic = metadata
            .topics
            .iter()
            .find(|t| t.name.as_ref() == Some(&partition.0));
        let known = topic.and_then(|t| {
            t.partitions
                .iter()
                .find(|p| p.partition_index == partition.1)
        });
        match known.map(|p| p.leader_id) {
            Some(leader) if leader >= 0 => {
                let asked = by_leader.entry(leader).or_default();
                asked.push((partition.clone(), *time));
            }
            Some(_) => {
                found.insert(partition.clone(), Err(ErrorCode::LEADER_NOT_AVAILABLE));
            }
            None => {
                let error = topic.map_or(ErrorCode::NONE, |t| t.error_code);
                let error = Some(error).filter(|e| e.is_some());
                let error = error.unwrap_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
                found.insert(partition.clone(), Err(error));
            }
        }
    }
    for (leader, asked) in by_leader {
        let connection = cluster.broker(leader).await?;
        ask_leader(&connection, asked, isolation_level, &mut found).await?;
    }
    Ok(found)
}

async fn ask_leader(
    connection: &Connection,
    asked: Vec<(TopicPartition, i64)>,
    isolation_level: i8,
    found: &mut BTreeMap<TopicPartition, Result<i64, ErrorCode>>,
) -> Result<(), CallError> {
    let version = connection.version_of::<ListOffsetsRequest>()?;
    let topics = by_topic(asked)
        .into_iter()
        .map(|(name, partitions)| ListOffsetsTopic {
            name,
            partitions: partitions
                .into_iter()
                .map(|(partition_index, timestamp)| ListOffsetsPartition {
                    partition_index,
                    timestamp,
                    ..ListOffsetsPartition::default()
                })
                .collect(),
            ..ListOffsetsTopic::default()
        });
    let request = ListOffsetsRequest {
        replica_id: -1,
        isolation_level: if version >= 2 { isolation_level } else { 0 },
        topics: topics.collect(),
        ..ListOffsetsRequest::default()
    };
    let response = connection.call_in(version, &request).await?;
    let offset = |p: &ListOffsetsPartitionResponse| match p.error_code {
        ErrorCode::NONE if version == 0 => Ok(p.old_style_offsets.first().copied().unwrap_or(-1)),
        ErrorCode::NONE => Ok(p.offset),
        error => Err(error),
    };
    for topic in &response.topics {
        for partition in &topic.partitions {
            let name = (topic.name.clone(), partition.partition_index);
            found.insert(name, offset(partition));
        }
    }
    Ok(())
}

/// Offsets that the group has committed, of these partitions or of all; partitions without one are
/// left out.
pub async fn committed(
    coordinator: &Connection,
    group: &str,
    partitions: Option<&[TopicPartition]>,
) -> Result<Result<BTreeMap<TopicPartition, i64>, ErrorCode>, CallError> {
    let version = coordinator.version_of::<OffsetFetchRequest>()?;
    let topics = partitions.map(|p| by_topic(p.iter().map(|p| (p.clone(), ()))));
    let indexes = |p: &Vec<(i32, ())>| p.iter().map(|(index, ())| *index).collect();
    let mut request = OffsetFetchRequest::default();
    if version >= 8 {
        let topic = |(name, p): (&Str, &Vec<(i32, ())>)| OffsetFetchRequestTopics {
            name: name.clone(),
            partition_indexes: indexes(p),
            ..OffsetFetchRequestTopics::default()
        };
        request.groups = vec![OffsetFetchRequestGroup {
            group_id: group.into(),
            topics: topics.as_ref().map(|t| t.iter().map(topic).collect()),
            ..OffsetFetchRequestGroup::default()
        }];
    } else {
        let topic = |(name, p): (&Str, &Vec<(i32, ())>)| OffsetFetchRequestTopic {
            name: name.clone(),
            partition_indexes: indexes(p),
            ..OffsetFetchRequestTopic::default()
        };
        request.group_id = group.into();
        request.topics = topics.as_ref().map(|t| t.iter().map(topic).collect());
    }
    let response = coordinator.call_in(version, &request).await?;
    let mut error = response.error_code;
    let mut rows = Vec::new();
    for topic in &response.topics {
        rows.extend(topic.partitions.iter().map(|p| {
            let name = (topic.name.clone(), p.partition_index);
            (name, p.committed_offset, p.error_code)
        }));
    }
    for group in &response.groups {
        error = group.error_code;
        for topic in &group.topics {
            rows.extend(topic.partitions.iter().map(|p| {
                let name = (topic.name.clone(), p.partition_index);
                (name, p.committed_offset, p.error_code)
            }));
        }
    }
    if error.is_some() {
        return Ok(Err(error));
    }
    let mut offsets = BTreeMap::new();
    for (partition, offset, error) in rows {
        match error {
            ErrorCode::NONE if offset >= 0 => {
                offsets.insert(partition, offset);
            }
            ErrorCode::NONE | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => {}
            error => return Ok(Err(error)),
        }
    }
    Ok(Ok(offsets))
}

/// Who commits: a member of a generation, or a tool outside of any.
#[derive(Debug, Clone)]
pub struct Committer {
    pub group: Str,
    pub member_id: Str,
    pub instance_id: Option<Str>,
    pub generation: i32,
}

impl Committer {
    pub fn outside(group: &str) -> Self {
        Self {
            group: group.into(),
            member_id: Str::EMPTY,
            instance_id: None,
            generation: -1,
        }
    }
}

/// Commits; the error codes of the partitions that were refused.
pub async fn commit(
    coordinator: &Connection,
    who: &Committer,
    offsets: &BTreeMap<TopicPartition, i64>,
) -> Result<Vec<(TopicPartition, ErrorCode)>, CallError> {
    let topics = by_topic(offsets.iter().map(|(p, o)| (p.clone(), *o)));
    let request = OffsetCommitRequest {
        group_id: who.group.clone(),
        generation_id_or_member_epoch: who.generation,
        member_id: who.member_id.clone(),
        group_instance_id: who.instance_id.clone(),
        topics: topics
            .into_iter()
            .map(|(name, partitions)| OffsetCommitRequestTopic {
                name,
                partitions: partitions
                    .into_iter()
                    .map(
                        |(partition_index, committed_offset)| OffsetCommitRequestPartition {
                            partition_index,
                            committed_offset,
                            committed_metadata: Some(Str::EMPTY),
                            ..OffsetCommitRequestPartition::default()
                        },
                    )
                    .collect(),
                ..OffsetCommitRequestTopic::default()
            })
            .collect(),
        ..OffsetCommitRequest::default()
    };
    let response = coordinator.call(&request).await?;
    let refused = response.topics.into_iter().flat_map(|topic| {
        let name = topic.name;
        topic
            .partitions
            .into_iter()
            .filter(|p| p.error_code.is_some())
            .map(move |p| ((name.clone(), p.partition_index), p.error_code))
            .collect::<Vec<_>>()
    });
    Ok(refused.collect())
}
