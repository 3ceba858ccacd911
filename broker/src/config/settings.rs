//! The texts of one broker's configuration in layers: the file, `--override`, and what
//! ZooKeeper's /config/brokers adds while it runs. Never opens a file. Mirrors the layering of
//! kafka.server.DynamicBrokerConfig.

use std::collections::{BTreeMap, BTreeSet};

use proto::properties::Properties;

use super::def::{Key, Standing, Value};
use super::keys;

/// A configuration that cannot be used: where it stands, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{place}: {key}={value}: {problem}")]
    Invalid {
        place: String,
        key: String,
        value: String,
        problem: String,
    },
    #[error("{place}: {key} is missing: {problem}")]
    Missing {
        place: String,
        key: String,
        problem: String,
    },
    #[error("--override {0}: write it as key=value")]
    Override(String),
}

/// Where the value of a key comes from (DescribeConfigsResponse.ConfigSource).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    DynamicBroker,
    DynamicDefault,
    Static,
    Default,
}

/// What operators wrote, layer by layer.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    file: Properties,
    overrides: Properties,
    dynamic_default: BTreeMap<String, String>,
    dynamic_broker: BTreeMap<String, String>,
}

impl Settings {
    /// The file's keys, and those of `--override key=value` above them.
    pub fn new(file: Properties, overrides: &[String]) -> Result<Self, ConfigError> {
        let mut above = Properties::new("--override");
        for text in overrides {
            let Some((key, value)) = text.split_once('=') else {
                return Err(ConfigError::Override(text.clone()));
            };
            above.set(key.trim().to_owned(), value.trim().to_owned(), 0);
        }
        Ok(Self {
            file,
            overrides: above,
            ..Self::default()
        })
    }

    /// The same with other dynamic layers.
    pub fn with_dynamic(
        &self,
        default: BTreeMap<String, String>,
        broker: BTreeMap<String, String>,
    ) -> Self {
        Self {
            dynamic_default: default,
            dynamic_broker: broker,
            ..self.clone()
        }
    }

    pub fn dynamic_default(&self) -> &BTreeMap<String, String> {
        &self.dynamic_default
    }

    pub fn dynamic_broker(&self) -> &BTreeMap<String, String> {
        &self.dynamic_broker
    }

    /// The text in one layer.
    pub fn text_in(&self, source: Source, name: &str) -> Option<&str> {
        match source {
            Source::DynamicBroker => self.dynamic_broker.get(name).map(String::as_str),
            Source::DynamicDefault => self.dynamic_default.get(name).map(String::as_str),
            Source::Static => self.written(name).or_else(|| self.written(twin(name)?)),
            Source::Default => keys::broker_key(name).and_then(|key| key.default),
        }
    }

    fn written(&self, name: &str) -> Option<&str> {
        self.overrides.value(name).or_else(|| self.file.value(name))
    }

    /// The text that counts, and its layer; defaults left out.
    pub fn text(&self, name: &str) -> Option<(&str, Source)> {
        [
            Source::DynamicBroker,
            Source::DynamicDefault,
            Source::Static,
        ]
        .into_iter()
        .find_map(|source| self.text_in(source, name).map(|text| (text, source)))
    }

    pub fn is_set(&self, name: &str) -> bool {
        self.text(name).is_some()
    }

    /// Where to change a key: file and line.
    pub fn place(&self, name: &str) -> String {
        if self.dynamic_broker.contains_key(name) || self.dynamic_default.contains_key(name) {
            return "dynamic broker configuration (kafka-configs)".into();
        }
        let place = |name| self.overrides.place(name).or_else(|| self.file.place(name));
        let place = place(name).or_else(|| place(twin(name)?));
        place.map_or_else(|| self.file.source().to_string(), |place| place.to_string())
    }

    /// The value that counts: `None` where it is unset and the default is null.
    pub fn value(&self, key: &Key) -> Result<Option<Value>, ConfigError> {
        let text = match self.text(key.name) {
            Some((text, _)) => text,
            None => match key.default {
                // defaults are not validated by Java either (empty lists that must not be empty)
                Some("") => return Ok(None),
                Some(default) => default,
                None => return Ok(None),
            },
        };
        key.parse(text)
            .map(Some)
            .map_err(|problem| self.invalid(key.name, problem))
    }

    /// A number that is set for one listener: `listener.name.NAME.KEY`.
    pub fn of_listener(&self, listener: &str, key: &str) -> Option<i32> {
        let name = format!("listener.name.{}.{key}", listener.to_lowercase());
        self.text(&name)?.0.trim().parse().ok()
    }

    pub fn invalid(&self, name: &str, problem: impl Into<String>) -> ConfigError {
        let value = match self.text(name) {
            Some((text, _)) => text,
            None => keys::broker_key(name)
                .and_then(|key| key.default)
                .unwrap_or(""),
        };
        let secret = keys::broker_key(name).is_some_and(|k| k.kind == super::def::Kind::Password);
        ConfigError::Invalid {
            place: self.place(name),
            key: name.to_owned(),
            value: if secret {
                "[hidden]".into()
            } else {
                value.to_owned()
            },
            problem: problem.into(),
        }
    }

    pub fn missing(&self, name: &str, problem: impl Into<String>) -> ConfigError {
        ConfigError::Missing {
            place: self.file.source().to_string(),
            key: name.to_owned(),
            problem: problem.into(),
        }
    }

    /// Every name that the operator set, in any layer.
    pub fn names(&self) -> BTreeSet<&str> {
        let written = self
            .file
            .iter()
            .chain(self.overrides.iter())
            .map(|entry| &entry.key);
        let dynamic = self
            .dynamic_default
            .keys()
            .chain(self.dynamic_broker.keys());
        written.chain(dynamic).map(String::as_str).collect()
    }

    /// What a start should say about the file: unknown keys, keys without effect, repeated ones.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for repeated in self.file.repeated() {
            warnings.push(format!(
                "{}, line {}: {} is given again in line {}, which is the one that counts",
                self.file.source(),
                repeated.ignored,
                repeated.key,
                repeated.used
            ));
        }
        for name in self.names() {
            let place = self.place(name);
            let base = listener_key(name).unwrap_or(name);
            match keys::broker_key(base) {
                None if OF_AUTHORIZERS.contains(&name) => warnings.push(format!(
                    "{place}: {name} has no effect: it {}",
                    Standing::Security.note().unwrap_or_default()
                )),
                None => warnings.push(format!(
                    "{place}: {name} is not a key of Kafka; kept, and unused"
                )),
                Some(key) => {
                    let same =
                        |default: &str| self.text(name).is_some_and(|(text, _)| text == default);
                    if let (Some(note), false) =
                        (key.standing.note(), key.default.is_some_and(same))
                    {
                        warnings.push(format!("{place}: {name} has no effect: it {note}"));
                    }
                }
            }
        }
        warnings
    }
}

/// Keys that only Apache's authorizers read (AclAuthorizer, StandardAuthorizer).
const OF_AUTHORIZERS: &[&str] = &["super.users", "allow.everyone.if.no.acl.found"];

/// Either gives the other's value where only one is written (KafkaConfig.populateSynonyms).
fn twin(name: &str) -> Option<&'static str> {
    match name {
        "broker.id" => Some("node.id"),
        "node.id" => Some("broker.id"),
        _ => None,
    }
}

/// `max.connections` of `listener.name.external.max.connections`.
pub(super) fn listener_key(name: &str) -> Option<&str> {
    name.strip_prefix("listener.name.")?
        .split_once('.')
        .map(|(_, key)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_id_is_another_name_of_broker_id() {
        let value = |text: &str, name| {
            let settings = settings(text, &[]);
            (
                settings.text(name).map(|(t, _)| t.to_owned()),
                settings.place(name),
            )
        };
        let place = "server.properties, line 1".to_owned();
        assert_eq!(
            value("node.id=4", "broker.id"),
            (Some("4".into()), place.clone())
        );
        assert_eq!(
            value("broker.id=5", "node.id"),
            (Some("5".into()), place.clone())
        );
        let both = "broker.id=5\nnode.id=4";
        assert_eq!(value(both, "broker.id"), (Some("5".into()), place));
    }

    fn settings(text: &str, overrides: &[&str]) -> Settings {
        let file = Properties::parse("server.properties", text.as_bytes()).unwrap();
        let overrides: Vec<String> = overrides.iter().map(|s| (*s).to_owned()).collect();
        Settings::new(file, &overrides).unwrap()
    }

    #[test]
    fn overrides_stand_above_the_file_and_dynamic_values_above_both() {
        let settings = settings(
            "num.partitions=3\nnum.io.threads=2\n",
            &["num.partitions=5"],
        );
        assert_eq!(settings.text("num.partitions"), Some(("5", Source::Static)));
        let dynamic = [("num.io.threads".to_owned(), "4".to_owned())].into();
        let settings = settings.with_dynamic(dynamic, BTreeMap::new());
        assert_eq!(
            settings.text("num.io.threads"),
            Some(("4", Source::DynamicDefault))
        );
    }

    #[test]
    fn errors_name_file_line_and_key() {
        let settings = settings("broker.id=0\n\nnum.io.threads=none\n", &[]);
        let error = settings
            .value(keys::broker_key("num.io.threads").unwrap())
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "server.properties, line 3: num.io.threads=none: Not a number of type INT"
        );
    }

    #[test]
    fn warns_about_unknown_keys_and_keys_without_effect() {
        let settings = settings(
            "confluent.support.metrics.enable=true\nnum.replica.fetchers=4\n",
            &[],
        );
        let warnings = settings.warnings();
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[0].starts_with("server.properties, line 1: confluent."));
        assert!(warnings[1].contains("replication"));
    }
}
