//! `kafka-topics --zookeeper`: writes and reads the znodes itself, as Kafka's tools did up to 2.8
//! (Java: `TopicCommand.ZookeeperTopicService`, `AdminZkClient` of 2.7).

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use driver::zk_client::{ClientConfig, ZkClient};
use proto::zk::ErrorCode;
use proto::zk::client::{Error, OwnedAcl};
use proto::zk::request::CreateMode;

use super::options::Options;
use super::view::{PartitionView, Style, TopicView};
use super::{ensure_found, select};
use crate::config::TopicConfig;
use crate::controller::assign::{Candidate, Start, assign};
use crate::tools::Failure;
use crate::tools::options::is_internal;
use crate::zk::json::{
    Assignment, BrokerInfo, LeaderAndIsr, TopicAssignment, decode_config, encode_config,
    encode_config_change,
};
use crate::zk::paths;

/// Session timeout and longest wait for a connection, as Apache's tool has them.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long a cluster without brokers is given: one may have been started just before.
const BROKER_PATIENCE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_millis(50));

pub(super) struct ZooKeeper {
    client: ZkClient,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

impl ZooKeeper {
    pub(super) async fn connect(hosts: &str) -> Result<Self, Failure> {
        let config = ClientConfig::new(hosts, TIMEOUT);
        let (client, _events) =
            ZkClient::connect(config).map_err(|error| Failure::new(error.to_string()))?;
        client.wait_connected(TIMEOUT).await.map_err(|_| {
            Failure::new("Timed out waiting for connection while in state: CONNECTING")
        })?;
        Ok(Self { client })
    }

    pub(super) async fn close(&self) {
        self.client.close().await;
    }

    pub(super) async fn names(&self, options: &Options) -> Result<Vec<String>, Failure> {
        let all = match self.client.get_children(paths::TOPICS, false).await {
            Ok((names, _)) => names,
            Err(error) if error.code() == Some(ErrorCode::NoNode) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        select(options, all)
    }

    pub(super) async fn list(&self, options: &Options) -> Result<(), Failure> {
        for name in self.names(options).await? {
            if self.is_marked_for_deletion(&name).await? {
                println!("{name} - marked for deletion");
            } else {
                println!("{name}");
            }
        }
        Ok(())
    }

    async fn is_marked_for_deletion(&self, topic: &str) -> Result<bool, Failure> {
        Ok(self
            .client
            .exists(&paths::delete_topic(topic), false)
            .await?
            .is_some())
    }

    async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Failure> {
        match self.client.get_data(path, false).await {
            Ok((data, _)) => Ok(Some(data.map(|d| d.to_vec()).unwrap_or_default())),
            Err(error) if error.code() == Some(ErrorCode::NoNode) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn brokers(&self) -> Result<Vec<(i32, BrokerInfo)>, Failure> {
        let ids = match self.client.get_children(paths::BROKER_IDS, false).await {
            Ok((ids, _)) => ids,
            Err(error) if error.code() == Some(ErrorCode::NoNode) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let mut brokers = Vec::new();
        for id in ids.iter().filter_map(|id| id.parse::<i32>().ok()) {
            // It may have gone since the list was read.
            if let Some(data) = self.read(&paths::broker_id(id)).await? {
                let info = BrokerInfo::decode(&data).map_err(|e| Failure::new(e.to_string()))?;
                brokers.push((id, info));
            }
        }
        brokers.sort_by_key(|(id, _)| *id);
        Ok(brokers)
    }

    /// Live brokers with their racks, or without them when not all have one.
    async fn candidates(&self, options: &Options) -> Result<Vec<Candidate>, Failure> {
        let (patience, step) = BROKER_PATIENCE;
        let mut waited = Duration::ZERO;
        let mut brokers = self.brokers().await?;
        while brokers.is_empty() && waited < patience {
            tokio::time::sleep(step).await;
            waited += step;
            brokers = self.brokers().await?;
        }
        let aware = !options.disable_rack_aware;
        Ok(brokers
            .into_iter()
            .map(|(id, info)| Candidate {
                id,
                rack: info.rack.filter(|_| aware),
            })
            .collect())
    }

    pub(super) async fn create(&self, options: &Options) -> Result<(), Failure> {
        let topic = options.topic.as_deref().unwrap_or_default();
        let configs: BTreeMap<String, String> = options.configs()?.into_iter().collect();
        let partitions = match options.assignment()? {
            Some(all) => (0..).zip(all).collect(),
            None => {
                let count = |n: Option<i32>| usize::try_from(n.unwrap_or(0)).unwrap_or(0);
                let (partitions, factor) =
                    (count(options.partitions), count(options.replication_factor));
                let brokers = self.candidates(options).await?;
                let start = random_start(brokers.len());
                assign(&brokers, partitions, factor, 0, start)
                    .map_err(|e| Failure::new(e.to_string()))?
            }
        };
        match self.write_topic(topic, &configs, partitions).await {
            Err(Failed::Exists) if options.if_not_exists => Ok(()),
            Err(Failed::Exists) => Err(Failure::new(format!("Topic '{topic}' already exists."))),
            Err(Failed::Other(failure)) => Err(failure),
            Ok(()) => {
                println!("Created topic {topic}.");
                Ok(())
            }
        }
    }

    async fn write_topic(
        &self,
        topic: &str,
        configs: &BTreeMap<String, String>,
        partitions: BTreeMap<i32, Vec<i32>>,
    ) -> Result<(), Failed> {
        check_name(topic)?;
        let (all, _) = match self.client.get_children(paths::TOPICS, false).await {
            Ok(found) => found,
            Err(error) if error.code() == Some(ErrorCode::NoNode) => Default::default(),
            Err(error) => return Err(error.into()),
        };
        if all.iter().any(|name| name == topic) {
            return Err(Failed::Exists);
        }
        let colliding: Vec<&str> = all
            .iter()
            .map(String::as_str)
            .filter(|name| collide(name, topic))
            .collect();
        if !colliding.is_empty() {
            let others = colliding.join(", ");
            let text = format!("Topic '{topic}' collides with existing topics: {others}");
            return Err(Failure::new(text).into());
        }
        validate(configs)?;
        // The configuration first: whoever sees the topic finds it there.
        self.write_config(topic, configs).await?;
        let assignment = TopicAssignment {
            id: None,
            partitions: partitions
                .into_iter()
                .map(|(index, replicas)| {
                    (
                        index,
                        Assignment {
                            replicas,
                            ..Assignment::default()
                        },
                    )
                })
                .collect(),
        };
        match self
            .put_new(&paths::topic(topic), &assignment.encode())
            .await
        {
            Ok(()) => Ok(()),
            Err(error) if error.code() == Some(ErrorCode::NodeExists) => Err(Failed::Exists),
            Err(error) => Err(error.into()),
        }
    }

    /// Creates a znode, and the ones above it that are missing.
    async fn put_new(&self, path: &str, data: &[u8]) -> Result<(), Error> {
        let create = |path: String, data: Vec<u8>| async move {
            let acl = [OwnedAcl::OPEN];
            let mode = CreateMode::Persistent;
            self.client
                .create(&path, Some(&data), &acl, mode)
                .await
                .map(drop)
        };
        match create(path.to_owned(), data.to_vec()).await {
            Err(error) if error.code() == Some(ErrorCode::NoNode) => {}
            done => return done,
        }
        for (at, _) in path.match_indices('/').skip(1) {
            match self
                .client
                .create(&path[..at], None, &[OwnedAcl::OPEN], CreateMode::Persistent)
                .await
            {
                Err(error) if error.code() != Some(ErrorCode::NodeExists) => return Err(error),
                _ => {}
            }
        }
        create(path.to_owned(), data.to_vec()).await
    }

    async fn write_config(
        &self,
        topic: &str,
        configs: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        let (path, data) = (paths::topic_config(topic), encode_config(configs));
        match self.client.set_data(&path, Some(&data), -1).await {
            Err(error) if error.code() == Some(ErrorCode::NoNode) => {
                self.put_new(&path, &data).await
            }
            done => done.map(drop),
        }
    }

    async fn config(&self, topic: &str) -> Result<BTreeMap<String, String>, Failure> {
        let data = self.read(&paths::topic_config(topic)).await?;
        Ok(data.map(|d| decode_config(&d)).unwrap_or_default())
    }

    async fn assignment(&self, topic: &str) -> Result<Option<TopicAssignment>, Failure> {
        let Some(data) = self.read(&paths::topic(topic)).await? else {
            return Ok(None);
        };
        TopicAssignment::decode(&data)
            .map(Some)
            .map_err(|e| Failure::new(e.to_string()))
    }

    pub(super) async fn describe(&self, options: &Options) -> Result<(), Failure> {
        let names = self.names(options).await?;
        ensure_found(options, &names)?;
        let live: Vec<i32> = self
            .brokers()
            .await?
            .into_iter()
            .map(|(id, _)| id)
            .collect();
        for name in names {
            let Some(assignment) = self.assignment(&name).await? else {
                println!("Topic {name} doesn't exist!");
                continue;
            };
            let view = self.view(name, assignment).await?;
            for line in view.lines(options, &live, Style::ZooKeeper) {
                println!("{line}");
            }
        }
        Ok(())
    }

    async fn view(&self, name: String, assignment: TopicAssignment) -> Result<TopicView, Failure> {
        let mut partitions = Vec::new();
        for (index, assigned) in assignment.partitions {
            let data = self.read(&paths::partition_state(&name, index)).await?;
            let state = data.and_then(|d| LeaderAndIsr::decode(&d).ok());
            partitions.push(PartitionView {
                index,
                leader: state.as_ref().map(|s| s.leader).filter(|id| *id >= 0),
                replicas: assigned.replicas,
                isr: state.map(|s| s.isr).unwrap_or_default(),
                ..PartitionView::default()
            });
        }
        Ok(TopicView {
            id: None,
            configs: self.config(&name).await?.into_iter().collect(),
            min_insync_replicas: None,
            partitions,
            marked_for_deletion: self.is_marked_for_deletion(&name).await?,
            name,
        })
    }

    pub(super) async fn alter(&self, options: &Options) -> Result<(), Failure> {
        let names = self.names(options).await?;
        let added = options.configs()?;
        ensure_found(options, &names)?;
        for name in names {
            if !added.is_empty() || !options.delete_config.is_empty() {
                self.alter_config(&name, &added, &options.delete_config)
                    .await?;
            }
            if let Some(count) = options.partitions {
                self.add_partitions(&name, count, options).await?;
            }
        }
        Ok(())
    }

    async fn alter_config(
        &self,
        topic: &str,
        added: &[(String, String)],
        removed: &[String],
    ) -> Result<(), Failure> {
        println!(
            "WARNING: Altering topic configuration from this script has been deprecated and may \
             be removed in future releases."
        );
        println!("         Going forward, please use kafka-configs.sh for this functionality");
        let mut configs = self.config(topic).await?;
        configs.extend(added.iter().cloned());
        for name in removed {
            configs.remove(name.trim());
        }
        validate(&configs)?;
        self.write_config(topic, &configs).await?;
        let change = encode_config_change(&format!("topics/{topic}"));
        let path = format!("{}/config_change_", paths::CONFIG_CHANGES);
        let mode = CreateMode::PersistentSequential;
        self.client
            .create(&path, Some(&change), &[OwnedAcl::OPEN], mode)
            .await?;
        println!("Updated config for topic {topic}.");
        Ok(())
    }

    async fn add_partitions(
        &self,
        topic: &str,
        count: i32,
        options: &Options,
    ) -> Result<(), Failure> {
        if is_internal(topic) {
            return Err(Failure::new(format!(
                "The number of partitions for the internal topic {topic} cannot be changed."
            )));
        }
        println!(
            "WARNING: If partitions are increased for a topic that has a key, the partition logic \
             or ordering of the messages will be affected"
        );
        let Some(mut known) = self.assignment(topic).await? else {
            return Err(Failure::new(format!("The topic {topic} does not exist")));
        };
        let have = known.partitions.len();
        let wanted = usize::try_from(count).unwrap_or(0);
        if wanted <= have {
            return Err(Failure::new(format!(
                "The number of partitions for a topic can only be increased. Topic {topic} \
                 currently has {have} partitions, {count} would not be an increase."
            )));
        }
        let fresh = match options.assignment()? {
            Some(all) if all.len() != wanted => {
                return Err(Failure::new(format!(
                    "Increasing the number of partitions by {} but {} assignments provided.",
                    wanted - have,
                    all.len().saturating_sub(have)
                )));
            }
            Some(all) => (0..).zip(all).skip(have).collect(),
            None => {
                let first = known
                    .partitions
                    .values()
                    .next()
                    .cloned()
                    .unwrap_or_default();
                let brokers = self.candidates(options).await?;
                let leader = first.replicas.first();
                let index = brokers
                    .iter()
                    .position(|b| Some(&b.id) == leader)
                    .unwrap_or(0);
                let start = Start {
                    index,
                    shift: index,
                };
                assign(&brokers, wanted - have, first.replicas.len(), have, start)
                    .map_err(|e| Failure::new(e.to_string()))?
            }
        };
        for (index, replicas) in fresh {
            known.partitions.insert(
                index,
                Assignment {
                    replicas,
                    ..Assignment::default()
                },
            );
        }
        self.client
            .set_data(&paths::topic(topic), Some(&known.encode()), -1)
            .await?;
        println!("Adding partitions succeeded!");
        Ok(())
    }

    pub(super) async fn delete(&self, options: &Options) -> Result<(), Failure> {
        let names = self.names(options).await?;
        ensure_found(options, &names)?;
        for name in names {
            if is_internal(&name) {
                return Err(Failure::new(format!(
                    "Topic {name} is a kafka internal topic and is not allowed to be marked for \
                     deletion."
                )));
            }
            match self.put_new(&paths::delete_topic(&name), &[]).await {
                Ok(()) => {
                    println!("Topic {name} is marked for deletion.");
                    println!(
                        "Note: This will have no impact if delete.topic.enable is not set to true."
                    );
                }
                Err(error) if error.code() == Some(ErrorCode::NodeExists) => {
                    println!("Topic {name} is already marked for deletion.");
                }
                Err(_) => {
                    return Err(Failure::new(format!("Error while deleting topic {name}")));
                }
            }
        }
        Ok(())
    }
}

/// Why a topic was not written.
enum Failed {
    Exists,
    Other(Failure),
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self::Other(failure)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Other(error.into())
    }
}

fn validate(configs: &BTreeMap<String, String>) -> Result<(), Failure> {
    let overrides = configs
        .iter()
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    TopicConfig::validate(&overrides).map_err(|why| Failure::new(why.to_string()))
}

/// Java: `Topic.validate`.
fn check_name(name: &str) -> Result<(), Failure> {
    const LONGEST: usize = 249;
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let problem = if name.is_empty() {
        "it can't be empty".to_owned()
    } else if matches!(name, "." | "..") {
        format!("'{name}' is illegal, can't be '.' or '..'")
    } else if name.len() > LONGEST {
        format!("'{name}' is illegal, it can't be longer than {LONGEST} characters")
    } else if !name.chars().all(legal) {
        format!(
            "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' \
             and '-'"
        )
    } else {
        return Ok(());
    };
    Err(Failure::new(format!("Topic name is invalid: {problem}")))
}

/// Whether metrics could not tell the two apart.
fn collide(a: &str, b: &str) -> bool {
    a.replace('.', "_") == b.replace('.', "_")
}

/// Where the round robin of replicas begins: anywhere, so that brokers share the load.
fn random_start(brokers: usize) -> Start {
    let pick = || {
        let random = RandomState::new().build_hasher().finish();
        usize::try_from(random % (brokers.max(1) as u64)).unwrap_or(0)
    };
    Start {
        index: pick(),
        shift: pick(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_kafkas_rules() {
        assert!(check_name("a.b_c-9").is_ok());
        for bad in ["", ".", "..", "a b", "é", &"x".repeat(250)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        assert!(collide("a.b", "a_b") && !collide("a.b", "a.c"));
    }
}
