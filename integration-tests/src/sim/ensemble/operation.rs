//! What a client asks for, as the frames that go over its connection.

use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::request::{CreateMode, ReconfigRequest};

use crate::zk::oracle::{Acls, Request};

/// Nodes with a TTL are there for so long at least.
pub const TTL_MS: i64 = 1500;

/// One request of the workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    Create {
        path: String,
        data: Vec<u8>,
        mode: CreateMode,
        acl: Acls,
    },
    Set {
        path: String,
        data: Vec<u8>,
        version: i32,
    },
    Delete {
        path: String,
        version: i32,
    },
    /// a check, a set and a creation that come together or not at all
    Multi {
        path: String,
        data: Vec<u8>,
        child: String,
    },
    /// on its own: refused, and never logged
    Check {
        path: String,
    },
    Reconfig {
        joining: String,
        leaving: String,
        members: Option<String>,
    },
    Data {
        path: String,
        watch: bool,
    },
    Exists {
        path: String,
        watch: bool,
    },
    Children {
        path: String,
        watch: bool,
    },
    Sync,
    Close,
}

impl Operation {
    pub fn is_write(&self) -> bool {
        matches!(
            self,
            Self::Create { .. }
                | Self::Set { .. }
                | Self::Delete { .. }
                | Self::Multi { .. }
                | Self::Reconfig { .. }
                | Self::Close
        )
    }

    pub fn request(&self) -> Request {
        match self {
            Self::Create {
                path,
                data,
                mode,
                acl,
            } => match mode {
                CreateMode::PersistentWithTtl => {
                    Request::create_ttl(path, Some(data), *acl, mode.flag(), TTL_MS)
                }
                CreateMode::Container => {
                    Request::create(OpCode::CreateContainer, path, Some(data), *acl, mode.flag())
                }
                _ => Request::create(OpCode::Create, path, Some(data), *acl, mode.flag()),
            },
            Self::Set {
                path,
                data,
                version,
            } => Request::set(path, Some(data), *version),
            Self::Delete { path, version } => Request::delete(path, *version),
            Self::Multi { path, data, child } => Request::multi(
                OpCode::Multi,
                &[
                    Request::check(path, -1),
                    Request::set(path, Some(data), -1),
                    Request::create(OpCode::Create, child, Some(data), Acls::Open, 0),
                ],
            ),
            Self::Check { path } => Request::check(path, -1),
            Self::Reconfig {
                joining,
                leaving,
                members,
            } => Request::raw(
                OpCode::Reconfig.code(),
                ReconfigRequest {
                    joining_servers: Some(joining),
                    leaving_servers: Some(leaving),
                    new_members: members.as_deref(),
                    cur_config_id: -1,
                }
                .to_vec(),
            ),
            Self::Data { path, watch } => Request::read(OpCode::GetData, path, *watch),
            Self::Exists { path, watch } => Request::read(OpCode::Exists, path, *watch),
            Self::Children { path, watch } => Request::read(OpCode::GetChildren, path, *watch),
            Self::Sync => Request::path(OpCode::Sync, "/"),
            Self::Close => Request::close_session(),
        }
    }
}
