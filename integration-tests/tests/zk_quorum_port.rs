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
use integration_tests::zk::{Ensemble, Kind, ZkClient};
use proto::quorum::{LearnerInfo, PROTOCOL_VERSION, PacketType, QuorumPacket};
use proto::zk::OpCode;
use proto::zk::acl::Acl;
use proto::zk::request::CreateRequest;

/// An ensemble of one, which leads, and its quorum port.
fn leader(dir: &Path) -> (Ensemble, SocketAddr) {
    let mut ensemble = Ensemble::local(dir, 1, 0).line("standaloneEnabled=false");
    ensemble.start_all(&[Kind::Ours]);
    let [port, _] = ports(&ensemble, 1);
    (ensemble, port)
}

fn log(ensemble: &Ensemble) -> String {
    log_of(ensemble, 1)
}

fn log_of(ensemble: &Ensemble, id: usize) -> String {
    std::fs::read_to_string(ensemble.member_dir(id).join("server.log")).unwrap()
}

/// A member's ports for learners and for elections.
fn ports(ensemble: &Ensemble, id: usize) -> [SocketAddr; 2] {
    let config = std::fs::read_to_string(ensemble.write(id)).unwrap();
    let key = format!("server.{id}=");
    let line = config.lines().find_map(|l| l.strip_prefix(key.as_str()));
    let fields: Vec<&str> = line.unwrap().split(':').collect();
    [1, 2].map(|at| SocketAddr::from((Ipv4Addr::LOCALHOST, fields[at].parse().unwrap())))
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

/// Of each host a few places are for those who have not said who they are.
#[test]
fn silent_connections_by_the_hundred_keep_no_server_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut ensemble = Ensemble::local(dir.path(), 3, 0);
    let leader = ensemble.start_all(&[Kind::Ours; 3]);
    let silent: Vec<TcpStream> = (1..=3)
        .flat_map(|id| ports(&ensemble, id))
        .flat_map(|port| (0..100).map_while(move |_| TcpStream::connect(port).ok()))
        .collect();
    assert!(silent.len() >= 400, "{} connections", silent.len());
    let half: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut half = TcpStream::connect(ports(&ensemble, leader)[0]).unwrap();
            half.write_all(&[0, 0, 0, 11, 0]).unwrap();
            half
        })
        .collect();
    for _ in 0..3000 {
        drop(TcpStream::connect(ports(&ensemble, leader)[0]).unwrap());
    }
    // One comes back, and then the leader goes: the others elect one.
    let follower = leader % 3 + 1;
    ensemble.kill(follower);
    ensemble.start(follower, Kind::Ours);
    ensemble.wait_serving();
    ensemble.kill(leader);
    let newer = ensemble.wait_serving();
    for id in [leader, newer, follower] {
        let lines = log_of(&ensemble, id)
            .matches("Closing the connection of ")
            .count();
        assert!(lines < 50, "{lines} lines of member {id}");
    }
    drop((silent, half));
}

/// Says that it is this server and follows the leader's words as far as needed; then acknowledges
/// everything, proposed or not, and reads what comes without looking at it.
fn false_follower(port: SocketAddr, server: i64) -> TcpStream {
    let mut socket = TcpStream::connect(port).unwrap();
    let who = LearnerInfo {
        server: Some(server),
        protocol: PROTOCOL_VERSION,
        config_version: Some(0),
    };
    let mut hello = Vec::new();
    who.packet(PacketType::FollowerInfo, 0).encode(&mut hello);
    let ack_epoch = QuorumPacket::with(PacketType::AckEpoch, 0, vec![0, 0, 0, 0]);
    ack_epoch.encode(&mut hello);
    socket.write_all(&hello).unwrap();
    let mut reading = socket.try_clone().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while matches!(reading.read(&mut buffer), Ok(n) if n > 0) {}
    });
    socket
}

fn acknowledge(socket: &mut TcpStream) {
    let mut acks = Vec::new();
    for epoch in 0..4i64 {
        for n in 0..200 {
            QuorumPacket::new(PacketType::Ack, epoch << 32 | n).encode(&mut acks);
        }
    }
    for zxid in [i64::MAX, i64::MIN, -1] {
        QuorumPacket::new(PacketType::Ack, zxid).encode(&mut acks);
    }
    let _ = socket.write_all(&acks);
}

#[test]
fn who_acknowledges_everything_and_is_no_member_makes_no_quorum() {
    let dir = tempfile::tempdir().unwrap();
    let mut ensemble = Ensemble::local(dir.path(), 3, 0);
    let leader = ensemble.start_all(&[Kind::Ours; 3]);
    let [port, _] = ports(&ensemble, leader);
    let mut client = ZkClient::connect(ensemble.addr(leader), 20_000).unwrap();
    let before = ensemble.process(leader).resident_kb();
    let mut crowd: Vec<TcpStream> = (100..400).map(|id| false_follower(port, id)).collect();
    let (other, third) = (leader % 3 + 1, (leader + 1) % 3 + 1);
    ensemble.kill(third);
    ensemble.pause(other);
    let writing = std::thread::spawn(move || {
        let request = CreateRequest {
            path: "/x",
            data: Some(b"x"),
            acl: vec![Acl::OPEN],
            flags: 0,
        };
        client.must(OpCode::Create, &request);
    });
    for _ in 0..10 {
        crowd.iter_mut().take(150).for_each(acknowledge);
        std::thread::sleep(Duration::from_millis(50));
        assert!(!writing.is_finished(), "one of three has it");
    }
    ensemble.unpause(other);
    writing.join().unwrap();
    ensemble.start(third, Kind::Ours);
    ensemble.wait_serving();
    let grown = ensemble
        .process(leader)
        .resident_kb()
        .saturating_sub(before);
    assert!(grown < 100 << 10, "{grown} KiB more");
    for id in ensemble.ids() {
        assert!(!log_of(&ensemble, id).contains("panicked"));
    }
    drop(crowd);
}

/// A stranger says that it is a member, as nobody can tell: what it may break is itself.
#[test]
fn a_false_member_that_acknowledges_what_was_not_proposed_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let mut ensemble = Ensemble::local(dir.path(), 3, 0);
    let leader = ensemble.start_all(&[Kind::Ours; 3]);
    let [port, _] = ports(&ensemble, leader);
    let other = leader % 3 + 1;
    for _ in 0..20 {
        acknowledge(&mut false_follower(port, other as i64));
    }
    // Requests and answers that no learner of this state sends, with garbage in them.
    let mut random = Rng::new(seed());
    for kind in 0..40 {
        let Some(kind) = PacketType::from_number(kind) else {
            continue;
        };
        let mut socket = false_follower(port, other as i64);
        let mut bytes = Vec::new();
        for _ in 0..50 {
            let length = random.below(60);
            let data = random.bytes(length);
            QuorumPacket::with(kind, random.below(99) as i64, data).encode(&mut bytes);
        }
        let _ = socket.write_all(&bytes);
    }
    ensemble.wait_serving();
    let mut client = ZkClient::connect(ensemble.addr(other), 20_000).unwrap();
    let request = CreateRequest {
        path: "/y",
        data: Some(b"y"),
        acl: vec![Acl::OPEN],
        flags: 0,
    };
    client.must(OpCode::Create, &request);
    ensemble.wait_level();
    for id in ensemble.ids() {
        assert!(!log_of(&ensemble, id).contains("panicked"));
    }
}
