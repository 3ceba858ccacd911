//! Elections over real sockets: our election machine and election port among themselves and with
//! Apache's servers, which take them for a server. What follows an election has its own tests.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use integration_tests::java_or_skip;
use integration_tests::proc::{Port, wait_until};
use integration_tests::zk::{Ensemble, Kind};
use proto::quorum::PeerState;
use tokio::runtime::{Handle, Runtime};
use zk_server::election::{Basis, Effect, Election, Settings};
use zk_server::net::election::{ElectionNet, ElectionNetSettings, Heard};
use zk_server::quorum::View;
use zk_server::threads::clock::Clock;
use zk_server::units::Now;

/// A server that takes part in elections and does nothing else.
struct Voter {
    id: i64,
    clock: Clock,
    net: Arc<ElectionNet>,
    election: Mutex<Election>,
    runtime: Runtime,
}

impl Voter {
    fn start(id: i64, view: &View, zxid: i64) -> Arc<Self> {
        Self::start_with(settings(id), view, zxid)
    }

    fn start_with(settings: ElectionNetSettings, view: &View, zxid: i64) -> Arc<Self> {
        let id = settings.me;
        let runtime = Runtime::new().unwrap();
        let clock = Clock::start();
        let net = ElectionNet::new(settings, view, clock, runtime.handle().clone());
        let basis = Basis { zxid, epoch: 0 };
        let election = Election::new(id, Settings::default(), view.clone(), basis);
        let voter = Arc::new(Self {
            id,
            clock,
            net,
            election: Mutex::new(election),
            runtime,
        });
        let sink = Arc::downgrade(&voter);
        let heard = move |heard| {
            if let Some(voter) = sink.upgrade() {
                voter.heard(heard);
            }
        };
        let started = voter.runtime.block_on(voter.net.start(heard));
        started.unwrap();
        voter.runtime.spawn(tick(Arc::downgrade(&voter)));
        voter.look(zxid);
        voter
    }

    fn look(&self, zxid: i64) {
        let basis = Basis { zxid, epoch: 0 };
        self.with(|election, now, out| election.look(basis, now, out));
    }

    fn with(&self, f: impl FnOnce(&mut Election, Now, &mut Vec<Effect>)) {
        let mut out = Vec::new();
        f(
            &mut self.election.lock().unwrap(),
            self.clock.now(),
            &mut out,
        );
        for effect in out {
            if let Effect::Notify { to, notification } = effect {
                self.net.notify(to, &notification);
            }
        }
    }

    fn heard(&self, heard: Heard) {
        self.with(|election, now, out| match heard {
            Heard::Notification { from, notification } => {
                election.notification(from, &notification, now, out);
            }
            Heard::Reach { server, gone } => election.out_of_reach(server, gone, now, out),
        });
    }

    fn decision(&self) -> Option<(PeerState, i64)> {
        let election = self.election.lock().unwrap();
        let state = election.state();
        (state != PeerState::Looking).then(|| (state, election.vote().leader))
    }

    fn wait_decision(&self) -> (PeerState, i64) {
        let what = format!("server {} decides", self.id);
        wait_until(&what, || self.decision().is_some());
        self.decision().unwrap()
    }
}

async fn tick(voter: std::sync::Weak<Voter>) {
    loop {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let Some(voter) = voter.upgrade() else {
            return;
        };
        let due = voter.election.lock().unwrap().next_deadline();
        if due.is_some_and(|at| at <= voter.clock.now().mono_us) {
            voter.with(Election::tick);
        }
    }
}

/// Stops its tasks from a thread that may wait for them.
fn stop(voter: Arc<Voter>) {
    let handle: Handle = voter.runtime.handle().clone();
    drop(handle);
    if let Ok(voter) = Arc::try_unwrap(voter) {
        voter.runtime.shutdown_timeout(Duration::from_secs(5));
    }
}

fn settings(me: i64) -> ElectionNetSettings {
    ElectionNetSettings {
        me,
        listen_on_all: false,
        connect_timeout: Duration::from_secs(5),
        bind_retry: 3,
        keep_alive: false,
        multi_address: false,
        reachability: None,
    }
}

fn view(ports: &[Port]) -> View {
    let line = |(id, port): (usize, &Port)| {
        let port = port.number();
        format!("server.{}=127.0.0.1:{}:{port}\n", id + 1, port - 1)
    };
    let text: String = ports.iter().enumerate().map(line).collect();
    View::parse("test", text.as_bytes(), false).unwrap()
}

fn three() -> (Vec<Port>, View) {
    let ports: Vec<Port> = (0..3).map(|_| Port::reserve()).collect();
    let view = view(&ports);
    (ports, view)
}

#[test]
fn three_elect_and_two_elect_again_at_once() {
    let (_ports, view) = three();
    let one = Voter::start(1, &view, 7);
    let two = Voter::start(2, &view, 7);
    let three = Voter::start(3, &view, 7);
    for (voter, state) in [
        (&one, PeerState::Following),
        (&two, PeerState::Following),
        (&three, PeerState::Leading),
    ] {
        assert_eq!(voter.wait_decision(), (state, 3));
    }
    stop(three);
    let start = Instant::now();
    one.look(7);
    two.look(7);
    assert_eq!(one.wait_decision(), (PeerState::Following, 2));
    assert_eq!(two.wait_decision(), (PeerState::Leading, 2));
    // Without an answer at once there would be one after a minute; a busy machine takes seconds.
    let took = start.elapsed();
    assert!(took < Duration::from_secs(30), "{took:?}");
    // Who comes back finds the leader, whatever its log.
    let three = Voter::start(3, &view, 9);
    assert_eq!(three.wait_decision(), (PeerState::Following, 2));
    for voter in [one, two, three] {
        stop(voter);
    }
}

#[test]
fn garbage_on_the_election_port_is_closed_and_harms_nobody() {
    let (ports, view) = three();
    // Who says nothing would stay for an hour.
    let patient = ElectionNetSettings {
        connect_timeout: Duration::from_secs(3600),
        ..settings(1)
    };
    let one = Voter::start_with(patient, &view, 7);
    let at = ports[0].addr();
    let mut own_id = (-65536i64).to_be_bytes().to_vec();
    own_id.extend(1i64.to_be_bytes());
    own_id.extend(14i32.to_be_bytes());
    own_id.extend(b"elsewhere:3888");
    let mut oversize = 3i64.to_be_bytes().to_vec();
    oversize.extend(i32::MAX.to_be_bytes());
    for bytes in [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        vec![0xff; 4096],
        own_id,
        oversize,
    ] {
        assert_closed(at, &bytes);
    }
    let mut silent: Vec<TcpStream> = Vec::new();
    silent.extend((0..200).map(|_| TcpStream::connect(at).unwrap()));
    let two = Voter::start(2, &view, 7);
    assert_eq!(one.wait_decision(), (PeerState::Following, 2));
    stop(one);
    stop(two);
    drop(silent);
}

fn assert_closed(at: SocketAddr, bytes: &[u8]) {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.write_all(bytes).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
}

#[test]
fn a_port_that_is_taken_is_said_with_what_to_do() {
    let (ports, view) = three();
    let _taken = TcpListener::bind(ports[0].addr()).unwrap();
    let runtime = Runtime::new().unwrap();
    let settings = ElectionNetSettings {
        bind_retry: 1,
        ..settings(1)
    };
    let handle = runtime.handle().clone();
    let net = ElectionNet::new(settings, &view, Clock::start(), handle);
    let error = runtime.block_on(net.start(|_| ())).unwrap_err();
    for part in [
        "the port is taken",
        "line server.1",
        "electionPortBindRetry",
    ] {
        assert!(error.contains(part), "{error}");
    }
}

/// Two of Apache's servers and ours, which has the lowest id and so is dialled back by both; then the
/// one that leads is killed, and ours votes with the other one.
#[test]
fn votes_are_counted_by_apaches_servers_and_theirs_by_ours() {
    let java = java_or_skip!();
    for version in ["3.4.14", "3.6.2", "3.9.5"] {
        let dir = tempfile::tempdir().unwrap();
        let ensemble = Ensemble::local(dir.path(), 3, 0).java(java);
        let mut ensemble = ensemble.java_option("-Dpeer.log=INFO");
        let view = view_of(&ensemble, 1);
        ensemble.start(3, Kind::Java(version));
        // Alone it elects nobody: the vote that makes a quorum is ours.
        let one = Voter::start(1, &view, 0);
        assert_eq!(one.wait_decision(), (PeerState::Following, 3), "{version}");
        wait_until("Java leads", || {
            ensemble.process(3).log().contains("LEADING")
        });
        ensemble.start(2, Kind::Java(version));
        let following = || ensemble.mode(2).as_deref() == Some("follower");
        wait_until("the other one follows", following);
        ensemble.kill(3);
        one.look(0);
        assert_eq!(one.wait_decision().1, 2, "{version}");
        stop(one);
    }
}

/// Ours has the highest id: it dials, and Apache's servers count its vote for themselves.
#[test]
fn a_vote_of_the_highest_id_is_counted_too() {
    let java = java_or_skip!();
    for version in ["3.4.14", "3.6.2", "3.9.5"] {
        let dir = tempfile::tempdir().unwrap();
        let mut ensemble = Ensemble::local(dir.path(), 3, 0).java(java);
        let view = view_of(&ensemble, 3);
        ensemble.start(1, Kind::Java(version));
        ensemble.start(2, Kind::Java(version));
        wait_until("one leads", || ensemble.leader().is_some());
        let leader = ensemble.leader().unwrap() as i64;
        let three = Voter::start(3, &view, 99);
        assert_eq!(
            three.wait_decision(),
            (PeerState::Following, leader),
            "{version}"
        );
        stop(three);
    }
}

fn view_of(ensemble: &Ensemble, id: usize) -> View {
    let file = ensemble.write(id);
    let text = std::fs::read_to_string(file).unwrap();
    let lines: Vec<&str> = text.lines().filter(|l| l.starts_with("server.")).collect();
    View::parse("zoo.cfg", lines.join("\n").as_bytes(), false).unwrap()
}
