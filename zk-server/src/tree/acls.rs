//! The table of ACLs that znodes refer to by number (Java: `ReferenceCountedACLCache`).
//!
//! A list is kept as its jute bytes: that is how requests, transactions and snapshots carry it,
//! and a list that two znodes share exists once.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use hashbrown::HashMap;
use proto::buf::{ReadError, Reader};
use proto::jute::Jute;
use proto::zk::acl::{Acl, Id};

/// The key that stands for `OPEN_ACL_UNSAFE` and is in no table.
pub const OPEN: i32 = -1;

/// One ACL, immutable.
#[derive(Debug)]
pub struct AclList {
    bytes: Box<[u8]>,
    /// what `world:anyone` may do: the quick answer to most permission checks
    world: i32,
    empty: bool,
}

static OPEN_LIST: LazyLock<Arc<AclList>> =
    LazyLock::new(|| Arc::new(AclList::new(list_bytes(&[Acl::OPEN]))));

/// ACLs as a jute vector.
pub fn list_bytes(acls: &[Acl<'_>]) -> Vec<u8> {
    /// Length fields and permissions of an entry.
    const FIXED: usize = 12;
    let size = |acl: &Acl<'_>| FIXED + acl.id.scheme.len() + acl.id.id.len();
    let mut out = Vec::with_capacity(4 + acls.iter().map(size).sum::<usize>());
    (acls.len() as i32).write(&mut out);
    for acl in acls {
        acl.write(&mut out);
    }
    out
}

impl AclList {
    /// `bytes` is a jute vector of ACLs; one that cannot be read grants nothing.
    pub fn new(bytes: Vec<u8>) -> Self {
        let mut list = Self {
            bytes: bytes.into_boxed_slice(),
            world: 0,
            empty: true,
        };
        let (mut world, mut empty) = (0, true);
        for acl in list.iter() {
            empty = false;
            if acl.id == Id::ANYONE {
                world |= acl.perms;
            }
        }
        list.world = world;
        list.empty = empty;
        list
    }

    pub fn open() -> Arc<Self> {
        OPEN_LIST.clone()
    }

    /// The jute vector.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn world_perms(&self) -> i32 {
        self.world
    }

    pub fn is_empty(&self) -> bool {
        self.empty
    }

    pub fn iter(&self) -> impl Iterator<Item = Acl<'_>> {
        let mut r = Reader::new(&self.bytes);
        let mut left = r.i32().unwrap_or(0).max(0);
        std::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            left -= 1;
            Acl::read(&mut r).ok()
        })
    }
}

/// Reads past a jute vector of ACLs and returns its bytes; `None` for Java's null.
pub fn skip_list<'a>(r: &mut Reader<'a>) -> Result<Option<&'a [u8]>, ReadError> {
    let all = r.rest();
    let start = r.position();
    let n = r.i32()?;
    if n == -1 {
        return Ok(None);
    }
    if n < 0 {
        return Err(ReadError::BadLength(n.into()));
    }
    for _ in 0..n {
        Acl::read(r)?;
    }
    Ok(Some(&all[..r.position() - start]))
}

/// Key to list, shared with images until one side changes it.
type Lists = Arc<BTreeMap<i32, Arc<AclList>>>;

/// Java counts keys in 64 bits; each znode holds one, and half of that is enough.
#[derive(Debug, Default)]
pub struct AclTable {
    lists: Lists,
    keys: HashMap<Box<[u8]>, i32>,
    uses: HashMap<i32, u64>,
    last_key: i32,
    /// keys of a snapshot that are too large here, with those that they got: below zero, where no
    /// others are
    renamed: HashMap<i64, i32>,
}

impl AclTable {
    /// The list of a key; an unknown key (a damaged snapshot) grants nothing.
    pub fn get(&self, key: i32) -> Arc<AclList> {
        self.get_ref(key).clone()
    }

    pub fn get_ref(&self, key: i32) -> &Arc<AclList> {
        static NOBODY: LazyLock<Arc<AclList>> = LazyLock::new(|| {
            Arc::new(AclList::new(list_bytes(&[Acl::new(
                0,
                Id::new("missing", ""),
            )])))
        });
        if key == OPEN {
            return &OPEN_LIST;
        }
        self.lists.get(&key).unwrap_or(&NOBODY)
    }

    /// The shared list with these bytes, if some znode has it already.
    pub fn find(&self, bytes: &[u8]) -> Option<Arc<AclList>> {
        self.lists.get(self.keys.get(bytes)?).cloned()
    }

    /// The key for a list, with one more use.
    pub fn intern(&mut self, bytes: Option<&[u8]>) -> i32 {
        let Some(bytes) = bytes else { return OPEN };
        let key = match self.keys.get(bytes) {
            Some(&key) => key,
            None => {
                let key = self.next_key();
                self.insert(key, bytes.to_vec());
                key
            }
        };
        *self.uses.entry(key).or_default() += 1;
        key
    }

    /// A key that is not in use, and was not lately.
    fn next_key(&mut self) -> i32 {
        loop {
            self.last_key = self.last_key.checked_add(1).unwrap_or(1);
            if !self.lists.contains_key(&self.last_key) {
                return self.last_key;
            }
        }
    }

    /// What a snapshot's table holds.
    pub fn load(&mut self, key: i64, bytes: Vec<u8>) {
        let here = match i32::try_from(key) {
            Ok(key) if key >= 0 => key,
            _ => {
                let next = i32::MIN + self.renamed.len() as i32;
                *self.renamed.entry(key).or_insert(next)
            }
        };
        self.last_key = self.last_key.max(here);
        self.insert(here, bytes);
    }

    /// The key of a znode of that snapshot. One that its table lacks stays unknown.
    pub fn loaded(&self, key: i64) -> i32 {
        const UNKNOWN: i32 = OPEN - 1;
        match i32::try_from(key) {
            Ok(key) if key >= OPEN => key,
            _ => self.renamed.get(&key).copied().unwrap_or(UNKNOWN),
        }
    }

    fn insert(&mut self, key: i32, bytes: Vec<u8>) {
        self.keys.insert(bytes.clone().into_boxed_slice(), key);
        Arc::make_mut(&mut self.lists).insert(key, Arc::new(AclList::new(bytes)));
    }

    pub fn add_use(&mut self, key: i32) {
        if key != OPEN && self.lists.contains_key(&key) {
            *self.uses.entry(key).or_default() += 1;
        }
    }

    pub fn remove_use(&mut self, key: i32) {
        if let Some(uses) = self.uses.get_mut(&key) {
            *uses -= 1;
            if *uses == 0 {
                self.uses.remove(&key);
                self.forget(key);
            }
        }
    }

    /// Drops what no znode of a loaded snapshot used.
    pub fn purge_unused(&mut self) {
        let unused: Vec<i32> = self
            .lists
            .keys()
            .filter(|key| !self.uses.contains_key(*key))
            .copied()
            .collect();
        for key in unused {
            self.forget(key);
        }
        self.renamed = HashMap::new();
    }

    fn forget(&mut self, key: i32) {
        if let Some(list) = Arc::make_mut(&mut self.lists).remove(&key) {
            // Two keys may have had the same list in a snapshot.
            if self.keys.get(list.bytes()) == Some(&key) {
                self.keys.remove(list.bytes());
            }
        }
    }

    pub fn len(&self) -> usize {
        self.lists.len()
    }

    pub fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    pub fn frozen(&self) -> Lists {
        self.lists.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_shared_and_counted() {
        let mut table = AclTable::default();
        let bytes = list_bytes(&[Acl::READ]);
        let a = table.intern(Some(&bytes));
        assert_eq!(table.intern(Some(&bytes)), a);
        assert_eq!(table.intern(None), OPEN);
        assert_eq!(table.get(a).world_perms(), 1);
        let image = table.frozen();
        table.remove_use(a);
        assert_eq!(table.len(), 1);
        table.remove_use(a);
        assert_eq!((table.len(), image.len()), (0, 1));
        assert_eq!(table.intern(Some(&bytes)), a + 1, "keys are not reused");
    }

    #[test]
    fn a_snapshots_keys_are_kept_where_they_fit() {
        let mut table = AclTable::default();
        let lists = [Acl::READ, Acl::OPEN].map(|acl| list_bytes(&[acl]));
        for key in [7, 1 << 40, -9, i64::MIN] {
            table.load(key, lists[usize::from(key == 7)].clone());
        }
        assert_eq!((table.loaded(-1), table.loaded(7)), (OPEN, 7));
        let large = [1 << 40, -9, i64::MIN].map(|key| table.loaded(key));
        assert!(large.iter().all(|&key| table.get(key).world_perms() == 1));
        assert_eq!(
            large
                .iter()
                .collect::<std::collections::BTreeSet<_>>()
                .len(),
            3
        );
        for unknown in [8, -2, 1 << 41] {
            assert_eq!(table.get(table.loaded(unknown)).world_perms(), 0);
        }
        assert_eq!(table.intern(Some(&list_bytes(&[]))), 8);
    }

    #[test]
    fn keys_begin_again_and_pass_over_those_in_use() {
        let mut table = AclTable::default();
        let list = |id: &str| list_bytes(&[Acl::new(1, Id::new("digest", id))]);
        table.load(1, list("one"));
        table.load(i64::from(i32::MAX), list("last"));
        assert_eq!(table.intern(Some(&list("next"))), 2);
    }

    #[test]
    fn skipping_returns_the_list() {
        let mut bytes = list_bytes(&[Acl::READ, Acl::OPEN]);
        let end = bytes.len();
        bytes.push(9);
        let mut r = Reader::new(&bytes);
        assert_eq!(skip_list(&mut r).unwrap(), Some(&bytes[..end]));
        assert_eq!(r.u8(), Ok(9));
        assert!(skip_list(&mut Reader::new(&bytes[..7])).is_err());
        assert!(skip_list(&mut Reader::new(&[0x7f, 0xff, 0xff, 0xff])).is_err());
    }
}
