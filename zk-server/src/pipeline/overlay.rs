//! Changes that have a zxid and are not applied yet: what the next write must be checked against
//! (Java: `ZooKeeperServer.outstandingChanges`, `ChangeRecord`).

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};
use proto::zk::stat::StatPersisted;

use crate::mutants::{self, Mutant};
use crate::tree::DataTree;
use crate::tree::acls::AclList;
use crate::tree::digest::Crc;

/// A znode as it will be.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub stat: StatPersisted,
    pub children: u32,
    pub acl: Arc<AclList>,
    /// before the next change: [`Overlay::put`] needs what it adds to the digest until then
    pub crc: Crc,
    pub data_len: usize,
}

#[derive(Debug, Clone)]
struct Change {
    zxid: i64,
    /// `None` when it will be gone
    record: Option<Record>,
}

#[derive(Debug)]
struct Entry {
    hash: u64,
    path: Box<str>,
    change: Change,
}

#[derive(Debug, Default)]
pub(crate) struct Overlay {
    changes: HashTable<Entry>,
    hasher: DefaultHashBuilder,
    /// zxid and path's hash of every change
    order: VecDeque<(i64, u64)>,
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
        if let Some(change) = self.change(path) {
            return change.record.clone();
        }
        let node = tree.node(tree.find(path)?);
        Some(Record {
            stat: node.stat(),
            children: node.children(),
            acl: tree.acls().get(node.acl),
            crc: tree.crc_of(key(path), node),
            data_len: node.data_len(),
        })
    }

    /// Will there be such a node?
    pub(crate) fn has(&self, tree: &DataTree, path: &str) -> bool {
        match self.change(path) {
            Some(change) => change.record.is_some(),
            None => tree.find(path).is_some(),
        }
    }

    fn change(&self, path: &str) -> Option<&Change> {
        if self.changes.is_empty() || mutants::is(Mutant::ForgetOutstanding) {
            return None;
        }
        let path = key(path);
        let hash = self.hasher.hash_one(path);
        let found = self.changes.find(hash, |e| *e.path == *path);
        found.map(|entry| &entry.change)
    }

    /// Notes a change that the transaction `zxid` makes. The record's `crc` is that of the node as
    /// it was found (the prefix that of its new data), zero for a new one.
    pub(crate) fn put(&mut self, tree: &DataTree, path: &str, zxid: i64, mut record: Record) {
        let path = key(path);
        let old = record.crc.whole;
        record.crc = tree.crc(path, record.crc.prefix, &record.stat);
        self.note(tree, path, zxid, old, Some(record));
    }

    /// Notes that the transaction `zxid` deletes a node.
    pub(crate) fn remove(&mut self, tree: &DataTree, path: &str, zxid: i64, node: &Record) {
        self.note(tree, key(path), zxid, node.crc.whole, None);
    }

    fn note(
        &mut self,
        tree: &DataTree,
        path: &str,
        zxid: i64,
        old_crc: u32,
        record: Option<Record>,
    ) {
        let new_crc = record.as_ref().map_or(0, |r| r.crc.whole);
        self.digest = self
            .digest(tree)
            .unwrap_or(0)
            .wrapping_sub(old_crc.into())
            .wrapping_add(new_crc.into());
        let hash = self.hasher.hash_one(path);
        let before = self.set(hash, path, Change { zxid, record });
        if let Some(undo) = &mut self.undo {
            undo.changes.push((path.into(), before));
        }
        self.order.push_back((zxid, hash));
    }

    fn set(&mut self, hash: u64, path: &str, change: Change) -> Option<Change> {
        if let Some(entry) = self.changes.find_mut(hash, |e| *e.path == *path) {
            return Some(std::mem::replace(&mut entry.change, change));
        }
        let path = path.into();
        self.changes
            .insert_unique(hash, Entry { hash, path, change }, |e| e.hash);
        None
    }

    fn take(&mut self, hash: u64, which: impl Fn(&Entry) -> bool) {
        if let Ok(entry) = self.changes.find_entry(hash, which) {
            entry.remove();
        }
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
            let hash = self.hasher.hash_one(&*path);
            match before {
                Some(change) => drop(self.set(hash, &path, change)),
                None => self.take(hash, |e| e.path == path),
            }
        }
        self.order.truncate(undo.order);
        self.digest = undo.digest;
    }

    /// The transaction was applied: the tree has its changes now.
    pub(crate) fn applied(&mut self, zxid: i64) {
        while let Some(&(z, hash)) = self.order.front() {
            if z > zxid {
                return;
            }
            self.order.pop_front();
            // Another path may have the same hash, but has an entry in `order` of its own.
            self.take(hash, |e| e.hash == hash && e.change.zxid <= zxid);
        }
    }

    /// Nodes that are on their way, and whether they will be there with this owner. One that another
    /// session's takes the place of is not.
    pub(crate) fn owned_by(&self, session: i64) -> impl Iterator<Item = (&str, bool)> {
        let owned = move |record: &Record| record.stat.ephemeral_owner == session;
        self.changes.iter().map(move |Entry { path, change, .. }| {
            let own = change.record.as_ref().is_some_and(owned);
            (&**path, own)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::EphemeralTypes;

    /// A lock that was deleted and taken by another session is not the first one's to give up, though
    /// it still is in the tree.
    #[test]
    fn what_another_session_has_made_anew_is_its_own() {
        let tree = DataTree::new(EphemeralTypes::default(), true);
        let mut overlay = Overlay::default();
        let root = overlay.record(&tree, "/").unwrap();
        let lock = |owner| {
            let mut lock = root.clone();
            lock.stat.ephemeral_owner = owner;
            lock
        };
        let owned = |overlay: &Overlay, session| -> Vec<(String, bool)> {
            let all = overlay.owned_by(session);
            all.map(|(path, own)| (path.to_owned(), own)).collect()
        };
        overlay.put(&tree, "/lock", 1, lock(7));
        assert_eq!(owned(&overlay, 7), [("/lock".to_owned(), true)]);
        overlay.remove(&tree, "/lock", 2, &lock(7));
        assert_eq!(owned(&overlay, 7), [("/lock".to_owned(), false)]);
        overlay.put(&tree, "/lock", 3, lock(8));
        assert_eq!(owned(&overlay, 7), [("/lock".to_owned(), false)]);
        assert_eq!(owned(&overlay, 8), [("/lock".to_owned(), true)]);
    }
}
