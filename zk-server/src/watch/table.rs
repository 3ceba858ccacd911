//! The watches of all connections in one table.
//!
//! Java keeps two managers, for data and for children, each with two maps of hash sets. Here a
//! pair of path and watcher is one byte of modes; a path is kept once, found by its hash, and a
//! watcher is the number of its connection.

use std::collections::{BTreeMap, BTreeSet};
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

/// There is no room for another watch. Java has no limit; a client must not fill the memory with
/// paths that it never reads again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// Watched paths of one connection.
const MAX_OF_WATCHER: usize = 1_000_000;
/// Bytes of all watches together, as [`cost`] counts them: some millions.
const MAX_COST: usize = 1 << 30;

/// What a path costs at most with its first watcher.
fn cost(path: &str) -> usize {
    path.len() + 160
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

/// Paths of one watcher. Most watchers have one, or none.
#[derive(Debug, Default)]
#[allow(
    clippy::box_collection,
    reason = "keeps the common case at 16 bytes instead of 24"
)]
enum Slots {
    #[default]
    None,
    One(u32),
    Many(Box<BTreeSet<u32>>),
}

impl Slots {
    fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(_) => 1,
            Self::Many(slots) => slots.len(),
        }
    }

    fn insert(&mut self, slot: u32) {
        match self {
            Self::None => *self = Self::One(slot),
            Self::One(one) if *one == slot => {}
            Self::One(one) => *self = Self::Many(Box::new(BTreeSet::from([*one, slot]))),
            Self::Many(slots) => drop(slots.insert(slot)),
        }
    }

    fn remove(&mut self, slot: u32) {
        match self {
            Self::One(one) if *one == slot => *self = Self::None,
            Self::None | Self::One(_) => {}
            Self::Many(slots) => {
                slots.remove(&slot);
                if slots.is_empty() {
                    *self = Self::None;
                }
            }
        }
    }

    fn to_vec(&self) -> Vec<u32> {
        match self {
            Self::None => Vec::new(),
            Self::One(slot) => vec![*slot],
            Self::Many(slots) => slots.iter().copied().collect(),
        }
    }
}

#[derive(Debug)]
struct Watched {
    path: Box<str>,
    watchers: Watchers,
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    of_watcher: usize,
    cost: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            of_watcher: MAX_OF_WATCHER,
            cost: MAX_COST,
        }
    }
}

#[derive(Debug, Default)]
pub struct Watches {
    limits: Limits,
    paths: Slab<Watched>,
    /// (half of the hash, slot)
    index: HashTable<(u32, u32)>,
    hasher: DefaultHashBuilder,
    /// by its number, which is that of a place among the connections
    by_watcher: Vec<Slots>,
    recursive: usize,
    data_count: usize,
    child_count: usize,
    cost: usize,
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

    /// Adds a watch, if there is room.
    pub fn add(&mut self, path: &str, watcher: u32, mode: Mode) -> Result<(), Full> {
        let found = self.find(path);
        let before = found.map_or(0, |slot| self.paths[slot as usize].watchers.get(watcher));
        if before == 0 {
            let own = self.by_watcher.get(watcher as usize).map_or(0, Slots::len);
            if own >= self.limits.of_watcher || self.cost + cost(path) > self.limits.cost {
                return Err(Full);
            }
        }
        let slot = match found {
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
        self.set(slot, watcher, before, before | mode.0);
        Ok(())
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
        let cost = cost(&self.paths[slot as usize].path);
        if after != 0 {
            self.cost += if before == 0 { cost } else { 0 };
            let watcher = watcher as usize;
            if self.by_watcher.len() <= watcher {
                self.by_watcher.resize_with(watcher + 1, Slots::default);
            }
            self.by_watcher[watcher].insert(slot);
            return;
        }
        self.cost -= cost;
        if let Some(slots) = self.by_watcher.get_mut(watcher as usize) {
            slots.remove(slot);
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
        let slots = self.by_watcher.get(watcher as usize).map(Slots::to_vec);
        for slot in slots.unwrap_or_default() {
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
        for (watcher, mode) in [
            (1, Mode::DATA),
            (1, Mode::DATA),
            (2, Mode::PERSISTENT),
            (1, Mode::CHILD),
        ] {
            w.add("/a", watcher, mode).unwrap();
        }
        assert_eq!(w.cost, 2 * cost("/a"));
        assert_eq!((w.count(true), w.count(false)), (2, 2));
        assert_eq!(data(&mut w, "/a"), [1, 2]);
        assert_eq!(data(&mut w, "/a"), [2]);
        assert_eq!(child(&mut w, "/a"), [1, 2]);
        assert_eq!(child(&mut w, "/a"), [2]);
        assert!(!w.contains("/a", 1, Mode::ANY));
        assert!(w.remove("/a", 2, Mode::PERSISTENT) && !w.remove("/a", 2, Mode::ANY));
        assert_eq!((w.count(true), w.count(false), w.paths.len()), (0, 0, 0));
        assert!(w.index.is_empty() && w.by_watcher.iter().all(|slots| slots.len() == 0));
        assert_eq!(w.cost, 0);
    }

    #[test]
    fn recursive_hears_of_all_below_once() {
        let mut w = Watches::default();
        for (path, watcher, mode) in [
            ("/", 1, Mode::RECURSIVE),
            ("/a", 1, Mode::RECURSIVE),
            ("/a/b", 1, Mode::DATA),
            ("/a", 2, Mode::PERSISTENT),
        ] {
            w.add(path, watcher, mode).unwrap();
        }
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
            w.add("/a", i, Mode::DATA).unwrap();
        }
        w.remove_watcher(50);
        assert_eq!(data(&mut w, "/a").len(), 99);
        assert!(w.paths.is_empty());
    }

    #[test]
    fn watches_have_a_limit() {
        let limited = |of_watcher, cost| Watches {
            limits: Limits { of_watcher, cost },
            ..Watches::default()
        };
        let mut w = limited(10, 1 << 20);
        let long = "x".repeat(1 << 10);
        let mut added = 0;
        while w.add(&format!("/{long}{added}"), added, Mode::DATA).is_ok() {
            added += 1;
        }
        assert!((800..1000).contains(&added), "{added}");
        // One that is there takes no more room, and whoever goes gives his back.
        w.add(&format!("/{long}0"), 0, Mode::CHILD).unwrap();
        w.remove_watcher(0);
        w.add(&format!("/{long}x"), 0, Mode::DATA).unwrap();
        let mut w = limited(10, MAX_COST);
        for i in 0..10 {
            w.add(&format!("/{i}"), 1, Mode::DATA).unwrap();
        }
        assert_eq!(w.add("/", 1, Mode::DATA), Err(Full));
        w.add("/", 2, Mode::DATA).unwrap();
        w.add("/7", 1, Mode::PERSISTENT).unwrap();
    }

    #[test]
    fn a_watch_is_small() {
        assert!(size_of::<Watched>() <= 40, "{}", size_of::<Watched>());
        assert!(size_of::<Slots>() <= 16, "{}", size_of::<Slots>());
    }
}
