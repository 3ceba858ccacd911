//! The settings of one log, by the names of the topic-level configuration. Mirrors Java's
//! `LogConfig`.
//!
//! `message.format.version` is accepted and ignored, as by Java since 3.0: what is appended is
//! stored in format v2; older batches that are there already stay and are read.

use proto::records::{Compression, TimestampType};

#[derive(Debug, Clone, PartialEq)]
pub struct LogConfig {
    pub segment_bytes: u64,
    pub segment_ms: i64,
    pub segment_jitter_ms: i64,
    pub segment_index_bytes: u64,
    pub flush_messages: i64,
    pub flush_ms: i64,
    pub retention_bytes: i64,
    pub retention_ms: i64,
    pub max_message_bytes: usize,
    pub index_interval_bytes: u64,
    pub file_delete_delay_ms: i64,
    pub max_compaction_lag_ms: i64,
    /// `cleanup.policy` contains delete
    pub delete: bool,
    /// `cleanup.policy` contains compact
    pub compact: bool,
    /// `compression.type`; `None` for producer
    pub compression: Option<Compression>,
    pub timestamp_type: TimestampType,
    pub timestamp_before_max_ms: i64,
    pub timestamp_after_max_ms: i64,
    pub min_insync_replicas: i32,
    pub downconversion: bool,
    /// broker-level `producer.id.expiration.ms`
    pub producer_id_expiration_ms: i64,
    /// bytes that one batch may decompress to while it is checked or converted
    pub decompressed_max: usize,
}

const WEEK_MS: i64 = 7 * 24 * 3_600_000;

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 30,
            segment_ms: WEEK_MS,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 << 20,
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
            retention_bytes: -1,
            retention_ms: WEEK_MS,
            max_message_bytes: (1 << 20) + 12,
            index_interval_bytes: 4096,
            file_delete_delay_ms: 60_000,
            max_compaction_lag_ms: i64::MAX,
            delete: true,
            compact: false,
            compression: None,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: i64::MAX,
            min_insync_replicas: 1,
            downconversion: true,
            producer_id_expiration_ms: 24 * 3_600_000,
            decompressed_max: 256 << 20,
        }
    }
}

fn number(key: &str, value: &str, at_least: i64) -> Result<i64, String> {
    let n: i64 = value
        .trim()
        .parse()
        .map_err(|_| format!("Invalid value {value} for configuration {key}: Not a number"))?;
    if n < at_least {
        return Err(format!(
            "Invalid value {n} for configuration {key}: Value must be at least {at_least}"
        ));
    }
    Ok(n)
}

fn int(key: &str, value: &str, at_least: i64) -> Result<i64, String> {
    let n = number(key, value, at_least)?;
    if n > i64::from(i32::MAX) {
        return Err(format!(
            "Invalid value {value} for configuration {key}: Not a number of type INT"
        ));
    }
    Ok(n)
}

fn invalid(key: &str, value: &str, allowed: &str) -> String {
    format!("Invalid value {value} for configuration {key}: String must be one of: {allowed}")
}

impl LogConfig {
    /// Sets a topic-level key; false if the log has no use for it.
    pub fn set(&mut self, key: &str, value: &str) -> Result<bool, String> {
        match key {
            "segment.bytes" => self.segment_bytes = int(key, value, 14)? as u64,
            "segment.ms" => self.segment_ms = number(key, value, 1)?,
            "segment.jitter.ms" => self.segment_jitter_ms = number(key, value, 0)?,
            "segment.index.bytes" => self.segment_index_bytes = int(key, value, 4)? as u64,
            "flush.messages" => self.flush_messages = number(key, value, 1)?,
            "flush.ms" => self.flush_ms = number(key, value, 0)?,
            "retention.bytes" => self.retention_bytes = number(key, value, i64::MIN)?,
            "retention.ms" => self.retention_ms = number(key, value, -1)?,
            "max.message.bytes" => self.max_message_bytes = int(key, value, 0)? as usize,
            "index.interval.bytes" => self.index_interval_bytes = int(key, value, 0)? as u64,
            "file.delete.delay.ms" => self.file_delete_delay_ms = number(key, value, 0)?,
            "max.compaction.lag.ms" => self.max_compaction_lag_ms = number(key, value, 1)?,
            "min.insync.replicas" => self.min_insync_replicas = int(key, value, 1)? as i32,
            "message.timestamp.before.max.ms" => {
                self.timestamp_before_max_ms = number(key, value, 0)?
            }
            "message.timestamp.after.max.ms" => {
                self.timestamp_after_max_ms = number(key, value, 0)?
            }
            // Deprecated: both bounds at once.
            "message.timestamp.difference.max.ms" => {
                self.timestamp_before_max_ms = number(key, value, 0)?;
                self.timestamp_after_max_ms = self.timestamp_before_max_ms;
            }
            "message.timestamp.type" => {
                self.timestamp_type = match value {
                    "CreateTime" => TimestampType::CreateTime,
                    "LogAppendTime" => TimestampType::LogAppendTime,
                    _ => return Err(invalid(key, value, "CreateTime, LogAppendTime")),
                }
            }
            "message.downconversion.enable" => {
                self.downconversion = match value.trim().to_ascii_lowercase().as_str() {
                    "true" => true,
                    "false" => false,
                    _ => return Err(invalid(key, value, "true, false")),
                }
            }
            "compression.type" => self.compression = compression(key, value)?,
            "cleanup.policy" => (self.delete, self.compact) = policy(key, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// How old a segment may get before it is rolled.
    pub(super) fn max_segment_ms(&self) -> i64 {
        if self.compact && self.max_compaction_lag_ms > 0 {
            return self.max_compaction_lag_ms.min(self.segment_ms);
        }
        self.segment_ms
    }
}

fn compression(key: &str, value: &str) -> Result<Option<Compression>, String> {
    match value {
        "producer" => Ok(None),
        "uncompressed" => Ok(Some(Compression::None)),
        _ => match Compression::from_name(value) {
            Some(codec) if codec != Compression::None => Ok(Some(codec)),
            _ => Err(invalid(
                key,
                value,
                "uncompressed, zstd, lz4, snappy, gzip, producer",
            )),
        },
    }
}

/// (delete, compact); an empty list is taken by Java too.
fn policy(key: &str, value: &str) -> Result<(bool, bool), String> {
    let (mut delete, mut compact) = (false, false);
    for item in value.split(',').map(str::trim).filter(|i| !i.is_empty()) {
        match item {
            "delete" => delete = true,
            "compact" => compact = true,
            _ => return Err(invalid(key, item, "compact, delete")),
        }
    }
    Ok((delete, compact))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_their_limits() {
        let mut c = LogConfig::default();
        assert_eq!(c.set("cleanup.policy", "compact,delete"), Ok(true));
        assert!(c.compact && c.delete);
        assert_eq!(c.set("compression.type", "uncompressed"), Ok(true));
        assert_eq!(c.compression, Some(Compression::None));
        assert_eq!(c.set("unclean.leader.election.enable", "true"), Ok(false));
        assert!(
            c.set("segment.bytes", "13")
                .unwrap_err()
                .contains("at least 14")
        );
        assert!(
            c.set("compression.type", "brotli")
                .unwrap_err()
                .contains("must be one of")
        );
    }
}
