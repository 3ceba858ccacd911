//! Sessions: new, resumed, moved, expired, closed, kept over a restart.

use super::*;

#[test]
fn a_session_is_resumed_moved_expired_and_closed() {
    let mut w = World::new();
    let mut a = w.client();
    w.create(&mut a, "/e", 1).unwrap();
    assert_eq!(
        w.create(&mut a, "/e/x", 0),
        Err(ErrorCode::NoChildrenForEphemerals)
    );
    let stat = w.exists(&mut a, "/e", false).unwrap();
    assert_eq!(stat.ephemeral_owner, a.session);
    // Wrong password, unknown session: refused, and the connection of the owner stays.
    assert!(w.client_with(a.session, &[1; 16]).is_none());
    assert!(
        w.client_with(42, &crate::session::id::password(42))
            .is_none()
    );
    assert_eq!(w.closed.len(), 2);
    // Moved: the old connection is closed.
    let mut b = w.client_with(a.session, &a.password.clone()).unwrap();
    assert_eq!((b.session, w.closed.contains(&a.conn)), (a.session, true));
    w.exists(&mut b, "/e", false).unwrap();
    // Silent for its timeout: expired, its connection closed, its ephemeral gone.
    let mut watcher = w.client();
    w.exists(&mut watcher, "/e", true).unwrap();
    for _ in 0..3 {
        w.pass(5000);
        let ping = frame(-2, OpCode::Ping.code(), &[]);
        w.send(watcher.conn, &[ping]);
    }
    let replies = w.replies(watcher.conn);
    assert!(w.closed.contains(&b.conn));
    assert_eq!(replies.iter().filter(|r| r.xid == -2).count(), 3);
    let events: Vec<_> = replies
        .iter()
        .filter(|r| r.xid == -1)
        .map(Reply::event)
        .collect();
    assert_eq!(events, [(2, "/e".to_owned())]);
    assert!(w.client_with(b.session, &b.password).is_none());
    // Closed by its client: reply, then close.
    let r = w.call(&mut watcher, OpCode::CloseSession, &[]);
    assert_eq!(r.ok(), Ok(Vec::new()));
    assert!(w.closed.contains(&watcher.conn));
    assert_eq!(w.server.session_count(), 0);
    w.check_log();
}

#[test]
fn no_session_expires_because_the_server_stalled() {
    let mut w = World::new();
    let mut c = w.client();
    w.create(&mut c, "/e", 1).unwrap();
    w.pass(4000);
    w.now.mono_us += 600_000_000;
    w.input(Input::Tick);
    assert_eq!(w.server.session_count(), 1);
    w.exists(&mut c, "/e", false).unwrap();
    assert_eq!(w.server.stats().stalls, 1);
    w.pass(20_000);
    assert_eq!(w.server.session_count(), 0);
}

#[test]
fn old_clients_and_early_requests() {
    let mut w = World::new();
    w.auto_sync = false;
    let conn = w.open();
    let mut connect = World::connect_frame(0, &[0; 16], 1, 0);
    connect.pop();
    let get = PathWatchRequest {
        path: "/",
        watch: false,
    }
    .to_vec();
    let frames = [
        connect,
        frame(1, OpCode::Create.code(), &create_body("/early", 0)),
        frame(2, OpCode::GetChildren.code(), &get),
    ];
    w.send(conn, &frames);
    assert_eq!(
        w.paused,
        [conn],
        "nothing is read before there is a session"
    );
    w.sync();
    let got = w.take(conn);
    assert_eq!(got.len(), 1);
    assert_eq!(
        got[0].len(),
        4 + 4 + 8 + 4 + 16,
        "without the read-only flag"
    );
    assert_eq!(i32::from_be_bytes(got[0][4..8].try_into().unwrap()), 6000);
    w.sync();
    let replies = w.replies(conn);
    assert_eq!(replies.iter().map(|r| r.xid).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(w.paused, []);
}

#[test]
fn a_restart_keeps_sessions_and_forgets_orphans() {
    let mut w = World::new();
    let mut c = w.client();
    w.create(&mut c, "/e", 1).unwrap();
    let image = w.server.image();
    let mut db = Database::for_snapshot(EphemeralTypes::default(), true);
    image_into(&image, &mut db);
    assert!(db.loaded(image.0.zxid()), "the digest is the tree's");
    assert_eq!(db.tree().digest(), w.server.database().tree().digest());
    let mut again = World::on(Settings::default(), db);
    let mut c = again
        .client_with(c.session, &c.password)
        .expect("still there");
    again.exists(&mut c, "/e", false).unwrap();
    // Without the session in the snapshot its ephemeral goes.
    let mut db = Database::for_snapshot(EphemeralTypes::default(), true);
    image
        .0
        .acls(&mut |key, acl| crate::store::image::ImageSink::acl(&mut db, key, acl.to_vec()));
    image
        .0
        .nodes(&mut |n| crate::store::image::ImageSink::node(&mut db, n).unwrap());
    db.loaded(image.0.zxid());
    let mut again = World::on(Settings::default(), db);
    let mut c = again.client();
    assert_eq!(again.exists(&mut c, "/e", false), Err(ErrorCode::NoNode));
}

#[test]
fn what_takes_the_place_of_an_orphan_is_there_after_a_restart() {
    use crate::store::image::ImageSink;
    let mut w = World::new();
    let mut c = w.client();
    w.create(&mut c, "/e", 1).unwrap();
    let image = w.server.image();
    let orphaned = || {
        let mut db = Database::for_snapshot(EphemeralTypes::default(), true);
        image.0.acls(&mut |key, acl| db.acl(key, acl.to_vec()));
        image.0.nodes(&mut |n| db.node(n).unwrap());
        db.loaded(image.0.zxid());
        db
    };
    let mut w = World::on(Settings::default(), orphaned());
    let mut c = w.client();
    w.create(&mut c, "/e", 0).unwrap();
    // What a restart reads: the same snapshot, and the log behind it.
    let mut db = orphaned();
    for record in &w.log {
        db.apply_logged(record).unwrap();
    }
    assert_eq!(db.digest_mismatches(), 0);
    let mut again = World::on(Settings::default(), db);
    let mut c = again.client();
    again
        .exists(&mut c, "/e", false)
        .expect("it was acknowledged");
}

pub(super) fn image_into(image: &crate::store::image::Image, db: &mut Database) {
    use crate::store::image::ImageSink;
    image.0.sessions(&mut |id, timeout| db.session(id, timeout));
    image.0.acls(&mut |key, acl| db.acl(key, acl.to_vec()));
    image.0.nodes(&mut |n| db.node(n).unwrap());
    db.digest(image.0.digest().unwrap());
}

#[test]
fn a_wall_clock_that_jumps_changes_times_and_nothing_else() {
    const YEAR_MS: i64 = 365 * 24 * 3_600_000;
    let mut w = World::new();
    let mut c = w.client();
    w.create(&mut c, "/mine", 1).unwrap();
    for jump in [YEAR_MS, -3 * YEAR_MS, 2 * YEAR_MS, -w.now.wall_ms - YEAR_MS] {
        w.now.wall_ms += jump;
        for _ in 0..4 {
            w.pass(3000);
            w.exists(&mut c, "/mine", false).unwrap();
        }
        let path = format!("/at{jump}");
        w.create(&mut c, &path, 0).unwrap();
        let stat = w.exists(&mut c, &path, false).unwrap();
        assert_eq!(
            stat.ctime, w.now.wall_ms,
            "Stats tell the wall clock, back or ahead"
        );
        w.set(&mut c, "/mine", b"x", -1).unwrap();
        assert_eq!(w.server.stats().sessions_expired, 0);
        assert_eq!(w.server.stats().stalls, 0);
    }
    w.check_log();
    // Silence still counts, on the clock that does not jump.
    w.now.wall_ms -= YEAR_MS;
    w.pass(15_000);
    assert_eq!(w.server.stats().sessions_expired, 1);
}
