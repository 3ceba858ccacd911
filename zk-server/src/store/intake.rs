//! A snapshot that an operator brings (Java: `ZooKeeperServer.restoreFromSnapshot`,
//! `ZKDatabase.deserializeSnapshot`): kept in a file until it is whole, then read and checked as at a
//! start. Nothing that the server has is touched here, and the file goes away in every case; what
//! a kill leaves of it is removed by the next start.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::disk::{Disk, DiskFile};
use super::error::StoreError;
use super::names::WRITING;
use super::restoring::DatabaseSettings;
use super::snapshot;
use crate::tree::Database;
use crate::units::Zxid;

/// What must stay free for the log: a full disk stops the server.
const RESERVE: u64 = 128 << 20;
/// The space is looked at anew after so many bytes.
const LOOK_EVERY: u64 = 16 << 20;

/// Epochs that leave later ones.
const POSSIBLE: std::ops::Range<i64> = 0..(1 << 31) - 1000;

/// Where such snapshots are kept meanwhile.
#[derive(Debug, Clone)]
pub struct Intake {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    settings: DatabaseSettings,
    names: Arc<AtomicU64>,
}

/// One that has begun to come.
#[derive(Debug)]
pub struct Incoming {
    intake: Intake,
    path: PathBuf,
    file: Box<dyn DiskFile>,
    len: u64,
    looked_at: u64,
}

/// One that is whole.
#[derive(Debug)]
pub struct Received {
    pub database: Box<Database>,
    /// the last transaction in it, as far as it tells
    pub zxid: Zxid,
    pub nodes: u64,
    /// its digest is that of its tree, or cannot be compared
    pub same_digest: bool,
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "{dir} has {free} bytes left, and the snapshot must leave {RESERVE} for the log: free some space"
    )]
    NoSpace { dir: String, free: u64 },
    #[error("{0}")]
    NoSnapshot(String),
}

impl Intake {
    pub fn new(disk: Arc<dyn Disk>, dir: &Path, settings: DatabaseSettings) -> Self {
        Self {
            disk,
            dir: dir.to_owned(),
            settings,
            names: Arc::default(),
        }
    }

    /// `expected`: how many bytes are said to come.
    pub fn begin(&self, expected: Option<u64>) -> Result<Incoming, IntakeError> {
        self.look_for_space(expected.unwrap_or(0))?;
        let name = self.names.fetch_add(1, Ordering::Relaxed);
        let path = self.dir.join(format!("{WRITING}restore.{name}"));
        let file = self.disk.create(&path);
        Ok(Incoming {
            intake: self.clone(),
            file: file.map_err(StoreError::io("create", &path))?,
            path,
            len: 0,
            looked_at: 0,
        })
    }

    fn look_for_space(&self, wanted: u64) -> Result<(), IntakeError> {
        let free = self.disk.free_space(&self.dir);
        let free = free.map_err(StoreError::io("look at the space of", &self.dir))?;
        if free < wanted.saturating_add(RESERVE) {
            let dir = self.dir.display().to_string();
            return Err(IntakeError::NoSpace { dir, free });
        }
        Ok(())
    }
}

impl Incoming {
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), IntakeError> {
        if self.len - self.looked_at >= LOOK_EVERY {
            self.looked_at = self.len;
            self.intake.look_for_space(0)?;
        }
        let written = self.file.write_at(bytes, self.len);
        written.map_err(StoreError::io("write to", &self.path))?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Reads what has come; an error says why that is no snapshot.
    pub fn read(self) -> Result<Received, IntakeError> {
        let mut database = Box::new(self.intake.settings.for_snapshot());
        let loaded = snapshot::load(&*self.intake.disk, &self.path, &mut *database)
            .map_err(IntakeError::NoSnapshot)?;
        let trailer = loaded.trailer;
        // 3.8 and older do not tell more than the digest's.
        let digest = trailer.digest.map(|digest| Zxid(digest.zxid));
        let zxid = trailer.last_processed.or(digest).unwrap_or_default();
        if !POSSIBLE.contains(&(zxid.0 >> 32)) {
            let why = format!("no server can go on from its zxid 0x{:x}", zxid.0);
            return Err(IntakeError::NoSnapshot(why));
        }
        let same_digest = database.loaded(zxid);
        database
            .committed_mut()
            .keep(self.intake.settings.commit_log);
        Ok(Received {
            database,
            zxid,
            nodes: loaded.nodes,
            same_digest,
        })
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // A start removes it, should this fail.
        let _ = self.intake.disk.remove(&self.path);
    }
}
