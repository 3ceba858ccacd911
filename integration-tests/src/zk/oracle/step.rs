//! What the oracle does to a server, in terms that mean the same on both sides.

use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::acl::{Acl, Id, perms};
use proto::zk::multi::MultiHeader;
use proto::zk::op::xid;
use proto::zk::request as rq;

/// One action. `slot` is a place for a session and its connection.
#[derive(Debug, Clone)]
pub enum Step {
    /// Connects the slot. Whatever connection it had stays open beside the new one until the
    /// server closes it.
    Connect { slot: usize, how: Connect },
    /// Sends requests in one write and reads as many replies.
    Requests { slot: usize, burst: Vec<Request> },
    /// The same a few bytes at a time, as a slow network would bring them.
    Trickle { slot: usize, burst: Vec<Request> },
    /// Sends bytes that are no request; nothing is expected but an end.
    Garbage { slot: usize, bytes: Vec<u8> },
    /// Drops the connection; the session lives on.
    Drop { slot: usize },
    /// Polls `exists` until the node is gone, as seen by another session.
    AwaitGone { slot: usize, path: String },
}

/// How a slot connects.
#[derive(Debug, Clone)]
pub enum Connect {
    New {
        timeout: i32,
    },
    /// As clients before 3.4, without `readOnly`.
    NewOld {
        timeout: i32,
    },
    /// Says that it would take a read-only server.
    NewReadOnly {
        timeout: i32,
    },
    /// The slot's own session and password.
    Resume {
        timeout: i32,
    },
    /// Its own session with a wrong password.
    WrongPassword,
    /// A session that never was.
    Unknown,
    /// Has seen a zxid that the server has not reached.
    Ahead,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    pub xid: Option<i32>,
    pub op: i32,
    pub body: Vec<u8>,
}

/// Access control lists that the oracle uses, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acls {
    Open,
    ReadOnly,
    /// `auth:`, whoever the creator is
    Creator,
    Alice,
    /// Alice does all, Bob reads.
    AliceBob,
    NoRead,
    NoAdmin,
    LoopbackIp,
    OtherIp,
    Empty,
    UnknownScheme,
    BadIp,
    BadDigest,
    BadWorld,
    Duplicates,
}

pub(super) const ALICE: &str = "alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E=";
pub(super) const BOB: &str = "bob:4rsXV9JgUbFl9ZE40xENilxlRV8=";
/// The value of `zookeeper.DigestAuthenticationProvider.superDigest` for `super:admin`.
pub const SUPER_DIGEST: &str = "super:xQJmxLMiHGwaqBvst5y6rkB6HQs=";

impl Acls {
    pub const VALID: &'static [Acls] = &[
        Acls::Open,
        Acls::Open,
        Acls::Open,
        Acls::ReadOnly,
        Acls::Creator,
        Acls::Alice,
        Acls::AliceBob,
        Acls::NoRead,
        Acls::NoAdmin,
        Acls::LoopbackIp,
        Acls::OtherIp,
        Acls::Duplicates,
    ];
    pub const INVALID: &'static [Acls] = &[
        Acls::Empty,
        Acls::UnknownScheme,
        Acls::BadIp,
        Acls::BadDigest,
        Acls::BadWorld,
    ];

    pub fn list(self) -> Vec<Acl<'static>> {
        let one = |perms, scheme, id| vec![Acl::new(perms, Id::new(scheme, id))];
        match self {
            Self::Open => vec![Acl::OPEN],
            Self::ReadOnly => vec![Acl::READ],
            Self::Creator => one(perms::ALL, "auth", ""),
            Self::Alice => one(perms::ALL, "digest", ALICE),
            Self::AliceBob => vec![
                Acl::new(perms::ALL, Id::new("digest", ALICE)),
                Acl::new(perms::READ, Id::new("digest", BOB)),
            ],
            Self::NoRead => one(perms::ALL & !perms::READ, "world", "anyone"),
            Self::NoAdmin => vec![
                Acl::new(perms::ALL & !perms::ADMIN, Id::ANYONE),
                Acl::new(perms::ADMIN, Id::new("digest", BOB)),
            ],
            Self::LoopbackIp => one(perms::ALL, "ip", "127.0.0.0/8"),
            Self::OtherIp => one(perms::ALL, "ip", "10.1.2.3"),
            Self::Empty => vec![],
            Self::UnknownScheme => one(perms::ALL, "nosuch", "x"),
            Self::BadIp => one(perms::ALL, "ip", "300.1.2.3/99"),
            Self::BadDigest => one(perms::ALL, "digest", "nocolon"),
            Self::BadWorld => one(perms::ALL, "world", "nobody"),
            Self::Duplicates => vec![Acl::OPEN, Acl::READ, Acl::OPEN],
        }
    }
}

/// Builders, one per operation.
impl Request {
    pub fn raw(op: i32, body: Vec<u8>) -> Self {
        Self {
            xid: None,
            op,
            body,
        }
    }

    fn of<'a>(op: OpCode, body: &impl Jute<'a>) -> Self {
        Self::raw(op.code(), body.to_vec())
    }

    /// `op` is one of create, create2, createContainer.
    pub fn create(op: OpCode, path: &str, data: Option<&[u8]>, acl: Acls, flags: i32) -> Self {
        let acl = acl.list();
        Self::of(
            op,
            &rq::CreateRequest {
                path,
                data,
                acl,
                flags,
            },
        )
    }

    /// `create` of a persistent node with any list.
    pub fn create_acl(path: &str, acl: Vec<Acl<'_>>) -> Self {
        let body = rq::CreateRequest {
            path,
            data: Some(b"x"),
            acl,
            flags: 0,
        };
        Self::of(OpCode::Create, &body)
    }

    pub fn set_acl_list(path: &str, acl: Vec<Acl<'_>>) -> Self {
        let version = -1;
        Self::of(OpCode::SetAcl, &rq::SetAclRequest { path, acl, version })
    }

    pub fn create_ttl(path: &str, data: Option<&[u8]>, acl: Acls, flags: i32, ttl: i64) -> Self {
        let acl = acl.list();
        let body = rq::CreateTtlRequest {
            path,
            data,
            acl,
            flags,
            ttl,
        };
        Self::of(OpCode::CreateTtl, &body)
    }

    pub fn delete(path: &str, version: i32) -> Self {
        Self::of(OpCode::Delete, &rq::DeleteRequest { path, version })
    }

    pub fn set(path: &str, data: Option<&[u8]>, version: i32) -> Self {
        Self::of(
            OpCode::SetData,
            &rq::SetDataRequest {
                path,
                data,
                version,
            },
        )
    }

    pub fn set_acl(path: &str, acl: Acls, version: i32) -> Self {
        let acl = acl.list();
        Self::of(OpCode::SetAcl, &rq::SetAclRequest { path, acl, version })
    }

    pub fn check(path: &str, version: i32) -> Self {
        Self::of(OpCode::Check, &rq::CheckVersionRequest { path, version })
    }

    /// `exists`, `getData`, `getChildren`, `getChildren2`.
    pub fn read(op: OpCode, path: &str, watch: bool) -> Self {
        Self::of(op, &rq::PathWatchRequest { path, watch })
    }

    /// `getACL`, `sync`, `getAllChildrenNumber`, `getEphemerals`, `deleteContainer`.
    pub fn path(op: OpCode, path: &str) -> Self {
        Self::of(op, &rq::PathRequest { path })
    }

    /// `checkWatches`, `removeWatches`.
    pub fn watches(op: OpCode, path: &str, watcher_type: i32) -> Self {
        Self::of(op, &rq::WatchesRequest { path, watcher_type })
    }

    pub fn add_watch(path: &str, mode: i32) -> Self {
        Self::of(OpCode::AddWatch, &rq::AddWatchRequest { path, mode })
    }

    pub fn set_watches(relative_zxid: i64, lists: [Vec<&str>; 3]) -> Self {
        let [data_watches, exist_watches, child_watches] = lists;
        let body = rq::SetWatches {
            relative_zxid,
            data_watches,
            exist_watches,
            child_watches,
        };
        Self {
            xid: Some(xid::SET_WATCHES),
            ..Self::of(OpCode::SetWatches, &body)
        }
    }

    pub fn set_watches2(relative_zxid: i64, lists: [Vec<&str>; 5]) -> Self {
        let [
            data_watches,
            exist_watches,
            child_watches,
            persistent_watches,
            recursive,
        ] = lists;
        let body = rq::SetWatches2 {
            relative_zxid,
            data_watches,
            exist_watches,
            child_watches,
            persistent_watches,
            persistent_recursive_watches: recursive,
        };
        Self {
            xid: Some(xid::SET_WATCHES),
            ..Self::of(OpCode::SetWatches2, &body)
        }
    }

    pub fn auth(scheme: &str, auth: Option<&[u8]>) -> Self {
        let body = rq::AuthPacket {
            auth_type: 0,
            scheme,
            auth,
        };
        Self {
            xid: Some(xid::AUTH),
            ..Self::of(OpCode::Auth, &body)
        }
    }

    pub fn reconfig(joining: &str, current: i64) -> Self {
        let body = rq::ReconfigRequest {
            joining_servers: Some(joining),
            leaving_servers: Some(""),
            new_members: Some(""),
            cur_config_id: current,
        };
        Self::of(OpCode::Reconfig, &body)
    }

    pub fn ping() -> Self {
        Self {
            xid: Some(xid::PING),
            ..Self::raw(OpCode::Ping.code(), vec![])
        }
    }

    pub fn who_am_i() -> Self {
        Self::raw(OpCode::WhoAmI.code(), vec![])
    }

    pub fn close_session() -> Self {
        Self::raw(OpCode::CloseSession.code(), vec![])
    }

    /// `multi` of writes, or `multiRead` of reads.
    pub fn multi(op: OpCode, parts: &[Request]) -> Self {
        let mut body = Vec::new();
        for part in parts {
            MultiHeader {
                op: part.op,
                done: false,
                err: -1,
            }
            .write(&mut body);
            body.extend_from_slice(&part.body);
        }
        MultiHeader::END.write(&mut body);
        Self::raw(op.code(), body)
    }
}
