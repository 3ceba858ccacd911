//! What this broker counts, and how Prometheus gets it.
//!
//! `requests`, `topics` and `listeners` are counters that the data path adds to: atomics, no locks.
//! `export` puts them under the names that Kafka's MBeans have behind the JMX exporter, together
//! with what is read from their owners at that moment; `serve` is the HTTP endpoint.

mod export;
mod listeners;
mod requests;
pub(crate) mod serve;
mod topics;

use driver::metrics::Counter;

pub use listeners::{ListenerMeters, Listeners};
pub use requests::{RequestMetrics, Timed};
pub use topics::{BrokerTopicStats, TopicMeters};

/// All counters of one broker.
#[derive(Debug, Default)]
pub struct Metrics {
    pub requests: RequestMetrics,
    pub topics: BrokerTopicStats,
    pub listeners: Listeners,
    pub zookeeper: ZooKeeperMeters,
}

/// What happened to the session (kafka.server:type=SessionExpireListener).
#[derive(Debug, Default)]
pub struct ZooKeeperMeters {
    pub expires: Counter,
    pub disconnects: Counter,
    pub sync_connects: Counter,
    pub auth_failures: Counter,
}
