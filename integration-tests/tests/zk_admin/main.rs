//! The AdminServer's `snapshot` and `restore`, beside Apache's server: the same requests have the same
//! statuses, headers and fields, and each serves what the other has given.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: drives real processes"
)]

mod members;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use integration_tests::java_or_skip;
use integration_tests::peers::Java;
use integration_tests::proc::{Port, wait_until};
use integration_tests::rng::{self, Rng};
use integration_tests::zk::{
    Ensemble, HttpAnswer, Kind, ZkClient, ZkConfig, ZkServer, http_get, http_post,
};
use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::acl::{Acl, Id, perms};
use proto::zk::request::{CreateRequest, PathWatchRequest, SetAclRequest, SetDataRequest};
use zk_server::store::{DatabaseSettings, RealDisk, snapshot};
use zk_server::units::Zxid;

const VERSION: &str = "3.9.5";
const SNAPSHOT: &str = "/commands/snapshot";
const RESTORE: &str = "/commands/restore";
const ADMIN: (&str, &str) = ("Authorization", "digest admin:secret");
const SESSION_MS: i32 = 30_000;

/// A server that is alone, with its AdminServer.
struct Side {
    config: ZkConfig,
    server: Option<ZkServer>,
    admin: Port,
    dir: tempfile::TempDir,
}

impl Side {
    fn new(lines: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let admin = Port::reserve();
        let mut config = ZkConfig::new(dir.path());
        for line in admin_lines(&admin)
            .iter()
            .map(String::as_str)
            .chain(lines.iter().copied())
        {
            config = config.line(line);
        }
        Self {
            config,
            server: None,
            admin,
            dir,
        }
    }

    fn ours(lines: &[&str]) -> Self {
        let mut side = Self::new(lines);
        side.server = Some(side.config.start_ours());
        side
    }

    fn java(java: Java, lines: &[&str]) -> Self {
        let mut side = Self::new(lines);
        side.server = Some(side.config.start_java(java, VERSION));
        wait_until("Java's AdminServer", || {
            http_get(side.admin.addr(), "/commands/ruok", &[]).status == 200
        });
        side
    }

    fn client(&self) -> ZkClient {
        let mut client = None;
        wait_until("a session", || {
            client = ZkClient::connect(self.config.addr(), SESSION_MS).ok();
            client.as_ref().is_some_and(|client| client.session != 0)
        });
        client.unwrap()
    }

    fn snapshot(&self, path: &str, headers: &[(&str, &str)]) -> HttpAnswer {
        http_get(self.admin.addr(), path, headers)
    }

    fn restore(&self, headers: &[(&str, &str)], body: &[u8]) -> HttpAnswer {
        http_post(self.admin.addr(), RESTORE, headers, body)
    }
}

fn admin_lines(admin: &Port) -> Vec<String> {
    vec![
        "admin.enableServer=true".to_owned(),
        "admin.serverAddress=127.0.0.1".to_owned(),
        format!("admin.serverPort={}", admin.number()),
        "admin.rateLimiterIntervalInMS=0".to_owned(),
    ]
}

fn create(client: &mut ZkClient, path: &str, data: &str) {
    let request = CreateRequest {
        path,
        data: Some(data.as_bytes()),
        acl: vec![Acl::OPEN],
        flags: 0,
    };
    client.must(OpCode::Create, &request);
}

fn set(client: &mut ZkClient, path: &str, data: &str) {
    let request = SetDataRequest {
        path,
        data: Some(data.as_bytes()),
        version: -1,
    };
    client.must(OpCode::SetData, &request);
}

fn data(client: &mut ZkClient, path: &str) -> Option<String> {
    let request = PathWatchRequest { path, watch: false };
    let (error, body) = client.call(OpCode::GetData, &request.to_vec()).ok()?;
    let len = usize::try_from(i32::from_be_bytes(body.get(..4)?.try_into().ok()?)).ok()?;
    let data = body.get(4..4 + len)?;
    (error == 0).then(|| String::from_utf8_lossy(data).into_owned())
}

/// Who may do what with the root.
fn root_acl(client: &mut ZkClient, acl: Vec<Acl<'_>>) {
    let request = SetAclRequest {
        path: "/",
        acl,
        version: -1,
    };
    client.must(OpCode::SetAcl, &request);
}

/// The digest of the tree in a snapshot's bytes (Java writes none before the first transaction).
fn digest(bytes: &[u8]) -> i64 {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("snapshot.1");
    std::fs::write(&path, bytes).unwrap();
    let settings = DatabaseSettings {
        digest: true,
        ..DatabaseSettings::default()
    };
    let mut database = settings.for_snapshot();
    snapshot::load(&RealDisk, &path, &mut database).expect("a whole snapshot");
    database.loaded(Zxid(1));
    database.tree().digest().expect("a digest")
}

fn keys(answer: &HttpAnswer) -> Vec<String> {
    let json = answer.json();
    json.as_object().unwrap().keys().cloned().collect()
}

/// What both must have in common of an answer.
fn outline(answer: &HttpAnswer) -> (u16, String, bool, bool) {
    let has = |name| answer.headers.contains_key(name);
    let kind = answer.header("content-type").split(';').next().unwrap();
    (
        answer.status,
        kind.to_owned(),
        has("last_zxid"),
        has("snapshot_size"),
    )
}

#[test]
fn each_restores_what_the_other_has_given() {
    let java = java_or_skip!();
    let sides = [Side::java(java, &[]), Side::ours(&[])];
    let mut given = Vec::new();
    for (side, name) in sides.iter().zip(["java", "ours"]) {
        let mut client = side.client();
        create(&mut client, "/of", name);
        for i in 0..50 {
            create(&mut client, &format!("/of/{name}{i}"), &"x".repeat(i * 40));
        }
        root_acl(&mut client, vec![Acl::OPEN]);
        let whole = side.snapshot(SNAPSHOT, &[ADMIN]);
        let size: usize = whole.header("snapshot_size").parse().unwrap();
        assert_eq!((whole.status, whole.body.len()), (200, size), "{name}");
        let head = side.snapshot(&format!("{SNAPSHOT}?streaming=false"), &[ADMIN]);
        assert_eq!(whole.header("last_zxid"), head.header("last_zxid"));
        given.push((whole, head));
    }
    let ((java, java_head), (ours, our_head)) = (&given[0], &given[1]);
    assert_eq!(outline(java), outline(ours));
    assert_eq!(outline(java_head), outline(our_head));
    assert_eq!(keys(java_head), keys(our_head));

    let answers = [
        sides[0].restore(&[ADMIN], &ours.body),
        sides[1].restore(&[ADMIN], &java.body),
    ];
    for (answer, given) in answers.iter().zip([ours, java]) {
        assert_eq!(answer.status, 200, "{answer:?}");
        let zxid = answer.json()["last_zxid"].as_i64().unwrap();
        assert_eq!(format!("0x{zxid:x}"), given.header("last_zxid"));
    }
    assert_eq!(keys(&answers[0]), keys(&answers[1]));
    // Java 3.9.5 does not accept sessions of before any more; new ones see the other's tree.
    for (side, (name, given)) in sides.iter().zip([("ours", ours), ("java", java)]) {
        let again = side.snapshot(SNAPSHOT, &[ADMIN]);
        assert_eq!(
            digest(&again.body),
            digest(&given.body),
            "with the data of {name}"
        );
        let mut client = side.client();
        assert_eq!(data(&mut client, "/of").as_deref(), Some(name));
        create(&mut client, "/of/later", "");
    }
    // Ours has it in its files, and Java serves them.
    let mut ours = sides.into_iter().nth(1).unwrap();
    ours.server.take().unwrap().process.kill();
    for java_serves in [false, true] {
        ours.server = Some(match java_serves {
            false => ours.config.start_ours(),
            true => ours.config.start_java(java_or_skip!(), VERSION),
        });
        let mut client = ours.client();
        assert_eq!(data(&mut client, "/of").as_deref(), Some("java"));
        assert_eq!(data(&mut client, "/of/java7").map(|d| d.len()), Some(280));
        assert_eq!(data(&mut client, "/of/ours7"), None);
        assert_eq!(data(&mut client, "/of/later").as_deref(), Some(""));
        ours.server.take().unwrap().process.stop();
    }
}

#[test]
fn another_method_is_told_the_right_one() {
    let ours = Side::ours(&[]);
    for (path, method) in [(RESTORE, "POST"), (SNAPSHOT, "GET")] {
        let put = format!(
            "PUT {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        let answer = integration_tests::proc::exchange(ours.admin.addr(), put.as_bytes());
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
        assert!(answer.ends_with(&format!("use {method}\n")), "{answer}");
    }
}

#[test]
fn only_administrators_of_the_root_may_run_snapshot_and_restore() {
    let java = java_or_skip!();
    let lines = ["IPAuthenticationProvider.usexforwardedfor=true"];
    let sides = [Side::java(java, &lines), Side::ours(&lines)];
    let from = ("X-Forwarded-For", "10.1.2.3, 10.9.9.9");
    let auth = |text| ("Authorization", text);
    let requests: [&[(&str, &str)]; 12] = [
        &[],
        &[auth("digest")],
        &[auth("digest ")],
        &[auth("digest a b")],
        &[auth("digest  admin:secret")],
        &[auth("nosuch a:b")],
        &[auth("world anyone")],
        &[auth("digest admin:wrong")],
        &[ADMIN],
        &[auth("ip")],
        &[auth("ip"), from],
        &[auth("ip 10.1.2.3")],
    ];
    let hash = zk_server::auth::digest::generate(Default::default(), "admin:secret");
    let whole = Acl::new(perms::ALL, Id::new("digest", &hash));
    let part = Acl::new(perms::ALL & !perms::DELETE, Id::new("digest", &hash));
    let address = Acl::new(perms::ALL, Id::new("ip", "10.1.2.3"));
    let everybody = Acl::new(perms::READ | perms::ADMIN, Id::ANYONE);
    for acl in [
        vec![Acl::OPEN],
        vec![whole, everybody.clone()],
        vec![part, everybody.clone()],
        vec![address, everybody],
    ] {
        for side in &sides {
            root_acl(&mut side.client(), acl.clone());
        }
        for request in requests {
            let [java, ours] = [0, 1].map(|i: usize| {
                let path = format!("{SNAPSHOT}?streaming=false");
                let get = sides[i].snapshot(&path, request);
                // Nothing is restored by it, so that it may be asked often.
                let post = sides[i].restore(request, b"no snapshot");
                assert_eq!(
                    post.status,
                    if get.status == 200 { 500 } else { get.status }
                );
                let told =
                    [&get, &post].map(|answer| (answer.status < 500).then(|| answer.body.clone()));
                let told =
                    told.map(|body| body.map(|body| String::from_utf8_lossy(&body).into_owned()));
                (outline(&get), keys(&get), keys(&post), told)
            });
            assert_eq!(java, ours, "{request:?} with {acl:?}");
        }
    }
}

#[test]
fn commands_that_are_off_say_so_as_java() {
    let java = java_or_skip!();
    for (lines, expected) in [
        (
            &[
                "admin.snapshot.enabled=false",
                "admin.restore.enabled=false",
            ][..],
            503,
        ),
        (&["serializeLastProcessedZxid.enabled=false"], 500),
    ] {
        for side in [Side::java(java, lines), Side::ours(lines)] {
            let answers = [
                side.snapshot(SNAPSHOT, &[ADMIN]),
                side.restore(&[ADMIN], b"anything"),
            ];
            for answer in answers {
                assert_eq!(answer.status, expected, "{lines:?} {answer:?}");
                assert!(!answer.headers.contains_key("last_zxid"));
                assert_eq!(keys(&answer), ["command", "error"]);
            }
        }
    }
}

#[test]
fn snapshots_and_restores_are_limited_as_java() {
    let java = java_or_skip!();
    // An hour between restores; 3.6 seconds between snapshots.
    let lines = ["admin.rateLimiterIntervalInMS=3600000"];
    for side in [Side::java(java, &lines), Side::ours(&lines)] {
        // Only who may run them is counted.
        assert_eq!(side.snapshot(SNAPSHOT, &[]).status, 401);
        let mut statuses = Vec::new();
        wait_until("two snapshots within the interval", || {
            statuses.push(side.snapshot(SNAPSHOT, &[ADMIN]).status);
            statuses.ends_with(&[200, 429])
        });
        assert_eq!(statuses[0], 200);
        wait_until("another interval", || {
            side.snapshot(SNAPSHOT, &[ADMIN]).status == 200
        });
        let restores = [0; 3].map(|_| side.restore(&[ADMIN], b"no snapshot").status);
        assert_eq!(restores, [500, 429, 429]);
    }
}

#[test]
fn what_is_no_snapshot_changes_nothing() {
    let java = java_or_skip!();
    let sides = [Side::java(java, &[]), Side::ours(&[])];
    let source = &sides[1];
    create(&mut source.client(), "/source", "x");
    let good = source.snapshot(SNAPSHOT, &[ADMIN]).body;
    for side in &sides {
        create(&mut side.client(), "/kept", "old");
    }
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    let mut bodies = vec![
        Vec::new(),
        b"ZKSN".to_vec(),
        vec![0xff; 100_000],
        good[..good.len() / 2].to_vec(),
        flipped(0),
        flipped(good.len() / 2),
    ];
    // a count of sessions that nobody has room for
    let mut greedy = good[..16].to_vec();
    greedy.extend([0x7f, 0xff, 0xff, 0xff, 1, 2, 3]);
    bodies.push(greedy);
    for body in &bodies {
        let [java, ours] = [0, 1].map(|i: usize| sides[i].restore(&[ADMIN], body).status);
        assert_eq!((java, ours), (500, 500), "{} bytes", body.len());
    }
    for side in &sides {
        assert_eq!(data(&mut side.client(), "/kept").as_deref(), Some("old"));
    }
    // Cut off behind the tree's seal: Java takes it for one of an older version, without its zxid.
    for cut in [3, 40] {
        let answer = source.restore(&[ADMIN], &good[..good.len() - cut]);
        assert_eq!(answer.status, 500);
    }
    // One that says more than it sends, and one that breaks off.
    for method in ["POST", "PUT"] {
        use std::io::Write;
        let mut socket = std::net::TcpStream::connect(source.admin.addr()).unwrap();
        let head = format!(
            "{method} {RESTORE} HTTP/1.1\r\nHost: x\r\n{}: {}\r\nContent-Length: 99999\r\n\r\nZKSN",
            ADMIN.0, ADMIN.1
        );
        socket.write_all(head.as_bytes()).unwrap();
    }
    let left = || {
        let entries = std::fs::read_dir(source.dir.path().join("data/version-2")).unwrap();
        let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| name.starts_with("writing."))
            .collect::<Vec<_>>()
    };
    wait_until("nothing to be left of them", || left().is_empty());
}

/// The old state or the new one, whole, wherever the server is killed.
#[test]
fn a_kill_in_the_middle_of_a_restore_leaves_old_or_new() {
    const NODES: usize = 3000;
    let mut side = Side::ours(&[]);
    let mut client = side.client();
    create(&mut client, "/state", "new");
    for i in 0..NODES {
        let path = format!("/state/{i}");
        let request = CreateRequest {
            path: &path,
            data: Some(b"some data that takes its time"),
            acl: vec![Acl::OPEN],
            flags: 0,
        };
        client.send(OpCode::Create, &request.to_vec());
    }
    for _ in 0..NODES {
        assert_eq!(client.receive().expect("a reply").0, 0);
    }
    let new = side.snapshot(SNAPSHOT, &[ADMIN]).body;
    set(&mut client, "/state", "old");
    create(&mut client, "/state/old", "");
    let old = side.snapshot(SNAPSHOT, &[ADMIN]).body;
    drop(client);
    let seed = rng::seed();
    println!("TEST_SEED={seed}");
    let mut rng = Rng::new(seed);
    let mut seen = [0, 0];
    for round in 0..8 {
        let (before, body) = match round % 2 {
            0 => ("old", new.clone()),
            _ => ("new", old.clone()),
        };
        assert_eq!(
            side.restore(&[ADMIN], if before == "old" { &old } else { &new })
                .status,
            200
        );
        let admin: SocketAddr = side.admin.addr();
        let asking = std::thread::spawn(move || http_post(admin, RESTORE, &[ADMIN], &body).status);
        std::thread::sleep(Duration::from_millis(rng.below(250) as u64));
        side.server.take().unwrap().process.kill();
        let status = asking.join().unwrap();
        side.server = Some(side.config.start_ours());
        let mut client = side.client();
        let state = data(&mut client, "/state").expect("the znode is there");
        let is_old = state == "old";
        assert_eq!(
            data(&mut client, "/state/old").is_some(),
            is_old,
            "a mixture"
        );
        let last = format!("/state/{}", NODES - 1);
        assert!(data(&mut client, &last).is_some());
        if status == 200 {
            assert_ne!(state, before, "what was acknowledged is lost");
        }
        seen[usize::from(state != before)] += 1;
    }
    println!(
        "killed in time {} times, too late {} times",
        seen[0], seen[1]
    );
}
