//! Builds v2 batches. Mirrors the v2 side of Java's `MemoryRecordsBuilder`.

use super::batch::{BatchHeader, V2_OVERHEAD, attributes};
use super::compress::{Compression, compress};
use super::iter::Header;
use super::{
    NO_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, RecordsError,
    TimestampType, varint,
};

/// The batch-level values of a batch to build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchOptions {
    pub base_offset: i64,
    pub compression: Compression,
    /// LogAppendTime with this time instead of the records' own
    pub log_append_time: Option<i64>,
    pub leader_epoch: i32,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub transactional: bool,
    pub control: bool,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self {
            base_offset: 0,
            compression: Compression::None,
            log_append_time: None,
            leader_epoch: NO_LEADER_EPOCH,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            base_sequence: NO_SEQUENCE,
            transactional: false,
            control: false,
        }
    }
}

#[derive(Debug)]
pub struct BatchBuilder {
    options: BatchOptions,
    /// room for the header, then records (uncompressed)
    bytes: Vec<u8>,
    count: i32,
    last_delta: i32,
    base_timestamp: i64,
    max_timestamp: i64,
}

fn field(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => varint::write_i32(out, -1),
        Some(bytes) => {
            varint::write_i32(out, bytes.len() as i32);
            out.extend_from_slice(bytes);
        }
    }
}

fn field_size(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |b| varint::size_i32(b.len() as i32) + b.len())
}

impl BatchBuilder {
    pub fn new(options: BatchOptions) -> Self {
        Self::with_capacity(options, 512)
    }

    /// `capacity`: an estimate of the batch's size.
    pub fn with_capacity(options: BatchOptions, capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity.max(V2_OVERHEAD));
        bytes.resize(V2_OVERHEAD, 0);
        Self {
            options,
            bytes,
            count: 0,
            last_delta: 0,
            base_timestamp: NO_TIMESTAMP,
            max_timestamp: NO_TIMESTAMP,
        }
    }

    /// Appends a record with the next offset.
    pub fn append<'a>(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl Iterator<Item = Header<'a>> + Clone,
    ) {
        let delta = if self.count == 0 {
            0
        } else {
            self.last_delta + 1
        };
        self.append_at(
            self.options.base_offset + i64::from(delta),
            timestamp,
            key,
            value,
            headers,
        );
    }

    /// Appends a record with this offset, which must be above the last one.
    pub fn append_at<'a>(
        &mut self,
        offset: i64,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl Iterator<Item = Header<'a>> + Clone,
    ) {
        let delta = (offset - self.options.base_offset) as i32;
        if self.count == 0 {
            self.base_timestamp = timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let timestamp_delta = timestamp.wrapping_sub(self.base_timestamp);
        let header_count = headers.clone().count() as i32;
        let headers_size: usize = headers
            .clone()
            .map(|h| field_size(Some(h.key)) + field_size(h.value))
            .sum();
        let size = 1
            + varint::size_i64(timestamp_delta)
            + varint::size_i32(delta)
            + field_size(key)
            + field_size(value)
            + varint::size_i32(header_count)
            + headers_size;
        let out = &mut self.bytes;
        varint::write_i32(out, size as i32);
        out.push(0);
        varint::write_i64(out, timestamp_delta);
        varint::write_i32(out, delta);
        field(out, key);
        field(out, value);
        varint::write_i32(out, header_count);
        for header in headers {
            field(out, Some(header.key));
            field(out, header.value);
        }
        self.last_delta = delta;
        self.count += 1;
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn count(&self) -> i32 {
        self.count
    }

    /// Size of the batch so far, before compression.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The batch's bytes; empty if nothing was appended.
    pub fn build(self) -> Result<Vec<u8>, RecordsError> {
        if self.count == 0 {
            return Ok(Vec::new());
        }
        let o = &self.options;
        let mut out = if o.compression == Compression::None {
            self.bytes
        } else {
            let mut out = Vec::with_capacity(self.bytes.len() / 2);
            out.resize(V2_OVERHEAD, 0);
            compress(o.compression, 2, &self.bytes[V2_OVERHEAD..], &mut out)?;
            out
        };
        let kind = if o.log_append_time.is_some() {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        };
        let header = BatchHeader {
            offset: o.base_offset,
            size: out.len(),
            magic: 2,
            leader_epoch: o.leader_epoch,
            crc: 0,
            attributes: attributes(o.compression, kind, o.transactional, o.control),
            last_offset_delta: self.last_delta,
            base_timestamp: self.base_timestamp,
            max_timestamp: o.log_append_time.unwrap_or(self.max_timestamp),
            producer_id: o.producer_id,
            producer_epoch: o.producer_epoch,
            base_sequence: o.base_sequence,
            count: self.count,
        };
        let head = header.encode_v2(&out[V2_OVERHEAD..]);
        out[..V2_OVERHEAD].copy_from_slice(&head);
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Batch, Compression};
    use super::*;
    use proptest::prelude::*;

    type Row = (
        i64,
        Option<Vec<u8>>,
        Option<Vec<u8>>,
        Vec<(Vec<u8>, Option<Vec<u8>>)>,
    );

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>(), 0..200)
    }

    fn row() -> impl Strategy<Value = Row> {
        let headers = prop::collection::vec((bytes(), prop::option::of(bytes())), 0..4);
        (
            0i64..1 << 50,
            prop::option::of(bytes()),
            prop::option::of(bytes()),
            headers,
        )
    }

    proptest! {
        #[test]
        fn records_come_back(rows in prop::collection::vec(row(), 1..30), codec in 0u8..5, base in 0i64..1 << 40) {
            let compression = Compression::from_id(codec).unwrap();
            let mut b = BatchBuilder::new(BatchOptions { base_offset: base, compression, ..Default::default() });
            for (ts, k, v, h) in &rows {
                let headers = h.iter().map(|(k, v)| Header { key: k, value: v.as_deref() });
                b.append(*ts, k.as_deref(), v.as_deref(), headers);
            }
            let out = b.build().unwrap();
            let batch = Batch::first(&out).unwrap().unwrap();
            batch.check_crc().unwrap();
            prop_assert_eq!(batch.header.max_timestamp, rows.iter().map(|r| r.0).max().unwrap());
            prop_assert_eq!(batch.header.next_offset(), base + rows.len() as i64);
            let mut scratch = Vec::new();
            let mut n = 0;
            for (record, row) in batch.records(&mut scratch, 1 << 20).unwrap().zip(&rows) {
                let r = record.unwrap();
                prop_assert_eq!(r.offset, base + n);
                prop_assert_eq!((r.timestamp, r.key, r.value), (row.0, row.1.as_deref(), row.2.as_deref()));
                let headers: Vec<_> = r.headers.iter().map(|h| (h.key.to_vec(), h.value.map(<[u8]>::to_vec))).collect();
                prop_assert_eq!(&headers, &row.3);
                n += 1;
            }
            prop_assert_eq!(n as usize, rows.len());
        }
    }
}
