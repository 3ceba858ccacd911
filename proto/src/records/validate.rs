//! What a leader checks and sets before it appends: exactly one v2 batch comes out, whatever format
//! and codec came in. Mirrors Java's `LogValidator` and `UnifiedLog.analyzeAndValidateRecords`.
//!
//! A batch that needs no rewriting is not copied: its 61 header bytes are made anew and its records
//! stay a slice of what the producer sent. (Java since 3.0 stores v2 only as well.)

use bytes::Bytes;

use super::batch::{Batch, BatchHeader, Batches, V2_OVERHEAD};
use super::build::{BatchBuilder, BatchOptions};
use super::compress::Compression;
use super::iter::{Record, RecordIter};
use super::{Fault, NO_TIMESTAMP, RecordError, RecordsError, TimestampType};

/// Who wants to append (Java: `AppendOrigin`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Client,
    /// group or transaction coordinator: markers and internal topics
    Coordinator,
}

/// The rules of one partition at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Validator<'a> {
    /// for messages: `topic-0`
    pub partition: &'a str,
    pub origin: Origin,
    /// milliseconds since 1970
    pub now: i64,
    pub leader_epoch: i32,
    pub max_message_bytes: usize,
    /// `cleanup.policy` contains compact: keys are required
    pub compacted: bool,
    /// `compression.type`; `None` for producer
    pub compression: Option<Compression>,
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`
    pub timestamp_after_max_ms: i64,
    /// bytes that a batch may decompress to
    pub decompressed_max: usize,
}

/// A batch ready to be written: `head`, then `records`.
#[derive(Debug, Clone)]
pub struct Validated {
    pub header: BatchHeader,
    pub head: [u8; V2_OVERHEAD],
    pub records: Bytes,
    /// format or codec changed, so the records were rewritten
    pub converted: bool,
}

/// The verdict over the records of one request.
#[derive(Debug, Default)]
struct Verdict {
    errors: Vec<RecordError>,
    bad_timestamp: bool,
    max_timestamp: Option<i64>,
    count: i64,
    /// offsets inside don't count 0, 1, 2...
    gaps: bool,
}

impl Validator<'_> {
    /// Checks `records` and gives them offsets from `next_offset` on. `None`: no whole batch is in
    /// there. `scratch` is a buffer to decompress into.
    pub fn validate(
        &self,
        records: &Bytes,
        next_offset: i64,
        scratch: &mut Vec<u8>,
    ) -> Result<Option<Validated>, RecordsError> {
        let mut batches = Batches::new(records);
        let Some(first) = batches.next().transpose()? else {
            return Ok(None);
        };
        self.check_batch(&first)?;
        let mut source = first.header.compression()?;
        let mut count = 1;
        for batch in &mut batches {
            let batch = batch?;
            self.check_batch(&batch)?;
            if batch.header.magic != first.header.magic {
                let what = format!(
                    "Batch magic {} is not the same as the first batch's magic byte {} in topic partition {}",
                    batch.header.magic, first.header.magic, self.partition
                );
                return Err(RecordsError::faulty(Fault::Magic, what));
            }
            let codec = batch.header.compression()?;
            if codec != Compression::None {
                source = codec;
            }
            count += 1;
        }
        if count > 1 && (first.header.magic >= 2 || source != Compression::None) {
            return Err(RecordsError::invalid(
                "Compressed outer record has more than one batch",
            ));
        }
        let whole = records.slice(..batches.position());
        let validated = if first.header.magic >= 2 {
            self.v2(&first, whole, source, next_offset, scratch)?
        } else {
            self.legacy(
                &whole,
                self.compression.unwrap_or(source),
                next_offset,
                scratch,
            )?
        };
        self.check_size(validated.header.size)?;
        Ok(Some(validated))
    }

    fn check_size(&self, size: usize) -> Result<(), RecordsError> {
        if size <= self.max_message_bytes {
            return Ok(());
        }
        Err(RecordsError::BatchTooLarge(format!(
            "The record batch size in the append to {} is {size} bytes which exceeds the maximum configured value of {}.",
            self.partition, self.max_message_bytes
        )))
    }

    /// What concerns a batch as a whole, before its records are looked at.
    fn check_batch(&self, batch: &Batch) -> Result<(), RecordsError> {
        let (h, partition) = (&batch.header, self.partition);
        let client = self.origin == Origin::Client;
        if client && h.magic >= 2 && h.offset != 0 {
            return Err(RecordsError::invalid(format!(
                "The baseOffset of the record batch in the append to {partition} should be 0, but it is {}",
                h.offset
            )));
        }
        self.check_size(h.size)?;
        if batch.computed_crc() != h.crc {
            return Err(RecordsError::corrupt(format!(
                "Record is corrupt (stored crc = {}) in topic partition {partition}.",
                h.crc
            )));
        }
        if !client || h.magic < 2 {
            return Ok(());
        }
        let invalid = |what: String| Err(RecordsError::faulty(Fault::Offset, what));
        if h.last_offset_delta < 0 {
            let (base, last) = (h.offset, h.last_offset());
            return invalid(format!(
                "Batch has an invalid offset range: [{base}, {last}] in topic partition {partition}"
            ));
        }
        if h.count <= 0 {
            return invalid(format!(
                "Invalid reported count for record batch: {} in topic partition {partition}",
                h.count
            ));
        }
        if i64::from(h.last_offset_delta) + 1 != i64::from(h.count) {
            return invalid(format!(
                "Inconsistent batch offset range [{}, {}] and count of records {} in topic partition {partition}",
                h.offset,
                h.last_offset(),
                h.count
            ));
        }
        if h.is_control() {
            return invalid(format!(
                "Clients are not allowed to write control records in topic partition {partition}"
            ));
        }
        if h.has_producer_id() && h.base_sequence < 0 {
            return invalid(format!(
                "Invalid sequence number {} in record batch with producerId {} in topic partition {partition}",
                h.base_sequence, h.producer_id
            ));
        }
        Ok(())
    }

    fn v2(
        &self,
        batch: &Batch,
        whole: Bytes,
        source: Compression,
        next_offset: i64,
        scratch: &mut Vec<u8>,
    ) -> Result<Validated, RecordsError> {
        let old = batch.header;
        let target = self.compression.unwrap_or(source);
        let mut verdict = Verdict::default();
        self.check_records(
            batch.records(scratch, self.decompressed_max)?,
            &old,
            &mut verdict,
        )?;
        verdict.finish()?;
        // Control records stay as they are.
        let in_place =
            !verdict.gaps && (source == target || source == Compression::None && old.is_control());
        if !in_place {
            let options = self.options(&old, target, next_offset);
            let mut builder = BatchBuilder::with_capacity(options, whole.len() + 128);
            for record in batch.records(scratch, self.decompressed_max)? {
                let r = record?;
                builder.append(r.timestamp, r.key, r.value, r.headers.iter());
            }
            return rebuilt(builder);
        }
        let mut header = BatchHeader {
            offset: next_offset,
            leader_epoch: self.leader_epoch,
            ..old
        };
        header.max_timestamp = match self.timestamp_type {
            TimestampType::LogAppendTime => self.now,
            TimestampType::CreateTime => verdict.max_timestamp.unwrap_or(NO_TIMESTAMP),
        };
        header.attributes = header.with_timestamp_type(self.timestamp_type);
        let records = whole.slice(V2_OVERHEAD..);
        let head =
            if (header.max_timestamp, header.attributes) == (old.max_timestamp, old.attributes) {
                header.encode_v2_as_is()
            } else {
                header.encode_v2(&records)
            };
        Ok(Validated {
            header,
            head,
            records,
            converted: false,
        })
    }

    fn legacy(
        &self,
        whole: &Bytes,
        target: Compression,
        next_offset: i64,
        scratch: &mut Vec<u8>,
    ) -> Result<Validated, RecordsError> {
        let mut verdict = Verdict::default();
        for batch in Batches::new(whole) {
            let batch = batch?;
            self.check_records(
                batch.records(scratch, self.decompressed_max)?,
                &batch.header,
                &mut verdict,
            )?;
        }
        verdict.finish()?;
        let none = BatchOptions::default();
        let log_append_time =
            (self.timestamp_type == TimestampType::LogAppendTime).then_some(self.now);
        let options = BatchOptions {
            base_offset: next_offset,
            compression: target,
            log_append_time,
            leader_epoch: self.leader_epoch,
            ..none
        };
        let mut builder = BatchBuilder::with_capacity(options, whole.len() + 128);
        for batch in Batches::new(whole) {
            for record in batch?.records(scratch, self.decompressed_max)? {
                let r = record?;
                builder.append(r.timestamp, r.key, r.value, r.headers.iter());
            }
        }
        rebuilt(builder)
    }

    fn options(&self, old: &BatchHeader, target: Compression, next_offset: i64) -> BatchOptions {
        BatchOptions {
            base_offset: next_offset,
            compression: target,
            log_append_time: (self.timestamp_type == TimestampType::LogAppendTime)
                .then_some(self.now),
            leader_epoch: self.leader_epoch,
            producer_id: old.producer_id,
            producer_epoch: old.producer_epoch,
            base_sequence: old.base_sequence,
            transactional: old.is_transactional(),
            control: old.is_control(),
        }
    }

    fn check_records(
        &self,
        records: RecordIter,
        header: &BatchHeader,
        verdict: &mut Verdict,
    ) -> Result<(), RecordsError> {
        let start = header.offset;
        let mut index = 0;
        for record in records {
            let record = record?;
            verdict.gaps |= record.offset != start.wrapping_add(index);
            self.check_record(&record, index, header, verdict);
            index += 1;
        }
        verdict.count += index;
        Ok(())
    }

    fn check_record(
        &self,
        record: &Record,
        index: i64,
        header: &BatchHeader,
        verdict: &mut Verdict,
    ) {
        let timestamp = record.timestamp;
        if verdict.max_timestamp.is_none_or(|max| timestamp > max) {
            verdict.max_timestamp = Some(timestamp);
        }
        if self.compacted && record.key.is_none() {
            let message = format!(
                "Compacted topic cannot accept message without key in topic partition {}",
                self.partition
            );
            verdict.errors.push(RecordError {
                index: index as i32,
                message,
            });
        } else if self.timestamp_type == TimestampType::CreateTime && timestamp != NO_TIMESTAMP {
            let age = i128::from(self.now) - i128::from(timestamp);
            if age > i128::from(self.timestamp_before_max_ms)
                || -age > i128::from(self.timestamp_after_max_ms)
            {
                let earliest = self.now.saturating_sub(self.timestamp_before_max_ms);
                let latest = self.now.saturating_add(self.timestamp_after_max_ms);
                let message = format!(
                    "Timestamp {timestamp} of message with offset {} is out of range. The timestamp should be within [{earliest}, {latest}]",
                    record.offset
                );
                verdict.bad_timestamp = true;
                verdict.errors.push(RecordError {
                    index: index as i32,
                    message,
                });
            }
        } else if header.timestamp_type() == TimestampType::LogAppendTime {
            let message = format!(
                "Invalid timestamp type in message at offset {}. Producer should not set timestamp type to LogAppendTime.",
                record.offset
            );
            verdict.bad_timestamp = true;
            verdict.errors.push(RecordError {
                index: index as i32,
                message,
            });
        }
    }
}

impl Verdict {
    fn finish(&mut self) -> Result<(), RecordsError> {
        if self.errors.is_empty() {
            return Ok(());
        }
        let records = std::mem::take(&mut self.errors);
        if self.bad_timestamp {
            let message =
                "One or more records have been rejected due to invalid timestamp".to_owned();
            return Err(RecordsError::InvalidTimestamp { message, records });
        }
        let shown: Vec<String> = records
            .iter()
            .take(3)
            .map(|r| {
                format!(
                    "RecordError(batchIndex={}, message='{}')",
                    r.index, r.message
                )
            })
            .collect();
        let message = format!(
            "One or more records have been rejected due to {} record errors in total, and only showing the first three errors at most: [{}]",
            records.len(),
            shown.join(", ")
        );
        // without a bad timestamp nothing else is looked for in records
        let fault = Fault::NoKey;
        Err(RecordsError::Invalid {
            message,
            records,
            fault,
        })
    }
}

fn rebuilt(builder: BatchBuilder) -> Result<Validated, RecordsError> {
    let bytes = Bytes::from(builder.build()?);
    let header = BatchHeader::parse(&bytes)?
        .ok_or_else(|| RecordsError::invalid("Record batch has no records"))?;
    let mut head = [0; V2_OVERHEAD];
    head.copy_from_slice(&bytes[..V2_OVERHEAD]);
    Ok(Validated {
        header,
        head,
        records: bytes.slice(V2_OVERHEAD..),
        converted: true,
    })
}

#[cfg(test)]
mod tests {
    use super::super::MessageSetBuilder;
    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    fn rules() -> Validator<'static> {
        Validator {
            partition: "t-0",
            origin: Origin::Client,
            now: NOW,
            leader_epoch: 5,
            max_message_bytes: 100_000,
            compacted: false,
            compression: None,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
            decompressed_max: 1 << 20,
        }
    }

    fn batch(options: BatchOptions, timestamps: &[i64]) -> Bytes {
        let mut b = BatchBuilder::new(options);
        for ts in timestamps {
            b.append(
                *ts,
                None,
                Some(b"value value value value"),
                std::iter::empty(),
            );
        }
        Bytes::from(b.build().unwrap())
    }

    fn stored(v: &Validated) -> Vec<u8> {
        [&v.head[..], &v.records].concat()
    }

    #[test]
    fn a_plain_batch_gets_offset_and_epoch_and_stays_where_it_is() {
        for codec in 0..5 {
            let compression = Compression::from_id(codec).unwrap();
            let bytes = batch(
                BatchOptions {
                    compression,
                    ..Default::default()
                },
                &[NOW, NOW + 5, NOW - 5],
            );
            let v = rules()
                .validate(&bytes, 77, &mut Vec::new())
                .unwrap()
                .unwrap();
            assert!(!v.converted);
            assert_eq!(v.records.as_ptr(), bytes[V2_OVERHEAD..].as_ptr(), "no copy");
            let stored = stored(&v);
            let got = Batch::first(&stored).unwrap().unwrap();
            got.check_crc().unwrap();
            assert_eq!(
                (
                    got.header.offset,
                    got.header.next_offset(),
                    got.header.leader_epoch
                ),
                (77, 80, 5)
            );
            assert_eq!(got.header.max_timestamp, NOW + 5);
        }
    }

    #[test]
    fn log_append_time_and_another_codec() {
        let rules = Validator {
            timestamp_type: TimestampType::LogAppendTime,
            compression: Some(Compression::Lz4),
            ..rules()
        };
        let v = rules
            .validate(&batch(BatchOptions::default(), &[1, 2]), 3, &mut Vec::new())
            .unwrap()
            .unwrap();
        assert!(v.converted);
        let stored = stored(&v);
        let got = Batch::first(&stored).unwrap().unwrap();
        got.check_crc().unwrap();
        assert_eq!(got.header.compression().unwrap(), Compression::Lz4);
        let mut scratch = Vec::new();
        let times: Vec<_> = got
            .records(&mut scratch, 9999)
            .unwrap()
            .map(|r| r.unwrap().timestamp)
            .collect();
        assert_eq!(times, [NOW, NOW]);
    }

    #[test]
    fn old_messages_become_one_batch() {
        for (magic, codec) in [(0, 0), (1, 0), (0, 2), (1, 1), (1, 3), (0, 3)] {
            let mut b = MessageSetBuilder::new(magic, Compression::from_id(codec).unwrap(), None);
            for i in 0..4 {
                b.append(i, NOW, Some(b"k"), Some(b"v"));
            }
            let mut bytes = Vec::new();
            b.finish_into(&mut bytes).unwrap();
            let v = rules()
                .validate(&Bytes::from(bytes), 10, &mut Vec::new())
                .unwrap()
                .unwrap();
            assert_eq!(
                (v.header.offset, v.header.count, v.header.magic),
                (10, 4, 2)
            );
            assert_eq!(v.header.compression().unwrap().id(), codec);
        }
    }

    #[test]
    fn what_is_refused() {
        let check = |rules: Validator, bytes: &Bytes| {
            rules.validate(bytes, 0, &mut Vec::new()).unwrap_err()
        };
        let good = batch(BatchOptions::default(), &[NOW]);
        let mut bad = good.to_vec();
        bad[70] ^= 1;
        assert!(matches!(
            check(rules(), &Bytes::from(bad)),
            RecordsError::Corrupt(_)
        ));
        let small = Validator {
            max_message_bytes: 70,
            ..rules()
        };
        assert!(matches!(
            check(small, &good),
            RecordsError::BatchTooLarge(_)
        ));
        let compacted = Validator {
            compacted: true,
            ..rules()
        };
        assert!(
            matches!(check(compacted, &good), RecordsError::Invalid { records, .. } if records.len() == 1)
        );
        let future = batch(BatchOptions::default(), &[NOW + 3_600_001]);
        assert!(matches!(
            check(rules(), &future),
            RecordsError::InvalidTimestamp { .. }
        ));
        let control = batch(
            BatchOptions {
                control: true,
                ..Default::default()
            },
            &[NOW],
        );
        assert!(
            check(rules(), &control)
                .to_string()
                .contains("not allowed to write control records")
        );
        let offset = batch(
            BatchOptions {
                base_offset: 3,
                ..Default::default()
            },
            &[NOW],
        );
        assert!(
            check(rules(), &offset)
                .to_string()
                .contains("should be 0, but it is 3")
        );
        let twice = Bytes::from([&good[..], &good].concat());
        assert!(
            check(rules(), &twice)
                .to_string()
                .contains("more than one batch")
        );
        assert!(
            rules()
                .validate(&good.slice(..good.len() - 1), 0, &mut Vec::new())
                .unwrap()
                .is_none()
        );
    }
}
