//! The connections that are open, so that the one that did nothing for the longest can be closed
//! when there are too many (KIP-402). Mirrors Selector.lowestPriorityChannel.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use tokio::sync::Notify;

/// One connection's last activity, and the word that it has to go.
#[derive(Debug)]
pub(super) struct Activity {
    id: u64,
    /// of the listener between brokers
    protected: bool,
    opened: Instant,
    /// microseconds after `opened`
    last_us: AtomicU64,
    going: AtomicBool,
    evict: Notify,
}

impl Activity {
    /// Something was read or written.
    pub(super) fn touch(&self, now: Instant) {
        let us = now.saturating_duration_since(self.opened).as_micros();
        let us = u64::try_from(us).unwrap_or(u64::MAX);
        self.last_us.store(us, Ordering::Relaxed);
    }

    fn last(&self) -> Instant {
        let us = self.last_us.load(Ordering::Relaxed);
        self.opened + std::time::Duration::from_micros(us)
    }

    /// Returns when this connection has to go.
    pub(super) async fn evicted(&self) {
        self.evict.notified().await;
    }
}

#[derive(Debug, Default)]
pub(super) struct OpenConnections {
    next: u64,
    open: HashMap<u64, Arc<Activity>>,
}

impl OpenConnections {
    pub(super) fn insert(&mut self, protected: bool) -> Arc<Activity> {
        self.next += 1;
        let activity = Arc::new(Activity {
            id: self.next,
            protected,
            opened: Instant::now(),
            last_us: AtomicU64::new(0),
            going: AtomicBool::new(false),
            evict: Notify::new(),
        });
        self.open.insert(activity.id, activity.clone());
        activity
    }

    pub(super) fn remove(&mut self, activity: &Activity) {
        self.open.remove(&activity.id);
    }

    /// Sends connections away until so many go, those included that have been told already.
    pub(super) fn evict(&self, excess: usize) {
        let going = |a: &&Arc<Activity>| a.going.load(Ordering::Relaxed);
        let all = self.open.values();
        let more = excess.saturating_sub(all.clone().filter(going).count());
        let mut stay: Vec<_> = all.filter(|a| !a.protected && !going(a)).collect();
        stay.sort_unstable_by_key(|activity| activity.last());
        for activity in stay.into_iter().take(more) {
            activity.going.store(true, Ordering::Relaxed);
            activity.evict.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_did_nothing_for_the_longest_goes_first() {
        let mut all = OpenConnections::default();
        let broker = all.insert(true);
        let connections = [(); 4].map(|()| all.insert(false));
        let now = Instant::now();
        for (activity, age) in connections.iter().zip([5, 60, 1, 30]) {
            activity.touch(now + Duration::from_secs(100 - age));
        }
        let going = || -> Vec<bool> {
            let all = connections.iter();
            all.map(|a| a.going.load(Ordering::Relaxed)).collect()
        };
        all.evict(1);
        assert_eq!(going(), [false, true, false, false]);
        // it is on its way
        all.evict(1);
        assert_eq!(going(), [false, true, false, false]);
        all.remove(&connections[1]);
        all.evict(1);
        assert_eq!(going(), [false, true, false, true]);
        all.evict(99);
        assert!(!broker.going.load(Ordering::Relaxed));
    }
}
