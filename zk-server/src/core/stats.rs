//! Counters of the whole server (Java: `ServerStats` and what `ServerMetrics` counts of the same
//! events). Latencies in microseconds.

use driver::metrics::Summary;

use super::namespaces::Namespaces;

/// Count, sum, least and largest of whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    pub count: u64,
    pub sum: u64,
    pub min: u64,
    pub max: u64,
}

impl Sums {
    pub fn add(&mut self, value: u64) {
        self.min = match self.count {
            0 => value,
            _ => self.min.min(value),
        };
        self.max = self.max.max(value);
        self.count += 1;
        self.sum = self.sum.saturating_add(value);
    }
}

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
    /// sessions refused by the connection throttle, and tokens that it lacked at the others
    pub connections_throttled: u64,
    pub token_deficit: Sums,
    pub large_requests_rejected: u64,
    /// replies over `jute.maxbuffer`
    pub long_replies: u64,
    /// requests that waited longer than their session's timeout; those that ended the connection
    pub stale_requests: u64,
    pub stale_requests_dropped: u64,
    /// writes that had to wait for the throttle
    pub throttle_waits: u64,
    pub ensemble_auth_ok: u64,
    pub ensemble_auth_failed: u64,
    pub ensemble_auth_skipped: u64,
    pub throttled_ops: u64,
    pub unknown_requests: u64,
    pub auth_failed: u64,
    pub snapshots: u64,
    /// times that the server stalled, and for how long (see `SessionTracker`)
    pub stalls: u64,
    pub stalled_us: u64,
    /// of an ensemble: transactions that were proposed here (by a leader), that a leader has proposed,
    /// and that were committed
    pub proposed: u64,
    pub proposals_received: u64,
    pub committed: u64,
    /// milliseconds from the making of a transaction until it came here, was in this server's log,
    /// and was applied; the clocks of two servers are compared
    pub proposal_ms: Summary,
    pub logged_ms: Summary,
    pub applied_ms: Summary,
    /// requests that wait for the leader, whenever one more is sent there
    pub forwards_waiting: Sums,
    /// sessions that learners have asked for
    pub revalidations: u64,
    pub node_created_watches: u64,
    pub node_deleted_watches: u64,
    pub node_changed_watches: u64,
    pub node_children_watches: u64,
    /// bytes of watch events
    pub watch_bytes: u64,
    pub namespaces: Namespaces,
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

    /// For the next role of this process: what Java keeps by the process goes on (`ServerMetrics`), what
    /// it keeps by the server begins anew (`ServerStats`).
    pub fn of_next_role(self) -> Self {
        let new = Self::new();
        Self {
            packets_received: 0,
            packets_sent: 0,
            latency: new.latency,
            last_response: new.last_response,
            min_response: new.min_response,
            max_response: new.max_response,
            auth_failed: 0,
            ..self
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
