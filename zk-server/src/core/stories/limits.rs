//! Quotas, throttles, refusals, containers, snapshots.

use super::*;

#[test]
fn containers_and_ttl_nodes_go_when_their_time_is_over() {
    let mut w = World::with(Settings {
        types: EphemeralTypes {
            extended: true,
            emulate_353: false,
        },
        max_session_timeout_ms: 10_000_000,
        ..Settings::default()
    });
    let conn = w.open();
    w.send(conn, &[World::connect_frame(0, &[], 10_000_000, 0)]);
    let mut c = Client {
        conn,
        session: 0,
        password: vec![],
        timeout: 0,
        xid: 0,
    };
    w.take(conn);
    for path in ["/c", "/unused"] {
        w.call(&mut c, OpCode::CreateContainer, &create_body(path, 4))
            .ok()
            .unwrap();
    }
    w.create(&mut c, "/c/x", 0).unwrap();
    let ttl = CreateTtlRequest {
        path: "/t",
        data: None,
        acl: vec![Acl::OPEN],
        flags: 5,
        ttl: 100_000,
    };
    let made = w
        .call(&mut c, OpCode::CreateTtl, &ttl.to_vec())
        .ok()
        .unwrap();
    let made = Create2Response::from_bytes(&made).unwrap().stat;
    assert_eq!(made.ephemeral_owner, 0, "marks are not shown");
    w.pass(70_000);
    assert!(w.exists(&mut c, "/c", false).is_ok());
    w.delete(&mut c, "/c/x", -1).unwrap();
    w.pass(60_000);
    let names = w.children(&mut c, "/", false).unwrap();
    assert_eq!(names, ["unused", "zookeeper"], "after two minutes");
    w.check_log();
}

#[test]
fn quotas_are_counted_and_hard_ones_enforced() {
    let mut w = World::with(Settings {
        enforce_quota: true,
        ..Settings::default()
    });
    let mut c = w.client();
    w.create(&mut c, "/q", 0).unwrap();
    w.create(&mut c, "/zookeeper/quota/q", 0).unwrap();
    w.create(&mut c, "/zookeeper/quota/q/zookeeper_limits", 0)
        .unwrap();
    w.set(
        &mut c,
        "/zookeeper/quota/q/zookeeper_limits",
        b"count=2,bytes=5=;countHardLimit=3",
        -1,
    )
    .unwrap();
    w.create(&mut c, "/zookeeper/quota/q/zookeeper_stats", 0)
        .unwrap();
    w.create(&mut c, "/q/a", 0).unwrap();
    w.create(&mut c, "/q/b", 0).unwrap();
    let stats = w
        .get(&mut c, "/zookeeper/quota/q/zookeeper_stats", false)
        .unwrap()
        .0;
    assert_eq!(stats, b"count=3,bytes=12");
    assert_eq!(w.create(&mut c, "/q/c", 0), Err(ErrorCode::QuotaExceeded));
    w.delete(&mut c, "/q/a", -1).unwrap();
    let stats = w
        .get(&mut c, "/zookeeper/quota/q/zookeeper_stats", false)
        .unwrap()
        .0;
    assert_eq!(stats, b"count=2,bytes=8");
    w.check_log();
}

#[test]
fn refusals() {
    let mut w = World::new();
    let mut c = w.client();
    let ttl = CreateTtlRequest {
        path: "/t",
        data: None,
        acl: vec![Acl::OPEN],
        flags: 5,
        ttl: 1,
    };
    let call = |w: &mut World, c: &mut Client, op, body: &[u8]| w.call(c, op, body).ok();
    assert_eq!(
        call(&mut w, &mut c, OpCode::CreateTtl, &ttl.to_vec()),
        Err(ErrorCode::Unimplemented)
    );
    let reconfig = ReconfigRequest::default().to_vec();
    assert_eq!(
        call(&mut w, &mut c, OpCode::Reconfig, &reconfig),
        Err(ErrorCode::ReconfigDisabled)
    );
    assert_eq!(
        call(&mut w, &mut c, OpCode::Create, &create_body("/a/", 0)),
        Err(ErrorCode::NoNode)
    );
    assert_eq!(
        call(&mut w, &mut c, OpCode::Create, &create_body("/a", 9)),
        Err(ErrorCode::BadArguments)
    );
    assert_eq!(
        call(&mut w, &mut c, OpCode::Create, b"\0\0\0\x02/"),
        Err(ErrorCode::MarshallingError)
    );
    assert_eq!(
        call(&mut w, &mut c, OpCode::GetData, b"\x7f\xff\xff\xff"),
        Err(ErrorCode::MarshallingError)
    );
    let huge = vec![0; Settings::default().max_buffer];
    assert_eq!(
        w.set(&mut c, "/zookeeper", &huge, -1),
        Err(ErrorCode::BadArguments)
    );
    // Unknown: answered, then closed.
    let r = w.call(&mut c, OpCode::Check, &[]);
    assert_eq!(
        (r.zxid, r.clone().ok()),
        (-1, Err(ErrorCode::Unimplemented))
    );
    assert!(w.closed.contains(&c.conn));
    // A client that has seen more than we have is sent away.
    let conn = w.open();
    w.send(conn, &[World::connect_frame(0, &[], 10_000, 1 << 40)]);
    assert!(w.take(conn).is_empty() && w.closed.contains(&conn));
    // Garbage instead of a connect request.
    let conn = w.open();
    w.send(conn, &[vec![1, 2, 3]]);
    assert!(w.closed.contains(&conn));
    w.check_log();
}

#[test]
fn snapshots_are_of_the_state_at_which_the_log_was_rolled() {
    let mut w = World::with(Settings {
        snap_count: 10,
        ..Settings::default()
    });
    let mut c = w.client();
    for i in 0..30 {
        w.create(&mut c, &format!("/n{i}"), 0).unwrap();
    }
    assert!(w.rolls >= 2);
    assert_eq!(w.snapshots.len(), 1, "the first is still being written");
    let image = w.snapshots[0].0.clone();
    let zxid = image.zxid();
    let mut nodes = 0;
    image.nodes(&mut |_| nodes += 1);
    assert_eq!(nodes, 4 + zxid.0 - 1);
    w.input(Input::SnapshotDone { zxid, ok: true });
    for i in 30..60 {
        w.create(&mut c, &format!("/n{i}"), 0).unwrap();
    }
    assert_eq!(w.snapshots.len(), 2);
}

#[test]
fn the_throttle_holds_writes_back_in_order() {
    let mut w = World::with(Settings {
        throttle_max_requests: 2,
        ..Settings::default()
    });
    let mut c = w.client();
    w.auto_sync = false;
    let frames: Vec<_> = (0..6)
        .map(|i| c.frame(OpCode::Create, &create_body(&format!("/n{i}"), 0)))
        .collect();
    w.send(c.conn, &frames);
    assert_eq!(w.server.outstanding_proposals(), 2);
    assert_eq!(w.server.outstanding_requests(), 6);
    let mut seen = Vec::new();
    for _ in 0..6 {
        w.sync();
        seen.extend(w.replies(c.conn).iter().map(|r| r.xid));
    }
    assert_eq!(seen, [1, 2, 3, 4, 5, 6]);
    assert_eq!(w.server.outstanding_requests(), 0);
    w.check_log();
}
