//! What a start does with the files: newest whole snapshot, then the log (Java:
//! `FileTxnSnapLog.restore`, `fastForwardFromEdits`).
//!
//! What a power cut leaves behind is repaired without asking, and a copy of what was cut off is
//! kept: an empty newest log, a torn end of it, records missing from the middle of its last batch.
//! Everything else that is damaged stops the start. Nothing acknowledged is given up in silence.

use std::io;
use std::path::{Path, PathBuf};

use proto::zk::txn::TxnHeader;

use super::cut;
use super::disk::{Access, Disk, DiskFile};
use super::error::StoreError;
use super::image::{Image, ImageSink};
use super::names::{self, INSTALLING, LOG, Named, SNAPSHOT, WRITING};
use super::reader::{CHECKSUM, LogReader, Step, Tail};
use super::scan::{DamagedFile, LogScan, ScanStep};
use super::snapshot::{self, Loaded, Snapshots};
use crate::mutants::{self, Mutant};
use crate::units::Zxid;

/// The tree and the sessions, being restored.
pub trait Replay {
    /// Forgets everything, down to the root: a snapshot is about to fill it.
    fn restart(&mut self);
    /// Becomes what a new server begins with: there is no snapshot.
    fn begin_new(&mut self);
    fn sink(&mut self) -> &mut dyn ImageSink;
    /// The sink has got a whole snapshot.
    fn loaded(&mut self, zxid: Zxid) -> Result<(), String>;
    /// A transaction of the log, in zxid order: header, body and digest.
    fn apply(&mut self, header: &TxnHeader, record: &[u8]) -> Result<(), String>;
    /// The state as it is now.
    fn image(&self) -> Image;
}

/// What a start has found.
#[derive(Debug, Default)]
pub struct Recovered {
    /// The last transaction; -1 when the folder is empty and must not be trusted to be so
    /// (`db.autocreate=false` and no `initialize` file).
    pub zxid: Zxid,
    /// The snapshot that it began with, or that was made of the new, empty tree.
    pub snapshot: Option<PathBuf>,
    /// transactions replayed
    pub replayed: u64,
    /// What an operator should know: repairs, gaps, snapshots that were passed over.
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) db_autocreate: bool,
    pub(super) trust_empty_snapshot: bool,
}

pub(super) struct Recovery<'a> {
    pub(super) disk: &'a dyn Disk,
    pub(super) log_dir: &'a Path,
    pub(super) snap_dir: &'a Path,
    pub(super) snapshots: &'a Snapshots,
    pub(super) rules: Rules,
    pub(super) found: Recovered,
}

impl Recovery<'_> {
    pub(super) fn run(mut self, replay: &mut dyn Replay) -> Result<Recovered, StoreError> {
        self.remove_unfinished()?;
        self.finish_install()?;
        let trust_empty = self.take_initialize_file()? || self.rules.db_autocreate;
        let base = self.load_snapshot(replay)?;
        if let Some((loaded, path)) = base {
            self.found.zxid = loaded.zxid;
            self.found.snapshot = Some(path);
            self.replay_log(replay)?;
            self.make_durable()?;
            return Ok(self.found);
        }
        if !self.logs()?.is_empty() {
            if !self.rules.trust_empty_snapshot {
                return Err(StoreError::LogsWithoutSnapshot {
                    dir: self.log_dir.to_owned(),
                    snap_dir: self.snap_dir.to_owned(),
                });
            }
            self.note(
                "No snapshot found, but there are log entries. This should only be allowed during \
                 upgrading (snapshot.trust.empty is set)"
                    .to_owned(),
            );
            self.replay_log(replay)?;
            self.make_durable()?;
            return Ok(self.found);
        }
        if trust_empty {
            // A snapshot stands before the first log: later starts rely on it.
            let written = self.snapshots.write(&*replay.image().0)?;
            self.found.snapshot = Some(written.path);
        } else {
            self.note("the data folder is empty, and db.autocreate is false".to_owned());
            self.found.zxid = Zxid(-1);
        }
        Ok(self.found)
    }

    /// What was read may be in the system's memory only, left by a process that ended before it synced:
    /// from here on it counts as logged. Older logs were synced when the next one began.
    fn make_durable(&self) -> Result<(), StoreError> {
        if mutants::is(Mutant::TrustUnsyncedLog) {
            return Ok(());
        }
        if let Some(newest) = self.logs()?.last() {
            let path = &newest.path;
            let open = self.disk.open(path, Access::ReadWrite);
            let mut file = open.map_err(StoreError::io("open", path))?;
            if let Err(error) = file.sync() {
                // The system may count what the device has refused as written from here on, and show it
                // to the next start, whose sync would succeed: that one has to write it again.
                let _ = write_again(&mut *file);
                return Err(StoreError::io("sync", path)(error));
            }
        }
        for dir in [self.log_dir, self.snap_dir] {
            let synced = self.disk.sync_dir(dir);
            synced.map_err(StoreError::io("sync", dir))?;
        }
        Ok(())
    }

    fn note(&mut self, note: String) {
        self.found.notes.push(note);
    }

    fn logs(&self) -> Result<Vec<Named>, StoreError> {
        let entries = self
            .disk
            .list(self.log_dir)
            .map_err(StoreError::io("list", self.log_dir))?;
        Ok(names::sorted(self.log_dir, &entries, LOG))
    }

    fn remove_unfinished(&self) -> Result<(), StoreError> {
        let dir = self.snap_dir;
        for entry in self.disk.list(dir).map_err(StoreError::io("list", dir))? {
            if entry.name.starts_with(WRITING) {
                let path = dir.join(entry.name);
                self.disk
                    .remove(&path)
                    .map_err(StoreError::io("remove", &path))?;
            }
        }
        Ok(())
    }

    /// A leader's state that this server had taken over when it ended: nothing older counts.
    fn finish_install(&mut self) -> Result<(), StoreError> {
        let dir = self.snap_dir;
        for entry in self.disk.list(dir).map_err(StoreError::io("list", dir))? {
            if entry.name.starts_with(INSTALLING) {
                let path = dir.join(entry.name);
                cut::finish_install(self.disk, self.log_dir, &path)?;
                self.note(format!("finished what {} had begun", path.display()));
            }
        }
        Ok(())
    }

    /// `zkServer-initialize.sh` leaves it in dataDir; it counts once. Java looks only in the log's folder,
    /// where that script does not write it when the two differ.
    fn take_initialize_file(&self) -> Result<bool, StoreError> {
        let mut found = false;
        for dir in [self.log_dir, self.snap_dir] {
            let path = dir.parent().unwrap_or(dir).join("initialize");
            let there = self.disk.exists(&path);
            if there.map_err(StoreError::io("look for", &path))? {
                let removed = self.disk.remove(&path);
                removed.map_err(StoreError::io("remove", &path))?;
                found = true;
            }
        }
        Ok(found)
    }

    fn load_snapshot(
        &mut self,
        replay: &mut dyn Replay,
    ) -> Result<Option<(Loaded, PathBuf)>, StoreError> {
        let mut broken: Vec<(Named, String)> = Vec::new();
        for file in self.snapshots.list()?.into_iter().rev() {
            replay.restart();
            let result = snapshot::load(self.disk, &file.path, replay.sink());
            match result.and_then(|l| replay.loaded(l.zxid).map(|()| l)) {
                Ok(loaded) => {
                    for (file, why) in &broken {
                        let path = file.path.display();
                        self.note(format!("{path} was passed over: {why}"));
                    }
                    self.must_reach(broken.first(), loaded.zxid)?;
                    return Ok(Some((loaded, file.path)));
                }
                Err(why) => broken.push((file, why)),
            }
        }
        replay.begin_new();
        match broken.first() {
            // A server that died while it wrote its first snapshot had acknowledged nothing.
            Some((file, why)) if file.zxid > Zxid(0) || !self.logs()?.is_empty() => {
                Err(StoreError::NoValidSnapshot {
                    dir: self.snap_dir.to_owned(),
                    tried: broken.len(),
                    newest: file_name(&file.path),
                    why: why.clone(),
                })
            }
            Some(_) => {
                for (file, why) in &broken {
                    let kept = cut::set_aside_file(self.disk, &file.path)?;
                    let (path, kept) = (file.path.display(), kept.display());
                    self.note(format!("{path} was moved to {kept}: {why}"));
                }
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// A snapshot that was passed over may have been the only place of what it held (one that a
    /// leader sent): then the logs do not lead up to it, and an older state would be served.
    fn must_reach(&self, broken: Option<&(Named, String)>, base: Zxid) -> Result<(), StoreError> {
        let Some((file, why)) = broken else {
            return Ok(());
        };
        let mut scan = LogScan::new(self.disk, self.log_dir, base)?;
        while scan.last() < file.zxid {
            if !matches!(scan.advance()?, ScanStep::Entry) {
                break;
            }
        }
        // A snapshot of a transaction that no log has was a leader's.
        let has_it = scan.last() == file.zxid || file.zxid.0 & 0xffff_ffff == 0;
        if has_it && scan.last() >= file.zxid && scan.gaps().is_empty() {
            return Ok(());
        }
        Err(StoreError::NoValidSnapshot {
            dir: self.snap_dir.to_owned(),
            tried: 1,
            newest: file_name(&file.path),
            why: format!(
                "{why}; older snapshots are whole, but the log does not lead from 0x{:x} up to it. \
                 To go back to the older state, move this file away",
                base.0
            ),
        })
    }

    fn replay_log(&mut self, replay: &mut dyn Replay) -> Result<(), StoreError> {
        let mut scan = LogScan::new(self.disk, self.log_dir, self.found.zxid)?;
        loop {
            match scan.advance()? {
                ScanStep::Entry => {}
                ScanStep::End => break,
                ScanStep::Damaged(damaged) => {
                    self.repair(damaged)?;
                    break;
                }
            }
            let Some((path, entry)) = scan.entry() else {
                break;
            };
            if let Some(&(last, next)) = scan.gaps().first() {
                return Err(StoreError::Hole {
                    path: path.to_owned(),
                    offset: entry.offset,
                    last,
                    next,
                });
            }
            replay
                .apply(&entry.header, entry.bytes)
                .map_err(|why| StoreError::Replay {
                    path: path.to_owned(),
                    offset: entry.offset,
                    zxid: entry.zxid(),
                    why,
                })?;
            self.found.replayed += 1;
            self.found.zxid = entry.zxid();
        }
        self.remove_empty_logs()
    }

    /// A log that was begun and never written to stands where the next one will be made.
    fn remove_empty_logs(&self) -> Result<(), StoreError> {
        for file in self.logs()?.iter().filter(|f| f.zxid > self.found.zxid) {
            let Ok(mut reader) = LogReader::open(self.disk, &file.path)? else {
                continue;
            };
            if let Step::End(_) = reader.advance()? {
                self.disk
                    .remove(&file.path)
                    .map_err(StoreError::io("remove", &file.path))?;
            }
        }
        Ok(())
    }

    fn repair(&mut self, damaged: DamagedFile) -> Result<(), StoreError> {
        let (path, offset) = (&damaged.file.path, damaged.damage.offset);
        let tail = self.look_behind(&damaged)?;
        let torn = tail.records_after == 0 || tail.hole;
        if !damaged.newest || !torn {
            return Err(refusal(&damaged));
        }
        let kept = cut::set_aside(self.disk, path, offset, tail.used)?;
        let kept = kept.map_or("nothing was in it".to_owned(), |kept| {
            format!("a copy is in {}", kept.display())
        });
        let after = match tail.records_after {
            0 => String::new(),
            n => format!(" and {n} transactions after a place that was never written"),
        };
        // A write that was never acknowledged, or one that was and has been damaged since.
        let doubt = if damaged.damage.why == CHECKSUM {
            ". If no power was lost, its last record was damaged on the disk afterwards: check the disk"
        } else {
            ""
        };
        self.note(format!(
            "the torn end of {} was cut off at offset {offset} ({}){after}; {kept}; the last \
             transaction is 0x{:x}{doubt}",
            path.display(),
            damaged.damage.why,
            damaged.last_good.0
        ));
        Ok(())
    }

    fn look_behind(&self, damaged: &DamagedFile) -> Result<Tail, StoreError> {
        let path = &damaged.file.path;
        if let Ok(mut reader) = LogReader::open(self.disk, path)? {
            return reader.tail(damaged.damage, damaged.last_good);
        }
        // Without a header: cut short or never written is a power cut, other bytes are not.
        let file = self
            .disk
            .open(path, Access::Read)
            .map_err(StoreError::io("open", path))?;
        let used = file.size().map_err(StoreError::io("read", path))?;
        let mut header = [0; 16];
        let n = file
            .read_at(&mut header, 0)
            .map_err(StoreError::io("read", path))?;
        let foreign = n == header.len() && header != [0; 16];
        Ok(Tail {
            used,
            records_after: u64::from(foreign),
            hole: !foreign,
        })
    }
}

fn write_again(file: &mut dyn DiskFile) -> io::Result<()> {
    let mut bytes = vec![0; 1 << 20];
    let mut offset = 0;
    loop {
        let n = file.read_at(&mut bytes, offset)?;
        if n == 0 {
            return Ok(());
        }
        file.write_at(&bytes[..n], offset)?;
        offset += n as u64;
    }
}

fn refusal(damaged: &DamagedFile) -> StoreError {
    let path = damaged.file.path.display();
    let later = if damaged.newest {
        ""
    } else {
        " and in all later logs"
    };
    StoreError::DamagedLog {
        path: damaged.file.path.clone(),
        offset: damaged.damage.offset,
        why: damaged.damage.why,
        last_good: damaged.last_good,
        advice: format!(
            "Restore the file from a copy, or let the ensemble refill an empty folder, or give up \
             what follows in it{later} (copies are kept) with: zkTxnLogToolkit.sh --cut {path}"
        ),
    }
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map_or_else(|| SNAPSHOT.to_owned(), |n| n.to_string_lossy().into_owned())
}
