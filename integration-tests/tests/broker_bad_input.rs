//! Whatever comes to the broker's port gets the protocol's answer or a closed connection, and the
//! broker goes on with bounded memory.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: drives real processes"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use integration_tests::broker::BrokerConfig;
use integration_tests::peers::broker_count;
use integration_tests::proc::{LIMIT, Process, Strangers, exchange, wait_until};
use integration_tests::rng::{Rng, seed};
use integration_tests::zk::{ZkConfig, ZkServer};
use proto::kafka::ApiKey;

struct Broker {
    process: Process,
    config: BrokerConfig,
    _zookeeper: ZkServer,
    _dir: tempfile::TempDir,
}

impl Broker {
    fn start(lines: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let zookeeper = ZkConfig::new(&dir.path().join("zk")).start_ours();
        let config = BrokerConfig::new(dir.path(), 0, &zookeeper.connect_string(), lines);
        let process = config.start();
        Self {
            process,
            config,
            _zookeeper: zookeeper,
            _dir: dir,
        }
    }

    fn addr(&self) -> SocketAddr {
        self.config.addr()
    }

    fn resident_kb(&self) -> u64 {
        self.process.resident_kb()
    }

    #[track_caller]
    fn still_serves(&mut self) {
        self.process.assert_running();
        assert_eq!(broker_count(self.addr()), Some(1));
        assert!(!self.process.log().contains("panicked"));
    }
}

/// A frame with a header of version 1 or, where `flexible`, 2, and a body.
fn request(key: i16, version: i16, flexible: bool, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(key.to_be_bytes());
    bytes.extend(version.to_be_bytes());
    bytes.extend(7i32.to_be_bytes());
    bytes.extend((-1i16).to_be_bytes());
    if flexible {
        bytes.push(0);
    }
    bytes.extend(body);
    let size = u32::try_from(bytes.len()).unwrap();
    [&size.to_be_bytes()[..], &bytes].concat()
}

#[test]
fn strangers_are_closed_and_named() {
    let mut broker = Broker::start(&["socket.request.max.bytes=100000"]);
    for (bytes, part) in [
        (&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], "an HTTP request"),
        (&[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0], "a TLS hello"),
        (&[0xff, 0xff, 0xff, 0xff], "a request of -1 bytes"),
        (
            &100_001i32.to_be_bytes(),
            "more than socket.request.max.bytes=100000",
        ),
    ] {
        // one line a second at most about what strangers do
        wait_until(part, || {
            assert!(exchange(broker.addr(), bytes).is_empty());
            broker.process.log().contains(part)
        });
    }
    broker.still_serves();
}

#[test]
fn unknown_apis_and_versions_are_closed_or_told() {
    let mut broker = Broker::start(&[]);
    for key in [-1, 99, i16::MAX] {
        assert!(exchange(broker.addr(), &request(key, 0, false, b"")).is_empty());
    }
    for version in [-1, 99, i16::MAX] {
        assert!(
            exchange(
                broker.addr(),
                &request(ApiKey::Fetch as i16, version, false, b"")
            )
            .is_empty()
        );
    }
    // a client of the future asks with its own version, and learns what is served
    let mut socket = TcpStream::connect(broker.addr()).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    socket
        .write_all(&request(ApiKey::ApiVersions as i16, 99, true, b""))
        .unwrap();
    let mut head = [0; 10];
    socket.read_exact(&mut head).unwrap();
    assert_eq!(head[4..], [0, 0, 0, 7, 0, 35]);
    broker.still_serves();
}

/// Requests among brokers, which change what this one knows when they are whole.
fn is_control(api: ApiKey) -> bool {
    matches!(
        api,
        ApiKey::LeaderAndIsr
            | ApiKey::StopReplica
            | ApiKey::UpdateMetadata
            | ApiKey::ControlledShutdown
    )
}

#[test]
fn broken_bodies_of_every_api_and_version_never_harm() {
    let seed = seed();
    println!("seed {seed}");
    let mut random = Rng::new(seed);
    let mut broker = Broker::start(&["auto.create.topics.enable=false"]);
    let before = broker.resident_kb();
    let mut strangers = Strangers::new(broker.addr());
    for api in ApiKey::ALL {
        let versions = api.versions();
        for version in (0..30).filter(|v| versions.contains(*v)) {
            for _ in 0..3 {
                let longest = if is_control(*api) { 3 } else { 60 };
                let length = random.below(longest);
                let mut body = random.bytes(length);
                if random.chance(50) {
                    // lengths and numbers that look sound, with nothing behind them
                    body.iter_mut().for_each(|byte| *byte &= 0x03);
                }
                let flexible = version >= api.flexible_from();
                strangers.send(&request(*api as i16, version, flexible, &body));
            }
        }
    }
    drop(strangers);
    broker.still_serves();
    let after = broker.resident_kb();
    assert!(after < before + 32 * 1024, "{before} KB, then {after} KB");
}

#[test]
fn random_bytes_never_harm() {
    let seed = seed();
    println!("seed {seed}");
    let mut random = Rng::new(seed);
    let mut broker = Broker::start(&["auto.create.topics.enable=false"]);
    let before = broker.resident_kb();
    let mut strangers = Strangers::new(broker.addr());
    strangers.send_random(&mut random, 400);
    // sizes that are allowed, of requests that never come
    let waiting: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut socket = TcpStream::connect(broker.addr()).unwrap();
            let _ = socket.write_all(&[5, 0, 0, 0, 0, 0]);
            socket
        })
        .collect();
    broker.still_serves();
    let after = broker.resident_kb();
    assert!(after < before + 32 * 1024, "{before} KB, then {after} KB");
    drop(waiting);
}

#[test]
fn half_open_connections_time_out() {
    let mut broker = Broker::start(&["connections.max.idle.ms=500"]);
    let begun = Instant::now();
    for bytes in [&b""[..], b"\0\0", b"\0\0\0\x2c\0\0"] {
        assert!(exchange(broker.addr(), bytes).is_empty());
    }
    assert!(begun.elapsed() >= Duration::from_millis(1400));
    broker.still_serves();
}

#[test]
fn ten_thousand_idle_connections_are_fine() {
    const WANTED: usize = 10_000;
    let files = driver::limits::raise_open_files().unwrap();
    // this process holds one end of each, the broker the other
    if files.soft < WANTED as u64 + 200 {
        return integration_tests::proc::skipped("fewer than 10,200 open files are allowed here");
    }
    let mut broker = Broker::start(&[]);
    let before = broker.resident_kb();
    let mut open = Vec::with_capacity(WANTED);
    let ask = request(ApiKey::ApiVersions as i16, 0, false, b"");
    for _ in 0..WANTED {
        // one that is answered has been accepted, so the backlog of 50 never overflows
        let mut socket = TcpStream::connect(broker.addr()).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        socket.write_all(&ask).unwrap();
        let mut size = [0; 4];
        socket.read_exact(&mut size).unwrap();
        let mut answer = vec![0; u32::from_be_bytes(size) as usize];
        socket.read_exact(&mut answer).unwrap();
        open.push(socket);
    }
    broker.still_serves();
    let grown = broker.resident_kb().saturating_sub(before);
    println!("{grown} KB for {WANTED} connections");
    assert!(grown < 60 * 1024, "{grown} KB");
}
