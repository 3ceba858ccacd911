//! Nodes of every kind, what is refused, and multis.

use proto::zk::OpCode::*;

use super::{
    CONTAINER, EPHEMERAL, EPHEMERAL_SEQUENTIAL, MAIN, PERSISTENT, SEQUENTIAL, TTL, TTL_SEQUENTIAL,
    each, make, one,
};
use crate::zk::oracle::step::{Acls, Request as R, Step};

pub(super) fn nodes() -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for path in ["/", "/zookeeper", "/zookeeper/config", "/zookeeper/quota"] {
        steps.extend(each(
            MAIN,
            vec![
                R::read(GetData, path, false),
                R::read(GetChildren2, path, false),
                R::read(GetChildren, path, false),
                R::path(GetAcl, path),
                R::path(GetAllChildrenNumber, path),
            ],
        ));
    }
    let data: Option<&[u8]> = Some(b"hello");
    steps.extend(each(
        MAIN,
        vec![
            R::create(Create, "/d", data, Acls::Open, PERSISTENT),
            R::create(Create2, "/d/two", None, Acls::Open, PERSISTENT),
            R::create(Create, "/d/null", None, Acls::Open, PERSISTENT),
            R::create(Create, "/d/empty", Some(b""), Acls::Open, PERSISTENT),
            R::create(Create, "/d/eph", data, Acls::Open, EPHEMERAL),
            R::create(Create2, "/d/eph2", data, Acls::Open, EPHEMERAL),
            R::create(Create, "/d/seq", data, Acls::Open, SEQUENTIAL),
            R::create(Create2, "/d/seq-", data, Acls::Open, SEQUENTIAL),
            R::create(Create, "/d/", data, Acls::Open, SEQUENTIAL),
            R::create(Create2, "/d/es-", data, Acls::Open, EPHEMERAL_SEQUENTIAL),
            R::create(CreateContainer, "/d/c", data, Acls::Open, CONTAINER),
            R::create_ttl("/d/ttl", data, Acls::Open, TTL, 3_600_000),
            R::create_ttl("/d/ttl-", data, Acls::Open, TTL_SEQUENTIAL, 3_600_000),
            R::create_ttl("/d/ttl-max", data, Acls::Open, TTL, 0xff_ffff_ffff),
            R::create(Create, "/d/c/kid", data, Acls::Open, PERSISTENT),
            R::create(Create, "/d/ttl/kid", data, Acls::Open, PERSISTENT),
            R::read(Exists, "/d/eph", false),
            R::read(Exists, "/d/c", false),
            R::read(Exists, "/d/ttl", false),
            R::read(GetData, "/d/null", false),
            R::read(GetData, "/d/empty", false),
            R::read(GetChildren2, "/d", false),
            R::path(GetEphemerals, ""),
            R::path(GetEphemerals, "/"),
            R::path(GetEphemerals, "/d/eph"),
            R::path(GetEphemerals, "/nowhere"),
            R::path(GetAllChildrenNumber, "/d"),
            R::set("/d", Some(b"again"), -1),
            R::set("/d", Some(b"and again"), 1),
            R::set("/d", None, 2),
            R::set("/", Some(b"root"), -1),
            R::set("/zookeeper/config", Some(b"x"), -1),
            R::read(GetData, "/d", false),
            R::path(Sync, "/d"),
            R::path(Sync, "/nowhere"),
            R::delete("/d/null", 0),
            R::delete("/d/c/kid", -1),
            R::path(DeleteContainer, "/d/c"),
        ],
    ));
    steps
}

/// Not here: createTTL with the flags of another mode and a TTL below 1, which stops a Java server.
pub(super) fn refusals() -> Vec<Step> {
    let data: Option<&[u8]> = Some(b"x");
    let open = Acls::Open;
    let mut steps: Vec<Step> = each(
        MAIN,
        vec![
            make("/d"),
            make("/no/parent"),
            make("/d/eph/kid"),
            R::create(Create2, "/d", data, open, PERSISTENT),
            R::create(Create2, "/no/parent", data, open, PERSISTENT),
            R::create(Create2, "/d/eph/kid", data, open, PERSISTENT),
            R::create(CreateContainer, "/d", data, open, CONTAINER),
            R::create(CreateContainer, "/no/parent", data, open, CONTAINER),
            R::create(CreateContainer, "/d/eph/c", data, open, CONTAINER),
            R::create(Create, "/d/as-container", data, open, CONTAINER),
            R::create(Create, "/d/as-ttl", data, open, TTL),
            R::create(Create, "/d/flags", data, open, 9),
            R::create(Create, "/d/flags", data, open, -1),
            R::create_ttl("/d", data, open, TTL, 1000),
            R::create_ttl("/no/parent", data, open, TTL, 1000),
            R::create_ttl("/d/eph/t", data, open, TTL, 1000),
            R::create_ttl("/d/zero-ttl", data, open, TTL, 0),
            R::create_ttl("/d/minus-ttl", data, open, TTL, -5),
            R::create_ttl("/d/large-ttl", data, open, TTL, 0x100_0000_0000),
            R::delete("/nowhere", -1),
            R::delete("/d/two", 5),
            R::delete("/d", -1),
            R::delete("/", -1),
            R::delete("/zookeeper", -1),
            R::delete("/zookeeper/config", -1),
            R::delete("/zookeeper/quota", -1),
            R::delete("relative", -1),
            R::path(DeleteContainer, "/nowhere"),
            R::path(DeleteContainer, "/d"),
            R::path(DeleteContainer, "/d/eph"),
            R::path(DeleteContainer, "/d/two"),
            R::path(DeleteContainer, "/"),
            R::set("/nowhere", data, -1),
            R::set("/d", data, 77),
            R::set("d", data, -1),
            R::set_acl("/nowhere", open, -1),
            R::set_acl("/d", open, 77),
            R::set_acl("/d//x", open, -1),
            R::set_acl("/d/two", open, -1),
            R::set_acl("/d/two", open, 1),
            R::read(Exists, "/nowhere", false),
            R::read(GetData, "/nowhere", false),
            R::read(GetChildren, "/nowhere", false),
            R::read(GetChildren2, "/nowhere", false),
            R::path(GetAcl, "/nowhere"),
            R::path(GetAllChildrenNumber, "/nowhere"),
            R::reconfig("server.9=127.0.0.1:1:2;3", -1),
        ],
    )
    .collect();
    let long = format!("/{}", "n".repeat(300));
    let odd = [
        "",
        "/",
        "//",
        "/a//b",
        "/a/",
        "/a/.",
        "/a/..",
        "/./a",
        "/../a",
        "relative",
        "/a/b\0c",
        "/a\u{1}b",
        "/a\u{7f}b",
        "/a\u{85}",
        "/a\u{fff0}b",
        "/a\u{f8ff}b",
        "/\u{e4}\u{3a9}",
        "/a b",
        "/...",
        "/.a",
        "/a/...",
        &long,
        "/zookeeper/new",
        "/a\u{1F600}b",
    ];
    for path in odd {
        steps.extend(each(
            MAIN,
            vec![
                make(path),
                R::create(Create, path, Some(b""), open, SEQUENTIAL),
                R::read(Exists, path, false),
                R::read(GetData, path, false),
                R::read(GetChildren, path, false),
                R::read(GetChildren2, path, false),
                R::path(GetAcl, path),
                R::path(GetEphemerals, path),
                R::set(path, Some(b""), 99),
                R::set_acl(path, open, 99),
                R::path(DeleteContainer, path),
                R::delete(path, 99),
                R::multi(Multi, &[R::check(path, 99)]),
            ],
        ));
        // Java counts the root twice below an empty path, and echoes what lies outside of the
        // basic plane in an encoding that is not UTF-8.
        if !path.is_empty() {
            steps.push(one(MAIN, R::path(GetAllChildrenNumber, path)));
        }
        if path.chars().all(|c| c <= '\u{ffff}') {
            steps.push(one(MAIN, R::path(Sync, path)));
        }
    }
    steps
}

pub(super) fn multis() -> Vec<Step> {
    let multi = |parts: &[R]| R::multi(Multi, parts);
    let seq = |path: &str| R::create(Create2, path, Some(b"s"), Acls::Open, SEQUENTIAL);
    each(
        MAIN,
        vec![
            multi(&[]),
            multi(&[
                make("/m"),
                R::create(Create2, "/m/2", None, Acls::Open, PERSISTENT),
                R::create(CreateContainer, "/m/c", None, Acls::Open, CONTAINER),
                R::create_ttl("/m/t", None, Acls::Open, TTL, 3_600_000),
                R::create(Create, "/m/e", None, Acls::Open, EPHEMERAL),
                seq("/m/s"),
                seq("/m/s"),
                R::set("/m", Some(b"changed"), 0),
                R::check("/m", 1),
                R::delete("/m/2", 0),
            ]),
            R::read(GetChildren2, "/m", false),
            multi(&[make("/m/x"), R::check("/m", 7), make("/m/y")]),
            multi(&[make("/m/x"), make("/m/x")]),
            multi(&[make("/m/x"), R::delete("/m/nowhere", -1)]),
            multi(&[R::set("/m", Some(b"y"), 44), R::set("/m", Some(b"z"), -1)]),
            multi(&[R::check("/nowhere", -1)]),
            multi(&[R::delete("/m", -1)]),
            multi(&[make("/m/e/kid")]),
            multi(&[make("bad")]),
            multi(&[make("/zookeeper/x"), make("/m/x/y/z")]),
            multi(&[R::create(Create, "/m/i", None, Acls::Empty, PERSISTENT)]),
            multi(&[R::create_ttl("/m/i", None, Acls::Open, TTL, 0)]),
            multi(&[make("/m/tmp"), R::delete("/m/tmp", -1), make("/m/tmp")]),
            multi(&[R::delete("/m/tmp", 0), R::check("/m/tmp", 0)]),
            multi(&[
                R::set("/m", None, -1),
                R::set("/m", None, -1),
                R::check("/m", 3),
            ]),
            R::read(GetChildren2, "/m", false),
            multi(&[R::read(GetData, "/m", false)]),
            multi(&[R::path(DeleteContainer, "/m/c")]),
            multi(&[R::set_acl("/m", Acls::Open, -1)]),
            R::multi(MultiRead, &[]),
            R::multi(
                MultiRead,
                &[
                    R::read(GetData, "/m", true),
                    R::read(GetChildren, "/m", false),
                    R::read(GetData, "/nowhere", false),
                    R::read(GetChildren, "/nowhere", true),
                ],
            ),
            R::multi(MultiRead, &[R::read(Exists, "/m", false)]),
            R::multi(MultiRead, &[make("/m/not-a-read")]),
        ],
    )
    .collect()
}
