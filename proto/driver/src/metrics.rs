//! Cheap counters and summaries for metrics: atomics for what several threads count, plain values
//! with percentiles for what one owner measures. Knows no names and no formats.
#![allow(clippy::disallowed_methods, reason = "measures time")]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A number that several threads add to.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub fn add(&self, delta: u64) {
        self.0.fetch_add(delta, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Back to zero, as `srst` asks.
    pub fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// Count, sum, least, largest and percentiles of whole numbers (Java:
/// `AvgMinMaxPercentileCounter`). Values keep 4 significant bits; memory comes with the first one.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    count: u64,
    sum: u64,
    min: u64,
    max: u64,
    buckets: Option<Box<[u32; BUCKETS]>>,
}

/// Buckets of a power of two.
const FINE: usize = 16;
const FINE_BITS: u32 = 4;
const BUCKETS: usize = FINE * (64 - FINE_BITS as usize + 1);

impl Summary {
    pub fn record(&mut self, value: u64) {
        self.min = if self.count == 0 {
            value
        } else {
            self.min.min(value)
        };
        self.max = self.max.max(value);
        self.count += 1;
        self.sum = self.sum.saturating_add(value);
        let buckets = self.buckets.get_or_insert_with(|| Box::new([0; BUCKETS]));
        let bucket = &mut buckets[index(value)];
        *bucket = bucket.saturating_add(1);
    }

    /// The same value so many times.
    pub fn record_many(&mut self, value: u64, times: u64) {
        if times == 0 {
            return;
        }
        self.record(value);
        let more = times - 1;
        self.count += more;
        self.sum = self.sum.saturating_add(value.saturating_mul(more));
        if let Some(buckets) = &mut self.buckets {
            let bucket = &mut buckets[index(value)];
            *bucket = bucket.saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
        }
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn sum(&self) -> u64 {
        self.sum
    }

    pub fn min(&self) -> u64 {
        self.min
    }

    pub fn max(&self) -> u64 {
        self.max
    }

    /// 0 when there are no values.
    #[allow(clippy::cast_precision_loss, reason = "an average is a fraction")]
    pub fn avg(&self) -> f64 {
        match self.count {
            0 => 0.0,
            count => self.sum as f64 / count as f64,
        }
    }

    /// The value below which the share `rank` (0 to 1) of all lies; 0 when there are none.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank is a fraction of the count"
    )]
    pub fn percentile(&self, rank: f64) -> u64 {
        let Some(buckets) = &self.buckets else {
            return 0;
        };
        let total: u64 = buckets.iter().map(|n| u64::from(*n)).sum();
        let wanted = ((total as f64 * rank).ceil() as u64).clamp(1, total.max(1));
        let mut seen = 0;
        for (at, n) in buckets.iter().enumerate() {
            seen += u64::from(*n);
            if seen >= wanted {
                return upper(at).clamp(self.min, self.max);
            }
        }
        self.max
    }

    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

/// [`Recent`] times of something, with the clock that its windows need.
#[derive(Debug)]
pub struct Latency {
    start: Instant,
    /// milliseconds
    times: Recent,
}

impl Default for Latency {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            times: Recent::default(),
        }
    }
}

impl Latency {
    /// Something took so long.
    pub fn took(&self, time: Duration) {
        self.times.record(millis(time), self.now_ms(Instant::now()));
    }

    pub fn count(&self) -> u64 {
        self.times.count()
    }

    pub fn sum(&self) -> u64 {
        self.times.sum()
    }

    pub fn recent(&self) -> Summary {
        self.times.recent(self.now_ms(Instant::now()))
    }

    fn now_ms(&self, now: Instant) -> u64 {
        millis(now.saturating_duration_since(self.start))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Length of a window of [`Recent`].
const WINDOW_MS: u64 = 150_000;

/// What several threads measure: count and sum since the start, percentiles of the last one to two
/// windows, so that they show what is and not what was once. Memory comes with the first value.
#[derive(Debug, Default)]
pub struct Recent {
    count: AtomicU64,
    sum: AtomicU64,
    windows: OnceLock<Box<[Window; 2]>>,
}

#[derive(Debug)]
struct Window {
    /// which window it holds, 0 while none
    number: AtomicU64,
    buckets: [AtomicU32; BUCKETS],
}

impl Default for Window {
    fn default() -> Self {
        Self {
            number: AtomicU64::new(0),
            buckets: [const { AtomicU32::new(0) }; BUCKETS],
        }
    }
}

impl Recent {
    pub fn record(&self, value: u64, now_ms: u64) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
        let number = now_ms / WINDOW_MS + 1;
        let windows = self.windows.get_or_init(Box::default);
        let window = &windows[usize::from(number % 2 == 1)];
        // whoever comes first begins the window; a value that others add meanwhile may get lost
        if window.number.load(Ordering::Relaxed) != number
            && window.number.swap(number, Ordering::Relaxed) != number
        {
            for bucket in &window.buckets {
                bucket.store(0, Ordering::Relaxed);
            }
        }
        window.buckets[index(value)].fetch_add(1, Ordering::Relaxed);
    }

    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    pub fn sum(&self) -> u64 {
        self.sum.load(Ordering::Relaxed)
    }

    /// The values of the last windows, to ask for percentiles.
    pub fn recent(&self, now_ms: u64) -> Summary {
        let mut summary = Summary::default();
        self.add_recent(now_ms, &mut summary);
        summary
    }

    /// Adds the values of the last windows.
    pub fn add_recent(&self, now_ms: u64, summary: &mut Summary) {
        let now = now_ms / WINDOW_MS + 1;
        let windows = self.windows.get().into_iter().flat_map(|both| both.iter());
        for window in windows {
            let number = window.number.load(Ordering::Relaxed);
            if number != 0 && (number == now || number + 1 == now) {
                for (at, bucket) in window.buckets.iter().enumerate() {
                    summary.record_many(upper(at), bucket.load(Ordering::Relaxed).into());
                }
            }
        }
    }
}

fn index(value: u64) -> usize {
    let small = FINE as u64;
    if value < small {
        return usize::try_from(value).unwrap_or(0);
    }
    let power = 63 - value.leading_zeros();
    let fine = (value >> (power - FINE_BITS)) & (small - 1);
    FINE * (power - FINE_BITS + 1) as usize + usize::try_from(fine).unwrap_or(0)
}

/// The largest value of a bucket.
fn upper(at: usize) -> u64 {
    if at < FINE {
        return at as u64;
    }
    let shift = at / FINE - 1;
    let base = (FINE + at % FINE) as u64;
    (base << shift) + ((1u64 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_their_values() {
        for value in (0..5000).chain([u64::MAX, u64::MAX / 3, 1 << 40]) {
            let top = upper(index(value));
            assert!(top >= value && top - value <= value / 16, "{value} {top}");
        }
    }

    #[test]
    fn summaries_sum_up() {
        let mut summary = Summary::default();
        assert_eq!((summary.avg(), summary.percentile(0.5)), (0.0, 0));
        for value in 1..=1000 {
            summary.record(value);
        }
        assert_eq!(
            (summary.min(), summary.max(), summary.count()),
            (1, 1000, 1000)
        );
        assert!((summary.avg() - 500.5).abs() < 1e-9);
        let p99 = summary.percentile(0.99);
        assert!((960..=1000).contains(&p99), "{p99}");
        summary.reset();
        assert_eq!(summary.max(), 0);
    }

    #[test]
    fn percentiles_forget_and_counts_do_not() {
        let recent = Recent::default();
        assert_eq!(recent.recent(0).percentile(0.99), 0);
        for value in 1..=100 {
            recent.record(value, 0);
        }
        assert!((48..=52).contains(&recent.recent(0).percentile(0.5)));
        recent.record(7, WINDOW_MS);
        assert_eq!(recent.recent(WINDOW_MS).count(), 101);
        recent.record(9, 2 * WINDOW_MS);
        assert_eq!(recent.recent(2 * WINDOW_MS).count(), 2);
        assert_eq!(recent.recent(4 * WINDOW_MS).count(), 0);
        assert_eq!((recent.count(), recent.sum()), (102, 5050 + 16));
    }
}
