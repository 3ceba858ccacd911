//! Loads every partition found in the log directories, on all cores, and hands each to its shard.
//! Mirrors `LogManager.loadLogs` of Java.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::Instant;

use super::command::Command;
use super::control::Event;
use super::dirs::{DirKind, StartError, parse_dir};
use super::manager::Dirs;
use super::shards::Shards;
use super::worker::now_ms;
use crate::log::checkpoint::{self, Offsets};
use crate::log::{LoadOptions, Log, LogConfig, LogError, TopicPartition, file};

fn since(start: Instant) -> u128 {
    start.elapsed().as_millis()
}

/// One partition to load.
struct Job {
    partition: TopicPartition,
    dir: PathBuf,
    log_start: i64,
    recovery_point: i64,
    high_watermark: i64,
    clean: bool,
}

fn read_checkpoint(dir: &Path, name: &str, otherwise: &str) -> std::io::Result<Offsets> {
    Ok(checkpoint::read_offsets(dir, name)?.unwrap_or_else(|what| {
        tracing::warn!("{}: {what}; {otherwise}", dir.join(name).display());
        Offsets::new()
    }))
}

/// Finds the partitions of all directories.
fn find_jobs(dirs: &Dirs, events: &mpsc::Sender<Event>) -> Result<Vec<Job>, StartError> {
    let mut jobs: Vec<Job> = Vec::new();
    for dir in dirs.log_dirs.paths() {
        let clean = checkpoint::take_clean_shutdown(dir)?;
        let recovery = read_checkpoint(
            dir,
            checkpoint::RECOVERY_POINT,
            "all its logs are recovered from their start",
        )?;
        let starts = read_checkpoint(
            dir,
            checkpoint::LOG_START,
            "logs start at their first segment",
        )?;
        let marks = read_checkpoint(
            dir,
            checkpoint::HIGH_WATERMARK,
            "high watermarks start at the logs' start",
        )?;
        let before = jobs.len();
        for name in file::list(dir, true)? {
            match parse_dir(&name) {
                Some(DirKind::Partition(partition)) => {
                    if let Some(other) = jobs.iter().find(|j| j.partition == partition) {
                        return Err(StartError::Load(format!(
                            "Duplicate log directories for {partition} are found in both {} and {}. Recover by deleting one of the two, preferably the one in the log directory that failed.",
                            other.dir.display(),
                            dir.join(&name).display()
                        )));
                    }
                    let of =
                        |offsets: &Offsets| offsets.get(&partition).copied().unwrap_or(0).max(0);
                    let (log_start, recovery_point) = (of(&starts), of(&recovery));
                    let high_watermark = of(&marks);
                    let dir = dir.join(&name);
                    dirs.count(&dir, 1);
                    jobs.push(Job {
                        partition,
                        dir,
                        log_start,
                        recovery_point,
                        high_watermark,
                        clean,
                    });
                }
                Some(DirKind::Deleted) => {
                    let _ = events.send(Event::RemoveDir(dir.join(&name)));
                }
                Some(DirKind::Other) => {
                    tracing::warn!("Leaving {} alone", dir.join(&name).display())
                }
                None => {}
            }
        }
        let (found, at) = (jobs.len() - before, dir.display());
        match (found, clean) {
            (0, _) => tracing::info!("No logs found to be loaded in {at}"),
            (_, true) => tracing::info!(
                "Skipping recovery of {found} logs from {at} since clean shutdown file was found"
            ),
            (_, false) => tracing::info!(
                "Recovering {found} logs from {at} since no clean shutdown file was found"
            ),
        }
    }
    Ok(jobs)
}

/// Loads all partitions on all cores and hands each to its shard.
pub(super) fn load_all(
    dirs: &Dirs,
    shards: &Shards,
    events: &mpsc::Sender<Event>,
    config: &(impl Fn(&str) -> LogConfig + Sync),
    threads: usize,
) -> Result<(), StartError> {
    let start = Instant::now();
    let jobs = find_jobs(dirs, events)?;
    let (next, finished) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failed: Mutex<Option<String>> = Mutex::new(None);
    let work = || {
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let began = Instant::now();
            let loaded = load_one(job, shards, config);
            let done = finished.fetch_add(1, Ordering::Relaxed) + 1;
            match loaded {
                Ok(told) => tracing::info!(
                    "Completed load of {told} in {}ms ({done}/{} completed)",
                    since(began),
                    jobs.len()
                ),
                Err(e) => {
                    let text = format!("{}: {e}", job.dir.display());
                    tracing::error!("Error while loading log dir {text}");
                    failed
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner)
                        .get_or_insert(text);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.min(jobs.len()) {
            scope.spawn(work);
        }
    });
    if let Some(text) = failed
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
    {
        return Err(StartError::Load(text));
    }
    tracing::info!("Loaded {} logs in {}ms", jobs.len(), since(start));
    Ok(())
}

fn load_one(
    job: &Job,
    shards: &Shards,
    config: &impl Fn(&str) -> LogConfig,
) -> Result<String, LogError> {
    let options = LoadOptions {
        name: job.partition.to_string(),
        config: config(&job.partition.topic),
        log_start: job.log_start,
        recovery_point: job.recovery_point,
        clean: job.clean,
        now_ms: now_ms(),
    };
    let log = Log::load(&job.dir, options)?;
    let told = format!(
        "{} with {} segments, log-start-offset {} and log-end-offset {}",
        job.partition,
        log.segment_count(),
        log.log_start(),
        log.log_end()
    );
    let (done, hosted) = mpsc::channel();
    let command = Command::Host {
        partition: job.partition.clone(),
        log: Box::new(log),
        high_watermark: job.high_watermark,
        done,
    };
    let _ = shards.senders()[shards.index_of(&job.partition)].blocking_send(command);
    let _ = hosted.recv();
    Ok(told)
}
