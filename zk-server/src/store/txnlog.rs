//! The transaction log, written (Java: `FileTxnLog`, `FilePadding`).
//!
//! A file is a header, then records `[adler32][length][bytes]['B']`, then zeros. A batch of records
//! takes one write call and one `fdatasync`, however many requests wait for it. After a write or
//! a sync has failed nobody knows what the file holds, so it takes no more: the page cache may
//! have dropped what it could not write, and a second sync would claim success. What was not synced
//! is cut off then, so that no later process takes it for durable.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use simd_adler32::adler32;

use super::disk::{Disk, DiskFile};
use super::error::StoreError;
use super::names;
use crate::mutants::{self, Mutant};
use crate::units::Zxid;

pub const MAGIC: &[u8; 4] = b"ZKLG";
pub const VERSION: i32 = 2;
/// magic, version, database id (always 0)
pub const FILE_HEADER_LEN: usize = 16;
/// What ends a record.
pub const END_MARK: u8 = b'B';
/// checksum and length before a record
pub const PREFIX_LEN: usize = 12;

/// More than this is written out before the sync asks for it.
const WRITE_OUT: usize = 4 << 20;
/// What a buffer may keep between batches.
const KEEP: usize = 256 << 10;

#[derive(Debug, Clone, Copy)]
pub struct LogOptions {
    /// bytes by which a file grows ahead of what is written; 0 for none
    pub pre_alloc: u64,
    /// `forceSync=no` leaves it to the kernel when to write
    pub force_sync: bool,
    /// a file that grows past it is followed by a new one
    pub size_limit: Option<u64>,
}

/// What a sync has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synced {
    /// The last transaction that is durable; `None` when none was ever appended.
    pub zxid: Option<Zxid>,
    /// What the device took; zero when nothing was to be synced.
    pub elapsed: Duration,
    /// Bytes of records that this sync made durable.
    pub bytes: u64,
}

#[derive(Debug)]
struct OpenLog {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    /// where the next record goes
    position: u64,
    /// the file's length, zeros included
    size: u64,
    name_synced: bool,
    unsynced: u64,
}

#[derive(Debug)]
pub struct TxnLog {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    options: LogOptions,
    current: Option<OpenLog>,
    /// of syncs that nobody has heard of yet
    carried: (Duration, u64),
    /// records not handed to the file yet
    batch: Vec<u8>,
    batch_first: Option<Zxid>,
    last: Option<Zxid>,
    failed: Option<String>,
    /// bytes in files that are complete, since the last snapshot
    previous_bytes: u64,
}

impl TxnLog {
    /// `last` is the last transaction on disk: what follows must be newer.
    pub fn new(disk: Arc<dyn Disk>, dir: PathBuf, options: LogOptions, last: Option<Zxid>) -> Self {
        Self {
            disk,
            dir,
            options,
            current: None,
            carried: (Duration::ZERO, 0),
            batch: Vec::new(),
            batch_first: None,
            last,
            failed: None,
            previous_bytes: 0,
        }
    }

    pub fn last_zxid(&self) -> Option<Zxid> {
        self.last
    }

    /// Bytes of records in the current file.
    pub fn current_bytes(&self) -> u64 {
        self.current.as_ref().map_or(0, |log| log.position)
    }

    /// Bytes of records in all files since the total was last set.
    pub fn total_bytes(&self) -> u64 {
        self.previous_bytes + self.current_bytes()
    }

    /// Starts the total anew (Java: `setTotalLogSize`, called when a snapshot begins).
    pub fn set_total_bytes(&mut self, bytes: u64) {
        self.previous_bytes = bytes;
    }

    /// Takes a record; it is durable after the next [`Self::sync`].
    pub fn append(&mut self, zxid: Zxid, record: &[u8]) -> Result<(), StoreError> {
        self.check()?;
        if let Some(last) = self.last.filter(|last| zxid <= *last) {
            return Err(StoreError::OutOfOrder { zxid, last });
        }
        self.batch_first.get_or_insert(zxid);
        push_record(&mut self.batch, record);
        self.last = Some(zxid);
        if self.batch.len() >= WRITE_OUT {
            self.write_out()?;
        }
        Ok(())
    }

    /// Makes everything appended durable.
    pub fn sync(&mut self) -> Result<Synced, StoreError> {
        self.check()?;
        self.write_out()?;
        if let Some(mut log) = self.current.take() {
            self.sync_file(&mut log)?;
            let limit = self.options.size_limit;
            let full = limit.is_some_and(|limit| log.position > limit);
            self.current = Some(log);
            if full {
                self.roll()?;
            }
        }
        let (elapsed, bytes) = std::mem::take(&mut self.carried);
        Ok(Synced {
            zxid: self.last,
            elapsed,
            bytes,
        })
    }

    /// The next record starts a new file. This one is synced first: a newer file that outlives a
    /// power cut must never follow one that lost its end.
    pub fn roll(&mut self) -> Result<(), StoreError> {
        self.check()?;
        self.write_out()?;
        if let Some(mut log) = self.current.take() {
            self.sync_file(&mut log)?;
            self.previous_bytes += log.position;
            self.trim(log)?;
        }
        Ok(())
    }

    /// Syncs and gives the reserved space back.
    pub fn close(&mut self) -> Result<Synced, StoreError> {
        self.roll()?;
        self.sync()
    }

    fn check(&self) -> Result<(), StoreError> {
        match &self.failed {
            Some(why) => Err(StoreError::Poisoned(why.clone())),
            None => Ok(()),
        }
    }

    fn fail(&mut self, op: &'static str, path: &Path, source: io::Error) -> StoreError {
        let error = StoreError::io(op, path)(source);
        self.failed = Some(error.to_string());
        error
    }

    /// Hands the batch to the file with one write call.
    fn write_out(&mut self) -> Result<(), StoreError> {
        let Some(first) = self.batch_first.take() else {
            return Ok(());
        };
        let mut log = match self.current.take() {
            Some(log) => log,
            None => self.create(first)?,
        };
        if log.position == 0 {
            let mut header = [0; FILE_HEADER_LEN];
            header[..4].copy_from_slice(MAGIC);
            header[4..8].copy_from_slice(&VERSION.to_be_bytes());
            self.batch.splice(0..0, header);
        }
        let end = log.position + self.batch.len() as u64;
        let size = padded_size(log.position, end, log.size, self.options.pre_alloc);
        if size > log.size {
            if let Err(e) = log.file.allocate(size) {
                return Err(self.fail("reserve space for", &log.path, e));
            }
            log.size = size;
        }
        if let Err(e) = log.file.write_at(&self.batch, log.position) {
            return Err(self.fail("write to", &log.path, e));
        }
        log.unsynced += self.batch.len() as u64;
        log.position = end;
        log.size = log.size.max(end);
        self.current = Some(log);
        self.batch.clear();
        self.batch.shrink_to(KEEP);
        Ok(())
    }

    fn create(&mut self, first: Zxid) -> Result<OpenLog, StoreError> {
        let path = self.dir.join(names::log_name(first));
        match self.disk.create(&path) {
            Ok(file) => Ok(OpenLog {
                path,
                file,
                position: 0,
                size: 0,
                name_synced: false,
                unsynced: 0,
            }),
            Err(e) => Err(self.fail("create", &path, e)),
        }
    }

    fn sync_file(&mut self, log: &mut OpenLog) -> Result<(), StoreError> {
        if log.unsynced == 0 || !self.options.force_sync || mutants::is(Mutant::SkipSync) {
            log.unsynced = 0;
            return Ok(());
        }
        match log.file.sync() {
            Ok(elapsed) => self.carried.0 += elapsed,
            Err(e) => {
                // What the device has refused may stay in memory as if it were written, and the next
                // start would read it, sync with success, and count on it. Nobody was told of it.
                let synced = log.position - log.unsynced;
                if !mutants::is(Mutant::KeepAfterFailedSync) {
                    let _ = log.file.set_len(synced);
                }
                return Err(self.fail("sync", &log.path, e));
            }
        }
        // A file whose name is lost is lost: its first sync covers the folder.
        if !log.name_synced {
            if let Err(e) = self.disk.sync_dir(&self.dir) {
                let dir = self.dir.clone();
                return Err(self.fail("sync", &dir, e));
            }
            log.name_synced = true;
        }
        self.carried.1 += log.unsynced;
        log.unsynced = 0;
        Ok(())
    }

    /// Gives back what was reserved past the last record of a complete file.
    fn trim(&mut self, mut log: OpenLog) -> Result<(), StoreError> {
        if log.size > log.position {
            if let Err(e) = log.file.set_len(log.position) {
                return Err(self.fail("shorten", &log.path, e));
            }
        }
        Ok(())
    }
}

/// A record as the file holds it.
pub fn push_record(out: &mut Vec<u8>, record: &[u8]) {
    out.reserve(PREFIX_LEN + record.len() + 1);
    out.extend_from_slice(&u64::from(adler32(&record)).to_be_bytes());
    out.extend_from_slice(&(record.len() as u32).to_be_bytes());
    out.extend_from_slice(record);
    out.push(END_MARK);
}

/// The length that a file of `size` gets before bytes from `position` to `end` are written, in
/// Java's steps: it grows when fewer than 4 KiB of zeros are left.
pub fn padded_size(position: u64, end: u64, size: u64, step: u64) -> u64 {
    if step == 0 {
        return size;
    }
    let grow = |position: u64, size: u64| {
        if position + 4096 < size {
            size
        } else if position > size {
            let grown = position + step;
            grown - grown % step
        } else {
            size + step
        }
    };
    // Java pads when the header alone is in the file.
    let header = FILE_HEADER_LEN as u64;
    let size = grow(position.max(header), size.max(header));
    if end > size { grow(end, size) } else { size }
}

#[cfg(test)]
mod tests {
    use super::super::real::RealDisk;
    use super::*;

    const OPTIONS: LogOptions = LogOptions {
        pre_alloc: 8192,
        force_sync: true,
        size_limit: None,
    };

    fn log(dir: &Path, options: LogOptions) -> TxnLog {
        TxnLog::new(Arc::new(RealDisk), dir.to_owned(), options, None)
    }

    #[test]
    fn files_grow_in_javas_steps() {
        let mib64 = 64 << 20;
        assert_eq!(padded_size(0, 100, 0, mib64), 67_108_880);
        assert_eq!(padded_size(100, 200, 67_108_880, mib64), 67_108_880);
        assert_eq!(
            padded_size(67_108_000, 67_109_000, 67_108_880, mib64),
            2 * mib64 + 16
        );
        assert_eq!(padded_size(0, 100_000, 0, 8192), 106_496);
        assert_eq!(padded_size(0, 100, 0, 0), 0);
    }

    #[test]
    fn a_rolled_file_keeps_its_records_and_loses_its_padding() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = log(dir.path(), OPTIONS);
        log.append(Zxid(1), &[1; 40]).unwrap();
        log.append(Zxid(2), &[2; 50]).unwrap();
        let done = log.sync().unwrap();
        assert_eq!(done.zxid, Some(Zxid(2)));
        assert_eq!(done.bytes, 16 + 53 + 63);
        let first = dir.path().join("log.1");
        assert_eq!(std::fs::metadata(&first).unwrap().len(), 8192 + 16);
        log.roll().unwrap();
        log.append(Zxid(3), &[3; 40]).unwrap();
        log.sync().unwrap();
        assert_eq!(std::fs::metadata(&first).unwrap().len(), 16 + 53 + 63);
        assert!(dir.path().join("log.3").exists());
        assert_eq!(log.total_bytes(), 16 + 53 + 63 + 16 + 53);
    }

    #[test]
    fn a_file_over_the_limit_is_followed_by_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let options = LogOptions {
            size_limit: Some(1024),
            ..OPTIONS
        };
        let mut log = log(dir.path(), options);
        for zxid in 1..=3 {
            log.append(Zxid(zxid), &[0; 600]).unwrap();
            log.sync().unwrap();
        }
        assert!(dir.path().join("log.1").exists());
        assert!(!dir.path().join("log.2").exists());
        assert!(dir.path().join("log.3").exists());
    }

    #[test]
    fn zxids_only_grow_and_no_file_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("log.7"), b"precious").unwrap();
        let mut log = log(dir.path(), OPTIONS);
        log.append(Zxid(7), &[0; 40]).unwrap();
        assert!(matches!(
            log.append(Zxid(7), &[0; 40]),
            Err(StoreError::OutOfOrder { .. })
        ));
        assert!(matches!(log.sync(), Err(StoreError::Io { .. })));
        assert!(matches!(log.sync(), Err(StoreError::Poisoned(_))));
        assert!(matches!(
            log.append(Zxid(8), &[0; 40]),
            Err(StoreError::Poisoned(_))
        ));
        let kept = std::fs::read(dir.path().join("log.7")).unwrap();
        assert_eq!(kept, b"precious");
    }
}
