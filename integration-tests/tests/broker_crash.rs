//! `kill -9` in a loop while records are written: nothing acknowledged is lost, and Java's broker
//! serves the same folder afterwards.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use integration_tests::broker::{BrokerConfig, RawKafka};
use integration_tests::java_or_skip;
use integration_tests::peers::JavaBroker;
use integration_tests::proc::wait_until;
use integration_tests::rng::Rng;
use integration_tests::zk::{ZkClient, ZkConfig};
use proto::jute::Jute;
use proto::kafka::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use proto::kafka::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use proto::kafka::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use proto::kafka::{ErrorCode, Records};
use proto::records::{BatchBuilder, BatchOptions, Batches, Compression};
use proto::zk::OpCode;
use proto::zk::request::PathWatchRequest;

const TOPIC: &str = "crash";
const ROUNDS: usize = 6;

fn batch(rng: &mut Rng, from: u64) -> (Vec<String>, Bytes) {
    let options = BatchOptions {
        compression: Compression::from_id(rng.below(5) as u8).unwrap(),
        ..BatchOptions::default()
    };
    let mut builder = BatchBuilder::new(options);
    let count = 1 + rng.below(20) as u64;
    let padding = "x".repeat(rng.below(300));
    let mut values = Vec::new();
    for n in from..from + count {
        let value = format!("{n} {padding}");
        builder.append(
            1_700_000_000_000,
            None,
            Some(value.as_bytes()),
            std::iter::empty(),
        );
        values.push(value);
    }
    (values, builder.build().unwrap().into())
}

fn produce(records: Bytes) -> ProduceRequest {
    ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: TOPIC.into(),
            partition_data: vec![PartitionProduceData {
                records: Records::Bytes(records),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// A connection to the topic's leader, once there is one.
fn connect(broker: &BrokerConfig) -> RawKafka {
    let request = MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            name: Some(TOPIC.into()),
            ..Default::default()
        }]),
        allow_auto_topic_creation: true,
        ..Default::default()
    };
    let mut client = None;
    wait_until("a leader", || {
        let Ok(mut fresh) = RawKafka::connect(broker.addr()) else {
            return false;
        };
        let Ok(response) = fresh.call(5, &request) else {
            return false;
        };
        let led = response
            .topics
            .iter()
            .flat_map(|t| &t.partitions)
            .any(|p| p.leader_id >= 0);
        client = Some(fresh);
        led
    });
    client.unwrap()
}

/// All records of the topic by offset.
fn read_all(client: &mut RawKafka) -> BTreeMap<i64, String> {
    let mut found = BTreeMap::new();
    let mut next = 0;
    loop {
        let request = FetchRequest {
            max_bytes: 1 << 20,
            topics: vec![FetchTopic {
                topic: TOPIC.into(),
                partitions: vec![FetchPartition {
                    fetch_offset: next,
                    partition_max_bytes: 1 << 20,
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        };
        let response = client.call(11, &request).unwrap();
        let partition = &response.responses[0].partitions[0];
        assert_eq!(partition.error_code, ErrorCode::NONE);
        let bytes = partition.records.bytes().cloned().unwrap_or_default();
        let before = next;
        let mut scratch = Vec::new();
        for batch in Batches::new(&bytes) {
            let batch = batch.unwrap();
            batch.check_crc().unwrap();
            for record in batch.records(&mut scratch, 1 << 24).unwrap() {
                let record = record.unwrap();
                let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
                assert!(found.insert(record.offset, value).is_none());
            }
            next = batch.header.next_offset();
        }
        if next == before {
            return found;
        }
    }
}

/// Writes several requests at a time until the broker goes away; what it said was written.
fn write_until_killed(
    client: &mut RawKafka,
    rng: &mut Rng,
    sent: &mut u64,
) -> BTreeMap<i64, String> {
    let mut acknowledged = BTreeMap::new();
    let mut waiting = std::collections::VecDeque::new();
    loop {
        while waiting.len() < 8 {
            let (values, records) = batch(rng, *sent);
            *sent += values.len() as u64;
            if client.send(9, &produce(records)).is_err() {
                break;
            }
            waiting.push_back(values);
        }
        let Ok(response) = client.receive::<ProduceRequest>(9) else {
            return acknowledged;
        };
        let answer = &response.responses[0].partition_responses[0];
        let values = waiting.pop_front().unwrap();
        assert_eq!(answer.error_code, ErrorCode::NONE);
        for (at, value) in (answer.base_offset..).zip(values) {
            acknowledged.insert(at, value);
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_broker_is_killed() {
    let java = java_or_skip!();
    let seed = integration_tests::rng::seed();
    let mut rng = Rng::new(seed);
    let dir = tempfile::tempdir().unwrap();
    let zk = ZkConfig::new(&dir.path().join("zk"));
    let zk = zk.start_ours();
    let small = ["log.segment.bytes=300000", "log.index.interval.bytes=512"];
    let config = BrokerConfig::new(&dir.path().join("kafka"), 0, &zk.connect_string(), &small);
    let (mut acknowledged, mut sent) = (BTreeMap::new(), 0);
    for round in 0..ROUNDS {
        let mut process = config.start();
        let mut client = connect(&config);
        let found = read_all(&mut client);
        for (offset, value) in &acknowledged {
            assert_eq!(
                found.get(offset),
                Some(value),
                "seed {seed}, round {round}, offset {offset}"
            );
        }
        let until = Instant::now() + Duration::from_millis(200 + rng.below(600) as u64);
        let killer = std::thread::spawn(move || {
            std::thread::sleep(until.saturating_duration_since(Instant::now()));
            process.kill();
        });
        acknowledged.extend(write_until_killed(&mut client, &mut rng, &mut sent));
        killer.join().unwrap();
    }
    assert!(
        acknowledged.len() > 100,
        "only {} records",
        acknowledged.len()
    );

    // Java's broker gives up while the killed one's session still holds the id.
    let mut session = ZkClient::connect(zk.addr(), 30_000).unwrap();
    let id = PathWatchRequest {
        path: "/brokers/ids/0",
        watch: false,
    };
    wait_until("the killed broker's session to end", || {
        session.call(OpCode::Exists, &id.to_vec()).unwrap().0 != 0
    });

    let logs = format!("log.dirs={}", config.log_dir().display());
    let folder = dir.path().join("java");
    let mut theirs = JavaBroker::start(java, "3.9.2", &folder, 0, &zk.connect_string(), &[&logs]);
    let mut client = None;
    wait_until("Java's broker to lead", || {
        let mut fresh = RawKafka::connect(theirs.addr()).unwrap();
        let request = produce(batch(&mut Rng::new(1), 0).1);
        let code = fresh.call(9, &request).unwrap().responses[0].partition_responses[0].error_code;
        client = Some(fresh);
        code == ErrorCode::NONE
    });
    let found = read_all(&mut client.unwrap());
    for (offset, value) in &acknowledged {
        assert_eq!(
            found.get(offset),
            Some(value),
            "Java, seed {seed}, offset {offset}"
        );
    }
    theirs.process.stop();
}
