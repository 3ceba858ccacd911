//! `logging.yaml`: levels, console, rotation. Errors name file, line and key.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Deserializer};
use tracing::Level;

/// What the console shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Console {
    /// everything when there is no log file, else what `Startup` shows
    #[default]
    Auto,
    /// everything
    All,
    /// warnings, errors, and the lines about starting and stopping
    Startup,
    Off,
}

#[derive(Debug, Clone)]
pub struct LogConfig {
    level: Level,
    /// by the beginning of the target, longest first
    targets: Vec<(String, Level)>,
    pub console: Console,
    /// size at which a file is rotated
    pub max_bytes: u64,
    /// rotated files that are kept
    pub max_files: u32,
}

/// What is wrong, and in which line where it is one.
#[derive(Debug, thiserror::Error)]
#[error("{}{why}", .line.map(|line| format!("line {line}: ")).unwrap_or_default())]
pub struct ConfigError {
    line: Option<usize>,
    why: String,
}

/// Values are read by hand, so that what is wrong with one can be told with its line.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct File {
    levels: BTreeMap<String, Scalar>,
    #[serde(flatten)]
    others: BTreeMap<String, Scalar>,
}

/// A value as it stands there, whatever YAML takes it for.
#[derive(Debug)]
struct Scalar(String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Scalar;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("one value")
            }
            fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar(text.to_owned()))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
            fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }
        }
        from.deserialize_any(Visitor)
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            level: Level::INFO,
            targets: Vec::new(),
            console: Console::Auto,
            max_bytes: 256 << 20,
            max_files: 20,
        }
    }
}

impl LogConfig {
    /// What `file` says; a file that is not there says nothing.
    pub fn read(file: &Path) -> Result<Self, String> {
        match std::fs::read(file) {
            Ok(bytes) => std::str::from_utf8(&bytes)
                .map_err(|error| {
                    let before = &bytes[..error.valid_up_to()];
                    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
                    let why = "not UTF-8".to_owned();
                    ConfigError {
                        line: Some(line),
                        why,
                    }
                })
                .and_then(Self::from_yaml)
                .map_err(|error| match error.line {
                    Some(_) => format!("{}, {error}", file.display()),
                    None => format!("{}: {error}", file.display()),
                }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(format!(
                "{} cannot be read: {error}: make it readable, or remove it for the defaults",
                file.display()
            )),
        }
    }

    pub fn from_yaml(text: &str) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        if text
            .lines()
            .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
        {
            return Ok(config);
        }
        let file: File = serde_yaml::from_str(text).map_err(|error| told(&error))?;
        for (target, Scalar(name)) in file.levels {
            let level = level(&name).map_err(|why| wrong(text, &["levels", &target], &name, why));
            config.targets.push((target, level?));
        }
        config
            .targets
            .sort_by_key(|(target, _)| std::cmp::Reverse(target.len()));
        for (key, Scalar(value)) in &file.others {
            config
                .set(key, value)
                .map_err(|why| wrong(text, &[key], value, why))?;
        }
        Ok(config)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), &'static str> {
        match key {
            "level" => self.level = level(value)?,
            "console" => {
                self.console = match value {
                    "auto" => Console::Auto,
                    "all" => Console::All,
                    "startup" => Console::Startup,
                    // YAML takes `off` for false
                    "off" | "false" => Console::Off,
                    _ => return Err("write auto, all, startup or off"),
                }
            }
            "max_size" => {
                let why = "is not a size: write a number with KB, MB or GB";
                self.max_bytes = size(value).ok_or(why)?;
            }
            "max_files" => {
                self.max_files = value.parse().map_err(|_| "is not a number of files")?;
            }
            _ => return Err("no such key: level, levels, console, max_size and max_files are"),
        }
        Ok(())
    }

    /// The level of all targets without one of their own.
    pub fn set_level(&mut self, level: Level) {
        self.level = level;
    }

    pub(super) fn level_of(&self, target: &str) -> Level {
        let own = self.targets.iter().find(|(prefix, _)| {
            target
                .strip_prefix(prefix.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        });
        own.map_or(self.level, |(_, level)| *level)
    }

    pub(super) fn most_verbose(&self) -> Level {
        let own = self.targets.iter().map(|(_, level)| *level);
        own.fold(self.level, |most, level| most.max(level))
    }
}

fn level(name: &str) -> Result<Level, &'static str> {
    name.parse()
        .map_err(|_| "is not a level: write error, warn, info, debug or trace")
}

/// One value is wrong: where it stands is where its keys stand, one after the other.
fn wrong(yaml: &str, keys: &[&str], value: &str, why: &str) -> ConfigError {
    let mut lines = yaml.lines().enumerate();
    let is = |text: &str, key: &str| {
        let text = text.trim_start().trim_start_matches(['"', '\'']);
        let rest = text.strip_prefix(key);
        rest.is_some_and(|rest| rest.trim_start_matches(['"', '\'', ' ']).starts_with(':'))
    };
    let mut line = None;
    for key in keys {
        line = lines.find(|(_, text)| is(text, key)).map(|(at, _)| at + 1);
    }
    let key = keys.join(".");
    ConfigError {
        line,
        why: format!("{key}: {value} {why}"),
    }
}

/// The parser's words, with the line in front of them.
fn told(error: &serde_yaml::Error) -> ConfigError {
    let why = error.to_string();
    let line = error.location().map(|location| location.line());
    ConfigError { line, why }
}

/// `256MB`, `10 KB`, `1GB`, or bytes.
fn size(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_uppercase();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "B" => 1,
        "KB" | "K" => 1 << 10,
        "MB" | "M" => 1 << 20,
        "GB" | "G" => 1 << 30,
        _ => return None,
    };
    let number: u64 = digits.trim().parse().ok()?;
    number.checked_mul(unit).filter(|&bytes| bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_sizes_and_console_are_read() {
        let config = LogConfig::from_yaml(
            "level: warn\nlevels:\n  zk_server: info\n  zk_server::net: debug\nconsole: all\nmax_size: 10 MB\nmax_files: 3\n",
        )
        .unwrap();
        assert_eq!(config.level_of("other"), Level::WARN);
        assert_eq!(config.level_of("zk_server::core"), Level::INFO);
        assert_eq!(config.level_of("zk_server::net::listener"), Level::DEBUG);
        assert_eq!(config.level_of("zk_serverless"), Level::WARN);
        assert_eq!(config.most_verbose(), Level::DEBUG);
        assert_eq!((config.max_bytes, config.max_files), (10 << 20, 3));
        assert_eq!(config.console, Console::All);
        assert!(LogConfig::from_yaml("# nothing\n").is_ok());
    }

    #[test]
    fn errors_name_line_and_key() {
        for (text, part) in [
            ("level: loud", "line 1: level: loud is not a level"),
            ("# x\nlevels:\n  net: 7\n", "line 3: levels.net: 7 is not a"),
            ("level: info\nmax_size: big", "line 2: max_size: big is not"),
            (
                "level: info\ncolour: red",
                "line 2: colour: red no such key",
            ),
            (
                "level: info\nmax_files: many",
                "line 2: max_files: many is not",
            ),
            (
                "level: info\nconsole: red",
                "line 2: console: red write auto",
            ),
            ("level: info\nlevels: [\n", "line "),
            ("level: info\nlevels: 3\n", "line "),
            ("level: [1]\n", "line "),
        ] {
            let error = LogConfig::from_yaml(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn files_that_cannot_be_read_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("logging.yaml");
        assert!(LogConfig::read(&file).is_ok());
        std::fs::write(&file, b"level: info\n\xff: 1\n").unwrap();
        let why = LogConfig::read(&file).unwrap_err();
        assert!(why.ends_with("logging.yaml, line 2: not UTF-8"), "{why}");
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        let why = LogConfig::read(&file).unwrap_err();
        assert!(why.contains("logging.yaml cannot be read: "), "{why}");
    }
}
