//! One segment: data file, its indexes, and what is known about them. Mirrors Java's `LogSegment`.
//!
//! Knows nothing of producers, epochs or other segments; reads no clock.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proto::records::{BatchHeader, NO_TIMESTAMP};

use super::file::{self, DataFile, Disk};
use super::index::{AbortedTxn, OffsetIndex, TimeIndex, TxnIndex};
use super::scan::{ScanError, Scanner};

/// Positions of the newest batches are remembered, so that consumers at the tail cost no read.
const RECENT: usize = 32;

/// Where one batch lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BatchPosition {
    pub(super) first_offset: i64,
    pub(super) last_offset: i64,
    pub(super) position: u64,
    pub(super) size: usize,
}

#[derive(Debug)]
pub(super) struct Segment {
    pub(super) base_offset: i64,
    log: DataFile,
    offsets: OffsetIndex,
    times: TimeIndex,
    txns: TxnIndex,
    /// timestamp of the first batch, for time-based roll
    rolling_timestamp: Option<i64>,
    created_ms: i64,
    /// newest timestamp and the last offset of its batch; read from the index when first needed
    max_timestamp: Option<(i64, i64)>,
    bytes_since_index: u64,
    recent: VecDeque<BatchPosition>,
}

pub(super) fn file_name(base_offset: i64, suffix: &str) -> String {
    format!("{base_offset:020}{suffix}")
}

impl Segment {
    pub(super) fn open(dir: &Path, base_offset: i64, now_ms: i64) -> io::Result<Self> {
        let path = |suffix: &str| -> PathBuf { dir.join(file_name(base_offset, suffix)) };
        Ok(Self {
            base_offset,
            log: DataFile::at(path(".log"))?,
            offsets: OffsetIndex::at(path(".index"), base_offset)?,
            times: TimeIndex::at(path(".timeindex"), base_offset)?,
            txns: TxnIndex::at(path(".txnindex"))?,
            rolling_timestamp: None,
            created_ms: now_ms,
            max_timestamp: None,
            bytes_since_index: 0,
            recent: VecDeque::new(),
        })
    }

    /// Makes the files exist, as Java's do from the start, and keeps them open for appends.
    pub(super) fn activate(&mut self) -> io::Result<()> {
        self.log.handle()?;
        self.offsets.file().handle()?;
        self.times.file().handle()?;
        self.offsets.set_hot(true);
        self.times.set_hot(true);
        Ok(())
    }

    pub(super) fn size(&self) -> u64 {
        self.log.len()
    }

    /// Whether everything from here on is of the last appends.
    pub(super) fn wrote_lately(&self, position: u64) -> bool {
        self.recent
            .front()
            .is_some_and(|first| first.position <= position)
    }

    pub(super) fn handle(&mut self) -> io::Result<Arc<File>> {
        self.log.handle()
    }

    pub(super) fn can_hold(&self, offset: i64) -> bool {
        (0..=i64::from(i32::MAX)).contains(&(offset - self.base_offset))
    }

    /// Whether the indexes are there and can be right; if not, the segment is to be recovered.
    pub(super) fn indexes_sane(&mut self) -> io::Result<bool> {
        let size = self.log.len();
        let sane = self.offsets.is_sane(size)?
            && self.times.is_sane()?
            && self.txns.is_sane(self.base_offset)?;
        let sane = sane && self.times_match_data()?;
        if sane {
            // retention asks for it, and is not to read then
            self.newest_timestamp(Disk::Wait)?;
        }
        self.release();
        Ok(sane)
    }

    /// A time index that lies would let retention delete data early (KAFKA-10207), so its last entry
    /// is compared with the batch it speaks of.
    fn times_match_data(&mut self) -> io::Result<bool> {
        let Some((timestamp, offset)) = self.times.last(Disk::Wait)? else {
            return Ok(true);
        };
        match self.locate_header(offset, Disk::Wait) {
            Ok(found) => {
                Ok(found.is_some_and(|(_, h)| h.max_timestamp == timestamp || h.magic < 2))
            }
            Err(ScanError::Records(_)) => Ok(false),
            Err(ScanError::Io(e)) => Err(e),
        }
    }

    pub(super) fn newest_timestamp(&mut self, disk: Disk) -> io::Result<(i64, i64)> {
        if let Some(newest) = self.max_timestamp {
            return Ok(newest);
        }
        let newest = self
            .times
            .last(disk)?
            .unwrap_or((NO_TIMESTAMP, self.base_offset));
        self.max_timestamp = Some(newest);
        Ok(newest)
    }

    /// What retention by time goes by: the newest record, or the file's age if no record says.
    pub(super) fn largest_timestamp(&mut self, disk: Disk) -> io::Result<i64> {
        let (timestamp, _) = self.newest_timestamp(disk)?;
        Ok(if timestamp >= 0 {
            timestamp
        } else {
            self.log.modified_ms()
        })
    }

    pub(super) fn modified_ms(&self) -> i64 {
        self.log.modified_ms()
    }

    /// How long this segment has waited to be rolled, when a batch with this timestamp comes.
    pub(super) fn time_waited(&mut self, now_ms: i64, timestamp: i64) -> io::Result<i64> {
        if self.rolling_timestamp.is_none() && self.log.len() > 0 {
            let first = Scanner::new(&mut self.log, 0, Disk::Wait)
                .next_header()
                .map_err(io_of)?;
            self.rolling_timestamp = first.map(|(_, h)| h.max_timestamp);
        }
        Ok(match self.rolling_timestamp {
            Some(first) if first >= 0 => timestamp.saturating_sub(first),
            _ => now_ms - self.created_ms,
        })
    }

    pub(super) fn index_full(&self, max_index_bytes: u64) -> bool {
        self.offsets.is_full(max_index_bytes) || self.times.is_full(max_index_bytes)
    }

    /// Appends one batch, given as its two parts.
    pub(super) fn append(
        &mut self,
        header: &BatchHeader,
        parts: [&[u8]; 2],
        interval: u64,
    ) -> io::Result<()> {
        let position = self.log.len();
        self.log.append(parts)?;
        if position == 0 {
            self.rolling_timestamp = Some(header.max_timestamp);
        }
        self.index(header, position, interval)?;
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(BatchPosition {
            first_offset: header.offset,
            last_offset: header.last_offset(),
            position,
            size: header.size,
        });
        Ok(())
    }

    fn index(&mut self, header: &BatchHeader, position: u64, interval: u64) -> io::Result<()> {
        let newest = self.newest_timestamp(Disk::Wait)?;
        if header.max_timestamp > newest.0 {
            self.max_timestamp = Some((header.max_timestamp, header.last_offset()));
        }
        if self.bytes_since_index > interval {
            let (timestamp, offset) = self.newest_timestamp(Disk::Wait)?;
            self.offsets.append(header.last_offset(), position)?;
            self.times.maybe_append(timestamp, offset)?;
            self.bytes_since_index = 0;
        }
        self.bytes_since_index += header.size as u64;
        Ok(())
    }

    pub(super) fn append_aborted(&mut self, txn: AbortedTxn) -> io::Result<()> {
        self.txns.append(txn)
    }

    pub(super) fn collect_aborted(
        &mut self,
        from: i64,
        to: i64,
        disk: Disk,
        out: &mut Vec<AbortedTxn>,
    ) -> io::Result<bool> {
        self.txns.collect(from, to, disk, out)
    }

    /// The first batch whose last offset is at or above `offset`.
    pub(super) fn locate(
        &mut self,
        offset: i64,
        disk: Disk,
    ) -> Result<Option<BatchPosition>, ScanError> {
        if self
            .recent
            .front()
            .is_some_and(|first| first.first_offset <= offset)
        {
            let n = self.recent.partition_point(|b| b.last_offset < offset);
            return Ok(self.recent.get(n).copied());
        }
        Ok(self
            .locate_header(offset, disk)?
            .map(|(position, h)| BatchPosition {
                first_offset: h.offset,
                last_offset: h.last_offset(),
                position,
                size: h.size,
            }))
    }

    fn locate_header(
        &mut self,
        offset: i64,
        disk: Disk,
    ) -> Result<Option<(u64, BatchHeader)>, ScanError> {
        let start = self.offsets.lookup(offset, disk)?;
        let mut scanner = Scanner::new(&mut self.log, start, disk);
        while let Some((position, header)) = scanner.next_header()? {
            if header.last_offset() >= offset {
                return Ok(Some((position, header)));
            }
        }
        Ok(None)
    }

    /// Offset of the first index entry at or after a position: a bound that aborted transactions
    /// are collected for.
    pub(super) fn offset_at_or_after(
        &mut self,
        position: u64,
        disk: Disk,
    ) -> io::Result<Option<i64>> {
        self.offsets.offset_at_or_after(position, disk)
    }

    /// Walks batches from the one that holds `offset` on.
    pub(super) fn scan_from(&mut self, offset: i64, disk: Disk) -> io::Result<Scanner<'_>> {
        let start = self.offsets.lookup(offset, disk)?;
        Ok(Scanner::new(&mut self.log, start, disk))
    }

    /// Walks batches from where a search for `timestamp` may start.
    pub(super) fn scan_from_timestamp(
        &mut self,
        timestamp: i64,
        from_offset: i64,
        disk: Disk,
    ) -> io::Result<Scanner<'_>> {
        let offset = self.times.lookup(timestamp, disk)?.max(from_offset);
        self.scan_from(offset, disk)
    }

    /// The offset after the last batch; `None` if the file does not end where a batch does.
    pub(super) fn next_offset(&mut self) -> io::Result<Option<i64>> {
        let last = self.offsets.last(Disk::Wait)?;
        let start = last.map_or(0, |(_, position)| position);
        let (mut next, mut end) = (self.base_offset, start);
        let mut scanner = Scanner::new(&mut self.log, start, Disk::Wait);
        loop {
            match scanner.next_header() {
                Ok(Some((position, header))) => {
                    next = header.next_offset();
                    end = position + header.size as u64;
                }
                Ok(None) | Err(ScanError::Records(_)) => break,
                Err(ScanError::Io(e)) => return Err(e),
            }
        }
        Ok((end == self.log.len()).then_some(next))
    }

    /// Forgets the indexes, for `reindex` to make them anew.
    pub(super) fn reset_indexes(&mut self) -> io::Result<()> {
        self.offsets.clear()?;
        self.times.clear()?;
        self.txns.file().truncate(0)?;
        self.max_timestamp = None;
        self.bytes_since_index = 0;
        self.recent.clear();
        Ok(())
    }

    /// Enters a batch that recovery found sound at `position` into the indexes.
    pub(super) fn reindex(
        &mut self,
        header: &BatchHeader,
        position: u64,
        interval: u64,
    ) -> io::Result<()> {
        self.index(header, position, interval)
    }

    /// Ends recovery at `size` bytes: what follows is cut off.
    pub(super) fn finish_recovery(&mut self, size: u64) -> io::Result<()> {
        self.log.truncate(size)?;
        self.close_indexes()?;
        self.bytes_since_index = 0;
        Ok(())
    }

    pub(super) fn scan(&mut self, position: u64) -> Scanner<'_> {
        Scanner::new(&mut self.log, position, Disk::Wait)
    }

    /// Removes every batch that holds or follows `offset`; returns where the log ends then.
    pub(super) fn truncate_to(&mut self, offset: i64, now_ms: i64) -> Result<i64, ScanError> {
        let cut = self.locate(offset, Disk::Wait)?;
        self.offsets.truncate_to(offset)?;
        self.times.truncate_to(offset)?;
        self.txns.truncate_to(offset)?;
        if let Some(cut) = cut {
            self.log.truncate(cut.position)?;
        }
        if self.log.len() == 0 {
            self.created_ms = now_ms;
            self.rolling_timestamp = None;
        }
        self.recent.retain(|b| b.last_offset < offset);
        self.bytes_since_index = 0;
        self.reload_newest_timestamp()?;
        Ok(cut.map_or(offset, |cut| cut.first_offset.min(offset)))
    }

    fn reload_newest_timestamp(&mut self) -> Result<(), ScanError> {
        let (mut newest, mut at) = self
            .times
            .last(Disk::Wait)?
            .unwrap_or((NO_TIMESTAMP, self.base_offset));
        let mut scanner = self.scan_from(at, Disk::Wait)?;
        while let Some((_, header)) = scanner.next_header()? {
            if header.max_timestamp > newest {
                (newest, at) = (header.max_timestamp, header.last_offset());
            }
        }
        self.max_timestamp = Some((newest, at));
        Ok(())
    }

    fn close_indexes(&mut self) -> io::Result<()> {
        if let Some((timestamp, offset)) = self.max_timestamp {
            self.times.maybe_append(timestamp, offset)?;
        }
        self.offsets.write()?;
        self.times.write()
    }

    /// No more appends come: last time index entry, as Java writes it on roll and close.
    pub(super) fn deactivate(&mut self) -> io::Result<()> {
        self.newest_timestamp(Disk::Wait)?;
        self.recent = VecDeque::new();
        self.close_indexes()
    }

    /// Closes the files until they are used again.
    pub(super) fn release(&mut self) {
        self.log.release();
        self.offsets.set_hot(false);
        self.times.set_hot(false);
        self.txns.file().release();
    }

    /// The files to fsync so that everything appended so far is durable.
    pub(super) fn files_to_sync(&mut self) -> io::Result<Vec<Arc<File>>> {
        self.offsets.write()?;
        self.times.write()?;
        let mut files = vec![
            self.log.handle()?,
            self.offsets.file().handle()?,
            self.times.file().handle()?,
        ];
        if self.txns.file().len() > 0 {
            files.push(self.txns.file().handle()?);
        }
        Ok(files)
    }

    /// Renames all files to `.deleted` and returns their new paths.
    pub(super) fn mark_deleted(mut self) -> io::Result<Vec<PathBuf>> {
        let mut marked = Vec::with_capacity(4);
        for data in [
            &mut self.log,
            self.offsets.file(),
            self.times.file(),
            self.txns.file(),
        ] {
            let mut to = data.path().as_os_str().to_owned();
            to.push(".deleted");
            if data.rename(PathBuf::from(&to))? {
                marked.push(PathBuf::from(to));
            }
        }
        Ok(marked)
    }

    /// Removes all files now.
    pub(super) fn remove(mut self) -> io::Result<()> {
        for data in [
            &mut self.log,
            self.offsets.file(),
            self.times.file(),
            self.txns.file(),
        ] {
            file::remove_if_exists(data.path())?;
        }
        Ok(())
    }

    pub(super) fn moved_to(&mut self, dir: &Path) {
        for data in [
            &mut self.log,
            self.offsets.file(),
            self.times.file(),
            self.txns.file(),
        ] {
            data.moved_to(dir);
        }
    }
}

/// Batches that cannot be read are damage of the medium to those who only look.
pub(super) fn io_of(e: ScanError) -> io::Error {
    match e {
        ScanError::Io(e) => e,
        ScanError::Records(e) => io::Error::new(io::ErrorKind::InvalidData, e.to_string()),
    }
}
