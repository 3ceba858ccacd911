//! Writes that travel: from a learner's client to the leader and back.

use super::ensemble::{Down, Ensemble, Member};
use super::*;
use crate::core::io::FromQuorum;

fn set_body(path: &str, version: i32) -> Vec<u8> {
    let data = Some(&b"new"[..]);
    SetDataRequest {
        path,
        data,
        version,
    }
    .to_vec()
}

#[test]
fn writes_through_every_server() {
    let mut e = Ensemble::new();
    let mut all: Vec<Member> = (0..4).map(|node| e.client(node)).collect();
    for (i, m) in all.iter_mut().enumerate() {
        assert_eq!(m.client.session >> 56, i as i64 + 1, "ids by server");
        let path = format!("/n{i}");
        assert_eq!(e.create(m, &path, 0), Ok(path.clone()));
        assert_eq!(e.create(m, &path, 0), Err(ErrorCode::NodeExists));
        assert_eq!(e.create(m, "/s", 2).unwrap().len(), 12);
        let set = e.call(m, OpCode::SetData, &set_body(&path, 0)).ok();
        assert_eq!(Stat::from_bytes(&set.unwrap()).unwrap().version, 1);
        let set = e.call(m, OpCode::SetData, &set_body(&path, 0)).ok();
        assert_eq!(set, Err(ErrorCode::BadVersion));
        let many = multi(&[
            (OpCode::Create, create_body("/m", 0)),
            (
                OpCode::Delete,
                DeleteRequest {
                    path: "/m",
                    version: -1,
                }
                .to_vec(),
            ),
        ]);
        assert!(e.call(m, OpCode::Multi, &many).ok().is_ok());
        let garbage = e.call(m, OpCode::SetData, b"x");
        assert_eq!(garbage.ok(), Err(ErrorCode::MarshallingError));
    }
    for m in &mut all {
        for i in 0..4 {
            assert!(e.exists(m, &format!("/n{i}"), false).is_ok());
        }
    }
    e.check_equal();
    let first = e.nodes[0].log[0].0;
    assert_eq!(first, Zxid((1 << 32) + 1), "the first of its epoch");
}

#[test]
fn a_read_waits_behind_the_writes_of_its_own_session_only() {
    let mut e = Ensemble::new();
    let mut a = e.client(1);
    let mut b = e.client(1);
    e.auto = false;
    e.ask(&mut a, OpCode::Create, &create_body("/a", 0));
    e.ask(&mut a, OpCode::Create, &create_body("/b", 0));
    let look = PathWatchRequest {
        path: "/b",
        watch: false,
    }
    .to_vec();
    e.ask(&mut a, OpCode::Exists, &look);
    e.ask(&mut b, OpCode::Exists, &look);
    assert_eq!(e.replies(&a), []);
    assert_eq!(e.replies(&b)[0].err, ErrorCode::NoNode.code());
    while e.step_up(1) {}
    while e.step_down(1) {}
    assert_eq!(e.replies(&a), [], "proposed is not committed");
    assert!(e.step_commit() && e.step_down(1));
    assert_eq!(e.replies(&a).iter().map(|r| r.xid).collect::<Vec<_>>(), [1]);
    e.pump();
    let rest = e.replies(&a);
    assert_eq!(
        rest.iter().map(|r| (r.xid, r.err)).collect::<Vec<_>>(),
        [(2, 0), (3, 0)]
    );
}

#[test]
fn a_learner_answers_its_own_transactions_only() {
    let mut e = Ensemble::new();
    let mut a = e.client(1);
    let mut b = e.client(2);
    e.auto = false;
    // Both with xid 1; the other one's is committed first.
    e.ask(&mut a, OpCode::Create, &create_body("/a", 0));
    e.ask(&mut b, OpCode::Create, &create_body("/b", 0));
    e.step_up(2);
    e.step_down(2);
    e.step_commit();
    while e.step_down(1) {}
    assert_eq!(e.replies(&a), []);
    e.pump();
    let r = e.replies(&a).remove(0).ok().unwrap();
    assert_eq!(PathResponse::from_bytes(&r).unwrap().path, "/a");
    let r = e.replies(&b).remove(0).ok().unwrap();
    assert_eq!(PathResponse::from_bytes(&r).unwrap().path, "/b");
    e.check_equal();
}

#[test]
fn sync_brings_what_was_committed_before() {
    let mut e = Ensemble::new();
    let mut a = e.client(1);
    let mut b = e.client(2);
    e.auto = false;
    e.nodes[2].cut = true;
    e.ask(&mut a, OpCode::Create, &create_body("/a", 0));
    e.pump();
    assert_eq!(e.replies(&a).len(), 1, "acknowledged");
    let path = PathRequest { path: "/a" }.to_vec();
    let look = PathWatchRequest {
        path: "/a",
        watch: false,
    }
    .to_vec();
    e.ask(&mut b, OpCode::Exists, &look);
    assert_eq!(
        e.replies(&b)[0].err,
        ErrorCode::NoNode.code(),
        "it is behind"
    );
    e.ask(&mut b, OpCode::Sync, &path);
    e.ask(&mut b, OpCode::Exists, &look);
    assert_eq!(e.replies(&b), []);
    e.nodes[2].cut = false;
    e.pump();
    let replies = e.replies(&b);
    assert_eq!(
        replies.iter().map(|r| (r.xid, r.err)).collect::<Vec<_>>(),
        [(2, 0), (3, 0)]
    );
    assert_eq!(replies[0].body, path, "a sync tells its path");
}

#[test]
fn events_come_before_the_reply_that_shows_the_change() {
    let mut e = Ensemble::new();
    let mut a = e.client(1);
    let mut b = e.client(2);
    e.create(&mut a, "/x", 0).unwrap();
    e.exists(&mut a, "/x", true).unwrap();
    e.exists(&mut b, "/x", true).unwrap();
    e.ask(&mut a, OpCode::SetData, &set_body("/x", -1));
    let replies = e.replies(&a);
    assert_eq!(replies[0].event(), (3, "/x".to_owned()));
    assert_eq!(replies[1].xid, a.client.xid);
    assert_eq!(e.replies(&b)[0].event(), (3, "/x".to_owned()));
}

#[test]
fn a_role_ends_with_every_connection_closed_and_what_is_not_committed() {
    let mut e = Ensemble::new();
    let mut a = e.client(1);
    e.auto = false;
    e.ask(&mut a, OpCode::Create, &create_body("/a", 0));
    e.step_up(1);
    e.step_down(1);
    let node = e.nodes.remove(1);
    let before = node.server.database().last_zxid();
    let mut out = Vec::new();
    let retired = node.server.retire(&mut out);
    assert!(matches!(out[..], [Output::Close { conn }] if conn == a.client.conn));
    assert_eq!(retired.database.last_zxid(), before);
    assert_eq!(retired.unapplied, [node.log.last().unwrap().clone()]);
    let mut db = retired.database;
    for (_, record) in &retired.unapplied {
        db.apply_logged(record).unwrap();
    }
    assert_eq!(db.digest_mismatches(), 0);
    assert!(db.tree().find("/a").is_some());
}

#[test]
fn a_proposal_that_was_logged_during_synchronisation_is_not_logged_again() {
    let mut e = Ensemble::new();
    e.auto = false;
    e.connect(0, 0, &[0; 16], 0);
    let Some(Down::Proposal(zxid, record)) = e.nodes[1].down.pop_front() else {
        panic!("a new session is proposed");
    };
    e.quiet(1, Input::Quorum(FromQuorum::Pending { zxid, record }));
    assert_eq!(e.nodes[1].log, []);
    e.pump();
    assert_eq!(e.nodes[1].server.last_processed_zxid(), zxid);
}

#[test]
fn nonsense_from_the_ensemble_ends_the_role_at_most() {
    for record in [&b"short"[..], &[0; 40]] {
        let mut e = Ensemble::new();
        let (zxid, record) = (Zxid(1 << 33), Bytes::copy_from_slice(record));
        for told in [
            FromQuorum::Commit { zxid },
            FromQuorum::Synced,
            FromQuorum::Revalidated {
                session: 5,
                valid: true,
            },
            FromQuorum::Touch {
                session: 5,
                timeout_ms: 1,
            },
        ] {
            e.input(1, Input::Quorum(told));
        }
        assert_eq!(e.nodes[1].abandoned, None);
        e.input(1, Input::Quorum(FromQuorum::Proposal { zxid, record }));
        assert!(e.nodes[1].abandoned.is_some());
        assert_eq!(e.nodes[1].log, []);
    }
}

#[test]
fn an_epoch_runs_out_of_zxids() {
    let mut e = Ensemble::new();
    e.auto = false;
    e.nodes[0].server.last_assigned = (1 << 32) + 0xffff_fffd;
    e.connect(0, 0, &[0; 16], 0);
    assert_eq!(e.nodes[0].log[0].0, Zxid((1 << 32) + 0xffff_fffe));
    assert_eq!(e.nodes[0].abandoned, None);
    e.connect(0, 0, &[0; 16], 0);
    assert!(
        e.nodes[0]
            .abandoned
            .as_ref()
            .unwrap()
            .contains("rolled over")
    );
    assert_eq!(e.nodes[0].log.len(), 1);
}

#[test]
fn what_is_forbidden_goes_no_further_than_the_clients_server() {
    for eager in [false, true] {
        let settings = Settings {
            eager_acl_check: eager,
            ..Settings::default()
        };
        let mut e = Ensemble::with(settings, 3);
        let read = Acl {
            perms: perms::READ,
            id: Id {
                scheme: "world",
                id: "anyone",
            },
        };
        for node in 0..4 {
            let mut m = e.client(node);
            let path = &format!("/r{node}");
            let body = CreateRequest {
                path,
                data: None,
                acl: vec![read.clone()],
                flags: 0,
            };
            assert!(e.call(&mut m, OpCode::Create, &body.to_vec()).ok().is_ok());
            let before = e.nodes[0].log.len();
            let set = e.call(&mut m, OpCode::SetData, &set_body(path, -1));
            assert_eq!(set.ok(), Err(ErrorCode::NoAuth));
            let below = format!("{path}/x");
            assert_eq!(e.create(&mut m, &below, 0), Err(ErrorCode::NoAuth));
            let after = e.nodes[0].log.len();
            assert_eq!(after - before, if eager { 0 } else { 2 });
            assert_eq!(e.create(&mut m, "/none/x", 0), Err(ErrorCode::NoNode));
        }
    }
}
