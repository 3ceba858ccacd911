//! The one function that changes the tree by a committed transaction: live, and when a log is
//! replayed over a snapshot (Java: `DataTree.processTxn`).
//!
//! A snapshot of Java is fuzzy: it may hold changes later than its zxid. So a replayed
//! transaction may find its work done; what it still owes to the parent's cversion and pzxid is
//! made up for here.

use proto::buf::Reader;
use proto::zk::stat::Stat;
use proto::zk::{ErrorCode, OpCode};

use crate::mutants::{self, Mutant};

use super::acls::AclList;
use super::data_tree::{At, DataTree};
use super::txn::{Body, TxnError};

pub use super::txn::TxnError as ApplyError;

/// Is told of each change once it is made. `()` listens to nothing.
pub trait Observer {
    fn created(&mut self, node: Changed<'_>, parent: &str, parent_acl: &AclList, zxid: i64);
    fn deleted(&mut self, node: Changed<'_>, parent: &str, parent_acl: &AclList, zxid: i64);
    fn data_changed(&mut self, node: Changed<'_>, zxid: i64);
}

/// The znode that a change is about.
#[derive(Debug, Clone, Copy)]
pub struct Changed<'a> {
    pub path: &'a str,
    pub acl: &'a AclList,
    /// bytes that were written
    pub bytes: usize,
}

impl Observer for () {
    fn created(&mut self, _: Changed<'_>, _: &str, _: &AclList, _: i64) {}
    fn deleted(&mut self, _: Changed<'_>, _: &str, _: &AclList, _: i64) {}
    fn data_changed(&mut self, _: Changed<'_>, _: i64) {}
}

/// What a transaction did (Java: `ProcessTxnResult`).
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Applied<'a> {
    /// as the transaction says; -1 for an error
    pub op: i32,
    /// 0, or a code of `ErrorCode`
    pub err: i32,
    pub path: &'a str,
    pub stat: Stat,
    /// the results of a multi
    pub multi: Vec<Applied<'a>>,
}

impl DataTree {
    /// Applies one transaction to the tree. Sessions are the database's.
    pub fn apply<'a>(
        &mut self,
        op: i32,
        body: &Body<'a>,
        at: At,
        observer: &mut impl Observer,
    ) -> Result<Applied<'a>, TxnError> {
        let mut applied = Applied {
            op,
            ..Applied::default()
        };
        let done = match body {
            Body::Create(create) => {
                applied.path = create.path;
                let done = self.create(create, at, observer);
                if op == OpCode::Create.code() && done == Err(ErrorCode::NodeExists) {
                    let parent = &create.path[..create.path.rfind('/').unwrap_or(0)];
                    self.set_cversion_pzxid(parent, create.parent_cversion, at.zxid)
                        .and(done)
                } else {
                    done
                }
            }
            Body::Delete { path } => {
                applied.path = path;
                self.delete(path, at.zxid, observer)
                    .map(|()| Stat::default())
            }
            Body::SetData {
                path,
                data,
                version,
            } => {
                applied.path = path;
                self.set_data(path, *data, *version, at, observer)
            }
            Body::SetAcl { path, acl, version } => {
                applied.path = path;
                self.set_acl(path, *acl, *version)
            }
            Body::Check { path } => {
                applied.path = path;
                Ok(Stat::default())
            }
            Body::CreateSession { .. } => Ok(Stat::default()),
            Body::CloseSession(paths) => {
                let named = paths.as_deref().unwrap_or_default();
                if !mutants::is(Mutant::KeepEphemerals) {
                    self.kill_session(at.session, at.zxid, named, observer);
                }
                Ok(Stat::default())
            }
            Body::Error(err) => {
                applied.err = *err;
                Ok(Stat::default())
            }
            Body::Multi(txns) => {
                self.apply_multi(txns, at, observer, &mut applied)?;
                Ok(Stat::default())
            }
        };
        match done {
            Ok(stat) => applied.stat = stat,
            Err(err) => applied.err = err.code(),
        }
        Ok(applied)
    }

    /// All or none: with one error among them, all are errors.
    fn apply_multi<'a>(
        &mut self,
        txns: &[(i32, &'a [u8])],
        at: At,
        observer: &mut impl Observer,
        applied: &mut Applied<'a>,
    ) -> Result<(), TxnError> {
        let error = OpCode::Error.code();
        let failed = txns.iter().any(|&(op, _)| op == error);
        for &(op, bytes) in txns {
            let sub = if failed && op != error {
                Applied {
                    op: error,
                    ..Applied::default()
                }
            } else {
                let body = Body::read(op, &mut Reader::new(bytes))?;
                if matches!(body, Body::Multi(_) | Body::CloseSession(_)) {
                    return Err(TxnError::Unsupported(op));
                }
                self.apply(op, &body, at, observer)?
            };
            if sub.err != 0 && applied.err == 0 {
                applied.err = sub.err;
            }
            applied.multi.push(sub);
        }
        Ok(())
    }
}
