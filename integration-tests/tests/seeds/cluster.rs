//! Part 6.3 and 7 of the Raspberry Pi tutorial: three machines, `cluster-start.sh` and
//! `cluster-stop.sh` as they stand there. The machines are namespaces, `ssh` enters them, and the
//! commands of Hadoop do nothing.

use std::fs::{copy, create_dir_all, read_to_string, write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use integration_tests::machine::Machine;
use integration_tests::netns::{Net, unavailable};
use integration_tests::peers::broker_count;
use integration_tests::proc::{Finished, binary, repo_root, run, skipped, wait_until};
use integration_tests::zk::four_letter;

const NAMES: [&str; 3] = ["pi-node13", "pi-node14", "pi-node15"];

struct Pis {
    dir: tempfile::TempDir,
    machines: Vec<Machine>,
    // Goes after the machines on it.
    net: Net,
}

impl Pis {
    /// Three machines with both services under /opt and the files of `conf/cluster`.
    fn boot() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let net = Net::new(3).unwrap();
        net.enter();
        let hosts = dir.path().join("hosts");
        let mut text = "127.0.0.1 localhost\n".to_owned();
        for (host, name) in (1..).zip(NAMES) {
            text += &format!("{} {name} pi{host}\n", net.addr(host));
        }
        write(&hosts, text).unwrap();
        let machines = (1..)
            .zip(NAMES)
            .map(|(host, name)| {
                let opt = dir.path().join(name).join("opt");
                Self::install(&opt, name);
                let mounts = [(opt.as_path(), "/opt"), (hosts.as_path(), "/etc/hosts")];
                let log = dir.path().join(format!("{name}.log"));
                Machine::boot(&net, host, name, &mounts, &log)
            })
            .collect();
        let pis = Self { dir, machines, net };
        pis.make_commands();
        pis
    }

    fn install(opt: &Path, name: &str) {
        for folder in ["zookeeper_data", "kafka_data"] {
            create_dir_all(opt.join(folder)).unwrap();
        }
        let mut install = Command::new(repo_root().join("scripts/install.sh"));
        install.arg("--prefix").arg(opt).arg("--binaries");
        run(install.with_folder_of("zk-server"), b"").success();
        let conf = repo_root().join("conf/cluster");
        let files = [
            ("zoo.cfg".to_owned(), "zookeeper/conf/zoo.cfg"),
            (format!("{name}/myid"), "zookeeper_data/myid"),
            (
                format!("{name}/server.properties"),
                "kafka/config/server.properties",
            ),
        ];
        for (from, to) in files {
            copy(conf.join(&from), opt.join(to)).unwrap();
        }
    }

    /// The files as the tutorial has them in the place of ours: the servers' lines without their `#`, each
    /// broker with its own number, machines under their other names.
    fn configure_as_written(&self) {
        let written = repo_root().join("integration-tests/scenarios/seeds/000");
        let zoo = read_to_string(written.join("zoo.cfg")).unwrap();
        let zoo = zoo.replace("#server.", "server.");
        let server = read_to_string(written.join("server.properties")).unwrap();
        assert!(server.contains("zookeeper.connect= pi1:2181, pi2:2181, pi3:2181"));
        for (id, name) in (1..).zip(NAMES) {
            let opt = self.dir.path().join(name).join("opt");
            write(opt.join("zookeeper/conf/zoo.cfg"), &zoo).unwrap();
            let own = server.replace("broker.id=3", &format!("broker.id={id}"));
            write(opt.join("kafka/config/server.properties"), own).unwrap();
        }
    }

    fn commands(&self) -> PathBuf {
        self.dir.path().join("commands")
    }

    /// `ssh`, and what belongs to Hadoop.
    fn make_commands(&self) {
        let mut ssh = "#!/bin/sh\nhost=$1; shift\ncase $host in\n".to_owned();
        for (name, machine) in NAMES.iter().zip(&self.machines) {
            ssh += &format!("{name}) pid={} ;;\n", machine.pid());
        }
        ssh += "*) echo \"ssh: unknown host $host\" >&2; exit 255 ;;\nesac\n";
        ssh += "exec nsenter --target=$pid --all sh -c \"$*\"\n";
        create_dir_all(self.commands()).unwrap();
        let nothing = "#!/bin/sh\n".to_owned();
        for (name, text) in [
            ("ssh", &ssh),
            ("start-dfs.sh", &nothing),
            ("start-yarn.sh", &nothing),
            ("stop-dfs.sh", &nothing),
            ("stop-yarn.sh", &nothing),
        ] {
            let path = self.commands().join(name);
            write(&path, text).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        }
    }

    /// Runs a script of the tutorial as its user `pi` would.
    fn script(&self, name: &str) -> String {
        let mut command = Command::new("bash");
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .arg(
                repo_root()
                    .join("integration-tests/scenarios/seeds/000")
                    .join(name),
            )
            .env("PATH", format!("{}:{path}", self.commands().display()));
        for name in [
            "SERVER_JVMFLAGS",
            "JVMFLAGS",
            "ZOO_LOG_DIR",
            "LOG_DIR",
            "KAFKA_OPTS",
        ] {
            command.env_remove(name);
        }
        run(command, b"").success()
    }

    fn on(&self, machine: usize, command: &str) -> Finished {
        run(self.machines[machine].shell(command), b"")
    }

    fn addr(&self, machine: usize, port: u16) -> SocketAddr {
        SocketAddr::new(self.net.addr(machine as u8 + 1), port)
    }

    fn mode(&self, machine: usize) -> String {
        let answer = four_letter(self.addr(machine, 2181), "srvr");
        let mode = answer.lines().find_map(|line| line.strip_prefix("Mode: "));
        mode.unwrap_or_default().to_owned()
    }

    fn wait_for_leader(&self, machines: &[usize]) {
        wait_until("a leader and followers", || {
            let modes: Vec<String> = machines.iter().map(|&m| self.mode(m)).collect();
            let count = |what| modes.iter().filter(|mode| *mode == what).count();
            count("leader") == 1 && count("follower") == machines.len() - 1
        });
    }

    fn wait_for_brokers(&self, machines: &[usize]) {
        for &machine in machines {
            let addr = self.addr(machine, 9092);
            wait_until(
                &format!("{} brokers known at {addr}", machines.len()),
                || broker_count(addr) == Some(machines.len() as i32),
            );
        }
    }
}

trait FolderOf {
    fn with_folder_of(self, program: &str) -> Self;
}

impl FolderOf for Command {
    fn with_folder_of(mut self, program: &str) -> Self {
        let path = binary(program);
        self.arg(path.parent().expect("a program lies in a folder"));
        self
    }
}

#[test]
fn cluster_start_and_stop() {
    if let Some(why) = unavailable() {
        return skipped(&why);
    }
    let mut pis = Pis::boot();
    assert!(
        pis.script("cluster-start.sh")
            .ends_with("Thunderbirds Go !\n")
    );
    pis.wait_for_leader(&[0, 1, 2]);
    pis.wait_for_brokers(&[0, 1, 2]);
    for machine in 0..3 {
        let status = pis
            .on(machine, "/opt/zookeeper/bin/zkServer.sh status")
            .success();
        assert!(
            status.contains("Mode: leader") || status.contains("Mode: follower"),
            "{status}"
        );
    }
    let topics = "/opt/kafka/bin/kafka-topics.sh --zookeeper localhost:2181";
    let said = pis
        .on(
            0,
            &format!("{topics} --create --replication-factor 1 --partitions 3 --topic test"),
        )
        .success();
    assert_eq!(said, "Created topic test.\n");
    let produce = "printf 'test test\\nmessage test\\n' | /opt/kafka/bin/kafka-console-producer.sh \
        --broker-list pi-node14:9092 --topic test";
    pis.on(1, produce).success();
    let consume = "/opt/kafka/bin/kafka-console-consumer.sh --bootstrap-server pi-node15:9092 \
        --topic test --from-beginning --max-messages 2";
    let read = pis.on(2, consume).success();
    let mut lines: Vec<&str> = read.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["message test", "test test"]);
    // One machine loses its power: the others go on.
    let leader = (0..3).find(|&m| pis.mode(m) == "leader").unwrap();
    pis.machines[leader].power_off();
    let rest: Vec<usize> = (0..3).filter(|&m| m != leader).collect();
    pis.wait_for_leader(&rest);
    let said = pis.on(rest[0], &format!("{topics} --list")).success();
    assert!(said.lines().any(|line| line == "test"), "{said}");
}

#[test]
fn cluster_stop_ends_everything() {
    if let Some(why) = unavailable() {
        return skipped(&why);
    }
    let pis = Pis::boot();
    pis.configure_as_written();
    pis.script("cluster-start.sh");
    pis.wait_for_leader(&[0, 1, 2]);
    pis.wait_for_brokers(&[0, 1, 2]);
    assert!(pis.script("cluster-stop.sh").ends_with("FIN\n"));
    for machine in 0..3 {
        wait_until("both services to end", || {
            // init, this shell and ps itself
            let left = pis.on(machine, "ps -e -o comm=").success();
            !left
                .lines()
                .any(|name| matches!(name, "zk-server" | "broker"))
        });
    }
}
