//! What the command line tools print, in the words of Java 3.9's (`TxnLogToolkit`,
//! `SnapshotFormatter`, `SnapshotComparer`, `SnapshotRecursiveSummary`). Nothing here knows argument
//! lists or exits: that is in `bin/`.

pub mod compare;
pub mod options;
pub mod snapshot_text;
pub mod tree;
pub mod txn_text;
pub mod txnlog;

/// Java's `Long.decode`: decimal, `0x`, `#`, or octal after a 0.
pub fn decode_long(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = if let Some(hex) = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
        .or_else(|| digits.strip_prefix('#'))
    {
        (16, hex)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (8, &digits[1..])
    } else {
        (10, digits)
    };
    if digits.starts_with(['-', '+']) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    i64::try_from(if negative { -value } else { value }).ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_as_long_decode_reads_them() {
        let cases = [
            ("17", Some(17)),
            ("0x1f", Some(31)),
            ("#1F", Some(31)),
            ("010", Some(8)),
            ("-0x1", Some(-1)),
            ("0", Some(0)),
            ("0x", None),
            ("--1", None),
            ("", None),
            ("9223372036854775808", None),
        ];
        for (text, value) in cases {
            assert_eq!(super::decode_long(text), value, "{text}");
        }
    }
}
