//! Conversion between formats: up when an old producer's messages go into a log, down when an old
//! consumer fetches. Mirrors Java's `RecordsUtil.downConvert`.

use super::batch::Batches;
use super::build::{BatchBuilder, BatchOptions};
use super::compress::Compression;
use super::legacy::MessageSetBuilder;
use super::{RecordsError, TimestampType};

/// Rewrites `bytes` (whole batches of any format) for a reader that knows formats up to `magic`.
///
/// Batches that it knows are copied; control batches are dropped (old readers take them for data).
/// Records of an uncompressed v2 batch below `first_offset` are left out, since v0/v1 have no
/// batch that could begin before the offset asked for (librdkafka relies on it). `limit` bounds the
/// decompressed size of each batch.
pub fn down_convert(
    bytes: &[u8],
    magic: u8,
    first_offset: i64,
    limit: usize,
) -> Result<Vec<u8>, RecordsError> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut scratch = Vec::new();
    for batch in Batches::new(bytes) {
        let batch = batch?;
        let header = &batch.header;
        let compression = header.compression()?;
        if magic < 2 {
            if header.is_control() {
                continue;
            }
            if compression == Compression::Zstd {
                return Err(RecordsError::UnsupportedCompression(
                    "Down-conversion of zstandard-compressed batches is not supported".to_owned(),
                ));
            }
        }
        if header.magic <= magic {
            out.extend_from_slice(batch.bytes);
            continue;
        }
        let append_time = (header.timestamp_type() == TimestampType::LogAppendTime)
            .then_some(header.max_timestamp);
        let mut builder = MessageSetBuilder::new(magic, compression, append_time);
        for record in batch.records(&mut scratch, limit)? {
            let record = record?;
            if compression != Compression::None || record.offset >= first_offset {
                builder.append(record.offset, record.timestamp, record.key, record.value);
            }
        }
        builder.finish_into(&mut out)?;
    }
    Ok(out)
}

/// Rewrites whole v0/v1 messages as one v2 batch with these options, offsets counted from
/// `options.base_offset`.
pub fn up_convert(
    bytes: &[u8],
    options: BatchOptions,
    limit: usize,
) -> Result<Vec<u8>, RecordsError> {
    let mut builder = BatchBuilder::with_capacity(options, bytes.len() + 128);
    let mut scratch = Vec::new();
    for batch in Batches::new(bytes) {
        for record in batch?.records(&mut scratch, limit)? {
            let record = record?;
            builder.append(
                record.timestamp,
                record.key,
                record.value,
                record.headers.iter(),
            );
            if builder.size() > limit {
                return Err(RecordsError::TooLarge { limit });
            }
        }
    }
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::super::{Batch, Header};
    use super::*;

    fn v2(compression: Compression) -> Vec<u8> {
        let mut b = BatchBuilder::new(BatchOptions {
            base_offset: 10,
            compression,
            ..Default::default()
        });
        for i in 0..5i64 {
            let headers = [Header {
                key: b"h",
                value: None,
            }];
            b.append(
                1000 + i,
                Some(b"key"),
                Some(&i.to_be_bytes()),
                headers.into_iter(),
            );
        }
        b.build().unwrap()
    }

    fn offsets(bytes: &[u8]) -> Vec<i64> {
        let mut scratch = Vec::new();
        let mut out = Vec::new();
        for batch in Batches::new(bytes) {
            let batch = batch.unwrap();
            batch.check_crc().unwrap();
            out.extend(
                batch
                    .records(&mut scratch, 10_000)
                    .unwrap()
                    .map(|r| r.unwrap().offset),
            );
        }
        out
    }

    #[test]
    fn down_and_up_again() {
        for magic in [0, 1] {
            for codec in [
                Compression::None,
                Compression::Gzip,
                Compression::Snappy,
                Compression::Lz4,
            ] {
                let old = down_convert(&v2(codec), magic, 10, 10_000).unwrap();
                assert_eq!(offsets(&old), [10, 11, 12, 13, 14]);
                let new = up_convert(
                    &old,
                    BatchOptions {
                        base_offset: 90,
                        ..Default::default()
                    },
                    10_000,
                )
                .unwrap();
                assert_eq!(offsets(&new), [90, 91, 92, 93, 94]);
                let header = Batch::first(&new).unwrap().unwrap().header;
                assert_eq!(header.max_timestamp, if magic == 0 { -1 } else { 1004 });
            }
        }
    }

    #[test]
    fn a_plain_batch_is_cut_at_the_first_offset_a_compressed_one_is_not() {
        assert_eq!(
            offsets(&down_convert(&v2(Compression::None), 1, 12, 10_000).unwrap()),
            [12, 13, 14]
        );
        assert_eq!(
            offsets(&down_convert(&v2(Compression::Lz4), 1, 12, 10_000).unwrap()).len(),
            5
        );
    }

    #[test]
    fn zstd_cannot_go_down() {
        let got = down_convert(&v2(Compression::Zstd), 1, 10, 10_000);
        assert!(matches!(got, Err(RecordsError::UnsupportedCompression(_))));
    }
}
