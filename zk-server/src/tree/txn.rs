//! Transactions read from a log record, borrowed from it (Java: `SerializeUtils.deserializeTxn`).
//!
//! Old forms are read as Java reads them: creations of 3.3 without the parent's cversion, closed
//! sessions of 3.4 and 3.5 without a list of paths, records without a digest.

use proto::buf::{ReadError, Reader};
use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::txn::{TxnDigest, TxnHeader};

use super::acls::skip_list;

/// What a transaction creates.
#[derive(Debug, Clone, Copy)]
pub struct Create<'a> {
    pub path: &'a str,
    pub data: Option<&'a [u8]>,
    /// jute vector; `None` is Java's null
    pub acl: Option<&'a [u8]>,
    /// -1 when a log of 3.3 lacks it
    pub parent_cversion: i32,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Plain,
    Ephemeral,
    Container,
    Ttl(i64),
}

#[derive(Debug)]
pub enum Body<'a> {
    Create(Create<'a>),
    Delete {
        path: &'a str,
    },
    SetData {
        path: &'a str,
        data: Option<&'a [u8]>,
        version: i32,
    },
    SetAcl {
        path: &'a str,
        acl: Option<&'a [u8]>,
        version: i32,
    },
    Check {
        path: &'a str,
    },
    CreateSession {
        timeout: i32,
    },
    /// the paths to delete, when the record has them
    CloseSession(Option<Vec<&'a str>>),
    Error(i32),
    /// operation code and body of each
    Multi(Vec<(i32, &'a [u8])>),
}

/// Why a record cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TxnError {
    #[error("the record ends early or is damaged: {0}")]
    Damaged(#[from] ReadError),
    #[error("unsupported transaction type {0}")]
    Unsupported(i32),
}

/// One log record.
#[derive(Debug)]
pub struct Record<'a> {
    pub header: TxnHeader,
    pub body: Body<'a>,
    pub digest: Option<TxnDigest>,
}

impl<'a> Record<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Self, TxnError> {
        let mut r = Reader::new(bytes);
        let header = TxnHeader::read(&mut r)?;
        let body = Body::read(header.op, &mut r)?;
        let digest = TxnDigest::read(&mut r).ok();
        Ok(Self {
            header,
            body,
            digest,
        })
    }
}

impl Record<'_> {
    /// Whether [`Database::apply`](super::Database::apply) can read all of it.
    pub fn check(bytes: &[u8]) -> Result<TxnHeader, TxnError> {
        let record = Record::read(bytes)?;
        if let Body::Multi(txns) = &record.body {
            for &(op, body) in txns {
                let body = Body::read(op, &mut Reader::new(body))?;
                if matches!(body, Body::Multi(_) | Body::CloseSession(_)) {
                    return Err(TxnError::Unsupported(op));
                }
            }
        }
        Ok(record.header)
    }
}

impl<'a> Body<'a> {
    pub fn read(op: i32, r: &mut Reader<'a>) -> Result<Self, TxnError> {
        let op = OpCode::from_code(op).ok_or(TxnError::Unsupported(op))?;
        Ok(match op {
            OpCode::Create | OpCode::Create2 => Self::create(op, r)?,
            OpCode::CreateTtl => {
                let (path, data, acl, parent_cversion) = create_head(r)?;
                Self::Create(Create {
                    path,
                    data,
                    acl,
                    parent_cversion,
                    kind: Kind::Ttl(r.i64()?),
                })
            }
            OpCode::CreateContainer => {
                let (path, data, acl, parent_cversion) = create_head(r)?;
                Self::Create(Create {
                    path,
                    data,
                    acl,
                    parent_cversion,
                    kind: Kind::Container,
                })
            }
            OpCode::Delete | OpCode::DeleteContainer => Self::Delete {
                path: Jute::read(r)?,
            },
            OpCode::SetData | OpCode::Reconfig => Self::SetData {
                path: Jute::read(r)?,
                data: Jute::read(r)?,
                version: r.i32()?,
            },
            OpCode::SetAcl => Self::SetAcl {
                path: Jute::read(r)?,
                acl: skip_list(r)?,
                version: r.i32()?,
            },
            OpCode::Check => {
                let path = Jute::read(r)?;
                r.i32()?;
                Self::Check { path }
            }
            OpCode::CreateSession => Self::CreateSession { timeout: r.i32()? },
            OpCode::CloseSession => {
                let start = *r;
                // Without a list the digest may stand here, which can look like one of no paths.
                let paths = Jute::read(r)
                    .ok()
                    .filter(|paths: &Vec<&str>| paths.iter().all(|path| path.starts_with('/')));
                if paths.is_none() {
                    *r = start;
                }
                Self::CloseSession(paths)
            }
            OpCode::Error => Self::Error(r.i32()?),
            OpCode::Multi => Self::multi(r)?,
            _ => return Err(TxnError::Unsupported(op.code())),
        })
    }

    fn create(op: OpCode, r: &mut Reader<'a>) -> Result<Self, TxnError> {
        let start = *r;
        let new = (|| {
            let (path, data, acl) = create_v0_head(r)?;
            let ephemeral = bool::read(r)?;
            Ok((path, data, acl, ephemeral, r.i32()?))
        })();
        let (path, data, acl, ephemeral, parent_cversion) = match new {
            Ok(new) => new,
            Err(ReadError::Truncated { .. }) if op == OpCode::Create => {
                *r = start;
                let (path, data, acl) = create_v0_head(r)?;
                (path, data, acl, bool::read(r)?, -1)
            }
            Err(e) => return Err(e.into()),
        };
        Ok(Self::Create(Create {
            path,
            data,
            acl,
            parent_cversion,
            kind: if ephemeral {
                Kind::Ephemeral
            } else {
                Kind::Plain
            },
        }))
    }

    fn multi(r: &mut Reader<'a>) -> Result<Self, TxnError> {
        let count = r.i32()?;
        let mut txns = Vec::new();
        for _ in 0..count {
            let op = r.i32()?;
            let body = Option::<&[u8]>::read(r)?.unwrap_or_default();
            txns.push((op, body));
        }
        Ok(Self::Multi(txns))
    }
}

type V0Head<'a> = (&'a str, Option<&'a [u8]>, Option<&'a [u8]>);

fn create_v0_head<'a>(r: &mut Reader<'a>) -> Result<V0Head<'a>, ReadError> {
    Ok((Jute::read(r)?, Jute::read(r)?, skip_list(r)?))
}

type Head<'a> = (&'a str, Option<&'a [u8]>, Option<&'a [u8]>, i32);

fn create_head<'a>(r: &mut Reader<'a>) -> Result<Head<'a>, ReadError> {
    let (path, data, acl) = create_v0_head(r)?;
    Ok((path, data, acl, r.i32()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::zk::acl::Acl;
    use proto::zk::txn::{CreateTxnV0, TxnDigest};

    #[test]
    fn a_creation_of_3_3_has_no_parent_cversion() {
        let mut record = Vec::new();
        TxnHeader {
            op: OpCode::Create.code(),
            ..TxnHeader::default()
        }
        .write(&mut record);
        CreateTxnV0 {
            path: "/a",
            data: Some(b"d"),
            acl: vec![Acl::OPEN],
            ephemeral: true,
        }
        .write(&mut record);
        let read = Record::read(&record).unwrap();
        assert!(matches!(
            read.body,
            Body::Create(Create {
                path: "/a",
                parent_cversion: -1,
                kind: Kind::Ephemeral,
                ..
            })
        ));
    }

    #[test]
    fn a_closed_session_may_lack_its_paths() {
        let mut record = TxnHeader {
            op: OpCode::CloseSession.code(),
            ..TxnHeader::default()
        }
        .to_vec();
        let read = Record::read(&record).unwrap();
        assert!(matches!(read.body, Body::CloseSession(None)));
        // The digest alone: `closeSessionTxn.enabled=false`.
        for tree_digest in [0x1234_5678_9abc_def0, 5, i64::from(u32::MAX)] {
            let mut record = record.clone();
            let version = 2;
            TxnDigest {
                version,
                tree_digest,
            }
            .write(&mut record);
            let read = Record::read(&record).unwrap();
            assert!(matches!(read.body, Body::CloseSession(None)), "{read:?}");
            assert_eq!(read.digest.unwrap().tree_digest, tree_digest);
        }
        record.extend_from_slice(&0i32.to_be_bytes());
        let read = Record::read(&record).unwrap();
        assert!(matches!(read.body, Body::CloseSession(Some(p)) if p.is_empty()));
    }

    #[test]
    fn damage_is_an_error() {
        assert!(Record::read(b"").is_err());
        let header = TxnHeader {
            op: 99,
            ..TxnHeader::default()
        };
        assert_eq!(
            Record::read(&header.to_vec()).unwrap_err(),
            TxnError::Unsupported(99)
        );
    }
}
