//! Apache's broker, of any version (Java: `kafka.Kafka`).
#![allow(
    clippy::disallowed_methods,
    reason = "writes configuration, starts real processes"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use super::Java;
use crate::proc::{Port, Process, wait_until};

/// A running broker of Apache's. Stop it with `process.stop()` for a clean shutdown.
#[derive(Debug)]
pub struct JavaBroker {
    pub process: Process,
    port: Port,
}

impl JavaBroker {
    /// Starts broker `id` of that version (`2.7.0`) in `dir`, with `lines` added to
    /// server.properties, and waits until it answers.
    #[track_caller]
    pub fn start(
        java: Java,
        version: &str,
        dir: &Path,
        id: i32,
        zookeeper: &str,
        lines: &[&str],
    ) -> Self {
        Self::start_with(java, version, dir, id, zookeeper, lines, &[])
    }

    /// The same with options for the Java machine.
    #[track_caller]
    #[allow(clippy::too_many_arguments, reason = "what a broker needs, said once")]
    pub fn start_with(
        java: Java,
        version: &str,
        dir: &Path,
        id: i32,
        zookeeper: &str,
        lines: &[&str],
        options: &[&str],
    ) -> Self {
        let port = Port::reserve();
        let mut all = vec![
            format!("broker.id={id}"),
            format!("listeners=PLAINTEXT://127.0.0.1:{}", port.number()),
            format!("log.dirs={}", dir.join("kafka-logs").display()),
            format!("zookeeper.connect={zookeeper}"),
            "num.partitions=1".to_owned(),
            "offsets.topic.replication.factor=1".to_owned(),
            "offsets.topic.num.partitions=5".to_owned(),
            "transaction.state.log.replication.factor=1".to_owned(),
            "transaction.state.log.min.isr=1".to_owned(),
            "transaction.state.log.num.partitions=5".to_owned(),
            "group.initial.rebalance.delay.ms=0".to_owned(),
            "delete.topic.enable=true".to_owned(),
        ];
        if version.starts_with("0.8") {
            all.push("host.name=127.0.0.1".to_owned());
            all.push(format!("port={}", port.number()));
        }
        let key = |line: &str| line.split('=').next().map(str::to_owned);
        all.retain(|known| lines.iter().all(|line| key(known) != key(line)));
        all.extend(lines.iter().map(|&line| line.to_owned()));
        all.push(String::new());
        std::fs::create_dir_all(dir).expect("the broker's folder can be made");
        let file = dir.join("server.properties");
        std::fs::write(&file, all.join("\n")).expect("server.properties can be written");

        let mut all_options = vec!["-Xmx512m", "-Dpeer.log=INFO"];
        all_options.extend(options);
        let mut command = java.command(&format!("kafka-{version}"), &all_options, "kafka.Kafka");
        command.arg(file).current_dir(dir);
        let name = format!("Java broker {version}");
        let mut process = Process::spawn(&name, command, &dir.join("server.log"));
        wait_until(&format!("{name} to serve"), || {
            process.assert_running();
            broker_count(port.addr()).is_some_and(|n| n > 0)
        });
        Self { process, port }
    }

    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// `HOST:PORT`, as tools want it.
    pub fn bootstrap(&self) -> String {
        self.addr().to_string()
    }
}

/// How many brokers the one at `addr` reports (Metadata v0, which every version answers).
pub fn broker_count(addr: SocketAddr) -> Option<i32> {
    let ask = || -> std::io::Result<i32> {
        let mut socket = TcpStream::connect(addr)?;
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        let mut request = 14i32.to_be_bytes().to_vec();
        request.extend(3i16.to_be_bytes()); // Metadata
        request.extend(0i16.to_be_bytes()); // version
        request.extend(1i32.to_be_bytes()); // correlation id
        request.extend((-1i16).to_be_bytes()); // no client id
        request.extend(0i32.to_be_bytes()); // all topics
        socket.write_all(&request)?;
        let mut head = [0; 12]; // size, correlation id, number of brokers
        socket.read_exact(&mut head)?;
        Ok(i32::from_be_bytes([head[8], head[9], head[10], head[11]]))
    };
    ask().ok()
}
