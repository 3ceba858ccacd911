//! What the broker does in ZooKeeper, operation by operation, through the session of the moment.
//! Decides nothing. Mirrors kafka.zk.KafkaZkClient and AdminZkClient.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use driver::zk_client::{CreateMode, Error, Op, OwnedAcl, ZkClient};
use proto::zk::ErrorCode;
use proto::zk::stat::Stat;
use tokio::task::JoinSet;

use super::json::{self, TopicAssignment};
use super::paths;

/// Reads on their way at once.
const IN_FLIGHT: usize = 64;

/// A znode's content.
pub type Node = (Bytes, Stat);

/// Why an operation could not be done.
#[derive(Debug, thiserror::Error)]
pub enum ZkError {
    #[error("there is no session with ZooKeeper at the moment")]
    Down,
    #[error(transparent)]
    Client(#[from] Error),
    #[error(transparent)]
    Json(#[from] json::JsonError),
}

impl ZkError {
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Client(error) => error.code(),
            _ => None,
        }
    }

    /// There is no connection or no session: not an answer of ZooKeeper's.
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Down => true,
            Self::Client(error) => {
                error.is_connection_loss() || error.code() == Some(ErrorCode::SessionExpired)
            }
            Self::Json(_) => false,
        }
    }

    pub fn is(&self, code: ErrorCode) -> bool {
        self.code() == Some(code)
    }
}

/// The session of the moment; replaced when it has expired.
#[derive(Debug, Default)]
pub struct ZkAccess {
    client: ArcSwapOption<ZkClient>,
}

impl ZkAccess {
    pub fn set(&self, client: Option<ZkClient>) {
        self.client.store(client.map(Arc::new));
    }

    pub fn client(&self) -> Result<ZkClient, ZkError> {
        self.client.load().as_deref().cloned().ok_or(ZkError::Down)
    }

    /// Writes one entity's configuration and tells all brokers.
    pub async fn set_config(
        &self,
        entity: &str,
        config: &BTreeMap<String, String>,
    ) -> Result<(), ZkError> {
        let client = self.client()?;
        let (path, data) = (format!("/config/{entity}"), json::encode_config(config));
        match retry(|| client.set_data(&path, Some(&data), -1)).await {
            Err(error) if error.code() == Some(ErrorCode::NoNode) => {
                create_all(&client, &path, Some(&data)).await?;
            }
            done => drop(done?),
        }
        let change = json::encode_config_change(entity);
        let prefix = format!("{}/config_change_", paths::CONFIG_CHANGES);
        client
            .create(
                &prefix,
                Some(&change),
                &[OwnedAcl::OPEN],
                CreateMode::PersistentSequential,
            )
            .await?;
        Ok(())
    }

    /// Creates a topic: its configuration and its assignment, in one step.
    pub async fn create_topic(
        &self,
        name: &str,
        assignment: &TopicAssignment,
        config: &BTreeMap<String, String>,
    ) -> Result<(), ZkError> {
        let client = self.client()?;
        // a topic that was deleted by hand may have left its configuration
        let config_path = paths::topic_config(name);
        let config = json::encode_config(config);
        let config = match retry(|| client.exists(&config_path, false)).await? {
            Some(_) => Op::SetData {
                path: config_path,
                data: Some(config.into()),
                version: -1,
            },
            None => create_op(config_path, config),
        };
        client
            .multi(&[config, create_op(paths::topic(name), assignment.encode())])
            .await?;
        Ok(())
    }

    /// Replaces a topic's assignment, if its znode still has this version.
    pub async fn set_topic(
        &self,
        name: &str,
        assignment: &TopicAssignment,
        version: i32,
    ) -> Result<(), ZkError> {
        let client = self.client()?;
        client
            .set_data(&paths::topic(name), Some(&assignment.encode()), version)
            .await?;
        Ok(())
    }

    pub async fn read_topic(&self, name: &str) -> Result<Option<(TopicAssignment, i32)>, ZkError> {
        let client = self.client()?;
        match get(&client, &paths::topic(name), false).await? {
            Some((data, stat)) => Ok(Some((TopicAssignment::decode(&data)?, stat.version))),
            None => Ok(None),
        }
    }

    /// Asks the controller to delete a topic.
    pub async fn request_deletion(&self, name: &str) -> Result<(), ZkError> {
        let client = self.client()?;
        client
            .create(
                &paths::delete_topic(name),
                None,
                &[OwnedAcl::OPEN],
                CreateMode::Persistent,
            )
            .await?;
        Ok(())
    }

    /// Tells the controller that a log directory of this broker has failed.
    pub async fn tell_log_dir_failure(&self, broker: i32) -> Result<(), ZkError> {
        let client = self.client()?;
        let prefix = format!("{}/log_dir_event_", paths::LOG_DIR_EVENTS);
        let data = json::encode_log_dir_event(broker);
        let (acl, mode) = ([OwnedAcl::OPEN], CreateMode::PersistentSequential);
        client.create(&prefix, Some(&data), &acl, mode).await?;
        Ok(())
    }

    /// Configuration of an entity such as `topics/T`; empty where there is none.
    pub async fn read_config(&self, entity: &str) -> Result<BTreeMap<String, String>, ZkError> {
        let client = self.client()?;
        let node = get(&client, &format!("/config/{entity}"), false).await?;
        Ok(node
            .map(|(data, _)| json::decode_config(&data))
            .unwrap_or_default())
    }
}

pub(crate) fn create_op(path: String, data: Vec<u8>) -> Op {
    let (acl, mode) = (vec![OwnedAcl::OPEN], CreateMode::Persistent);
    Op::Create {
        path,
        data: Some(data.into()),
        acl,
        mode,
        ttl: -1,
    }
}

/// Repeats an operation that may be repeated while connections come and go; the session's end
/// ends it.
pub(crate) async fn retry<T, F>(mut call: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    loop {
        match call().await {
            Err(error) if error.is_connection_loss() => {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
            done => return done,
        }
    }
}

/// A znode; `None` if there is none.
pub(crate) async fn get(client: &ZkClient, path: &str, watch: bool) -> Result<Option<Node>, Error> {
    match retry(|| client.get_data(path, watch)).await {
        Ok((data, stat)) => Ok(Some((data.unwrap_or_default(), stat))),
        Err(error) if error.code() == Some(ErrorCode::NoNode) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A znode's children; none if it is not there.
pub(crate) async fn children(
    client: &ZkClient,
    path: &str,
    watch: bool,
) -> Result<Vec<String>, Error> {
    match retry(|| client.get_children(path, watch)).await {
        Ok((children, _)) => Ok(children),
        Err(error) if error.code() == Some(ErrorCode::NoNode) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Many znodes at once, in the order of the paths.
pub(crate) async fn get_all(
    client: &ZkClient,
    paths: Vec<String>,
    watch: bool,
) -> Result<Vec<Option<Node>>, Error> {
    let mut nodes: Vec<Option<Node>> = vec![None; paths.len()];
    let mut reads = JoinSet::new();
    let mut waiting = paths.into_iter().enumerate();
    loop {
        while reads.len() < IN_FLIGHT {
            let Some((at, path)) = waiting.next() else {
                break;
            };
            let client = client.clone();
            reads.spawn(async move { (at, get(&client, &path, watch).await) });
        }
        match reads.join_next().await {
            None => return Ok(nodes),
            Some(Ok((at, node))) => nodes[at] = node?,
            Some(Err(_)) => {}
        }
    }
}

/// Creates a znode and what is missing above it; one that exists stays as it is.
pub(crate) async fn create_all(
    client: &ZkClient,
    path: &str,
    data: Option<&[u8]>,
) -> Result<(), Error> {
    let mut ends: Vec<usize> = path.match_indices('/').map(|(at, _)| at).skip(1).collect();
    ends.push(path.len());
    let acl = [OwnedAcl::OPEN];
    // from the bottom up until something is there, then down again
    let mut missing = ends.len();
    while missing > 0 {
        let (part, data) = part_of(path, ends[missing - 1], data);
        match retry(|| client.create(part, data, &acl, CreateMode::Persistent)).await {
            Ok(_) => break,
            Err(error) if error.code() == Some(ErrorCode::NodeExists) => break,
            Err(error) if error.code() == Some(ErrorCode::NoNode) => missing -= 1,
            Err(error) => return Err(error),
        }
    }
    for end in &ends[missing.min(ends.len())..] {
        let (part, data) = part_of(path, *end, data);
        match retry(|| client.create(part, data, &acl, CreateMode::Persistent)).await {
            Err(error) if error.code() != Some(ErrorCode::NodeExists) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn part_of<'a>(path: &'a str, end: usize, data: Option<&'a [u8]>) -> (&'a str, Option<&'a [u8]>) {
    (&path[..end], if end == path.len() { data } else { None })
}
