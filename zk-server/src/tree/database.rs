//! Tree, sessions and last zxid: all that log and snapshots keep (Java: `ZKDatabase`).
//!
//! Filled by a snapshot through `ImageSink`, brought up to date by [`Database::apply_logged`], and
//! driven by the same function afterwards.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use proto::zk::acl::Acl;
use proto::zk::path;
use proto::zk::txn::TxnHeader;

use crate::mutants::{self, Mutant};
use crate::store::image::{Image, ImageNode, ImageSink, ZxidDigest};
use crate::units::Zxid;

use super::acls;
use super::apply::{Applied, Observer};
use super::committed_log::CommittedLog;
use super::data_tree::{At, DataTree};
use super::digest;
use super::ephemeral::EphemeralTypes;
use super::image::Frozen;
use super::quota;
use super::txn::{Body, Record, TxnError};

#[derive(Debug)]
pub struct Database {
    tree: DataTree,
    /// id to timeout in milliseconds; shared with images until one side changes it
    sessions: Arc<BTreeMap<i64, i32>>,
    last_zxid: i64,
    /// the digest that a loaded snapshot must have at a zxid that replay has not reached
    expected: Option<ZxidDigest>,
    mismatches: u64,
    /// zxid and digest after every 128th transaction, oldest first
    digests: VecDeque<(i64, i64)>,
    /// a snapshot is being read into it
    loading: bool,
    committed: CommittedLog,
}

const CONFIG: &str = "/zookeeper/config";
const SYSTEM: &str = "/zookeeper";

/// A digest is noted at multiples of this zxid (Java: `DIGEST_LOG_INTERVAL`).
const DIGEST_INTERVAL: i64 = 128;
/// Digests that are kept (Java: `DIGEST_LOG_LIMIT`).
const DIGESTS: usize = 1024;

impl Database {
    /// The database of a new server.
    pub fn new(types: EphemeralTypes, digest_enabled: bool) -> Self {
        Self::with(DataTree::new(types, digest_enabled))
    }

    /// One for a snapshot to fill; then call [`Database::loaded`].
    pub fn for_snapshot(types: EphemeralTypes, digest_enabled: bool) -> Self {
        Self::with(DataTree::empty(types, digest_enabled))
    }

    /// What was there before has no place beside a snapshot.
    fn begin_load(&mut self) {
        if !self.loading {
            let digest_enabled = self.tree.digest().is_some();
            *self = Self::for_snapshot(self.tree.types(), digest_enabled);
            self.loading = true;
        }
    }

    fn with(tree: DataTree) -> Self {
        Self {
            tree,
            sessions: Arc::default(),
            last_zxid: 0,
            expected: None,
            loading: false,
            mismatches: 0,
            digests: VecDeque::new(),
            committed: CommittedLog::default(),
        }
    }

    /// Ends the filling by a snapshot that was begun at `zxid`. False when the snapshot claims to
    /// be exact and its digest is not the tree's.
    pub fn loaded(&mut self, zxid: Zxid) -> bool {
        self.begin_load();
        self.loading = false;
        self.last_zxid = zxid.0;
        self.tree.acls.purge_unused();
        // A snapshot of 3.4 lacks it (Java: `createConfigNode`).
        self.add_config_node();
        self.find_quotas();
        if self
            .expected
            .is_some_and(|d| d.zxid <= 0 || d.zxid < zxid.0)
        {
            self.expected = None;
        }
        self.compare_with_snapshot(zxid.0)
    }

    fn add_config_node(&mut self) {
        if self.tree.find(CONFIG).is_some() {
            return;
        }
        let Some(parent) = self.tree.find("/zookeeper") else {
            return;
        };
        let acl = self.tree.acls.intern(Some(&acls::list_bytes(&[Acl::READ])));
        let stat = proto::zk::stat::StatPersisted {
            aversion: -1,
            ..Default::default()
        };
        self.tree.link(parent, CONFIG, Some(b""), acl, stat);
    }

    /// Sets the text of the configuration in force in `/zookeeper/config` (Java:
    /// `initConfigInZKDatabase`), where no transaction of this server's log did.
    pub fn set_config(&mut self, text: &[u8], version: i64, wall_ms: i64) {
        let at = At {
            session: 0,
            zxid: version,
            time: wall_ms,
        };
        self.add_config_node();
        let there = self.tree.find(CONFIG).map(|id| self.tree.node(id).data());
        if there == Some(Some(text)) {
            return;
        }
        // The node is there, unless this is no tree of ZooKeeper's.
        let _ = self.tree.set_data(CONFIG, Some(text), -1, at, &mut ());
    }

    /// Every limit node makes its subtree counted, and counted anew.
    fn find_quotas(&mut self) {
        let Some(top) = self.tree.find(quota::ROOT) else {
            return;
        };
        let limits: Vec<String> = self
            .tree
            .arena()
            .subtree(top)
            .filter(|&id| self.tree.node(id).name() == quota::LIMITS.as_bytes())
            .map(|id| self.tree.arena().path_of(id))
            .collect();
        for path in limits {
            if let Some(subtree) = path::parent(&path).strip_prefix(quota::ROOT) {
                self.tree.quotas.insert(subtree);
                self.tree.recount_quota(subtree);
            }
        }
    }

    /// Applies a log record: `TxnHeader`, transaction and, since 3.6, its digest.
    pub fn apply_logged(&mut self, record: &[u8]) -> Result<TxnHeader, TxnError> {
        let (header, _) = self.apply(record, &mut ())?;
        Ok(header)
    }

    /// Applies a log record and tells what it did.
    pub fn apply<'a>(
        &mut self,
        record: &'a [u8],
        observer: &mut impl Observer,
    ) -> Result<(TxnHeader, Applied<'a>), TxnError> {
        let Record {
            header,
            body,
            digest,
        } = Record::read(record)?;
        match body {
            Body::CreateSession { timeout } => {
                Arc::make_mut(&mut self.sessions).insert(header.client_id, timeout);
            }
            Body::CloseSession(_) => {
                Arc::make_mut(&mut self.sessions).remove(&header.client_id);
            }
            _ => {}
        }
        let at = At {
            session: header.client_id,
            zxid: header.zxid,
            time: header.time,
        };
        let applied = self.tree.apply(header.op, &body, at, observer)?;
        self.last_zxid = self.last_zxid.max(header.zxid);
        self.note_digest(header.zxid);
        if self.expected.is_some() {
            self.compare_with_snapshot(header.zxid);
        } else if let (Some(logged), Some(actual)) = (digest, self.tree.digest()) {
            if logged.version == digest::VERSION && logged.tree_digest != actual {
                self.mismatches += 1;
            }
        }
        Ok((header, applied))
    }

    fn note_digest(&mut self, zxid: i64) {
        if zxid % DIGEST_INTERVAL != 0 {
            return;
        }
        if let Some(digest) = self.tree.digest() {
            if self.digests.len() == DIGESTS {
                self.digests.pop_front();
            }
            self.digests.push_back((zxid, digest));
        }
    }

    /// zxid and digest after every 128th transaction, oldest first (Java: `getDigestLog`).
    pub fn digest_log(&self) -> Vec<(i64, i64)> {
        self.digests.iter().copied().collect()
    }

    fn compare_with_snapshot(&mut self, zxid: i64) -> bool {
        let Some(expected) = self.expected else {
            return true;
        };
        if zxid < expected.zxid {
            return true;
        }
        self.expected = None;
        let same = zxid > expected.zxid
            || expected.version != digest::VERSION
            || self.tree.digest().is_none_or(|d| d == expected.digest);
        if !same {
            self.mismatches += 1;
        }
        same
    }

    /// This state counts as that of a later zxid: it takes the place of a longer history.
    pub fn continue_at(&mut self, zxid: Zxid) {
        self.last_zxid = zxid.0;
        self.expected = None;
    }

    /// This operator's snapshot is an ensemble's state from `zxid` on, and says so: `/zookeeper`, which no
    /// transaction creates, is created at `zxid` and changed by the snapshot's last transaction.
    pub fn restore_at(&mut self, zxid: Zxid) {
        let taken = self.last_zxid;
        if let Some(id) = self.tree.find(SYSTEM) {
            self.tree.update_stat(id, SYSTEM, |stat| {
                stat.czxid = zxid.0;
                stat.mzxid = taken;
            });
        }
        self.continue_at(zxid);
    }

    /// The last time that an operator's snapshot became this ensemble's state: since which zxid, and the
    /// snapshot's own, as far as it can be told.
    pub fn restored(&self) -> Option<(Zxid, Zxid)> {
        let stat = self.tree.node(self.tree.find(SYSTEM)?).stat();
        let taken = if stat.mzxid < stat.czxid {
            stat.mzxid
        } else {
            0
        };
        (stat.czxid > 0).then_some((Zxid(stat.czxid), Zxid(taken)))
    }

    /// Owners of ephemerals that are not among the sessions.
    pub fn orphans(&self) -> Vec<i64> {
        let known = |id: &i64| self.sessions.contains_key(id);
        let mut orphans: Vec<i64> = self
            .tree
            .ephemeral_owners()
            .filter(|id| !known(id))
            .collect();
        orphans.sort_unstable();
        orphans
    }

    /// The folder was empty and must not be trusted to be so: this server has less than any other
    /// (Java: `db.autocreate=false`, a last zxid of -1).
    pub fn distrust(&mut self) {
        self.last_zxid = -1;
    }

    pub fn tree(&self) -> &DataTree {
        &self.tree
    }

    /// id and timeout in milliseconds of every committed session
    pub fn sessions(&self) -> &BTreeMap<i64, i32> {
        &self.sessions
    }

    pub fn last_zxid(&self) -> Zxid {
        Zxid(self.last_zxid)
    }

    /// Records whose digest was not the tree's afterwards (Java: `digest_mismatches_count`).
    pub fn digest_mismatches(&self) -> u64 {
        self.mismatches
    }

    /// The last committed transactions, for learners that lack only those.
    pub fn committed(&self) -> &CommittedLog {
        &self.committed
    }

    pub fn committed_mut(&mut self) -> &mut CommittedLog {
        &mut self.committed
    }

    /// The state as it is now; later changes do not show in it.
    pub fn image(&self) -> Image {
        Image(Arc::new(Frozen {
            zxid: self.last_zxid,
            digest: self.tree.digest(),
            sessions: self.sessions.clone(),
            acls: self.tree.acls().frozen(),
            arena: self.tree.arena().clone(),
            nodes: self.tree.nodes.count(),
        }))
    }
}

impl ImageSink for Database {
    fn session(&mut self, id: i64, timeout_ms: i32) {
        self.begin_load();
        Arc::make_mut(&mut self.sessions).insert(id, timeout_ms);
    }

    fn acl(&mut self, key: i64, acl: Vec<Acl<'_>>) {
        self.begin_load();
        let acl = match mutants::is(Mutant::LoseAcls) {
            true => vec![Acl::OPEN],
            false => acl,
        };
        self.tree.acls.load(key, acls::list_bytes(&acl));
    }

    fn node(&mut self, node: ImageNode<'_>) -> Result<(), String> {
        self.begin_load();
        let acl = self.tree.acls.loaded(node.acl);
        self.tree.acls.add_use(acl);
        let Some(slash) = node.path.rfind('/') else {
            if !node.path.is_empty() {
                return Err(format!("path \"{}\" does not start with /", node.path));
            }
            let prefix = self.tree.prefix("", node.data);
            let root = super::nodes::ROOT;
            self.tree.update(root, "", |root| {
                root.set_data(node.data);
                root.acl = acl;
                root.set_stat(&node.stat);
                root.crc = prefix;
            });
            return Ok(());
        };
        // It would be written as "/", which is the end of the nodes.
        if node.path == "//" {
            return Err("a child of the root has no name".to_owned());
        }
        let parent = self.tree.find(&node.path[..slash]).ok_or_else(|| {
            format!(
                "the parent of \"{}\" is missing from the snapshot",
                node.path
            )
        })?;
        if self.tree.find(node.path).is_some() {
            return Err(format!("\"{}\" is in the snapshot twice", node.path));
        }
        self.tree.link(parent, node.path, node.data, acl, node.stat);
        Ok(())
    }

    fn digest(&mut self, digest: ZxidDigest) {
        self.expected = Some(digest);
    }
}
