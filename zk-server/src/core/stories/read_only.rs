//! A server that is cut off from its ensemble and serves reads.

use super::*;
use crate::core::io::Mode;

fn cut_off(db: Database) -> World {
    let mut w = World::new();
    w.server = Server::serve(Settings::default(), Mode::ReadOnly, db, 0, w.now);
    w
}

fn connect(w: &mut World, session: i64, read_only: bool) -> (ConnId, Vec<Vec<u8>>) {
    let conn = w.open();
    let password = crate::session::id::password(session);
    let frame = ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: 0,
        timeout: 10_000,
        session_id: session,
        password: Some(&password),
        read_only,
    }
    .to_vec();
    w.send(conn, &[frame]);
    (conn, w.take(conn))
}

#[test]
fn reads_are_served_and_writes_refused() {
    let mut before = World::new();
    let mut c = before.client();
    before.create(&mut c, "/a", 0).unwrap();
    let session = c.session;
    let image = before.server.image();
    let mut db = Database::for_snapshot(EphemeralTypes::default(), true);
    super::sessions::image_into(&image, &mut db);
    assert!(db.loaded(image.0.zxid()));
    let mut w = cut_off(db);
    let (conn, got) = connect(&mut w, 0, false);
    assert!(
        got.is_empty() && w.closed.contains(&conn),
        "it wants to write"
    );
    let (conn, got) = connect(&mut w, session, true);
    assert!(
        got.is_empty() && w.closed.contains(&conn),
        "a session of the ensemble"
    );
    let (conn, got) = connect(&mut w, 0, true);
    let response = ConnectResponse::from_bytes(&got[0]).unwrap();
    assert!(response.read_only && response.timeout > 0);
    let mut c = Client {
        conn,
        session: response.session_id,
        password: Vec::new(),
        timeout: response.timeout,
        xid: 0,
    };
    assert!(w.exists(&mut c, "/a", false).is_ok());
    assert_eq!(w.create(&mut c, "/b", 0), Err(ErrorCode::NotReadOnly));
    assert_eq!(w.delete(&mut c, "/a", -1), Err(ErrorCode::NotReadOnly));
    let path = PathRequest { path: "/a" }.to_vec();
    let sync = w.call(&mut c, OpCode::Sync, &path);
    assert_eq!(sync.ok(), Err(ErrorCode::NotReadOnly));
    let closed = w.call(&mut c, OpCode::CloseSession, &[]);
    assert_eq!(closed.ok(), Ok(Vec::new()));
    assert!(w.closed.contains(&conn));
    // One that goes silent expires here.
    let (conn, _) = connect(&mut w, 0, true);
    w.pass(20_000);
    assert!(w.closed.contains(&conn));
    assert!(w.log.is_empty(), "nothing is written");
}
