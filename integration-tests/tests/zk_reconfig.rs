//! What an operator may change of a running ensemble, ours and Apache's servers mixed: ports and
//! addresses of members, who belongs to it; and what remains of it in the files.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: makes folders, reads configuration"
)]

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::path::Path;

use integration_tests::java_or_skip;
use integration_tests::proc::{Port, wait_until};
use integration_tests::zk::{Ensemble, Kind, ZkClient};
use proto::jute::Jute;
use proto::zk::request::ReconfigRequest;
use proto::zk::{ErrorCode, OpCode};

const OURS: Kind = Kind::Ours;
const JAVA39: Kind = Kind::Java("3.9.5");
const TIMEOUT: i32 = 20_000;
/// Of `super:secret`, as `DigestAuthenticationProvider` computes it.
const SUPER: &str = "super:lK75jTNcA+U9vtVEw5vB51mj/w4=";

fn members(dir: &Path) -> Ensemble {
    Ensemble::local(dir, 3, 0)
        .line("reconfigEnabled=true")
        .line("standaloneEnabled=false")
        .property("zookeeper.DigestAuthenticationProvider.superDigest", SUPER)
}

fn connect(ensemble: &Ensemble, id: usize) -> ZkClient {
    ZkClient::connect(ensemble.addr(id), TIMEOUT).unwrap()
}

fn request<'a>(joining: Option<&'a str>, leaving: Option<&'a str>) -> ReconfigRequest<'a> {
    ReconfigRequest {
        joining_servers: joining,
        leaving_servers: leaving,
        new_members: None,
        cur_config_id: -1,
    }
}

/// Asks until it is done: a member that has just changed may not be in step yet, and one whose leader
/// changes closes its clients' connections. Asking again leads to the same members.
#[track_caller]
fn reconfig(ensemble: &Ensemble, through: usize, request: &ReconfigRequest<'_>) {
    wait_until("the next configuration", || {
        let Ok(mut client) = ZkClient::connect(ensemble.addr(through), TIMEOUT) else {
            return false;
        };
        client.authenticate("digest", b"super:secret");
        let Ok((err, _)) = client.call(OpCode::Reconfig, &request.to_vec()) else {
            return false;
        };
        let done = ErrorCode::from_code(err).unwrap();
        let waits = [ErrorCode::NewConfigNoQuorum, ErrorCode::ReconfigInProgress];
        assert!(done == ErrorCode::Ok || waits.contains(&done), "{done:?}");
        done == ErrorCode::Ok
    });
}

fn config(client: &mut ZkClient) -> String {
    let config = client.synced("/zookeeper/config").unwrap().unwrap();
    String::from_utf8(config).unwrap()
}

/// All running members serve with one configuration. Gives its text.
#[track_caller]
fn agreed(ensemble: &mut Ensemble, round: &str) -> String {
    ensemble.wait_serving();
    let mut texts = Vec::new();
    for id in ensemble.running() {
        let mut client = connect(ensemble, id);
        assert_eq!(client.create(&format!("/{round}{id}"), 0), Ok(0));
        texts.push(config(&mut client));
    }
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
    texts.remove(0)
}

/// `server.N=` with other ports at another address, where clients of that member are looked for from
/// here on.
fn moves(ensemble: &mut Ensemble, id: usize, host: Ipv4Addr, held: &mut Vec<Port>) -> String {
    let host = IpAddr::from(host);
    let ports = [0; 3].map(|_| {
        held.push(Port::reserve_on(host));
        held[held.len() - 1].number()
    });
    ensemble.moved(id, host, ports);
    ensemble.joins_as(id, "participant")
}

/// The files of a dynamic configuration: the one in use is named by zoo.cfg, what the operator wrote
/// first is kept, nothing is pending.
#[track_caller]
fn check_files(ensemble: &Ensemble, id: usize, text: &str) {
    let dir = ensemble.member_dir(id);
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
    let (members, version) = text.rsplit_once("\nversion=").unwrap();
    let dynamic = format!("zoo.cfg.dynamic.{version}");
    wait_until("the dynamic file to be written", || {
        dir.join(&dynamic).exists() && !dir.join("zoo.cfg.dynamic.next").exists()
    });
    let sorted = |text: &str| {
        let lines: BTreeSet<String> = text.lines().map(str::to_owned).collect();
        lines
    };
    assert_eq!(sorted(&read(&dynamic)), sorted(members), "member {id}");
    let named = read("zoo.cfg");
    let named = named.lines().find(|l| l.starts_with("dynamicConfigFile="));
    assert!(named.unwrap().ends_with(&dynamic), "member {id}: {named:?}");
    let has = |key: &str| read("zoo.cfg").lines().any(|l| l.starts_with(key));
    assert!(!has("server."), "member {id}");
    // The port for clients moves only where the members' configuration tells it.
    let own = format!("server.{id}=");
    let own = members.lines().find(|l| l.starts_with(&own)).unwrap();
    assert_ne!(has("clientPort"), own.contains(';'), "member {id}: {own}");
    assert!(read("zoo.cfg.bak").contains("\nserver.1="), "member {id}");
}

/// The third one leads, whatever comes up first.
#[track_caller]
fn start(ensemble: &mut Ensemble, kinds: &[Kind; 3]) {
    for id in [3, 1] {
        ensemble.start(id, kinds[id - 1]);
    }
    assert_eq!(ensemble.wait_serving(), 3);
    ensemble.start(2, kinds[1]);
    ensemble.wait_serving();
}

/// Only the superuser may ask. A follower of ours moves to another address with all its ports, then the
/// leader to other ports, and leads again from there; all are started again from their files.
#[test]
fn members_move_to_other_ports_while_they_run() {
    let java = java_or_skip!();
    for kinds in [[JAVA39, OURS, OURS], [OURS, OURS, JAVA39]] {
        let dir = tempfile::tempdir().unwrap();
        let mut ensemble = members(dir.path()).java(java);
        start(&mut ensemble, &kinds);
        moved(&mut ensemble);
    }
}

fn moved(ensemble: &mut Ensemble) {
    let mut held = Vec::new();

    let mut stays = connect(ensemble, 2);
    let old = ensemble.addr(2);
    let joining = moves(ensemble, 2, Ipv4Addr::new(127, 0, 0, 2), &mut held);
    let wanted = request(Some(&joining), None);
    let refused = stays.call(OpCode::Reconfig, &wanted.to_vec()).unwrap();
    assert_eq!(refused.0, ErrorCode::NoAuth.code());
    reconfig(ensemble, 1, &wanted);
    wait_until("the old client port to close", || {
        TcpStream::connect(old).is_err()
    });
    assert_eq!(stays.create("/stays", 0), Ok(0), "old connections go on");
    let text = agreed(ensemble, "follower");
    assert!(text.contains(&joining), "{text}");

    let joining = moves(ensemble, 3, Ipv4Addr::LOCALHOST, &mut held);
    reconfig(ensemble, 1, &request(Some(&joining), None));
    let leader = ensemble.wait_serving();
    assert_ne!(leader, 3, "a leader that moves its quorum port gives up");
    let text = agreed(ensemble, "leader");
    assert!(text.contains(&joining), "{text}");
    ensemble.wait_level();
    let kind = ensemble.kind(leader).unwrap();
    ensemble.kill(leader);
    assert_eq!(ensemble.wait_serving(), 3, "from its new ports");
    ensemble.start_again(leader, kind);
    assert_eq!(agreed(ensemble, "again"), text);
    for id in ensemble.ids() {
        check_files(ensemble, id, &text);
    }
    // All of them know each other from the files alone.
    for id in ensemble.ids() {
        ensemble.stop(id);
    }
    for (id, kind) in [(1, OURS), (2, JAVA39), (3, OURS)] {
        ensemble.start_again(id, kind);
    }
    assert_eq!(agreed(ensemble, "files"), text);
}

/// All members are given at once, under the version that the client knows; who is not among them follows
/// on without a vote, and may come back as an observer.
#[test]
fn a_member_that_leaves_has_no_vote() {
    let java = java_or_skip!();
    for kinds in [[JAVA39, OURS, OURS], [OURS, OURS, JAVA39]] {
        let dir = tempfile::tempdir().unwrap();
        let mut ensemble = members(dir.path()).java(java);
        start(&mut ensemble, &kinds);
        let line = |id: usize| ensemble.joins_as(id, "participant");
        let two = format!("{},{}", line(2), line(3));
        let mut full = ReconfigRequest {
            new_members: Some(&two),
            cur_config_id: 77,
            ..request(None, None)
        };
        let mut client = connect(&ensemble, 1);
        client.authenticate("digest", b"super:secret");
        let (err, _) = client.call(OpCode::Reconfig, &full.to_vec()).unwrap();
        assert_eq!(err, ErrorCode::BadVersion.code());
        let before = config(&mut client);
        let (_, version) = before.rsplit_once("version=").unwrap();
        full.cur_config_id = i64::from_str_radix(version.trim(), 16).unwrap();
        let (err, _) = client.call(OpCode::Reconfig, &full.to_vec()).unwrap();
        assert_eq!(err, 0);
        let text = agreed(&mut ensemble, "left");
        assert!(!text.contains("server.1="), "{text}");
        assert_eq!(ensemble.mode(1).as_deref(), Some("follower"));
        assert_eq!(client.create("/still", 0), Ok(0));

        let joining = ensemble.joins_as(1, "observer");
        reconfig(&ensemble, 3, &request(Some(&joining), None));
        wait_until("it to observe", || {
            ensemble.mode(1).as_deref() == Some("observer")
        });
        let text = agreed(&mut ensemble, "back");
        assert!(text.contains(&joining), "{text}");
        ensemble.kill(2);
        wait_until("the quorum to be lost", || ensemble.leader().is_none());
        assert_eq!(ensemble.mode(3), None, "one of two voters");
        ensemble.start_again(2, kinds[1]);
        agreed(&mut ensemble, "healed");
    }
}

/// From then on the second member and the first or third one are a quorum, and no others; who leaves such
/// an ensemble is told by all its members alone.
#[test]
fn members_get_groups_and_weights() {
    let java = java_or_skip!();
    for kinds in [[JAVA39, OURS, OURS], [OURS, OURS, JAVA39]] {
        let dir = tempfile::tempdir().unwrap();
        let mut ensemble = members(dir.path()).java(java);
        start(&mut ensemble, &kinds);
        let lines: Vec<String> = ensemble
            .ids()
            .map(|id| ensemble.joins_as(id, "participant"))
            .collect();
        let groups = "group.1=1:3,group.2=2,weight.1=1,weight.2=1,weight.3=0";
        let all = format!("{},{groups}", lines.join(","));
        let full = ReconfigRequest {
            new_members: Some(&all),
            ..request(None, None)
        };
        reconfig(&ensemble, 1, &full);
        let text = agreed(&mut ensemble, "groups");
        assert!(text.contains("weight.3=0"), "{text}");
        let mut client = connect(&ensemble, 2);
        client.authenticate("digest", b"super:secret");
        let leave = request(None, Some("3"));
        let (err, _) = client.call(OpCode::Reconfig, &leave.to_vec()).unwrap();
        assert_eq!(err, ErrorCode::BadArguments.code());
        for id in ensemble.ids() {
            check_files(&ensemble, id, &text);
        }
        ensemble.wait_level();
        ensemble.kill(1);
        wait_until("the quorum to be lost", || {
            [2, 3].iter().all(|&id| ensemble.mode(id).is_none())
        });
        ensemble.start_again(1, kinds[0]);
        assert_eq!(agreed(&mut ensemble, "healed"), text);
        ensemble.kill(3);
        assert_eq!(agreed(&mut ensemble, "without"), text);
    }
}
