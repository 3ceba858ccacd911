//! Every operation of the protocol, typed (Java: the methods of `ZooKeeper` and
//! `ZooKeeperAdmin`): [`Calls`] turns arguments into a [`Call`], which knows its request's bytes
//! and how to read the reply into an owned value.

use std::borrow::Cow;

use bytes::Bytes;

use crate::buf::ReadError;
use crate::jute::Jute;
use crate::zk::acl::{Acl, Id};
use crate::zk::path::{self, PathError};
use crate::zk::request::{
    AddWatchRequest, CreateMode, CreateRequest, CreateTtlRequest, DeleteRequest, PathRequest,
    PathWatchRequest, ReconfigRequest, SetAclRequest, SetDataRequest, WatchesRequest,
};
use crate::zk::response::{
    Create2Response, GetAclResponse, GetAllChildrenNumberResponse, GetChildren2Response,
    GetDataResponse, GetEphemeralsResponse, PathResponse, StatResponse, WhoAmIResponse,
};
use crate::zk::stat::Stat;
use crate::zk::{ErrorCode, OpCode};

use super::connect_string::Chroot;
use super::multi::{self, Op, OpResult};
use super::watches::Registration;

/// The znode of the ensemble's configuration, the same under every chroot.
pub const CONFIG_NODE: &str = "/zookeeper/config";

/// Why an operation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The server's answer, or what became of the connection (Java: `KeeperException`).
    #[error("KeeperErrorCode = {}{}", .code.message(), for_path(.path))]
    Keeper {
        code: ErrorCode,
        path: Option<String>,
    },
    /// A multi failed as a whole because of its operation number `index`.
    #[error("KeeperErrorCode = {}", .code.message())]
    Multi { code: ErrorCode, index: usize },
    /// Refused before it was sent (Java: `IllegalArgumentException`).
    #[error(transparent)]
    Path(#[from] PathError),
    #[error("{0}")]
    Argument(&'static str),
    /// The server's answer is not of the protocol.
    #[error("the answer to {op} cannot be read: {source}")]
    Reply { op: &'static str, source: ReadError },
}

/// An empty list of ACLs is refused without asking the server.
const NO_ACL: Error = Error::Keeper {
    code: ErrorCode::InvalidAcl,
    path: None,
};

fn for_path(path: &Option<String>) -> String {
    match path {
        Some(path) if !path.is_empty() => format!(" for {path}"),
        _ => String::new(),
    }
}

impl Error {
    /// The protocol's error code, if it has one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Keeper { code, .. } | Self::Multi { code, .. } => Some(*code),
            Self::Path(_) | Self::Argument(_) => Some(ErrorCode::BadArguments),
            Self::Reply { .. } => None,
        }
    }

    /// The client may not know whether the server carried it out.
    pub fn is_connection_loss(&self) -> bool {
        self.code() == Some(ErrorCode::ConnectionLoss)
    }
}

/// An [`Acl`] that owns its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedAcl {
    pub perms: i32,
    pub scheme: Cow<'static, str>,
    pub id: Cow<'static, str>,
}

impl OwnedAcl {
    /// `OPEN_ACL_UNSAFE`
    pub const OPEN: Self = Self {
        perms: crate::zk::acl::perms::ALL,
        scheme: Cow::Borrowed("world"),
        id: Cow::Borrowed("anyone"),
    };

    pub fn new(perms: i32, scheme: &str, id: &str) -> Self {
        Self {
            perms,
            scheme: Cow::Owned(scheme.to_owned()),
            id: Cow::Owned(id.to_owned()),
        }
    }
}

pub(super) fn borrow_acl(acl: &[OwnedAcl]) -> Vec<Acl<'_>> {
    acl.iter()
        .map(|a| {
            Acl::new(
                a.perms,
                Id {
                    scheme: &a.scheme,
                    id: &a.id,
                },
            )
        })
        .collect()
}

/// The part of `frame` that `part`, read from it, lies in: shared, not copied.
pub(super) fn slice_of(frame: &Bytes, part: &[u8]) -> Bytes {
    if part.is_empty() {
        return Bytes::new();
    }
    frame.slice_ref(part)
}

fn strings(list: Vec<&str>) -> Vec<String> {
    list.into_iter().map(str::to_owned).collect()
}

/// Which watches `removeWatches` ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum WatcherType {
    Children = 1,
    Data = 2,
    Any = 3,
    Persistent = 4,
    PersistentRecursive = 5,
}

/// The untyped part of a call: what the session machine needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub op: OpCode,
    pub body: Vec<u8>,
    pub registration: Option<Registration>,
}

type Decode<T> = fn(&Chroot, &Bytes) -> Result<T, ReadError>;

/// A request and how to read its reply.
#[derive(Debug)]
pub struct Call<T> {
    pub request: Request,
    pub reader: ReplyReader<T>,
}

/// What is left of a [`Call`] when its request has been sent.
#[derive(Debug)]
pub struct ReplyReader<T> {
    op: OpCode,
    /// for messages: the path as the client knows it
    path: Option<String>,
    decode: Decode<T>,
}

impl<T> ReplyReader<T> {
    /// Makes the typed result of a reply's body or error.
    pub fn read(self, chroot: &Chroot, reply: Result<Bytes, ErrorCode>) -> Result<T, Error> {
        match reply {
            Ok(body) => (self.decode)(chroot, &body).map_err(|source| Error::Reply {
                op: self.op.java_name(),
                source,
            }),
            Err(code) => Err(Error::Keeper {
                code,
                path: self.path,
            }),
        }
    }
}

/// Makes calls for a client with a chroot.
#[derive(Debug, Clone, Default)]
pub struct Calls {
    pub chroot: Chroot,
}

/// The operation that creates in `mode`; `stat` asks for the new znode's Stat where the protocol
/// leaves the choice.
pub(super) fn create_op(mode: CreateMode, stat: bool) -> OpCode {
    match mode {
        CreateMode::Container => OpCode::CreateContainer,
        mode if mode.is_ttl() => OpCode::CreateTtl,
        _ if stat => OpCode::Create2,
        _ => OpCode::Create,
    }
}

fn call<T>(
    op: OpCode,
    path: Option<&str>,
    body: Vec<u8>,
    registration: Option<Registration>,
    decode: Decode<T>,
) -> Call<T> {
    Call {
        request: Request {
            op,
            body,
            registration,
        },
        reader: ReplyReader {
            op,
            path: path.map(str::to_owned),
            decode,
        },
    }
}

fn decode_stat(_: &Chroot, body: &Bytes) -> Result<Stat, ReadError> {
    Ok(StatResponse::from_bytes(body)?.stat)
}

fn decode_data(_: &Chroot, body: &Bytes) -> Result<(Option<Bytes>, Stat), ReadError> {
    let reply = GetDataResponse::from_bytes(body)?;
    Ok((reply.data.map(|data| slice_of(body, data)), reply.stat))
}

fn decode_nothing(_: &Chroot, _: &Bytes) -> Result<(), ReadError> {
    Ok(())
}

impl Calls {
    fn server_path<'a>(&self, client_path: &'a str) -> Result<Cow<'a, str>, Error> {
        path::validate(client_path)?;
        Ok(self.chroot.to_server(client_path))
    }

    fn path_call<T>(&self, op: OpCode, path: &str, decode: Decode<T>) -> Result<Call<T>, Error> {
        let server_path = self.server_path(path)?;
        let body = PathRequest { path: &server_path }.to_vec();
        Ok(call(op, Some(path), body, None, decode))
    }

    fn watch_call<T>(
        &self,
        op: OpCode,
        path: &str,
        registration: Option<fn(String) -> Registration>,
        decode: Decode<T>,
    ) -> Result<Call<T>, Error> {
        let server_path = self.server_path(path)?;
        let watch = registration.is_some();
        let body = PathWatchRequest {
            path: &server_path,
            watch,
        }
        .to_vec();
        let registration = registration.map(|register| register(server_path.into_owned()));
        Ok(call(op, Some(path), body, registration, decode))
    }

    fn create_body(
        &self,
        path: &str,
        data: Option<&[u8]>,
        acl: &[OwnedAcl],
        mode: CreateMode,
        ttl: i64,
    ) -> Result<Vec<u8>, Error> {
        if mode.is_sequential() {
            path::validate_sequential(path)?;
        } else {
            path::validate(path)?;
        }
        if acl.is_empty() {
            return Err(NO_ACL);
        }
        let server_path = self.chroot.to_server(path);
        let (path, acl, flags): (&str, _, _) = (&server_path, borrow_acl(acl), mode.flag());
        Ok(if mode.is_ttl() {
            CreateTtlRequest {
                path,
                data,
                acl,
                flags,
                ttl,
            }
            .to_vec()
        } else {
            CreateRequest {
                path,
                data,
                acl,
                flags,
            }
            .to_vec()
        })
    }

    /// Makes a znode; the path it got. `ttl` in milliseconds counts for the modes with a TTL.
    pub fn create(
        &self,
        path: &str,
        data: Option<&[u8]>,
        acl: &[OwnedAcl],
        mode: CreateMode,
        ttl: i64,
    ) -> Result<Call<String>, Error> {
        let body = self.create_body(path, data, acl, mode, ttl)?;
        // The replies of all create operations begin with the path.
        let decode: Decode<String> = |chroot, body| {
            Ok(chroot
                .to_client(PathResponse::from_bytes(body)?.path)
                .to_owned())
        };
        Ok(call(create_op(mode, false), Some(path), body, None, decode))
    }

    /// As [`Self::create`], with the Stat of the new znode (servers from 3.5 on).
    pub fn create2(
        &self,
        path: &str,
        data: Option<&[u8]>,
        acl: &[OwnedAcl],
        mode: CreateMode,
        ttl: i64,
    ) -> Result<Call<(String, Stat)>, Error> {
        let body = self.create_body(path, data, acl, mode, ttl)?;
        let decode: Decode<(String, Stat)> = |chroot, body| {
            let reply = Create2Response::from_bytes(body)?;
            Ok((chroot.to_client(reply.path).to_owned(), reply.stat))
        };
        Ok(call(create_op(mode, true), Some(path), body, None, decode))
    }

    /// `version` -1 stands for any, here and below.
    pub fn delete(&self, path: &str, version: i32) -> Result<Call<()>, Error> {
        // The root goes as it is, chroot or not, so that the server refuses it.
        let server_path = match path {
            "/" => Cow::Borrowed(path),
            _ => self.server_path(path)?,
        };
        let body = DeleteRequest {
            path: &server_path,
            version,
        }
        .to_vec();
        Ok(call(OpCode::Delete, Some(path), body, None, decode_nothing))
    }

    /// The Stat; an error `NoNode` when there is none.
    pub fn exists(&self, path: &str, watch: bool) -> Result<Call<Stat>, Error> {
        let register = watch.then_some(Registration::Exists as fn(_) -> _);
        self.watch_call(OpCode::Exists, path, register, decode_stat)
    }

    pub fn get_data(&self, path: &str, watch: bool) -> Result<Call<(Option<Bytes>, Stat)>, Error> {
        let register = watch.then_some(Registration::Data as fn(_) -> _);
        self.watch_call(OpCode::GetData, path, register, decode_data)
    }

    /// The data of [`CONFIG_NODE`].
    pub fn get_config(&self, watch: bool) -> Call<(Option<Bytes>, Stat)> {
        let body = PathWatchRequest {
            path: CONFIG_NODE,
            watch,
        }
        .to_vec();
        let registration = watch.then(|| Registration::Data(CONFIG_NODE.to_owned()));
        call(
            OpCode::GetData,
            Some(CONFIG_NODE),
            body,
            registration,
            decode_data,
        )
    }

    pub fn set_data(
        &self,
        path: &str,
        data: Option<&[u8]>,
        version: i32,
    ) -> Result<Call<Stat>, Error> {
        let server_path = self.server_path(path)?;
        let body = SetDataRequest {
            path: &server_path,
            data,
            version,
        }
        .to_vec();
        Ok(call(OpCode::SetData, Some(path), body, None, decode_stat))
    }

    pub fn get_acl(&self, path: &str) -> Result<Call<(Vec<OwnedAcl>, Stat)>, Error> {
        self.path_call(OpCode::GetAcl, path, |_, body| {
            let reply = GetAclResponse::from_bytes(body)?;
            let own = |a: &Acl<'_>| OwnedAcl::new(a.perms, a.id.scheme, a.id.id);
            Ok((reply.acl.iter().map(own).collect(), reply.stat))
        })
    }

    pub fn set_acl(&self, path: &str, acl: &[OwnedAcl], version: i32) -> Result<Call<Stat>, Error> {
        let server_path = self.server_path(path)?;
        if acl.is_empty() {
            return Err(NO_ACL);
        }
        let body = SetAclRequest {
            path: &server_path,
            acl: borrow_acl(acl),
            version,
        }
        .to_vec();
        Ok(call(OpCode::SetAcl, Some(path), body, None, decode_stat))
    }

    /// The names of the children, in no order, and the Stat.
    pub fn get_children(
        &self,
        path: &str,
        watch: bool,
    ) -> Result<Call<(Vec<String>, Stat)>, Error> {
        let register = watch.then_some(Registration::Child as fn(_) -> _);
        self.watch_call(OpCode::GetChildren2, path, register, |_, body| {
            let reply = GetChildren2Response::from_bytes(body)?;
            Ok((strings(reply.children), reply.stat))
        })
    }

    /// How many znodes are below `path`.
    pub fn get_all_children_number(&self, path: &str) -> Result<Call<i32>, Error> {
        self.path_call(OpCode::GetAllChildrenNumber, path, |_, body| {
            Ok(GetAllChildrenNumberResponse::from_bytes(body)?.total_number)
        })
    }

    /// The session's ephemeral znodes below `prefix`; the server's paths, as in Java.
    pub fn get_ephemerals(&self, prefix: &str) -> Result<Call<Vec<String>>, Error> {
        path::validate(prefix)?;
        let body = PathRequest { path: prefix }.to_vec();
        Ok(call(OpCode::GetEphemerals, None, body, None, |_, body| {
            Ok(strings(GetEphemeralsResponse::from_bytes(body)?.ephemerals))
        }))
    }

    /// Waits until the server has seen what the leader has.
    pub fn sync(&self, path: &str) -> Result<Call<()>, Error> {
        self.path_call(OpCode::Sync, path, decode_nothing)
    }

    /// A persistent watch (servers from 3.6 on); `recursive`: on everything below `path` too.
    pub fn add_watch(&self, path: &str, recursive: bool) -> Result<Call<()>, Error> {
        let server_path = self.server_path(path)?;
        let mode = i32::from(recursive);
        let body = AddWatchRequest {
            path: &server_path,
            mode,
        }
        .to_vec();
        let owned = server_path.into_owned();
        let registration = if recursive {
            Registration::PersistentRecursive(owned)
        } else {
            Registration::Persistent(owned)
        };
        Ok(call(
            OpCode::AddWatch,
            Some(path),
            body,
            Some(registration),
            decode_nothing,
        ))
    }

    /// Ends watches of this client; `local`: here at least, when the server cannot be reached.
    pub fn remove_watches(
        &self,
        path: &str,
        kind: WatcherType,
        local: bool,
    ) -> Result<Call<()>, Error> {
        let server_path = self.server_path(path)?;
        let watcher_type = kind as i32;
        let body = WatchesRequest {
            path: &server_path,
            watcher_type,
        }
        .to_vec();
        let registration = Registration::Remove {
            path: server_path.into_owned(),
            kind,
            local,
        };
        let op = OpCode::RemoveWatches;
        Ok(call(
            op,
            Some(path),
            body,
            Some(registration),
            decode_nothing,
        ))
    }

    /// The schemes and users that the server knows this connection by: (scheme, user).
    pub fn who_am_i(&self) -> Call<Vec<(String, String)>> {
        call(OpCode::WhoAmI, None, Vec::new(), None, |_, body| {
            let reply = WhoAmIResponse::from_bytes(body)?;
            let own = |c: &crate::zk::response::ClientInfo<'_>| {
                (c.auth_scheme.to_owned(), c.user.to_owned())
            };
            Ok(reply.client_info.iter().map(own).collect())
        })
    }

    /// Changes the ensemble: joining and leaving servers, or all members; `from_config` -1 stands
    /// for any. The new configuration.
    pub fn reconfig(
        &self,
        joining: Option<&str>,
        leaving: Option<&str>,
        members: Option<&str>,
        from_config: i64,
    ) -> Call<(Option<Bytes>, Stat)> {
        let body = ReconfigRequest {
            joining_servers: joining,
            leaving_servers: leaving,
            new_members: members,
            cur_config_id: from_config,
        }
        .to_vec();
        call(OpCode::Reconfig, None, body, None, decode_data)
    }

    /// All of `ops` or none; or, when all of them read, each for itself.
    pub fn multi(&self, ops: &[Op]) -> Result<Call<Vec<OpResult>>, Error> {
        let (op, body) = multi::encode(&self.chroot, ops)?;
        Ok(call(op, None, body, None, multi::decode))
    }
}
