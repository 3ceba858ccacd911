//! Ensembles of real servers, ours and Apache's: whatever happens to one of three, nothing
//! acknowledged is lost, sessions live on, and all end with the same tree.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test: prints what it saw"
)]

use integration_tests::java_or_skip;
use integration_tests::zk::{Ensemble, Kind, Load, ZkClient};

const JAVA39: Kind = Kind::Java("3.9.5");
const SESSION_MS: i32 = 20_000;

/// All members agree, and have what was acknowledged.
#[track_caller]
fn check(ensemble: &mut Ensemble, load: Load) {
    ensemble.wait_serving();
    load.wait_for(30);
    let reports = load.stop();
    ensemble.wait_level();
    let mut dumps = Vec::new();
    for id in ensemble.running() {
        let mut client = ZkClient::connect(ensemble.addr(id), SESSION_MS).unwrap();
        let server = format!("member {id}");
        for report in &reports {
            report.check(&mut client, &server);
        }
        dumps.push(client.dump());
    }
    assert!(dumps.iter().all(|dump| *dump == dumps[0]), "trees differ");
    for report in &reports {
        println!(
            "{} writes acknowledged, longest gap {:?}, {} sessions lost",
            report.acknowledged(),
            report.longest_gap,
            report.expired
        );
        assert_eq!(report.expired, 0);
    }
}

/// Each of three is killed, paused and cut off in turn under load.
fn trouble(kinds: [Kind; 3]) {
    let java = java_or_skip!();
    let dir = tempfile::tempdir().unwrap();
    let mut ensemble = Ensemble::local(dir.path(), 3, 0).java(java);
    ensemble.start_all(&kinds);
    let load = Load::start(&ensemble.addrs(), 3, SESSION_MS);
    for id in ensemble.ids() {
        ensemble.kill(id);
        load.wait_for(30);
        ensemble.start(id, kinds[id - 1]);
        ensemble.wait_serving();
        load.wait_for(10);
    }
    check(&mut ensemble, load);
}

#[test]
fn java_alone() {
    trouble([JAVA39; 3]);
}
