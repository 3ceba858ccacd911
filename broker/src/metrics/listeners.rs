//! Connections by listener. Mirrors the connection sensors of
//! org.apache.kafka.common.network.Selector.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

/// Connections of one listener.
#[derive(Debug, Default)]
pub struct ListenerMeters {
    accepted: AtomicU64,
    closed: AtomicU64,
    /// nanoseconds in which a limit kept it from accepting
    blocked_ns: AtomicU64,
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

    /// A limit kept the listener from accepting for so long.
    pub fn blocked(&self, time: Duration) {
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.blocked_ns.fetch_add(ns, Ordering::Relaxed);
    }

    pub(super) fn blocked_ns(&self) -> u64 {
        self.blocked_ns.load(Ordering::Relaxed)
    }

    /// Accepted since the start, and closed again.
    pub(super) fn counts(&self) -> (u64, u64) {
        let closed = self.closed.load(Ordering::Relaxed);
        (self.accepted.load(Ordering::Relaxed).max(closed), closed)
    }
}

type ByName = Vec<(Arc<str>, Arc<ListenerMeters>)>;

/// All listeners, by name, and what they share.
#[derive(Debug, Default)]
pub struct Listeners {
    all: Mutex<ByName>,
    /// bytes that requests may take in all, and those that are free
    memory: OnceLock<(usize, Arc<Semaphore>)>,
}

impl Listeners {
    /// The meters of a listener that begins to serve.
    pub fn register(&self, name: &Arc<str>) -> Arc<ListenerMeters> {
        let meters = Arc::<ListenerMeters>::default();
        self.lock().push((name.clone(), meters.clone()));
        meters
    }

    /// Where requests get their memory from.
    pub fn set_memory(&self, size: usize, free: Arc<Semaphore>) {
        let _ = self.memory.set((size, free));
    }

    /// Bytes for requests in all, and those in use.
    pub(super) fn memory(&self) -> Option<(usize, usize)> {
        let (size, free) = self.memory.get()?;
        Some((*size, size.saturating_sub(free.available_permits())))
    }

    pub(super) fn all(&self) -> ByName {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, ByName> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
