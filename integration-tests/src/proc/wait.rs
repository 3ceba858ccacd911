//! Waiting for conditions instead of for times.
#![allow(clippy::disallowed_methods, reason = "drives real processes")]

use std::time::{Duration, Instant};

/// How long anything may take before a test gives up. Generous: machines are slow and shared.
pub const LIMIT: Duration = Duration::from_secs(120);

/// Polls until `condition` holds; panics, naming `what`, after [`LIMIT`].
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < LIMIT,
            "after {LIMIT:?} still waiting for: {what}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}
