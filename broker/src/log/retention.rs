//! Deleting old segments: by the log's start offset, by size, by time. Mirrors `deleteOldSegments` of
//! Java's `UnifiedLog`.
//!
//! **Nothing at or above the high watermark is deleted.** Files are renamed to `.deleted` first and
//! removed after `file.delete.delay.ms`.

use std::io;

use super::error::LogError;
use super::file::Disk;
use super::partition_log::{Doomed, Log};
use super::segment::Segment;

impl Log {
    /// Moves the log's start up (DeleteRecords, retention, a follower after its leader).
    pub fn advance_log_start(&mut self, offset: i64) -> Result<bool, LogError> {
        if offset > self.high_watermark {
            let (start, end) = (self.log_start, self.high_watermark);
            return Err(LogError::OffsetOutOfRange {
                partition: self.name.clone(),
                offset,
                start,
                end,
            });
        }
        if offset <= self.log_start {
            return Ok(false);
        }
        self.log_start = offset;
        let done = self.epochs.truncate_from_start(offset);
        self.guard(done)?;
        self.producers.on_log_start_offset(offset);
        Ok(true)
    }

    /// Applies retention; returns how many segments went.
    pub fn delete_old_segments(&mut self, now_ms: i64) -> Result<usize, LogError> {
        self.check_usable()?;
        let mut deleted = self.delete_below_start(now_ms)?;
        if self.config.delete {
            deleted += self.delete_by_size(now_ms)?;
            deleted += self.delete_by_time(now_ms)?;
        }
        Ok(deleted)
    }

    /// Whether segment `i` lies below the high watermark as a whole.
    fn is_replicated(&self, i: usize) -> bool {
        let end = self
            .segments
            .get(i + 1)
            .map_or(self.log_end, |next| next.base_offset);
        self.high_watermark >= end
    }

    fn is_last_and_empty(&self, i: usize) -> bool {
        i + 1 == self.segments.len() && self.segments[i].size() == 0
    }

    fn delete_below_start(&mut self, now_ms: i64) -> Result<usize, LogError> {
        let mut count = 0;
        while self.is_replicated(count)
            && self
                .segments
                .get(count + 1)
                .is_some_and(|next| next.base_offset <= self.log_start)
        {
            count += 1;
        }
        self.delete_first(count, now_ms, "log start offset")
    }

    fn delete_by_size(&mut self, now_ms: i64) -> Result<usize, LogError> {
        let Ok(max) = u64::try_from(self.config.retention_bytes) else {
            return Ok(0);
        };
        let Some(mut excess) = self.size().checked_sub(max) else {
            return Ok(0);
        };
        let mut count = 0;
        while count < self.segments.len()
            && self.is_replicated(count)
            && !self.is_last_and_empty(count)
        {
            let Some(left) = excess.checked_sub(self.segments[count].size()) else {
                break;
            };
            excess = left;
            count += 1;
        }
        self.delete_first(count, now_ms, "log retention size")
    }

    fn delete_by_time(&mut self, now_ms: i64) -> Result<usize, LogError> {
        if self.config.retention_ms < 0 {
            return Ok(0);
        }
        let mut count = 0;
        while count < self.segments.len()
            && self.is_replicated(count)
            && !self.is_last_and_empty(count)
        {
            let newest = self.segments[count].largest_timestamp(Disk::Wait);
            if now_ms.saturating_sub(self.guard(newest)?) <= self.config.retention_ms {
                break;
            }
            count += 1;
        }
        self.delete_first(count, now_ms, "log retention time")
    }

    fn delete_first(&mut self, count: usize, now_ms: i64, reason: &str) -> Result<usize, LogError> {
        if count == 0 {
            return Ok(0);
        }
        if count == self.segments.len() {
            let rolled = self.roll(self.log_end, now_ms);
            self.guard(rolled)?;
        }
        let count = count.min(self.segments.len() - 1);
        let Some(next) = self.segments.get(count) else {
            return Ok(0);
        };
        let new_start = next.base_offset;
        if new_start > self.log_start {
            self.advance_log_start(new_start.min(self.high_watermark))?;
        }
        let old: Vec<Segment> = self.segments.drain(..count).collect();
        for segment in old {
            let base = segment.base_offset;
            tracing::info!(
                "[{}] Deleting segment {base} of {} bytes due to {reason}",
                self.name,
                segment.size()
            );
            let done = self
                .doom(segment)
                .and_then(|()| self.producers.remove_snapshots(|o| o == base));
            self.guard(done)?;
        }
        Ok(count)
    }

    /// Marks a segment's files, to be removed later.
    pub(super) fn doom(&mut self, segment: Segment) -> io::Result<()> {
        let delay = self.config.file_delete_delay_ms;
        for path in segment.mark_deleted()? {
            self.doomed.push(Doomed::new(path, delay));
        }
        Ok(())
    }

    /// Files to be removed when their delay is over.
    pub fn take_doomed(&mut self) -> Vec<Doomed> {
        std::mem::take(&mut self.doomed)
    }
}
