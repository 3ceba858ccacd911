//! What our command line tools say to arguments that are missing, unknown or wrong, next to Apache's
//! of 3.9: the same exit code and the same first line; and how long they look for a broker.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test")]

use std::process::Command;
use std::time::{Duration, Instant};

use integration_tests::java_or_skip;
use integration_tests::proc::{Finished, Port, binary, run};

const TOPICS: &str = "kafka-topics";
const PRODUCER: &str = "kafka-console-producer";
const CONSUMER: &str = "kafka-console-consumer";
const GROUPS: &str = "kafka-consumer-groups";

/// Nothing listens there.
const CASES: &[(&str, &[&str])] = &[
    (TOPICS, &[]),
    (TOPICS, &["--help"]),
    (TOPICS, &["--version"]),
    (TOPICS, &["--bogus"]),
    (
        TOPICS,
        &["--bootstrap-server", "localhost:1", "--bogus", "--list"],
    ),
    (TOPICS, &["--bootstrap-server", "localhost:1"]),
    (TOPICS, &["--bootstrap-server", "localhost:1", "--create"]),
    (
        TOPICS,
        &["--bootstrap-server", "localhost:1", "--create", "--topic"],
    ),
    (
        TOPICS,
        &[
            "--bootstrap-server",
            "localhost:1",
            "--create",
            "--topic",
            "a",
            "--partitions",
            "x",
        ],
    ),
    (
        TOPICS,
        &[
            "--bootstrap-server",
            "localhost:1",
            "--create",
            "--list",
            "--topic",
            "a",
        ],
    ),
    (TOPICS, &["--list"]),
    (
        TOPICS,
        &[
            "--bootstrap-server",
            "localhost:1",
            "--list",
            "--partitions",
            "3",
        ],
    ),
    (PRODUCER, &[]),
    (PRODUCER, &["--help"]),
    (PRODUCER, &["--version"]),
    (PRODUCER, &["--bogus"]),
    (PRODUCER, &["--topic", "t"]),
    (PRODUCER, &["--bootstrap-server", "localhost:1"]),
    (
        PRODUCER,
        &["--bootstrap-server", "localhost", "--topic", "t"],
    ),
    (
        PRODUCER,
        &[
            "--bootstrap-server",
            "localhost:1",
            "--topic",
            "t",
            "--batch-size",
            "x",
        ],
    ),
    (CONSUMER, &[]),
    (CONSUMER, &["--help"]),
    (CONSUMER, &["--version"]),
    (CONSUMER, &["--bogus"]),
    (CONSUMER, &["--bootstrap-server", "localhost:1"]),
    (CONSUMER, &["--topic", "t"]),
    (
        CONSUMER,
        &[
            "--bootstrap-server",
            "localhost:1",
            "--topic",
            "t",
            "--offset",
            "3",
        ],
    ),
    (
        CONSUMER,
        &[
            "--bootstrap-server",
            "localhost:1",
            "--topic",
            "t",
            "--partition",
            "0",
            "--offset",
            "x",
        ],
    ),
    (GROUPS, &[]),
    (GROUPS, &["--help"]),
    (GROUPS, &["--version"]),
    (GROUPS, &["--list"]),
    (GROUPS, &["--bootstrap-server", "localhost:1"]),
    (
        GROUPS,
        &[
            "--bootstrap-server",
            "localhost:1",
            "--describe",
            "--group",
            "g",
            "--timeout",
            "x",
        ],
    ),
];

fn ours(tool: &str, args: &[&str]) -> Finished {
    let mut command = Command::new(binary("kafka-tools"));
    command.arg(tool).args(args);
    run(command, b"")
}

/// The exit code and the first line that says something.
fn told(done: &Finished) -> (Option<i32>, String) {
    let all = done.stdout.lines().chain(done.stderr.lines());
    let first = all.map(str::trim_end).find(|line| !line.is_empty());
    (done.status.code(), first.unwrap_or_default().to_owned())
}

#[test]
fn mistakes_in_arguments_are_told_as_apaches_tools_tell_them() {
    let java = java_or_skip!();
    let mut wrong = Vec::new();
    for (tool, args) in CASES {
        let main = match *tool {
            TOPICS => "org.apache.kafka.tools.TopicCommand",
            PRODUCER => "kafka.tools.ConsoleProducer",
            CONSUMER => "org.apache.kafka.tools.consumer.ConsoleConsumer",
            _ => "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
        };
        let mut command = java.command("kafka-3.9.2", &["-Dpeer.log=OFF"], main);
        command.args(*args);
        let wanted = told(&run(command, b""));
        let said = told(&ours(tool, args));
        if said != wanted {
            wrong.push(format!(
                "{tool} {args:?}\n  ours {said:?}\n  Java {wanted:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Java's consumer groups tool lets the exception through to the shell; ours tells the same mistake.
#[test]
fn an_unknown_option_of_consumer_groups() {
    let said = told(&ours(GROUPS, &["--bogus"]));
    assert_eq!(
        said,
        (Some(1), "bogus is not a recognized option".to_owned())
    );
}

/// As long as `default.api.timeout.ms` or `--timeout` says, and then they say so.
#[test]
fn a_broker_that_does_not_answer_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let port = Port::reserve();
    let server = port.addr().to_string();
    let config = dir.path().join("admin.properties");
    std::fs::write(&config, "default.api.timeout.ms=1500\n").unwrap();
    let config = config.to_str().unwrap();
    let cases: [(&str, &[&str], i32); 2] = [
        (TOPICS, &["--list", "--command-config", config], 1),
        (GROUPS, &["--list", "--timeout", "1500"], 0),
    ];
    for (tool, args, code) in cases {
        let mut all = vec!["--bootstrap-server", &server];
        all.extend(args);
        let begun = Instant::now();
        let done = ours(tool, &all);
        assert!(begun.elapsed() >= Duration::from_millis(1500), "{tool}");
        assert_eq!(done.status.code(), Some(code), "{tool}");
        let why = "Timed out waiting for a node assignment: no broker answered within 1500 ms: ";
        assert!(done.stdout.contains(why), "{}", done.stdout);
        let once = done.stderr.matches("Connection refused").count();
        assert_eq!(once, 1, "{}", done.stderr);
    }
}
