//! A shard's thread: takes commands in the order they came, many at a time, and keeps fetches that
//! wait. A read never waits for the disk here: what is not in memory is read elsewhere first.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, mpsc as std_mpsc};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use driver::metrics::Latency;
use proto::records::Origin;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::command::{
    AppendItem, Appended, Bell, Checkpointed, Command, OffsetQuery, OffsetsFound, ReadItem,
    ReadResults, ReadWait, Tries, Watch,
};
use super::control::Event;
use super::flusher::FlushTask;
use super::hosted::Hosted;
use crate::log::{Cold, Disk, LoadOptions, Log, LogError, Offsets, TopicPartition};

/// Commands taken from the queue at once.
const DRAIN: usize = 64;
/// A larger decompression buffer is given back after use.
const SCRATCH_KEPT: usize = 1 << 20;

/// Someone who waits for partitions of this shard.
enum Waiter {
    Read {
        items: Vec<ReadItem>,
        min_bytes: usize,
        reply: oneshot::Sender<ReadResults>,
    },
    Bell {
        items: Vec<Watch>,
        bell: Bell,
    },
}

pub(super) struct Worker {
    partitions: HashMap<TopicPartition, Hosted>,
    waiters: HashMap<u64, (Waiter, Instant)>,
    deadlines: BTreeMap<(Instant, u64), ()>,
    next_waiter: u64,
    stirred: Vec<TopicPartition>,
    scratch: Vec<u8>,
    flusher: std_mpsc::Sender<FlushTask>,
    own: mpsc::WeakSender<Command>,
    events: std_mpsc::Sender<Event>,
    flush_times: Arc<Latency>,
}

pub(super) fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_millis() as i64)
}

/// The results, unless something has to be read first.
fn all_warm<T>(results: Vec<Result<T, LogError>>) -> Result<Vec<Result<T, LogError>>, Vec<Cold>> {
    let error = |result: &Result<T, LogError>| result.as_ref().err()?.cold().cloned();
    let cold: Vec<Cold> = results.iter().filter_map(error).collect();
    if cold.is_empty() {
        Ok(results)
    } else {
        Err(cold)
    }
}

fn not_here(partition: &TopicPartition) -> LogError {
    LogError::NotHere {
        partition: partition.to_string(),
    }
}

impl Worker {
    pub(super) fn new(
        flusher: std_mpsc::Sender<FlushTask>,
        own: mpsc::WeakSender<Command>,
        events: std_mpsc::Sender<Event>,
        flush_times: Arc<Latency>,
    ) -> Self {
        Self {
            flush_times,
            partitions: HashMap::new(),
            waiters: HashMap::new(),
            deadlines: BTreeMap::new(),
            next_waiter: 0,
            stirred: Vec::new(),
            scratch: Vec::new(),
            flusher,
            own,
            events,
        }
    }

    /// Runs until `Close` or until all senders are gone.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Command>) {
        let mut batch = Vec::with_capacity(DRAIN);
        loop {
            let wake = self.deadlines.keys().next().map(|k| k.0);
            tokio::select! {
                biased;
                n = inbox.recv_many(&mut batch, DRAIN) => {
                    if n == 0 {
                        return;
                    }
                    for command in batch.drain(..) {
                        match command {
                            Command::Close { reply } => {
                                let _ = reply.send(self.close());
                                return;
                            }
                            other => self.handle(other),
                        }
                        self.wake_stirred();
                    }
                }
                () = tokio::time::sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
            }
            if wake.is_some() {
                self.on_time();
            }
        }
    }

    fn on_time(&mut self) {
        let now = Instant::now();
        while let Some((&(due, id), ())) = self.deadlines.first_key_value() {
            if due > now {
                break;
            }
            self.deadlines.remove(&(due, id));
            if let Some((waiter, _)) = self.waiters.remove(&id) {
                self.dismiss(id, waiter);
            }
        }
    }

    /// A waiter's time is over: a fetch is answered with what there is.
    fn dismiss(&mut self, id: u64, waiter: Waiter) {
        match waiter {
            Waiter::Read { items, reply, .. } => {
                self.forget(id, items.iter().map(|i| &i.partition));
                self.read(items, None, reply, Tries::default());
            }
            Waiter::Bell { items, .. } => self.forget(id, items.iter().map(|i| &i.partition)),
        }
    }

    fn forget<'a>(&mut self, id: u64, partitions: impl Iterator<Item = &'a TopicPartition>) {
        for partition in partitions {
            if let Some(hosted) = self.partitions.get_mut(partition) {
                hosted.waiting.retain(|w| *w != id);
            }
        }
    }

    fn handle(&mut self, command: Command) {
        match command {
            Command::Append {
                items,
                origin,
                reply,
            } => {
                let done = self.append(items, origin);
                let _ = reply.send(done);
            }
            Command::Read {
                items,
                wait,
                reply,
                tries,
            } => self.read(items, wait, reply, tries),
            Command::Watch {
                items,
                bell,
                max_wait,
            } => self.watch(items, bell, max_wait),
            Command::ListOffsets {
                items,
                reply,
                tries,
            } => self.list_offsets(items, reply, tries),
            Command::Run { partition, work } => self.run_work(&partition, work),
            Command::Host {
                partition,
                log,
                high_watermark,
                done,
            } => {
                self.host(partition, *log, high_watermark);
                let _ = done.send(());
            }
            Command::Open {
                partition,
                dir,
                options,
                reply,
            } => {
                let _ = reply.send(self.open(partition, &dir, options));
            }
            Command::Evict { partition, reply } => {
                let hosted = self.partitions.remove(&partition);
                if let Some(h) = &hosted {
                    self.wake(h.waiting.clone());
                }
                let _ = reply.send(hosted.map(|h| Box::new(h.log)));
            }
            Command::Flushed {
                partition,
                ticket,
                result,
            } => {
                if let Some(h) = self.partitions.get_mut(&partition) {
                    // The log itself remembers and tells of a failure.
                    let _ = h.log.flushed(ticket, result, now_ms());
                    tell_failure(h, &self.events);
                }
            }
            Command::FailDir(dir) => {
                let all = self.partitions.values_mut();
                for hosted in all.filter(|h| h.log.dir().parent() == Some(&dir)) {
                    hosted.log.fail();
                    hosted.failure_told = true;
                }
            }
            Command::Retain => self.each_log("retention", |log, now| {
                log.delete_old_segments(now).map(drop)
            }),
            Command::FlushDue => self.each_log("flush", Log::queue_due_flush),
            Command::ExpireProducers => self.each_log("expiry of producers", |log, now| {
                log.expire_producers(now);
                Ok(())
            }),
            Command::Collect { reply } => {
                let _ = reply.send(self.collect());
            }
            Command::Close { .. } => {}
        }
    }

    fn append(&mut self, items: Vec<AppendItem>, origin: Origin) -> Vec<Appended> {
        let now = now_ms();
        let mut done = Vec::with_capacity(items.len());
        for item in &items {
            let Some(hosted) = self.partitions.get_mut(&item.partition) else {
                done.push(Appended {
                    result: Err(not_here(&item.partition)),
                    offsets: Offsets::default(),
                    took: Duration::ZERO,
                });
                continue;
            };
            let begun = may_be_converted(&item.records).then(Instant::now);
            let result = hosted.append(&item.records, origin, now, &mut self.scratch);
            let took = begun.map_or(Duration::ZERO, |begun| begun.elapsed());
            done.push(hosted.appended(result, took));
            after(
                hosted,
                &self.flusher,
                &self.own,
                &self.events,
                &mut self.stirred,
            );
        }
        self.trim_scratch();
        done
    }

    fn trim_scratch(&mut self) {
        if self.scratch.capacity() > SCRATCH_KEPT {
            self.scratch = Vec::new();
        }
    }

    /// All results, or what is to be read first.
    fn read_all(&mut self, items: &[ReadItem], disk: Disk) -> Result<ReadResults, Vec<Cold>> {
        let read = |item: &ReadItem| match self.partitions.get_mut(&item.partition) {
            Some(hosted) => hosted.read(item, disk),
            None => Err(not_here(&item.partition)),
        };
        all_warm(items.iter().map(read).collect())
    }

    fn read(
        &mut self,
        items: Vec<ReadItem>,
        wait: Option<ReadWait>,
        reply: oneshot::Sender<ReadResults>,
        tries: Tries,
    ) {
        let results = match self.read_all(&items, tries.disk()) {
            Ok(results) => results,
            Err(cold) => {
                let tries = tries.again();
                let again = Command::Read {
                    items,
                    wait,
                    reply,
                    tries,
                };
                return self.load_first(cold, again);
            }
        };
        match wait {
            Some(wait) if !satisfied(&results, wait.min_bytes) && !wait.max_wait.is_zero() => {
                let partitions: Vec<_> = items.iter().map(|i| i.partition.clone()).collect();
                let waiter = Waiter::Read {
                    items,
                    min_bytes: wait.min_bytes,
                    reply,
                };
                self.park(waiter, &partitions, wait.max_wait);
            }
            _ => {
                let _ = reply.send(results);
            }
        }
    }

    fn list_offsets(
        &mut self,
        items: Vec<(TopicPartition, OffsetQuery, Option<i32>)>,
        reply: oneshot::Sender<Vec<Result<OffsetsFound, LogError>>>,
        tries: Tries,
    ) {
        let (now, disk) = (now_ms(), tries.disk());
        let mut found = Vec::with_capacity(items.len());
        for (partition, query, epoch) in &items {
            found.push(match self.partitions.get_mut(partition) {
                Some(h) => h.find_offsets(*query, *epoch, now, &mut self.scratch, disk),
                None => Err(not_here(partition)),
            });
        }
        self.trim_scratch();
        match all_warm(found) {
            Ok(found) => {
                let _ = reply.send(found);
            }
            Err(cold) => {
                let tries = tries.again();
                let again = Command::ListOffsets {
                    items,
                    reply,
                    tries,
                };
                self.load_first(cold, again);
            }
        }
    }

    /// Has somebody else wait for the disk; then the command comes back. Appends and reads of what is
    /// in memory go on meanwhile.
    fn load_first(&self, cold: Vec<Cold>, again: Command) {
        let own = self.own.clone();
        tokio::task::spawn_blocking(move || {
            for piece in cold {
                // what cannot be read is told by the one who reads it in the end
                let _ = piece.load();
            }
            if let Some(shard) = own.upgrade() {
                // a shard that has ended has dropped its other callers too
                let _ = shard.blocking_send(again);
            }
        });
    }

    fn watch(&mut self, items: Vec<Watch>, bell: Bell, max_wait: Duration) {
        if self.has_news(&items) {
            return bell();
        }
        let partitions: Vec<_> = items.iter().map(|i| i.partition.clone()).collect();
        self.park(Waiter::Bell { items, bell }, &partitions, max_wait);
    }

    fn has_news(&self, items: &[Watch]) -> bool {
        items.iter().any(|item| {
            self.partitions.get(&item.partition).is_none_or(|h| {
                h.check_leader(None).is_err() || h.bound(item.isolation) != item.seen
            })
        })
    }

    fn park(&mut self, waiter: Waiter, partitions: &[TopicPartition], max_wait: Duration) {
        let id = self.next_waiter;
        self.next_waiter += 1;
        let due = Instant::now() + max_wait;
        for partition in partitions {
            if let Some(hosted) = self.partitions.get_mut(partition) {
                hosted.waiting.push(id);
            }
        }
        self.deadlines.insert((due, id), ());
        self.waiters.insert(id, (waiter, due));
    }

    /// Looks at those who wait for partitions in which something happened.
    fn wake_stirred(&mut self) {
        while let Some(partition) = self.stirred.pop() {
            let Some(hosted) = self.partitions.get_mut(&partition) else {
                continue;
            };
            hosted.stirred = false;
            if !hosted.waiting.is_empty() {
                let ids = hosted.waiting.clone();
                self.wake(ids);
            }
        }
    }

    fn wake(&mut self, ids: Vec<u64>) {
        for id in ids {
            let Some((waiter, due)) = self.waiters.remove(&id) else {
                continue;
            };
            let still = match waiter {
                Waiter::Read {
                    items,
                    min_bytes,
                    reply,
                } => match self.read_all(&items, Disk::Never) {
                    Ok(results) if reply.is_closed() || satisfied(&results, min_bytes) => {
                        self.forget(id, items.iter().map(|i| &i.partition));
                        let _ = reply.send(results);
                        None
                    }
                    Ok(_) => Some(Waiter::Read {
                        items,
                        min_bytes,
                        reply,
                    }),
                    Err(cold) => {
                        self.forget(id, items.iter().map(|i| &i.partition));
                        let max_wait = due.saturating_duration_since(Instant::now());
                        let again = Command::Read {
                            items,
                            wait: Some(ReadWait {
                                min_bytes,
                                max_wait,
                            }),
                            reply,
                            tries: Tries::default().again(),
                        };
                        self.load_first(cold, again);
                        None
                    }
                },
                Waiter::Bell { items, bell } if self.has_news(&items) => {
                    self.forget(id, items.iter().map(|i| &i.partition));
                    bell();
                    None
                }
                bell @ Waiter::Bell { .. } => Some(bell),
            };
            match still {
                Some(waiter) => {
                    self.waiters.insert(id, (waiter, due));
                }
                None => {
                    self.deadlines.remove(&(due, id));
                }
            }
        }
    }

    fn run_work(&mut self, partition: &TopicPartition, work: super::command::Work) {
        let Some(hosted) = self.partitions.get_mut(partition) else {
            return work(Err(not_here(partition)));
        };
        let before = hosted.log.offsets().recovery_point;
        work(Ok(hosted));
        if hosted.log.offsets().recovery_point < before {
            // Truncated: recovery must not trust what the checkpoint still says.
            let _ = self.events.send(Event::CheckpointRecoveryPoints);
        }
        hosted.stirred = true;
        send_doomed(&mut hosted.log, &self.events);
        after(
            hosted,
            &self.flusher,
            &self.own,
            &self.events,
            &mut self.stirred,
        );
    }

    fn host(&mut self, partition: TopicPartition, mut log: Log, high_watermark: i64) {
        log.set_high_watermark(high_watermark);
        log.measure_flushes(self.flush_times.clone());
        self.partitions
            .insert(partition.clone(), Hosted::new(partition, log));
    }

    fn open(
        &mut self,
        partition: TopicPartition,
        dir: &Path,
        options: LoadOptions,
    ) -> Result<(), LogError> {
        if !self.partitions.contains_key(&partition) {
            let start = options.log_start;
            let log = Log::load(dir, options)?;
            self.host(partition, log, start);
        }
        Ok(())
    }

    fn each_log(&mut self, what: &str, act: impl Fn(&mut Log, i64) -> Result<(), LogError>) {
        let now = now_ms();
        for hosted in self.partitions.values_mut() {
            if hosted.log.is_poisoned() {
                continue;
            }
            // A bad partition is set aside, not the thread.
            if let Err(e) = act(&mut hosted.log, now) {
                tracing::error!("[{}] {what} failed: {e}", hosted.partition);
            }
            send_doomed(&mut hosted.log, &self.events);
            after(
                hosted,
                &self.flusher,
                &self.own,
                &self.events,
                &mut self.stirred,
            );
        }
    }

    fn collect(&self) -> Vec<Checkpointed> {
        self.partitions
            .values()
            .map(|h| checkpointed(h, !h.log.is_poisoned()))
            .collect()
    }

    fn close(&mut self) -> Vec<Checkpointed> {
        let now = now_ms();
        for (_, (waiter, _)) in std::mem::take(&mut self.waiters) {
            if let Waiter::Read { items, reply, .. } = waiter {
                if let Ok(results) = self.read_all(&items, Disk::Wait) {
                    let _ = reply.send(results);
                }
            }
        }
        let mut all = Vec::with_capacity(self.partitions.len());
        for hosted in self.partitions.values_mut() {
            let closed = hosted.log.close(now);
            if let Err(e) = &closed {
                tracing::error!("[{}] could not be closed cleanly: {e}", hosted.partition);
            }
            all.push(checkpointed(hosted, closed.is_ok()));
        }
        all
    }
}

/// Whether to look at the clock: records of old formats, and compressed ones, may be written anew.
fn may_be_converted(records: &[u8]) -> bool {
    const MAGIC: usize = 16;
    const CODEC: usize = 22;
    records.get(MAGIC).is_some_and(|magic| *magic < 2)
        || records
            .get(CODEC)
            .is_some_and(|attributes| attributes & 7 > 0)
}

fn checkpointed(hosted: &Hosted, sound: bool) -> Checkpointed {
    Checkpointed {
        partition: hosted.partition.clone(),
        dir: hosted.log.dir().to_owned(),
        offsets: hosted.log.offsets(),
        first_segment: hosted.log.first_segment(),
        sound,
    }
}

/// Enough bytes, or something to tell at once.
pub(super) fn satisfied(results: &ReadResults, min_bytes: usize) -> bool {
    let mut total = 0;
    for result in results {
        match result {
            // what lies in an older segment is not to wait for what is appended to a newer one
            Ok(plan) if plan.more_segments && plan.len > 0 => return true,
            Ok(plan) => total += plan.len,
            Err(_) => return true,
        }
    }
    total >= min_bytes
}

/// A log that has failed takes its whole directory with it, as in Java.
fn tell_failure(hosted: &mut Hosted, events: &std_mpsc::Sender<Event>) {
    if hosted.log.is_poisoned() && !hosted.failure_told {
        hosted.failure_told = true;
        if let Some(dir) = hosted.log.dir().parent() {
            let _ = events.send(Event::DirFailed(dir.to_owned()));
        }
    }
}

/// Files to be removed go to the control thread.
fn send_doomed(log: &mut Log, events: &std_mpsc::Sender<Event>) {
    let doomed = log.take_doomed();
    if !doomed.is_empty() {
        // Without the thread they stay until the next start.
        let _ = events.send(Event::RemoveFiles(doomed));
    }
}

/// After a partition was touched: its flushes go to the flusher, its waiters are looked at soon.
fn after(
    hosted: &mut Hosted,
    flusher: &std_mpsc::Sender<FlushTask>,
    own: &mpsc::WeakSender<Command>,
    events: &std_mpsc::Sender<Event>,
    stirred: &mut Vec<TopicPartition>,
) {
    tell_failure(hosted, events);
    for job in hosted.log.take_flush_jobs() {
        let task = FlushTask {
            partition: hosted.partition.clone(),
            job,
            shard: own.clone(),
        };
        if flusher.send(task).is_err() {
            tracing::error!(
                "[{}] the flusher is gone; a rolled segment is flushed on close",
                hosted.partition
            );
        }
    }
    if hosted.stirred && !hosted.waiting.is_empty() {
        stirred.push(hosted.partition.clone());
    } else {
        hosted.stirred = false;
    }
}
