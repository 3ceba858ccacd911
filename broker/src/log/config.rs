//! The settings of one log: the part of a topic's configuration that its log has a use for. Mirrors
//! Java's `LogConfig`.
//!
//! `message.format.version` is accepted and ignored, as by Java since 3.0: what is appended is
//! stored in format v2; older batches that are there already stay and are read.

use proto::records::{Compression, TimestampType};

use crate::config::TopicConfig;

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
    /// `message.downconversion.enable`
    pub down_conversion: bool,
    pub timestamp_type: TimestampType,
    pub timestamp_before_max_ms: i64,
    pub timestamp_after_max_ms: i64,
    /// broker-level `producer.id.expiration.ms`
    pub producer_id_expiration_ms: i64,
    /// bytes that one batch may decompress to while it is checked or converted
    pub decompressed_max: usize,
}

/// A batch that decompresses to more is refused (MESSAGE_TOO_LARGE): 128 times the default
/// `max.message.bytes`, or 32 times a larger one.
const DECOMPRESSED_MAX: usize = 128 << 20;
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
            down_conversion: true,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: i64::MAX,
            producer_id_expiration_ms: 24 * 3_600_000,
            decompressed_max: DECOMPRESSED_MAX,
        }
    }
}

impl LogConfig {
    /// The log's part of a topic's configuration.
    pub fn of(topic: &TopicConfig, producer_id_expiration_ms: i64) -> Self {
        let compression = match topic.compression_type.as_str() {
            "uncompressed" => Some(Compression::None),
            name => Compression::from_name(name), // "producer" is none of them
        };
        let timestamp_type = if topic.log_append_time {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        };
        Self {
            segment_bytes: topic.segment_bytes as u64,
            segment_ms: topic.segment_ms,
            segment_jitter_ms: topic.segment_jitter_ms,
            segment_index_bytes: topic.segment_index_bytes as u64,
            flush_messages: topic.flush_messages,
            flush_ms: topic.flush_ms,
            retention_bytes: topic.retention_bytes,
            retention_ms: topic.retention_ms,
            max_message_bytes: topic.max_message_bytes as usize,
            index_interval_bytes: topic.index_interval_bytes as u64,
            file_delete_delay_ms: topic.file_delete_delay_ms,
            max_compaction_lag_ms: topic.max_compaction_lag_ms,
            delete: topic.cleanup_delete,
            compact: topic.cleanup_compact,
            compression,
            down_conversion: topic.message_downconversion_enable,
            timestamp_type,
            timestamp_before_max_ms: topic.message_timestamp_before_max_ms,
            timestamp_after_max_ms: topic.message_timestamp_after_max_ms,
            producer_id_expiration_ms,
            decompressed_max: DECOMPRESSED_MAX.max(32 * topic.max_message_bytes as usize),
        }
    }

    /// How old a segment may get before it is rolled.
    pub(super) fn max_segment_ms(&self) -> i64 {
        if self.compact && self.max_compaction_lag_ms > 0 {
            return self.max_compaction_lag_ms.min(self.segment_ms);
        }
        self.segment_ms
    }
}
