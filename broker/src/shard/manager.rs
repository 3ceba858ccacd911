//! Opens all logs, keeps their checkpoints and timers, closes them. Mirrors Java's `LogManager`.
//!
//! The one owner of the log directories' checkpoint files; the logs themselves belong to the shards.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use driver::metrics::Latency;
use tokio::runtime::RuntimeMetrics;
use tokio::sync::{oneshot, watch};

use super::command::Command;
use super::control::{Event, Written, ask, control, write_checkpoints};
use super::dirs::{LogDirs, StartError, delete_name};
use super::flusher;
use super::load::load_all;
use super::shards::{ShardGone, Shards};
use super::worker::{Worker, now_ms};
use crate::log::{LoadOptions, LogConfig, LogError, TopicPartition, checkpoint, file};

/// Commands that may wait in a shard's queue.
const QUEUE: usize = 1024;

/// Threads of a shard that read what is not in memory: enough for a disk to have a queue.
const READERS: usize = 8;

/// From the broker's configuration.
#[derive(Debug, Clone)]
pub struct LogManagerSettings {
    /// `num.io.threads`; no more shards than cores are started
    pub io_threads: usize,
    /// before the first look of retention, flushing and checkpoints
    pub initial_task_delay: Duration,
    pub retention_check_interval: Duration,
    pub flush_check_interval: Duration,
    pub recovery_checkpoint_interval: Duration,
    pub start_offset_checkpoint_interval: Duration,
    pub high_watermark_checkpoint_interval: Duration,
    pub producer_expiration_check_interval: Duration,
    pub file_delete_delay: Duration,
}

impl Default for LogManagerSettings {
    fn default() -> Self {
        Self {
            io_threads: 8,
            initial_task_delay: Duration::from_secs(30),
            retention_check_interval: Duration::from_secs(300),
            flush_check_interval: Duration::MAX,
            recovery_checkpoint_interval: Duration::from_secs(60),
            start_offset_checkpoint_interval: Duration::from_secs(60),
            high_watermark_checkpoint_interval: Duration::from_secs(5),
            producer_expiration_check_interval: Duration::from_secs(600),
            file_delete_delay: Duration::from_secs(60),
        }
    }
}

/// All logs of this broker.
pub struct LogManager {
    shards: Shards,
    dirs: Arc<Dirs>,
    events: mpsc::Sender<Event>,
    control: Option<JoinHandle<()>>,
    runtimes: Vec<RuntimeMetrics>,
    workers: Vec<JoinHandle<()>>,
    flusher: Option<JoinHandle<()>>,
}

/// The log directories and how many partitions each has.
pub(super) struct Dirs {
    pub(super) log_dirs: LogDirs,
    counts: Mutex<BTreeMap<PathBuf, usize>>,
    /// those that could not be written
    failed: watch::Sender<BTreeSet<PathBuf>>,
}

impl LogManager {
    /// Starts the shards and loads every partition found in the directories. `config` gives a
    /// topic's settings. Progress is logged. Blocks while logs are recovered: not for async code
    /// (`spawn_blocking`).
    pub fn start(
        log_dirs: LogDirs,
        settings: &LogManagerSettings,
        config: impl Fn(&str) -> LogConfig + Sync,
    ) -> Result<Self, StartError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (events, inbox) = mpsc::channel();
        let (flushes, flusher) = flusher::start()?;
        let flush_times = Arc::<Latency>::default();
        let (mut senders, mut workers) = (Vec::new(), Vec::new());
        let mut runtimes = Vec::new();
        for i in 0..settings.io_threads.clamp(1, cores) {
            let (sender, commands) = tokio::sync::mpsc::channel(QUEUE);
            let (own, events) = (sender.downgrade(), events.clone());
            let worker = Worker::new(flushes.clone(), own, events, flush_times.clone());
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .max_blocking_threads(READERS)
                .build()?;
            runtimes.push(runtime.metrics());
            let thread = std::thread::Builder::new().name(format!("log-shard-{i}"));
            workers.push(thread.spawn(move || runtime.block_on(worker.run(commands)))?);
            senders.push(sender);
        }
        let counts = log_dirs.paths().map(|p| (p.to_owned(), 0)).collect();
        let dirs = Arc::new(Dirs {
            log_dirs,
            counts: Mutex::new(counts),
            failed: watch::Sender::new(BTreeSet::new()),
        });
        let shards = Shards::new(senders, flush_times);
        load_all(&dirs, &shards, &events, &config, cores)?;
        let control = {
            let (dirs, shards, settings) = (dirs.clone(), shards.clone(), settings.clone());
            let thread = std::thread::Builder::new().name("log-control".into());
            thread.spawn(move || control(&inbox, &dirs, &shards, &settings))?
        };
        Ok(Self {
            shards,
            dirs,
            events,
            control: Some(control),
            runtimes,
            workers,
            flusher: Some(flusher),
        })
    }

    /// What handlers use.
    pub fn shards(&self) -> &Shards {
        &self.shards
    }

    /// The runtimes of the shards' threads, for who asks how busy they are.
    pub fn runtimes(&self) -> Vec<RuntimeMetrics> {
        self.runtimes.clone()
    }

    /// The directories that have failed, as that changes.
    pub fn failures(&self) -> watch::Receiver<BTreeSet<PathBuf>> {
        self.dirs.failed.subscribe()
    }

    /// The log directories.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.dirs.log_dirs.paths().map(Path::to_owned).collect()
    }

    /// How many shards there are.
    pub fn shard_count(&self) -> usize {
        self.shards.senders().len()
    }

    /// Makes a partition's log, in the directory that has the fewest, if it is not there. The topic
    /// id goes into `partition.metadata`.
    pub async fn create(
        &self,
        partition: TopicPartition,
        topic_id: Option<&str>,
        config: LogConfig,
    ) -> Result<Result<(), LogError>, ShardGone> {
        let prepared = self.prepare_dir(&partition, topic_id);
        let dir = match prepared {
            Ok(dir) => dir,
            Err(e) => return Ok(Err(e)),
        };
        let (reply, answer) = oneshot::channel();
        let options = LoadOptions {
            name: partition.to_string(),
            config,
            log_start: 0,
            recovery_point: 0,
            clean: false,
            now_ms: now_ms(),
        };
        let shard = self.shards.index_of(&partition);
        self.shards
            .send(
                shard,
                Command::Open {
                    partition,
                    dir,
                    options,
                    reply,
                },
            )
            .await?;
        answer.await.map_err(|_| ShardGone)
    }

    fn prepare_dir(
        &self,
        partition: &TopicPartition,
        topic_id: Option<&str>,
    ) -> Result<PathBuf, LogError> {
        let name = partition.to_string();
        let existing = self
            .dirs
            .log_dirs
            .paths()
            .map(|p| p.join(&name))
            .find(|d| d.is_dir());
        let dir = match existing {
            Some(dir) => dir,
            None => {
                let dir = self.dirs.emptiest().join(&name);
                file::create_dir(&dir)?;
                self.dirs.count(&dir, 1);
                dir
            }
        };
        let stored = checkpoint::read_partition_metadata(&dir)?.map_err(LogError::Damaged)?;
        match (stored, topic_id) {
            (None, Some(id)) => checkpoint::write_partition_metadata(&dir, id)?,
            (Some(stored), Some(id)) if stored != id => {
                return Err(LogError::Damaged(format!(
                    "Tried to assign topic ID {id} to log for topic partition {name}, but log already contained topic ID {stored}"
                )));
            }
            _ => {}
        }
        Ok(dir)
    }

    /// The topic id stored with a partition's log.
    pub fn stored_topic_id(&self, partition: &TopicPartition) -> Option<String> {
        let name = partition.to_string();
        let mut found = self
            .dirs
            .log_dirs
            .paths()
            .map(|p| p.join(&name))
            .filter(|d| d.is_dir());
        checkpoint::read_partition_metadata(&found.next()?)
            .ok()?
            .ok()?
    }

    /// Takes a partition's log away: its directory is renamed at once and removed after
    /// `file.delete.delay.ms`. False if there was none.
    pub async fn delete(
        &self,
        partition: TopicPartition,
    ) -> Result<Result<bool, LogError>, ShardGone> {
        let (reply, answer) = oneshot::channel();
        let shard = self.shards.index_of(&partition);
        self.shards
            .send(
                shard,
                Command::Evict {
                    partition: partition.clone(),
                    reply,
                },
            )
            .await?;
        let Some(log) = answer.await.map_err(|_| ShardGone)? else {
            return Ok(Ok(false));
        };
        let to = log.dir().with_file_name(delete_name(&partition));
        if let Err(e) = file::rename_dir(log.dir(), &to) {
            return Ok(Err(e.into()));
        }
        self.dirs.count(&to, -1);
        tracing::info!(
            "Log for partition {partition} is renamed to {} and is scheduled for deletion",
            to.display()
        );
        let _ = self.events.send(Event::RemoveDir(to));
        Ok(Ok(true))
    }

    /// Flushes and closes all logs, writes the checkpoints and, where all went well, the marker of a
    /// clean shutdown. Blocks: not for async code (`spawn_blocking`).
    pub fn close(mut self, broker_epoch: i64) {
        let _ = self.events.send(Event::Stop);
        if let Some(control) = self.control.take() {
            let _ = control.join();
        }
        let logs = ask(&self.shards, |reply| Command::Close { reply });
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
        if let Some(flusher) = self.flusher.take() {
            let _ = flusher.join();
        }
        let alive = |dir: &&Path| !self.dirs.has_failed(dir);
        for dir in self.dirs.log_dirs.paths().filter(alive) {
            let sound = logs
                .iter()
                .filter(|l| l.dir.parent() == Some(dir))
                .all(|l| l.sound);
            let written = write_checkpoints(
                dir,
                &logs,
                &[
                    checkpoint::RECOVERY_POINT,
                    checkpoint::LOG_START,
                    checkpoint::HIGH_WATERMARK,
                ],
                &mut Written::new(),
            );
            let marked = written.and_then(|()| {
                if sound {
                    checkpoint::write_clean_shutdown(dir, broker_epoch)
                } else {
                    Ok(())
                }
            });
            if let Err(e) = marked {
                tracing::error!(
                    "{} is not closed cleanly, its logs will be recovered: {e}",
                    dir.display()
                );
            }
        }
        tracing::info!("Shutdown complete.");
    }
}

impl Dirs {
    /// A directory has failed; whether that is news.
    pub(super) fn fail(&self, dir: &Path) -> bool {
        self.failed
            .send_if_modified(|failed| failed.insert(dir.to_owned()))
    }

    pub(super) fn has_failed(&self, dir: &Path) -> bool {
        self.failed.borrow().contains(dir)
    }

    fn emptiest(&self) -> PathBuf {
        let counts = self
            .counts
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        counts
            .iter()
            .filter(|(dir, _)| !self.has_failed(dir))
            .min_by_key(|(_, n)| **n)
            .map(|(dir, _)| dir.clone())
            .unwrap_or_default()
    }

    /// A partition's directory came or went.
    pub(super) fn count(&self, dir: &Path, change: isize) {
        let mut counts = self
            .counts
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(n) = dir.parent().and_then(|p| counts.get_mut(p)) {
            *n = n.saturating_add_signed(change);
        }
    }
}
