//! Observers that followers serve (`observerMasterPort`), ours and Apache's on either side, and an
//! observer that keeps no log (`syncEnabled=false`).
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: prints what it saw, makes folders"
)]

use std::path::Path;
use std::time::Duration;

use integration_tests::java_or_skip;
use integration_tests::peers::Java;
use integration_tests::proc::wait_until;
use integration_tests::zk::{Ensemble, Kind, Load, ZkClient, check};
use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::acl::Acl;
use proto::zk::request::{CreateRequest, PathRequest, PathWatchRequest};

const OURS: Kind = Kind::Ours;
const JAVA36: Kind = Kind::Java("3.6.2");
const JAVA39: Kind = Kind::Java("3.9.5");
/// Longer than the comparison of the members takes on a slow machine: nobody pings meanwhile.
const SESSION_MS: i32 = 120_000;
const OBSERVERS: [usize; 2] = [4, 5];

/// Whom an observer is connected to (four-letter word `mntr`).
fn master(ensemble: &Ensemble, observer: usize) -> Option<usize> {
    let answer = ensemble.four_letter(observer, "mntr");
    let value = answer
        .lines()
        .find_map(|line| line.strip_prefix("zk_observer_master_id"))?;
    value.trim().parse().ok()
}

/// Waits until every observer serves, and is served by one of these.
#[track_caller]
fn wait_masters(ensemble: &Ensemble, those: &[usize]) {
    wait_until("the observers to have masters", || {
        OBSERVERS.iter().all(|&id| {
            let serves = ensemble.mode(id).as_deref() == Some("observer");
            serves && master(ensemble, id).is_some_and(|master| those.contains(&master))
        })
    });
}

fn create(client: &mut ZkClient, path: &str, flags: i32) {
    let data = Some(&b"x"[..]);
    let acl = vec![Acl::OPEN];
    client.must(
        OpCode::Create,
        &CreateRequest {
            path,
            data,
            acl,
            flags,
        },
    );
}

/// A session moves from a follower to an observer behind it and back, and takes its ephemeral along;
/// what it writes there is seen by a watch on another observer.
fn moves(ensemble: &Ensemble, observer: usize, follower: usize) {
    let limit = Duration::from_secs(30);
    let (path, ephemeral) = (
        format!("/by{observer}"),
        format!("/session{observer}-{follower}"),
    );
    let other = OBSERVERS.into_iter().find(|&id| id != observer).unwrap();
    let mut watcher = ZkClient::connect(ensemble.addr(other), SESSION_MS).unwrap();
    watcher.must(OpCode::Sync, &PathRequest { path: "/" });
    let watch = PathWatchRequest {
        path: &path,
        watch: true,
    };
    watcher.call(OpCode::Exists, &watch.to_vec()).unwrap();
    let mut client = ZkClient::connect(ensemble.addr(follower), SESSION_MS).unwrap();
    create(&mut client, &ephemeral, 1);
    let ticket = client.ticket();
    let mut there = None;
    wait_until("an observer that is not behind the client", || {
        there = ZkClient::resume(ensemble.addr(observer), &ticket, SESSION_MS, limit).ok();
        there.is_some()
    });
    let mut there = there.unwrap();
    assert_eq!(there.session, ticket.session, "revalidated by the leader");
    create(&mut there, &path, 0);
    wait_until("a watch to tell of the write", || {
        watcher.wait_event().unwrap()
    });
    there.must(OpCode::Sync, &PathRequest { path: "/" });
    there.must(OpCode::Delete, &delete(&path));
    let ticket = there.ticket();
    let mut back = None;
    wait_until("a follower that is not behind the client", || {
        back = ZkClient::resume(ensemble.addr(follower), &ticket, SESSION_MS, limit).ok();
        back.is_some()
    });
    let mut back = back.unwrap();
    assert_eq!(back.session, ticket.session);
    back.must(OpCode::Delete, &delete(&ephemeral));
    back.call(OpCode::CloseSession, &[]).unwrap();
}

fn delete(path: &str) -> proto::zk::request::DeleteRequest<'_> {
    proto::zk::request::DeleteRequest { path, version: -1 }
}

/// Under load each follower in turn is killed: its observers find the other one.
fn live_on(dir: &Path, java: Java, kinds: &[Kind; 5]) {
    println!("{kinds:?}");
    let (ensemble, port) = Ensemble::apart(dir, 3, 2);
    let mut ensemble = ensemble
        .java(java)
        .line(&format!("maxSessionTimeout={SESSION_MS}"))
        .line(&format!("observerMasterPort={port}"));
    let leader = ensemble.start_all(kinds);
    let followers: Vec<usize> = (1..=3).filter(|&id| id != leader).collect();
    wait_masters(&ensemble, &followers);
    let load = Load::start(&ensemble.addrs(), 5, SESSION_MS);
    for (killed, left) in [(0, 1), (1, 0)] {
        let (killed, left) = (followers[killed], followers[left]);
        ensemble.kill(killed);
        wait_masters(&ensemble, &[left]);
        for observer in OBSERVERS {
            println!("observer {observer} lives on follower {left}");
            moves(&ensemble, observer, left);
        }
        load.wait_for(30);
        ensemble.start(killed, kinds[killed - 1]);
        assert_eq!(ensemble.wait_serving(), leader, "the leader stays");
        // Ours tells whom it lives on.
        let log = std::fs::read_to_string(ensemble.member_dir(4).join("server.log")).unwrap();
        let told = format!("Getting a diff from the observer master, server {left} (");
        assert!(log.contains(&told), "{told}");
    }
    check(&mut ensemble, load);
}

/// Apache's observer on followers of ours, our observer on Apache's followers, ours on ours.
#[test]
fn observers_live_on_followers() {
    let java = java_or_skip!();
    let dir = tempfile::tempdir().unwrap();
    live_on(dir.path(), java, &[OURS, JAVA39, OURS, OURS, JAVA39]);
}

/// The same with the first version that has masters of observers.
#[test]
fn observers_live_on_followers_of_3_6() {
    let java = java_or_skip!();
    let dir = tempfile::tempdir().unwrap();
    live_on(dir.path(), java, &[OURS, JAVA36, OURS, OURS, JAVA36]);
}

/// Those of a log, and snapshots.
fn files(dir: &Path) -> Vec<String> {
    let all = std::fs::read_dir(dir.join("data/version-2")).unwrap();
    let names = all.map(|file| file.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name.starts_with("log.") || name.starts_with("snapshot."))
        .collect()
}

#[test]
fn an_observer_without_sync_keeps_no_log() {
    keeps_no_log(OURS, None);
}

#[test]
fn an_observer_without_sync_lives_on_apaches_leader() {
    let java = java_or_skip!();
    keeps_no_log(JAVA39, Some(java));
}

fn keeps_no_log(leader: Kind, java: Option<Java>) {
    let dir = tempfile::tempdir().unwrap();
    let mut ensemble = Ensemble::local(dir.path(), 1, 1)
        .line("standaloneEnabled=false")
        .line("syncEnabled=false")
        .line("snapCount=10");
    if let Some(java) = java {
        ensemble = ensemble.java(java);
    }
    ensemble.start_all(&[leader, OURS]);
    let before = files(&ensemble.member_dir(2));
    let mut client = ZkClient::connect(ensemble.addr(2), SESSION_MS).unwrap();
    for i in 0..50 {
        create(&mut client, &format!("/n{i}"), 0);
    }
    ensemble.wait_level();
    assert_eq!(files(&ensemble.member_dir(2)), before);
    let logs = files(&ensemble.member_dir(2));
    assert!(
        !logs.iter().any(|name| name.starts_with("log.")),
        "{logs:?}"
    );
    let logs = files(&ensemble.member_dir(1));
    assert!(logs.iter().any(|name| name.starts_with("log.")), "{logs:?}");
    // It has everything again after a restart, from the leader.
    ensemble.kill(2);
    ensemble.start(2, OURS);
    ensemble.wait_serving();
    ensemble.wait_level();
    let mut client = ZkClient::connect(ensemble.addr(2), SESSION_MS).unwrap();
    assert_eq!(
        client
            .below("/")
            .iter()
            .filter(|node| node.path.starts_with("/n"))
            .count(),
        50
    );
}
