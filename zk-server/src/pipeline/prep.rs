//! Turns a write into the transaction that Java would log, or into an error transaction (Java:
//! `PrepRequestProcessor`).
//!
//! Checks run in Java's order, against the tree and the overlay of changes on their way. Nothing
//! here changes the tree.

use std::sync::Arc;

use proto::jute::Jute;
use proto::zk::acl::{Acl, perms};
use proto::zk::path;
use proto::zk::request::{
    CheckVersionRequest, CreateMode, DeleteRequest, SetAclRequest, SetDataRequest,
};
use proto::zk::stat::StatPersisted;
use proto::zk::txn::{TxnDigest, TxnHeader};
use proto::zk::{ErrorCode, OpCode};

use crate::auth::{Identity, acl};
use crate::core::settings::Settings;
use crate::quorum::View;
use crate::tree::DataTree;
use crate::tree::acls::AclList;
use crate::tree::data_tree::{At, new_stat, owner_of};
use crate::tree::digest::{self, Crc};
use crate::tree::ephemeral::{EphemeralType, ttl_owner};
use crate::tree::quota;
use crate::tree::txn::Kind;

use super::overlay::{Overlay, Record};
use super::reconfig::Views;
use super::request::{CreateOp, Write};

/// What a `getData` reply adds to the data: header, length, stat.
const READ_OVERHEAD: usize = 16 + 4 + 68;

/// Left free at the end of a record, for the digest.
const RECORD_SLACK: usize = 64;
/// An operation that failed, in the record of a multi: type, length, code.
const ERROR_IN_MULTI: usize = 12;
const CLOSE: i32 = OpCode::CloseSession as i32;

/// A quota that a write went over, or would have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaExceeded {
    pub prefix: String,
    /// `count` or `bytes`
    pub what: &'static str,
    pub current: i64,
    pub limit: i64,
    pub hard: bool,
}

/// Everything that the preparation of one write looks at.
#[derive(Debug)]
pub(crate) struct Prep<'a> {
    pub(crate) tree: &'a DataTree,
    pub(crate) overlay: &'a mut Overlay,
    pub(crate) settings: &'a Settings,
    pub(crate) ids: &'a [Identity],
    pub(crate) allowed: Allowed,
    pub(crate) at: At,
    pub(crate) quota_events: &'a mut Vec<QuotaExceeded>,
    /// a leader's
    pub(crate) views: Option<&'a Views>,
    /// the configuration that this write proposes
    pub(crate) next_view: Option<View>,
    /// why a reconfiguration is refused
    pub(crate) reconfig_refused: Option<String>,
}

pub(crate) type Checked<T = ()> = Result<T, ErrorCode>;

/// Whether the session may write through the server that it came through.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowed {
    pub(crate) any: Checked,
    /// create an ephemeral znode
    pub(crate) global: Checked,
}

impl Allowed {
    pub(crate) const ALL: Self = Self {
        any: Ok(()),
        global: Ok(()),
    };
}

impl Prep<'_> {
    /// Writes the log record of a write: header, transaction, digest. `xid` is the client's; `out`
    /// is empty.
    pub(crate) fn record(&mut self, xid: i32, write: &Write<'_>, out: &mut Vec<u8>) {
        let mut header = TxnHeader {
            client_id: self.at.session,
            cxid: xid,
            zxid: self.at.zxid,
            time: self.at.time,
            op: write.op().code(),
        };
        header.write(out);
        let start = out.len();
        match self.write(write, out) {
            // Without the list and the digest, as 3.5 wrote it: all versions delete what the tree
            // lists. A longer record would keep Java's server from starting.
            Ok(()) if out.len() > self.longest_record() && header.op == CLOSE => {
                out.truncate(start);
            }
            Ok(()) => {
                if let Some(tree_digest) = self.overlay.digest(self.tree) {
                    let version = digest::VERSION;
                    TxnDigest {
                        version,
                        tree_digest,
                    }
                    .write(out);
                }
            }
            Err(err) => {
                out.clear();
                header.op = OpCode::Error.code();
                header.write(out);
                debug_assert_eq!(out.len(), start);
                err.code().write(out);
            }
        }
    }

    fn write(&mut self, write: &Write<'_>, out: &mut Vec<u8>) -> Checked {
        match write {
            Write::Create(op) => self.create(op, out),
            Write::Delete(op) => self.delete(op, out),
            Write::DeleteContainer(op) => self.delete_container(op.path, out),
            Write::SetData(op) => self.set_data(op, out),
            Write::SetAcl(op) => self.set_acl(op, out),
            Write::Check(op) => self.check_version(op, out),
            Write::Reconfig(op) => self.reconfig(op, out),
            Write::Multi(ops) => {
                self.multi(ops, out);
                Ok(())
            }
            Write::BadMulti => Err(ErrorCode::MarshallingError),
            Write::Refused { err, .. } => Err(*err),
            Write::CreateSession { timeout } => {
                timeout.write(out);
                Ok(())
            }
            Write::CloseSession => {
                self.close_session(out);
                Ok(())
            }
        }
    }

    /// All operations or, after the first that fails, none.
    fn multi(&mut self, ops: &[Write<'_>], out: &mut Vec<u8>) {
        (ops.len() as i32).write(out);
        self.overlay.begin();
        let mut failed = false;
        for (i, op) in ops.iter().enumerate() {
            let start = out.len();
            op.op().code().write(out);
            0i32.write(out);
            let body = out.len();
            let done = if failed {
                Err(ErrorCode::RuntimeInconsistency)
            } else {
                self.write(op, out)
            };
            let errors_behind = (ops.len() - i) * ERROR_IN_MULTI;
            let done = done.and_then(|()| self.fits(out.len() + errors_behind));
            if let Err(err) = done {
                if !failed {
                    failed = true;
                    self.overlay.roll_back();
                }
                out.truncate(body);
                out[start..start + 4].copy_from_slice(&OpCode::Error.code().to_be_bytes());
                err.code().write(out);
            }
            let len = (out.len() - body) as u32;
            out[start + 4..body].copy_from_slice(&len.to_be_bytes());
        }
        if !failed {
            self.overlay.commit();
        }
    }

    /// What Java reads from a log: `jute.maxbuffer`, and as much again for what the server adds.
    fn longest_record(&self) -> usize {
        let max = self.settings.max_buffer;
        max + max.max(1024) - RECORD_SLACK
    }

    fn fits(&self, len: usize) -> Checked {
        if len > self.longest_record() {
            return Err(ErrorCode::BadArguments);
        }
        Ok(())
    }

    pub(super) fn find(&self, path: &str) -> Checked<Record> {
        self.overlay
            .record(self.tree, path)
            .ok_or(ErrorCode::NoNode)
    }

    pub(super) fn put(&mut self, path: &str, record: Record) {
        self.overlay.put(self.tree, path, self.at.zxid, record);
    }

    pub(super) fn allow(&self, record: &Record, perm: i32) -> Checked {
        acl::check(&self.settings.providers, &record.acl, perm, self.ids)
    }

    /// The list that `asked` becomes, shared with znodes that have the same.
    fn fixup(&self, asked: &[Acl<'_>]) -> Checked<Arc<AclList>> {
        if asked == [Acl::OPEN] {
            return Ok(AclList::open());
        }
        let fixed = acl::fixup(&self.settings.providers, asked, self.ids)?;
        let bytes = crate::tree::acls::list_bytes(&fixed);
        Ok(match self.tree.acls().find(&bytes) {
            Some(shared) => shared,
            None => Arc::new(AclList::new(bytes)),
        })
    }

    fn create(&mut self, op: &CreateOp<'_>, out: &mut Vec<u8>) -> Checked {
        let (kind, sequential) = self.kind(op)?;
        if kind == Kind::Ephemeral {
            self.allowed.global?;
        } else {
            self.allowed.any?;
        }
        if op.path.contains('\0') {
            return Err(ErrorCode::BadArguments);
        }
        // Limits of the root stop a Java server: live, and when it reads the log.
        if op.path == quota::ROOT_LIMITS {
            return Err(ErrorCode::BadArguments);
        }
        let slash = op.path.rfind('/').ok_or(ErrorCode::BadArguments)?;
        let parent_path = &op.path[..slash];
        let acl = self.fixup(&op.acl)?;
        let mut parent = self.find(parent_path)?;
        self.allow(&parent, perms::CREATE)?;
        let numbered;
        let path = if sequential {
            numbered = format!("{}{:010}", op.path, parent.stat.cversion);
            &numbered
        } else {
            op.path
        };
        path::validate(path).map_err(|_| ErrorCode::BadArguments)?;
        if self.overlay.has(self.tree, path) {
            return Err(ErrorCode::NodeExists);
        }
        if self.tree.types().of(parent.stat.ephemeral_owner) == EphemeralType::Normal {
            return Err(ErrorCode::NoChildrenForEphemerals);
        }
        self.quota(path, op.data.map_or(0, <[u8]>::len) as i64, 1)?;
        self.readable(op.data)?;
        let cversion = parent.stat.cversion.wrapping_add(1);
        path.write(out);
        op.data.write(out);
        out.extend_from_slice(acl.bytes());
        match kind {
            Kind::Plain => false.write(out),
            Kind::Ephemeral => true.write(out),
            Kind::Container | Kind::Ttl(_) => {}
        }
        cversion.write(out);
        if let Kind::Ttl(ttl) = kind {
            ttl.write(out);
        }
        parent.children += 1;
        parent.stat.cversion = cversion;
        parent.stat.pzxid = self.at.zxid;
        self.put(parent_path, parent);
        let record = Record {
            stat: new_stat(self.at, owner_of(kind, self.at.session)),
            children: 0,
            acl,
            crc: Crc {
                prefix: self.tree.prefix(path, op.data),
                whole: 0,
            },
            data_len: op.data.map_or(0, <[u8]>::len),
        };
        self.put(path, record);
        Ok(())
    }

    /// What an operation creates, and whether its name gets a number.
    fn kind(&self, op: &CreateOp<'_>) -> Checked<(Kind, bool)> {
        let mode = CreateMode::from_flag(op.flags).ok_or(ErrorCode::BadArguments)?;
        if mode.is_ttl() && !self.tree.types().extended {
            return Err(ErrorCode::Unimplemented);
        }
        let ttl_fits = if mode.is_ttl() {
            ttl_owner(op.ttl).is_some()
        } else {
            op.ttl < 0
        };
        // A createTTL without a TTL stops Java's server.
        if !ttl_fits || (op.op == OpCode::CreateTtl && !mode.is_ttl()) {
            return Err(ErrorCode::BadArguments);
        }
        let kind = match op.op {
            OpCode::CreateTtl => Kind::Ttl(op.ttl),
            OpCode::CreateContainer => Kind::Container,
            _ if mode.is_ephemeral() => Kind::Ephemeral,
            _ => Kind::Plain,
        };
        Ok((kind, mode.is_sequential()))
    }

    /// A write that no client could read back is refused: its reply would be over
    /// `jute.maxbuffer`.
    fn readable(&self, data: Option<&[u8]>) -> Checked {
        if data.map_or(0, <[u8]>::len) + READ_OVERHEAD > self.settings.max_buffer {
            return Err(ErrorCode::BadArguments);
        }
        Ok(())
    }

    fn delete(&mut self, op: &DeleteRequest<'_>, out: &mut Vec<u8>) -> Checked {
        self.allowed.any?;
        let parent_path = deletable(op.path)?;
        let parent = self.find(parent_path)?;
        self.allow(&parent, perms::DELETE)?;
        let node = self.find(op.path)?;
        next_version(node.stat.version, op.version)?;
        if node.children > 0 {
            return Err(ErrorCode::NotEmpty);
        }
        op.path.write(out);
        self.unlink(parent_path, parent, op.path, &node);
        Ok(())
    }

    fn delete_container(&mut self, path: &str, out: &mut Vec<u8>) -> Checked {
        let parent_path = deletable(path)?;
        let node = self.find(path)?;
        if node.children > 0 {
            return Err(ErrorCode::NotEmpty);
        }
        if self.tree.types().of(node.stat.ephemeral_owner) == EphemeralType::Normal {
            return Err(ErrorCode::BadVersion);
        }
        let parent = self.find(parent_path)?;
        path.write(out);
        self.unlink(parent_path, parent, path, &node);
        Ok(())
    }

    fn unlink(&mut self, parent_path: &str, mut parent: Record, path: &str, node: &Record) {
        parent.children = parent.children.saturating_sub(1);
        parent.stat.pzxid = self.at.zxid;
        self.put(parent_path, parent);
        self.overlay.remove(self.tree, path, self.at.zxid, node);
    }

    fn set_data(&mut self, op: &SetDataRequest<'_>, out: &mut Vec<u8>) -> Checked {
        self.allowed.any?;
        path::validate(op.path).map_err(|_| ErrorCode::BadArguments)?;
        let mut node = self.find(op.path)?;
        self.allow(&node, perms::WRITE)?;
        let len = op.data.map_or(0, <[u8]>::len);
        self.quota(op.path, len as i64 - node.data_len as i64, 0)?;
        let version = next_version(node.stat.version, op.version)?;
        self.readable(op.data)?;
        op.path.write(out);
        op.data.write(out);
        version.write(out);
        node.stat = StatPersisted {
            version,
            mtime: self.at.time,
            mzxid: self.at.zxid,
            ..node.stat
        };
        node.crc.prefix = self.tree.prefix(op.path, op.data);
        node.data_len = len;
        self.put(op.path, node);
        Ok(())
    }

    fn set_acl(&mut self, op: &SetAclRequest<'_>, out: &mut Vec<u8>) -> Checked {
        self.allowed.any?;
        path::validate(op.path).map_err(|_| ErrorCode::BadArguments)?;
        let acl = self.fixup(&op.acl)?;
        let mut node = self.find(op.path)?;
        self.allow(&node, perms::ADMIN)?;
        let version = next_version(node.stat.aversion, op.version)?;
        op.path.write(out);
        out.extend_from_slice(acl.bytes());
        version.write(out);
        node.stat.aversion = version;
        // Java's record keeps the old list until the transaction is applied: a write behind it
        // would be checked against permissions that are gone.
        node.acl = acl;
        self.put(op.path, node);
        Ok(())
    }

    fn check_version(&mut self, op: &CheckVersionRequest<'_>, out: &mut Vec<u8>) -> Checked {
        self.allowed.any?;
        path::validate(op.path).map_err(|_| ErrorCode::BadArguments)?;
        let node = self.find(op.path)?;
        self.allow(&node, perms::READ)?;
        let version = next_version(node.stat.version, op.version)?;
        op.path.write(out);
        version.write(out);
        Ok(())
    }

    /// Names every ephemeral that the session has or is about to have.
    fn close_session(&mut self, out: &mut Vec<u8>) {
        let mut paths: std::collections::BTreeSet<String> = self
            .tree
            .ephemerals_of(self.at.session)
            .into_iter()
            .collect();
        for (path, there) in self.overlay.owned_by(self.at.session) {
            if there {
                paths.insert(path.to_owned());
            } else {
                paths.remove(path);
            }
        }
        for path in &paths {
            let parent_path = path::parent(path);
            if let (Ok(parent), Ok(node)) = (self.find(parent_path), self.find(path)) {
                self.unlink(parent_path, parent, path, &node);
            }
        }
        if self.settings.close_session_txn {
            (paths.len() as i32).write(out);
            for path in &paths {
                path.as_str().write(out);
            }
        }
    }

    fn quota(&mut self, path: &str, bytes: i64, count: i64) -> Checked {
        if !self.settings.enforce_quota {
            return Ok(());
        }
        let Some((prefix, limits, current)) = self.tree.quota_of(path) else {
            return Ok(());
        };
        let counted = (
            "count",
            count,
            limits.count(),
            limits.count_hard_limit(),
            current.count(),
        );
        let sized = (
            "bytes",
            bytes,
            limits.bytes(),
            limits.byte_hard_limit(),
            current.bytes(),
        );
        for (what, more, soft, hard, now) in [counted, sized] {
            let is_hard = hard > -1;
            let limit = if is_hard { hard } else { soft };
            if more == 0 || limit < 0 || now + more <= limit {
                continue;
            }
            self.quota_events.push(QuotaExceeded {
                prefix: prefix.to_owned(),
                what,
                current: now + more,
                limit,
                hard: is_hard,
            });
            if is_hard {
                return Err(ErrorCode::QuotaExceeded);
            }
        }
        Ok(())
    }
}

fn next_version(current: i32, expected: i32) -> Checked<i32> {
    if expected != -1 && expected != current {
        return Err(ErrorCode::BadVersion);
    }
    Ok(current.wrapping_add(1))
}

/// The parent of a path that may be deleted.
fn deletable(path: &str) -> Checked<&str> {
    const SPECIAL: [&str; 4] = ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"];
    match path.rfind('/') {
        Some(slash) if !path.contains('\0') && !SPECIAL.contains(&path) => Ok(&path[..slash]),
        _ => Err(ErrorCode::BadArguments),
    }
}
