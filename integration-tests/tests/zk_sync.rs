//! How a member comes back into step with a leader of the other kind: what its log has too much is cut off,
//! what it lacks comes as transactions or, when that is too much, as a snapshot. And an epoch that has
//! no number left.
//!
//! A choice by seed (`TEST_SEED`); `ENSEMBLES=all` runs every one.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: prints what it saw, removes files"
)]

use std::path::Path;

use integration_tests::peers::Java;
use integration_tests::proc::{skipped, wait_until};
use integration_tests::rng::{Rng, seed};
use integration_tests::zk::{Ensemble, Kind, Load, ZkClient, check};
use integration_tests::{java_or_skip, netns};
use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::acl::Acl;
use proto::zk::request::CreateRequest;

const OURS: Kind = Kind::Ours;
const JAVA36: Kind = Kind::Java("3.6.2");
const JAVA39: Kind = Kind::Java("3.9.5");
const TIMEOUT: i32 = 40_000;

fn connect(ensemble: &Ensemble, id: usize) -> ZkClient {
    ZkClient::connect(ensemble.addr(id), TIMEOUT).unwrap()
}

/// Whatever comes up first.
#[track_caller]
fn third_leads(ensemble: &mut Ensemble, kinds: &[Kind; 3]) {
    for id in [3, 1] {
        ensemble.start(id, kinds[id - 1]);
    }
    assert_eq!(ensemble.wait_serving(), 3);
    ensemble.start(2, kinds[1]);
    ensemble.wait_serving();
}

fn fill(ensemble: &Ensemble, name: &str, count: usize) {
    let mut client = connect(ensemble, 1);
    for i in 0..count {
        assert_eq!(client.create(&format!("/{name}{i}"), 0), Ok(0));
    }
}

fn said(ensemble: &Ensemble, id: usize, what: &str) -> usize {
    let log = std::fs::read_to_string(ensemble.member_dir(id).join("server.log")).unwrap();
    log.matches(what).count()
}

/// What leader or learner say of each kind of sync; of the two it is ours that is asked.
fn synced_by(ensemble: &Ensemble, leader: (usize, Kind), how: [&str; 2]) -> usize {
    match leader {
        (id, OURS) => said(ensemble, id, how[0]),
        _ => said(ensemble, 3, how[1]),
    }
}

const CUT: [&str; 2] = [
    "sending Trunc",
    "Truncating log to get in sync with the leader",
];
const SNAPSHOT: [&str; 2] = ["sending Snap", "Getting a snapshot from the leader"];
const DIFF: [&str; 2] = ["sending Diff", "Getting a diff from the leader"];

/// The third member leads and writes what nobody else hears of; then the second one leads it.
fn in_step_again(dir: &Path, java: Java, second: Kind, third: Kind) {
    println!("led by {second}: {third}");
    let mut ensemble = Ensemble::on_hosts(dir, 3, 0)
        .unwrap()
        .java(java)
        .line("commitLogCount=20")
        .line("snapshotSizeFactor=-1");
    third_leads(&mut ensemble, &[OURS, second, third]);
    fill(&ensemble, "common", 5);
    ensemble.wait_level();
    let mut client = connect(&ensemble, 3);
    for id in [1, 2] {
        ensemble.cut(id, true);
    }
    println!("the third writes alone");
    let logs = ensemble.member_dir(3).join("data/version-2");
    let create = |path| CreateRequest {
        path,
        data: Some(b"nobody else has it"),
        acl: vec![Acl::OPEN],
        flags: 0,
    };
    client.send(OpCode::Create, &create("/lost").to_vec());
    wait_until("it to be logged", || logged(&logs, b"nobody else has it"));
    ensemble.kill(3);
    ensemble.cut(3, true);
    for id in [1, 2] {
        ensemble.cut(id, false);
    }
    assert_eq!(ensemble.wait_serving(), 2);
    let leader = (2, second);
    println!("it comes back");
    ensemble.cut(3, false);
    let before = synced_by(&ensemble, leader, CUT);
    ensemble.start(3, third);
    assert_eq!(ensemble.wait_serving(), 2);
    // Before an epoch's first transaction its leader shows another zxid than the others.
    fill(&ensemble, "after", 1);
    ensemble.wait_level();
    assert!(synced_by(&ensemble, leader, CUT) > before, "{CUT:?}");
    assert_eq!(connect(&ensemble, 3).synced("/lost"), Ok(None));

    // A little is missing, then all.
    for (what, how, count) in [("little", DIFF, 5), ("much", SNAPSHOT, 40)] {
        println!("it lacks {what}");
        ensemble.kill(3);
        let before = synced_by(&ensemble, leader, how);
        fill(&ensemble, what, count);
        if how == SNAPSHOT {
            std::fs::remove_dir_all(&logs).unwrap();
        }
        ensemble.start(3, third);
        assert_eq!(ensemble.wait_serving(), 2);
        ensemble.wait_level();
        assert!(synced_by(&ensemble, leader, how) > before, "{how:?}");
    }
    println!("all are the same");
    let load = Load::start(&ensemble.addrs(), 2, TIMEOUT);
    check(&mut ensemble, load);
}

/// Whether a log of this folder has these bytes.
fn logged(dir: &Path, bytes: &[u8]) -> bool {
    let logs = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    logs.filter(|path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("log."))
    })
    .any(|path| {
        let text = std::fs::read(path).unwrap_or_default();
        text.windows(bytes.len()).any(|window| window == bytes)
    })
}

#[test]
fn a_leader_of_the_other_kind_cuts_sends_and_copies() {
    let java = java_or_skip!();
    if let Some(why) = netns::unavailable() {
        return skipped(&why);
    }
    let mut all = vec![
        (OURS, JAVA39),
        (JAVA39, OURS),
        (OURS, JAVA36),
        (JAVA36, OURS),
    ];
    if std::env::var("ENSEMBLES").as_deref() != Ok("all") {
        let seed = seed();
        println!("TEST_SEED={seed}");
        // One of each direction.
        let version = Rng::new(seed).below(2);
        all = vec![all[version * 2], all[version * 2 + 1]];
    }
    for (second, third) in all {
        let dir = tempfile::tempdir().unwrap();
        in_step_again(dir.path(), java, second, third);
    }
}

/// Java's leader has a switch to begin near the end of the numbers of an epoch: at the end the ensemble
/// elects anew, and loses nothing.
#[test]
fn an_epoch_without_numbers_left_is_followed_by_another() {
    let java = java_or_skip!();
    let dir = tempfile::tempdir().unwrap();
    let mut ensemble = Ensemble::local(dir.path(), 3, 0)
        .java(java)
        .java_option(&format!(
            "-Dzookeeper.testingonly.initialZxid={}",
            u32::MAX - 100
        ));
    third_leads(&mut ensemble, &[OURS, OURS, JAVA39]);
    let epoch = |ensemble: &Ensemble| {
        let zxid = ensemble.zxid(1).unwrap_or_default();
        let zxid = i64::from_str_radix(zxid.trim_start_matches("0x"), 16);
        zxid.map_or(0, |zxid| zxid >> 32)
    };
    let first = epoch(&ensemble);
    let load = Load::start(&ensemble.addrs(), 3, TIMEOUT);
    load.wait_for(250);
    ensemble.wait_serving();
    assert!(epoch(&ensemble) > first, "{first}");
    check(&mut ensemble, load);
}
