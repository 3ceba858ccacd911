//! One `zoo.cfg`, two kinds of server that serve it (Java: `QuorumPeerMain`).
#![allow(
    clippy::disallowed_methods,
    reason = "writes configuration, starts real processes"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::cfg;
use crate::peers::Java;
use crate::proc::{LIMIT, Port, Process, binary, wait_until};

/// A server alone: folder, port, settings. Start it as often as you like, one server at a time.
#[derive(Debug)]
pub struct ZkConfig {
    dir: PathBuf,
    port: Port,
    lines: Vec<String>,
    properties: Vec<String>,
}

impl ZkConfig {
    /// Everything lies in `dir`: `zoo.cfg`, `data/`, `server.log`.
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            port: Port::reserve(),
            lines: Vec::new(),
            properties: Vec::new(),
        }
    }

    /// Adds a line of zoo.cfg; it replaces an earlier or default line of the same key.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// Sets a Java system property (`-Dname=value`); ours reads it from SERVER_JVMFLAGS.
    #[must_use]
    pub fn property(mut self, name: &str, value: &str) -> Self {
        self.properties.push(format!("-D{name}={value}"));
        self
    }

    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// `HOST:PORT`, as tools want it.
    pub fn connect_string(&self) -> String {
        self.addr().to_string()
    }

    pub fn data_dir(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// Writes `zoo.cfg` and gives its path.
    pub fn write(&self) -> PathBuf {
        let lines = vec![
            format!("dataDir={}", self.data_dir().display()),
            format!("clientPort={}", self.port.number()),
            "clientPortAddress=127.0.0.1".to_owned(),
            "tickTime=2000".to_owned(),
            "maxClientCnxns=0".to_owned(),
            "admin.enableServer=false".to_owned(),
            "4lw.commands.whitelist=*".to_owned(),
        ];
        cfg::write(&self.dir, lines, self.lines.iter())
    }

    /// Starts Apache's server of that version (`3.9.5`) and waits until it serves.
    #[track_caller]
    pub fn start_java(&self, java: Java, version: &str) -> ZkServer {
        let mut command = java_command(java, version, self.properties.iter());
        command.arg(self.write()).current_dir(&self.dir);
        self.serve(&format!("Java ZooKeeper {version}"), command)
    }

    /// Starts our `zk-server` and waits until it serves.
    #[track_caller]
    pub fn start_ours(&self) -> ZkServer {
        let mut command = our_command(&self.properties);
        command.arg(self.write()).current_dir(&self.dir);
        self.serve("zk-server", command)
    }

    #[track_caller]
    fn serve(&self, name: &str, command: Command) -> ZkServer {
        let mut process = Process::spawn(name, command, &self.dir.join("server.log"));
        let addr = self.addr();
        wait_until(&format!("{name} to serve"), || {
            process.assert_running();
            // Before it is ready Java's server answers with a sentence instead.
            // And what it accepted too early it never answers.
            ask(addr, "srvr", Duration::from_millis(500)).contains("Mode: ")
        });
        ZkServer { process, addr }
    }
}

/// Our server with these `-D` flags.
pub(super) fn our_command(properties: &[String]) -> Command {
    let mut command = Command::new(binary("zk-server"));
    command
        .env_remove("JVMFLAGS")
        .env("SERVER_JVMFLAGS", properties.join(" "));
    command
}

/// Apache's server of that version with these options.
pub(super) fn java_command<'a>(
    java: Java,
    version: &str,
    options: impl Iterator<Item = &'a String>,
) -> Command {
    let options: Vec<&str> = options.map(String::as_str).collect();
    java.command(
        &format!("zookeeper-{version}"),
        &options,
        "org.apache.zookeeper.server.quorum.QuorumPeerMain",
    )
}

/// A running server, ours or Java's.
#[derive(Debug)]
pub struct ZkServer {
    pub process: Process,
    addr: SocketAddr,
}

impl ZkServer {
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub fn connect_string(&self) -> String {
        self.addr.to_string()
    }

    /// A four-letter word's answer.
    pub fn four_letter(&self, word: &str) -> String {
        four_letter(self.addr, word)
    }
}

/// A four-letter word's answer, empty when nobody answers.
pub fn four_letter(addr: SocketAddr, word: &str) -> String {
    ask(addr, word, LIMIT)
}

pub(super) fn ask(addr: SocketAddr, word: &str, limit: Duration) -> String {
    let answer = || -> std::io::Result<String> {
        let mut socket = TcpStream::connect_timeout(&addr, limit)?;
        socket.set_read_timeout(Some(limit))?;
        socket.write_all(word.as_bytes())?;
        let mut bytes = Vec::new();
        // A reset after the answer does not take the answer back.
        let ended = socket.read_to_end(&mut bytes);
        if bytes.is_empty() {
            ended?;
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    answer().unwrap_or_default()
}
