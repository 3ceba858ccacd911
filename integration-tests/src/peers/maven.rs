//! Class paths by Maven, resolved once for all test processes.
#![allow(
    clippy::disallowed_methods,
    reason = "keeps class paths in files under target/"
)]

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

use nix::fcntl::{Flock, FlockArg};

use crate::proc::{repo_root, target_dir};

/// The folder in which things about `name` are kept.
pub(super) fn cache(name: &str) -> PathBuf {
    target_dir().join("peers").join(name)
}

/// Only one process at a time resolves or compiles for `name`.
pub(super) fn lock(name: &str) -> Flock<File> {
    let dir = cache(name);
    std::fs::create_dir_all(&dir).expect("target/ can be written");
    let file = File::create(dir.join("lock")).expect("target/ can be written");
    Flock::lock(file, FlockArg::LockExclusive).expect("a lock file can be locked")
}

/// The class path of `peers/NAME/pom.xml`.
pub(super) fn class_path(name: &str) -> Result<String, String> {
    let pom = repo_root()
        .join("integration-tests/peers")
        .join(name)
        .join("pom.xml");
    let wanted = std::fs::read(&pom).map_err(|e| format!("{}: {e}", pom.display()))?;
    let dir = cache(name);
    let _held = lock(name);
    let (kept, resolved) = (dir.join("pom.xml"), dir.join("class-path"));
    if std::fs::read(&kept).ok().as_deref() == Some(&wanted) {
        let text = std::fs::read_to_string(&resolved).unwrap_or_default();
        let there = |jar| std::path::Path::new(jar).exists();
        if !text.is_empty() && text.split(':').all(there) {
            return Ok(text);
        }
    }
    let output = Command::new("mvn")
        .args(["-q", "-B", "-Dstyle.color=never", "-f"])
        .arg(&pom)
        .arg("dependency:build-classpath")
        .arg(format!("-Dmdep.outputFile={}", resolved.display()))
        .output()
        .map_err(|e| format!("Maven (mvn) cannot be run: {e}"))?;
    if !output.status.success() {
        return Err(format!(
            "Maven cannot fetch {name}: {}",
            String::from_utf8_lossy(&output.stdout)
                .lines()
                .find(|line| line.contains("ERROR"))
                .unwrap_or("no reason given")
        ));
    }
    let text = std::fs::read_to_string(&resolved).map_err(|e| e.to_string())?;
    std::fs::write(&kept, &wanted).map_err(|e| e.to_string())?;
    Ok(text)
}
