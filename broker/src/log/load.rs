//! Opening a partition's log: leftovers of interrupted work, index checks, recovery of what was not
//! flushed, producer state. Mirrors Java's `LogLoader`.
//!
//! After an unclean stop only what lies past the recovery point is read and checked.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};

use super::append::marker_of;
use super::config::LogConfig;
use super::epoch::LeaderEpochs;
use super::error::LogError;
use super::file::{self, Disk};
use super::index::AbortedTxn;
use super::partition_log::Log;
use super::producer::ProducerState;
use super::scan::ScanError;
use super::segment::{Segment, io_of};

/// How a log is opened.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// `topic-partition`
    pub name: String,
    pub config: LogConfig,
    /// from `log-start-offset-checkpoint`
    pub log_start: i64,
    /// from `recovery-point-offset-checkpoint`
    pub recovery_point: i64,
    /// the log directory was closed cleanly
    pub clean: bool,
    pub now_ms: i64,
}

/// Base offset in a segment file's name.
fn offset_of(name: &str) -> Option<i64> {
    name.split_once('.')?.0.parse().ok()
}

fn with_suffix_removed(path: &Path, suffix: &str) -> PathBuf {
    let name = path.to_string_lossy();
    PathBuf::from(name.strip_suffix(suffix).unwrap_or(&name))
}

impl Log {
    /// Opens the log in `dir`, which exists; an empty directory becomes an empty log.
    pub fn load(dir: &Path, options: LoadOptions) -> Result<Self, LogError> {
        let LoadOptions {
            name,
            config,
            log_start,
            recovery_point,
            clean,
            now_ms,
        } = options;
        finish_swaps(dir)?;
        let epochs = LeaderEpochs::load(dir)?;
        let (epochs, epochs_damaged) = match epochs {
            Ok(epochs) => (epochs, None),
            Err(what) => (LeaderEpochs::empty(dir), Some(what)),
        };
        let mut log = Self {
            producers: ProducerState::new(&name, dir)?,
            name,
            dir: dir.to_owned(),
            config,
            segments: VecDeque::new(),
            epochs,
            log_start,
            log_end: 0,
            high_watermark: 0,
            recovery_point,
            poisoned: false,
            last_flush_ms: now_ms,
            doomed: Vec::new(),
            dir_changed: true,
            truncations: 0,
            flush_jobs: Vec::new(),
            flush_times: None,
        };
        log.open_segments(clean, now_ms)?;
        if !clean {
            log.recover_unflushed(now_ms)?;
        }
        let log_end = log.settle_end(now_ms)?;
        log.log_end = log_end;
        log.recovery_point = if clean {
            log_end
        } else {
            recovery_point.min(log_end)
        };
        log.log_start = log_start.max(log.segments[0].base_offset);
        log.high_watermark = log.log_start;
        if let Some(what) = epochs_damaged {
            tracing::warn!(
                "[{}] leader-epoch-checkpoint {what}; rebuilding it from the log",
                log.name
            );
            log.rebuild_epochs()?;
        }
        log.epochs.truncate_from_end(log_end)?;
        log.epochs.truncate_from_start(log_start)?;
        let bases: BTreeSet<i64> = log.segments.iter().map(|s| s.base_offset).collect();
        log.producers = ProducerState::new(&log.name, dir)?;
        log.producers.remove_stray_snapshots(&bases)?;
        log.rebuild_producers(log.log_start, log_end, clean, now_ms)?;
        log.active().activate()?;
        Ok(log)
    }

    fn open_segments(&mut self, clean: bool, now_ms: i64) -> Result<(), LogError> {
        let names = file::list(&self.dir, false)?;
        let bases: BTreeSet<i64> = names
            .iter()
            .filter(|n| n.ends_with(".log"))
            .filter_map(|n| offset_of(n))
            .collect();
        for name in &names {
            let is_index = [".index", ".timeindex", ".txnindex"]
                .iter()
                .any(|s| name.ends_with(s));
            if is_index && offset_of(name).is_some_and(|base| !bases.contains(&base)) {
                tracing::warn!(
                    "[{}] Removing index file {name}, which has no data file",
                    self.name
                );
                file::remove_if_exists(&self.dir.join(name))?;
            }
        }
        for &base in &bases {
            let mut segment = Segment::open(&self.dir, base, now_ms)?;
            // What reaches past the recovery point will be recovered, and so indexed anew, anyway.
            let next = bases.range(base + 1..).next();
            let to_recover = !clean && next.is_none_or(|next| *next > self.recovery_point);
            if !to_recover && !segment.indexes_sane()? {
                tracing::warn!(
                    "[{}] Rebuilding the indexes of segment {base}, which are missing or damaged",
                    self.name
                );
                let cut = self.recover_segment(&mut segment, now_ms)?;
                if cut > 0 {
                    tracing::error!(
                        "[{}] {} was damaged: {cut} bytes that had been flushed were unreadable and are cut off",
                        self.name,
                        self.dir
                            .join(super::segment::file_name(base, ".log"))
                            .display()
                    );
                }
            }
            self.segments.push_back(segment);
        }
        Ok(())
    }

    /// Reads a segment from its start: batches are checked, indexes made anew, and what follows the
    /// last sound batch is cut off. Returns the bytes cut off.
    fn recover_segment(&mut self, segment: &mut Segment, now_ms: i64) -> Result<u64, LogError> {
        let base = segment.base_offset;
        self.producers = ProducerState::new(&self.name, &self.dir)?;
        self.rebuild_producers(self.log_start, base, false, now_ms)?;
        segment.reset_indexes()?;
        let interval = self.config.index_interval_bytes;
        let mut position = 0;
        let mut epochs_changed = false;
        loop {
            let mut scanner = segment.scan(position);
            let batch = match scanner.next_batch() {
                Ok(Some((_, batch))) => batch,
                Ok(None) => break,
                Err(ScanError::Io(e)) => return Err(e.into()),
                Err(ScanError::Records(e)) => {
                    tracing::warn!(
                        "[{}] Invalid batch in segment {base} at byte {position}: {e}",
                        self.name
                    );
                    break;
                }
            };
            if let Err(e) = batch.check_crc() {
                tracing::warn!(
                    "[{}] Invalid batch in segment {base} at byte {position}: {e}",
                    self.name
                );
                break;
            }
            let header = batch.header;
            if !(base..=base + i64::from(i32::MAX)).contains(&header.last_offset()) {
                tracing::warn!(
                    "[{}] Batch with offset {} in segment {base}, where it cannot be",
                    self.name,
                    header.offset
                );
                break;
            }
            let Ok(marker) = marker_of(&batch) else { break };
            segment.reindex(&header, position, interval)?;
            position += header.size as u64;
            if header.magic >= 2 {
                epochs_changed |= self
                    .epochs
                    .assign_unwritten(header.leader_epoch, header.offset);
                if let Some(done) = self.producers.apply(&header, marker).filter(|d| d.aborted) {
                    segment.append_aborted(AbortedTxn {
                        producer_id: done.producer_id,
                        first_offset: done.first_offset,
                        last_offset: done.last_offset,
                        last_stable_offset: done.last_stable_offset,
                    })?;
                }
            }
        }
        if epochs_changed {
            self.epochs.write()?;
        }
        let cut = segment.size() - position;
        segment.finish_recovery(position)?;
        // So that the next segment's recovery need not read this one again.
        self.producers.take_snapshot()?;
        Ok(cut)
    }

    fn recover_unflushed(&mut self, now_ms: i64) -> Result<(), LogError> {
        let mut rest = self
            .segments
            .split_off(self.segment_of(self.recovery_point).unwrap_or(0));
        let total = rest.len();
        let mut done = 0;
        while let Some(mut segment) = rest.pop_front() {
            tracing::info!(
                "[{}] Recovering unflushed segment {}. {done}/{total} recovered.",
                self.name,
                segment.base_offset
            );
            let cut = self.recover_segment(&mut segment, now_ms)?;
            self.segments.push_back(segment);
            done += 1;
            if cut > 0 {
                let last = self.segments.len() - 1;
                let end = self.segments[last].next_offset()?;
                tracing::warn!(
                    "[{}] Segment {} ended in {cut} bytes that are no whole batch (an interrupted write); the log now ends at offset {}",
                    self.name,
                    self.segments[last].base_offset,
                    end.unwrap_or_default()
                );
                for later in rest.drain(..) {
                    tracing::warn!(
                        "[{}] Removing segment {}, which follows the gap",
                        self.name,
                        later.base_offset
                    );
                    later.remove()?;
                }
            }
        }
        Ok(())
    }

    /// The log's end; makes the one segment that a log must have.
    fn settle_end(&mut self, now_ms: i64) -> Result<i64, LogError> {
        if let Some(mut last) = self.segments.pop_back() {
            let mut end = last.next_offset()?;
            if end.is_none() {
                // Closed cleanly, and yet its end is no batch's end: nothing may be appended there.
                tracing::error!(
                    "[{}] Segment {} does not end in a whole batch; recovering it",
                    self.name,
                    last.base_offset
                );
                self.recover_segment(&mut last, now_ms)?;
                end = last.next_offset()?;
            }
            self.segments.push_back(last);
            let end = end.ok_or_else(|| {
                LogError::Damaged(format!(
                    "{}: the end of the log cannot be read",
                    self.dir.display()
                ))
            })?;
            if end >= self.log_start {
                return Ok(end);
            }
            tracing::warn!(
                "[{}] Removing all segments, since the log ends at {end}, before its start {} (were files deleted by hand?)",
                self.name,
                self.log_start
            );
            for segment in self.segments.drain(..) {
                segment.remove()?;
            }
            self.epochs.clear()?;
        }
        self.segments
            .push_back(Segment::open(&self.dir, self.log_start, now_ms)?);
        Ok(self.log_start)
    }

    fn rebuild_epochs(&mut self) -> Result<(), LogError> {
        for segment in &mut self.segments {
            let mut scanner = segment.scan(0);
            while let Some((_, header)) = scanner.next_header().map_err(io_of)? {
                if header.magic >= 2 {
                    self.epochs
                        .assign_unwritten(header.leader_epoch, header.offset);
                }
            }
            segment.release();
        }
        self.epochs.write()?;
        Ok(())
    }

    /// Brings the producer state to `end`: from the newest snapshot, then from the log. Writes
    /// snapshots at the last two segments and at the end, where Java looks for them.
    pub(super) fn rebuild_producers(
        &mut self,
        start: i64,
        end: i64,
        clean: bool,
        now_ms: i64,
    ) -> Result<(), LogError> {
        let bases: Vec<i64> = self
            .segments
            .iter()
            .rev()
            .take(2)
            .map(|s| s.base_offset)
            .collect();
        if !self.producers.has_snapshot() && clean {
            // A clean log without snapshots has no idempotent producers.
            for offset in bases.into_iter().rev().chain([end]) {
                self.producers.set_map_end_offset(offset);
                self.producers.take_snapshot()?;
            }
            return Ok(());
        }
        let was_empty = self.producers.is_empty() && self.producers.map_end_offset() >= end;
        let expiration = self.config.producer_id_expiration_ms;
        self.producers
            .truncate_and_reload(start, end, now_ms, expiration)?;
        if end > self.producers.map_end_offset() && !was_empty {
            let from = self
                .segment_of(self.producers.map_end_offset())
                .unwrap_or(0);
            for i in from..self.segments.len() {
                let base = self.segments[i].base_offset;
                if base >= end {
                    break;
                }
                let at = base.max(self.producers.map_end_offset()).max(start);
                self.producers.set_map_end_offset(at);
                if bases.contains(&base) {
                    self.producers.take_snapshot()?;
                }
                let mut scanner = self.segments[i].scan_from(at, Disk::Wait)?;
                while let Some((position, header)) = scanner.next_header().map_err(io_of)? {
                    if header.offset >= end {
                        break;
                    }
                    if header.last_offset() < at || header.magic < 2 || !header.has_producer_id() {
                        continue;
                    }
                    let marker = if header.is_control() {
                        scanner.seek(position);
                        match scanner.next_batch().map_err(io_of)? {
                            Some((_, batch)) => marker_of(&batch)?,
                            None => break,
                        }
                    } else {
                        None
                    };
                    self.producers.apply(&header, marker);
                }
            }
        }
        self.producers.set_map_end_offset(end);
        self.producers.take_snapshot()?;
        Ok(())
    }
}

/// Ends what a crash interrupted: deletions (`.deleted`), cleanings (`.cleaned`) and swaps (`.swap`)
/// of compaction.
fn finish_swaps(dir: &Path) -> io::Result<()> {
    let names = file::list(dir, false)?;
    let first_cleaned = names
        .iter()
        .filter(|n| n.ends_with(".cleaned"))
        .filter_map(|n| offset_of(n))
        .min();
    for name in &names {
        // A swap that follows an unfinished cleaning was never complete (KAFKA-6264).
        let unfinished = name.ends_with(".swap")
            && first_cleaned.is_some_and(|c| offset_of(name).is_some_and(|o| o >= c));
        if name.ends_with(".deleted")
            || name.ends_with(".cleaned")
            || unfinished
            || name.ends_with(".tmp")
        {
            file::remove_if_exists(&dir.join(name))?;
        }
    }
    let names = file::list(dir, false)?;
    let swaps: Vec<&String> = names.iter().filter(|n| n.ends_with(".swap")).collect();
    let logs: Vec<i64> = swaps
        .iter()
        .filter(|n| n.ends_with(".log.swap"))
        .filter_map(|n| offset_of(n))
        .collect();
    if let (Some(first), Some(last)) = (logs.iter().min(), logs.iter().max()) {
        let end = swap_end(dir, *last)?;
        for name in &names {
            let replaced = offset_of(name).is_some_and(|o| o >= *first && o < end);
            if replaced && !name.ends_with(".swap") {
                tracing::info!(
                    "Removing {}, which compaction has replaced",
                    dir.join(name).display()
                );
                file::remove_if_exists(&dir.join(name))?;
            }
        }
    }
    for name in swaps {
        let path = dir.join(name);
        file::rename_if_exists(&path, &with_suffix_removed(&path, ".swap"))?;
    }
    Ok(())
}

/// The offset after the last batch in a `.log.swap` file.
fn swap_end(dir: &Path, base: i64) -> io::Result<i64> {
    let mut data = file::DataFile::at(dir.join(format!("{base:020}.log.swap")))?;
    let mut scanner = super::scan::Scanner::new(&mut data, 0, Disk::Wait);
    let mut end = base;
    while let Some((_, header)) = scanner.next_header().map_err(io_of)? {
        end = header.next_offset();
    }
    Ok(end)
}
