//! Views over one batch of any format, and the fields a broker sets in place.
//!
//! A "batch" is a v2 record batch or one v0/v1 message (which may wrap compressed inner messages).
//! Mirrors Java's `DefaultRecordBatch`, `AbstractLegacyRecordBatch` and `ByteBufferLogInputStream`.

use super::compress::{Compression, decompress};
use super::iter::RecordIter;
use super::{
    NO_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, RecordsError,
    TimestampType,
};

/// Offset and size before each batch (`Records.LOG_OVERHEAD`).
pub const LOG_OVERHEAD: usize = 12;
/// Where the format's version byte is, in all formats.
pub const MAGIC_OFFSET: usize = 16;
/// Bytes up to and with the magic byte: what must be there to know a batch's format.
pub const HEADER_PREFIX_V2: usize = MAGIC_OFFSET + 1;
/// Bytes of a v2 batch before its records (`DefaultRecordBatch.RECORD_BATCH_OVERHEAD`).
pub const V2_OVERHEAD: usize = 61;
/// The smallest v0 message without its log overhead (`LegacyRecord.RECORD_OVERHEAD_V0`).
const MIN_RECORD_SIZE: usize = 14;

const EPOCH: usize = 12;
const CRC_V2: usize = 17;
const ATTRIBUTES_V2: usize = 21;
const BASE_TIMESTAMP: usize = 27;
const MAX_TIMESTAMP: usize = 35;

const TIMESTAMP_TYPE_MASK: i16 = 0x08;
const TRANSACTIONAL_MASK: i16 = 0x10;
const CONTROL_MASK: i16 = 0x20;
const DELETE_HORIZON_MASK: i16 = 0x40;

/// The header fields of a batch; those that v0/v1 lack hold Java's "none" values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// v2: offset of the first record; v0/v1: offset of the message, the last inner one if it is a wrapper
    pub offset: i64,
    /// whole size, log overhead included
    pub size: usize,
    pub magic: u8,
    pub leader_epoch: i32,
    pub crc: u32,
    pub attributes: i16,
    pub last_offset_delta: i32,
    pub base_timestamp: i64,
    pub max_timestamp: i64,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    /// records that the batch claims to hold; v0/v1 don't say (1 here)
    pub count: i32,
}

fn be<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

fn i64_at(bytes: &[u8], at: usize) -> i64 {
    i64::from_be_bytes(be(bytes, at))
}

fn i32_at(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(be(bytes, at))
}

fn i16_at(bytes: &[u8], at: usize) -> i16 {
    i16::from_be_bytes(be(bytes, at))
}

impl BatchHeader {
    /// Whole size of the batch whose first 17 bytes these are, once size and magic are plausible.
    /// `None`: fewer bytes are here.
    pub fn peek_size(bytes: &[u8]) -> Result<Option<usize>, RecordsError> {
        if bytes.len() < LOG_OVERHEAD {
            return Ok(None);
        }
        let size = i32_at(bytes, 8);
        if size < MIN_RECORD_SIZE as i32 {
            return Err(RecordsError::corrupt(format!(
                "Record size {size} is less than the minimum record overhead ({MIN_RECORD_SIZE})"
            )));
        }
        if bytes.len() < HEADER_PREFIX_V2 {
            return Ok(None);
        }
        let (magic, total) = (bytes[MAGIC_OFFSET], size as usize + LOG_OVERHEAD);
        let least = Self::overhead(magic).ok_or_else(|| {
            RecordsError::corrupt(format!("Invalid magic found in record: {}", magic as i8))
        })?;
        if total < least {
            return Err(RecordsError::corrupt(format!(
                "Record batch of format v{magic} has only {total} bytes"
            )));
        }
        Ok(Some(total))
    }

    /// Bytes of the fixed part of a batch with this magic.
    pub fn overhead(magic: u8) -> Option<usize> {
        match magic {
            0 => Some(LOG_OVERHEAD + MIN_RECORD_SIZE),
            1 => Some(LOG_OVERHEAD + MIN_RECORD_SIZE + 8),
            2 => Some(V2_OVERHEAD),
            _ => None,
        }
    }

    /// Parses the fixed part; `None`: fewer bytes are here than it has.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, RecordsError> {
        let Some(size) = Self::peek_size(bytes)? else {
            return Ok(None);
        };
        let magic = bytes[MAGIC_OFFSET];
        if Self::overhead(magic).is_none_or(|n| bytes.len() < n) {
            return Ok(None);
        }
        let offset = i64_at(bytes, 0);
        if magic < 2 {
            let timestamp = if magic == 1 {
                i64_at(bytes, 18)
            } else {
                NO_TIMESTAMP
            };
            return Ok(Some(Self {
                offset,
                size,
                magic,
                leader_epoch: NO_LEADER_EPOCH,
                crc: i32_at(bytes, 12) as u32,
                attributes: i16::from(bytes[17]),
                last_offset_delta: 0,
                base_timestamp: timestamp,
                max_timestamp: timestamp,
                producer_id: NO_PRODUCER_ID,
                producer_epoch: NO_PRODUCER_EPOCH,
                base_sequence: NO_SEQUENCE,
                count: 1,
            }));
        }
        Ok(Some(Self {
            offset,
            size,
            magic,
            leader_epoch: i32_at(bytes, EPOCH),
            crc: i32_at(bytes, CRC_V2) as u32,
            attributes: i16_at(bytes, ATTRIBUTES_V2),
            last_offset_delta: i32_at(bytes, 23),
            base_timestamp: i64_at(bytes, BASE_TIMESTAMP),
            max_timestamp: i64_at(bytes, MAX_TIMESTAMP),
            producer_id: i64_at(bytes, 43),
            producer_epoch: i16_at(bytes, 51),
            base_sequence: i32_at(bytes, 53),
            count: i32_at(bytes, 57),
        }))
    }

    /// Offset of the last record.
    pub fn last_offset(&self) -> i64 {
        self.offset.wrapping_add(i64::from(self.last_offset_delta))
    }

    pub fn next_offset(&self) -> i64 {
        self.last_offset().wrapping_add(1)
    }

    pub fn compression(&self) -> Result<Compression, RecordsError> {
        Compression::from_id((self.attributes & 7) as u8)
    }

    pub fn is_compressed(&self) -> bool {
        self.attributes & 7 != 0
    }

    pub fn timestamp_type(&self) -> TimestampType {
        if self.magic > 0 && self.attributes & TIMESTAMP_TYPE_MASK != 0 {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        }
    }

    pub fn is_transactional(&self) -> bool {
        self.magic >= 2 && self.attributes & TRANSACTIONAL_MASK != 0
    }

    pub fn is_control(&self) -> bool {
        self.magic >= 2 && self.attributes & CONTROL_MASK != 0
    }

    pub fn has_delete_horizon(&self) -> bool {
        self.magic >= 2 && self.attributes & DELETE_HORIZON_MASK != 0
    }

    pub fn has_producer_id(&self) -> bool {
        self.producer_id > NO_PRODUCER_ID
    }

    /// The fixed part of a v2 batch as bytes, with the CRC that belongs to it and these records.
    pub fn encode_v2(&self, payload: &[u8]) -> [u8; V2_OVERHEAD] {
        let mut out = self.encode_v2_as_is();
        let crc = crc32c::crc32c_append(crc32c::crc32c(&out[ATTRIBUTES_V2..]), payload);
        out[CRC_V2..CRC_V2 + 4].copy_from_slice(&crc.to_be_bytes());
        out
    }

    /// The fixed part of a v2 batch as bytes, with the CRC as it stands: for when nothing that the
    /// CRC covers was changed.
    pub fn encode_v2_as_is(&self) -> [u8; V2_OVERHEAD] {
        let mut out = [0; V2_OVERHEAD];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(&self.offset.to_be_bytes());
        put(&((self.size - LOG_OVERHEAD) as i32).to_be_bytes());
        put(&self.leader_epoch.to_be_bytes());
        put(&[2]);
        put(&self.crc.to_be_bytes());
        put(&self.attributes.to_be_bytes());
        put(&self.last_offset_delta.to_be_bytes());
        put(&self.base_timestamp.to_be_bytes());
        put(&self.max_timestamp.to_be_bytes());
        put(&self.producer_id.to_be_bytes());
        put(&self.producer_epoch.to_be_bytes());
        put(&self.base_sequence.to_be_bytes());
        put(&self.count.to_be_bytes());
        out
    }

    /// These attributes with another timestamp type.
    pub(super) fn with_timestamp_type(self, kind: TimestampType) -> i16 {
        match kind {
            TimestampType::CreateTime => self.attributes & !TIMESTAMP_TYPE_MASK,
            TimestampType::LogAppendTime => self.attributes | TIMESTAMP_TYPE_MASK,
        }
    }

    /// Sequence of the last record; sequences wrap at `i32::MAX` to 0.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence == NO_SEQUENCE {
            return NO_SEQUENCE;
        }
        add_sequence(self.base_sequence, self.last_offset_delta)
    }
}

/// `DefaultRecordBatch.incrementSequence`
fn add_sequence(sequence: i32, delta: i32) -> i32 {
    (i64::from(sequence) + i64::from(delta)).rem_euclid(1 << 31) as i32
}

/// One whole batch.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    pub header: BatchHeader,
    pub bytes: &'a [u8],
}

impl<'a> Batch<'a> {
    /// The first batch in `bytes`; `None` if it is not whole.
    pub fn first(bytes: &'a [u8]) -> Result<Option<Self>, RecordsError> {
        match BatchHeader::parse(bytes)? {
            Some(header) if header.size <= bytes.len() => Ok(Some(Self {
                header,
                bytes: &bytes[..header.size],
            })),
            _ => Ok(None),
        }
    }

    /// What follows the fixed part of a v2 batch: its records, possibly compressed.
    pub fn payload(&self) -> &'a [u8] {
        self.bytes.get(V2_OVERHEAD..).unwrap_or_default()
    }

    /// The checksum over the bytes as they are.
    pub fn computed_crc(&self) -> u32 {
        if self.header.magic >= 2 {
            crc32c::crc32c(&self.bytes[ATTRIBUTES_V2..])
        } else {
            crc32fast::hash(&self.bytes[MAGIC_OFFSET..])
        }
    }

    /// Java: `ensureValid`.
    pub fn check_crc(&self) -> Result<(), RecordsError> {
        let computed = self.computed_crc();
        if computed == self.header.crc {
            return Ok(());
        }
        Err(RecordsError::corrupt(format!(
            "Record is corrupt (stored crc = {}, computed crc = {computed})",
            self.header.crc
        )))
    }

    /// The records, decompressed into `scratch` where needed, at most `limit` bytes of them.
    pub fn records<'s>(
        &self,
        scratch: &'s mut Vec<u8>,
        limit: usize,
    ) -> Result<RecordIter<'s>, RecordsError>
    where
        'a: 's,
    {
        let compression = self.header.compression()?;
        if self.header.magic < 2 {
            return super::legacy::records(self, compression, scratch, limit);
        }
        let payload = if compression == Compression::None {
            self.payload()
        } else {
            scratch.clear();
            decompress(compression, 2, self.payload(), limit, scratch)?;
            &scratch[..]
        };
        Ok(RecordIter::v2(&self.header, payload))
    }
}

/// The batches in `bytes`, one after another. A batch cut off at the end ends the iteration; a
/// size or magic that cannot be is an error, after which nothing follows.
#[derive(Debug, Clone)]
pub struct Batches<'a> {
    bytes: &'a [u8],
    at: usize,
    failed: bool,
}

impl<'a> Batches<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            failed: false,
        }
    }

    /// Bytes of the whole batches passed so far.
    pub fn position(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<Batch<'a>, RecordsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        match Batch::first(&self.bytes[self.at..]) {
            Ok(None) => None,
            Ok(Some(batch)) => {
                self.at += batch.header.size;
                Some(Ok(batch))
            }
            Err(e) => {
                self.failed = true;
                Some(Err(e))
            }
        }
    }
}

/// Sets the offset field (v2: of the first record; v0/v1: of the message). Outside the CRC.
pub fn set_base_offset(batch: &mut [u8], offset: i64) {
    batch[..8].copy_from_slice(&offset.to_be_bytes());
}

/// Sets a v2 batch's partition leader epoch. Outside the CRC.
pub fn set_leader_epoch(batch: &mut [u8], epoch: i32) {
    batch[EPOCH..EPOCH + 4].copy_from_slice(&epoch.to_be_bytes());
}

/// Sets a v2 batch's timestamp type and max timestamp, and its CRC if either changed.
pub fn set_max_timestamp(batch: &mut [u8], kind: TimestampType, max_timestamp: i64) {
    let old = i16_at(batch, ATTRIBUTES_V2);
    let new = match kind {
        TimestampType::CreateTime => old & !TIMESTAMP_TYPE_MASK,
        TimestampType::LogAppendTime => old | TIMESTAMP_TYPE_MASK,
    };
    if old == new && i64_at(batch, MAX_TIMESTAMP) == max_timestamp {
        return;
    }
    batch[ATTRIBUTES_V2..ATTRIBUTES_V2 + 2].copy_from_slice(&new.to_be_bytes());
    batch[MAX_TIMESTAMP..MAX_TIMESTAMP + 8].copy_from_slice(&max_timestamp.to_be_bytes());
    seal_v2(batch);
}

/// Writes a v2 batch's CRC.
pub(super) fn seal_v2(batch: &mut [u8]) {
    let crc = crc32c::crc32c(&batch[ATTRIBUTES_V2..]);
    batch[CRC_V2..CRC_V2 + 4].copy_from_slice(&crc.to_be_bytes());
}

/// Attribute bits of a v2 batch.
pub(super) fn attributes(
    compression: Compression,
    kind: TimestampType,
    transactional: bool,
    control: bool,
) -> i16 {
    let mut bits = i16::from(compression.id());
    if kind == TimestampType::LogAppendTime {
        bits |= TIMESTAMP_TYPE_MASK;
    }
    if transactional {
        bits |= TRANSACTIONAL_MASK;
    }
    if control {
        bits |= CONTROL_MASK;
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sequences_wrap_to_zero() {
        assert_eq!(add_sequence(i32::MAX, 1), 0);
        assert_eq!(add_sequence(i32::MAX - 1, 3), 1);
        assert_eq!(add_sequence(5, 3), 8);
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut scratch = Vec::new();
            for batch in Batches::new(&bytes).flatten() {
                let _ = batch.check_crc();
                if let Ok(records) = batch.records(&mut scratch, 1 << 16) {
                    records.take(1000).for_each(drop);
                }
            }
        }
    }
}
