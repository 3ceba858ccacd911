//! A disk in memory that does what disks do at the worst moment, from a seed: it loses, reorders and
//! tears writes that were not synced, forgets names, runs full, fails a sync, or loses power at the
//! n-th operation. The same seed gives the same run.
//!
//! What is durable: bytes of a file after its `sync`, names after `sync_dir`. Of the rest, a power
//! cut keeps any sectors of any writes, and the first so many changes of names. A sector comes to the
//! medium as memory has it at that moment, with all that was written to it before.
//!
//! After a failed sync it does what Linux does: what the device has refused stays in memory, where every
//! process reads it, counts as written, and is gone with the power, whatever is synced later; unless
//! somebody writes to the same sector again, which takes it along.
//!
//! It counts what it has done to its user, so that a run can tell whether a fault was one.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use zk_server::store::disk::{Access, DirEntry, Disk, DiskFile};

use crate::rng::Rng;

const SECTOR: usize = 512;

/// A change of a file's bytes that is not synced.
#[derive(Debug, Clone)]
enum Change {
    Write {
        offset: usize,
        bytes: Vec<u8>,
    },
    Len(usize),
    /// a length that a failed sync has left over: the file system tries it again, and memory has it
    LenAgain(usize),
}

/// A change of a name that is not synced.
#[derive(Debug, Clone)]
enum Naming {
    Link(PathBuf, u64),
    Rename(PathBuf, PathBuf),
    Unlink(PathBuf),
}

#[derive(Debug, Default)]
struct Inode {
    /// as a running process sees it
    live: Vec<u8>,
    /// the same without what is not synced
    clean: Vec<u8>,
    /// as the medium has it
    durable: Vec<u8>,
    unsynced: Vec<Change>,
}

/// An operation that changes something.
#[derive(Debug, Clone, Copy)]
enum Step {
    Write,
    Resize,
    Sync,
    Create,
    Rename,
    Remove,
    SyncDir,
}

/// What a disk has done to its user, by name: a crash at each kind of operation, and what became of
/// writes.
pub const DEEDS: &[&str] = &[
    "power lost at a write",
    "power lost at a change of length",
    "power lost at a sync",
    "power lost at a creation",
    "power lost at a rename",
    "power lost at a removal",
    "power lost at a folder's sync",
    "process ended at a write",
    "process ended at a change of length",
    "process ended at a sync",
    "process ended at a creation",
    "process ended at a rename",
    "process ended at a removal",
    "process ended at a folder's sync",
    UNSYNCED_LOST,
    TORN,
    NAME_LOST,
    NO_ROOM,
    REFUSED,
    FLIPPED,
];
const UNSYNCED_LOST: &str = "unsynced write lost";
const TORN: &str = "write torn";
const NAME_LOST: &str = "unsynced name lost";
const NO_ROOM: &str = "write refused by a full disk";
const REFUSED: &str = "sync refused";
const FLIPPED: &str = "bit flipped";

type Names = BTreeMap<PathBuf, u64>;

#[derive(Debug)]
struct World {
    rng: Rng,
    inodes: BTreeMap<u64, Inode>,
    dirs: BTreeSet<PathBuf>,
    live: Names,
    durable: Names,
    unsynced: Vec<Naming>,
    /// operations that change something, so far
    operations: u64,
    power_fails_at: Option<u64>,
    /// what fails then is only the process
    process_only: bool,
    powered: bool,
    capacity: Option<u64>,
    syncs_to_fail: u32,
    /// errors that were made up: a full disk, a failed sync
    made_up: u64,
    sync_failed: bool,
    sync_time: Duration,
    deeds: BTreeMap<&'static str, u64>,
}

/// Handles share one disk.
#[derive(Debug, Clone)]
pub struct SimDisk(Arc<Mutex<World>>);

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    inode: u64,
}

impl SimDisk {
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(World {
            rng: Rng::new(seed),
            inodes: BTreeMap::new(),
            dirs: BTreeSet::new(),
            live: Names::new(),
            durable: Names::new(),
            unsynced: Vec::new(),
            operations: 0,
            power_fails_at: None,
            process_only: false,
            powered: true,
            capacity: None,
            syncs_to_fail: 0,
            made_up: 0,
            sync_failed: false,
            sync_time: Duration::from_micros(100),
            deeds: BTreeMap::new(),
        })))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Operations that changed something so far.
    pub fn operations(&self) -> u64 {
        self.world().operations
    }

    /// The power fails during the `n`-th change from now (1 is the next one).
    pub fn fail_power_after(&self, n: u64) {
        let mut world = self.world();
        world.power_fails_at = Some(world.operations + n);
        world.process_only = false;
    }

    /// The process ends during the `n`-th change from now; bring it back with [`Self::power_on`].
    pub fn fail_process_after(&self, n: u64) {
        self.fail_power_after(n);
        self.world().process_only = true;
    }

    /// What it has done, one of [`DEEDS`] each, and how often.
    pub fn deeds(&self) -> BTreeMap<&'static str, u64> {
        self.world().deeds.clone()
    }

    /// Every file as a running process sees it.
    pub fn contents(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let world = self.world();
        let live = |inode: &u64| world.inodes.get(inode).map(|i| i.live.clone());
        let files = world.live.iter();
        files
            .map(|(path, inode)| (path.clone(), live(inode).unwrap_or_default()))
            .collect()
    }

    pub fn powered(&self) -> bool {
        self.world().powered
    }

    /// Bytes that all files together may take.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.world().capacity = bytes;
    }

    /// The next `n` syncs fail; what they should have made durable never gets there, and is seen until
    /// the power goes.
    pub fn fail_syncs(&self, n: u32) {
        self.world().syncs_to_fail = n;
    }

    /// How long a sync claims to have taken.
    pub fn set_sync_time(&self, time: Duration) {
        self.world().sync_time = time;
    }

    /// Flips a bit of the medium.
    pub fn flip_bit(&self, path: &Path, offset: usize, bit: u8) {
        let mut world = self.world();
        if let Some(inode) = world.live.get(path).copied() {
            world.did(FLIPPED);
            if let Some(inode) = world.inodes.get_mut(&inode) {
                for bytes in [&mut inode.live, &mut inode.clean, &mut inode.durable] {
                    if let Some(byte) = bytes.get_mut(offset) {
                        *byte ^= 1 << (bit % 8);
                    }
                }
            }
        }
    }

    /// Cuts the power: nothing works until [`Self::power_cycle`].
    pub fn cut_power(&self) {
        self.world().powered = false;
    }

    /// The process that failed at [`Self::fail_power_after`] was only a process: the files are as it
    /// has left them.
    pub fn power_on(&self) {
        let mut world = self.world();
        world.powered = true;
        world.power_fails_at = None;
    }

    /// Nothing fails any more.
    pub fn calm(&self) {
        let mut world = self.world();
        world.power_fails_at = None;
        world.capacity = None;
        world.syncs_to_fail = 0;
    }

    /// Bytes that all files together take.
    pub fn used(&self) -> u64 {
        self.world().used()
    }

    /// Errors for lack of room and of failed syncs so far.
    pub fn made_up(&self) -> u64 {
        self.world().made_up
    }

    /// Whether a sync has failed since the last power cycle.
    pub fn has_refused(&self) -> bool {
        self.world().sync_failed
    }

    /// A file that shows other bytes than a power cut would leave, but for zeros at its end and for files
    /// that nobody counts on yet.
    pub fn not_durable(&self) -> Option<PathBuf> {
        let world = self.world();
        let differs = |(path, number): &(&PathBuf, &u64)| {
            if !counts(path) {
                return false;
            }
            let inode = world.inodes.get(number);
            world.durable.get(*path) != Some(*number)
                || inode.is_some_and(|i| used_part(&i.live) != used_part(&i.durable))
        };
        world
            .live
            .iter()
            .find(differs)
            .map(|(path, _)| path.clone())
    }

    /// A file that has bytes, or a name, that were never synced; but for files that nobody counts on yet.
    pub fn unsynced(&self) -> Option<PathBuf> {
        let world = self.world();
        let written = |change: &Change| matches!(change, Change::Write { .. });
        let named = world.unsynced.is_empty();
        let unsynced = |(path, number): &(&PathBuf, &u64)| {
            let inode = world.inodes.get(number);
            let bytes = inode.is_some_and(|inode| inode.unsynced.iter().any(written));
            let name = || !named && world.durable.get(*path) != Some(*number);
            (bytes || name()) && counts(path)
        };
        let mut files = world.live.iter();
        files.find(unsynced).map(|(path, _)| path.clone())
    }

    /// All files and their lengths.
    pub fn files(&self) -> Vec<(PathBuf, usize)> {
        let world = self.world();
        let len = |inode: &u64| world.inodes.get(inode).map_or(0, |i| i.live.len());
        world
            .live
            .iter()
            .map(|(path, inode)| (path.clone(), len(inode)))
            .collect()
    }

    /// Cuts the power, if it is still there, and brings the disk back with what it kept.
    pub fn power_cycle(&self) {
        let mut world = self.world();
        world.lose_unsynced();
        world.powered = true;
        world.sync_failed = false;
        world.power_fails_at = None;
    }
}

impl World {
    /// Counts a change; an error once the power is gone.
    fn change(&mut self, step: Step) -> io::Result<()> {
        self.alive()?;
        self.operations += 1;
        if self.power_fails_at.is_some_and(|at| self.operations >= at) {
            self.powered = false;
            self.did(crashed_at(step, self.process_only));
        }
        Ok(())
    }

    fn did(&mut self, deed: &'static str) {
        *self.deeds.entry(deed).or_default() += 1;
    }

    fn alive(&self) -> io::Result<()> {
        if self.powered {
            Ok(())
        } else {
            Err(io::Error::other("the power is off"))
        }
    }

    fn find(&self, path: &Path) -> io::Result<u64> {
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        self.live.get(path).copied().ok_or_else(missing)
    }

    fn used(&self) -> u64 {
        let inodes = self.live.values().filter_map(|i| self.inodes.get(i));
        inodes.map(|i| i.live.len() as u64).sum()
    }

    /// How many of `more` bytes still fit.
    fn room(&self, more: usize) -> usize {
        let Some(capacity) = self.capacity else {
            return more;
        };
        more.min(capacity.saturating_sub(self.used()) as usize)
    }

    fn no_room(&mut self) -> io::Error {
        self.made_up += 1;
        self.did(NO_ROOM);
        io::Error::from(io::ErrorKind::StorageFull)
    }

    fn lose_unsynced(&mut self) {
        let keep = self.rng.below(self.unsynced.len() + 1);
        if keep < self.unsynced.len() {
            self.did(NAME_LOST);
        }
        let naming = std::mem::take(&mut self.unsynced);
        for change in naming.into_iter().take(keep) {
            change.apply(&mut self.durable);
        }
        self.live = self.durable.clone();
        // A cut in which nothing more reaches the medium, everything does, or some sectors do.
        let percent = *self.rng.pick(&[0, 30, 70, 100]);
        let (mut lost, mut torn) = (0, 0);
        for inode in self.inodes.values_mut() {
            for change in std::mem::take(&mut inode.unsynced) {
                let (kept, all) = inode.write_out(&change, || self.rng.chance(percent));
                lost += u64::from(kept < all);
                torn += u64::from(kept < all && kept > 0);
            }
            inode.live = inode.durable.clone();
            inode.clean = inode.durable.clone();
        }
        for (deed, count) in [(UNSYNCED_LOST, lost), (TORN, torn)] {
            if count > 0 {
                *self.deeds.entry(deed).or_default() += count;
            }
        }
        let named: BTreeSet<u64> = self.live.values().copied().collect();
        self.inodes.retain(|inode, _| named.contains(inode));
    }
}

fn crashed_at(step: Step, process_only: bool) -> &'static str {
    let at = match step {
        Step::Write => 0,
        Step::Resize => 1,
        Step::Sync => 2,
        Step::Create => 3,
        Step::Rename => 4,
        Step::Remove => 5,
        Step::SyncDir => 6,
    };
    DEEDS[at + if process_only { 7 } else { 0 }]
}

impl Inode {
    /// The oldest change that is not synced comes to the medium, as far as `keep` says: how many of its
    /// sectors, of how many.
    fn write_out(&mut self, change: &Change, mut keep: impl FnMut() -> bool) -> (usize, usize) {
        if !matches!(change, Change::LenAgain(_)) {
            change.apply(&mut self.clean);
        }
        let (mut kept, mut all) = (0, 0);
        match change {
            Change::Len(_) | Change::LenAgain(_) => {
                all = 1;
                if keep() {
                    kept = 1;
                    change.apply(&mut self.durable);
                }
            }
            Change::Write { offset, bytes } => {
                let end = offset + bytes.len();
                let mut at = *offset;
                while at < end {
                    let begin = at / SECTOR * SECTOR;
                    let next = end.min(begin + SECTOR);
                    all += 1;
                    if keep() {
                        kept += 1;
                        let len = next.max(self.durable.len());
                        let until = len.min(begin + SECTOR).min(self.clean.len());
                        write(&mut self.durable, begin, &self.clean[begin..until]);
                    }
                    at = next;
                }
            }
        }
        (kept, all)
    }
}

impl Naming {
    fn apply(self, names: &mut Names) {
        match self {
            Self::Link(path, inode) => {
                names.insert(path, inode);
            }
            Self::Rename(from, to) => {
                if let Some(inode) = names.remove(&from) {
                    names.insert(to, inode);
                }
            }
            Self::Unlink(path) => {
                names.remove(&path);
            }
        }
    }
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => write(to, *offset, bytes),
            Self::Len(len) | Self::LenAgain(len) => to.resize(*len, 0),
        }
    }
}

fn write(to: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if to.len() < end {
        to.resize(end, 0);
    }
    to[offset..end].copy_from_slice(bytes);
}

/// Copies on their way, and what was set aside, may be lost.
fn counts(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let copy = name.starts_with("writing.") || name.starts_with("damaged.");
    !copy && !name.ends_with(".tmp")
}

fn used_part(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|&byte| byte != 0);
    &bytes[..end.map_or(0, |last| last + 1)]
}

impl Disk for SimDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut world = self.world();
        world.change(Step::Create)?;
        if world.live.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = world.operations;
        world.inodes.insert(inode, Inode::default());
        world.live.insert(path.to_owned(), inode);
        world.unsynced.push(Naming::Link(path.to_owned(), inode));
        world.alive()?;
        Ok(Box::new(SimFile {
            disk: self.clone(),
            inode,
        }))
    }

    fn open(&self, path: &Path, _: Access) -> io::Result<Box<dyn DiskFile>> {
        let world = self.world();
        world.alive()?;
        Ok(Box::new(SimFile {
            disk: self.clone(),
            inode: world.find(path)?,
        }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let world = self.world();
        world.alive()?;
        let names = world.live.iter().filter(|(p, _)| p.parent() == Some(dir));
        Ok(names
            .filter_map(|(path, inode)| {
                Some(DirEntry {
                    name: path.file_name()?.to_str()?.to_owned(),
                    len: world.inodes.get(inode)?.live.len() as u64,
                    modified_ms: 0,
                })
            })
            .collect())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let world = self.world();
        world.alive()?;
        Ok(world.live.contains_key(path) || world.dirs.contains(path))
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.alive()?;
        world.dirs.extend(dir.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn writable(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.find(from)?;
        world.change(Step::Rename)?;
        let change = Naming::Rename(from.to_owned(), to.to_owned());
        change.clone().apply(&mut world.live);
        world.unsynced.push(change);
        world.alive()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.find(path)?;
        world.change(Step::Remove)?;
        world.live.remove(path);
        world.unsynced.push(Naming::Unlink(path.to_owned()));
        world.alive()
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.change(Step::SyncDir)?;
        world.alive()?;
        for change in std::mem::take(&mut world.unsynced) {
            change.apply(&mut world.durable);
        }
        Ok(())
    }

    fn free_space(&self, _: &Path) -> io::Result<u64> {
        let world = self.world();
        world.alive()?;
        Ok(world
            .capacity
            .map_or(u64::MAX, |c| c.saturating_sub(world.used())))
    }
}

impl SimFile {
    fn with<T>(&self, f: impl FnOnce(&mut World, u64) -> io::Result<T>) -> io::Result<T> {
        f(&mut self.disk.world(), self.inode)
    }

    fn push(&self, change: Change) -> io::Result<()> {
        let step = match &change {
            Change::Write { .. } => Step::Write,
            Change::Len(_) | Change::LenAgain(_) => Step::Resize,
        };
        self.with(|world, inode| {
            world.change(step)?;
            if let Some(inode) = world.inodes.get_mut(&inode) {
                change.apply(&mut inode.live);
                inode.unsynced.push(change);
            }
            world.alive()
        })
    }
}

impl DiskFile for SimFile {
    fn size(&self) -> io::Result<u64> {
        self.with(|world, inode| {
            world.alive()?;
            Ok(world.inodes.get(&inode).map_or(0, |i| i.live.len() as u64))
        })
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with(|world, inode| {
            world.alive()?;
            let Some(inode) = world.inodes.get(&inode) else {
                return Ok(0);
            };
            let rest = inode.live.get(offset as usize..).unwrap_or_default();
            let n = rest.len().min(buf.len());
            buf[..n].copy_from_slice(&rest[..n]);
            Ok(n)
        })
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let offset = offset as usize;
        let grows = (offset + bytes.len()).saturating_sub(self.size()? as usize);
        let room = self.with(|world, _| Ok(world.room(grows)))?;
        let fits = bytes.len() - (grows - room).min(bytes.len());
        self.push(Change::Write {
            offset,
            bytes: bytes[..fits].to_vec(),
        })?;
        if fits < bytes.len() {
            return Err(self.disk.world().no_room());
        }
        Ok(())
    }

    fn allocate(&mut self, len: u64) -> io::Result<()> {
        let grows = len.saturating_sub(self.size()?) as usize;
        if self.with(|world, _| Ok(world.room(grows)))? < grows {
            return Err(self.disk.world().no_room());
        }
        self.push(Change::Len(len as usize))
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.push(Change::Len(len as usize))
    }

    fn sync(&mut self) -> io::Result<Duration> {
        self.with(|world, inode| {
            world.change(Step::Sync)?;
            world.alive()?;
            let fails = world.syncs_to_fail > 0;
            world.syncs_to_fail = world.syncs_to_fail.saturating_sub(1);
            if let Some(inode) = world.inodes.get_mut(&inode) {
                for change in std::mem::take(&mut inode.unsynced) {
                    inode.write_out(&change, || !fails);
                    if let (true, Change::Len(len) | Change::LenAgain(len)) = (fails, change) {
                        inode.unsynced.push(Change::LenAgain(len));
                    }
                }
            }
            if fails {
                world.made_up += 1;
                world.did(REFUSED);
                world.sync_failed = true;
                // Whoever is told lives long enough to act on it.
                world.power_fails_at = None;
                return Err(io::Error::other("the device reported an error"));
            }
            Ok(world.sync_time)
        })
    }
}

#[cfg(test)]
mod tests;
