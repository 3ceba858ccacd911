//! Watch events, in order and none lost.

use super::*;

#[test]
fn events_come_before_the_reply_that_shows_the_change() {
    let mut w = World::new();
    let mut c = w.client();
    w.create(&mut c, "/a", 0).unwrap();
    w.get(&mut c, "/a", true).unwrap();
    w.children(&mut c, "/a", true).unwrap();
    let set = SetDataRequest {
        path: "/a",
        data: None,
        version: -1,
    };
    let f = c.frame(OpCode::SetData, &set.to_vec());
    w.send(c.conn, &[f]);
    let replies = w.replies(c.conn);
    assert_eq!(replies[0].event(), (3, "/a".to_owned()));
    assert_eq!((replies[0].zxid, replies[1].zxid, replies.len()), (3, 3, 2));
    assert_eq!(
        w.get(&mut c, "/a", true).unwrap().0,
        b"",
        "null data reads as null"
    );
    let del = DeleteRequest {
        path: "/a",
        version: -1,
    };
    let f = c.frame(OpCode::Delete, &del.to_vec());
    w.send(c.conn, &[f]);
    let replies = w.replies(c.conn);
    assert_eq!(replies.len(), 2, "one event for data and child watch");
    assert_eq!(replies[0].event(), (2, "/a".to_owned()));
    assert_eq!(w.exists(&mut c, "/new", true), Err(ErrorCode::NoNode));
    let mut other = w.client();
    w.create(&mut other, "/new", 0).unwrap();
    assert_eq!(w.replies(c.conn)[0].event(), (1, "/new".to_owned()));
}

#[test]
fn added_watches_stay_until_removed() {
    let mut w = World::new();
    let mut c = w.client();
    let mut other = w.client();
    w.create(&mut other, "/a", 0).unwrap();
    for (path, mode) in [("/a", 0), ("/", 1)] {
        let r = w.call(
            &mut c,
            OpCode::AddWatch,
            &AddWatchRequest { path, mode }.to_vec(),
        );
        assert_eq!(r.ok(), Ok(vec![0; 4]));
    }
    let r = w.call(
        &mut c,
        OpCode::AddWatch,
        &AddWatchRequest {
            path: "/a",
            mode: 2,
        }
        .to_vec(),
    );
    assert_eq!(r.ok(), Err(ErrorCode::MarshallingError));
    let mut events = Vec::new();
    for _ in 0..2 {
        w.create(&mut other, "/a/b", 0).unwrap();
        w.delete(&mut other, "/a/b", -1).unwrap();
        let got = w.replies(c.conn);
        events.push(got.iter().map(Reply::event).collect::<Vec<_>>());
    }
    let ab = |t| (t, "/a/b".to_owned());
    assert_eq!(
        events[0],
        [ab(1), (4, "/a".into()), ab(2), (4, "/a".into())]
    );
    assert_eq!(events[0], events[1]);
    let ask = |path, watcher_type| WatchesRequest { path, watcher_type }.to_vec();
    for (op, path, kind, expected) in [
        (OpCode::CheckWatches, "/a", 4, Ok(vec![])),
        (OpCode::CheckWatches, "/a", 2, Err(ErrorCode::NoWatcher)),
        (OpCode::RemoveWatches, "/a", 3, Ok(vec![])),
        (OpCode::RemoveWatches, "/a", 3, Err(ErrorCode::NoWatcher)),
        (OpCode::RemoveWatches, "/", 5, Ok(vec![])),
        (
            OpCode::RemoveWatches,
            "/",
            9,
            Err(ErrorCode::MarshallingError),
        ),
    ] {
        assert_eq!(
            w.call(&mut c, op, &ask(path, kind)).ok(),
            expected,
            "{op:?} {path} {kind}"
        );
    }
    assert_eq!(w.server.watch_count(), 0);
}

#[test]
fn set_watches_tells_what_was_missed() {
    let mut w = World::new();
    let (mut a, mut c) = (w.client(), w.client());
    for path in ["/changed", "/same", "/parent"] {
        w.create(&mut a, path, 0).unwrap();
    }
    let seen = w.server.last_processed_zxid().0;
    w.set(&mut a, "/changed", b"x", -1).unwrap();
    w.create(&mut a, "/parent/child", 0).unwrap();
    let body = SetWatches2 {
        relative_zxid: seen,
        data_watches: vec!["/changed", "/same", "/gone"],
        exist_watches: vec!["/same", "/not-yet"],
        child_watches: vec!["/parent", "/same"],
        persistent_watches: vec!["/p"],
        persistent_recursive_watches: vec!["/r"],
    };
    c.xid = -9;
    let f = c.frame(OpCode::SetWatches2, &body.to_vec());
    w.send(c.conn, &[f]);
    let mut replies = w.replies(c.conn);
    let done = replies.pop().unwrap();
    assert_eq!((done.xid, done.err, done.body.len()), (-8, 0, 0));
    let events: Vec<_> = replies.iter().map(Reply::event).collect();
    let e = |t, p: &str| (t, p.to_owned());
    assert_eq!(
        events,
        [
            e(3, "/changed"),
            e(2, "/gone"),
            e(1, "/same"),
            e(4, "/parent")
        ]
    );
    assert!(replies.iter().all(|r| r.zxid == -1));
    assert_eq!(w.server.watch_count(), 2 + 1 + 2 + 1);
    w.input(Input::Disconnected { conn: c.conn });
    assert_eq!(w.server.watch_count(), 0);
}
