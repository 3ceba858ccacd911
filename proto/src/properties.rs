//! The syntax of `java.util.Properties` files (zoo.cfg, server.properties, dynamic configuration):
//! text in, keys with their line out, so that every message can name file and line. Never opens
//! the file itself. Mirrors `Properties.load(InputStream)`: ISO-8859-1, escapes, continuation lines.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// One `key=value`, and the line on which it starts (counted from 1; 0 when it is not from a file).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    pub key: String,
    pub value: String,
    pub line: u32,
}

/// The keys of one file. The last value of a repeated key counts, as in Java.
#[derive(Debug, Clone, Default)]
pub struct Properties {
    source: Arc<str>,
    entries: Vec<Property>,
    index: HashMap<String, usize>,
    repeated: Vec<Repeated>,
}

/// A key that stands more than once: Java silently takes the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeated {
    pub key: String,
    /// the line whose value is ignored
    pub ignored: u32,
    /// the line whose value counts
    pub used: u32,
}

/// A file that `Properties.load` would refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}, line {line}: malformed \\uxxxx escape: write four hexadecimal digits after \\u")]
pub struct PropertiesError {
    pub file: Arc<str>,
    pub line: u32,
}

/// Where a value was written: `zoo.cfg, line 3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub source: Arc<str>,
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.source),
            line => write!(f, "{}, line {line}", self.source),
        }
    }
}

impl Properties {
    /// Reads the text of a file; `source` is its name for messages.
    pub fn parse(source: &str, text: &[u8]) -> Result<Self, PropertiesError> {
        let mut properties = Self::new(source);
        let mut lines = LogicalLines::new(text);
        let mut units = Vec::new();
        while let Some(line) = lines.next_into(&mut units) {
            let at = |()| PropertiesError {
                file: properties.source.clone(),
                line,
            };
            let (key, value) = split(&units);
            let (key, value) = (
                unescape(key).map_err(at)?,
                unescape(value.unwrap_or(&[])).map_err(at)?,
            );
            properties.set(key, value, line);
        }
        Ok(properties)
    }

    /// No keys yet.
    pub fn new(source: &str) -> Self {
        Self {
            source: source.into(),
            ..Self::default()
        }
    }

    pub fn source(&self) -> &Arc<str> {
        &self.source
    }

    pub fn set(&mut self, key: String, value: String, line: u32) {
        if let Some(&at) = self.index.get(&key) {
            let entry = &mut self.entries[at];
            self.repeated.push(Repeated {
                key,
                ignored: entry.line,
                used: line,
            });
            entry.value = value;
            entry.line = line;
        } else {
            self.index.insert(key.clone(), self.entries.len());
            self.entries.push(Property { key, value, line });
        }
    }

    pub fn get(&self, key: &str) -> Option<&Property> {
        self.index.get(key).map(|&at| &self.entries[at])
    }

    pub fn value(&self, key: &str) -> Option<&str> {
        self.get(key).map(|entry| entry.value.as_str())
    }

    pub fn place(&self, key: &str) -> Option<Place> {
        self.get(key).map(|entry| Place {
            source: self.source.clone(),
            line: entry.line,
        })
    }

    /// In the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Property> {
        self.entries.iter()
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn repeated(&self) -> &[Repeated] {
        &self.repeated
    }
}

/// Splits a text into logical lines: comments and blank lines left out, continuation lines joined.
struct LogicalLines<'a> {
    rest: &'a [u8],
    /// number of the natural line at the start of `rest`
    line: u32,
}

impl<'a> LogicalLines<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self {
            rest: text,
            line: 1,
        }
    }

    /// The next natural line without its terminator, its number, and whether it had a terminator.
    fn natural(&mut self) -> Option<(&'a [u8], u32)> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self
            .rest
            .iter()
            .position(|&b| b == b'\n' || b == b'\r')
            .unwrap_or(self.rest.len());
        let (line, after) = self.rest.split_at(end);
        self.rest = match after {
            [b'\r', b'\n', rest @ ..] => rest,
            [_, rest @ ..] => rest,
            [] => after,
        };
        let number = self.line;
        self.line = self.line.saturating_add(1);
        Some((line, number))
    }

    /// Puts the next logical line into `out` and tells the number of its first natural line.
    fn next_into(&mut self, out: &mut Vec<u8>) -> Option<u32> {
        out.clear();
        let mut start = 0;
        loop {
            let Some((line, number)) = self.natural() else {
                return (!out.is_empty()).then_some(start);
            };
            let line = line.trim_ascii_start_java();
            if out.is_empty() {
                if matches!(line, [b'#' | b'!', ..]) {
                    continue;
                }
                start = number;
            }
            let backslashes = line.iter().rev().take_while(|&&b| b == b'\\').count();
            let continues = backslashes % 2 == 1;
            out.extend_from_slice(&line[..line.len() - usize::from(continues)]);
            if !continues && !out.is_empty() {
                return Some(start);
            }
        }
    }
}

/// White space as `Properties` knows it: blank, tab, form feed.
trait JavaWhite {
    fn trim_ascii_start_java(&self) -> &Self;
}

impl JavaWhite for [u8] {
    fn trim_ascii_start_java(&self) -> &Self {
        let start = self.iter().position(|&b| !is_white(b));
        &self[start.unwrap_or(self.len())..]
    }
}

fn is_white(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\x0c')
}

/// Key and value of a logical line, still escaped. No value: the line holds a key alone.
fn split(line: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut escaped = false;
    let end = line.iter().position(|&b| {
        let ends = !escaped && (matches!(b, b'=' | b':') || is_white(b));
        escaped = b == b'\\' && !escaped;
        ends
    });
    let Some(end) = end else {
        return (line, None);
    };
    let mut value = line[end..].trim_ascii_start_java();
    if let [b'=' | b':', rest @ ..] = value {
        value = rest.trim_ascii_start_java();
    }
    (&line[..end], Some(value))
}

fn unescape(raw: &[u8]) -> Result<String, ()> {
    if raw.is_ascii() && !raw.contains(&b'\\') {
        return Ok(String::from_utf8_lossy(raw).into_owned());
    }
    let mut units: Vec<u16> = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter().copied();
    while let Some(b) = bytes.next() {
        if b != b'\\' {
            units.push(u16::from(b));
            continue;
        }
        units.push(match bytes.next() {
            Some(b'u') => {
                let mut unit = 0u16;
                for _ in 0..4 {
                    let digit = bytes.next().and_then(|d| char::from(d).to_digit(16));
                    unit = unit << 4 | u16::try_from(digit.ok_or(())?).map_err(|_| ())?;
                }
                unit
            }
            Some(b't') => u16::from(b'\t'),
            Some(b'r') => u16::from(b'\r'),
            Some(b'n') => u16::from(b'\n'),
            Some(b'f') => 0x0c,
            Some(other) => u16::from(other),
            None => break,
        });
    }
    Ok(String::from_utf16_lossy(&units))
}

/// Java's `Long.decode`: decimal, `0x`, `#`, or octal after a 0, with a sign.
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
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_decode_as_java() {
        for (text, value) in [
            ("12", Some(12)),
            ("-12", Some(-12)),
            ("+7", Some(7)),
            ("0x1f", Some(31)),
            ("#1F", Some(31)),
            ("-0x1", Some(-1)),
            ("010", Some(8)),
            ("0", Some(0)),
            ("0x", None),
            ("", None),
            ("-", None),
            ("--1", None),
            ("4m", None),
            ("9223372036854775808", None),
            ("-9223372036854775808", Some(i64::MIN)),
        ] {
            assert_eq!(decode_long(text), value, "{text}");
        }
    }

    fn pairs(text: &str) -> Vec<(String, String, u32)> {
        let properties = Properties::parse("f", text.as_bytes()).unwrap();
        let all = properties.iter();
        all.map(|p| (p.key.clone(), p.value.clone(), p.line))
            .collect()
    }

    fn one(text: &str) -> (String, String) {
        let all = pairs(text);
        assert_eq!(all.len(), 1, "{all:?}");
        let (key, value, _) = all.into_iter().next().unwrap();
        (key, value)
    }

    /// Expected values: OpenJDK 17's `Properties.load` on the same bytes.
    #[test]
    fn reads_as_java_does() {
        for (text, key, value) in [
            ("a=b", "a", "b"),
            ("  a \t= b ", "a", "b "),
            ("a:b", "a", "b"),
            ("a b=c", "a", "b=c"),
            ("a = = b", "a", "= b"),
            ("a", "a", ""),
            ("a=", "a", ""),
            ("=b", "", "b"),
            ("a\\ b=c", "a b", "c"),
            ("a\\=b=c", "a=b", "c"),
            ("a=one\\\n   two", "a", "onetwo"),
            ("a=one\\\r\n\ttwo", "a", "onetwo"),
            ("a=one\\\\\n", "a", "one\\"),
            ("a=one\\\n#two", "a", "one#two"),
            ("a=x\\", "a", "x"),
            ("a=\\u00e9\\u20ac", "a", "\u{e9}\u{20ac}"),
            ("a=\\ud83d\\ude00", "a", "\u{1f600}"),
            ("a=C\\:\\\\tmp\\q", "a", "C:\\tmpq"),
            ("a=\\t\\n\\r\\f.", "a", "\t\n\r\x0c."),
            ("# no\n ! no\n\n\x0c\na=b # stays", "a", "b # stays"),
            ("\\\n\na=b", "a", "b"),
        ] {
            assert_eq!(one(text), (key.to_owned(), value.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn bytes_over_127_are_latin_1() {
        let properties = Properties::parse("f", b"a=\xe9").unwrap();
        assert_eq!(properties.value("a"), Some("\u{e9}"));
    }

    #[test]
    fn lines_are_counted_and_the_last_value_counts() {
        let text = "#\na=1\r\nb=2\\\n  3\n\na=4\n";
        assert_eq!(
            pairs(text),
            [
                ("a".to_owned(), "4".to_owned(), 6),
                ("b".to_owned(), "23".to_owned(), 3)
            ]
        );
        let properties = Properties::parse("zoo.cfg", text.as_bytes()).unwrap();
        assert_eq!(
            properties.place("b").unwrap().to_string(),
            "zoo.cfg, line 3"
        );
        assert_eq!(
            properties.repeated(),
            [Repeated {
                key: "a".to_owned(),
                ignored: 2,
                used: 6
            }]
        );
    }

    #[test]
    fn a_malformed_escape_names_file_and_line() {
        let error = Properties::parse("zoo.cfg", b"a=1\nb=\\u00g1").unwrap_err();
        assert!(
            error.to_string().starts_with("zoo.cfg, line 2: malformed"),
            "{error}"
        );
    }

    proptest! {
        #[test]
        fn never_panics(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Properties::parse("f", &text);
        }
    }
}
