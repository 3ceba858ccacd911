//! `currentEpoch` and `acceptedEpoch`: a decimal number in a text file beside the snapshots
//! (Java: `QuorumPeer.readLongFromFile`, `writeLongToFile`).

use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Disk, read_small};
use super::error::StoreError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Epoch {
    /// of the leader whose history this server has
    Current,
    /// the newest that this server has promised itself to
    Accepted,
}

impl Epoch {
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Current => "currentEpoch",
            Self::Accepted => "acceptedEpoch",
        }
    }
}

/// `None` when the file is not there.
pub fn read(disk: &dyn Disk, dir: &Path, epoch: Epoch) -> Result<Option<i64>, StoreError> {
    read_file(disk, dir.join(epoch.file_name()))
}

/// What a Java server that died while it changed the epoch has left in `currentEpoch.tmp`.
pub fn read_unfinished(
    disk: &dyn Disk,
    dir: &Path,
    epoch: Epoch,
) -> Result<Option<i64>, StoreError> {
    read_file(disk, dir.join(format!("{}.tmp", epoch.file_name())))
}

/// Whether ZooKeeper 3.4 died while it changed the epoch (its file `updatingEpoch`).
pub fn was_updating(disk: &dyn Disk, dir: &Path) -> Result<bool, StoreError> {
    let path = dir.join("updatingEpoch");
    disk.exists(&path)
        .map_err(StoreError::io("look for", &path))
}

fn read_file(disk: &dyn Disk, path: PathBuf) -> Result<Option<i64>, StoreError> {
    let bytes = match read_small(disk, &path, 4096) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(StoreError::io("read", &path)(e)),
    };
    let text = String::from_utf8_lossy(&bytes);
    match text.lines().next().unwrap_or_default().trim().parse() {
        Ok(epoch) => Ok(Some(epoch)),
        Err(_) => Err(StoreError::BadEpoch {
            text: text.into_owned(),
            path,
        }),
    }
}

/// Replaces the file: afterwards it holds this number, whatever happens; before, the old one.
pub fn write(disk: &dyn Disk, dir: &Path, epoch: Epoch, value: i64) -> Result<(), StoreError> {
    let path = dir.join(epoch.file_name());
    let tmp = dir.join(format!("{}.tmp", epoch.file_name()));
    if disk
        .exists(&tmp)
        .map_err(StoreError::io("look for", &tmp))?
    {
        disk.remove(&tmp).map_err(StoreError::io("remove", &tmp))?;
    }
    let mut file = disk.create(&tmp).map_err(StoreError::io("create", &tmp))?;
    file.write_at(value.to_string().as_bytes(), 0)
        .map_err(StoreError::io("write to", &tmp))?;
    file.sync().map_err(StoreError::io("sync", &tmp))?;
    disk.rename(&tmp, &path)
        .map_err(StoreError::io("rename", &tmp))?;
    disk.sync_dir(dir).map_err(StoreError::io("sync", dir))
}

#[cfg(test)]
mod tests {
    use super::super::real::RealDisk;
    use super::*;

    #[test]
    fn an_epoch_is_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let get = || read(&RealDisk, dir.path(), Epoch::Current);
        assert_eq!(get().unwrap(), None);
        for value in [0, 7, i64::from(i32::MAX)] {
            write(&RealDisk, dir.path(), Epoch::Current, value).unwrap();
            assert_eq!(get().unwrap(), Some(value));
        }
        // Java's println and printf forms
        std::fs::write(dir.path().join("currentEpoch"), "12\n").unwrap();
        assert_eq!(get().unwrap(), Some(12));
        std::fs::write(dir.path().join("currentEpoch"), "").unwrap();
        assert!(matches!(get(), Err(StoreError::BadEpoch { .. })));
    }
}
