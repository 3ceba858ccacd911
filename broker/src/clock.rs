//! The one clock of the handlers: machines get time as an argument, and this is where it is from.
#![allow(clippy::disallowed_methods, reason = "reads the clock")]

use std::time::Instant;

#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }

    /// Milliseconds since the start; never goes back.
    pub fn uptime_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }
}
