//! Records through our broker with Apache's own clients of every age: what one writes, all read.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test")]

use integration_tests::broker::BrokerConfig;
use integration_tests::java_or_skip;
use integration_tests::peers::Java;
use integration_tests::zk::ZkConfig;

const PRODUCER: &str = "kafka.tools.ConsoleProducer";
const CONSUMER: &str = "kafka.tools.ConsoleConsumer";
const NEW_CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const OLD: &str = "kafka-0.8.2.1";
const MIDDLE: &str = "kafka-2.7.0";
const NEW: &str = "kafka-3.9.2";

/// Producers: peer, arguments beside the broker, and what the lines say.
const WRITERS: &[(&str, &[&str], &str)] = &[
    (OLD, &[], "0.8-none"),
    (OLD, &["--compression-codec", "gzip"], "0.8-gzip"),
    (OLD, &["--compression-codec", "snappy"], "0.8-snappy"),
    (OLD, &["--new-producer"], "0.8.2-none"),
    (
        OLD,
        &["--new-producer", "--compression-codec", "lz4"],
        "0.8.2-lz4",
    ),
    (MIDDLE, &[], "2.7-none"),
    (MIDDLE, &["--compression-codec", "gzip"], "2.7-gzip"),
    (MIDDLE, &["--compression-codec", "snappy"], "2.7-snappy"),
    (MIDDLE, &["--compression-codec", "lz4"], "2.7-lz4"),
    (NEW, &["--compression-codec", "gzip"], "3.9-gzip"),
    (NEW, &["--compression-codec", "snappy"], "3.9-snappy"),
    (NEW, &["--compression-codec", "lz4"], "3.9-lz4"),
    (
        NEW,
        &["--producer-property", "enable.idempotence=false"],
        "3.9-plain",
    ),
    (NEW, &[], "3.9-idempotent"),
];

/// Clients that came before it do not know zstd.
const ZSTD_WRITERS: &[(&str, &[&str], &str)] = &[
    (MIDDLE, &["--compression-codec", "zstd"], "2.7-zstd"),
    (NEW, &["--compression-codec", "zstd"], "3.9-zstd"),
];

fn write(
    java: Java,
    broker: &BrokerConfig,
    topic: &str,
    (peer, args, what): (&str, &[&str], &str),
    expected: &mut Vec<String>,
) {
    let bootstrap = broker.bootstrap();
    let to = if peer == NEW {
        "--bootstrap-server"
    } else {
        "--broker-list"
    };
    let mut all = vec![to, bootstrap.as_str(), "--topic", topic];
    all.extend(args);
    let lines: Vec<String> = (0..20).map(|n| format!("{what} {n}")).collect();
    java.tool(peer, PRODUCER, &all, &(lines.join("\n") + "\n"))
        .success();
    expected.extend(lines);
}

fn sorted(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn what_one_version_writes_all_versions_read() {
    let java = java_or_skip!();
    let dir = tempfile::tempdir().unwrap();
    let zk = ZkConfig::new(&dir.path().join("zk"));
    let zk = zk.start_ours();
    let broker = BrokerConfig::new(&dir.path().join("kafka"), 0, &zk.connect_string(), &[]);
    let _process = broker.start();
    let mut expected = Vec::new();
    for writer in WRITERS {
        write(java, &broker, "all", *writer, &mut expected);
    }
    expected.sort();
    let (bootstrap, zookeeper) = (broker.bootstrap(), zk.connect_string());
    let count = expected.len().to_string();
    let new = ["--bootstrap-server", &bootstrap];
    let old = ["--zookeeper", &zookeeper];
    let rest = [
        "--topic",
        "all",
        "--from-beginning",
        "--max-messages",
        &count,
    ];
    for (peer, main, how) in [
        (OLD, CONSUMER, &old),
        (MIDDLE, CONSUMER, &new),
        (NEW, NEW_CONSUMER, &new),
    ] {
        let args = [&how[..], &rest].concat();
        let out = java.tool(peer, main, &args, "").success();
        assert_eq!(sorted(&out), expected, "{peer}");
    }

    let mut expected = Vec::new();
    for writer in ZSTD_WRITERS {
        write(java, &broker, "zstd", *writer, &mut expected);
    }
    expected.sort();
    let count = expected.len().to_string();
    let rest = [
        "--topic",
        "zstd",
        "--from-beginning",
        "--max-messages",
        &count,
    ];
    for (peer, main) in [(MIDDLE, CONSUMER), (NEW, NEW_CONSUMER)] {
        let isolation = ["--isolation-level", "read_committed"];
        let args = [&new[..], &rest, &isolation].concat();
        let out = java.tool(peer, main, &args, "").success();
        assert_eq!(sorted(&out), expected, "{peer}");
    }
    let offsets = ["--bootstrap-server", &bootstrap, "--topic", "zstd"];
    let out = java
        .tool(NEW, "org.apache.kafka.tools.GetOffsetShell", &offsets, "")
        .success();
    assert_eq!(out.trim(), "zstd:0:40");
}
