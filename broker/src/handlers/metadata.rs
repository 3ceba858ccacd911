//! Metadata: brokers, topics and leaders as the asking listener sees them; topics that do not
//! exist are created where that is allowed. Mirrors KafkaApis.handleTopicMetadataRequest and
//! ZkMetadataCache.getTopicMetadata.

use std::collections::HashMap;
use std::sync::Arc;

use proto::kafka::messages::metadata::{
    MetadataRequest, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition,
    MetadataResponseTopic,
};
use proto::kafka::{ErrorCode, Str, Uuid};

use super::{Call, Handled, topics};
use crate::metadata::{ClusterImage, PartitionImage, TopicImage};

/// What one may do where nothing is forbidden, as bits of AclOperation codes.
const ALL_TOPIC_OPERATIONS: i32 = 3576;
pub(super) const ALL_CLUSTER_OPERATIONS: i32 = 8096;

/// Answers from the cache; at once, unless a topic has to be created.
pub(super) fn handle(call: Call, request: MetadataRequest) -> Handled {
    let image = call.broker.metadata.load_full();
    let unknown = unknown_names(&call, &request, &image);
    if unknown.is_empty() {
        let response = respond(&call, &request, &image, &HashMap::new());
        return call.now(&response);
    }
    Handled::later(async move {
        let mut told = HashMap::new();
        for name in unknown {
            let (error, _) = topics::auto_create(&call.broker, &name).await;
            told.insert(name, error);
        }
        call.answer(&respond(&call, &request, &image, &told))
    })
}

/// Names that are to be created.
fn unknown_names(call: &Call, request: &MetadataRequest, image: &ClusterImage) -> Vec<Str> {
    let allowed = call.api_version < 4 || request.allow_auto_topic_creation;
    let Some(asked) = request.topics.as_ref().filter(|_| allowed) else {
        return Vec::new();
    };
    let enabled = call.broker.config().auto_create_topics_enable;
    let names = asked.iter().filter_map(|topic| topic.name.clone());
    let unknown = names.filter(|name| image.topic(name).is_none());
    unknown
        .filter(|name| enabled || topics::is_internal(name))
        .collect()
}

fn respond(
    call: &Call,
    request: &MetadataRequest,
    image: &ClusterImage,
    told: &HashMap<Str, ErrorCode>,
) -> MetadataResponse {
    let view = View {
        call,
        image,
        operations: request.include_topic_authorized_operations,
    };
    let brokers = image.nodes.values().filter_map(|node| {
        let point = node.on(&call.peer.listener)?;
        Some(MetadataResponseBroker {
            node_id: node.id,
            host: point.host.clone(),
            port: point.port,
            rack: node.rack.clone(),
            ..MetadataResponseBroker::default()
        })
    });
    // version 0 says "all" by an empty list
    let all = match &request.topics {
        None => true,
        Some(topics) => call.api_version == 0 && topics.is_empty(),
    };
    let topics = if all {
        image
            .topics
            .values()
            .map(|topic| view.topic(topic))
            .collect()
    } else {
        let asked = request.topics.iter().flatten();
        asked
            .map(|topic| view.asked(topic.name.as_ref(), topic.topic_id, told))
            .collect()
    };
    MetadataResponse {
        brokers: brokers.collect(),
        cluster_id: Some(call.broker.cluster_id.as_str().into()),
        controller_id: image.controller_id.unwrap_or(-1),
        topics,
        cluster_authorized_operations: if request.include_cluster_authorized_operations {
            ALL_CLUSTER_OPERATIONS
        } else {
            i32::MIN
        },
        ..MetadataResponse::default()
    }
}

/// The cluster as seen through one request.
struct View<'a> {
    call: &'a Call,
    image: &'a ClusterImage,
    operations: bool,
}

impl View<'_> {
    fn asked(
        &self,
        name: Option<&Str>,
        id: Uuid,
        told: &HashMap<Str, ErrorCode>,
    ) -> MetadataResponseTopic {
        let by_id = name.is_none_or(|name| name.is_empty()) && !id.is_zero();
        let found = if by_id {
            self.image
                .topic_name(&id)
                .and_then(|name| self.image.topic(name))
        } else {
            name.and_then(|name| self.image.topic(name))
        };
        if let Some(topic) = found {
            return self.topic(topic);
        }
        let error = match name {
            _ if by_id => ErrorCode::UNKNOWN_TOPIC_ID,
            None => ErrorCode::INVALID_REQUEST,
            Some(name) => match told.get(name) {
                Some(error) => *error,
                None if topics::check_name(name).is_err() => ErrorCode::INVALID_TOPIC_EXCEPTION,
                None => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            },
        };
        // before version 12 a name cannot be null
        let name = match name {
            Some(name) if !by_id => Some(name.clone()),
            _ if self.call.api_version < 12 => Some(Str::EMPTY),
            _ => None,
        };
        let is_internal = name.as_deref().is_some_and(topics::is_internal);
        MetadataResponseTopic {
            error_code: error,
            name,
            topic_id: id,
            is_internal,
            ..Default::default()
        }
    }

    fn topic(&self, topic: &Arc<TopicImage>) -> MetadataResponseTopic {
        MetadataResponseTopic {
            name: Some(topic.name.clone()),
            topic_id: topic.id,
            is_internal: topics::is_internal(&topic.name),
            partitions: topic
                .partitions
                .values()
                .map(|partition| self.partition(partition))
                .collect(),
            topic_authorized_operations: if self.operations {
                ALL_TOPIC_OPERATIONS
            } else {
                i32::MIN
            },
            ..MetadataResponseTopic::default()
        }
    }

    fn is_reachable(&self, broker: i32) -> bool {
        self.image
            .nodes
            .get(&broker)
            .is_some_and(|node| node.on(&self.call.peer.listener).is_some())
    }

    fn partition(&self, partition: &PartitionImage) -> MetadataResponsePartition {
        // version 0 was promised that every replica it hears of can be reached
        let strict = self.call.api_version == 0;
        let shown = |ids: &[i32]| -> Vec<i32> {
            ids.iter()
                .copied()
                .filter(|id| !strict || self.is_reachable(*id))
                .collect()
        };
        let (replica_nodes, isr_nodes) = (shown(&partition.replicas), shown(&partition.isr));
        let offline = partition.replicas.iter().copied();
        let offline =
            offline.filter(|id| partition.offline.contains(id) || !self.is_reachable(*id));
        let (error_code, leader_id) = if self.is_reachable(partition.leader) {
            let missing = strict
                && (replica_nodes.len() < partition.replicas.len()
                    || isr_nodes.len() < partition.isr.len());
            let error = if missing {
                ErrorCode::REPLICA_NOT_AVAILABLE
            } else {
                ErrorCode::NONE
            };
            (error, partition.leader)
        } else if self.image.nodes.contains_key(&partition.leader) && self.call.api_version >= 6 {
            (ErrorCode::LISTENER_NOT_FOUND, -1)
        } else {
            (ErrorCode::LEADER_NOT_AVAILABLE, -1)
        };
        MetadataResponsePartition {
            error_code,
            partition_index: partition.index,
            leader_id,
            leader_epoch: partition.leader_epoch,
            replica_nodes,
            isr_nodes,
            offline_replicas: offline.collect(),
            ..MetadataResponsePartition::default()
        }
    }
}
