//! Connections by listener. Mirrors the connection sensors of
//! org.apache.kafka.common.network.Selector.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Connections of one listener.
#[derive(Debug, Default)]
pub struct ListenerMeters {
    accepted: AtomicU64,
    closed: AtomicU64,
}

/// Counts a connection from its making to its drop.
#[derive(Debug)]
pub struct Open(Arc<ListenerMeters>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.closed.fetch_add(1, Ordering::Relaxed);
    }
}

impl ListenerMeters {
    pub fn open(self: &Arc<Self>) -> Open {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        Open(self.clone())
    }

    /// Accepted since the start, and closed again.
    pub(super) fn counts(&self) -> (u64, u64) {
        let closed = self.closed.load(Ordering::Relaxed);
        (self.accepted.load(Ordering::Relaxed).max(closed), closed)
    }
}

/// All listeners, by name.
#[derive(Debug, Default)]
pub struct Listeners(Mutex<Vec<(Arc<str>, Arc<ListenerMeters>)>>);

impl Listeners {
    /// The meters of a listener that begins to serve.
    pub fn register(&self, name: &Arc<str>) -> Arc<ListenerMeters> {
        let meters = Arc::<ListenerMeters>::default();
        self.lock().push((name.clone(), meters.clone()));
        meters
    }

    pub(super) fn all(&self) -> Vec<(Arc<str>, Arc<ListenerMeters>)> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Arc<str>, Arc<ListenerMeters>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
