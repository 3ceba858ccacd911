//! Our kafka-topics, kafka-console-producer, kafka-console-consumer and kafka-consumer-groups next
//! to Apache's: the same commands print the same, against Apache's brokers and against ours.
//!
//! Each command runs twice, once with each side's program. Where it changes something, `NAME`
//! stands for a topic or group of that side's own. Lines are compared sorted: Java prints partitions
//! in the order of a hash table. Log lines and usage texts are no part of the comparison.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test")]

use std::cell::RefCell;
use std::process::Command;

use integration_tests::broker::BrokerConfig;
use integration_tests::java_or_skip;
use integration_tests::peers::{Java, JavaBroker};
use integration_tests::proc::{Finished, Process, binary, run, wait_until};
use integration_tests::zk::ZkConfig;
use nix::sys::signal::Signal;

/// Apache's tools of one release.
#[derive(Clone, Copy)]
struct Release {
    peer: &'static str,
    topics: &'static str,
    producer: &'static str,
    consumer: &'static str,
    groups: &'static str,
}

const NEW: Release = Release {
    peer: "kafka-3.9.2",
    topics: "org.apache.kafka.tools.TopicCommand",
    producer: "kafka.tools.ConsoleProducer",
    consumer: "org.apache.kafka.tools.consumer.ConsoleConsumer",
    groups: "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
};

const MIDDLE: Release = Release {
    peer: "kafka-2.7.0",
    topics: "kafka.admin.TopicCommand",
    producer: "kafka.tools.ConsoleProducer",
    consumer: "kafka.tools.ConsoleConsumer",
    groups: "kafka.admin.ConsumerGroupCommand",
};

struct Tools {
    java: Java,
    release: Release,
    /// `--bootstrap-server X` or `--zookeeper X`
    server: [String; 2],
    /// where the two sides differed, told together at the end
    differences: RefCell<Vec<String>>,
}

impl Tools {
    fn ours(&self, tool: &str, args: &[&str], stdin: &str) -> Finished {
        let mut command = Command::new(binary("kafka-tools"));
        command.arg(tool).args(&self.server).args(args);
        run(command, stdin.as_bytes())
    }

    fn javas(&self, tool: &str, args: &[&str], stdin: &str) -> Finished {
        let main = match tool {
            "kafka-topics" => self.release.topics,
            "kafka-console-producer" => self.release.producer,
            "kafka-console-consumer" => self.release.consumer,
            _ => self.release.groups,
        };
        let mut command = self
            .java
            .command(self.release.peer, &["-Dpeer.log=OFF"], main);
        command.args(&self.server).args(args);
        run(command, stdin.as_bytes())
    }

    /// Runs `line` with both and compares; `NAME` is `javas` or `owned` there.
    fn same(&self, line: &str, stdin: &str) {
        let named = line.contains("NAME");
        let print = |name: &'static str, run: &dyn Fn(&str, &[&str]) -> Finished| {
            let line = line.replace("NAME", name);
            let words: Vec<&str> = line.split_whitespace().collect();
            let finished = run(words[0], &words[1..]);
            let name = if named { name } else { "NAME" };
            (
                finished.status.code(),
                sorted(&finished.stdout, name),
                sorted(&finished.stderr, name),
            )
        };
        let java = print("javas", &|tool, args| self.javas(tool, args, stdin));
        let ours = print("owned", &|tool, args| self.ours(tool, args, stdin));
        let usage = java.2.iter().any(|l| l.trim_start().starts_with("--"));
        let equal = (&ours.0, &ours.1) == (&java.0, &java.1) && (usage || ours.2 == java.2);
        if !equal {
            let text = format!("{line}\nours: {ours:#?}\nJava's: {java:#?}");
            self.differences.borrow_mut().push(text);
        }
    }

    fn end(self) {
        let differences = self.differences.into_inner();
        assert!(differences.is_empty(), "{}", differences.join("\n\n"));
    }
}

/// Lines in order of text, without what may differ.
fn sorted(text: &str, name: &str) -> Vec<String> {
    let mut lines: Vec<String> = text
        .lines()
        .filter(|l| !l.trim().is_empty() && !is_log(l))
        .map(|l| mask(&l.replace(name, "NAME")))
        .collect();
    lines.sort();
    lines
}

fn is_log(line: &str) -> bool {
    line.starts_with("[20") || line.starts_with("\tat ")
}

/// Ids of topics and members, and times.
fn mask(line: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in line.split('\t') {
        let masked = match word.split_once(": ") {
            Some(("TopicId", _)) => "TopicId: ID".to_owned(),
            _ if word.starts_with("CreateTime:") => "CreateTime:TIME".to_owned(),
            _ => word.to_owned(),
        };
        words.push(masked);
    }
    words.join("\t")
}

/// Topics, records and groups, through a broker.
fn story(java: Java, bootstrap: &str) {
    let tools = Tools {
        java,
        release: NEW,
        server: ["--bootstrap-server".to_owned(), bootstrap.to_owned()],
        differences: RefCell::default(),
    };
    topics(&tools);
    records(&tools);
    groups(&tools);
    tools.end();
}

fn topics(tools: &Tools) {
    for line in [
        "kafka-topics --create --topic NAME --partitions 3 --replication-factor 1",
        "kafka-topics --create --topic NAME --partitions 3",
        "kafka-topics --create --topic NAME --if-not-exists",
        "kafka-topics --create --topic NAME.dots_ --config retention.ms=60000",
        "kafka-topics --describe --topic NAME",
        "kafka-topics --describe --topic NAME.dots_",
        "kafka-topics --alter --topic NAME --partitions 4",
        "kafka-topics --alter --topic NAME --partitions 2",
        "kafka-topics --describe --topic nothing",
        "kafka-topics --list --topic NAME.*",
        "kafka-topics --delete --topic NAME.dots_",
        "kafka-topics --delete --topic nothing",
        "kafka-topics --list --describe",
    ] {
        tools.same(line, "");
    }
}

fn records(tools: &Tools) {
    let by_key = "k1\tone\nk2\ttwo\nk3\tthree\nk1\tfour\n";
    tools.same(
        "kafka-console-producer --topic NAME --property parse.key=true",
        by_key,
    );
    tools.same(
        "kafka-console-producer --topic NAME --compression-codec zstd --property parse.key=true \
         --property parse.headers=true --property null.marker=NIL",
        "a:1,b:NIL\tk5\tNIL\n",
    );
    let all = "--property print.key=true --property print.partition=true --property \
               print.offset=true --property print.headers=true --property print.timestamp=true";
    let from = "kafka-console-consumer --from-beginning --max-messages";
    // A key goes to the same partition whichever program sends it.
    tools.same(&format!("{from} 5 --topic NAME {all}"), "");
    tools.same(&format!("{from} 5 --topic NAME --group NAME"), "");
    tools.same(
        "kafka-console-consumer --topic NAME --partition 3 --offset 0 --timeout-ms 2000",
        "",
    );
    tools.same("kafka-console-consumer --topic NAME --offset 0", "");
    tools.same("kafka-console-consumer --from-beginning", "");
    let big: String = (0..5000).map(|i| format!("line {i}\n")).collect();
    let codecs = ["none", "gzip", "snappy", "lz4"];
    for codec in codecs {
        let line = format!(
            "kafka-console-producer --topic NAME.many --request-required-acks all \
             --compression-codec {codec}"
        );
        tools.ours(
            "kafka-topics",
            &["--create", "--if-not-exists", "--topic", "NAME.many"],
            "",
        );
        let words: Vec<&str> = line.split_whitespace().collect();
        tools.ours(words[0], &words[1..], &big).success();
    }
    let read = [
        "--topic",
        "NAME.many",
        "--from-beginning",
        "--max-messages",
        "20000",
    ];
    let read = tools.javas("kafka-console-consumer", &read, "").success();
    assert_eq!(
        read,
        big.repeat(codecs.len()),
        "Java reads what we sent, in order"
    );
}

fn groups(tools: &Tools) {
    for line in [
        "kafka-consumer-groups --describe --group NAME",
        "kafka-consumer-groups --describe --group NAME --members",
        "kafka-consumer-groups --describe --group NAME --state",
        "kafka-consumer-groups --describe --group nothing",
        "kafka-consumer-groups --list --state",
        "kafka-consumer-groups --list --state empty --type classic",
        "kafka-consumer-groups --list --state wrong",
        "kafka-consumer-groups --describe",
        "kafka-consumer-groups --reset-offsets --group NAME --topic NAME --to-earliest --dry-run --export",
        "kafka-consumer-groups --reset-offsets --group NAME --all-topics --shift-by -1 --dry-run --export",
        "kafka-consumer-groups --reset-offsets --group NAME --topic NAME:0,1 --to-offset 99 --execute --export",
        "kafka-consumer-groups --reset-offsets --group NAME --all-topics --to-datetime 2020-01-01T00:00:00.000 --execute --export",
        "kafka-consumer-groups --describe --group NAME --offsets",
        "kafka-consumer-groups --delete --group nothing",
    ] {
        tools.same(line, "");
    }
    with_members(tools);
    tools.same("kafka-consumer-groups --delete --group NAME", "");
    tools.same("kafka-consumer-groups --describe --group NAME", "");
}

/// A consumer of ours and one of Java's share a group, and both programs describe it alike.
fn with_members(tools: &Tools) {
    let args = ["--topic", "javas", "--group", "shared", "--from-beginning"];
    let dir = tempfile::tempdir().unwrap();
    let mut ours = Command::new(binary("kafka-tools"));
    ours.arg("kafka-console-consumer")
        .args(&tools.server)
        .args(args);
    let ours = Process::spawn("our consumer", ours, &dir.path().join("ours"));
    let mut javas = tools.java.command(
        tools.release.peer,
        &["-Dpeer.log=OFF"],
        tools.release.consumer,
    );
    javas.args(&tools.server).args(args);
    let mut javas = Process::spawn("Java's consumer", javas, &dir.path().join("javas"));
    let members = ["--describe", "--group", "shared", "--members", "--verbose"];
    let describe = || tools.ours("kafka-consumer-groups", &members, "").stdout;
    // Four partitions: two each, as Java's range assignor shares them.
    wait_until("both to have their share", || {
        let text = describe();
        text.contains("(0,1)") && text.contains("(2,3)")
    });
    for line in [
        "kafka-consumer-groups --describe --group shared --members --verbose",
        "kafka-consumer-groups --describe --group shared --state",
        "kafka-consumer-groups --delete --group shared",
        "kafka-consumer-groups --reset-offsets --group shared --topic javas --to-latest --execute",
    ] {
        tools.same(line, "");
    }
    javas.stop();
    wait_until("ours to take over", || describe().contains("(0,1,2,3)"));
    ours.signal(Signal::SIGINT);
    let mut ours = ours;
    assert_eq!(ours.wait().code(), Some(130));
    assert!(
        ours.log().contains("Processed a total of "),
        "{}",
        ours.log()
    );
}

#[test]
fn against_a_java_broker() {
    let java = java_or_skip!();
    let dir = tempfile::tempdir().unwrap();
    let server = ZkConfig::new(&dir.path().join("zk")).start_java(java, "3.9.5");
    let zookeeper = server.connect_string();
    let broker = JavaBroker::start(java, "3.9.2", &dir.path().join("b"), 0, &zookeeper, &[]);
    story(java, &broker.bootstrap());
}

#[test]
fn against_our_broker() {
    let java = java_or_skip!();
    let dir = tempfile::tempdir().unwrap();
    let server = ZkConfig::new(&dir.path().join("zk")).start_ours();
    let config = BrokerConfig::new(&dir.path().join("b"), 0, &server.connect_string(), &[]);
    let _broker = config.start();
    story(java, &config.bootstrap());
}

#[test]
fn topics_through_zookeeper_as_in_2_7() {
    let java = java_or_skip!();
    let dir = tempfile::tempdir().unwrap();
    let server = ZkConfig::new(&dir.path().join("zk")).start_ours();
    let zookeeper = server.connect_string();
    let broker = JavaBroker::start(java, "2.7.0", &dir.path().join("b"), 0, &zookeeper, &[]);
    let tools = Tools {
        java,
        release: MIDDLE,
        server: ["--zookeeper".to_owned(), zookeeper],
        differences: RefCell::default(),
    };
    for line in [
        "kafka-topics --create --topic NAME --partitions 3 --replication-factor 1",
        "kafka-topics --create --topic NAME --partitions 3 --replication-factor 1 --if-not-exists",
        "kafka-topics --create --topic NAME --partitions 1 --replication-factor 3",
        "kafka-topics --create --topic NAME.cfg --partitions 1 --replication-factor 1 --config retention.ms=1",
        "kafka-topics --describe --topic NAME.cfg",
        "kafka-topics --alter --topic NAME --partitions 5",
        "kafka-topics --delete --topic NAME.cfg",
        "kafka-topics --delete --topic nothing",
    ] {
        tools.same(line, "");
    }
    // Records of a broker of 2.7, with its own tools.
    let tools = Tools {
        server: ["--bootstrap-server".to_owned(), broker.bootstrap()],
        ..tools
    };
    // 2.7 prompts even where nobody looks; 3.9 and we do not.
    let produce = ["--topic", "javas", "--sync"];
    let printed = tools.javas("kafka-console-producer", &produce, "one\ntwo\n");
    assert_eq!(printed.success(), ">>>");
    let produce = ["--topic", "owned", "--sync"];
    let printed = tools.ours("kafka-console-producer", &produce, "one\ntwo\n");
    assert_eq!(printed.success(), "");
    tools.same(
        "kafka-console-consumer --topic NAME --from-beginning --max-messages 2",
        "",
    );
    tools.end();
}

/// Our `--zookeeper` consumer and that of 0.8.2.1 share a group, whose znodes each reads of the
/// other; when Java's goes, ours reads on where it stopped.
#[test]
fn consumers_of_0_8_share_a_group_with_ours() {
    let java = java_or_skip!();
    let dir = tempfile::tempdir().unwrap();
    let server = ZkConfig::new(&dir.path().join("zk")).start_ours();
    let zookeeper = server.connect_string();
    let lines = ["num.partitions=4"];
    let config = BrokerConfig::new(&dir.path().join("b"), 0, &zookeeper, &lines);
    let _broker = config.start();
    let bootstrap = config.bootstrap();
    let tool = |tool: &str, args: &[&str], stdin: &str| {
        let mut command = Command::new(binary("kafka-tools"));
        command.arg(tool).args(args);
        run(command, stdin.as_bytes()).success()
    };
    let numbers =
        |range: std::ops::Range<u32>| -> String { range.map(|n| format!("{n}\t{n}\n")).collect() };
    let produce = |text: &str| {
        let args = [
            "--broker-list",
            &bootstrap,
            "--topic",
            "t",
            "--property",
            "parse.key=true",
        ];
        tool("kafka-console-producer", &args, text)
    };
    let create = ["--zookeeper", &zookeeper, "--create", "--topic", "t"];
    let shape = ["--partitions", "4", "--replication-factor", "1"];
    tool("kafka-topics", &[&create[..], &shape[..]].concat(), "");
    let properties = dir.path().join("consumer.properties");
    std::fs::write(
        &properties,
        "group.id=shared\nauto.commit.interval.ms=200\n",
    )
    .unwrap();
    let properties = properties.to_str().unwrap();
    let args = [
        "--zookeeper",
        &zookeeper,
        "--topic",
        "t",
        "--consumer.config",
        properties,
    ];
    let mut ours = Command::new(binary("kafka-tools"));
    ours.arg("kafka-console-consumer").args(args);
    let mut ours = Process::spawn("our consumer", ours, &dir.path().join("ours"));
    let mut javas = java.command(
        "kafka-0.8.2.1",
        &["-Dpeer.log=OFF"],
        "kafka.tools.ConsoleConsumer",
    );
    javas.args(args);
    let mut javas = Process::spawn("Java's consumer", javas, &dir.path().join("javas"));
    let read = |process: &Process| -> Vec<u32> {
        process
            .log()
            .lines()
            .filter_map(|l| l.parse().ok())
            .collect()
    };
    // New records until both get some: from then on both have their share.
    let mut next = 0;
    wait_until("both to read", || {
        produce(&numbers(next..next + 20));
        next += 20;
        !read(&ours).is_empty() && !read(&javas).is_empty()
    });
    let shared = next;
    produce(&numbers(shared..shared + 100));
    let since = |all: Vec<u32>| -> Vec<u32> { all.into_iter().filter(|n| *n >= shared).collect() };
    wait_until("everything to be read", || {
        since(read(&ours)).len() + since(read(&javas)).len() >= 100
    });
    let (mine, theirs) = (since(read(&ours)), since(read(&javas)));
    assert!(
        !mine.is_empty() && !theirs.is_empty(),
        "{mine:?} {theirs:?}"
    );
    javas.stop();
    produce(&numbers(shared + 100..shared + 150));
    let wanted: Vec<u32> = (shared + 100..shared + 150).collect();
    wait_until("ours to take over", || {
        let all = read(&ours);
        wanted.iter().all(|n| all.contains(n))
    });
    ours.signal(Signal::SIGINT);
    assert_eq!(ours.wait().code(), Some(130));
    let mut all = since([read(&ours), read(&javas)].concat());
    all.sort_unstable();
    let each_once: Vec<u32> = (shared..shared + 150).collect();
    assert_eq!(all, each_once, "each record once");
}
