//! What can go wrong with the data files, told so that an operator can act on it.

use std::io;
use std::path::{Path, PathBuf};

use crate::units::Zxid;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot {op} {path}: {source}")]
    Io {
        op: &'static str,
        path: PathBuf,
        source: io::Error,
    },

    #[error(
        "{path} is in use by another server that runs: stop that one first (zkServer.sh stop, or see \
         who it is with fuser -v {path}), or give this one a dataDir of its own"
    )]
    InUse { path: PathBuf },

    /// Missing, unwritable or swapped folders (Java: `DatadirException` and its children).
    #[error("{0}")]
    Datadir(String),

    #[error(
        "{path} is damaged at offset {offset}: {why}. The last good transaction is 0x{:x}. {advice}",
        last_good.0
    )]
    DamagedLog {
        path: PathBuf,
        offset: u64,
        why: &'static str,
        last_good: Zxid,
        advice: String,
    },

    /// Java starts, with a tree that lacks what is missing.
    #[error(
        "{path}: the transaction 0x{:x} at offset {offset} follows 0x{:x}, and those between are missing. \
         Restore the missing log or snapshot from a copy, or let the ensemble refill an empty folder. To \
         give up what follows, move away this file and all later logs; if it has earlier transactions, \
         keep them with: zkTxnLogToolkit.sh --chop --zxid 0x{:x} {path}",
        next.0, last.0, last.0
    )]
    Hole {
        path: PathBuf,
        offset: u64,
        last: Zxid,
        next: Zxid,
    },

    #[error(
        "none of the {} snapshots in {dir} can be read; the newest, {newest}: {why}. Restore a \
         snapshot from a copy or from another server of the ensemble",
        tried
    )]
    NoValidSnapshot {
        dir: PathBuf,
        tried: usize,
        newest: String,
        why: String,
    },

    #[error(
        "No snapshot found, but there are log entries. Something is broken! The logs are in {dir}. \
         If this folder comes from ZooKeeper 3.4 and never had a snapshot, start once with \
         snapshot.trust.empty=true in zoo.cfg; otherwise restore the snapshot files to {snap_dir}"
    )]
    LogsWithoutSnapshot { dir: PathBuf, snap_dir: PathBuf },

    #[error("{path}: the transaction 0x{:x} at offset {offset} cannot be replayed: {why}", zxid.0)]
    Replay {
        path: PathBuf,
        offset: u64,
        zxid: Zxid,
        why: String,
    },

    #[error("zxid 0x{:x} cannot follow 0x{:x} in the transaction log", zxid.0, last.0)]
    OutOfOrder { zxid: Zxid, last: Zxid },

    /// Nothing is certain about the file after that, so nothing more is written.
    #[error("the transaction log failed before and takes no more writes: {0}")]
    Poisoned(String),

    #[error("cannot cut the log to 0x{:x}: {why}", zxid.0)]
    CannotCut { zxid: Zxid, why: String },

    /// Java says the first half.
    #[error(
        "The current epoch, {current:x}, is older than the last zxid, 0x{:x}, in {dir}: files of \
         different servers or times were put together. Restore them from one copy, or empty the folder \
         and let the ensemble refill it; if the transactions are known to be right, write {} into the \
         file currentEpoch",
        last.0, last.0 >> 32
    )]
    OldEpoch {
        dir: PathBuf,
        current: i64,
        last: Zxid,
    },

    #[error(
        "The accepted epoch, {accepted:x} is less than the current epoch, {current:x}, in {dir}: restore \
         both files from one copy, or write {current} into the file acceptedEpoch"
    )]
    OldAcceptedEpoch {
        dir: PathBuf,
        current: i64,
        accepted: i64,
    },

    #[error(
        "{path} holds {text:?}, which can't be an epoch of this ensemble: write the number that the same file has on the other servers into it, or move this folder away, and the server gets all data from the others"
    )]
    BadEpoch { path: PathBuf, text: String },
}

impl StoreError {
    pub(crate) fn io(op: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            op,
            path: path.to_owned(),
            source,
        }
    }
}
