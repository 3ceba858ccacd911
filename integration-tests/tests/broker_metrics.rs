//! The broker's metrics next to those of Apache's broker behind the JMX exporter: the same names with
//! the same labels. And Debian's Prometheus gets them.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use integration_tests::bench::kafka_load::KafkaLoad;
use integration_tests::bench::round::Until;
use integration_tests::broker::{BrokerConfig, RawKafka};
use integration_tests::java_or_skip;
use integration_tests::peers::JavaBroker;
use integration_tests::proc::{Port, Process, repo_root, skipped, wait_until};
use integration_tests::zk::ZkConfig;
use proto::kafka::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use proto::kafka::messages::find_coordinator::FindCoordinatorRequest;
use proto::kafka::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use proto::kafka::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use proto::kafka::{ErrorCode, Records};
use proto::records::{BatchBuilder, BatchOptions, Compression, MessageSetBuilder};

/// Names of Java that have no counterpart here, by what they begin with, and why.
const NOT_HERE: &[(&str, &str)] = &[
    ("kafka_network_requestmetrics_throttletimems", "quotas"),
    (
        "kafka_network_requestchannel_",
        "no queue between network and handlers",
    ),
    (
        "kafka_network_socketserver_controlplane",
        "no listener of the controller's own",
    ),
    ("kafka_network_socketserver_expiredconnections", "SASL"),
    (
        "kafka_controller_controllerchannelmanager_requestrate",
        "no connection to itself",
    ),
    (
        "kafka_controller_controllerchannelmanager_queuesize",
        "no connection to itself",
    ),
    (
        "kafka_controller_controllerstats_",
        "work that this controller does not do",
    ),
    ("kafka_controller_kafkacontroller_zkmigrationstate", "KRaft"),
    (
        "kafka_controller_kafkacontroller_fencedbrokercount",
        "KRaft",
    ),
    ("kafka_coordinator_transaction_", "transactions"),
    ("kafka_log_logcleaner", "compaction"),
    ("kafka_utils_throttler_cleaner", "compaction"),
    ("kafka_server_addpartitionstotxnmanager_", "transactions"),
    (
        "kafka_server_brokertopicmetrics_replicationbytes",
        "replication",
    ),
    (
        "kafka_server_brokertopicmetrics_reassignmentbytes",
        "replication",
    ),
    ("kafka_server_kafkaserver_yammer", "Java's library"),
    ("kafka_server_replicaalterlogdirsmanager_", "moving logs"),
    ("kafka_server_replicafetchermanager_", "replication"),
    (
        "kafka_server_replicamanager_partitionswithlatetransactions",
        "transactions",
    ),
    (
        "kafka_server_replicamanager_reassigningpartitions",
        "replication",
    ),
    ("kafka_server_sessionexpirelistener_zookeepersasl", "SASL"),
    (
        "kafka_server_sessionexpirelistener_zookeeperreadonly",
        "no such sessions",
    ),
];

/// Kinds of work of [`NOT_HERE`] that this controller does.
const CONTROLLER_TASKS: &[&str] = &[
    "controllerchange",
    "leaderelection",
    "topicchange",
    "topicdeletion",
    "autoleaderbalance",
    "manualleaderbalance",
    "controlledshutdown",
    "isrchange",
    "uncleanleaderelections",
];

fn is_expected(name: &str) -> bool {
    if let Some(task) = name.strip_prefix("kafka_controller_controllerstats_") {
        let task = task
            .split("rateandtime")
            .next()
            .unwrap()
            .trim_end_matches("_total");
        return CONTROLLER_TASKS.contains(&task);
    }
    let without = NOT_HERE.iter().any(|(prefix, _)| name.starts_with(prefix));
    name.starts_with("kafka_") && !without
}

fn get(addr: SocketAddr, path: &str) -> String {
    let Ok(mut socket) = TcpStream::connect(addr) else {
        return String::new();
    };
    let ask = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let mut answer = Vec::new();
    let _ = socket.write_all(ask.as_bytes());
    let _ = socket.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sample names, each with the sets of labels that it has.
fn names(text: &str) -> BTreeMap<String, BTreeSet<Vec<String>>> {
    let mut names: BTreeMap<String, BTreeSet<Vec<String>>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let end = line.find(['{', ' ']).unwrap_or(line.len());
        let labels = match line[end..].strip_prefix('{') {
            Some(rest) => rest.split('}').next().unwrap(),
            None => "",
        };
        let keys = labels.split("\",").filter_map(|one| one.split_once("=\""));
        let mut keys: Vec<String> = keys.map(|(key, _)| key.to_owned()).collect();
        keys.sort_unstable();
        names
            .entry(line[..end].to_owned())
            .or_default()
            .insert(keys);
    }
    names
}

/// Reads from the start of the topic, waiting for so much.
fn fetch(broker: &mut RawKafka, min_bytes: i32, max_wait_ms: i32) {
    let request = FetchRequest {
        max_wait_ms,
        min_bytes,
        max_bytes: 1 << 30,
        topics: vec![FetchTopic {
            topic: "topic".into(),
            partitions: vec![FetchPartition {
                partition_max_bytes: 1,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    broker.call(4, &request).unwrap();
}

/// A little of everything that is measured.
fn use_it(addr: SocketAddr) {
    let mut broker = RawKafka::connect(addr).unwrap();
    wait_until("a coordinator", || {
        let find = FindCoordinatorRequest {
            key: "group".into(),
            ..Default::default()
        };
        broker.call(3, &find).unwrap().error_code == ErrorCode::NONE
    });
    let mut load = KafkaLoad::prepare(addr, "topic").unwrap();
    load.produce(1000, 1, Until::Time(Duration::from_millis(100)))
        .unwrap();
    fetch(&mut broker, 1, 1000);
    fetch(&mut broker, 1 << 30, 10);
    let nobody = MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            name: Some("not a name".into()),
            ..Default::default()
        }]),
        ..Default::default()
    };
    broker.call(5, &nobody).unwrap();
}

#[test]
fn names_and_labels_are_those_of_java_behind_the_jmx_exporter() {
    let java = java_or_skip!();
    let dir = tempfile::tempdir().unwrap();
    let zookeeper = ZkConfig::new(&dir.path().join("zk")).start_ours();
    let connect = |chroot| format!("{}{chroot}", zookeeper.connect_string());
    let (port, agent) = (Port::reserve(), java.class_path("jmx-exporter"));
    let jar = agent
        .split(':')
        .find(|jar| jar.contains("javaagent"))
        .unwrap();
    let rules = repo_root().join("integration-tests/peers/jmx-exporter/kafka.yml");
    let option = format!("-javaagent:{jar}={}:{}", port.addr(), rules.display());
    let theirs = dir.path().join("theirs");
    let options = [option.as_str()];
    let theirs = JavaBroker::start_with(java, "3.9.2", &theirs, 0, &connect("/j"), &[], &options);
    use_it(theirs.addr());
    let mut wanted = BTreeMap::new();
    wait_until("Java's requests to be counted", || {
        wanted = names(&get(port.addr(), "/metrics"));
        wanted.contains_key("kafka_network_requestmetrics_errors_total")
    });

    let (port, dir) = (Port::reserve(), dir.path().join("ours"));
    let metrics = format!("metrics.http.port={}", port.number());
    let ours = BrokerConfig::new(&dir, 0, &connect("/o"), &[&metrics]);
    let _ours = ours.start();
    use_it(ours.addr());
    wait_until("the endpoint", || TcpStream::connect(port.addr()).is_ok());
    let text = get(port.addr(), "/metrics");
    let have = names(&text);
    let mut wrong = Vec::new();
    for (name, labels) in wanted.iter().filter(|(name, _)| is_expected(name)) {
        match have.get(name) {
            None => wrong.push(format!("{name} {labels:?} is missing")),
            Some(found) if !found.is_superset(labels) => {
                wrong.push(format!("{name} has {found:?}, Java's has {labels:?}"));
            }
            Some(_) => {}
        }
    }
    // what Java does not have is ours by name
    for name in have.keys().filter(|name| name.starts_with("kafka_")) {
        let own = name.ends_with("_sum") || name.contains("socket_server_metrics_connection");
        if !own && !wanted.contains_key(name) {
            wrong.push(format!("{name} is not Java's"));
        }
    }
    assert!(wrong.is_empty(), "{}\n{text}", wrong.join("\n"));
    for line in [
        "kafka_network_requestmetrics_errors_total{request=\"Metadata\",error=\"INVALID_TOPIC_EXCEPTION\",} 1.0",
        "kafka_network_requestmetrics_localtimems{request=\"Produce\",quantile=\"0.50\",} ",
        "kafka_network_requestmetrics_totaltimems_count{request=\"FetchConsumer\",} ",
        "kafka_server_kafkaserver_brokerstate 3.0",
        "kafka_network_socketserver_networkprocessoravgidlepercent ",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

/// Time goes where it is spent: a fetch that waits for records waits for others.
#[test]
fn the_time_of_requests_is_split_by_where_it_went() {
    let dir = tempfile::tempdir().unwrap();
    let zookeeper = ZkConfig::new(&dir.path().join("zk")).start_ours();
    let port = Port::reserve();
    let metrics = format!("metrics.http.port={}", port.number());
    let dir = dir.path().join("broker");
    let broker = BrokerConfig::new(&dir, 0, &zookeeper.connect_string(), &[&metrics]);
    let _broker = broker.start();
    let mut load = KafkaLoad::prepare(broker.addr(), "topic").unwrap();
    load.produce(1000, 1, Until::Time(Duration::from_millis(100)))
        .unwrap();
    fetch(&mut RawKafka::connect(broker.addr()).unwrap(), 1 << 30, 700);
    wait_until("the endpoint", || TcpStream::connect(port.addr()).is_ok());
    let text = get(port.addr(), "/metrics");
    let sum = |part: &str, request: &str| -> f64 {
        let name = format!("kafka_network_requestmetrics_{part}_sum{{request=\"{request}\",}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&name));
        line.unwrap_or_else(|| panic!("{name}\n{text}"))
            .parse()
            .unwrap()
    };
    assert!(sum("remotetimems", "FetchConsumer") >= 699.0, "{text}");
    assert!(sum("localtimems", "FetchConsumer") < 600.0, "{text}");
    assert!(sum("localtimems", "Produce") > 0.0, "{text}");
    assert!(sum("remotetimems", "Produce") < 0.001, "{text}");
    for request in ["Produce", "Fetch", "Metadata"] {
        let parts = [
            "requestqueue",
            "local",
            "remote",
            "responsequeue",
            "responsesend",
        ];
        let all: f64 = parts
            .iter()
            .map(|part| sum(&format!("{part}timems"), request))
            .sum();
        let total = sum("totaltimems", request);
        assert!(
            all <= total + 0.01 && all >= total * 0.5,
            "{request} {all} {total}"
        );
    }
    assert!(
        text.contains(
            "kafka_server_delayedfetchmetrics_expires_total{fetcherType=\"consumer\",} 1.0"
        )
    );
}

fn produce(topic: &str, records: Vec<u8>) -> ProduceRequest {
    ProduceRequest {
        acks: 1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: topic.into(),
            partition_data: vec![PartitionProduceData {
                records: Records::Bytes(records.into()),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn old_messages(magic: u8) -> Vec<u8> {
    let mut set = MessageSetBuilder::new(magic, Compression::None, None);
    for n in 0..500 {
        set.append(n, 1_700_000_000_000, Some(b"key"), Some(b"value"));
    }
    let mut records = Vec::new();
    set.finish_into(&mut records).unwrap();
    records
}

/// Records that are written anew and records that are refused are counted, as are the controller's news.
#[test]
fn conversions_and_what_is_refused_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let zookeeper = ZkConfig::new(&dir.path().join("zk")).start_ours();
    let port = Port::reserve();
    let metrics = format!("metrics.http.port={}", port.number());
    let lines = [metrics.as_str(), "log.cleanup.policy=compact"];
    let dir = dir.path().join("broker");
    let config = BrokerConfig::new(&dir, 0, &zookeeper.connect_string(), &lines);
    let _process = config.start();
    let _topic = KafkaLoad::prepare(config.addr(), "topic").unwrap();
    let mut broker = RawKafka::connect(config.addr()).unwrap();
    let mut codes = Vec::new();
    let mut send = |version, records| {
        let answer = broker.call(version, &produce("topic", records)).unwrap();
        codes.push(answer.responses[0].partition_responses[0].error_code);
    };
    send(2, old_messages(1));
    send(2, [old_messages(0), old_messages(1)].concat());
    let batch = |sequence, keys: &[Option<&[u8]>]| {
        let options = BatchOptions {
            producer_id: 7,
            producer_epoch: 0,
            base_sequence: sequence,
            ..Default::default()
        };
        let mut builder = BatchBuilder::new(options);
        for key in keys {
            builder.append(1_700_000_000_000, *key, Some(b"v"), std::iter::empty());
        }
        builder.build().unwrap()
    };
    send(3, batch(-1, &[Some(b"k")]));
    send(3, batch(0, &[None, Some(b"k"), None]));
    let refused = ErrorCode::INVALID_RECORD;
    assert_eq!(codes, [ErrorCode::NONE, refused, refused, refused]);
    let old = FetchRequest {
        max_wait_ms: 1000,
        min_bytes: 1,
        topics: vec![FetchTopic {
            topic: "topic".into(),
            partitions: vec![FetchPartition {
                partition_max_bytes: 1 << 20,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    broker.call(1, &old).unwrap();
    wait_until("the endpoint", || TcpStream::connect(port.addr()).is_ok());
    let text = get(port.addr(), "/metrics");
    let value = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let value = line.unwrap_or_else(|| panic!("{name}\n{text}"));
        value.trim().parse().unwrap()
    };
    const TOPICS: &str = "kafka_server_brokertopicmetrics";
    for (name, count) in [
        ("invalidmagicnumberrecords", 1.0),
        ("invalidoffsetorsequencerecords", 1.0),
        ("nokeycompactedtopicrecords", 2.0),
    ] {
        let counted = value(&format!("{TOPICS}_{name}_total "));
        assert!((counted - count).abs() < 0.1, "{name} {counted}");
    }
    const REQUESTS: &str = "kafka_network_requestmetrics";
    for request in ["Produce", "Fetch"] {
        let label = format!("_sum{{request=\"{request}\",}} ");
        let time = value(&format!("{REQUESTS}_messageconversionstimems{label}"));
        let bytes = value(&format!("{REQUESTS}_temporarymemorybytes{label}"));
        assert!(time > 0.0 && bytes > 1000.0, "{request} {time} {bytes}");
    }
    assert!(!text.contains("messageconversionstimems_count{request=\"Metadata\""));
    assert!(value("kafka_controller_controllereventmanager_eventqueuetimems_count ") >= 1.0);
    const HANDLERS: &str = "kafka_server_kafkarequesthandlerpool_requesthandleravgidlepercent";
    let idle = value(&format!("{HANDLERS}_count "));
    let up = value("process_start_time_seconds ");
    let most = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64() - up + 2.0;
    assert!(idle > 0.0 && idle < most * 1e9, "{idle} {most}");
}

#[test]
fn debians_prometheus_scrapes_us() {
    if Command::new("prometheus")
        .arg("--version")
        .output()
        .is_err()
    {
        return skipped("no prometheus on this machine (apt-get install prometheus)");
    }
    let dir = tempfile::tempdir().unwrap();
    let zookeeper = ZkConfig::new(&dir.path().join("zk")).start_ours();
    let (port, web) = (Port::reserve(), Port::reserve());
    let metrics = format!("metrics.http.port={}", port.number());
    let connect = zookeeper.connect_string();
    let broker = BrokerConfig::new(&dir.path().join("broker"), 0, &connect, &[&metrics]);
    let _broker = broker.start();
    let mut load = KafkaLoad::prepare(broker.addr(), "topic").unwrap();
    load.produce(1000, 1, Until::Time(Duration::from_millis(100)))
        .unwrap();
    let config = dir.path().join("prometheus.yml");
    let scrape = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: kafka\n  static_configs:\n  - targets: ['{}']\n",
        port.addr()
    );
    std::fs::write(&config, scrape).unwrap();
    // one that asks for the text format, and one that asks for protobuf
    for (at, feature) in [None, Some("--enable-feature=native-histograms")]
        .iter()
        .enumerate()
    {
        let mut command = Command::new("prometheus");
        let data = dir.path().join(format!("tsdb-{at}"));
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg(format!("--web.listen-address={}", web.addr()))
            .args(*feature);
        let log = dir.path().join(format!("prometheus-{at}.log"));
        let mut prometheus = Process::spawn("prometheus", command, &log);
        for query in [
            "kafka_server_brokertopicmetrics_messagesin_total%7Btopic=%22topic%22%7D",
            "kafka_network_requestmetrics_totaltimems%7Brequest=%22Produce%22,quantile=%220.50%22%7D",
            "kafka_network_requestmetrics_totaltimems_count%7Brequest=%22Produce%22%7D",
            "kafka_controller_kafkacontroller_activecontrollercount",
            "up==1",
        ] {
            wait_until(query, || {
                prometheus.assert_running();
                let answer = get(web.addr(), &format!("/api/v1/query?query={query}"));
                answer.contains("\"value\"")
            });
        }
        prometheus.kill();
    }
}
