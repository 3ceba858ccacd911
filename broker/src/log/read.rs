//! Reading: where the bytes for a fetch lie, and offsets by timestamp. Mirrors Java's `LocalLog.read`
//! and `UnifiedLog.fetchOffsetByTimestamp`.
//!
//! **Nothing at or above the bound a reader is entitled to is ever in a plan.**

use std::fs::File;
use std::io;
use std::sync::Arc;

use proto::records::{Compression, NO_TIMESTAMP};

use super::error::LogError;
use super::file::Disk;
use super::index::AbortedTxn;
use super::partition_log::{Log, Offsets};
use super::scan::ScanError;
use super::segment::io_of;

/// What a reader may see (Java: `FetchIsolation`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// followers
    LogEnd,
    /// consumers
    HighWatermark,
    /// read_committed consumers
    TxnCommitted,
}

/// Bytes in a file that answer a fetch. May end inside a batch, as Java's answers do.
#[derive(Debug, Clone)]
pub struct ReadPlan {
    /// `None`: no bytes
    pub file: Option<Arc<File>>,
    pub position: u64,
    pub len: usize,
    /// written by this process a moment ago
    pub in_memory: bool,
    /// the first batch is larger than what was asked for, and not all here
    pub first_entry_incomplete: bool,
    /// size of the first batch, for who has a smaller budget left
    pub first_batch_len: usize,
    /// for read_committed: aborted transactions that touch these bytes
    pub aborted: Option<Vec<AbortedTxn>>,
    /// these bytes are not of the newest segment that the reader may see: more follow at once
    pub more_segments: bool,
    /// the topic lets records be rewritten for old clients
    pub down_conversion: bool,
    /// the topic stores everything in zstd
    pub zstd: bool,
    pub offsets: Offsets,
}

/// A ListOffsets answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampAndOffset {
    pub timestamp: i64,
    pub offset: i64,
    pub leader_epoch: Option<i32>,
}

impl Log {
    fn bound(&self, isolation: Isolation) -> i64 {
        match isolation {
            Isolation::LogEnd => self.log_end,
            Isolation::HighWatermark => self.high_watermark,
            Isolation::TxnCommitted => self.last_stable(),
        }
    }

    /// Plans a read from `offset`, of `max_bytes` at most; with `min_one_batch` of the first batch at
    /// least (KIP-74).
    pub fn read(
        &mut self,
        offset: i64,
        max_bytes: usize,
        isolation: Isolation,
        min_one_batch: bool,
        disk: Disk,
    ) -> Result<ReadPlan, LogError> {
        let aborted = (isolation == Isolation::TxnCommitted).then(Vec::new);
        let offsets = self.offsets();
        let mut plan = ReadPlan {
            file: None,
            position: 0,
            len: 0,
            in_memory: false,
            first_entry_incomplete: false,
            first_batch_len: 0,
            aborted,
            more_segments: false,
            down_conversion: self.config.down_conversion,
            zstd: self.config.compression == Some(Compression::Zstd),
            offsets,
        };
        if offset < self.log_start || offset > self.log_end {
            let (start, end) = (self.log_start, self.log_end);
            return Err(LogError::OffsetOutOfRange {
                partition: self.name.clone(),
                offset,
                start,
                end,
            });
        }
        let bound = self.bound(isolation);
        if offset >= bound {
            return Ok(plan);
        }
        let Some(mut at) = self.segment_of(offset) else {
            return Ok(plan);
        };
        while at < self.segments.len() && self.segments[at].base_offset < bound {
            let segment = &mut self.segments[at];
            let Some(first) = segment.locate(offset, disk).map_err(io_of)? else {
                at += 1;
                continue;
            };
            let end = self.end_position(at, bound, disk).map_err(io_of)?;
            let wanted = if min_one_batch {
                max_bytes.max(first.size)
            } else {
                max_bytes
            };
            plan.position = first.position;
            plan.len = (end.saturating_sub(first.position)).min(wanted as u64) as usize;
            plan.first_entry_incomplete = wanted < first.size;
            plan.first_batch_len = first.size;
            let next = self.segments.get(at + 1);
            plan.more_segments = next.is_some_and(|next| next.base_offset < bound);
            let segment = &mut self.segments[at];
            plan.in_memory = segment.wrote_lately(first.position);
            if plan.len > 0 {
                plan.file = Some(segment.handle()?);
            }
            if let Some(aborted) = &mut plan.aborted {
                let upper = segment.offset_at_or_after(plan.position + plan.len as u64, disk)?;
                let upper = upper.or_else(|| self.segments.get(at + 1).map(|s| s.base_offset));
                let found =
                    self.aborted_between(at, offset, upper.unwrap_or(self.log_end), disk)?;
                *aborted = found;
            }
            break;
        }
        Ok(plan)
    }

    /// Where in a segment the batches below `bound` end.
    fn end_position(&mut self, at: usize, bound: i64, disk: Disk) -> Result<u64, ScanError> {
        let last = at + 1 == self.segments.len();
        if last && bound >= self.log_end
            || self
                .segments
                .get(at + 1)
                .is_some_and(|next| next.base_offset <= bound)
        {
            return Ok(self.segments[at].size());
        }
        let size = self.segments[at].size();
        Ok(self.segments[at]
            .locate(bound, disk)?
            .map_or(size, |b| b.position))
    }

    fn aborted_between(
        &mut self,
        at: usize,
        from: i64,
        to: i64,
        disk: Disk,
    ) -> io::Result<Vec<AbortedTxn>> {
        let mut out = Vec::new();
        for segment in self.segments.range_mut(at..) {
            if segment.collect_aborted(from, to, disk, &mut out)? {
                break;
            }
        }
        Ok(out)
    }

    pub fn earliest(&self) -> TimestampAndOffset {
        let first = self
            .epochs
            .earliest()
            .filter(|e| e.start_offset <= self.log_start);
        let leader_epoch = first.map(|e| e.epoch);
        TimestampAndOffset {
            timestamp: NO_TIMESTAMP,
            offset: self.log_start,
            leader_epoch,
        }
    }

    /// The end of what a reader with this isolation sees.
    pub fn latest(&self, isolation: Isolation) -> TimestampAndOffset {
        let offset = self.bound(isolation);
        TimestampAndOffset {
            timestamp: NO_TIMESTAMP,
            offset,
            leader_epoch: self.latest_epoch(),
        }
    }

    /// The leader epoch that wrote an offset.
    pub fn epoch_for(&self, offset: i64) -> Option<i32> {
        self.epochs.epoch_for(offset)
    }

    /// The record with the newest timestamp (KIP-734).
    pub fn max_timestamp(
        &mut self,
        scratch: &mut Vec<u8>,
        disk: Disk,
    ) -> Result<Option<TimestampAndOffset>, LogError> {
        let mut newest: Option<(usize, i64, i64)> = None;
        for i in 0..self.segments.len() {
            let (timestamp, offset) = self.segments[i].newest_timestamp(disk)?;
            if timestamp >= 0 && newest.is_none_or(|(_, t, _)| timestamp > t) {
                newest = Some((i, timestamp, offset));
            }
        }
        let Some((i, timestamp, offset)) = newest else {
            return Ok(None);
        };
        self.search(i, timestamp, offset, self.log_start, scratch, disk)
    }

    /// The first record at or above a timestamp (and at or above the log's start).
    pub fn offset_for_timestamp(
        &mut self,
        timestamp: i64,
        scratch: &mut Vec<u8>,
        disk: Disk,
    ) -> Result<Option<TimestampAndOffset>, LogError> {
        for i in 0..self.segments.len() {
            if self.segments[i].largest_timestamp(disk)? >= timestamp {
                let from = self.segments[i].base_offset;
                return self.search(i, timestamp, from, self.log_start, scratch, disk);
            }
        }
        Ok(None)
    }

    /// Searches one segment for the first record with at least this timestamp.
    fn search(
        &mut self,
        segment: usize,
        timestamp: i64,
        hint: i64,
        from_offset: i64,
        scratch: &mut Vec<u8>,
        disk: Disk,
    ) -> Result<Option<TimestampAndOffset>, LogError> {
        let limit = self.config.decompressed_max;
        let mut scanner = self.segments[segment].scan_from_timestamp(
            timestamp.saturating_sub(1),
            from_offset.min(hint),
            disk,
        )?;
        loop {
            let Some((position, header)) = scanner.next_header().map_err(io_of)? else {
                return Ok(None);
            };
            if header.max_timestamp < timestamp || header.last_offset() < from_offset {
                continue;
            }
            scanner.seek(position);
            let Some((_, batch)) = scanner.next_batch().map_err(io_of)? else {
                return Ok(None);
            };
            for record in batch.records(scratch, limit)? {
                let record = record?;
                if record.timestamp >= timestamp && record.offset >= from_offset {
                    let leader_epoch = (header.leader_epoch >= 0).then_some(header.leader_epoch);
                    let (timestamp, offset) = (record.timestamp, record.offset);
                    return Ok(Some(TimestampAndOffset {
                        timestamp,
                        offset,
                        leader_epoch,
                    }));
                }
            }
        }
    }

    /// ListOffsets v0 (0.8 and 0.9 clients): up to `max` segment start offsets before a time, newest
    /// first; -1 latest, -2 earliest.
    pub fn offsets_before(&mut self, timestamp: i64, max: usize, now_ms: i64) -> Vec<i64> {
        let mut times: Vec<(i64, i64)> = self
            .segments
            .iter()
            .map(|s| (s.base_offset.max(self.log_start), s.modified_ms()))
            .collect();
        if self.active().size() > 0 {
            times.push((self.log_end, now_ms));
        }
        let count = match timestamp {
            -1 => times.len(),
            -2 => 1,
            _ => times
                .iter()
                .rposition(|(_, modified)| *modified <= timestamp)
                .map_or(0, |i| i + 1),
        };
        let mut found: Vec<i64> = times[..count].iter().rev().take(max).map(|t| t.0).collect();
        found.sort_by(|a, b| b.cmp(a));
        found
    }
}
