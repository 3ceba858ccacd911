//! A line of text as a record: where its headers, key and value begin (Java: `LineMessageReader`).
//! Works on bytes, so what is not UTF-8 arrives as it was.

use std::collections::HashMap;

use bytes::Bytes;
use driver::kafka_client::producer::ProducerRecord;
use regex_lite::Regex;

use crate::tools::Failure;

#[derive(Debug)]
pub(super) struct LineReader {
    parse_key: bool,
    key_separator: String,
    parse_headers: bool,
    headers_delimiter: String,
    headers_separator: Regex,
    headers_key_separator: String,
    ignore_error: bool,
    null_marker: Option<String>,
    line_number: u64,
}

impl LineReader {
    pub(super) fn new(properties: &HashMap<String, String>) -> Result<Self, Failure> {
        let text = |key: &str, default: &str| {
            properties
                .get(key)
                .map_or(default, String::as_str)
                .to_owned()
        };
        let flag = |key: &str| {
            properties
                .get(key)
                .is_some_and(|v| v.trim().eq_ignore_ascii_case("true"))
        };
        let null_marker = properties.get("null.marker").cloned();
        let (key, delimiter) = (text("key.separator", "\t"), text("headers.delimiter", "\t"));
        let (separator, pair) = (
            text("headers.separator", ","),
            text("headers.key.separator", ":"),
        );
        let marker = null_marker.as_deref();
        for (equal, names) in [
            (
                delimiter == separator,
                "headers.delimiter and headers.separator",
            ),
            (
                delimiter == pair,
                "headers.delimiter and headers.key.separator",
            ),
            (
                separator == pair,
                "headers.separator and headers.key.separator",
            ),
            (marker == Some(&key), "null.marker and key.separator"),
            (
                marker == Some(&separator),
                "null.marker and headers.separator",
            ),
            (
                marker == Some(&delimiter),
                "null.marker and headers.delimiter",
            ),
            (
                marker == Some(&pair),
                "null.marker and headers.key.separator",
            ),
        ] {
            if equal {
                return Err(exception(format!("{names} may not be equal")));
            }
        }
        let headers_separator = Regex::new(&separator)
            .map_err(|e| exception(format!("headers.separator {separator}: {e}")))?;
        Ok(Self {
            parse_key: flag("parse.key"),
            key_separator: key,
            parse_headers: flag("parse.headers"),
            headers_delimiter: delimiter,
            headers_separator,
            headers_key_separator: pair,
            ignore_error: flag("ignore.error"),
            null_marker,
            line_number: 0,
        })
    }

    /// The record that the next line stands for.
    pub(super) fn read(&mut self, line: &Bytes, now: i64) -> Result<ProducerRecord, Failure> {
        self.line_number += 1;
        let (headers, rest) = self.part(
            self.parse_headers,
            line,
            0,
            &self.headers_delimiter,
            "headers delimiter",
        )?;
        let (key, rest) = self.part(
            self.parse_key,
            line,
            rest,
            &self.key_separator,
            "key separator",
        )?;
        let value = line.slice(rest..);
        let headers = match headers.filter(|h| !self.is_null(h)) {
            Some(headers) => self.headers(&headers)?,
            None => Vec::new(),
        };
        Ok(ProducerRecord {
            timestamp: now,
            key: key.filter(|k| !self.is_null(k)),
            value: Some(value).filter(|v| !self.is_null(v)),
            headers,
        })
    }

    fn is_null(&self, text: &[u8]) -> bool {
        self.null_marker
            .as_deref()
            .is_some_and(|m| m.as_bytes() == text)
    }

    /// What stands before the mark, and where the rest begins.
    fn part(
        &self,
        wanted: bool,
        line: &Bytes,
        from: usize,
        mark: &str,
        name: &str,
    ) -> Result<(Option<Bytes>, usize), Failure> {
        if !wanted {
            return Ok((None, from));
        }
        match find(&line[from..], mark.as_bytes()) {
            Some(at) => Ok((Some(line.slice(from..from + at)), from + at + mark.len())),
            None if self.ignore_error => Ok((None, from)),
            None => Err(exception(format!(
                "No {name} found on line number {}: '{}'",
                self.line_number,
                String::from_utf8_lossy(line)
            ))),
        }
    }

    fn headers(&self, text: &Bytes) -> Result<Vec<(Bytes, Option<Bytes>)>, Failure> {
        let text = String::from_utf8_lossy(text);
        let mut pairs: Vec<&str> = self.headers_separator.split(&text).collect();
        // Java's split leaves out what is empty at the end.
        while pairs.len() > 1 && pairs.last().is_some_and(|p| p.is_empty()) {
            pairs.pop();
        }
        let owned = |s: &str| Bytes::copy_from_slice(s.as_bytes());
        let mut headers = Vec::with_capacity(pairs.len());
        for pair in pairs {
            let header = match pair.split_once(&self.headers_key_separator) {
                Some((key, _)) if self.is_null(key.as_bytes()) => {
                    return Err(exception(format!(
                        "Header keys should not be equal to the null marker '{key}' as they \
                         can't be null"
                    )));
                }
                Some((key, value)) if self.is_null(value.as_bytes()) => (owned(key), None),
                Some((key, value)) => (owned(key), Some(owned(value))),
                None if self.ignore_error => (owned(pair), None),
                None => {
                    return Err(exception(format!(
                        "No header key separator found in pair '{pair}' on line number {}",
                        self.line_number
                    )));
                }
            };
            headers.push(header);
        }
        Ok(headers)
    }
}

/// As Java's stack trace begins.
fn exception(message: String) -> Failure {
    Failure(format!("org.apache.kafka.common.KafkaException: {message}"))
}

fn find(text: &[u8], mark: &[u8]) -> Option<usize> {
    if mark.is_empty() {
        return Some(0);
    }
    text.windows(mark.len()).position(|w| w == mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(properties: &[(&str, &str)]) -> LineReader {
        let owned = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
        LineReader::new(&properties.iter().map(owned).collect()).unwrap()
    }

    fn read(reader: &mut LineReader, line: &'static str) -> Result<ProducerRecord, String> {
        reader
            .read(&Bytes::from_static(line.as_bytes()), 7)
            .map_err(|e| e.0)
    }

    #[test]
    fn a_line_is_a_value() {
        let record = read(&mut reader(&[]), "k\tv").unwrap();
        assert_eq!((record.key, record.timestamp), (None, 7));
        assert_eq!(record.value.unwrap(), "k\tv");
    }

    #[test]
    fn headers_key_and_value() {
        let mut reader = reader(&[
            ("parse.key", "true"),
            ("parse.headers", "TRUE"),
            ("key.separator", "::"),
            ("null.marker", "NULL"),
        ]);
        let record = read(&mut reader, "a:1,b:NULL,\tk::NULL").unwrap();
        assert_eq!(
            (record.key.unwrap(), record.value),
            (Bytes::from("k"), None)
        );
        let one = (Bytes::from("a"), Some(Bytes::from("1")));
        assert_eq!(record.headers, [one, (Bytes::from("b"), None)]);
        assert_eq!(
            read(&mut reader, "a:1\tx").unwrap_err(),
            "org.apache.kafka.common.KafkaException: No key separator found on line number 2: \
             'a:1\tx'"
        );
        assert!(
            read(&mut reader, "a\tk::v")
                .unwrap_err()
                .contains("pair 'a' on line number 3")
        );
    }

    #[test]
    fn errors_may_be_ignored() {
        let mut reader = reader(&[("parse.key", "true"), ("ignore.error", "true")]);
        let record = read(&mut reader, "no key").unwrap();
        assert_eq!((record.key, record.value.unwrap()), (None, "no key".into()));
    }

    #[test]
    fn equal_marks_are_refused() {
        let both = HashMap::from([("headers.separator".to_owned(), "\t".to_owned())]);
        assert!(
            LineReader::new(&both)
                .unwrap_err()
                .0
                .ends_with("may not be equal")
        );
    }
}
