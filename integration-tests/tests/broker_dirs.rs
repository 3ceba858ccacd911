//! Log directories that fail while the broker runs: the others serve on, the controller is told, and
//! without any the broker ends. What fails is the limit on the size of files that the shell sets.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test")]

use std::net::SocketAddr;
use std::process::Command;

use integration_tests::broker::RawKafka;
use integration_tests::peers::broker_count;
use integration_tests::proc::{Port, Process, binary, wait_until};
use integration_tests::zk::{ZkClient, ZkConfig};
use proto::kafka::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use proto::kafka::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use proto::kafka::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use proto::kafka::{ErrorCode, Records};
use proto::records::{BatchBuilder, BatchOptions};

fn create(addr: SocketAddr, topic: &str) {
    let mut broker = RawKafka::connect(addr).unwrap();
    let request = CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name: topic.into(),
            num_partitions: 1,
            replication_factor: 1,
            ..Default::default()
        }],
        timeout_ms: 30_000,
        ..Default::default()
    };
    let made = broker.call(5, &request).unwrap();
    assert_eq!(made.topics[0].error_code, ErrorCode::NONE);
    let topics = vec![MetadataRequestTopic {
        name: Some(topic.into()),
        ..Default::default()
    }];
    let request = MetadataRequest {
        topics: Some(topics),
        ..Default::default()
    };
    wait_until("a leader", || {
        let known = broker.call(5, &request).unwrap();
        let partitions = &known.topics[0].partitions;
        partitions.iter().any(|p| p.leader_id >= 0)
    });
}

fn produce(addr: SocketAddr, topic: &str, bytes: usize) -> std::io::Result<ErrorCode> {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    let value = vec![b'x'; bytes];
    builder.append(1_700_000_000_000, None, Some(&value), std::iter::empty());
    let request = ProduceRequest {
        acks: 1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: topic.into(),
            partition_data: vec![PartitionProduceData {
                records: Records::Bytes(builder.build().unwrap().into()),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let done = RawKafka::connect(addr)?.call(9, &request)?;
    Ok(done.responses[0].partition_responses[0].error_code)
}

/// Writes until the disk refuses.
fn fill(addr: SocketAddr, topic: &str) -> std::io::Result<ErrorCode> {
    loop {
        let code = produce(addr, topic, 60_000)?;
        if code != ErrorCode::NONE {
            return Ok(code);
        }
    }
}

#[test]
fn one_directory_fails_and_then_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let config = ZkConfig::new(&dir.path().join("zk"));
    let zookeeper = config.start_ours();
    let (port, home) = (Port::reserve(), dir.path().join("broker"));
    std::fs::create_dir_all(&home).unwrap();
    let dirs = [home.join("one"), home.join("two")].map(|dir| dir.display().to_string());
    let text = format!(
        "broker.id=3\nlisteners=PLAINTEXT://127.0.0.1:{}\nlog.dirs={}\nzookeeper.connect={}\n",
        port.number(),
        dirs.join(","),
        zookeeper.connect_string()
    );
    let file = home.join("server.properties");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new("sh");
    // 2000 blocks of 512 bytes; a write beyond is an error instead of a signal
    let limited = "trap '' XFSZ; ulimit -f 2000; exec \"$0\" \"$1\"";
    command
        .args(["-c", limited])
        .arg(binary("broker"))
        .arg(&file);
    command.env_remove("LOG_DIR");
    let mut broker = Process::spawn("broker", command, &home.join("kafkaServer.out"));
    wait_until("the broker to serve", || {
        broker.assert_running();
        broker_count(port.addr()).is_some_and(|n| n > 0)
    });
    create(port.addr(), "first");
    create(port.addr(), "second");
    let failed = fill(port.addr(), "first").unwrap();
    assert_eq!(failed, ErrorCode::KAFKA_STORAGE_ERROR);
    // the controller is told, as a Java broker tells it
    let mut zk = ZkClient::connect(config.addr(), 30_000).unwrap();
    let mut told = Vec::new();
    wait_until("the event", || {
        told = zk.below("/log_dir_event_notification");
        told.len() == 2
    });
    assert_eq!(
        told[1].path,
        "/log_dir_event_notification/log_dir_event_0000000000"
    );
    let data = String::from_utf8(told[1].data.clone().unwrap()).unwrap();
    assert_eq!(data, "{\"version\":1,\"broker\":3,\"event\":1}");
    // the other directory serves, and takes what is new
    assert_eq!(produce(port.addr(), "second", 10).unwrap(), ErrorCode::NONE);
    let small = produce(port.addr(), "first", 10).unwrap();
    assert_eq!(small, ErrorCode::KAFKA_STORAGE_ERROR);
    create(port.addr(), "third");
    assert_eq!(produce(port.addr(), "third", 10).unwrap(), ErrorCode::NONE);
    broker.assert_running();
    // without any there is nothing left to do
    let _ = fill(port.addr(), "second");
    assert_eq!(broker.wait().code(), Some(1));
    let said = broker.log();
    let last = said.trim_end().lines().last().unwrap();
    let why = format!(
        "Shutdown broker because all log dirs in {} have failed",
        dirs.join(", ")
    );
    assert!(last.contains(&why) && last.contains("line 3: "), "{said}");
}
