//! What leader and learner need to know when they begin.

use crate::quorum::View;
use crate::units::Now;

/// Configuration that ZAB reads. Times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    pub tick_time_ms: u64,
    /// ticks for discovery and synchronisation
    pub init_limit: u64,
    /// ticks without a word
    pub sync_limit: u64,
    /// ticks for connecting to the leader; 0: `init_limit`
    pub connect_limit: u64,
    /// `leaderConnectDelayDuringRetryMs`
    pub connect_retry_ms: u64,
    /// `leader.maxTimeToWaitForEpoch`; negative: no such limit
    pub max_time_to_wait_for_epoch_ms: i64,
    /// the latency of every so many ACKs is measured (`leader.ackLoggingFrequency`); 0: of none
    pub ack_frequency: i64,
    pub max_concurrent_snap_syncs: usize,
    pub max_concurrent_diff_syncs: usize,
    /// how much of a snapshot's size may be read from the log for a sync; negative: nothing
    pub snapshot_size_factor: f64,
    pub force_snap_sync: bool,
    pub reconfig_enabled: bool,
    /// Followers serve observers, and observers connect to them (`observerMasterPort`).
    pub observer_masters: bool,
    /// `observer.reconnectDelayMs`: an observer waits for so long at most before it connects
    pub reconnect_delay_ms: u64,
}

impl Settings {
    /// Java's.
    pub const DEFAULT: Self = Self {
        tick_time_ms: 2000,
        init_limit: 10,
        sync_limit: 5,
        connect_limit: 0,
        connect_retry_ms: 100,
        max_time_to_wait_for_epoch_ms: -1,
        ack_frequency: 1000,
        max_concurrent_snap_syncs: 10,
        max_concurrent_diff_syncs: 100,
        snapshot_size_factor: 0.33,
        force_snap_sync: false,
        reconfig_enabled: false,
        observer_masters: false,
        reconnect_delay_ms: 0,
    };
}

impl Default for Settings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Settings {
    /// A part of a longest delay, another one for each server and moment, so that many servers don't
    /// come at once.
    pub fn jitter_us(longest_ms: u64, me: i64, now: Now) -> u64 {
        let mut x = now.mono_us ^ (me as u64).rotate_left(32);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % (longest_ms * 1000).max(1)
    }

    pub fn ticks_us(&self, ticks: u64) -> u64 {
        ticks * self.tick_time_ms * 1000
    }
}

/// What a server knows when an election ends.
#[derive(Debug, Clone)]
pub struct Start {
    pub me: i64,
    /// the configuration that is active
    pub active: View,
    /// the last one that was proposed; the active one when there is none later
    pub last_seen: View,
    pub accepted_epoch: i64,
    pub current_epoch: i64,
    /// of the last transaction in log and database, which are the same here
    pub last_zxid: i64,
    /// What the oracle of an ensemble of two says (`oraclePath`): whether this server may go on without
    /// the other one. `None`: there is none.
    pub oracle: Option<bool>,
}
