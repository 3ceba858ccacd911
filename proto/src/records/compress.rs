//! The compression codecs of records, bounded on the way out. Mirrors Java's `CompressionType` and
//! `org.apache.kafka.common.compress`.

use std::io::{Read, Write};

use super::{RecordsError, lz4, snappy};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    #[default]
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Compression {
    /// From the attribute bits of a batch.
    pub fn from_id(id: u8) -> Result<Self, RecordsError> {
        Ok(match id {
            0 => Self::None,
            1 => Self::Gzip,
            2 => Self::Snappy,
            3 => Self::Lz4,
            4 => Self::Zstd,
            _ => {
                return Err(RecordsError::invalid(format!(
                    "Unknown compression type id: {id}"
                )));
            }
        })
    }

    pub fn id(self) -> u8 {
        self as u8
    }

    /// As `compression.type` writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// Case-sensitive, as Java's `CompressionType.forName`.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd]
            .into_iter()
            .find(|c| c.name() == name)
    }
}

/// Appends `input`, compressed for a batch of format `magic`, to `out`.
pub fn compress(
    codec: Compression,
    magic: u8,
    input: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), RecordsError> {
    let failed = |e: std::io::Error| RecordsError::corrupt(format!("{}: {e}", codec.name()));
    match codec {
        Compression::None => out.extend_from_slice(input),
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::default());
            encoder.write_all(input).map_err(failed)?;
            encoder.finish().map_err(failed)?;
        }
        Compression::Snappy => snappy::compress(input, out)?,
        Compression::Lz4 => lz4::compress(input, magic == 0, out),
        Compression::Zstd => {
            let mut encoder = zstd::stream::write::Encoder::new(out, 3).map_err(failed)?;
            encoder.write_all(input).map_err(failed)?;
            encoder.finish().map_err(failed)?;
        }
    }
    Ok(())
}

/// Appends `input` decompressed to `out`, whose length stays at most `limit`.
pub fn decompress(
    codec: Compression,
    magic: u8,
    input: &[u8],
    limit: usize,
    out: &mut Vec<u8>,
) -> Result<(), RecordsError> {
    let failed = |e: std::io::Error| RecordsError::corrupt(format!("{}: {e}", codec.name()));
    match codec {
        Compression::None => bounded(input, limit, out).map_err(failed)?,
        Compression::Gzip => {
            bounded(flate2::bufread::MultiGzDecoder::new(input), limit, out).map_err(failed)?
        }
        Compression::Snappy => return snappy::decompress(input, limit, out),
        Compression::Lz4 => return lz4::decompress(input, magic == 0, limit, out),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input).map_err(failed)?;
            // The decoder takes a window that the frame asks for: not a larger one than the data
            // may be, nor than zstd's own default of 128 MiB.
            decoder
                .window_log_max((limit.max(1).ilog2() + 1).clamp(21, 27))
                .map_err(failed)?;
            bounded(decoder, limit, out).map_err(failed)?;
        }
    }
    if out.len() > limit {
        return Err(RecordsError::TooLarge { limit });
    }
    Ok(())
}

/// Reads one byte more than allowed at most, so that the caller sees the excess.
fn bounded(source: impl Read, limit: usize, out: &mut Vec<u8>) -> std::io::Result<()> {
    let room = limit.saturating_sub(out.len()) as u64 + 1;
    source.take(room).read_to_end(out)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Compression; 5] = [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];

    #[test]
    fn a_bomb_is_stopped_at_the_limit() {
        let zeros = vec![0; 10 << 20];
        for codec in ALL {
            let (mut packed, mut out) = (Vec::new(), Vec::new());
            compress(codec, 2, &zeros, &mut packed).unwrap();
            let got = decompress(codec, 2, &packed, 1 << 20, &mut out);
            assert_eq!(
                got,
                Err(RecordsError::TooLarge { limit: 1 << 20 }),
                "{}",
                codec.name()
            );
            assert!(
                out.capacity() <= 4 << 20,
                "{} took {}",
                codec.name(),
                out.capacity()
            );
        }
    }

    #[test]
    fn raw_snappy_is_read() {
        let data = b"raw snappy without a stream header".repeat(9);
        let raw = snap::raw::Encoder::new().compress_vec(&data).unwrap();
        let mut out = Vec::new();
        decompress(Compression::Snappy, 2, &raw, 1000, &mut out).unwrap();
        assert_eq!(out, data);
    }

    proptest! {
        #[test]
        fn round_trip(data in prop::collection::vec(any::<u8>(), 0..5000), copies in 1usize..40, magic in 0u8..3) {
            let data = data.repeat(copies);
            for codec in ALL {
                let (mut packed, mut out) = (Vec::new(), Vec::new());
                compress(codec, magic, &data, &mut packed).unwrap();
                decompress(codec, magic, &packed, data.len(), &mut out).unwrap();
                prop_assert!(out == data, "{}", codec.name());
            }
        }

        #[test]
        fn damage_never_panics(data in prop::collection::vec(any::<u8>(), 1..500), at: usize, bit in 0u8..8) {
            for codec in ALL {
                let mut packed = Vec::new();
                compress(codec, 2, &data, &mut packed).unwrap();
                let len = packed.len();
                packed[at % len] ^= 1 << bit;
                let _ = decompress(codec, 2, &packed, 4096, &mut Vec::new());
                let _ = decompress(codec, 2, &packed[..at % len], 4096, &mut Vec::new());
            }
        }
    }
}
