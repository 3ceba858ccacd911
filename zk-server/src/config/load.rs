//! Reads the files that a configuration is made of: zoo.cfg, the dynamic file, `myid`. The only
//! part of `config/` that opens a file.
#![allow(
    clippy::disallowed_methods,
    reason = "reads configuration files, once, at start"
)]

use std::io;
use std::path::Path;

use proto::properties::Properties;

use super::dynamic::DynamicFiles;
use super::error::{ConfigError, ConfigErrorKind};
use super::flags::JvmFlags;
use super::settings::{Config, Sources};

/// The configuration of `zk-server FILE`, and the text of the file.
pub fn load(path: &Path, flags: JvmFlags) -> Result<(Config, String), ConfigError> {
    let text = read(path)?;
    let cfg = parse(path, &text)?;
    let dynamic = match trimmed(&cfg, "dynamicConfigFile") {
        Some(name) => {
            let name = Path::new(name);
            Some(parse(name, &read(name)?)?)
        }
        None => None,
    };
    let next = match dynamic.is_some().then(|| DynamicFiles::next(path)) {
        Some(next) if next.exists() => Some(parse(&next, &read(&next)?)?),
        _ => None,
    };
    let myid = match trimmed(&cfg, "dataDir") {
        Some(dir) => myid(&Path::new(dir).join("myid"))?,
        None => None,
    };
    let no_data_dir = match trimmed(&cfg, "dataDir") {
        Some(dir) if myid.is_none() => no_folder(Path::new(dir)),
        _ => None,
    };
    let sources = Sources {
        cfg,
        flags,
        dynamic,
        next,
        myid,
        no_data_dir,
    };
    Ok((
        Config::new(sources)?,
        String::from_utf8_lossy(&text).into_owned(),
    ))
}

/// The configuration of `zk-server PORT DATADIR [TICKTIME] [MAXCLIENTCNXNS]`.
pub fn load_arguments(arguments: &[String], flags: JvmFlags) -> Result<Config, ConfigError> {
    let keys = ["clientPort", "dataDir", "tickTime", "maxClientCnxns"];
    let mut cfg = Properties::new("the command line");
    for (key, value) in keys.iter().zip(arguments) {
        cfg.set((*key).to_owned(), value.clone(), 0);
    }
    Config::new(Sources {
        cfg,
        flags,
        ..Sources::default()
    })
}

fn trimmed<'a>(cfg: &'a Properties, key: &str) -> Option<&'a str> {
    cfg.value(key)
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

fn read(path: &Path) -> Result<Vec<u8>, ConfigError> {
    std::fs::read(path).map_err(|error| {
        let what = match error.kind() {
            io::ErrorKind::NotFound => "file is missing".to_owned(),
            io::ErrorKind::PermissionDenied => {
                "this user may not read it: change its owner or mode".to_owned()
            }
            _ => error.to_string(),
        };
        ConfigError::invalid(format!("Error processing {}: {what}.", path.display()))
    })
}

fn parse(path: &Path, text: &[u8]) -> Result<Properties, ConfigError> {
    Properties::parse(&path.display().to_string(), text)
        .map_err(|error| ConfigError::invalid(format!("{error}.")))
}

/// The first line of `myid`; a standalone server needs none.
fn myid(path: &Path) -> Result<Option<String>, ConfigError> {
    match std::fs::read(path) {
        Ok(text) => {
            let text = String::from_utf8_lossy(&text);
            Ok(Some(text.lines().next().unwrap_or_default().to_owned()))
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(ConfigError {
            kind: ConfigErrorKind::DataDir,
            message: format!(
                "{}: this user may not read it: change its owner or mode.",
                path.display()
            ),
        }),
        Err(_) => Ok(None),
    }
}

fn no_folder(path: &Path) -> Option<&'static str> {
    match std::fs::metadata(path) {
        Ok(found) if !found.is_dir() => Some("is no folder"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some("does not exist"),
        Ok(_) | Err(_) => None,
    }
}
