//! Every deadline of the coordinator, in one ordered set.
//!
//! A deadline that no longer holds is not removed: whoever it names checks, when it comes due,
//! whether it still means anything. A member has one entry at most, moved forward when it fires
//! early, so that a heartbeat costs no change of the set (a deadline that moves closer adds one).

use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Timer {
    /// session timeout of a member
    Member { group: Arc<str>, member: Arc<str> },
    /// a member id that was handed out and never came back
    Pending { group: Arc<str>, member: Arc<str> },
    /// end of the wait for members to join
    Join { group: Arc<str> },
    /// end of the wait for members to sync
    Sync { group: Arc<str>, generation: i32 },
    /// look for expired offsets
    Retention,
}

#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeMap<(u64, u64), Timer>,
    sequence: u64,
}

impl Timers {
    pub(super) fn set(&mut self, deadline_ms: u64, timer: Timer) {
        self.sequence += 1;
        self.due.insert((deadline_ms, self.sequence), timer);
    }

    pub(super) fn next(&self) -> Option<u64> {
        self.due.keys().next().map(|&(at, _)| at)
    }

    pub(super) fn pop_due(&mut self, now_ms: u64) -> Option<Timer> {
        let first = self.due.first_entry()?;
        (first.key().0 <= now_ms).then(|| first.remove())
    }
}
