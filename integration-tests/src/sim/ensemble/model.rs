//! The znodes as committed transactions make them, at every zxid: what a read may show. A naive
//! model, written without looking at the tree that it judges; it knows the workload's operations.

use std::collections::{BTreeMap, BTreeSet};

use proto::zk::OpCode;
use zk_server::tree::ephemeral::CONTAINER_OWNER;
use zk_server::tree::txn::{Body, Kind, Record};

use super::history::owner;

/// One state of a znode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Znode {
    pub data: Option<Vec<u8>>,
    pub version: i32,
    pub czxid: i64,
    pub mzxid: i64,
    /// 0 for a persistent one
    pub owner: i64,
}

/// What happened to a znode, for the rules of watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Created,
    Deleted,
    Data,
    /// a child came or went
    Children,
}

/// From this zxid on the znode is so; none when it is gone.
type States = Vec<(i64, Option<Znode>)>;

#[derive(Debug, Default)]
pub struct Model {
    /// parent, name
    nodes: BTreeMap<String, BTreeMap<String, States>>,
    changes: BTreeMap<String, Vec<(i64, Change)>>,
    /// from this zxid on the session is there, or is not
    sessions: BTreeMap<i64, Vec<(i64, bool)>>,
    ephemerals: BTreeMap<i64, BTreeSet<String>>,
    /// the last restore
    restored: i64,
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

impl Model {
    /// Transactions come in the order of the ensemble's history.
    pub fn apply(&mut self, record: &[u8]) -> Result<(), String> {
        let record = Record::read(record).map_err(|e| e.to_string())?;
        let (zxid, session) = (record.header.zxid, record.header.client_id);
        if record.header.op == OpCode::DeleteContainer.code() {
            self.may_go(zxid, &record.body)?;
        }
        self.body(zxid, session, &record.body)
    }

    fn body(&mut self, zxid: i64, session: i64, body: &Body<'_>) -> Result<(), String> {
        match body {
            Body::Create(create) => {
                let owner = owner(create.kind, session);
                if create.kind == Kind::Ephemeral {
                    let paths = self.ephemerals.entry(session).or_default();
                    paths.insert(create.path.to_owned());
                }
                if self.at(create.path, zxid).is_some() {
                    return Err(format!("0x{zxid:x} creates {} twice", create.path));
                }
                let znode = Znode {
                    data: create.data.map(<[u8]>::to_vec),
                    version: 0,
                    czxid: zxid,
                    mzxid: zxid,
                    owner,
                };
                self.put(create.path, zxid, Some(znode), Change::Created);
            }
            Body::Delete { path } => self.delete(path, zxid)?,
            Body::SetData {
                path,
                data,
                version,
            } => {
                if path.starts_with("/zookeeper") {
                    return Ok(());
                }
                let Some(old) = self.at(path, zxid).cloned() else {
                    return Err(format!("0x{zxid:x} sets {path}, which is not there"));
                };
                let znode = Znode {
                    data: data.map(<[u8]>::to_vec),
                    version: *version,
                    mzxid: zxid,
                    ..old
                };
                self.put(path, zxid, Some(znode), Change::Data);
            }
            Body::CreateSession { .. } => {
                self.sessions.entry(session).or_default().push((zxid, true));
            }
            Body::CloseSession(_) => {
                if let Some(lives) = self.sessions.get_mut(&session) {
                    lives.push((zxid, false));
                }
                for path in self.ephemerals.remove(&session).unwrap_or_default() {
                    self.delete(&path, zxid)?;
                }
            }
            // One that failed lists what went before the failure too.
            Body::Multi(parts) if parts.iter().any(|&(op, _)| op == OpCode::Error.code()) => {}
            Body::Multi(parts) => {
                for &(op, bytes) in parts {
                    let mut r = proto::buf::Reader::new(bytes);
                    let body = Body::read(op, &mut r).map_err(|e| e.to_string())?;
                    self.body(zxid, session, &body)?;
                }
            }
            Body::SetAcl { .. } | Body::Check { .. } | Body::Error(_) => {}
        }
        Ok(())
    }

    /// From `zxid` on everything is as it was after `taken`.
    pub fn restore(&mut self, zxid: i64, taken: i64) {
        self.restored = zxid;
        let mut changed = Vec::new();
        for (parent, children) in &self.nodes {
            for (name, states) in children {
                let (now, then) = (latest(states, zxid), latest(states, taken));
                let change = match (now, then) {
                    (None, Some(_)) => Change::Created,
                    (Some(_), None) => Change::Deleted,
                    (Some(now), Some(then)) if now != then => Change::Data,
                    _ => continue,
                };
                changed.push((format!("{parent}/{name}"), then.cloned(), change));
            }
        }
        for (path, znode, change) in changed {
            self.put(&path, zxid, znode, change);
        }
        for lives in self.sessions.values_mut() {
            let lived = lives_at(lives, taken);
            lives.push((zxid, lived));
        }
        self.ephemerals.clear();
        for (parent, children) in &self.nodes {
            for (name, states) in children {
                let owner = latest(states, zxid).map_or(0, |znode| znode.owner);
                if owner > 0 {
                    let paths = self.ephemerals.entry(owner).or_default();
                    paths.insert(format!("{parent}/{name}"));
                }
            }
        }
    }

    /// What the servers remove by themselves: empty containers and nodes with a TTL.
    fn may_go(&self, zxid: i64, body: &Body<'_>) -> Result<(), String> {
        let Body::Delete { path } = body else {
            return Err(format!("0x{zxid:x} is no deletion"));
        };
        let owner = self.at(path, zxid).map_or(0, |znode| znode.owner);
        let empty = self.children(path, zxid).is_empty();
        if owner < 0 && empty {
            Ok(())
        } else {
            Err(format!(
                "0x{zxid:x} removes {path} (owner 0x{owner:x}, empty: {empty})"
            ))
        }
    }

    fn delete(&mut self, path: &str, zxid: i64) -> Result<(), String> {
        let Some(old) = self.at(path, zxid) else {
            return Err(format!("0x{zxid:x} deletes {path}, which is not there"));
        };
        let owner = old.owner;
        if let Some(paths) = self.ephemerals.get_mut(&owner) {
            paths.remove(path);
        }
        self.put(path, zxid, None, Change::Deleted);
        Ok(())
    }

    fn put(&mut self, path: &str, zxid: i64, znode: Option<Znode>, change: Change) {
        let (parent, name) = split(path);
        let siblings = self.nodes.entry(parent.to_owned()).or_default();
        let states = siblings.entry(name.to_owned()).or_default();
        match states.last_mut() {
            Some((last, state)) if *last == zxid => *state = znode,
            _ => states.push((zxid, znode)),
        }
        self.note(path, zxid, change);
        if change != Change::Data {
            self.note(parent, zxid, Change::Children);
        }
    }

    fn note(&mut self, path: &str, zxid: i64, change: Change) {
        let changes = self.changes.entry(path.to_owned()).or_default();
        changes.push((zxid, change));
    }

    /// The znode as it is after `zxid`.
    pub fn at(&self, path: &str, zxid: i64) -> Option<&Znode> {
        let (parent, name) = split(path);
        latest(self.nodes.get(parent)?.get(name)?, zxid)
    }

    /// The children of a znode after `zxid`, sorted.
    pub fn children(&self, path: &str, zxid: i64) -> Vec<&str> {
        let Some(children) = self.nodes.get(path) else {
            return Vec::new();
        };
        let there = children.iter().filter(|(_, s)| latest(s, zxid).is_some());
        there.map(|(name, _)| name.as_str()).collect()
    }

    /// The first of these changes of a znode after `from` and not after `to`.
    pub fn first_change(
        &self,
        path: &str,
        from: i64,
        to: i64,
        kinds: &[Change],
    ) -> Option<(i64, Change)> {
        let changes = self.changes.get(path)?;
        let start = changes.partition_point(|&(zxid, _)| zxid <= from);
        let mut rest = changes[start..].iter().take_while(|&&(zxid, _)| zxid <= to);
        rest.find(|(_, change)| kinds.contains(change)).copied()
    }

    /// Whether the session was there after `zxid`.
    pub fn session_lives(&self, session: i64, zxid: i64) -> bool {
        let lives = self.sessions.get(&session);
        lives.is_some_and(|lives| lives_at(lives, zxid))
    }

    /// The zxid that made it, or 0.
    pub fn session_began(&self, session: i64) -> i64 {
        let first = self.sessions.get(&session).and_then(|lives| lives.first());
        first.map_or(0, |&(start, _)| start)
    }

    pub fn knows_session(&self, session: i64) -> bool {
        self.sessions.contains_key(&session)
    }

    /// Sessions that nothing has closed.
    pub fn open_sessions(&self) -> BTreeSet<i64> {
        let open = |(_, lives): &(&i64, &Vec<(i64, bool)>)| lives_at(lives, i64::MAX);
        let open = self.sessions.iter().filter(open);
        open.map(|(&session, _)| session).collect()
    }

    /// Containers that had a child and have none.
    pub fn left_containers(&self) -> BTreeSet<String> {
        let mut left = BTreeSet::new();
        for (parent, names) in &self.nodes {
            for (name, states) in names {
                let last = latest(states, i64::MAX);
                let path = format!("{parent}/{name}");
                let Some(znode) = last.filter(|znode| znode.owner == CONTAINER_OWNER) else {
                    continue;
                };
                // A snapshot that was restored may be of before its first child.
                let since = znode.czxid.max(self.restored);
                let had = self.first_change(&path, since, i64::MAX, &[Change::Children]);
                if had.is_some() && self.children(&path, i64::MAX).is_empty() {
                    left.insert(path);
                }
            }
        }
        left
    }

    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }
}

fn latest(states: &States, zxid: i64) -> Option<&Znode> {
    let n = states.partition_point(|&(at, _)| at <= zxid);
    states[..n].last()?.1.as_ref()
}

fn lives_at(lives: &[(i64, bool)], zxid: i64) -> bool {
    let n = lives.partition_point(|&(at, _)| at <= zxid);
    lives[..n].last().is_some_and(|&(_, lives)| lives)
}
