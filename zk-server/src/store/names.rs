//! File names of the `version-2` folder (Java: `persistence.Util`, `FileTxnLog.getLogFiles`).
//!
//! Java takes `log.5.bak` for a log of zxid 5: whatever we put beside its files must begin
//! otherwise. Ours are `writing.*` (not finished; removed at the next start), `installing.*` (finished
//! at the next start) and `damaged.*` (kept for the operator, never read).

use std::path::{Path, PathBuf};

use super::disk::DirEntry;
use crate::units::Zxid;

pub const LOG: &str = "log";
pub const SNAPSHOT: &str = "snapshot";
/// What files begin with that are not finished.
pub const WRITING: &str = "writing.";
/// A snapshot that is whole and takes the place of everything else in the folder: what follows it
/// in logs and snapshots goes away before it gets its own name.
pub const INSTALLING: &str = "installing.";
/// What files begin with that a repair has set aside.
pub const DAMAGED: &str = "damaged.";

/// `log.ZXID`
pub fn log_name(first: Zxid) -> String {
    format!("{LOG}.{:x}", first.0)
}

/// `snapshot.ZXID` and what the compression adds.
pub fn snapshot_name(zxid: Zxid, extension: &str) -> String {
    format!("{SNAPSHOT}.{:x}{extension}", zxid.0)
}

/// The zxid in a file's name; `None` where Java's `getZxidFromName` says -1.
pub fn zxid_of(name: &str, prefix: &str) -> Option<Zxid> {
    let mut parts = name.split('.');
    if parts.next() != Some(prefix) {
        return None;
    }
    let zxid = i64::from_str_radix(parts.next()?, 16).ok()?;
    (zxid >= 0).then_some(Zxid(zxid))
}

/// Whether Java counts the name as a log (`isLogFileName`) or snapshot, whatever follows the dot.
pub fn has_prefix(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix)
        .is_some_and(|rest| rest.starts_with('.'))
}

/// A log or snapshot file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub zxid: Zxid,
    pub path: PathBuf,
    pub len: u64,
    pub modified_ms: i64,
}

/// Those with the prefix and a zxid, oldest first.
pub fn sorted(dir: &Path, entries: &[DirEntry], prefix: &str) -> Vec<Named> {
    let mut files: Vec<_> = entries
        .iter()
        .filter_map(|e| {
            Some(Named {
                zxid: zxid_of(&e.name, prefix)?,
                path: dir.join(&e.name),
                len: e.len,
                modified_ms: e.modified_ms,
            })
        })
        .collect();
    files.sort_by(|a, b| (a.zxid, &a.path).cmp(&(b.zxid, &b.path)));
    files
}

/// Of logs sorted by zxid, those that may hold transactions after `zxid`: the last that begins at
/// or before it, and all that follow.
pub fn logs_after(logs: &[Named], zxid: Zxid) -> &[Named] {
    let first = logs.partition_point(|f| f.zxid <= zxid);
    &logs[first.saturating_sub(1)..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_as_java_reads_them() {
        assert_eq!(zxid_of("log.1f", LOG), Some(Zxid(0x1f)));
        assert_eq!(zxid_of("log.5.bak", LOG), Some(Zxid(5)));
        assert_eq!(zxid_of("snapshot.5.gz", SNAPSHOT), Some(Zxid(5)));
        assert_eq!(zxid_of("snapshot.5.tmp", SNAPSHOT), Some(Zxid(5)));
        for other in [
            "log",
            "log.",
            "log.x",
            "logs.5",
            "snapshot.5",
            "writing.snapshot.5",
            "damaged.log.5",
        ] {
            assert_eq!(zxid_of(other, LOG), None, "{other}");
        }
        assert_eq!(log_name(Zxid(0x1_0000_0001)), "log.100000001");
        assert_eq!(snapshot_name(Zxid(0), ".gz"), "snapshot.0.gz");
        assert!(has_prefix("log.x", LOG) && !has_prefix("logs.5", LOG));
    }

    #[test]
    fn the_log_that_begins_before_a_snapshot_is_needed_too() {
        let files: Vec<_> = [1, 5, 9]
            .map(|z| Named {
                zxid: Zxid(z),
                path: log_name(Zxid(z)).into(),
                len: 0,
                modified_ms: 0,
            })
            .into();
        let from = |z| -> Vec<i64> {
            logs_after(&files, Zxid(z))
                .iter()
                .map(|f| f.zxid.0)
                .collect()
        };
        assert_eq!(from(0), [1, 5, 9]);
        assert_eq!(from(4), [1, 5, 9]);
        assert_eq!(from(5), [5, 9]);
        assert_eq!(from(100), [9]);
    }
}
