//! All of the files behind one value, for the thread that owns them (Java: `FileTxnSnapLog`).
//!
//! ```text
//! Store::open -> recover(&mut replay) -> { append* sync }* -> close
//! ```
//! Snapshots are written through a clone of [`Store::snapshots`], on whatever thread is free.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::cut;
use super::disk::Disk;
use super::error::StoreError;
use super::image::Image;
use super::names::{self, LOG, Named, SNAPSHOT};
use super::purge;
use super::recover::{Recovered, Recovery, Replay, Rules};
use super::snapshot::{Compression, Snapshots};
use super::txnlog::{LogOptions, Synced, TxnLog};
use crate::units::Zxid;

/// Folder below `dataDir` and `dataLogDir` that holds the files.
pub const VERSION_DIR: &str = "version-2";

#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// `dataDir`: snapshots and epochs
    pub data_dir: PathBuf,
    /// `dataLogDir`; the same as `data_dir` when unset
    pub log_dir: PathBuf,
    /// `preAllocSize` in bytes
    pub pre_alloc: u64,
    /// `forceSync`
    pub force_sync: bool,
    /// `txnLogSizeLimitInKb` in bytes
    pub log_size_limit: Option<u64>,
    /// `fsync.warningthresholdms`
    pub fsync_warning: Duration,
    /// `snapshot.compression.method`
    pub compression: Compression,
    /// `serializeLastProcessedZxid.enabled`
    pub last_zxid_trailer: bool,
    /// `datadir.autocreate`
    pub datadir_autocreate: bool,
    /// `db.autocreate`
    pub db_autocreate: bool,
    /// `snapshot.trust.empty`
    pub trust_empty_snapshot: bool,
}

impl StoreConfig {
    /// Java's defaults, everything in one folder.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        let data_dir = data_dir.into();
        Self {
            log_dir: data_dir.clone(),
            data_dir,
            pre_alloc: 64 << 20,
            force_sync: true,
            log_size_limit: None,
            fsync_warning: Duration::from_millis(1000),
            compression: Compression::None,
            last_zxid_trailer: true,
            datadir_autocreate: true,
            db_autocreate: true,
            trust_empty_snapshot: false,
        }
    }
}

/// Figures for metrics and four-letter words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreStats {
    pub syncs: u64,
    pub last_sync: Duration,
    /// syncs that took longer than `fsync.warningthresholdms`
    pub slow_syncs: u64,
    /// bytes of records that syncs made durable
    pub synced_bytes: u64,
    /// bytes of records in the current file
    pub current_log_bytes: u64,
    /// bytes of records logged since the last snapshot began
    pub total_log_bytes: u64,
}

#[derive(Debug)]
pub struct Store {
    disk: Arc<dyn Disk>,
    config: StoreConfig,
    log_dir: PathBuf,
    snap_dir: PathBuf,
    snapshots: Snapshots,
    log: TxnLog,
    stats: StoreStats,
}

impl Store {
    /// Makes or checks the folders. [`Self::recover`] comes next.
    pub fn open(disk: Arc<dyn Disk>, config: StoreConfig) -> Result<Self, StoreError> {
        let log_dir = config.log_dir.join(VERSION_DIR);
        let snap_dir = config.data_dir.join(VERSION_DIR);
        prepare_dir(&*disk, &log_dir, "data", config.datadir_autocreate)?;
        prepare_dir(&*disk, &snap_dir, "snap", config.datadir_autocreate)?;
        if log_dir != snap_dir {
            check_content(
                &*disk,
                &log_dir,
                SNAPSHOT,
                "Log directory has snapshot files",
            )?;
            check_content(&*disk, &snap_dir, LOG, "Snapshot directory has log files")?;
        }
        let snapshots = Snapshots::new(
            disk.clone(),
            snap_dir.clone(),
            config.compression,
            config.last_zxid_trailer,
        );
        Ok(Self {
            log: new_log(&disk, &log_dir, &config, None),
            disk,
            config,
            log_dir,
            snap_dir,
            snapshots,
            stats: StoreStats::default(),
        })
    }

    /// Fills `replay` from the files. Called once, before anything is appended.
    pub fn recover(&mut self, replay: &mut dyn Replay) -> Result<Recovered, StoreError> {
        let recovery = Recovery {
            disk: &*self.disk,
            log_dir: &self.log_dir,
            snap_dir: &self.snap_dir,
            snapshots: &self.snapshots,
            rules: Rules {
                db_autocreate: self.config.db_autocreate,
                trust_empty_snapshot: self.config.trust_empty_snapshot,
            },
            found: Recovered::default(),
        };
        let recovered = recovery.run(replay)?;
        self.log = new_log(
            &self.disk,
            &self.log_dir,
            &self.config,
            Some(recovered.zxid),
        );
        Ok(recovered)
    }

    /// Takes a record; durable after the next [`Self::sync`].
    pub fn append(&mut self, zxid: Zxid, record: &[u8]) -> Result<(), StoreError> {
        self.log.append(zxid, record)
    }

    /// One `fdatasync` for everything appended. After an error the process must stop.
    pub fn sync(&mut self) -> Result<Synced, StoreError> {
        let done = self.log.sync()?;
        if done.bytes > 0 {
            self.stats.syncs += 1;
            self.stats.last_sync = done.elapsed;
            self.stats.slow_syncs += u64::from(done.elapsed > self.config.fsync_warning);
            self.stats.synced_bytes += done.bytes;
        }
        Ok(done)
    }

    /// Whether this sync deserves the warning of `fsync.warningthresholdms`.
    pub fn was_slow(&self, done: &Synced) -> bool {
        done.elapsed > self.config.fsync_warning
    }

    /// The next record starts a new file; a snapshot is about to be taken.
    pub fn roll(&mut self) -> Result<(), StoreError> {
        self.log.roll()?;
        self.log.set_total_bytes(0);
        Ok(())
    }

    /// The way to write snapshots beside the log thread.
    pub fn snapshots(&self) -> &Snapshots {
        &self.snapshots
    }

    /// `dataLogDir/version-2`
    pub fn log_dir(&self) -> &Path {
        &self.log_dir
    }

    /// `dataDir/version-2`
    pub fn snap_dir(&self) -> &Path {
        &self.snap_dir
    }

    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    pub fn stats(&self) -> StoreStats {
        StoreStats {
            current_log_bytes: self.log.current_bytes(),
            total_log_bytes: self.log.total_bytes(),
            ..self.stats
        }
    }

    /// Keeps the newest `retain` snapshots and the logs that they need.
    pub fn purge(
        &self,
        retain: usize,
        each: &mut dyn FnMut(&Named),
    ) -> Result<Vec<PathBuf>, StoreError> {
        purge::purge(&*self.disk, &self.log_dir, &self.snap_dir, retain, each)
    }

    /// The last transaction that was appended or found.
    pub fn last_zxid(&self) -> Option<Zxid> {
        self.log.last_zxid()
    }

    /// This state takes the place of everything in the folder: what log and snapshots have after it
    /// goes away, and the next append follows it.
    pub fn install(&mut self, image: &Image) -> Result<(), StoreError> {
        let zxid = image.0.zxid();
        self.log.close()?;
        let newer = cut::has_newer(&*self.disk, &self.log_dir, &self.snap_dir, zxid)?
            || self.log.last_zxid().is_some_and(|last| last > zxid);
        if newer {
            let path = self.snapshots.write_named(&*image.0, names::INSTALLING)?;
            cut::finish_install(&*self.disk, &self.log_dir, &path)?;
        } else {
            self.snapshots.write(&*image.0)?;
        }
        self.log = new_log(&self.disk, &self.log_dir, &self.config, Some(zxid));
        Ok(())
    }

    /// Removes every transaction after `zxid`; the caller recovers anew afterwards.
    pub fn truncate(&mut self, zxid: Zxid) -> Result<(), StoreError> {
        self.log.close()?;
        cut::truncate(&*self.disk, &self.log_dir, &self.snap_dir, zxid)?;
        self.log = new_log(&self.disk, &self.log_dir, &self.config, Some(zxid));
        Ok(())
    }

    /// Syncs, and gives back the space reserved for records that never came.
    pub fn close(&mut self) -> Result<Synced, StoreError> {
        self.log.close()
    }
}

fn new_log(disk: &Arc<dyn Disk>, dir: &Path, config: &StoreConfig, last: Option<Zxid>) -> TxnLog {
    let options = LogOptions {
        pre_alloc: config.pre_alloc,
        force_sync: config.force_sync,
        size_limit: config.log_size_limit,
    };
    TxnLog::new(disk.clone(), dir.to_owned(), options, last)
}

fn prepare_dir(
    disk: &dyn Disk,
    dir: &Path,
    what: &str,
    autocreate: bool,
) -> Result<(), StoreError> {
    let shown = dir.display();
    if !disk.exists(dir).map_err(StoreError::io("look for", dir))? {
        if !autocreate {
            return Err(StoreError::Datadir(format!(
                "Missing {what} directory {shown}, automatic data directory creation is disabled \
                 (zookeeper.datadir.autocreate is false). Please create this directory manually"
            )));
        }
        make_dir(disk, dir).map_err(|e| {
            StoreError::Datadir(format!("Unable to create {what} directory {shown}: {e}"))
        })?;
    }
    disk.writable(dir).map_err(|e| {
        let advice = match e.kind() {
            io::ErrorKind::ReadOnlyFilesystem => "mount it for writing",
            _ => "give it to the user that the server runs as",
        };
        StoreError::Datadir(format!(
            "Cannot write to {what} directory {shown}: {e}: {advice}"
        ))
    })
}

/// Makes the folder and its parents, and their names durable: what is synced into a folder whose
/// own name is lost is lost.
fn make_dir(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    let mut made = Vec::new();
    for ancestor in dir.ancestors() {
        if ancestor.as_os_str().is_empty() || disk.exists(ancestor)? {
            break;
        }
        made.push(ancestor);
    }
    disk.create_dir_all(dir)?;
    for dir in made {
        let parent = dir.parent().filter(|p| !p.as_os_str().is_empty());
        match disk.sync_dir(parent.unwrap_or(Path::new("."))) {
            // a parent that may be written to but not opened
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {}
            done => done?,
        }
    }
    Ok(())
}

fn check_content(
    disk: &dyn Disk,
    dir: &Path,
    prefix: &str,
    problem: &str,
) -> Result<(), StoreError> {
    let entries = disk.list(dir).map_err(StoreError::io("list", dir))?;
    match entries.iter().find(|e| names::has_prefix(&e.name, prefix)) {
        None => Ok(()),
        Some(entry) => Err(StoreError::Datadir(format!(
            "{problem}. Check if dataLogDir and dataDir configuration is correct: {} holds {}",
            dir.display(),
            entry.name
        ))),
    }
}
