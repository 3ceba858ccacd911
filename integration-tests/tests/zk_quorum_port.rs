//! Whatever comes to the quorum port of a leader is closed with one line, and the ensemble goes on.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: drives real processes"
)]

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use integration_tests::proc::{LIMIT, wait_until};
use integration_tests::rng::{Rng, seed};
use integration_tests::zk::ZkClient;
use integration_tests::zk::{Ensemble, Kind};
use proto::quorum::{PacketType, QuorumPacket};

/// An ensemble of one, which leads, and its quorum port.
fn leader(dir: &Path) -> (Ensemble, SocketAddr) {
    let mut ensemble = Ensemble::local(dir, 1, 0).line("standaloneEnabled=false");
    ensemble.start_all(&[Kind::Ours]);
    let config = std::fs::read_to_string(ensemble.write(1)).unwrap();
    let line = config.lines().find_map(|l| l.strip_prefix("server.1="));
    let port = line.unwrap().split(':').nth(1).unwrap().parse().unwrap();
    (ensemble, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

fn log(ensemble: &Ensemble) -> String {
    std::fs::read_to_string(ensemble.member_dir(1).join("server.log")).unwrap()
}

/// Sends bytes and waits until the server has closed.
fn closed_after(port: SocketAddr, bytes: &[u8]) {
    let mut socket = TcpStream::connect(port).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    let _ = socket.write_all(bytes);
    match socket.read_to_end(&mut Vec::new()) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("it is still open"),
        _ => {}
    }
}

fn still_serves(ensemble: &Ensemble) {
    assert!(ZkClient::connect(ensemble.addr(1), 10_000).is_ok());
    assert_eq!(ensemble.mode(1).as_deref(), Some("leader"));
}

#[test]
fn strangers_are_closed_with_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let (ensemble, port) = leader(dir.path());
    for (bytes, line) in [
        (
            &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
            "it sent an HTTP request",
        ),
        (&[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0], "it sent a TLS hello"),
        // FOLLOWERINFO with 2 GB of data
        (
            &[0, 0, 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff],
            "unreasonable length",
        ),
        (
            &[0, 0, 0, 99, 0, 0, 0, 0, 0, 0, 0, 0],
            "99 is no packet type",
        ),
    ] {
        closed_after(port, bytes);
        wait_until("the line is in the log", || {
            log(&ensemble).matches(line).count() == 1
        });
    }
    still_serves(&ensemble);
}

#[test]
fn a_learner_that_says_nonsense_is_closed_and_one_that_says_nothing_too() {
    let dir = tempfile::tempdir().unwrap();
    let (ensemble, port) = leader(dir.path());
    // A packet that is none of a learner's first ones.
    let mut packet = Vec::new();
    QuorumPacket::new(PacketType::Commit, 7).encode(&mut packet);
    closed_after(port, &packet);
    // Nothing at all, for initLimit.
    closed_after(port, b"");
    let mut random = Rng::new(seed());
    for _ in 0..30 {
        let length = random.below(300);
        let mut bytes = random.bytes(length);
        // Half of them begin as a packet does.
        if random.below(2) == 0 {
            let mut head = Vec::new();
            QuorumPacket::new(PacketType::FollowerInfo, 0).encode(&mut head);
            head.extend(bytes);
            bytes = head;
        }
        let mut socket = TcpStream::connect(port).unwrap();
        let _ = socket.write_all(&bytes);
        let _ = socket.set_read_timeout(Some(Duration::from_millis(1)));
        let _ = socket.read(&mut [0; 100]);
    }
    still_serves(&ensemble);
}
