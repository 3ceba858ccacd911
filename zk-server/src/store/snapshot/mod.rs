//! Snapshots: the whole tree and the sessions at one zxid (Java: `FileSnap`, `SnapStream`).
//!
//! A file is header, sessions, ACL table, nodes and "/", then a seal: the adler32 of everything
//! before it. 3.6 adds the tree digest and a second seal, 3.9 the last processed zxid and a third;
//! older readers stop where what they know ends.
//!
//! We write to `writing.*`, sync, and rename: a snapshot that has its name is whole. Java writes in
//! place, so the loader trusts nothing but the seals.

mod input;
mod load;
mod output;
mod snappy;
pub mod wire;

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use super::disk::{Access, Disk, DiskFile};
use super::error::StoreError;
use super::image::ImageSource;
use super::names::{self, Named, SNAPSHOT};
use crate::units::Zxid;

pub use load::{Loaded, Trailer, load, verify};

pub const MAGIC: &[u8; 4] = b"ZKSN";
pub const VERSION: i32 = 2;
pub const DB_ID: i64 = -1;

/// `snapshot.compression.method`; the file's suffix tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    #[default]
    None,
    Gzip,
    Snappy,
}

impl Compression {
    /// As in the configuration; what Java does not know means none, there as here.
    pub fn from_name(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "gz" => Self::Gzip,
            "snappy" => Self::Snappy,
            _ => Self::None,
        }
    }

    pub fn of_file(path: &Path) -> Self {
        path.extension()
            .and_then(|e| e.to_str())
            .map_or(Self::None, Self::from_name)
    }

    pub fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Snappy => ".snappy",
        }
    }
}

/// The snapshots of one folder. Cheap to clone: snapshots are written beside the log thread.
#[derive(Debug, Clone)]
pub struct Snapshots {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    compression: Compression,
    last_zxid_trailer: bool,
}

/// A snapshot that is on disk for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub zxid: Zxid,
    pub path: PathBuf,
    pub bytes: u64,
}

impl Snapshots {
    /// `last_zxid_trailer` is `serializeLastProcessedZxid.enabled`.
    pub fn new(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        compression: Compression,
        last_zxid_trailer: bool,
    ) -> Self {
        Self {
            disk,
            dir,
            compression,
            last_zxid_trailer,
        }
    }

    /// All files that are named as snapshots, oldest first.
    pub fn list(&self) -> Result<Vec<Named>, StoreError> {
        let entries = self
            .disk
            .list(&self.dir)
            .map_err(StoreError::io("list", &self.dir))?;
        Ok(names::sorted(&self.dir, &entries, SNAPSHOT))
    }

    /// Writes `snapshot.ZXID`. When this returns, it outlives a power cut; when it fails, nothing
    /// of it is left.
    pub fn write(&self, image: &dyn ImageSource) -> Result<Written, StoreError> {
        let zxid = image.zxid();
        let name = names::snapshot_name(zxid, self.compression.suffix());
        let path = self.dir.join(&name);
        let writing = self.dir.join(format!("{}{name}", names::WRITING));
        let result = self.write_as(image, &writing, &path);
        if result.is_err() {
            // The error matters, not whether its remains could be removed: a start removes them.
            let _ = self.disk.remove(&writing);
        }
        Ok(Written {
            zxid,
            bytes: result?,
            path,
        })
    }

    /// The file as it lies there, for one who reads it while the server goes on.
    pub fn open(&self, written: &Written) -> Result<Box<dyn DiskFile>, StoreError> {
        let file = self.disk.open(&written.path, Access::Read);
        file.map_err(StoreError::io("open", &written.path))
    }

    /// Writes the same under a name that no loader takes for a snapshot.
    pub fn write_named(
        &self,
        image: &dyn ImageSource,
        before: &str,
    ) -> Result<PathBuf, StoreError> {
        let name = names::snapshot_name(image.zxid(), self.compression.suffix());
        let path = self.dir.join(format!("{before}{name}"));
        let writing = self.dir.join(format!("{}{name}", names::WRITING));
        self.write_as(image, &writing, &path)?;
        Ok(path)
    }

    fn write_as(
        &self,
        image: &dyn ImageSource,
        writing: &Path,
        path: &Path,
    ) -> Result<u64, StoreError> {
        let disk = &*self.disk;
        if disk
            .exists(writing)
            .map_err(StoreError::io("look for", writing))?
        {
            disk.remove(writing)
                .map_err(StoreError::io("remove", writing))?;
        }
        let file = disk
            .create(writing)
            .map_err(StoreError::io("create", writing))?;
        let bytes = output::write(file, self.compression, image, self.last_zxid_trailer)
            .map_err(StoreError::io("write", writing))?;
        disk.rename(writing, path)
            .map_err(StoreError::io("rename", writing))?;
        disk.sync_dir(&self.dir)
            .map_err(StoreError::io("sync", &self.dir))?;
        Ok(bytes)
    }
}

/// What Java looks at before it takes a file for a snapshot (`SnapStream.isValidSnapshot`): the
/// compressor's magic, or the last "/". Cheap, and no proof.
pub fn looks_whole(disk: &dyn Disk, path: &Path) -> io::Result<bool> {
    let file = disk.open(path, Access::Read)?;
    let mut bytes = [0; 8];
    Ok(match Compression::of_file(path) {
        Compression::Gzip => file.read_at(&mut bytes[..2], 0)? == 2 && bytes[..2] == [0x1f, 0x8b],
        Compression::Snappy => file.read_at(&mut bytes, 0)? == 8 && &bytes == snappy::MAGIC,
        Compression::None => {
            let len = file.size()?;
            len >= 10
                && file.read_at(&mut bytes[..5], len - 5)? == 5
                && bytes[..5] == [0, 0, 0, 1, b'/']
        }
    })
}

/// A file's bytes, decompressed.
fn open_stream(disk: &dyn Disk, path: &Path) -> io::Result<Box<dyn Read>> {
    let file = FileReader {
        file: disk.open(path, Access::Read)?,
        at: 0,
    };
    Ok(match Compression::of_file(path) {
        Compression::None => Box::new(file),
        Compression::Gzip => Box::new(MultiGzDecoder::new(io::BufReader::with_capacity(
            64 << 10,
            file,
        ))),
        Compression::Snappy => Box::new(snappy::Reader::open(file)?),
    })
}

#[derive(Debug)]
struct FileReader {
    file: Box<dyn DiskFile>,
    at: u64,
}

impl Read for FileReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(buf, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}
