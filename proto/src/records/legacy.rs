//! Messages of format v0 and v1, alone and wrapped in a compressed message. Mirrors Java's
//! `LegacyRecord` and `AbstractLegacyRecordBatch`.

use super::batch::{Batch, LOG_OVERHEAD};
use super::compress::{Compression, compress, decompress};
use super::iter::{Headers, Record, RecordIter};
use super::{NO_SEQUENCE, NO_TIMESTAMP, RecordsError, TimestampType};

/// What the records of a wrapper inherit from it.
#[derive(Debug, Clone, Copy)]
struct Wrapper {
    magic: u8,
    /// added to the inner offsets of v1
    base: i64,
    log_append_time: Option<i64>,
    compressed: bool,
}

/// Iterates the messages inside a wrapper, or the one message that is none.
#[derive(Debug)]
pub(super) struct InnerMessages<'a> {
    bytes: &'a [u8],
    wrapper: Wrapper,
}

/// The records of a v0/v1 batch.
pub(super) fn records<'s, 'a: 's>(
    batch: &Batch<'a>,
    compression: Compression,
    scratch: &'s mut Vec<u8>,
    limit: usize,
) -> Result<RecordIter<'s>, RecordsError> {
    let header = &batch.header;
    let mut wrapper = Wrapper {
        magic: header.magic,
        base: 0,
        log_append_time: None,
        compressed: false,
    };
    if compression == Compression::None {
        return Ok(RecordIter::legacy(InnerMessages {
            bytes: batch.bytes,
            wrapper,
        }));
    }
    if compression == Compression::Zstd {
        return Err(RecordsError::invalid(format!(
            "Invalid wrapper compressionType found in legacy deep record iterator {}",
            header.magic
        )));
    }
    let (_, value) = key_value(batch)?;
    let value = value.ok_or_else(|| {
        RecordsError::invalid(format!(
            "Found invalid compressed record set with null value (magic = {})",
            header.magic
        ))
    })?;
    scratch.clear();
    decompress(compression, header.magic, value, limit, scratch)?;
    wrapper.compressed = true;
    if header.timestamp_type() == TimestampType::LogAppendTime {
        wrapper.log_append_time = Some(header.max_timestamp);
    }
    let mut last = None;
    let mut at = 0;
    while let Some(inner) = Batch::first(&scratch[at..])? {
        at += inner.header.size;
        last = Some(inner.header.offset);
    }
    let last = last.ok_or_else(|| {
        RecordsError::invalid("Found invalid compressed record set with no inner records")
    })?;
    // Some librdkafka versions leave the wrapper's offset at 0 when they produce.
    if header.magic == 1 && header.offset != 0 {
        if header.offset < last {
            return Err(RecordsError::invalid(format!(
                "Found invalid wrapper offset in compressed v1 message set, wrapper offset '{}' is less than the last inner message offset '{last}' and it is not zero.",
                header.offset
            )));
        }
        wrapper.base = header.offset.wrapping_sub(last);
    }
    Ok(RecordIter::legacy(InnerMessages {
        bytes: &scratch[..],
        wrapper,
    }))
}

impl<'a> InnerMessages<'a> {
    pub(super) fn next_record(&mut self) -> Result<Option<Record<'a>>, RecordsError> {
        let Some(message) = Batch::first(self.bytes)? else {
            return Ok(None);
        };
        self.bytes = &self.bytes[message.header.size..];
        let header = &message.header;
        if header.magic != self.wrapper.magic {
            return Err(RecordsError::invalid(format!(
                "Compressed message magic {} does not match wrapper magic {}",
                header.magic, self.wrapper.magic
            )));
        }
        if self.wrapper.compressed {
            if header.is_compressed() {
                return Err(RecordsError::invalid(
                    "Inner messages must not be compressed",
                ));
            }
            message.check_crc()?;
        }
        let (key, value) = key_value(&message)?;
        Ok(Some(Record {
            offset: header.offset.wrapping_add(self.wrapper.base),
            timestamp: self.wrapper.log_append_time.unwrap_or(header.max_timestamp),
            sequence: NO_SEQUENCE,
            key,
            value,
            headers: Headers::default(),
        }))
    }
}

type KeyValue<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

fn key_value<'a>(message: &Batch<'a>) -> Result<KeyValue<'a>, RecordsError> {
    let mut rest = &message.bytes[if message.header.magic == 0 { 18 } else { 26 }..];
    let mut field = || -> Result<Option<&'a [u8]>, RecordsError> {
        let (len, tail) = rest
            .split_first_chunk::<4>()
            .ok_or_else(|| RecordsError::invalid("message ends before its key or value"))?;
        rest = tail;
        let len = i32::from_be_bytes(*len);
        if len < 0 {
            return Ok(None);
        }
        let (bytes, tail) = rest.split_at_checked(len as usize).ok_or_else(|| {
            RecordsError::invalid(format!(
                "message field of {len} bytes does not fit in the {} left",
                rest.len()
            ))
        })?;
        rest = tail;
        Ok(Some(bytes))
    };
    Ok((field()?, field()?))
}

fn write_message(
    out: &mut Vec<u8>,
    offset: i64,
    (magic, attributes, timestamp): (u8, u8, i64),
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) {
    let start = out.len();
    out.extend_from_slice(&offset.to_be_bytes());
    out.extend_from_slice(&[0; 8]); // size and CRC, set below
    out.extend_from_slice(&[magic, attributes]);
    if magic > 0 {
        out.extend_from_slice(&timestamp.to_be_bytes());
    }
    for field in [key, value] {
        match field {
            None => out.extend_from_slice(&(-1i32).to_be_bytes()),
            Some(bytes) => {
                out.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
                out.extend_from_slice(bytes);
            }
        }
    }
    let size = (out.len() - start - LOG_OVERHEAD) as i32;
    out[start + 8..start + 12].copy_from_slice(&size.to_be_bytes());
    let crc = crc32fast::hash(&out[start + 16..]);
    out[start + 12..start + 16].copy_from_slice(&crc.to_be_bytes());
}

/// Builds a v0 or v1 message set: single messages, or one compressed wrapper.
#[derive(Debug)]
pub struct MessageSetBuilder {
    magic: u8,
    compression: Compression,
    kind: TimestampType,
    log_append_time: i64,
    base: Option<i64>,
    last: i64,
    max_timestamp: i64,
    messages: Vec<u8>,
}

impl MessageSetBuilder {
    /// `log_append_time` replaces the timestamps of messages when given.
    pub fn new(magic: u8, compression: Compression, log_append_time: Option<i64>) -> Self {
        Self {
            magic,
            compression,
            kind: if log_append_time.is_some() {
                TimestampType::LogAppendTime
            } else {
                TimestampType::CreateTime
            },
            log_append_time: log_append_time.unwrap_or(NO_TIMESTAMP),
            base: None,
            last: 0,
            max_timestamp: NO_TIMESTAMP,
            messages: Vec::new(),
        }
    }

    fn attributes(&self, compression: Compression) -> u8 {
        let kind = if self.magic > 0 && self.kind == TimestampType::LogAppendTime {
            8
        } else {
            0
        };
        compression.id() | kind
    }

    /// `offset` must grow from call to call.
    pub fn append(
        &mut self,
        offset: i64,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) {
        let base = *self.base.get_or_insert(offset);
        self.last = offset;
        let timestamp = match self.kind {
            TimestampType::LogAppendTime => self.log_append_time,
            TimestampType::CreateTime => timestamp,
        };
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let written = if self.magic > 0 && self.compression != Compression::None {
            offset - base
        } else {
            offset
        };
        let attributes = self.attributes(Compression::None);
        write_message(
            &mut self.messages,
            written,
            (self.magic, attributes, timestamp),
            key,
            value,
        );
    }

    pub fn is_empty(&self) -> bool {
        self.base.is_none()
    }

    /// Appends the finished set to `out`.
    pub fn finish_into(self, out: &mut Vec<u8>) -> Result<(), RecordsError> {
        if self.compression == Compression::None || self.is_empty() {
            out.extend_from_slice(&self.messages);
            return Ok(());
        }
        let mut value = Vec::new();
        compress(self.compression, self.magic, &self.messages, &mut value)?;
        let attributes = self.attributes(self.compression);
        write_message(
            out,
            self.last,
            (self.magic, attributes, self.max_timestamp),
            None,
            Some(&value),
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappers_hold_relative_offsets_in_v1_and_absolute_ones_in_v0() {
        for magic in [0, 1] {
            for codec in [
                Compression::None,
                Compression::Gzip,
                Compression::Snappy,
                Compression::Lz4,
            ] {
                let mut builder = MessageSetBuilder::new(magic, codec, None);
                builder.append(40, 1000, Some(b"k"), Some(b"a"));
                builder.append(41, 1002, None, Some(b"b"));
                builder.append(45, 1001, Some(b"k"), None);
                let mut bytes = Vec::new();
                builder.finish_into(&mut bytes).unwrap();
                let mut got = Vec::new();
                let mut scratch = Vec::new();
                for batch in super::super::Batches::new(&bytes) {
                    let batch = batch.unwrap();
                    batch.check_crc().unwrap();
                    for r in batch.records(&mut scratch, 1000).unwrap() {
                        let r = r.unwrap();
                        got.push((r.offset, r.timestamp, r.key.is_some(), r.value.is_some()));
                    }
                }
                let ts = |t| if magic == 0 { NO_TIMESTAMP } else { t };
                let want = [
                    (40, ts(1000), true, true),
                    (41, ts(1002), false, true),
                    (45, ts(1001), true, false),
                ];
                assert_eq!(got, want, "magic {magic} {}", codec.name());
            }
        }
    }
}
