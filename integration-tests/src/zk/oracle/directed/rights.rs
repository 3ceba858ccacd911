//! Access control and quotas.

use proto::zk::OpCode::*;

use super::{ALICE, CONTAINER, MAIN, PERSISTENT, SUPER, TTL, each, make, one};
use crate::zk::oracle::step::{Acls, Request as R, Step};

pub(super) fn acls() -> Vec<Step> {
    let mut steps = vec![one(ALICE, make("/acl"))];
    for (i, &acl) in Acls::VALID.iter().chain(Acls::INVALID).enumerate() {
        let path = format!("/acl/n{i}");
        let kid = format!("{path}/kid");
        steps.push(one(
            ALICE,
            R::create(Create, &path, Some(b"x"), acl, PERSISTENT),
        ));
        steps.push(one(
            MAIN,
            R::create(Create2, &format!("{path}m"), None, acl, PERSISTENT),
        ));
        steps.push(one(
            MAIN,
            R::create(CreateContainer, &format!("{path}c"), None, acl, CONTAINER),
        ));
        steps.push(one(
            MAIN,
            R::create_ttl(&format!("{path}t"), None, acl, TTL, 3_600_000),
        ));
        for slot in [MAIN, ALICE, SUPER] {
            steps.extend(each(
                slot,
                vec![
                    R::read(Exists, &path, false),
                    R::read(GetData, &path, false),
                    R::read(GetChildren, &path, false),
                    R::read(GetChildren2, &path, false),
                    R::path(GetAcl, &path),
                    R::path(GetAllChildrenNumber, &path),
                    R::set(&path, Some(b"y"), -1),
                    make(&kid),
                    R::create(Create2, &kid, None, Acls::Creator, PERSISTENT),
                    R::create(CreateContainer, &kid, None, Acls::Open, CONTAINER),
                    R::create_ttl(&kid, None, Acls::Open, TTL, 3_600_000),
                    R::multi(Multi, &[R::check(&path, -1)]),
                    R::multi(
                        MultiRead,
                        &[
                            R::read(GetData, &path, false),
                            R::read(GetChildren, &path, false),
                        ],
                    ),
                    R::delete(&kid, -1),
                    R::set_acl(&path, acl, -1),
                    R::watches(CheckWatches, &path, 3),
                    R::add_watch(&path, 0),
                    R::watches(RemoveWatches, &path, 3),
                ],
            ));
        }
    }
    // Who may delete is the parent's business.
    steps.extend(each(
        ALICE,
        vec![
            R::create(Create, "/acl/mine", None, Acls::Creator, PERSISTENT),
            R::create(Create, "/acl/mine/kid", None, Acls::Open, PERSISTENT),
        ],
    ));
    steps.extend(each(
        MAIN,
        vec![R::delete("/acl/mine/kid", -1), R::delete("/acl/mine", -1)],
    ));
    steps.extend(each(
        SUPER,
        vec![R::delete("/acl/mine/kid", -1), R::delete("/acl/mine", -1)],
    ));
    steps
}

pub(super) fn quotas() -> Vec<Step> {
    let limits = |text: &str| {
        R::create(
            Create,
            "/zookeeper/quota/q/zookeeper_limits",
            Some(text.as_bytes()),
            Acls::Open,
            PERSISTENT,
        )
    };
    let stats = || R::read(GetData, "/zookeeper/quota/q/zookeeper_stats", false);
    let ten: &[u8] = b"0123456789";
    each(
        SUPER,
        vec![
            make("/q"),
            make("/zookeeper/quota/q"),
            limits("count=4,bytes=40=;byteHardLimit=60;countHardLimit=5"),
            R::create(
                Create,
                "/zookeeper/quota/q/zookeeper_stats",
                Some(b"count=1,bytes=1"),
                Acls::Open,
                PERSISTENT,
            ),
            make("/q/a"),
            stats(),
            R::set("/q/a", Some(ten), -1),
            stats(),
            make("/q/b"),
            R::set("/q/b", Some(ten), -1),
            make("/q/c"),
            make("/q/d"),
            stats(),
            make("/q/e"),
            R::create(Create2, "/q/e", None, Acls::Open, PERSISTENT),
            R::create(CreateContainer, "/q/e", None, Acls::Open, CONTAINER),
            R::create_ttl("/q/e", None, Acls::Open, TTL, 3_600_000),
            R::set("/q/c", Some(&[b'z'; 80]), -1),
            R::multi(Multi, &[make("/q/e"), make("/q/f")]),
            R::multi(Multi, &[R::set("/q/a", Some(&[b'z'; 80]), -1)]),
            stats(),
            R::delete("/q/d", -1),
            R::set("/q/a", None, -1),
            stats(),
            R::set(
                "/zookeeper/quota/q/zookeeper_limits",
                Some(b"count=-1,bytes=-1"),
                -1,
            ),
            make("/q/e"),
            stats(),
            R::read(GetChildren2, "/zookeeper/quota/q", false),
            R::read(Exists, "/zookeeper/quota/q/zookeeper_stats", false),
            R::delete("/zookeeper/quota/q/zookeeper_limits", -1),
            R::delete("/zookeeper/quota/q/zookeeper_stats", -1),
            R::delete("/zookeeper/quota/q", -1),
            make("/q/g"),
        ],
    )
    .collect()
}
