//! Znodes made, read, changed and deleted; multis; permissions.

use super::*;

#[test]
fn a_client_makes_reads_changes_and_deletes_a_znode() {
    let mut w = World::new();
    let mut c = w.client();
    assert_eq!((c.timeout, c.session >> 56), (10_000, 1));
    assert_eq!(w.create(&mut c, "/a", 0).unwrap(), "/a");
    let wall = w.now.wall_ms;
    let (data, stat) = w.get(&mut c, "/a", false).unwrap();
    assert_eq!(data, b"data");
    let expected = Stat {
        czxid: 2,
        mzxid: 2,
        ctime: wall,
        mtime: wall,
        data_length: 4,
        pzxid: 2,
        ..Stat::default()
    };
    assert_eq!(stat, expected);
    let stat = w.set(&mut c, "/a", b"more data", 0).unwrap();
    assert_eq!((stat.version, stat.mzxid, stat.data_length), (1, 3, 9));
    assert_eq!(w.set(&mut c, "/a", b"x", 0), Err(ErrorCode::BadVersion));
    assert_eq!(w.create(&mut c, "/a", 0), Err(ErrorCode::NodeExists));
    w.create(&mut c, "/a/b", 0).unwrap();
    assert_eq!(w.children(&mut c, "/", false).unwrap(), ["a", "zookeeper"]);
    assert_eq!(
        w.children(&mut c, "/zookeeper", false).unwrap(),
        ["config", "quota"]
    );
    let stat = w.exists(&mut c, "/a", false).unwrap();
    assert_eq!((stat.cversion, stat.num_children, stat.pzxid), (1, 1, 6));
    assert_eq!(w.delete(&mut c, "/a", -1), Err(ErrorCode::NotEmpty));
    w.delete(&mut c, "/a/b", 0).unwrap();
    let stat = w.exists(&mut c, "/a", false).unwrap();
    assert_eq!((stat.cversion, stat.num_children, stat.pzxid), (2, 0, 8));
    w.delete(&mut c, "/a", -1).unwrap();
    assert_eq!(w.exists(&mut c, "/a", false), Err(ErrorCode::NoNode));
    for path in ["/", "/zookeeper", "nope"] {
        assert_eq!(w.delete(&mut c, path, -1), Err(ErrorCode::BadArguments));
    }
    w.check_log();
}

#[test]
fn names_of_sequential_nodes_count_the_parents_children() {
    let mut w = World::new();
    let mut c = w.client();
    w.create(&mut c, "/q", 0).unwrap();
    assert_eq!(w.create(&mut c, "/q/n-", 2).unwrap(), "/q/n-0000000000");
    assert_eq!(w.create(&mut c, "/q/", 3).unwrap(), "/q/0000000001");
    // Pipelined: the overlay counts what is not applied.
    w.auto_sync = false;
    let body = CreateRequest {
        path: "/q/n-",
        data: None,
        acl: vec![Acl::OPEN],
        flags: 2,
    }
    .to_vec();
    let frames: Vec<_> = (0..3).map(|_| c.frame(OpCode::Create, &body)).collect();
    w.send(c.conn, &frames);
    assert_eq!(w.replies(c.conn), []);
    w.sync();
    let names: Vec<String> = w
        .replies(c.conn)
        .into_iter()
        .map(|r| {
            PathResponse::from_bytes(&r.ok().unwrap())
                .unwrap()
                .path
                .to_owned()
        })
        .collect();
    assert_eq!(
        names,
        ["/q/n-0000000002", "/q/n-0000000003", "/q/n-0000000004"]
    );
    w.check_log();
}

#[test]
fn a_read_waits_behind_its_own_writes_only() {
    let mut w = World::new();
    let (mut a, mut b) = (w.client(), w.client());
    w.create(&mut a, "/n", 0).unwrap();
    w.auto_sync = false;
    let set = SetDataRequest {
        path: "/n",
        data: Some(b"1"),
        version: -1,
    }
    .to_vec();
    let get = PathWatchRequest {
        path: "/n",
        watch: false,
    }
    .to_vec();
    let frames = [
        a.frame(OpCode::GetData, &get),
        a.frame(OpCode::SetData, &set),
        a.frame(OpCode::GetData, &get),
        a.frame(OpCode::SetData, &set),
        a.frame(OpCode::GetData, &get),
    ];
    w.send(a.conn, &frames);
    let first = w.replies(a.conn);
    assert_eq!(first.len(), 1, "the read in front goes at once");
    let zxid = w.server.last_processed_zxid();
    assert_eq!(w.get(&mut b, "/n", false).unwrap().0, b"data");
    assert_eq!(w.server.outstanding_requests(), 4);
    w.input(Input::Logged {
        zxid: Zxid(zxid.0 + 1),
    });
    let versions = |replies: Vec<Reply>| -> Vec<(i32, i32)> {
        replies
            .into_iter()
            .map(|r| {
                let xid = r.xid;
                let body = r.ok().unwrap();
                let stat = Stat::from_bytes(&body[body.len() - 68..]).unwrap();
                (xid, stat.version)
            })
            .collect()
    };
    assert_eq!(versions(w.replies(a.conn)), [(3, 1), (4, 1)]);
    w.sync();
    assert_eq!(versions(w.replies(a.conn)), [(5, 2), (6, 2)]);
    w.check_log();
}

#[test]
fn a_multi_is_all_or_nothing() {
    let mut w = World::new();
    let mut c = w.client();
    w.auto_sync = false;
    let check = CheckVersionRequest {
        path: "/missing",
        version: 1,
    };
    let bad = multi(&[
        (OpCode::Create, create_body("/m", 0)),
        (OpCode::Create, create_body("/m/s-", 2)),
        (OpCode::Check, check.to_vec()),
        (OpCode::Create, create_body("/m2", 0)),
    ]);
    let good = multi(&[
        (OpCode::Create, create_body("/m", 0)),
        (OpCode::Create2, create_body("/m/s-", 2)),
        (
            OpCode::SetData,
            SetDataRequest {
                path: "/m",
                data: Some(b"new"),
                version: 0,
            }
            .to_vec(),
        ),
        (
            OpCode::Delete,
            DeleteRequest {
                path: "/m/s-0000000000",
                version: 0,
            }
            .to_vec(),
        ),
    ]);
    let mixed = multi(&[(
        OpCode::GetData,
        PathWatchRequest {
            path: "/",
            watch: false,
        }
        .to_vec(),
    )]);
    let frames = [
        c.frame(OpCode::Multi, &bad),
        c.frame(OpCode::Multi, &good),
        c.frame(OpCode::Multi, &mixed),
    ];
    w.send(c.conn, &frames);
    w.sync();
    let replies = w.replies(c.conn);
    assert_eq!(replies.len(), 3);
    let codes = |body: &[u8]| {
        let mut r = Reader::new(body);
        let mut codes = Vec::new();
        loop {
            let h = MultiHeader::read(&mut r).unwrap();
            if h.done {
                return codes;
            }
            codes.push((h.op, h.err));
            assert_eq!(r.i32().unwrap(), h.err);
        }
    };
    assert_eq!(replies[0].err, 0);
    assert_eq!(
        codes(&replies[0].body),
        [(-1, 0), (-1, 0), (-1, -101), (-1, -2)]
    );
    let mut r = Reader::new(&replies[1].body);
    assert_eq!(MultiHeader::read(&mut r).unwrap().op, 1);
    assert_eq!(<&str>::read(&mut r).unwrap(), "/m");
    assert_eq!(MultiHeader::read(&mut r).unwrap().op, 15);
    let made = Create2Response::read(&mut r).unwrap();
    assert_eq!((made.path, made.stat.czxid), ("/m/s-0000000000", 3));
    assert_eq!(MultiHeader::read(&mut r).unwrap().op, 5);
    assert_eq!(Stat::read(&mut r).unwrap().version, 1);
    assert_eq!(MultiHeader::read(&mut r).unwrap().op, 2);
    assert!(MultiHeader::read(&mut r).unwrap().done);
    assert_eq!(replies[2].clone().ok(), Err(ErrorCode::MarshallingError));
    assert_eq!(replies[2].zxid, 4, "it took a zxid");
    w.auto_sync = true;
    let read = multi(&[
        (
            OpCode::GetData,
            PathWatchRequest {
                path: "/m",
                watch: false,
            }
            .to_vec(),
        ),
        (
            OpCode::GetChildren,
            PathWatchRequest {
                path: "/none",
                watch: false,
            }
            .to_vec(),
        ),
    ]);
    let body = w.call(&mut c, OpCode::MultiRead, &read).ok().unwrap();
    let mut r = Reader::new(&body);
    assert_eq!(MultiHeader::read(&mut r).unwrap().op, 4);
    assert_eq!(
        GetDataResponse::read(&mut r).unwrap().data,
        Some(&b"new"[..])
    );
    assert_eq!(MultiHeader::read(&mut r).unwrap().err, -101);
    w.check_log();
}

#[test]
fn acls_are_checked_and_hashes_hidden() {
    let mut w = World::new();
    let (mut owner, mut other) = (w.client(), w.client());
    let auth = AuthPacket {
        auth_type: 0,
        scheme: "digest",
        auth: Some(b"bob:secret"),
    };
    w.send(
        owner.conn,
        &[frame(-4, OpCode::Auth.code(), &auth.to_vec())],
    );
    let r = &w.replies(owner.conn)[0];
    assert_eq!((r.xid, r.zxid, r.err), (-4, 0, 0));
    let body = CreateRequest {
        path: "/p",
        data: None,
        acl: vec![
            Acl::new(perms::ALL, Id::new("auth", "")),
            Acl::new(perms::READ, Id::ANYONE),
        ],
        flags: 0,
    };
    w.call(&mut owner, OpCode::Create, &body.to_vec())
        .ok()
        .unwrap();
    assert_eq!(w.set(&mut other, "/p", b"", -1), Err(ErrorCode::NoAuth));
    w.set(&mut owner, "/p", b"", -1).unwrap();
    let ask = PathRequest { path: "/p" }.to_vec();
    let ids = |body: &[u8]| -> Vec<String> {
        let r = GetAclResponse::from_bytes(body).unwrap();
        r.acl.iter().map(|a| a.id.id.to_owned()).collect()
    };
    let mine = w.call(&mut owner, OpCode::GetAcl, &ask).ok().unwrap();
    assert_eq!(ids(&mine), ["bob:fyVmFCwVbTJYrznoSu1koqYEYF0=", "anyone"]);
    let seen = w.call(&mut other, OpCode::GetAcl, &ask).ok().unwrap();
    assert_eq!(ids(&seen), ["bob:x", "anyone"]);
    let who = w.call(&mut owner, OpCode::WhoAmI, &[]).ok().unwrap();
    let who = WhoAmIResponse::from_bytes(&who).unwrap();
    let who: Vec<_> = who
        .client_info
        .iter()
        .map(|i| (i.auth_scheme, i.user))
        .collect();
    assert_eq!(who, [("ip", "127.0.0.1"), ("digest", "bob")]);
    let bad = AuthPacket {
        auth_type: 0,
        scheme: "kerberos",
        auth: None,
    };
    w.send(other.conn, &[frame(-4, OpCode::Auth.code(), &bad.to_vec())]);
    assert_eq!(w.replies(other.conn)[0].err, ErrorCode::AuthFailed.code());
    assert!(w.closed.contains(&other.conn));
}

#[test]
fn pipelined_writes_go_on_behind_reads_and_reads_show_the_writes_before_them() {
    const REQUESTS: i32 = 1000;
    let mut w = World::new();
    let mut c = w.client();
    w.create(&mut c, "/n", 0).unwrap();
    w.auto_sync = false;
    let first = c.xid + 1;
    let frames: Vec<_> = (0..REQUESTS)
        .map(|n| match n % 10 {
            0..7 => {
                let (path, watch) = ("/n", false);
                let get = PathWatchRequest { path, watch };
                c.frame(OpCode::GetData, &get.to_vec())
            }
            _ => {
                let (path, data) = ("/n", Some(&b"x"[..]));
                let version = -1;
                let set = SetDataRequest {
                    path,
                    data,
                    version,
                };
                c.frame(OpCode::SetData, &set.to_vec())
            }
        })
        .collect();
    w.send(c.conn, &frames);
    let mut syncs = 0;
    while !w.unsynced.is_empty() {
        w.sync();
        syncs += 1;
    }
    assert!(syncs <= 15, "{syncs} syncs for 300 writes behind 700 reads");
    let replies = w.replies(c.conn);
    assert_eq!(replies.len(), frames.len());
    let mut version = 0;
    for (n, reply) in (0..REQUESTS).zip(&replies) {
        assert_eq!((reply.xid, reply.err), (first + n, 0));
        let stat = if n % 10 < 7 {
            GetDataResponse::from_bytes(&reply.body).unwrap().stat
        } else {
            version += 1;
            Stat::from_bytes(&reply.body).unwrap()
        };
        assert_eq!(stat.version, version, "request {n}");
    }
    w.check_log();
}
