//! Giving up the end of the log: a torn tail after a power cut, what an operator has given up, and
//! transactions that the leader does not have (Java: `FileTxnLog.truncate`).
//!
//! What was damaged is copied to a `damaged.*` file first. At every moment the folder holds a
//! prefix of the history.

use std::path::{Path, PathBuf};

use super::disk::{Access, Disk};
use super::error::StoreError;
use super::names::{self, DAMAGED, INSTALLING, LOG, Named, SNAPSHOT};
use super::reader::{LogReader, Step};
use super::snapshot;
use super::txnlog::FILE_HEADER_LEN;
use crate::units::Zxid;

const CHUNK: usize = 1 << 20;

/// Cuts the file at `offset`; what stood there up to `used` is kept in the file whose name comes
/// back. A file without a record left goes away whole.
pub fn set_aside(
    disk: &dyn Disk,
    path: &Path,
    offset: u64,
    used: u64,
) -> Result<Option<PathBuf>, StoreError> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or(LOG);
    let kept = if used > offset {
        let copy = free_name(disk, dir, &format!("{DAMAGED}{name}.at.{offset}"))?;
        copy_range(disk, path, &copy, offset, used)?;
        disk.sync_dir(dir).map_err(StoreError::io("sync", dir))?;
        Some(copy)
    } else {
        None
    };
    if offset <= FILE_HEADER_LEN as u64 {
        disk.remove(path).map_err(StoreError::io("remove", path))?;
        disk.sync_dir(dir).map_err(StoreError::io("sync", dir))?;
    } else {
        shorten(disk, path, offset)?;
    }
    Ok(kept)
}

/// Moves a whole file out of the way.
pub fn set_aside_file(disk: &dyn Disk, path: &Path) -> Result<PathBuf, StoreError> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or(LOG);
    let kept = free_name(disk, dir, &format!("{DAMAGED}{name}"))?;
    disk.rename(path, &kept)
        .map_err(StoreError::io("rename", path))?;
    disk.sync_dir(dir).map_err(StoreError::io("sync", dir))?;
    Ok(kept)
}

/// What [`give_up`] did.
#[derive(Debug, Default)]
pub struct GivenUp {
    /// records of the named file that stay
    pub kept_records: u64,
    pub last_good: Option<Zxid>,
    /// where the rest is kept
    pub copies: Vec<PathBuf>,
}

/// On an operator's word: gives up what stands in `path` from its first damaged place on, and all
/// later logs, which cannot be replayed across the gap.
pub fn give_up(disk: &dyn Disk, path: &Path) -> Result<GivenUp, StoreError> {
    let mut done = GivenUp::default();
    let dir = path.parent().unwrap_or(Path::new("."));
    let entries = disk.list(dir).map_err(StoreError::io("list", dir))?;
    let logs = names::sorted(dir, &entries, LOG);
    let at = logs.iter().position(|f| f.path == path);
    let (offset, used) = match LogReader::open(disk, path)? {
        Err(damage) => {
            let file = disk
                .open(path, Access::Read)
                .map_err(StoreError::io("open", path))?;
            (
                damage.offset,
                file.size().map_err(StoreError::io("read", path))?,
            )
        }
        Ok(mut reader) => loop {
            match reader.advance()? {
                Step::Entry => {
                    done.kept_records += 1;
                    done.last_good = Some(reader.entry().zxid());
                }
                Step::End(_) => return Ok(done),
                Step::Damaged(damage) => {
                    let last = done.last_good.unwrap_or(Zxid(-1));
                    break (damage.offset, reader.tail(damage, last)?.used);
                }
            }
        },
    };
    // newest first: what stays is a prefix even if this stops half-way
    let later = at.map_or(&[][..], |i| &logs[i + 1..]);
    for file in later.iter().rev() {
        done.copies.push(set_aside_file(disk, &file.path)?);
    }
    done.copies.extend(set_aside(disk, path, offset, used)?);
    Ok(done)
}

/// Removes every transaction after `zxid`, and the snapshots that hold them. What is left may end
/// before `zxid`, when this server never had it. Needs a snapshot at or before it. Nothing may be
/// writing the log.
pub fn truncate(
    disk: &dyn Disk,
    log_dir: &Path,
    snap_dir: &Path,
    zxid: Zxid,
) -> Result<(), StoreError> {
    let snapshots = list(disk, snap_dir, SNAPSHOT)?;
    let mut older = snapshots.iter().filter(|f| f.zxid <= zxid).rev();
    if !older.any(|file| snapshot::verify(disk, &file.path).is_ok()) {
        return Err(StoreError::CannotCut {
            zxid,
            why: format!(
                "no snapshot in {} is as old as that. Stop this server, empty its data folder and start \
                 it again: the ensemble refills it",
                snap_dir.display()
            ),
        });
    }
    remove_newest_first(disk, snap_dir, snapshots.iter().filter(|f| f.zxid > zxid))?;
    cut_logs(disk, log_dir, zxid)
}

/// Whether log files or snapshots begin after `zxid`.
pub(super) fn has_newer(
    disk: &dyn Disk,
    log_dir: &Path,
    snap_dir: &Path,
    zxid: Zxid,
) -> Result<bool, StoreError> {
    let newer = |files: Vec<Named>| files.last().is_some_and(|f| f.zxid > zxid);
    Ok(newer(list(disk, log_dir, LOG)?) || newer(list(disk, snap_dir, SNAPSHOT)?))
}

/// Gives an `installing.*` snapshot its place: what is newer than it goes away first. May be done
/// again from any point.
pub(super) fn finish_install(
    disk: &dyn Disk,
    log_dir: &Path,
    installing: &Path,
) -> Result<(), StoreError> {
    let snap_dir = installing.parent().unwrap_or(Path::new("."));
    let name = installing.file_name().and_then(|n| n.to_str());
    let name = name
        .and_then(|n| n.strip_prefix(INSTALLING))
        .unwrap_or_default();
    let Some(zxid) = names::zxid_of(name, SNAPSHOT) else {
        return set_aside_file(disk, installing).map(|_| ());
    };
    let snapshots = list(disk, snap_dir, SNAPSHOT)?;
    remove_newest_first(disk, snap_dir, snapshots.iter().filter(|f| f.zxid > zxid))?;
    cut_logs(disk, log_dir, zxid)?;
    let path = snap_dir.join(name);
    disk.rename(installing, &path)
        .map_err(StoreError::io("rename", installing))?;
    disk.sync_dir(snap_dir)
        .map_err(StoreError::io("sync", snap_dir))
}

fn list(disk: &dyn Disk, dir: &Path, prefix: &str) -> Result<Vec<Named>, StoreError> {
    let entries = disk.list(dir).map_err(StoreError::io("list", dir))?;
    Ok(names::sorted(dir, &entries, prefix))
}

/// Removes the log records after `zxid`.
fn cut_logs(disk: &dyn Disk, log_dir: &Path, zxid: Zxid) -> Result<(), StoreError> {
    let logs = list(disk, log_dir, LOG)?;
    remove_newest_first(disk, log_dir, logs.iter().filter(|f| f.zxid > zxid))?;
    let Some(file) = logs.iter().rev().find(|f| f.zxid <= zxid) else {
        return Ok(());
    };
    let Ok(mut reader) = LogReader::open(disk, &file.path)? else {
        return Ok(());
    };
    let mut end = FILE_HEADER_LEN as u64;
    while let Step::Entry = reader.advance()? {
        let entry = reader.entry();
        if entry.zxid() > zxid {
            return shorten(disk, &file.path, end);
        }
        end = entry.end();
    }
    Ok(())
}

fn remove_newest_first<'a>(
    disk: &dyn Disk,
    dir: &Path,
    files: impl DoubleEndedIterator<Item = &'a Named>,
) -> Result<(), StoreError> {
    for file in files.rev() {
        disk.remove(&file.path)
            .map_err(StoreError::io("remove", &file.path))?;
        disk.sync_dir(dir).map_err(StoreError::io("sync", dir))?;
    }
    Ok(())
}

fn shorten(disk: &dyn Disk, path: &Path, len: u64) -> Result<(), StoreError> {
    let mut file = disk
        .open(path, Access::ReadWrite)
        .map_err(StoreError::io("open", path))?;
    file.set_len(len).map_err(StoreError::io("shorten", path))?;
    file.sync().map_err(StoreError::io("sync", path))?;
    Ok(())
}

/// A name that no file has, so that a copy never replaces another.
fn free_name(disk: &dyn Disk, dir: &Path, name: &str) -> Result<PathBuf, StoreError> {
    let mut path = dir.join(name);
    let mut n = 1;
    while disk
        .exists(&path)
        .map_err(StoreError::io("look for", &path))?
    {
        n += 1;
        path = dir.join(format!("{name}.{n}"));
    }
    Ok(path)
}

fn copy_range(
    disk: &dyn Disk,
    from: &Path,
    to: &Path,
    start: u64,
    end: u64,
) -> Result<(), StoreError> {
    let source = disk
        .open(from, Access::Read)
        .map_err(StoreError::io("open", from))?;
    let mut target = disk.create(to).map_err(StoreError::io("create", to))?;
    let mut buf = vec![0; CHUNK.min((end - start) as usize)];
    let mut at = start;
    while at < end {
        let want = buf.len().min((end - at) as usize);
        let n = source
            .read_at(&mut buf[..want], at)
            .map_err(StoreError::io("read", from))?;
        if n == 0 {
            break;
        }
        target
            .write_at(&buf[..n], at - start)
            .map_err(StoreError::io("write to", to))?;
        at += n as u64;
    }
    target.sync().map_err(StoreError::io("sync", to))?;
    Ok(())
}
