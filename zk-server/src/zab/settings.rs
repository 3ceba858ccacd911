//! What leader and learner need to know when they begin.

use crate::quorum::View;

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
    pub max_concurrent_snap_syncs: usize,
    pub max_concurrent_diff_syncs: usize,
    /// how much of a snapshot's size may be read from the log for a sync; negative: nothing
    pub snapshot_size_factor: f64,
    pub force_snap_sync: bool,
    pub reconfig_enabled: bool,
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
        max_concurrent_snap_syncs: 10,
        max_concurrent_diff_syncs: 100,
        snapshot_size_factor: 0.33,
        force_snap_sync: false,
        reconfig_enabled: false,
    };
}

impl Default for Settings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Settings {
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
}
