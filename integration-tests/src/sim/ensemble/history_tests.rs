//! Each property of the history can fail: replies and events that no server may send.

use bytes::Bytes;
use proto::zk::acl::Acl;
use proto::zk::txn::TxnHeader;

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

fn broken(judged: &[Judgement]) -> Vec<&'static str> {
    let broken = judged.iter().filter(|(_, result)| result.is_err());
    broken.map(|&(name, _)| name).collect()
}

fn told(view: &mut SessionView, pending: &Pending, frame: &[u8]) -> Vec<&'static str> {
    broken(&History::default().reply(&mut facts(), view, pending, frame))
}

#[test]
fn a_write_is_answered_where_it_is_and_in_time() {
    let right = reply(2, z(2), 0, &[]);
    assert!(told(&mut view(), &asked(2, set()), &right).is_empty());
    for wrong in [
        reply(2, z(1), 0, &[]),
        reply(2, z(3), 0, &[]),
        reply(2, z(2), -101, &[]),
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
    let again = reply(2, z(2), 0, &[]);
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
    let frame = reply(2, z(2), 0, &[]);
    assert_eq!(
        told(&mut watching(), &asked(2, set()), &frame),
        [WATCH_BEFORE_DATA]
    );
    let event = |kind: EventType, path| {
        let event = WatcherEvent {
            event_type: kind as i32,
            state: 3,
            path,
        };
        reply(-1, -1, 0, &event.to_vec())
    };
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
