//! One cluster of our broker and Apache's 2.7.0 and 3.9.2 on one ZooKeeper, with topics of factor 1:
//! whoever is the controller, all know the same, partitions are made, served and deleted on each,
//! and any of them may leave.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test")]

use std::net::SocketAddr;
use std::path::PathBuf;

use integration_tests::broker::{BrokerConfig, RawKafka};
use integration_tests::java_or_skip;
use integration_tests::peers::{Java, JavaBroker};
use integration_tests::proc::{Process, wait_until};
use integration_tests::zk::{ZkConfig, ZkServer};
use proto::kafka::ErrorCode;
use proto::kafka::Records;
use proto::kafka::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreateTopicsRequest,
};
use proto::kafka::messages::delete_topics::DeleteTopicsRequest;
use proto::kafka::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use proto::kafka::messages::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};
use proto::kafka::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use proto::records::{BatchBuilder, BatchOptions, Batches};

const OURS: i32 = 0;
/// The brokers of Java by their ids.
const JAVA: [(i32, &str); 2] = [(1, "2.7.0"), (2, "3.9.2")];
const LINES: &[&str] = &[
    "inter.broker.protocol.version=2.7",
    "zookeeper.session.timeout.ms=6000",
    "controlled.shutdown.retry.backoff.ms=500",
];

struct Cluster {
    java: Java,
    dir: PathBuf,
    zookeeper: ZkServer,
    config: BrokerConfig,
    ours: Option<Process>,
    theirs: [Option<JavaBroker>; 2],
}

impl Cluster {
    fn start(&mut self, id: i32) {
        let zookeeper = self.zookeeper.connect_string();
        if id == OURS {
            self.ours = Some(self.config.start());
            return;
        }
        let (_, version) = JAVA[index(id)];
        let dir = self.dir.join(version);
        let broker = JavaBroker::start(self.java, version, &dir, id, &zookeeper, LINES);
        self.theirs[index(id)] = Some(broker);
    }

    fn stop(&mut self, id: i32) {
        if id == OURS {
            assert!(self.ours.take().unwrap().stop().success());
        } else {
            self.theirs[index(id)].take().unwrap().process.stop();
        }
    }

    /// Ids and addresses of those that run.
    fn live(&self) -> Vec<(i32, SocketAddr)> {
        let ours = self.ours.iter().map(|_| (OURS, self.config.addr()));
        let theirs = JAVA.iter().zip(&self.theirs);
        let theirs = theirs.filter_map(|((id, _), b)| Some((*id, b.as_ref()?.addr())));
        ours.chain(theirs).collect()
    }

    fn connect(&self, id: i32) -> RawKafka {
        let (_, addr) = *self.live().iter().find(|(live, _)| *live == id).unwrap();
        RawKafka::connect(addr).unwrap()
    }
}

fn index(id: i32) -> usize {
    usize::try_from(id - 1).unwrap()
}

fn metadata(addr: SocketAddr, topic: &str) -> MetadataResponse {
    let topics = vec![MetadataRequestTopic {
        name: Some(topic.into()),
        ..Default::default()
    }];
    let request = MetadataRequest {
        topics: Some(topics),
        allow_auto_topic_creation: false,
        ..Default::default()
    };
    let mut broker = RawKafka::connect(addr).unwrap();
    broker.call(5, &request).unwrap()
}

/// All brokers that run know each other and the controller.
fn agree(cluster: &Cluster, controller: i32) {
    let live = cluster.live();
    for (id, addr) in &live {
        wait_until(&format!("broker {id} to know all brokers"), || {
            let known = metadata(*addr, "none");
            let mut brokers: Vec<_> = known
                .brokers
                .iter()
                .map(|b| (b.node_id, b.host.to_string(), b.port))
                .collect();
            brokers.sort_unstable();
            let real = live
                .iter()
                .map(|(id, addr)| (*id, addr.ip().to_string(), i32::from(addr.port())));
            brokers == real.collect::<Vec<_>>() && known.controller_id == controller
        });
    }
}

/// Makes a topic with partition N on the N-th broker.
fn create(cluster: &Cluster, controller: i32, topic: &str) {
    let ids = cluster.live().into_iter().map(|(id, _)| id);
    let assignments = ids.enumerate().map(|(at, id)| CreatableReplicaAssignment {
        partition_index: i32::try_from(at).unwrap(),
        broker_ids: vec![id],
        ..Default::default()
    });
    let request = CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name: topic.into(),
            num_partitions: -1,
            replication_factor: -1,
            assignments: assignments.collect(),
            ..Default::default()
        }],
        timeout_ms: 60_000,
        ..Default::default()
    };
    let made = cluster.connect(controller).call(4, &request).unwrap();
    assert_eq!(made.topics[0].error_code, ErrorCode::NONE, "{made:?}");
}

/// Every broker says that the N-th broker leads partition N.
fn led_by_all(cluster: &Cluster, topic: &str) {
    let live = cluster.live();
    for (id, addr) in &live {
        wait_until(
            &format!("broker {id} to know the leaders of {topic}"),
            || {
                let known = metadata(*addr, topic);
                let mut leaders: Vec<_> = known.topics[0]
                    .partitions
                    .iter()
                    .map(|p| (p.partition_index, p.leader_id, p.isr_nodes.clone()))
                    .collect();
                leaders.sort_unstable();
                let wanted = live
                    .iter()
                    .zip(0..)
                    .map(|((id, _), at)| (at, *id, vec![*id]));
                leaders == wanted.collect::<Vec<_>>()
            },
        );
    }
}

/// Writes to each partition and reads it back.
fn serve(cluster: &Cluster, topic: &str) {
    for ((id, _), partition) in cluster.live().into_iter().zip(0..) {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        let value = format!("{topic} {partition}");
        builder.append(
            1_700_000_000_000,
            None,
            Some(value.as_bytes()),
            std::iter::empty(),
        );
        let produce = ProduceRequest {
            acks: -1,
            timeout_ms: 30_000,
            topic_data: vec![TopicProduceData {
                name: topic.into(),
                partition_data: vec![PartitionProduceData {
                    index: partition,
                    records: Records::Bytes(builder.build().unwrap().into()),
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        };
        let mut broker = cluster.connect(id);
        let done = broker.call(3, &produce).unwrap();
        let done = &done.responses[0].partition_responses[0];
        assert_eq!(done.error_code, ErrorCode::NONE, "broker {id}");
        let fetch = FetchRequest {
            max_bytes: 1 << 20,
            min_bytes: 1,
            max_wait_ms: 10_000,
            topics: vec![FetchTopic {
                topic: topic.into(),
                partitions: vec![FetchPartition {
                    partition,
                    fetch_offset: done.base_offset,
                    partition_max_bytes: 1 << 20,
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        };
        let read = broker.call(4, &fetch).unwrap();
        let read = &read.responses[0].partitions[0];
        assert_eq!(read.error_code, ErrorCode::NONE, "broker {id}");
        let bytes = read.records.bytes().cloned().unwrap_or_default();
        let mut scratch = Vec::new();
        let batch = Batches::new(&bytes).next().unwrap().unwrap();
        let record = batch
            .records(&mut scratch, 1 << 20)
            .unwrap()
            .next()
            .unwrap();
        let found = record.unwrap().value == Some(value.as_bytes());
        assert!(found, "broker {id} lost {value}");
    }
}

/// Apache's console programs: a producer of one version, a group's consumer of the other.
fn console(cluster: &Cluster, topic: &str) {
    let all: Vec<_> = cluster.live().iter().map(|(_, a)| a.to_string()).collect();
    for (at, bootstrap) in all.iter().enumerate() {
        let (_, producer) = JAVA[at % 2];
        let (_, consumer) = JAVA[(at + 1) % 2];
        let (sent, group) = (format!("line {at}\n"), format!("{topic}-{at}"));
        let send = ["--bootstrap-server", bootstrap, "--topic", topic];
        cluster
            .java
            .tool(
                &format!("kafka-{producer}"),
                "kafka.tools.ConsoleProducer",
                &send,
                &sent,
            )
            .success();
        let wanted = (at + 4).to_string();
        let main = match consumer {
            "2.7.0" => "kafka.tools.ConsoleConsumer",
            _ => "org.apache.kafka.tools.consumer.ConsoleConsumer",
        };
        let receive = [
            "--bootstrap-server",
            bootstrap,
            "--topic",
            topic,
            "--group",
            &group,
            "--from-beginning",
            "--max-messages",
            &wanted,
            "--timeout-ms",
            "60000",
        ];
        let peer = format!("kafka-{consumer}");
        let read = cluster.java.tool(&peer, main, &receive, "").success();
        assert!(read.contains(sent.trim_end()), "{consumer}: {read}");
    }
}

fn delete(cluster: &Cluster, controller: i32, topic: &str) {
    let request = DeleteTopicsRequest {
        topic_names: vec![topic.into()],
        timeout_ms: 60_000,
        ..Default::default()
    };
    let gone = cluster.connect(controller).call(3, &request).unwrap();
    assert_eq!(gone.responses[0].error_code, ErrorCode::NONE, "{gone:?}");
    for (id, addr) in cluster.live() {
        wait_until(&format!("broker {id} to forget {topic}"), || {
            metadata(addr, topic).topics[0].error_code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        });
    }
}

/// Everything, under that controller.
fn check(cluster: &Cluster, controller: i32) {
    let topic = format!("of-{controller}");
    agree(cluster, controller);
    create(cluster, controller, &topic);
    led_by_all(cluster, &topic);
    serve(cluster, &topic);
    console(cluster, &topic);
    let short = format!("short-{controller}");
    create(cluster, controller, &short);
    led_by_all(cluster, &short);
    delete(cluster, controller, &short);
}

#[test]
fn our_broker_and_javas_of_2_7_and_3_9_are_one_cluster() {
    let java = java_or_skip!();
    let dir = tempfile::tempdir().unwrap();
    let zookeeper = ZkConfig::new(&dir.path().join("zk")).start_java(java, "3.6.2");
    let connect = zookeeper.connect_string();
    let mut cluster = Cluster {
        java,
        dir: dir.path().to_owned(),
        config: BrokerConfig::new(&dir.path().join("ours"), OURS, &connect, LINES),
        zookeeper,
        ours: None,
        theirs: [None, None],
    };
    for id in [OURS, 1, 2] {
        cluster.start(id);
    }
    check(&cluster, OURS);

    // the next controller is who is left; the others come back to it
    for (controller, others) in [(1, [OURS, 2]), (2, [OURS, 1])] {
        for id in others {
            cluster.stop(id);
        }
        agree(&cluster, controller);
        for id in others {
            cluster.start(id);
        }
        for earlier in 0..controller {
            led_by_all(&cluster, &format!("of-{earlier}"));
        }
        check(&cluster, controller);
    }
    // killed: its session ends, and one of the others takes over
    cluster.theirs[1].take().unwrap().process.kill();
    cluster.stop(1);
    agree(&cluster, OURS);
    cluster.start(1);
    agree(&cluster, OURS);
    let (_, addr) = cluster.live()[1];
    wait_until(
        "the killed broker's partition to be without a leader",
        || {
            let known = metadata(addr, "of-0");
            let of = |at| {
                known.topics[0]
                    .partitions
                    .iter()
                    .find(|p| p.partition_index == at)
            };
            of(2).is_some_and(|p| p.leader_id < 0) && of(1).is_some_and(|p| p.leader_id == 1)
        },
    );
}
