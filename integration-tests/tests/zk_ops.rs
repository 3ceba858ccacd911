//! Operations of zk-server against Apache's: four-letter words, AdminServer, metrics, zkServer.sh.
//! What differs by its nature (times, ids, sizes) is masked; everything else must be equal.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: drives real processes"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use integration_tests::java_or_skip;
use integration_tests::proc::{LIMIT, Port, binary, repo_root, run, skipped, wait_until};
use integration_tests::zk::{Ensemble, Kind, ZkClient, ZkConfig, ZkServer, masked, shape};
use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::acl::Acl;
use proto::zk::request::{CreateRequest, PathWatchRequest};
use serde_json::Value;

const VERSION: &str = "3.9.5";

/// A client with an ephemeral znode and watches, so that every word has something to show.
fn busy_client(server: &ZkServer) -> ZkClient {
    let mut client = ZkClient::connect(server.addr(), 20_000).expect("a session");
    client.must(
        OpCode::Create,
        &CreateRequest {
            path: "/eph",
            data: Some(b"x"),
            acl: vec![Acl::OPEN],
            flags: 1,
        },
    );
    for path in ["/eph", "/none"] {
        let watch = PathWatchRequest { path, watch: true };
        let _ = client.call(OpCode::Exists, &watch.to_vec());
    }
    client
}

/// The lines of an answer, without what names a build, a folder or a day.
fn lines(word: &str, text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text
        .lines()
        // Java also tells a bucket of deadlines that is empty by now.
        .filter(|line| !line.starts_with("0 expire at "))
        .map(|line| match line {
            _ if line.starts_with("Zookeeper version: ") => "Zookeeper version: ".to_owned(),
            _ if line.starts_with("dataDir=") => "dataDir=".to_owned(),
            _ if line.starts_with("dataLogDir=") => "dataLogDir=".to_owned(),
            _ => match line.split_once(" expire at ") {
                Some((count, _)) => format!("{count} expire at"),
                None => masked(line),
            },
        })
        .collect();
    if matches!(word, "cons" | "stat") {
        // Connections come in no order.
        lines.sort();
    }
    lines
}

fn names<'a>(text: &'a str, separator: &str) -> BTreeSet<&'a str> {
    let lines = text.lines().filter_map(|line| line.split_once(separator));
    lines.map(|(name, _)| name).collect()
}

#[test]
fn four_letter_words_answer_as_java() {
    let java = java_or_skip!();
    let (theirs, ours) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let theirs = ZkConfig::new(theirs.path()).start_java(java, VERSION);
    let ours_dir = ours;
    let ours = ZkConfig::new(ours_dir.path()).start_ours();
    let _clients = (busy_client(&theirs), busy_client(&ours));
    for word in [
        "conf",
        "cons",
        "dump",
        "gtmk",
        "ruok",
        "srvr",
        "stat",
        "wchc",
        "wchp",
        "wchs",
        "isro",
        "hash",
        "dirs",
        "crst",
        "srst",
        "stmk\0\0\0\0\0\0\0\x07",
        "gtmk",
        "abcd",
    ] {
        let (java, ours) = (theirs.four_letter(word), ours.four_letter(word));
        assert_eq!(
            lines(word, &java),
            lines(word, &ours),
            "{word}\n{java}\n{ours}"
        );
        assert_eq!(java.ends_with('\n'), ours.ends_with('\n'), "{word}");
    }
    let (java, ours) = (theirs.four_letter("envi"), ours.four_letter("envi"));
    assert_eq!(names(&java, "="), names(&ours, "="));
    drop(_clients);
}

#[test]
fn mntr_has_the_names_of_java() {
    let java = java_or_skip!();
    let (theirs, ours) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let theirs_server = ZkConfig::new(theirs.path()).start_java(java, VERSION);
    let ours_server = ZkConfig::new(ours.path()).start_ours();
    let clients = (busy_client(&theirs_server), busy_client(&ours_server));
    let (java, ours) = (
        theirs_server.four_letter("mntr"),
        ours_server.four_letter("mntr"),
    );
    let missing: Vec<&str> = names(&java, "\t")
        .difference(&names(&ours, "\t"))
        .copied()
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    for name in [
        "zk_ephemerals_count",
        "zk_znode_count",
        "zk_watch_count",
        "zk_global_sessions",
    ] {
        let value = |text: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.map(str::to_owned)
        };
        assert_eq!(value(&java), value(&ours), "{name}");
    }
    drop(clients);
}

#[test]
fn words_outside_the_whitelist_are_refused_as_java() {
    let dir = tempfile::tempdir().unwrap();
    let server = ZkConfig::new(dir.path())
        .line("4lw.commands.whitelist=ruok")
        .start_ours();
    assert_eq!(server.four_letter("ruok"), "imok");
    // zkServer.sh needs it, so it is always allowed.
    assert!(server.four_letter("srvr").contains("Mode: standalone"));
    let refused = server.four_letter("mntr");
    let (first, rest) = refused.split_once('\n').unwrap();
    assert_eq!(
        first,
        "mntr is not executed because it is not in the whitelist."
    );
    assert!(
        rest.contains("4lw.commands.whitelist=ruok,srvr,mntr"),
        "{rest}"
    );
}

/// Status line, headers and body.
fn get(port: u16, path: &str, header: &str) -> (String, String, Vec<u8>) {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).expect("the port answers");
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{header}Connection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).unwrap();
    let end = bytes
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .expect("a head");
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let (status, headers) = head.split_once("\r\n").unwrap();
    (
        status.to_owned(),
        headers.to_owned(),
        bytes[end + 4..].to_vec(),
    )
}

#[test]
fn admin_server_has_the_fields_of_java() {
    let java = java_or_skip!();
    let (theirs_dir, ours_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let with_admin = |dir: &Path| {
        let admin = Port::reserve();
        let config = ZkConfig::new(dir)
            .line("admin.enableServer=true")
            .line("admin.serverAddress=127.0.0.1")
            .line(&format!("admin.serverPort={}", admin.number()));
        (config, admin)
    };
    let (theirs_config, theirs_admin) = with_admin(theirs_dir.path());
    let (ours_config, ours_admin) = with_admin(ours_dir.path());
    let theirs = theirs_config.start_java(java, VERSION);
    let ours = ours_config.start_ours();
    let clients = (busy_client(&theirs), busy_client(&ours));
    wait_until("Java's AdminServer", || {
        TcpStream::connect(theirs_admin.addr()).is_ok()
    });
    let page = |port: u16| String::from_utf8(get(port, "/commands", "").2).unwrap();
    let list = page(theirs_admin.number());
    assert_eq!(list, page(ours_admin.number()));
    let commands: Vec<&str> = list
        .lines()
        .filter_map(|line| line.strip_prefix("<a href=\"/commands/")?.split('"').next())
        .collect();
    assert_eq!(commands.len(), 28);
    let asked = commands.iter().copied().chain([
        "nosuch",
        "conf",
        "stat",
        "set_trace_mask?traceMask=5",
        "set_trace_mask?traceMask=x",
    ]);
    for command in asked {
        let ask = |port: u16| {
            let (status, _, body) = get(port, &format!("/commands/{command}"), "");
            let body: Value = serde_json::from_slice(&body).expect(command);
            (status, body)
        };
        let ((status, java), (our_status, ours)) =
            (ask(theirs_admin.number()), ask(ours_admin.number()));
        assert_eq!(status, our_status, "{command}");
        match command {
            // What a process sets and counts is its own; names are compared elsewhere.
            "system_properties" | "monitor" => {
                assert_eq!(
                    (&java["command"], &java["error"]),
                    (&ours["command"], &ours["error"])
                );
            }
            _ => assert_eq!(shape(&java), shape(&ours), "{command}"),
        }
    }
    drop(clients);
}

/// One member of three, alone.
#[test]
fn admin_server_without_a_quorum_answers_as_java() {
    let java = java_or_skip!();
    let answers = |kind| {
        let dir = tempfile::tempdir().unwrap();
        let admin = Port::reserve();
        let mut ensemble = Ensemble::local(dir.path(), 3, 0)
            .java(java)
            .line("admin.enableServer=true")
            .line("admin.serverAddress=127.0.0.1")
            .line(&format!("admin.serverPort={}", admin.number()));
        ensemble.start(1, kind);
        wait_until("the AdminServer to answer", || {
            TcpStream::connect(admin.addr()).is_ok()
        });
        let commands = ["srvr", "stat", "cons", "ruok", "leader", "watches", "dirs"];
        commands.map(|command| {
            let (status, _, body) = get(admin.number(), &format!("/commands/{command}"), "");
            let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
            (
                command,
                status,
                body["error"].clone(),
                body.as_object().map(|o| o.len()),
            )
        })
    };
    assert_eq!(answers(Kind::Ours), answers(Kind::Java(VERSION)));
}

#[test]
fn a_taken_admin_port_does_not_stop_the_server() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let server = ZkConfig::new(dir.path())
        .line("admin.enableServer=true")
        .line("admin.serverAddress=127.0.0.1")
        .line(&format!("admin.serverPort={port}"))
        .start_ours();
    assert_eq!(server.four_letter("ruok"), "imok");
    let log = server.process.log();
    let us = format!("process {}", std::process::id());
    assert!(
        log.contains("goes on without AdminServer") && log.contains(&us),
        "{log}"
    );
}

fn prometheus_config(dir: &Path) -> (ZkConfig, Port) {
    let port = Port::reserve();
    let config = ZkConfig::new(dir)
        .line("metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider")
        .line("metricsProvider.httpHost=127.0.0.1")
        .line(&format!("metricsProvider.httpPort={}", port.number()));
    (config, port)
}

fn with_prometheus(dir: &Path) -> (ZkServer, Port) {
    let (config, port) = prometheus_config(dir);
    (config.start_ours(), port)
}

/// Name, type and help of each family, and the quantiles of its samples.
fn families(text: &str) -> BTreeMap<String, String> {
    let mut families: BTreeMap<String, String> = BTreeMap::new();
    for line in text.lines() {
        let Some(rest) = line.strip_prefix("# ") else {
            let name = line.split(['{', ' ']).next().unwrap();
            if let (Some(family), Some((_, rank))) =
                (families.get_mut(name), line.split_once("quantile=\""))
            {
                let rank = rank.split('"').next().unwrap();
                if !family.contains(&format!(" {rank}")) {
                    family.push_str(&format!(" {rank}"));
                }
            }
            continue;
        };
        let (what, rest) = rest.split_once(' ').unwrap();
        let (name, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let family = families.entry(name.to_owned()).or_default();
        family.push_str(&format!("{what}={text} "));
    }
    families
}

fn metrics(port: &Port) -> String {
    let (status, headers, body) = get(port.number(), "/metrics", "");
    assert!(status.contains("200"), "{status}");
    assert!(headers.contains("version=0.0.4"), "{headers}");
    String::from_utf8(body).unwrap()
}

#[test]
fn prometheus_has_the_names_of_java() {
    let java = java_or_skip!();
    let (theirs_dir, ours_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (theirs_config, theirs_port) = prometheus_config(theirs_dir.path());
    let theirs_server = theirs_config.start_java(java, "3.9.5-prometheus");
    let (ours_server, ours_port) = with_prometheus(ours_dir.path());
    let mut clients = [busy_client(&theirs_server), busy_client(&ours_server)];
    for client in &mut clients {
        for (path, data) in [
            ("/eph-quota", "x"),
            ("/zookeeper/quota/eph-quota", ""),
            (
                "/zookeeper/quota/eph-quota/zookeeper_limits",
                "count=5,bytes=7",
            ),
            (
                "/zookeeper/quota/eph-quota/zookeeper_stats",
                "count=1,bytes=1",
            ),
        ] {
            let create = CreateRequest {
                path,
                data: Some(data.as_bytes()),
                acl: vec![Acl::OPEN],
                flags: 0,
            };
            client.must(OpCode::Create, &create);
        }
    }
    let (theirs, ours) = (metrics(&theirs_port), metrics(&ours_port));
    let labelled = |text: &str| -> Vec<String> {
        // Percentiles are estimates.
        let lines = text.lines().filter(|line| {
            line.contains("_per_namespace")
                && line.contains("{key=\"")
                && !line.contains("quantile")
        });
        let mut lines: Vec<String> = lines.map(str::to_owned).collect();
        lines.sort();
        lines
    };
    // Java's summaries are computed by another thread: the last write may be missing for a moment.
    wait_until("Java's figures of the last write", || {
        metrics(&theirs_port).contains("write_per_namespace_count{key=\"zookeeper\",} 3.0")
    });
    assert_eq!(
        labelled(&metrics(&theirs_port)),
        labelled(&metrics(&ours_port))
    );
    let (theirs, ours) = (families(&theirs), families(&ours));
    // What only a JVM has, or only a process without one.
    let of_the_jvm = |name: &str| name.starts_with("jvm_");
    let of_the_process = |name: &str| name.starts_with("process_");
    let missing: Vec<_> = theirs
        .iter()
        .filter(|(name, told)| !of_the_jvm(name) && ours.get(*name) != Some(told))
        .map(|(name, told)| (name, told, ours.get(name)))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
    let more: Vec<&String> = ours
        .keys()
        .filter(|name| !theirs.contains_key(*name) && !of_the_process(name))
        .collect();
    assert!(more.is_empty(), "{more:?}");
}

#[test]
fn metrics_come_as_text_and_as_protobuf() {
    let dir = tempfile::tempdir().unwrap();
    let (server, port) = with_prometheus(dir.path());
    let client = busy_client(&server);
    let text = metrics(&port);
    assert!(text.contains("\nephemerals_count 1.0\n"), "{text}");
    assert!(text.contains("\nprocess_resident_memory_bytes "), "{text}");
    let accept = "Accept: application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited\r\n";
    let (_, headers, body) = get(port.number(), "/metrics", accept);
    assert!(headers.contains("encoding=delimited"), "{headers}");
    let name = b"readlatency";
    assert!(body.windows(name.len()).any(|window| window == name));
    drop(client);
}

#[test]
fn debians_prometheus_scrapes_us() {
    if Command::new("prometheus")
        .arg("--version")
        .output()
        .is_err()
    {
        return skipped("no prometheus on this machine (apt-get install prometheus)");
    }
    let dir = tempfile::tempdir().unwrap();
    let (server, port) = with_prometheus(dir.path());
    let client = busy_client(&server);
    let config = dir.path().join("prometheus.yml");
    let scrape = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: zk\n  static_configs:\n  - targets: ['{}']\n",
        port.addr()
    );
    std::fs::write(&config, scrape).unwrap();
    let web = Port::reserve();
    let mut command = Command::new("prometheus");
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            dir.path().join("tsdb").display()
        ))
        .arg(format!("--web.listen-address={}", web.addr()));
    let log = dir.path().join("prometheus.log");
    let mut prometheus = integration_tests::proc::Process::spawn("prometheus", command, &log);
    for name in ["ephemerals_count", "readlatency_count"] {
        wait_until(name, || {
            prometheus.assert_running();
            if TcpStream::connect(web.addr()).is_err() {
                return false;
            }
            let (_, _, body) = get(web.number(), &format!("/api/v1/query?query={name}"), "");
            String::from_utf8_lossy(&body).contains("\"value\"")
        });
    }
    prometheus.kill();
    drop(client);
}

/// zkServer.sh on a configuration of its own.
struct Script {
    conf: std::path::PathBuf,
    logs: std::path::PathBuf,
}

impl Script {
    fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(repo_root().join("scripts/zkServer.sh"));
        command.arg("--config").arg(&self.conf).args(arguments);
        command.env("ZOO_LOG_DIR", &self.logs);
        command.env_remove("ZOOCFGDIR").env_remove("ZOOPIDFILE");
        let finished = run(command, b"");
        (finished.status.code(), finished.stdout)
    }
}

#[test]
fn zkserver_sh_starts_tells_and_stops() {
    assert!(binary("zk-server").exists());
    let dir = tempfile::tempdir().unwrap();
    let config = ZkConfig::new(dir.path());
    let zoo_cfg = config.write();
    let script = Script {
        conf: zoo_cfg.parent().unwrap().to_owned(),
        logs: dir.path().join("logs"),
    };
    assert_eq!(script.run(&["status"]).0, Some(1));
    let (code, said) = script.run(&["start"]);
    assert_eq!(
        (code, said.as_str()),
        (Some(0), "Starting zookeeper ... STARTED\n")
    );
    let pid = std::fs::read_to_string(config.data_dir().join("zookeeper_server.pid")).unwrap();
    let (code, said) = script.run(&["start"]);
    let running = format!("Starting zookeeper ... already running as process {pid}.\n");
    assert_eq!((code, said), (Some(1), running));
    let (code, said) = script.run(&["status"]);
    assert_eq!(code, Some(0));
    assert!(said.ends_with("Mode: standalone\n"), "{said}");
    let logs: Vec<String> = std::fs::read_dir(&script.logs)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(
        logs.iter()
            .any(|n| n.contains("-server-") && n.ends_with(".out")),
        "{logs:?}"
    );
    assert!(
        logs.iter()
            .any(|n| n.contains("-server-") && n.ends_with(".log")),
        "{logs:?}"
    );
    let (code, said) = script.run(&["stop"]);
    assert_eq!(
        (code, said.as_str()),
        (Some(0), "Stopping zookeeper ... STOPPED\n")
    );
    let (code, said) = script.run(&["stop"]);
    assert_eq!(code, Some(0));
    assert!(
        said.starts_with("Stopping zookeeper ... no zookeeper to stop"),
        "{said}"
    );
    assert!(TcpStream::connect(config.addr()).is_err());
    assert_eq!(script.run(&["dance"]).0, Some(1));
}

#[test]
fn a_start_that_cannot_serve_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let start = |lines: &str| {
        let path = dir.path().join("zoo.cfg");
        std::fs::write(&path, lines).unwrap();
        let mut command = Command::new(binary("zk-server"));
        command
            .arg(&path)
            .env_remove("SERVER_JVMFLAGS")
            .env_remove("JVMFLAGS");
        let finished = run(command, b"");
        let said = format!("{}{}", finished.stdout, finished.stderr);
        (finished.status.code(), said)
    };
    let data = dir.path().join("data");
    let data = data.display();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    for (lines, code, part) in [
        ("clientPort=1".to_owned(), 2, "dataDir is not set"),
        (format!("dataDir={data}"), 2, "clientPort is not set"),
        (
            format!("dataDir={data}\nclientPort=x"),
            2,
            "line 2: clientPort=x",
        ),
        (
            format!("dataDir={data}\nclientPort=1\nsecureClientPort=2"),
            2,
            "line 3: secureClientPort=2: TLS for clients is not served yet",
        ),
        (
            format!("dataDir={}\nclientPort=1", file.display()),
            3,
            "Change dataDir",
        ),
        (
            format!(
                "dataDir={data}\nclientPort={port}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false"
            ),
            1,
            "line 2: cannot bind",
        ),
    ] {
        let (left, said) = start(&lines);
        assert_eq!(left, Some(code), "{lines}\n{said}");
        assert!(said.contains(part), "{lines}\n{said}");
    }
}

#[test]
fn client_port_address_is_listened_on() {
    let dir = tempfile::tempdir().unwrap();
    let config = ZkConfig::new(dir.path());
    let server = config.start_ours();
    assert_eq!(server.four_letter("ruok"), "imok");
    let other = SocketAddr::from(([127, 0, 0, 2], config.addr().port()));
    assert!(TcpStream::connect(other).is_err());
}
