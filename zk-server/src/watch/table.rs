//! The watches of all connections in one table.
//!
//! Java keeps two managers, for data and for children, each with two maps of hash sets. Here a
//! pair of path and watcher is one byte of modes; a path is kept once, found by its hash, and a
//! watcher is the number of its connection.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use proto::zk::path::parent;
use slab::Slab;

/// What a watcher asked for; modes of one watcher on one path add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode(u8);

impl Mode {
    /// Once, for creation, deletion and data.
    pub const DATA: Self = Self(1);
    /// Once, for children and deletion.
    pub const CHILD: Self = Self(2);
    /// For both, until removed.
    pub const PERSISTENT: Self = Self(4);
    /// For data of the path and all below, until removed.
    pub const RECURSIVE: Self = Self(8);
    pub const ANY: Self = Self(15);

    /// Those that data events concern.
    const ON_DATA: u8 = 1 | 4 | 8;
    const ON_CHILD: u8 = 2 | 4;
}

/// Watchers of one path. Most paths have one.
#[derive(Debug)]
#[allow(
    clippy::box_collection,
    reason = "keeps the common case at 16 bytes instead of 24"
)]
enum Watchers {
    One(u32, u8),
    Many(Box<BTreeMap<u32, u8>>),
}

impl Watchers {
    fn get(&self, watcher: u32) -> u8 {
        match self {
            Self::One(w, modes) if *w == watcher => *modes,
            Self::One(..) => 0,
            Self::Many(map) => map.get(&watcher).copied().unwrap_or(0),
        }
    }

    fn set(&mut self, watcher: u32, modes: u8) {
        match self {
            Self::One(w, m) if *w == watcher => *m = modes,
            Self::One(_, 0) => *self = Self::One(watcher, modes),
            Self::One(w, m) if modes != 0 => {
                *self = Self::Many(Box::new(BTreeMap::from([(*w, *m), (watcher, modes)])));
            }
            Self::One(..) => {}
            Self::Many(map) if modes == 0 => drop(map.remove(&watcher)),
            Self::Many(map) => drop(map.insert(watcher, modes)),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::One(_, modes) => *modes == 0,
            Self::Many(map) => map.is_empty(),
        }
    }

    fn for_each(&self, mut each: impl FnMut(u32, u8)) {
        match self {
            Self::One(_, 0) => {}
            Self::One(w, m) => each(*w, *m),
            Self::Many(map) => map.iter().for_each(|(&w, &m)| each(w, m)),
        }
    }
}

#[derive(Debug)]
struct Watched {
    path: Box<str>,
    watchers: Watchers,
}

#[derive(Debug, Default)]
pub struct Watches {
    paths: Slab<Watched>,
    /// (half of the hash, slot)
    index: HashTable<(u32, u32)>,
    hasher: DefaultHashBuilder,
    by_watcher: HashMap<u32, BTreeSet<u32>>,
    recursive: usize,
    data_count: usize,
    child_count: usize,
}

fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Watches {
    fn find(&self, path: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(path) as u32;
        self.index
            .find(spread(hash), |&(h, slot)| {
                h == hash && &*self.paths[slot as usize].path == path
            })
            .map(|&(_, slot)| slot)
    }

    /// Adds a watch; false when it was there.
    pub fn add(&mut self, path: &str, watcher: u32, mode: Mode) -> bool {
        let slot = match self.find(path) {
            Some(slot) => slot,
            None => {
                let slot = self.paths.insert(Watched {
                    path: path.into(),
                    watchers: Watchers::One(watcher, 0),
                }) as u32;
                let hash = self.hasher.hash_one(path) as u32;
                self.index
                    .insert_unique(spread(hash), (hash, slot), |&(h, _)| spread(h));
                slot
            }
        };
        let before = self.paths[slot as usize].watchers.get(watcher);
        self.set(slot, watcher, before, before | mode.0);
        before & mode.0 != mode.0
    }

    fn set(&mut self, slot: u32, watcher: u32, before: u8, after: u8) {
        if before == after {
            return;
        }
        self.paths[slot as usize].watchers.set(watcher, after);
        let count = |modes: u8, mask: u8| usize::from(modes & mask != 0);
        self.data_count =
            self.data_count + count(after, Mode::ON_DATA) - count(before, Mode::ON_DATA);
        self.child_count =
            self.child_count + count(after, Mode::ON_CHILD) - count(before, Mode::ON_CHILD);
        let recursive = Mode::RECURSIVE.0;
        self.recursive = self.recursive + count(after, recursive) - count(before, recursive);
        if after != 0 {
            self.by_watcher.entry(watcher).or_default().insert(slot);
            return;
        }
        if let Some(slots) = self.by_watcher.get_mut(&watcher) {
            slots.remove(&slot);
            if slots.is_empty() {
                self.by_watcher.remove(&watcher);
            }
        }
        if self.paths[slot as usize].watchers.is_empty() {
            let watched = self.paths.remove(slot as usize);
            let hash = self.hasher.hash_one(&*watched.path) as u32;
            if let Ok(entry) = self.index.find_entry(spread(hash), |&(_, s)| s == slot) {
                entry.remove();
            }
        }
    }

    /// Removes the modes that are there; false when none was.
    pub fn remove(&mut self, path: &str, watcher: u32, mode: Mode) -> bool {
        let Some(slot) = self.find(path) else {
            return false;
        };
        let before = self.paths[slot as usize].watchers.get(watcher);
        self.set(slot, watcher, before, before & !mode.0);
        before & mode.0 != 0
    }

    /// Has the watcher one of these modes on the path?
    pub fn contains(&self, path: &str, watcher: u32, mode: Mode) -> bool {
        self.find(path)
            .is_some_and(|slot| self.paths[slot as usize].watchers.get(watcher) & mode.0 != 0)
    }

    /// The connection is gone.
    pub fn remove_watcher(&mut self, watcher: u32) {
        for slot in self.by_watcher.get(&watcher).cloned().unwrap_or_default() {
            let before = self.paths[slot as usize].watchers.get(watcher);
            self.set(slot, watcher, before, 0);
        }
    }

    /// The path was created or deleted, or its data changed: who hears of it, in `out`.
    pub fn trigger_data(&mut self, path: &str, out: &mut Vec<u32>) {
        self.trigger(path, Mode::ON_DATA, Mode::DATA.0, out);
        if self.recursive == 0 {
            return;
        }
        let first = out.len();
        let mut above = path;
        while above.len() > 1 {
            above = parent(above);
            if let Some(slot) = self.find(above) {
                self.paths[slot as usize].watchers.for_each(|w, modes| {
                    if modes & Mode::RECURSIVE.0 != 0 {
                        out.push(w);
                    }
                });
            }
        }
        if out.len() > first {
            out.sort_unstable();
            out.dedup();
        }
    }

    /// The list of children changed, or the path was deleted.
    pub fn trigger_child(&mut self, path: &str, out: &mut Vec<u32>) {
        self.trigger(path, Mode::ON_CHILD, Mode::CHILD.0, out);
    }

    fn trigger(&mut self, path: &str, who: u8, once: u8, out: &mut Vec<u32>) {
        if self.paths.is_empty() {
            return;
        }
        let Some(slot) = self.find(path) else { return };
        let mut done = Vec::new();
        self.paths[slot as usize].watchers.for_each(|w, modes| {
            if modes & who != 0 {
                out.push(w);
            }
            if modes & once != 0 {
                done.push((w, modes));
            }
        });
        for (watcher, modes) in done {
            self.set(slot, watcher, modes, modes & !once);
        }
    }

    /// Watches on data (`true`) or on children, each pair of path and watcher once.
    pub fn count(&self, data: bool) -> usize {
        if data {
            self.data_count
        } else {
            self.child_count
        }
    }

    /// Calls with each path and watcher that has a data watch (Java's reports leave those on
    /// children out).
    pub fn for_each_data(&self, mut each: impl FnMut(&str, u32)) {
        for (_, watched) in &self.paths {
            watched.watchers.for_each(|watcher, modes| {
                if modes & Mode::ON_DATA != 0 {
                    each(&watched.path, watcher);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(w: &mut Watches, path: &str) -> Vec<u32> {
        let mut out = Vec::new();
        w.trigger_data(path, &mut out);
        out
    }

    fn child(w: &mut Watches, path: &str) -> Vec<u32> {
        let mut out = Vec::new();
        w.trigger_child(path, &mut out);
        out
    }

    #[test]
    fn once_and_persistent() {
        let mut w = Watches::default();
        assert!(w.add("/a", 1, Mode::DATA) && !w.add("/a", 1, Mode::DATA));
        w.add("/a", 2, Mode::PERSISTENT);
        w.add("/a", 1, Mode::CHILD);
        assert_eq!((w.count(true), w.count(false)), (2, 2));
        assert_eq!(data(&mut w, "/a"), [1, 2]);
        assert_eq!(data(&mut w, "/a"), [2]);
        assert_eq!(child(&mut w, "/a"), [1, 2]);
        assert_eq!(child(&mut w, "/a"), [2]);
        assert!(!w.contains("/a", 1, Mode::ANY));
        assert!(w.remove("/a", 2, Mode::PERSISTENT) && !w.remove("/a", 2, Mode::ANY));
        assert_eq!((w.count(true), w.count(false), w.paths.len()), (0, 0, 0));
        assert!(w.index.is_empty() && w.by_watcher.is_empty());
    }

    #[test]
    fn recursive_hears_of_all_below_once() {
        let mut w = Watches::default();
        w.add("/", 1, Mode::RECURSIVE);
        w.add("/a", 1, Mode::RECURSIVE);
        w.add("/a/b", 1, Mode::DATA);
        w.add("/a", 2, Mode::PERSISTENT);
        assert_eq!(data(&mut w, "/a/b"), [1]);
        assert_eq!(child(&mut w, "/a"), [2]);
        assert_eq!(data(&mut w, "/x"), [1]);
        w.remove_watcher(1);
        assert_eq!(data(&mut w, "/a/b"), [0u32; 0]);
        assert_eq!(w.recursive, 0);
    }

    #[test]
    fn many_watchers_of_one_path() {
        let mut w = Watches::default();
        for i in 0..100 {
            w.add("/a", i, Mode::DATA);
        }
        w.remove_watcher(50);
        assert_eq!(data(&mut w, "/a").len(), 99);
        assert!(w.paths.is_empty());
    }

    #[test]
    fn a_watch_is_small() {
        assert!(size_of::<Watched>() <= 40, "{}", size_of::<Watched>());
    }
}
