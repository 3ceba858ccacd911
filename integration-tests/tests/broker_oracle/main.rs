//! The same requests to Apache's broker and to ours get the same answers: offsets by time, producers
//! with and without ids, retention, groups and their members, configurations. What differs by its nature (ids by
//! first appearance, ports, folders) is masked.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test")]

mod configs;
mod groups;
mod offsets;
mod producers;
mod retention;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::SocketAddr;

use bytes::Bytes;
use integration_tests::broker::{BrokerConfig, RawKafka};
use integration_tests::java_or_skip;
use integration_tests::peers::JavaBroker;
use integration_tests::proc::wait_until;
use integration_tests::zk::ZkConfig;
use proto::kafka::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use proto::kafka::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use proto::kafka::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use proto::kafka::{ErrorCode, Records};
use proto::records::{BatchBuilder, BatchOptions};

/// Both brokers' server.properties, beyond what the helpers write.
const SETTINGS: &[&str] = &[
    "num.partitions=1",
    "offsets.topic.replication.factor=1",
    "offsets.topic.num.partitions=1",
    "transaction.state.log.replication.factor=1",
    "transaction.state.log.min.isr=1",
    "transaction.state.log.num.partitions=5",
    "group.initial.rebalance.delay.ms=0",
    "delete.topic.enable=true",
    "group.min.session.timeout.ms=100",
    "group.max.session.timeout.ms=60000",
    "group.max.size=3",
    "log.retention.hours=48",
    "log.retention.ms=-1",
    "log.retention.check.interval.ms=1000",
    "log.initial.task.delay.ms=500",
    "offset.metadata.max.bytes=20",
];

/// One broker, and what it said.
struct Side {
    addr: SocketAddr,
    broker: RawKafka,
    said: Vec<String>,
    /// what has a name of its own here: member ids, producer ids
    names: BTreeMap<String, String>,
}

impl Side {
    fn new(addr: SocketAddr) -> Self {
        Self {
            addr,
            broker: RawKafka::connect(addr).unwrap(),
            said: Vec::new(),
            names: BTreeMap::new(),
        }
    }

    fn connect(&self) -> RawKafka {
        RawKafka::connect(self.addr).unwrap()
    }

    /// Gives something a name that is the same on both sides.
    fn name(&mut self, kind: &str, id: &str) {
        if !id.is_empty() && !self.names.contains_key(id) {
            let count = self.names.values().filter(|n| n.starts_with(kind)).count();
            self.names.insert(id.to_owned(), format!("{kind}{count}"));
        }
    }

    /// Notes an answer, or anything else.
    fn say(&mut self, what: impl Into<String>, answer: impl Debug) {
        let mut line = format!("{} => {answer:?}", what.into());
        for (id, name) in &self.names {
            line = line.replace(id, name);
        }
        self.said.push(line);
    }

    fn create(&mut self, topic: &str, partitions: i32, configs: &[(&str, &str)]) {
        let config = |(name, value): &(&str, &str)| CreatableTopicConfig {
            name: (*name).into(),
            value: Some((*value).into()),
            ..Default::default()
        };
        let request = CreateTopicsRequest {
            topics: vec![CreatableTopic {
                name: topic.into(),
                num_partitions: partitions,
                replication_factor: 1,
                configs: configs.iter().map(config).collect(),
                ..Default::default()
            }],
            timeout_ms: 30_000,
            ..Default::default()
        };
        let made = self.broker.call(5, &request).unwrap();
        assert_eq!(made.topics[0].error_code, ErrorCode::NONE, "{made:?}");
        let ask = MetadataRequest {
            topics: Some(vec![MetadataRequestTopic {
                name: Some(topic.into()),
                ..Default::default()
            }]),
            ..Default::default()
        };
        wait_until("the topic to have leaders", || {
            let known = self.broker.call(4, &ask).unwrap();
            let topic = &known.topics[0];
            topic.partitions.len() == usize::try_from(partitions).unwrap()
                && topic.partitions.iter().all(|p| p.leader_id >= 0)
        });
    }

    /// Sends records, which must be taken.
    fn append(&mut self, topic: &str, records: Vec<u8>) {
        let request = produce(topic, 0, -1, records);
        wait_until("the leader to take records", || {
            let answer = self.broker.call(9, &request).unwrap();
            let answer = &answer.responses[0].partition_responses[0];
            assert!(
                [ErrorCode::NONE, ErrorCode::NOT_LEADER_OR_FOLLOWER].contains(&answer.error_code),
                "{answer:?}"
            );
            answer.error_code == ErrorCode::NONE
        });
    }
}

fn produce(topic: &str, index: i32, acks: i16, records: Vec<u8>) -> ProduceRequest {
    ProduceRequest {
        acks,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: topic.into(),
            partition_data: vec![PartitionProduceData {
                index,
                records: Records::Bytes(Bytes::from(records)),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// A batch with a record for each timestamp, each with a key.
fn batch(options: BatchOptions, timestamps: &[i64]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(options);
    for timestamp in timestamps {
        builder.append(*timestamp, Some(b"key"), Some(b"value"), std::iter::empty());
    }
    builder.build().unwrap()
}

/// What differs in what both said, by question.
fn differences(ours: &Side, theirs: &Side) -> Vec<String> {
    assert!(ours.said.len() > 5, "{:?}", ours.said);
    let by_question = |side: &Side| {
        let mut said: BTreeMap<(String, usize), String> = BTreeMap::new();
        let mut asked: BTreeMap<&str, usize> = BTreeMap::new();
        for (what, answer) in side.said.iter().filter_map(|line| line.split_once(" => ")) {
            let times = asked.entry(what).or_default();
            *times += 1;
            said.insert((what.to_owned(), *times), answer.to_owned());
        }
        said
    };
    let (ours, mut theirs) = (by_question(ours), by_question(theirs));
    let mut wrong = Vec::new();
    for ((what, times), answer) in ours {
        let wanted = theirs.remove(&(what.clone(), times)).unwrap_or_default();
        if answer != wanted {
            wrong.push(format!(
                "{what} ({times})\n  ours   {answer}\n  Java's {wanted}"
            ));
        }
    }
    let left = theirs.into_iter();
    wrong.extend(left.map(|((what, times), answer)| {
        format!("{what} ({times})\n  ours   is missing\n  Java's {answer}")
    }));
    wrong
}

#[test]
fn the_same_requests_get_the_same_answers() {
    let java = java_or_skip!();
    let dir = tempfile::tempdir().unwrap();
    let zookeeper = ZkConfig::new(&dir.path().join("zk")).start_ours();
    let connect = |chroot| format!("{}{chroot}", zookeeper.connect_string());
    let ours = BrokerConfig::new(&dir.path().join("ours"), 0, &connect("/ours"), SETTINGS);
    let _ours = ours.start();
    let theirs = dir.path().join("theirs");
    let theirs = JavaBroker::start(java, "3.9.2", &theirs, 0, &connect("/theirs"), SETTINGS);
    let mut wrong = Vec::new();
    for story in [
        offsets::story,
        producers::story,
        retention::story,
        groups::story,
        configs::story,
    ] {
        let (mut ours, mut theirs) = (Side::new(ours.addr()), Side::new(theirs.addr()));
        story(&mut theirs);
        story(&mut ours);
        wrong.extend(differences(&ours, &theirs));
    }
    let count = wrong.len();
    assert!(
        wrong.is_empty(),
        "{count} answers differ:\n{}",
        wrong.join("\n")
    );
}
