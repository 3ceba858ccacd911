//! "Kafka et Zookeeper sur Ubuntu", its single-node part: zkServer.sh, kafka-server-start.sh
//! -daemon, a topic through ZooKeeper, two lines through it; and the cluster-stop script's lines.

use integration_tests::java_or_skip;
use integration_tests::proc::wait_until;

use crate::lab::Lab;

const ZOO_CFG: &str = "
# see zoo_sample.cfg_old for information about parameters

tickTime=2000
dataDir=/opt/zookeeper_data
clientPort=2181
initLimit=20
syncLimit=5

# this parameters are for a zookeeper cluster (assemble)
#server.1=pi-node13:2888:3888
#server.2=pi-node14:2888:3888
#server.3=pi-node15:2888:3888
";
const START_KAFKA: &str =
    "/opt/kafka/bin/kafka-server-start.sh -daemon /opt/kafka/config/server.properties";
const STOP_KAFKA: &str = "/opt/kafka/bin/kafka-server-stop.sh";
const STOP_ZOOKEEPER: &str = "/opt/zookeeper/bin/zkServer.sh stop";
const CREATE: &str = "/opt/kafka/bin/kafka-topics.sh --create --zookeeper localhost:2181 \
                      --replication-factor 1 --partitions 1 --topic test";
const TOPICS: &str = "/opt/kafka/bin/kafka-topics.sh --zookeeper localhost:2181";
const DESCRIBE: &str =
    "/opt/kafka/bin/kafka-topics.sh --zookeeper localhost:2181 --describe --topic test";
const PRODUCE: &str =
    "/opt/kafka/bin/kafka-console-producer.sh --broker-list localhost:9092 --topic test";
const CONSUME: &str = "/opt/kafka/bin/kafka-console-consumer.sh  --bootstrap-server localhost:9092 \
                       --topic test --from-beginning";
/// The tutorial of 0.8.2 reads through ZooKeeper.
const CONSUME_OLD: &str = "kafka-console-consumer.sh --zookeeper localhost:2181 --topic test \
                           --from-beginning";

/// Installs both services and starts ZooKeeper.
fn start_zookeeper() -> Lab {
    let lab = Lab::install();
    lab.run("mkdir /opt/zookeeper_data").success();
    lab.write("/opt/zookeeper/conf/zoo.cfg", ZOO_CFG);
    let started = lab.run("/opt/zookeeper/bin/zkServer.sh start");
    let config = lab.mapped("Using config: /opt/zookeeper/bin/../conf/zoo.cfg\n");
    assert!(started.stderr.contains(&config), "{started:?}");
    assert_eq!(started.success(), "Starting zookeeper ... STARTED\n");
    lab
}

/// Starts the broker, whose data folder is the tutorial's.
fn start_kafka(lab: &Lab) {
    lab.run("mkdir -p /opt/kafka_data").success();
    let file = "/opt/kafka/config/server.properties";
    lab.edit_server_properties(file, &["log.dirs=/opt/kafka_data"]);
    lab.run(START_KAFKA).success();
    lab.wait_for_brokers(9092, 1);
}

/// What a consumer printed until `^C`, once it has shown both lines.
#[track_caller]
fn read_both_lines(lab: &Lab, line: &str) -> String {
    let mut consumer = lab.start(line);
    wait_until("the consumer to print both lines", || {
        consumer.assert_running();
        consumer.log().contains("message test\n")
    });
    consumer.signal(nix::sys::signal::Signal::SIGINT);
    consumer.wait();
    consumer.log()
}

#[test]
fn zookeeper_starts_once_and_says_how_it_is() {
    let lab = start_zookeeper();
    let again = lab.run("/opt/zookeeper/bin/zkServer.sh start");
    let pid = lab.read("/opt/zookeeper_data/zookeeper_server.pid");
    assert_eq!(lab.processes(), [pid.trim().parse::<i32>().unwrap()]);
    let said = format!("Starting zookeeper ... already running as process {pid}.\n");
    assert_eq!(again.stdout, said);
    assert_eq!(again.status.code(), Some(1));

    let listening = lab.run("netstat -plnt | grep 2181");
    if listening.status.code() == Some(0) {
        let line = listening.success();
        assert!(line.contains("LISTEN"), "{line}");
        assert!(line.contains(&format!("{pid}/zk-server")), "{line}");
    }
    let status = lab.run("/opt/zookeeper/bin/zkServer.sh status").success();
    let found =
        lab.mapped("Client port found: 2181. Client address: localhost. Client SSL: false.");
    assert_eq!(status, format!("{found}\nMode: standalone\n"));

    let restarted = lab.run("/opt/zookeeper/bin/zkServer.sh restart").success();
    let said = "Stopping zookeeper ... STOPPED\nStarting zookeeper ... STARTED\n";
    assert_eq!(restarted, said);
    let stopped = lab.run("/opt/zookeeper/bin/zkServer.sh stop").success();
    assert_eq!(stopped, "Stopping zookeeper ... STOPPED\n");
    assert_eq!(lab.processes(), [0; 0]);
    let status = lab.run("/opt/zookeeper/bin/zkServer.sh status");
    let said = "Error contacting service. It is probably not running.\n";
    assert!(status.stdout.ends_with(said), "{status:?}");
    assert_eq!(status.status.code(), Some(1));
}

#[test]
fn walkthrough_with_our_tools() {
    let lab = start_zookeeper();
    start_kafka(&lab);
    two_lines_through_a_topic(&lab);

    // cluster-stop.sh, which ends both at once, and then ZooKeeper first: the broker cannot tell it
    stop_both(&lab, [STOP_KAFKA, STOP_ZOOKEEPER]);
    start_both(&lab);
    stop_both(&lab, [STOP_ZOOKEEPER, STOP_KAFKA]);
    let stopped = lab.run(STOP_KAFKA);
    assert_eq!(stopped.stdout, "No kafka server to stop\n");
    assert_eq!(stopped.status.code(), Some(1));

    // One that still waits for ZooKeeper stops as well.
    let mut early = lab.start("kafka-server-start.sh $KAFKA_HOME/config/server.properties");
    wait_until("the port to be taken", || {
        std::net::TcpStream::connect(lab.addr(9092)).is_ok()
    });
    early.signal(nix::sys::signal::Signal::SIGINT);
    assert_eq!(early.wait().code(), Some(0));

    start_both(&lab);
    for (consume, last) in [
        (CONSUME, "Processed a total of 2 messages\n"),
        (CONSUME_OLD, "Consumed 2 messages\n"),
    ] {
        let read = read_both_lines(&lab, consume);
        let said = format!("test test\nmessage test\n{last}");
        assert!(read.ends_with(&said), "{read}");
    }
}

#[track_caller]
fn stop_both(lab: &Lab, lines: [&str; 2]) {
    for line in lines {
        lab.run(line).success();
    }
    wait_until("both services to end", || lab.processes().is_empty());
}

/// cluster-start.sh.
#[track_caller]
fn start_both(lab: &Lab) {
    lab.run("/opt/zookeeper/bin/zkServer.sh start > /dev/null 2>&1 &")
        .success();
    lab.run(&format!("{START_KAFKA} > /dev/null 2>&1 &"))
        .success();
    lab.wait_for_brokers(9092, 1);
}

/// Creates the topic, describes it, writes two lines and reads them, as 2.7 and ours print it.
fn two_lines_through_a_topic(lab: &Lab) {
    let created = lab.run(CREATE).success();
    assert_eq!(created, "Created topic test.\n");
    let nothing = lab.run(TOPICS);
    assert_eq!(nothing.status.code(), Some(1), "{nothing:?}");
    let said = "Command must include exactly one action: \
                --list, --describe, --create, --alter or --delete";
    assert!(nothing.stderr.contains(said), "{nothing:?}");
    let described = lab.run(DESCRIBE).success();
    assert_eq!(
        described,
        "Topic: test\tPartitionCount: 1\tReplicationFactor: 1\tConfigs: \n\
         \tTopic: test\tPartition: 0\tLeader: 0\tReplicas: 0\tIsr: 0\n"
    );
    lab.type_into(PRODUCE, "test test\nmessage test\n")
        .success();
    let read = read_both_lines(lab, CONSUME);
    assert!(read.contains("test test\nmessage test\n"), "{read}");
    assert!(read.contains("Processed a total of 2 messages\n"), "{read}");
}

#[test]
fn walkthrough_with_the_tools_of_2_7() {
    let java = java_or_skip!();
    let lab = start_zookeeper();
    start_kafka(&lab);
    lab.use_tools_of_apache(java, "2.7.0");
    two_lines_through_a_topic(&lab);
}

#[test]
fn walkthrough_with_the_tools_of_0_8() {
    let java = java_or_skip!();
    let lab = start_zookeeper();
    start_kafka(&lab);
    lab.use_tools_of_apache(java, "0.8.2.1");
    assert_eq!(lab.run(CREATE).success(), "Created topic \"test\".\n");
    let listed = lab
        .run("kafka-topics.sh --list --zookeeper localhost:2181")
        .success();
    assert_eq!(listed, "test\n");
    wait_until("the topic to have a leader", || {
        lab.run(DESCRIBE).success()
            == "Topic:test\tPartitionCount:1\tReplicationFactor:1\tConfigs:\n\
                \tTopic: test\tPartition: 0\tLeader: 0\tReplicas: 0\tIsr: 0\n"
    });
    lab.type_into(PRODUCE, "test test\nmessage test\n")
        .success();
    let read = read_both_lines(&lab, CONSUME_OLD);
    assert!(read.contains("test test\nmessage test\n"), "{read}");
    assert!(read.contains("Consumed 2 messages\n"), "{read}");
}
