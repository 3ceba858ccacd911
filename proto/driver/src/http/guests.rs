//! Who is connected: a bounded number, of which those that say nothing make room for one that asks.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// One open connection.
#[derive(Debug, Default)]
pub(super) struct Guest {
    /// a request of it is being answered
    pub(super) busy: AtomicBool,
    /// the turn of its last answer, or of its coming
    turn: AtomicU64,
    pub(super) leave: Notify,
}

/// The open connections. Many that say nothing must not keep out one that asks.
#[derive(Debug, Default)]
pub(super) struct Guests {
    all: Mutex<Vec<Arc<Guest>>>,
    turns: AtomicU64,
    left: Notify,
}

impl Guests {
    fn next_turn(&self) -> u64 {
        self.turns.fetch_add(1, Ordering::Relaxed)
    }

    /// Waits for a place; asks the guest to leave that has been silent for longest.
    pub(super) async fn enter(self: &Arc<Self>, places: usize) -> Place {
        loop {
            {
                let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
                if all.len() < places {
                    let guest = Arc::new(Guest::default());
                    guest.turn.store(self.next_turn(), Ordering::Relaxed);
                    all.push(guest.clone());
                    return Place {
                        guests: self.clone(),
                        guest,
                    };
                }
                let silent = all.iter().filter(|g| !g.busy.load(Ordering::Relaxed));
                if let Some(guest) = silent.min_by_key(|g| g.turn.load(Ordering::Relaxed)) {
                    guest.leave.notify_one();
                }
            }
            // All of them may be busy: one of them is silent soon.
            let _ = tokio::time::timeout(Duration::from_millis(50), self.left.notified()).await;
        }
    }
}

/// A guest's place, free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    guests: Arc<Guests>,
    pub(super) guest: Arc<Guest>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self
            .guests
            .all
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.retain(|guest| !Arc::ptr_eq(guest, &self.guest));
        self.guests.left.notify_one();
    }
}

/// A request that is being answered, until the last byte of the answer is on its way.
#[derive(Debug)]
pub(super) struct Visit {
    guest: Arc<Guest>,
    guests: Arc<Guests>,
}

impl Place {
    pub(super) fn visit(&self) -> Visit {
        self.guest.busy.store(true, Ordering::Relaxed);
        Visit {
            guest: self.guest.clone(),
            guests: self.guests.clone(),
        }
    }
}

impl Visit {
    /// Ends the connection.
    pub(super) fn send_away(&self) {
        self.guest.leave.notify_one();
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let turn = self.guests.next_turn();
        self.guest.turn.store(turn, Ordering::Relaxed);
        self.guest.busy.store(false, Ordering::Relaxed);
    }
}
