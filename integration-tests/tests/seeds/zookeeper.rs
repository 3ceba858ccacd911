//! "KAFKA : Zookeeper" of xavki: ZooKeeper from Kafka's folder, `srvr` through nc, and a session
//! of zkCli; the lines of an ensemble's servers left out.

use integration_tests::java_or_skip;
use integration_tests::proc::{Finished, skipped, wait_until};
use integration_tests::zk::four_letter;

use crate::lab::Lab;

const PROPERTIES: &str = "
# the directory where the snapshot is stored.
dataDir=/data/zookeeper
# the port at which the clients will connect
clientPort=2181
# setting number of connections to unlimited
maxClientCnxns=0
# keeps a heartbeat of zookeeper in milliseconds
tickTime=2000
# time for initial synchronization
initLimit=10
# how many ticks can pass before timeout
syncLimit=5
";
/// What the slide lists, and what shows that the znode is gone.
const SESSION: &str = "create /XavkiZnode \"My xavki Znode\"
ls /
get /XavkiZnode
stat /XavkiZnode
set /XavkiZnode Data-updated
get /XavkiZnode
rmr /XavkiZnode
ls /
quit
";

fn start() -> Lab {
    let lab = Lab::install();
    lab.write("/opt/kafka/config/zookeeper.properties", PROPERTIES);
    lab.run("mkdir -p /data/zookeeper").success();
    lab.run("echo 1 > /data/zookeeper/myid").success();
    lab.run(
        "/opt/kafka/bin/zookeeper-server-start.sh -daemon /opt/kafka/config/zookeeper.properties",
    )
    .success();
    wait_until("ZooKeeper to serve", || {
        four_letter(lab.addr(2181), "srvr").contains("Mode: standalone\n")
    });
    lab
}

/// What any zkCli shows of the session.
#[track_caller]
fn assert_session(what: &str, said: &Finished) {
    let text = format!("{}{}", said.stdout, said.stderr);
    for line in [
        "Created /XavkiZnode\n",
        "[XavkiZnode, zookeeper]\n",
        "My xavki Znode\n",
        "dataLength = 14\n",
        "dataVersion = 0\n",
        "numChildren = 0\n",
        "Data-updated\n",
        "[zookeeper]\n",
    ] {
        assert!(text.contains(line), "{what}: no {line:?} in\n{text}");
    }
}

#[test]
fn nc_asks_srvr() {
    let lab = start();
    if lab.run("command -v nc").status.code() != Some(0) {
        skipped("no nc here (apt-get install netcat-openbsd)");
        return;
    }
    let answer = lab.run("echo srvr | nc 192.168.12.78 2181").success();
    let lines: Vec<&str> = answer.lines().collect();
    for start in [
        "Zookeeper version: 3.9",
        "Latency min/avg/max: ",
        "Received: ",
        "Sent: ",
        "Connections: 1",
        "Outstanding: 0",
        "Zxid: 0x0",
        "Mode: standalone",
        "Node count: 5",
    ] {
        assert!(
            lines.iter().any(|line| line.starts_with(start)),
            "{start} in {answer}"
        );
    }
}

#[test]
fn session_of_our_zkcli() {
    let lab = start();
    for line in [
        "/opt/zookeeper/bin/zkCli.sh -server localhost:2181",
        "/opt/kafka/bin/zookeeper-shell.sh localhost:2181",
    ] {
        let said = lab.type_into(line, SESSION);
        assert_session(line, &said);
        assert_eq!(said.status.code(), Some(0), "{said:?}");
    }
    // Without what they need, ls and set show how they are used.
    let said = lab.type_into("zookeeper-shell.sh localhost:2181", "ls\nset /XavkiZnode\n");
    let text = format!("{}{}", said.stdout, said.stderr);
    for usage in ["ls [-s] [-w] [-R] path", "set path data [-s] [-v version]"] {
        assert!(text.contains(usage), "{text}");
    }
    lab.run("/opt/kafka/bin/zookeeper-server-stop.sh").success();
    wait_until("ZooKeeper to end", || lab.processes().is_empty());
}

#[test]
fn session_of_javas_zkcli() {
    let java = java_or_skip!();
    let lab = start();
    // 3.4's connects nowhere on a Java machine of today.
    for version in ["3.6.2", "3.9.5"] {
        let options = ["-Dpeer.log=OFF", "-Dorg.jline.terminal.dumb=true"];
        let main = "org.apache.zookeeper.ZooKeeperMain";
        let command = java.command(&format!("zookeeper-{version}"), &options, main);
        lab.wrap("/opt/zookeeper/bin/zkCli.sh", &command);
        // They know rmr by its later name only.
        let session = SESSION.replace("rmr", "deleteall");
        let line = "/opt/zookeeper/bin/zkCli.sh -server localhost:2181";
        let said = lab.type_into(line, &session);
        assert_session(version, &said);
    }
}
