//! Every touch of the disk by the log: files of data, small files replaced as a whole, directories.
//!
//! Nothing else in `log/` calls the operating system, so a simulated disk takes this file's place.
//! Never retries a failed write or fsync: the caller stops appending instead.

#![allow(clippy::disallowed_methods, reason = "the log's file layer")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

/// Whether a read may wait for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    Wait,
    /// fails with [`Cold`] instead
    Never,
}

/// What is read at once where something is not in memory.
const BLOCK: u64 = 128 << 10;

/// Bytes of a file that are not in memory: somebody who may wait has to read them first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} bytes at {position} of {} are not in memory", len, path.display())]
pub struct Cold {
    path: PathBuf,
    position: u64,
    len: usize,
}

impl Cold {
    /// What an error of a read with [`Disk::Never`] asks for.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// Brings the bytes into memory, with those around them.
    pub fn load(&self) -> io::Result<()> {
        let file = File::open(&self.path).map_err(|e| named(&self.path, "open", e))?;
        let mut at = self.position - self.position % BLOCK;
        let end = self.position + self.len as u64;
        let mut block = vec![0; BLOCK as usize];
        while at < end {
            match file.read_at(&mut block, at) {
                Ok(0) => break,
                Ok(read) => at += read as u64,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(named(&self.path, "read", e)),
            }
        }
        Ok(())
    }
}

/// A file that is written at its end and read anywhere. Opened when first used.
#[derive(Debug)]
pub(super) struct DataFile {
    path: PathBuf,
    file: Option<Arc<File>>,
    len: u64,
}

impl DataFile {
    /// The file at `path`, which need not exist; then it is created when first written.
    pub(super) fn at(path: PathBuf) -> io::Result<Self> {
        let len = match fs::metadata(&path) {
            Ok(meta) => meta.len(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => 0,
            Err(e) => return Err(named(&path, "stat", e)),
        };
        Ok(Self {
            path,
            file: None,
            len,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The open file, shared with whoever sends its bytes to a socket.
    pub(super) fn handle(&mut self) -> io::Result<Arc<File>> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&self.path)
            .map_err(|e| named(&self.path, "open", e))?;
        let file = Arc::new(file);
        self.file = Some(file.clone());
        Ok(file)
    }

    /// Closes the file until it is used again.
    pub(super) fn release(&mut self) {
        self.file = None;
    }

    pub(super) fn append(&mut self, parts: [&[u8]; 2]) -> io::Result<()> {
        let file = self.handle()?;
        let total = (parts[0].len() + parts[1].len()) as u64;
        let slices = [IoSlice::new(parts[0]), IoSlice::new(parts[1])];
        let written = nix::sys::uio::pwritev(&*file, &slices, self.len as i64)
            .map_err(|e| named(&self.path, "write", e.into()))?;
        let mut done = written;
        for (part, start) in [(parts[0], 0), (parts[1], parts[0].len())] {
            if done < start + part.len() {
                file.write_all_at(&part[done - start..], self.len + done as u64)
                    .map_err(|e| named(&self.path, "write", e))?;
                done = start + part.len();
            }
        }
        self.len += total;
        Ok(())
    }

    /// Reads into `out` from `position`; returns how much was there.
    pub(super) fn read_at(
        &mut self,
        out: &mut [u8],
        position: u64,
        disk: Disk,
    ) -> io::Result<usize> {
        if disk == Disk::Never {
            match self.read_from_memory(out, position) {
                Err(e) if e.kind() == io::ErrorKind::Unsupported => {}
                done => return done,
            }
        }
        let file = self.handle()?;
        let mut done = 0;
        while done < out.len() {
            match file.read_at(&mut out[done..], position + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(named(&self.path, "read", e)),
            }
        }
        Ok(done)
    }

    /// The same for who must not wait. `Unsupported` where the system cannot tell.
    fn read_from_memory(&mut self, out: &mut [u8], position: u64) -> io::Result<usize> {
        if self.file.is_none() {
            self.open_from_memory(position, out.len())?;
        }
        let file = self.handle()?;
        let mut done = 0;
        while done < out.len() {
            let at = position + done as u64;
            let left = &mut [IoSliceMut::new(&mut out[done..])];
            match preadv2(&*file, left, at, ReadWriteFlags::NOWAIT) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Err(self.cold(at, out.len() - done)),
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::PERM) => {
                    return Err(io::ErrorKind::Unsupported.into());
                }
                Err(e) => return Err(named(&self.path, "read", e.into())),
            }
        }
        Ok(done)
    }

    /// Opens the file if its name is in memory too.
    fn open_from_memory(&mut self, position: u64, len: usize) -> io::Result<()> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        match openat2(CWD, &self.path, flags, Mode::empty(), ResolveFlags::CACHED) {
            Ok(file) => self.file = Some(Arc::new(File::from(file))),
            Err(Errno::AGAIN) => return Err(self.cold(position, len)),
            // older systems cannot tell; what else is wrong shows when the file is opened as usual
            Err(_) => {}
        }
        Ok(())
    }

    fn cold(&self, position: u64, len: usize) -> io::Error {
        let path = self.path.clone();
        io::Error::new(
            io::ErrorKind::WouldBlock,
            Cold {
                path,
                position,
                len,
            },
        )
    }

    pub(super) fn truncate(&mut self, len: u64) -> io::Result<()> {
        if len < self.len {
            self.handle()?
                .set_len(len)
                .map_err(|e| named(&self.path, "truncate", e))?;
            self.len = len;
        }
        Ok(())
    }

    pub(super) fn exists(&self) -> bool {
        self.file.is_some() || self.path.exists()
    }

    /// Milliseconds since 1970 of the last change.
    pub(super) fn modified_ms(&self) -> i64 {
        let modified = fs::metadata(&self.path).and_then(|m| m.modified());
        modified
            .ok()
            .and_then(|t| t.duration_since(UNIX_EPOCH).ok())
            .map_or(0, |d| d.as_millis() as i64)
    }

    /// Renames the file if it is there.
    pub(super) fn rename(&mut self, to: PathBuf) -> io::Result<bool> {
        let moved = rename_if_exists(&self.path, &to)?;
        self.path = to;
        Ok(moved)
    }

    /// The directory above was renamed.
    pub(super) fn moved_to(&mut self, dir: &Path) {
        if let Some(name) = self.path.file_name() {
            self.path = dir.join(name);
        }
    }
}

fn named(path: &Path, what: &str, e: io::Error) -> io::Error {
    io::Error::new(e.kind(), format!("{what} {}: {e}", path.display()))
}

/// Waits until a file's bytes and size are on stable storage.
pub(super) fn sync(file: &File) -> io::Result<()> {
    file.sync_data()
}

/// Waits until a file's bytes are on stable storage, if it is there.
pub(super) fn sync_path(path: &Path) -> io::Result<()> {
    match File::open(path) {
        Ok(file) => file.sync_all().map_err(|e| named(path, "fsync", e)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(named(path, "open", e)),
    }
}

/// Makes creations, renames and removals in a directory durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)
        .and_then(|d| d.sync_all())
        .map_err(|e| named(dir, "fsync", e))
}

/// Replaces a small file as a whole: temporary file, fsync, rename, fsync of the directory.
pub(crate) fn write_atomically(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut tmp = path.as_os_str().to_owned();
    tmp.push(".tmp");
    let tmp = PathBuf::from(tmp);
    let mut file = File::create(&tmp).map_err(|e| named(&tmp, "create", e))?;
    file.write_all(contents)
        .and_then(|()| file.sync_all())
        .map_err(|e| named(&tmp, "write", e))?;
    fs::rename(&tmp, path).map_err(|e| named(path, "rename", e))?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Writes a small file in one go, without waiting for the disk.
pub(super) fn write_plain(path: &Path, contents: &[u8]) -> io::Result<()> {
    fs::write(path, contents).map_err(|e| named(path, "write", e))
}

/// A small file's bytes; `None` if there is no such file.
pub(crate) fn read_if_exists(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(named(path, "read", e)),
    }
}

/// Removes a file; true if there was one.
pub(crate) fn remove_if_exists(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(named(path, "remove", e)),
    }
}

pub(super) fn rename_if_exists(from: &Path, to: &Path) -> io::Result<bool> {
    match fs::rename(from, to) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(named(from, "rename", e)),
    }
}

pub(crate) fn create_dir(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir).map_err(|e| named(dir, "create", e))
}

pub(crate) fn rename_dir(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to).map_err(|e| named(from, "rename", e))?;
    to.parent().map_or(Ok(()), sync_dir)
}

pub(crate) fn remove_dir(dir: &Path) -> io::Result<()> {
    fs::remove_dir_all(dir).map_err(|e| named(dir, "remove", e))
}

/// Names of the plain files (`dirs` false) or directories in `dir`, sorted.
pub(crate) fn list(dir: &Path, dirs: bool) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(|e| named(dir, "list", e))? {
        let entry = entry.map_err(|e| named(dir, "list", e))?;
        let kind = entry.file_type().map_err(|e| named(dir, "list", e))?;
        if if dirs { kind.is_dir() } else { kind.is_file() } {
            if let Ok(name) = entry.file_name().into_string() {
                names.push(name);
            }
        }
    }
    names.sort();
    Ok(names)
}
