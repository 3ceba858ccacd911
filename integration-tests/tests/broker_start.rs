//! What is asked of a broker in the moment in which it starts, before it knows its cluster: nothing
//! is refused or left out that it could do a moment later. `kafka-server-start.sh -daemon` and
//! `kafka-topics.sh --create` in one line have to work.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Command;

use integration_tests::broker::{BrokerConfig, RawKafka};
use integration_tests::proc::{binary, wait_until};
use integration_tests::zk::ZkConfig;
use proto::kafka::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use proto::kafka::messages::describe_cluster::DescribeClusterRequest;
use proto::kafka::messages::find_coordinator::FindCoordinatorRequest;
use proto::kafka::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use proto::kafka::{ErrorCode, Str};

/// A connection as soon as the port is open.
fn first(addr: SocketAddr) -> RawKafka {
    let mut open = None;
    wait_until("the port to open", || {
        open = RawKafka::connect(addr).ok();
        open.is_some()
    });
    open.unwrap()
}

fn topics(names: Option<&[&str]>) -> MetadataRequest {
    let topic = |name: &&str| MetadataRequestTopic {
        name: Some(Str::from(*name)),
        ..MetadataRequestTopic::default()
    };
    MetadataRequest {
        topics: names.map(|names| names.iter().map(topic).collect()),
        allow_auto_topic_creation: true,
        ..MetadataRequest::default()
    }
}

/// Every request of an admin or a client, as the very first that a new process hears.
fn ask(addr: SocketAddr, round: usize) {
    let name = format!("made-{round}");
    let mut clients: Vec<RawKafka> = (0..5).map(|_| first(addr)).collect();
    let create = CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name: name.as_str().into(),
            num_partitions: 1,
            replication_factor: 1,
            ..CreatableTopic::default()
        }],
        timeout_ms: 30_000,
        ..CreateTopicsRequest::default()
    };
    let auto = format!("auto-{round}");
    clients[0].send(5, &create).unwrap();
    clients[1].send(9, &topics(Some(&[&auto]))).unwrap();
    clients[2].send(9, &topics(None)).unwrap();
    clients[3]
        .send(0, &DescribeClusterRequest::default())
        .unwrap();
    let group = FindCoordinatorRequest {
        key: "group".into(),
        ..FindCoordinatorRequest::default()
    };
    clients[4].send(1, &group).unwrap();

    let made = clients[0].receive::<CreateTopicsRequest>(5).unwrap();
    let made: Vec<_> = made
        .topics
        .iter()
        .map(|t| (t.error_code, t.error_message.as_deref()))
        .collect();
    assert_eq!(made, [(ErrorCode::NONE, None)], "round {round}");
    let answer = clients[1].receive::<MetadataRequest>(9).unwrap();
    let code = answer.topics[0].error_code;
    assert_eq!(code, ErrorCode::LEADER_NOT_AVAILABLE, "round {round}");
    let answer = clients[2].receive::<MetadataRequest>(9).unwrap();
    assert_eq!((answer.brokers.len(), answer.controller_id), (1, 7));
    let listed: BTreeSet<_> = answer
        .topics
        .iter()
        .map(|t| t.name.as_deref().unwrap_or_default())
        .collect();
    for earlier in 0..round {
        let name = format!("made-{earlier}");
        assert!(listed.contains(name.as_str()), "round {round}: {listed:?}");
    }
    let answer = clients[3].receive::<DescribeClusterRequest>(0).unwrap();
    assert_eq!((answer.brokers.len(), answer.controller_id), (1, 7));
    let answer = clients[4].receive::<FindCoordinatorRequest>(1).unwrap();
    assert!(
        matches!(
            answer.error_code,
            ErrorCode::NONE | ErrorCode::COORDINATOR_NOT_AVAILABLE
        ),
        "round {round}: {answer:?}"
    );
}

#[test]
fn the_first_requests_of_a_start_are_served() {
    let dir = tempfile::tempdir().unwrap();
    let server = ZkConfig::new(&dir.path().join("zk")).start_ours();
    let broker = BrokerConfig::new(
        &dir.path().join("kafka"),
        7,
        &server.connect_string(),
        &["offsets.topic.num.partitions=1"],
    );
    for round in 0..12 {
        let mut process = broker.spawn();
        ask(broker.addr(), round);
        let log = process.log();
        assert!(!log.contains("cannot be created"), "{log}");
        // a restart after a kill finds its former session, one after a stop does not
        if round % 2 == 0 {
            process.kill();
        } else {
            process.stop();
        }
    }
}

/// Our tools, started together with the broker.
#[test]
fn tools_may_be_started_with_the_broker() {
    let dir = tempfile::tempdir().unwrap();
    let server = ZkConfig::new(&dir.path().join("zk")).start_ours();
    let zookeeper = server.connect_string();
    let broker = BrokerConfig::new(&dir.path().join("kafka"), 7, &zookeeper, &[]);
    let bootstrap = broker.bootstrap();
    for (flag, to) in [
        ("--bootstrap-server", &bootstrap),
        ("--zookeeper", &zookeeper),
    ] {
        let mut process = broker.spawn();
        let mut command = Command::new(binary("kafka-tools"));
        command.args(["kafka-topics", flag, to, "--create", "--topic", &flag[2..]]);
        command.args(["--partitions", "1", "--replication-factor", "1"]);
        let said = integration_tests::proc::run(command, b"").success();
        assert!(said.contains("Created topic"), "{flag}: {said}");
        process.stop();
    }
}
