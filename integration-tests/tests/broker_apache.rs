//! Our broker next to Apache's: the same requests, the same answers and the same znodes; and what
//! Apache's clients make of what this broker does not serve.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test")]

use std::net::SocketAddr;

use integration_tests::broker::{BrokerConfig, RawKafka};
use integration_tests::java_or_skip;
use integration_tests::peers::JavaBroker;
use integration_tests::proc::{repo_root, run, wait_until};
use integration_tests::zk::{ZkClient, ZkConfig};
use proto::kafka::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use proto::kafka::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use proto::kafka::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use proto::kafka::messages::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestTopic};
use proto::kafka::{ErrorCode, Str};
use proto::zk::OpCode;
use proto::zk::request::SetDataRequest;

fn create(broker: &mut RawKafka, topic: &str, partitions: i32) {
    let request = CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name: topic.into(),
            num_partitions: partitions,
            replication_factor: 1,
            ..Default::default()
        }],
        timeout_ms: 30_000,
        ..Default::default()
    };
    let made = broker.call(5, &request).unwrap();
    assert_eq!(made.topics[0].error_code, ErrorCode::NONE);
    let topics = Some(vec![MetadataRequestTopic {
        name: Some(topic.into()),
        ..Default::default()
    }]);
    let ask = MetadataRequest {
        topics,
        ..Default::default()
    };
    wait_until("the topic to have leaders", || {
        let known = broker.call(4, &ask).unwrap();
        let topic = &known.topics[0];
        topic.partitions.len() == usize::try_from(partitions).unwrap()
            && topic.partitions.iter().all(|p| p.leader_id >= 0)
    });
}

fn commit(group: &str, offsets: &[(&str, i32, i64, usize)]) -> OffsetCommitRequest {
    let topic = |&(topic, partition_index, committed_offset, metadata): &(_, _, _, usize)| {
        OffsetCommitRequestTopic {
            name: Str::from(topic),
            partitions: vec![OffsetCommitRequestPartition {
                partition_index,
                committed_offset,
                committed_metadata: Some("m".repeat(metadata).as_str().into()),
                ..Default::default()
            }],
            ..Default::default()
        }
    };
    OffsetCommitRequest {
        group_id: group.into(),
        topics: offsets.iter().map(topic).collect(),
        ..Default::default()
    }
}

fn fetch(group: &str, partitions: &[(&str, &[i32])]) -> OffsetFetchRequest {
    let topic = |(name, partitions): &(&str, &[i32])| OffsetFetchRequestTopic {
        name: Str::from(*name),
        partition_indexes: partitions.to_vec(),
        ..Default::default()
    };
    OffsetFetchRequest {
        group_id: group.into(),
        topics: Some(partitions.iter().map(topic).collect()),
        ..Default::default()
    }
}

/// Answers of the broker at `addr`, sorted where Java's order is that of a hash map, and the
/// znodes that come of them below `chroot`.
fn old_offsets(addr: SocketAddr, zookeeper: SocketAddr, chroot: &str) -> Vec<String> {
    let mut broker = RawKafka::connect(addr).unwrap();
    create(&mut broker, "t", 3);
    let mut said = Vec::new();
    for (group, offsets) in [
        (
            "g",
            &[
                ("t", 0, 5, 0),
                ("t", 1, 7, 10),
                ("none", 0, 1, 0),
                ("t", 9, 1, 0),
            ][..],
        ),
        ("g", &[("t", 0, 6, 0), ("t", 1, 3, 0)]),
        ("g", &[("t", 2, 1, 4096), ("t", 0, 8, 4097)]),
        ("other", &[("t", 0, -1, 0)]),
        ("none", &[("none", 0, 1, 0)]),
        ("no/../path", &[("t", 0, 1, 0)]),
        ("", &[("t", 0, 1, 0)]),
        ("g", &[]),
    ] {
        let answer = broker.call(0, &commit(group, offsets)).unwrap();
        let mut lines = Vec::new();
        for topic in &answer.topics {
            for p in &topic.partitions {
                let at = format!("{} {}", topic.name.as_str(), p.partition_index);
                lines.push(format!("commit {group} {at} {:?}", p.error_code));
            }
        }
        lines.sort_unstable();
        said.append(&mut lines);
    }
    let mut zk = ZkClient::connect(zookeeper, 30_000).unwrap();
    let garbage = SetDataRequest {
        path: &format!("{chroot}/consumers/g/offsets/t/2"),
        data: Some(b"no number"),
        version: -1,
    };
    assert!(!zk.must(OpCode::SetData, &garbage).is_empty());
    for (group, partitions) in [
        ("g", &[("t", &[0, 1, 2, 9][..]), ("none", &[0])][..]),
        ("other", &[("t", &[0, 1])]),
        ("nobody", &[("t", &[0])]),
        ("", &[("t", &[0])]),
    ] {
        let answer = broker.call(0, &fetch(group, partitions)).unwrap();
        let mut lines = Vec::new();
        for topic in &answer.topics {
            for p in &topic.partitions {
                let at = format!("{} {}", topic.name.as_str(), p.partition_index);
                let (offset, metadata) = (p.committed_offset, &p.metadata);
                lines.push(format!(
                    "fetch {group} {at} {offset} {metadata:?} {:?}",
                    p.error_code
                ));
            }
        }
        lines.sort_unstable();
        said.append(&mut lines);
    }
    // what lies in ZooKeeper is not what lies in the offsets topic
    for node in zk.below(&format!("{chroot}/consumers")) {
        let path = node.path.strip_prefix(chroot).unwrap();
        let data = node.data.map(|data| data.escape_ascii().to_string());
        said.push(format!(
            "{path} {data:?} {} version {} cversion {} children {}",
            node.acl, node.stat.version, node.stat.cversion, node.stat.num_children
        ));
    }
    said
}

#[test]
fn offsets_of_version_0_lie_in_zookeeper_as_those_of_java() {
    let java = java_or_skip!();
    let dir = tempfile::tempdir().unwrap();
    let config = ZkConfig::new(&dir.path().join("zk"));
    let zookeeper = config.start_ours();
    let connect = |chroot| format!("{}{chroot}", zookeeper.connect_string());
    let ours = BrokerConfig::new(&dir.path().join("ours"), 0, &connect("/ours"), &[]);
    let _ours = ours.start();
    let said = old_offsets(ours.addr(), config.addr(), "/ours");
    let theirs = dir.path().join("theirs");
    let theirs = JavaBroker::start(java, "3.9.2", &theirs, 0, &connect("/theirs"), &[]);
    let wanted = old_offsets(theirs.addr(), config.addr(), "/theirs");
    assert!(
        wanted
            .iter()
            .any(|line| line.contains("/consumers/g/offsets/t/0 Some(\"6\")"))
    );
    assert_eq!(said, wanted, "{said:#?}\n{wanted:#?}");
}

#[test]
fn a_transactional_producer_is_refused_at_once_and_told_why() {
    let java = java_or_skip!();
    let dir = tempfile::tempdir().unwrap();
    let zookeeper = ZkConfig::new(&dir.path().join("zk")).start_ours();
    let broker = BrokerConfig::new(&dir.path().join("b"), 0, &zookeeper.connect_string(), &[]);
    let _broker = broker.start();
    let source = repo_root().join("integration-tests/scenarios/kafka/InitTransactions.java");
    let mut program = java.program("kafka-clients-3.9.2", &source);
    program.arg(broker.bootstrap());
    let said = run(program, b"").success();
    let (refused, idempotent) = said.trim_end().split_once('\n').unwrap();
    assert!(refused.starts_with("at once: "), "{said}");
    assert!(refused.contains("does not serve transactions"), "{said}");
    assert_eq!(idempotent, "offset 0");
}
