//! The file system as the store sees it. Two implementations: [`super::real::RealDisk`], and a
//! simulated one among the integration tests, which loses, tears and refuses writes from a seed.
//!
//! Paths are whole paths. Nothing here retries.

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

/// One file of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    pub name: String,
    pub len: u64,
    /// milliseconds since 1970
    pub modified_ms: i64,
}

/// How to open a file that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    ReadWrite,
}

pub trait Disk: Send + Sync + fmt::Debug {
    /// Makes a file that must not exist yet, for reading and writing.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>>;
    /// The plain files of a folder, in no order.
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>>;
    /// Whether a file or folder of this name exists.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Whether this process may create files there.
    fn writable(&self, dir: &Path) -> io::Result<()>;
    /// Replaces what `to` names.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in `dir` outlive a power cut.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Bytes that this process may still write there.
    fn free_space(&self, dir: &Path) -> io::Result<u64>;
}

pub trait DiskFile: Send + fmt::Debug {
    fn size(&self) -> io::Result<u64>;
    /// Fills `buf` from `offset` on as far as the file goes; tells how far.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `bytes`, growing the file as needed.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Grows the file to `len` with zeros, with blocks reserved where the file system can.
    fn allocate(&mut self, len: u64) -> io::Result<()>;
    fn set_len(&mut self, len: u64) -> io::Result<()>;
    /// `fdatasync`. Tells how long the device took.
    fn sync(&mut self) -> io::Result<Duration>;
}

/// The whole of a small file; refuses one longer than `limit`.
pub fn read_small(disk: &dyn Disk, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = disk.open(path, Access::Read)?;
    let len = file.size()?;
    if len > limit {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{len} bytes, expected at most {limit}"),
        ));
    }
    let mut bytes = vec![0; len as usize];
    let n = file.read_at(&mut bytes, 0)?;
    bytes.truncate(n);
    Ok(bytes)
}
