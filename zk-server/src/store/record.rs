//! What a record of the log says: header, transaction, digest (Java: `SerializeUtils.deserializeTxn`).
//!
//! Reads all that ZooKeeper 3.4 to 3.9 have written: creations without the parent's cversion,
//! closed sessions without the list of paths, records without a digest.

use proto::buf::{ReadError, Reader};
use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::txn::{
    CloseSessionTxn, CreateContainerTxn, CreateSessionTxn, CreateTtlTxn, CreateTxn, CreateTxnV0,
    DeleteTxn, ErrorTxn, MultiTxn, SetAclTxn, SetDataTxn, TxnDigest, TxnHeader,
};

/// Bytes of a [`TxnHeader`], the least that a record has.
pub const HEADER_LEN: usize = 8 + 4 + 8 + 8 + 4;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body<'a> {
    CreateSession(CreateSessionTxn),
    /// `None` in logs of 3.4 and 3.5
    CloseSession(Option<CloseSessionTxn<'a>>),
    /// `create` and `create2`
    Create(CreateTxn<'a>),
    /// `create` of a log older than 3.4
    CreateV0(CreateTxnV0<'a>),
    CreateTtl(CreateTtlTxn<'a>),
    CreateContainer(CreateContainerTxn<'a>),
    /// `delete` and `deleteContainer`
    Delete(DeleteTxn<'a>),
    /// `setData` and `reconfig`
    SetData(SetDataTxn<'a>),
    SetAcl(SetAclTxn<'a>),
    Error(ErrorTxn),
    Multi(MultiTxn<'a>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord<'a> {
    pub header: TxnHeader,
    pub body: Body<'a>,
    pub digest: Option<TxnDigest>,
}

impl<'a> LogRecord<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Self, ReadError> {
        let mut r = Reader::new(bytes);
        let header = TxnHeader::read(&mut r)?;
        let at_body = r;
        let body = match Body::read(header.op, &mut r) {
            Err(ReadError::Truncated { .. }) if header.op == OpCode::Create.code() => {
                r = at_body;
                Body::CreateV0(CreateTxnV0::read(&mut r)?)
            }
            // Without a list the digest may stand there, which can look like one of no paths.
            Err(_) if header.op == OpCode::CloseSession.code() => {
                r = at_body;
                Body::CloseSession(None)
            }
            Ok(Body::CloseSession(Some(list)))
                if !list
                    .paths_to_delete
                    .iter()
                    .all(|path| path.starts_with('/')) =>
            {
                r = at_body;
                Body::CloseSession(None)
            }
            body => body?,
        };
        let digest = match TxnDigest::read(&mut r) {
            Ok(digest) => Some(digest),
            Err(ReadError::Truncated { .. }) => None,
            Err(e) => return Err(e),
        };
        Ok(Self {
            header,
            body,
            digest,
        })
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        self.header.write(out);
        match &self.body {
            Body::CreateSession(t) => t.write(out),
            Body::CloseSession(t) => {
                if let Some(t) = t {
                    t.write(out);
                }
            }
            Body::Create(t) => t.write(out),
            Body::CreateV0(t) => t.write(out),
            Body::CreateTtl(t) => t.write(out),
            Body::CreateContainer(t) => t.write(out),
            Body::Delete(t) => t.write(out),
            Body::SetData(t) => t.write(out),
            Body::SetAcl(t) => t.write(out),
            Body::Error(t) => t.write(out),
            Body::Multi(t) => t.write(out),
        }
        if let Some(digest) = &self.digest {
            digest.write(out);
        }
    }
}

impl<'a> Body<'a> {
    fn read(op: i32, r: &mut Reader<'a>) -> Result<Self, ReadError> {
        Ok(match OpCode::from_code(op) {
            Some(OpCode::CreateSession) => Self::CreateSession(Jute::read(r)?),
            Some(OpCode::CloseSession) => Self::CloseSession(Some(Jute::read(r)?)),
            Some(OpCode::Create | OpCode::Create2) => Self::Create(Jute::read(r)?),
            Some(OpCode::CreateTtl) => Self::CreateTtl(Jute::read(r)?),
            Some(OpCode::CreateContainer) => Self::CreateContainer(Jute::read(r)?),
            Some(OpCode::Delete | OpCode::DeleteContainer) => Self::Delete(Jute::read(r)?),
            Some(OpCode::SetData | OpCode::Reconfig) => Self::SetData(Jute::read(r)?),
            Some(OpCode::SetAcl) => Self::SetAcl(Jute::read(r)?),
            Some(OpCode::Error) => Self::Error(Jute::read(r)?),
            Some(OpCode::Multi) => Self::Multi(Jute::read(r)?),
            _ => return Err(ReadError::Invalid("transaction type")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::zk::acl::Acl;

    fn header(op: OpCode) -> TxnHeader {
        TxnHeader {
            client_id: 0x1000_0000_0000_0001,
            cxid: 3,
            zxid: 9,
            time: 1_700_000_000_000,
            op: op.code(),
        }
    }

    fn round_trip(record: &LogRecord<'_>) {
        let mut bytes = Vec::new();
        record.write(&mut bytes);
        assert_eq!(&LogRecord::read(&bytes).unwrap(), record);
    }

    #[test]
    fn a_closed_session_with_and_without_paths() {
        for body in [
            None,
            Some(CloseSessionTxn {
                paths_to_delete: vec!["/a", "/b"],
            }),
        ] {
            for tree_digest in [
                None,
                Some(0x1234_5678_9abc_def0),
                Some(5),
                Some(u32::MAX.into()),
            ] {
                round_trip(&LogRecord {
                    header: header(OpCode::CloseSession),
                    body: Body::CloseSession(body.clone()),
                    digest: tree_digest.map(|tree_digest| TxnDigest {
                        version: 2,
                        tree_digest,
                    }),
                });
            }
        }
    }

    #[test]
    fn a_creation_without_the_parents_cversion() {
        round_trip(&LogRecord {
            header: header(OpCode::Create),
            body: Body::CreateV0(CreateTxnV0 {
                path: "/old",
                data: Some(b"x"),
                acl: vec![Acl::OPEN],
                ephemeral: false,
            }),
            digest: None,
        });
    }

    #[test]
    fn a_digest_follows_the_transaction() {
        round_trip(&LogRecord {
            header: header(OpCode::Error),
            body: Body::Error(ErrorTxn { err: -101 }),
            digest: Some(TxnDigest {
                version: 2,
                tree_digest: -5,
            }),
        });
    }
}
