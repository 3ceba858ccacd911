//! The cluster as one value, which UpdateMetadata turns into the next one. Pure. Mirrors
//! kafka.server.metadata.ZkMetadataCache and its MetadataSnapshot.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use proto::kafka::messages::update_metadata::{
    UpdateMetadataBroker, UpdateMetadataPartitionState, UpdateMetadataRequest,
};
use proto::kafka::{Str, Uuid};

/// Leader of a partition whose topic is being deleted (LeaderAndIsr.LEADER_DURING_DELETE).
pub(crate) const LEADER_DURING_DELETE: i32 = -2;

/// One address of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeEndPoint {
    pub listener: Str,
    pub host: Str,
    pub port: i32,
    pub security_protocol: i16,
}

/// A live broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub id: i32,
    pub end_points: Vec<NodeEndPoint>,
    pub rack: Option<Str>,
}

impl Node {
    /// Its address on a listener.
    pub fn on(&self, listener: &str) -> Option<&NodeEndPoint> {
        self.end_points
            .iter()
            .find(|point| &*point.listener == listener)
    }
}

/// One partition as the controller last told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionImage {
    pub index: i32,
    pub leader: i32,
    pub leader_epoch: i32,
    pub controller_epoch: i32,
    pub partition_epoch: i32,
    pub isr: Vec<i32>,
    pub replicas: Vec<i32>,
    pub offline: Vec<i32>,
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicImage {
    pub name: Str,
    /// zero where a controller without topic ids wrote
    pub id: Uuid,
    pub partitions: BTreeMap<i32, Arc<PartitionImage>>,
}

/// Everything.
#[derive(Debug, Clone, Default)]
pub struct ClusterImage {
    pub controller_id: Option<i32>,
    pub controller_epoch: i32,
    pub nodes: BTreeMap<i32, Arc<Node>>,
    pub topics: HashMap<Str, Arc<TopicImage>>,
    names: HashMap<Uuid, Str>,
}

impl ClusterImage {
    pub fn topic(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.topics.get(name)
    }

    pub fn partition(&self, topic: &str, partition: i32) -> Option<&Arc<PartitionImage>> {
        self.topic(topic)?.partitions.get(&partition)
    }

    pub fn topic_name(&self, id: &Uuid) -> Option<&Str> {
        self.names.get(id)
    }

    /// Id of a topic; zero where it has none or is unknown.
    pub fn topic_id(&self, name: &str) -> Uuid {
        self.topic(name).map_or(Uuid::ZERO, |topic| topic.id)
    }

    /// The leader's address on a listener.
    pub fn leader_on(
        &self,
        topic: &str,
        partition: i32,
        listener: &str,
    ) -> Option<(i32, &NodeEndPoint)> {
        let leader = self.partition(topic, partition)?.leader;
        Some((leader, self.nodes.get(&leader)?.on(listener)?))
    }

    /// The next image, and the partitions that are gone with their topics.
    pub fn updated(&self, request: &UpdateMetadataRequest) -> (Self, Vec<(Str, i32)>) {
        let mut next = self.clone();
        let mut deleted = Vec::new();
        next.controller_id = (request.controller_id >= 0).then_some(request.controller_id);
        next.controller_epoch = request.controller_epoch;
        next.nodes = request
            .live_brokers
            .iter()
            .map(node)
            .map(|n| (n.id, Arc::new(n)))
            .collect();
        for state in &request.ungrouped_partition_states {
            next.apply(
                &state.topic_name,
                None,
                std::slice::from_ref(state),
                &mut deleted,
            );
        }
        for topic in &request.topic_states {
            let id = Some(topic.topic_id).filter(|id| !id.is_zero());
            next.apply(&topic.topic_name, id, &topic.partition_states, &mut deleted);
        }
        (next, deleted)
    }

    fn apply(
        &mut self,
        name: &Str,
        id: Option<Uuid>,
        states: &[UpdateMetadataPartitionState],
        deleted: &mut Vec<(Str, i32)>,
    ) {
        let mut topic = match self.topics.get(name) {
            Some(topic) => TopicImage::clone(topic),
            // detached: the image outlives the request's frame by far
            None => TopicImage {
                name: name.detach(),
                id: Uuid::ZERO,
                partitions: BTreeMap::new(),
            },
        };
        if let Some(id) = id {
            if id != topic.id {
                self.names.remove(&topic.id);
            }
            topic.id = id;
            self.names.insert(id, topic.name.clone());
        }
        for state in states {
            if state.leader == LEADER_DURING_DELETE {
                topic.partitions.remove(&state.partition_index);
                deleted.push((topic.name.clone(), state.partition_index));
            } else {
                topic
                    .partitions
                    .insert(state.partition_index, Arc::new(partition(state)));
            }
        }
        if topic.partitions.is_empty() {
            self.names.remove(&topic.id);
            self.topics.remove(name);
        } else {
            self.topics.insert(topic.name.clone(), Arc::new(topic));
        }
    }
}

fn node(broker: &UpdateMetadataBroker) -> Node {
    let mut end_points: Vec<NodeEndPoint> = broker
        .endpoints
        .iter()
        .map(|point| NodeEndPoint {
            // before version 3 a listener is named after its security protocol
            listener: if point.listener.is_empty() {
                protocol_name(point.security_protocol).into()
            } else {
                point.listener.detach()
            },
            host: point.host.detach(),
            port: point.port,
            security_protocol: point.security_protocol,
        })
        .collect();
    if end_points.is_empty() && !broker.v0_host.is_empty() {
        let (host, port) = (broker.v0_host.detach(), broker.v0_port);
        end_points.push(NodeEndPoint {
            listener: "PLAINTEXT".into(),
            host,
            port,
            security_protocol: 0,
        });
    }
    Node {
        id: broker.id,
        end_points,
        rack: broker.rack.as_ref().map(Str::detach),
    }
}

fn protocol_name(id: i16) -> &'static str {
    match id {
        1 => "SSL",
        2 => "SASL_PLAINTEXT",
        3 => "SASL_SSL",
        _ => "PLAINTEXT",
    }
}

fn partition(state: &UpdateMetadataPartitionState) -> PartitionImage {
    PartitionImage {
        index: state.partition_index,
        leader: state.leader,
        leader_epoch: state.leader_epoch,
        controller_epoch: state.controller_epoch,
        partition_epoch: state.zk_version,
        isr: state.isr.clone(),
        replicas: state.replicas.clone(),
        offline: state.offline_replicas.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proto::kafka::messages::update_metadata::{
        UpdateMetadataEndpoint, UpdateMetadataTopicState,
    };

    use super::*;

    fn request(topic: &str, id: u8, partition: i32, leader: i32) -> UpdateMetadataRequest {
        UpdateMetadataRequest {
            controller_id: 1,
            topic_states: vec![UpdateMetadataTopicState {
                topic_name: topic.into(),
                topic_id: Uuid([id; 16]),
                partition_states: vec![UpdateMetadataPartitionState {
                    partition_index: partition,
                    leader,
                    replicas: vec![leader],
                    ..Default::default()
                }],
                ..Default::default()
            }],
            live_brokers: vec![UpdateMetadataBroker {
                id: 1,
                endpoints: vec![UpdateMetadataEndpoint {
                    host: "h".into(),
                    port: 9,
                    listener: "PLAINTEXT".into(),
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    #[test]
    fn topics_come_change_and_go() {
        let (image, _) = ClusterImage::default().updated(&request("t", 7, 0, 1));
        let (image, _) = image.updated(&request("t", 7, 1, 2));
        assert_eq!(image.topic("t").unwrap().partitions.len(), 2);
        assert_eq!(
            image.topic_name(&Uuid([7; 16])).map(|name| &**name),
            Some("t")
        );
        assert_eq!(
            image
                .leader_on("t", 0, "PLAINTEXT")
                .map(|(id, point)| (id, point.port)),
            Some((1, 9))
        );
        assert!(image.leader_on("t", 1, "PLAINTEXT").is_none());
        let (image, deleted) = image.updated(&request("t", 7, 0, LEADER_DURING_DELETE));
        assert_eq!(deleted, [("t".into(), 0)]);
        let (image, _) = image.updated(&request("t", 7, 1, LEADER_DURING_DELETE));
        assert!(image.topic("t").is_none());
        assert!(image.topic_name(&Uuid([7; 16])).is_none());
    }

    #[test]
    fn a_topic_made_anew_has_another_id() {
        let (image, _) = ClusterImage::default().updated(&request("t", 1, 0, 1));
        let (image, _) = image.updated(&request("t", 2, 0, 1));
        assert!(image.topic_name(&Uuid([1; 16])).is_none());
        assert_eq!(image.topic_id("t"), Uuid([2; 16]));
    }
}
