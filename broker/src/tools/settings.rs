//! Client settings of a tool: a property file, `key=value` flags over it, and typed reading. A key
//! that the tool does not use is told to the user, never silently dropped.
#![allow(
    clippy::disallowed_methods,
    reason = "reads the property files that the user names"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::time::Duration;

use proto::properties::Properties;

use super::Failure;

/// Keys that say nothing to us: classes of Java, and what we always do.
const WITHOUT_MEANING: [&str; 5] = [
    "key.serializer",
    "value.serializer",
    "key.deserializer",
    "value.deserializer",
    "metric.reporters",
];

#[derive(Debug, Default)]
pub struct Settings {
    /// value, and where it was set
    values: BTreeMap<String, (String, String)>,
    used: BTreeSet<String>,
}

impl Settings {
    /// The file's keys, and over them those of `pairs`, which the flag `flag` gave.
    pub fn load(file: Option<&str>, flag: &str, pairs: &[String]) -> Result<Self, Failure> {
        let mut settings = Self::default();
        if let Some(path) = file {
            let text = std::fs::read(path).map_err(|e| Failure::new(format!("{path}: {e}")))?;
            let read = Properties::parse(path, &text);
            for property in read.map_err(|e| Failure::new(e.to_string()))?.iter() {
                let place = format!("{path}, line {}", property.line);
                let value = property.value.clone();
                settings.values.insert(property.key.clone(), (value, place));
            }
        }
        for (key, value) in key_values(pairs)? {
            settings.values.insert(key, (value, format!("--{flag}")));
        }
        Ok(settings)
    }

    pub fn get(&mut self, key: &str) -> Option<&str> {
        self.used.insert(key.to_owned());
        self.values.get(key).map(|(value, _)| value.as_str())
    }

    /// The value of a flag where it was given, else of the key (Java: `maybeMergeOptions`).
    pub fn merge<T: FromStr>(&mut self, key: &str, flag: Option<T>) -> Result<Option<T>, Failure> {
        let set = self.parsed(key)?;
        Ok(flag.or(set))
    }

    pub fn parsed<T: FromStr>(&mut self, key: &str) -> Result<Option<T>, Failure> {
        self.used.insert(key.to_owned());
        let Some((value, place)) = self.values.get(key) else {
            return Ok(None);
        };
        value.trim().parse().map(Some).map_err(|_| {
            Failure::new(format!(
                "Invalid value {value} for configuration {key} ({place})"
            ))
        })
    }

    pub fn millis(&mut self, key: &str, flag: Option<u64>) -> Result<Option<Duration>, Failure> {
        Ok(self.merge(key, flag)?.map(Duration::from_millis))
    }

    /// Refuses what our clients can't do yet, and names the keys that nothing has asked for.
    pub fn finish(mut self) -> Result<(), Failure> {
        match self.get("security.protocol") {
            None | Some("PLAINTEXT") => {}
            Some(other) => {
                return Err(Failure::new(format!(
                    "security.protocol={other} is not supported by this tool: use PLAINTEXT"
                )));
            }
        }
        for (key, (_, place)) in &self.values {
            if !self.used.contains(key) && !WITHOUT_MEANING.contains(&key.as_str()) {
                tracing::warn!("The configuration '{key}' ({place}) is not used by this tool.");
            }
        }
        Ok(())
    }
}

/// Java: `CommandLineUtils.parseKeyValueArgs`, with an empty value for a key alone.
pub fn key_values(pairs: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let split = |pair: &String| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if key.is_empty() {
            return Err(Failure::new(format!(
                "Invalid command line properties: {pair}"
            )));
        }
        Ok((key.to_owned(), value.to_owned()))
    };
    pairs.iter().map(split).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_stand_over_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("client.properties");
        std::fs::write(&path, "acks=1\nlinger.ms=x\n").unwrap();
        let mut settings =
            Settings::load(path.to_str(), "property", &["acks=all".to_owned()]).unwrap();
        assert_eq!(settings.get("acks"), Some("all"));
        let error = settings.parsed::<u64>("linger.ms").unwrap_err().0;
        assert!(error.ends_with("client.properties, line 2)"), "{error}");
        assert_eq!(settings.merge("linger.ms", Some(5)).ok(), None);
        settings.finish().unwrap();
        let tls = Settings::load(None, "property", &["security.protocol=SSL".to_owned()]).unwrap();
        assert!(tls.finish().is_err());
    }
}
