//! What goes wrong is said once and clearly on the server that can know it: real processes, and the lines
//! of their logs.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: drives real processes"
)]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use integration_tests::proc::{
    Finished, Port, Process, binary, repo_root, run, skipped, wait_until,
};
use integration_tests::zk::{Ensemble, Kind, ZkClient, ZkConfig};
use integration_tests::{java_or_skip, netns};
use proto::jute::Jute;
use proto::zk::acl::Acl;
use proto::zk::request::{CreateRequest, ReconfigRequest};
use proto::zk::{ErrorCode, OpCode};

const OURS: Kind = Kind::Ours;

fn log(ensemble: &Ensemble, id: usize) -> String {
    std::fs::read_to_string(ensemble.member_dir(id).join("server.log")).unwrap()
}

/// Waits for a line with all of these in a member's log, and gives it.
#[track_caller]
fn wait_line(ensemble: &Ensemble, id: usize, parts: &[&str]) -> String {
    let mut found = None;
    wait_until(&format!("member {id} to say {parts:?}"), || {
        let log = log(ensemble, id);
        let all = |line: &&str| parts.iter().all(|part| line.contains(part));
        found = log.lines().find(all).map(str::to_owned);
        found.is_some()
    });
    found.unwrap()
}

fn count(ensemble: &Ensemble, id: usize, part: &str) -> usize {
    log(ensemble, id).matches(part).count()
}

/// A value of a member's zoo.cfg, and the number of its line.
fn line_of(ensemble: &Ensemble, id: usize, key: &str) -> (usize, String) {
    let text = std::fs::read_to_string(ensemble.write(id)).unwrap();
    let lines = text.lines().zip(1..);
    let mut found = lines.filter_map(|(line, n)| Some((n, line.strip_prefix(key)?.to_owned())));
    found.next().unwrap()
}

/// A command of zkServer.sh for the server whose zoo.cfg is there.
fn script(dir: &Path, what: &str) -> Finished {
    let mut command = Command::new(repo_root().join("scripts/zkServer.sh"));
    command.arg("--config").arg(dir).arg(what);
    command.env("ZOO_LOG_DIR", dir);
    for name in ["ZOOCFGDIR", "ZOOPIDFILE", "SERVER_JVMFLAGS", "JVMFLAGS"] {
        command.env_remove(name);
    }
    run(command, b"")
}

fn status(ensemble: &Ensemble, id: usize) -> (Option<i32>, String, String) {
    let Finished {
        status,
        stdout,
        stderr,
        ..
    } = script(&ensemble.member_dir(id), "status");
    (status.code(), stdout, stderr)
}

#[test]
fn a_quorum_that_is_missing_lost_or_back_is_told_and_zkserver_sh_tells_the_mode() {
    let dir = tempfile::tempdir().unwrap();
    let mut ensemble = Ensemble::local(dir.path(), 3, 1);
    ensemble.start(1, OURS);
    let two = line_of(&ensemble, 1, "server.2=").1;
    let election = two.split(':').nth(2).unwrap().to_owned();
    let refused = format!("server 2 at 127.0.0.1:{election}: Connection refused");
    let line = wait_line(&ensemble, 1, &["No quorum for ", &refused]);
    for part in ["1 of 3 servers heard (1), 2 needed", "; server 3 at "] {
        assert!(line.contains(part), "{line}");
    }
    // Also what each try says is said once.
    wait_line(
        &ensemble,
        1,
        &["Cannot open channel to 2 at election address"],
    );
    let (code, said, why) = status(&ensemble, 1);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("Error contacting service. It is probably not running."));
    assert!(why.contains("not currently serving requests"), "{why}");
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(count(&ensemble, 1, "No quorum for "), 1, "not each second");
        assert_eq!(count(&ensemble, 1, "Cannot open channel to 2 "), 1);
    }

    ensemble.start(2, OURS);
    ensemble.start(4, OURS);
    let leader = ensemble.wait_serving();
    wait_line(
        &ensemble,
        1,
        &["A quorum is back after ", "2 of 3 servers heard (1, 2)"],
    );
    let names = ["", "follower", "follower", "", "observer"];
    for id in [1, 2, 4] {
        let name = if id == leader { "leader" } else { names[id] };
        let (code, said, _) = status(&ensemble, id);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.ends_with(&format!("Mode: {name}\n")), "{id}: {said}");
    }

    // Lost: those that are left say it, the observer too.
    ensemble.kill(2);
    wait_until("the other voter to say so again", || {
        count(&ensemble, 1, "No quorum for ") == 2
    });
    let line = wait_line(
        &ensemble,
        4,
        &["No quorum for ", "1 of 3 servers heard (1)"],
    );
    assert!(line.contains("server 2 at 127.0.0.1:"), "{line}");
    ensemble.start(2, OURS);
    ensemble.wait_serving();
    wait_until("both to say that it is back", || {
        count(&ensemble, 1, "A quorum is back") == 2 && count(&ensemble, 4, "A quorum is back") > 0
    });
}

#[test]
fn a_line_that_differs_is_told_on_both_servers() {
    let dir = tempfile::tempdir().unwrap();
    let mut ensemble = Ensemble::local(dir.path(), 3, 0);
    ensemble.start(1, OURS);
    // Server 2 was given another election port of server 3.
    let config = ensemble.write(2);
    let text = std::fs::read_to_string(&config).unwrap();
    let (number, right) = line_of(&ensemble, 2, "server.3=");
    let (rest, port) = right.rsplit_once(':').unwrap();
    let wrong = format!("{rest}:{}", port.parse::<u16>().unwrap() ^ 1);
    std::fs::write(&config, text.replace(&right, &wrong)).unwrap();
    let mut command = Command::new(binary("zk-server"));
    command.arg(&config).current_dir(dir.path());
    command.env_remove("SERVER_JVMFLAGS").env_remove("JVMFLAGS");
    let server_log = ensemble.member_dir(2).join("server.log");
    let _two = Process::spawn("member 2", command, &server_log);
    for (id, here, there) in [(1, &right, &wrong), (2, &wrong, &right)] {
        let other = 3 - id;
        let line = wait_line(
            &ensemble,
            id,
            &[&format!("The configuration of server {other} (127.0.0.1:")],
        );
        let differ = format!(
            "zoo.cfg, line {number}: server.3={here}:participant here is server.3={there}:participant there"
        );
        assert!(line.contains(&differ), "{line}");
    }
    wait_line(&ensemble, 1, &["Serving clients in epoch"]);
    for id in [1, 2] {
        assert_eq!(
            count(&ensemble, id, "The configuration of server"),
            1,
            "once"
        );
    }
}

#[test]
fn a_quorum_port_that_is_taken_is_told_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut ensemble = Ensemble::local(dir.path(), 3, 0);
    let (number, line) = line_of(&ensemble, 1, "server.1=");
    let port: u16 = line.split(':').nth(1).unwrap().parse().unwrap();
    let _taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
    ensemble.start(1, OURS);
    let said = wait_line(&ensemble, 1, &["This server could not lead"]);
    for part in [
        &format!("the quorum port 127.0.0.1:{port}"),
        "the port is taken (",
        "the line server.1 (",
        &format!("zoo.cfg, line {number})"),
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

/// Takes connections and closes them, as who speaks another protocol does.
struct Stranger {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Stranger {
    fn at(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                drop(listener.accept());
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// The one with the highest id is elected, and a stranger has its port: it says so and gives up, and
/// another one leads. When the stranger has gone it can lead.
#[test]
fn a_leader_whose_quorum_port_a_stranger_has_gives_up() {
    let java = java_or_skip!();
    let dir = tempfile::tempdir().unwrap();
    let mut ensemble = Ensemble::local(dir.path(), 3, 0).java(java);
    let kinds = [OURS, Kind::Java("3.9.5"), OURS];
    let port = ensemble.ports(3)[1];
    let stranger = Stranger::at(port);
    let leader = ensemble.start_all(&kinds);
    assert_ne!(leader, 3);
    let mut client = ZkClient::connect(ensemble.addr(3), 20_000).unwrap();
    create(&mut client, "/through-the-one-that-cannot-lead");
    // Of the two that are left then, it is elected whenever it asks.
    ensemble.kill(leader);
    wait_line(&ensemble, 3, &["Couldn't bind to the quorum port"]);
    let line = wait_line(
        &ensemble,
        3,
        &["a new election follows", "the quorum port can't be bound"],
    );
    assert!(line.contains("learners can't connect"), "{line}");
    let line = wait_line(&ensemble, 3, &["so that this server can't lead: "]);
    assert!(line.contains(&format!("127.0.0.1:{port}")), "{line}");
    drop(stranger);
    assert_eq!(ensemble.wait_serving(), 3, "it can lead now");
    let mut client = ZkClient::connect(ensemble.addr(3), 20_000).unwrap();
    create(&mut client, "/through-the-one-that-leads");
}

/// It was started beside an ensemble that does not count it as a member, or counts it no longer: its files
/// have become the ensemble's, and a second start is told which and what to do.
#[test]
fn a_server_that_the_ensemble_does_not_count_is_told_which_file_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut ensemble = Ensemble::local(dir.path(), 3, 0)
        .line("reconfigEnabled=true")
        .line("standaloneEnabled=false")
        .property("zookeeper.skipACL", "yes");
    ensemble.own_line(1, "server.3");
    ensemble.own_line(2, "server.3");
    ensemble.start(1, OURS);
    ensemble.start(2, OURS);
    ensemble.wait_serving();
    let twice = ensemble.joins_as(2, "participant");
    let twice = twice.replacen("server.2=", "server.9=", 1);
    let request = ReconfigRequest {
        joining_servers: Some(&twice),
        leaving_servers: None,
        new_members: None,
        cur_config_id: -1,
    };
    let mut client = ZkClient::connect(ensemble.addr(1), 20_000).unwrap();
    let (err, _) = client.call(OpCode::Reconfig, &request.to_vec()).unwrap();
    assert_eq!(err, ErrorCode::BadArguments.code());
    let leader = ensemble.leader().unwrap();
    wait_line(
        &ensemble,
        leader,
        &["Reconfig is refused: server.2 and server.9 would both have"],
    );
    // Theirs is newer than the one that the third brings along.
    let again = ensemble.joins_as(2, "participant");
    joins(&ensemble, &again);
    ensemble.start(3, OURS);
    wait_line(&ensemble, 3, &["it follows without a vote"]);
    for id in [1, 2] {
        if ensemble.mode(id).as_deref() == Some("leader") {
            wait_line(&ensemble, id, &["Follower without a vote, sid: 3,"]);
        }
    }
    let written = ensemble.member_dir(3).join("zoo.cfg");
    wait_until("the ensemble's configuration to be written", || {
        let text = std::fs::read_to_string(&written).unwrap();
        text.contains("dynamicConfigFile=")
    });
    ensemble.stop(3);
    let (code, said) = refused(&written);
    assert_eq!(code, Some(1), "{said}");
    let backup = written.with_extension("cfg.bak");
    for part in [
        "zoo.cfg.dynamic.",
        "My id 3 not in the peer list: ",
        "/data/myid says 3, and the servers are 1, 2: ",
        &format!("copy {}", backup.display()),
        "reconfig -add server.3=",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(said.matches("not in the peer list").count(), 1, "{said}");
    // It does what the message says.
    std::fs::copy(&backup, &written).unwrap();
    ensemble.start_again(3, OURS);
    let own = ensemble.joins_as(3, "participant");
    joins(&ensemble, &own);
    ensemble.stop(3);
    ensemble.start_again(3, OURS);
    ensemble.wait_serving();
}

/// Asks until it is done: a member that has just come may not be in step yet.
#[track_caller]
fn joins(ensemble: &Ensemble, line: &str) {
    let request = ReconfigRequest {
        joining_servers: Some(line),
        leaving_servers: None,
        new_members: None,
        cur_config_id: -1,
    };
    wait_until("it to join", || {
        let Ok(mut client) = ZkClient::connect(ensemble.addr(1), 20_000) else {
            return false;
        };
        let answer = client.call(OpCode::Reconfig, &request.to_vec());
        answer.is_ok_and(|(err, _)| err == 0)
    });
}

/// The script is not deceived by the answer of the one that has its port.
#[test]
fn zkserver_sh_start_tells_of_a_port_that_another_server_has() {
    let dir = tempfile::tempdir().unwrap();
    let config = ZkConfig::new(&dir.path().join("first"));
    let _first = config.start_ours();
    let second = dir.path().join("second");
    std::fs::create_dir_all(second.join("data")).unwrap();
    let text = format!(
        "dataDir={}\nclientPort={}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n",
        second.join("data").display(),
        config.addr().port()
    );
    std::fs::write(second.join("zoo.cfg"), text).unwrap();
    let Finished {
        status,
        stdout,
        stderr,
        ..
    } = script(&second, "start");
    assert_eq!(status.code(), Some(1), "{stdout}{stderr}");
    assert!(
        stdout.ends_with("Starting zookeeper ... FAILED TO START\n"),
        "{stdout}"
    );
    for part in ["zoo.cfg, line 2", "the port is taken (process "] {
        assert_eq!(stderr.matches(part).count(), 1, "{part}: {stderr}");
    }
    assert!(!second.join("data/zookeeper_server.pid").exists());
}

/// Starts zk-server on this file and waits for its end.
fn refused(config: &Path) -> (Option<i32>, String) {
    let mut command = Command::new(binary("zk-server"));
    command
        .arg(config)
        .env_remove("SERVER_JVMFLAGS")
        .env_remove("JVMFLAGS");
    let finished = run(command, b"");
    (
        finished.status.code(),
        format!("{}{}", finished.stdout, finished.stderr),
    )
}

#[test]
fn a_number_or_a_folder_that_is_in_use_is_told_on_both_sides() {
    let dir = tempfile::tempdir().unwrap();
    let mut ensemble = Ensemble::local(dir.path(), 3, 0);
    ensemble.start(1, OURS);
    ensemble.start(2, OURS);
    ensemble.wait_serving();

    // The same folder a second time.
    let config = ensemble.write(2);
    let (code, said) = refused(&config);
    assert_eq!(code, Some(1), "{said}");
    let data = ensemble.member_dir(2).join("data");
    assert!(said.contains(&data.display().to_string()), "{said}");
    assert!(
        said.contains("is in use by another server that runs"),
        "{said}"
    );

    // A folder of its own, and the number of another one.
    let text = std::fs::read_to_string(&config).unwrap();
    let other = dir.path().join("other");
    std::fs::create_dir_all(&other).unwrap();
    std::fs::write(other.join("myid"), "2\n").unwrap();
    let client = Port::reserve();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.retain(|line| !line.starts_with("dataDir=") && !line.starts_with("clientPort="));
    lines.push(format!("dataDir={}", other.display()));
    lines.push(format!(
        "clientPort={}\nelectionPortBindRetry=2",
        client.number()
    ));
    let config = other.join("zoo.cfg");
    std::fs::write(&config, lines.join("\n")).unwrap();
    let (code, said) = refused(&config);
    assert_eq!(code, Some(14), "{said}");
    for part in ["the port is taken", "the line server.2 (", "zoo.cfg, line "] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said = wait_line(&ensemble, 2, &["a server with our own ID"]);
    assert!(said.contains("is server 2 too"), "{said}");
    assert_eq!(count(&ensemble, 2, "a server with our own ID"), 1);
    let mut client = ZkClient::connect(ensemble.addr(2), 10_000).unwrap();
    create(&mut client, "/it-still-serves");
}

#[test]
fn what_cannot_be_is_refused_with_the_file_and_what_to_write() {
    let dir = tempfile::tempdir().unwrap();
    let ensemble = Ensemble::local(dir.path(), 3, 0);
    let config = ensemble.write(1);
    let data = ensemble.member_dir(1).join("data");
    let epochs = data.join("version-2");
    std::fs::create_dir_all(&epochs).unwrap();
    for name in ["currentEpoch", "acceptedEpoch"] {
        std::fs::write(epochs.join("currentEpoch"), "0").unwrap();
        std::fs::write(epochs.join("acceptedEpoch"), "1").unwrap();
        std::fs::write(epochs.join(name), "2147483647").unwrap();
        let (code, said) = refused(&config);
        assert_eq!(code, Some(1), "{said}");
        let path = epochs.join(name);
        let sentence = format!("{} holds \"2147483647\", which can't be", path.display());
        assert!(said.contains(&sentence), "{said}");
    }
    std::fs::write(data.join("myid"), "").unwrap();
    let (code, said) = refused(&config);
    assert_eq!(code, Some(2), "{said}");
    let path = data.join("myid");
    let sentence = format!("{}: has no number in its first line", path.display());
    assert!(said.contains(&sentence), "{said}");
    std::fs::write(&path, "1").unwrap();
    let mut text = std::fs::read_to_string(&config).unwrap();
    let (_, one) = line_of(&ensemble, 1, "server.1=");
    text.push_str(&format!("server.9={one}\n"));
    std::fs::write(&config, &text).unwrap();
    // As Apache's server it goes on, here to the epoch that still cannot be.
    let (code, said) = refused(&config);
    assert_eq!(code, Some(1), "{said}");
    let mut warned = said.lines().filter(|line| line.contains(" - WARN "));
    let warned = warned.find(|line| line.contains("server.9 and server.1 ("));
    let place = format!("line {}:", text.lines().count());
    assert!(warned.is_some_and(|line| line.contains(&place)), "{said}");
}

fn create(client: &mut ZkClient, path: &str) {
    let request = CreateRequest {
        path,
        data: Some(b"x"),
        acl: vec![Acl::OPEN],
        flags: 0,
    };
    client.must(OpCode::Create, &request);
}

/// A shared library that makes a server's disk slow and its clock jump.
fn weather(dir: &Path) -> PathBuf {
    let library = dir.join("libweather.so");
    let source = repo_root().join("integration-tests/shims/weather.rs");
    let mut command = Command::new("rustc");
    command.args(["--edition", "2024", "--crate-type", "cdylib", "-O", "-o"]);
    command.arg(&library).arg(source);
    run(command, b"").success();
    library
}

#[test]
fn a_slow_disk_and_a_clock_that_jumps_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let config = ZkConfig::new(dir.path());
    let (slow, clock) = (dir.path().join("slow"), dir.path().join("clock"));
    let mut command = Command::new(binary("zk-server"));
    command.arg(config.write()).current_dir(dir.path());
    command.env_remove("SERVER_JVMFLAGS").env_remove("JVMFLAGS");
    command.env("LD_PRELOAD", weather(dir.path()));
    command.env("SLOW_DISK", &slow).env("SET_CLOCK", &clock);
    let server = Process::spawn("zk-server", command, &dir.path().join("server.log"));
    let mut client = None;
    wait_until("the server to serve", || {
        client = ZkClient::connect(config.addr(), 20_000).ok();
        client.is_some()
    });
    let mut client = client.unwrap();
    create(&mut client, "/fast");
    assert!(!server.log().contains("fsync-ing"));
    std::fs::write(&slow, "").unwrap();
    create(&mut client, "/slow");
    wait_until("the slow disk is told", || {
        server.log().lines().any(|line| {
            let rest = line.split_once("fsync-ing the write ahead log in ");
            let ms = rest.and_then(|(_, rest)| rest.split_once(" took ")?.1.split_once("ms which"));
            ms.is_some_and(|(ms, rest)| {
                ms.parse::<u64>().is_ok_and(|ms| ms >= 1500)
                    && rest.contains("will adversely effect operation latency")
            })
        })
    });
    std::fs::remove_file(&slow).unwrap();

    std::fs::write(&clock, "").unwrap();
    wait_until("the jump ahead is told", || {
        server
            .log()
            .contains("The clock of this machine jumped by +3")
    });
    // Nobody's session has ended by it.
    create(&mut client, "/ahead");
    std::fs::remove_file(&clock).unwrap();
    wait_until("the jump back is told", || {
        server
            .log()
            .contains("The clock of this machine jumped by -3")
    });
    create(&mut client, "/back");
    assert_eq!(
        server
            .log()
            .matches("The clock of this machine jumped")
            .count(),
        2
    );
}

/// The file myid was copied with the rest: two machines are server 2.
#[test]
fn a_number_that_two_machines_have_is_told_by_who_hears_both() {
    if let Some(why) = netns::unavailable() {
        return skipped(&why);
    }
    let dir = tempfile::tempdir().unwrap();
    let mut ensemble = Ensemble::on_hosts(dir.path(), 3, 0)
        .unwrap()
        .line("quorumListenOnAllIPs=true");
    ensemble.start(1, OURS);
    ensemble.start(2, OURS);
    ensemble.wait_serving();
    let config = ensemble.write(3);
    std::fs::write(ensemble.member_dir(3).join("data/myid"), "2\n").unwrap();
    let mut command = Command::new(binary("zk-server"));
    command.arg(config).current_dir(ensemble.member_dir(3));
    command.env_remove("SERVER_JVMFLAGS").env_remove("JVMFLAGS");
    let command = ensemble.net().unwrap().on_host(3, &command);
    let log = ensemble.member_dir(3).join("server.log");
    let _copy = Process::spawn("member 3 as 2", command, &log);
    let line = wait_line(&ensemble, 1, &["Two hosts say that they are server 2: "]);
    for part in ["10.77.0.2", "10.77.0.3", "in its file myid"] {
        assert!(line.contains(part), "{line}");
    }
    let line = wait_line(&ensemble, 2, &["a server with our own ID: 10.77.0.3"]);
    assert!(line.contains("is server 2 too"), "{line}");
    let parts = [
        "Another server listens at 10.77.0.2:3888",
        "correct its myid",
    ];
    wait_line(&ensemble, 3, &parts);
}
