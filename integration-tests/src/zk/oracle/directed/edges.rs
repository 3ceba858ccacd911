//! Edges: every mode of creation with every operation, names that sequences make, quotas in odd
//! shapes, access control lists that are nearly right, multis whose parts fail in different ways.

use proto::zk::OpCode::*;
use proto::zk::acl::{Acl, Id, perms};

use super::{
    ALICE, CONTAINER, EPHEMERAL, EPHEMERAL_SEQUENTIAL, MAIN, PERSISTENT, SEQUENTIAL, SUPER, TTL,
    TTL_SEQUENTIAL, each, make, one,
};
use crate::zk::oracle::step::{Acls, Request as R, Step};

pub(super) fn edges() -> Vec<Step> {
    let mut steps = modes();
    steps.extend(sequences());
    steps.extend(quota_shapes());
    steps.extend(nearly_right_acls());
    steps.extend(mixed_multis());
    steps
}

/// Not here: createTTL with the flags of a mode without TTL and a TTL below 1, which stops a Java
/// server.
fn modes() -> Vec<Step> {
    let mut steps = vec![one(MAIN, make("/mode"))];
    let flags = [
        PERSISTENT,
        EPHEMERAL,
        SEQUENTIAL,
        EPHEMERAL_SEQUENTIAL,
        CONTAINER,
        TTL,
        TTL_SEQUENTIAL,
        7,
        8,
        -1,
        i32::MAX,
        i32::MIN,
    ];
    for (i, &flag) in flags.iter().enumerate() {
        for op in [Create, Create2, CreateContainer] {
            let path = format!("/mode/{op:?}{i}-");
            let create = R::create(op, &path, Some(b"d"), Acls::Open, flag);
            steps.push(one(MAIN, create.clone()));
            steps.push(one(MAIN, R::multi(Multi, &[create])));
            steps.push(one(MAIN, R::read(Exists, &path, false)));
        }
        for ttl in [1, 0xff_ffff_ffff] {
            let path = format!("/mode/ttl{i}-{ttl}-");
            let create = R::create_ttl(&path, Some(b"d"), Acls::Open, flag, ttl);
            steps.push(one(MAIN, create.clone()));
            steps.push(one(MAIN, R::multi(Multi, &[create])));
        }
    }
    for ttl in [i64::MIN, -2, -1, 0, 0x100_0000_0000, i64::MAX] {
        for flag in [TTL, TTL_SEQUENTIAL] {
            let create = R::create_ttl("/mode/bad-ttl", None, Acls::Open, flag, ttl);
            steps.push(one(MAIN, create.clone()));
            steps.push(one(MAIN, R::multi(Multi, &[create])));
        }
    }
    steps.push(one(MAIN, R::read(GetChildren2, "/mode", false)));
    steps
}

fn sequences() -> Vec<Step> {
    let seq = |path: &str| R::create(Create, path, None, Acls::Open, SEQUENTIAL);
    let eph = |path: &str| R::create(Create2, path, None, Acls::Open, EPHEMERAL_SEQUENTIAL);
    let ttl = |path: &str| R::create_ttl(path, None, Acls::Open, TTL_SEQUENTIAL, 3_600_000);
    each(
        MAIN,
        vec![
            make("/seq"),
            eph("/seq/e-"),
            // Below an ephemeral, its number included; and below what is no node.
            seq("/seq/e-0000000000/x-"),
            eph("/seq/e-0000000000/x-"),
            ttl("/seq/e-0000000000/x-"),
            seq("/seq/e-/x-"),
            // A name that stands already, and names that end oddly.
            make("/seq/n0000000002"),
            seq("/seq/n"),
            seq("/seq/n"),
            seq("/seq/"),
            seq("/seq/."),
            seq("/seq/.."),
            seq("/seq//"),
            seq("/seq/a/"),
            seq("/"),
            seq(""),
            seq("x"),
            eph("/seq/"),
            // Deleted children count on; a container's and a TTL node's children too.
            R::delete("/seq/n0000000002", -1),
            seq("/seq/n"),
            ttl("/seq/t-"),
            R::create(CreateContainer, "/seq/c", None, Acls::Open, CONTAINER),
            seq("/seq/c/k-"),
            eph("/seq/c/k-"),
            R::multi(
                Multi,
                &[
                    seq("/seq/m-"),
                    seq("/seq/m-"),
                    eph("/seq/m-"),
                    ttl("/seq/m-"),
                ],
            ),
            R::multi(Multi, &[seq("/seq/r-"), R::check("/nowhere", 0)]),
            seq("/seq/after-"),
            R::read(GetChildren2, "/seq", false),
        ],
    )
    .collect()
}

/// For a tree in which the next number below `/seq` is the one before the last.
pub(super) fn overflow() -> Vec<Step> {
    let seq = |path: &str| R::create(Create2, path, None, Acls::Open, SEQUENTIAL);
    each(
        MAIN,
        vec![
            R::read(GetChildren2, "/seq", false),
            seq("/seq/a-"),
            seq("/seq/a-"),
            seq("/seq/a-"),
            seq("/seq/b-"),
            make("/seq/plain"),
            R::read(GetChildren2, "/seq", false),
            R::multi(Multi, &[seq("/seq/c-"), seq("/seq/c-"), seq("/seq/c-")]),
            R::read(GetChildren2, "/seq", false),
            R::delete("/seq/plain", -1),
            seq("/seq/d-"),
            R::create(Create, "/seq/e-", None, Acls::Open, EPHEMERAL_SEQUENTIAL),
            R::read(GetChildren2, "/seq", false),
        ],
    )
    .collect()
}

/// Not here: limits that are no numbers. Java refuses all writes below with MARSHALLINGERROR; to us they
/// are none.
fn quota_shapes() -> Vec<Step> {
    const LIMITS: &str = "zookeeper_limits";
    const STATS: &str = "zookeeper_stats";
    let mut steps = Vec::new();
    let texts = [
        "",
        "count=2",
        "bytes=8",
        "count=2,bytes=8",
        "count=2,bytes=8=;byteHardLimit=9;countHardLimit=3",
        "byteHardLimit=4",
        "countHardLimit=0,count=0,bytes=0",
        "x=1,count=2",
    ];
    for (i, text) in texts.into_iter().enumerate() {
        let top = format!("/quota{i}");
        let node = format!("/zookeeper/quota{top}");
        let limits = format!("{node}/{LIMITS}");
        let stats = format!("{node}/{STATS}");
        let put =
            |path: &str, data: &[u8]| R::create(Create, path, Some(data), Acls::Open, PERSISTENT);
        steps.extend(each(
            SUPER,
            vec![
                make(&top),
                make(&format!("{top}/old")),
                make(&node),
                put(&limits, text.as_bytes()),
                // Before there are counts, and with them.
                make(&format!("{top}/uncounted")),
                put(&stats, b""),
                R::read(GetData, &stats, false),
                R::set(&top, Some(b"12345678"), -1),
                R::set(&top, Some(b"123456789012"), -1),
                make(&format!("{top}/a")),
                make(&format!("{top}/b")),
                make(&format!("{top}/a/below")),
                R::set(&format!("{top}/a"), None, -1),
                R::create(Create, &format!("{top}/e"), None, Acls::Open, EPHEMERAL),
                R::create_ttl(&format!("{top}/t"), None, Acls::Open, TTL, 3_600_000),
                R::multi(
                    Multi,
                    &[
                        R::delete(&format!("{top}/old"), -1),
                        make(&format!("{top}/new")),
                        R::set(&format!("{top}/new"), Some(&[b'y'; 30]), -1),
                    ],
                ),
                R::read(GetData, &stats, false),
                R::read(GetChildren2, &top, false),
                R::path(GetAllChildrenNumber, &top),
            ],
        ));
        // A quota below, whose own counts, and what happens when limits or counts go.
        let below = format!("{node}/a");
        steps.extend(each(
            SUPER,
            vec![
                make(&below),
                put(&format!("{below}/{LIMITS}"), b"count=1,bytes=1"),
                put(&format!("{below}/{STATS}"), b"count=7,bytes=7"),
                make(&format!("{top}/a/inner")),
                R::read(GetData, &format!("{below}/{STATS}"), false),
                R::read(GetData, &stats, false),
                R::delete(&limits, -1),
                make(&format!("{top}/unlimited")),
                R::read(GetData, &stats, false),
                R::delete(&stats, -1),
                make(&format!("{top}/uncounted2")),
                R::delete(&format!("{below}/{STATS}"), -1),
                make(&format!("{top}/a/uncounted")),
                put(&limits, text.as_bytes()),
                put(&stats, b"count=1,bytes=1"),
                R::read(GetData, &stats, false),
                R::delete(&format!("{top}/a"), -1),
            ],
        ));
    }
    // A quota of what is not there, and counts of the root. Its limits stop a Java server.
    let put = |path: &str, data: &[u8]| R::create(Create, path, Some(data), Acls::Open, PERSISTENT);
    steps.extend(each(
        SUPER,
        vec![
            make("/zookeeper/quota/later"),
            put(
                "/zookeeper/quota/later/zookeeper_limits",
                b"count=1,bytes=-1=;countHardLimit=1",
            ),
            put("/zookeeper/quota/later/zookeeper_stats", b""),
            R::read(GetData, "/zookeeper/quota/later/zookeeper_stats", false),
            make("/later"),
            make("/later/second"),
            R::read(GetData, "/zookeeper/quota/later/zookeeper_stats", false),
            put("/zookeeper/quota/zookeeper_stats", b"count=1,bytes=1"),
            make("/of-the-root"),
            R::read(GetData, "/zookeeper/quota/zookeeper_stats", false),
            R::delete("/zookeeper/quota/zookeeper_stats", -1),
        ],
    ));
    steps
}

fn nearly_right_acls() -> Vec<Step> {
    let alice = super::super::step::ALICE;
    let entries: Vec<(i32, &str, &str)> = vec![
        (0, "world", "anyone"),
        (32, "world", "anyone"),
        (-1, "world", "anyone"),
        (i32::MIN, "world", "anyone"),
        (31, "world", ""),
        (31, "world", "Anyone"),
        (31, "World", "anyone"),
        (31, "", ""),
        (31, "", "anyone"),
        (31, "auth", "ignored"),
        (0, "auth", ""),
        (31, "super", ""),
        (31, "super", "x"),
        (31, "digest", ""),
        (31, "digest", ":"),
        (31, "digest", "a:"),
        (31, "digest", ":b"),
        (31, "digest", "a:b:c"),
        (31, "digest", alice),
        (31, "ip", ""),
        (31, "ip", "127.0.0.1"),
        (31, "ip", "127.0.0.1/0"),
        (31, "ip", "127.0.0.1/1"),
        (31, "ip", "127.0.0.1/32"),
        (31, "ip", "127.0.0.1/33"),
        (31, "ip", "127.0.0.1/-1"),
        (31, "ip", "127.0.0.1/x"),
        (31, "ip", "127.0.0.1/"),
        (31, "ip", "127.0.0.1/8/9"),
        (31, "ip", "127.0.0"),
        (31, "ip", "127.0.0.1.1"),
        (31, "ip", "127.0.0.256"),
        (31, "ip", "127.0.0.-1"),
        (31, "ip", " 127.0.0.1"),
        (31, "ip", "0127.0.0.1"),
        (31, "ip", "0.0.0.0/0"),
        (31, "ip", "localhost"),
        (31, "x509", "CN=a"),
        (31, "sasl", "a"),
        (31, "host", "localhost"),
        (31, "ensemble", "a"),
    ];
    let acl = |&(perms, scheme, id): &(i32, &'static str, &'static str)| {
        Acl::new(perms, Id::new(scheme, id))
    };
    let mut steps = vec![one(MAIN, make("/near"))];
    for (i, entry) in entries.iter().enumerate() {
        let path = format!("/near/n{i}");
        let open = || Acl::new(perms::ALL, Id::ANYONE);
        for slot in [MAIN, ALICE] {
            let path = format!("{path}-{slot}");
            steps.extend(each(
                slot,
                vec![
                    R::create_acl(&path, vec![acl(entry)]),
                    R::read(GetData, &path, false),
                    R::path(GetAcl, &path),
                    make(&format!("{path}/kid")),
                    // One that is right does not make up for one that is wrong.
                    R::create_acl(&format!("{path}b"), vec![open(), acl(entry)]),
                    R::path(GetAcl, &format!("{path}b")),
                    R::set_acl_list(&format!("{path}b"), vec![acl(entry), open(), acl(entry)]),
                    R::path(GetAcl, &format!("{path}b")),
                ],
            ));
        }
    }
    // Lists of the root and of ZooKeeper's own nodes; permissions that are missing one by one.
    steps.extend(each(
        ALICE,
        vec![
            R::path(GetAcl, "/"),
            R::path(GetAcl, "/zookeeper/config"),
            R::set_acl("/zookeeper/config", Acls::Open, -1),
            R::set("/zookeeper/config", Some(b"x"), -1),
        ],
    ));
    for perm in [
        perms::READ,
        perms::WRITE,
        perms::CREATE,
        perms::DELETE,
        perms::ADMIN,
    ] {
        let path = format!("/near/only{perm}");
        let kid = format!("{path}/kid");
        steps.push(one(
            SUPER,
            R::create_acl(&path, vec![Acl::new(perm, Id::ANYONE)]),
        ));
        steps.push(one(SUPER, make(&kid)));
        steps.extend(each(
            MAIN,
            vec![
                R::read(Exists, &path, false),
                R::read(GetData, &path, false),
                R::read(GetChildren2, &path, false),
                R::path(GetAcl, &path),
                R::path(GetAllChildrenNumber, &path),
                R::set(&path, None, -1),
                R::delete(&kid, -1),
                make(&kid),
                R::multi(Multi, &[R::check(&path, -1)]),
                R::path(DeleteContainer, &kid),
                R::set_acl(&path, Acls::ReadOnly, -1),
                R::path(GetAcl, &path),
            ],
        ));
    }
    steps
}

fn mixed_multis() -> Vec<Step> {
    let multi = |parts: &[R]| R::multi(Multi, parts);
    let with = |op, path: &str, flags| R::create(op, path, None, Acls::Open, flags);
    each(
        MAIN,
        vec![
            make("/mix"),
            make("/mix/full"),
            make("/mix/full/kid"),
            R::create_acl("/mix/closed", vec![Acl::new(perms::READ, Id::ANYONE)]),
            // The first that fails decides; those before and behind it have codes of their own.
            multi(&[make("/mix/a"), R::delete("/mix/full", -1), make("/mix/a")]),
            multi(&[
                R::set("/mix", None, 9),
                make("/mix/closed/x"),
                R::delete("/no", -1),
            ]),
            multi(&[make("/mix/closed/x"), R::set("/mix", None, 9)]),
            multi(&[
                R::create(Create, "/mix/b", None, Acls::BadIp, 0),
                R::check("/mix", 9),
            ]),
            multi(&[with(Create, "/mix/e", EPHEMERAL), make("/mix/e/kid")]),
            multi(&[
                R::delete("/mix/full/kid", -1),
                R::delete("/mix/full", -1),
                make("/mix/full"),
            ]),
            multi(&[R::delete("/mix/full", 0), R::delete("/mix/full", 0)]),
            multi(&[
                make("/mix/v"),
                R::set("/mix/v", Some(b"1"), 0),
                R::set("/mix/v", Some(b"2"), 1),
                R::check("/mix/v", 2),
                R::set("/mix/v", Some(b"3"), 1),
            ]),
            multi(&[
                make("/mix/v"),
                R::set("/mix/v", Some(b"1"), 0),
                R::set("/mix/v", Some(b"2"), 1),
                R::check("/mix/v", 2),
            ]),
            R::read(GetData, "/mix/v", false),
            multi(&[
                with(CreateContainer, "/mix/c", CONTAINER),
                make("/mix/c/k"),
                R::delete("/mix/c/k", -1),
            ]),
            multi(&[
                with(Create2, "/mix/s-", SEQUENTIAL),
                with(Create2, "/mix/s-", EPHEMERAL_SEQUENTIAL),
            ]),
            multi(&[R::delete("/", -1), make("/mix/y")]),
            multi(&[make("/mix/y"), make("/")]),
            multi(&[make("/mix/y"), make("")]),
            multi(&[make("/mix/y"), R::ping()]),
            multi(&[make("/mix/y"), R::multi(Multi, &[])]),
            multi(&[make("/mix/y"), R::path(Sync, "/mix")]),
            multi(&[make("/mix/y"), R::close_session()]),
            multi(&[
                make("/mix/y"),
                R::create_ttl("/mix/t", None, Acls::Open, 9, 5),
            ]),
            multi(&[
                make("/mix/y"),
                R::create_ttl("/mix/t", None, Acls::Open, TTL, 0),
            ]),
            multi(&[R::check("/mix", -1), R::check("/mix", -2)]),
            multi(&[R::check("/mix", 0), R::check("/mix//x", 0)]),
            R::read(GetChildren2, "/mix", false),
        ],
    )
    .collect()
}
