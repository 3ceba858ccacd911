//! `kafka-topics --bootstrap-server`: through the brokers' admin requests (Java: `TopicCommand` of
//! 3.9).

use std::collections::HashMap;

use driver::kafka_client::{CallError, Cluster};
use proto::kafka::messages::create_partitions::{
    CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsTopic,
};
use proto::kafka::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use proto::kafka::messages::delete_topics::DeleteTopicsRequest;
use proto::kafka::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResult,
};
use proto::kafka::messages::list_partition_reassignments::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsTopics,
};
use proto::kafka::messages::metadata::MetadataResponseTopic;
use proto::kafka::{ErrorCode, Str};

use super::options::Options;
use super::view::{PartitionView, Style, TopicView};
use super::{ensure_found, select};
use crate::tools::Failure;
use crate::tools::options::AdminClient;

/// Type of a topic in DescribeConfigs.
const TOPIC: i8 = 2;
/// Source of a value that nobody set (Java: `ConfigSource.DEFAULT_CONFIG`).
const DEFAULT_CONFIG: i8 = 5;
/// Milliseconds that a broker may take for a change.
const TIMEOUT_MS: i32 = 60_000;

pub(super) struct Bootstrap {
    cluster: Cluster,
}

impl Bootstrap {
    pub(super) async fn connect(client: AdminClient) -> Result<Self, Failure> {
        let mut cluster = Cluster::new(client.addresses, client.options);
        cluster.any_within(client.patience).await?;
        Ok(Self { cluster })
    }

    pub(super) async fn names(&mut self, options: &Options) -> Result<Vec<String>, Failure> {
        let all = self.cluster.metadata(None).await?;
        let names = all
            .topics
            .into_iter()
            .filter_map(|t| t.name)
            .map(|n| n.to_string());
        select(options, names.collect())
    }

    pub(super) async fn create(&mut self, options: &Options) -> Result<(), Failure> {
        if options
            .replication_factor
            .is_some_and(|f| !(1..=i32::from(i16::MAX)).contains(&f))
        {
            let most = i16::MAX;
            let text = format!("The replication factor must be between 1 and {most} inclusive");
            return Err(Failure::new(text));
        }
        if options.partitions.is_some_and(|p| p < 1) {
            return Err(Failure::new("The partitions must be greater than 0"));
        }
        let name = Str::from(options.topic.as_deref().unwrap_or_default());
        let request = CreateTopicsRequest {
            topics: vec![new_topic(name.clone(), options)?],
            timeout_ms: TIMEOUT_MS,
            ..CreateTopicsRequest::default()
        };
        let response = self
            .cluster
            .call_controller(&request, |r| {
                r.topics
                    .iter()
                    .any(|t| t.error_code == ErrorCode::NOT_CONTROLLER)
            })
            .await?;
        for topic in &response.topics {
            match topic.error_code {
                ErrorCode::NONE => println!("Created topic {name}."),
                ErrorCode::TOPIC_ALREADY_EXISTS if options.if_not_exists => {}
                error => return Err(Failure::of_code(error, topic.error_message.as_ref())),
            }
        }
        Ok(())
    }

    pub(super) async fn alter(&mut self, options: &Options) -> Result<(), Failure> {
        let names = self.names(options).await?;
        ensure_found(options, &names)?;
        let Some(count) = options.partitions.filter(|_| !names.is_empty()) else {
            return Ok(());
        };
        let assignment = options.assignment()?;
        let known = self.partition_counts(&names).await?;
        let topics = names.iter().map(|name| {
            let have = known.get(name).copied().unwrap_or(0);
            let added = assignment.as_ref().map(|all| {
                let one = |broker_ids: &Vec<i32>| CreatePartitionsAssignment {
                    broker_ids: broker_ids.clone(),
                    ..CreatePartitionsAssignment::default()
                };
                all.iter().skip(have).map(one).collect()
            });
            CreatePartitionsTopic {
                name: name.as_str().into(),
                count,
                assignments: added,
                ..CreatePartitionsTopic::default()
            }
        });
        let request = CreatePartitionsRequest {
            topics: topics.collect(),
            timeout_ms: TIMEOUT_MS,
            ..CreatePartitionsRequest::default()
        };
        let response = self
            .cluster
            .call_controller(&request, |r| {
                r.results
                    .iter()
                    .any(|t| t.error_code == ErrorCode::NOT_CONTROLLER)
            })
            .await?;
        match response
            .results
            .iter()
            .find(|r| r.error_code != ErrorCode::NONE)
        {
            Some(r) => Err(Failure::of_code(r.error_code, r.error_message.as_ref())),
            None => Ok(()),
        }
    }

    async fn partition_counts(
        &mut self,
        names: &[String],
    ) -> Result<HashMap<String, usize>, Failure> {
        let topics = self.topics(names).await?;
        let count = |t: MetadataResponseTopic| {
            (
                t.name.map(|n| n.to_string()).unwrap_or_default(),
                t.partitions.len(),
            )
        };
        Ok(topics.into_iter().map(count).collect())
    }

    async fn topics(&mut self, names: &[String]) -> Result<Vec<MetadataResponseTopic>, Failure> {
        let named: Vec<&str> = names.iter().map(String::as_str).collect();
        let response = self.cluster.metadata(Some(&named)).await?;
        let partial = |t: &MetadataResponseTopic| {
            // A partition without a leader is part of a good answer.
            !matches!(
                t.error_code,
                ErrorCode::NONE | ErrorCode::LEADER_NOT_AVAILABLE
            )
        };
        match response.topics.iter().find(|t| partial(t)) {
            Some(topic) => Err(Failure::of_code(topic.error_code, None)),
            None => Ok(response.topics),
        }
    }

    pub(super) async fn delete(&mut self, options: &Options) -> Result<(), Failure> {
        let names = self.names(options).await?;
        ensure_found(options, &names)?;
        if names.is_empty() {
            return Ok(());
        }
        let controller = self.cluster.controller().await?;
        let version = controller.version_of::<DeleteTopicsRequest>()?;
        let mut request = DeleteTopicsRequest {
            timeout_ms: TIMEOUT_MS,
            ..DeleteTopicsRequest::default()
        };
        if version >= 6 {
            let named = |name: &String| proto::kafka::messages::delete_topics::DeleteTopicState {
                name: Some(name.as_str().into()),
                ..Default::default()
            };
            request.topics = names.iter().map(named).collect();
        } else {
            request.topic_names = names.iter().map(Str::from).collect();
        }
        let response = controller.call_in(version, &request).await?;
        match response
            .responses
            .iter()
            .find(|r| r.error_code != ErrorCode::NONE)
        {
            Some(r) => Err(Failure::of_code(r.error_code, r.error_message.as_ref())),
            None => Ok(()),
        }
    }

    pub(super) async fn describe(&mut self, options: &Options) -> Result<(), Failure> {
        let names = match &options.topic_id {
            Some(id) => self.named_by_id(options, id).await?,
            None => {
                let names = self.names(options).await?;
                ensure_found(options, &names)?;
                names
            }
        };
        if names.is_empty() {
            return Ok(());
        }
        let topics = self.topics(&names).await?;
        let live: Vec<i32> = self.cluster.brokers().iter().map(|b| b.node_id).collect();
        let configs = self.configs(&names).await?;
        let reassignments = self.reassignments(&topics).await?;
        for topic in &topics {
            let view = view(topic, &configs, &reassignments);
            for line in view.lines(options, &live, Style::Broker) {
                println!("{line}");
            }
        }
        Ok(())
    }

    async fn named_by_id(&mut self, options: &Options, id: &str) -> Result<Vec<String>, Failure> {
        let all = self.cluster.metadata(None).await?;
        let found: Vec<String> = all
            .topics
            .into_iter()
            .filter(|t| t.topic_id.to_string() == id)
            .filter_map(|t| t.name.map(|n| n.to_string()))
            .collect();
        if found.is_empty() && !options.if_exists {
            return Err(Failure::new(format!(
                "TopicId '{id}' does not exist as expected"
            )));
        }
        Ok(found)
    }

    async fn configs(
        &mut self,
        names: &[String],
    ) -> Result<HashMap<String, DescribeConfigsResult>, Failure> {
        let resource = |name: &String| DescribeConfigsResource {
            resource_type: TOPIC,
            resource_name: name.as_str().into(),
            ..DescribeConfigsResource::default()
        };
        let request = DescribeConfigsRequest {
            resources: names.iter().map(resource).collect(),
            ..DescribeConfigsRequest::default()
        };
        let response = self.cluster.any().await?.call(&request).await?;
        let mut configs = HashMap::new();
        for result in response.results {
            if result.error_code != ErrorCode::NONE {
                return Err(Failure::of_code(
                    result.error_code,
                    result.error_message.as_ref(),
                ));
            }
            configs.insert(result.resource_name.to_string(), result);
        }
        Ok(configs)
    }

    /// Adding and removing replicas by topic and partition; nothing from brokers that can't tell.
    async fn reassignments(
        &mut self,
        topics: &[MetadataResponseTopic],
    ) -> Result<Reassignments, Failure> {
        let one = |t: &MetadataResponseTopic| ListPartitionReassignmentsTopics {
            name: t.name.clone().unwrap_or_default(),
            partition_indexes: t.partitions.iter().map(|p| p.partition_index).collect(),
            ..ListPartitionReassignmentsTopics::default()
        };
        let request = ListPartitionReassignmentsRequest {
            timeout_ms: TIMEOUT_MS,
            topics: Some(topics.iter().map(one).collect()),
            ..ListPartitionReassignmentsRequest::default()
        };
        let response = match self.cluster.controller().await?.call(&request).await {
            Ok(response) => response,
            Err(CallError::Unsupported { .. }) => return Ok(Reassignments::new()),
            Err(error) => return Err(error.into()),
        };
        let mut found = Reassignments::new();
        for topic in response.topics {
            for p in topic.partitions {
                let key = (topic.name.to_string(), p.partition_index);
                found.insert(key, (p.adding_replicas, p.removing_replicas));
            }
        }
        Ok(found)
    }
}

type Reassignments = HashMap<(String, i32), (Vec<i32>, Vec<i32>)>;

fn new_topic(name: Str, options: &Options) -> Result<CreatableTopic, Failure> {
    let assignment = options.assignment()?;
    let configs = options
        .configs()?
        .into_iter()
        .map(|(name, value)| CreatableTopicConfig {
            name: name.into(),
            value: Some(value.into()),
            ..CreatableTopicConfig::default()
        });
    let factor = options
        .replication_factor
        .and_then(|f| i16::try_from(f).ok());
    let assigned = assignment.is_some();
    let assignments = assignment.unwrap_or_default().into_iter().zip(0..);
    Ok(CreatableTopic {
        name,
        // -1 leaves the number to the broker.
        num_partitions: options.partitions.filter(|_| !assigned).unwrap_or(-1),
        replication_factor: factor.filter(|_| !assigned).unwrap_or(-1),
        assignments: assignments
            .map(|(broker_ids, partition_index)| CreatableReplicaAssignment {
                partition_index,
                broker_ids,
                ..CreatableReplicaAssignment::default()
            })
            .collect(),
        configs: configs.collect(),
        ..CreatableTopic::default()
    })
}

fn view(
    topic: &MetadataResponseTopic,
    configs: &HashMap<String, DescribeConfigsResult>,
    reassignments: &Reassignments,
) -> TopicView {
    let name = topic
        .name
        .as_ref()
        .map(|n| n.to_string())
        .unwrap_or_default();
    let entries = configs
        .get(&name)
        .map(|c| c.configs.as_slice())
        .unwrap_or_default();
    let value = |wanted: &str| {
        let entry = entries.iter().find(|e| e.name.as_str() == wanted)?;
        entry.value.as_ref()?.parse().ok()
    };
    let partitions = topic.partitions.iter().map(|p| {
        let moving = reassignments
            .get(&(name.clone(), p.partition_index))
            .cloned();
        let (adding, removing) = moving.unwrap_or_default();
        PartitionView {
            index: p.partition_index,
            leader: Some(p.leader_id).filter(|id| *id >= 0),
            replicas: p.replica_nodes.clone(),
            isr: p.isr_nodes.clone(),
            adding,
            removing,
        }
    });
    TopicView {
        id: Some(topic.topic_id)
            .filter(|id| !id.is_zero())
            .map(|id| id.to_string()),
        configs: entries
            .iter()
            .filter(|e| e.config_source != DEFAULT_CONFIG && !e.is_default)
            .map(|e| {
                let value = e
                    .value
                    .as_ref()
                    .map_or("null".to_owned(), |v| v.to_string());
                (e.name.to_string(), value)
            })
            .collect(),
        min_insync_replicas: value("min.insync.replicas"),
        partitions: partitions.collect(),
        marked_for_deletion: false,
        name,
    }
}
