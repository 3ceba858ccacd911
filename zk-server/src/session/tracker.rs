//! Which sessions live and until when (Java: `SessionTrackerImpl`, `ExpiryQueue`).
//!
//! Deadlines are rounded up to multiples of `tickTime`, so that a session is in one bucket and a
//! tick expires a whole bucket. A touch only notes the new deadline; the session moves when its
//! old bucket comes up.
//!
//! **No session expires because this server itself stalled.** The tracker has its own clock,
//! which stands still while the server does: when an input comes later than the time for which
//! the server asked to be woken by more than half a tick, the gap since the last input is taken
//! out of every deadline.

use std::collections::{BTreeMap, HashMap};

use proto::zk::ErrorCode;

use crate::units::LinkId;

/// Through which server a session's client talks (Java: `SessionImpl.owner`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// the leader itself
    Here,
    /// the learner at the other end
    Link(LinkId),
}

#[derive(Debug, Clone)]
struct Tracked {
    timeout_ms: i32,
    closing: bool,
    /// known to this server alone (Java: `LocalSessionTracker`)
    local: bool,
    /// `None` until somebody writes for it
    owner: Option<Owner>,
    /// end of the bucket in which it expires
    deadline: u64,
    /// the bucket that lists it
    listed: u64,
}

#[derive(Debug)]
pub struct SessionTracker {
    sessions: HashMap<i64, Tracked>,
    buckets: BTreeMap<u64, Vec<i64>>,
    tick_ms: u64,
    /// the clock of deadlines: milliseconds that this server was awake
    now_ms: u64,
    last_seen_us: u64,
    stalled_us: u64,
}

impl SessionTracker {
    pub fn new(tick_ms: u64, mono_us: u64) -> Self {
        Self {
            sessions: HashMap::new(),
            buckets: BTreeMap::new(),
            tick_ms: tick_ms.max(1),
            now_ms: mono_us / 1000,
            last_seen_us: mono_us,
            stalled_us: 0,
        }
    }

    /// Notes the time. Returns for how long the server stalled, in microseconds, if it did.
    pub fn advance(&mut self, mono_us: u64) -> Option<u64> {
        let slack = self.tick_ms * 1000 / 2;
        let gap = mono_us.saturating_sub(self.last_seen_us);
        let late = self
            .next_deadline()
            .is_some_and(|wanted| mono_us > wanted.max(self.last_seen_us) + slack);
        let stall = late.then_some(gap);
        self.stalled_us += stall.unwrap_or(0);
        self.last_seen_us = self.last_seen_us.max(mono_us);
        self.now_ms = (self.last_seen_us - self.stalled_us) / 1000;
        stall
    }

    fn bucket(&self, timeout_ms: i32) -> u64 {
        let at = self.now_ms + timeout_ms.max(0) as u64;
        (at / self.tick_ms + 1) * self.tick_ms
    }

    /// Starts to track a session, or touches it.
    pub fn track(&mut self, id: i64, timeout_ms: i32) {
        let bucket = self.bucket(timeout_ms);
        if self.sessions.contains_key(&id) {
            self.touch(id, timeout_ms);
            return;
        }
        self.sessions.insert(
            id,
            Tracked {
                timeout_ms,
                closing: false,
                local: false,
                owner: None,
                deadline: bucket,
                listed: bucket,
            },
        );
        self.buckets.entry(bucket).or_default().push(id);
    }

    /// The session was heard of. False when it is unknown or about to be closed.
    pub fn touch(&mut self, id: i64, timeout_ms: i32) -> bool {
        let bucket = self.bucket(timeout_ms);
        let Some(session) = self.sessions.get_mut(&id) else {
            return false;
        };
        if session.closing {
            return false;
        }
        session.timeout_ms = timeout_ms;
        session.deadline = bucket;
        // A client may come back with a shorter timeout.
        if bucket < session.listed {
            session.listed = bucket;
            self.buckets.entry(bucket).or_default().push(id);
        }
        true
    }

    /// Starts to track a session that only this server knows.
    pub fn track_local(&mut self, id: i64, timeout_ms: i32) {
        self.track(id, timeout_ms);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.local = true;
        }
    }

    pub fn is_local(&self, id: i64) -> bool {
        self.sessions.get(&id).is_some_and(|s| s.local)
    }

    /// The session becomes one of the whole ensemble. Its timeout, if it was local.
    pub fn upgrade(&mut self, id: i64) -> Option<i32> {
        let session = self.sessions.get_mut(&id).filter(|s| s.local)?;
        session.local = false;
        Some(session.timeout_ms)
    }

    /// Tracked, and not local.
    pub fn is_global(&self, id: i64) -> bool {
        self.sessions.get(&id).is_some_and(|s| !s.local)
    }

    /// The client talks through this server from here on.
    pub fn set_owner(&mut self, id: i64, owner: Owner) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.owner = Some(owner);
        }
    }

    /// Whether `owner` may write for this session; the first one who does owns it (Java:
    /// `checkSession`).
    pub fn check(&mut self, id: i64, owner: Owner) -> Result<(), ErrorCode> {
        let Some(session) = self.sessions.get_mut(&id) else {
            return Err(ErrorCode::UnknownSession);
        };
        if session.closing {
            return Err(ErrorCode::SessionExpired);
        }
        if *session.owner.get_or_insert(owner) != owner {
            return Err(ErrorCode::SessionMoved);
        }
        Ok(())
    }

    pub fn is_alive(&self, id: i64) -> bool {
        self.sessions.get(&id).is_some_and(|s| !s.closing)
    }

    pub fn set_closing(&mut self, id: i64) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.closing = true;
        }
    }

    pub fn remove(&mut self, id: i64) {
        self.sessions.remove(&id);
    }

    /// The sessions that have expired by now; they are closing from here on.
    pub fn expire(&mut self) -> Vec<i64> {
        let mut expired = Vec::new();
        while let Some(entry) = self.buckets.first_entry() {
            if *entry.key() > self.now_ms {
                break;
            }
            let (bucket, ids) = entry.remove_entry();
            for id in ids {
                let Some(session) = self.sessions.get_mut(&id) else {
                    continue;
                };
                if session.listed != bucket || session.closing {
                    continue;
                }
                if session.deadline > bucket {
                    session.listed = session.deadline;
                    let next = session.deadline;
                    self.buckets.entry(next).or_default().push(id);
                } else {
                    session.closing = true;
                    expired.push(id);
                }
            }
        }
        expired
    }

    /// When `expire` has work, on the caller's clock.
    pub fn next_deadline(&self) -> Option<u64> {
        let (bucket, _) = self.buckets.first_key_value()?;
        Some(bucket * 1000 + self.stalled_us)
    }

    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Sessions by the time of their expiry, in milliseconds of the caller's monotonic clock.
    pub fn by_expiry(&self) -> BTreeMap<u64, Vec<i64>> {
        let mut map: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
        for (&id, session) in &self.sessions {
            map.entry(session.deadline + self.stalled_us / 1000)
                .or_default()
                .push(id);
        }
        for ids in map.values_mut() {
            ids.sort_unstable();
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1000;

    /// Runs the clock with a wake-up at every deadline, as a driver does.
    fn run_to(t: &mut SessionTracker, ms: u64) -> Vec<(u64, i64)> {
        let mut expired = Vec::new();
        while let Some(at) = t.next_deadline().filter(|&at| at <= ms * MS) {
            assert_eq!(t.advance(at), None);
            expired.extend(t.expire().into_iter().map(|id| (at / MS, id)));
        }
        t.advance(ms * MS);
        expired
    }

    #[test]
    fn a_session_expires_in_the_bucket_after_its_timeout() {
        let mut t = SessionTracker::new(2000, 0);
        t.track(1, 3000);
        t.track(2, 5000);
        assert_eq!(run_to(&mut t, 3900), []);
        assert!(t.touch(1, 3000));
        assert_eq!(run_to(&mut t, 20_000), [(6000, 2), (8000, 1)]);
        assert!(!t.is_alive(1) && !t.touch(1, 3000), "it is closing");
        t.remove(1);
        assert_eq!(t.len(), 1);
    }

    #[test]
    fn a_shorter_timeout_counts_at_once() {
        let mut t = SessionTracker::new(2000, 0);
        t.track(1, 30_000);
        assert!(t.touch(1, 3000));
        assert_eq!(run_to(&mut t, 40_000), [(4000, 1)]);
    }

    #[test]
    fn nobody_expires_because_the_server_stalled() {
        let mut t = SessionTracker::new(2000, 0);
        t.track(1, 4000);
        assert_eq!(run_to(&mut t, 1000), []);
        // The server sleeps for a minute.
        assert_eq!(t.advance(61_000 * MS), Some(60_000 * MS));
        assert_eq!(t.expire(), [0i64; 0]);
        // The client has the rest of its time.
        assert_eq!(run_to(&mut t, 65_999), []);
        assert_eq!(run_to(&mut t, 70_000), [(66_000, 1)]);
    }

    #[test]
    fn a_late_tick_within_half_a_tick_is_no_stall() {
        let mut t = SessionTracker::new(2000, 0);
        t.track(1, 1000);
        assert_eq!(t.advance(2900 * MS), None);
        assert_eq!(t.expire(), [1]);
    }
}
