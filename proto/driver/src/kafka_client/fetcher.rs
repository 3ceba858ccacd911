//! Fetches records of given partitions from their leaders, all leaders at once, one request each
//! (Java: `Fetcher`, `CompletedFetch`). Knows nothing of groups; resets no offset by itself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::ControlFlow;

use bytes::Bytes;
use proto::kafka::messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic};
use proto::kafka::{ErrorCode, Str};
use proto::records::{Batch, Batches, ControlType, Record, TimestampType};
use tokio::task::JoinSet;

use super::cluster::Cluster;
use super::connection::{CallError, Connection};
use super::offsets::{TopicPartition, by_topic};

/// How much is fetched, named as Java's `ConsumerConfig`.
#[derive(Debug, Clone, Copy)]
pub struct FetchOptions {
    pub max_wait_ms: i32,
    pub min_bytes: i32,
    pub max_bytes: i32,
    pub max_partition_bytes: i32,
    /// skip what transactions have not committed
    pub read_committed: bool,
    pub check_crcs: bool,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            max_wait_ms: 500,
            min_bytes: 1,
            max_bytes: 50 << 20,
            max_partition_bytes: 1 << 20,
            read_committed: false,
            check_crcs: true,
        }
    }
}

/// The most that one batch may grow to when it is decompressed.
const MAX_BATCH: usize = 1 << 30;

/// A record, where it stands, and what its timestamp means.
#[derive(Debug)]
pub struct Delivered<'a> {
    pub topic: &'a Str,
    pub partition: i32,
    /// `None` for records of the format before timestamps
    pub timestamp_type: Option<TimestampType>,
    pub record: Record<'a>,
}

/// What stands in a partition's way.
#[derive(Debug)]
pub enum Trouble {
    /// the position is before the log's start or behind its end
    OutOfRange(TopicPartition, i64),
    Refused(TopicPartition, ErrorCode),
}

#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error(
        "Received exception when fetching the next record from {topic}-{partition}. If needed, \
         please seek past the record to continue consumption. ({reason})"
    )]
    Unreadable {
        topic: Str,
        partition: i32,
        reason: String,
    },
}

#[derive(Debug)]
struct Fetched {
    partition: TopicPartition,
    records: Bytes,
    /// transactions that were aborted: first offset, producer
    aborted: BTreeSet<(i64, i64)>,
}

type Answer = (i32, Vec<TopicPartition>, Result<FetchResponse, CallError>);

#[derive(Debug)]
pub struct Fetcher {
    cluster: Cluster,
    options: FetchOptions,
    /// the next offset to hand out
    positions: BTreeMap<TopicPartition, i64>,
    leaders: BTreeMap<TopicPartition, i32>,
    busy: BTreeSet<i32>,
    running: JoinSet<Answer>,
    buffered: VecDeque<Fetched>,
}

impl Fetcher {
    pub fn new(cluster: Cluster, options: FetchOptions) -> Self {
        Self {
            cluster,
            options,
            positions: BTreeMap::new(),
            leaders: BTreeMap::new(),
            busy: BTreeSet::new(),
            running: JoinSet::new(),
            buffered: VecDeque::new(),
        }
    }

    pub fn cluster(&mut self) -> &mut Cluster {
        &mut self.cluster
    }

    pub fn positions(&self) -> &BTreeMap<TopicPartition, i64> {
        &self.positions
    }

    /// Fetches these partitions from now on, and no others.
    pub fn assign(&mut self, positions: BTreeMap<TopicPartition, i64>) {
        self.running = JoinSet::new();
        self.busy.clear();
        self.buffered.clear();
        self.positions = positions;
    }

    pub fn seek(&mut self, partition: TopicPartition, offset: i64) {
        self.buffered.retain(|f| f.partition != partition);
        self.positions.insert(partition, offset);
    }

    pub fn has_records(&self) -> bool {
        !self.buffered.is_empty()
    }

    /// Sends a request to each leader that has none under way; whether some partition has no
    /// leader that is known.
    pub async fn start(&mut self) -> bool {
        let waiting: BTreeSet<&TopicPartition> =
            self.buffered.iter().map(|f| &f.partition).collect();
        let mut by_leader: BTreeMap<i32, Vec<(TopicPartition, i64)>> = BTreeMap::new();
        let mut leaderless = false;
        for (partition, position) in &self.positions {
            match self.leaders.get(partition) {
                None => leaderless = true,
                Some(leader) if self.busy.contains(leader) || waiting.contains(partition) => {}
                Some(leader) => {
                    let asked = by_leader.entry(*leader).or_default();
                    asked.push((partition.clone(), *position));
                }
            }
        }
        for (leader, asked) in by_leader {
            let Ok(connection) = self.cluster.broker(leader).await else {
                self.leaders.retain(|_, l| *l != leader);
                leaderless = true;
                continue;
            };
            let partitions = asked.iter().map(|(p, _)| p.clone()).collect();
            let options = self.options;
            self.busy.insert(leader);
            self.running.spawn(async move {
                let answer = fetch(&connection, asked, options).await;
                (leader, partitions, answer)
            });
        }
        leaderless
    }

    /// Learns the leaders anew.
    pub async fn find_leaders(&mut self) -> Result<(), CallError> {
        let mut names: Vec<&str> = self.positions.keys().map(|(t, _)| t.as_str()).collect();
        names.dedup();
        let metadata = self.cluster.metadata(Some(&names)).await?;
        for topic in metadata.topics {
            let Some(name) = topic.name else { continue };
            for partition in topic.partitions {
                let id = (name.clone(), partition.partition_index);
                if partition.leader_id >= 0 {
                    self.leaders.insert(id, partition.leader_id);
                } else {
                    self.leaders.remove(&id);
                }
            }
        }
        Ok(())
    }

    /// Waits for one answer and takes its records in; forever when nothing is under way. May be
    /// dropped while it waits.
    pub async fn receive(&mut self) -> Vec<Trouble> {
        let Some(done) = self.running.join_next().await else {
            return std::future::pending().await;
        };
        let Ok((leader, partitions, answer)) = done else {
            // A task that panicked: its leader is asked again.
            self.busy.clear();
            return Vec::new();
        };
        self.busy.remove(&leader);
        match answer {
            Ok(response) if response.error_code.is_none() => self.take(response),
            Ok(_) | Err(_) => {
                for partition in partitions {
                    self.leaders.remove(&partition);
                }
                Vec::new()
            }
        }
    }

    fn take(&mut self, response: FetchResponse) -> Vec<Trouble> {
        let mut troubles = Vec::new();
        for topic in response.responses {
            for data in topic.partitions {
                let partition = (topic.topic.clone(), data.partition_index);
                let Some(position) = self.positions.get(&partition).copied() else {
                    continue;
                };
                match data.error_code {
                    ErrorCode::NONE => {}
                    ErrorCode::OFFSET_OUT_OF_RANGE => {
                        troubles.push(Trouble::OutOfRange(partition, position));
                        continue;
                    }
                    error if error.is_retriable() => {
                        self.leaders.remove(&partition);
                        continue;
                    }
                    error => {
                        troubles.push(Trouble::Refused(partition, error));
                        continue;
                    }
                }
                let aborted = data.aborted_transactions.unwrap_or_default();
                if let Some(records) = data.records.bytes().filter(|b| !b.is_empty()) {
                    self.buffered.push_back(Fetched {
                        partition,
                        records: records.clone(),
                        aborted: aborted
                            .iter()
                            .map(|a| (a.first_offset, a.producer_id))
                            .collect(),
                    });
                }
            }
        }
        troubles
    }

    /// Hands out what was fetched, record by record, until `each` breaks; the position follows.
    pub fn drain(
        &mut self,
        each: &mut impl FnMut(Delivered<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, FetchError> {
        while let Some(fetched) = self.buffered.pop_front() {
            let Some(position) = self.positions.get_mut(&fetched.partition) else {
                continue;
            };
            let before = *position;
            let flow = deliver(&fetched, position, self.options, each)?;
            if flow.is_break() {
                return Ok(flow);
            }
            if *position == before {
                return Err(unreadable(
                    &fetched.partition,
                    "it is larger than fetch.max.bytes and max.partition.fetch.bytes".to_owned(),
                ));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn unreadable(partition: &TopicPartition, reason: String) -> FetchError {
    FetchError::Unreadable {
        topic: partition.0.clone(),
        partition: partition.1,
        reason,
    }
}

async fn fetch(
    connection: &Connection,
    asked: Vec<(TopicPartition, i64)>,
    options: FetchOptions,
) -> Result<FetchResponse, CallError> {
    // From 13 on topics go by id alone.
    let version = connection.version_of::<FetchRequest>()?.min(12);
    let topics = by_topic(asked).into_iter().map(|(topic, partitions)| {
        let partition = |(partition, fetch_offset)| FetchPartition {
            partition,
            fetch_offset,
            partition_max_bytes: options.max_partition_bytes,
            ..FetchPartition::default()
        };
        FetchTopic {
            topic,
            partitions: partitions.into_iter().map(partition).collect(),
            ..FetchTopic::default()
        }
    });
    let request = FetchRequest {
        max_wait_ms: options.max_wait_ms,
        min_bytes: options.min_bytes,
        max_bytes: options.max_bytes,
        isolation_level: i8::from(options.read_committed),
        topics: topics.collect(),
        ..FetchRequest::default()
    };
    connection.call_in(version, &request).await
}

fn deliver(
    fetched: &Fetched,
    position: &mut i64,
    options: FetchOptions,
    each: &mut impl FnMut(Delivered<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, FetchError> {
    let failed = |e: proto::records::RecordsError| unreadable(&fetched.partition, e.to_string());
    let mut starting = fetched.aborted.clone();
    let mut aborting = BTreeSet::new();
    let mut scratch = Vec::new();
    for batch in Batches::new(&fetched.records) {
        let batch = batch.map_err(failed)?;
        if options.check_crcs {
            batch.check_crc().map_err(failed)?;
        }
        let producer = batch.header.producer_id;
        if options.read_committed {
            while let Some(first) = starting
                .first()
                .filter(|(from, _)| *from <= batch.header.last_offset())
            {
                aborting.insert(first.1);
                starting.pop_first();
            }
        }
        if batch.header.is_control() {
            if is_abort(&batch, &mut scratch).map_err(failed)? {
                aborting.remove(&producer);
            }
        } else if !(batch.header.is_transactional() && aborting.contains(&producer)) {
            let stamp = Some(batch.header.timestamp_type()).filter(|_| batch.header.magic > 0);
            for record in batch.records(&mut scratch, MAX_BATCH).map_err(failed)? {
                let record = record.map_err(failed)?;
                if record.offset < *position {
                    continue;
                }
                *position = record.offset + 1;
                let flow = each(Delivered {
                    topic: &fetched.partition.0,
                    partition: fetched.partition.1,
                    timestamp_type: stamp,
                    record,
                });
                if flow.is_break() {
                    return Ok(flow);
                }
            }
        }
        *position = (*position).max(batch.header.next_offset());
    }
    Ok(ControlFlow::Continue(()))
}

fn is_abort(
    batch: &Batch<'_>,
    scratch: &mut Vec<u8>,
) -> Result<bool, proto::records::RecordsError> {
    match batch.records(scratch, MAX_BATCH)?.next() {
        Some(record) => Ok(ControlType::of(&record?)? == ControlType::Abort),
        None => Ok(false),
    }
}
