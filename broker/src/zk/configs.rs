//! What /config says about topics and brokers, kept up to date by the notifications in
//! /config/changes. Mirrors kafka.server.ZkConfigManager and its handlers.

use std::collections::BTreeMap;

use driver::zk_client::{Error, ZkClient};
use tracing::{info, warn};

use super::{access, json, paths};
use crate::config::{KafkaConfig, TopicOverrides};
use crate::log::LogConfig;
use crate::state::Broker;

/// Notifications are kept for those who were away this long.
const KEEP_MS: i64 = 15 * 60 * 1000;

/// The overrides of every topic that has some.
pub(crate) async fn load_topics(
    client: &ZkClient,
) -> Result<BTreeMap<String, TopicOverrides>, Error> {
    let names = access::children(client, "/config/topics", false).await?;
    let nodes = access::get_all(
        client,
        names.iter().map(|name| paths::topic_config(name)).collect(),
        false,
    )
    .await?;
    let configs = names.into_iter().zip(nodes).filter_map(|(name, node)| {
        let overrides = json::decode_config(&node?.0);
        (!overrides.is_empty()).then_some((name, overrides))
    });
    Ok(configs.collect())
}

/// The dynamic configuration of all brokers, and of this one.
pub(crate) async fn load_broker(client: &ZkClient, id: i32) -> Result<[TopicOverrides; 2], Error> {
    let mut layers = [TopicOverrides::new(), TopicOverrides::new()];
    for (layer, name) in layers
        .iter_mut()
        .zip([paths::DEFAULT_ENTITY.to_owned(), id.to_string()])
    {
        let node = access::get(client, &paths::broker_config(&name), false).await?;
        *layer = node
            .map(|(data, _)| json::decode_config(&data))
            .unwrap_or_default();
    }
    Ok(layers)
}

/// The file's configuration with dynamic layers; a layer that does not fit is left out, and said.
pub(crate) fn with_dynamic(
    config: &KafkaConfig,
    [default, broker]: [TopicOverrides; 2],
) -> Option<KafkaConfig> {
    match KafkaConfig::new(config.settings.with_dynamic(default, broker)) {
        Ok(config) => Some(config),
        Err(e) => {
            warn!("dynamic broker configuration ignored: {e}");
            None
        }
    }
}

/// Follows /config/changes.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    last: Option<String>,
}

impl Changes {
    /// Handles what is new, and sets the watch for the next. After a time without a session
    /// everything is read again, since notifications may have come and gone.
    pub(crate) async fn handle(&mut self, client: &ZkClient, broker: &Broker) -> Result<(), Error> {
        let mut names = access::children(client, paths::CONFIG_CHANGES, true).await?;
        names.sort_unstable();
        for name in &names {
            if self.last.as_ref().is_some_and(|last| name <= last) {
                continue;
            }
            let path = format!("{}/{name}", paths::CONFIG_CHANGES);
            if let Some((data, stat)) = access::get(client, &path, false).await? {
                match json::decode_config_change(&data) {
                    Ok(entity) => apply(client, broker, &entity).await?,
                    Err(e) => warn!("{path}: {e}"),
                }
                if crate::state::now_ms() - stat.ctime > KEEP_MS {
                    // any broker may be the one to remove it
                    let _ = client.delete(&path, -1).await;
                }
            }
            self.last = Some(name.clone());
        }
        Ok(())
    }
}

async fn apply(client: &ZkClient, broker: &Broker, entity: &str) -> Result<(), Error> {
    match entity.split_once('/') {
        Some(("topics", topic)) => {
            let node = access::get(client, &paths::topic_config(topic), false).await?;
            let overrides = node
                .map(|(data, _)| json::decode_config(&data))
                .unwrap_or_default();
            info!("Processing override for entityPath: {entity} with config: {overrides:?}");
            broker.set_topic_overrides(topic, overrides);
            update_logs(broker, Some(topic)).await;
        }
        Some(("brokers", _)) => {
            let layers = load_broker(client, broker.id).await?;
            if let Some(config) = with_dynamic(&broker.config(), layers) {
                info!("Processing override for entityPath: {entity}");
                broker.set_config(config);
                update_logs(broker, None).await;
            }
        }
        // users, clients and ips carry quotas and credentials, which nothing here uses
        _ => {}
    }
    Ok(())
}

/// Logs go by the new values at once.
async fn update_logs(broker: &Broker, topic: Option<&str>) {
    for partition in broker.replicas.hosted() {
        if topic.is_none_or(|topic| topic == partition.topic) {
            let config: LogConfig = broker.log_config(&partition.topic);
            let set = broker.replicas.shards().with(partition, move |hosted| {
                hosted.log.set_config(config);
                Ok(())
            });
            let _ = set.await;
        }
    }
}
