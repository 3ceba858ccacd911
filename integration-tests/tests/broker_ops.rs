//! Operating a broker: starts that cannot serve say why and what to change, those that are risky
//! warn, log lines look like Kafka's, Prometheus gets its figures, and a lost session is survived.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use integration_tests::bench::kafka_load::KafkaLoad;
use integration_tests::bench::round::Until;
use integration_tests::peers::broker_count;
use integration_tests::proc::{LIMIT, Port, Process, binary, run, wait_until};
use integration_tests::zk::{ZkConfig, ZkServer};
use nix::sys::signal::Signal;
use proto::kafka::messages::create_topics::{
    CreatableTopic, CreateTopicsRequest, CreateTopicsResponse,
};
use proto::kafka::messages::find_coordinator::FindCoordinatorRequest;
use proto::kafka::{ErrorCode, Request, frame};

/// Writes `server.properties`: `broker.id` in line 1, `zookeeper.connect` in line 2, `log.dirs` in
/// line 3, then `lines`.
fn command(dir: &Path, zookeeper: &str, lines: &[&str]) -> Command {
    std::fs::create_dir_all(dir).unwrap();
    let logs = dir.join("data");
    let mut text = String::new();
    if !lines.iter().any(|line| line.starts_with("broker.id")) {
        text.push_str("broker.id=0");
    }
    text.push_str(&format!("\nzookeeper.connect={zookeeper}\n"));
    if !lines.iter().any(|line| line.starts_with("log.dirs")) {
        text.push_str(&format!("log.dirs={}", logs.display()));
    }
    for line in lines {
        text.push('\n');
        text.push_str(line);
    }
    let file = dir.join("server.properties");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(binary("broker"));
    command.arg(file).env_remove("LOG_DIR");
    command
}

struct Broker {
    process: Process,
    port: Port,
}

impl Broker {
    fn start(dir: &Path, zookeeper: &ZkServer, lines: &[&str]) -> Self {
        Self::start_at(dir, &zookeeper.connect_string(), lines)
    }

    fn start_at(dir: &Path, zookeeper: &str, lines: &[&str]) -> Self {
        let port = Port::reserve();
        let listeners = format!("listeners=PLAINTEXT://127.0.0.1:{}", port.number());
        let mut all = vec![listeners.as_str()];
        all.extend(lines);
        let mut command = command(dir, zookeeper, &all);
        command.env("LOG_DIR", dir.join("logs"));
        command.env("KAFKA_HEAP_OPTS", "-Xmx1G");
        let mut process = Process::spawn("broker", command, &dir.join("kafkaServer.out"));
        wait_until("the broker to serve", || {
            process.assert_running();
            broker_count(port.addr()).is_some_and(|n| n > 0)
        });
        Self { process, port }
    }

    fn addr(&self) -> SocketAddr {
        self.port.addr()
    }
}

fn server_log(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("logs/server.log")).unwrap_or_default()
}

/// What a start that fails says, which is one line.
#[track_caller]
fn refusal(command: Command) -> String {
    let done = run(command, b"");
    assert_eq!(
        done.status.code(),
        Some(1),
        "{}{}",
        done.stdout,
        done.stderr
    );
    // what is wrong with the logging itself cannot be logged
    let logged = done.stdout.lines().filter(|line| line.contains("] ERROR "));
    let said: Vec<&str> = logged.chain(done.stderr.lines()).collect();
    assert_eq!(said.len(), 1, "{}{}", done.stdout, done.stderr);
    said[0].to_owned()
}

#[test]
fn configurations_that_cannot_serve_name_file_line_and_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let local = "listeners=PLAINTEXT://127.0.0.1:0";
    let cases: &[(&[&str], &[&str])] = &[
        (
            &[local, "advertised.listeners=PLAINTEXT://0.0.0.0:9092"],
            &[
                "line 5: advertised.listeners=",
                "all interfaces",
                "://ADDRESS:",
            ],
        ),
        (
            &[
                local,
                "advertised.listeners=PLAINTEXT://no-such-host.invalid:9092",
            ],
            &[
                "line 5: advertised.listeners=",
                "no-such-host.invalid has no address",
            ],
        ),
        (
            &["listeners=SSL://127.0.0.1:0"],
            &["line 4: listeners=", "does not serve: use PLAINTEXT"],
        ),
        (
            &["listeners=SASL_PLAINTEXT://127.0.0.1:0"],
            &["line 4: listeners=", "does not serve: use PLAINTEXT"],
        ),
        (&["num.partitions=many"], &["line 4: num.partitions=many: "]),
        (&["note=\\u12"], &["line 4"]),
        (
            &["process.roles=broker"],
            &["line 4: process.roles=broker: KRaft"],
        ),
        (
            &[local, "zookeeper.connection.timeout.ms=300"],
            &[
                "line 2: no ZooKeeper server answers at zookeeper.connect=127.0.0.1:1",
                "(127.0.0.1:1: Connection refused",
                "start ZooKeeper",
            ],
        ),
    ];
    for (at, (lines, parts)) in cases.iter().enumerate() {
        let said = refusal(command(
            &dir.path().join(at.to_string()),
            "127.0.0.1:1",
            lines,
        ));
        for part in *parts {
            assert!(said.contains(part), "{lines:?}: {part}: {said}");
        }
    }
    let mut missing = Command::new(binary("broker"));
    missing
        .arg(dir.path().join("none.properties"))
        .env_remove("LOG_DIR");
    let said = refusal(missing);
    assert!(said.contains("none.properties cannot be read"), "{said}");
}

#[test]
fn a_logging_yaml_that_cannot_be_used_is_named_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let yaml = dir.path().join("logging.yaml");
    let refused = |text: &[u8]| {
        std::fs::write(&yaml, text).unwrap();
        refusal(command(dir.path(), "127.0.0.1:1", &[]))
    };
    let name = yaml.display();
    let why = refused(b"level: info\nlevels:\n  broker::net: loud\n");
    let wanted = format!("{name}, line 3: levels.broker::net: loud is not a level");
    assert!(why.starts_with(&wanted), "{why}");
    let why = refused(b"level: info\ncolour: red\n");
    assert!(why.starts_with(&format!("{name}, line 2: colour")), "{why}");
    let why = refused(b"level: info\n\xff\xfe\n");
    assert!(
        why.starts_with(&format!("{name}, line 2: not UTF-8")),
        "{why}"
    );
    std::fs::remove_file(&yaml).unwrap();
    std::fs::create_dir(&yaml).unwrap();
    let why = refusal(command(dir.path(), "127.0.0.1:1", &[]));
    assert!(
        why.starts_with(&format!("{name} cannot be read: ")),
        "{why}"
    );
}

#[test]
fn a_taken_port_names_its_holder() {
    let dir = tempfile::tempdir().unwrap();
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let line = format!("listeners=PLAINTEXT://127.0.0.1:{port}");
    let said = refusal(command(dir.path(), "127.0.0.1:1", &[&line]));
    assert!(said.contains("line 4: listeners="), "{said}");
    let by = format!("port {port} is taken by process {}", std::process::id());
    assert!(said.contains(&by), "{said}");
}

#[test]
fn what_another_broker_has_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let zookeeper = ZkConfig::new(&dir.path().join("zk")).start_ours();
    let zk = zookeeper.connect_string();
    let home = dir.path().join("0");
    let mut first = Broker::start(&home, &zookeeper, &[]);
    let local = "listeners=PLAINTEXT://127.0.0.1:0";
    let dirs = format!("log.dirs={}", home.join("data").display());

    let second = dir.path().join("1");
    let said = refusal(command(&second, &zk, &[local, &dirs, "broker.id=1"]));
    let by = format!("(process {})", first.process.pid());
    assert!(said.contains(&by) && said.contains("line 5: "), "{said}");

    let address = format!("127.0.0.1:{}", first.port.number());
    let advertised = format!("advertised.listeners=PLAINTEXT://{address}");
    let other = command(
        &dir.path().join("9"),
        &zk,
        &[local, &advertised, "broker.id=9"],
    );
    let said = refusal(other);
    let java = format!(
        "line 5: advertised.listeners: requirement failed: Configured end points {address} in \
         advertised listeners are already registered by broker 0"
    );
    assert!(said.contains(&java), "{said}");

    let impatient = "zookeeper.session.timeout.ms=4000";
    let said = refusal(command(&second, &zk, &[local, impatient]));
    let by = format!("taken by 127.0.0.1:{}", first.port.number());
    assert!(
        said.contains(&by) && said.contains("line 1: broker.id=0"),
        "{said}"
    );

    assert!(first.process.stop().success());
    let said = refusal(command(
        &dir.path().join("2"),
        &zk,
        &[local, &dirs, "broker.id=7"],
    ));
    assert!(
        said.contains("broker.id 7 doesn't match stored broker.id 0"),
        "{said}"
    );

    // another cluster, made after this broker's data
    let other = format!("{zk}/other");
    let elsewhere = Broker::start_at(&dir.path().join("3"), &other, &[]);
    let said = refusal(command(&dir.path().join("4"), &other, &[local, &dirs]));
    assert!(
        said.contains("line 2: ") && said.contains("The new side is ZooKeeper"),
        "{said}"
    );
    drop(elsewhere);
}

/// Which side is the new one: ZooKeeper that was emptied, or folders of a younger cluster.
#[test]
fn data_of_another_cluster_is_refused_by_what_is_new() {
    let dir = tempfile::tempdir().unwrap();
    let zookeeper = ZkConfig::new(&dir.path().join("zk")).start_ours();
    let connect = |chroot: &str| format!("{}{chroot}", zookeeper.connect_string());
    let local = "listeners=PLAINTEXT://127.0.0.1:0";
    let old = Broker::start_at(&dir.path().join("old"), &connect("/old"), &[]);
    drop(old);
    let home = dir.path().join("young");
    drop(Broker::start_at(&home, &connect("/young"), &[]));
    let dirs = format!("log.dirs={}", home.join("data").display());
    let start = |name: &str, chroot: &str| {
        let home = dir.path().join(name);
        refusal(command(&home, &connect(chroot), &[local, &dirs]))
    };
    let said = start("2", "/old");
    assert!(said.contains("line 2: "), "{said}");
    let new_side = "The new side are the log directories";
    assert!(
        said.contains("doesn't match stored clusterId") && said.contains(new_side),
        "{said}"
    );
    let said = start("3", "/empty");
    let missing = "there is no cluster at all (no /cluster/id), but log.dirs hold 0 partitions";
    assert!(
        said.contains("line 2: ") && said.contains(missing),
        "{said}"
    );
    assert!(
        said.contains("The new side is ZooKeeper: was its data folder emptied"),
        "{said}"
    );
}

#[test]
fn broker_ids_are_generated_above_the_reserved_ones_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let zookeeper = ZkConfig::new(&dir.path().join("zk")).start_ours();
    let generated = ["broker.id=-1", "reserved.broker.max.id=5"];
    let registered = || {
        let dump = zookeeper.four_letter("dump");
        let ids = dump
            .lines()
            .filter_map(|line| line.trim().strip_prefix("/brokers/ids/"));
        let mut ids: Vec<String> = ids.map(str::to_owned).collect();
        ids.sort_unstable();
        ids
    };
    let mut first = Broker::start(&dir.path().join("0"), &zookeeper, &generated);
    let _second = Broker::start(&dir.path().join("1"), &zookeeper, &generated);
    assert_eq!(registered(), ["6", "7"]);
    assert!(first.process.stop().success());
    let _again = Broker::start(&dir.path().join("0"), &zookeeper, &generated);
    assert_eq!(registered(), ["6", "7"]);
    let local = "listeners=PLAINTEXT://127.0.0.1:0";
    let home = dir.path().join("2");
    let lines = [local, "broker.id=8", "reserved.broker.max.id=5"];
    let said = refusal(command(&home, &zookeeper.connect_string(), &lines));
    assert!(
        said.contains("line 5: broker.id=8: it must be -1 to 5"),
        "{said}"
    );
}

#[test]
fn log_dirs_that_cannot_be_used_say_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    for (path, remedy) in [
        (file.clone(), "a file is in the way: name a folder"),
        (file.join("below"), "a file is in the way: name a folder"),
        (
            "/proc/none/logs".into(),
            "name a folder that can be written to",
        ),
    ] {
        let dirs = format!("log.dirs={}", path.display());
        let lines = ["listeners=PLAINTEXT://127.0.0.1:0", &dirs];
        let said = refusal(command(&dir.path().join("b"), "127.0.0.1:1", &lines));
        let what = format!("line 5: {dirs} cannot be used: ");
        assert!(said.contains(&what) && said.contains(remedy), "{said}");
    }
}

fn find_coordinator(addr: SocketAddr) -> ErrorCode {
    let request = FindCoordinatorRequest {
        key: "group".into(),
        ..FindCoordinatorRequest::default()
    };
    call(addr, 3, &request).error_code
}

fn call<R: Request>(addr: SocketAddr, version: i16, request: &R) -> R::Response {
    let bytes = frame::request(version, 1, None, request)
        .unwrap()
        .into_bytes();
    let mut socket = TcpStream::connect(addr).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    socket.write_all(&bytes.unwrap()).unwrap();
    let mut size = [0; 4];
    socket.read_exact(&mut size).unwrap();
    let mut answer = vec![0; u32::from_be_bytes(size) as usize];
    socket.read_exact(&mut answer).unwrap();
    let (_, body) = frame::read_response::<R>(&answer.into(), version).unwrap();
    body
}

#[test]
fn risky_starts_warn_and_lines_look_like_those_of_kafka() {
    let dir = tempfile::Builder::new().tempdir_in("/tmp").unwrap();
    let zookeeper = ZkConfig::new(&dir.path().join("zk")).start_ours();
    let mut broker = Broker::start(
        dir.path(),
        &zookeeper,
        &["offsets.topic.replication.factor=3"],
    );
    wait_until("the warning", || {
        server_log(dir.path()).contains("brokers that live: 1")
    });
    let heap = "KAFKA_HEAP_OPTS: options for a JVM have no meaning here and are ignored: -Xmx1G";
    assert!(server_log(dir.path()).contains(heap));
    for _ in 0..2 {
        assert_eq!(
            find_coordinator(broker.addr()),
            ErrorCode::COORDINATOR_NOT_AVAILABLE
        );
    }
    let log = server_log(dir.path());
    let lines = |part: &str| log.lines().filter(|line| line.contains(part)).count();
    assert_eq!(lines("so no group can work"), 1, "{log}");
    assert_eq!(lines("] WARN ") - lines("so no group"), 3, "{log}");
    assert!(log.contains("line 3: log.dirs=/tmp/"), "{log}");
    assert!(
        log.contains("line 5: offsets.topic.replication.factor=3"),
        "{log}"
    );
    let started = log.lines().find(|line| line.contains("started (")).unwrap();
    let (time, rest) = started.split_at("[2026-11-21 13:08:14,681]".len());
    assert!(time.starts_with("[20") && time.ends_with(']'), "{started}");
    assert_eq!(
        rest,
        " INFO [KafkaServer id=0] started (kafka.server.KafkaServer)"
    );
    assert!(
        log.lines()
            .all(|line| line.starts_with("[20") && line.ends_with(')')),
        "{log}"
    );
    // what the console shows is what matters
    assert!(broker.process.log().contains("[KafkaServer id=0] started"));
    assert!(broker.process.stop().success());
    assert!(server_log(dir.path()).contains("shut down completed (kafka.server.KafkaServer)"));
}

/// Head and body of an HTTP answer.
fn scrape(port: &Port, accept: &str) -> (String, Vec<u8>) {
    let mut socket = TcpStream::connect(port.addr()).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    let ask = format!(
        "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
    );
    socket.write_all(ask.as_bytes()).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    (head, answer[end + 4..].to_vec())
}

fn text(port: &Port) -> String {
    let (head, body) = scrape(port, "text/plain");
    assert!(
        head.contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    String::from_utf8(body).unwrap()
}

#[track_caller]
fn figure(text: &str, name: &str) -> f64 {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in\n{text}"))
        .parse()
        .unwrap()
}

#[test]
fn prometheus_gets_kafkas_names() {
    let dir = tempfile::tempdir().unwrap();
    let zookeeper = ZkConfig::new(&dir.path().join("zk")).start_ours();
    let port = Port::reserve();
    let line = format!("metrics.http.port={}", port.number());
    let broker = Broker::start(
        dir.path(),
        &zookeeper,
        &[&line, "metrics.http.host=127.0.0.1"],
    );
    wait_until("the endpoint", || TcpStream::connect(port.addr()).is_ok());
    let mut load = KafkaLoad::prepare(broker.addr(), "topic").unwrap();
    let produced = load
        .produce(64 << 10, 4, Until::Time(Duration::from_secs(1)))
        .unwrap();
    load.fetch(1, Until::Time(Duration::from_millis(200)))
        .unwrap();
    assert!(produced.operations > 0);
    let text = text(&port);
    let bytes = figure(&text, "kafka_server_brokertopicmetrics_bytesin_total");
    assert!(bytes >= 65_000.0, "{bytes}");
    for name in [
        "messagesin",
        "bytesin",
        "bytesout",
        "totalproducerequests",
        "totalfetchrequests",
    ] {
        let name = format!("kafka_server_brokertopicmetrics_{name}_total");
        let all = figure(&text, &name);
        assert!(all > 0.0, "{name}");
        let of_topic = figure(&text, &format!("{name}{{topic=\"topic\",}}"));
        assert!((of_topic - all).abs() < 0.5, "{name}");
    }
    let messages = figure(&text, "kafka_server_brokertopicmetrics_messagesin_total");
    let end = figure(
        &text,
        "kafka_log_log_logendoffset{topic=\"topic\",partition=\"0\",}",
    );
    assert!((messages - end).abs() < 0.5);
    for (name, value) in [
        ("kafka_server_replicamanager_leadercount", 1.0),
        ("kafka_server_replicamanager_partitioncount", 1.0),
        ("kafka_server_replicamanager_underreplicatedpartitions", 0.0),
        (
            "kafka_controller_kafkacontroller_activecontrollercount",
            1.0,
        ),
        (
            "kafka_controller_kafkacontroller_offlinepartitionscount",
            0.0,
        ),
        ("kafka_controller_kafkacontroller_globaltopiccount", 1.0),
        (
            "kafka_coordinator_group_groupmetadatamanager_numgroups",
            0.0,
        ),
        (
            "kafka_server_sessionexpirelistener_zookeeperexpires_total",
            0.0,
        ),
        (
            "kafka_log_log_logstartoffset{topic=\"topic\",partition=\"0\",}",
            0.0,
        ),
    ] {
        assert!((figure(&text, name) - value).abs() < 0.5, "{name}\n{text}");
    }
    for name in [
        "kafka_network_requestmetrics_requests_total{request=\"Produce\",version=\"9\",}",
        "kafka_network_requestmetrics_totaltimems{request=\"Produce\",quantile=\"0.99\",}",
        "kafka_network_requestmetrics_totaltimems_count{request=\"Fetch\",}",
        "kafka_server_socket_server_metrics_connection_count{listener=\"PLAINTEXT\",}",
        "kafka_log_log_size{topic=\"topic\",partition=\"0\",}",
        "process_resident_memory_bytes",
    ] {
        assert!(figure(&text, name) > 0.0, "{name}\n{text}");
    }
    let protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    let (head, body) = scrape(&port, protobuf);
    assert!(head.contains("application/vnd.google.protobuf"), "{head}");
    assert!(body.windows(12).any(|name| name == b"kafka_server"));
}

#[test]
fn a_session_that_expired_is_followed_by_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let zookeeper = ZkConfig::new(&dir.path().join("zk")).start_ours();
    let port = Port::reserve();
    let metrics = format!("metrics.http.port={}", port.number());
    let lines = ["zookeeper.session.timeout.ms=4000", &metrics];
    let mut broker = Broker::start(dir.path(), &zookeeper, &lines);
    let mut load = KafkaLoad::prepare(broker.addr(), "topic").unwrap();
    load.produce(1000, 1, Until::Time(Duration::from_millis(100)))
        .unwrap();
    let ephemerals = || zookeeper.four_letter("dump");
    assert!(ephemerals().contains("/brokers/ids/0"));

    broker.process.signal(Signal::SIGSTOP);
    wait_until("the session to expire", || {
        !ephemerals().contains("/brokers/ids/0")
    });
    broker.process.signal(Signal::SIGCONT);
    wait_until("registration and controller", || {
        broker.process.assert_running();
        let all = ephemerals();
        all.contains("/brokers/ids/0") && all.contains("/controller")
    });
    // the connection is still the old one
    wait_until("appends again", || {
        load.produce(1000, 1, Until::Time(Duration::from_millis(50)))
            .is_ok()
    });
    KafkaLoad::prepare(broker.addr(), "made-after").unwrap();
    let text = text(&port);
    let expired = figure(
        &text,
        "kafka_server_sessionexpirelistener_zookeeperexpires_total",
    );
    assert!((expired - 1.0).abs() < 0.5);
    let log = server_log(dir.path());
    assert!(
        log.contains("WARN ZooKeeper session 0x") && log.contains("has expired ("),
        "{log}"
    );
    assert!(
        log.contains("INFO ZooKeeper is back: registered anew"),
        "{log}"
    );
    assert!(log.contains("[Controller id=0] elected, epoch 2"), "{log}");
}

#[test]
fn an_outage_of_zookeeper_is_told_once_and_requests_are_answered_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let config = ZkConfig::new(&dir.path().join("zk"));
    let zookeeper = config.start_ours();
    let broker = Broker::start(dir.path(), &zookeeper, &[]);
    wait_until("the controller", || {
        server_log(dir.path()).contains("[Controller id=0] elected")
    });
    drop(zookeeper);
    let lost = format!(
        "WARN the connection to ZooKeeper server {} is lost",
        config.addr()
    );
    wait_until("the loss to be told", || {
        server_log(dir.path()).contains(&lost)
    });

    let request = CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name: "topic".into(),
            num_partitions: 1,
            replication_factor: 1,
            ..CreatableTopic::default()
        }],
        timeout_ms: 3000,
        ..CreateTopicsRequest::default()
    };
    let answer: CreateTopicsResponse = call(broker.addr(), 5, &request);
    assert_eq!(answer.topics[0].error_code, ErrorCode::REQUEST_TIMED_OUT);
    let why = answer.topics[0]
        .error_message
        .as_deref()
        .unwrap_or_default();
    assert!(why.contains("ZooKeeper"), "{why}");

    let _zookeeper = config.start_ours();
    wait_until("the return to be told", || {
        server_log(dir.path()).contains("INFO ZooKeeper is back: ")
    });
    assert_eq!(server_log(dir.path()).matches(&lost).count(), 1);
}

/// Targets of the release build; what a debug build needs says nothing.
#[test]
fn an_idle_broker_is_small_and_soon_ready() {
    let dir = tempfile::tempdir().unwrap();
    let zookeeper = ZkConfig::new(&dir.path().join("zk")).start_ours();
    let begun = Instant::now();
    let broker = Broker::start(dir.path(), &zookeeper, &[]);
    let ready = begun.elapsed();
    let status = std::fs::read_to_string(format!("/proc/{}/status", broker.process.pid())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kb: u64 = line.split_whitespace().next().unwrap().parse().unwrap();
    if binary("broker").to_string_lossy().contains("/release/") {
        assert!(ready < Duration::from_secs(2), "{ready:?}");
        assert!(kb < 24 * 1024, "{kb} KB");
    }
}
