//! Our broker as a process: started, killed and started again on the same folder and port; and a
//! client of raw requests.
#![allow(
    clippy::disallowed_methods,
    reason = "writes configuration, starts real processes, opens sockets"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use proto::kafka::{Request, frame};

use crate::peers::broker_count;
use crate::proc::{Port, Process, binary, wait_until};

/// A broker's folder, port and settings. One process at a time.
#[derive(Debug)]
pub struct BrokerConfig {
    dir: PathBuf,
    port: Port,
}

impl BrokerConfig {
    /// Writes `server.properties` of broker `id` into `dir`; later `lines` win.
    pub fn new(dir: &Path, id: i32, zookeeper: &str, lines: &[&str]) -> Self {
        let port = Port::reserve();
        let mut text = format!(
            "broker.id={id}\nlisteners=PLAINTEXT://127.0.0.1:{}\nlog.dirs={}\n\
             zookeeper.connect={zookeeper}\noffsets.topic.replication.factor=1\n\
             offsets.topic.num.partitions=5\ngroup.initial.rebalance.delay.ms=0\n",
            port.number(),
            dir.join("logs").display(),
        );
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        std::fs::create_dir_all(dir).expect("the broker's folder can be made");
        std::fs::write(dir.join("server.properties"), text).expect("server.properties");
        Self {
            dir: dir.to_owned(),
            port,
        }
    }

    /// Starts our broker, and waits for nothing.
    #[track_caller]
    pub fn spawn(&self) -> Process {
        self.spawn_with(&[])
    }

    fn spawn_with(&self, env: &[(&str, &Path)]) -> Process {
        let mut command = Command::new(binary("broker"));
        let file = self.dir.join("server.properties");
        command.arg(file).env_remove("LOG_DIR");
        command.envs(env.iter().copied());
        Process::spawn("broker", command, &self.dir.join("kafkaServer.out"))
    }

    /// Starts our broker and waits until it serves.
    #[track_caller]
    pub fn start(&self) -> Process {
        self.start_with(&[])
    }

    /// The same with variables in its environment.
    #[track_caller]
    pub fn start_with(&self, env: &[(&str, &Path)]) -> Process {
        let mut process = self.spawn_with(env);
        wait_until("our broker to serve", || {
            process.assert_running();
            broker_count(self.addr()).is_some_and(|n| n > 0)
        });
        process
    }

    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// `HOST:PORT`, as tools want it.
    pub fn bootstrap(&self) -> String {
        self.addr().to_string()
    }

    pub fn log_dir(&self) -> PathBuf {
        self.dir.join("logs")
    }
}

/// One connection, one request after another or several at once.
#[derive(Debug)]
pub struct RawKafka {
    stream: TcpStream,
    correlation_id: i32,
}

impl RawKafka {
    pub fn connect(addr: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self {
            stream,
            correlation_id: 0,
        })
    }

    pub fn send<R: Request>(&mut self, version: i16, request: &R) -> std::io::Result<()> {
        self.correlation_id += 1;
        let frame = frame::request(version, self.correlation_id, None, request)
            .map_err(std::io::Error::other)?;
        let bytes = frame.into_bytes().unwrap_or_default();
        self.stream.write_all(&bytes)
    }

    pub fn receive<R: Request>(&mut self, version: i16) -> std::io::Result<R::Response> {
        let mut size = [0; 4];
        self.stream.read_exact(&mut size)?;
        let mut body = vec![0; u32::from_be_bytes(size) as usize];
        self.stream.read_exact(&mut body)?;
        let (_, response) =
            frame::read_response::<R>(&body.into(), version).map_err(std::io::Error::other)?;
        Ok(response)
    }

    pub fn call<R: Request>(&mut self, version: i16, request: &R) -> std::io::Result<R::Response> {
        self.send(version, request)?;
        self.receive::<R>(version)
    }
}
