//! What handlers call: finds the shard of a partition, sends, awaits, puts answers in order.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use driver::metrics::Latency;
use proto::records::Origin;
use tokio::sync::mpsc::error::{SendError, TrySendError};
use tokio::sync::{Notify, mpsc, oneshot};

use super::command::{
    AppendItem, Appended, Bell, Command, OffsetQuery, OffsetsFound, ReadItem, ReadResults,
    ReadWait, Tries, Watch, Work,
};
use super::hosted::Hosted;
use super::worker::satisfied;
use crate::log::{LogError, TopicPartition};

/// The broker is shutting down: the shard's thread has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the log is closed, the broker is shutting down")]
pub struct ShardGone;

/// The shards of this broker.
#[derive(Debug, Clone)]
pub struct Shards {
    senders: Arc<[mpsc::Sender<Command>]>,
    flush_times: Arc<Latency>,
}

/// An append that was taken into the shards' queues.
#[derive(Debug)]
pub struct PendingAppend {
    count: usize,
    parts: Vec<(Vec<usize>, oneshot::Receiver<Vec<Appended>>)>,
}

impl PendingAppend {
    /// The answers in the order of the items.
    pub async fn wait(self) -> Result<Vec<Appended>, ShardGone> {
        if let [(_, _)] = self.parts[..] {
            let Some((_, part)) = self.parts.into_iter().next() else {
                return Err(ShardGone);
            };
            return part.await.map_err(|_| ShardGone);
        }
        gather(self.count, self.parts).await
    }
}

/// Puts the shards' answers back into the order of the questions.
async fn gather<T>(
    count: usize,
    parts: Vec<(Vec<usize>, oneshot::Receiver<Vec<T>>)>,
) -> Result<Vec<T>, ShardGone> {
    let mut all: Vec<Option<T>> = (0..count).map(|_| None).collect();
    for (at, part) in parts {
        for (i, answer) in at.into_iter().zip(part.await.map_err(|_| ShardGone)?) {
            all[i] = Some(answer);
        }
    }
    all.into_iter().collect::<Option<Vec<T>>>().ok_or(ShardGone)
}

/// Waits in all full queues at once: a place in each is taken on the first poll, before whoever
/// comes later asks for one.
async fn send_all(
    mut sends: Vec<Pin<Box<impl Future<Output = Result<(), ShardGone>>>>>,
) -> Result<(), ShardGone> {
    poll_fn(|cx| {
        let mut gone = false;
        sends.retain_mut(|send| match send.as_mut().poll(cx) {
            Poll::Ready(sent) => {
                gone |= sent.is_err();
                false
            }
            Poll::Pending => true,
        });
        match (gone, sends.is_empty()) {
            (true, _) => Poll::Ready(Err(ShardGone)),
            (false, true) => Poll::Ready(Ok(())),
            (false, false) => Poll::Pending,
        }
    })
    .await
}

impl Shards {
    pub(super) fn new(senders: Vec<mpsc::Sender<Command>>, flush_times: Arc<Latency>) -> Self {
        Self {
            senders: senders.into(),
            flush_times,
        }
    }

    /// How long fsyncs of logs take.
    pub(crate) fn flush_times(&self) -> &Latency {
        &self.flush_times
    }

    pub(super) fn senders(&self) -> &[mpsc::Sender<Command>] {
        &self.senders
    }

    /// Partitions of a topic are spread evenly, from a shard that depends on the topic.
    pub(super) fn index_of(&self, partition: &TopicPartition) -> usize {
        let start = crc32c::crc32c(partition.topic.as_bytes()) as usize;
        start.wrapping_add(partition.partition as usize) % self.senders.len()
    }

    pub(super) async fn send(&self, shard: usize, command: Command) -> Result<(), ShardGone> {
        self.senders[shard]
            .send(command)
            .await
            .map_err(|_| ShardGone)
    }

    /// Items by shard, each with its place in the request.
    fn split<T>(
        &self,
        items: Vec<T>,
        partition: impl Fn(&T) -> &TopicPartition,
    ) -> Vec<(usize, Vec<usize>, Vec<T>)> {
        if items.len() == 1 || self.senders.len() == 1 {
            let shard = items.first().map_or(0, |i| self.index_of(partition(i)));
            return vec![(shard, (0..items.len()).collect(), items)];
        }
        let mut by_shard: BTreeMap<usize, (Vec<usize>, Vec<T>)> = BTreeMap::new();
        for (i, item) in items.into_iter().enumerate() {
            let part = by_shard.entry(self.index_of(partition(&item))).or_default();
            part.0.push(i);
            part.1.push(item);
        }
        by_shard
            .into_iter()
            .map(|(shard, (at, items))| (shard, at, items))
            .collect()
    }

    /// Queues records to be appended as leader. Once this returns, later requests of the caller
    /// come after it in each partition; when it waits, a queue is full.
    pub async fn submit_append(
        &self,
        items: Vec<AppendItem>,
        origin: Origin,
    ) -> Result<PendingAppend, ShardGone> {
        let count = items.len();
        let (mut parts, mut full) = (Vec::new(), Vec::new());
        for (shard, at, items) in self.split(items, |i| &i.partition) {
            let (reply, answer) = oneshot::channel();
            let command = Command::Append {
                items,
                origin,
                reply,
            };
            parts.push((at, answer));
            match self.senders[shard].try_send(command) {
                Ok(()) => {}
                Err(TrySendError::Full(command)) => full.push(Box::pin(self.send(shard, command))),
                Err(TrySendError::Closed(_)) => return Err(ShardGone),
            }
        }
        if !full.is_empty() {
            send_all(full).await?;
        }
        Ok(PendingAppend { count, parts })
    }

    /// Rings when one of these partitions shows more than was seen, or has no leader here; at
    /// once if that is so already. Each bell rings at most once, and not after `max_wait`.
    pub async fn watch(
        &self,
        items: Vec<Watch>,
        bell: &Bell,
        max_wait: Duration,
    ) -> Result<(), ShardGone> {
        for (shard, _, items) in self.split(items, |i| &i.partition) {
            let bell = bell.clone();
            self.send(
                shard,
                Command::Watch {
                    items,
                    bell,
                    max_wait,
                },
            )
            .await?;
        }
        Ok(())
    }

    /// Appends as leader.
    pub async fn append(
        &self,
        items: Vec<AppendItem>,
        origin: Origin,
    ) -> Result<Vec<Appended>, ShardGone> {
        self.submit_append(items, origin).await?.wait().await
    }

    /// Reads all partitions of a fetch, each as if it were alone: the caller cuts the answers to its
    /// budget. With `wait`, answers once enough bytes are there, an item fails, or time is over.
    pub async fn read(
        &self,
        items: Vec<ReadItem>,
        wait: Option<ReadWait>,
    ) -> Result<ReadResults, ShardGone> {
        let mut parts = self.split(items, |i| &i.partition);
        if parts.len() == 1 {
            let Some((shard, _, items)) = parts.pop() else {
                return Ok(Vec::new());
            };
            let (reply, answer) = oneshot::channel();
            let tries = Tries::default();
            let read = Command::Read {
                items,
                wait,
                reply,
                tries,
            };
            self.send(shard, read).await?;
            return answer.await.map_err(|_| ShardGone);
        }
        let results = self.read_parts(&parts).await?;
        match wait {
            Some(wait) => self.wait_across(parts, results, wait).await,
            None => Ok(results),
        }
    }

    async fn read_parts(
        &self,
        parts: &[(usize, Vec<usize>, Vec<ReadItem>)],
    ) -> Result<ReadResults, ShardGone> {
        let mut answers = Vec::with_capacity(parts.len());
        let mut count = 0;
        for (shard, at, items) in parts {
            let (reply, answer) = oneshot::channel();
            count += items.len();
            self.send(
                *shard,
                Command::Read {
                    items: items.clone(),
                    wait: None,
                    reply,
                    tries: Tries::default(),
                },
            )
            .await?;
            answers.push((at.clone(), answer));
        }
        gather(count, answers).await
    }

    /// A fetch over several shards: leaves a bell with each and reads again when one rings.
    async fn wait_across(
        &self,
        parts: Vec<(usize, Vec<usize>, Vec<ReadItem>)>,
        mut results: ReadResults,
        wait: ReadWait,
    ) -> Result<ReadResults, ShardGone> {
        let deadline = tokio::time::Instant::now() + wait.max_wait;
        let notify = Arc::new(Notify::new());
        // A shard whose bell has not rung still has it.
        let rung: Vec<_> = parts
            .iter()
            .map(|_| Arc::new(AtomicBool::new(true)))
            .collect();
        loop {
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            if satisfied(&results, wait.min_bytes) || left.is_zero() {
                return Ok(results);
            }
            for ((shard, at, items), rung) in parts.iter().zip(&rung) {
                if !rung.swap(false, Ordering::AcqRel) {
                    continue;
                }
                let seen = |i: &usize, isolation| {
                    results[*i]
                        .as_ref()
                        .map_or(-1, |plan| bound(plan, isolation))
                };
                let items = at
                    .iter()
                    .zip(items)
                    .map(|(i, item)| Watch {
                        partition: item.partition.clone(),
                        isolation: item.isolation,
                        seen: seen(i, item.isolation),
                    })
                    .collect();
                let (rung, notify) = (rung.clone(), notify.clone());
                let bell: Bell = Arc::new(move || {
                    rung.store(true, Ordering::Release);
                    notify.notify_one();
                });
                self.send(
                    *shard,
                    Command::Watch {
                        items,
                        bell,
                        max_wait: left,
                    },
                )
                .await?;
            }
            let _ = tokio::time::timeout_at(deadline, notify.notified()).await;
            results = self.read_parts(&parts).await?;
        }
    }

    /// Offsets by time; the epoch is the reader's, checked if given.
    pub async fn list_offsets(
        &self,
        items: Vec<(TopicPartition, OffsetQuery, Option<i32>)>,
    ) -> Result<Vec<Result<OffsetsFound, LogError>>, ShardGone> {
        let count = items.len();
        let mut parts = Vec::new();
        for (shard, at, items) in self.split(items, |i| &i.0) {
            let (reply, answer) = oneshot::channel();
            let tries = Tries::default();
            let list = Command::ListOffsets {
                items,
                reply,
                tries,
            };
            self.send(shard, list).await?;
            parts.push((at, answer));
        }
        gather(count, parts).await
    }

    /// Has something done to one partition, unless its shard's queue is full.
    pub fn try_run(
        &self,
        partition: TopicPartition,
        work: Work,
    ) -> Result<(), (TopicPartition, Work)> {
        let sender = &self.senders[self.index_of(&partition)];
        match sender.try_send(Command::Run { partition, work }) {
            Err(TrySendError::Full(Command::Run { partition, work })) => Err((partition, work)),
            Err(TrySendError::Closed(Command::Run { partition, work })) => {
                refuse(&partition, work);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The same, waiting for room.
    pub async fn run(&self, partition: TopicPartition, work: Work) {
        let sender = &self.senders[self.index_of(&partition)];
        let sent = sender.send(Command::Run { partition, work }).await;
        if let Err(SendError(Command::Run { partition, work })) = sent {
            refuse(&partition, work);
        }
    }

    /// Does anything else to one partition, on its shard's thread: truncation, epochs, DeleteRecords,
    /// new settings. Fails with `NotHere` if this broker has no log of it.
    pub async fn with<T: Send + 'static>(
        &self,
        partition: TopicPartition,
        work: impl FnOnce(&mut Hosted) -> Result<T, LogError> + Send + 'static,
    ) -> Result<Result<T, LogError>, ShardGone> {
        let (reply, answer) = oneshot::channel();
        let shard = self.index_of(&partition);
        let work = Box::new(move |hosted: Result<&mut Hosted, LogError>| {
            let _ = reply.send(hosted.and_then(work));
        });
        self.send(shard, Command::Run { partition, work }).await?;
        answer.await.map_err(|_| ShardGone)
    }
}

fn bound(plan: &crate::log::ReadPlan, isolation: crate::log::Isolation) -> i64 {
    match isolation {
        crate::log::Isolation::LogEnd => plan.offsets.log_end,
        crate::log::Isolation::HighWatermark => plan.offsets.high_watermark,
        crate::log::Isolation::TxnCommitted => plan.offsets.last_stable,
    }
}

/// The broker is shutting down.
fn refuse(partition: &TopicPartition, work: Work) {
    work(Err(LogError::NotHere {
        partition: partition.to_string(),
    }));
}
