//! The files of a dynamic configuration, written when it changes (Java: `QuorumPeer.setQuorumVerifier`,
//! `setLastSeenQuorumVerifier`, `QuorumPeerConfig.writeDynamicConfig`, `editStaticConfig`).
//!
//! ```text
//! zoo.cfg                     names the file in use: dynamicConfigFile=...
//! zoo.cfg.dynamic.VERSION     the configuration in use
//! zoo.cfg.bak                 what the operator wrote, where zoo.cfg itself listed the servers
//! zoo.cfg.dynamic.next        one that was proposed and is not in use yet, with its version
//! ```
//! Every file is written beside and renamed: it is whole whenever it is there.
#![allow(
    clippy::disallowed_methods,
    reason = "writes configuration files, when the ensemble changes"
)]

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::quorum::QuorumConfig;

/// Where the files of this server are.
#[derive(Debug, Clone)]
pub struct DynamicFiles {
    /// zoo.cfg
    config: PathBuf,
    me: i64,
}

impl DynamicFiles {
    pub fn new(config: PathBuf, me: i64) -> Self {
        Self { config, me }
    }

    /// `zoo.cfg.dynamic.next`
    pub fn next(config: &Path) -> PathBuf {
        beside(config, ".dynamic.next")
    }

    /// Keeps zoo.cfg as the operator wrote it, before a reconfiguration moves the servers out of it.
    pub fn backup(&self) -> io::Result<()> {
        let text = std::fs::read_to_string(&self.config)?;
        replace(&beside(&self.config, ".bak"), &text)
    }

    /// A configuration was proposed.
    pub fn seen(&self, quorum: &QuorumConfig) -> io::Result<()> {
        replace(&Self::next(&self.config), &lines(quorum, true))
    }

    /// A configuration is in use from here on.
    pub fn activated(&self, quorum: &QuorumConfig) -> io::Result<()> {
        let dynamic = beside(&self.config, &format!(".dynamic.{:x}", quorum.version));
        replace(&dynamic, &lines(quorum, false))?;
        let own = quorum.server(self.me);
        let erase_client = own.is_some_and(|server| server.client.is_some());
        let text = std::fs::read_to_string(&self.config)?;
        let named = std::fs::canonicalize(&dynamic)?;
        replace(&self.config, &edited(&text, &named, erase_client))?;
        match std::fs::remove_file(Self::next(&self.config)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn beside(config: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = config.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The lines as Java sorts them; the version only where the file's name does not tell it.
fn lines(quorum: &QuorumConfig, version: bool) -> String {
    let text = quorum.to_string();
    let mut lines: Vec<&str> = text
        .lines()
        .filter(|line| version || !line.starts_with("version"))
        .collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// zoo.cfg without what the dynamic file says, and with its name. Comments stay, unlike in Java.
fn edited(text: &str, dynamic: &Path, erase_client: bool) -> String {
    let mut out = String::new();
    let mut dropping = false;
    let mut continued = false;
    for line in text.lines() {
        if !continued {
            dropping = moved(line.trim_start(), erase_client);
        }
        let comment = !continued && line.trim_start().starts_with(['#', '!']);
        continued = !comment && line.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1;
        if !dropping {
            out.push_str(line);
            out.push('\n');
        }
    }
    out.push_str(&format!("dynamicConfigFile={}\n", dynamic.display()));
    out
}

fn moved(line: &str, erase_client: bool) -> bool {
    let dynamic = [
        "server.",
        "group",
        "weight",
        "dynamicConfigFile",
        "peerType",
    ];
    dynamic.iter().any(|key| line.starts_with(key))
        || erase_client && line.starts_with("clientPort")
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let tmp = beside(path, ".tmp");
    let mut file = std::fs::File::create(&tmp)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&tmp, path)?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    std::fs::File::open(dir.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "server.1=a:1:2:participant;2181\nserver.2=b:1:2:participant;2181\n";

    fn quorum(version: &str) -> QuorumConfig {
        let text = format!("{ONE}version={version}");
        QuorumConfig::from_text("test", text.as_bytes(), false).unwrap()
    }

    #[test]
    fn files_follow_the_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("zoo.cfg");
        let text = "# ours\ntickTime=2000\nserver.1=a:1:2\nclientPort=2181\nserver.2=b:\\\n  1:2\ngroup.1=1:2\ndataDir=/d";
        std::fs::write(&config, text).unwrap();
        let files = DynamicFiles::new(config.clone(), 1);
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();

        files.backup().unwrap();
        assert_eq!(read("zoo.cfg.bak"), text);
        files.seen(&quorum("100000003")).unwrap();
        assert!(read("zoo.cfg.dynamic.next").ends_with("2181\nversion=100000003"));

        files.activated(&quorum("100000003")).unwrap();
        assert!(!read("zoo.cfg.dynamic.100000003").contains("version"));
        assert!(!DynamicFiles::next(&config).exists());
        let named = dir.path().canonicalize().unwrap();
        let named = named.join("zoo.cfg.dynamic.100000003");
        assert_eq!(
            read("zoo.cfg"),
            format!(
                "# ours\ntickTime=2000\ndataDir=/d\ndynamicConfigFile={}\n",
                named.display()
            )
        );
    }
}
