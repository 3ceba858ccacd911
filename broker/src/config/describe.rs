//! What DescribeConfigs tells about topics and brokers: value, source, synonyms. Pure. Mirrors
//! kafka.server.ConfigHelper and the descriptions of DynamicBrokerConfig.

use super::def::{Key, Kind, Update};
use super::keys::{self, TopicKey};
use super::settings::{Settings, Source};
use super::topic::{TopicOverrides, broker_default};

/// Numbers of DescribeConfigsResponse.ConfigSource.
const TOPIC_CONFIG: i8 = 1;

impl Source {
    pub fn wire(self) -> i8 {
        match self {
            Self::DynamicBroker => 2,
            Self::DynamicDefault => 3,
            Self::Static => 4,
            Self::Default => 5,
        }
    }
}

/// A name that also gives the value, and what it gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synonym {
    pub name: String,
    /// `None` where it is secret or null
    pub value: Option<String>,
    pub source: i8,
}

/// One entry of a description.
#[derive(Debug, Clone)]
pub struct Described {
    pub name: String,
    pub value: Option<String>,
    pub source: i8,
    pub is_sensitive: bool,
    pub read_only: bool,
    pub kind: i8,
    pub documentation: &'static str,
    pub synonyms: Vec<Synonym>,
}

/// Everything in force for a topic.
pub fn describe_topic(settings: &Settings, overrides: &TopicOverrides) -> Vec<Described> {
    let known = keys::topic_keys().map(|topic| describe_topic_key(settings, overrides, topic));
    known.collect()
}

fn describe_topic_key(
    settings: &Settings,
    overrides: &TopicOverrides,
    topic: &TopicKey,
) -> Described {
    let mut synonyms = Vec::new();
    if let Some(text) = overrides.get(topic.key.name) {
        let value = Some(parsed(&topic.key, text));
        synonyms.push(Synonym {
            name: topic.key.name.into(),
            value,
            source: TOPIC_CONFIG,
        });
    }
    if let Some(name) = topic.synonyms.first() {
        synonyms.extend(broker_synonyms(settings, name));
    }
    let value = match overrides.get(topic.key.name) {
        Some(text) => Some(parsed(&topic.key, text)),
        None => broker_default(settings, topic)
            .ok()
            .flatten()
            .map(|value| value.to_string()),
    };
    Described {
        name: topic.key.name.into(),
        value,
        source: source_of(&synonyms),
        is_sensitive: false,
        read_only: false,
        kind: topic.key.kind.wire(),
        documentation: topic.key.doc,
        synonyms,
    }
}

/// Everything in force for a broker: internal keys only where they are set, unknown ones included.
pub fn describe_broker(settings: &Settings) -> Vec<Described> {
    let known = keys::broker_keys().filter(|key| !key.internal || settings.is_set(key.name));
    let mut described: Vec<_> = known.map(|key| describe_key(settings, key)).collect();
    for name in settings.names() {
        if keys::broker_key(name).is_none() {
            described.push(describe_unknown(settings, name));
        }
    }
    described
}

/// What ZooKeeper holds for all brokers (the broker resource with an empty name).
pub fn describe_cluster_default(settings: &Settings) -> Vec<Described> {
    let names = settings.dynamic_default().keys();
    names
        .map(|name| match keys::broker_key(name) {
            Some(key) => describe_key(settings, key),
            None => describe_unknown(settings, name),
        })
        .map(|mut described| {
            let text = settings.text_in(Source::DynamicDefault, &described.name);
            if !described.is_sensitive {
                described.value = text.map(str::to_owned);
            }
            described.source = Source::DynamicDefault.wire();
            described
                .synonyms
                .retain(|synonym| synonym.source == Source::DynamicDefault.wire());
            described
        })
        .collect()
}

fn describe_key(settings: &Settings, key: &Key) -> Described {
    let is_sensitive = key.kind == Kind::Password;
    let synonyms = broker_synonyms(settings, key.name);
    let value = settings
        .value(key)
        .ok()
        .flatten()
        .map(|value| value.to_string());
    let value = value.or_else(|| key.default.map(str::to_owned));
    Described {
        name: key.name.into(),
        value: if is_sensitive { None } else { value },
        source: source_of(&synonyms),
        is_sensitive,
        read_only: key.update == Update::ReadOnly,
        kind: key.kind.wire(),
        documentation: key.doc,
        synonyms,
    }
}

/// A key that no version knows: Java cannot tell whether it is secret, so it hides the value.
fn describe_unknown(settings: &Settings, name: &str) -> Described {
    let layers = [
        Source::DynamicBroker,
        Source::DynamicDefault,
        Source::Static,
    ];
    let set = layers
        .into_iter()
        .filter(|source| settings.text_in(*source, name).is_some());
    let synonyms: Vec<Synonym> = set
        .map(|source| Synonym {
            name: name.into(),
            value: None,
            source: source.wire(),
        })
        .collect();
    Described {
        name: name.into(),
        value: None,
        source: source_of(&synonyms),
        is_sensitive: true,
        read_only: true,
        kind: 0,
        documentation: "",
        synonyms,
    }
}

/// The names that give a broker key's value, the strongest first
/// (DynamicBrokerConfig.brokerConfigSynonyms).
fn broker_key_synonyms(name: &str) -> Vec<&str> {
    match name {
        "log.roll.ms" | "log.roll.hours" => vec!["log.roll.ms", "log.roll.hours"],
        "log.roll.jitter.ms" | "log.roll.jitter.hours" => {
            vec!["log.roll.jitter.ms", "log.roll.jitter.hours"]
        }
        "log.flush.interval.ms" => vec!["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
        "log.retention.ms" | "log.retention.minutes" | "log.retention.hours" => {
            vec![
                "log.retention.ms",
                "log.retention.minutes",
                "log.retention.hours",
            ]
        }
        _ => vec![name],
    }
}

/// The strongest layer. As in Java, a value that comes from another name alone is a default's.
fn source_of(synonyms: &[Synonym]) -> i8 {
    synonyms
        .first()
        .map_or(Source::Default.wire(), |synonym| synonym.source)
}

/// The layers in which a broker key has a value under any of its names, the strongest first. As in
/// Java, names above its own first are left out (ConfigHelper.configSynonyms).
fn broker_synonyms(settings: &Settings, own: &str) -> Vec<Synonym> {
    let names = broker_key_synonyms(own);
    let layers = [
        Source::DynamicBroker,
        Source::DynamicDefault,
        Source::Static,
        Source::Default,
    ];
    let found = layers.into_iter().flat_map(|source| {
        names.iter().filter_map(move |name| {
            let key = keys::broker_key(name)?;
            let text = settings.text_in(source, name)?;
            let value = (key.kind != Kind::Password).then(|| parsed(key, text));
            Some(Synonym {
                name: (*name).into(),
                value,
                source: source.wire(),
            })
        })
    });
    found.skip_while(|synonym| synonym.name != own).collect()
}

/// The text as Java prints it after parsing.
fn parsed(key: &Key, text: &str) -> String {
    key.parse(text)
        .map_or_else(|_| text.to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use proto::properties::Properties;

    use super::*;

    fn settings(text: &str) -> Settings {
        Settings::new(Properties::parse("f", text.as_bytes()).unwrap(), &[]).unwrap()
    }

    #[test]
    fn a_topic_shows_its_own_value_above_the_brokers() {
        let overrides = [("retention.ms".to_owned(), "7".to_owned())].into();
        let all = describe_topic(
            &settings("log.retention.hours=2\nlog.retention.ms=5"),
            &overrides,
        );
        let entry = all
            .iter()
            .find(|entry| entry.name == "retention.ms")
            .unwrap();
        assert_eq!((entry.value.as_deref(), entry.source), (Some("7"), 1));
        let shown: Vec<_> = entry
            .synonyms
            .iter()
            .map(|s| (s.name.as_str(), s.value.as_deref().unwrap_or(""), s.source))
            .collect();
        assert_eq!(
            shown,
            [
                ("retention.ms", "7", 1),
                ("log.retention.ms", "5", 4),
                ("log.retention.hours", "2", 4),
                ("log.retention.hours", "168", 5)
            ]
        );
    }

    #[test]
    fn secrets_and_unknown_keys_show_no_value() {
        let all = describe_broker(&settings("ssl.key.password=x\nmy.key=y\nnum.partitions=4"));
        let entry = |name: &str| all.iter().find(|entry| entry.name == name).unwrap();
        assert_eq!(entry("ssl.key.password").value, None);
        assert_eq!(entry("my.key").value, None);
        assert_eq!(entry("num.partitions").value.as_deref(), Some("4"));
        assert_eq!(entry("num.partitions").source, 4);
        assert!(all.iter().all(|entry| entry.name != "group.share.enable"));
    }
}
