//! kill -9 while clients write: nothing acknowledged is lost, nothing half done is seen, and
//! Apache's servers of both versions open the same folder; and the other way round.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: drives real processes and threads, prints the seed"
)]

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use integration_tests::java_or_skip;
use integration_tests::proc::run;
use integration_tests::rng::{Rng, seed};
use integration_tests::zk::oracle::{Acls, Request, SUPER_DIGEST};
use integration_tests::zk::{ZkClient, ZkConfig, ZkServer, change};
use nix::sys::signal::Signal;
use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::request::PathWatchRequest;
use proto::zk::response::{GetChildrenResponse, GetDataResponse};

const ROUNDS: usize = 12;
const WRITERS: usize = 3;
/// Requests that a writer keeps under way.
const WINDOW: u64 = 16;
/// Children that a writer leaves standing.
const KEPT: u64 = 20;
const SESSION_MS: i32 = 600_000;

fn config(dir: &Path) -> ZkConfig {
    std::fs::create_dir_all(dir).expect("a folder");
    ZkConfig::new(dir)
        .line("maxSessionTimeout=600000")
        .line("snapCount=150")
        .line("preAllocSize=512")
        .property(
            "zookeeper.DigestAuthenticationProvider.superDigest",
            SUPER_DIGEST,
        )
}

/// Writes until the server dies; gives the number of the last change that was acknowledged.
fn write_on(addr: SocketAddr, writer: usize, from: u64) -> u64 {
    let (mut sent, mut acknowledged) = (from, from);
    let home = format!("/crash{writer}");
    let Ok(mut client) = ZkClient::connect(addr, SESSION_MS) else {
        return acknowledged;
    };
    loop {
        while sent < acknowledged + WINDOW {
            sent += 1;
            let change = change(&home, sent, KEPT, Some(&[b'x'; 100]));
            client.send(OpCode::Multi, &change.body);
        }
        match client.receive() {
            Ok((err, _)) => {
                assert_eq!(err, 0, "change {} of writer {writer}", acknowledged + 1);
                acknowledged += 1;
            }
            Err(_) => return acknowledged,
        }
    }
}

/// What the server shows of a writer's changes must be those up to some k, whole.
fn last_change(client: &mut ZkClient, writer: usize) -> u64 {
    let home = format!("/crash{writer}");
    let watch = false;
    let reply = client.must(OpCode::GetData, &PathWatchRequest { path: &home, watch });
    let data = GetDataResponse::from_bytes(&reply)
        .unwrap()
        .data
        .unwrap_or_default();
    let k: u64 = std::str::from_utf8(data).unwrap().parse().unwrap();
    let reply = client.must(
        OpCode::GetChildren,
        &PathWatchRequest { path: &home, watch },
    );
    let mut children = GetChildrenResponse::from_bytes(&reply).unwrap().children;
    children.sort_unstable();
    let mut expected: Vec<String> = (k.saturating_sub(KEPT) + 1..=k)
        .map(|n| format!("n{n}"))
        .collect();
    expected.sort_unstable();
    assert_eq!(children, expected, "writer {writer} after change {k}");
    k
}

#[test]
fn killed_at_random_nothing_acknowledged_is_lost() {
    let seed = seed();
    println!("TEST_SEED={seed}");
    let mut rng = Rng::new(seed);
    let dir = tempfile::tempdir().unwrap();
    let config = config(&dir.path().join("zk"));
    let mut server = config.start_ours();
    let mut client = ZkClient::connect(server.addr(), SESSION_MS).unwrap();
    for writer in 0..WRITERS {
        let home = format!("/crash{writer}");
        let request = Request::create(OpCode::Create, &home, Some(b"0"), Acls::Open, 0);
        assert_eq!(client.call(OpCode::Create, &request.body).unwrap().0, 0);
    }
    let mut done = [0; WRITERS];
    for round in 0..ROUNDS {
        let addr = server.addr();
        let writers: Vec<_> = done
            .iter()
            .enumerate()
            .map(|(writer, &from)| std::thread::spawn(move || write_on(addr, writer, from)))
            .collect();
        std::thread::sleep(Duration::from_millis(30 + rng.below(400) as u64));
        server.process.kill();
        let acknowledged: Vec<u64> = writers.into_iter().map(|w| w.join().unwrap()).collect();
        server = config.start_ours();
        let mut client = ZkClient::connect(server.addr(), SESSION_MS).unwrap();
        for (writer, &acknowledged) in acknowledged.iter().enumerate() {
            let k = last_change(&mut client, writer);
            assert!(
                (acknowledged..=acknowledged + WINDOW).contains(&k),
                "round {round}: writer {writer} had {acknowledged} acknowledged, {k} are there"
            );
            done[writer] = k;
        }
    }
    assert!(done.iter().sum::<u64>() > 0, "nothing was ever written");
    let expected = dump(&server);
    server.process.kill();
    let java = java_or_skip!();
    for version in ["3.6.2", "3.9.5"] {
        let copy = dir.path().join(version);
        let theirs = self::config(&copy);
        copy_folder(&config.data_dir(), &theirs.data_dir());
        let server = theirs.start_java(java, version);
        assert_eq!(dump(&server), expected, "Java {version}");
        no_digest_mismatch(&server);
    }
}

/// The whole process, as when its machine is suspended.
#[test]
fn a_server_that_stood_still_expires_no_session() {
    let dir = tempfile::tempdir().unwrap();
    let server = ZkConfig::new(dir.path()).line("tickTime=500").start_ours();
    let timeout = Duration::from_secs(2);
    let mut client = ZkClient::connect(server.addr(), 2000).unwrap();
    let mine = Request::create(OpCode::Create, "/mine", None, Acls::Open, 1);
    assert_eq!(client.call(OpCode::Create, &mine.body).unwrap().0, 0);
    server.process.signal(Signal::SIGSTOP);
    std::thread::sleep(3 * timeout);
    // What a living client has sent meanwhile waits in the socket.
    let there = Request::read(OpCode::Exists, "/mine", false);
    client.send(OpCode::Exists, &there.body);
    server.process.signal(Signal::SIGCONT);
    let (err, _) = client.receive().expect("the session lives on");
    assert_eq!(err, 0, "the ephemeral is there");
}

/// All that super can see.
fn dump(server: &ZkServer) -> String {
    let mut client = ZkClient::connect(server.addr(), SESSION_MS).unwrap();
    client.authenticate("digest", b"super:admin");
    client.dump()
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().expect("a parent")).unwrap();
    let mut cp = Command::new("cp");
    cp.arg("-a").arg(from).arg(to);
    run(cp, b"").success();
}

/// Java compares the digest of its tree with those in the log and the snapshot.
fn no_digest_mismatch(server: &ZkServer) {
    let log = server.process.log();
    assert!(!log.to_lowercase().contains("digest"), "{log}");
}

/// Nodes of every kind, changed in every way.
fn workload(client: &mut ZkClient, name: &str) {
    let open = Acls::Open;
    let mut requests = vec![Request::create(OpCode::Create, name, Some(b"top"), open, 0)];
    for i in 0..60 {
        let path = format!("{name}/n{i}");
        requests.push(match i % 6 {
            0 => Request::create(OpCode::Create, &path, Some(&[i; 50]), open, 1),
            1 => Request::create(OpCode::Create2, &path, None, Acls::AliceBob, 0),
            2 => Request::create(OpCode::CreateContainer, &path, Some(b"c"), open, 4),
            3 => Request::create_ttl(&path, Some(b"t"), open, 5, 3_600_000),
            _ => Request::create(OpCode::Create, &path, Some(b""), Acls::Duplicates, 2),
        });
    }
    for i in 0..30 {
        let path = format!("{name}/n{}", i * 2);
        requests.push(Request::set(&path, Some(&[7; 33]), -1));
        requests.push(Request::set_acl(
            &format!("{name}/n{i}"),
            Acls::ReadOnly,
            -1,
        ));
        requests.push(Request::set(&format!("{name}/nowhere"), None, -1));
    }
    requests.push(Request::multi(
        OpCode::Multi,
        &[
            Request::delete(&format!("{name}/n0"), -1),
            Request::create(OpCode::Create, &format!("{name}/m"), None, open, 0),
            Request::set(name, Some(b"changed"), -1),
        ],
    ));
    let bad = Request::create(OpCode::Create, name, None, open, 0);
    requests.push(Request::multi(
        OpCode::Multi,
        &[bad, Request::check(name, 0)],
    ));
    for request in requests {
        let op = OpCode::from_code(request.op).expect("an operation");
        client.call(op, &request.body).expect("the server answers");
    }
}

#[test]
fn one_folder_served_in_turn_by_java_and_ours() {
    let java = java_or_skip!();
    let dir = tempfile::tempdir().unwrap();
    let config = config(&dir.path().join("zk"))
        .property("zookeeper.extendedTypesEnabled", "true")
        .property("znode.container.checkIntervalMs", "3600000");
    let mut expected: Option<String> = None;
    for (turn, version) in ["3.6.2", "ours", "3.9.5", "ours", "3.6.2", "3.9.5", "ours"]
        .into_iter()
        .enumerate()
    {
        let mut server = match version {
            "ours" => config.start_ours(),
            _ => config.start_java(java, version),
        };
        let mut client = ZkClient::connect(server.addr(), SESSION_MS).unwrap();
        let found = dump(&server);
        if let Some(expected) = &expected {
            assert_eq!(&found, expected, "turn {turn}: {version}");
        }
        workload(&mut client, &format!("/turn{turn}"));
        expected = Some(dump(&server));
        if version != "ours" {
            no_digest_mismatch(&server);
        }
        // Half of the time without a goodbye.
        if turn % 2 == 0 {
            server.process.kill();
        } else {
            server.process.stop();
        }
    }
}
