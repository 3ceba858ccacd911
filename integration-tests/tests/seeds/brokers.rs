//! "Configuration de plusieurs brokers" of the INSAT exercise: copies of server.properties with
//! other ids, ports and folders, all on one host. They share out partitions of factor 1; copies of
//! partitions are another matter.

use std::collections::BTreeSet;

use integration_tests::proc::{Process, wait_until};
use nix::sys::signal::Signal;

use crate::lab::Lab;

const ONE: [&str; 3] = [
    "broker.id = 1",
    "listeners=PLAINTEXT://localhost:9093",
    "log.dirs=/tmp/kafka-logs-1",
];
const TWO: [&str; 3] = [
    "broker.id = 2",
    "listeners=PLAINTEXT://localhost:9094",
    "log.dirs=/tmp/kafka-logs-2",
];

/// ZooKeeper and the three brokers of the exercise.
fn start() -> (Lab, [Process; 4]) {
    let lab = Lab::install();
    lab.edit_zookeeper_properties();
    lab.edit_server_properties("/opt/kafka/config/server-one.properties", &ONE);
    lab.edit_server_properties("/opt/kafka/config/server-two.properties", &TWO);
    lab.edit_server_properties("/opt/kafka/config/server.properties", &[]);
    let zookeeper = lab.start("zookeeper-server-start.sh $KAFKA_HOME/config/zookeeper.properties");
    let brokers = ["server", "server-one", "server-two"].map(|name| {
        lab.start(&format!(
            "kafka-server-start.sh $KAFKA_HOME/config/{name}.properties"
        ))
    });
    for port in [9092, 9093, 9094] {
        lab.wait_for_brokers(port, 3);
    }
    let [server, one, two] = brokers;
    (lab, [zookeeper, server, one, two])
}

/// The leaders that `kafka-topics --describe` names, in partition order.
fn leaders(lab: &Lab, topic: &str) -> Vec<String> {
    let described = lab
        .run(&format!(
            "kafka-topics.sh --describe --zookeeper localhost:2181 --topic {topic}"
        ))
        .success();
    let fields = described.lines().skip(1).map(|line| line.split('\t'));
    let field = |mut fields: std::str::Split<'_, char>| {
        fields.find_map(|field| field.trim().strip_prefix("Leader: ").map(str::to_owned))
    };
    fields.filter_map(field).collect()
}

#[test]
fn several_brokers_share_out_partitions() {
    let (lab, [_zookeeper, _server, _one, mut two]) = start();
    let ids = lab
        .run("zookeeper-shell.sh localhost:2181 ls /brokers/ids")
        .success();
    assert!(ids.contains("[0, 1, 2]"), "{ids}");

    lab.run(
        "kafka-topics.sh --create --zookeeper localhost:2181 --replication-factor 1 \
         --partitions 6 --topic Hello-Kafka",
    )
    .success();
    let all: BTreeSet<String> = ["0", "1", "2"].map(str::to_owned).into();
    wait_until("every broker to lead", || {
        let leaders = leaders(&lab, "Hello-Kafka");
        leaders.len() == 6 && leaders.iter().cloned().collect::<BTreeSet<_>>() == all
    });
    for (logs, port) in [
        ("kafka-logs", 9092),
        ("kafka-logs-1", 9093),
        ("kafka-logs-2", 9094),
    ] {
        // Each serves what it leads, whoever is asked first.
        let lines: String = (0..20).map(|n| format!("{port}-{n}\n")).collect();
        let produce =
            format!("kafka-console-producer.sh --broker-list localhost:{port} --topic Hello-Kafka");
        lab.type_into(&produce, &lines).success();
        wait_until(&format!("two partitions in {logs}"), || {
            let dir = lab.path("/tmp").join(logs);
            let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
            let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
            names
                .filter(|name| name.starts_with("Hello-Kafka-"))
                .count()
                == 2
        });
    }
    let mut consumer = lab.start(
        "kafka-console-consumer.sh --bootstrap-server localhost:9093 --topic Hello-Kafka \
         --from-beginning",
    );
    wait_until("the consumer to print what all brokers hold", || {
        consumer.assert_running();
        consumer.log().lines().collect::<BTreeSet<_>>().len() >= 60
    });
    consumer.signal(Signal::SIGINT);
    consumer.wait();
    let said = consumer.log();
    assert!(
        said.contains("Processed a total of 60 messages\n"),
        "{said}"
    );

    // A broker that ends is missed by the others, and is back when it starts again.
    assert_eq!(two.stop().code(), Some(0));
    for port in [9092, 9093] {
        lab.wait_for_brokers(port, 2);
    }
    wait_until("two partitions without leader", || {
        let leaders = leaders(&lab, "Hello-Kafka");
        leaders.iter().filter(|leader| *leader == "none").count() == 2
    });
    let _two = lab.start("kafka-server-start.sh $KAFKA_HOME/config/server-two.properties");
    lab.wait_for_brokers(9094, 3);
    wait_until("every broker to lead again", || {
        leaders(&lab, "Hello-Kafka")
            .into_iter()
            .collect::<BTreeSet<_>>()
            == all
    });
}
