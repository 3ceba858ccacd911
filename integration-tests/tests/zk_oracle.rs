//! Java ZooKeeper 3.9.5 and ours get the same requests and must answer alike, byte for byte where
//! bytes have a meaning: replies, Stats, zxids, watch events, closed connections.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "prints the seed and the table of coverage, copies data folders"
)]

use std::path::Path;
use std::sync::Arc;

use integration_tests::java_or_skip;
use integration_tests::peers::Java;
use integration_tests::rng::seed;
use integration_tests::zk::oracle::{
    Coverage, Generator, SUPER_DIGEST, Side, Step, compare, directed,
};
use integration_tests::zk::{ZkClient, ZkConfig, ZkServer};
use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::acl::Acl;
use proto::zk::request::CreateRequest;
use proto::zk::txn::{CreateTxn, TxnHeader};
use zk_server::store::image::{Image, ImageNode, ImageSink, ZxidDigest};
use zk_server::store::{RealDisk, Replay, Store, StoreConfig};
use zk_server::units::Zxid;

/// Random steps after the scripted ones; `ORACLE_STEPS` asks for another number.
const STEPS: usize = 6_000;
const MAX_FINDINGS: usize = 25;

/// `ORACLE_B` names another Java version to compare with instead of ours.
fn start_b(java: Java, config: &ZkConfig) -> ZkServer {
    match std::env::var("ORACLE_B") {
        Ok(version) => config.start_java(java, &version),
        Err(_) => config.start_ours(),
    }
}

fn config(dir: &Path) -> ZkConfig {
    std::fs::create_dir_all(dir).expect("a folder");
    ZkConfig::new(dir)
        .line("tickTime=200")
        .line("minSessionTimeout=400")
        .line("maxSessionTimeout=60000")
        .property(
            "zookeeper.DigestAuthenticationProvider.superDigest",
            SUPER_DIGEST,
        )
}

fn everything_on(config: ZkConfig) -> ZkConfig {
    config
        .property("zookeeper.extendedTypesEnabled", "true")
        .property("znode.container.checkIntervalMs", "3600000")
        .line("enforceQuota=true")
}

struct Run {
    a: Side,
    b: Side,
    findings: Vec<String>,
    steps: usize,
}

impl Run {
    fn step(&mut self, step: &Step) -> Vec<String> {
        self.steps += 1;
        let (seen, difference) = compare(&mut self.a, &mut self.b, step);
        if let Some(text) = difference {
            self.findings
                .push(format!("step {} {step:?}\n{text}", self.steps));
            assert!(self.findings.len() < MAX_FINDINGS, "{}", self.report());
        }
        seen
    }

    fn report(&self) -> String {
        format!(
            "{} differences:\n{}",
            self.findings.len(),
            self.findings.join("\n")
        )
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Something else than a difference ended the run: show what was found until then.
        if std::thread::panicking() {
            println!("step {}: {}", self.steps, self.report());
        }
    }
}

/// Runs the script, then random steps, on fresh servers; gives what was covered.
fn run(
    name: &str,
    configure: fn(ZkConfig) -> ZkConfig,
    script: &[Step],
    random: usize,
    required: &[&str],
) {
    let dir = tempfile::tempdir().expect("a folder");
    run_in(dir.path(), name, configure, script, random, required);
}

/// The same on the data that lies in the folders `a` and `b`.
fn run_in(
    dir: &Path,
    name: &str,
    configure: fn(ZkConfig) -> ZkConfig,
    script: &[Step],
    random: usize,
    required: &[&str],
) {
    let java = java_or_skip!();
    let (config_a, config_b) = (
        configure(config(&dir.join("a"))),
        configure(config(&dir.join("b"))),
    );
    let (java_server, other) = (config_a.start_java(java, "3.9.5"), start_b(java, &config_b));
    let mut run = Run {
        a: Side::new(java_server.addr(), directed::SLOTS),
        b: Side::new(other.addr(), directed::SLOTS),
        findings: Vec::new(),
        steps: 0,
    };
    let seed = seed();
    println!("{name}: TEST_SEED={seed}");
    for step in script {
        run.step(step);
    }
    let mut generator = Generator::new(seed);
    for _ in 0..random {
        let step = generator.step(&run.a);
        let seen = run.step(&step);
        generator.learn(&seen);
    }
    let coverage: &Coverage = run.a.coverage();
    println!(
        "{name}: {} steps, {} outcomes\n{coverage}",
        run.steps,
        coverage.total()
    );
    assert!(run.findings.is_empty(), "TEST_SEED={seed} {}", run.report());
    let missing = coverage.missing(required);
    assert!(missing.is_empty(), "not covered: {missing:?}");
}

#[test]
fn every_operation_and_error_then_random_requests() {
    let steps = std::env::var("ORACLE_STEPS").map_or(STEPS, |text| {
        text.parse().expect("ORACLE_STEPS is a number")
    });
    run(
        "all",
        everything_on,
        &directed::all(),
        steps,
        directed::REQUIRED,
    );
}

#[test]
fn containers_and_ttl_nodes_go_away() {
    let configure = |config: ZkConfig| {
        config
            .property("zookeeper.extendedTypesEnabled", "true")
            .property("znode.container.checkIntervalMs", "200")
            .property("znode.container.maxNeverUsedIntervalMs", "500")
    };
    run("containers", configure, &directed::containers(), 0, &[]);
}

#[test]
fn default_settings_refuse_alike() {
    run("defaults", |config| config, &directed::defaults(), 0, &[]);
}

#[test]
fn reconfig_of_a_server_alone() {
    let configure = |config: ZkConfig| config.line("reconfigEnabled=true");
    run("reconfig", configure, &directed::defaults(), 0, &[]);
}

/// Reads a folder without keeping anything.
struct Nothing;

impl ImageSink for Nothing {
    fn session(&mut self, _: i64, _: i32) {}
    fn acl(&mut self, _: i64, _: Vec<Acl<'_>>) {}
    fn node(&mut self, _: ImageNode<'_>) -> Result<(), String> {
        Ok(())
    }
    fn digest(&mut self, _: ZxidDigest) {}
}

impl Replay for Nothing {
    fn restart(&mut self) {}
    fn begin_new(&mut self) {
        panic!("a server has been here");
    }
    fn sink(&mut self) -> &mut dyn ImageSink {
        self
    }
    fn loaded(&mut self, _: Zxid) -> Result<(), String> {
        Ok(())
    }
    fn apply(&mut self, _: &TxnHeader, _: &[u8]) -> Result<(), String> {
        Ok(())
    }
    fn image(&self) -> Image {
        panic!("a snapshot is there");
    }
}

/// A tree whose node `/seq` has had almost as many children as can be counted.
fn nearly_overflown(dir: &Path) {
    let server = config(dir).start_ours();
    let mut client = ZkClient::connect(server.addr(), 10_000).expect("a session");
    let create = CreateRequest {
        path: "/seq",
        data: None,
        acl: vec![Acl::OPEN],
        flags: 0,
    };
    client.must(OpCode::Create, &create);
    client.call(OpCode::CloseSession, &[]).expect("an answer");
    drop(server);
    let folder = StoreConfig::new(dir.join("data"));
    let mut store = Store::open(Arc::new(RealDisk), folder).expect("the folder of a server");
    let zxid = store.recover(&mut Nothing).expect("its files").zxid.0 + 1;
    let mut record = TxnHeader {
        zxid,
        time: 1_700_000_000_000,
        op: OpCode::Create.code(),
        ..TxnHeader::default()
    }
    .to_vec();
    CreateTxn {
        path: "/seq/late",
        data: Some(b"x"),
        acl: vec![Acl::OPEN],
        ephemeral: false,
        parent_cversion: i32::MAX - 1,
    }
    .write(&mut record);
    store.append(Zxid(zxid), &record).expect("a log");
    store.sync().expect("a disk");
}

#[test]
fn numbers_of_sequential_nodes_overflow_alike() {
    let dir = tempfile::tempdir().expect("a folder");
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    nearly_overflown(&a);
    let files = a.join("data/version-2");
    let copy = b.join("data/version-2");
    std::fs::create_dir_all(&copy).expect("a folder");
    for file in std::fs::read_dir(&files).expect("files").flatten() {
        std::fs::copy(file.path(), copy.join(file.file_name())).expect("a copy");
    }
    let script = directed::overflow();
    run_in(dir.path(), "overflow", |config| config, &script, 0, &[]);
}
