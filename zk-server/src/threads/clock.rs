//! The clocks of the process, as the core wants them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::time::MissedTickBehavior;

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
        self.start + Duration::from_micros(mono_us.saturating_sub(FIRST_US))
    }
}

/// Wall time is set by people and by NTP. Sessions and elections go by the other clock; an operator who
/// compares logs, or wonders about the times of znodes, must know.
#[derive(Debug, Default)]
struct Steps {
    last: Option<Now>,
}

/// A clock that is slewed gains or loses less in a second.
const STEP_MS: i64 = 1000;

impl Steps {
    /// How far wall time has moved against monotonic time since the last look.
    fn look(&mut self, now: Now) -> Option<i64> {
        let last = self.last.replace(now)?;
        let passed = now.mono_us.saturating_sub(last.mono_us) / 1000;
        let step = now.wall_ms - last.wall_ms - i64::try_from(passed).unwrap_or(i64::MAX);
        (step.abs() >= STEP_MS).then_some(step)
    }
}

/// Says when the wall clock jumps. Never returns.
pub(super) async fn watch(clock: Clock) {
    let mut steps = Steps::default();
    let mut every = tokio::time::interval(Duration::from_secs(1));
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let now = clock.now();
        // Between its two clocks the process may have stood still.
        if clock.now().mono_us - now.mono_us > 100_000 {
            continue;
        }
        if let Some(step) = steps.look(now) {
            tracing::warn!(
                "The clock of this machine jumped by {}{} ms (it was set, or the machine slept). Sessions \
                 do not go by it and live on; times of znodes, and with them TTLs, follow it. Keep the \
                 clock right with NTP (chrony, systemd-timesyncd)",
                if step > 0 { "+" } else { "" },
                step
            );
        }
    }
}

/// Milliseconds since 1970.
pub fn wall_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_told_apart_from_time_that_passes() {
        let mut steps = Steps::default();
        let mut at = |mono_s: u64, wall_s: i64| {
            steps.look(Now {
                mono_us: mono_s * 1_000_000,
                wall_ms: wall_s * 1000,
            })
        };
        assert_eq!(at(1, 1000), None);
        assert_eq!(at(2, 1001), None);
        assert_eq!(at(62, 1061), None, "a long pause");
        assert_eq!(at(63, 4662), Some(3_600_000));
        assert_eq!(at(64, 4663), None, "once");
        assert_eq!(at(65, 64), Some(-4_600_000));
    }
}
