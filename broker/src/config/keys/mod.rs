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
}
