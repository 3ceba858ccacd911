//! What the controller reads in ZooKeeper, with the watches that tell of changes. Nonsense in a znode
//! is told of and passed over. Mirrors the reading half of kafka.zk.KafkaZkClient.

use driver::zk_client::{Error, ZkClient};
use tracing::error;

use super::{LiveBroker, Loaded, TopicPartition};
use crate::zk::access::{self, children, get, get_all};
use crate::zk::json::{self, BrokerInfo, LeaderAndIsr, TopicAssignment};
use crate::zk::paths;

/// Everything in ZooKeeper that a controller needs, every watch set.
pub(super) async fn load(client: &ZkClient) -> Result<Loaded, Error> {
    let names = children(client, paths::TOPICS, true).await?;
    let topics: Vec<(String, TopicAssignment, i32)> = read_topics(client, names)
        .await?
        .into_iter()
        .filter_map(|(name, topic)| topic.map(|(assignment, version)| (name, assignment, version)))
        .collect();
    let partitions = topics.iter().flat_map(|(name, topic, _)| {
        topic
            .partitions
            .keys()
            .map(|partition| (name.clone(), *partition))
    });
    let states = read_states(client, partitions.collect()).await?;
    Ok(Loaded {
        brokers: read_brokers(client).await?,
        states,
        topics,
        deletions: children(client, paths::DELETE_TOPICS, true).await?,
        preferred_election: read_preferred(client).await?.unwrap_or_default(),
    })
}

pub(super) async fn read_brokers(client: &ZkClient) -> Result<Vec<LiveBroker>, Error> {
    let ids = children(client, paths::BROKER_IDS, true).await?;
    let ids: Vec<i32> = ids.iter().filter_map(|id| id.parse().ok()).collect();
    let nodes = get_all(
        client,
        ids.iter().map(|id| paths::broker_id(*id)).collect(),
        true,
    )
    .await?;
    let mut brokers = Vec::new();
    for (id, node) in ids.into_iter().zip(nodes) {
        let Some((data, stat)) = node else { continue };
        match BrokerInfo::decode(&data) {
            Ok(info) => brokers.push(LiveBroker {
                id,
                epoch: stat.czxid,
                info,
            }),
            Err(e) => error!("{}: {e}", paths::broker_id(id)),
        }
    }
    Ok(brokers)
}

pub(super) type TopicNode = Option<(TopicAssignment, i32)>;

pub(super) async fn read_topics(
    client: &ZkClient,
    names: Vec<String>,
) -> Result<Vec<(String, TopicNode)>, Error> {
    let nodes = get_all(
        client,
        names.iter().map(|name| paths::topic(name)).collect(),
        true,
    )
    .await?;
    Ok(names
        .into_iter()
        .zip(nodes)
        .filter_map(|(name, node)| Some((name.clone(), topic_node(&name, node)?)))
        .collect())
}

pub(super) async fn read_topic(client: &ZkClient, name: &str) -> Result<TopicNode, Error> {
    let node = get(client, &paths::topic(name), true).await?;
    Ok(topic_node(name, node).flatten())
}

/// `None`: its content is nonsense, and the topic is left as it was.
fn topic_node(name: &str, node: Option<access::Node>) -> Option<TopicNode> {
    let Some((data, stat)) = node else {
        return Some(None);
    };
    match TopicAssignment::decode(&data) {
        Ok(assignment) => Some(Some((assignment, stat.version))),
        Err(e) => {
            error!("{}: {e}", paths::topic(name));
            None
        }
    }
}

pub(super) async fn read_states(
    client: &ZkClient,
    partitions: Vec<(String, i32)>,
) -> Result<Vec<(TopicPartition, LeaderAndIsr, i32)>, Error> {
    let paths = partitions
        .iter()
        .map(|(topic, partition)| paths::partition_state(topic, *partition));
    let nodes = get_all(client, paths.collect(), false).await?;
    let mut states = Vec::new();
    for ((topic, partition), node) in partitions.into_iter().zip(nodes) {
        let Some((data, stat)) = node else { continue };
        let tp = TopicPartition::new(&topic, partition);
        match LeaderAndIsr::decode(&data) {
            Ok(state) => states.push((tp, state, stat.version)),
            Err(e) => error!("state of {tp}: {e}"),
        }
    }
    Ok(states)
}

pub(super) async fn read_preferred(client: &ZkClient) -> Result<Option<Vec<(String, i32)>>, Error> {
    // the watch has to be set before the znode is there
    if access::retry(|| client.exists(paths::PREFERRED_ELECTION, true))
        .await?
        .is_none()
    {
        return Ok(None);
    }
    let node = get(client, paths::PREFERRED_ELECTION, true).await?;
    Ok(node.map(|(data, _)| {
        json::decode_partitions(&data).unwrap_or_else(|e| {
            error!("{}: {e}", paths::PREFERRED_ELECTION);
            Vec::new()
        })
    }))
}
