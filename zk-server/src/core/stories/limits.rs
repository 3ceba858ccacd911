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
    let mut c = w.patient_client();
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
    let figures = |w: &mut World, c: &mut Client| {
        let stats = w.get(c, "/zookeeper/quota/q/zookeeper_stats", false);
        stats.unwrap().0
    };
    assert_eq!(figures(&mut w, &mut c), b"count=3,bytes=12");
    assert_eq!(w.create(&mut c, "/q/c", 0), Err(ErrorCode::QuotaExceeded));
    w.delete(&mut c, "/q/a", -1).unwrap();
    assert_eq!(figures(&mut w, &mut c), b"count=2,bytes=8");
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
    let reconfig = ReconfigRequest::default().to_vec();
    for (op, body, error) in [
        (OpCode::CreateTtl, ttl.to_vec(), ErrorCode::Unimplemented),
        (OpCode::Reconfig, reconfig, ErrorCode::ReconfigDisabled),
        (OpCode::Create, create_body("/a/", 0), ErrorCode::NoNode),
        (
            OpCode::Create,
            create_body("/a", 9),
            ErrorCode::BadArguments,
        ),
        (
            OpCode::Create,
            b"\0\0\0\x02/".to_vec(),
            ErrorCode::MarshallingError,
        ),
        (
            OpCode::GetData,
            b"\x7f\xff\xff\xff".to_vec(),
            ErrorCode::MarshallingError,
        ),
    ] {
        assert_eq!(
            w.call(&mut c, op, &body).ok(),
            Err(error),
            "{op:?} {body:?}"
        );
    }
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
    let frames = c.creates(6);
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

#[test]
fn replies_are_not_made_faster_than_they_are_read() {
    let mut w = World::with(Settings {
        throttle_max_requests: 0,
        ..Settings::default()
    });
    let mut c = w.client();
    w.create(&mut c, "/big", 0).unwrap();
    let data = vec![7; 500_000];
    w.set(&mut c, "/big", &data, -1).unwrap();
    let read = |path| PathWatchRequest { path, watch: false }.to_vec();
    let set = SetDataRequest {
        path: "/big",
        data: Some(b"new"),
        version: -1,
    };
    // Behind a write, and with one in the middle.
    let mut frames = vec![c.frame(OpCode::Create, &create_body("/x", 0))];
    frames.extend((0..100).map(|_| c.frame(OpCode::GetData, &read("/big"))));
    frames.push(c.frame(OpCode::SetData, &set.to_vec()));
    frames.extend((0..50).map(|_| c.frame(OpCode::GetData, &read("/big"))));
    w.send(c.conn, &frames);
    let mut xids = Vec::new();
    let mut rounds = 0;
    loop {
        let replies = w.replies(c.conn);
        let bytes: usize = replies.iter().map(|r| r.body.len()).sum();
        assert!(bytes < 2 << 20, "{bytes} bytes at once");
        for r in replies {
            let old = r.xid <= c.xid - 51 && r.body.len() > 100_000;
            assert!(r.err == 0 && (r.body.len() < 1000 || old), "{}", r.xid);
            xids.push(r.xid);
        }
        match w.choked.pop() {
            Some(conn) => w.input(Input::Drained { conn }),
            None => break,
        }
        rounds += 1;
    }
    assert!(rounds >= 30, "{rounds}");
    let all: Vec<i32> = (c.xid - 151..=c.xid).collect();
    assert_eq!(xids, all, "in order, none lost");
    assert_eq!(w.paused, [], "it is read from again");
    assert_eq!(w.server.outstanding_requests(), 0);
    w.exists(&mut c, "/x", false).unwrap();
    w.check_log();
}

#[test]
fn a_multi_read_has_an_end() {
    let mut w = World::new();
    let mut c = w.client();
    w.create(&mut c, "/big", 0).unwrap();
    w.set(&mut c, "/big", &vec![7; 1_000_000], -1).unwrap();
    let read = PathWatchRequest {
        path: "/big",
        watch: false,
    };
    let one = (OpCode::GetData, read.to_vec());
    let few = multi(&vec![one.clone(); 3]);
    assert!(w.call(&mut c, OpCode::MultiRead, &few).ok().is_ok());
    let many = multi(&vec![one; 1000]);
    assert_eq!(
        w.call(&mut c, OpCode::MultiRead, &many).ok(),
        Err(ErrorCode::BadArguments)
    );
}

#[test]
fn no_record_is_longer_than_java_reads() {
    let mut w = World::with(Settings {
        max_buffer: 10_000,
        ..Settings::default()
    });
    let mut c = w.client();
    for i in 0..300 {
        let path =
            format!("/ephemeral-with-a-name-as-long-as-names-sometimes-are-on-such-a-server-{i}");
        w.create(&mut c, &path, 1).unwrap();
    }
    // Each list of the identities is longer than what asked for it.
    for i in 0..50 {
        let auth = AuthPacket {
            auth_type: 0,
            scheme: "digest",
            auth: Some(format!("user{i}:password").as_bytes()),
        }
        .to_vec();
        let packet = frame(-4, OpCode::Auth.code(), &auth);
        w.send(c.conn, &[packet]);
        w.take(c.conn);
    }
    let create = |i: usize| {
        let body = CreateRequest {
            path: &format!("/a{i}"),
            data: None,
            acl: vec![Acl {
                perms: perms::ALL,
                id: Id {
                    scheme: "auth",
                    id: "",
                },
            }],
            flags: 0,
        };
        (OpCode::Create, body.to_vec())
    };
    let ops: Vec<_> = (0..150).map(create).collect();
    let r = w.call(&mut c, OpCode::Multi, &multi(&ops));
    assert_eq!(r.err, 0, "the codes are in the parts");
    assert_eq!(w.exists(&mut c, "/a0", false), Err(ErrorCode::NoNode));
    let close = c.frame(OpCode::CloseSession, &[]);
    w.send(c.conn, &[close]);
    assert!(w.log.iter().all(|record| record.len() <= 20_000));
    let mut c = w.client();
    assert_eq!(w.children(&mut c, "/", false).unwrap(), ["zookeeper"]);
    w.check_log();
}

/// Containers below `/`, and what is left of them after each of `seconds`.
fn left_after(settings: Settings, seconds: &[u64]) -> Vec<usize> {
    let mut w = World::with(Settings {
        max_session_timeout_ms: 10_000_000,
        ..settings
    });
    let mut c = w.patient_client();
    for i in 0..30 {
        let path = format!("/used{i}");
        let create = create_body(&path, 4);
        w.call(&mut c, OpCode::CreateContainer, &create)
            .ok()
            .unwrap();
        w.create(&mut c, &format!("{path}/x"), 0).unwrap();
        w.delete(&mut c, &format!("{path}/x"), -1).unwrap();
    }
    let create = create_body("/unused", 4);
    w.call(&mut c, OpCode::CreateContainer, &create)
        .ok()
        .unwrap();
    let mut left = Vec::new();
    for &seconds in seconds {
        w.pass(seconds * 1000);
        left.push(w.children(&mut c, "/", false).unwrap().len() - 1);
    }
    left
}

#[test]
fn containers_are_looked_at_and_deleted_at_their_pace() {
    let settings = |interval, per_minute, never_used| Settings {
        container_check_interval_ms: interval,
        container_max_per_minute: per_minute,
        container_max_never_used_ms: never_used,
        ..Settings::default()
    };
    assert_eq!(left_after(settings(5_000, 10_000, 0), &[4, 2]), [31, 1]);
    assert_eq!(left_after(settings(20_000, 10_000, 0), &[19, 2]), [31, 1]);
    // Six in a minute: one at once, and one every ten seconds.
    assert_eq!(
        left_after(settings(5_000, 6, 0), &[6, 10, 20]),
        [30, 29, 27]
    );
    assert_eq!(left_after(settings(5_000, 10_000, 7_000), &[6, 5]), [1, 0]);
}

#[test]
fn reading_stops_at_the_global_limit_of_requests() {
    let mut w = World::with(Settings {
        global_outstanding_limit: 3,
        ..Settings::default()
    });
    let mut c = w.client();
    w.auto_sync = false;
    for (i, paused) in [(0, false), (1, false), (2, false), (3, true)] {
        let create = c.frame(OpCode::Create, &create_body(&format!("/n{i}"), 0));
        w.send(c.conn, &[create]);
        assert_eq!(w.paused.contains(&c.conn), paused, "{i}");
    }
    w.sync();
    assert!(w.paused.is_empty());
}

#[test]
fn what_waited_for_the_throttle_is_answered_with_throttled_op() {
    let mut w = World::with(Settings {
        throttle_max_requests: 1,
        throttled_op_wait_ms: 500,
        ..Settings::default()
    });
    let mut c = w.client();
    w.auto_sync = false;
    let frames = c.creates(3);
    w.send(c.conn, &frames);
    w.pass(600);
    w.sync();
    let replies = w.replies(c.conn);
    let errors: Vec<i32> = replies.iter().map(|reply| reply.err).collect();
    let throttled = ErrorCode::ThrottledOp.code();
    assert_eq!(errors, [0, throttled, throttled]);
    assert_eq!(w.server.stats().throttled_ops, 2);
}

#[test]
fn large_requests_together_have_a_limit() {
    let mut w = World::with(Settings {
        large_request_threshold: Some(100),
        large_request_max_bytes: 1000,
        ..Settings::default()
    });
    let mut c = w.client();
    w.create(&mut c, "/a", 0).unwrap();
    let (second, third) = (w.client().conn, w.client().conn);
    w.auto_sync = false;
    let set = |len: usize| {
        let data = vec![7; len];
        SetDataRequest {
            path: "/a",
            data: Some(&data),
            version: -1,
        }
        .to_vec()
    };
    let small: Vec<_> = (0..50)
        .map(|_| c.frame(OpCode::SetData, &set(10)))
        .collect();
    w.send(c.conn, &small);
    let large = c.frame(OpCode::SetData, &set(600));
    w.send(c.conn, std::slice::from_ref(&large));
    assert!(w.closed.is_empty());
    w.send(second, std::slice::from_ref(&large));
    assert_eq!(w.closed, [second]);
    assert_eq!(w.server.stats().large_requests_rejected, 1);
    // Their bytes are given back with the answer.
    w.sync();
    w.send(third, &[large]);
    assert_eq!(w.closed, [second]);
}
