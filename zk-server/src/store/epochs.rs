//! `currentEpoch` and `acceptedEpoch`: a decimal number in a text file beside the snapshots
//! (Java: `QuorumPeer.readLongFromFile`, `writeLongToFile`).

use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Disk, read_small};
use super::error::StoreError;
use super::names::WRITING;
use crate::units::Zxid;

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

/// A zxid has 31 bits for its epoch, and there must be a later one: with any other number a server
/// could neither lead nor follow.
const POSSIBLE: std::ops::Range<i64> = 0..i32::MAX as i64;

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
        Ok(epoch) if POSSIBLE.contains(&epoch) => Ok(Some(epoch)),
        _ => Err(StoreError::BadEpoch {
            text: text.into_owned(),
            path,
        }),
    }
}

/// Replaces the file: afterwards it holds this number, whatever happens; before, the old one.
pub fn write(disk: &dyn Disk, dir: &Path, epoch: Epoch, value: i64) -> Result<(), StoreError> {
    write_file(disk, dir, epoch.file_name(), value)
}

/// What a start goes by when it finds transactions of a later epoch than `currentEpoch`, here and in
/// Java: `currentEpoch.tmp`. It goes out of use when `currentEpoch` catches up.
pub fn write_unfinished(disk: &dyn Disk, dir: &Path, value: i64) -> Result<(), StoreError> {
    write_file(disk, dir, UNFINISHED, value)
}

const UNFINISHED: &str = "currentEpoch.tmp";

fn write_file(disk: &dyn Disk, dir: &Path, name: &str, value: i64) -> Result<(), StoreError> {
    let path = dir.join(name);
    // Not Java's `.tmp`: that one has a meaning of its own and must stay until this one is in force.
    let tmp = dir.join(format!("{WRITING}{name}"));
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

/// Both epochs of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Epochs {
    pub current: i64,
    pub accepted: i64,
    /// What was missing and is there now, for the operator.
    pub notes: Vec<String>,
}

/// What a server of an ensemble starts with, when its last transaction is `last` (Java:
/// `QuorumPeer.loadDataBase`). Makes the files where they are missing.
pub fn load(disk: &dyn Disk, dir: &Path, last: Zxid) -> Result<Epochs, StoreError> {
    let mut notes = Vec::new();
    let of_last = last.0 >> 32;
    let mut current = match read(disk, dir, Epoch::Current)? {
        Some(current) => current,
        None => {
            write(disk, dir, Epoch::Current, of_last)?;
            if last.0 != 0 {
                notes.push(missing(Epoch::Current, of_last));
            }
            of_last
        }
    };
    if of_last > current {
        let unfinished = read_unfinished(disk, dir, Epoch::Current);
        let value = match unfinished {
            Ok(Some(epoch)) => epoch.max(of_last),
            // cut off while it was being written
            Err(StoreError::BadEpoch { .. }) => of_last,
            Ok(None) if was_updating(disk, dir)? => of_last,
            Ok(None) => {
                return Err(StoreError::OldEpoch {
                    dir: dir.to_owned(),
                    current,
                    last,
                });
            }
            Err(error) => return Err(error),
        };
        write(disk, dir, Epoch::Current, value)?;
        notes.push(format!(
            "The server ended after it had got transactions of a new epoch and before it had noted the \
             epoch. Setting current epoch to {value}."
        ));
        current = value;
    }
    let accepted = match read(disk, dir, Epoch::Accepted)? {
        Some(accepted) => accepted,
        None => {
            let value = of_last.max(current);
            write(disk, dir, Epoch::Accepted, value)?;
            // nothing is missing in a new folder
            if last.0 != 0 {
                notes.push(missing(Epoch::Accepted, value));
            }
            value
        }
    };
    if accepted >= current {
        return Ok(Epochs {
            current,
            accepted,
            notes,
        });
    }
    // A Java server that could not rename its file has gone on with the new epoch in memory.
    match read_unfinished(disk, dir, Epoch::Accepted) {
        Ok(Some(accepted)) if accepted >= current => {
            write(disk, dir, Epoch::Accepted, accepted)?;
            notes.push(format!(
                "Took the accepted epoch {accepted} from acceptedEpoch.tmp"
            ));
            Ok(Epochs {
                current,
                accepted,
                notes,
            })
        }
        _ => Err(StoreError::OldAcceptedEpoch {
            dir: dir.to_owned(),
            current,
            accepted,
        }),
    }
}

fn missing(epoch: Epoch, value: i64) -> String {
    format!(
        "{} not found! Creating with a reasonable default of {value}. This should only happen when you \
         are upgrading your installation",
        epoch.file_name()
    )
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
        for value in [0, 7, i64::from(i32::MAX) - 1] {
            write(&RealDisk, dir.path(), Epoch::Current, value).unwrap();
            assert_eq!(get().unwrap(), Some(value));
        }
        // Java's println and printf forms
        std::fs::write(dir.path().join("currentEpoch"), "12\n").unwrap();
        assert_eq!(get().unwrap(), Some(12));
        for text in ["", "twelve", "-5", "2147483647", "99999999999999999999"] {
            std::fs::write(dir.path().join("currentEpoch"), text).unwrap();
            assert!(matches!(get(), Err(StoreError::BadEpoch { .. })), "{text}");
        }
    }

    fn found(dir: &Path, last: i64) -> Result<(i64, i64), StoreError> {
        load(&RealDisk, dir, Zxid(last)).map(|e| (e.current, e.accepted))
    }

    #[test]
    fn missing_files_follow_from_the_last_transaction() {
        let dir = tempfile::tempdir().unwrap();
        let new = tempfile::tempdir().unwrap();
        let fresh = load(&RealDisk, new.path(), Zxid(0)).unwrap();
        assert_eq!(fresh, Epochs::default(), "nothing to tell of");
        assert_eq!(found(dir.path(), 0x3_0000_0007).unwrap(), (3, 3));
        assert_eq!(
            read(&RealDisk, dir.path(), Epoch::Accepted).unwrap(),
            Some(3)
        );
        std::fs::remove_file(dir.path().join("acceptedEpoch")).unwrap();
        std::fs::write(dir.path().join("currentEpoch"), "5").unwrap();
        assert_eq!(found(dir.path(), 0x3_0000_0007).unwrap(), (5, 5));
    }

    #[test]
    fn a_transaction_of_a_later_epoch_needs_a_note_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        put("currentEpoch", "1");
        put("acceptedEpoch", "4");
        let last = 0x2_0000_0001;
        assert!(matches!(
            found(dir.path(), last),
            Err(StoreError::OldEpoch { .. })
        ));
        write_unfinished(&RealDisk, dir.path(), 2).unwrap();
        assert_eq!(found(dir.path(), last).unwrap(), (2, 4));
        put("currentEpoch", "1");
        put("currentEpoch.tmp", "");
        assert_eq!(found(dir.path(), last).unwrap(), (2, 4));
        put("currentEpoch", "1");
        std::fs::remove_file(dir.path().join("currentEpoch.tmp")).unwrap();
        put("updatingEpoch", "");
        assert_eq!(found(dir.path(), last).unwrap(), (2, 4));
        put("acceptedEpoch", "1");
        assert!(matches!(
            found(dir.path(), last),
            Err(StoreError::OldAcceptedEpoch { .. })
        ));
        put("acceptedEpoch.tmp", "3");
        assert_eq!(found(dir.path(), last).unwrap(), (2, 3));
    }
}
