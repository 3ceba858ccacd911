//! Records inside a batch, whatever its format. Borrows from the batch or from the buffer it was
//! decompressed into; copies nothing. Mirrors Java's `DefaultRecord` and `LegacyRecord`.

use super::batch::BatchHeader;
use super::legacy::InnerMessages;
use super::{NO_SEQUENCE, RecordsError, TimestampType, varint};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    pub key: &'a [u8],
    pub value: Option<&'a [u8]>,
}

/// The headers of one record, already checked to parse.
#[derive(Debug, Clone, Copy, Default)]
pub struct Headers<'a> {
    count: i32,
    bytes: &'a [u8],
}

impl<'a> Headers<'a> {
    pub fn len(&self) -> usize {
        self.count.max(0) as usize
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn iter(&self) -> HeaderIter<'a> {
        HeaderIter {
            bytes: self.bytes,
            at: 0,
            left: self.count,
        }
    }
}

#[derive(Debug, Clone)]
pub struct HeaderIter<'a> {
    bytes: &'a [u8],
    at: usize,
    left: i32,
}

impl<'a> Iterator for HeaderIter<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        if self.left <= 0 {
            return None;
        }
        self.left -= 1;
        read_header(self.bytes, &mut self.at).ok()
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    pub offset: i64,
    pub timestamp: i64,
    /// the producer's sequence number, or -1
    pub sequence: i32,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: Headers<'a>,
}

/// A nullable field: varint length, bytes.
fn read_nullable<'a>(bytes: &'a [u8], at: &mut usize) -> Result<Option<&'a [u8]>, RecordsError> {
    let len = varint::read_i32(bytes, at)?;
    if len < 0 {
        return Ok(None);
    }
    let slice = bytes
        .get(*at..)
        .and_then(|rest| rest.get(..len as usize))
        .ok_or_else(|| {
            RecordsError::invalid(format!(
                "Invalid record: a field of {len} bytes does not fit in it"
            ))
        })?;
    *at += len as usize;
    Ok(Some(slice))
}

fn read_header<'a>(bytes: &'a [u8], at: &mut usize) -> Result<Header<'a>, RecordsError> {
    let key = read_nullable(bytes, at)?
        .ok_or_else(|| RecordsError::invalid("Invalid negative header key size".to_owned()))?;
    Ok(Header {
        key,
        value: read_nullable(bytes, at)?,
    })
}

/// What one v2 record says before batch-level values are applied.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawRecord<'a> {
    pub(super) timestamp_delta: i64,
    pub(super) offset_delta: i32,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) headers: Headers<'a>,
}

/// Reads the record body in `body` (without its length).
pub(super) fn read_body(body: &[u8]) -> Result<RawRecord<'_>, RecordsError> {
    let mut at = 1; // attributes: unused by every version so far
    let timestamp_delta = varint::read_i64(body, &mut at)?;
    let offset_delta = varint::read_i32(body, &mut at)?;
    let key = read_nullable(body, &mut at)?;
    let value = read_nullable(body, &mut at)?;
    let count = varint::read_i32(body, &mut at)?;
    if count < 0 {
        return Err(RecordsError::invalid(format!(
            "Found invalid number of record headers {count}"
        )));
    }
    // A header takes two bytes at least, so a count above that cannot be and is not looped over.
    let bytes = &body[at..];
    if count as usize > bytes.len() / 2 {
        return Err(RecordsError::invalid(format!(
            "Found invalid number of record headers. {count} is larger than the remaining size of the buffer {}",
            bytes.len()
        )));
    }
    let mut end = 0;
    for _ in 0..count {
        read_header(bytes, &mut end)?;
    }
    if end != bytes.len() {
        return Err(RecordsError::invalid(format!(
            "Invalid record size: expected to read {} bytes in record payload, but instead read {}",
            body.len(),
            at + end
        )));
    }
    Ok(RawRecord {
        timestamp_delta,
        offset_delta,
        key,
        value,
        headers: Headers { count, bytes },
    })
}

/// The body of the record at `*at`, moving `*at` past it.
pub(super) fn next_body<'a>(bytes: &'a [u8], at: &mut usize) -> Result<&'a [u8], RecordsError> {
    let len = varint::read_i32(bytes, at)?;
    let body = usize::try_from(len)
        .ok()
        .and_then(|n| bytes.get(*at..)?.get(..n))
        .ok_or_else(|| {
            RecordsError::invalid(format!(
                "Invalid record size: {len} bytes do not fit in the batch"
            ))
        })?;
    *at += body.len();
    Ok(body)
}

#[derive(Debug)]
enum Inner<'a> {
    V2 {
        bytes: &'a [u8],
        at: usize,
        left: i32,
        base: BatchHeader,
    },
    Legacy(InnerMessages<'a>),
    Done,
}

/// The records of one batch in order. After an error nothing follows.
#[derive(Debug)]
pub struct RecordIter<'a>(Inner<'a>);

impl<'a> RecordIter<'a> {
    pub(super) fn v2(header: &BatchHeader, bytes: &'a [u8]) -> Self {
        Self(Inner::V2 {
            bytes,
            at: 0,
            left: header.count,
            base: *header,
        })
    }

    pub(super) fn legacy(messages: InnerMessages<'a>) -> Self {
        Self(Inner::Legacy(messages))
    }

    fn step(&mut self) -> Result<Option<Record<'a>>, RecordsError> {
        match &mut self.0 {
            Inner::Done => Ok(None),
            Inner::Legacy(messages) => messages.next_record(),
            Inner::V2 {
                bytes,
                at,
                left,
                base,
            } => {
                if *left <= 0 {
                    if *at != bytes.len() {
                        return Err(RecordsError::invalid(
                            "Incorrect declared batch size, records still remaining in file",
                        ));
                    }
                    return Ok(None);
                }
                if *at >= bytes.len() {
                    return Err(RecordsError::invalid(
                        "Incorrect declared batch size, premature EOF reached",
                    ));
                }
                *left -= 1;
                let raw = read_body(next_body(bytes, at)?)?;
                Ok(Some(record(base, raw)))
            }
        }
    }
}

fn record<'a>(base: &BatchHeader, raw: RawRecord<'a>) -> Record<'a> {
    let timestamp = match base.timestamp_type() {
        TimestampType::LogAppendTime => base.max_timestamp,
        TimestampType::CreateTime => base.base_timestamp.wrapping_add(raw.timestamp_delta),
    };
    let sequence = if base.base_sequence >= 0 {
        BatchHeader {
            last_offset_delta: raw.offset_delta,
            ..*base
        }
        .last_sequence()
    } else {
        NO_SEQUENCE
    };
    Record {
        offset: base.offset.wrapping_add(i64::from(raw.offset_delta)),
        timestamp,
        sequence,
        key: raw.key,
        value: raw.value,
        headers: raw.headers,
    }
}

impl<'a> Iterator for RecordIter<'a> {
    type Item = Result<Record<'a>, RecordsError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if !matches!(step, Ok(Some(_))) {
            self.0 = Inner::Done;
        }
        step.transpose()
    }
}
