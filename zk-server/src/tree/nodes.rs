//! Where znodes live: chunks of an arena, found by the hash of their path.
//!
//! A node is one fixed record and one allocation that holds its name and data; siblings form a
//! list through the records. Nothing stores a full path. An image of the tree shares the chunks,
//! and the first change of a chunk that an image still holds copies that chunk alone: an image
//! costs no pause, whatever the size of the tree.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};
use proto::zk::stat::StatPersisted;

const CHUNK: usize = 64;
const NONE: u32 = u32::MAX;
/// Set in `name_len` when the data is Java's null.
const NULL_DATA: u32 = 1 << 31;

/// Names a node while it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u32);

pub const ROOT: NodeId = NodeId(0);

/// Millions of these are held: the fields of a stat lie here one by one, since a `StatPersisted` has
/// a gap at its end.
#[derive(Debug, Clone)]
pub struct Node {
    czxid: i64,
    mzxid: i64,
    pzxid: i64,
    ctime: i64,
    mtime: i64,
    ephemeral_owner: i64,
    version: i32,
    cversion: i32,
    aversion: i32,
    /// key in the ACL table
    pub acl: i32,
    /// name, then data
    blob: Arc<[u8]>,
    /// CRC over path and data; 0 where the tree's digest leaves the node out
    pub crc: u32,
    /// half of the path's
    hash: u32,
    name_len: u32,
    parent: u32,
    first_child: u32,
    next: u32,
    /// the first child's is the last one
    prev: u32,
    children: u32,
}

impl Node {
    fn vacant(next: u32) -> Self {
        Self {
            czxid: 0,
            mzxid: 0,
            pzxid: 0,
            ctime: 0,
            mtime: 0,
            ephemeral_owner: 0,
            version: 0,
            cversion: 0,
            aversion: 0,
            acl: 0,
            blob: Arc::default(),
            crc: 0,
            hash: 0,
            name_len: 0,
            parent: NONE,
            first_child: NONE,
            next,
            prev: NONE,
            children: 0,
        }
    }

    pub fn stat(&self) -> StatPersisted {
        StatPersisted {
            czxid: self.czxid,
            mzxid: self.mzxid,
            ctime: self.ctime,
            mtime: self.mtime,
            version: self.version,
            cversion: self.cversion,
            aversion: self.aversion,
            ephemeral_owner: self.ephemeral_owner,
            pzxid: self.pzxid,
        }
    }

    pub fn set_stat(&mut self, stat: &StatPersisted) {
        self.czxid = stat.czxid;
        self.mzxid = stat.mzxid;
        self.ctime = stat.ctime;
        self.mtime = stat.mtime;
        self.version = stat.version;
        self.cversion = stat.cversion;
        self.aversion = stat.aversion;
        self.ephemeral_owner = stat.ephemeral_owner;
        self.pzxid = stat.pzxid;
    }

    pub fn name(&self) -> &[u8] {
        &self.blob[..(self.name_len & !NULL_DATA) as usize]
    }

    /// `None` is Java's null.
    pub fn data(&self) -> Option<&[u8]> {
        (self.name_len & NULL_DATA == 0).then(|| &self.blob[self.name_len as usize..])
    }

    pub fn data_len(&self) -> usize {
        self.data().map_or(0, <[u8]>::len)
    }

    pub fn children(&self) -> u32 {
        self.children
    }

    pub fn set_data(&mut self, data: Option<&[u8]>) {
        let len = self.name_len & !NULL_DATA;
        let rest = data.unwrap_or_default();
        let there = Arc::get_mut(&mut self.blob);
        match there.and_then(|blob| blob.get_mut(len as usize..)) {
            // No image has it, and the new data fits.
            Some(old) if old.len() == rest.len() => old.copy_from_slice(rest),
            _ => self.blob = blob(&self.blob[..len as usize], data),
        }
        self.name_len = len | if data.is_none() { NULL_DATA } else { 0 };
    }
}

fn blob(name: &[u8], data: Option<&[u8]>) -> Arc<[u8]> {
    let data = data.unwrap_or_default();
    // Most fit here, and one allocation is enough for them.
    let mut small = [0; 512];
    if let Some(bytes) = small.get_mut(..name.len() + data.len()) {
        bytes[..name.len()].copy_from_slice(name);
        bytes[name.len()..].copy_from_slice(data);
        return Arc::from(&*bytes);
    }
    let mut bytes = Vec::with_capacity(name.len() + data.len());
    bytes.extend_from_slice(name);
    bytes.extend_from_slice(data);
    bytes.into()
}

#[derive(Debug, Clone)]
struct Chunk([Node; CHUNK]);

/// The chunks, shared by the live tree and images.
#[derive(Debug, Clone, Default)]
pub struct Arena(Vec<Arc<Chunk>>);

impl Arena {
    pub fn get(&self, id: NodeId) -> &Node {
        &self.0[id.0 as usize / CHUNK].0[id.0 as usize % CHUNK]
    }

    fn get_mut(&mut self, id: NodeId) -> &mut Node {
        &mut Arc::make_mut(&mut self.0[id.0 as usize / CHUNK]).0[id.0 as usize % CHUNK]
    }

    pub fn children(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let mut at = self.get(id).first_child;
        std::iter::from_fn(move || {
            let id = NodeId(at);
            (at != NONE).then(|| {
                at = self.get(id).next;
                id
            })
        })
    }

    /// The child that has been there longest.
    pub fn last_child(&self, id: NodeId) -> Option<NodeId> {
        match self.get(id).first_child {
            NONE => None,
            first => Some(NodeId(self.get(NodeId(first)).prev)),
        }
    }

    /// The sibling that was added after this one.
    pub fn younger(&self, id: NodeId) -> Option<NodeId> {
        let node = self.get(id);
        let first = node.parent == NONE || self.get(NodeId(node.parent)).first_child == id.0;
        (!first).then_some(NodeId(node.prev))
    }

    /// The node and all below it, parents first.
    pub fn subtree(&self, top: NodeId) -> Subtree<'_> {
        Subtree {
            arena: self,
            stack: vec![top],
        }
    }

    pub fn path_of(&self, id: NodeId) -> String {
        let mut chain = Vec::new();
        let mut at = id;
        while at != ROOT {
            chain.push(at);
            at = NodeId(self.get(at).parent);
        }
        let mut path = Vec::new();
        for &id in chain.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(self.get(id).name());
        }
        String::from_utf8_lossy(&path).into_owned()
    }

    pub fn parent(&self, id: NodeId) -> Option<NodeId> {
        match self.get(id).parent {
            NONE => None,
            parent => Some(NodeId(parent)),
        }
    }

    /// Is `path` (the root's is empty) this node's?
    fn is_path(&self, id: NodeId, path: &str) -> bool {
        let mut rest = path.as_bytes();
        let mut at = id;
        while at != ROOT {
            let node = self.get(at);
            let Some(head) = rest
                .strip_suffix(node.name())
                .and_then(|head| head.strip_suffix(b"/"))
            else {
                return false;
            };
            rest = head;
            at = NodeId(node.parent);
        }
        rest.is_empty()
    }
}

#[derive(Debug)]
pub struct Subtree<'a> {
    arena: &'a Arena,
    stack: Vec<NodeId>,
}

impl Iterator for Subtree<'_> {
    type Item = NodeId;

    fn next(&mut self) -> Option<NodeId> {
        let id = self.stack.pop()?;
        self.stack.extend(self.arena.children(id));
        Some(id)
    }
}

/// Arena, index and free list.
#[derive(Debug)]
pub struct Nodes {
    arena: Arena,
    /// by the hash that the node keeps; the root is not in it
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    free: u32,
    used: usize,
}

fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn enter(index: &mut HashTable<u32>, arena: &Arena, id: NodeId) {
    let hash = |id| spread(arena.get(NodeId(id)).hash);
    index.insert_unique(hash(id.0), id.0, |&id| hash(id));
}

impl Nodes {
    /// Only the root, with empty data.
    pub fn new(acl: i32) -> Self {
        let mut nodes = Self {
            arena: Arena::default(),
            index: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            free: NONE,
            used: 0,
        };
        let root = nodes.take_slot();
        *nodes.arena.get_mut(root) = Node {
            blob: blob(b"", Some(b"")),
            acl,
            ..Node::vacant(NONE)
        };
        nodes
    }

    pub fn arena(&self) -> &Arena {
        &self.arena
    }

    /// Nodes in the tree, the root among them.
    pub fn count(&self) -> usize {
        self.used
    }

    pub fn get(&self, id: NodeId) -> &Node {
        self.arena.get(id)
    }

    pub fn get_mut(&mut self, id: NodeId) -> &mut Node {
        self.arena.get_mut(id)
    }

    fn hash(&self, path: &str) -> u32 {
        self.hasher.hash_one(path.as_bytes()) as u32
    }

    /// `/` and the empty string both name the root, as in Java.
    pub fn find(&self, path: &str) -> Option<NodeId> {
        if path.len() <= 1 {
            return (path.is_empty() || path == "/").then_some(ROOT);
        }
        let hash = self.hash(path);
        self.index
            .find(spread(hash), |&id| {
                let id = NodeId(id);
                self.arena.get(id).hash == hash && self.arena.is_path(id, path)
            })
            .map(|&id| NodeId(id))
    }

    fn take_slot(&mut self) -> NodeId {
        if self.free == NONE {
            let first = (self.arena.0.len() * CHUNK) as u32;
            let nodes = std::array::from_fn(|i| {
                Node::vacant(if i + 1 == CHUNK {
                    NONE
                } else {
                    first + i as u32 + 1
                })
            });
            self.arena.0.push(Arc::new(Chunk(nodes)));
            self.free = first;
        }
        let id = NodeId(self.free);
        self.free = self.arena.get(id).next;
        self.used += 1;
        id
    }

    /// Adds a child that is not there yet. `path` is the whole path.
    pub fn insert(
        &mut self,
        parent: NodeId,
        path: &str,
        data: Option<&[u8]>,
        acl: i32,
        stat: &StatPersisted,
        crc: u32,
    ) -> NodeId {
        let name = proto::zk::path::name(path);
        let hash = self.hash(path);
        let id = self.take_slot();
        let above = self.arena.get_mut(parent);
        let next = std::mem::replace(&mut above.first_child, id.0);
        above.children += 1;
        let last = match next {
            NONE => id.0,
            next => std::mem::replace(&mut self.arena.get_mut(NodeId(next)).prev, id.0),
        };
        let node = self.arena.get_mut(id);
        *node = Node {
            acl,
            blob: blob(name.as_bytes(), data),
            crc,
            hash,
            name_len: name.len() as u32 | if data.is_none() { NULL_DATA } else { 0 },
            parent: parent.0,
            prev: last,
            ..Node::vacant(next)
        };
        node.set_stat(stat);
        if self.index.len() == self.index.capacity() {
            self.grow();
        } else {
            enter(&mut self.index, &self.arena, id);
        }
        id
    }

    /// Makes the index anew, in the order of the nodes: one that grows by itself looks at them in the order
    /// of their hashes, and waits for memory each time.
    fn grow(&mut self) {
        let mut index = HashTable::with_capacity(self.used + self.used / 2);
        for (at, chunk) in self.arena.0.iter().enumerate() {
            for (i, node) in chunk.0.iter().enumerate() {
                // Neither the root nor a free place.
                if node.parent != NONE {
                    enter(&mut index, &self.arena, NodeId((at * CHUNK + i) as u32));
                }
            }
        }
        self.index = index;
    }

    /// Takes a node out; its children must be gone.
    pub fn remove(&mut self, id: NodeId) {
        let hash = self.arena.get(id).hash;
        if let Ok(entry) = self.index.find_entry(spread(hash), |&i| i == id.0) {
            entry.remove();
        }
        let node = std::mem::replace(self.arena.get_mut(id), Node::vacant(self.free));
        self.free = id.0;
        self.used -= 1;
        let above = self.arena.get_mut(NodeId(node.parent));
        above.children -= 1;
        let first = above.first_child;
        if first == id.0 {
            above.first_child = node.next;
        } else {
            self.arena.get_mut(NodeId(node.prev)).next = node.next;
        }
        match node.next {
            // It was the last: the first one names the new last.
            NONE if first != id.0 => self.arena.get_mut(NodeId(first)).prev = node.prev,
            NONE => {}
            next => self.arena.get_mut(NodeId(next)).prev = node.prev,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(nodes: &mut Nodes, path: &str, data: Option<&[u8]>) -> NodeId {
        let parent = nodes.find(proto::zk::path::parent(path)).unwrap();
        nodes.insert(parent, path, data, -1, &StatPersisted::default(), 0)
    }

    #[test]
    fn a_record_is_small() {
        assert!(
            size_of::<Node>() <= 112,
            "{} bytes a node",
            size_of::<Node>()
        );
    }

    #[test]
    fn paths_are_found_and_freed_slots_reused() {
        let mut nodes = Nodes::new(-1);
        for i in 0..500 {
            add(&mut nodes, &format!("/n{i}"), Some(b"x"));
            add(&mut nodes, &format!("/n{i}/c"), None);
        }
        assert_eq!(nodes.count(), 1001);
        let id = nodes.find("/n77/c").unwrap();
        assert_eq!(nodes.arena().path_of(id), "/n77/c");
        assert_eq!(nodes.get(id).data(), None);
        for missing in ["/n77/", "/n77/d", "n77", "/c", "//", "/n", "x"] {
            assert_eq!(nodes.find(missing), None, "{missing}");
        }
        let chunks = nodes.arena.0.len();
        for i in 0..500 {
            let id = nodes.find(&format!("/n{i}/c")).unwrap();
            nodes.remove(id);
        }
        assert_eq!(nodes.find("/n77/c"), None);
        for i in 0..500 {
            add(&mut nodes, &format!("/m{i}"), None);
        }
        assert_eq!(nodes.arena.0.len(), chunks);
        assert_eq!(nodes.get(ROOT).children(), 1000);
        assert_eq!(nodes.arena().children(ROOT).count(), 1000);
        assert_eq!(nodes.arena().subtree(ROOT).count(), 1001);
    }

    #[test]
    fn siblings_are_walked_from_both_ends() {
        let mut nodes = Nodes::new(-1);
        let names: Vec<String> = (0..6).map(|i| format!("/n{i}")).collect();
        for first_gone in 0..6 {
            for name in &names {
                add(&mut nodes, name, None);
            }
            // Every order of taking them out begins with another one.
            for gone in 0..=6 {
                let newest: Vec<NodeId> = nodes.arena().children(ROOT).collect();
                let mut oldest = Vec::new();
                let mut at = nodes.arena().last_child(ROOT);
                while let Some(id) = at {
                    oldest.push(id);
                    at = nodes.arena().younger(id);
                }
                oldest.reverse();
                assert_eq!(newest, oldest);
                assert_eq!(newest.len(), 6 - gone);
                if gone < 6 {
                    let name = &names[(first_gone + gone * 5) % 6];
                    let id = nodes.find(name).unwrap();
                    nodes.remove(id);
                }
            }
        }
    }

    #[test]
    fn an_image_keeps_what_the_tree_changes() {
        let mut nodes = Nodes::new(-1);
        let id = add(&mut nodes, "/a", Some(b"old"));
        let image = nodes.arena().clone();
        nodes.get_mut(id).set_data(Some(b"new"));
        add(&mut nodes, "/b", None);
        assert_eq!(image.get(id).data(), Some(&b"old"[..]));
        assert_eq!(image.children(ROOT).count(), 1);
        assert_eq!(nodes.get(id).data(), Some(&b"new"[..]));
        assert_eq!(nodes.get(id).name(), b"a");
    }
}
