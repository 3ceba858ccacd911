//! What the configuration means to the core. `config/` fills it in; each field names its key.

use crate::auth::Providers;
use crate::tree::EphemeralTypes;

use super::throttle::ThrottleSettings;

#[derive(Debug, Clone)]
pub struct Settings {
    /// first byte of session ids: `myid`; 1 for a standalone server, as in Java
    pub server_id: i64,
    /// `tickTime`
    pub tick_time_ms: u64,
    /// `minSessionTimeout`
    pub min_session_timeout_ms: i32,
    /// `maxSessionTimeout`
    pub max_session_timeout_ms: i32,
    pub providers: Providers,
    /// `extendedTypesEnabled`, `emulate353TTLNodes`
    pub types: EphemeralTypes,
    /// `zookeeper.digest.enabled`
    pub digest_enabled: bool,
    /// `zookeeper.closeSessionTxn.enabled`
    pub close_session_txn: bool,
    /// `enforceQuota`
    pub enforce_quota: bool,
    /// `reconfigEnabled`
    pub reconfig_enabled: bool,
    /// `enableEagerACLCheck`
    pub eager_acl_check: bool,
    /// `localSessionsEnabled`
    pub local_sessions: bool,
    /// `localSessionsUpgradingEnabled`
    pub local_sessions_upgrading: bool,
    /// `leaderServes`
    pub leader_serves: bool,
    /// `multiAddress.enabled`
    pub multi_address: bool,
    /// `standaloneEnabled`: a reconfig leaves at least two voters
    pub standalone_enabled: bool,
    /// `snapCount`
    pub snap_count: u64,
    /// `snapSizeLimitInKb`, in bytes; 0 for none
    pub snap_size_bytes: u64,
    /// `globalOutstandingLimit`
    pub global_outstanding_limit: usize,
    /// `zookeeper.request_throttle_max_requests`; 0 for none
    pub throttle_max_requests: usize,
    /// `zookeeper.throttled_op_wait_time` in milliseconds; 0 for none
    pub throttled_op_wait_ms: u64,
    /// `zookeeper.request_stale_latency_check`: what waited for the throttle for longer than its
    /// session's timeout is stale
    pub stale_latency_check: bool,
    /// `zookeeper.request_throttle_drop_stale`: a stale request ends its connection
    pub drop_stale: bool,
    /// `zookeeper.enforce.auth.schemes`; empty for no enforcement
    pub enforced_schemes: Vec<String>,
    /// `zookeeper.connection_throttle_*`
    pub connection_throttle: ThrottleSettings,
    /// `zookeeper.largeRequestThreshold`; none is Java's -1
    pub large_request_threshold: Option<usize>,
    /// `zookeeper.largeRequestMaxBytes`
    pub large_request_max_bytes: usize,
    /// `jute.maxbuffer`: what clients can read
    pub max_buffer: usize,
    /// `znode.container.checkIntervalMs`
    pub container_check_interval_ms: u64,
    /// `znode.container.maxPerMinute`
    pub container_max_per_minute: u64,
    /// `znode.container.maxNeverUsedIntervalMs`; 0 for never
    pub container_max_never_used_ms: i64,
    /// for the spread of snapshots over servers
    pub seed: i64,
    /// After so many transactions the next leader begins with a new epoch. Another number than
    /// [`ZXIDS_PER_EPOCH`] is for tests, which can't wait for so many.
    pub zxids_per_epoch: u32,
}

/// As many as 32 bits count, but for those with a meaning: 0 begins an epoch, and Java gives up before
/// the last one.
pub const ZXIDS_PER_EPOCH: u32 = u32::MAX - 1;

impl Default for Settings {
    fn default() -> Self {
        Self {
            server_id: 1,
            tick_time_ms: 3000,
            min_session_timeout_ms: 6000,
            max_session_timeout_ms: 60_000,
            providers: Providers::default(),
            types: EphemeralTypes::default(),
            digest_enabled: true,
            close_session_txn: true,
            enforce_quota: false,
            reconfig_enabled: false,
            eager_acl_check: false,
            local_sessions: false,
            local_sessions_upgrading: false,
            leader_serves: true,
            multi_address: false,
            standalone_enabled: true,
            snap_count: 100_000,
            snap_size_bytes: 4 << 30,
            global_outstanding_limit: 1000,
            throttle_max_requests: 0,
            throttled_op_wait_ms: 0,
            stale_latency_check: false,
            drop_stale: true,
            enforced_schemes: Vec::new(),
            connection_throttle: ThrottleSettings::default(),
            large_request_threshold: None,
            large_request_max_bytes: 100 << 20,
            max_buffer: 0xfffff,
            container_check_interval_ms: 60_000,
            container_max_per_minute: 10_000,
            container_max_never_used_ms: 0,
            seed: 0,
            zxids_per_epoch: ZXIDS_PER_EPOCH,
        }
    }
}
