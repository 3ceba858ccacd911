//! The records of all log files after a zxid, in order: what recovery replays and what a learner
//! is synced from (Java: `FileTxnIterator` over several files).

use std::path::Path;

use bytes::Bytes;

use super::disk::Disk;
use super::error::StoreError;
use super::names::{self, LOG, Named, SNAPSHOT};
use super::reader::{Damage, Entry, FOREIGN, LogReader, Step};
use crate::units::Zxid;

/// Where [`LogScan::advance`] has arrived.
#[derive(Debug)]
pub enum ScanStep {
    /// at a record: see [`LogScan::entry`]
    Entry,
    /// after the last record of the last file
    End,
    Damaged(DamagedFile),
}

/// A damaged place that no later file makes up for.
#[derive(Debug, Clone)]
pub struct DamagedFile {
    pub file: Named,
    pub damage: Damage,
    /// the last transaction before it
    pub last_good: Zxid,
    /// whether it is in the newest file, where a power cut may explain it
    pub newest: bool,
}

#[derive(Debug)]
pub struct LogScan<'d> {
    disk: &'d dyn Disk,
    files: Vec<Named>,
    /// the next file to open
    next: usize,
    reader: Option<LogReader>,
    last: Zxid,
    gaps: Vec<(Zxid, Zxid)>,
    skipped: u64,
}

impl<'d> LogScan<'d> {
    /// Everything after `after` that the folder holds.
    pub fn new(disk: &'d dyn Disk, dir: &Path, after: Zxid) -> Result<Self, StoreError> {
        let entries = disk.list(dir).map_err(StoreError::io("list", dir))?;
        let logs = names::sorted(dir, &entries, LOG);
        Ok(Self {
            disk,
            files: names::logs_after(&logs, after).to_vec(),
            next: 0,
            reader: None,
            last: after,
            gaps: Vec::new(),
            skipped: 0,
        })
    }

    /// The last transaction seen so far.
    pub fn last(&self) -> Zxid {
        self.last
    }

    /// Pairs of neighbours between which transactions of one epoch are missing.
    pub fn gaps(&self) -> &[(Zxid, Zxid)] {
        &self.gaps
    }

    /// Records that repeated what an earlier file had.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The record that [`Self::advance`] has arrived at, and its file.
    pub fn entry(&self) -> Option<(&Path, Entry<'_>)> {
        self.reader.as_ref().map(|r| (r.path(), r.entry()))
    }

    pub fn advance(&mut self) -> Result<ScanStep, StoreError> {
        loop {
            let step = match &mut self.reader {
                Some(reader) => reader.advance()?,
                None => match self.files.get(self.next) {
                    None => return Ok(ScanStep::End),
                    Some(file) => {
                        self.next += 1;
                        match LogReader::open(self.disk, &file.path)? {
                            Ok(reader) => {
                                self.reader = Some(reader);
                                continue;
                            }
                            Err(damage) => Step::Damaged(damage),
                        }
                    }
                },
            };
            match step {
                Step::Entry => {
                    if self.arrive() {
                        return Ok(ScanStep::Entry);
                    }
                }
                Step::End(_) => self.reader = None,
                Step::Damaged(damage) => {
                    let reader = self.reader.take();
                    if let Some(found) = self.judge(damage, reader)? {
                        return Ok(ScanStep::Damaged(found));
                    }
                }
            }
        }
    }

    /// Takes note of the record; false when it is not new.
    fn arrive(&mut self) -> bool {
        let Some(reader) = &self.reader else {
            return false;
        };
        let zxid = reader.entry().zxid();
        if zxid <= self.last {
            // before the place to start from, or written twice
            self.skipped += 1;
            return false;
        }
        if !follows(self.last, zxid) {
            self.gaps.push((self.last, zxid));
        }
        self.last = zxid;
        true
    }

    /// A server that crashed leaves a torn end behind and goes on in a new file: where that one
    /// continues without a gap, nothing is missing. Where it begins a new epoch, whole records behind
    /// the damage are the ones that would be missing, and so is one that was whole before it was damaged.
    fn judge(
        &self,
        damage: Damage,
        reader: Option<LogReader>,
    ) -> Result<Option<DamagedFile>, StoreError> {
        let file = self.files[self.next - 1].clone();
        let following = self.files.get(self.next).map(|f| f.zxid);
        let missing = match following {
            Some(next) if next <= self.last || next.0 == self.last.0 + 1 => false,
            Some(next) if follows(self.last, next) => match reader {
                Some(mut reader) => {
                    let tail = reader.tail(damage, self.last)?;
                    let whole = tail.records_after > 0 || reader.was_whole(damage, &tail)?;
                    whole && !tail.hole
                }
                // A header that was never written stands before nothing that anybody counts on.
                None => damage.why == FOREIGN,
            },
            _ => true,
        };
        Ok(missing.then(|| DamagedFile {
            file,
            damage,
            last_good: self.last,
            newest: following.is_none(),
        }))
    }
}

/// Whether nothing can be missing between the two: the next of the epoch, or a newer epoch.
fn follows(last: Zxid, next: Zxid) -> bool {
    next.0 == last.0 + 1 || next.0 >> 32 > last.0 >> 32
}

/// The transactions after `after` up to `last`, beginning with the last one at or before `after`.
/// Nothing when the files do not reach back so far, when anything is missing or damaged between, or
/// when it is more than `limit` bytes: a learner that is told of a part would lose the rest.
///
/// Every snapshot is of a transaction that this server had. One that the log lacks was the leader's,
/// and so the log has a gap there that its epochs may hide, or ends before it with what no other
/// server has (ZOOKEEPER-2846). That goes for one of an epoch's first zxid too.
pub fn records_from(
    disk: &dyn Disk,
    dir: &Path,
    snap_dir: &Path,
    after: Zxid,
    last: Zxid,
    limit: u64,
) -> Result<Vec<(Zxid, Bytes)>, StoreError> {
    let mut scan = LogScan::new(disk, dir, after)?;
    let Some(first) = scan.files.first().filter(|f| f.zxid <= after) else {
        return Ok(Vec::new());
    };
    scan.last = Zxid(first.zxid.0 - 1);
    let mut records: Vec<(Zxid, Bytes)> = Vec::new();
    let mut bytes = 0;
    while scan.last < last {
        match scan.advance()? {
            ScanStep::Entry => {}
            ScanStep::End => break,
            ScanStep::Damaged(_) => return Ok(Vec::new()),
        }
        let Some((_, entry)) = scan.entry() else {
            break;
        };
        if entry.zxid() <= after {
            records.clear();
            bytes = 0;
        }
        bytes += entry.bytes.len() as u64;
        if bytes > limit {
            return Ok(Vec::new());
        }
        records.push((entry.zxid(), Bytes::copy_from_slice(entry.bytes)));
    }
    let entries = disk
        .list(snap_dir)
        .map_err(StoreError::io("list", snap_dir))?;
    let skipped = |zxid: Zxid| {
        zxid > after && zxid < scan.last && records.binary_search_by_key(&zxid, |r| r.0).is_err()
    };
    let mut snapshots = names::sorted(snap_dir, &entries, SNAPSHOT).into_iter();
    let missing = scan.gaps.iter().any(|&(_, next)| next > after);
    if missing || snapshots.any(|f| skipped(f.zxid)) {
        records.clear();
    }
    Ok(records)
}
