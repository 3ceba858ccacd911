//! Removing snapshots and logs that no start needs (Java: `PurgeTxnLog`).
//!
//! The newest snapshot that is kept is read whole first: what start would load must be good before
//! anything else goes.

use std::path::{Path, PathBuf};

use super::disk::Disk;
use super::error::StoreError;
use super::names::{self, LOG, Named, SNAPSHOT};
use super::snapshot;
use crate::units::Zxid;

/// Java refuses to keep fewer snapshots.
pub const LEAST_RETAINED: usize = 3;

/// What a purge would remove, oldest first: logs, then snapshots.
pub fn plan(
    disk: &dyn Disk,
    log_dir: &Path,
    snap_dir: &Path,
    retain: usize,
) -> Result<Vec<Named>, StoreError> {
    let list = |dir: &Path, prefix| {
        let entries = disk.list(dir).map_err(StoreError::io("list", dir))?;
        Ok::<_, StoreError>(names::sorted(dir, &entries, prefix))
    };
    let snapshots = list(snap_dir, SNAPSHOT)?;
    let Some(least) = oldest_retained(disk, &snapshots, retain.max(LEAST_RETAINED))? else {
        return Ok(Vec::new());
    };
    let logs = list(log_dir, LOG)?;
    // A log that begins before the snapshot may hold what follows it.
    let needed = names::logs_after(&logs, least).len();
    let mut files: Vec<Named> = logs[..logs.len() - needed].to_vec();
    files.extend(snapshots.into_iter().filter(|f| f.zxid < least));
    Ok(files)
}

/// Removes what [`plan`] says. `each` hears of a file before it goes.
pub fn purge(
    disk: &dyn Disk,
    log_dir: &Path,
    snap_dir: &Path,
    retain: usize,
    each: &mut dyn FnMut(&Named),
) -> Result<Vec<PathBuf>, StoreError> {
    let mut removed = Vec::new();
    for file in plan(disk, log_dir, snap_dir, retain)? {
        each(&file);
        disk.remove(&file.path)
            .map_err(StoreError::io("remove", &file.path))?;
        removed.push(file.path);
    }
    Ok(removed)
}

/// The zxid of the oldest of the newest `retain` snapshots; `None` when there is no whole one.
fn oldest_retained(
    disk: &dyn Disk,
    snapshots: &[Named],
    retain: usize,
) -> Result<Option<Zxid>, StoreError> {
    let mut kept = Vec::new();
    for file in snapshots.iter().rev() {
        let whole = if kept.is_empty() {
            snapshot::verify(disk, &file.path).is_ok()
        } else {
            snapshot::looks_whole(disk, &file.path).map_err(StoreError::io("read", &file.path))?
        };
        if whole {
            kept.push(file.zxid);
        }
        if kept.len() == retain {
            break;
        }
    }
    Ok(kept.last().copied())
}
