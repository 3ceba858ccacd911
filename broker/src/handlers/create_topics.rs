//! CreateTopics: checks, writes the znodes, waits for leaders. The controller takes it from
//! there, as it does for topics that tools write. Mirrors ZkAdminManager.createTopics.

use std::collections::{BTreeMap, HashMap};

use proto::kafka::messages::create_topics::{
    CreatableTopic, CreatableTopicConfigs, CreatableTopicResult, CreateTopicsRequest,
    CreateTopicsResponse,
};
use proto::kafka::{ErrorCode, Str};

use super::topics::{self, Refused};
use super::{Call, Handled};
use crate::config::describe::describe_topic;
use crate::config::{TopicConfig, TopicOverrides};
use crate::metadata::ClusterImage;
use crate::zk::json::TopicAssignment;

pub(super) fn handle(call: Call, request: CreateTopicsRequest) -> Handled {
    Handled::later(async move {
        let mut count: HashMap<&Str, usize> = HashMap::new();
        for topic in &request.topics {
            *count.entry(&topic.name).or_default() += 1;
        }
        let mut results = Vec::new();
        let mut made = Vec::new();
        let mut patience = topics::Patience::new(request.timeout_ms);
        for topic in &request.topics {
            let created = if !call.broker.is_controller() {
                Err((ErrorCode::NOT_CONTROLLER, String::new()))
            } else if count[&topic.name] > 1 {
                Err((
                    ErrorCode::INVALID_REQUEST,
                    "Duplicate topic name.".to_owned(),
                ))
            } else {
                let create = create(&call, topic, request.validate_only);
                patience.limit(create).await
            };
            if let Ok((assignment, _)) = &created {
                made.push((
                    results.len(),
                    topic.name.clone(),
                    assignment.partitions.len(),
                ));
            }
            if created.is_ok()
                || count[&topic.name] == 1
                || !results
                    .iter()
                    .any(|r: &CreatableTopicResult| r.name == topic.name)
            {
                results.push(result(&call, topic, created));
            }
        }
        if !request.validate_only {
            for (at, name, partitions) in made {
                if !topics::wait_for_leaders(&call.broker, &name, partitions, request.timeout_ms)
                    .await
                {
                    results[at].error_code = ErrorCode::REQUEST_TIMED_OUT;
                }
            }
        }
        call.answer(&CreateTopicsResponse {
            topics: results,
            ..CreateTopicsResponse::default()
        })
    })
}

async fn create(
    call: &Call,
    topic: &CreatableTopic,
    validate_only: bool,
) -> Result<(TopicAssignment, TopicOverrides), Refused> {
    let image = call.broker.metadata.load_full();
    topics::check_new(&image, &topic.name)?;
    let mut configs = TopicOverrides::new();
    for config in &topic.configs {
        let Some(value) = &config.value else {
            return Err((
                ErrorCode::INVALID_CONFIG,
                format!(
                    "Null value not supported for topic configs: {}",
                    &*config.name
                ),
            ));
        };
        configs.insert(config.name.to_string(), value.to_string());
    }
    let partitions = partitions(call, topic, &image)?;
    TopicConfig::validate(&configs).map_err(|why| (ErrorCode::INVALID_CONFIG, why.to_string()))?;
    if validate_only {
        let partitions = partitions.into_iter().map(|(index, replicas)| {
            (
                index,
                crate::zk::json::Assignment {
                    replicas,
                    ..Default::default()
                },
            )
        });
        return Ok((
            TopicAssignment {
                id: None,
                partitions: partitions.collect(),
            },
            configs,
        ));
    }
    let made = topics::create(&call.broker, &topic.name, partitions, &configs).await?;
    Ok((made, configs))
}

/// What the request says, or what the broker's defaults make of it.
fn partitions(
    call: &Call,
    topic: &CreatableTopic,
    image: &ClusterImage,
) -> Result<BTreeMap<i32, Vec<i32>>, Refused> {
    let config = call.broker.config();
    if topic.assignments.is_empty() {
        let count = if topic.num_partitions == -1 {
            config.num_partitions
        } else {
            topic.num_partitions
        };
        let factor = if topic.replication_factor == -1 {
            config.default_replication_factor
        } else {
            topic.replication_factor.into()
        };
        let size = |value: i32| usize::try_from(value).unwrap_or(0);
        return topics::assign(image, size(count), size(factor), 0, None);
    }
    if topic.num_partitions != -1 || topic.replication_factor != -1 {
        return Err((
            ErrorCode::INVALID_REQUEST,
            "Both numPartitions or replicationFactor and replicasAssignments were set. Both cannot be used at the same time."
                .to_owned(),
        ));
    }
    let mut partitions = BTreeMap::new();
    for assignment in &topic.assignments {
        partitions.insert(assignment.partition_index, assignment.broker_ids.clone());
    }
    check_assignment(&partitions, 0, image)?;
    Ok(partitions)
}

/// Partitions count from `first` without a gap, each with as many replicas, on brokers that live.
pub(super) fn check_assignment(
    partitions: &BTreeMap<i32, Vec<i32>>,
    first: i32,
    image: &ClusterImage,
) -> Result<(), Refused> {
    let refuse = |why: String| Err((ErrorCode::INVALID_REPLICA_ASSIGNMENT, why));
    let factor = partitions.values().next().map_or(0, Vec::len);
    for (expected, (index, replicas)) in (first..).zip(partitions) {
        if *index != expected {
            return refuse(
                "partitions should be a consecutive 0-based integer sequence".to_owned(),
            );
        }
        let mut unique = replicas.clone();
        unique.sort_unstable();
        unique.dedup();
        if unique.len() != replicas.len() {
            return refuse(format!(
                "Duplicate replica assignment found for partition {index}: {replicas:?}"
            ));
        }
        if replicas.is_empty() || replicas.len() != factor {
            return refuse("All partitions should have the same number of replicas.".to_owned());
        }
        if let Some(dead) = replicas.iter().find(|id| !image.nodes.contains_key(id)) {
            return refuse(format!("Unknown broker(s) in replica assignment: {dead}."));
        }
    }
    Ok(())
}

fn result(
    call: &Call,
    topic: &CreatableTopic,
    created: Result<(TopicAssignment, TopicOverrides), Refused>,
) -> CreatableTopicResult {
    let name = topic.name.clone();
    match created {
        Err((error_code, why)) => CreatableTopicResult {
            name,
            error_code,
            error_message: (!why.is_empty()).then(|| why.as_str().into()),
            ..CreatableTopicResult::default()
        },
        Ok((made, overrides)) => CreatableTopicResult {
            name,
            topic_id: made.id.unwrap_or_default(),
            num_partitions: i32::try_from(made.partitions.len()).unwrap_or(i32::MAX),
            replication_factor: made
                .partitions
                .values()
                .next()
                .and_then(|p| i16::try_from(p.replicas.len()).ok())
                .unwrap_or(-1),
            configs: Some(configs(call, &overrides)),
            ..CreatableTopicResult::default()
        },
    }
}

fn configs(call: &Call, overrides: &TopicOverrides) -> Vec<CreatableTopicConfigs> {
    let described = describe_topic(&call.broker.config().settings, overrides);
    let entries = described.into_iter().map(|entry| CreatableTopicConfigs {
        name: entry.name.as_str().into(),
        value: entry.value.as_deref().map(Str::from),
        read_only: entry.read_only,
        config_source: entry.source,
        is_sensitive: entry.is_sensitive,
        ..CreatableTopicConfigs::default()
    });
    entries.collect()
}
