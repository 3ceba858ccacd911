//! Changes that have a zxid and are not applied yet: what the next write must be checked against
//! (Java: `ZooKeeperServer.outstandingChanges`, `ChangeRecord`).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use proto::zk::stat::StatPersisted;

use crate::tree::DataTree;
use crate::tree::acls::AclList;

/// A znode as it will be.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub stat: StatPersisted,
    pub children: u32,
    pub acl: Arc<AclList>,
    /// CRC of path and data
    pub prefix: u32,
    pub data_len: usize,
}

#[derive(Debug, Clone)]
struct Change {
    zxid: i64,
    /// `None` when it will be gone
    record: Option<Record>,
}

#[derive(Debug, Default)]
pub(crate) struct Overlay {
    changes: HashMap<Box<str>, Change>,
    order: VecDeque<(i64, Box<str>)>,
    /// the tree's digest after all of them
    digest: i64,
    /// what a failed multi puts back; `None` outside a multi
    undo: Option<Undo>,
}

#[derive(Debug)]
struct Undo {
    changes: Vec<(Box<str>, Option<Change>)>,
    order: usize,
    digest: i64,
}

/// The root goes by one name here.
fn key(path: &str) -> &str {
    if path == "/" { "" } else { path }
}

impl Overlay {
    /// The node as the next write finds it.
    pub(crate) fn record(&self, tree: &DataTree, path: &str) -> Option<Record> {
        if let Some(change) = self.changes.get(key(path)) {
            return change.record.clone();
        }
        let node = tree.node(tree.find(path)?);
        Some(Record {
            stat: node.stat,
            children: node.children(),
            acl: tree.acls().get(node.acl),
            prefix: node.prefix_crc,
            data_len: node.data_len(),
        })
    }

    /// Notes a change, made by the transaction `zxid`.
    pub(crate) fn put(&mut self, tree: &DataTree, path: &str, zxid: i64, record: Option<Record>) {
        let path = key(path);
        let digest_of = |record: &Option<Record>| {
            record
                .as_ref()
                .map_or(0, |r| tree.digest_of(path, r.prefix, &r.stat))
        };
        let old = digest_of(&self.record(tree, path));
        let new = digest_of(&record);
        self.digest = self
            .digest(tree)
            .unwrap_or(0)
            .wrapping_sub(old as i64)
            .wrapping_add(new as i64);
        let before = self.changes.insert(path.into(), Change { zxid, record });
        if let Some(undo) = &mut self.undo {
            undo.changes.push((path.into(), before));
        }
        self.order.push_back((zxid, path.into()));
    }

    /// The tree's digest once everything on its way is applied.
    pub(crate) fn digest(&self, tree: &DataTree) -> Option<i64> {
        let now = tree.digest()?;
        Some(if self.order.is_empty() {
            now
        } else {
            self.digest
        })
    }

    /// From here to [`Overlay::commit`] or [`Overlay::roll_back`] changes can be taken back.
    pub(crate) fn begin(&mut self) {
        self.undo = Some(Undo {
            changes: Vec::new(),
            order: self.order.len(),
            digest: self.digest,
        });
    }

    pub(crate) fn commit(&mut self) {
        self.undo = None;
    }

    pub(crate) fn roll_back(&mut self) {
        let Some(undo) = self.undo.take() else { return };
        for (path, before) in undo.changes.into_iter().rev() {
            match before {
                Some(change) => drop(self.changes.insert(path, change)),
                None => drop(self.changes.remove(&path)),
            }
        }
        self.order.truncate(undo.order);
        self.digest = undo.digest;
    }

    /// The transaction was applied: the tree has its changes now.
    pub(crate) fn applied(&mut self, zxid: i64) {
        while self.order.front().is_some_and(|&(z, _)| z <= zxid) {
            let Some((_, path)) = self.order.pop_front() else {
                return;
            };
            if self.changes.get(&path).is_some_and(|c| c.zxid <= zxid) {
                self.changes.remove(&path);
            }
        }
    }

    /// Nodes that will be there with this owner, and nodes that will be gone.
    pub(crate) fn owned_by(&self, session: i64) -> impl Iterator<Item = (&str, bool)> {
        self.changes
            .iter()
            .filter_map(move |(path, change)| match &change.record {
                None => Some((&**path, false)),
                Some(record) if record.stat.ephemeral_owner == session => Some((&**path, true)),
                Some(_) => None,
            })
    }
}
