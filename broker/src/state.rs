//! What all handlers share: one broker's parts, each with its one owner. No behaviour of its own.

use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, Guard};

use crate::config::KafkaConfig;
use crate::group::runtime::Groups;
use crate::metadata::MetadataCache;

/// One broker.
pub struct Broker {
    pub id: i32,
    pub cluster_id: String,
    config: ArcSwap<KafkaConfig>,
    pub metadata: MetadataCache,
    /// set once the logs are open
    pub groups: OnceLock<Arc<Groups>>,
}

impl Broker {
    pub fn new(id: i32, cluster_id: String, config: KafkaConfig) -> Self {
        Self {
            id,
            cluster_id,
            config: ArcSwap::from_pointee(config),
            metadata: MetadataCache::default(),
            groups: OnceLock::new(),
        }
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
