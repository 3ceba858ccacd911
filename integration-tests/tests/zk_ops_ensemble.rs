//! What operators see of an ensemble: leader, follower, observer, a member that looks for a leader, and
//! one that only reads. An ensemble of Apache's servers and one of ours get the same configuration and
//! the same requests; then four-letter words, AdminServer and metrics are compared role by role.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: drives real processes"
)]

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use integration_tests::java_or_skip;
use integration_tests::peers::Java;
use integration_tests::proc::{LIMIT, Port, wait_until};
use integration_tests::zk::{Ensemble, Kind, ZkClient, http_get, masked, shape};
use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::acl::Acl;
use proto::zk::request::{
    CreateRequest, DeleteRequest, PathRequest, PathWatchRequest, SetDataRequest,
};
use serde_json::Value;

const JAVA: Kind = Kind::Java("3.9.5-prometheus");
const SESSION_MS: i32 = 40_000;

/// An ensemble, its side ports, and what its members are to it.
struct Side {
    ensemble: Ensemble,
    admins: Vec<Port>,
    metrics: Vec<Port>,
    /// their sessions are open while the answers are compared
    clients: Vec<ZkClient>,
    kind: Kind,
    _dir: tempfile::TempDir,
}

impl Side {
    fn new(java: Java, kind: Kind, voters: usize, observers: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut ensemble = Ensemble::local(dir.path(), voters, observers)
            .java(java)
            .line("admin.enableServer=true")
            .line("admin.serverAddress=127.0.0.1")
            .line("metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider")
            .line("metricsProvider.httpHost=127.0.0.1")
            .line("leader.ackLoggingFrequency=10")
            // So that there is everything to be counted: snapshots, and syncs of learners of both kinds.
            .line("snapCount=100")
            .line("commitLogCount=50")
            .line("snapshotSizeFactor=-1")
            .line("tickTime=2000");
        let ports = || -> Vec<Port> { (0..voters + observers).map(|_| Port::reserve()).collect() };
        let (admins, metrics) = (ports(), ports());
        for (i, (admin, metric)) in admins.iter().zip(&metrics).enumerate() {
            ensemble.own_line(i + 1, &format!("admin.serverPort={}", admin.number()));
            ensemble.own_line(
                i + 1,
                &format!("metricsProvider.httpPort={}", metric.number()),
            );
        }
        Self {
            ensemble,
            admins,
            metrics,
            clients: Vec::new(),
            kind,
            _dir: dir,
        }
    }

    fn read_only(mut self, enabled: bool) -> Self {
        let value = enabled.to_string();
        self.ensemble = self.ensemble.property("readonlymode.enabled", &value);
        self
    }

    fn start(&mut self) {
        let ids: Vec<usize> = self.ensemble.ids().collect();
        for &id in &ids {
            self.ensemble.start(id, self.kind);
        }
        self.ensemble.wait_serving();
        for id in ids {
            self.wait_admin(id);
        }
    }

    fn wait_admin(&self, id: usize) {
        wait_until("the AdminServer", || {
            TcpStream::connect(self.admins[id - 1].addr()).is_ok()
        });
    }

    fn in_role(&self, role: &str) -> usize {
        let has = |&id: &usize| self.ensemble.mode(id).as_deref() == Some(role);
        self.ensemble
            .ids()
            .find(has)
            .expect("a member in that role")
    }

    fn admin(&self, id: usize, command: &str) -> (u16, Value) {
        let path = format!("/commands/{command}");
        let answer = http_get(self.admins[id - 1].addr(), &path, &[]);
        if answer.status == 500 {
            return (500, Value::Null);
        }
        (answer.status, self.plain(id, answer.json()))
    }

    /// The same text for what is another place.
    fn plain_text(&self, id: usize, text: &str) -> String {
        let mut text = text.to_owned();
        for other in self.ensemble.ids() {
            let who = if other == id {
                "own".to_owned()
            } else {
                format!("of{other}")
            };
            let [client, quorum, election] = self.ensemble.ports(other);
            for (port, what) in [
                (client, "client"),
                (quorum, "quorum"),
                (election, "election"),
                (self.admins[other - 1].number(), "admin"),
                (self.metrics[other - 1].number(), "metrics"),
            ] {
                text = text.replace(&port.to_string(), &format!("<{what} {who}>"));
            }
            let dir = self.ensemble.member_dir(other).display().to_string();
            text = text.replace(&dir, &format!("<dir {who}>"));
        }
        text
    }

    fn plain(&self, id: usize, value: Value) -> Value {
        match value {
            Value::String(text) => self.plain_text(id, &text).into(),
            Value::Number(n) => match self.plain_text(id, &n.to_string()) {
                text if text == n.to_string() => Value::Number(n),
                text => text.into(),
            },
            Value::Array(items) => items.into_iter().map(|v| self.plain(id, v)).collect(),
            Value::Object(map) => map
                .into_iter()
                .map(|(k, v)| (k, self.plain(id, v)))
                .collect(),
            other => other,
        }
    }

    /// Samples of Prometheus' text by name and labels.
    fn samples(&self, id: usize) -> BTreeMap<String, f64> {
        let answer = http_get(self.metrics[id - 1].addr(), "/metrics", &[]);
        let text = String::from_utf8(answer.body).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .filter_map(|line| line.rsplit_once(' '))
            .map(|(name, value)| (name.to_owned(), value.parse().unwrap_or(f64::NAN)))
            .collect()
    }

    /// The observer comes back with nothing, and gets a snapshot, then with everything.
    fn catch_up(&mut self) {
        let observer = self.in_role("observer");
        let mut client = ZkClient::connect(self.ensemble.addr(1), SESSION_MS).unwrap();
        for i in 0..60 {
            create(&mut client, &format!("/before{i}"), 0);
        }
        client.call(OpCode::CloseSession, &[]).unwrap();
        let files = self.ensemble.member_dir(observer).join("data/version-2");
        for wiped in [true, false] {
            self.ensemble.wait_level();
            self.ensemble.kill(observer);
            if wiped {
                std::fs::remove_dir_all(&files).unwrap();
            }
            self.ensemble.start(observer, self.kind);
            self.ensemble.wait_serving();
        }
        self.wait_admin(observer);
    }

    /// Requests of every kind through every member.
    fn load(&mut self) {
        let roles = ["leader", "follower", "observer"];
        let mut clients: Vec<ZkClient> = roles
            .iter()
            .map(|role| {
                ZkClient::connect(self.ensemble.addr(self.in_role(role)), SESSION_MS).unwrap()
            })
            .collect();
        for (client, role) in clients.iter_mut().zip(roles) {
            requests(client, role);
        }
        // One that goes without a word, and one that comes and goes.
        for role in roles {
            let addr = self.ensemble.addr(self.in_role(role));
            drop(TcpStream::connect(addr).unwrap());
        }
        for role in roles {
            let id = self.in_role(role);
            let mut client = ZkClient::connect(self.ensemble.addr(id), SESSION_MS).unwrap();
            create(&mut client, &format!("/{role}-gone"), 1);
            client.send(OpCode::CloseSession, &[]);
            let _ = client.receive();
        }
        self.clients = clients;
        self.ensemble.wait_level();
    }
}

/// What both show alike but for what is told by its shape.
const COMMANDS: [&str; 22] = [
    "configuration",
    "connections",
    "dirs",
    "dump",
    "get_trace_mask",
    "hash",
    "initial_configuration",
    "is_read_only",
    "last_snapshot",
    "leader",
    "monitor",
    "observer_connection_stat_reset",
    "observers",
    "ruok",
    "server_stats",
    "stats",
    "system_properties",
    "voting_view",
    "watch_summary",
    "watches",
    "watches_by_path",
    "zabstate",
];

/// Those whose answers have nothing that two ensembles could differ in.
const EQUAL: [&str; 8] = [
    "configuration",
    "get_trace_mask",
    "initial_configuration",
    "is_read_only",
    "leader",
    "ruok",
    "voting_view",
    "zabstate",
];

const WORDS: [&str; 17] = [
    "conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "hash", "isro", "mntr", "ruok", "srst",
    "srvr", "stat", "wchc", "wchp", "wchs",
];

/// Metrics that an ensemble of Java's moves and ours does not, each with its reason.
const NOT_HERE: [(&str, &str); 28] = [
    ("close_session_prep_time", PREP),
    ("commit_commit_proc_req_queued", COMMIT_PROCESSOR),
    ("commit_process_time", COMMIT_PROCESSOR),
    (
        "concurrent_request_processing_in_commit_processor",
        COMMIT_PROCESSOR,
    ),
    (
        "learner_handler_qp_",
        "whoever makes a packet writes it: it waits in no queue",
    ),
    ("local_write_committed_time_ms", AT_ONCE),
    ("pending_session_queue_size", COMMIT_PROCESSOR),
    ("prep_process", PREP),
    ("proposal_process_time", PREP),
    ("read_commit_proc_", COMMIT_PROCESSOR),
    ("read_commitproc_time_ms", COMMIT_PROCESSOR),
    ("read_final_proc_time_ms", AT_ONCE),
    ("reads_after_write_in_session_queue", COMMIT_PROCESSOR),
    ("reads_issued_from_session_queue", COMMIT_PROCESSOR),
    (
        "request_throttle_queue_time_ms",
        "requests pass no queue to a throttle's thread",
    ),
    ("requests_in_session_queue", COMMIT_PROCESSOR),
    (
        "requests_not_forwarded_to_commit_processor",
        COMMIT_PROCESSOR,
    ),
    ("response_packet_cache_", CACHE),
    ("response_packet_get_children_cache_", CACHE),
    ("server_write_committed_time_ms", AT_ONCE),
    ("session_queues_drained", COMMIT_PROCESSOR),
    (
        "socket_closing_time",
        "nothing waits for a socket to be closed",
    ),
    (
        "sync_processor_queue_time_ms",
        "how long a record waits for the log's thread is not measured",
    ),
    (
        "time_waiting_empty_pool_in_commit_processor",
        COMMIT_PROCESSOR,
    ),
    ("write_batch_time_in_commit_processor", COMMIT_PROCESSOR),
    ("write_commit_proc_", COMMIT_PROCESSOR),
    ("write_commitproc_time_ms", COMMIT_PROCESSOR),
    ("write_final_proc_time_ms", AT_ONCE),
];
const COMMIT_PROCESSOR: &str = "a queue of the CommitProcessor, which is not there";
const PREP: &str = "preparing a request is no stage with a queue and a thread";
const AT_ONCE: &str = "a transaction is applied and answered by the call that hears of its commit";
const CACHE: &str = "replies are not cached";

/// Figures that the same requests bring to the same value, whatever serves them.
const SAME_VALUE: [&str; 23] = [
    "approximate_data_size",
    "commit_count",
    "digest_mismatches_count",
    "ephemerals_count",
    "global_sessions",
    "learner_commit_received_count",
    "learner_proposal_received_count",
    "learners",
    "local_sessions",
    "max_proposal_size",
    "min_proposal_size",
    "num_alive_connections",
    "outstanding_requests",
    "pending_syncs",
    "proposal_count",
    "quorum_ack_latency_count",
    "quorum_size",
    "synced_followers",
    "synced_non_voting_followers",
    "synced_observers",
    "updatelatency_count",
    "watch_count",
    "znode_count",
];

fn create(client: &mut ZkClient, path: &str, flags: i32) {
    let request = CreateRequest {
        path,
        data: Some(b"data of a znode"),
        acl: vec![Acl::OPEN],
        flags,
    };
    client.must(OpCode::Create, &request);
}

fn requests(client: &mut ZkClient, role: &str) {
    let top = format!("/{role}");
    create(client, &top, 0);
    for i in 0..30 {
        create(client, &format!("{top}/{i}"), 0);
    }
    create(client, &format!("{top}-ephemeral"), 1);
    let watch = true;
    let watched = format!("{top}/0");
    client.must(
        OpCode::GetData,
        &PathWatchRequest {
            path: &watched,
            watch,
        },
    );
    client.must(
        OpCode::GetChildren2,
        &PathWatchRequest { path: &top, watch },
    );
    let later = format!("{top}/later");
    let _ = client.call(
        OpCode::Exists,
        &PathWatchRequest {
            path: &later,
            watch,
        }
        .to_vec(),
    );
    create(client, &later, 0);
    for _ in 0..20 {
        let set = SetDataRequest {
            path: &watched,
            data: Some(b"other data"),
            version: -1,
        };
        client.must(OpCode::SetData, &set);
        client.must(
            OpCode::GetData,
            &PathWatchRequest {
                path: &watched,
                watch: false,
            },
        );
    }
    // Many in flight, reads behind writes.
    for i in 0..40 {
        let path = format!("{top}/many{i}");
        let request = CreateRequest {
            path: &path,
            data: None,
            acl: vec![Acl::OPEN],
            flags: 0,
        };
        client.send(OpCode::Create, &request.to_vec());
        client.send(
            OpCode::Exists,
            &PathWatchRequest {
                path: &path,
                watch: false,
            }
            .to_vec(),
        );
    }
    for _ in 0..80 {
        assert_eq!(client.receive().unwrap().0, 0);
    }
    client.must(OpCode::Sync, &PathRequest { path: "/" });
    let gone = DeleteRequest {
        path: &later,
        version: -1,
    };
    client.must(OpCode::Delete, &gone);
    let (error, _) = client.call(OpCode::Delete, &gone.to_vec()).unwrap();
    assert_ne!(error, 0);
    client.must(
        OpCode::GetData,
        &PathWatchRequest {
            path: &watched,
            watch,
        },
    );
}

/// A word's lines, with what names a build, a place or a moment taken out.
fn lines(word: &str, text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| {
        // Java also tells a bucket of deadlines that is empty by now.
        let empty_bucket = line.starts_with("0 expire at ");
        !empty_bucket && (word != "mntr" || line.starts_with("zk_"))
    });
    let shown = |line: &str| match (word, line) {
        (_, line) if line.starts_with("Zookeeper version: ") => "Zookeeper version: ".to_owned(),
        ("envi", line) => line.split('=').next().unwrap_or(line).to_owned(),
        // Which session is in which bucket is a matter of moments.
        ("dump", line) if line.contains(" expire at ") => "some expire at".to_owned(),
        ("dump", line) if line.contains("Sets (") => line.split('(').next().unwrap().to_owned(),
        ("mntr", line) => line.split('\t').next().unwrap_or(line).to_owned(),
        (_, line) => masked(line),
    };
    let mut lines: Vec<String> = lines.map(shown).collect();
    // They come in no order.
    if matches!(word, "cons" | "stat" | "dump" | "mntr" | "wchc" | "wchp") {
        lines.sort();
    }
    if matches!(word, "dump" | "mntr") {
        lines.dedup();
    }
    lines
}

fn of_the_process(name: &str) -> bool {
    ["jvm_", "process_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

fn is_not_here(name: &str) -> bool {
    // Java's server counts its own writing of the configuration.
    let own_write = name.contains("key=\"zookeeper\"");
    own_write || NOT_HERE.iter().any(|(prefix, _)| name.starts_with(prefix))
}

/// Everything that the two members show differently.
fn differences(sides: &[Side; 2], ids: [usize; 2], context: &str) -> Vec<String> {
    let mut all = Vec::new();
    for word in WORDS {
        let [java, ours] = [0, 1].map(|i: usize| {
            let text = sides[i].ensemble.four_letter(ids[i], word);
            let text = sides[i].plain_text(ids[i], &text);
            let mut lines = lines(word, &text);
            lines.retain(|line| {
                let name = line.strip_prefix("zk_").unwrap_or_default();
                word != "mntr" || !of_the_process(name) && !is_not_here(name)
            });
            lines
        });
        if java != ours {
            let only = |a: &[String], b: &[String]| -> Vec<String> {
                a.iter().filter(|line| !b.contains(line)).cloned().collect()
            };
            let (java, ours) = (only(&java, &ours), only(&ours, &java));
            all.push(format!("{context}: {word}: Java {java:#?}, ours {ours:#?}"));
        }
    }
    for command in COMMANDS {
        let [java, ours] = [0, 1].map(|i: usize| sides[i].admin(ids[i], command));
        // Java falls over some of them while it has no server.
        if java.0 == 500 {
            continue;
        }
        let same = match command {
            "monitor" => java.0 == ours.0,
            "system_properties" => {
                let of_zookeeper = |value: &Value| -> BTreeMap<String, Value> {
                    let all = value.as_object().unwrap().iter();
                    let ours = all.filter(|(name, _)| name.starts_with("zookeeper."));
                    ours.map(|(n, v)| (n.clone(), v.clone())).collect()
                };
                of_zookeeper(&java.1) == of_zookeeper(&ours.1)
            }
            // The sets of sessions are a matter of moments.
            "dump" => {
                let part = |value: &Value| shape(&value["session_id_to_ephemeral_paths"]);
                part(&java.1) == part(&ours.1)
            }
            command if EQUAL.contains(&command) => java == ours,
            _ => (java.0, shape(&java.1)) == (ours.0, shape(&ours.1)),
        };
        if !same {
            all.push(format!(
                "{context}: {command}: Java {java:#?}, ours {ours:#?}"
            ));
        }
    }
    all
}

/// What Java's member has counted, ours has counted too.
fn uncounted(sides: &[Side; 2], ids: [usize; 2], context: &str) -> Vec<String> {
    let [java, ours] = [0, 1].map(|i: usize| sides[i].samples(ids[i]));
    let mut all = Vec::new();
    for (name, value) in &java {
        if of_the_process(name) || is_not_here(name) {
            continue;
        }
        let Some(our) = ours.get(name) else {
            all.push(format!("{context}: {name} is missing, Java has {value}"));
            continue;
        };
        // How long things took is a matter of the machine: only that they happened counts.
        let time = name.contains("quantile=") || name.contains("_sum") || name.contains("latency ");
        let gauge_of_time = name.ends_with("_latency");
        if !time && !gauge_of_time && *value != 0.0 && *our == 0.0 {
            all.push(format!("{context}: {name} is 0, Java has {value}"));
        }
        if SAME_VALUE.contains(&name.as_str()) && value != our {
            all.push(format!("{context}: {name} is {our}, Java has {value}"));
        }
        let elsewhere = ["startup_", "node_", "sync_processor_"];
        let elsewhere = elsewhere.iter().any(|part| name.contains(part));
        if value.is_nan() != our.is_nan() && !elsewhere {
            all.push(format!("{context}: {name} is {our}, Java has {value}"));
        }
    }
    let more = ours
        .keys()
        .filter(|name| !java.contains_key(*name) && !of_the_process(name));
    all.extend(more.map(|name| format!("{context}: {name} is not Java's")));
    all
}

#[test]
fn members_show_what_javas_members_show() {
    let java = java_or_skip!();
    let mut sides = [JAVA, Kind::Ours].map(|kind| Side::new(java, kind, 2, 1));
    for side in &mut sides {
        side.start();
        side.catch_up();
        side.load();
    }
    let mut all = Vec::new();
    for role in ["leader", "follower", "observer"] {
        let ids = [0, 1].map(|i: usize| sides[i].in_role(role));
        // Java's summaries are computed by another thread.
        let mut found = uncounted(&sides, ids, role);
        let began = Instant::now();
        while !found.is_empty() && began.elapsed() < LIMIT {
            std::thread::sleep(Duration::from_millis(100));
            found = uncounted(&sides, ids, role);
        }
        all.extend(found);
    }
    for role in ["leader", "follower", "observer"] {
        let ids = [0, 1].map(|i: usize| sides[i].in_role(role));
        all.extend(differences(&sides, ids, role));
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// One member of three, while it looks for a leader, and when it only reads.
#[test]
fn a_member_without_a_quorum_shows_what_javas_shows() {
    let java = java_or_skip!();
    for read_only in [false, true] {
        let mut sides =
            [JAVA, Kind::Ours].map(|kind| Side::new(java, kind, 3, 0).read_only(read_only));
        for side in &mut sides {
            side.ensemble.start(1, side.kind);
            side.wait_admin(1);
            let expected = if read_only { "ro" } else { "null" };
            wait_until("the member to be in its mode", || {
                side.ensemble.four_letter(1, "isro") == expected
            });
        }
        let context = if read_only { "read-only" } else { "looking" };
        let all = differences(&sides, [1, 1], context);
        assert!(all.is_empty(), "{}", all.join("\n"));
    }
}
