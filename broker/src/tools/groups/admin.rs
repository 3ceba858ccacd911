//! What `kafka-consumer-groups` asks brokers: groups and their members, offsets (Java: the group
//! part of `KafkaAdminClient`). Prints nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use driver::kafka_client::offsets::{Committer, TopicPartition, commit, committed, list_offsets};
use driver::kafka_client::{CallError, Cluster, Connection};
use proto::kafka::messages::delete_groups::DeleteGroupsRequest;
use proto::kafka::messages::describe_groups::{DescribeGroupsRequest, DescribedGroup};
use proto::kafka::messages::list_groups::{ListGroupsRequest, ListedGroup};
use proto::kafka::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use proto::kafka::{ErrorCode, Str};

use crate::tools::{Failure, errors::exception};

pub(super) struct Admin {
    cluster: Cluster,
    patience: Duration,
}

/// A group, and where its coordinator is.
pub(super) struct Description {
    pub(super) group: DescribedGroup,
    /// `host:port  (id)`
    pub(super) coordinator: String,
}

fn failed(error: ErrorCode) -> Failure {
    Failure::new(exception(error))
}

impl Admin {
    pub(super) fn new(cluster: Cluster, patience: Duration) -> Self {
        Self { cluster, patience }
    }

    /// Groups of consumers on all brokers, of these states and types.
    pub(super) async fn list(
        &mut self,
        states: &[String],
        types: &[String],
    ) -> Result<Vec<ListedGroup>, Failure> {
        self.cluster.metadata(Some(&[])).await?;
        let ids: Vec<i32> = self.cluster.brokers().iter().map(|b| b.node_id).collect();
        let mut groups = Vec::new();
        for id in ids {
            let broker = self.cluster.broker(id).await?;
            groups.extend(self.list_of(&broker, states, types).await?);
        }
        groups.sort_by(|a: &ListedGroup, b| a.group_id.cmp(&b.group_id));
        Ok(groups)
    }

    async fn list_of(
        &self,
        broker: &Connection,
        states: &[String],
        types: &[String],
    ) -> Result<Vec<ListedGroup>, Failure> {
        let version = broker.version_of::<ListGroupsRequest>()?;
        let unsupported = |what: &str| {
            Err(Failure::new(format!(
                "the broker {} does not tell the {what} of groups",
                broker.address()
            )))
        };
        if !states.is_empty() && version < 4 {
            return unsupported("states");
        }
        if !types.is_empty() && version < 5 {
            return unsupported("types");
        }
        let filter = |names: &[String]| names.iter().map(Str::from).collect();
        let request = ListGroupsRequest {
            states_filter: filter(states),
            types_filter: filter(types),
            ..ListGroupsRequest::default()
        };
        let mut waited = Duration::ZERO;
        let step = Duration::from_millis(100);
        loop {
            let response = broker.call_in(version, &request).await?;
            match response.error_code {
                ErrorCode::NONE => {
                    let consumers = |g: &ListedGroup| {
                        g.protocol_type.is_empty() || g.protocol_type == "consumer"
                    };
                    let all = response.groups.into_iter();
                    return Ok(all.filter(consumers).collect());
                }
                error if error.is_retriable() && waited < self.patience => {
                    tokio::time::sleep(step).await;
                    waited += step;
                }
                error => return Err(failed(error)),
            }
        }
    }

    pub(super) async fn coordinator(&mut self, group: &str) -> Result<Connection, Failure> {
        match self.cluster.coordinator(group, self.patience).await? {
            Ok(connection) => Ok(connection),
            Err((error, _)) => Err(failed(error)),
        }
    }

    pub(super) async fn describe(&mut self, group: &str) -> Result<Description, Failure> {
        let coordinator = self.coordinator(group).await?;
        let request = DescribeGroupsRequest {
            groups: vec![group.into()],
            ..DescribeGroupsRequest::default()
        };
        let response = coordinator.call(&request).await?;
        let Some(described) = response.groups.into_iter().next() else {
            return Err(failed(ErrorCode::UNKNOWN_SERVER_ERROR));
        };
        if described.error_code.is_some() {
            return Err(failed(described.error_code));
        }
        self.cluster.metadata(Some(&[])).await?;
        let brokers = self.cluster.brokers().iter();
        let id = brokers
            .filter(|b| format!("{}:{}", b.host, b.port) == coordinator.address())
            .map(|b| b.node_id)
            .next();
        Ok(Description {
            group: described,
            coordinator: format!("{}  ({})", coordinator.address(), id.unwrap_or(-1)),
        })
    }

    pub(super) async fn committed(
        &mut self,
        group: &str,
    ) -> Result<BTreeMap<TopicPartition, i64>, Failure> {
        let coordinator = self.coordinator(group).await?;
        committed(&coordinator, group, None).await?.map_err(failed)
    }

    pub(super) async fn commit(
        &mut self,
        group: &str,
        offsets: &BTreeMap<TopicPartition, i64>,
    ) -> Result<(), Failure> {
        if offsets.is_empty() {
            return Ok(());
        }
        let coordinator = self.coordinator(group).await?;
        let refused = commit(&coordinator, &Committer::outside(group), offsets).await?;
        match refused.into_iter().next() {
            None => Ok(()),
            Some((_, error)) => Err(failed(error)),
        }
    }

    /// The offset of each partition at its time; an error where a leader gives none.
    pub(super) async fn offsets_at(
        &mut self,
        partitions: impl IntoIterator<Item = &TopicPartition>,
        time: i64,
    ) -> Result<BTreeMap<TopicPartition, i64>, Failure> {
        let mut wanted: BTreeMap<TopicPartition, i64> =
            partitions.into_iter().map(|p| (p.clone(), time)).collect();
        let mut offsets = BTreeMap::new();
        let (mut waited, step) = (Duration::ZERO, Duration::from_millis(100));
        while !wanted.is_empty() {
            let found = list_offsets(&mut self.cluster, &wanted, 0).await?;
            for (partition, offset) in found {
                match offset {
                    Ok(offset) => {
                        wanted.remove(&partition);
                        offsets.insert(partition, offset);
                    }
                    Err(error) if error.is_retriable() && waited < self.patience => {}
                    Err(error) => return Err(failed(error)),
                }
            }
            if !wanted.is_empty() {
                tokio::time::sleep(step).await;
                waited += step;
            }
        }
        Ok(offsets)
    }

    /// The partitions of a topic.
    pub(super) async fn partitions(
        &mut self,
        topic: &str,
    ) -> Result<Result<Vec<TopicPartition>, ErrorCode>, CallError> {
        let metadata = self.cluster.metadata(Some(&[topic])).await?;
        let Some(found) = metadata.topics.into_iter().next() else {
            return Ok(Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
        };
        if found.error_code.is_some() {
            return Ok(Err(found.error_code));
        }
        let mut all: Vec<TopicPartition> = found
            .partitions
            .iter()
            .map(|p| (Str::from(topic), p.partition_index))
            .collect();
        all.sort();
        Ok(Ok(all))
    }

    pub(super) async fn delete(&mut self, group: &str) -> Result<ErrorCode, Failure> {
        let coordinator = match self.cluster.coordinator(group, self.patience).await? {
            Ok(connection) => connection,
            Err((error, _)) => return Ok(error),
        };
        let request = DeleteGroupsRequest {
            groups_names: vec![group.into()],
            ..DeleteGroupsRequest::default()
        };
        let response = coordinator.call(&request).await?;
        let result = response.results.first();
        Ok(result.map_or(ErrorCode::UNKNOWN_SERVER_ERROR, |r| r.error_code))
    }

    /// Error of the whole, and of each partition.
    pub(super) async fn delete_offsets(
        &mut self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<(ErrorCode, BTreeMap<TopicPartition, ErrorCode>), Failure> {
        let coordinator = self.coordinator(group).await?;
        let mut topics: BTreeMap<&Str, Vec<OffsetDeleteRequestPartition>> = BTreeMap::new();
        for (topic, partition_index) in partitions {
            let one = OffsetDeleteRequestPartition {
                partition_index: *partition_index,
                ..OffsetDeleteRequestPartition::default()
            };
            topics.entry(topic).or_default().push(one);
        }
        let request = OffsetDeleteRequest {
            group_id: group.into(),
            topics: topics
                .into_iter()
                .map(|(name, partitions)| OffsetDeleteRequestTopic {
                    name: name.clone(),
                    partitions,
                    ..OffsetDeleteRequestTopic::default()
                })
                .collect(),
            ..OffsetDeleteRequest::default()
        };
        let response = coordinator.call(&request).await?;
        let mut results = BTreeMap::new();
        for topic in &response.topics {
            for p in &topic.partitions {
                results.insert((topic.name.clone(), p.partition_index), p.error_code);
            }
        }
        Ok((response.error_code, results))
    }
}
