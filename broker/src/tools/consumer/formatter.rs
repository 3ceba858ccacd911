//! How a record is shown (Java: `DefaultMessageFormatter`, `LoggingMessageFormatter`,
//! `NoOpMessageFormatter`). Writes into a buffer; never to the terminal itself.

use std::collections::HashMap;

use driver::kafka_client::fetcher::Delivered;

use crate::tools::Failure;

/// What a deserializer makes of bytes, as Java's `toString` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deserializer {
    Text,
    Short,
    Integer,
    Long,
    Boolean,
    Uuid,
}

impl Deserializer {
    fn named(class: &str) -> Option<Self> {
        let short = class.strip_prefix("org.apache.kafka.common.serialization.")?;
        Some(match short {
            "StringDeserializer" => Self::Text,
            "ShortDeserializer" => Self::Short,
            "IntegerDeserializer" => Self::Integer,
            "LongDeserializer" => Self::Long,
            "BooleanDeserializer" => Self::Boolean,
            "UUIDDeserializer" => Self::Uuid,
            _ => return None,
        })
    }

    fn write(self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Failure> {
        let (name, size) = match self {
            Self::Text => {
                out.extend_from_slice(String::from_utf8_lossy(bytes).as_bytes());
                return Ok(());
            }
            Self::Uuid => {
                let text = String::from_utf8_lossy(bytes);
                if uuid::Uuid::parse_str(&text).is_err() {
                    return Err(Failure::new("Error parsing data into UUID"));
                }
                out.extend_from_slice(text.as_bytes());
                return Ok(());
            }
            Self::Short => ("Short", 2),
            Self::Integer => ("Integer", 4),
            Self::Long => ("Long", 8),
            Self::Boolean => ("Boolean", 1),
        };
        if bytes.len() != size {
            return Err(Failure::new(format!(
                "Size of data received by {name}Deserializer is not {size}"
            )));
        }
        let sign = if bytes[0] & 0x80 == 0 { 0 } else { -1_i64 };
        let value = bytes
            .iter()
            .fold(sign, |value, byte| value << 8 | i64::from(*byte));
        match (self, value) {
            (Self::Boolean, 0) => out.extend_from_slice(b"false"),
            (Self::Boolean, 1) => out.extend_from_slice(b"true"),
            (Self::Boolean, other) => {
                return Err(Failure::new(format!("Unexpected byte received: {other}")));
            }
            _ => out.extend_from_slice(value.to_string().as_bytes()),
        }
        Ok(())
    }
}

#[derive(Debug)]
pub(super) struct Formatter {
    silent: bool,
    timestamp: bool,
    partition: bool,
    offset: bool,
    headers: bool,
    key: bool,
    value: bool,
    key_separator: Vec<u8>,
    line_separator: Vec<u8>,
    headers_separator: Vec<u8>,
    null_literal: Vec<u8>,
    key_deserializer: Option<Deserializer>,
    value_deserializer: Option<Deserializer>,
    headers_deserializer: Option<Deserializer>,
}

/// The properties that a formatter reads.
pub(super) const KEYS: [&str; 13] = [
    "print.timestamp",
    "print.key",
    "print.offset",
    "print.partition",
    "print.headers",
    "print.value",
    "key.separator",
    "line.separator",
    "headers.separator",
    "null.literal",
    "key.deserializer",
    "value.deserializer",
    "headers.deserializer",
];

impl Formatter {
    pub(super) fn new(
        class: Option<&str>,
        properties: &HashMap<String, String>,
    ) -> Result<Self, Failure> {
        let class = class.unwrap_or("DefaultMessageFormatter");
        let short = class.rsplit('.').next().unwrap_or(class);
        if let Some(old) = class.strip_prefix("kafka.tools.") {
            eprintln!(
                "WARNING: kafka.tools.{old} is deprecated and will be removed in the next major \
                 release. Please use org.apache.kafka.tools.consumer.{old} instead"
            );
        }
        let silent = match short {
            // What the logging one says besides goes to a log that tools do not keep.
            "DefaultMessageFormatter" | "LoggingMessageFormatter" => false,
            "NoOpMessageFormatter" => true,
            _ => {
                return Err(Failure::new(format!(
                    "--formatter {class} is not here; there are DefaultMessageFormatter, \
                     LoggingMessageFormatter and NoOpMessageFormatter"
                )));
            }
        };
        let flag = |key: &str, default: bool| {
            properties
                .get(key)
                .map_or(default, |v| v.trim().eq_ignore_ascii_case("true"))
        };
        let text = |key: &str, default: &str| {
            let value = properties.get(key).map_or(default, String::as_str);
            value.as_bytes().to_vec()
        };
        let deserializer = |key: &str| {
            let class = properties.get(key)?;
            let known = Deserializer::named(class);
            if known.is_none() {
                tracing::error!("Unable to instantiate a deserializer from {class}");
            }
            known
        };
        Ok(Self {
            silent,
            timestamp: flag("print.timestamp", false),
            partition: flag("print.partition", false),
            offset: flag("print.offset", false),
            headers: flag("print.headers", false),
            key: flag("print.key", false),
            value: flag("print.value", true),
            key_separator: text("key.separator", "\t"),
            line_separator: text("line.separator", "\n"),
            headers_separator: text("headers.separator", ","),
            null_literal: text("null.literal", "null"),
            key_deserializer: deserializer("key.deserializer"),
            value_deserializer: deserializer("value.deserializer"),
            headers_deserializer: deserializer("headers.deserializer"),
        })
    }

    /// Appends the record as it is shown; after an error `out` holds what came before it.
    pub(super) fn write(&self, message: &Delivered<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
        if self.silent {
            return Ok(());
        }
        let record = &message.record;
        let columns = [
            self.timestamp,
            self.partition,
            self.offset,
            self.headers,
            self.key,
            self.value,
        ];
        for (at, shown) in columns.into_iter().enumerate() {
            if !shown {
                continue;
            }
            match at {
                0 => match message.timestamp_type {
                    Some(kind) => {
                        let text = format!("{}:{}", kind.name(), record.timestamp);
                        out.extend_from_slice(text.as_bytes());
                    }
                    None => out.extend_from_slice(b"NO_TIMESTAMP"),
                },
                1 => out.extend_from_slice(format!("Partition:{}", message.partition).as_bytes()),
                2 => out.extend_from_slice(format!("Offset:{}", record.offset).as_bytes()),
                3 => self.write_headers(message, out)?,
                4 => self.write_field(self.key_deserializer, record.key, out)?,
                _ => self.write_field(self.value_deserializer, record.value, out)?,
            }
            let more = columns[at + 1..].contains(&true);
            out.extend_from_slice(if more {
                &self.key_separator
            } else {
                &self.line_separator
            });
        }
        Ok(())
    }

    fn write_headers(&self, message: &Delivered<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
        let headers = message.record.headers;
        if headers.is_empty() {
            out.extend_from_slice(b"NO_HEADERS");
        }
        for (at, header) in headers.iter().enumerate() {
            if at > 0 {
                out.extend_from_slice(&self.headers_separator);
            }
            out.extend_from_slice(header.key);
            out.push(b':');
            self.write_field(self.headers_deserializer, header.value, out)?;
        }
        Ok(())
    }

    fn write_field(
        &self,
        deserializer: Option<Deserializer>,
        bytes: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let bytes = bytes.unwrap_or(&self.null_literal);
        match deserializer {
            Some(deserializer) => deserializer.write(bytes, out),
            None => {
                out.extend_from_slice(bytes);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::kafka::Str;
    use proto::records::{Record, TimestampType};

    fn shown(properties: &[(&str, &str)], key: Option<&[u8]>, value: Option<&[u8]>) -> String {
        let owned = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
        let formatter = Formatter::new(None, &properties.iter().map(owned).collect()).unwrap();
        let record = Record {
            offset: 3,
            timestamp: 9,
            sequence: -1,
            key,
            value,
            headers: Default::default(),
        };
        let message = Delivered {
            topic: &Str::from_static("t"),
            partition: 1,
            timestamp_type: Some(TimestampType::CreateTime),
            record,
        };
        let mut out = Vec::new();
        match formatter.write(&message, &mut out) {
            Ok(()) => String::from_utf8(out).unwrap(),
            Err(failure) => failure.0,
        }
    }

    #[test]
    fn columns_stand_as_in_java() {
        assert_eq!(shown(&[], None, Some(b"v")), "v\n");
        let all = KEYS[..6].iter().map(|k| (*k, "true")).collect::<Vec<_>>();
        assert_eq!(
            shown(&all, None, Some(b"v")),
            "CreateTime:9\tPartition:1\tOffset:3\tNO_HEADERS\tnull\tv\n"
        );
        let key_only = [("print.key", "true"), ("print.value", "false")];
        assert_eq!(shown(&key_only, Some(b"k"), Some(b"v")), "k\n");
    }

    #[test]
    fn numbers_are_read() {
        let integer = "org.apache.kafka.common.serialization.IntegerDeserializer";
        let by = [("value.deserializer", integer)];
        assert_eq!(shown(&by, None, Some(&[255, 255, 255, 254])), "-2\n");
        assert_eq!(
            shown(&by, None, Some(b"x")),
            "Size of data received by IntegerDeserializer is not 4"
        );
    }
}
