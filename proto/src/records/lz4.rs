//! LZ4 frames as Java's `Lz4BlockOutputStream` writes and `Lz4BlockInputStream` reads: independent
//! blocks of at most 64 KiB (up to 4 MiB when read), no content checksum. In messages of format v0
//! the header's checksum is computed over the wrong bytes (KAFKA-3160), so there it is written so
//! and not checked.

use super::RecordsError;

const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
/// version 1, independent blocks
const FLAGS: u8 = 0x60;
/// 64 KiB blocks
const BLOCK_DESCRIPTOR: u8 = 4 << 4;
const BLOCK: usize = 64 * 1024;
const UNCOMPRESSED: u32 = 1 << 31;

fn corrupt(what: &str) -> RecordsError {
    RecordsError::corrupt(format!("lz4: {what}"))
}

pub(super) fn compress(input: &[u8], broken_checksum: bool, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[FLAGS, BLOCK_DESCRIPTOR]);
    let hashed = if broken_checksum {
        &out[start..]
    } else {
        &out[start + 4..]
    };
    let checksum = (xxh32(hashed) >> 8) as u8;
    out.push(checksum);
    for block in input.chunks(BLOCK) {
        let at = out.len();
        out.resize(
            at + 4 + lz4_flex::block::get_maximum_output_size(block.len()),
            0,
        );
        let size = match lz4_flex::block::compress_into(block, &mut out[at + 4..]) {
            Ok(len) if len < block.len() => {
                out.truncate(at + 4 + len);
                len as u32
            }
            _ => {
                out.truncate(at + 4);
                out.extend_from_slice(block);
                block.len() as u32 | UNCOMPRESSED
            }
        };
        out[at..at + 4].copy_from_slice(&size.to_le_bytes());
    }
    out.extend_from_slice(&[0; 4]);
}

fn take<'a>(input: &mut &'a [u8], n: usize) -> Result<&'a [u8], RecordsError> {
    let (head, tail) = input
        .split_at_checked(n)
        .ok_or_else(|| corrupt("stream ended prematurely"))?;
    *input = tail;
    Ok(head)
}

fn take_u32(input: &mut &[u8]) -> Result<u32, RecordsError> {
    let bytes = take(input, 4)?;
    Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

pub(super) fn decompress(
    mut input: &[u8],
    ignore_header_checksum: bool,
    limit: usize,
    out: &mut Vec<u8>,
) -> Result<(), RecordsError> {
    let input = &mut input;
    if take(input, 4)? != MAGIC {
        return Err(corrupt("stream is not an LZ4 frame"));
    }
    let descriptor = *input;
    let flags = take(input, 1)?[0];
    let block_max = match (take(input, 1)?[0] >> 4) & 7 {
        code @ 4..=7 => BLOCK << (2 * (code - 4)),
        _ => return Err(corrupt("frame has an invalid block size")),
    };
    if flags >> 6 != 1 {
        return Err(corrupt("frame has an unsupported version"));
    }
    if flags & 0x20 == 0 {
        return Err(corrupt("dependent blocks are not supported"));
    }
    if flags & 0x08 != 0 {
        take(input, 8)?;
    }
    let hashed = &descriptor[..descriptor.len() - input.len()];
    let checksum = take(input, 1)?[0];
    if !ignore_header_checksum && checksum != (xxh32(hashed) >> 8) as u8 {
        return Err(corrupt("frame descriptor is corrupted"));
    }
    blocks(input, flags & 0x10 != 0, block_max, limit, out)
}

fn blocks(
    input: &mut &[u8],
    checksums: bool,
    block_max: usize,
    limit: usize,
    out: &mut Vec<u8>,
) -> Result<(), RecordsError> {
    loop {
        let word = take_u32(input)?;
        let size = (word & !UNCOMPRESSED) as usize;
        if size == 0 {
            return Ok(());
        }
        if size > block_max {
            return Err(corrupt("block is larger than the frame allows"));
        }
        let block = take(input, size)?;
        if checksums && take_u32(input)? != xxh32(block) {
            return Err(corrupt("block checksum mismatch"));
        }
        let at = out.len();
        if word & UNCOMPRESSED != 0 {
            out.extend_from_slice(block);
        } else {
            // LZ4 expands by 255 at most, so the buffer grows with the bytes that are really here.
            out.resize(at + block_max.min(size.saturating_mul(255) + 64), 0);
            let len = lz4_flex::block::decompress_into(block, &mut out[at..])
                .map_err(|e| corrupt(&e.to_string()))?;
            out.truncate(at + len);
        }
        if out.len() > limit {
            return Err(RecordsError::TooLarge { limit });
        }
    }
}

/// XXH32 with seed 0.
fn xxh32(bytes: &[u8]) -> u32 {
    const P: [u32; 5] = [
        2_654_435_761,
        2_246_822_519,
        3_266_489_917,
        668_265_263,
        374_761_393,
    ];
    let word = |c: &[u8]| u32::from_le_bytes([c[0], c[1], c[2], c[3]]);
    let round = |acc: u32, c: &[u8]| {
        acc.wrapping_add(word(c).wrapping_mul(P[1]))
            .rotate_left(13)
            .wrapping_mul(P[0])
    };
    let stripes = bytes.chunks_exact(16);
    let mut rest = stripes.remainder();
    let mut h = if bytes.len() >= 16 {
        let mut acc = [P[0].wrapping_add(P[1]), P[1], 0, 0u32.wrapping_sub(P[0])];
        for stripe in stripes {
            for (a, c) in acc.iter_mut().zip(stripe.chunks_exact(4)) {
                *a = round(*a, c);
            }
        }
        acc[0]
            .rotate_left(1)
            .wrapping_add(acc[1].rotate_left(7))
            .wrapping_add(acc[2].rotate_left(12))
            .wrapping_add(acc[3].rotate_left(18))
    } else {
        P[4]
    };
    h = h.wrapping_add(bytes.len() as u32);
    while let Some((c, tail)) = rest.split_at_checked(4) {
        h = h
            .wrapping_add(word(c).wrapping_mul(P[2]))
            .rotate_left(17)
            .wrapping_mul(P[3]);
        rest = tail;
    }
    for &b in rest {
        h = h
            .wrapping_add(u32::from(b).wrapping_mul(P[4]))
            .rotate_left(11)
            .wrapping_mul(P[0]);
    }
    h = (h ^ (h >> 15)).wrapping_mul(P[1]);
    h = (h ^ (h >> 13)).wrapping_mul(P[2]);
    h ^ (h >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xxh32_known_values() {
        assert_eq!(xxh32(b""), 0x02cc_5d05);
        assert_eq!(xxh32(b"abc"), 0x32d1_53ff);
        assert_eq!(
            xxh32(b"Nobody inspects the spammish repetition"),
            0xe229_3b2f
        );
    }

    #[test]
    fn frames_are_read_by_the_reference_library() {
        use std::io::Read;
        let data: Vec<u8> = (0..200_000u32)
            .flat_map(|i| (i / 7).to_be_bytes())
            .collect();
        let mut out = Vec::new();
        compress(&data, false, &mut out);
        let mut back = Vec::new();
        lz4_flex::frame::FrameDecoder::new(&out[..])
            .read_to_end(&mut back)
            .unwrap();
        assert_eq!(back, data);
        let mut ours = Vec::new();
        decompress(&out, false, data.len(), &mut ours).unwrap();
        assert_eq!(ours, data);
    }

    #[test]
    fn the_old_header_checksum_is_taken_only_where_asked() {
        let mut out = Vec::new();
        compress(b"hello hello hello", true, &mut out);
        let mut back = Vec::new();
        assert!(decompress(&out, false, 100, &mut back).is_err());
        decompress(&out, true, 100, &mut back).unwrap();
        assert_eq!(back, b"hello hello hello");
    }
}
