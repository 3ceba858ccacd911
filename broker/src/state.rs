//! What all handlers share: one broker's parts, each with its one owner. No behaviour of its own
//! beyond handing a request to the part that it concerns.
#![allow(clippy::disallowed_methods, reason = "gives handlers the time of day")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::{ArcSwap, Guard};
use proto::kafka::ErrorCode;
use proto::kafka::messages::leader_and_isr::{LeaderAndIsrRequest, LeaderAndIsrResponse};
use proto::kafka::messages::update_metadata::{UpdateMetadataRequest, UpdateMetadataResponse};
use tokio::sync::{mpsc, watch};

use crate::clock::Clock;
use crate::config::{KafkaConfig, TopicConfig, TopicOverrides};
use crate::fetch::session::FetchSessions;
use crate::gate::Gate;
use crate::group::runtime::Groups;
use crate::log::LogConfig;
use crate::metadata::MetadataCache;
use crate::metrics::Metrics;
use crate::replica::ReplicaManager;
use crate::shard::{LogManager, Shards};
use crate::txn::ProducerIds;
use crate::zk::ZkAccess;
use crate::zk::keeper::Command;

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

/// One broker.
pub struct Broker {
    pub id: i32,
    pub cluster_id: String,
    config: ArcSwap<KafkaConfig>,
    /// told of every change of `config`
    reconfigured: watch::Sender<()>,
    topic_overrides: ArcSwap<BTreeMap<String, TopicOverrides>>,
    /// czxid of the registration; -1 before the first
    epoch: AtomicI64,
    pub metadata: MetadataCache,
    /// open once the controller has told of a cluster that this broker belongs to
    pub(crate) cluster_known: Gate,
    /// registered, and the controller is elected, with all its work done where it is this broker
    has_joined: AtomicBool,
    pub metrics: Arc<Metrics>,
    pub replicas: ReplicaManager,
    shards: Shards,
    pub fetch_sessions: FetchSessions,
    /// set once ZooKeeper is there
    pub producer_ids: OnceLock<ProducerIds>,
    clock: Clock,
    pub zk: ZkAccess,
    /// set once the logs are open
    pub groups: OnceLock<Arc<Groups>>,
    /// the log has said why groups wait for their topic
    pub(crate) told_why_groups_wait: AtomicBool,
    pub(crate) keeper: mpsc::Sender<Command>,
}

impl Broker {
    pub(crate) fn new(
        id: i32,
        cluster_id: String,
        config: KafkaConfig,
        (shards, logs): (Shards, Option<LogManager>),
        keeper: mpsc::Sender<Command>,
    ) -> Self {
        let slots = config.max_incremental_fetch_session_cache_slots;
        Self {
            fetch_sessions: FetchSessions::new(usize::try_from(slots).unwrap_or(0), random),
            producer_ids: OnceLock::new(),
            clock: Clock::start(),
            id,
            cluster_id,
            config: ArcSwap::from_pointee(config),
            reconfigured: watch::Sender::new(()),
            topic_overrides: ArcSwap::default(),
            epoch: AtomicI64::new(-1),
            metadata: MetadataCache::default(),
            cluster_known: Gate::default(),
            has_joined: AtomicBool::new(false),
            metrics: Arc::default(),
            shards: shards.clone(),
            replicas: ReplicaManager::new(id, shards, logs),
            zk: ZkAccess::default(),
            groups: OnceLock::new(),
            told_why_groups_wait: AtomicBool::new(false),
            keeper,
        }
    }

    /// A broker without ZooKeeper, for tests of what lies in front of it.
    pub fn detached(id: i32, config: KafkaConfig, shards: Shards) -> Self {
        let (keeper, _) = mpsc::channel(1);
        let this = Self::new(id, "test".into(), config, (shards, None), keeper);
        this.cluster_known.open();
        this
    }

    /// This broker is registered and there is a controller; a new one has told of everything.
    pub(crate) fn joined(&self) {
        self.has_joined.store(true, Ordering::Release);
        self.look_for_cluster();
    }

    /// A controller first tells of brokers, and of topics a moment later: an image counts only from
    /// [`Self::joined`] on.
    fn look_for_cluster(&self) {
        let known = self.has_joined.load(Ordering::Acquire)
            && self.metadata.load().nodes.contains_key(&self.id);
        if known && !self.cluster_known.is_open() {
            self.cluster_known.open();
        }
    }

    pub fn shards(&self) -> &Shards {
        &self.shards
    }

    /// Milliseconds since this broker began, of a clock that never goes back.
    pub fn uptime_ms(&self) -> u64 {
        self.clock.uptime_ms()
    }

    /// The configuration of this moment: dynamic changes replace it.
    pub fn config(&self) -> Guard<Arc<KafkaConfig>> {
        self.config.load()
    }

    pub(crate) fn set_config(&self, config: KafkaConfig) {
        self.config.store(Arc::new(config));
        self.reconfigured.send_replace(());
    }

    /// Changes whenever dynamic changes have replaced the configuration.
    pub(crate) fn reconfigured(&self) -> watch::Receiver<()> {
        self.reconfigured.subscribe()
    }

    /// What a topic sets itself.
    pub fn topic_overrides(&self, topic: &str) -> TopicOverrides {
        self.topic_overrides
            .load()
            .get(topic)
            .cloned()
            .unwrap_or_default()
    }

    pub(crate) fn set_all_topic_overrides(&self, all: BTreeMap<String, TopicOverrides>) {
        self.topic_overrides.store(Arc::new(all));
    }

    pub(crate) fn set_topic_overrides(&self, topic: &str, overrides: TopicOverrides) {
        self.topic_overrides.rcu(|all| {
            let mut all = BTreeMap::clone(all);
            if overrides.is_empty() {
                all.remove(topic);
            } else {
                all.insert(topic.to_owned(), overrides.clone());
            }
            all
        });
    }

    /// What is in force for a topic.
    pub fn topic_config(&self, topic: &str) -> TopicConfig {
        match self.topic_overrides.load().get(topic) {
            Some(overrides) => self.config().topic(overrides),
            None => self.config().topic_defaults.clone(),
        }
    }

    pub fn log_config(&self, topic: &str) -> LogConfig {
        LogConfig::of(
            &self.topic_config(topic),
            self.config().producer_id_expiration_ms.into(),
        )
    }

    /// The broker epoch (KIP-380).
    pub fn epoch(&self) -> i64 {
        self.epoch.load(Ordering::Acquire)
    }

    pub(crate) fn set_epoch(&self, epoch: i64) {
        self.epoch.store(epoch, Ordering::Release);
    }

    /// Whether this broker believes to be the controller.
    pub fn is_controller(&self) -> bool {
        self.metadata.load().controller_id == Some(self.id)
    }

    /// Epoch of the finalized features: none are finalized in ZooKeeper mode.
    pub fn finalized_features_epoch(&self) -> i64 {
        0
    }

    pub(crate) async fn leader_and_isr(
        &self,
        request: &LeaderAndIsrRequest,
    ) -> LeaderAndIsrResponse {
        self.replicas
            .leader_and_isr(request, &|topic| self.log_config(topic))
            .await
    }

    pub(crate) fn update_metadata(
        &self,
        request: &UpdateMetadataRequest,
    ) -> UpdateMetadataResponse {
        if !self.replicas.accept_controller(request.controller_epoch) {
            let error_code = ErrorCode::STALE_CONTROLLER_EPOCH;
            return UpdateMetadataResponse {
                error_code,
                ..UpdateMetadataResponse::default()
            };
        }
        for (topic, _) in self.metadata.update(request) {
            if self.metadata.load().topic(&topic).is_none() {
                self.set_topic_overrides(&topic, TopicOverrides::new());
                self.metrics.topics.remove(&topic);
            }
        }
        self.look_for_cluster();
        UpdateMetadataResponse::default()
    }
}

/// A number that nobody guesses; 0 where the system has none to give, which is no id of anything.
fn random() -> i32 {
    getrandom::u32().map_or(0, |n| (n >> 1) as i32)
}
