//! The harness itself: Apache's servers and tools start, answer and end.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test")]

use integration_tests::java_or_skip;
use integration_tests::peers::{JavaBroker, broker_count};
use integration_tests::proc::run;
use integration_tests::zk::ZkConfig;

const CLI: &str = "org.apache.zookeeper.ZooKeeperMain";

#[test]
fn java_zookeeper_serves_its_command_line() {
    let java = java_or_skip!();
    for version in ["3.6.2", "3.9.5"] {
        let dir = tempfile::tempdir().unwrap();
        let mut server = ZkConfig::new(dir.path()).start_java(java, version);
        let connect = server.connect_string();
        let peer = format!("zookeeper-{version}");
        let create = ["-server", &connect, "create", "/from-java", "x"];
        java.tool(&peer, CLI, &create, "").success();
        let listed = java
            .tool(&peer, CLI, &["-server", &connect], "ls /\nquit\n")
            .success();
        assert!(listed.contains("[from-java, zookeeper]"), "{listed}");
        assert_eq!(server.four_letter("ruok"), "imok");
        server.process.stop();
    }
}

#[test]
fn java_broker_serves_its_tools() {
    let java = java_or_skip!();
    let dir = tempfile::tempdir().unwrap();
    let zk = ZkConfig::new(&dir.path().join("zk")).start_java(java, "3.6.2");
    let broker = JavaBroker::start(
        java,
        "2.7.0",
        &dir.path().join("kafka"),
        0,
        &zk.connect_string(),
        &[],
    );
    assert_eq!(broker_count(broker.addr()), Some(1));
    let created = java
        .tool(
            "kafka-2.7.0",
            "kafka.admin.TopicCommand",
            &[
                "--create",
                "--topic",
                "test",
                "--partitions",
                "1",
                "--replication-factor",
                "1",
                "--zookeeper",
                &zk.connect_string(),
            ],
            "",
        )
        .success();
    assert!(created.contains("Created topic test."), "{created}");
}

#[test]
fn a_java_program_compiles_and_runs_against_a_peer() {
    let java = java_or_skip!();
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("Say.java");
    std::fs::write(
        &source,
        "public class Say { public static void main(String[] a) throws Exception {
             System.out.println(a[0] + org.apache.zookeeper.ZooDefs.OpCode.multi); } }",
    )
    .unwrap();
    let mut command = java.program("zookeeper-3.9.5", &source);
    command.arg("multi is ");
    assert_eq!(run(command, b"").success(), "multi is 14\n");
}
