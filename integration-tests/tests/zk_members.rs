//! What a client sees of ensembles of ours and Apache's: sessions that move between them, local
//! sessions, and members that join, change and leave while it asks any of them.
//!
//! A choice of compositions by seed (`TEST_SEED`); `ENSEMBLES=all` runs every one.
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
use integration_tests::rng::{Rng, seed};
use integration_tests::zk::{Ensemble, Kind, ZkClient};
use proto::jute::Jute;
use proto::zk::acl::Acl;
use proto::zk::request::{
    CreateRequest, PathRequest, PathWatchRequest, ReconfigRequest, SetDataRequest,
};
use proto::zk::response::GetDataResponse;
use proto::zk::{ErrorCode, OpCode};

const OURS: Kind = Kind::Ours;
const JAVA36: Kind = Kind::Java("3.6.2");
const JAVA39: Kind = Kind::Java("3.9.5");
const TIMEOUT: i32 = 20_000;
const WAIT: Duration = Duration::from_secs(30);

fn choice(all: &[[Kind; 4]]) -> Vec<[Kind; 4]> {
    if std::env::var("ENSEMBLES").as_deref() == Ok("all") {
        return all.to_vec();
    }
    let seed = seed();
    println!("TEST_SEED={seed}");
    vec![all[Rng::new(seed).below(all.len())]]
}

fn named(kinds: &[Kind]) -> String {
    let names: Vec<String> = kinds.iter().map(Kind::to_string).collect();
    names.join(", ")
}

fn create(path: &str, flags: i32) -> CreateRequest<'_> {
    CreateRequest {
        path,
        data: Some(b"x"),
        acl: vec![Acl::OPEN],
        flags,
    }
}

/// Reads what was committed before, whoever committed it.
fn synced(client: &mut ZkClient, path: &str) -> Option<Vec<u8>> {
    client.must(OpCode::Sync, &PathRequest { path });
    let watch = false;
    let body = PathWatchRequest { path, watch }.to_vec();
    let (err, reply) = client.call(OpCode::GetData, &body).unwrap();
    (err == 0).then(|| {
        let reply = GetDataResponse::from_bytes(&reply).unwrap();
        reply.data.unwrap_or_default().to_vec()
    })
}

fn connect(ensemble: &Ensemble, id: usize) -> ZkClient {
    ZkClient::connect(ensemble.addr(id), TIMEOUT).unwrap()
}

/// Goes on with a session on another member, once that one has seen what the client has.
fn resume(ensemble: &Ensemble, id: usize, client: &ZkClient) -> ZkClient {
    let (ticket, mut resumed) = (client.ticket(), None);
    wait_until("a member that is not behind the client", || {
        resumed = ZkClient::resume(ensemble.addr(id), &ticket, TIMEOUT, WAIT).ok();
        resumed.is_some()
    });
    resumed.unwrap()
}

/// A session with its ephemeral goes once around all members; its old connections may not write.
fn wander(dir: &Path, java: Java, kinds: &[Kind]) {
    println!("a session wanders: {}", named(kinds));
    let mut ensemble = Ensemble::local(dir, 3, 1).java(java);
    ensemble.start_all(kinds);
    let mut client = connect(&ensemble, 1);
    client.must(OpCode::Create, &create("/mine", 1));
    for id in [2, 3, 4, 1, 3, 2] {
        let mut next = resume(&ensemble, id, &client);
        assert_eq!(next.session, client.session, "it lives on member {id}");
        let data = Some(&b"old"[..]);
        let late = SetDataRequest {
            path: "/mine",
            data,
            version: -1,
        };
        let refused = client.call(OpCode::SetData, &late.to_vec());
        assert!(refused.is_err(), "the connection before writes no more");
        assert_eq!(synced(&mut next, "/mine").as_deref(), Some(&b"x"[..]));
        client = next;
    }
    assert_eq!(client.call(OpCode::CloseSession, &[]).unwrap().0, 0);
    for id in ensemble.ids() {
        assert_eq!(synced(&mut connect(&ensemble, id), "/mine"), None);
    }
}

/// Sessions that one member keeps for itself, until they create an ephemeral.
fn local(dir: &Path, java: Java, kinds: &[Kind]) {
    println!("local sessions: {}", named(kinds));
    let mut ensemble = Ensemble::local(dir, 3, 1)
        .java(java)
        .line("localSessionsEnabled=true")
        .line("localSessionsUpgradingEnabled=true");
    ensemble.start_all(kinds);
    for id in ensemble.ids() {
        let elsewhere = id % 4 + 1;
        let mut client = connect(&ensemble, id);
        client.must(OpCode::Create, &create(&format!("/kept{id}"), 0));
        let other = resume(&ensemble, elsewhere, &client);
        assert_eq!(other.session, 0, "nobody else knows it");
        let path = format!("/mine{id}");
        client.must(OpCode::Create, &create(&path, 1));
        let mut other = resume(&ensemble, elsewhere, &client);
        assert_eq!(other.session, client.session, "now the ensemble knows it");
        assert!(synced(&mut other, &path).is_some());
    }
}

fn reconfig(ensemble: &Ensemble, through: usize, joining: Option<&str>, leaving: Option<&str>) {
    let request = ReconfigRequest {
        joining_servers: joining,
        leaving_servers: leaving,
        new_members: None,
        cur_config_id: -1,
    };
    // A member that has just joined may not be in step yet, and one whose role changes closes its
    // clients' connections. Asking again leads to the same members.
    wait_until("the next configuration", || {
        let Ok(mut client) = ZkClient::connect(ensemble.addr(through), TIMEOUT) else {
            return false;
        };
        let Ok((err, _)) = client.call(OpCode::Reconfig, &request.to_vec()) else {
            return false;
        };
        let done = ErrorCode::from_code(err).unwrap();
        let waits = [ErrorCode::NewConfigNoQuorum, ErrorCode::ReconfigInProgress];
        assert!(done == ErrorCode::Ok || waits.contains(&done), "{done:?}");
        done == ErrorCode::Ok
    });
}

/// The observer leaves, joins as a voter; then the leader leaves.
fn reconfigured(dir: &Path, java: Java, kinds: &[Kind]) {
    println!("reconfigured: {}", named(kinds));
    let mut ensemble = Ensemble::local(dir, 3, 1)
        .java(java)
        .line("reconfigEnabled=true")
        .line("standaloneEnabled=false")
        .property("zookeeper.skipACL", "yes");
    let leader = ensemble.start_all(kinds);
    reconfig(&ensemble, 1, None, Some("4"));
    let joins = ensemble.joins_as(4, "participant");
    reconfig(&ensemble, 2, Some(&joins), None);
    wait_until("the observer to become a voter", || {
        ensemble.mode(4).as_deref() == Some("follower")
    });
    let leaving = leader.to_string();
    reconfig(&ensemble, 4, None, Some(&leaving));
    let rest: Vec<usize> = ensemble.ids().filter(|&id| id != leader).collect();
    wait_until("one of the others to lead", || {
        let leads = |&id: &usize| ensemble.mode(id).as_deref() == Some("leader");
        rest.iter().any(leads) && rest.iter().all(|&id| ensemble.mode(id).is_some())
    });
    let mut texts = Vec::new();
    for &id in &rest {
        let mut client = connect(&ensemble, id);
        client.must(OpCode::Create, &create(&format!("/after{id}"), 0));
        texts.push(synced(&mut client, "/zookeeper/config").unwrap());
    }
    let text = String::from_utf8_lossy(&texts[0]).into_owned();
    assert!(texts.iter().all(|other| *other == texts[0]), "{texts:?}");
    assert!(text.contains("server.4=") && !text.contains(&format!("server.{leader}=")));
}

/// Servers of both kinds in every place: leader, followers, observer.
fn compositions() -> Vec<[Kind; 4]> {
    vec![
        [OURS, JAVA39, OURS, JAVA39],
        [JAVA39, OURS, JAVA39, OURS],
        [OURS, JAVA36, OURS, JAVA36],
        [JAVA36, OURS, JAVA36, OURS],
        [OURS, OURS, OURS, OURS],
    ]
}

#[test]
fn a_session_moves_between_members() {
    let java = java_or_skip!();
    for kinds in choice(&compositions()) {
        wander(tempfile::tempdir().unwrap().path(), java, &kinds);
    }
}

#[test]
fn local_sessions_stay_until_they_create_an_ephemeral() {
    let java = java_or_skip!();
    for kinds in choice(&compositions()) {
        local(tempfile::tempdir().unwrap().path(), java, &kinds);
    }
}

#[test]
fn members_join_change_and_leave() {
    let java = java_or_skip!();
    for kinds in choice(&compositions()) {
        reconfigured(tempfile::tempdir().unwrap().path(), java, &kinds);
    }
}
