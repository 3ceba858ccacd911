//! What all handlers share: one broker's parts, each with its one owner. No behaviour of its own.

use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, Guard};

use crate::clock::Clock;
use crate::config::KafkaConfig;
use crate::fetch::session::FetchSessions;
use crate::group::runtime::Groups;
use crate::metadata::MetadataCache;
use crate::shard::Shards;
use crate::txn::ProducerIds;

/// One broker.
pub struct Broker {
    pub id: i32,
    pub cluster_id: String,
    config: ArcSwap<KafkaConfig>,
    pub metadata: MetadataCache,
    /// set once the logs are open
    shards: OnceLock<Shards>,
    /// set once the logs are open
    pub groups: OnceLock<Arc<Groups>>,
    pub fetch_sessions: FetchSessions,
    /// set once ZooKeeper is there
    pub producer_ids: OnceLock<ProducerIds>,
    clock: Clock,
}

impl Broker {
    pub fn new(id: i32, cluster_id: String, config: KafkaConfig) -> Self {
        let slots = config.max_incremental_fetch_session_cache_slots;
        Self {
            id,
            cluster_id,
            metadata: MetadataCache::default(),
            shards: OnceLock::new(),
            groups: OnceLock::new(),
            fetch_sessions: FetchSessions::new(usize::try_from(slots).unwrap_or(0), random),
            producer_ids: OnceLock::new(),
            clock: Clock::start(),
            config: ArcSwap::from_pointee(config),
        }
    }

    /// The logs; `None` until they are open.
    pub fn shards(&self) -> Option<&Shards> {
        self.shards.get()
    }

    /// Sets the logs, once.
    pub fn set_shards(&self, shards: Shards) {
        let _ = self.shards.set(shards);
    }

    /// Milliseconds since this broker began, of a clock that never goes back.
    pub fn uptime_ms(&self) -> u64 {
        self.clock.uptime_ms()
    }

    /// The configuration of this moment: dynamic changes replace it.
    pub fn config(&self) -> Guard<Arc<KafkaConfig>> {
        self.config.load()
    }

    pub fn set_config(&self, config: KafkaConfig) {
        self.config.store(Arc::new(config));
    }

    /// Epoch of the finalized features in /feature.
    pub fn finalized_features_epoch(&self) -> i64 {
        0
    }
}

/// A number that nobody guesses; 0 where the system has none to give, which is no id of anything.
fn random() -> i32 {
    getrandom::u32().map_or(0, |n| (n >> 1) as i32)
}
