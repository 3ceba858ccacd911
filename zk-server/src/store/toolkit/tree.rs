//! A snapshot as the tools look at it: nodes with their children in the order in which Java's
//! `HashSet` shows them, quota counts brought up to date as Java does on loading.

use std::collections::HashMap;
use std::path::Path;

use proto::zk::acl::Acl;
use proto::zk::stat::StatPersisted;

use crate::store::disk::Disk;
use crate::store::image::{ImageNode, ImageSink, ZxidDigest};
use crate::store::snapshot::{self, Loaded};

#[derive(Debug, Clone, Default)]
pub struct Node {
    /// the last part of the path
    pub name: String,
    pub data: Option<Vec<u8>>,
    pub stat: StatPersisted,
    /// in Java's order
    pub children: Vec<usize>,
}

impl Node {
    pub fn data_len(&self) -> usize {
        self.data.as_ref().map_or(0, Vec::len)
    }
}

#[derive(Debug, Default)]
pub struct Tree {
    nodes: Vec<Node>,
    by_path: HashMap<String, usize>,
    sessions: Vec<(i64, i32)>,
}

impl Tree {
    pub fn load(disk: &dyn Disk, path: &Path) -> Result<(Self, Loaded), String> {
        let mut tree = Self::default();
        let loaded = snapshot::load(disk, path, &mut tree)?;
        for i in 0..tree.nodes.len() {
            let children = std::mem::take(&mut tree.nodes[i].children);
            tree.nodes[i].children =
                hash_order(children, 8, |child| string_hash(&tree.nodes[*child].name));
        }
        tree.sessions = hash_order(std::mem::take(&mut tree.sessions), 16, |(id, _)| {
            (id ^ ((*id as u64) >> 32) as i64) as i32
        });
        tree.count_quotas("/zookeeper/quota");
        Ok((tree, loaded))
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub fn node(&self, index: usize) -> &Node {
        &self.nodes[index]
    }

    /// By path; "/" is the root.
    pub fn find(&self, path: &str) -> Option<usize> {
        let path = if path == "/" { "" } else { path };
        self.by_path.get(path).copied()
    }

    /// Id and timeout, in Java's order.
    pub fn sessions(&self) -> &[(i64, i32)] {
        &self.sessions
    }

    /// How many nodes end with the session.
    pub fn ephemerals(&self, session: i64) -> usize {
        let owned = |n: &&Node| n.stat.ephemeral_owner == session;
        self.nodes.iter().filter(owned).count()
    }

    /// Nodes and bytes of a subtree, its root included.
    pub fn sum(&self, index: usize) -> (i64, i64) {
        let mut sum = (0, 0);
        let mut open = vec![index];
        while let Some(i) = open.pop() {
            let node = &self.nodes[i];
            sum.0 += 1;
            sum.1 += node.data_len() as i64;
            open.extend(&node.children);
        }
        sum
    }

    /// Java: `DataTree.setupQuota`, which sets every `zookeeper_stats` from the tree.
    fn count_quotas(&mut self, quotas: &str) {
        let limits: Vec<String> = self
            .by_path
            .iter()
            .filter(|(_, i)| self.nodes[**i].children.is_empty())
            .filter_map(|(path, _)| path.strip_prefix(quotas)?.strip_suffix("/zookeeper_limits"))
            .map(str::to_owned)
            .collect();
        for path in limits {
            let (count, bytes) = match self.find(&path) {
                Some(index) => self.sum(index),
                None => (0, 0),
            };
            if let Some(stats) = self.find(&format!("{quotas}{path}/zookeeper_stats")) {
                let text = format!("count={count},bytes={bytes}");
                self.nodes[stats].data = Some(text.into_bytes());
            }
        }
    }
}

impl ImageSink for Tree {
    fn session(&mut self, id: i64, timeout_ms: i32) {
        self.sessions.push((id, timeout_ms));
    }

    fn acl(&mut self, _: i64, _: Vec<Acl<'_>>) {}

    fn node(&mut self, n: ImageNode<'_>) -> Result<(), String> {
        let (parent, name) = n.path.rsplit_once('/').unwrap_or(("", ""));
        let node = Node {
            name: name.to_owned(),
            data: n.data.map(<[u8]>::to_vec),
            stat: n.stat,
            children: Vec::new(),
        };
        if let Some(&again) = self.by_path.get(n.path) {
            let children = std::mem::take(&mut self.nodes[again].children);
            self.nodes[again] = Node { children, ..node };
            return Ok(());
        }
        let index = self.nodes.len();
        if !n.path.is_empty() {
            let parent = *self.by_path.get(parent).ok_or_else(|| {
                format!(
                    "Invalid Datatree, unable to find parent {parent} of path {}",
                    n.path
                )
            })?;
            self.nodes[parent].children.push(index);
        }
        self.by_path.insert(n.path.to_owned(), index);
        self.nodes.push(node);
        Ok(())
    }

    fn digest(&mut self, _: ZxidDigest) {}
}

/// The order in which a `HashMap` of this initial capacity shows what was put into it in this
/// order: by bucket, and within one by age. (Buckets of eight and more, which Java turns into
/// trees, may differ.)
fn hash_order<T>(mut items: Vec<T>, capacity: usize, hash: impl Fn(&T) -> i32) -> Vec<T> {
    let mut buckets = capacity;
    while items.len() > buckets / 4 * 3 {
        buckets *= 2;
    }
    items.sort_by_key(|item| {
        let h = hash(item) as u32;
        (h ^ (h >> 16)) as usize & (buckets - 1)
    });
    items
}

/// Java's `String.hashCode`.
fn string_hash(text: &str) -> i32 {
    text.encode_utf16()
        .fold(0i32, |h, c| h.wrapping_mul(31).wrapping_add(i32::from(c)))
}
