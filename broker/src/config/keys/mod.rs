//! Every key of server.properties and of topics that Kafka 2.7 or 3.9 knows, one file an area.

mod group;
mod kraft;
mod log;
mod net;
mod remote;
mod replication;
mod security;
mod server;
mod topic;
mod zookeeper;

use std::collections::HashMap;
use std::sync::LazyLock;

use super::def::Key;

/// A key of topics and the broker keys that give its default, the strongest first
/// (ServerTopicConfigSynonyms).
#[derive(Debug, Clone, Copy)]
pub struct TopicKey {
    pub key: Key,
    pub synonyms: &'static [&'static str],
}

const BROKER: &[&[Key]] = &[
    server::KEYS,
    net::KEYS,
    log::KEYS,
    replication::KEYS,
    group::KEYS,
    zookeeper::KEYS,
    security::KEYS,
    kraft::KEYS,
    remote::KEYS,
];

static BROKER_BY_NAME: LazyLock<HashMap<&'static str, &'static Key>> =
    LazyLock::new(|| broker_keys().map(|key| (key.name, key)).collect());

static TOPIC_BY_NAME: LazyLock<HashMap<&'static str, &'static TopicKey>> = LazyLock::new(|| {
    topic::KEYS
        .iter()
        .map(|topic| (topic.key.name, topic))
        .collect()
});

/// Every broker key, area by area.
pub fn broker_keys() -> impl Iterator<Item = &'static Key> {
    BROKER.iter().flat_map(|keys| keys.iter())
}

/// Every topic key, by name.
pub fn topic_keys() -> impl Iterator<Item = &'static TopicKey> {
    topic::KEYS.iter()
}

/// The broker key of this name.
pub fn broker_key(name: &str) -> Option<&'static Key> {
    BROKER_BY_NAME.get(name).copied()
}

/// The topic key of this name.
pub fn topic_key(name: &str) -> Option<&'static TopicKey> {
    TOPIC_BY_NAME.get(name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::def::{Age, Kind};

    #[test]
    fn names_are_unique_and_defaults_pass_their_own_validator() {
        assert_eq!(BROKER_BY_NAME.len(), broker_keys().count());
        assert_eq!(TOPIC_BY_NAME.len(), topic_keys().count());
        for key in broker_keys().chain(topic_keys().map(|topic| &topic.key)) {
            if let Some(default) = key.default {
                // Java's own defaults for lists that must not be empty are empty: unset, that is
                if !default.is_empty() {
                    key.parse(default)
                        .unwrap_or_else(|e| panic!("{}: {e}", key.name));
                }
            }
        }
    }

    #[test]
    fn every_synonym_of_a_topic_key_is_a_broker_key() {
        for topic in topic_keys() {
            for synonym in topic.synonyms {
                assert!(broker_key(synonym).is_some(), "{synonym}");
            }
        }
    }
    const KAFKA_2_7: &str =
        include_str!("../../../../integration-tests/golden/kafka-config/keys-2.7.0.txt");
    const KAFKA_3_9: &str =
        include_str!("../../../../integration-tests/golden/kafka-config/keys-3.9.2.txt");

    fn find(what: &str, name: &str) -> Option<&'static Key> {
        match what {
            "broker" => broker_key(name),
            _ => topic_key(name).map(|topic| &topic.key),
        }
    }

    /// Name, type, default and visibility as that release has them.
    fn compare(line: &str, newest: bool, wrong: &mut Vec<String>) {
        let part: Vec<&str> = line.split('\t').collect();
        let Some(key) = find(part[0], part[1]) else {
            wrong.push(format!("missing: {line}"));
            return;
        };
        let default = match key.default {
            None => "~".to_owned(),
            Some("") => String::new(),
            Some(text) => key.parse(text).unwrap().to_string(),
        };
        let kind = match key.kind {
            Kind::Bool => "BOOLEAN".to_owned(),
            Kind::Str => "STRING".to_owned(),
            other => format!("{other:?}").to_uppercase(),
        };
        let internal = part.get(4).is_some();
        let same = kind == part[2] && (!newest || default == part[3] && key.internal == internal);
        let age = match key.age {
            Age::Both => true,
            Age::Until27 => !newest,
            Age::Since28 => newest,
            Age::Ours => false,
        };
        if !same || !age {
            let what = format!("{kind} {default} {:?} internal: {}", key.age, key.internal);
            wrong.push(format!("ours is {what}: {line}"));
        }
    }

    /// What Kafka's own classes say (`integration-tests/golden/kafka-config/DumpConfig.java`).
    #[test]
    fn every_key_of_2_7_and_3_9_is_here_as_java_has_it() {
        let mut wrong = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for (golden, newest) in [(KAFKA_2_7, false), (KAFKA_3_9, true)] {
            for line in golden.lines() {
                compare(line, newest, &mut wrong);
                let part: Vec<&str> = line.splitn(3, '\t').collect();
                seen.insert((part[0], part[1]));
            }
        }
        let ours = broker_keys().map(|key| ("broker", key));
        let ours = ours.chain(topic_keys().map(|topic| ("topic", &topic.key)));
        for (what, key) in ours.filter(|(_, key)| key.age != Age::Ours) {
            if !seen.contains(&(what, key.name)) {
                wrong.push(format!("no release has {what} {}", key.name));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
