//! A consumer: which partitions are its own, where it begins to read, what it has handed out and
//! committed (Java: `KafkaConsumer` with the classic protocol).
#![allow(
    clippy::disallowed_methods,
    reason = "a driver: heartbeats and commits go by the clock"
)]

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use proto::kafka::messages::metadata::MetadataResponse;
use proto::kafka::{ErrorCode, Str};
use tokio::time::{sleep, timeout};

use super::cluster::Cluster;
use super::connection::CallError;
use super::fetcher::{Delivered, FetchError, FetchOptions, Fetcher, Trouble};
use super::membership::{GroupError, Membership};
use super::offsets::{EARLIEST, LATEST, TopicPartition, commit, committed, list_offsets};

/// What a consumer reads.
pub enum Subscription {
    /// a share of these topics, as a member of a group
    Topics(Vec<Str>),
    /// as above, of all topics that fit
    Pattern(Box<dyn Fn(&str) -> bool + Send>),
    /// this partition from this offset on: at least 0, [`EARLIEST`] or [`LATEST`]
    Partition(TopicPartition, i64),
}

/// Where to begin when no offset is committed (`auto.offset.reset`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reset {
    Earliest,
    Latest,
    None,
}

#[derive(Debug, Clone, Copy)]
pub struct ConsumerOptions {
    pub fetch: FetchOptions,
    pub reset: Reset,
    /// `None`: never by itself
    pub auto_commit: Option<Duration>,
    pub metadata_max_age: Duration,
    pub retry_backoff: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum ConsumerError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Group(#[from] GroupError),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("Undefined offset with no reset policy for partitions: [{topic}-{partition}]")]
    NoOffset { topic: Str, partition: i32 },
    #[error("{topic}-{partition}: {error}")]
    Partition {
        topic: Str,
        partition: i32,
        error: ErrorCode,
    },
}

fn refused(partition: TopicPartition, error: ErrorCode) -> ConsumerError {
    ConsumerError::Partition {
        topic: partition.0,
        partition: partition.1,
        error,
    }
}

pub struct Consumer {
    fetcher: Fetcher,
    membership: Option<Membership>,
    subscription: Subscription,
    options: ConsumerOptions,
    /// partitions of each topic that is read, as last heard
    known: BTreeMap<Str, usize>,
    joined: bool,
    next_heartbeat: Instant,
    next_commit: Instant,
    next_metadata: Instant,
    committed: BTreeMap<TopicPartition, i64>,
    last_warning: String,
}

impl Consumer {
    /// `membership`: for subscriptions that are shared in a group.
    pub fn new(
        cluster: Cluster,
        membership: Option<Membership>,
        subscription: Subscription,
        options: ConsumerOptions,
    ) -> Self {
        let now = Instant::now();
        Self {
            fetcher: Fetcher::new(cluster, options.fetch),
            membership,
            subscription,
            options,
            known: BTreeMap::new(),
            joined: false,
            next_heartbeat: now,
            next_commit: now,
            next_metadata: now,
            committed: BTreeMap::new(),
            last_warning: String::new(),
        }
    }

    /// Works until there are records to [`Self::drain`] or the time is over; whether there are.
    pub async fn poll(&mut self, wait: Option<Duration>) -> Result<bool, ConsumerError> {
        let end = wait.and_then(|wait| Instant::now().checked_add(wait));
        loop {
            self.keep_up().await?;
            if self.fetcher.has_records() {
                return Ok(true);
            }
            if self.fetcher.start().await {
                match self.fetcher.find_leaders().await {
                    Ok(()) => {}
                    Err(error) => warn_once!(&mut self.last_warning, error.to_string()),
                }
                if self.fetcher.start().await {
                    sleep(self.options.retry_backoff).await;
                }
            }
            let now = Instant::now();
            if end.is_some_and(|end| now >= end) {
                return Ok(false);
            }
            let mut until = self.next_metadata.min(now + Duration::from_secs(1));
            if self.membership.is_some() {
                until = until.min(self.next_heartbeat);
            }
            until = end.map_or(until, |end| until.min(end));
            let until = until.saturating_duration_since(now);
            if let Ok(troubles) = timeout(until, self.fetcher.receive()).await {
                for trouble in troubles {
                    self.resolve(trouble).await?;
                }
            }
        }
    }

    /// Hands out what [`Self::poll`] brought, until `each` breaks.
    pub fn drain(
        &mut self,
        mut each: impl FnMut(Delivered<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, ConsumerError> {
        Ok(self.fetcher.drain(&mut each)?)
    }

    /// Commits what was handed out, where commits go by themselves, and leaves the group.
    pub async fn close(mut self) -> Result<(), ConsumerError> {
        let result = self.commit().await;
        if let Some(membership) = &mut self.membership {
            membership.leave().await;
        }
        result
    }

    /// Metadata, membership and commits, as far as they are due.
    async fn keep_up(&mut self) -> Result<(), ConsumerError> {
        let now = Instant::now();
        if now >= self.next_metadata {
            self.learn_topics().await?;
        }
        if self.membership.is_none() {
            return self.begin_alone().await;
        }
        if self.joined && now >= self.next_commit {
            self.commit().await?;
        }
        if self.joined && now >= self.next_heartbeat {
            if let Some(membership) = &mut self.membership {
                self.joined = membership.heartbeat().await?;
                self.next_heartbeat = now + membership.options().heartbeat_interval;
            }
        }
        if !self.joined && !self.known.is_empty() {
            self.join().await?;
        }
        Ok(())
    }

    async fn learn_topics(&mut self) -> Result<(), ConsumerError> {
        let cluster = self.fetcher.cluster();
        let answer = match &self.subscription {
            Subscription::Topics(topics) => {
                let names: Vec<&str> = topics.iter().map(Str::as_str).collect();
                cluster.metadata_creating(&names).await
            }
            Subscription::Partition((topic, _), _) => cluster.metadata_creating(&[topic]).await,
            Subscription::Pattern(_) => cluster.metadata(None).await,
        };
        let backoff = self.options.retry_backoff;
        let mut next = self.options.metadata_max_age;
        match answer {
            Ok(metadata) => {
                let (known, missing) = self.sort_out(&metadata)?;
                if missing {
                    next = backoff;
                }
                // A group shares out anew what has changed.
                self.joined &= known == self.known;
                self.known = known;
            }
            Err(error) => {
                warn_once!(&mut self.last_warning, error.to_string());
                next = backoff;
            }
        }
        self.next_metadata = Instant::now() + next;
        Ok(())
    }

    /// The partitions of what is read, and whether something of it is not there yet.
    fn sort_out(
        &mut self,
        metadata: &MetadataResponse,
    ) -> Result<(BTreeMap<Str, usize>, bool), ConsumerError> {
        let (mut known, mut missing) = (BTreeMap::new(), false);
        for topic in &metadata.topics {
            let Some(name) = &topic.name else { continue };
            if let Subscription::Pattern(wanted) = &self.subscription {
                if topic.is_internal || !wanted(name) {
                    continue;
                }
            }
            match topic.error_code {
                ErrorCode::NONE => {
                    known.insert(name.detach(), topic.partitions.len());
                }
                error if error.is_retriable() => {
                    missing = true;
                    let line = format!("Error while fetching metadata : {{{name}={error}}}");
                    warn_once!(&mut self.last_warning, line);
                }
                error => return Err(refused((name.detach(), -1), error)),
            }
        }
        Ok((known, missing))
    }

    async fn begin_alone(&mut self) -> Result<(), ConsumerError> {
        let Subscription::Partition(partition, start) = &self.subscription else {
            return Ok(());
        };
        if self.joined || self.known.is_empty() {
            return Ok(());
        }
        let (partition, start) = (partition.clone(), *start);
        let mut positions = BTreeMap::from([(partition, start)]);
        if start < 0 {
            positions = self.offsets_at(positions).await?;
        }
        self.joined = true;
        self.fetcher.assign(positions);
        Ok(())
    }

    async fn join(&mut self) -> Result<(), ConsumerError> {
        self.commit().await?;
        let topics: Vec<Str> = match &self.subscription {
            Subscription::Topics(topics) => topics.clone(),
            _ => self.known.keys().cloned().collect(),
        };
        let Some(membership) = &mut self.membership else {
            return Ok(());
        };
        self.fetcher.assign(BTreeMap::new());
        let assigned = membership.join(&topics).await?;
        let heartbeat = membership.options().heartbeat_interval;
        let positions = self.starting_positions(&assigned).await?;
        self.committed.clone_from(&positions);
        self.fetcher.assign(positions);
        let now = Instant::now();
        self.joined = true;
        self.next_heartbeat = now + heartbeat;
        self.next_commit = now + self.options.auto_commit.unwrap_or(heartbeat);
        Ok(())
    }

    async fn starting_positions(
        &mut self,
        assigned: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, i64>, ConsumerError> {
        let mut positions = BTreeMap::new();
        let Some(membership) = self.membership.as_mut().filter(|_| !assigned.is_empty()) else {
            return Ok(positions);
        };
        let group = membership.options().group.clone();
        loop {
            let coordinator = membership.coordinator().await?;
            let error = match committed(&coordinator, &group, Some(assigned)).await {
                Ok(Ok(found)) => {
                    positions.extend(found);
                    break;
                }
                Ok(Err(error)) if error.is_retriable() => error.to_string(),
                Ok(Err(error)) => {
                    let message = String::new();
                    let refused = GroupError::Refused {
                        group,
                        error,
                        message,
                    };
                    return Err(refused.into());
                }
                Err(error) => error.to_string(),
            };
            warn_once!(&mut self.last_warning, error);
            sleep(self.options.retry_backoff).await;
        }
        let mut fresh = BTreeMap::new();
        for partition in assigned {
            if !positions.contains_key(partition) {
                fresh.insert(partition.clone(), self.reset_time(partition)?);
            }
        }
        if !fresh.is_empty() {
            positions.extend(self.offsets_at(fresh).await?);
        }
        Ok(positions)
    }

    fn reset_time(&self, partition: &TopicPartition) -> Result<i64, ConsumerError> {
        match self.options.reset {
            Reset::Earliest => Ok(EARLIEST),
            Reset::Latest => Ok(LATEST),
            Reset::None => Err(ConsumerError::NoOffset {
                topic: partition.0.clone(),
                partition: partition.1,
            }),
        }
    }

    /// The offsets at these times, asked for until every leader has answered.
    async fn offsets_at(
        &mut self,
        mut times: BTreeMap<TopicPartition, i64>,
    ) -> Result<BTreeMap<TopicPartition, i64>, ConsumerError> {
        let isolation = i8::from(self.options.fetch.read_committed);
        let mut offsets = BTreeMap::new();
        loop {
            match list_offsets(self.fetcher.cluster(), &times, isolation).await {
                Ok(found) => {
                    for (partition, offset) in found {
                        match offset {
                            Ok(offset) => {
                                times.remove(&partition);
                                offsets.insert(partition, offset.max(0));
                            }
                            Err(error) if error.is_retriable() => {}
                            Err(error) => return Err(refused(partition, error)),
                        }
                    }
                }
                Err(error) => warn_once!(&mut self.last_warning, error.to_string()),
            }
            if times.is_empty() {
                return Ok(offsets);
            }
            sleep(self.options.retry_backoff).await;
        }
    }

    async fn resolve(&mut self, trouble: Trouble) -> Result<(), ConsumerError> {
        let (partition, offset) = match trouble {
            Trouble::Refused(partition, error) => return Err(refused(partition, error)),
            Trouble::OutOfRange(partition, offset) => (partition, offset),
        };
        let time = self.reset_time(&partition)?;
        let found = self
            .offsets_at(BTreeMap::from([(partition.clone(), time)]))
            .await?;
        for (partition, to) in found {
            tracing::warn!(
                "Fetch position {offset} is out of range for partition {}-{}, resetting offset to \
                 {to}",
                partition.0,
                partition.1
            );
            self.fetcher.seek(partition, to);
        }
        Ok(())
    }

    /// Commits positions that moved, where that goes by itself.
    async fn commit(&mut self) -> Result<(), ConsumerError> {
        let (Some(membership), Some(interval)) = (&mut self.membership, self.options.auto_commit)
        else {
            return Ok(());
        };
        self.next_commit = Instant::now() + interval;
        let positions = self.fetcher.positions();
        if positions.is_empty() || *positions == self.committed {
            return Ok(());
        }
        let coordinator = membership.coordinator().await?;
        match commit(&coordinator, &membership.committer(), positions).await {
            Ok(refused) if refused.is_empty() => self.committed.clone_from(positions),
            Ok(refused) => {
                for ((topic, partition), error) in refused {
                    let line = format!("Offset commit of {topic}-{partition} failed: {error}");
                    warn_once!(&mut self.last_warning, line);
                }
            }
            Err(error) => warn_once!(&mut self.last_warning, error.to_string()),
        }
        Ok(())
    }
}
