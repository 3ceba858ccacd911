//! "Kafka Setup (Linux, On-Prem, No Docker)": Confluent's layout (programs without .sh, etc/kafka)
//! and its long server.properties, whose copies of internal topics one node cannot make.

use integration_tests::proc::wait_until;
use nix::sys::signal::Signal;

use crate::lab::Lab;

const ZOOKEEPER: &str = "
# It is used for heartbeats and timeouts.
tickTime=2000

# initLimit * tickTime is the time followers have to connect to the leader.
initLimit=5
syncLimit=2

autopurge.purgeInterval=24
autopurge.snapRetainCount=3

# Migrate topic partition leadership before the broker is stopped.
controlled.shutdown.enable=true

dataDir=/opt/kafka/tmp/zookeeper
clientPort=2181
maxClientCnxns=0
admin.enableServer=false
";

const SERVER: &str = "
auto.create.topics.enable=true
broker.id=1
compression.type=producer
confluent.support.metrics.enable=false
controlled.shutdown.enable=true
delete.topic.enable=true
group.initial.rebalance.delay.ms=3000
default.replication.factor=2
group.max.session.timeout.ms=900000
log.retention.check.interval.ms=60000
log.retention.hours=24
log.segment.bytes=67108864
log.segment.delete.delay.ms=1000
num.io.threads=8
num.network.threads=6
num.partitions=1
num.recovery.threads.per.data.dir=4
offsets.topic.replication.factor=3
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
socket.send.buffer.bytes=102400
transaction.state.log.min.isr=2
transaction.state.log.replication.factor=3
unclean.leader.election.enable=false
zookeeper.connection.timeout.ms=6000
log.dirs=/opt/kafka/tmp/kafka-data
listeners=PLAINTEXT://0.0.0.0:9092
advertised.listeners=PLAINTEXT://192.168.1.122:9092
zookeeper.connect=192.168.1.122:2181
";

const KAFKA: &str = "$KAFKA_HOME/bin/kafka-server-start $KAFKA_HOME/etc/kafka/server.properties";
const CREATE: &str = "$KAFKA_HOME/bin/kafka-topics --create --bootstrap-server 192.168.1.122:9092 \
                      --partitions 1 --topic test --replication-factor";
const PRODUCE: &str =
    "$KAFKA_HOME/bin/kafka-console-producer --broker-list 192.168.1.122:9092 --topic test";
const CONSUME: &str = "$KAFKA_HOME/bin/kafka-console-consumer --bootstrap-server \
                       192.168.1.122:9092 --topic test --from-beginning";

#[test]
fn as_far_as_one_node_goes() {
    let lab = Lab::install();
    lab.run("mkdir $KAFKA_HOME/tmp && mkdir $KAFKA_HOME/tmp/zookeeper")
        .success();
    lab.run("echo 1 > $KAFKA_HOME/tmp/zookeeper/myid").success();
    lab.write("/opt/kafka/etc/kafka/zookeeper.properties", ZOOKEEPER);
    lab.write("/opt/kafka/etc/kafka/server.properties", SERVER);
    let mut zookeeper = lab
        .start("$KAFKA_HOME/bin/zookeeper-server-start $KAFKA_HOME/etc/kafka/zookeeper.properties");
    let mut broker = lab.start(KAFKA);
    lab.wait_for_brokers(9092, 1);
    zookeeper.assert_running();
    for word in [
        "confluent.support.metrics.enable",
        "offsets.topic.replication.factor",
    ] {
        wait_until(&format!("a warning of {word}"), || {
            let warned = |line: &str| line.contains("WARN") && line.contains(word);
            broker.log().lines().any(warned)
        });
    }

    // Three copies need three brokers; one is made.
    let refused = lab.run(&format!("{CREATE} 3"));
    assert_eq!(refused.status.code(), Some(1));
    let why = "Replication factor: 3 larger than available brokers: 1.";
    let text = format!("{}{}", refused.stdout, refused.stderr);
    assert!(text.contains(why), "{text}");
    let created = lab.run(&format!("{CREATE} 1")).success();
    assert!(created.ends_with("Created topic test.\n"), "{created}");
    lab.type_into(PRODUCE, "one\ntwo\n").success();

    // A group has to wait for the third broker; who names the partition needs no group.
    let read = lab
        .run(&format!("{CONSUME} --partition 0 --max-messages 2"))
        .success();
    assert_eq!(read, "one\ntwo\n");

    // With one copy of the group's topic the tutorial's line works.
    assert_eq!(broker.stop().code(), Some(0));
    let mut broker = lab.start(&format!(
        "{KAFKA} --override offsets.topic.replication.factor=1"
    ));
    lab.wait_for_brokers(9092, 1);
    let mut consumer = lab.start(CONSUME);
    wait_until("the consumer to print both lines", || {
        consumer.assert_running();
        consumer.log().contains("one\ntwo\n")
    });
    consumer.signal(Signal::SIGINT);
    consumer.wait();
    assert!(
        consumer
            .log()
            .ends_with("Processed a total of 2 messages\n")
    );
    assert_eq!(broker.stop().code(), Some(0));
    assert_eq!(zookeeper.stop().code(), Some(0));
}
