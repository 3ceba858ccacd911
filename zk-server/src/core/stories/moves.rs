//! Sessions of an ensemble: kept alive through learners, moved between servers, expired, closed; and
//! those that one server keeps for itself.

use super::ensemble::{Ensemble, Member};
use super::*;
use crate::core::io::{FromQuorum, RemoteRequest};
use crate::core::server::Event;
use crate::units::LinkId;

fn ping(e: &mut Ensemble, m: &Member) {
    let ping = frame(-2, OpCode::Ping.code(), &[]);
    e.send(m.node, m.client.conn, &[ping]);
}

fn local(upgrading: bool) -> Settings {
    Settings {
        local_sessions: true,
        local_sessions_upgrading: upgrading,
        ..Settings::default()
    }
}

#[test]
fn a_session_on_a_learner_lives_by_its_pings() {
    let mut e = Ensemble::new();
    let mut a = e.client(1);
    let mut silent = e.client(2);
    e.create(&mut a, "/a", 1).unwrap();
    e.create(&mut silent, "/silent", 1).unwrap();
    for _ in 0..8 {
        e.pass(2000);
        ping(&mut e, &a);
        e.ping();
    }
    let _ = e.replies(&a);
    assert!(e.exists(&mut a, "/a", false).is_ok());
    assert_eq!(e.exists(&mut a, "/silent", false), Err(ErrorCode::NoNode));
    assert!(e.nodes[2].closed.contains(&silent.client.conn));
    assert!(e.moved(&silent, 1).is_none(), "it has expired");
    assert!(e.nodes[0].events.contains(&Event::SessionExpired {
        session: silent.client.session
    }));
    e.check_equal();
}

#[test]
fn a_session_moves_and_its_old_server_may_not_write() {
    let mut e = Ensemble::new();
    for (from, to) in [(1, 2), (2, 0), (0, 3), (3, 3), (0, 0)] {
        let mut old = e.client(from);
        e.create(&mut old, &format!("/{from}{to}"), 1).unwrap();
        let mut new = e.moved(&old, to).expect("it lives");
        assert_eq!(new.client.session, old.client.session);
        new.client.xid = old.client.xid + 10;
        e.create(&mut new, &format!("/{from}{to}new"), 1).unwrap();
        e.ask(&mut old, OpCode::Create, &create_body("/late", 0));
        assert_eq!(
            e.replies(&old),
            [],
            "no reply tells that the session has moved"
        );
        assert!(e.nodes[from].closed.contains(&old.client.conn));
        assert_eq!(e.exists(&mut new, "/late", false), Err(ErrorCode::NoNode));
        let closed = e.call(&mut new, OpCode::CloseSession, &[]);
        assert_eq!(closed.ok(), Ok(Vec::new()));
        assert!(e.nodes[to].closed.contains(&new.client.conn));
    }
    assert_eq!(e.nodes[0].server.session_count(), 0);
    assert!(e.nodes[0].server.ephemerals().is_empty());
    e.check_equal();
}

#[test]
fn a_multi_of_a_moved_session_closes_the_connection_too() {
    let mut e = Ensemble::new();
    let mut old = e.client(1);
    e.moved(&old, 2).unwrap();
    let ops = multi(&[(OpCode::Create, create_body("/m", 0))]);
    e.ask(&mut old, OpCode::Multi, &ops);
    assert_eq!(e.replies(&old), []);
    assert!(e.nodes[1].closed.contains(&old.client.conn));
    e.check_equal();
}

#[test]
fn a_write_that_was_on_its_way_when_the_session_moved_is_not_taken_for_a_later_one() {
    let mut e = Ensemble::new();
    let mut old = e.client(1);
    e.auto = false;
    e.ask(&mut old, OpCode::Create, &create_body("/first", 0));
    e.step_up(1);
    // Proposed to all; the client gives up and comes to server 2, which has the proposal already.
    while e.step_down(2) {}
    let conn = e.connect(2, old.client.session, &old.client.password.clone(), 0);
    e.step_up(2);
    while e.step_down(2) {}
    let mut new = e.connected(2, conn).unwrap();
    // It counts from the start again, as kazoo does.
    e.ask(&mut new, OpCode::Create, &create_body("/second", 0));
    e.step_commit();
    while e.step_down(2) {}
    assert_eq!(e.replies(&new), []);
    e.pump();
    let r = e.replies(&new).remove(0).ok().unwrap();
    assert_eq!(PathResponse::from_bytes(&r).unwrap().path, "/second");
    e.check_equal();
}

#[test]
fn requests_sent_with_the_connect_wait_for_the_leaders_answer() {
    let mut e = Ensemble::new();
    let old = e.client(1);
    e.auto = false;
    let conn = e.open(2);
    let connect = World::connect_frame(old.client.session, &old.client.password, 10_000, 0);
    let create = frame(7, OpCode::Create.code(), &create_body("/early", 0));
    e.send(2, conn, &[connect, create]);
    assert_eq!(e.take(2, conn).len(), 0);
    e.pump();
    assert_eq!(e.take(2, conn).len(), 2, "the session, then the reply");
    e.check_equal();
}

#[test]
fn wrong_passwords_and_clients_that_are_ahead_are_refused_by_learners() {
    let mut e = Ensemble::new();
    let a = e.client(1);
    let conn = e.connect(2, a.client.session, &[1; 16], 0);
    assert!(e.connected(2, conn).is_none());
    let conn = e.connect(2, a.client.session, &a.client.password.clone(), 1 << 40);
    assert_eq!(e.take(2, conn), Vec::<Vec<u8>>::new());
    assert!(e.nodes[2].closed.contains(&conn));
    assert!(!e.nodes[1].closed.contains(&a.client.conn));
    // One who never was.
    let unknown = crate::session::id::password(99);
    let conn = e.connect(2, 99, &unknown, 0);
    assert!(e.connected(2, conn).is_none());
}

#[test]
fn a_new_leader_closes_sessions_that_left_ephemerals_behind() {
    let db = || {
        let mut db = Database::new(EphemeralTypes::default(), true);
        let create = proto::zk::txn::CreateTxn {
            path: "/orphan",
            data: None,
            acl: vec![Acl::OPEN],
            ephemeral: true,
            parent_cversion: 1,
        };
        let mut record = proto::zk::txn::TxnHeader {
            client_id: 77,
            zxid: 5,
            op: OpCode::Create.code(),
            ..Default::default()
        }
        .to_vec();
        create.write(&mut record);
        db.apply_logged(&record).unwrap();
        db
    };
    let mut e = Ensemble::on(&Settings::default(), 3, db, 2);
    assert!(e.nodes[0].server.next_deadline().unwrap() <= e.now.mono_us);
    e.input(0, Input::Tick);
    for node in &e.nodes {
        assert!(node.server.database().tree().find("/orphan").is_none());
    }
    e.check_equal();
}

#[test]
fn sessions_live_on_under_a_new_leader() {
    let db = || {
        let mut db = Database::new(EphemeralTypes::default(), true);
        let mut record = proto::zk::txn::TxnHeader {
            client_id: 0x0200_0000_0000_0007,
            zxid: 5,
            op: OpCode::CreateSession.code(),
            ..Default::default()
        }
        .to_vec();
        6000i32.write(&mut record);
        db.apply_logged(&record).unwrap();
        db
    };
    let mut e = Ensemble::on(&Settings::default(), 3, db, 2);
    let session = 0x0200_0000_0000_0007;
    let password = crate::session::id::password(session);
    let conn = e.connect(2, session, &password, 0);
    assert!(e.connected(2, conn).is_some());
    e.pass(20_000);
    assert_eq!(e.nodes[1].server.database().sessions().len(), 0);
    e.check_equal();
}

#[test]
fn unreadable_requests_of_learners_are_answered_by_a_transaction() {
    let mut e = Ensemble::new();
    for op in [OpCode::SetData, OpCode::CreateSession, OpCode::GetData] {
        let before = e.nodes[0].log.len();
        let request = RemoteRequest {
            link: LinkId(1),
            session: 5,
            xid: 3,
            op: op.code(),
            body: Bytes::from_static(b"x"),
            ids: std::sync::Arc::default(),
        };
        e.input(0, Input::Quorum(FromQuorum::Remote(request)));
        assert_eq!(e.nodes[0].log.len(), before + 1);
    }
    e.check_equal();
}

#[test]
fn local_sessions_stay_on_their_server() {
    let mut e = Ensemble::with(local(false), 3);
    for node in 0..4 {
        let mut a = e.client(node);
        assert_eq!(e.nodes[0].log.len(), node, "no transaction for a session");
        e.create(&mut a, &format!("/p{node}"), 0).unwrap();
        assert_eq!(
            e.create(&mut a, "/e", 1),
            Err(ErrorCode::EphemeralOnLocalSession)
        );
        let a = e.moved(&a, node).expect("known to its own server");
        assert!(e.moved(&a, (node + 1) % 4).is_none(), "and to no other");
        let mut b = e.client(node);
        let closed = e.call(&mut b, OpCode::CloseSession, &[]);
        assert_eq!(closed.ok(), Ok(Vec::new()));
        assert!(e.nodes[node].closed.contains(&b.client.conn));
        e.pass(20_000);
        assert!(e.nodes[node].closed.contains(&a.client.conn), "expired");
    }
    e.check_equal();
}

#[test]
fn a_local_session_that_creates_an_ephemeral_becomes_the_ensembles() {
    let mut e = Ensemble::with(local(true), 3);
    for node in 0..4 {
        let mut a = e.client(node);
        e.create(&mut a, &format!("/e{node}"), 1).unwrap();
        assert!(
            e.nodes[1]
                .server
                .database()
                .sessions()
                .contains_key(&a.client.session)
        );
        let many = multi(&[(OpCode::Create, create_body("/m", 1))]);
        let mut b = e.client(node);
        assert!(e.call(&mut b, OpCode::Multi, &many).ok().is_ok());
        let closed = e.call(&mut b, OpCode::CloseSession, &[]);
        assert_eq!(closed.ok(), Ok(Vec::new()));
        let mut a = e.moved(&a, (node + 1) % 4).expect("it can move now");
        assert!(e.exists(&mut a, "/m", false).is_err());
        assert!(e.exists(&mut a, &format!("/e{node}"), false).is_ok());
    }
    e.pass(30_000);
    assert!(e.nodes[0].server.ephemerals().is_empty());
    assert_eq!(e.nodes[0].server.session_count(), 0);
    e.check_equal();
}

#[test]
fn a_local_session_that_ends_does_not_become_the_ensembles() {
    for node in 0..4 {
        let mut e = Ensemble::with(local(true), 3);
        let mut a = e.client(node);
        // The end waits for the write before it, and more comes behind it.
        let frames = [
            a.client.frame(OpCode::Create, &create_body("/before", 0)),
            a.client.frame(OpCode::CloseSession, &[]),
            a.client.frame(OpCode::Create, &create_body("/e", 1)),
        ];
        e.send(node, a.client.conn, &frames);
        let replies: Vec<_> = e.replies(&a).iter().map(|r| (r.xid, r.err)).collect();
        let xid = a.client.xid;
        assert_eq!(replies, [(xid - 2, 0), (xid - 1, 0)]);
        assert!(e.nodes[node].closed.contains(&a.client.conn));
        assert_eq!(e.nodes[0].server.session_count(), 0);
        assert!(e.nodes[0].server.database().sessions().is_empty());
        e.check_equal();
    }
}

#[test]
fn a_leader_that_does_not_serve_closes_its_clients() {
    let settings = Settings {
        leader_serves: false,
        ..Settings::default()
    };
    let mut e = Ensemble::with(settings, 3);
    let conn = e.connect(0, 0, &[0; 16], 0);
    assert!(e.nodes[0].closed.contains(&conn));
    let mut a = e.client(1);
    e.create(&mut a, "/a", 0).unwrap();
    e.check_equal();
}
