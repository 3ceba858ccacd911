//! Whatever comes to zk-server's client port gets the protocol's answer or a closed connection, and
//! the server goes on.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: drives real processes"
)]

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use integration_tests::proc::{Port, Strangers, exchange, wait_until};
use integration_tests::rng::{Rng, seed};
use integration_tests::zk::{ZkClient, ZkConfig, ZkServer};

fn server(lines: &[&str]) -> (tempfile::TempDir, ZkServer) {
    let dir = tempfile::tempdir().unwrap();
    let config = lines
        .iter()
        .fold(ZkConfig::new(dir.path()), |config, line| config.line(line));
    let server = config.start_ours();
    (dir, server)
}

fn still_serves(server: &ZkServer) {
    assert!(ZkClient::connect(server.addr(), 10_000).is_ok());
    assert_eq!(server.four_letter("ruok"), "imok");
}

#[test]
fn wrong_protocols_are_told_or_closed() {
    let (_dir, mut server) = server(&[]);
    let http = exchange(server.addr(), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(http.starts_with(b"HTTP/1.1 400 "), "{http:?}");
    let tls = exchange(server.addr(), &[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0]);
    assert_eq!(tls[..2], [0x15, 3]);
    let kafka = exchange(
        server.addr(),
        &[0, 0, 0, 10, 0, 18, 0, 3, 0, 0, 0, 1, 0xff, 0xff],
    );
    assert!(kafka.is_empty());
    assert!(exchange(server.addr(), &[0xff, 0xf4, 0xff, 0xfd]).is_empty());
    still_serves(&server);
    let log = server.process.log();
    for part in ["HTTP request", "TLS hello", "Kafka request"] {
        assert_eq!(log.matches(part).count(), 1, "{part}\n{log}");
    }
    server.process.assert_running();
}

#[test]
fn frames_over_the_limit_close_the_connection() {
    let (_dir, mut server) = server(&["jute.maxbuffer=1000"]);
    let before = server.process.resident_kb();
    for length in [1001, i32::MAX, -1, i32::MIN] {
        assert!(exchange(server.addr(), &length.to_be_bytes()).is_empty());
    }
    still_serves(&server);
    assert!(server.process.resident_kb() < before + 8 * 1024);
    assert!(server.process.log().contains("Len error"));
    server.process.assert_running();
}

#[test]
fn random_bytes_never_harm() {
    let seed = seed();
    println!("seed {seed}");
    let mut random = Rng::new(seed);
    let (_dir, mut server) = server(&["nio.sessionlessCnxnTimeout=300"]);
    let before = server.process.resident_kb();
    let mut strangers = Strangers::new(server.addr());
    strangers.send_random(&mut random, 400);
    drop(strangers);
    still_serves(&server);
    assert!(server.process.resident_kb() < before + 32 * 1024);
    assert!(!server.process.log().contains("panicked"));
    server.process.assert_running();
}

#[test]
fn half_open_connections_time_out() {
    let (_dir, server) = server(&["nio.sessionlessCnxnTimeout=500"]);
    let begun = Instant::now();
    for bytes in [&b""[..], b"\0\0", b"\0\0\0\x2c\0\0"] {
        assert!(exchange(server.addr(), bytes).is_empty());
    }
    assert!(begun.elapsed() >= Duration::from_millis(1400));
    let expired = server.four_letter("mntr");
    assert!(
        expired.contains("zk_sessionless_connections_expired\t3\n"),
        "{expired}"
    );
    still_serves(&server);
}

#[test]
fn silent_connections_do_not_block_the_admin_server() {
    let admin = Port::reserve();
    let port = format!("admin.serverPort={}", admin.number());
    let on = ["admin.enableServer=true", "admin.serverAddress=127.0.0.1"];
    let (_dir, server) = server(&[on[0], on[1], &port]);
    wait_until("the AdminServer", || {
        TcpStream::connect(admin.addr()).is_ok()
    });
    let said = [
        &b""[..],
        b"GET /comm",
        b"POST /commands HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
    ];
    let mut silent = Vec::new();
    for bytes in said.iter().cycle().take(300) {
        let mut socket = TcpStream::connect(admin.addr()).unwrap();
        socket.write_all(bytes).unwrap();
        silent.push(socket);
    }
    let begun = Instant::now();
    let request = b"GET /commands/ruok HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = exchange(admin.addr(), request);
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
    // They would be closed after 30 seconds.
    assert!(begun.elapsed() < Duration::from_secs(20));
    still_serves(&server);
}

#[test]
fn max_client_cnxns_limits_an_address() {
    let (_dir, server) = server(&["maxClientCnxns=3"]);
    // The connection that found the server ready may not be gone yet.
    wait_until("three connections", || {
        let mut all: Vec<ZkClient> = Vec::new();
        while let Ok(client) = ZkClient::connect(server.addr(), 10_000) {
            all.push(client);
            assert!(all.len() <= 3);
        }
        let full = all.len() == 3;
        // Monitors are answered all the same.
        if full {
            assert!(server.four_letter("srvr").contains("Mode: standalone"));
        }
        full
    });
    wait_until("a place to be free again", || {
        ZkClient::connect(server.addr(), 10_000).is_ok()
    });
    let log = server.process.log();
    assert_eq!(
        log.matches("Too many connections from /127.0.0.1 - max is 3")
            .count(),
        1,
        "{log}"
    );
}

#[test]
fn max_cnxns_limits_all_connections() {
    let (_dir, server) = server(&["maxCnxns=2"]);
    wait_until("two connections", || {
        let mut all: Vec<ZkClient> = Vec::new();
        while let Ok(client) = ZkClient::connect(server.addr(), 10_000) {
            all.push(client);
            assert!(all.len() <= 2);
        }
        all.len() == 2
    });
    assert!(server.process.log().contains("max is 2 (raise maxCnxns"));
}

#[test]
fn ten_thousand_idle_connections_are_fine() {
    const WANTED: usize = 10_000;
    let files = driver::limits::raise_open_files().unwrap();
    // This process holds one end of each, the server the other.
    if files.soft < WANTED as u64 + 200 {
        return integration_tests::proc::skipped("fewer than 10,200 open files are allowed here");
    }
    let (_dir, server) = server(&["nio.sessionlessCnxnTimeout=600000"]);
    let before = server.process.resident_kb();
    let mut open = Vec::with_capacity(WANTED);
    for _ in 0..WANTED {
        open.push(TcpStream::connect(server.addr()).unwrap());
    }
    wait_until("all to be accepted", || {
        let mntr = server.four_letter("mntr");
        let alive = mntr.lines().find_map(|line| {
            let count = line.strip_prefix("zk_num_alive_connections\t")?;
            count.parse::<usize>().ok()
        });
        alive.is_some_and(|alive| alive > WANTED)
    });
    let grown = server.process.resident_kb() - before;
    println!("{grown} KB for {WANTED} connections");
    assert!(grown < 60 * 1024, "{grown} KB");
    still_serves(&server);
}
