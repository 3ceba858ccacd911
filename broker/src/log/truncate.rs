//! Cutting a log's end off, or all of it. Mirrors `truncateTo` and `truncateFullyAndStartAt` of
//! Java's `UnifiedLog`.

use super::error::LogError;
use super::partition_log::Log;
use super::segment::{Segment, io_of};

impl Log {
    /// Removes everything from `offset` on; true if that changed the log.
    pub fn truncate_to(&mut self, offset: i64, now_ms: i64) -> Result<bool, LogError> {
        self.check_usable()?;
        if offset >= self.log_end {
            // A leader that wrote nothing in its epoch may still have left an entry.
            let done = self.epochs.truncate_from_end(self.log_end);
            self.guard(done)?;
            return Ok(false);
        }
        tracing::info!("[{}] Truncating to offset {offset}", self.name);
        self.truncations += 1;
        self.dir_changed = true;
        if self.segments[0].base_offset > offset {
            self.truncate_fully(offset, now_ms)?;
            return Ok(true);
        }
        let mut doomed = Vec::new();
        while self.segments.len() > 1 && self.segments[self.segments.len() - 1].base_offset > offset
        {
            doomed.extend(self.segments.pop_back());
        }
        for segment in doomed {
            let base = segment.base_offset;
            let done = self
                .doom(segment)
                .and_then(|()| self.producers.remove_snapshots(|o| o == base));
            self.guard(done)?;
        }
        let cut = self.active().truncate_to(offset, now_ms).map_err(io_of);
        // A batch that holds the offset went as a whole, so the log ends where it began: it is
        // fetched again as a whole.
        let offset = self.guard(cut)?;
        let active = self.active().activate();
        self.guard(active)?;
        self.log_end = offset;
        self.recovery_point = self.recovery_point.min(offset);
        self.log_start = self.log_start.min(offset);
        let done = self.epochs.truncate_from_end(offset);
        self.guard(done)?;
        self.rebuild_producers(self.log_start, offset, false, now_ms)?;
        self.high_watermark = self.high_watermark.min(offset);
        Ok(true)
    }

    /// Removes everything and goes on at `offset`.
    pub fn truncate_fully(&mut self, offset: i64, now_ms: i64) -> Result<(), LogError> {
        self.check_usable()?;
        tracing::info!(
            "[{}] Truncating fully, to start at offset {offset}",
            self.name
        );
        self.truncations += 1;
        self.dir_changed = true;
        let old: Vec<Segment> = self.segments.drain(..).collect();
        // An old segment may have the new one's name, so that one goes first.
        let mut result = Ok(());
        for segment in old {
            result = result.and_then(|()| self.doom(segment));
        }
        let opened = result
            .and_then(|()| Segment::open(&self.dir, offset, now_ms))
            .and_then(|mut segment| segment.activate().map(|()| segment));
        let segment = match opened {
            Ok(segment) => segment,
            Err(e) => {
                // A log without a segment answers nothing; leave an unopened one.
                self.poisoned = true;
                self.segments
                    .push_back(Segment::open(&self.dir, offset, now_ms)?);
                return Err(e.into());
            }
        };
        self.segments.push_back(segment);
        self.log_start = offset;
        self.log_end = offset;
        self.recovery_point = self.recovery_point.min(offset);
        self.high_watermark = offset;
        let done = self
            .epochs
            .clear()
            .and_then(|()| self.producers.truncate_fully(offset));
        self.guard(done)
    }
}
