//! What four-letter words, the admin server and the metrics show: data, without any formatting.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::conn::{ConnStats, Phase};
use super::io::Output;
use super::server::Server;
use super::settings::Settings;
use super::stats::Stats;
use crate::tree::Database;
use crate::units::{ConnId, Zxid};

/// One connection (Java: `ServerCnxn.getConnectionInfo`).
#[derive(Debug, Clone)]
pub struct ConnInfo<'a> {
    pub id: ConnId,
    pub peer: SocketAddr,
    /// 0 while it has none
    pub session: i64,
    pub timeout_ms: i32,
    /// the session is established
    pub open: bool,
    /// requests without a reply
    pub outstanding: usize,
    pub stats: &'a ConnStats,
}

/// Numbers of data watches (Java: `WatchesSummary`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WatchesSummary {
    pub connections: usize,
    pub paths: usize,
    pub total: usize,
}

impl Server {
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn database(&self) -> &Database {
        &self.db
    }

    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Goes on with what the server before this one has counted.
    pub fn set_stats(&mut self, stats: Stats) {
        self.stats = stats;
    }

    /// `srst`
    pub fn reset_stats(&mut self) {
        self.stats.reset();
    }

    /// `crst`
    pub fn reset_connection_stats(&mut self) {
        for (_, conn) in &mut self.conns.slots {
            conn.stats.reset();
        }
    }

    /// Monotonic microseconds at which the server was made.
    pub fn started_us(&self) -> u64 {
        self.started_us
    }

    pub fn last_processed_zxid(&self) -> Zxid {
        self.db.last_zxid()
    }

    /// Requests that were received and have no reply yet.
    pub fn outstanding_requests(&self) -> usize {
        self.outstanding_writes() + self.held
    }

    /// The share of new sessions that the connection throttle drops by chance.
    pub fn connection_drop_chance(&self) -> f64 {
        self.throttle.drop_chance()
    }

    /// Writes that wait to be durable.
    pub fn outstanding_proposals(&self) -> usize {
        self.proposals.len()
    }

    pub fn connection_count(&self) -> usize {
        self.conns.slots.len()
    }

    pub fn connections(&self) -> impl Iterator<Item = ConnInfo<'_>> {
        self.conns.slots.iter().map(|(_, conn)| ConnInfo {
            id: conn.id,
            peer: conn.peer,
            session: conn.session,
            timeout_ms: conn.timeout_ms,
            open: conn.phase == Phase::Open,
            outstanding: conn.outstanding(),
            stats: &conn.stats,
        })
    }

    /// Data and child watches together (Java: `DataTree.getWatchCount`).
    pub fn watch_count(&self) -> usize {
        self.watches.count(true) + self.watches.count(false)
    }

    /// Data watches by path: the sessions.
    pub fn watches_by_path(&self) -> BTreeMap<String, BTreeSet<i64>> {
        let mut map: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
        self.watches.for_each_data(|path, watcher| {
            let session = self.conns.get(watcher).map_or(0, |conn| conn.session);
            map.entry(path.to_owned()).or_default().insert(session);
        });
        map
    }

    /// Data watches by session: the paths.
    pub fn watches_by_session(&self) -> BTreeMap<i64, BTreeSet<String>> {
        let mut map: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
        self.watches.for_each_data(|path, watcher| {
            let session = self.conns.get(watcher).map_or(0, |conn| conn.session);
            map.entry(session).or_default().insert(path.to_owned());
        });
        map
    }

    pub fn watches_summary(&self) -> WatchesSummary {
        let (mut paths, mut watchers, mut total) = (BTreeSet::new(), BTreeSet::new(), 0);
        self.watches.for_each_data(|path, watcher| {
            paths.insert(path.as_ptr());
            watchers.insert(watcher);
            total += 1;
        });
        WatchesSummary {
            connections: watchers.len(),
            paths: paths.len(),
            total,
        }
    }

    /// Ephemeral znodes by the session that owns them.
    pub fn ephemerals(&self) -> BTreeMap<i64, BTreeSet<String>> {
        let tree = self.db.tree();
        tree.ephemeral_owners()
            .map(|session| (session, tree.ephemerals_of(session).into_iter().collect()))
            .collect()
    }

    /// Sessions by the monotonic millisecond at which they expire if nothing is heard of them.
    pub fn sessions_by_expiry(&self) -> BTreeMap<u64, Vec<i64>> {
        self.tracker.by_expiry()
    }

    /// Sessions that are tracked; those being created or closed among them.
    pub fn session_count(&self) -> usize {
        if self.is_learner() {
            self.db.sessions().len() + self.tracker.len()
        } else {
            self.tracker.len()
        }
    }

    /// Closes a session's connection without closing the session (Java: the admin server's
    /// `connection close` and JMX).
    pub fn drop_connection(&mut self, id: ConnId, out: &mut Vec<Output>) {
        if let Some(slot) = self.slot_of(id) {
            self.close(slot, out);
        }
    }

    /// Ends a session as if it had expired. Those of the ensemble are their leader's to end.
    pub fn expire_session(&mut self, session: i64, out: &mut Vec<Output>) {
        if self.tracker.is_alive(session) {
            self.end_session(session, out);
        }
    }
}
