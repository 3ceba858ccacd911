//! What can happen to the controller, and what it wants done. Pure data.

use std::collections::BTreeSet;

use proto::kafka::ErrorCode;
use proto::kafka::messages::leader_and_isr::LeaderAndIsrRequest;
use proto::kafka::messages::stop_replica::StopReplicaRequest;
use proto::kafka::messages::update_metadata::UpdateMetadataRequest;

use super::context::{LiveBroker, TopicPartition};
use crate::zk::json::{LeaderAndIsr, TopicAssignment};

/// Everything that ZooKeeper holds when a controller begins.
#[derive(Debug, Default)]
pub struct Loaded {
    pub brokers: Vec<LiveBroker>,
    pub topics: Vec<(String, TopicAssignment, i32)>,
    pub states: Vec<(TopicPartition, LeaderAndIsr, i32)>,
    pub deletions: Vec<String>,
    pub preferred_election: Vec<(String, i32)>,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// the registered brokers, all of them
    Brokers(Vec<LiveBroker>),
    /// the names of the topics, all of them
    TopicNames(BTreeSet<String>),
    /// a topic's znode as it is now, with its version; `None`: it is gone
    Topic(String, Option<(TopicAssignment, i32)>),
    /// the names in /admin/delete_topics, all of them
    Deletions(Vec<String>),
    /// what a tool wrote to /admin/preferred_replica_election
    PreferredElection(Vec<(String, i32)>),
    /// partition states that somebody else wrote
    States(Vec<(TopicPartition, LeaderAndIsr, i32)>),
    /// what became of a write
    Written(Write, Outcome),
    /// a broker's answer to StopReplica with deletion: partition, error
    Stopped {
        broker: i32,
        results: Vec<(TopicPartition, ErrorCode)>,
    },
    /// a broker wants to stop; the token goes back with the answer
    ControlledShutdown {
        broker: i32,
        broker_epoch: i64,
        token: u64,
    },
    /// time to move leaders back to their preferred replicas
    BalanceLeaders,
}

/// A write to ZooKeeper, each fenced by the version of /controller_epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// the state of a new partition, with the znodes above it
    CreateState(TopicPartition, LeaderAndIsr),
    /// another leader or ISR, if the znode still has this version
    SetState(TopicPartition, LeaderAndIsr, i32),
    /// a topic's assignment, if the znode still has this version
    SetTopic(String, TopicAssignment, i32),
    /// everything of a topic: znodes, configuration, and the request to delete it
    DeleteTopic(String),
    /// the request to delete a topic that does not exist or may not be deleted
    DeleteRequest(String),
    /// the znode of a preferred election that is done
    DeletePreferredElection,
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// done; the znode has this version
    Done(i32),
    /// somebody else was faster: the state as it is now
    State(LeaderAndIsr, i32),
    /// somebody else was faster: the topic as it is now
    Topic(Option<(TopicAssignment, i32)>),
    /// not now; in words
    Failed(String),
}

/// A request to a broker.
#[derive(Debug, Clone, PartialEq)]
pub enum ControlRequest {
    LeaderAndIsr(LeaderAndIsrRequest),
    UpdateMetadata(UpdateMetadataRequest),
    StopReplica(StopReplicaRequest),
}

/// What the controller wants done, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    Write(Write),
    Send(i32, ControlRequest),
    /// read these topics and watch them: `Event::Topic` for each
    ReadTopics(Vec<String>),
    /// open and close the ways to brokers; an address that changed closes and opens
    AddBroker(LiveBroker),
    RemoveBroker(i32),
    /// answer to a controlled shutdown: partitions that the broker still leads
    ShutdownReply {
        token: u64,
        result: Result<Vec<TopicPartition>, ErrorCode>,
    },
}
