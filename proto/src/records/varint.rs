//! Zigzag varints of record format v2 (Java: `ByteUtils.readVarint` and its kin).

use super::RecordsError;

fn overlong() -> RecordsError {
    RecordsError::invalid("varint is too long")
}

fn truncated() -> RecordsError {
    RecordsError::invalid("record ends inside a varint")
}

fn unsigned(bytes: &[u8], at: &mut usize, max: usize) -> Result<u64, RecordsError> {
    let mut value = 0u64;
    for i in 0..max {
        let byte = *bytes.get(*at).ok_or_else(truncated)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(overlong())
}

/// Reads a 32-bit varint at `*at` and moves `*at` past it.
#[inline]
pub(super) fn read_i32(bytes: &[u8], at: &mut usize) -> Result<i32, RecordsError> {
    // Most lengths and deltas of small records are one byte.
    let raw = match bytes.get(*at) {
        Some(&b) if b < 0x80 => {
            *at += 1;
            u32::from(b)
        }
        _ => unsigned(bytes, at, 5)? as u32,
    };
    Ok((raw >> 1) as i32 ^ -((raw & 1) as i32))
}

/// Reads a 64-bit varint at `*at` and moves `*at` past it.
#[inline]
pub(super) fn read_i64(bytes: &[u8], at: &mut usize) -> Result<i64, RecordsError> {
    let raw = match bytes.get(*at) {
        Some(&b) if b < 0x80 => {
            *at += 1;
            u64::from(b)
        }
        _ => unsigned(bytes, at, 10)?,
    };
    Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
}

fn write_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn write_i32(out: &mut Vec<u8>, value: i32) {
    write_unsigned(out, u64::from(((value << 1) ^ (value >> 31)) as u32));
}

pub(super) fn write_i64(out: &mut Vec<u8>, value: i64) {
    write_unsigned(out, ((value << 1) ^ (value >> 63)) as u64);
}

pub(super) fn size_i32(value: i32) -> usize {
    size_i64(i64::from(value))
}

pub(super) fn size_i64(value: i64) -> usize {
    let raw = ((value << 1) ^ (value >> 63)) as u64;
    (64 - (raw | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(a: i32, b: i64) {
            let mut out = Vec::new();
            write_i32(&mut out, a);
            prop_assert_eq!(out.len(), size_i32(a));
            write_i64(&mut out, b);
            prop_assert_eq!(out.len(), size_i32(a) + size_i64(b));
            let mut at = 0;
            prop_assert_eq!(read_i32(&out, &mut at).unwrap(), a);
            prop_assert_eq!(read_i64(&out, &mut at).unwrap(), b);
            prop_assert_eq!(at, out.len());
        }
    }

    #[test]
    fn six_bytes_are_no_int() {
        let mut at = 0;
        assert!(read_i32(&[0xff, 0xff, 0xff, 0xff, 0xff, 1], &mut at).is_err());
        at = 0;
        assert!(read_i64(&[0x80], &mut at).is_err());
    }
}
