//! The configuration of one topic: its own values over what the broker's keys give. Pure.
//! Mirrors org.apache.kafka.storage.internals.log.LogConfig and KafkaConfig.extractLogConfigMap.

use std::collections::BTreeMap;

use super::def::Value;
use super::keys::{self, TopicKey};
use super::settings::{ConfigError, Settings};

/// A topic's own configuration as /config/topics has it.
pub type TopicOverrides = BTreeMap<String, String>;

/// Why values cannot be set on a topic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicRefusal {
    /// names or values that do not go together (Java: InvalidConfigurationException)
    #[error("{0}")]
    Whole(String),
    /// one value is wrong (Java: ConfigException)
    #[error("{0}")]
    Value(String),
}

/// The values of one topic in use.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicConfig {
    pub cleanup_compact: bool,
    pub cleanup_delete: bool,
    pub compression_gzip_level: i32,
    pub compression_lz4_level: i32,
    pub compression_type: String,
    pub compression_zstd_level: i32,
    pub delete_retention_ms: i64,
    pub file_delete_delay_ms: i64,
    pub flush_messages: i64,
    pub flush_ms: i64,
    pub index_interval_bytes: i32,
    pub max_compaction_lag_ms: i64,
    pub max_message_bytes: i32,
    pub message_downconversion_enable: bool,
    pub message_timestamp_after_max_ms: i64,
    pub message_timestamp_before_max_ms: i64,
    pub log_append_time: bool,
    pub min_cleanable_dirty_ratio: f64,
    pub min_compaction_lag_ms: i64,
    pub min_insync_replicas: i32,
    pub preallocate: bool,
    pub retention_bytes: i64,
    pub retention_ms: i64,
    pub segment_bytes: i32,
    pub segment_index_bytes: i32,
    pub segment_jitter_ms: i64,
    pub segment_ms: i64,
    pub unclean_leader_election_enable: bool,
}

const HOUR_MS: i64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;

/// What the broker's keys give for a topic key: the first synonym that is set, in the topic
/// key's unit.
pub(crate) fn broker_default(
    settings: &Settings,
    topic: &TopicKey,
) -> Result<Option<Value>, ConfigError> {
    let set = topic.synonyms.iter().find(|name| settings.is_set(name));
    // the weakest synonym is the one that has a default
    let Some(name) = set.or(topic.synonyms.last()) else {
        return Ok(topic
            .key
            .default
            .and_then(|text| topic.key.parse(text).ok()));
    };
    let value = match keys::broker_key(name) {
        Some(key) => settings.value(key)?,
        None => None,
    };
    Ok(value.map(|value| match value {
        Value::Number(n) if name.ends_with(".hours") => Value::Number(n.saturating_mul(HOUR_MS)),
        Value::Number(n) if name.ends_with(".minutes") => {
            Value::Number(n.saturating_mul(MINUTE_MS))
        }
        other => other,
    }))
}

struct Reader<'a> {
    settings: &'a Settings,
    overrides: &'a TopicOverrides,
}

impl Reader<'_> {
    fn value(&self, name: &str) -> Result<Value, ConfigError> {
        let invalid = |problem: String| ConfigError::Invalid {
            place: "topic configuration".into(),
            key: name.to_owned(),
            value: self.overrides.get(name).cloned().unwrap_or_default(),
            problem,
        };
        let topic = keys::topic_key(name).ok_or_else(|| invalid("not a topic key".into()))?;
        if let Some(text) = self.overrides.get(name) {
            return topic.key.parse(text).map_err(invalid);
        }
        match broker_default(self.settings, topic)? {
            Some(value) => Ok(value),
            None => Err(invalid("it has no default".into())),
        }
    }

    fn long(&self, name: &str) -> Result<i64, ConfigError> {
        match self.value(name)? {
            Value::Number(n) => Ok(n),
            _ => Ok(0),
        }
    }

    fn int(&self, name: &str) -> Result<i32, ConfigError> {
        Ok(i32::try_from(self.long(name)?).unwrap_or(i32::MAX))
    }

    fn bool(&self, name: &str) -> Result<bool, ConfigError> {
        Ok(self.value(name)? == Value::Bool(true))
    }

    fn text(&self, name: &str) -> Result<String, ConfigError> {
        Ok(self.value(name)?.to_string())
    }

    /// The before and after limits fall back to the key that they replaced, where only that one
    /// is set (LogConfig.getMessageTimestampBeforeMaxMs).
    fn timestamp_limit(&self, name: &str) -> Result<i64, ConfigError> {
        let limit = self.long(name)?;
        if limit != i64::MAX {
            return Ok(limit);
        }
        self.long("message.timestamp.difference.max.ms")
    }
}

impl TopicConfig {
    /// The overrides over the broker's values. `Err` names the first value that is wrong.
    pub fn new(settings: &Settings, overrides: &TopicOverrides) -> Result<Self, ConfigError> {
        let r = Reader {
            settings,
            overrides,
        };
        let Value::List(policies) = r.value("cleanup.policy")? else {
            return Err(settings.invalid("log.cleanup.policy", "it must be a list"));
        };
        let ratio = match r.value("min.cleanable.dirty.ratio")? {
            Value::Double(ratio) => ratio,
            _ => 0.5,
        };
        let config = Self {
            cleanup_compact: policies.iter().any(|policy| policy == "compact"),
            cleanup_delete: policies.iter().any(|policy| policy == "delete"),
            compression_gzip_level: r.int("compression.gzip.level")?,
            compression_lz4_level: r.int("compression.lz4.level")?,
            compression_type: r.text("compression.type")?,
            compression_zstd_level: r.int("compression.zstd.level")?,
            delete_retention_ms: r.long("delete.retention.ms")?,
            file_delete_delay_ms: r.long("file.delete.delay.ms")?,
            flush_messages: r.long("flush.messages")?,
            flush_ms: r.long("flush.ms")?,
            index_interval_bytes: r.int("index.interval.bytes")?,
            max_compaction_lag_ms: r.long("max.compaction.lag.ms")?,
            max_message_bytes: r.int("max.message.bytes")?,
            message_downconversion_enable: r.bool("message.downconversion.enable")?,
            message_timestamp_after_max_ms: r.timestamp_limit("message.timestamp.after.max.ms")?,
            message_timestamp_before_max_ms: r
                .timestamp_limit("message.timestamp.before.max.ms")?,
            log_append_time: r.text("message.timestamp.type")? == "LogAppendTime",
            min_cleanable_dirty_ratio: ratio,
            min_compaction_lag_ms: r.long("min.compaction.lag.ms")?,
            min_insync_replicas: r.int("min.insync.replicas")?,
            preallocate: r.bool("preallocate")?,
            retention_bytes: r.long("retention.bytes")?,
            retention_ms: r.long("retention.ms")?,
            segment_bytes: r.int("segment.bytes")?,
            segment_index_bytes: r.int("segment.index.bytes")?,
            segment_jitter_ms: r.long("segment.jitter.ms")?,
            segment_ms: r.long("segment.ms")?,
            unclean_leader_election_enable: r.bool("unclean.leader.election.enable")?,
        };
        config.check_broker_values(settings)
    }

    fn check_broker_values(mut self, settings: &Settings) -> Result<Self, ConfigError> {
        if self.retention_ms == 0 && !settings.is_set("retention.ms") {
            for name in [
                "log.retention.ms",
                "log.retention.minutes",
                "log.retention.hours",
            ] {
                if settings
                    .text(name)
                    .is_some_and(|(text, _)| text.trim() == "0")
                {
                    let problem = "it must be more than 0, or -1 for no limit";
                    return Err(settings.invalid(name, problem));
                }
            }
        }
        for (name, value, least) in [
            ("segment.ms", self.segment_ms, 1),
            ("segment.jitter.ms", self.segment_jitter_ms, 0),
        ] {
            if value < least {
                let synonyms = keys::topic_key(name).map_or(&[][..], |key| key.synonyms);
                let set = synonyms.iter().find(|name| settings.is_set(name));
                let problem = format!("it must be {least} or more");
                return Err(settings.invalid(set.unwrap_or(&name), problem));
            }
        }
        // any negative age means no limit (KafkaConfig.getLogRetentionTimeMillis)
        self.retention_ms = self.retention_ms.max(-1);
        Ok(self)
    }

    /// Why these overrides cannot be set on a topic (LogConfig.validate): unknown names, bad
    /// values, contradictions.
    pub fn validate(overrides: &TopicOverrides) -> Result<(), TopicRefusal> {
        for (name, text) in overrides {
            let Some(topic) = keys::topic_key(name) else {
                let why = format!("Unknown topic config name: {name}");
                return Err(TopicRefusal::Whole(why));
            };
            if let Some(why) = topic.key.refusal(text) {
                return Err(TopicRefusal::Value(why));
            }
        }
        let lag = |name: &str| {
            overrides
                .get(name)
                .and_then(|text| text.trim().parse::<i64>().ok())
        };
        if let (Some(min), Some(max)) = (lag("min.compaction.lag.ms"), lag("max.compaction.lag.ms"))
        {
            if min > max {
                return Err(TopicRefusal::Whole(format!(
                    "conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms ({max})"
                )));
            }
        }
        if overrides
            .get("remote.storage.enable")
            .is_some_and(|v| v.trim().eq_ignore_ascii_case("true"))
        {
            let why = "Tiered Storage functionality is disabled in the broker. \
                       Topic cannot be configured with remote log storage.";
            return Err(TopicRefusal::Value(why.into()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proto::properties::Properties;

    use super::*;

    fn topic(text: &str, overrides: &[(&str, &str)]) -> TopicConfig {
        let file = Properties::parse("f", text.as_bytes()).unwrap();
        let overrides = overrides
            .iter()
            .map(|(k, v)| ((*k).into(), (*v).into()))
            .collect();
        TopicConfig::new(&Settings::new(file, &[]).unwrap(), &overrides).unwrap()
    }

    #[test]
    fn defaults_are_those_of_a_stock_broker() {
        let topic = topic("", &[]);
        assert_eq!(topic.retention_ms, 604_800_000);
        assert_eq!(topic.segment_ms, 604_800_000);
        assert_eq!(topic.segment_jitter_ms, 0);
        assert_eq!(topic.flush_ms, i64::MAX);
        assert_eq!(topic.max_message_bytes, 1_048_588);
        assert!(topic.cleanup_delete && !topic.cleanup_compact);
    }

    #[test]
    fn the_finest_unit_wins_and_a_topic_overrides_the_broker() {
        let both = "log.retention.hours=1\nlog.retention.minutes=2\nlog.roll.hours=3\n";
        assert_eq!(topic(both, &[]).retention_ms, 120_000);
        assert_eq!(topic(both, &[]).segment_ms, 10_800_000);
        assert_eq!(topic(both, &[("retention.ms", "7")]).retention_ms, 7);
        assert_eq!(topic("log.retention.ms=-5", &[]).retention_ms, -1);
        assert_eq!(topic("log.flush.scheduler.interval.ms=9", &[]).flush_ms, 9);
    }

    #[test]
    fn names_what_is_wrong_with_overrides() {
        let check = |k: &str, v: &str| TopicConfig::validate(&[(k.into(), v.into())].into());
        let why = |k: &str, v: &str| check(k, v).unwrap_err().to_string();
        assert_eq!(why("x", "1"), "Unknown topic config name: x");
        assert_eq!(
            why("segment.ms", "0"),
            "Invalid value 0 for configuration segment.ms: Value must be at least 1"
        );
        assert!(check("cleanup.policy", "compact,delete").is_ok());
    }
}
