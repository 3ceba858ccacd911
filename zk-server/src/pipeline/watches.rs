//! Watch events: of changes as they are applied, and those that a client missed while it was
//! away (Java: `DataTree.setWatches`, `NIOServerCnxn.process`).

use proto::zk::acl::perms;
use proto::zk::request::SetWatches2;
use proto::zk::watch::EventType;

use crate::auth::{Providers, acl};
use crate::core::conn::Conns;
use crate::core::stats::Stats;
use crate::mutants::{self, Mutant};
use crate::tree::acls::AclList;
use crate::tree::{Changed, DataTree, Observer};
use crate::watch::{Full, Mode, Watches};

use super::reply;

/// Hears of changes and writes events to the connections that watch. The transaction's own reply
/// is written afterwards, so a client sees the event before the change.
#[derive(Debug)]
pub(crate) struct Delivery<'a> {
    pub(crate) watches: &'a mut Watches,
    pub(crate) conns: &'a mut Conns,
    pub(crate) providers: &'a Providers,
    pub(crate) stats: &'a mut Stats,
}

impl Delivery<'_> {
    fn data(&mut self, path: &str) -> Vec<u32> {
        let mut watchers = Vec::new();
        self.watches.trigger_data(path, &mut watchers);
        watchers
    }

    fn child(&mut self, path: &str) -> Vec<u32> {
        let mut watchers = Vec::new();
        self.watches.trigger_child(path, &mut watchers);
        watchers
    }

    /// Those who may not read the znode hear nothing.
    fn send(&mut self, to: &[u32], kind: EventType, path: &str, acl: &AclList, zxid: i64) {
        for &slot in to {
            let Some(conn) = self.conns.get(slot) else {
                continue;
            };
            if acl::check(self.providers, acl, perms::READ, &conn.ids).is_err()
                || mutants::is(Mutant::LoseWatchEvents)
            {
                continue;
            }
            if let Some(conn) = self.conns.writer(slot) {
                let start = conn.out.len() + 4;
                reply::event(&mut conn.out, kind, path, zxid);
                self.stats.watch_bytes += (conn.out.len() - start) as u64;
                self.stats.packets_sent += 1;
            }
        }
    }

    fn children_changed(&mut self, parent: &str, acl: &AclList, zxid: i64) {
        let watchers = self.child(parent);
        self.stats.node_children_watches += watchers.len() as u64;
        self.send(&watchers, EventType::NodeChildrenChanged, parent, acl, zxid);
    }
}

impl Observer for Delivery<'_> {
    fn created(&mut self, node: Changed<'_>, parent: &str, parent_acl: &AclList, zxid: i64) {
        let Changed { path, acl, bytes } = node;
        self.stats.namespaces.written(path, bytes);
        let watchers = self.data(path);
        self.stats.node_created_watches += watchers.len() as u64;
        self.send(&watchers, EventType::NodeCreated, path, acl, zxid);
        self.children_changed(parent, parent_acl, zxid);
    }

    fn deleted(&mut self, node: Changed<'_>, parent: &str, parent_acl: &AclList, zxid: i64) {
        let Changed { path, acl, bytes } = node;
        self.stats.namespaces.written(path, bytes);
        let data = self.data(path);
        let mut child = self.child(path);
        self.stats.node_deleted_watches += (data.len() + child.len()) as u64;
        self.send(&data, EventType::NodeDeleted, path, acl, zxid);
        // One who watched both hears of it once.
        child.retain(|watcher| !data.contains(watcher));
        self.send(&child, EventType::NodeDeleted, path, acl, zxid);
        self.children_changed(parent, parent_acl, zxid);
    }

    fn data_changed(&mut self, node: Changed<'_>, zxid: i64) {
        let Changed { path, acl, bytes } = node;
        self.stats.namespaces.written(path, bytes);
        let watchers = self.data(path);
        self.stats.node_changed_watches += watchers.len() as u64;
        self.send(&watchers, EventType::NodeDataChanged, path, acl, zxid);
    }
}

/// Sets the watches of a client that came back, or tells it what it missed. Returns the number of
/// events.
pub(super) fn set_watches(
    tree: &DataTree,
    watches: &mut Watches,
    watcher: u32,
    asked: &SetWatches2<'_>,
    out: &mut Vec<u8>,
) -> Result<u64, Full> {
    let mut sent = 0;
    let mut tell = |kind, path: &str| {
        reply::event(out, kind, path, -1);
        sent += 1;
    };
    let stat = |path: &str| tree.find(path).map(|id| tree.node(id).stat());
    for path in &asked.data_watches {
        match stat(path) {
            None => tell(EventType::NodeDeleted, path),
            Some(stat) if stat.mzxid > asked.relative_zxid => {
                tell(EventType::NodeDataChanged, path);
            }
            Some(_) => watches.add(path, watcher, Mode::DATA)?,
        }
    }
    for path in &asked.exist_watches {
        match stat(path) {
            Some(_) => tell(EventType::NodeCreated, path),
            None => watches.add(path, watcher, Mode::DATA)?,
        }
    }
    for path in &asked.child_watches {
        match stat(path) {
            None => tell(EventType::NodeDeleted, path),
            Some(stat) if stat.pzxid > asked.relative_zxid => {
                tell(EventType::NodeChildrenChanged, path);
            }
            Some(_) => watches.add(path, watcher, Mode::CHILD)?,
        }
    }
    for path in &asked.persistent_watches {
        watches.add(path, watcher, Mode::PERSISTENT)?;
    }
    for path in &asked.persistent_recursive_watches {
        watches.add(path, watcher, Mode::RECURSIVE)?;
    }
    Ok(sent)
}
