//! Limits of time and number between the servers of an ensemble, held against servers of ours by peers
//! of the test: one that votes, learners that stand still, a follower that stops.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: plain sockets, clocks, folders"
)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use integration_tests::proc::{LIMIT, wait_until};
use integration_tests::zk::{Ensemble, Kind, ZkClient};
use proto::quorum::{
    Address, InitialMessage, LearnerInfo, Notification, PROTOCOL_VERSION, PacketType, QuorumPacket,
};

const OURS: Kind = Kind::Ours;

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn log(ensemble: &Ensemble, id: usize) -> String {
    std::fs::read_to_string(ensemble.member_dir(id).join("server.log")).unwrap()
}

#[track_caller]
fn wait_log(ensemble: &Ensemble, id: usize, text: &str) {
    wait_until(text, || log(ensemble, id).contains(text));
}

/// A server that only votes, on one connection of the election port.
struct Voter {
    stream: TcpStream,
    read: BytesMut,
}

impl Voter {
    /// One with a lower id than the server's: it is dialled.
    fn dialled(listener: &TcpListener) -> Self {
        let mut voter = Self::new(listener.accept().unwrap().0);
        while InitialMessage::decode(&mut voter.read).unwrap().is_none() {
            voter.more();
        }
        voter
    }

    /// One with a higher id than the server's: it dials.
    fn dials(id: i64, port: u16, at: u16) -> Self {
        let mut initial = Vec::new();
        let own = Address {
            host: "127.0.0.1".to_owned(),
            port,
        };
        let message = InitialMessage {
            server: id,
            addresses: vec![own],
        };
        message.encode(false, &mut initial);
        let mut stream = TcpStream::connect(local(at)).unwrap();
        stream.write_all(&initial).unwrap();
        Self::new(stream)
    }

    fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let read = BytesMut::new();
        Self { stream, read }
    }

    fn more(&mut self) {
        let mut bytes = [0; 4096];
        let read = self.stream.read(&mut bytes).unwrap();
        assert_ne!(read, 0, "the server has closed the connection");
        self.read.extend_from_slice(&bytes[..read]);
    }

    fn hears(&mut self) -> Notification {
        loop {
            if let Some(length) = self.read.first_chunk::<4>() {
                let length = u32::from_be_bytes(*length) as usize;
                if self.read.len() >= 4 + length {
                    let message: Bytes = self.read.split_to(4 + length).freeze().slice(4..);
                    return Notification::decode(&message).unwrap();
                }
            }
            self.more();
        }
    }

    fn says(&mut self, notification: &Notification) {
        let mut message = Vec::new();
        notification.encode(&mut message);
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        self.stream.write_all(&length).unwrap();
        self.stream.write_all(&message).unwrap();
    }
}

/// Two members, of which only `id` runs; the other one's election port is the test's.
fn one_of_two(dir: &Path, id: usize, lines: &[&str]) -> (Ensemble, TcpListener) {
    let mut ensemble = Ensemble::local(dir, 2, 0).line("tickTime=100");
    for line in lines {
        ensemble = ensemble.line(line);
    }
    let listener = TcpListener::bind(local(ensemble.ports(3 - id)[2])).unwrap();
    ensemble.start(id, OURS);
    (ensemble, listener)
}

/// What nobody answers is said again after `fastleader.minNotificationInterval`, then ever later, but
/// not later than `fastleader.maxNotificationInterval`.
#[test]
fn votes_are_repeated_as_often_as_configured() {
    let dir = tempfile::tempdir().unwrap();
    let long = ["fastleader.minNotificationInterval=1500"];
    let (_ensemble, listener) = one_of_two(&dir.path().join("min"), 2, &long);
    let mut voter = Voter::dialled(&listener);
    voter.hears();
    let first = Instant::now();
    voter.hears();
    let pause = first.elapsed();
    assert!(pause > Duration::from_millis(1000), "{pause:?}");

    let short = ["fastleader.maxNotificationInterval=200"];
    let (_ensemble, listener) = one_of_two(&dir.path().join("max"), 2, &short);
    let mut voter = Voter::dialled(&listener);
    // Doubled each time, these would take days.
    for _ in 0..20 {
        voter.hears();
    }
}

/// `initLimit`, or `leader.maxTimeToWaitForEpoch` when a voter has no leader.
#[test]
fn a_leader_waits_for_an_epoch_no_longer_than_configured() {
    let dir = tempfile::tempdir().unwrap();
    let lines = ["initLimit=100000", "leader.maxTimeToWaitForEpoch=300"];
    let (ensemble, listener) = one_of_two(&dir.path().join("voter"), 2, &lines);
    let mut voter = Voter::dialled(&listener);
    let vote = voter.hears();
    assert_eq!(vote.leader, 2);
    voter.says(&vote);
    wait_log(&ensemble, 2, "LEADING");
    // Its voter has no leader and asks on, so that it gives up.
    let given_up = "Quit leading due to voter changed mind.";
    wait_until(given_up, || {
        voter.says(&vote);
        log(&ensemble, 2).contains(given_up)
    });

    let (ensemble, listener) = one_of_two(&dir.path().join("limit"), 2, &["initLimit=3"]);
    let mut voter = Voter::dialled(&listener);
    let vote = voter.hears();
    voter.says(&vote);
    wait_log(&ensemble, 2, "Timeout while waiting for epoch from quorum");
}

/// `leaderConnectDelayDuringRetryMs`: pauses grow up to it, and from there on they are told of.
#[test]
fn a_follower_dials_its_leader_as_often_as_configured() {
    let dir = tempfile::tempdir().unwrap();
    for (delay, tries) in [(5, 1), (40, 4)] {
        let delay = format!("leaderConnectDelayDuringRetryMs={delay}");
        let dir = dir.path().join(&delay);
        let (ensemble, listener) = one_of_two(&dir, 1, &[&delay]);
        let port = listener.local_addr().unwrap().port();
        let own = ensemble.ports(1)[2];
        wait_until("it to listen", || TcpStream::connect(local(own)).is_ok());
        let mut voter = Voter::dials(2, port, own);
        let mut vote = voter.hears();
        (vote.leader, vote.zxid) = (2, 1);
        voter.says(&vote);
        wait_log(&ensemble, 1, "connecting to the leader");
        let log = log(&ensemble, 1);
        let told = log.lines().find(|l| l.contains("connecting to the leader"));
        let expected = format!("tries={tries},");
        assert!(told.unwrap().contains(&expected), "{delay}: {told:?}");
    }
}

/// `cnxTimeout`, and `tcpKeepAlive`, which the system tells of.
#[test]
fn connections_of_the_election_port_obey_their_options() {
    let dir = tempfile::tempdir().unwrap();
    for keep_alive in ["true", "false"] {
        let lines = ["cnxTimeout=300", &format!("tcpKeepAlive={keep_alive}")];
        let (ensemble, listener) = one_of_two(&dir.path().join(keep_alive), 2, &lines);
        let _voter = Voter::dialled(&listener);
        let port = listener.local_addr().unwrap().port();
        let wanted = if keep_alive == "true" { "02" } else { "00" };
        wait_until("the timer of its socket", || {
            let timer = timer_of_connection_to(port);
            assert!(wanted == "02" || timer.as_deref() != Some("02"));
            timer.as_deref() == Some(wanted)
        });
        let mut silent = TcpStream::connect(local(ensemble.ports(2)[2])).unwrap();
        silent.set_read_timeout(Some(LIMIT)).unwrap();
        let start = Instant::now();
        assert_eq!(silent.read(&mut [0; 1]).unwrap(), 0);
        assert!(start.elapsed() > Duration::from_millis(250));
        wait_log(
            &ensemble,
            2,
            "it has not said who it is in 300 ms (cnxTimeout)",
        );
    }
}

/// Which timer runs on the socket that is connected to that port of loopback: 00 is none, 02 keep-alive.
fn timer_of_connection_to(port: u16) -> Option<String> {
    let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let remote = format!("0100007F:{port:04X}");
    let mut lines = sockets.lines().map(str::split_whitespace);
    lines.find_map(|mut fields| {
        let found = fields.clone().nth(2) == Some(&remote) && fields.clone().nth(3) == Some("01");
        let timer = fields.nth(5)?;
        found.then(|| timer[..2].to_owned())
    })
}

/// `electionPortBindRetry`: so many tries, and it is enough that the last of them succeeds.
#[test]
fn the_election_port_is_tried_as_often_as_configured() {
    let dir = tempfile::tempdir().unwrap();
    let mut ensemble = Ensemble::local(dir.path(), 3, 0);
    ensemble.own_line(1, "electionPortBindRetry=2");
    ensemble.own_line(2, "electionPortBindRetry=100");
    let taken = [1, 2].map(|id| TcpListener::bind(local(ensemble.ports(id)[2])).unwrap());
    for id in ensemble.ids() {
        ensemble.start(id, OURS);
    }
    wait_log(&ensemble, 1, "(2 tries: electionPortBindRetry)");
    let mut ended = ensemble.take(1);
    assert_eq!(ended.wait().code(), Some(14));
    // Of those that it makes once a second it tells once a minute.
    std::thread::sleep(Duration::from_millis(1500));
    for id in [1, 2] {
        let told = log(&ensemble, id);
        assert_eq!(told.matches("cannot bind the election port").count(), 1);
    }
    drop(taken);
    ensemble.wait_serving();
}

/// `syncLimit` of each member: a leader that stands still is left by the impatient one alone.
#[test]
fn a_silent_leader_is_left_after_sync_limit() {
    let dir = tempfile::tempdir().unwrap();
    let mut ensemble = Ensemble::local(dir.path(), 3, 0).line("tickTime=100");
    ensemble.own_line(1, "syncLimit=5");
    ensemble.own_line(2, "syncLimit=100000");
    ensemble.own_line(3, "syncLimit=100000");
    assert_eq!(ensemble.start_all(&[OURS; 3]), 3);
    ensemble.pause(3);
    wait_log(&ensemble, 1, "leader 3 has been silent for 5");
    assert_eq!(ensemble.mode(2).as_deref(), Some("follower"));
    ensemble.unpause(3);
    assert_eq!(ensemble.wait_serving(), 3);
    // As a leader it is patient: nobody was sent away for silence.
    assert!(!log(&ensemble, 3).contains("it has been silent"));
}

/// A learner that registers and then only reads.
struct Learner {
    socket: TcpStream,
    read: BytesMut,
}

impl Learner {
    fn observes(port: u16, id: i64, last_zxid: i64) -> Self {
        let socket = TcpStream::connect(local(port)).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        let mut learner = Self {
            socket,
            read: BytesMut::new(),
        };
        let info = LearnerInfo {
            server: Some(id),
            protocol: PROTOCOL_VERSION,
            config_version: Some(0),
        };
        learner.says(&info.packet(PacketType::ObserverInfo, 0));
        let leader = learner.hears().expect("the leader's epoch");
        assert_eq!(leader.kind, PacketType::LeaderInfo);
        learner.says(&QuorumPacket::ack_epoch(last_zxid, Some(leader.zxid >> 32)));
        learner
    }

    fn says(&mut self, packet: &QuorumPacket) {
        let mut bytes = Vec::new();
        packet.encode(&mut bytes);
        self.socket.write_all(&bytes).unwrap();
    }

    /// `None` when the leader has closed the connection.
    fn hears(&mut self) -> Option<QuorumPacket> {
        loop {
            if let Some(packet) = QuorumPacket::decode(&mut self.read, 1 << 20).unwrap() {
                return Some(packet);
            }
            let mut bytes = [0; 4096];
            match self.socket.read(&mut bytes) {
                Ok(0) => return None,
                Ok(read) => self.read.extend_from_slice(&bytes[..read]),
                Err(error) => {
                    assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "silence");
                    return None;
                }
            }
        }
    }

    /// What the leader begins the sync with.
    fn sync(&mut self) -> Option<PacketType> {
        self.hears().map(|packet| packet.kind)
    }
}

/// A leader with 20 transactions, whose observers are the test's. Gives its quorum port and the first
/// and last zxid.
fn leads(dir: &Path, lines: &[&str]) -> (Ensemble, u16, [i64; 2]) {
    let mut ensemble = Ensemble::local(dir, 1, 5).line("standaloneEnabled=false");
    for line in lines {
        ensemble = ensemble.line(line);
    }
    ensemble.start(1, OURS);
    ensemble.wait_serving();
    let mut client = ZkClient::connect(ensemble.addr(1), 20_000).unwrap();
    for n in 0..20 {
        assert_eq!(client.create(&format!("/n{n}"), 0), Ok(0));
    }
    let last = client.ticket().zxid();
    let port = ensemble.ports(1)[1];
    (ensemble, port, [last - 19, last])
}

/// What a learner lacks comes from memory (`commitLogCount`) or from the log (`snapshotSizeFactor`), or
/// as a snapshot, which `forceSnapshotSync` prefers; so many learners are synchronised at a time
/// (`leader.maxConcurrentSnapSyncs`, `leader.maxConcurrentDiffSyncs`).
#[test]
fn learners_are_synchronised_as_configured() {
    let dir = tempfile::tempdir().unwrap();
    let memory_only = ["commitLogCount=5", "snapshotSizeFactor=-1"];
    let limits = [
        "leader.maxConcurrentSnapSyncs=2",
        "leader.maxConcurrentDiffSyncs=1",
    ];
    let (_ensemble, port, [first, last]) =
        leads(&dir.path().join("limits"), &[memory_only, limits].concat());
    let mut one = Learner::observes(port, 2, first);
    assert_eq!(one.sync(), Some(PacketType::Snap));
    let mut two = Learner::observes(port, 3, first);
    assert_eq!(two.sync(), Some(PacketType::Snap));
    let mut three = Learner::observes(port, 4, first);
    assert_eq!(three.sync(), None, "a third snapshot");
    let mut four = Learner::observes(port, 5, last - 3);
    assert_eq!(four.sync(), Some(PacketType::Diff));
    let mut five = Learner::observes(port, 6, last - 3);
    assert_eq!(five.sync(), None, "a second difference");
    drop(four);
    wait_until("the first difference to be given up", || {
        Learner::observes(port, 6, last - 3).sync() == Some(PacketType::Diff)
    });

    let from_log = ["commitLogCount=5", "snapshotSizeFactor=1000"];
    let (_ensemble, port, [first, _]) = leads(&dir.path().join("log"), &from_log);
    assert_eq!(
        Learner::observes(port, 2, first).sync(),
        Some(PacketType::Diff)
    );

    let (_ensemble, port, [_, last]) =
        leads(&dir.path().join("force"), &["forceSnapshotSync=true"]);
    assert_eq!(
        Learner::observes(port, 2, last).sync(),
        Some(PacketType::Snap)
    );
}
