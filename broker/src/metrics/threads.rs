//! How idle threads are: those of the network, and those of the log shards. Mirrors `IdlePercent` of
//! kafka.network.Processor and kafka.server.KafkaRequestHandlerPool.
#![allow(clippy::disallowed_methods, reason = "measures how busy threads are")]

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::RuntimeMetrics;

/// Shares of a shorter time say little.
const LEAST: Duration = Duration::from_secs(1);

/// The threads of some runtimes.
#[derive(Debug, Default)]
pub struct ThreadMeters {
    /// since when
    runtimes: OnceLock<(Instant, Vec<RuntimeMetrics>)>,
    last: Mutex<Option<Look>>,
}

/// What was seen at some time.
#[derive(Debug)]
struct Look {
    at: Instant,
    busy: Vec<Duration>,
    /// since the look before
    idle: Vec<f64>,
}

impl ThreadMeters {
    /// Watches these from now on.
    pub fn watch(&self, runtimes: Vec<RuntimeMetrics>) {
        let _ = self.runtimes.set((Instant::now(), runtimes));
        self.idle();
    }

    /// How long each thread has idled in all, on average.
    pub(super) fn idle_time(&self) -> Option<Duration> {
        let (since, runtimes) = self.runtimes.get()?;
        let busy = busy(runtimes);
        let threads = u32::try_from(busy.len()).ok().filter(|n| *n > 0)?;
        let busy: Duration = busy.iter().sum();
        Some(since.elapsed().saturating_sub(busy / threads))
    }

    /// The idle share of each thread since it was last asked.
    pub(super) fn idle(&self) -> Vec<f64> {
        let Some((_, runtimes)) = self.runtimes.get() else {
            return Vec::new();
        };
        let (now, busy) = (Instant::now(), busy(runtimes));
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some(look) if now - look.at < LEAST => return look.idle.clone(),
            _ => {}
        }
        let idle = match &*last {
            Some(look) => shares(now - look.at, &look.busy, &busy),
            None => vec![1.0; busy.len()],
        };
        *last = Some(Look {
            at: now,
            busy,
            idle: idle.clone(),
        });
        idle
    }
}

/// How long each thread has been at work.
fn busy(runtimes: &[RuntimeMetrics]) -> Vec<Duration> {
    let of = |runtime: &RuntimeMetrics| {
        let runtime = runtime.clone();
        (0..runtime.num_workers()).map(move |at| runtime.worker_total_busy_duration(at))
    };
    runtimes.iter().flat_map(of).collect()
}

fn shares(time: Duration, before: &[Duration], now: &[Duration]) -> Vec<f64> {
    let share = |(before, now): (&Duration, &Duration)| {
        let busy = now.saturating_sub(*before).as_secs_f64() / time.as_secs_f64();
        (1.0 - busy).clamp(0.0, 1.0)
    };
    before.iter().zip(now).map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_is_what_is_not_busy() {
        let s = Duration::from_secs;
        let idle = shares(s(10), &[s(5), s(0), s(3)], &[s(10), s(0), s(30)]);
        assert_eq!(idle, [0.5, 1.0, 0.0]);
    }
}
