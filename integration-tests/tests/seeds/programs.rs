//! Client programs: SimpleProducer and SimpleConsumer of the INSAT exercise with Apache's client
//! library, produce.py and consume.py of the other exercise with confluent_kafka 2.4.0.

use std::path::PathBuf;
use std::process::Command;

use integration_tests::java_or_skip;
use integration_tests::peers::Java;
use integration_tests::proc::{Process, repo_root, run, skipped, target_dir, wait_until};
use nix::sys::signal::Signal;

use crate::lab::Lab;

fn source(name: &str) -> PathBuf {
    repo_root()
        .join("integration-tests/scenarios/seeds")
        .join(name)
}

/// ZooKeeper and one broker, as start-kafka-zookeeper.sh of the exercises starts them.
fn start() -> Lab {
    let lab = Lab::install();
    lab.edit_zookeeper_properties();
    lab.edit_server_properties("/opt/kafka/config/server.properties", &[]);
    lab.run("zookeeper-server-start.sh -daemon $KAFKA_HOME/config/zookeeper.properties")
        .success();
    lab.run("kafka-server-start.sh -daemon $KAFKA_HOME/config/server.properties")
        .success();
    lab.wait_for_brokers(9092, 1);
    lab
}

fn java_program(lab: &Lab, java: Java, version: &str, name: &str, topic: &str) -> Command {
    let peer = format!("kafka-clients-{version}");
    let mut command = java.program(&peer, &source(&format!("003/{name}.java")));
    command.args([topic, &lab.mapped("localhost:9092")]);
    command
}

#[test]
fn simple_producer_with_clients_of_0_8_and_3_9() {
    let java = java_or_skip!();
    let lab = start();
    lab.run(
        "kafka-topics.sh --create --zookeeper localhost:2181 --replication-factor 1 \
         --partitions 1 --topic Hello-Kafka",
    )
    .success();
    for version in ["0.8.2.1", "3.9.2"] {
        let command = java_program(&lab, java, version, "SimpleProducer", "Hello-Kafka");
        let said = run(command, b"").success();
        assert_eq!(said, "Message envoye avec succes\n", "{version}");
    }
    let mut consumer = lab.start(
        "kafka-console-consumer.sh --bootstrap-server localhost:9092 --topic Hello-Kafka \
         --from-beginning",
    );
    let numbers = "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n";
    let twice = numbers.repeat(2);
    wait_until("the consumer to print what both producers sent", || {
        consumer.assert_running();
        consumer.log().contains(&twice)
    });
    consumer.signal(Signal::SIGINT);
    consumer.wait();
    let said = consumer.log();
    assert!(
        said.ends_with("Processed a total of 20 messages\n"),
        "{said}"
    );
}

/// The offsets of the lines that a SimpleConsumer printed; keys and values must go with them.
#[track_caller]
fn received(consumer: &Process) -> Vec<u64> {
    let log = consumer.log();
    let complete = log.rsplit_once('\n').map_or("", |(complete, _)| complete);
    let lines = complete
        .lines()
        .filter_map(|line| line.strip_prefix("offset = "));
    let mut offsets = Vec::new();
    for line in lines {
        let (offset, rest) = line.split_once(", ").unwrap();
        let offset: u64 = offset.parse().unwrap();
        let digit = offset % 10;
        assert_eq!(rest, format!("key = {digit}, value = {digit}"), "{log}");
        offsets.push(offset);
    }
    offsets
}

#[test]
fn simple_consumer_with_clients_of_0_9_and_3_9() {
    let java = java_or_skip!();
    let lab = start();
    lab.run(
        "kafka-topics.sh --create --zookeeper localhost:2181 --replication-factor 1 \
         --partitions 1 --topic Hello-Kafka",
    )
    .success();
    let mut seen = 0;
    for version in ["0.9.0.1", "3.9.2"] {
        let command = java_program(&lab, java, version, "SimpleConsumer", "Hello-Kafka");
        let mut consumer = lab.start_command(&format!("SimpleConsumer {version}"), command);
        // It begins at the end of the log, wherever that is when it has joined: the producer runs
        // again until it has seen a whole run.
        wait_until("the consumer to print ten messages", || {
            consumer.assert_running();
            if received(&consumer).len() < 10 {
                let command = java_program(&lab, java, "3.9.2", "SimpleProducer", "Hello-Kafka");
                run(command, b"").success();
            }
            received(&consumer).len() >= 10
        });
        assert!(consumer.log().contains("Souscris au topic Hello-Kafka\n"));
        let offsets = received(&consumer);
        let first = offsets[0];
        // One group in both rounds: the second goes on where the first has committed.
        assert!(first >= seen, "{offsets:?}");
        let expected: Vec<u64> = (first..first + offsets.len() as u64).collect();
        assert_eq!(offsets, expected, "{version}");
        consumer.signal(Signal::SIGTERM);
        consumer.wait();
        seen = first;
    }
}

/// A Python with confluent_kafka 2.4.0, or why there is none.
fn python() -> Result<PathBuf, String> {
    let venv = target_dir().join("peers/confluent-kafka-2.4.0");
    let python = venv.join("bin/python3");
    let has_it = |python: &PathBuf| {
        let mut command = Command::new(python);
        let found = command.args(["-c", "import confluent_kafka"]).output();
        found.is_ok_and(|output| output.status.success())
    };
    if has_it(&python) {
        return Ok(python);
    }
    let made = Command::new("python3")
        .args(["-m", "venv"])
        .arg(&venv)
        .output();
    if !made.is_ok_and(|output| output.status.success()) {
        return Err("no Python with venv here (apt-get install python3-venv)".into());
    }
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "--disable-pip-version-check", "-q", "install"])
        .args(["--only-binary", ":all:", "confluent_kafka==2.4.0"]);
    let installed = run(pip, b"");
    if has_it(&python) {
        return Ok(python);
    }
    Err(format!(
        "pip installs no confluent_kafka 2.4.0: {}",
        installed.stderr.trim()
    ))
}

#[test]
fn produce_and_consume_in_python() {
    let python = match python() {
        Ok(python) => python,
        Err(why) => return skipped(&why),
    };
    let lab = start();
    let created = lab
        .run(
            "cd /opt/kafka/bin && ./kafka-topics.sh --create --topic data_stream \
             --bootstrap-server localhost:9092",
        )
        .success();
    assert!(
        created.ends_with("Created topic data_stream.\n"),
        "{created}"
    );
    let script = |name: &str| {
        let mut command = Command::new(&python);
        command
            .arg(source(name))
            .arg(lab.mapped("localhost:9092"))
            .env("PYTHONIOENCODING", "utf-8");
        command
    };
    let delivered = run(script("001/produce.py"), b"").success();
    let lines: Vec<&str> = delivered.lines().collect();
    assert_eq!(lines.len(), 10, "{delivered}");
    let start = "Message delivered: <cimpl.Message object at ";
    assert!(
        lines.iter().all(|line| line.starts_with(start)),
        "{delivered}"
    );

    let mut consumer = lab.start_command("consume.py", script("001/consume.py"));
    let expected = "Received message: Insérer ici votre premier message
Received message: Deuxieme
Received message: Troisieme
Received message: troisieme
Received message: quatrieme
Received message: cinquieme
Received message: sixieme
Received message: septieme
Received message: huitieme
Received message: neuvieme
";
    wait_until("consume.py to print ten messages", || {
        consumer.assert_running();
        consumer.log().lines().count() >= 10
    });
    consumer.signal(Signal::SIGINT);
    consumer.wait();
    assert_eq!(consumer.log(), expected);
}
