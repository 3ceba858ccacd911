//! Carries out [`DiskOrder`]s, strictly in order, for whoever owns the files: the log thread or the
//! simulator (Java: `SyncRequestProcessor`, `FileTxnSnapLog.truncateLog`, and what `Learner` and
//! `Leader` do with files by themselves).
//!
//! It never retries: after an error the process must end, because nobody knows what the files hold.
//! What takes long and nothing waits for is handed out as a [`Job`].

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::disk::Disk;
use super::epochs::{self, Epoch, Epochs};
use super::error::StoreError;
use super::facade::Store;
use super::image::Image;
use super::intake::Intake;
use super::recover::Recovered;
use super::restoring::{DatabaseSettings, Restoring};
use super::scan;
use super::snapshot::{Snapshots, Written};
use super::txnlog::Synced;
use crate::mutants::{self, Mutant};
use crate::tree::Database;
use crate::units::{LinkId, Zxid};

/// What the thread that owns the files is asked to do, strictly in order.
#[derive(Debug)]
pub enum DiskOrder {
    /// Durable when `DiskDone::Logged` says so.
    Append { zxid: Zxid, record: Bytes },
    /// The next `Append` starts a new log file.
    Roll,
    /// Write a snapshot beside everything else; answered by `SnapshotDone`.
    Snapshot(Image),
    /// The files hold this state from here on, synced, and nothing later than it: what log and
    /// snapshots had after it goes away (a SNAP that was received). Answered by `SnapshotSaved`.
    SaveSnapshot(Image),
    /// Sync what was appended; answered by `Flushed`, also when there was nothing.
    Flush,
    /// After everything ordered before it is durable; answered by `EpochWritten`.
    WriteEpoch { which: Epoch, value: i64 },
    /// Take everything after `zxid` out of log and snapshots, then read what is left; answered by
    /// `Reloaded`. What is left ends before `zxid` when this server never had that transaction.
    Truncate { zxid: Zxid },
    /// Read the database back from the files; answered by `Reloaded`.
    Reload,
    /// The transactions after `after`, at most about `bytes` of them; answered by `LogRead`.
    ReadLog {
        link: LinkId,
        after: Zxid,
        bytes: u64,
    },
}

/// Answers to [`DiskOrder`]s, in their order but for `SnapshotDone` and `LogRead`.
#[derive(Debug)]
pub enum DiskDone {
    /// Every `Append` up to this zxid is on stable storage.
    Logged {
        zxid: Zxid,
    },
    SnapshotDone {
        zxid: Zxid,
        ok: bool,
    },
    SnapshotSaved {
        zxid: Zxid,
    },
    Flushed,
    EpochWritten {
        which: Epoch,
        value: i64,
    },
    Reloaded {
        database: Box<Database>,
    },
    /// zxid and record, in order, beginning with the last one at or before `after` when the log still
    /// has it. Empty when the files no longer reach back so far or hold more than was allowed.
    LogRead {
        link: LinkId,
        records: Vec<(Zxid, Bytes)>,
    },
}

/// What need not be done before the next order; [`Job::run`] may run on any thread.
#[derive(Debug)]
pub enum Job {
    Snapshot {
        snapshots: Snapshots,
        image: Image,
    },
    ReadLog {
        disk: Arc<dyn Disk>,
        log_dir: PathBuf,
        snap_dir: PathBuf,
        link: LinkId,
        after: Zxid,
        /// what is synced: the log may be growing meanwhile
        last: Zxid,
        bytes: u64,
    },
}

impl Job {
    /// What to say when it cannot even begin.
    pub fn failed(&self) -> DiskDone {
        match self {
            Self::Snapshot { image, .. } => DiskDone::SnapshotDone {
                zxid: image.0.zxid(),
                ok: false,
            },
            Self::ReadLog { link, .. } => DiskDone::LogRead {
                link: *link,
                records: Vec::new(),
            },
        }
    }

    /// Where it writes, if it is a snapshot.
    pub fn snapshots(&self) -> Option<Snapshots> {
        match self {
            Self::Snapshot { snapshots, .. } => Some(snapshots.clone()),
            Self::ReadLog { .. } => None,
        }
    }

    /// Does it. The error is for the operator: nothing is lost by it.
    pub fn run(self) -> (DiskDone, Result<Option<Written>, StoreError>) {
        match self {
            Self::Snapshot { snapshots, image } => {
                let written = snapshots.write(&*image.0);
                let done = DiskDone::SnapshotDone {
                    zxid: image.0.zxid(),
                    ok: written.is_ok(),
                };
                (done, written.map(Some))
            }
            Self::ReadLog {
                disk,
                log_dir,
                snap_dir,
                link,
                after,
                last,
                bytes,
            } => {
                let read = scan::records_from(&*disk, &log_dir, &snap_dir, after, last, bytes);
                let (records, result) = match read {
                    Ok(records) => (records, Ok(None)),
                    Err(error) => (Vec::new(), Err(error)),
                };
                (DiskDone::LogRead { link, records }, result)
            }
        }
    }
}

/// Where jobs run, and who wants to know of syncs.
pub trait Beside {
    /// Runs a job now or later and hands on what it says.
    fn start(&mut self, job: Job);
    /// Returns when all jobs that were started have ended.
    fn finish(&mut self);
    /// Records were synced; `slow`: longer than `fsync.warningthresholdms`.
    fn synced(&mut self, sync: &Synced, records: u64, slow: bool);
}

/// The files, and how far they are.
#[derive(Debug)]
pub struct Worker {
    store: Store,
    settings: DatabaseSettings,
    /// the epoch that the files claim for sure; transactions of a later one need a note first
    claimed: i64,
    /// appended and not synced: the last, and how many
    pending: Option<(Zxid, u64)>,
}

/// What the files of a server say at its start.
#[derive(Debug)]
pub struct Loaded {
    pub database: Database,
    pub found: Recovered,
}

impl Worker {
    /// Reads everything; `store` is fresh.
    pub fn open(
        mut store: Store,
        settings: DatabaseSettings,
    ) -> Result<(Self, Loaded), StoreError> {
        let loaded = load(&mut store, settings)?;
        let claimed = epochs::read(&**store.disk(), store.snap_dir(), Epoch::Current)?;
        let worker = Self {
            store,
            settings,
            // a server that is alone has no epochs, and all its transactions are of epoch 0
            claimed: claimed.unwrap_or(loaded.found.zxid.0 >> 32),
            pending: None,
        };
        Ok((worker, loaded))
    }

    /// The epochs of a server of an ensemble, after [`Self::open`] (Java: `QuorumPeer.loadDataBase`).
    pub fn epochs(&mut self, last: Zxid) -> Result<Epochs, StoreError> {
        let epochs = epochs::load(&**self.store.disk(), self.store.snap_dir(), last)?;
        self.claimed = epochs.current;
        Ok(epochs)
    }

    /// Takes snapshots from operators.
    pub fn intake(&self) -> Intake {
        let store = &self.store;
        Intake::new(store.disk().clone(), store.snap_dir(), self.settings)
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    pub fn store_mut(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Carries out all orders, with as few syncs as they allow. What is done is told even when a later
    /// order fails.
    pub fn carry_out(
        &mut self,
        orders: impl IntoIterator<Item = DiskOrder>,
        beside: &mut impl Beside,
        done: &mut Vec<DiskDone>,
    ) -> Result<(), StoreError> {
        for order in orders {
            self.one(order, beside, done)?;
        }
        self.sync(beside, done)
    }

    fn one(
        &mut self,
        order: DiskOrder,
        beside: &mut impl Beside,
        done: &mut Vec<DiskDone>,
    ) -> Result<(), StoreError> {
        match order {
            DiskOrder::Append { zxid, record } => self.append(zxid, &record)?,
            DiskOrder::Roll => self.store.roll()?,
            DiskOrder::Snapshot(image) => {
                let snapshots = self.store.snapshots().clone();
                beside.start(Job::Snapshot { snapshots, image });
            }
            DiskOrder::SaveSnapshot(image) => {
                let zxid = image.0.zxid();
                self.sync(beside, done)?;
                // an older state must not come back over this one
                beside.finish();
                self.claim(zxid)?;
                self.store.install(&image)?;
                done.push(DiskDone::SnapshotSaved { zxid });
            }
            DiskOrder::Flush => {
                self.sync(beside, done)?;
                done.push(DiskDone::Flushed);
            }
            DiskOrder::WriteEpoch { which, value } => {
                if !mutants::is(Mutant::EpochBeforeHistory) {
                    self.sync(beside, done)?;
                }
                epochs::write(&**self.store.disk(), self.store.snap_dir(), which, value)?;
                if which == Epoch::Current {
                    self.claimed = value;
                }
                done.push(DiskDone::EpochWritten { which, value });
            }
            DiskOrder::Truncate { zxid } => {
                self.sync(beside, done)?;
                // a snapshot that is being written may hold what goes away now
                beside.finish();
                self.store.truncate(zxid)?;
                self.reload(done)?;
            }
            DiskOrder::Reload => {
                self.sync(beside, done)?;
                beside.finish();
                self.store.close()?;
                self.reload(done)?;
            }
            DiskOrder::ReadLog { link, after, bytes } => {
                self.sync(beside, done)?;
                let last = self.store.last_zxid().unwrap_or(Zxid(-1));
                beside.start(Job::ReadLog {
                    disk: self.store.disk().clone(),
                    log_dir: self.store.log_dir().to_owned(),
                    snap_dir: self.store.snap_dir().to_owned(),
                    link,
                    after,
                    last,
                    bytes,
                });
            }
        }
        Ok(())
    }

    fn append(&mut self, zxid: Zxid, record: &Bytes) -> Result<(), StoreError> {
        self.claim(zxid)?;
        self.store.append(zxid, record)?;
        let records = self.pending.map_or(0, |(_, n)| n) + 1;
        self.pending = Some((zxid, records));
        Ok(())
    }

    /// Transactions of an epoch that `currentEpoch` does not know come to the files before the epoch
    /// does. Should this process die between the two, Java starts from the folder only if it finds
    /// the epoch of its last transaction in `currentEpoch.tmp`.
    fn claim(&mut self, zxid: Zxid) -> Result<(), StoreError> {
        let epoch = zxid.0 >> 32;
        if epoch <= self.claimed {
            return Ok(());
        }
        epochs::write_unfinished(&**self.store.disk(), self.store.snap_dir(), epoch)?;
        self.claimed = epoch;
        Ok(())
    }

    fn sync(
        &mut self,
        beside: &mut impl Beside,
        done: &mut Vec<DiskDone>,
    ) -> Result<(), StoreError> {
        let Some((zxid, records)) = self.pending.take() else {
            return Ok(());
        };
        let synced = self.store.sync()?;
        beside.synced(&synced, records, self.store.was_slow(&synced));
        done.push(DiskDone::Logged { zxid });
        Ok(())
    }

    fn reload(&mut self, done: &mut Vec<DiskDone>) -> Result<(), StoreError> {
        let loaded = load(&mut self.store, self.settings)?;
        done.push(DiskDone::Reloaded {
            database: Box::new(loaded.database),
        });
        Ok(())
    }

    /// Syncs and closes the log.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.store.close().map(|_| ())
    }
}

fn load(store: &mut Store, settings: DatabaseSettings) -> Result<Loaded, StoreError> {
    let mut restoring = Restoring::new(settings);
    let mut found = store.recover(&mut restoring)?;
    found.notes.extend(restoring.mismatches.iter().map(|zxid| {
        format!(
            "The digest of the snapshot at zxid 0x{:x} is not that of the tree it gives",
            zxid.0
        )
    }));
    let mut database = restoring.database;
    if found.zxid.0 < 0 {
        database.distrust();
    }
    Ok(Loaded { database, found })
}
