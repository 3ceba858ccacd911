//! Snappy as Kafka's Java clients write it (the stream format of xerial's snappy-java: a header,
//! then blocks with a length before each) and as librdkafka and others may (one raw block).

use super::RecordsError;

/// Magic, then version and least compatible version.
const HEADER: [u8; 16] = [
    0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1,
];
/// Uncompressed bytes in a block, as Kafka's Java client writes.
const BLOCK: usize = 32 * 1024;

fn failed(e: &snap::Error) -> RecordsError {
    RecordsError::corrupt(format!("snappy: {e}"))
}

pub(super) fn compress(input: &[u8], out: &mut Vec<u8>) -> Result<(), RecordsError> {
    out.extend_from_slice(&HEADER);
    let mut encoder = snap::raw::Encoder::new();
    for block in input.chunks(BLOCK) {
        let at = out.len();
        out.resize(at + 4 + snap::raw::max_compress_len(block.len()), 0);
        let len = encoder
            .compress(block, &mut out[at + 4..])
            .map_err(|e| failed(&e))?;
        out[at..at + 4].copy_from_slice(&(len as u32).to_be_bytes());
        out.truncate(at + 4 + len);
    }
    Ok(())
}

pub(super) fn decompress(
    mut input: &[u8],
    limit: usize,
    out: &mut Vec<u8>,
) -> Result<(), RecordsError> {
    if !input.starts_with(&HEADER[..8]) {
        return block(input, limit, out);
    }
    let truncated = || RecordsError::corrupt("snappy: stream ends inside a block");
    while !input.is_empty() {
        // Streams may be concatenated, each with its header.
        if input.starts_with(&HEADER[..8]) {
            input = input.get(HEADER.len()..).ok_or_else(truncated)?;
            continue;
        }
        let len = input
            .first_chunk::<4>()
            .map(|n| u32::from_be_bytes(*n) as usize)
            .ok_or_else(truncated)?;
        let compressed = input[4..].get(..len).ok_or_else(truncated)?;
        block(compressed, limit, out)?;
        input = &input[4 + len..];
    }
    Ok(())
}

fn block(compressed: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), RecordsError> {
    let len = snap::raw::decompress_len(compressed).map_err(|e| failed(&e))?;
    if len > limit.saturating_sub(out.len()) {
        return Err(RecordsError::TooLarge { limit });
    }
    // Snappy's densest element makes 64 bytes of 3: a length that claims more is a lie, and is
    // found out before memory is taken for it.
    if len > compressed.len().saturating_mul(22) + 64 {
        return Err(RecordsError::corrupt(
            "snappy: block claims more data than it can hold",
        ));
    }
    let at = out.len();
    out.resize(at + len, 0);
    let written = snap::raw::Decoder::new()
        .decompress(compressed, &mut out[at..])
        .map_err(|e| failed(&e))?;
    out.truncate(at + written);
    Ok(())
}
