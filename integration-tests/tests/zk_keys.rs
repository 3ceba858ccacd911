//! What single keys of zoo.cfg do to a real server. The table of keys (`zk-server/src/config/keys`)
//! names these tests.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: drives real processes"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use integration_tests::proc::{LIMIT, Port, binary, run, skipped, wait_until};
use integration_tests::zk::{Load, ZkClient, ZkConfig, ZkServer};
use nix::sys::signal::Signal;
use proto::jute::Jute;
use proto::zk::acl::{Acl, Id, perms};
use proto::zk::request::{AuthPacket, CreateRequest, PathRequest, PathWatchRequest};
use proto::zk::response::{GetAclResponse, GetDataResponse};
use proto::zk::{ErrorCode, OpCode};

/// A server with these lines in its zoo.cfg, in a folder of its own.
struct Case {
    dir: tempfile::TempDir,
    config: ZkConfig,
}

impl Case {
    fn new(lines: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = ZkConfig::new(dir.path());
        let config = lines.iter().fold(config, |config, line| config.line(line));
        Self { dir, config }
    }

    /// With its server.
    fn serving(lines: &[&str]) -> (Self, ZkServer) {
        let case = Self::new(lines);
        let server = case.start();
        (case, server)
    }

    fn start(&self) -> ZkServer {
        self.config.start_ours()
    }

    /// Files of `version-2` whose names begin so, sorted.
    fn files(&self, prefix: &str) -> Vec<PathBuf> {
        files(&self.config.data_dir(), prefix)
    }
}

fn files(dir: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir.join("version-2")) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let named = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(prefix))
    };
    let mut paths: Vec<PathBuf> = paths.filter(named).collect();
    // By zxid, which the names have as hexadecimal digits without leading zeros.
    paths.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
    paths
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().len()
}

fn client(server: &ZkServer) -> ZkClient {
    ZkClient::connect(server.addr(), 10_000).expect("a session")
}

fn create(client: &mut ZkClient, path: &str, data: &[u8], flags: i32) {
    create_with(client, path, data, flags, Acl::OPEN);
}

fn create_with(client: &mut ZkClient, path: &str, data: &[u8], flags: i32, acl: Acl<'_>) {
    let request = CreateRequest {
        path,
        data: Some(data),
        acl: vec![acl],
        flags,
    };
    client.must(OpCode::Create, &request);
}

fn read(client: &mut ZkClient, path: &str) -> Result<Vec<u8>, i32> {
    let request = PathWatchRequest { path, watch: false };
    match client.call(OpCode::GetData, &request.to_vec()).unwrap() {
        (0, body) => {
            let data = GetDataResponse::from_bytes(&body).unwrap().data;
            Ok(data.unwrap_or_default().to_vec())
        }
        (err, _) => Err(err),
    }
}

/// The session timeout that a client gets which asks for this one.
fn negotiated(server: &ZkServer, asked: i32) -> String {
    let client = ZkClient::connect(server.addr(), asked).unwrap();
    let sid = format!("sid=0x{:x},", client.session);
    let cons = server.four_letter("cons");
    let line = cons.lines().find(|line| line.contains(&sid)).unwrap();
    let timeout = line.split(",to=").nth(1).unwrap();
    timeout.split(',').next().unwrap().to_owned()
}

#[test]
fn session_timeouts_follow_tick_and_limits() {
    let (_case, server) = Case::serving(&["tickTime=300"]);
    assert_eq!(negotiated(&server, 1), "600");
    assert_eq!(negotiated(&server, 5000), "5000");
    assert_eq!(negotiated(&server, i32::MAX), "6000");
    let case = Case::new(&["minSessionTimeout=1234", "maxSessionTimeout=2345"]);
    let server = case.start();
    assert_eq!(negotiated(&server, 1), "1234");
    assert_eq!(negotiated(&server, i32::MAX), "2345");
}

/// How many connections the system takes for a server that does not accept.
fn taken_while_stopped(case: &Case, most: usize) -> usize {
    let server = case.start();
    server.process.signal(Signal::SIGSTOP);
    // The signal takes its time to reach every thread.
    let state = format!("/proc/{}/status", server.process.pid());
    wait_until("the server to stand still", || {
        let status = std::fs::read_to_string(&state).unwrap_or_default();
        status.lines().any(|line| line.starts_with("State:\tT"))
    });
    let mut open = Vec::new();
    while open.len() < most {
        match TcpStream::connect_timeout(&server.addr(), Duration::from_millis(400)) {
            Ok(socket) => open.push(socket),
            Err(_) => break,
        }
    }
    server.process.signal(Signal::SIGCONT);
    open.len()
}

#[test]
fn the_backlog_bounds_connections_not_yet_accepted() {
    let case = Case::new(&["clientPortListenBacklog=2"]);
    let taken = taken_while_stopped(&case, 60);
    assert!((1..=20).contains(&taken), "{taken}");
    assert!(taken_while_stopped(&Case::new(&[]), 100) >= 100);
    let server = case.start();
    let conf = server.four_letter("conf");
    assert!(conf.contains("clientPortListenBacklog=2\n"), "{conf}");
}

/// Does the system have a keep-alive timer for the server's end of a connection?
fn keep_alive_timer(server: &ZkServer) -> bool {
    let _client = client(server);
    let port = format!(":{:04X}", server.addr().port());
    let table = std::fs::read_to_string(format!("/proc/{}/net/tcp", server.process.pid())).unwrap();
    table.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let established = fields.get(3) == Some(&"01");
        established && fields[1].ends_with(&port) && fields[5].starts_with("02:")
    })
}

#[test]
fn keep_alive_is_set_on_clients_sockets() {
    let (_case, server) = Case::serving(&["clientTcpKeepAlive=true"]);
    assert!(keep_alive_timer(&server));
    let (_case, server) = Case::serving(&[]);
    assert!(!keep_alive_timer(&server));
}

#[test]
fn isro_is_answered_where_read_only_mode_is_on() {
    let words = "4lw.commands.whitelist=ruok";
    let (_case, server) = Case::serving(&[words, "readonlymode.enabled=true"]);
    assert_eq!(server.four_letter("isro"), "rw");
    let (_case, server) = Case::serving(&[words]);
    assert!(server.four_letter("isro").contains("not in the whitelist"));
}

#[test]
fn data_and_log_lie_in_their_folders() {
    let logs = tempfile::tempdir().unwrap();
    let line = format!("dataLogDir={}", logs.path().display());
    let case = Case::new(&[&line, "preAllocSize=100"]);
    let server = case.start();
    create(&mut client(&server), "/a", b"x", 0);
    assert_eq!(
        (case.files("snapshot.").len(), case.files("log.").len()),
        (1, 0)
    );
    let log = files(logs.path(), "log.");
    assert_eq!((files(logs.path(), "snapshot.").len(), log.len()), (0, 1));
    // Java's arithmetic: the first step begins behind the header of the file.
    assert_eq!(size(&log[0]), 100 * 1024 + 16);
}

#[test]
fn snapshots_and_logs_follow_their_limits() {
    let written = |lines: &[&str], snapshots: usize| {
        let case = Case::new(lines);
        let server = case.start();
        let mut client = client(&server);
        let mut write = || create(&mut client, "/n", &[7; 1000], 2);
        (0..60).for_each(|_| write());
        let logs = case.files("log.").len();
        // A server that is still writing one takes no other.
        wait_until("snapshots", || {
            let there = case.files("snapshot.").len() >= snapshots;
            if !there {
                write();
            }
            there
        });
        (case.files("snapshot.").len(), logs)
    };
    let (snapshots, logs) = written(&[], 1);
    assert_eq!(
        (snapshots, logs),
        (1, 1),
        "nothing is due with the defaults"
    );
    for limit in ["snapCount=10", "snapSizeLimitInKb=10"] {
        let (_, logs) = written(&[limit], 3);
        assert!(logs >= 5, "{limit}: {logs}");
    }
    let (snapshots, logs) = written(&["txnLogSizeLimitInKb=10"], 1);
    assert!(snapshots == 1 && logs >= 5, "{snapshots} {logs}");
}

#[test]
fn autopurge_keeps_the_newest_snapshots_and_their_logs() {
    let fill = "snapCount=10";
    let case = Case::new(&[fill]);
    let server = case.start();
    let mut c = client(&server);
    wait_until("eight snapshots", || {
        for _ in 0..10 {
            create(&mut c, "/n-", b"x", 2);
        }
        case.files("snapshot.").len() >= 8
    });
    drop((c, server));
    let (all, logs) = (case.files("snapshot."), case.files("log."));
    let purging = ZkConfig::new(case.dir.path())
        .line(fill)
        .line("autopurge.purgeInterval=1")
        .line("autopurge.snapRetainCount=4");
    let server = purging.start_ours();
    wait_until("the purge at the start", || {
        case.files("snapshot.").len() <= 5
    });
    let kept = case.files("snapshot.");
    // The start itself may have written one.
    let newest: Vec<_> = all.iter().rev().take(3).collect();
    assert!(newest.iter().all(|path| kept.contains(path)), "{kept:?}");
    let left = case.files("log.");
    assert!(left.len() < logs.len(), "logs go with them: {left:?}");
    let nodes = server.four_letter("srvr");
    drop(server);
    let server = purging.start_ours();
    let count = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("Node count"));
        line.map(str::to_owned)
    };
    assert_eq!(count(&nodes), count(&server.four_letter("srvr")));
}

/// Exit code and words of a start that must fail.
fn refused(case: &Case) -> (Option<i32>, String) {
    let mut command = Command::new(binary("zk-server"));
    let cfg = case.dir.path().join("zoo.cfg");
    command
        .arg(cfg)
        .env_remove("SERVER_JVMFLAGS")
        .env_remove("JVMFLAGS");
    let finished = run(command, b"");
    let said = format!("{}{}", finished.stdout, finished.stderr);
    (finished.status.code(), said)
}

#[test]
fn folders_are_made_and_logs_trusted_only_where_that_is_allowed() {
    let case = Case::new(&["datadir.autocreate=false"]);
    case.config.write();
    std::fs::remove_dir(case.config.data_dir()).unwrap();
    let (code, said) = refused(&case);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("datadir.autocreate"), "{said}");
    // A log without any snapshot.
    let case = Case::new(&[]);
    let server = case.start();
    create(&mut client(&server), "/kept", b"x", 0);
    drop(server);
    for snapshot in case.files("snapshot.") {
        std::fs::remove_file(snapshot).unwrap();
    }
    let (code, said) = refused(&case);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("snapshot.trust.empty"), "{said}");
    let trusting = ZkConfig::new(case.dir.path()).line("snapshot.trust.empty=true");
    let server = trusting.start_ours();
    assert_eq!(read(&mut client(&server), "/kept"), Ok(b"x".to_vec()));
}

#[test]
fn snapshots_are_compressed_as_asked() {
    for (method, suffix) in [("gz", ".gz"), ("snappy", ".snappy"), ("", "")] {
        let line = format!("snapshot.compression.method={method}");
        let case = Case::new(&[&line]);
        drop(case.start());
        let name = case.files("snapshot.")[0].display().to_string();
        assert!(name.ends_with(&format!("snapshot.0{suffix}")), "{name}");
        drop(case.start());
    }
}

#[test]
fn digests_trailers_and_lists_are_written_where_they_are_on() {
    /// A checksum, and a path of one letter with its length.
    const SEAL: u64 = 8 + 4 + 1;
    // The first snapshot, and a log with a session that ended with an ephemeral.
    let written = |line: &str| {
        let case = Case::new(&[line]);
        let server = case.start();
        let mut client = client(&server);
        create(&mut client, "/an-ephemeral-with-a-name", b"", 1);
        client.call(OpCode::CloseSession, &[]).unwrap();
        drop(server);
        let mut dump = Command::new(binary("zk-txnlog"));
        dump.arg("-d").arg(&case.files("log.")[0]);
        (size(&case.files("snapshot.")[0]), run(dump, b"").success())
    };
    let (full, log) = written("");
    assert!(
        log.contains("closeSession v{'/an-ephemeral-with-a-name}"),
        "{log}"
    );
    let (without, _) = written("serializeLastProcessedZxid.enabled=false");
    assert_eq!(full - without, 8 + SEAL, "a zxid and its seal");
    // Java would write the zxid nevertheless, where servers that know digests expect one.
    let (without, _) = written("digest.enabled=false");
    let digest = 8 + 4 + 8 + SEAL;
    assert_eq!(full - without, digest + 8 + SEAL, "digest, and zxid");
    let (_, log) = written("closeSessionTxn.enabled=false");
    assert!(
        log.contains("closeSession") && !log.contains("closeSession v{"),
        "{log}"
    );
}

fn admin(lines: &[&str]) -> (Case, ZkServer, Port) {
    let port = Port::reserve();
    let number = format!("admin.serverPort={}", port.number());
    let on = [
        "admin.enableServer=true",
        "admin.serverAddress=127.0.0.1",
        &number,
    ];
    let lines: Vec<&str> = on.into_iter().chain(lines.iter().copied()).collect();
    let case = Case::new(&lines);
    let server = case.start();
    (case, server, port)
}

/// All that the port says to a request.
fn ask(addr: SocketAddr, path: &str) -> String {
    let mut socket = TcpStream::connect(addr).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_admin_server_follows_its_keys() {
    let (_case, _server, port) = admin(&["admin.commandURL=/ops", "admin.idleTimeout=300"]);
    assert!(ask(port.addr(), "/ops/ruok").starts_with("HTTP/1.1 200"));
    assert!(ask(port.addr(), "/commands/ruok").starts_with("HTTP/1.1 404"));
    let begun = Instant::now();
    let mut idle = TcpStream::connect(port.addr()).unwrap();
    idle.set_read_timeout(Some(LIMIT)).unwrap();
    let mut rest = Vec::new();
    let _ = idle.read_to_end(&mut rest);
    assert!(begun.elapsed() >= Duration::from_millis(250));
    assert!(begun.elapsed() < Duration::from_secs(25), "not the default");
    let (_case, server, port) = admin(&["admin.enableServer=false"]);
    assert!(TcpStream::connect(port.addr()).is_err());
    assert!(server.process.log().contains("admin.enableServer=false"));
}

#[test]
fn figures_of_the_process_are_left_out_when_asked() {
    for (told, there) in [("true", true), ("false", false)] {
        let port = Port::reserve();
        let case = Case::new(&[
            "metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider",
            "metricsProvider.httpHost=127.0.0.1",
            &format!("metricsProvider.httpPort={}", port.number()),
            &format!("metricsProvider.exportJvmInfo={told}"),
        ]);
        let _server = case.start();
        let text = ask(port.addr(), "/metrics");
        assert!(text.contains("znode_count"), "{text}");
        assert_eq!(text.contains("process_cpu_seconds_total"), there, "{text}");
    }
}

#[test]
fn digest_and_super_follow_their_keys() {
    // base64(sha256("alice:secret")), as the id of an ACL.
    let (_case, server) = Case::serving(&["DigestAuthenticationProvider.digestAlg=SHA-256"]);
    let mut alice = client(&server);
    alice.authenticate("digest", b"alice:secret");
    let own = || Acl::new(perms::ALL, Id::new("auth", ""));
    create_with(&mut alice, "/own", b"x", 0, own());
    let acl = alice.must(OpCode::GetAcl, &PathRequest { path: "/own" });
    let acl = GetAclResponse::from_bytes(&acl).unwrap().acl;
    assert_eq!(
        acl[0].id.id,
        "alice:PRHcR5wI47NodzED1kdmwuQgzjlyeTL88tj02dWZvlk=".to_owned()
    );
    // The same of super:admin, with SHA1.
    let digest = "DigestAuthenticationProvider.superDigest=super:xQJmxLMiHGwaqBvst5y6rkB6HQs=";
    let (_case, server) = Case::serving(&[digest]);
    let mut alice = client(&server);
    alice.authenticate("digest", b"alice:secret");
    create_with(&mut alice, "/own", b"x", 0, own());
    let mut root = client(&server);
    assert_eq!(read(&mut root, "/own"), Err(ErrorCode::NoAuth.code()));
    root.authenticate("digest", b"super:admin");
    assert_eq!(read(&mut root, "/own"), Ok(b"x".to_vec()));
    let (_case, server) = Case::serving(&["DigestAuthenticationProvider.enabled=false"]);
    let packet = AuthPacket {
        auth_type: 0,
        scheme: "digest",
        auth: Some(b"alice:secret"),
    };
    let (err, _) = client(&server)
        .call(OpCode::Auth, &packet.to_vec())
        .unwrap();
    assert_eq!(err, ErrorCode::AuthFailed.code());
}

#[test]
fn no_acl_is_checked_when_they_are_skipped() {
    for (line, seen) in [("skipACL=yes", true), ("skipACL=no", false)] {
        let (_case, server) = Case::serving(&[line]);
        let mut client = client(&server);
        let nobody = Acl::new(perms::ALL, Id::new("ip", "10.9.8.7"));
        create_with(&mut client, "/closed", b"x", 0, nobody);
        assert_eq!(read(&mut client, "/closed").is_ok(), seen, "{line}");
    }
}

#[test]
fn a_read_only_folder_refuses_the_start() {
    let case = Case::new(&[]);
    let cfg = case.config.write();
    let data = case.config.data_dir();
    // In a mount namespace of its own; that needs rights which not everybody has.
    let start = |data: &Path| {
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c"]).arg(format!(
            "mount --bind {0} {0} && mount -o remount,ro,bind {0} && exec {1} {2}",
            data.display(),
            binary("zk-server").display(),
            cfg.display()
        ));
        let finished = run(command, b"");
        let said = format!("{}{}", finished.stdout, finished.stderr);
        (finished.status.code(), said)
    };
    let (code, said) = start(&data);
    if !said.contains("zk-server") && !said.contains("did not start") {
        return skipped("mount namespaces cannot be made here");
    }
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("Unable to create data directory"), "{said}");
    assert!(said.contains("Read-only file system"), "{said}");
    drop(case.start());
    let (code, said) = start(&data);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("Cannot write to data directory"), "{said}");
    assert!(said.contains("mount it for writing"), "{said}");
    drop(case.start());
}

#[test]
fn words_are_answered_and_snapshots_exact_under_load() {
    let case = Case::new(&["snapCount=300", "tickTime=2000"]);
    let server = case.start();
    let mut setup = client(&server);
    for i in 0..500 {
        create(&mut setup, &format!("/filler{i}"), &[7; 20_000], 0);
    }
    let load = Load::start(&[server.addr()], 4, 20_000);
    let before = case.files("snapshot.").len();
    let mut answered = 0;
    wait_until("snapshots while words are answered", || {
        for word in [
            "mntr", "srvr", "stat", "cons", "dump", "wchp", "wchc", "wchs", "hash", "dirs",
        ] {
            let begun = Instant::now();
            let answer = server.four_letter(word);
            assert!(!answer.is_empty(), "{word}");
            assert!(begun.elapsed() < Duration::from_secs(20), "{word}");
            answered += 1;
        }
        load.wait_for(50);
        case.files("snapshot.").len() >= before + 5
    });
    assert!(answered >= 10);
    let reports = load.stop();
    for report in &reports {
        report.check(&mut setup, "the server");
    }
    setup.call(OpCode::CloseSession, &[]).unwrap();
    let mut reader = client(&server);
    let tree = reader.dump();
    // From the newest snapshot, and from an older one with more of the log.
    drop(server);
    for remove_newest in [false, true] {
        if remove_newest {
            std::fs::remove_file(case.files("snapshot.").last().unwrap()).unwrap();
        }
        let server = case.start();
        assert!(client(&server).dump() == tree, "another tree after a start");
    }
}
