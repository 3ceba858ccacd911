//! `logging.yaml`: levels, console, rotation. Never opens the file; errors name the key.

use std::collections::BTreeMap;

use serde::Deserialize;
use tracing::Level;

/// What the console shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
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

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{0}")]
    Syntax(String),
    #[error("{key}: {value} is not a level: write error, warn, info, debug or trace")]
    Level { key: String, value: String },
    #[error("max_size: {0} is not a size: write a number with KB, MB or GB")]
    Size(String),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    level: Option<String>,
    levels: BTreeMap<String, String>,
    console: Console,
    max_size: Option<String>,
    max_files: Option<u32>,
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
    pub fn from_yaml(text: &str) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        if text
            .lines()
            .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
        {
            return Ok(config);
        }
        let file: File =
            serde_yaml::from_str(text).map_err(|error| ConfigError::Syntax(error.to_string()))?;
        if let Some(text) = file.level {
            config.level = level("level", &text)?;
        }
        for (target, text) in file.levels {
            let level = level(&format!("levels.{target}"), &text)?;
            config.targets.push((target, level));
        }
        config
            .targets
            .sort_by_key(|(target, _)| std::cmp::Reverse(target.len()));
        config.console = file.console;
        if let Some(text) = file.max_size {
            config.max_bytes = size(&text).ok_or(ConfigError::Size(text))?;
        }
        config.max_files = file.max_files.unwrap_or(config.max_files);
        Ok(config)
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

fn level(key: &str, text: &str) -> Result<Level, ConfigError> {
    text.parse().map_err(|_| ConfigError::Level {
        key: key.to_owned(),
        value: text.to_owned(),
    })
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
    fn errors_name_the_key() {
        for (text, part) in [
            ("level: loud", "level: loud is not a level"),
            ("levels: {net: 7}", "levels.net"),
            ("max_size: big", "max_size: big"),
            ("colour: red", "colour"),
        ] {
            let error = LogConfig::from_yaml(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
