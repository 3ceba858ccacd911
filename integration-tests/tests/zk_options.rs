//! Options of an ensemble that clients and operators notice: who counts, who serves whom, what a member
//! allows while it is without a quorum. Ours beside Apache's servers.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: makes folders"
)]

use std::path::Path;
use std::time::Duration;

use integration_tests::proc::{skipped, wait_until};
use integration_tests::zk::{Ensemble, Kind, Ticket, ZkClient};
use integration_tests::{java_or_skip, netns};
use proto::jute::Jute;
use proto::zk::acl::Acl;
use proto::zk::request::{CreateRequest, ReconfigRequest};
use proto::zk::{ErrorCode, OpCode};

const OURS: Kind = Kind::Ours;
const JAVA36: Kind = Kind::Java("3.6.2");
const JAVA39: Kind = Kind::Java("3.9.5");
const TIMEOUT: i32 = 40_000;
const WAIT: Duration = Duration::from_secs(30);

fn connect(ensemble: &Ensemble, id: usize) -> ZkClient {
    ZkClient::connect(ensemble.addr(id), TIMEOUT).unwrap()
}

#[track_caller]
fn writes(ensemble: &Ensemble, id: usize, path: &str) {
    assert_eq!(connect(ensemble, id).create(path, 0), Ok(0), "{path}");
}

#[track_caller]
fn wait_quorum_lost(ensemble: &Ensemble) {
    wait_until("the quorum to be lost", || {
        ensemble
            .running()
            .iter()
            .all(|&id| ensemble.mode(id).is_none())
    });
}

/// Two groups, and the member with the highest id weighs nothing: it leads never, is missed by nobody
/// and helps nobody, while each of the others is needed.
#[test]
fn groups_and_weights_decide_who_counts() {
    let java = java_or_skip!();
    for kinds in [[OURS, JAVA39, OURS], [JAVA36, OURS, JAVA39]] {
        let dir = tempfile::tempdir().unwrap();
        let mut ensemble = Ensemble::local(dir.path(), 3, 0).java(java);
        for line in [
            "group.1=1:3",
            "group.2=2",
            "weight.1=1",
            "weight.2=1",
            "weight.3=0",
        ] {
            ensemble = ensemble.line(line);
        }
        let leader = ensemble.start_all(&kinds);
        assert_ne!(leader, 3);
        ensemble.kill(3);
        writes(&ensemble, 1, "/without3");
        ensemble.start(3, kinds[2]);
        ensemble.wait_serving();
        for id in [1, 2] {
            ensemble.kill(id);
            wait_quorum_lost(&ensemble);
            ensemble.start(id, kinds[id - 1]);
            assert_ne!(ensemble.wait_serving(), 3);
            writes(&ensemble, 3, &format!("/again{id}"));
        }
    }
}

/// `leaderServes=no`: clients are served by the others alone. Beside it what a member decides for its
/// own clients: the least timeout of a session, and that a local session has no ephemerals.
#[test]
fn members_decide_for_their_own_clients() {
    let java = java_or_skip!();
    let dir = tempfile::tempdir().unwrap();
    let mut ensemble = Ensemble::local(dir.path(), 3, 0)
        .java(java)
        .line("leaderServes=no")
        .line("localSessionsEnabled=true");
    ensemble.own_line(1, "minSessionTimeout=3000");
    ensemble.own_line(2, "maxSessionTimeout=7000");
    let kinds = [OURS, JAVA39, OURS];
    for id in ensemble.ids() {
        ensemble.start(id, kinds[id - 1]);
    }
    let words = leader_does_not_serve(&ensemble);
    for (id, asked, granted) in [
        (1, 100, 3000),
        (2, 100, 1000),
        (1, 9000, 9000),
        (2, 9000, 7000),
    ] {
        let mut client = ZkClient::connect(ensemble.addr(id), asked).unwrap();
        assert_eq!(client.timeout, granted, "member {id}");
        let path = format!("/kept{id}-{asked}");
        assert_eq!(client.create(&path, 0), Ok(0));
        let refused = ErrorCode::EphemeralOnLocalSession.code();
        assert_eq!(client.create(&format!("{path}e"), 1), Ok(refused));
    }
    // Java's leader answers operators the same.
    for id in ensemble.ids() {
        ensemble.kill(id);
    }
    for (id, kind) in [(3, JAVA39), (1, OURS)] {
        ensemble.start(id, kind);
    }
    wait_until("the third to lead", || {
        ensemble.mode(1).as_deref() == Some("follower")
    });
    ensemble.start(2, OURS);
    assert_eq!(leader_does_not_serve(&ensemble), words);
}

/// What the third member, which leads and serves nobody, answers to four-letter words.
#[track_caller]
fn leader_does_not_serve(ensemble: &Ensemble) -> Vec<String> {
    for id in [1, 2] {
        wait_until("it to follow", || {
            ensemble.mode(id).as_deref() == Some("follower")
        });
    }
    assert!(ZkClient::connect(ensemble.addr(3), TIMEOUT).is_err());
    let words = [
        "srvr", "stat", "mntr", "conf", "cons", "dump", "wchs", "isro", "ruok",
    ];
    let words: Vec<String> = words
        .iter()
        .map(|word| ensemble.four_letter(3, word))
        .collect();
    assert_eq!(words[0], NOT_SERVING);
    words
}

const NOT_SERVING: &str = "This ZooKeeper instance is not currently serving requests\n";

/// One server that is an ensemble takes in a second one, ours one of Java's and the other way round.
#[test]
fn an_ensemble_of_one_grows() {
    let java = java_or_skip!();
    for kinds in [[OURS, JAVA39], [JAVA39, OURS]] {
        let dir = tempfile::tempdir().unwrap();
        let mut ensemble = Ensemble::local(dir.path(), 2, 0)
            .java(java)
            .line("standaloneEnabled=false")
            .line("reconfigEnabled=true")
            .property("zookeeper.skipACL", "yes");
        ensemble.own_line(1, "server.2");
        ensemble.start(1, kinds[0]);
        assert_eq!(ensemble.wait_serving(), 1);
        writes(&ensemble, 1, "/alone");
        ensemble.start(2, kinds[1]);
        let joining = ensemble.joins_as(2, "participant");
        let request = ReconfigRequest {
            joining_servers: Some(&joining),
            leaving_servers: None,
            new_members: None,
            cur_config_id: -1,
        };
        wait_until("the second to join", || {
            let answer = connect(&ensemble, 1).call(OpCode::Reconfig, &request.to_vec());
            let err = answer.unwrap().0;
            assert!(
                [0, ErrorCode::NewConfigNoQuorum.code()].contains(&err),
                "{err}"
            );
            err == 0
        });
        ensemble.wait_serving();
        let mut client = connect(&ensemble, 2);
        assert!(client.synced("/alone").unwrap().is_some());
        // Two have no quorum without one of them.
        ensemble.kill(1);
        wait_quorum_lost(&ensemble);
    }
}

/// Who lost the quorum lets those read that are content with it; they go on where they were when there is
/// a quorum again.
#[test]
fn members_without_a_quorum_let_clients_read() {
    let java = java_or_skip!();
    let kinds = [OURS, JAVA39, OURS];
    for left in [1, 2] {
        let dir = tempfile::tempdir().unwrap();
        let mut ensemble = Ensemble::local(dir.path(), 3, 0)
            .java(java)
            // Java's has no sessions without a quorum but local ones.
            .line("localSessionsEnabled=true")
            .line("localSessionsUpgradingEnabled=true")
            .property("readonlymode.enabled", "true");
        ensemble.start_all(&kinds);
        let mut client = connect(&ensemble, left);
        assert_eq!(client.create("/mine", 1), Ok(0));
        assert_eq!(ensemble.four_letter(left, "isro").trim(), "rw");
        let others: Vec<usize> = ensemble.ids().filter(|&id| id != left).collect();
        for &id in &others {
            ensemble.kill(id);
        }
        wait_until("it to let read", || {
            ensemble.four_letter(left, "isro").trim() == "ro"
                && ensemble.mode(left).as_deref() == Some("read-only")
        });
        let refused = ZkClient::connect(ensemble.addr(left), TIMEOUT);
        assert!(refused.is_err(), "one that wants to write");
        let at = ensemble.addr(left);
        let ticket = client.ticket();
        let refused = ZkClient::resume_read_only(at, &ticket, TIMEOUT, WAIT);
        assert!(refused.is_err(), "a session of the ensemble");
        let mut reader = ZkClient::resume_read_only(at, &Ticket::default(), TIMEOUT, WAIT).unwrap();
        assert!(reader.below("/").iter().any(|node| node.path == "/mine"));
        let read_only = ErrorCode::NotReadOnly.code();
        assert_eq!(reader.create("/no", 0), Ok(read_only));
        for id in others {
            ensemble.start(id, kinds[id - 1]);
        }
        ensemble.wait_serving();
        assert!(reader.create("/no", 0).is_err(), "its connection ends");
        let mut writer = ZkClient::resume_read_only(at, &ticket, TIMEOUT, WAIT).unwrap();
        assert_eq!(writer.session, client.session);
        assert_eq!(writer.create("/yes", 0), Ok(0));
        assert!(writer.synced("/mine").unwrap().is_some(), "its ephemeral");
    }
}

/// One of three, which never meets the others, and has no session but what a client brings. Java's of 3.9
/// lets new clients read only where sessions are local; to others it says what is no answer to a
/// connect. 3.6 lets them read in any case, and so does ours.
#[test]
fn new_clients_read_without_a_quorum() {
    let java = java_or_skip!();
    for local in [true, false] {
        let lone = |kind| {
            let dir = tempfile::tempdir().unwrap();
            let mut ensemble = Ensemble::local(dir.path(), 3, 0)
                .java(java)
                .line(&format!("localSessionsEnabled={local}"))
                .property("readonlymode.enabled", "true");
            ensemble.start(1, kind);
            (kind, ensemble, dir)
        };
        for (kind, ensemble, _dir) in [OURS, JAVA36, JAVA39].map(lone) {
            wait_until("it to let read", || {
                ensemble.four_letter(1, "isro").trim() == "ro"
            });
            let at = ensemble.addr(1);
            assert!(
                ZkClient::connect(at, TIMEOUT).is_err(),
                "{kind}: one that wants to write"
            );
            let reader = ZkClient::resume_read_only(at, &Ticket::default(), TIMEOUT, WAIT);
            if kind == JAVA39 && !local {
                assert!(reader.is_err(), "{kind}");
                continue;
            }
            let mut reader = reader.unwrap();
            assert_eq!(reader.below("/").len(), 4, "{kind}: what every tree has");
            let read_only = ErrorCode::NotReadOnly.code();
            assert_eq!(reader.create("/no", 0), Ok(read_only), "{kind}");
        }
    }
}

/// An observer that is cut off serves nobody, is missed by nobody, and comes back with its session.
#[test]
fn observers_that_are_cut_off_come_back() {
    let java = java_or_skip!();
    if let Some(why) = netns::unavailable() {
        return skipped(&why);
    }
    let dir = tempfile::tempdir().unwrap();
    let mut ensemble = Ensemble::on_hosts(dir.path(), 2, 2)
        .unwrap()
        .java(java)
        .line("syncLimit=6");
    ensemble.start_all(&[JAVA39, OURS, OURS, JAVA36]);
    let mut clients: Vec<ZkClient> = [3, 4].map(|id| connect(&ensemble, id)).into();
    for (client, path) in clients.iter_mut().zip(["/of3", "/of4"]) {
        assert_eq!(client.create(path, 1), Ok(0));
    }
    for id in [3, 4] {
        ensemble.cut(id, true);
    }
    writes(&ensemble, 1, "/meanwhile");
    writes(&ensemble, 2, "/meanwhile2");
    wait_until("the leader to miss them", || {
        let leader = ensemble.leader().unwrap();
        let mntr = ensemble.four_letter(leader, "mntr");
        mntr.contains("zk_synced_observers\t0")
    });
    for id in [3, 4] {
        ensemble.cut(id, false);
    }
    ensemble.wait_serving();
    for (id, client) in [3, 4].into_iter().zip(&clients) {
        assert_eq!(ensemble.mode(id).as_deref(), Some("observer"));
        let mut again =
            ZkClient::resume(ensemble.addr(id), &client.ticket(), TIMEOUT, WAIT).unwrap();
        assert_eq!(again.session, client.session);
        assert!(again.synced("/meanwhile").unwrap().is_some());
        assert!(again.synced(&format!("/of{id}")).unwrap().is_some());
    }
}

/// A follower refuses what ACLs forbid by itself, so that the leader makes no transaction of it.
#[test]
fn acls_are_checked_before_the_leader_is_asked() {
    let refused = |dir: &Path, eager: &str| {
        let mut ensemble = Ensemble::local(dir, 3, 0).line(&format!("enableEagerACLCheck={eager}"));
        ensemble.start_all(&[OURS; 3]);
        let mut client = connect(&ensemble, 1);
        let closed = CreateRequest {
            path: "/closed",
            data: None,
            acl: vec![Acl::READ],
            flags: 0,
        };
        client.must(OpCode::Create, &closed);
        ensemble.wait_level();
        let before = ensemble.zxid(3);
        let refused = client.create("/closed/below", 0);
        assert_eq!(refused, Ok(ErrorCode::NoAuth.code()));
        (before, ensemble.zxid(3))
    };
    let dir = tempfile::tempdir().unwrap();
    let (before, after) = refused(&dir.path().join("eager"), "true");
    assert_eq!(before, after);
    let (before, after) = refused(&dir.path().join("late"), "false");
    assert_ne!(before, after, "the leader makes an error transaction");
}
