//! Counters of the whole server (Java: `ServerStats` and what `ServerMetrics` counts of the same
//! events). Latencies in microseconds.

use driver::metrics::Summary;

/// Latencies of one kind of request.
#[derive(Debug, Clone, Default)]
pub struct Latency(Summary);

impl Latency {
    pub fn add(&mut self, us: u64) {
        self.0.record(us);
    }

    pub fn summary(&self) -> &Summary {
        &self.0
    }
}

#[derive(Debug, Clone, Default)]
pub struct Stats {
    pub packets_received: u64,
    pub packets_sent: u64,
    pub bytes_received: u64,
    pub bytes_sent: u64,
    /// all requests
    pub latency: Latency,
    pub read_latency: Latency,
    pub update_latency: Latency,
    /// bytes of the last, smallest and largest reply frame
    pub last_response: i64,
    pub min_response: i64,
    pub max_response: i64,
    /// sessions that expired (`stale_sessions_expired`)
    pub sessions_expired: u64,
    pub connection_requests: u64,
    pub connection_revalidations: u64,
    pub large_requests_rejected: u64,
    pub throttled_ops: u64,
    pub quota_exceeded: u64,
    pub unknown_requests: u64,
    pub auth_failed: u64,
    pub snapshots: u64,
    /// times that the server stalled, and for how long (see `SessionTracker`)
    pub stalls: u64,
    pub stalled_us: u64,
    pub node_created_watches: u64,
    pub node_deleted_watches: u64,
    pub node_changed_watches: u64,
    pub node_children_watches: u64,
}

impl Stats {
    pub fn new() -> Self {
        Self {
            last_response: -1,
            min_response: -1,
            max_response: -1,
            ..Self::default()
        }
    }

    pub fn response(&mut self, bytes: usize) {
        let bytes = bytes as i64;
        self.last_response = bytes;
        self.max_response = self.max_response.max(bytes);
        if self.min_response == -1 || bytes < self.min_response {
            self.min_response = bytes;
        }
    }

    /// `srst` and the `stat_reset` command.
    pub fn reset(&mut self) {
        *self = Self::new();
    }
}
