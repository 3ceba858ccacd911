//! The tree of znodes with all that must stay in step with it: ACL table, digest, ephemerals,
//! containers, quotas (Java: `DataTree`).
//!
//! Its operations are those of committed transactions and never refuse for permission or version:
//! that is the work of `pipeline::prep`.

use std::collections::{BTreeSet, HashMap};

use proto::zk::ErrorCode;
use proto::zk::acl::Acl;
use proto::zk::path;
use proto::zk::stat::{Stat, StatPersisted};

use super::acls::{self, AclTable};
use super::apply::{Changed, Observer};
use super::digest::{self, Crc};
use super::ephemeral::{CONTAINER_OWNER, EphemeralType, EphemeralTypes, ttl_owner};
use super::nodes::{Arena, Node, NodeId, Nodes, ROOT};
use super::quota::{self, QuotaPrefixes, StatsTrack};
use super::txn::{Create, Kind};

/// When and by whom a change was made.
#[derive(Debug, Clone, Copy)]
pub struct At {
    pub session: i64,
    pub zxid: i64,
    pub time: i64,
}

#[derive(Debug)]
pub struct DataTree {
    pub(super) nodes: Nodes,
    pub(super) acls: AclTable,
    digest: u64,
    digest_enabled: bool,
    pub(super) types: EphemeralTypes,
    ephemerals: HashMap<i64, BTreeSet<NodeId>>,
    containers: BTreeSet<NodeId>,
    ttls: BTreeSet<NodeId>,
    pub(super) quotas: QuotaPrefixes,
    /// bytes of all paths and data, as Java counts them
    data_size: i64,
}

impl DataTree {
    /// The tree of a new server: `/zookeeper`, its `quota` and its `config`.
    pub fn new(types: EphemeralTypes, digest_enabled: bool) -> Self {
        let mut tree = Self::empty(types, digest_enabled);
        // The root counts twice in Java's size: "" and "/".
        tree.data_size = 1;
        let zero = StatPersisted::default();
        tree.add("/zookeeper", Some(b""), acls::OPEN, zero);
        tree.add("/zookeeper/quota", Some(b""), acls::OPEN, zero);
        let acl = tree.acls.intern(Some(&acls::list_bytes(&[Acl::READ])));
        let config = StatPersisted {
            aversion: -1,
            ..zero
        };
        tree.add("/zookeeper/config", Some(b""), acl, config);
        tree
    }

    /// Only the root, for a snapshot to fill.
    pub fn empty(types: EphemeralTypes, digest_enabled: bool) -> Self {
        let mut tree = Self {
            nodes: Nodes::new(acls::OPEN),
            acls: AclTable::default(),
            digest: 0,
            digest_enabled,
            types,
            ephemerals: HashMap::new(),
            containers: BTreeSet::new(),
            ttls: BTreeSet::new(),
            quotas: QuotaPrefixes::default(),
            data_size: 1,
        };
        tree.digest = tree.share("", tree.nodes.get(ROOT));
        tree
    }

    fn add(&mut self, path: &str, data: Option<&[u8]>, acl: i32, stat: StatPersisted) -> NodeId {
        let parent = self.nodes.find(path::parent(path)).unwrap_or(ROOT);
        self.link(parent, path, data, acl, stat)
    }

    /// Adds a node and everything that follows from its being there.
    pub(super) fn link(
        &mut self,
        parent: NodeId,
        path: &str,
        data: Option<&[u8]>,
        acl: i32,
        stat: StatPersisted,
    ) -> NodeId {
        let crc = self.crc(path, self.prefix(path, data), &stat);
        let id = self
            .nodes
            .insert(parent, path, data, acl, &stat, crc.prefix);
        self.digest = self.digest.wrapping_add(crc.whole.into());
        self.data_size += (path.len() + data.map_or(0, <[u8]>::len)) as i64;
        let owner = stat.ephemeral_owner;
        match self.types.of(owner) {
            EphemeralType::Container => drop(self.containers.insert(id)),
            EphemeralType::Ttl => drop(self.ttls.insert(id)),
            EphemeralType::Normal => drop(self.ephemerals.entry(owner).or_default().insert(id)),
            EphemeralType::Void => {}
        }
        id
    }

    /// CRC of path and data, or 0 where the digest leaves them out.
    pub fn prefix(&self, path: &str, data: Option<&[u8]>) -> u32 {
        if self.digest_enabled && digest::counts(path) {
            digest::prefix(path, data.unwrap_or_default())
        } else {
            0
        }
    }

    /// The checksums of a node with this [`Self::prefix`] and stat.
    pub fn crc(&self, path: &str, prefix: u32, stat: &StatPersisted) -> Crc {
        let whole = if self.digest_enabled && digest::counts(path) {
            digest::finish(prefix, stat)
        } else {
            0
        };
        Crc { prefix, whole }
    }

    /// The checksums of a node that is there.
    pub fn crc_of(&self, path: &str, node: &Node) -> Crc {
        self.crc(path, node.crc, &node.stat())
    }

    /// What a node adds to the digest.
    fn share(&self, path: &str, node: &Node) -> u64 {
        self.crc_of(path, node).whole.into()
    }

    /// The tree's digest; `None` when `zookeeper.digest.enabled` is false.
    pub fn digest(&self) -> Option<i64> {
        self.digest_enabled.then_some(self.digest as i64)
    }

    pub fn find(&self, path: &str) -> Option<NodeId> {
        self.nodes.find(path)
    }

    pub fn node(&self, id: NodeId) -> &Node {
        self.nodes.get(id)
    }

    pub fn arena(&self) -> &Arena {
        self.nodes.arena()
    }

    pub fn acls(&self) -> &AclTable {
        &self.acls
    }

    pub fn types(&self) -> EphemeralTypes {
        self.types
    }

    /// What a client is told about a node.
    pub fn stat(&self, node: &Node) -> Stat {
        client_stat(&node.stat(), node.data_len(), node.children(), self.types)
    }

    /// Changes a node and keeps the digest right.
    pub(super) fn update(&mut self, id: NodeId, path: &str, change: impl FnOnce(&mut Node)) {
        let old = self.share(path, self.nodes.get(id));
        change(self.nodes.get_mut(id));
        let new = self.share(path, self.nodes.get(id));
        self.digest = self.digest.wrapping_sub(old).wrapping_add(new);
    }

    /// Changes a node's stat and keeps the digest right.
    pub(super) fn update_stat(
        &mut self,
        id: NodeId,
        path: &str,
        change: impl FnOnce(&mut StatPersisted),
    ) {
        self.update(id, path, |node| {
            let mut stat = node.stat();
            change(&mut stat);
            node.set_stat(&stat);
        });
    }

    pub fn create(
        &mut self,
        txn: &Create<'_>,
        at: At,
        observer: &mut impl Observer,
    ) -> Result<Stat, ErrorCode> {
        let (path, data) = (txn.path, txn.data);
        let slash = path.rfind('/').ok_or(ErrorCode::NoNode)?;
        let parent_path = &path[..slash];
        let parent = self.nodes.find(parent_path).ok_or(ErrorCode::NoNode)?;
        if let Some(existing) = self.nodes.find(path) {
            let acl = self.acls.intern(txn.acl);
            let old = std::mem::replace(&mut self.nodes.get_mut(existing).acl, acl);
            self.acls.remove_use(old);
            return Err(ErrorCode::NodeExists);
        }
        let acl = self.acls.intern(txn.acl);
        // On replay over a snapshot that was taken meanwhile the parent may be ahead already.
        let cversion = match txn.parent_cversion {
            -1 => self.nodes.get(parent).stat().cversion.wrapping_add(1),
            cversion => cversion,
        };
        if cversion > self.nodes.get(parent).stat().cversion {
            self.update_stat(parent, parent_path, |stat| {
                stat.cversion = cversion;
                stat.pzxid = at.zxid;
            });
        }
        let stat = new_stat(at, owner_of(txn.kind, at.session));
        let id = self.link(parent, path, data, acl, stat);
        self.quota_on_create(path, data);
        let parent_path = if parent_path.is_empty() {
            "/"
        } else {
            parent_path
        };
        let parent_acl = self.nodes.get(parent).acl;
        let created = Changed {
            path,
            acl: self.acls.get_ref(acl),
            bytes: data.map_or(0, <[u8]>::len),
        };
        observer.created(created, parent_path, self.acls.get_ref(parent_acl), at.zxid);
        Ok(self.stat(self.nodes.get(id)))
    }

    pub fn delete(
        &mut self,
        path: &str,
        zxid: i64,
        observer: &mut impl Observer,
    ) -> Result<(), ErrorCode> {
        let slash = path.rfind('/').ok_or(ErrorCode::NoNode)?;
        let parent_path = &path[..slash];
        let parent = self.nodes.find(parent_path).ok_or(ErrorCode::NoNode)?;
        // Also when the child is gone already: a snapshot taken meanwhile may lack both.
        if zxid > self.nodes.get(parent).stat().pzxid {
            self.update_stat(parent, parent_path, |stat| stat.pzxid = zxid);
        }
        let id = match self.nodes.find(path) {
            Some(id) if id != ROOT => id,
            _ => return Err(ErrorCode::NoNode),
        };
        // Only a damaged log deletes a node that has children; they cannot stay without it.
        let below: Vec<NodeId> = self.nodes.arena().children(id).collect();
        for child in below {
            let path = self.nodes.arena().path_of(child);
            self.delete(&path, zxid, observer).ok();
        }
        let acl = self.acls.get(self.nodes.get(id).acl);
        let bytes = self.unlink(id, path);
        self.quota_on_delete(path, bytes);
        let parent_path = if parent_path.is_empty() {
            "/"
        } else {
            parent_path
        };
        let parent_acl = self.acls.get_ref(self.nodes.get(parent).acl);
        let deleted = Changed {
            path,
            acl: &acl,
            bytes: 0,
        };
        observer.deleted(deleted, parent_path, parent_acl, zxid);
        Ok(())
    }

    /// Takes a node out with everything that followed from it; tells the length of its data.
    fn unlink(&mut self, id: NodeId, path: &str) -> i64 {
        let node = self.nodes.get(id);
        let (acl, bytes) = (node.acl, node.data_len() as i64);
        let owner = node.stat().ephemeral_owner;
        self.digest = self.digest.wrapping_sub(self.share(path, node));
        self.data_size -= path.len() as i64 + bytes;
        self.acls.remove_use(acl);
        match self.types.of(owner) {
            EphemeralType::Container => drop(self.containers.remove(&id)),
            EphemeralType::Ttl => drop(self.ttls.remove(&id)),
            EphemeralType::Normal => {
                if let Some(paths) = self.ephemerals.get_mut(&owner) {
                    paths.remove(&id);
                    if paths.is_empty() {
                        self.ephemerals.remove(&owner);
                    }
                }
            }
            EphemeralType::Void => {}
        }
        self.nodes.remove(id);
        bytes
    }

    pub fn set_data(
        &mut self,
        path: &str,
        data: Option<&[u8]>,
        version: i32,
        at: At,
        observer: &mut impl Observer,
    ) -> Result<Stat, ErrorCode> {
        let id = self.nodes.find(path).ok_or(ErrorCode::NoNode)?;
        let prefix = self.prefix(path, data);
        let old_len = self.nodes.get(id).data_len() as i64;
        self.update(id, path, |node| {
            node.set_data(data);
            node.crc = prefix;
            node.set_stat(&StatPersisted {
                mtime: at.time,
                mzxid: at.zxid,
                version,
                ..node.stat()
            });
        });
        let bytes = data.map_or(0, <[u8]>::len);
        let grown = bytes as i64 - old_len;
        self.data_size += grown;
        if let Some(quota) = self.quotas.deepest(path) {
            self.add_to_quota(quota, 0, grown);
        }
        let acl = self.acls.get_ref(self.nodes.get(id).acl);
        observer.data_changed(Changed { path, acl, bytes }, at.zxid);
        Ok(self.stat(self.nodes.get(id)))
    }

    pub fn set_acl(
        &mut self,
        path: &str,
        acl: Option<&[u8]>,
        version: i32,
    ) -> Result<Stat, ErrorCode> {
        let id = self.nodes.find(path).ok_or(ErrorCode::NoNode)?;
        let acl = self.acls.intern(acl);
        let old = self.nodes.get(id).acl;
        self.update(id, path, |node| {
            node.acl = acl;
            node.set_stat(&StatPersisted {
                aversion: version,
                ..node.stat()
            });
        });
        self.acls.remove_use(old);
        Ok(self.stat(self.nodes.get(id)))
    }

    /// What a creation whose node is there already still owes to its parent on replay.
    pub(super) fn set_cversion_pzxid(
        &mut self,
        path: &str,
        cversion: i32,
        zxid: i64,
    ) -> Result<(), ErrorCode> {
        let id = self.nodes.find(path).ok_or(ErrorCode::NoNode)?;
        let now = self.nodes.get(id).stat().cversion;
        let cversion = if cversion == -1 {
            now.wrapping_add(1)
        } else {
            cversion
        };
        if cversion > now {
            self.update_stat(id, path, |stat| {
                stat.cversion = cversion;
                stat.pzxid = zxid;
            });
        }
        Ok(())
    }

    /// Deletes what a closed session owned. The paths that the transaction names go first.
    pub(super) fn kill_session(
        &mut self,
        session: i64,
        zxid: i64,
        named: &[&str],
        observer: &mut impl Observer,
    ) {
        for path in named {
            self.delete(path, zxid, observer).ok();
        }
        for path in self.ephemerals_of(session) {
            self.delete(&path, zxid, observer).ok();
        }
    }

    fn quota_on_create(&mut self, path: &str, data: Option<&[u8]>) {
        let (parent, name) = (path::parent(path), path::name(path));
        if let Some(subtree) = parent.strip_prefix(quota::ROOT) {
            if name == quota::LIMITS {
                self.quotas.insert(subtree);
            }
            if name == quota::STATS {
                let subtree = subtree.to_owned();
                self.recount_quota(&subtree);
            }
        }
        if let Some(prefix) = self.quotas.deepest(path) {
            self.add_to_quota(prefix, 1, data.map_or(0, <[u8]>::len) as i64);
        }
    }

    fn quota_on_delete(&mut self, path: &str, bytes: i64) {
        if path::name(path) == quota::LIMITS {
            if let Some(subtree) = path::parent(path).strip_prefix(quota::ROOT) {
                self.quotas.remove(subtree);
            }
        }
        if let Some(prefix) = self.quotas.deepest(path) {
            self.add_to_quota(prefix, -1, -bytes);
        }
    }

    /// Counts a subtree anew and writes its stat node.
    pub(super) fn recount_quota(&mut self, subtree: &str) {
        let (mut count, mut bytes) = (0, 0);
        if let Some(top) = self.nodes.find(subtree) {
            for id in self.nodes.arena().subtree(top) {
                count += 1;
                bytes += self.nodes.get(id).data_len() as i64;
            }
        }
        self.write_quota(subtree, &StatsTrack::with(count, bytes));
    }

    fn add_to_quota(&mut self, prefix: &str, count: i64, bytes: i64) {
        let Some(id) = self.nodes.find(&quota::stats_path(prefix)) else {
            return;
        };
        let mut track = StatsTrack::parse(self.nodes.get(id).data().unwrap_or_default());
        track.set_count(track.count() + count);
        track.set_bytes(track.bytes() + bytes);
        self.write_quota(prefix, &track);
    }

    /// Stat nodes change without a version and outside the digest, as in Java.
    fn write_quota(&mut self, prefix: &str, track: &StatsTrack) {
        if let Some(id) = self.nodes.find(&quota::stats_path(prefix)) {
            let text = track.to_text();
            self.nodes.get_mut(id).set_data(Some(text.as_bytes()));
        }
    }

    /// Each quota: its subtree, limit and count.
    pub fn all_quotas(&self) -> impl Iterator<Item = (&str, StatsTrack, StatsTrack)> {
        self.quotas
            .iter()
            .filter_map(|prefix| self.quota_of(prefix))
    }

    /// Limit and count of the quota that `path` falls under.
    pub fn quota_of<'p>(&self, path: &'p str) -> Option<(&'p str, StatsTrack, StatsTrack)> {
        let prefix = self.quotas.deepest(path)?;
        let track = |path: &str| {
            let id = self.nodes.find(path)?;
            Some(StatsTrack::parse(
                self.nodes.get(id).data().unwrap_or_default(),
            ))
        };
        Some((
            prefix,
            track(&quota::limits_path(prefix))?,
            track(&quota::stats_path(prefix))?,
        ))
    }

    /// Nodes with `""` and `"/"` counted apart, as Java's hash map does.
    pub fn node_count(&self) -> usize {
        self.nodes.count() + 1
    }

    pub fn approximate_data_size(&self) -> i64 {
        self.data_size
    }

    /// Nodes below `path`, as `getAllChildrenNumber` tells.
    pub fn descendants(&self, path: &str, id: NodeId) -> i32 {
        if path == "/" {
            return self.nodes.count() as i32 - 1;
        }
        self.nodes.arena().subtree(id).count() as i32 - 1
    }

    pub fn ephemeral_ids(&self, session: i64) -> impl Iterator<Item = NodeId> + '_ {
        self.ephemerals.get(&session).into_iter().flatten().copied()
    }

    pub fn ephemerals_of(&self, session: i64) -> Vec<String> {
        self.ephemeral_ids(session)
            .map(|id| self.arena().path_of(id))
            .collect()
    }

    /// Sessions that own ephemerals, in no order.
    pub fn ephemeral_owners(&self) -> impl Iterator<Item = i64> + '_ {
        self.ephemerals.keys().copied()
    }

    pub fn ephemeral_count(&self) -> usize {
        self.ephemerals.values().map(BTreeSet::len).sum()
    }

    pub fn containers(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.containers.iter().copied()
    }

    pub fn ttls(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.ttls.iter().copied()
    }
}

/// The owner that a new node gets.
pub fn owner_of(kind: Kind, session: i64) -> i64 {
    match kind {
        Kind::Plain => 0,
        Kind::Ephemeral => session,
        Kind::Container => CONTAINER_OWNER,
        // Java's server dies of a TTL out of range; no server can have logged one.
        Kind::Ttl(ttl) => ttl_owner(ttl).unwrap_or(0),
    }
}

pub fn new_stat(at: At, owner: i64) -> StatPersisted {
    StatPersisted {
        czxid: at.zxid,
        mzxid: at.zxid,
        pzxid: at.zxid,
        ctime: at.time,
        mtime: at.time,
        ephemeral_owner: owner,
        ..StatPersisted::default()
    }
}

/// Java keeps the number of creations and tells the number of changes: each creation had its
/// deletion, but for the children that are still there.
fn client_stat(stat: &StatPersisted, len: usize, children: u32, types: EphemeralTypes) -> Stat {
    let children = children as i32;
    Stat {
        czxid: stat.czxid,
        mzxid: stat.mzxid,
        ctime: stat.ctime,
        mtime: stat.mtime,
        version: stat.version,
        cversion: stat.cversion.wrapping_mul(2).wrapping_sub(children),
        aversion: stat.aversion,
        ephemeral_owner: match types.of(stat.ephemeral_owner) {
            EphemeralType::Normal => stat.ephemeral_owner,
            _ => 0,
        },
        data_length: len as i32,
        num_children: children,
        pzxid: stat.pzxid,
    }
}
