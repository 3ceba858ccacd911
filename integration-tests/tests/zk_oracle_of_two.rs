//! Two servers with an oracle (`oraclePath`, which servers before 3.7 don't know), ours and Apache's: the
//! one that it names goes on without the other one, and stops when the oracle turns to that.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: prints what it saw, makes folders"
)]

use std::path::{Path, PathBuf};

use integration_tests::java_or_skip;
use integration_tests::peers::Java;
use integration_tests::proc::wait_until;
use integration_tests::zk::{Ensemble, Kind, ZkClient};
use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::acl::Acl;
use proto::zk::request::{CreateRequest, PathWatchRequest};

const OURS: Kind = Kind::Ours;
const JAVA: Kind = Kind::Java("3.9.5");
const SESSION_MS: i32 = 20_000;

fn oracle(dir: &Path, id: usize) -> PathBuf {
    dir.join(format!("oracle{id}"))
}

/// The oracle grants the right to go on alone to that server.
fn names(dir: &Path, named: usize) {
    for id in [1, 2] {
        let says = if id == named { "1\n" } else { "0\n" };
        std::fs::write(oracle(dir, id), says).unwrap();
    }
}

fn wait_mode(ensemble: &Ensemble, id: usize, wanted: Option<&str>) {
    wait_until(&format!("member {id} to be {wanted:?}"), || {
        ensemble.mode(id).as_deref() == wanted
    });
}

fn write(ensemble: &Ensemble, id: usize, path: &str) {
    let mut client = ZkClient::connect(ensemble.addr(id), SESSION_MS).unwrap();
    let create = CreateRequest {
        path,
        data: Some(b"x"),
        acl: vec![Acl::OPEN],
        flags: 0,
    };
    client.must(OpCode::Create, &create);
    client.call(OpCode::CloseSession, &[]).unwrap();
}

fn has(ensemble: &Ensemble, id: usize, path: &str) -> bool {
    let mut client = ZkClient::connect(ensemble.addr(id), SESSION_MS).unwrap();
    let watch = false;
    let body = PathWatchRequest { path, watch }.to_vec();
    client.call(OpCode::Exists, &body).unwrap().0 == 0
}

fn decides(dir: &Path, java: Option<Java>, kinds: [Kind; 2]) {
    println!("{kinds:?}");
    let mut ensemble = Ensemble::local(dir, 2, 0);
    if let Some(java) = java {
        ensemble = ensemble.java(java);
    }
    for id in [1, 2] {
        ensemble.own_line(id, &format!("oraclePath={}", oracle(dir, id).display()));
    }
    names(dir, 1);
    ensemble.start_all(&kinds);
    write(&ensemble, 1, "/both");
    // The other one dies: the one that is named goes on, whoever led.
    ensemble.kill(2);
    wait_mode(&ensemble, 1, Some("leader"));
    write(&ensemble, 1, "/first-alone");
    ensemble.start(2, kinds[1]);
    ensemble.wait_serving();
    assert_eq!(ensemble.leader(), Some(1), "the other one follows");
    ensemble.wait_level();
    assert!(has(&ensemble, 2, "/first-alone"));
    // The one that is not named stops, until it is.
    ensemble.kill(1);
    wait_mode(&ensemble, 2, None);
    names(dir, 2);
    wait_mode(&ensemble, 2, Some("leader"));
    write(&ensemble, 2, "/second-alone");
    // It loses the word while it is alone, and gets it back.
    names(dir, 1);
    wait_mode(&ensemble, 2, None);
    names(dir, 2);
    wait_mode(&ensemble, 2, Some("leader"));
    ensemble.start(1, kinds[0]);
    ensemble.wait_serving();
    ensemble.wait_level();
    for id in [1, 2] {
        for path in ["/both", "/first-alone", "/second-alone"] {
            assert!(has(&ensemble, id, path), "{path} on member {id}");
        }
    }
}

#[test]
fn an_oracle_decides_which_of_two_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    decides(dir.path(), None, [OURS, OURS]);
}

#[test]
fn an_oracle_of_ours_and_apaches() {
    let java = java_or_skip!();
    let dir = tempfile::tempdir().unwrap();
    decides(dir.path(), Some(java), [OURS, JAVA]);
}
