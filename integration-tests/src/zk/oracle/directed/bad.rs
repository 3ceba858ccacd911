//! What no well-behaved client sends, and how sessions end.

use proto::zk::OpCode::*;

use super::{CONTAINER, EPHEMERAL, GUEST, MAIN, PERSISTENT, TTL, WATCHER, each, make, one};
use crate::zk::oracle::step::{Acls, Connect, Request as R, Step};

/// Bodies that end early, say that they are longer than they are, or hold what no client sends.
pub(super) fn bad_bodies() -> Vec<Step> {
    let mut steps = Vec::new();
    let good = [
        make("/bad"),
        R::create(Create2, "/bad", Some(b"xyz"), Acls::Open, PERSISTENT),
        R::create(CreateContainer, "/bad", None, Acls::Open, CONTAINER),
        R::create_ttl("/bad", None, Acls::Open, TTL, 1_000_000),
        R::delete("/r", -1),
        R::set("/r", Some(b"xyz"), -1),
        R::set_acl("/r", Acls::Open, -1),
        R::read(Exists, "/r", false),
        R::read(GetData, "/r", false),
        R::read(GetChildren, "/r", false),
        R::read(GetChildren2, "/r", false),
        R::path(GetAcl, "/r"),
        R::path(Sync, "/r"),
        R::path(GetEphemerals, "/r"),
        R::path(GetAllChildrenNumber, "/r"),
        R::path(DeleteContainer, "/r"),
        R::watches(CheckWatches, "/r", 3),
        R::watches(RemoveWatches, "/r", 3),
        R::add_watch("/r", 0),
        R::set_watches(0, [vec!["/r"], vec![], vec![]]),
        R::set_watches2(0, [vec!["/r"], vec![], vec![], vec![], vec![]]),
        R::multi(Multi, &[make("/bad")]),
        R::multi(MultiRead, &[R::read(GetData, "/r", false)]),
        R::reconfig("", -1),
    ];
    for request in good {
        let body = &request.body;
        for cut in [0, 2, 5, body.len() - 1] {
            let body = body[..cut.min(body.len())].to_vec();
            steps.push(one(
                GUEST,
                R {
                    body,
                    ..request.clone()
                },
            ));
        }
        let mut long = body.clone();
        long.extend(b"trailing");
        steps.push(one(
            GUEST,
            R {
                body: long,
                ..request.clone()
            },
        ));
        let mut lying = body.clone();
        lying[..4].copy_from_slice(&0x7fff_fff0i32.to_be_bytes());
        steps.push(one(
            GUEST,
            R {
                body: lying.clone(),
                ..request.clone()
            },
        ));
        lying[..4].copy_from_slice(&(-7i32).to_be_bytes());
        steps.push(one(
            GUEST,
            R {
                body: lying,
                ..request.clone()
            },
        ));
    }
    steps.extend(odd_values());
    let resume = || Step::Connect {
        slot: GUEST,
        how: Connect::Resume { timeout: 30_000 },
    };
    // Operations that are none: answered, and the connection closed.
    for op in [0, 10, 13, 23, 99, 108, 1000, -2, i32::MAX] {
        steps.push(one(GUEST, R::raw(op, vec![0; 8])));
        steps.push(resume());
    }
    for (scheme, auth) in [
        ("nosuch", Some(&b"x"[..])),
        ("digest", Some(b"super:wrong")),
        ("digest", Some(b"")),
        ("digest", Some(b":")),
        ("digest", Some(b"\xff\xfe:x")),
        ("digest", None),
        ("ip", None),
        ("ip", Some(b"1.2.3.4")),
        ("world", Some(b"")),
        ("world", None),
        ("auth", None),
        ("super", Some(b"")),
        ("", Some(b"")),
    ] {
        steps.push(one(GUEST, R::auth(scheme, auth)));
        steps.push(one(GUEST, R::who_am_i()));
        steps.push(resume());
    }
    for bytes in [
        (-1i32).to_be_bytes().to_vec(),
        0x7fff_ffffi32.to_be_bytes().to_vec(),
        {
            let mut header_cut_short = 3i32.to_be_bytes().to_vec();
            header_cut_short.extend([1, 2, 3]);
            header_cut_short
        },
    ] {
        steps.push(Step::Garbage { slot: GUEST, bytes });
        steps.push(resume());
    }
    steps
}

/// Sessions end: ephemerals go, watchers hear of it.
pub(super) fn ends() -> Vec<Step> {
    let mut steps = Vec::new();
    let ephemeral = |path: &str| R::create(Create, path, None, Acls::Open, EPHEMERAL);
    steps.extend(each(
        GUEST,
        vec![make("/end"), ephemeral("/end/a"), ephemeral("/end/b")],
    ));
    steps.push(one(WATCHER, R::read(GetChildren, "/end", true)));
    steps.push(one(WATCHER, R::read(Exists, "/end/a", true)));
    steps.push(one(WATCHER, R::add_watch("/end", 1)));
    steps.push(one(GUEST, R::close_session()));
    steps.push(one(MAIN, R::read(GetChildren2, "/end", false)));
    steps.push(Step::Connect {
        slot: GUEST,
        how: Connect::New { timeout: 1 },
    });
    steps.extend(each(GUEST, vec![ephemeral("/end/c"), ephemeral("/end/d")]));
    steps.push(one(WATCHER, R::read(GetData, "/end/c", true)));
    steps.push(Step::Drop { slot: GUEST });
    steps.push(Step::AwaitGone {
        slot: MAIN,
        path: "/end/d".to_owned(),
    });
    steps.push(Step::Connect {
        slot: GUEST,
        how: Connect::Resume { timeout: 10_000 },
    });
    steps.push(one(MAIN, R::read(GetChildren2, "/end", false)));
    steps.push(Step::Connect {
        slot: GUEST,
        how: Connect::New { timeout: 40_000 },
    });
    steps
}

/// Whole bodies with a null or a number out of range in them. Not here, because the refusals differ
/// and no client sends them: null paths and ids (Java falls over them: MARSHALLINGERROR), counts
/// below -1 (null to Java), text that is no UTF-8 (Java reads U+FFFD).
fn odd_values() -> Vec<Step> {
    let null = (-1i32).to_be_bytes();
    let text = |bytes: &[u8]| [&(bytes.len() as i32).to_be_bytes()[..], bytes].concat();
    let mut steps = Vec::new();
    let path = text(b"/r/odd");
    let acl = |list: &[u8]| [&path[..], &text(b"x"), list, &0i32.to_be_bytes()].concat();
    let entry = |scheme: &[u8], id: &[u8]| {
        [&1i32.to_be_bytes()[..], &31i32.to_be_bytes(), scheme, id].concat()
    };
    for list in [
        null.to_vec(),
        i32::MAX.to_be_bytes().to_vec(),
        entry(&null, &text(b"anyone")),
        entry(&null, &null),
        entry(&text(b"auth"), &null),
    ] {
        steps.push(one(GUEST, R::raw(Create.code(), acl(&list))));
        let set = [&path[..], &list, &(-1i32).to_be_bytes()].concat();
        steps.push(one(GUEST, R::raw(SetAcl.code(), set)));
    }
    steps
}
