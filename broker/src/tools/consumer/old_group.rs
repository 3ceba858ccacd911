//! A group as consumers of 0.8 form it, in znodes: who is in it, who owns which partition, offsets
//! (Java: `ZookeeperConsumerConnector`, `RangeAssignor`, `TopicCount` of 0.8.2). Shares with such
//! consumers of Java's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use driver::kafka_client::offsets::TopicPartition;
use driver::zk_client::ZkClient;
use proto::kafka::Str;
use proto::zk::ErrorCode;
use proto::zk::client::{Error, OwnedAcl};
use proto::zk::request::CreateMode;
use serde_json::{Value, json};

use crate::tools::Failure;
use crate::tools::options::{TopicFilter, is_internal};
use crate::zk::json::{BrokerInfo, TopicAssignment};
use crate::zk::paths;

/// The topics that a consumer wants.
#[derive(Debug)]
pub(super) enum Wanted {
    Only(TopicFilter, String),
    AllBut(TopicFilter, String),
}

impl Wanted {
    pub(super) fn has(&self, topic: &str) -> bool {
        !is_internal(topic)
            && match self {
                Self::Only(filter, _) => filter.allows(topic),
                Self::AllBut(filter, _) => !filter.allows(topic),
            }
    }

    /// What stands in the znode of a consumer that wants it.
    fn registration(&self, timestamp_ms: i64) -> Vec<u8> {
        let (pattern, text) = match self {
            Self::Only(_, text) => ("white_list", text),
            Self::AllBut(_, text) => ("black_list", text),
        };
        let json = json!({
            "version": 1,
            "subscription": { text: 1 },
            "pattern": pattern,
            "timestamp": timestamp_ms.to_string(),
        });
        json.to_string().into_bytes()
    }
}

/// The threads of one registered consumer on each of these topics; none where it can't be read.
fn threads(
    consumer: &str,
    registration: &[u8],
    topics: &BTreeSet<String>,
) -> Vec<(String, String)> {
    let read = || -> Option<Vec<(String, String)>> {
        let json: Value = serde_json::from_slice(registration).ok()?;
        let pattern = json.get("pattern")?.as_str()?.to_owned();
        let mut found = Vec::new();
        for (text, count) in json.get("subscription")?.as_object()? {
            let filter = TopicFilter::new(text).ok();
            let wants = |topic: &&String| match (pattern.as_str(), &filter) {
                ("static", _) => *topic == text,
                ("white_list", Some(filter)) => filter.allows(topic),
                ("black_list", Some(filter)) => !filter.allows(topic),
                _ => false,
            };
            // A count from the wire: more threads than partitions get nothing anyway.
            let count = count.as_u64()?.min(10_000);
            for topic in topics.iter().filter(wants) {
                found.extend((0..count).map(|n| (topic.clone(), format!("{consumer}-{n}"))));
            }
        }
        Some(found)
    };
    read().unwrap_or_default()
}

/// Of one topic's partitions the share of `me` among the threads.
fn share(partitions: &[i32], threads: &BTreeSet<String>, me: &str) -> Vec<i32> {
    let Some(rank) = threads.iter().position(|t| t == me) else {
        return Vec::new();
    };
    let (each, more) = (
        partitions.len() / threads.len(),
        partitions.len() % threads.len(),
    );
    let start = each * rank + rank.min(more);
    let count = each + usize::from(rank < more);
    partitions[start..start + count].to_vec()
}

pub(super) struct OldGroup {
    zookeeper: ZkClient,
    group: String,
    consumer: String,
    wanted: Wanted,
    owned: BTreeSet<TopicPartition>,
}

fn is(error: &Error, code: ErrorCode) -> bool {
    error.code() == Some(code)
}

impl OldGroup {
    pub(super) fn new(zookeeper: ZkClient, group: &str, consumer: String, wanted: Wanted) -> Self {
        Self {
            zookeeper,
            group: group.to_owned(),
            consumer,
            wanted,
            owned: BTreeSet::new(),
        }
    }

    fn path(&self, rest: &str) -> String {
        format!("{}/{}/{rest}", paths::CONSUMERS, self.group)
    }

    fn owner_path(&self, (topic, partition): &TopicPartition) -> String {
        self.path(&format!("owners/{topic}/{partition}"))
    }

    fn offset_path(&self, (topic, partition): &TopicPartition) -> String {
        self.path(&format!("offsets/{topic}/{partition}"))
    }

    pub(super) async fn has_offsets(&self) -> Result<bool, Failure> {
        Ok(self
            .zookeeper
            .exists(&self.path("offsets"), false)
            .await?
            .is_some())
    }

    /// Puts the znode and what is missing above it.
    async fn put(&self, path: &str, data: &[u8], mode: CreateMode) -> Result<(), Error> {
        let acl = [OwnedAcl::OPEN];
        match self.zookeeper.create(path, Some(data), &acl, mode).await {
            Err(error) if is(&error, ErrorCode::NoNode) => {}
            done => return done.map(drop),
        }
        let persistent = CreateMode::Persistent;
        for (at, _) in path.match_indices('/').skip(1) {
            let above = &path[..at];
            match self.zookeeper.create(above, None, &acl, persistent).await {
                Err(error) if !is(&error, ErrorCode::NodeExists) => return Err(error),
                _ => {}
            }
        }
        let created = self.zookeeper.create(path, Some(data), &acl, mode).await;
        created.map(drop)
    }

    pub(super) async fn register(&self, now_ms: i64) -> Result<(), Failure> {
        let path = self.path(&format!("ids/{}", self.consumer));
        let data = self.wanted.registration(now_ms);
        self.put(&path, &data, CreateMode::Ephemeral).await?;
        Ok(())
    }

    async fn children(&self, path: &str, watch: bool) -> Result<Vec<String>, Failure> {
        match self.zookeeper.get_children(path, watch).await {
            Ok((names, _)) => Ok(names),
            Err(error) if is(&error, ErrorCode::NoNode) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    async fn read(&self, path: &str, watch: bool) -> Result<Option<Vec<u8>>, Failure> {
        match self.zookeeper.get_data(path, watch).await {
            Ok((data, _)) => Ok(Some(data.map(|d| d.to_vec()).unwrap_or_default())),
            Err(error) if is(&error, ErrorCode::NoNode) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Addresses of the live brokers.
    pub(super) async fn brokers(&self) -> Result<Vec<(String, u16)>, Failure> {
        let mut addresses = Vec::new();
        for id in self.children(paths::BROKER_IDS, false).await? {
            let Some(data) = self
                .read(&format!("{}/{id}", paths::BROKER_IDS), false)
                .await?
            else {
                continue;
            };
            let info = BrokerInfo::decode(&data).map_err(|e| Failure::new(e.to_string()))?;
            let points = info.end_points.into_iter();
            addresses.extend(points.map(|p| (p.host, p.port)));
        }
        Ok(addresses)
    }

    /// Works out which partitions are ours now and claims them; what others still hold is asked
    /// for again. Sets watches on everything that it depends on.
    pub(super) async fn rebalance(&mut self) -> Result<Vec<TopicPartition>, Failure> {
        const BACKOFF: Duration = Duration::from_millis(500);
        loop {
            let mine = self.my_share().await?;
            let lost: Vec<TopicPartition> = self
                .owned
                .iter()
                .filter(|p| !mine.contains(p))
                .cloned()
                .collect();
            self.release(lost).await?;
            if self.claim(&mine).await? {
                return Ok(mine);
            }
            tokio::time::sleep(BACKOFF).await;
        }
    }

    async fn my_share(&self) -> Result<Vec<TopicPartition>, Failure> {
        let ids = self.path("ids");
        let all = self.children(paths::TOPICS, true).await?;
        let topics: BTreeSet<String> = all.into_iter().filter(|t| self.wanted.has(t)).collect();
        let mut by_topic: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for consumer in self.children(&ids, true).await? {
            let Some(data) = self.read(&format!("{ids}/{consumer}"), false).await? else {
                continue;
            };
            for (topic, thread) in threads(&consumer, &data, &topics) {
                by_topic.entry(topic).or_default().insert(thread);
            }
        }
        let me = format!("{}-0", self.consumer);
        let mut mine = Vec::new();
        for (topic, threads) in by_topic {
            let Some(data) = self.read(&paths::topic(&topic), true).await? else {
                continue;
            };
            let assignment =
                TopicAssignment::decode(&data).map_err(|e| Failure::new(e.to_string()))?;
            let partitions: Vec<i32> = assignment.partitions.into_keys().collect();
            let name = Str::from(&topic);
            mine.extend(
                share(&partitions, &threads, &me)
                    .into_iter()
                    .map(|p| (name.clone(), p)),
            );
        }
        Ok(mine)
    }

    /// Whether all of it is ours.
    async fn claim(&mut self, partitions: &[TopicPartition]) -> Result<bool, Failure> {
        let me = format!("{}-0", self.consumer);
        for partition in partitions {
            if self.owned.contains(partition) {
                continue;
            }
            let path = self.owner_path(partition);
            match self.put(&path, me.as_bytes(), CreateMode::Ephemeral).await {
                Ok(()) => {
                    self.owned.insert(partition.clone());
                }
                Err(error) if is(&error, ErrorCode::NodeExists) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    async fn release(&mut self, partitions: Vec<TopicPartition>) -> Result<(), Failure> {
        for partition in partitions {
            match self
                .zookeeper
                .delete(&self.owner_path(&partition), -1)
                .await
            {
                Err(error) if !is(&error, ErrorCode::NoNode) => return Err(error.into()),
                _ => {}
            }
            self.owned.remove(&partition);
        }
        Ok(())
    }

    pub(super) async fn committed(
        &self,
        partition: &TopicPartition,
    ) -> Result<Option<i64>, Failure> {
        let data = self.read(&self.offset_path(partition), false).await?;
        Ok(data.and_then(|d| String::from_utf8(d).ok()?.trim().parse().ok()))
    }

    pub(super) async fn commit(
        &self,
        partition: &TopicPartition,
        offset: i64,
    ) -> Result<(), Failure> {
        let (path, text) = (self.offset_path(partition), offset.to_string());
        let data = text.as_bytes();
        match self.zookeeper.set_data(&path, Some(data), -1).await {
            Ok(_) => Ok(()),
            Err(error) if is(&error, ErrorCode::NoNode) => {
                Ok(self.put(&path, data, CreateMode::Persistent).await?)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes what ZooKeeper holds of the group.
    pub(super) async fn forget(&self) -> Result<(), Failure> {
        let mut left = vec![format!("{}/{}", paths::CONSUMERS, self.group)];
        while let Some(path) = left.last().cloned() {
            let children = self.children(&path, false).await?;
            if children.is_empty() {
                match self.zookeeper.delete(&path, -1).await {
                    Ok(()) => {}
                    Err(error) if is(&error, ErrorCode::NoNode) => {}
                    // Somebody has put a child there meanwhile.
                    Err(error) if is(&error, ErrorCode::NotEmpty) => continue,
                    Err(error) => return Err(error.into()),
                }
                left.pop();
            } else {
                left.extend(children.iter().map(|c| format!("{path}/{c}")));
            }
        }
        Ok(())
    }

    pub(super) async fn close(self) {
        self.zookeeper.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registrations_of_every_kind_count() {
        let topics = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
        let of = |text: &str| threads("c", text.as_bytes(), &topics);
        let named = |topic: &str, thread: &str| (topic.to_owned(), thread.to_owned());
        let fixed =
            r#"{"version":1,"subscription":{"a":2,"x":1},"pattern":"static","timestamp":"1"}"#;
        assert_eq!(of(fixed), [named("a", "c-0"), named("a", "c-1")]);
        let black = r#"{"version":1,"subscription":{"a":1},"pattern":"black_list"}"#;
        assert_eq!(of(black), [named("b", "c-0")]);
        assert_eq!(of("{"), []);
        let filter = TopicFilter::new("a|b").unwrap();
        let ours = Wanted::Only(filter, "a|b".to_owned()).registration(5);
        assert_eq!(
            String::from_utf8(ours.clone()).unwrap(),
            r#"{"version":1,"subscription":{"a|b":1},"pattern":"white_list","timestamp":"5"}"#
        );
        assert_eq!(threads("c", &ours, &topics).len(), 2);
    }

    #[test]
    fn shares_are_ranges() {
        let threads = BTreeSet::from(["x-0", "y-0"].map(str::to_owned));
        assert_eq!(share(&[0, 1, 2], &threads, "x-0"), [0, 1]);
        assert_eq!(share(&[0, 1, 2], &threads, "y-0"), [2]);
        assert_eq!(share(&[0], &threads, "y-0"), [0; 0]);
        assert_eq!(share(&[0], &threads, "z-0"), [0; 0]);
    }
}
