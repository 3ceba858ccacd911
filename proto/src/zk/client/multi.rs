//! The operations and results of `multi` and `multiRead` (Java: `Op`, `OpResult`,
//! `MultiOperationRecord`, `MultiResponse`).

use bytes::Bytes;

use crate::buf::{ReadError, Reader};
use crate::jute::Jute;
use crate::zk::multi::{MultiHeader, next_header};
use crate::zk::path;
use crate::zk::request::{
    CheckVersionRequest, CreateMode, CreateRequest, CreateTtlRequest, DeleteRequest,
    PathWatchRequest, SetDataRequest,
};
use crate::zk::response::{
    Create2Response, ErrorResponse, GetChildrenResponse, GetDataResponse, PathResponse,
    StatResponse,
};
use crate::zk::stat::Stat;
use crate::zk::{ErrorCode, OpCode};

use super::call::{Error, OwnedAcl, borrow_acl, create_op, slice_of};
use super::connect_string::Chroot;

/// One operation of a multi (the first four) or of a multiRead (the last two).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    Create {
        path: String,
        data: Option<Bytes>,
        acl: Vec<OwnedAcl>,
        mode: CreateMode,
        /// milliseconds, for the modes with a TTL
        ttl: i64,
    },
    Delete {
        path: String,
        version: i32,
    },
    SetData {
        path: String,
        data: Option<Bytes>,
        version: i32,
    },
    Check {
        path: String,
        version: i32,
    },
    GetData {
        path: String,
    },
    GetChildren {
        path: String,
    },
}

/// The result of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpResult {
    Created { path: String, stat: Option<Stat> },
    Deleted,
    Set(Stat),
    Checked,
    Data { data: Option<Bytes>, stat: Stat },
    Children(Vec<String>),
    Error(ErrorCode),
}

impl Op {
    pub fn path(&self) -> &str {
        match self {
            Self::Create { path, .. }
            | Self::Delete { path, .. }
            | Self::SetData { path, .. }
            | Self::Check { path, .. }
            | Self::GetData { path }
            | Self::GetChildren { path } => path,
        }
    }

    /// Whether it belongs into a multiRead.
    pub fn is_read(&self) -> bool {
        matches!(self, Self::GetData { .. } | Self::GetChildren { .. })
    }

    fn op(&self) -> OpCode {
        match self {
            Self::Create { mode, .. } => create_op(*mode, false),
            Self::Delete { .. } => OpCode::Delete,
            Self::SetData { .. } => OpCode::SetData,
            Self::Check { .. } => OpCode::Check,
            Self::GetData { .. } => OpCode::GetData,
            Self::GetChildren { .. } => OpCode::GetChildren,
        }
    }

    fn validate(&self) -> Result<(), Error> {
        match self {
            Self::Create { path, mode, .. } if mode.is_sequential() => {
                Ok(path::validate_sequential(path)?)
            }
            _ => Ok(path::validate(self.path())?),
        }
    }

    fn write_body(&self, chroot: &Chroot, out: &mut Vec<u8>) {
        let server_path = chroot.to_server(self.path());
        let path: &str = &server_path;
        match self {
            Self::Create {
                data,
                acl,
                mode,
                ttl,
                ..
            } => {
                let (data, acl, flags) = (data.as_deref(), borrow_acl(acl), mode.flag());
                if mode.is_ttl() {
                    let ttl = *ttl;
                    CreateTtlRequest {
                        path,
                        data,
                        acl,
                        flags,
                        ttl,
                    }
                    .write(out);
                } else {
                    CreateRequest {
                        path,
                        data,
                        acl,
                        flags,
                    }
                    .write(out);
                }
            }
            Self::Delete { version, .. } => DeleteRequest {
                path,
                version: *version,
            }
            .write(out),
            Self::SetData { data, version, .. } => {
                let (data, version) = (data.as_deref(), *version);
                SetDataRequest {
                    path,
                    data,
                    version,
                }
                .write(out);
            }
            Self::Check { version, .. } => {
                CheckVersionRequest {
                    path,
                    version: *version,
                }
                .write(out);
            }
            Self::GetData { .. } | Self::GetChildren { .. } => {
                PathWatchRequest { path, watch: false }.write(out);
            }
        }
    }
}

/// The request that carries `ops`: a `multi` or, when all of them read, a `multiRead`.
pub(super) fn encode(chroot: &Chroot, ops: &[Op]) -> Result<(OpCode, Vec<u8>), Error> {
    let reads = ops.iter().filter(|op| op.is_read()).count();
    if reads != 0 && reads != ops.len() {
        return Err(Error::Argument(
            "a multi either reads or writes, it cannot do both",
        ));
    }
    let mut body = Vec::new();
    for op in ops {
        op.validate()?;
        let header = MultiHeader {
            op: op.op().code(),
            done: false,
            err: -1,
        };
        header.write(&mut body);
        op.write_body(chroot, &mut body);
    }
    MultiHeader::END.write(&mut body);
    let op = if reads == 0 {
        OpCode::Multi
    } else {
        OpCode::MultiRead
    };
    Ok((op, body))
}

/// Reads a `MultiResponse`.
pub(super) fn decode(chroot: &Chroot, frame: &Bytes) -> Result<Vec<OpResult>, ReadError> {
    let mut r = Reader::new(frame);
    let mut results = Vec::new();
    while let Some(header) = next_header(&mut r)? {
        results.push(result(chroot, frame, header, &mut r)?);
    }
    Ok(results)
}

fn result(
    chroot: &Chroot,
    frame: &Bytes,
    header: MultiHeader,
    r: &mut Reader<'_>,
) -> Result<OpResult, ReadError> {
    let op = OpCode::from_code(header.op).ok_or(ReadError::Invalid("operation of a multi"))?;
    Ok(match op {
        OpCode::Create => OpResult::Created {
            path: chroot.to_client(PathResponse::read(r)?.path).to_owned(),
            stat: None,
        },
        OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => {
            let reply = Create2Response::read(r)?;
            OpResult::Created {
                path: chroot.to_client(reply.path).to_owned(),
                stat: Some(reply.stat),
            }
        }
        OpCode::Delete => OpResult::Deleted,
        OpCode::SetData => OpResult::Set(StatResponse::read(r)?.stat),
        OpCode::Check => OpResult::Checked,
        OpCode::GetData => {
            let reply = GetDataResponse::read(r)?;
            OpResult::Data {
                data: reply.data.map(|data| slice_of(frame, data)),
                stat: reply.stat,
            }
        }
        OpCode::GetChildren => {
            let reply = GetChildrenResponse::read(r)?;
            OpResult::Children(reply.children.into_iter().map(str::to_owned).collect())
        }
        OpCode::Error => {
            let err = ErrorResponse::read(r)?.err;
            OpResult::Error(ErrorCode::from_code(err).unwrap_or(ErrorCode::SystemError))
        }
        _ => return Err(ReadError::Invalid("operation of a multi")),
    })
}

/// The operation that made a multi fail: the first that carries an error of its own.
pub fn first_error(results: &[OpResult]) -> Option<(usize, ErrorCode)> {
    results
        .iter()
        .enumerate()
        .find_map(|(index, result)| match result {
            OpResult::Error(code) if *code != ErrorCode::Ok => Some((index, *code)),
            _ => None,
        })
}
