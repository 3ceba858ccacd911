//! Each property of the history can fail: replies and events that no server may send.

use bytes::Bytes;
use proto::zk::acl::Acl;
use proto::zk::txn::TxnHeader;

use crate::zk::oracle::Acls;

use proto::zk::OpCode;
use proto::zk::request::CreateMode;
use proto::zk::stat::Stat;
use proto::zk::watch::{EventType, WatcherEvent};

use super::super::plan::Plan;
use super::*;

const SESSION: i64 = 7;

fn z(n: i64) -> i64 {
    1 << 32 | n
}

fn record(zxid: i64, op: OpCode, cxid: i32, body: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let header = TxnHeader {
        client_id: SESSION,
        cxid,
        zxid,
        time: 0,
        op: op.code(),
    };
    let mut record = header.to_vec();
    body(&mut record);
    record.into()
}

/// The first transaction made /a, the second sets its data.
fn facts() -> Facts {
    let mut facts = Facts {
        configs: BTreeMap::from([(0, Plan::calm(0).view())]),
        ..Facts::default()
    };
    let create = record(z(1), OpCode::Create, 1, |out| {
        "/a".write(out);
        Some(&b"x"[..]).write(out);
        vec![Acl::OPEN].write(out);
        false.write(out);
        0i32.write(out);
    });
    let set = record(z(2), OpCode::SetData, 2, |out| {
        "/a".write(out);
        Some(&b"y"[..]).write(out);
        1i32.write(out);
    });
    facts.propose(1, z(1), 0, &create).unwrap();
    facts.propose(1, z(2), z(1), &set).unwrap();
    facts.commit(z(2)).unwrap();
    facts
}

fn view() -> SessionView {
    SessionView {
        session: SESSION,
        ..SessionView::default()
    }
}

fn asked(xid: i32, operation: Operation) -> Pending {
    Pending {
        xid,
        operation,
        floor: 0,
    }
}

fn set() -> Operation {
    Operation::Set {
        path: "/a".to_owned(),
        data: b"y".to_vec(),
        version: -1,
    }
}

fn look(watch: bool) -> Operation {
    let path = "/a".to_owned();
    Operation::Exists { path, watch }
}

fn reply(xid: i32, zxid: i64, err: i32, body: &[u8]) -> Vec<u8> {
    let mut frame = ReplyHeader { xid, zxid, err }.to_vec();
    frame.extend_from_slice(body);
    frame
}

/// The stat of /a after the second transaction, if `version` is 1.
fn stat(version: i32) -> Vec<u8> {
    let stat = Stat {
        czxid: z(1),
        mzxid: z(2),
        version,
        ..Stat::default()
    };
    stat.to_vec()
}

fn event(kind: EventType, path: &str, zxid: i64) -> Vec<u8> {
    let event = WatcherEvent {
        event_type: kind as i32,
        state: 3,
        path,
    };
    reply(-1, zxid, 0, &event.to_vec())
}

fn broken(judged: &[Judgement]) -> Vec<&'static str> {
    let broken = judged.iter().filter(|(_, result)| result.is_err());
    broken.map(|&(name, _)| name).collect()
}

fn told(view: &mut SessionView, pending: &Pending, frame: &[u8]) -> Vec<&'static str> {
    broken(&History::default().reply(&mut facts(), view, pending, frame))
}

#[test]
fn a_write_is_answered_where_it_is_and_in_time() {
    let right = reply(2, z(2), 0, &stat(1));
    assert!(told(&mut view(), &asked(2, set()), &right).is_empty());
    for wrong in [
        reply(2, z(1), 0, &stat(1)),
        reply(2, z(3), 0, &stat(1)),
        reply(2, z(2), -101, &[]),
        reply(2, z(2), 0, &stat(2)),
        reply(2, z(2), 0, &[]),
    ] {
        assert_eq!(
            told(&mut view(), &asked(2, set()), &wrong),
            [LINEARIZABLE_WRITES]
        );
    }
    // It began when a later one had been acknowledged.
    let late = Pending {
        floor: z(2),
        ..asked(2, set())
    };
    assert_eq!(told(&mut view(), &late, &right), [LINEARIZABLE_WRITES]);
}

#[test]
fn a_session_goes_neither_back_nor_out_of_order() {
    let right = reply(3, z(2), -101, &[]);
    let missing = |path: &str| Operation::Exists {
        path: path.to_owned(),
        watch: false,
    };
    assert!(told(&mut view(), &asked(3, missing("/b")), &right).is_empty());
    assert_eq!(
        told(&mut view(), &asked(4, missing("/b")), &right),
        [SESSION_ORDER]
    );
    let mut ahead = SessionView {
        seen: z(3),
        ..view()
    };
    assert_eq!(
        told(&mut ahead, &asked(3, missing("/b")), &right),
        [SESSION_ORDER]
    );
    let mut wrote = SessionView {
        last_write: z(2),
        ..view()
    };
    let again = reply(2, z(2), 0, &stat(1));
    assert_eq!(told(&mut wrote, &asked(2, set()), &again), [SESSION_ORDER]);
}

#[test]
fn a_read_shows_what_is_committed() {
    let wrong = reply(3, z(2), -101, &[]);
    assert_eq!(
        told(&mut view(), &asked(3, look(false)), &wrong),
        [COMMITTED_READS]
    );
}

#[test]
fn a_change_is_told_before_it_shows_and_nothing_else_is() {
    let armed = Armed {
        zxid: z(1),
        there: true,
        again: false,
        since: z(1),
    };
    let watching = || SessionView {
        watches: BTreeMap::from([(("/a".to_owned(), WatchKind::Data), armed)]),
        ..view()
    };
    let frame = reply(2, z(2), 0, &stat(1));
    assert_eq!(
        told(&mut watching(), &asked(2, set()), &frame),
        [WATCH_BEFORE_DATA]
    );
    let event = |kind: EventType, path| event(kind, path, -1);
    let changed = event(EventType::NodeDataChanged, "/a");
    let judge = |view: &mut SessionView, frame: &[u8]| {
        broken(&[History::default().event(&facts(), view, frame)])
    };
    assert!(judge(&mut watching(), &changed).is_empty());
    assert_eq!(judge(&mut view(), &changed), [WATCH_HAS_CAUSE]);
    let deleted = event(EventType::NodeDeleted, "/a");
    assert_eq!(judge(&mut watching(), &deleted), [WATCH_HAS_CAUSE]);
}

#[test]
fn a_number_is_given_once() {
    let mut history = History::default();
    let mut give =
        |name: &str| history.sequential("/a-", CreateMode::PersistentSequential, &name.to_vec());
    assert!(give("/a-0000000001").is_ok());
    assert!(give("/a-0000000002").is_ok());
    assert!(give("/a-0000000001").is_err());
    assert!(give("/b-0000000003").is_err());
}

fn create(path: &str, mode: CreateMode, data: &[u8]) -> Operation {
    Operation::Create {
        path: path.to_owned(),
        data: data.to_vec(),
        mode,
        acl: Acls::Open,
    }
}

/// The first transaction of [`facts`] made /a with "x".
#[test]
fn what_was_asked_for_was_done() {
    let made = reply(1, z(1), 0, &"/a".to_vec());
    let judge = |operation, frame: &[u8]| told(&mut view(), &asked(1, operation), frame);
    let right = create("/a", CreateMode::Persistent, b"x");
    assert!(judge(right.clone(), &made).is_empty());
    let other = reply(1, z(1), 0, &"/b".to_vec());
    assert_eq!(judge(right, &other), [LINEARIZABLE_WRITES]);
    for wrong in [
        create("/b", CreateMode::Persistent, b"x"),
        create("/a", CreateMode::Persistent, b"y"),
        create("/a", CreateMode::Ephemeral, b"x"),
        create("/a", CreateMode::Container, b"x"),
        create("/", CreateMode::PersistentSequential, b"x"),
        set(),
    ] {
        assert_eq!(
            judge(wrong.clone(), &made)[0],
            LINEARIZABLE_WRITES,
            "{wrong:?}"
        );
    }
}

/// A third transaction is a request that failed.
#[test]
fn what_was_refused_had_to_be() {
    let judge = |operation: Operation, code: ErrorCode, told: ErrorCode| {
        let mut facts = facts();
        let failed = record(z(3), OpCode::Error, 3, |out| (code as i32).write(out));
        facts.propose(1, z(3), z(2), &failed).unwrap();
        facts.commit(z(3)).unwrap();
        let frame = reply(3, z(3), told as i32, &[]);
        let pending = asked(3, operation);
        broken(&History::default().reply(&mut facts, &mut view(), &pending, &frame))
    };
    let delete = |path: &str| Operation::Delete {
        path: path.to_owned(),
        version: -1,
    };
    let plain = |path| create(path, CreateMode::Persistent, b"");
    use ErrorCode::{NoNode, NodeExists, NotEmpty, QuotaExceeded};
    for (operation, right) in [
        (plain("/a"), NodeExists),
        (plain("/b/c"), NoNode),
        (delete("/b"), NoNode),
    ] {
        assert!(judge(operation.clone(), right, right).is_empty());
        for wrong in [NotEmpty, QuotaExceeded] {
            let broken = judge(operation.clone(), wrong, wrong);
            assert_eq!(broken, [LINEARIZABLE_WRITES], "{operation:?}");
        }
        assert_eq!(judge(operation, right, NotEmpty), [LINEARIZABLE_WRITES]);
    }
    assert_eq!(
        judge(delete("/a"), NotEmpty, NotEmpty),
        [LINEARIZABLE_WRITES]
    );
    assert_eq!(
        judge(plain("/b"), NodeExists, NodeExists),
        [LINEARIZABLE_WRITES]
    );
}

#[test]
fn a_request_is_carried_out_once() {
    let mut facts = facts();
    assert_eq!(facts.repeated, None);
    let again = record(z(3), OpCode::SetData, 2, |out| {
        "/a".write(out);
        Some(&b"y"[..]).write(out);
        2i32.write(out);
    });
    facts.propose(1, z(3), z(2), &again).unwrap();
    facts.commit(z(3)).unwrap();
    assert!(facts.repeated.is_some());
}

fn watching(kind: WatchKind, since: i64) -> SessionView {
    let armed = Armed {
        zxid: since,
        there: true,
        again: false,
        since,
    };
    SessionView {
        watches: BTreeMap::from([(("/a".to_owned(), kind), armed)]),
        ..view()
    }
}

#[test]
fn a_ping_tells_of_no_change_before_its_event() {
    let judge =
        |view: &SessionView, zxid| broken(&History::ping(&facts(), view, &reply(-2, zxid, 0, &[])));
    let watching = watching(WatchKind::Data, z(1));
    assert!(judge(&watching, z(1)).is_empty());
    assert_eq!(judge(&watching, z(2)), [WATCH_BEFORE_DATA]);
    let ahead = SessionView {
        seen: z(2),
        ..view()
    };
    assert_eq!(judge(&ahead, z(1)), [SESSION_ORDER]);
}

#[test]
fn a_watch_that_is_asked_for_again_is_for_the_same_state() {
    let judge = |mut view: SessionView, zxid| {
        broken(&History::watched_again(
            &facts(),
            &mut view,
            &reply(-8, zxid, 0, &[]),
        ))
    };
    let data = |since| watching(WatchKind::Data, since);
    assert!(judge(data(z(1)), z(1)).is_empty());
    assert!(judge(data(z(2)), z(2)).is_empty());
    assert_eq!(judge(data(z(1)), z(2)), [WATCH_BEFORE_DATA]);
    assert_eq!(
        judge(watching(WatchKind::Child, 1), z(2)),
        [WATCH_BEFORE_DATA]
    );
}

#[test]
fn events_name_their_transaction_and_come_in_its_order() {
    let changed = |zxid| event(EventType::NodeDataChanged, "/a", zxid);
    let judge = |view: &mut SessionView, frame: &[u8]| {
        broken(&[History::default().event(&facts(), view, frame)])
    };
    let fresh = || watching(WatchKind::Data, z(1));
    assert!(judge(&mut fresh(), &changed(z(2))).is_empty());
    assert_eq!(judge(&mut fresh(), &changed(z(1))), [WATCH_HAS_CAUSE]);
    assert_eq!(judge(&mut fresh(), &changed(z(3))), [WATCH_HAS_CAUSE]);
    let mut late = SessionView {
        told: z(3),
        ..fresh()
    };
    assert_eq!(judge(&mut late, &changed(z(2))), [WATCH_HAS_CAUSE]);
    // Once.
    let mut once = fresh();
    assert!(judge(&mut once, &changed(z(2))).is_empty());
    assert_eq!(judge(&mut once, &changed(z(2))), [WATCH_HAS_CAUSE]);
}

#[test]
fn a_session_is_over_when_something_ends_it() {
    let over = |facts: &Facts, epoch| expired(facts, SESSION, epoch).1.is_ok();
    let mut facts = facts();
    let created = record(z(3), OpCode::CreateSession, 0, |out| 4000i32.write(out));
    facts.propose(1, z(3), z(2), &created).unwrap();
    facts.commit(z(3)).unwrap();
    assert_eq!(facts.model.open_sessions(), BTreeSet::from([SESSION]));
    assert!(!over(&facts, 1));
    assert!(over(&facts, 0), "a leader of before it");
    let closed = record(z(4), OpCode::CloseSession, 0, |out| {
        Vec::<&str>::new().write(out);
    });
    facts.propose(1, z(4), z(3), &closed).unwrap();
    assert!(over(&facts, 1), "under way");
    facts.commit(z(4)).unwrap();
    assert!(over(&facts, 1));
    assert_eq!(facts.model.open_sessions(), BTreeSet::new());
}

#[test]
fn holes_and_lost_configurations_are_seen() {
    let facts = facts();
    assert!(committed_log(&facts, 1, [z(1), z(2)]).1.is_ok());
    assert!(committed_log(&facts, 1, [z(2), z(1)]).1.is_err());
    assert!(committed_log(&facts, 1, [z(1), z(3)]).1.is_err());
    assert!(abandoned("connection closed").1.is_ok());
    let hole = "Committing 0x100000003, but next proposal is 0x100000004";
    assert!(abandoned(hole).1.is_err());
    assert!(config_logged(1, z(2), z(2)).1.is_ok());
    assert!(config_logged(1, z(2), z(1)).1.is_err());
}

/// A container that had a child, and what servers may remove by themselves.
#[test]
fn containers_go_when_they_are_left() {
    let mut facts = facts();
    let container = |n, path: &'static str| {
        record(z(n), OpCode::CreateContainer, 0, |out| {
            path.write(out);
            Some(&b""[..]).write(out);
            vec![Acl::OPEN].write(out);
            0i32.write(out);
        })
    };
    let delete = |n, op, path: &'static str| record(z(n), op, 0, |out| path.write(out));
    let mut commit = |n, record: &Bytes| {
        facts.propose(1, z(n), z(n - 1), record).unwrap();
        let done = facts.commit(z(n));
        (done.is_ok(), facts.model.left_containers().len())
    };
    assert_eq!(commit(3, &container(3, "/k")), (true, 0));
    assert_eq!(commit(4, &container(4, "/k/c")), (true, 0));
    assert!(!commit(5, &delete(5, OpCode::DeleteContainer, "/k")).0);
    assert_eq!(commit(6, &delete(6, OpCode::Delete, "/k/c")), (true, 1));
    assert_eq!(
        commit(7, &delete(7, OpCode::DeleteContainer, "/k")),
        (true, 0)
    );
    assert!(!commit(8, &delete(8, OpCode::DeleteContainer, "/a")).0);
}
