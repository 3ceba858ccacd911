//! What the controller knows of the cluster. Pure data. Mirrors
//! kafka.controller.ControllerContext.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use proto::kafka::Uuid;

use crate::zk::json::{Assignment, BrokerInfo, LeaderAndIsr};

/// One partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    pub topic: Arc<str>,
    pub partition: i32,
}

impl TopicPartition {
    pub fn new(topic: &str, partition: i32) -> Self {
        Self {
            topic: topic.into(),
            partition,
        }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// A registered broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveBroker {
    pub id: i32,
    /// czxid of its registration
    pub epoch: i64,
    pub info: BrokerInfo,
}

/// Leadership as the state znode has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leadership {
    pub(super) state: LeaderAndIsr,
    /// version of the state znode
    pub(super) version: i32,
}

/// One partition.
#[derive(Debug, Clone, Default)]
pub(super) struct Partition {
    pub(super) assignment: Assignment,
    /// `None`: new, no broker has led it yet
    pub(super) leadership: Option<Leadership>,
    /// a write of its state is on its way; the next decision waits for the outcome
    pub(super) writing: bool,
}

/// One topic.
#[derive(Debug, Clone, Default)]
pub(super) struct Topic {
    pub(super) id: Option<Uuid>,
    pub(super) partitions: BTreeMap<i32, Partition>,
}

/// Everything.
#[derive(Debug, Default)]
pub(super) struct Context {
    pub(super) brokers: BTreeMap<i32, LiveBroker>,
    /// brokers that asked to be relieved, and may still be reached
    pub(super) shutting_down: BTreeSet<i32>,
    pub(super) topics: BTreeMap<Arc<str>, Topic>,
}

impl Context {
    /// Whether replicas of this broker may lead.
    pub(super) fn is_live(&self, broker: i32) -> bool {
        self.brokers.contains_key(&broker) && !self.shutting_down.contains(&broker)
    }

    pub(super) fn partition(&self, tp: &TopicPartition) -> Option<&Partition> {
        self.topics.get(&tp.topic)?.partitions.get(&tp.partition)
    }

    pub(super) fn partition_mut(&mut self, tp: &TopicPartition) -> Option<&mut Partition> {
        self.topics
            .get_mut(&tp.topic)?
            .partitions
            .get_mut(&tp.partition)
    }

    /// Every partition with its name.
    pub(super) fn all(&self) -> impl Iterator<Item = (TopicPartition, &Partition)> {
        self.topics.iter().flat_map(|(topic, state)| {
            state.partitions.iter().map(|(index, partition)| {
                (
                    TopicPartition {
                        topic: topic.clone(),
                        partition: *index,
                    },
                    partition,
                )
            })
        })
    }

    /// The partitions that have a replica on this broker.
    pub(super) fn on_broker(&self, broker: i32) -> Vec<TopicPartition> {
        let here = |partition: &Partition| partition.assignment.replicas.contains(&broker);
        self.all()
            .filter(|(_, partition)| here(partition))
            .map(|(tp, _)| tp)
            .collect()
    }
}
