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
use std::time::Duration;

use integration_tests::netns;
use integration_tests::proc::{
    Finished, Port, Process, binary, repo_root, run, skipped, wait_until,
};
use integration_tests::zk::{Ensemble, Kind, ZkClient, ZkConfig};
use proto::zk::OpCode;
use proto::zk::acl::Acl;
use proto::zk::request::CreateRequest;

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

fn status(ensemble: &Ensemble, id: usize) -> (Option<i32>, String, String) {
    let mut command = Command::new(repo_root().join("scripts/zkServer.sh"));
    command.arg("--config").arg(ensemble.member_dir(id));
    command
        .arg("status")
        .env("ZOO_LOG_DIR", ensemble.member_dir(id));
    command.env_remove("ZOOCFGDIR").env_remove("ZOOPIDFILE");
    let Finished {
        status,
        stdout,
        stderr,
        ..
    } = run(command, b"");
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
    let (code, said) = refused(&config);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("server.9 and server.1 ("), "{said}");
    assert!(
        said.contains(&format!("line {}:", text.lines().count())),
        "{said}"
    );
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
