//! The broker's part in ZooKeeper: topics made, changed and deleted by Apache's tools of 0.8.2.1,
//! 2.7.0 and 3.9.2, two brokers that share them out, a restart after a kill, and the znodes next
//! to those of a Java broker. On our ZooKeeper server and on Apache's.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::process::Command;

use integration_tests::java_or_skip;
use integration_tests::peers::{Java, JavaBroker, broker_count};
use integration_tests::proc::{Port, Process, binary, wait_until};
use integration_tests::zk::{ZkConfig, ZkServer};

const OLD: &str = "kafka-0.8.2.1";
const MIDDLE: &str = "kafka-2.7.0";
const NEW: &str = "kafka-3.9.2";
const ZOOKEEPER: &str = "zookeeper-3.9.5";

/// One of our brokers.
struct Broker {
    process: Process,
    port: Port,
}

impl Broker {
    fn start(dir: &Path, id: i32, zookeeper: &str, lines: &[&str]) -> Self {
        Self::start_on(Port::reserve(), dir, id, zookeeper, lines)
    }

    fn start_on(port: Port, dir: &Path, id: i32, zookeeper: &str, lines: &[&str]) -> Self {
        let mut text = format!(
            "broker.id={id}\nlisteners=PLAINTEXT://127.0.0.1:{}\nlog.dirs={}\nzookeeper.connect={zookeeper}\n",
            port.number(),
            dir.join("logs").display(),
        );
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        std::fs::create_dir_all(dir).unwrap();
        let file = dir.join("server.properties");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new(binary("broker"));
        command.arg(file).env_remove("LOG_DIR");
        let name = format!("broker {id}");
        let mut process = Process::spawn(&name, command, &dir.join("kafkaServer.out"));
        wait_until(&format!("{name} to serve"), || {
            process.assert_running();
            broker_count(port.addr()).is_some_and(|n| n > 0)
        });
        Self { process, port }
    }

    fn bootstrap(&self) -> String {
        self.port.addr().to_string()
    }
}

fn topics(java: Java, peer: &str, args: &[&str]) -> String {
    let main = if peer == NEW {
        "org.apache.kafka.tools.TopicCommand"
    } else {
        "kafka.admin.TopicCommand"
    };
    java.tool(peer, main, args, "").success()
}

fn znode(java: Java, zookeeper: &str, path: &str) -> String {
    let main = "org.apache.zookeeper.ZooKeeperMain";
    let out = java
        .tool(ZOOKEEPER, main, &["-server", zookeeper, "get", path], "")
        .success();
    out.lines()
        .rev()
        // its connection may be told of behind the data
        .find(|line| {
            let told = ["WATCHER::", "WatchedEvent "];
            !line.trim().is_empty() && !told.iter().any(|word| line.starts_with(word))
        })
        .unwrap_or("")
        .to_owned()
}

fn described(java: Java, broker: &Broker) -> String {
    topics(
        java,
        NEW,
        &["--bootstrap-server", &broker.bootstrap(), "--describe"],
    )
}

/// Tools of every age, two brokers, one of them killed and started again.
fn story(java: Java, server: &ZkServer, dir: &Path) {
    let zookeeper = server.connect_string();
    let zk = zookeeper.as_str();
    let first = Broker::start(&dir.join("0"), 0, zk, &[]);
    let made = topics(
        java,
        MIDDLE,
        &[
            "--zookeeper",
            zk,
            "--create",
            "--topic",
            "test",
            "--partitions",
            "2",
            "--replication-factor",
            "1",
        ],
    );
    assert!(made.contains("Created topic test."), "{made}");
    let made = topics(
        java,
        OLD,
        &[
            "--zookeeper",
            zk,
            "--create",
            "--topic",
            "old",
            "--partitions",
            "1",
            "--replication-factor",
            "1",
        ],
    );
    assert!(made.contains("Created topic \"old\"."), "{made}");
    let made = topics(
        java,
        NEW,
        &[
            "--bootstrap-server",
            &first.bootstrap(),
            "--create",
            "--topic",
            "new",
            "--partitions",
            "3",
        ],
    );
    assert!(made.contains("Created topic new."), "{made}");
    wait_until("leaders of all topics", || {
        described(java, &first).matches("Leader: 0").count() == 6
    });
    let id = id_of(&znode(java, zk, "/brokers/topics/test"));

    let second = Broker::start(&dir.join("1"), 1, zk, &[]);
    topics(
        java,
        MIDDLE,
        &[
            "--zookeeper",
            zk,
            "--alter",
            "--topic",
            "test",
            "--partitions",
            "4",
        ],
    );
    wait_until("four partitions, and the id as it was", || {
        let znode = znode(java, zk, "/brokers/topics/test");
        znode.contains("\"3\":[") && id_of(&znode) == id
    });
    wait_until("partitions on both brokers", || {
        let all = described(java, &second);
        all.contains("Leader: 0") && all.contains("Leader: 1") && !all.contains("Leader: none")
    });
    let all = topics(
        java,
        OLD,
        &["--zookeeper", zk, "--describe", "--topic", "test"],
    );
    assert!(all.contains("PartitionCount:4"), "{all}");

    topics(
        java,
        MIDDLE,
        &["--zookeeper", zk, "--delete", "--topic", "old"],
    );
    topics(
        java,
        NEW,
        &[
            "--bootstrap-server",
            &first.bootstrap(),
            "--delete",
            "--topic",
            "new",
        ],
    );
    wait_until("two topics to be gone", || {
        let list = topics(java, MIDDLE, &["--zookeeper", zk, "--list"]);
        list.contains("test") && !list.contains("old") && !list.contains("new")
    });

    // its session still lives, and is closed by the next run instead of standing in its way
    let Broker { mut process, port } = first;
    process.kill();
    let first = Broker::start_on(port, &dir.join("0"), 0, zk, &[]);
    wait_until("everything to be led again", || {
        let all = described(java, &first);
        all.matches("Leader: ").count() == 4
            && !all.contains("Leader: none")
            && !all.contains("Leader: -1")
    });
}

fn id_of(znode: &str) -> String {
    let at = znode
        .find("\"topic_id\":\"")
        .unwrap_or_else(|| panic!("no topic id in {znode}"));
    znode[at + 12..].chars().take_while(|c| *c != '"').collect()
}

#[test]
fn tools_of_every_age_on_our_zookeeper() {
    let java = java_or_skip!();
    let dir = tempfile::tempdir().unwrap();
    let server = ZkConfig::new(&dir.path().join("zk")).start_ours();
    story(java, &server, dir.path());
}

#[test]
fn tools_of_every_age_on_apaches_zookeeper() {
    let java = java_or_skip!();
    let dir = tempfile::tempdir().unwrap();
    let server = ZkConfig::new(&dir.path().join("zk")).start_java(java, "3.6.2");
    story(java, &server, dir.path());
}

/// What differs from one broker to the next.
fn masked(text: &str, port: u16) -> String {
    let mut out = text.replace(&port.to_string(), "PORT");
    for key in ["\"timestamp\":\"", "\"topic_id\":\"", "\"id\":\""] {
        if let Some(at) = out.find(key) {
            let start = at + key.len();
            let end = out[start..].find('"').map_or(out.len(), |end| start + end);
            out.replace_range(start..end, "X");
        }
    }
    out
}

#[test]
fn znodes_are_those_of_a_java_broker() {
    let java = java_or_skip!();
    let dir = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    for ours in [false, true] {
        let home = dir.path().join(if ours { "ours" } else { "java" });
        let server = ZkConfig::new(&home.join("zk")).start_java(java, "3.9.5");
        let zk = server.connect_string();
        let (bootstrap, _keep): (String, Box<dyn std::any::Any>) = if ours {
            let broker = Broker::start(&home.join("kafka"), 0, &zk, &[]);
            (broker.bootstrap(), Box::new(broker))
        } else {
            let broker = JavaBroker::start(java, "3.9.2", &home.join("kafka"), 0, &zk, &[]);
            (broker.bootstrap(), Box::new(broker))
        };
        let port: u16 = bootstrap.rsplit(':').next().unwrap().parse().unwrap();
        topics(
            java,
            NEW,
            &[
                "--bootstrap-server",
                &bootstrap,
                "--create",
                "--topic",
                "t",
                "--partitions",
                "2",
                "--config",
                "retention.ms=1000",
            ],
        );
        let mut all = Vec::new();
        for path in [
            "/cluster/id",
            "/brokers/ids/0",
            "/controller",
            "/controller_epoch",
            "/brokers/topics/t",
            "/brokers/topics/t/partitions/0/state",
            "/brokers/topics/t/partitions",
            "/config/topics/t",
            "/feature",
        ] {
            all.push(format!("{path} {}", masked(&znode(java, &zk, path), port)));
        }
        let args = ["-server", zk.as_str(), "ls", "-R", "/"];
        let tree = java
            .tool(ZOOKEEPER, "org.apache.zookeeper.ZooKeeperMain", &args, "")
            .success();
        all.extend(
            tree.lines()
                .filter(|line| line.starts_with('/'))
                .map(str::to_owned),
        );
        seen.push(all);
    }
    assert_eq!(seen[0], seen[1]);
}
