//! A broker's folders go from ours to Apache's of 2.7 and 3.9 and back, each time after a kill: records, the
//! groups' offsets and the topics' ids stay. And a start after a kill reads nothing below the recovery point.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test")]

use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::Bytes;
use integration_tests::broker::{BrokerConfig, RawKafka};
use integration_tests::java_or_skip;
use integration_tests::peers::JavaBroker;
use integration_tests::proc::wait_until;
use integration_tests::zk::{ZkClient, ZkConfig, ZkServer};
use proto::jute::Jute;
use proto::kafka::messages::create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic};
use proto::kafka::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use proto::kafka::messages::find_coordinator::FindCoordinatorRequest;
use proto::kafka::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use proto::kafka::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use proto::kafka::messages::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestTopic};
use proto::kafka::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use proto::kafka::{ErrorCode, Records, Uuid};
use proto::records::{BatchBuilder, BatchOptions, Batches};
use proto::zk::OpCode;
use proto::zk::request::PathWatchRequest;

const TOPIC: &str = "handed";
const LINES: &[&str] = &[
    "zookeeper.session.timeout.ms=6000",
    "log.segment.bytes=20000",
    "log.index.interval.bytes=512",
    "log.initial.task.delay.ms=100",
    "log.flush.offset.checkpoint.interval.ms=200",
];

fn ask(allow_auto_topic_creation: bool) -> MetadataRequest {
    MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            name: Some(TOPIC.into()),
            ..Default::default()
        }]),
        allow_auto_topic_creation,
        ..Default::default()
    }
}

fn produce(value: &str) -> ProduceRequest {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    let value = format!("{value} {}", "x".repeat(900));
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    let now = i64::try_from(now).unwrap();
    builder.append(now, None, Some(value.as_bytes()), std::iter::empty());
    ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: TOPIC.into(),
            partition_data: vec![PartitionProduceData {
                records: Records::Bytes(Bytes::from(builder.build().unwrap())),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// Sends that many records, once there is a leader who takes the first.
fn write(broker: &mut RawKafka, by: &str, count: usize) {
    broker.call(4, &ask(true)).unwrap();
    for n in 0..count {
        wait_until("the record to be taken", || {
            let answer = broker.call(8, &produce(&format!("{by}-{n}"))).unwrap();
            let code = answer.responses[0].partition_responses[0].error_code;
            code == ErrorCode::NONE
        });
    }
}

/// The first word of each record from an offset on.
fn read(broker: &mut RawKafka, from: i64) -> Vec<String> {
    let (mut found, mut next) = (Vec::new(), from);
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
        let answer = broker.call(11, &request).unwrap();
        let partition = &answer.responses[0].partitions[0];
        assert_eq!(partition.error_code, ErrorCode::NONE);
        let bytes = partition.records.bytes().cloned().unwrap_or_default();
        let before = next;
        let mut scratch = Vec::new();
        for batch in Batches::new(&bytes) {
            let batch = batch.unwrap();
            batch.check_crc().unwrap();
            for record in batch.records(&mut scratch, 1 << 20).unwrap() {
                let value = record.unwrap().value.unwrap().to_vec();
                let value = String::from_utf8(value).unwrap();
                found.push(value.split(' ').next().unwrap().to_owned());
            }
            next = batch.header.next_offset();
        }
        if next == before {
            return found;
        }
    }
}

fn commit(broker: &mut RawKafka, group: &str, offset: i64) {
    let find = FindCoordinatorRequest {
        key: group.into(),
        ..Default::default()
    };
    wait_until("a coordinator", || {
        broker.call(0, &find).unwrap().error_code == ErrorCode::NONE
    });
    let request = OffsetCommitRequest {
        group_id: group.into(),
        topics: vec![OffsetCommitRequestTopic {
            name: TOPIC.into(),
            partitions: vec![OffsetCommitRequestPartition {
                committed_offset: offset,
                committed_metadata: Some(group.into()),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    wait_until("the commit to be taken", || {
        let answer = broker.call(8, &request).unwrap();
        answer.topics[0].partitions[0].error_code == ErrorCode::NONE
    });
}

fn committed(broker: &mut RawKafka, group: &str) -> (i64, String) {
    let request = OffsetFetchRequest {
        group_id: group.into(),
        topics: Some(vec![OffsetFetchRequestTopic {
            name: TOPIC.into(),
            partition_indexes: vec![0],
            ..Default::default()
        }]),
        ..Default::default()
    };
    let mut found = None;
    wait_until("the group's coordinator", || {
        let answer = broker.call(7, &request).unwrap();
        if answer.error_code == ErrorCode::NONE {
            let partition = &answer.topics[0].partitions[0];
            let metadata = partition.metadata.as_deref().unwrap_or_default();
            found = Some((partition.committed_offset, metadata.to_owned()));
        }
        found.is_some()
    });
    found.unwrap()
}

fn topic_id(broker: &mut RawKafka) -> Uuid {
    broker.call(12, &ask(false)).unwrap().topics[0].topic_id
}

fn session_is_over(zookeeper: &ZkServer) {
    let mut client = ZkClient::connect(zookeeper.addr(), 30_000).unwrap();
    let id = PathWatchRequest {
        path: "/brokers/ids/0",
        watch: false,
    };
    wait_until("the killed broker's session to end", || {
        client.call(OpCode::Exists, &id.to_vec()).unwrap().0 != 0
    });
}

/// 2.7 writes the topic's znode anew, without its id.
fn more_partitions(broker: &mut RawKafka) {
    let request = CreatePartitionsRequest {
        topics: vec![CreatePartitionsTopic {
            name: TOPIC.into(),
            count: 2,
            ..Default::default()
        }],
        timeout_ms: 30_000,
        ..Default::default()
    };
    wait_until("another partition", || {
        let made = broker.call(1, &request).unwrap();
        made.results[0].error_code == ErrorCode::NONE
    });
}

fn znode(zookeeper: &ZkServer) -> String {
    let mut client = ZkClient::connect(zookeeper.addr(), 30_000).unwrap();
    let nodes = client.below("/brokers/topics");
    let path = format!("/brokers/topics/{TOPIC}");
    let node = nodes.into_iter().find(|node| node.path == path).unwrap();
    String::from_utf8(node.data.unwrap()).unwrap()
}

#[test]
fn folders_go_to_java_and_back() {
    let java = java_or_skip!();
    let dir = tempfile::tempdir().unwrap();
    let zookeeper = ZkConfig::new(&dir.path().join("zk")).start_ours();
    let connect = zookeeper.connect_string();
    let ours = BrokerConfig::new(&dir.path().join("ours"), 0, &connect, LINES);
    let mut process = ours.start();
    let mut broker = RawKafka::connect(ours.addr()).unwrap();
    write(&mut broker, "ours", 60);
    commit(&mut broker, "of-ours", 17);
    let id = topic_id(&mut broker);
    assert!(!id.is_zero());
    let metadata = ours.log_dir().join(format!("{TOPIC}-0/partition.metadata"));
    let metadata_text = std::fs::read_to_string(&metadata).unwrap();
    assert!(metadata_text.contains(&id.to_string()), "{metadata_text}");
    process.kill();

    let logs = format!("log.dirs={}", ours.log_dir().display());
    let mut lines = LINES.to_vec();
    lines.extend([logs.as_str(), "offsets.topic.num.partitions=5"]);
    let mut known: Vec<String> = (0..60).map(|n| format!("ours-{n}")).collect();
    for version in ["2.7.0", "3.9.2"] {
        session_is_over(&zookeeper);
        let folder = dir.path().join(version);
        let mut theirs = JavaBroker::start(java, version, &folder, 0, &connect, &lines);
        let mut broker = RawKafka::connect(theirs.addr()).unwrap();
        write(&mut broker, version, 30);
        known.extend((0..30).map(|n| format!("{version}-{n}")));
        assert_eq!(read(&mut broker, 0), known, "{version}");
        let of_ours = (17, "of-ours".to_owned());
        assert_eq!(committed(&mut broker, "of-ours"), of_ours, "{version}");
        commit(&mut broker, version, 40);
        if version == "2.7.0" {
            more_partitions(&mut broker);
            assert!(!znode(&zookeeper).contains("topic_id"));
        }
        theirs.process.kill();
        if version == "2.7.0" {
            // ours first, so that the ids come back from its folders
            session_is_over(&zookeeper);
            let mut process = ours.start();
            let mut broker = RawKafka::connect(ours.addr()).unwrap();
            write(&mut broker, "again", 1);
            known.push("again-0".into());
            assert_eq!(topic_id(&mut broker), id);
            assert!(znode(&zookeeper).contains(&id.to_string()));
            process.kill();
        }
    }

    session_is_over(&zookeeper);
    let _process = ours.start();
    let mut broker = RawKafka::connect(ours.addr()).unwrap();
    write(&mut broker, "last", 1);
    known.push("last-0".into());
    assert_eq!(read(&mut broker, 0), known);
    for (group, offset) in [("of-ours", 17), ("2.7.0", 40), ("3.9.2", 40)] {
        let wanted = (offset, group.to_owned());
        assert_eq!(committed(&mut broker, group), wanted);
    }
    assert_eq!(topic_id(&mut broker), id);
    assert_eq!(std::fs::read_to_string(&metadata).unwrap(), metadata_text);
}

fn recovery_point(folder: &Path) -> i64 {
    let file = folder.join("recovery-point-offset-checkpoint");
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("handed 0 "));
    line.map_or(0, |offset| offset.parse().unwrap())
}

#[test]
fn a_start_after_a_kill_looks_only_at_what_was_not_flushed() {
    let dir = tempfile::tempdir().unwrap();
    let zookeeper = ZkConfig::new(&dir.path().join("zk")).start_ours();
    let connect = zookeeper.connect_string();
    let config = BrokerConfig::new(&dir.path().join("ours"), 0, &connect, LINES);
    let mut process = config.start();
    let mut broker = RawKafka::connect(config.addr()).unwrap();
    write(&mut broker, "ours", 100);
    wait_until("rolled segments to be flushed, and that noted", || {
        recovery_point(&config.log_dir()) > 50
    });
    process.kill();
    // damage that a recovery from the start would find, and cut everything off from there
    let folder = config.log_dir().join(format!("{TOPIC}-0"));
    let first = folder.join("00000000000000000000.log");
    let file = std::fs::OpenOptions::new().write(true).open(first);
    file.unwrap().write_all_at(b"!", 500).unwrap();
    // and an end that was torn
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "log"))
        .collect();
    names.sort();
    assert!(names.len() > 3, "{names:?}");
    let last = std::fs::OpenOptions::new()
        .append(true)
        .open(names.last().unwrap());
    std::io::Write::write_all(&mut last.unwrap(), &[0x55; 100]).unwrap();

    let _process = config.start();
    let mut broker = RawKafka::connect(config.addr()).unwrap();
    write(&mut broker, "again", 1);
    let found = read(&mut broker, 1);
    let wanted = (1..100).map(|n| format!("ours-{n}"));
    let wanted: Vec<_> = wanted.chain(["again-0".to_owned()]).collect();
    assert_eq!(found, wanted);
}
