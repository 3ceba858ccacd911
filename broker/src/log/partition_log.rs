//! The log of one partition: its state, what is known of its offsets, rolling and flushing.
//! Mirrors Java's `UnifiedLog`.
//!
//! **After a failed write or fsync the log takes no append until it is opened again**
//! (KAFKA-10778): what is on the disk is no longer known.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use driver::metrics::Latency;

use super::config::LogConfig;
use super::epoch::{EpochEntry, LeaderEpochs};
use super::error::LogError;
use super::file;
use super::producer::{Producer, ProducerState};
use super::segment::{Segment, file_name};

/// The offsets of a partition that others ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offsets {
    pub log_start: i64,
    pub last_stable: i64,
    pub high_watermark: i64,
    pub log_end: i64,
    pub recovery_point: i64,
}

#[derive(Debug)]
pub struct Log {
    pub(super) name: String,
    pub(super) dir: PathBuf,
    pub(super) config: LogConfig,
    /// in the order of their base offsets, never empty; the last one is active
    pub(super) segments: VecDeque<Segment>,
    pub(super) producers: ProducerState,
    pub(super) epochs: LeaderEpochs,
    pub(super) log_start: i64,
    pub(super) log_end: i64,
    pub(super) high_watermark: i64,
    /// everything below is on stable storage
    pub(super) recovery_point: i64,
    pub(super) poisoned: bool,
    pub(super) last_flush_ms: i64,
    /// renamed to `.deleted`, to be removed by others
    pub(super) doomed: Vec<Doomed>,
    /// files came or went since the directory was last synced
    pub(super) dir_changed: bool,
    /// how often the log was truncated since it was opened
    pub(super) truncations: u64,
    /// flushes that rolling and `flush.ms` asked for
    pub(super) flush_jobs: Vec<FlushJob>,
    /// how long flushes take, for the metrics
    pub(super) flush_times: Option<Arc<Latency>>,
}

/// A file without further use, to be removed away from the log's owner: giving back the blocks of a
/// large one takes long. What nobody removes is removed when the log is opened again.
#[derive(Debug)]
pub struct Doomed {
    path: PathBuf,
    /// `file.delete.delay.ms`: whoever sends its bytes to a client may go on
    pub delay_ms: i64,
}

impl Doomed {
    pub(super) fn new(path: PathBuf, delay_ms: i64) -> Self {
        Self { path, delay_ms }
    }

    /// Removes the file if it is there.
    pub fn remove(&self) {
        match file::remove_if_exists(&self.path) {
            Ok(_) => tracing::debug!("Removed {}", self.path.display()),
            Err(e) => tracing::warn!("{e}; it stays until the next start"),
        }
    }
}

/// An fsync to be done away from the log's owner; its end is reported with [`Log::flushed`].
#[derive(Debug)]
pub struct FlushJob {
    files: Vec<Arc<File>>,
    snapshot: Option<PathBuf>,
    /// only when files came or went since it was last synced
    dir: Option<PathBuf>,
    ticket: FlushTicket,
    times: Option<Arc<Latency>>,
}

/// Says what a flush job made durable, unless the log was truncated meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlushTicket {
    up_to: i64,
    truncations: u64,
}

impl FlushJob {
    pub fn ticket(&self) -> FlushTicket {
        self.ticket
    }

    /// Blocks until all of it is on stable storage. Never to be retried when it failed.
    #[allow(clippy::disallowed_methods, reason = "measures the disk")]
    pub fn run(&self) -> io::Result<()> {
        let begun = Instant::now();
        for handle in &self.files {
            file::sync(handle)?;
        }
        if let Some(path) = &self.snapshot {
            file::sync_path(path)?;
        }
        self.dir.as_deref().map_or(Ok(()), file::sync_dir)?;
        if let Some(times) = &self.times {
            times.took(begun.elapsed());
        }
        Ok(())
    }
}

impl Log {
    /// `topic-partition`.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn config(&self) -> &LogConfig {
        &self.config
    }

    pub fn set_config(&mut self, config: LogConfig) {
        self.config = config;
    }

    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    pub fn log_end(&self) -> i64 {
        self.log_end
    }

    pub fn log_start(&self) -> i64 {
        self.log_start
    }

    pub fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// What read_committed consumers read up to.
    pub fn last_stable(&self) -> i64 {
        match self.producers.first_unstable_offset() {
            Some(first) => first.max(self.log_start).min(self.high_watermark),
            None => self.high_watermark,
        }
    }

    pub fn offsets(&self) -> Offsets {
        Offsets {
            log_start: self.log_start,
            last_stable: self.last_stable(),
            high_watermark: self.high_watermark,
            log_end: self.log_end,
            recovery_point: self.recovery_point,
        }
    }

    /// Bytes in all segments.
    pub fn size(&self) -> u64 {
        self.segments.iter().map(Segment::size).sum()
    }

    /// Base offset of the first segment.
    pub fn first_segment(&self) -> i64 {
        self.segments
            .front()
            .map_or(self.log_start, |s| s.base_offset)
    }

    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }

    pub fn leader_epochs(&self) -> &[EpochEntry] {
        self.epochs.entries()
    }

    pub fn latest_epoch(&self) -> Option<i32> {
        self.epochs.latest().map(|e| e.epoch)
    }

    /// OffsetForLeaderEpoch: the largest epoch at or below this one, and the offset it ends at.
    pub fn end_offset_for_epoch(&self, epoch: i32) -> Option<(i32, i64)> {
        self.epochs.end_offset_for(epoch, self.log_end)
    }

    /// Producers with state here (DescribeProducers).
    pub fn active_producers(&self) -> impl Iterator<Item = (i64, &Producer)> {
        self.producers.producers().iter().map(|(id, p)| (*id, p))
    }

    /// A new leader notes where its epoch begins.
    pub fn start_epoch(&mut self, epoch: i32) -> Result<(), LogError> {
        let end = self.log_end;
        let done = self.epochs.assign(epoch, end);
        self.guard(done)
    }

    /// Sets the high watermark, within the log; returns it.
    pub fn set_high_watermark(&mut self, offset: i64) -> i64 {
        self.high_watermark = offset.clamp(self.log_start, self.log_end);
        self.producers.on_high_watermark(self.high_watermark);
        self.high_watermark
    }

    pub fn expire_producers(&mut self, now_ms: i64) {
        self.producers
            .expire(now_ms, self.config.producer_id_expiration_ms);
    }

    pub(super) fn active(&mut self) -> &mut Segment {
        let last = self.segments.len() - 1;
        &mut self.segments[last]
    }

    /// Index of the segment that an offset falls into.
    pub(super) fn segment_of(&self, offset: i64) -> Option<usize> {
        self.segments
            .partition_point(|s| s.base_offset <= offset)
            .checked_sub(1)
    }

    /// Passes a result on; an I/O error stops all further appends.
    pub(super) fn guard<T>(&mut self, result: io::Result<T>) -> Result<T, LogError> {
        result.map_err(|e| {
            self.poisoned = true;
            tracing::error!(
                "{} in {}: no more appends: {e}",
                self.name,
                self.dir.display()
            );
            LogError::Io(e)
        })
    }

    /// No more appends: the directory that it lies in has failed.
    pub fn fail(&mut self) {
        self.poisoned = true;
    }

    /// Whether appends are still taken.
    pub fn check_usable(&self) -> Result<(), LogError> {
        if self.poisoned {
            let dir = self.dir.display().to_string();
            return Err(LogError::Poisoned {
                partition: self.name.clone(),
                dir,
            });
        }
        Ok(())
    }

    /// Spreads time-based rolls: a fixed share of `segment.jitter.ms` for each segment.
    fn jitter(&self, base_offset: i64) -> i64 {
        let max = self.config.segment_jitter_ms.min(self.config.segment_ms);
        if max <= 0 {
            return 0;
        }
        let seed = crc32c::crc32c_append(
            crc32c::crc32c(self.name.as_bytes()),
            &base_offset.to_be_bytes(),
        );
        i64::from(seed) % max
    }

    /// Rolls if the active segment cannot or should not take a batch of this size.
    pub(super) fn maybe_roll(
        &mut self,
        size: usize,
        first_offset: i64,
        last_offset: i64,
        max_timestamp: i64,
        now_ms: i64,
    ) -> io::Result<()> {
        let (max_bytes, max_index) = (self.config.segment_bytes, self.config.segment_index_bytes);
        let max_ms = self.config.max_segment_ms();
        let jitter = self.jitter(self.segments[self.segments.len() - 1].base_offset);
        let active = self.active();
        let full = active.size() + size as u64 > max_bytes;
        let due = active.size() > 0
            && active.time_waited(now_ms, max_timestamp)? > max_ms.saturating_sub(jitter);
        if full && active.size() > 0
            || due
            || active.index_full(max_index)
            || !active.can_hold(last_offset)
        {
            self.roll(first_offset, now_ms)?;
        }
        Ok(())
    }

    /// Closes the active segment and starts a new one at `offset`, or at the log's end if that is
    /// higher.
    pub(super) fn roll(&mut self, offset: i64, now_ms: i64) -> io::Result<()> {
        let base = offset.max(self.log_end);
        let old_base = self.segments[self.segments.len() - 1].base_offset;
        if base == old_base {
            // Only an empty segment ends where it began: its indexes are too small to hold an
            // entry. It is good enough as it is.
            return Ok(());
        }
        for suffix in [".log", ".index", ".timeindex", ".txnindex"] {
            let path = self.dir.join(file_name(base, suffix));
            if file::remove_if_exists(&path)? {
                tracing::warn!(
                    "Newly rolled segment file {} already exists; deleting it first",
                    path.display()
                );
            }
        }
        let mut next = Segment::open(&self.dir, base, now_ms)?;
        next.activate()?;
        let old = self.active();
        old.deactivate()?;
        let files = old.files_to_sync()?;
        old.release();
        self.segments.push_back(next);
        self.producers.set_map_end_offset(base);
        let snapshot = self.producers.take_snapshot()?;
        let ticket = FlushTicket {
            up_to: base,
            truncations: self.truncations,
        };
        self.flush_jobs.push(FlushJob {
            files,
            snapshot,
            dir: Some(self.dir.clone()),
            ticket,
            times: self.flush_times.clone(),
        });
        // A flush that overtakes this job must see to the directory as well.
        self.dir_changed = true;
        tracing::info!("[{}] Rolled new log segment at offset {base}", self.name);
        Ok(())
    }

    /// What rolling left to be synced.
    pub fn take_flush_jobs(&mut self) -> Vec<FlushJob> {
        std::mem::take(&mut self.flush_jobs)
    }

    /// A job for everything that is not yet on stable storage; `None` if all is.
    pub fn flush_job(&mut self) -> Result<Option<FlushJob>, LogError> {
        self.check_usable()?;
        if self.recovery_point >= self.log_end {
            return Ok(None);
        }
        self.flush_jobs.clear(); // this one covers them
        let from = self.segment_of(self.recovery_point).unwrap_or(0);
        let active = self.segments.len() - 1;
        let mut files = Vec::new();
        for i in from..active {
            let more = self.segments[i].files_to_sync();
            files.extend(self.guard(more)?);
        }
        // The active segment's indexes are made anew after a crash, so its data is enough.
        let data = self.segments[active].handle();
        files.push(self.guard(data)?);
        let ticket = FlushTicket {
            up_to: self.log_end,
            truncations: self.truncations,
        };
        let dir = std::mem::take(&mut self.dir_changed).then(|| self.dir.clone());
        Ok(Some(FlushJob {
            files,
            snapshot: None,
            dir,
            ticket,
            times: self.flush_times.clone(),
        }))
    }

    /// A flush job ended. After a failure the log takes no append: what the disk holds is unknown.
    pub fn flushed(
        &mut self,
        ticket: FlushTicket,
        result: io::Result<()>,
        now_ms: i64,
    ) -> Result<(), LogError> {
        self.guard(result)?;
        self.check_usable()?;
        if ticket.truncations == self.truncations {
            self.recovery_point = self.recovery_point.max(ticket.up_to);
            self.last_flush_ms = now_ms;
        }
        Ok(())
    }

    /// Flushes here and now.
    pub fn flush(&mut self, now_ms: i64) -> Result<(), LogError> {
        match self.flush_job()? {
            Some(job) => self.flushed(job.ticket(), job.run(), now_ms),
            None => Ok(()),
        }
    }

    /// Records appended since the last flush have waited longer than `flush.ms`.
    pub fn flush_due(&self, now_ms: i64) -> bool {
        self.recovery_point < self.log_end && now_ms - self.last_flush_ms >= self.config.flush_ms
    }

    /// Leaves a flush to be taken away where `flush.ms` is over.
    pub fn queue_due_flush(&mut self, now_ms: i64) -> Result<(), LogError> {
        if self.flush_due(now_ms) {
            let job = self.flush_job()?;
            self.flush_jobs.extend(job);
            // the next one is due a while after this one began, however long it takes
            self.last_flush_ms = now_ms;
        }
        Ok(())
    }

    /// Flushes are measured from now on.
    pub fn measure_flushes(&mut self, times: Arc<Latency>) {
        self.flush_times = Some(times);
    }

    /// Flushes and closes all files, with a producer snapshot at the end.
    pub fn close(&mut self, now_ms: i64) -> Result<(), LogError> {
        self.check_usable()?;
        let closed = self.close_files();
        self.guard(closed)?;
        self.recovery_point = self.log_end;
        self.last_flush_ms = now_ms;
        Ok(())
    }

    fn close_files(&mut self) -> io::Result<()> {
        if let Some(path) = self.producers.take_snapshot()? {
            file::sync_path(&path)?;
        }
        self.active().deactivate()?;
        for i in self.segment_of(self.recovery_point).unwrap_or(0)..self.segments.len() {
            self.segments[i]
                .files_to_sync()?
                .iter()
                .try_for_each(|f| file::sync(f))?;
        }
        self.segments.iter_mut().for_each(Segment::release);
        file::sync_dir(&self.dir)
    }

    /// The directory was renamed; open files go with it.
    pub fn moved_to(&mut self, dir: &Path) {
        self.dir = dir.to_owned();
        self.segments.iter_mut().for_each(|s| s.moved_to(dir));
        self.producers.moved_to(dir);
        self.epochs.moved_to(dir);
    }
}
