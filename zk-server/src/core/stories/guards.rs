//! Who is kept out, and what is kept in bounds: connection throttle, enforced authentication,
//! ensemble names, stale requests, watches, identities, long replies; and what is counted of it.

use proto::zk::op::xid;

use super::*;
use crate::auth::Providers;
use crate::core::Event;
use crate::core::throttle::ThrottleSettings;

fn auth(w: &mut World, conn: ConnId, scheme: &str, auth: &[u8]) -> Option<i32> {
    let packet = AuthPacket {
        auth_type: 0,
        scheme,
        auth: Some(auth),
    };
    w.send(
        conn,
        &[frame(xid::AUTH, OpCode::Auth.code(), &packet.to_vec())],
    );
    w.replies(conn).pop().map(|reply| reply.err)
}

#[test]
fn connections_over_the_tokens_are_closed() {
    let mut w = World::with(Settings {
        connection_throttle: ThrottleSettings {
            tokens: 3,
            fill_time_ms: 1000,
            ..ThrottleSettings::default()
        },
        ..Settings::default()
    });
    let mut refused = 0;
    for _ in 0..10 {
        let conn = w.open();
        w.send(conn, &[World::connect_frame(0, &[0; 16], 10_000, 0)]);
        let answered = !w.take(conn).is_empty();
        assert_ne!(answered, w.closed.contains(&conn));
        refused += usize::from(!answered);
    }
    assert_eq!((refused, w.server.session_count()), (7, 3));
    let stats = w.server.stats();
    assert_eq!(
        (stats.connections_throttled, stats.connection_requests),
        (7, 3)
    );
    assert_eq!(stats.token_deficit.max, 3);
    let told = w.server.drain_events();
    assert_eq!(told.len(), 3, "the first, second and fourth: {told:?}");
    w.pass(2100);
    assert!(w.client_with(0, &[0; 16]).is_some());
}

#[test]
fn only_clients_with_an_enforced_identity_are_served() {
    let mut w = World::with(Settings {
        enforced_schemes: vec!["digest".to_owned()],
        ..Settings::default()
    });
    // The session itself needs no identity, everything else does.
    let mut c = w.client();
    let r = w.call(
        &mut c,
        OpCode::Exists,
        &PathWatchRequest {
            path: "/",
            watch: false,
        }
        .to_vec(),
    );
    assert_eq!(r.ok(), Err(ErrorCode::SessionClosedRequireSaslAuth));
    assert!(w.closed.contains(&c.conn));
    // A request that was sent before the session was there waits for it, and is judged then.
    let conn = w.open();
    let ping = frame(-2, OpCode::Ping.code(), &[]);
    w.send(conn, &[World::connect_frame(0, &[0; 16], 10_000, 0), ping]);
    let got = w.take(conn);
    assert_eq!(
        reply(&got[1]).ok(),
        Err(ErrorCode::SessionClosedRequireSaslAuth)
    );
    assert!(w.closed.contains(&conn));
    let mut c = w.client();
    assert_eq!(auth(&mut w, c.conn, "digest", b"alice:secret"), Some(0));
    w.create(&mut c, "/a", 0).unwrap();
}

#[test]
fn a_client_of_another_ensemble_is_closed() {
    let with = |ensemble| {
        World::with(Settings {
            providers: Providers {
                ensemble,
                ..Providers::default()
            },
            ..Settings::default()
        })
    };
    let mut w = with(Some(Some(vec!["blue".to_owned(), "green".to_owned()])));
    let mut c = w.client();
    for name in [&b"green"[..], b""] {
        assert_eq!(auth(&mut w, c.conn, "ensemble", name), Some(0));
    }
    w.create(&mut c, "/a", 0).unwrap();
    assert_eq!(auth(&mut w, c.conn, "ensemble", b"red"), None);
    assert!(w.closed.contains(&c.conn));
    let stats = w.server.stats();
    let counted = (
        stats.ensemble_auth_ok,
        stats.ensemble_auth_skipped,
        stats.ensemble_auth_failed,
    );
    assert_eq!(counted, (1, 1, 1));
    // Without names all are right, and without its provider the scheme is unknown.
    for (ensemble, answer) in [(Some(None), 0), (None, ErrorCode::AuthFailed.code())] {
        let mut w = with(ensemble);
        let c = w.client();
        assert_eq!(auth(&mut w, c.conn, "ensemble", b"red"), Some(answer));
    }
}

#[test]
fn what_waited_too_long_for_the_throttle_ends_its_connection() {
    for drop_stale in [true, false] {
        let mut w = World::with(Settings {
            throttle_max_requests: 1,
            stale_latency_check: true,
            drop_stale,
            ..Settings::default()
        });
        let (mut other, mut c) = (w.client(), w.client());
        w.auto_sync = false;
        // A disk that takes longer than the session's timeout, while clients go on.
        let first = other.frame(OpCode::Create, &create_body("/first", 0));
        w.send(other.conn, &[first]);
        let second = c.frame(OpCode::Create, &create_body("/second", 0));
        w.send(c.conn, &[second]);
        for _ in 0..3 {
            w.pass(4000);
            let ping = frame(-2, OpCode::Ping.code(), &[]);
            w.send(c.conn, &[ping]);
        }
        w.sync();
        w.sync();
        assert_eq!(w.closed.contains(&c.conn), drop_stale);
        let made = w.server.database().tree().find("/second").is_some();
        assert_eq!(made, !drop_stale);
        let stats = w.server.stats();
        assert_eq!(stats.stale_requests, 1);
        assert_eq!(stats.stale_requests_dropped, u64::from(drop_stale));
        assert!(stats.throttle_waits >= 1);
    }
}

#[test]
fn identities_have_a_limit() {
    let mut w = World::new();
    let c = w.client();
    let mut taken = 0;
    while auth(
        &mut w,
        c.conn,
        "digest",
        format!("user{taken}:x").as_bytes(),
    ) == Some(0)
    {
        taken += 1;
        assert!(taken < 2000);
    }
    assert!(taken >= 900, "{taken}");
    assert!(w.closed.contains(&c.conn));
    let what = "identities";
    let told = w.server.drain_events();
    assert!(
        told.contains(&Event::LimitReached { conn: c.conn, what }),
        "{told:?}"
    );
}

#[test]
fn a_reply_over_jute_maxbuffer_is_sent_and_told() {
    let mut w = World::with(Settings {
        max_buffer: 2000,
        ..Settings::default()
    });
    let mut c = w.client();
    for i in 0..200 {
        w.create(&mut c, &format!("/a-name-of-some-length-{i}"), 0)
            .unwrap();
    }
    for _ in 0..5 {
        assert_eq!(w.children(&mut c, "/", false).unwrap().len(), 201);
    }
    let told = w.server.drain_events();
    let long = told.iter().filter(|e| matches!(e, Event::LongReply { .. }));
    assert_eq!(long.count(), 3, "{told:?}");
    assert_eq!(w.server.stats().long_replies, 5);
}

#[test]
fn traffic_is_counted_by_namespace() {
    let mut w = World::with(Settings {
        enforce_quota: true,
        ..Settings::default()
    });
    let mut c = w.client();
    for path in [
        "/q",
        "/zookeeper/quota/q",
        "/zookeeper/quota/q/zookeeper_stats",
    ] {
        w.create(&mut c, path, 0).unwrap();
    }
    let limits = "/zookeeper/quota/q/zookeeper_limits";
    w.create(&mut c, limits, 0).unwrap();
    w.set(&mut c, limits, b"count=1,bytes=-1=;countHardLimit=1", -1)
        .unwrap();
    assert_eq!(w.create(&mut c, "/q/x", 0), Err(ErrorCode::QuotaExceeded));
    w.get(&mut c, "/q", false).unwrap();
    w.exists(&mut c, "/q", false).unwrap();
    w.children(&mut c, "/q", false).unwrap();
    w.children(&mut c, "/", false).unwrap();
    let all = w.server.stats().namespaces.sorted();
    assert_eq!(all.len(), 2);
    let (name, q) = all[0];
    assert_eq!((name, q.quota_exceeded), ("q", 1));
    assert_eq!((q.writes.count(), q.writes.sum()), (1, 6), "path and data");
    assert_eq!((q.reads.count(), q.reads.min(), q.reads.max()), (3, 70, 74));
    let quotas: Vec<_> = w.server.database().tree().all_quotas().collect();
    assert_eq!(quotas.len(), 1);
    assert_eq!((quotas[0].0, quotas[0].1.count_hard_limit()), ("/q", 1));
}
