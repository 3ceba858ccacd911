//! Appending, as leader (offsets are given here) and as follower (offsets come with the batches).
//! Mirrors Java's `UnifiedLog.append`.

use std::io;

use bytes::Bytes;
use proto::records::{
    Batch, BatchHeader, Batches, EndTxnMarker, NO_TIMESTAMP, Origin, RecordsError, TimestampType,
    Validator,
};

use super::error::LogError;
use super::index::AbortedTxn;
use super::partition_log::Log;

/// Longest control record that is looked at.
const CONTROL_LIMIT: usize = 64 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendInfo {
    /// -1 if there was nothing to append
    pub first_offset: i64,
    pub last_offset: i64,
    /// -1 unless the topic has LogAppendTime
    pub log_append_time: i64,
    pub log_start: i64,
    /// the batch was there already; first and last offset say where
    pub duplicate: bool,
    /// bytes of records that were written anew, in another format or codec
    pub converted: Option<usize>,
}

/// The end-of-transaction marker in a control batch, with its timestamp.
pub(super) fn marker_of(batch: &Batch) -> Result<Option<(EndTxnMarker, i64)>, RecordsError> {
    if !batch.header.is_control() {
        return Ok(None);
    }
    let mut scratch = Vec::new();
    let Some(record) = batch.records(&mut scratch, CONTROL_LIMIT)?.next() else {
        return Ok(None);
    };
    let record = record?;
    Ok(EndTxnMarker::of(&record)?.map(|marker| (marker, record.timestamp)))
}

impl Log {
    /// Checks, numbers and appends what a client or a coordinator sent.
    pub fn append_as_leader(
        &mut self,
        records: &Bytes,
        origin: Origin,
        leader_epoch: i32,
        now_ms: i64,
        scratch: &mut Vec<u8>,
    ) -> Result<AppendInfo, LogError> {
        self.check_usable()?;
        let config = &self.config;
        let validator = Validator {
            partition: &self.name,
            origin,
            now: now_ms,
            leader_epoch,
            max_message_bytes: config.max_message_bytes,
            compacted: config.compact,
            compression: config.compression,
            timestamp_type: config.timestamp_type,
            timestamp_before_max_ms: config.timestamp_before_max_ms,
            timestamp_after_max_ms: config.timestamp_after_max_ms,
            decompressed_max: config.decompressed_max,
        };
        let log_append_time = match config.timestamp_type {
            TimestampType::LogAppendTime => now_ms,
            TimestampType::CreateTime => NO_TIMESTAMP,
        };
        let log_start = self.log_start;
        let Some(batch) = validator.validate(records, self.log_end, scratch)? else {
            return Ok(AppendInfo {
                first_offset: -1,
                last_offset: -1,
                log_append_time: -1,
                log_start,
                duplicate: false,
                converted: None,
            });
        };
        let converted = batch.converted.then_some(batch.records.len());
        let header = batch.header;
        self.check_fits(header.size)?;
        let marker = if header.is_control() {
            let whole = [&batch.head[..], &batch.records].concat();
            marker_of(&Batch {
                header,
                bytes: &whole,
            })?
        } else {
            None
        };
        if let Some(first) = self.producers.check(&header, marker.map(|m| m.0), origin)? {
            return Ok(AppendInfo {
                first_offset: first.first_offset(),
                last_offset: first.last_offset,
                log_append_time: first.timestamp,
                log_start,
                duplicate: true,
                converted,
            });
        }
        let written = self.write_batch(&header, [&batch.head, &batch.records], marker, now_ms);
        self.guard(written)?;
        self.flush_if_due(now_ms)?;
        let (first_offset, last_offset) = (header.offset, header.last_offset());
        Ok(AppendInfo {
            first_offset,
            last_offset,
            log_append_time,
            log_start,
            duplicate: false,
            converted,
        })
    }

    /// Appends what was fetched from the leader, bytes as they are. Returns the new log end.
    pub fn append_as_follower(&mut self, records: &[u8], now_ms: i64) -> Result<i64, LogError> {
        self.check_usable()?;
        let mut next = self.log_end;
        for batch in Batches::new(records) {
            let batch = batch?;
            batch.check_crc()?;
            let header = &batch.header;
            // The first offset of a wrapper is inside; its last one decides there.
            let first = if header.magic >= 2 {
                header.offset
            } else {
                header.last_offset()
            };
            if first < next || header.last_offset() < first {
                return Err(LogError::UnexpectedOffset {
                    partition: self.name.clone(),
                    offset: first,
                    next,
                });
            }
            next = header.next_offset();
        }
        for batch in Batches::new(records) {
            let batch = batch?;
            self.check_fits(batch.header.size)?;
            let marker = marker_of(&batch)?;
            let written = self.write_batch(&batch.header, [batch.bytes, &[]], marker, now_ms);
            self.guard(written)?;
        }
        self.flush_if_due(now_ms)?;
        Ok(self.log_end)
    }

    fn check_fits(&self, size: usize) -> Result<(), LogError> {
        let max = self.config.segment_bytes;
        if size as u64 > max {
            return Err(LogError::LargerThanSegment {
                partition: self.name.clone(),
                size,
                max,
            });
        }
        Ok(())
    }

    /// Writes one batch and takes note of it; an error leaves the log's end unknown.
    fn write_batch(
        &mut self,
        header: &BatchHeader,
        parts: [&[u8]; 2],
        marker: Option<(EndTxnMarker, i64)>,
        now_ms: i64,
    ) -> io::Result<()> {
        if header.magic < 2 {
            // Where older batches come in, epochs say nothing: followers go by the high watermark.
            if self.epochs.latest().is_some() {
                tracing::warn!(
                    "[{}] Clearing leader epochs after an append in format v{}",
                    self.name,
                    header.magic
                );
                self.epochs.clear()?;
            }
        } else if header.leader_epoch >= 0 {
            self.epochs.assign(header.leader_epoch, header.offset)?;
        }
        let roll_at = if header.magic >= 2 {
            header.offset
        } else {
            header.last_offset() - i64::from(i32::MAX)
        };
        self.maybe_roll(
            header.size,
            roll_at,
            header.last_offset(),
            header.max_timestamp,
            now_ms,
        )?;
        let interval = self.config.index_interval_bytes;
        self.active().append(header, parts, interval)?;
        self.log_end = header.next_offset();
        if let Some(done) = self.producers.apply(header, marker) {
            if done.aborted {
                self.active().append_aborted(AbortedTxn {
                    producer_id: done.producer_id,
                    first_offset: done.first_offset,
                    last_offset: done.last_offset,
                    last_stable_offset: done.last_stable_offset,
                })?;
            }
        }
        Ok(())
    }

    fn flush_if_due(&mut self, now_ms: i64) -> Result<(), LogError> {
        if self.log_end - self.recovery_point >= self.config.flush_messages {
            return self.flush(now_ms);
        }
        Ok(())
    }
}
