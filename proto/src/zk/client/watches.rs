//! The watches that a client has set (Java: `ZKWatchManager`), under the paths that the server
//! knows. One-shot watches go when they fire; after a reconnect all that are left are set again,
//! in requests of about 128 KB (Java: `SendThread.primeConnection`).

use std::collections::BTreeSet;

use crate::jute::Jute;
use crate::zk::request::{SetWatches, SetWatches2};
use crate::zk::watch::EventType;
use crate::zk::{ErrorCode, OpCode};

use super::WatcherType;

/// Bytes of paths after which a `setWatches` is sent and another one begins: far below the
/// smallest `jute.maxbuffer` that servers are run with.
const SET_WATCHES_MAX_LENGTH: usize = 128 * 1024;

/// What the reply to a request does to the watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registration {
    Data(String),
    /// `exists`: a data watch when the znode is there, else a watch for its creation
    Exists(String),
    Child(String),
    Persistent(String),
    PersistentRecursive(String),
    Remove {
        path: String,
        kind: WatcherType,
        /// forget it even if the server could not be told
        local: bool,
    },
}

/// All watches of one session.
#[derive(Debug, Default)]
pub struct Watches {
    data: BTreeSet<String>,
    exist: BTreeSet<String>,
    child: BTreeSet<String>,
    persistent: BTreeSet<String>,
    recursive: BTreeSet<String>,
}

impl Watches {
    /// How many are set.
    pub fn len(&self) -> usize {
        self.data.len()
            + self.exist.len()
            + self.child.len()
            + self.persistent.len()
            + self.recursive.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes note of a watch that a reply with `err` set. Removals are [`Self::remove`]'s.
    pub fn register(&mut self, registration: Registration, err: ErrorCode) {
        let found = err == ErrorCode::Ok;
        let may_be_missing = found || err == ErrorCode::NoNode;
        match registration {
            Registration::Data(path) if found => self.data.insert(path),
            Registration::Child(path) if found => self.child.insert(path),
            Registration::Exists(path) if found => self.data.insert(path),
            Registration::Exists(path) if may_be_missing => self.exist.insert(path),
            Registration::Persistent(path) if may_be_missing => self.persistent.insert(path),
            Registration::PersistentRecursive(path) if may_be_missing => {
                self.recursive.insert(path)
            }
            _ => false,
        };
    }

    /// Forgets the watches of `path`; the events that tell so.
    pub fn remove(&mut self, path: &str, kind: WatcherType) -> Vec<EventType> {
        use WatcherType::{Any, Children, Data, Persistent, PersistentRecursive};
        let mut removed = Vec::new();
        if matches!(kind, Children | Any) && self.child.remove(path) {
            removed.push(EventType::ChildWatchRemoved);
        }
        if matches!(kind, Data | Any) && (self.data.remove(path) | self.exist.remove(path)) {
            removed.push(EventType::DataWatchRemoved);
        }
        let persistent = matches!(kind, Persistent | Any) && self.persistent.remove(path);
        let recursive = matches!(kind, PersistentRecursive | Any) && self.recursive.remove(path);
        if persistent | recursive {
            removed.push(EventType::PersistentWatchRemoved);
        }
        removed
    }

    /// Whether a watch of that kind is set on `path`.
    pub fn contains(&self, path: &str, kind: WatcherType) -> bool {
        use WatcherType::{Any, Children, Data, Persistent, PersistentRecursive};
        (matches!(kind, Children | Any) && self.child.contains(path))
            || (matches!(kind, Data | Any)
                && (self.data.contains(path) || self.exist.contains(path)))
            || (matches!(kind, Persistent | Any) && self.persistent.contains(path))
            || (matches!(kind, PersistentRecursive | Any) && self.recursive.contains(path))
    }

    /// An event came: whether a watch asked for it. One-shot watches end with it.
    pub fn fire(&mut self, event: EventType, path: &str) -> bool {
        let one_shot = match event {
            EventType::NodeCreated | EventType::NodeDataChanged => {
                self.data.remove(path) | self.exist.remove(path)
            }
            EventType::NodeChildrenChanged => self.child.remove(path),
            EventType::NodeDeleted => {
                self.data.remove(path) | self.exist.remove(path) | self.child.remove(path)
            }
            EventType::DataWatchRemoved
            | EventType::ChildWatchRemoved
            | EventType::PersistentWatchRemoved => return false,
        };
        one_shot
            || self.persistent.contains(path)
            || (event != EventType::NodeChildrenChanged && self.covered(path))
    }

    /// A recursive watch covers its path and all below it.
    fn covered(&self, path: &str) -> bool {
        if self.recursive.is_empty() {
            return false;
        }
        let mut at = path;
        loop {
            if self.recursive.contains(at) {
                return true;
            }
            at = match crate::zk::path::parent(at) {
                "" => return false,
                parent => parent,
            };
        }
    }

    /// Requests that set every watch again on a server that has seen `relative_zxid`. Those
    /// without persistent watches are of the kind that servers before 3.6 know.
    pub fn requests(&self, relative_zxid: i64) -> Vec<(OpCode, Vec<u8>)> {
        let kinds = [
            &self.data,
            &self.exist,
            &self.child,
            &self.persistent,
            &self.recursive,
        ];
        let mut requests = Vec::new();
        let mut page: [Vec<&str>; 5] = Default::default();
        let mut length = 0;
        for (kind, paths) in kinds.into_iter().enumerate() {
            for path in paths {
                page[kind].push(path);
                length += path.len();
                if length >= SET_WATCHES_MAX_LENGTH {
                    requests.push(request(relative_zxid, std::mem::take(&mut page)));
                    length = 0;
                }
            }
        }
        if page.iter().any(|paths| !paths.is_empty()) {
            requests.push(request(relative_zxid, page));
        }
        requests
    }
}

fn request(relative_zxid: i64, page: [Vec<&str>; 5]) -> (OpCode, Vec<u8>) {
    let [data, exist, child, persistent, recursive] = page;
    if persistent.is_empty() && recursive.is_empty() {
        let body = SetWatches {
            relative_zxid,
            data_watches: data,
            exist_watches: exist,
            child_watches: child,
        };
        return (OpCode::SetWatches, body.to_vec());
    }
    let body = SetWatches2 {
        relative_zxid,
        data_watches: data,
        exist_watches: exist,
        child_watches: child,
        persistent_watches: persistent,
        persistent_recursive_watches: recursive,
    };
    (OpCode::SetWatches2, body.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_shot_watches_end_when_they_fire() {
        let mut w = Watches::default();
        w.register(Registration::Data("/a".into()), ErrorCode::Ok);
        w.register(Registration::Data("/gone".into()), ErrorCode::NoNode);
        w.register(Registration::Exists("/b".into()), ErrorCode::NoNode);
        w.register(Registration::Child("/a".into()), ErrorCode::Ok);
        assert_eq!(w.len(), 3);
        assert!(!w.fire(EventType::NodeDeleted, "/other"));
        assert!(w.fire(EventType::NodeDataChanged, "/a"));
        assert!(!w.fire(EventType::NodeDataChanged, "/a"));
        assert!(w.fire(EventType::NodeCreated, "/b"));
        assert!(w.fire(EventType::NodeChildrenChanged, "/a"));
        assert!(w.is_empty());
    }

    #[test]
    fn persistent_watches_stay() {
        let mut w = Watches::default();
        w.register(Registration::Persistent("/p".into()), ErrorCode::Ok);
        w.register(
            Registration::PersistentRecursive("/r".into()),
            ErrorCode::NoNode,
        );
        for _ in 0..2 {
            assert!(w.fire(EventType::NodeChildrenChanged, "/p"));
            assert!(!w.fire(EventType::NodeCreated, "/p/x"));
            assert!(w.fire(EventType::NodeCreated, "/r/x/y"));
            assert!(!w.fire(EventType::NodeChildrenChanged, "/r/x"));
        }
        w.register(Registration::PersistentRecursive("/".into()), ErrorCode::Ok);
        assert!(w.fire(EventType::NodeDeleted, "/anything"));
        assert_eq!(
            w.remove("/p", WatcherType::Any),
            [EventType::PersistentWatchRemoved]
        );
        assert!(w.remove("/p", WatcherType::Any).is_empty());
    }

    #[test]
    fn many_watches_are_set_again_in_pages() {
        let mut w = Watches::default();
        for i in 0..5000 {
            w.register(Registration::Data(format!("/{i:0>99}")), ErrorCode::Ok);
        }
        w.register(Registration::Persistent("/p".into()), ErrorCode::Ok);
        let requests = w.requests(7);
        assert_eq!(requests.len(), 4);
        assert!(requests.iter().all(|(_, body)| body.len() < 160 * 1024));
        assert!(
            requests[..3]
                .iter()
                .all(|(op, _)| *op == OpCode::SetWatches)
        );
        assert_eq!(requests[3].0, OpCode::SetWatches2);
        let total: usize = requests[..3]
            .iter()
            .map(|(_, b)| SetWatches::from_bytes(b).unwrap().data_watches.len())
            .sum();
        let last = SetWatches2::from_bytes(&requests[3].1).unwrap();
        assert_eq!(total + last.data_watches.len(), 5000);
        assert_eq!(
            (last.relative_zxid, last.persistent_watches),
            (7, vec!["/p"])
        );
    }
}
