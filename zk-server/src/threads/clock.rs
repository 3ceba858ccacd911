//! The clocks of the process, as the core wants them.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::units::Now;

/// Monotonic time since the start of the process, and wall time.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

/// So that a monotonic time is never mistaken for "never".
const FIRST_US: u64 = 1_000_000;

impl Clock {
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    pub fn now(&self) -> Now {
        let since = self.start.elapsed().as_micros();
        Now {
            mono_us: u64::try_from(since).unwrap_or(u64::MAX - FIRST_US) + FIRST_US,
            wall_ms: wall_ms(),
        }
    }

    /// The moment of a monotonic time, for timers.
    pub fn instant(&self, mono_us: u64) -> Instant {
        self.start + std::time::Duration::from_micros(mono_us.saturating_sub(FIRST_US))
    }
}

/// Milliseconds since 1970.
pub fn wall_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}
