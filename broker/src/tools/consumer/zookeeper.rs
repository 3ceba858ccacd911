//! `kafka-console-consumer --zookeeper`: the consumer of 0.8, which finds brokers, its group and
//! its offsets in ZooKeeper (Java: `ConsoleConsumer` of 0.8.2.1).
#![allow(
    clippy::disallowed_methods,
    reason = "a driver: commits go by the clock, a consumer's name holds the time"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use driver::kafka_client::fetcher::{FetchOptions, Fetcher, Trouble};
use driver::kafka_client::offsets::{EARLIEST, LATEST, TopicPartition, list_offsets};
use driver::kafka_client::{Cluster, Options as ClientOptions};
use driver::signals::StopSignals;
use driver::zk_client::{ClientConfig, ZkClient, ZkEvents};
use proto::kafka::Str;
use proto::zk::client::SessionState;
use tokio::time::timeout;

use super::old_group::{OldGroup, Wanted};
use super::options::Options;
use super::{Shown, formatter, write_out};
use crate::tools::Failure;
use crate::tools::options::TopicFilter;
use crate::tools::settings::Settings;

const BACKOFF: Duration = Duration::from_millis(200);

struct OldConsumer {
    group: OldGroup,
    events: ZkEvents,
    fetcher: Fetcher,
    /// where to begin without a committed offset
    reset: i64,
    commit_interval: Option<Duration>,
    committed: BTreeMap<TopicPartition, i64>,
}

/// What the properties say.
struct Plan {
    group: String,
    own_group: bool,
    session_timeout: Duration,
    commit_interval: Option<Duration>,
    fetch: FetchOptions,
    client_id: String,
}

fn plan(options: &Options) -> Result<Plan, Failure> {
    let file = options.consumer_config.as_deref();
    let mut set = Settings::load(file, "consumer-property", &options.consumer_property)?;
    let named = options.group_id(set.get("group.id"))?;
    let base = FetchOptions::default();
    let interval = set.millis("auto.commit.interval.ms", None)?;
    let commits = set.parsed("auto.commit.enable")?.unwrap_or(true);
    if set.get("offsets.storage").is_some_and(|s| s != "zookeeper") {
        return Err(Failure::new(
            "offsets.storage: only zookeeper with --zookeeper; for offsets in Kafka use \
             --bootstrap-server",
        ));
    }
    for told_by_flags in ["zookeeper.connect", "auto.offset.reset", "group.id"] {
        set.get(told_by_flags);
    }
    let plan = Plan {
        own_group: named.is_none(),
        group: named.unwrap_or_else(super::random_group),
        session_timeout: set
            .millis("zookeeper.session.timeout.ms", None)?
            .unwrap_or(Duration::from_secs(6)),
        commit_interval: commits.then(|| interval.unwrap_or(Duration::from_secs(60))),
        fetch: FetchOptions {
            max_wait_ms: set.parsed("fetch.wait.max.ms")?.unwrap_or(100),
            min_bytes: set.parsed("fetch.min.bytes")?.unwrap_or(base.min_bytes),
            max_partition_bytes: set
                .parsed("fetch.message.max.bytes")?
                .unwrap_or(base.max_partition_bytes),
            ..base
        },
        client_id: set
            .get("client.id")
            .unwrap_or("console-consumer")
            .to_owned(),
    };
    set.finish()?;
    Ok(plan)
}

fn wanted(options: &Options) -> Result<Wanted, Failure> {
    let only = options.topic.as_ref().or(options.include.as_ref());
    match (only.or(options.whitelist.as_ref()), &options.blacklist) {
        (Some(text), None) => Ok(Wanted::Only(TopicFilter::new(text)?, text.clone())),
        (None, Some(text)) => Ok(Wanted::AllBut(TopicFilter::new(text)?, text.clone())),
        _ => Err(Failure::new(
            "Exactly one of whitelist/blacklist/topic is required.",
        )),
    }
}

pub(super) async fn consume(options: &Options, connect: &str) -> Result<i32, Failure> {
    let mut shown = Shown::new(formatter(options)?, options);
    let (wanted, plan) = (wanted(options)?, plan(options)?);
    let config = ClientConfig::new(connect, plan.session_timeout);
    let (zookeeper, events) =
        ZkClient::connect(config).map_err(|error| Failure::new(error.to_string()))?;
    zookeeper
        .wait_connected(Duration::from_secs(30))
        .await
        .map_err(|_| Failure::new(format!("Unable to connect to zookeeper server {connect}")))?;
    let group = OldGroup::new(zookeeper, &plan.group, consumer_id(&plan.group), wanted);
    if options.delete_consumer_offsets {
        group.forget().await?;
    } else if options.from_beginning && group.has_offsets().await? {
        return Err(Failure::new(format!(
            "Found previous offset information for this group {}. Please use \
             --delete-consumer-offsets to delete previous offsets metadata",
            plan.group
        )));
    }
    let client = ClientOptions {
        client_id: Str::from(&plan.client_id),
        ..ClientOptions::default()
    };
    let cluster = Cluster::new(group.brokers().await?, client);
    let mut consumer = OldConsumer {
        group,
        events,
        fetcher: Fetcher::new(cluster, plan.fetch),
        reset: if options.from_beginning {
            EARLIEST
        } else {
            LATEST
        },
        commit_interval: plan.commit_interval,
        committed: BTreeMap::new(),
    };
    let mut signals = StopSignals::listen()?;
    let mut code = 0;
    tokio::select! {
        result = consumer.run(&mut shown, options.timeout_ms) => {
            if let Err(failure) = result {
                tracing::error!("Error processing message, stopping consumer: {failure}");
            }
        }
        signal = signals.wait() => code = if signal == "SIGINT" { 130 } else { 143 },
    }
    if let Err(failure) = consumer.commit().await {
        tracing::warn!("{failure}");
    }
    eprintln!("Consumed {} messages", shown.count);
    let group = consumer.group;
    if plan.own_group {
        // Nobody will come back to a group with a random name.
        group.forget().await?;
    }
    group.close().await;
    Ok(code)
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

/// Java: `group_host-time-random`.
fn consumer_id(group: &str) -> String {
    let host = nix::unistd::gethostname()
        .ok()
        .and_then(|h| h.into_string().ok())
        .unwrap_or_else(|| "localhost".to_owned());
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("{group}_{host}-{}-{}", now_ms(), &random[..8])
}

impl OldConsumer {
    async fn run(&mut self, shown: &mut Shown, timeout_ms: Option<i64>) -> Result<(), Failure> {
        self.group.register(now_ms()).await?;
        self.rebalance().await?;
        let patience = timeout_ms.and_then(|ms| u64::try_from(ms).ok());
        let patience = patience.map(Duration::from_millis);
        let mut last_message = Instant::now();
        let mut last_commit = Instant::now();
        while shown.wants_more() {
            let before = shown.count;
            self.step().await?;
            let flow = self
                .fetcher
                .drain(&mut |message| shown.show(&message))
                .map_err(|e| Failure::new(e.to_string()))?;
            let written = write_out(&mut shown.out);
            if let Some(failure) = shown.trouble.take() {
                return Err(failure);
            }
            if flow.is_break() || !written {
                return Ok(());
            }
            if shown.count > before {
                last_message = Instant::now();
            } else if patience.is_some_and(|p| last_message.elapsed() >= p) {
                return Err(Failure::new("kafka.consumer.ConsumerTimeoutException"));
            }
            if self
                .commit_interval
                .is_some_and(|i| last_commit.elapsed() >= i)
            {
                self.commit().await?;
                last_commit = Instant::now();
            }
        }
        Ok(())
    }

    /// One answer, one change of the group, or a short while.
    async fn step(&mut self) -> Result<(), Failure> {
        if self.fetcher.start().await {
            // Leaders that can't be found yet are looked for again in the next step.
            if self.fetcher.find_leaders().await.is_err() || self.fetcher.start().await {
                tokio::time::sleep(BACKOFF).await;
            }
        }
        tokio::select! {
            event = self.events.recv() => self.on_event(event).await,
            answer = timeout(BACKOFF, self.fetcher.receive()) => {
                for trouble in answer.unwrap_or_default() {
                    self.resolve(trouble).await?;
                }
                Ok(())
            }
        }
    }

    async fn on_event(&mut self, event: Option<driver::zk_client::ZkEvent>) -> Result<(), Failure> {
        use driver::zk_client::ZkEvent;
        match event {
            Some(ZkEvent::Watch(_)) => {
                // Those that came with it are answered by the same work.
                while self.events.try_recv().is_some() {}
                self.rebalance().await
            }
            None | Some(ZkEvent::State(SessionState::Expired)) => Err(Failure::new(
                "the ZooKeeper session has expired: start the consumer again",
            )),
            Some(ZkEvent::State(_)) => Ok(()),
        }
    }

    async fn rebalance(&mut self) -> Result<(), Failure> {
        self.commit().await?;
        let mine = self.group.rebalance().await?;
        let mut positions = BTreeMap::new();
        let mut fresh = BTreeMap::new();
        for partition in mine {
            // What we have read of a partition that stays ours is later than what is committed.
            let known = match self.fetcher.positions().get(&partition) {
                Some(position) => Some(*position),
                None => self.group.committed(&partition).await?,
            };
            match known {
                Some(offset) => positions.insert(partition, offset),
                None => fresh.insert(partition, self.reset),
            };
        }
        self.committed.clone_from(&positions);
        positions.extend(self.offsets_at(fresh).await?);
        self.fetcher.assign(positions);
        Ok(())
    }

    async fn offsets_at(
        &mut self,
        mut times: BTreeMap<TopicPartition, i64>,
    ) -> Result<BTreeMap<TopicPartition, i64>, Failure> {
        let mut offsets = BTreeMap::new();
        while !times.is_empty() {
            if let Ok(found) = list_offsets(self.fetcher.cluster(), &times, 0).await {
                for (partition, offset) in found {
                    match offset {
                        Ok(offset) => {
                            times.remove(&partition);
                            offsets.insert(partition, offset.max(0));
                        }
                        Err(error) if error.is_retriable() => {}
                        Err(error) => return Err(Failure::of_code(error, None)),
                    }
                }
            }
            if !times.is_empty() {
                tokio::time::sleep(BACKOFF).await;
            }
        }
        Ok(offsets)
    }

    async fn resolve(&mut self, trouble: Trouble) -> Result<(), Failure> {
        match trouble {
            Trouble::Refused(_, error) => Err(Failure::of_code(error, None)),
            Trouble::OutOfRange(partition, _) => {
                let times = BTreeMap::from([(partition, self.reset)]);
                for (partition, offset) in self.offsets_at(times).await? {
                    self.fetcher.seek(partition, offset);
                }
                Ok(())
            }
        }
    }

    /// Commits what moved, where commits go by themselves.
    async fn commit(&mut self) -> Result<(), Failure> {
        if self.commit_interval.is_none() {
            return Ok(());
        }
        for (partition, offset) in self.fetcher.positions() {
            if self.committed.get(partition) != Some(offset) {
                self.group.commit(partition, *offset).await?;
            }
        }
        self.committed.clone_from(self.fetcher.positions());
        Ok(())
    }
}
