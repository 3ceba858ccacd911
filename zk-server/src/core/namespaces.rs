//! What is read, written and refused below each child of the root (Java: the metrics
//! `*_per_namespace`).

use hashbrown::HashMap;
use hashbrown::hash_map::EntryRef;

use driver::metrics::Summary;

/// Namespaces that are counted; more get no figures of their own.
const MAX: usize = 500;
/// What Java adds to the bytes of each read.
const STAT_BYTES: usize = 6 * 8 + 5 * 4;

#[derive(Debug, Clone, Default)]
pub struct Namespace {
    /// bytes of each read, path and Stat included
    pub reads: Summary,
    /// bytes of each write, path included
    pub writes: Summary,
    /// writes refused by a hard quota
    pub quota_exceeded: u64,
}

#[derive(Debug, Clone, Default)]
pub struct Namespaces(HashMap<Box<str>, Namespace>);

/// The first part of a path; the root has none.
pub fn top(path: &str) -> Option<&str> {
    path.split('/').nth(1).filter(|name| !name.is_empty())
}

impl Namespaces {
    fn of(&mut self, path: &str) -> Option<&mut Namespace> {
        let name = top(path)?;
        let full = self.0.len() >= MAX;
        match self.0.entry_ref(name) {
            EntryRef::Occupied(known) => Some(known.into_mut()),
            EntryRef::Vacant(new) if !full => {
                Some(new.insert_with_key(name.into(), Namespace::default()))
            }
            EntryRef::Vacant(_) => None,
        }
    }

    pub(crate) fn read(&mut self, path: &str, bytes: usize) {
        if let Some(namespace) = self.of(path) {
            let bytes = path.len() + bytes + STAT_BYTES;
            namespace.reads.record(bytes as u64);
        }
    }

    pub(crate) fn written(&mut self, path: &str, bytes: usize) {
        if let Some(namespace) = self.of(path) {
            namespace.writes.record((path.len() + bytes) as u64);
        }
    }

    pub(crate) fn quota_exceeded(&mut self, path: &str) {
        if let Some(namespace) = self.of(path) {
            namespace.quota_exceeded += 1;
        }
    }

    /// Sorted by name.
    pub fn sorted(&self) -> Vec<(&str, &Namespace)> {
        let all = self.0.iter().map(|(name, namespace)| (&**name, namespace));
        let mut all: Vec<_> = all.collect();
        all.sort_unstable_by_key(|(name, _)| *name);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_belong_to_their_first_part() {
        assert_eq!(
            (top("/a"), top("/a/b/c"), top("/")),
            (Some("a"), Some("a"), None)
        );
        let mut namespaces = Namespaces::default();
        namespaces.read("/", 5);
        namespaces.read("/a/b", 5);
        namespaces.read("/a", 0);
        namespaces.written("/a", 3);
        let all = namespaces.sorted();
        assert_eq!(all.len(), 1);
        let reads = &all[0].1.reads;
        assert_eq!((reads.count(), reads.min(), reads.max()), (2, 70, 77));
        assert_eq!(all[0].1.writes.sum(), 5);
    }

    #[test]
    fn their_number_has_a_limit() {
        let mut namespaces = Namespaces::default();
        for i in 0..2 * MAX {
            namespaces.written(&format!("/n{i}"), 0);
        }
        assert_eq!(namespaces.sorted().len(), MAX);
    }
}
