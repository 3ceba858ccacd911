//! Servers that are none: one that votes with numbers that cannot be, and one that is elected and sends
//! its followers what no leader sends. Real members survive both and serve afterwards.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use integration_tests::proc::{LIMIT, wait_until};
use integration_tests::rng::{Rng, seed};
use integration_tests::zk::{Ensemble, Kind};
use proto::quorum::{Notification, PacketType, PeerState, QuorumPacket};
use tokio::runtime::Runtime;
use zk_server::net::election::{ElectionNet, ElectionNetSettings, Heard};
use zk_server::quorum::View;
use zk_server::threads::clock::Clock;

const OURS: Kind = Kind::Ours;

fn view_of(ensemble: &Ensemble) -> View {
    let text = std::fs::read_to_string(ensemble.write(1)).unwrap();
    let lines: Vec<&str> = text.lines().filter(|l| l.starts_with("server.")).collect();
    View::parse("zoo.cfg", lines.join("\n").as_bytes(), false).unwrap()
}

/// A server's election port with somebody else behind it.
struct FalsePeer {
    runtime: Runtime,
    net: std::sync::Arc<ElectionNet>,
}

impl FalsePeer {
    /// `answer`: what it says to a server that has said something.
    fn start(
        me: i64,
        view: &View,
        answer: impl Fn(&Notification) -> Option<Notification> + Send + Sync + 'static,
    ) -> Self {
        let runtime = Runtime::new().unwrap();
        let settings = ElectionNetSettings {
            me,
            listen_on_all: false,
            connect_timeout: Duration::from_secs(5),
            bind_retry: 3,
            keep_alive: false,
            multi_address: false,
            reachability: None,
        };
        let net = ElectionNet::new(settings, view, Clock::start(), runtime.handle().clone());
        let replies = std::sync::Arc::downgrade(&net);
        let heard = move |heard| {
            if let (Heard::Notification { from, notification }, Some(net)) =
                (heard, replies.upgrade())
            {
                if let Some(reply) = answer(&notification) {
                    net.notify(from, &reply);
                }
            }
        };
        runtime.block_on(net.start(heard)).unwrap();
        Self { runtime, net }
    }

    fn stop(self) {
        self.runtime.shutdown_timeout(Duration::from_secs(5));
    }
}

fn vote(state: PeerState, leader: i64, zxid: i64, round: i64, peer_epoch: i64) -> Notification {
    Notification {
        state,
        leader,
        zxid,
        round,
        peer_epoch,
        version: Notification::VERSION,
        config: bytes::Bytes::new(),
    }
}

fn no_panics(ensemble: &Ensemble) {
    for id in ensemble.ids() {
        let log = ensemble.member_dir(id).join("server.log");
        let log = std::fs::read_to_string(log).unwrap_or_default();
        assert!(!log.contains("panicked"), "{log}");
    }
}

#[test]
fn votes_that_cannot_be_hold_an_election_up_only_while_they_come() {
    let dir = tempfile::tempdir().unwrap();
    let mut ensemble = Ensemble::local(dir.path(), 3, 0);
    let false_two = FalsePeer::start(2, &view_of(&ensemble), |_| None);
    ensemble.start(1, OURS);
    ensemble.start(3, OURS);
    let ends = [0, 1, -1, i64::MAX, i64::MIN, 2];
    let states = [
        PeerState::Looking,
        PeerState::Leading,
        PeerState::Following,
        PeerState::Observing,
    ];
    let mut random = Rng::new(seed());
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        let mut any = || ends[random.below(ends.len())];
        let (leader, zxid, round, epoch) = (any(), any(), any(), any());
        let state = states[random.below(states.len())];
        let mut forged = vote(state, leader, zxid, round, epoch);
        if random.below(4) == 0 {
            forged.config = vec![b'x'; random.below(400_000)].into();
        }
        for to in [1, 3] {
            false_two.net.notify(to, &forged);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false_two.stop();
    ensemble.wait_serving();
    // The real one, whatever was said in its name.
    ensemble.start(2, OURS);
    ensemble.wait_serving();
    no_panics(&ensemble);
}

fn send(socket: &mut TcpStream, kind: PacketType, zxid: i64, data: Option<&[u8]>) {
    let packet = match data {
        Some(data) => QuorumPacket::with(kind, zxid, data.to_vec()),
        None => QuorumPacket::new(kind, zxid),
    };
    let mut bytes = Vec::new();
    packet.encode(&mut bytes);
    let _ = socket.write_all(&bytes);
}

fn receive(socket: &mut TcpStream, buf: &mut BytesMut) -> Option<QuorumPacket> {
    loop {
        if let Ok(Some(packet)) = QuorumPacket::decode(buf, 1 << 20) {
            return Some(packet);
        }
        let mut piece = [0; 4096];
        match socket.read(&mut piece) {
            Ok(n) if n > 0 => buf.extend_from_slice(&piece[..n]),
            _ => return None,
        }
    }
}

/// What comes after LEADERINFO and ACKEPOCH.
type Scene = fn(&mut TcpStream, &mut Rng);

const EPOCH: i64 = 5;
const SNAP: PacketType = PacketType::Snap;

/// A snapshot's beginning: no sessions, no ACLs.
fn empty_begin(socket: &mut TcpStream) {
    send(socket, SNAP, EPOCH << 32, None);
    let _ = socket.write_all(&[0; 8]);
}

const SCENES: &[(&str, Scene)] = &[
    ("it ends", |_, _| {}),
    ("HTTP", |s, _| {
        drop(s.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    }),
    ("a packet of 2 GB", |s, _| {
        let _ = s.write_all(&[0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 0xff, 0xff, 0xff]);
    }),
    ("a snapshot with 2^31 sessions", |s, _| {
        send(s, SNAP, EPOCH << 32, None);
        let _ = s.write_all(&i32::MAX.to_be_bytes());
        let _ = s.write_all(&[7; 120]);
    }),
    ("a snapshot with -1 sessions", |s, _| {
        send(s, SNAP, EPOCH << 32, None);
        let _ = s.write_all(&(-1i32).to_be_bytes());
    }),
    ("a path of 2 GB", |s, _| {
        empty_begin(s);
        let _ = s.write_all(&i32::MAX.to_be_bytes());
        let _ = s.write_all(&vec![b'/'; 1 << 20]);
    }),
    ("an ACL list that never ends", |s, _| {
        send(s, SNAP, EPOCH << 32, None);
        let _ = s.write_all(&[
            0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 0xff, 0xff, 0xff,
        ]);
        for _ in 0..64 {
            // perms 0 and two empty identities, for up to 64 MB
            if s.write_all(&vec![0; 1 << 20]).is_err() {
                return;
            }
        }
    }),
    ("a gigabyte of nothing as a snapshot", |s, _| {
        empty_begin(s);
        for _ in 0..1024 {
            if s.write_all(&vec![0; 1 << 20]).is_err() {
                return;
            }
        }
    }),
    ("random bytes as a snapshot", |s, random| {
        send(s, SNAP, EPOCH << 32, None);
        let bytes = random.bytes(100_000);
        let _ = s.write_all(&bytes);
    }),
    ("TRUNC to what cannot be", |s, _| {
        send(s, PacketType::Trunc, i64::MAX, None)
    }),
    ("UPTODATE at once", |s, _| {
        send(s, PacketType::UpToDate, -1, None)
    }),
    ("proposals that are none", |s, random| {
        send(s, PacketType::Diff, EPOCH << 32, None);
        let garbage = random.bytes(200);
        send(s, PacketType::Proposal, 1, Some(&garbage));
        send(s, PacketType::Commit, 1, None);
    }),
    ("commits of nothing", |s, _| {
        send(s, PacketType::Diff, EPOCH << 32, None);
        send(s, PacketType::Commit, i64::MAX, None);
    }),
    ("a configuration that is none", |s, random| {
        send(s, PacketType::Diff, 0, None);
        let garbage = random.bytes(2000);
        send(s, PacketType::NewLeader, EPOCH << 32, Some(&garbage));
    }),
    ("packets of all kinds", |s, random| {
        for kind in (0..40).filter_map(PacketType::from_number) {
            let garbage = random.bytes(30);
            send(s, kind, random.below(9) as i64, Some(&garbage));
        }
    }),
];

/// The first words of a leader; false when the follower has gone.
fn greet(socket: &mut TcpStream) -> bool {
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    let mut buf = BytesMut::new();
    if receive(socket, &mut buf).is_none() {
        return false;
    }
    let protocol = 0x10000i32.to_be_bytes();
    send(socket, PacketType::LeaderInfo, EPOCH << 32, Some(&protocol));
    receive(socket, &mut buf).is_some()
}

#[test]
fn a_false_leader_breaks_no_follower() {
    let dir = tempfile::tempdir().unwrap();
    let mut ensemble = Ensemble::local(dir.path(), 3, 0);
    let view = view_of(&ensemble);
    let port = view.server(3).unwrap().addresses[0].1;
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).unwrap();
    // Two that agree: the third leads.
    let says = |state| {
        move |heard: &Notification| {
            let looking = heard.state == PeerState::Looking;
            looking.then(|| vote(state, 3, 0, heard.round, 0))
        }
    };
    let two = FalsePeer::start(2, &view, says(PeerState::Following));
    let three = FalsePeer::start(3, &view, says(PeerState::Leading));
    ensemble.start(1, OURS);
    let mut random = Rng::new(seed());
    let mut most = 0;
    for (what, scene) in SCENES {
        let mut socket = loop {
            let (mut socket, _) = listener.accept().unwrap();
            if greet(&mut socket) {
                break socket;
            }
        };
        socket.set_write_timeout(Some(LIMIT)).unwrap();
        scene(&mut socket, &mut random);
        most = most.max(ensemble.process(1).resident_kb());
        // Then nothing more comes.
        let _ = socket.shutdown(std::net::Shutdown::Write);
        let end = socket.read_to_end(&mut Vec::new());
        let open = end.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        assert!(!open, "{what}: the follower is still there");
    }
    assert!(most < 200 << 10, "{most} KiB");
    two.stop();
    three.stop();
    drop(listener);
    wait_until("the follower to notice", || {
        ensemble.mode(1).is_none() && !ensemble.four_letter(1, "srvr").is_empty()
    });
    ensemble.start(2, OURS);
    ensemble.start(3, OURS);
    ensemble.wait_serving();
    no_panics(&ensemble);
}
