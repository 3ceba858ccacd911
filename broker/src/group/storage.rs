//! Where the group coordinator meets the logs: its records go to the shards of
//! `__consumer_offsets`, and come back when this broker begins to lead a partition of it. Mirrors
//! the I/O of `GroupMetadataManager`.
#![allow(
    clippy::disallowed_methods,
    reason = "starts tasks, reads regions of log files"
)]

use std::collections::VecDeque;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use proto::records::{Batches, Compression, EndTxnMarker, Origin, RecordsError};
use tokio::runtime::Handle;
use tracing::{error, info, warn};

use super::effect::{Config, Record};
use super::load::Loading;
use super::records;
use super::runtime::{Done, Groups, OffsetsLog};
use crate::config::KafkaConfig;
use crate::log::{Isolation, LogError, TopicPartition};
use crate::metadata::MetadataCache;
use crate::purgatory::{Uncommitted, wait_for_commit};
use crate::replica::LeadershipListener;
use crate::shard::{Hosted, ReadItem, Shards, Work};
use crate::state::Broker;

/// `Topic.GROUP_METADATA_TOPIC_NAME`
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// Bytes that one stored batch may decompress to.
const DECOMPRESSED_MAX: usize = 256 << 20;

fn partition_of(partition: i32) -> TopicPartition {
    TopicPartition {
        topic: OFFSETS_TOPIC.to_owned(),
        partition,
    }
}

/// The coordinator of a broker with these logs. Within a tokio runtime, which it keeps using.
pub fn start(config: &KafkaConfig, shards: Shards) -> Arc<Groups> {
    let compression = u8::try_from(config.offsets_topic_compression_codec)
        .ok()
        .and_then(|id| Compression::from_id(id).ok())
        .unwrap_or(Compression::None);
    let millis = |n: i32| u64::try_from(n).unwrap_or(0);
    let limits = Config {
        group_min_session_timeout_ms: config.group_min_session_timeout_ms,
        group_max_session_timeout_ms: config.group_max_session_timeout_ms,
        group_max_size: usize::try_from(config.group_max_size).unwrap_or(usize::MAX),
        group_initial_rebalance_delay_ms: millis(config.group_initial_rebalance_delay_ms),
        offset_metadata_max_bytes: usize::try_from(config.offset_metadata_max_bytes).unwrap_or(0),
        offsets_retention_ms: i64::from(config.offsets_retention_minutes) * 60_000,
        offsets_retention_check_interval_ms: u64::try_from(
            config.offsets_retention_check_interval_ms,
        )
        .unwrap_or(u64::MAX),
    };
    let log = ShardLog {
        shards,
        runtime: Handle::current(),
        limit: Duration::from_millis(millis(config.offsets_commit_timeout_ms)),
        line: Arc::default(),
    };
    let groups = Groups::start(limits, compression, Box::new(log));
    let count = config.offsets_topic_num_partitions;
    groups.ask(|coordinator, _| coordinator.set_partition_count(count));
    groups
}

/// Gives a broker its group coordinator. Within a tokio runtime.
pub fn attach(broker: &Arc<Broker>) {
    let config = broker.config();
    let groups = start(&config, broker.shards().clone());
    let buffer = usize::try_from(config.offsets_load_buffer_size).unwrap_or(1);
    broker.replicas.listen(Box::new(Leadership {
        groups: groups.clone(),
        shards: broker.shards().clone(),
        buffer,
    }));
    let _ = broker.groups.set(groups.clone());
    let broker = broker.clone();
    tokio::spawn(async move { follow_partition_count(groups, &broker.metadata).await });
}

/// Hears of the partitions that this broker leads.
struct Leadership {
    groups: Arc<Groups>,
    shards: Shards,
    /// offsets.load.buffer.size
    buffer: usize,
}

impl LeadershipListener for Leadership {
    fn leads(&self, topic: &str, partition: i32, leader_epoch: i32) {
        if topic == OFFSETS_TOPIC {
            leads(
                &self.groups,
                &self.shards,
                partition,
                leader_epoch,
                self.buffer,
            );
        }
    }

    fn leads_no_more(&self, topic: &str, partition: i32, _leader_epoch: i32) {
        if topic == OFFSETS_TOPIC {
            leads_no_more(&self.groups, partition);
        }
    }
}

/// Groups are spread over the partitions that the topic really has, whatever the configuration
/// says: follows the metadata as long as the broker runs.
pub async fn follow_partition_count(groups: Arc<Groups>, metadata: &MetadataCache) {
    let mut current = 0;
    loop {
        let mut found = current;
        let differs = |image: &crate::metadata::ClusterImage| {
            if let Some(topic) = image.topic(OFFSETS_TOPIC) {
                found = i32::try_from(topic.partitions.len()).unwrap_or(0);
            }
            found != current
        };
        metadata.wait_for(differs).await;
        if found == current {
            return; // the broker is gone
        }
        current = found;
        groups.ask(|coordinator, _| coordinator.set_partition_count(current));
    }
}

/// This broker leads a partition of the offsets topic from now on: its groups are read.
pub fn leads(groups: &Arc<Groups>, shards: &Shards, partition: i32, epoch: i32, buffer: usize) {
    groups.ask(|coordinator, _| coordinator.begin_load(partition, epoch));
    let (groups, shards) = (groups.clone(), shards.clone());
    tokio::spawn(async move {
        match load(&groups, &shards, partition, epoch, buffer).await {
            Ok(()) => {
                groups.ask(|coordinator, now| coordinator.finish_load(now, partition, epoch));
                info!(
                    "Finished loading offsets and group metadata from {OFFSETS_TOPIC}-{partition} for epoch {epoch}"
                );
            }
            Err(e) => {
                error!(
                    "Error loading offsets from {OFFSETS_TOPIC}-{partition}: {e}; its groups have no coordinator"
                );
                let ours = |c: &super::coordinator::GroupCoordinator| c.epoch_of(partition);
                groups.ask(|coordinator, _| {
                    if ours(coordinator) == Some(epoch) {
                        coordinator.unload(partition);
                    }
                });
            }
        }
    });
}

/// Another broker leads the partition, or nobody.
pub fn leads_no_more(groups: &Arc<Groups>, partition: i32) {
    groups.ask(|coordinator, _| coordinator.unload(partition));
}

#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Records(#[from] RecordsError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("the broker is shutting down")]
    Gone,
}

/// What one stored record says.
enum Stored {
    Record(Record, i64, Option<i64>),
    Marker(i64, bool),
}

async fn load(
    groups: &Arc<Groups>,
    shards: &Shards,
    partition: i32,
    epoch: i32,
    buffer: usize,
) -> Result<(), LoadError> {
    let offsets = shards.with(partition_of(partition), |hosted| Ok(hosted.log.offsets()));
    let offsets = offsets.await.map_err(|_| LoadError::Gone)??;
    let mut next = offsets.log_start;
    while next < offsets.log_end {
        let item = ReadItem {
            partition: partition_of(partition),
            offset: next,
            max_bytes: buffer,
            isolation: Isolation::LogEnd,
            leader_epoch: None,
            min_one_batch: true,
        };
        let read = shards.read(vec![item], None).await;
        let mut plans = read.map_err(|_| LoadError::Gone)?;
        let Some(plan) = plans.pop().transpose()? else {
            return Err(LoadError::Gone);
        };
        let Some(file) = plan.file else {
            break; // nothing but what compaction took away
        };
        let (position, len) = (plan.position, plan.len);
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; len];
            file.read_exact_at(&mut bytes, position)?;
            decode(&bytes, next)
        });
        let (stored, end) = read.await.map_err(|_| LoadError::Gone)??;
        if end == next {
            break;
        }
        next = end;
        let mine = groups.ask(|coordinator, _| match coordinator.load(partition, epoch) {
            Some(loading) => {
                stored.into_iter().for_each(|stored| feed(loading, stored));
                true
            }
            None => false,
        });
        if !mine {
            break; // a later epoch loads for itself
        }
    }
    Ok(())
}

fn feed(loading: &mut Loading, stored: Stored) {
    match stored {
        Stored::Record(record, offset, producer) => loading.record(record, offset, producer),
        Stored::Marker(producer, committed) => loading.marker(producer, committed),
    }
}

/// The records of whole batches from `from` on, and the offset after them.
fn decode(bytes: &[u8], from: i64) -> Result<(Vec<Stored>, i64), LoadError> {
    let (mut stored, mut scratch, mut end) = (Vec::new(), Vec::new(), from);
    for batch in Batches::new(bytes) {
        let batch = batch?;
        let header = &batch.header;
        end = end.max(header.next_offset());
        let producer = header.is_transactional().then_some(header.producer_id);
        for record in batch.records(&mut scratch, DECOMPRESSED_MAX)? {
            let record = record?;
            if record.offset < from {
                continue;
            }
            if header.is_control() {
                if let Some(marker) = EndTxnMarker::of(&record)? {
                    stored.push(Stored::Marker(header.producer_id, marker.commit));
                }
                continue;
            }
            let Some(key) = record.key.map(Bytes::copy_from_slice) else {
                continue;
            };
            let value = record.value.map(Bytes::copy_from_slice);
            match records::decode(&key, value.as_ref()) {
                Ok(Some(decoded)) => stored.push(Stored::Record(decoded, record.offset, producer)),
                Ok(None) => {} // of a later version
                Err(e) => warn!(
                    "{OFFSETS_TOPIC}: the record at offset {} is left out: {e}",
                    record.offset
                ),
            }
        }
    }
    Ok((stored, end))
}

/// Appends for which a shard's queue had no room, in the order of their coming.
type Line = Arc<Mutex<VecDeque<(TopicPartition, Work)>>>;

/// Appends through the shards. `done` is called on the shard's thread: from a commit to its answer
/// there are two hops, as for any produce.
struct ShardLog {
    shards: Shards,
    runtime: Handle,
    /// offsets.commit.timeout.ms
    limit: Duration,
    /// whoever comes while somebody waits gets in line
    line: Line,
}

impl OffsetsLog for ShardLog {
    fn append(&self, partition: i32, batch: Bytes, done: Done) {
        let work = self.work(partition, batch, done);
        let mut line = lock(&self.line);
        if !line.is_empty() {
            line.push_back((partition_of(partition), work));
            return;
        }
        if let Err(full) = self.shards.try_run(partition_of(partition), work) {
            line.push_back(full);
            let (shards, line) = (self.shards.clone(), self.line.clone());
            self.runtime.spawn(async move {
                while let Some((partition, work)) = take(&line) {
                    shards.run(partition, work).await;
                    // only now: until then nobody may overtake it
                    lock(&line).pop_front();
                }
            });
        }
    }
}

type Waiting = VecDeque<(TopicPartition, Work)>;

fn lock(line: &Line) -> MutexGuard<'_, Waiting> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The first in line, whose place stays taken.
fn take(line: &Line) -> Option<(TopicPartition, Work)> {
    let mut line = lock(line);
    let (partition, work) = line.front_mut()?;
    let work = std::mem::replace(work, Box::new(|_| {}));
    Some((partition.clone(), work))
}

impl ShardLog {
    /// What the shard does: append, and say so once it is committed.
    fn work(&self, partition: i32, batch: Bytes, done: Done) -> Work {
        let (shards, runtime, limit) = (self.shards.clone(), self.runtime.clone(), self.limit);
        Box::new(move |hosted: Result<&mut Hosted, LogError>| {
            let appended = hosted.and_then(|hosted| {
                let info =
                    hosted.append(&batch, Origin::Coordinator, wall_ms(), &mut Vec::new())?;
                Ok((info, hosted.log.high_watermark()))
            });
            let (info, high_watermark) = match appended {
                Ok(appended) => appended,
                Err(e) => {
                    warn!("[{OFFSETS_TOPIC}-{partition}] append failed: {e}");
                    return done(Err(e.code()));
                }
            };
            if high_watermark > info.last_offset {
                return done(Ok(info.first_offset));
            }
            let append = Uncommitted::new(partition_of(partition), info.last_offset + 1);
            runtime.spawn(async move {
                let mut appends = [append];
                wait_for_commit(&shards, &mut appends, limit).await;
                done(appends[0].failed.map_or(Ok(info.first_offset), Err));
            });
        })
    }
}

fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}
