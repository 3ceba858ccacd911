//! A state of the database that no longer changes, for the snapshot thread (Java writes its
//! snapshots from the living tree: they are fuzzy; these are exact).

use std::collections::BTreeMap;
use std::sync::Arc;

use proto::zk::acl::Acl;

use crate::store::image::{ImageNode, ImageSource, ZxidDigest};
use crate::units::Zxid;

use super::acls::AclList;
use super::digest;
use super::nodes::{Arena, NodeId, ROOT};

#[derive(Debug)]
pub(super) struct Frozen {
    pub(super) zxid: i64,
    pub(super) digest: Option<i64>,
    pub(super) sessions: Arc<BTreeMap<i64, i32>>,
    pub(super) acls: Arc<BTreeMap<i32, Arc<AclList>>>,
    pub(super) arena: Arena,
    pub(super) nodes: usize,
}

impl Frozen {
    /// What follows a node and all below it; `path` becomes that of its parent.
    fn behind(&self, mut id: NodeId, path: &mut String) -> Option<NodeId> {
        while id != ROOT {
            path.truncate(path.rfind('/').unwrap_or(0));
            if let Some(sibling) = self.arena.younger(id) {
                return Some(sibling);
            }
            id = self.arena.parent(id)?;
        }
        None
    }
}

impl ImageSource for Frozen {
    fn zxid(&self) -> Zxid {
        Zxid(self.zxid)
    }

    fn digest(&self) -> Option<ZxidDigest> {
        self.digest.map(|digest| ZxidDigest {
            zxid: self.zxid,
            version: digest::VERSION,
            digest,
        })
    }

    fn sessions(&self, each: &mut dyn FnMut(i64, i32)) {
        for (&id, &timeout) in self.sessions.iter() {
            each(id, timeout);
        }
    }

    fn session_count(&self) -> usize {
        self.sessions.len()
    }

    fn acls(&self, each: &mut dyn FnMut(i64, &[Acl<'_>])) {
        for (&key, list) in self.acls.iter() {
            let list: Vec<Acl<'_>> = list.iter().collect();
            each(key.into(), &list);
        }
    }

    fn acl_count(&self) -> usize {
        self.acls.len()
    }

    fn nodes(&self, each: &mut dyn FnMut(ImageNode<'_>)) {
        let mut seen = 0;
        let mut path = String::new();
        let mut next = Some(ROOT);
        // Oldest first: the order of the arena, mostly, and of a tree loaded from it.
        while let Some(id) = next {
            seen += 1;
            let node = self.arena.get(id);
            if id != ROOT {
                path.push('/');
                match std::str::from_utf8(node.name()) {
                    Ok(name) => path.push_str(name),
                    Err(_) => path.push_str(&String::from_utf8_lossy(node.name())),
                }
            }
            each(ImageNode {
                path: &path,
                data: node.data(),
                acl: node.acl.into(),
                stat: node.stat(),
            });
            next = self
                .arena
                .last_child(id)
                .or_else(|| self.behind(id, &mut path));
        }
        debug_assert_eq!(seen, self.nodes, "the image holds every node");
    }
}
