//! When to roll the log and to take a snapshot (Java: `SyncRequestProcessor.shouldSnapshot`).
//!
//! A random part of the limits keeps the servers of an ensemble from taking theirs together.

use crate::session::id::JavaRandom;

use super::settings::Settings;

#[derive(Debug)]
pub(crate) struct Snapshots {
    count_limit: u64,
    size_limit: u64,
    random: JavaRandom,
    random_count: u64,
    random_size: u64,
    count: u64,
    size: u64,
    /// the zxid at which the next snapshot is due
    due: Option<i64>,
    running: bool,
}

impl Snapshots {
    pub(crate) fn new(settings: &Settings) -> Self {
        let mut snapshots = Self {
            count_limit: settings.snap_count.max(2),
            size_limit: settings.snap_size_bytes,
            random: JavaRandom::new(settings.seed),
            random_count: 0,
            random_size: 0,
            count: 0,
            size: 0,
            due: None,
            running: false,
        };
        snapshots.roll();
        snapshots
    }

    fn roll(&mut self) {
        let mut draw = |below: u64| (u64::from(self.random.next_i32() as u32) << 1) % below.max(1);
        self.random_count = draw(self.count_limit / 2);
        self.random_size = draw(self.size_limit / 2);
        (self.count, self.size) = (0, 0);
    }

    /// A record was appended. True when the next one belongs into a new file.
    pub(crate) fn appended(&mut self, zxid: i64, bytes: usize) -> bool {
        self.count += 1;
        self.size += bytes as u64;
        let full = self.count > self.count_limit / 2 + self.random_count
            || (self.size_limit > 0 && self.size > self.size_limit / 2 + self.random_size);
        if full {
            self.roll();
            // While one is being written the next is left out, as in Java.
            if !self.running {
                self.due = Some(zxid);
            }
        }
        full
    }

    /// A transaction was applied. True when the state is the one to take.
    pub(crate) fn applied(&mut self, zxid: i64) -> bool {
        let now = self.due.is_some_and(|due| due <= zxid);
        if now {
            self.due = None;
            self.running = true;
        }
        now
    }

    pub(crate) fn done(&mut self) {
        self.running = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_half_and_all_of_snap_count() {
        let mut s = Snapshots::new(&Settings {
            snap_count: 10,
            ..Settings::default()
        });
        let mut rolled = Vec::new();
        for zxid in 1..=100 {
            if s.appended(zxid, 1) {
                rolled.push(zxid);
                assert!(!s.applied(zxid - 1));
                assert!(s.applied(zxid) && !s.applied(zxid));
                s.done();
            }
        }
        assert!((10..=16).contains(&rolled.len()), "{rolled:?}");
    }
}
