//! What this broker counts, and how Prometheus gets it.
//!
//! `requests`, `topics`, `listeners` and `meters` are counters that the data path adds to: atomics, no locks.
//! `export` puts them under the names that Kafka's MBeans have behind the JMX exporter, together
//! with what is read from their owners at that moment; `serve` is the HTTP endpoint.

mod export;
mod listeners;
mod meters;
mod requests;
pub(crate) mod serve;
mod threads;
mod topics;

use std::sync::{Arc, OnceLock};

use driver::metrics::Latency;

pub use listeners::{ListenerMeters, Listeners};
pub use meters::{
    BrokerState, ControllerMeters, ControllerTask, IsrMeters, StateMeter, WaitMeter, Waiting,
    Waits, ZooKeeperMeters,
};
pub use requests::{Account, RequestMetrics, Timed};
pub use threads::ThreadMeters;
pub use topics::{BrokerTopicStats, Produced, TopicMeters};

/// All counters of one broker.
#[derive(Debug, Default)]
pub struct Metrics {
    pub requests: RequestMetrics,
    pub topics: BrokerTopicStats,
    pub listeners: Listeners,
    pub zookeeper: ZooKeeperMeters,
    /// of requests to ZooKeeper
    pub zookeeper_latency: OnceLock<Arc<Latency>>,
    pub waiting: Waiting,
    pub isr: IsrMeters,
    pub controller: ControllerMeters,
    pub state: StateMeter,
    pub threads: ThreadMeters,
    /// of the log shards, which do the work of Kafka's request handlers
    pub handlers: ThreadMeters,
}
