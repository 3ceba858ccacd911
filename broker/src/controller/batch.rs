//! Requests to brokers, collected while one event is handled and sent at its end: LeaderAndIsr
//! before UpdateMetadata before StopReplica. Mirrors
//! kafka.controller.AbstractControllerBrokerRequestBatch.

use std::collections::{BTreeMap, BTreeSet};

use proto::kafka::messages::leader_and_isr::{
    LeaderAndIsrLiveLeader, LeaderAndIsrPartitionState, LeaderAndIsrRequest, LeaderAndIsrTopicState,
};
use proto::kafka::messages::stop_replica::{
    StopReplicaPartitionState, StopReplicaRequest, StopReplicaTopicState,
};
use proto::kafka::messages::update_metadata::{
    UpdateMetadataBroker, UpdateMetadataEndpoint, UpdateMetadataPartitionState,
    UpdateMetadataRequest, UpdateMetadataTopicState,
};
use proto::kafka::{Str, Uuid};

use super::context::{Context, Leadership, LiveBroker, TopicPartition};
use super::event::{ControlRequest, Effect};

/// Leader and epoch in metadata while a topic is being deleted.
const DURING_DELETE: i32 = -2;

/// What to send to whom.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// broker -> partition -> new to that broker
    leader_and_isr: BTreeMap<i32, BTreeMap<TopicPartition, bool>>,
    metadata_to: BTreeSet<i32>,
    metadata_of: BTreeSet<TopicPartition>,
    /// broker -> partition -> delete its data
    stop: BTreeMap<i32, BTreeMap<TopicPartition, bool>>,
}

/// Who sends.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    pub(super) id: i32,
    pub(super) epoch: i32,
    pub(super) inter_broker_listener: String,
}

impl Batch {
    /// The brokers of a partition learn its leader; everybody learns the metadata.
    pub(super) fn leader_and_isr(
        &mut self,
        brokers: &[i32],
        tp: &TopicPartition,
        is_new: bool,
        context: &Context,
    ) {
        for broker in brokers {
            let new = self
                .leader_and_isr
                .entry(*broker)
                .or_default()
                .entry(tp.clone())
                .or_default();
            *new |= is_new;
        }
        self.metadata(context.brokers.keys().copied(), [tp.clone()]);
    }

    pub(super) fn metadata(
        &mut self,
        brokers: impl IntoIterator<Item = i32>,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) {
        self.metadata_to.extend(brokers);
        self.metadata_of.extend(partitions);
    }

    pub(super) fn stop(&mut self, broker: i32, tp: &TopicPartition, delete: bool) {
        *self
            .stop
            .entry(broker)
            .or_default()
            .entry(tp.clone())
            .or_default() |= delete;
    }

    /// Everything as effects; brokers that are gone get nothing.
    pub(super) fn send(
        self,
        sender: &Sender,
        context: &Context,
        deleting: &dyn Fn(&str) -> bool,
        out: &mut Vec<Effect>,
    ) {
        for (broker, partitions) in &self.leader_and_isr {
            if let Some(live) = context.brokers.get(broker) {
                let request = leader_and_isr(sender, context, live, partitions);
                out.push(Effect::Send(*broker, ControlRequest::LeaderAndIsr(request)));
            }
        }
        let to: Vec<_> = self
            .metadata_to
            .iter()
            .filter_map(|id| context.brokers.get(id))
            .collect();
        if !to.is_empty() {
            let mut request = metadata(sender, context, &self.metadata_of, deleting);
            for broker in to {
                request.broker_epoch = broker.epoch;
                out.push(Effect::Send(
                    broker.id,
                    ControlRequest::UpdateMetadata(request.clone()),
                ));
            }
        }
        for (broker, partitions) in &self.stop {
            if let Some(live) = context.brokers.get(broker) {
                let request = stop_replica(sender, context, live, partitions, deleting);
                out.push(Effect::Send(*broker, ControlRequest::StopReplica(request)));
            }
        }
    }
}

/// Items of a request by topic, in order.
fn by_topic<T, S>(
    items: impl Iterator<Item = (TopicPartition, T)>,
    begin: impl Fn(&str) -> S,
    add: impl Fn(&mut S, i32, T),
) -> Vec<S> {
    let mut topics: Vec<(std::sync::Arc<str>, S)> = Vec::new();
    for (tp, item) in items {
        if topics.last().is_none_or(|(name, _)| *name != tp.topic) {
            topics.push((tp.topic.clone(), begin(&tp.topic)));
        }
        if let Some((_, topic)) = topics.last_mut() {
            add(topic, tp.partition, item);
        }
    }
    topics.into_iter().map(|(_, topic)| topic).collect()
}

fn topic_id(context: &Context, topic: &str) -> Uuid {
    context
        .topics
        .get(topic)
        .and_then(|topic| topic.id)
        .unwrap_or(Uuid::ZERO)
}

fn leader_and_isr(
    sender: &Sender,
    context: &Context,
    to: &LiveBroker,
    partitions: &BTreeMap<TopicPartition, bool>,
) -> LeaderAndIsrRequest {
    let known = partitions.iter().filter_map(|(tp, is_new)| {
        let partition = context.partition(tp)?;
        let Leadership { state, version } = partition.leadership.as_ref()?;
        let state = LeaderAndIsrPartitionState {
            partition_index: tp.partition,
            topic_name: tp.topic.as_ref().into(),
            controller_epoch: state.controller_epoch,
            leader: state.leader,
            leader_epoch: state.leader_epoch,
            isr: state.isr.clone(),
            partition_epoch: *version,
            replicas: partition.assignment.replicas.clone(),
            adding_replicas: partition.assignment.adding.clone(),
            removing_replicas: partition.assignment.removing.clone(),
            is_new: *is_new,
            leader_recovery_state: state.recovery,
            ..Default::default()
        };
        Some((tp.clone(), state))
    });
    let mut leaders = BTreeSet::new();
    let topic_states = by_topic(
        known.inspect(|(_, state)| {
            leaders.insert(state.leader);
        }),
        |name| LeaderAndIsrTopicState {
            topic_name: name.into(),
            topic_id: topic_id(context, name),
            ..Default::default()
        },
        |topic, _, state| topic.partition_states.push(state),
    );
    let live_leaders = leaders.iter().filter_map(|id| context.brokers.get(id));
    LeaderAndIsrRequest {
        controller_id: sender.id,
        controller_epoch: sender.epoch,
        broker_epoch: to.epoch,
        topic_states,
        live_leaders: live_leaders
            .filter_map(|broker| live_leader(sender, broker))
            .collect(),
        ..Default::default()
    }
}

fn live_leader(sender: &Sender, broker: &LiveBroker) -> Option<LeaderAndIsrLiveLeader> {
    let points = &broker.info.end_points;
    let point = points
        .iter()
        .find(|point| point.name == sender.inter_broker_listener)?;
    Some(LeaderAndIsrLiveLeader {
        broker_id: broker.id,
        host_name: point.host.as_str().into(),
        port: point.port.into(),
        ..Default::default()
    })
}

fn metadata(
    sender: &Sender,
    context: &Context,
    partitions: &BTreeSet<TopicPartition>,
    deleting: &dyn Fn(&str) -> bool,
) -> UpdateMetadataRequest {
    let known = partitions.iter().filter_map(|tp| {
        let partition = context.partition(tp)?;
        let Leadership { state, version } = partition.leadership.as_ref()?;
        let deleted = deleting(&tp.topic);
        let replicas = partition.assignment.replicas.clone();
        let offline = replicas
            .iter()
            .copied()
            .filter(|id| !context.is_live(*id))
            .collect();
        let state = UpdateMetadataPartitionState {
            topic_name: tp.topic.as_ref().into(),
            partition_index: tp.partition,
            controller_epoch: state.controller_epoch,
            leader: if deleted { DURING_DELETE } else { state.leader },
            leader_epoch: if deleted {
                DURING_DELETE
            } else {
                state.leader_epoch
            },
            isr: state.isr.clone(),
            zk_version: *version,
            replicas,
            offline_replicas: offline,
            ..Default::default()
        };
        Some((tp.clone(), state))
    });
    UpdateMetadataRequest {
        controller_id: sender.id,
        controller_epoch: sender.epoch,
        topic_states: by_topic(
            known,
            |name| UpdateMetadataTopicState {
                topic_name: name.into(),
                topic_id: topic_id(context, name),
                ..Default::default()
            },
            |topic, _, state| topic.partition_states.push(state),
        ),
        live_brokers: context.brokers.values().map(metadata_broker).collect(),
        ..Default::default()
    }
}

fn metadata_broker(broker: &LiveBroker) -> UpdateMetadataBroker {
    let points = broker
        .info
        .end_points
        .iter()
        .map(|point| UpdateMetadataEndpoint {
            port: point.port.into(),
            host: point.host.as_str().into(),
            listener: point.name.as_str().into(),
            security_protocol: point.protocol.id(),
            ..Default::default()
        });
    UpdateMetadataBroker {
        id: broker.id,
        endpoints: points.collect(),
        rack: broker.info.rack.as_deref().map(Str::from),
        ..Default::default()
    }
}

fn stop_replica(
    sender: &Sender,
    context: &Context,
    to: &LiveBroker,
    partitions: &BTreeMap<TopicPartition, bool>,
    deleting: &dyn Fn(&str) -> bool,
) -> StopReplicaRequest {
    let states = partitions.iter().map(|(tp, delete)| {
        let leadership = context
            .partition(tp)
            .and_then(|partition| partition.leadership.as_ref());
        let epoch = if deleting(&tp.topic) {
            DURING_DELETE
        } else {
            leadership.map_or(-1, |leadership| leadership.state.leader_epoch)
        };
        let state = StopReplicaPartitionState {
            partition_index: tp.partition,
            leader_epoch: epoch,
            delete_partition: *delete,
            ..Default::default()
        };
        (tp.clone(), state)
    });
    StopReplicaRequest {
        controller_id: sender.id,
        controller_epoch: sender.epoch,
        broker_epoch: to.epoch,
        topic_states: by_topic(
            states,
            |name| StopReplicaTopicState {
                topic_name: name.into(),
                ..Default::default()
            },
            |topic, _, state| topic.partition_states.push(state),
        ),
        ..Default::default()
    }
}
