//! How fast sessions may be opened: a bucket of tokens, and a chance of being dropped that grows
//! while the bucket is empty (Java: `BlueThrottle`). Time and chance come in as arguments.

use crate::session::id::JavaRandom;

/// The keys `connection_throttle_*`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ThrottleSettings {
    /// `tokens`: size of the bucket; 0 for no throttle
    pub tokens: u32,
    /// `fill_time` in milliseconds
    pub fill_time_ms: u64,
    /// `fill_count`
    pub fill_count: u32,
    /// `freeze_time` in milliseconds; none for no dropping by chance
    pub freeze_time_ms: Option<u64>,
    pub drop_increase: f64,
    pub drop_decrease: f64,
    pub decrease_ratio: f64,
    /// `weight_enabled`: sessions cost by their kind
    pub weighted: bool,
    /// of a new session that all servers know
    pub new_weight: u32,
    /// of one that only this server knows
    pub local_weight: u32,
    pub renew_weight: u32,
}

impl Default for ThrottleSettings {
    fn default() -> Self {
        Self {
            tokens: 0,
            fill_time_ms: 1,
            fill_count: 1,
            freeze_time_ms: None,
            drop_increase: 0.02,
            drop_decrease: 0.002,
            decrease_ratio: 0.0,
            weighted: false,
            new_weight: 3,
            local_weight: 1,
            renew_weight: 2,
        }
    }
}

#[derive(Debug)]
pub(crate) struct ConnectionThrottle {
    settings: ThrottleSettings,
    max: u64,
    tokens: u64,
    filled_ms: u64,
    frozen_ms: u64,
    /// the chance of being dropped, 0 to 1
    drop: f64,
    random: JavaRandom,
}

impl ConnectionThrottle {
    pub(crate) fn new(settings: ThrottleSettings, seed: i64, now_ms: u64) -> Self {
        // What is configured is meant for new sessions.
        let weight = if settings.weighted {
            settings.new_weight
        } else {
            1
        };
        let max = u64::from(settings.tokens) * u64::from(weight);
        Self {
            settings,
            max,
            tokens: max,
            filled_ms: now_ms,
            frozen_ms: now_ms,
            drop: 0.0,
            random: JavaRandom::new(seed),
        }
    }

    /// May a session be opened, or resumed, now?
    pub(crate) fn admits(&mut self, resumed: bool, now_ms: u64) -> bool {
        if self.max == 0 {
            return true;
        }
        let settings = self.settings;
        let need = match (settings.weighted, resumed) {
            (false, _) => 1,
            (true, false) => settings.new_weight,
            (true, true) => settings.renew_weight,
        };
        let passed = now_ms.saturating_sub(self.filled_ms);
        if passed > settings.fill_time_ms {
            let weight = if settings.weighted {
                settings.new_weight
            } else {
                1
            };
            let count = u64::from(settings.fill_count) * u64::from(weight);
            let refill = passed.saturating_mul(count) / settings.fill_time_ms.max(1);
            self.tokens = self.tokens.saturating_add(refill).min(self.max);
            self.filled_ms = now_ms;
        }
        if let Some(freeze) = settings.freeze_time_ms {
            self.adjust(freeze, now_ms);
            if self.chance() < self.drop {
                return false;
            }
        }
        let enough = self.tokens >= u64::from(need);
        if enough {
            self.tokens -= u64::from(need);
        }
        enough
    }

    /// Moves the chance of being dropped, at most once in `freeze` milliseconds.
    fn adjust(&mut self, freeze: u64, now_ms: u64) {
        if now_ms.saturating_sub(self.frozen_ms) <= freeze {
            return;
        }
        self.frozen_ms = now_ms;
        #[allow(clippy::cast_precision_loss, reason = "a share of a small number")]
        let low = self.deficit() as f64 <= (self.max as f64 * self.settings.decrease_ratio).round();
        if self.tokens == 0 {
            self.drop = (self.drop + self.settings.drop_increase).min(1.0);
        } else if low {
            self.drop = (self.drop - self.settings.drop_decrease).max(0.0);
        }
    }

    /// From 0 up to 1.
    fn chance(&mut self) -> f64 {
        f64::from(self.random.next_i32() as u32) / 4_294_967_296.0
    }

    /// Tokens that are missing (`connection_token_deficit`).
    pub(crate) fn deficit(&self) -> u64 {
        self.max - self.tokens
    }

    /// `connection_drop_probability`
    pub(crate) fn drop_chance(&self) -> f64 {
        self.drop
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttle(settings: ThrottleSettings) -> ConnectionThrottle {
        ConnectionThrottle::new(settings, 7, 0)
    }

    fn admitted(t: &mut ConnectionThrottle, resumed: bool, now_ms: u64) -> usize {
        (0..1000).filter(|_| t.admits(resumed, now_ms)).count()
    }

    #[test]
    fn without_tokens_there_is_no_throttle() {
        let mut off = throttle(ThrottleSettings::default());
        assert_eq!(admitted(&mut off, false, 0), 1000);
    }

    #[test]
    fn the_bucket_fills_with_time() {
        let mut t = throttle(ThrottleSettings {
            tokens: 10,
            fill_time_ms: 100,
            fill_count: 2,
            ..ThrottleSettings::default()
        });
        assert_eq!(admitted(&mut t, false, 0), 10);
        assert_eq!(t.deficit(), 10);
        assert_eq!(admitted(&mut t, false, 100), 0, "only after the time");
        assert_eq!(admitted(&mut t, false, 250), 5);
        assert_eq!(admitted(&mut t, false, u64::MAX), 10, "never more than fit");
    }

    #[test]
    fn weights_make_new_sessions_dearer() {
        let mut t = throttle(ThrottleSettings {
            tokens: 10,
            weighted: true,
            ..ThrottleSettings::default()
        });
        assert_eq!(admitted(&mut t, true, 0), 15);
        let mut t = throttle(t.settings);
        assert_eq!(admitted(&mut t, false, 0), 10);
        assert_eq!(admitted(&mut t, false, 2), 2);
    }

    #[test]
    fn the_chance_of_being_dropped_follows_the_load() {
        let mut t = throttle(ThrottleSettings {
            tokens: 1,
            fill_time_ms: 1_000,
            freeze_time_ms: Some(10),
            drop_increase: 0.25,
            drop_decrease: 0.5,
            ..ThrottleSettings::default()
        });
        assert!(t.admits(false, 0));
        let mut now = 0;
        for expected in [0.25, 0.5, 0.75, 1.0, 1.0] {
            now += 11;
            assert!(!t.admits(false, now));
            assert!((t.drop_chance() - expected).abs() < 1e-9);
        }
        // The bucket is full again, and the chance goes down with it.
        now += 2_000;
        t.admits(false, now);
        assert!((t.drop_chance() - 0.5).abs() < 1e-9);
    }
}
