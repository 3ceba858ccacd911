//! Writes as requests carry them, decoded and borrowed from the frame.

use proto::buf::{ReadError, Reader};
use proto::jute::Jute;
use proto::zk::acl::Acl;
use proto::zk::multi::next_header;
use proto::zk::request::{
    CheckVersionRequest, CreateMode, CreateRequest, CreateTtlRequest, DeleteRequest, PathRequest,
    ReconfigRequest, SetAclRequest, SetDataRequest,
};
use proto::zk::{ErrorCode, OpCode};

#[derive(Debug)]
pub(crate) struct CreateOp<'a> {
    /// `create`, `create2`, `createContainer` or `createTTL`
    pub op: OpCode,
    pub path: &'a str,
    pub data: Option<&'a [u8]>,
    pub acl: Vec<Acl<'a>>,
    pub flags: i32,
    /// -1 but for `createTTL`
    pub ttl: i64,
}

#[derive(Debug)]
pub(crate) enum Write<'a> {
    Create(CreateOp<'a>),
    Delete(DeleteRequest<'a>),
    DeleteContainer(PathRequest<'a>),
    SetData(SetDataRequest<'a>),
    SetAcl(SetAclRequest<'a>),
    Check(CheckVersionRequest<'a>),
    Reconfig(ReconfigRequest<'a>),
    Multi(Vec<Write<'a>>),
    /// A multi that cannot be read takes a zxid nevertheless, as in Java.
    BadMulti,
    /// It fails, whatever it asks for: a learner's client waits for its transaction.
    Refused {
        op: OpCode,
        err: ErrorCode,
    },
    CreateSession {
        timeout: i32,
    },
    CloseSession,
}

/// Does a request with this code change something?
pub(crate) fn is_write(op: OpCode) -> bool {
    matches!(
        op,
        OpCode::Create
            | OpCode::Create2
            | OpCode::CreateContainer
            | OpCode::CreateTtl
            | OpCode::Delete
            | OpCode::DeleteContainer
            | OpCode::SetData
            | OpCode::SetAcl
            | OpCode::Reconfig
            | OpCode::Multi
            | OpCode::CloseSession
    )
}

impl<'a> Write<'a> {
    pub(crate) fn read(op: OpCode, body: &'a [u8]) -> Result<Self, ReadError> {
        let r = &mut Reader::new(body);
        Ok(match op {
            OpCode::Create | OpCode::Create2 | OpCode::CreateContainer => create(op, r)?,
            OpCode::CreateTtl => create_ttl(r)?,
            OpCode::Delete => Self::Delete(Jute::read(r)?),
            OpCode::DeleteContainer => Self::DeleteContainer(Jute::read(r)?),
            OpCode::SetData => Self::SetData(Jute::read(r)?),
            OpCode::SetAcl => Self::SetAcl(Jute::read(r)?),
            OpCode::Reconfig => Self::Reconfig(Jute::read(r)?),
            OpCode::Multi => multi(r).map_or(Self::BadMulti, Self::Multi),
            OpCode::CloseSession => Self::CloseSession,
            _ => return Err(ReadError::Invalid("write request")),
        })
    }

    /// The code of its transaction.
    pub(crate) fn op(&self) -> OpCode {
        match self {
            Self::Create(create) => create.op,
            Self::Delete(_) => OpCode::Delete,
            Self::DeleteContainer(_) => OpCode::DeleteContainer,
            Self::SetData(_) => OpCode::SetData,
            Self::SetAcl(_) => OpCode::SetAcl,
            Self::Check(_) => OpCode::Check,
            Self::Reconfig(_) => OpCode::Reconfig,
            Self::Multi(_) | Self::BadMulti => OpCode::Multi,
            Self::Refused { op, .. } => *op,
            Self::CreateSession { .. } => OpCode::CreateSession,
            Self::CloseSession => OpCode::CloseSession,
        }
    }
}

fn create<'a>(op: OpCode, r: &mut Reader<'a>) -> Result<Write<'a>, ReadError> {
    let CreateRequest {
        path,
        data,
        acl,
        flags,
    } = Jute::read(r)?;
    Ok(Write::Create(CreateOp {
        op,
        path,
        data,
        acl,
        flags,
        ttl: -1,
    }))
}

fn create_ttl<'a>(r: &mut Reader<'a>) -> Result<Write<'a>, ReadError> {
    let CreateTtlRequest {
        path,
        data,
        acl,
        flags,
        ttl,
    } = Jute::read(r)?;
    Ok(Write::Create(CreateOp {
        op: OpCode::CreateTtl,
        path,
        data,
        acl,
        flags,
        ttl,
    }))
}

/// All operations of a multi. In a multi the mode of a creation decides its code (Java: `Op`).
fn multi<'a>(r: &mut Reader<'a>) -> Result<Vec<Write<'a>>, ReadError> {
    let mut ops = Vec::new();
    while let Some(header) = next_header(r)? {
        let op = OpCode::from_code(header.op);
        ops.push(match op {
            Some(op @ (OpCode::Create | OpCode::Create2 | OpCode::CreateContainer)) => {
                let mut write = create(op, r)?;
                if let Write::Create(create) = &mut write {
                    match CreateMode::from_flag(create.flags) {
                        None => return Err(ReadError::Invalid("create mode")),
                        Some(mode) if mode.is_ttl() => return Err(ReadError::Invalid("TTL")),
                        Some(CreateMode::Container) => create.op = OpCode::CreateContainer,
                        Some(_) => {}
                    }
                }
                write
            }
            Some(OpCode::CreateTtl) => {
                let mut write = create_ttl(r)?;
                if let Write::Create(create) = &mut write {
                    match CreateMode::from_flag(create.flags) {
                        Some(mode) if mode.is_ttl() => {}
                        Some(CreateMode::Container) => {
                            (create.op, create.ttl) = (OpCode::CreateContainer, -1);
                        }
                        _ => (create.op, create.ttl) = (OpCode::Create, -1),
                    }
                }
                write
            }
            Some(OpCode::Delete) => Write::Delete(Jute::read(r)?),
            Some(OpCode::SetData) => Write::SetData(Jute::read(r)?),
            Some(OpCode::Check) => Write::Check(Jute::read(r)?),
            // Reads belong into a multiRead.
            _ => return Err(ReadError::Invalid("operation of a multi")),
        });
    }
    Ok(ops)
}
