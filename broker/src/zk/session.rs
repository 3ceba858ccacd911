//! One session's events as a set of paths to look at, and the file by which the next run finds a
//! session that a kill has left behind.
#![allow(
    clippy::disallowed_methods,
    reason = "starts the task that takes events, keeps a small file"
)]

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use driver::zk_client::{Credentials, Reach, SessionState, ZkEvent, ZkEvents};
use indexmap::IndexMap;
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::metrics::Metrics;

/// Kafka looks at directories only, so it never sees this one.
const FILE: &str = ".zookeeper-session";

/// Paths whose watches have fired, each once however often it did.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    stirred: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// with the time of the first news
    paths: IndexMap<String, Instant>,
    /// since when there is no connection
    lost: Option<Instant>,
    ended: bool,
}

/// What the session has to say.
#[derive(Debug)]
pub(crate) enum SessionEvent {
    /// what, and how long it has waited
    Changed(String, Duration),
    Ended,
}

impl Inbox {
    /// Takes events from now on, so that they never hold replies back.
    pub(crate) fn follow(
        mut events: ZkEvents,
        metrics: Arc<Metrics>,
        reach: Arc<Reach>,
    ) -> Arc<Self> {
        let inbox = Arc::new(Self::default());
        let sink = inbox.clone();
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                if let ZkEvent::State(state) = &event {
                    count(*state, &metrics);
                    sink.tell(*state, &reach);
                }
                sink.take(event);
            }
            sink.lock().ended = true;
            sink.stirred.notify_one();
        });
        inbox
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when the session has no connection, if it has none.
    pub(crate) fn lost_since(&self) -> Option<Instant> {
        self.lock().lost
    }

    /// Tells the operator once of a connection that is lost, and once when it is back.
    fn tell(&self, state: SessionState, reach: &Reach) {
        let mut own = self.lock();
        let server = reach.server().unwrap_or_default();
        match state {
            SessionState::Disconnected if own.lost.is_none() => {
                own.lost = Some(Instant::now());
                warn!(
                    "the connection to ZooKeeper server {server} is lost ({}), trying to get it \
                     back: producing and consuming go on where partitions have leaders; new leaders, \
                     topics and changes of configuration wait for ZooKeeper",
                    reach.failures()
                );
            }
            SessionState::SyncConnected => {
                if let Some(since) = own.lost.take() {
                    info!(
                        "ZooKeeper is back: server {server} goes on with the session, {} ms after \
                         the connection was lost",
                        since.elapsed().as_millis()
                    );
                }
            }
            _ => {}
        }
    }

    fn take(&self, event: ZkEvent) {
        let mut state = self.lock();
        match event {
            ZkEvent::Watch(event) => {
                let since = state.paths.entry(event.path);
                since.or_insert_with(Instant::now);
            }
            ZkEvent::State(
                SessionState::Expired | SessionState::AuthFailed | SessionState::Closed,
            ) => {
                state.ended = true;
            }
            ZkEvent::State(_) => return,
        }
        drop(state);
        self.stirred.notify_one();
    }

    /// The next event; the end comes before everything else.
    pub(crate) async fn next(&self) -> SessionEvent {
        loop {
            {
                let mut state = self.lock();
                if state.ended {
                    return SessionEvent::Ended;
                }
                if let Some((path, since)) = state.paths.shift_remove_index(0) {
                    return SessionEvent::Changed(path, since.elapsed());
                }
            }
            self.stirred.notified().await;
        }
    }
}

/// Mirrors kafka.zookeeper.ZooKeeperClient.ZooKeeperClientWatcher.
fn count(state: SessionState, metrics: &Metrics) {
    let meters = &metrics.zookeeper;
    match state {
        SessionState::Expired => meters.expires.add(1),
        SessionState::Disconnected => meters.disconnects.add(1),
        SessionState::SyncConnected => meters.sync_connects.add(1),
        SessionState::AuthFailed => meters.auth_failures.add(1),
        SessionState::ConnectedReadOnly | SessionState::Closed => {}
    }
}

fn file_in(log_dir: &Path) -> PathBuf {
    log_dir.join(FILE)
}

/// The session that a former run has left, if it left one.
pub(crate) fn load(log_dir: &Path) -> Option<Credentials> {
    let text = fs::read_to_string(file_in(log_dir)).ok()?;
    let (id, password) = text.trim().split_once(' ')?;
    let id = u64::from_str_radix(id, 16).ok()? as i64;
    let bytes = (0..password.len() / 2).map(|at| {
        password
            .get(at * 2..at * 2 + 2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok())
    });
    Some(Credentials {
        id,
        password: bytes.collect::<Option<_>>()?,
    })
}

/// Remembers the session, for the owner of the broker's files alone.
pub(crate) fn store(log_dir: &Path, credentials: &Credentials) -> io::Result<()> {
    let hex: String = credentials
        .password
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let (file, new) = (file_in(log_dir), log_dir.join(".zookeeper-session.tmp"));
    let mut out = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    writeln!(out, "{:x} {hex}", credentials.id)?;
    fs::rename(new, file)
}

/// The session was closed: there is nothing to find.
pub(crate) fn forget(log_dir: &Path) {
    let _ = fs::remove_file(file_in(log_dir));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_keeps_a_session_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        assert!(load(dir.path()).is_none());
        let session = Credentials {
            id: -5,
            password: vec![0, 255, 7],
        };
        store(dir.path(), &session).unwrap();
        assert_eq!(load(dir.path()), Some(session));
        let mode = fs::metadata(file_in(dir.path()))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        forget(dir.path());
        assert!(load(dir.path()).is_none());
    }
}
