//! One server for each data folder: a lock (`flock`) on `version-2` itself, which ends with the
//! process. Leaves no file behind. Java has no such lock: two of its servers on one folder, or a
//! second start by mistake, write into each other's log.

use std::fs::File;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::error::StoreError;
use super::facade::{StoreConfig, VERSION_DIR};

/// Held as long as the folders are in use.
#[derive(Debug)]
pub struct FolderLock {
    _held: Vec<Flock<File>>,
}

impl FolderLock {
    /// Locks the folders of snapshots and logs, which exist.
    pub fn take(config: &StoreConfig) -> Result<Self, StoreError> {
        let snapshots = config.data_dir.join(VERSION_DIR);
        let logs = config.log_dir.join(VERSION_DIR);
        let mut held = Vec::new();
        held.extend(lock(&snapshots)?);
        if !same(&snapshots, &logs)? {
            held.extend(lock(&logs)?);
        }
        Ok(Self { _held: held })
    }
}

fn same(a: &Path, b: &Path) -> Result<bool, StoreError> {
    let real = |path: &Path| path.canonicalize().map_err(StoreError::io("find", path));
    Ok(real(a)? == real(b)?)
}

fn lock(dir: &Path) -> Result<Option<Flock<File>>, StoreError> {
    let folder = File::open(dir).map_err(StoreError::io("open", dir))?;
    match Flock::lock(folder, FlockArg::LockExclusiveNonblock) {
        Ok(held) => Ok(Some(held)),
        Err((_, Errno::EWOULDBLOCK)) => Err(StoreError::InUse {
            path: dir.to_owned(),
        }),
        // A file system without locks.
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_server() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = StoreConfig::new(dir.path());
        std::fs::create_dir(dir.path().join(VERSION_DIR)).unwrap();
        let first = FolderLock::take(&config).unwrap();
        let second = FolderLock::take(&config).unwrap_err().to_string();
        assert!(
            second.contains("version-2 is in use by another"),
            "{second}"
        );
        // Another folder for logs does not make it two.
        config.log_dir = dir.path().join("logs");
        std::fs::create_dir_all(config.log_dir.join(VERSION_DIR)).unwrap();
        assert!(FolderLock::take(&config).is_err());
        drop(first);
        assert!(FolderLock::take(&config).is_ok());
    }
}
