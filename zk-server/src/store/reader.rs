//! The transaction log, read (Java: `FileTxnLog.FileTxnIterator`).
//!
//! Java takes whatever does not parse for the end of a file, and fails on a wrong checksum. We
//! look closer: zeros to the end are the end; anything else is [`Damage`], and the caller decides
//! whether a power cut explains it.

use std::io;
use std::path::{Path, PathBuf};

use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::txn::TxnHeader;
use simd_adler32::adler32;

use super::disk::{Access, Disk, DiskFile};
use super::error::StoreError;
use super::record::HEADER_LEN;
use super::txnlog::{END_MARK, FILE_HEADER_LEN, MAGIC, PREFIX_LEN};
use crate::units::Zxid;

/// A whole record whose bytes are not those that were written.
pub const CHECKSUM: &str = "the record's checksum is wrong";
/// A file that begins with other bytes than a log does.
pub const FOREIGN: &str = "this is not a transaction log";
const CHUNK: usize = 1 << 20;
/// The unit that a disk writes whole or not at all.
const SECTOR: u64 = 512;

/// Every record begins with so many zeros: its checksum has twice the bytes that it needs.
const ZEROS: u64 = 4;

/// One record of a file.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// where its checksum stands
    pub offset: u64,
    pub header: TxnHeader,
    /// header, transaction and digest
    pub bytes: &'a [u8],
}

impl Entry<'_> {
    pub fn zxid(&self) -> Zxid {
        Zxid(self.header.zxid)
    }

    /// Where the next record stands.
    pub fn end(&self) -> u64 {
        self.offset + (PREFIX_LEN + self.bytes.len() + 1) as u64
    }
}

/// What stands where a record should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    pub offset: u64,
    pub why: &'static str,
}

/// Where [`LogReader::advance`] has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// at a record: see [`LogReader::entry`]
    Entry,
    /// Nothing but zeros from this offset on.
    End(u64),
    Damaged(Damage),
}

/// What is left of a file from a damaged place on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// where the last byte that is not zero ends
    pub used: u64,
    /// whole records that stand after the damage
    pub records_after: u64,
    /// a sector of the first damaged record was never written
    pub hole: bool,
}

#[derive(Debug)]
pub struct LogReader {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    len: u64,
    /// where the next record stands
    offset: u64,
    /// offset, length and header of the record that was read last
    current: (u64, usize, TxnHeader),
    buf: Vec<u8>,
    buf_at: u64,
    buf_len: usize,
}

impl LogReader {
    /// Opens a file at its first record. The error is inner when the header is not whole.
    pub fn open(disk: &dyn Disk, path: &Path) -> Result<Result<Self, Damage>, StoreError> {
        let file = disk
            .open(path, Access::Read)
            .map_err(StoreError::io("open", path))?;
        let len = file.size().map_err(StoreError::io("read", path))?;
        let mut reader = Self {
            path: path.to_owned(),
            file,
            len,
            offset: FILE_HEADER_LEN as u64,
            current: (0, 0, TxnHeader::default()),
            buf: Vec::new(),
            buf_at: 0,
            buf_len: 0,
        };
        let damage = |why| Damage { offset: 0, why };
        if len < FILE_HEADER_LEN as u64 {
            return Ok(Err(damage("the file header is cut off")));
        }
        let header = reader.at(0, FILE_HEADER_LEN)?;
        if header.iter().all(|b| *b == 0) {
            return Ok(Err(damage("the file header was never written")));
        }
        if &header[..4] != MAGIC {
            return Ok(Err(damage(FOREIGN)));
        }
        Ok(Ok(reader))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's length.
    pub fn file_len(&self) -> u64 {
        self.len
    }

    /// Version and database id of the file header.
    pub fn file_header(&mut self) -> Result<(i32, i64), StoreError> {
        let header = self.at(0, FILE_HEADER_LEN)?;
        let mut version = [0; 4];
        let mut dbid = [0; 8];
        version.copy_from_slice(&header[4..8]);
        dbid.copy_from_slice(&header[8..16]);
        Ok((i32::from_be_bytes(version), i64::from_be_bytes(dbid)))
    }

    /// Goes to the next record. After an end or damage it says the same again.
    pub fn advance(&mut self) -> Result<Step, StoreError> {
        let offset = self.offset;
        let damaged = |why| Ok(Step::Damaged(Damage { offset, why }));
        match self.parse(offset)? {
            Ok(Some(len)) => {
                let bytes = self.at(offset + PREFIX_LEN as u64, len)?;
                let Ok(header) = TxnHeader::from_bytes(bytes) else {
                    return damaged("the record is too short for a transaction");
                };
                self.current = (offset, len, header);
                self.offset = offset + (PREFIX_LEN + len + 1) as u64;
                Ok(Step::Entry)
            }
            Ok(None) if self.used_after(offset)? == offset => Ok(Step::End(offset)),
            Ok(None) => damaged("there is no record here, but there are bytes further on"),
            Err(why) => damaged(why),
        }
    }

    /// The record that [`Self::advance`] has arrived at.
    pub fn entry(&self) -> Entry<'_> {
        let (offset, len, header) = self.current;
        // `advance` has brought it into the buffer, and nothing else reads before the next one
        let start = (offset + PREFIX_LEN as u64 - self.buf_at) as usize;
        Entry {
            offset,
            header,
            bytes: &self.buf[start..start + len],
        }
    }

    /// Judges what stands at `offset`: the length of a whole record, nothing, or why it is damaged.
    fn parse(&mut self, offset: u64) -> Result<Result<Option<usize>, &'static str>, StoreError> {
        let left = self.len.saturating_sub(offset);
        if left < PREFIX_LEN as u64 {
            return Ok(Ok(None));
        }
        let (crc, len) = read_prefix(self.at(offset, PREFIX_LEN)?);
        if len == 0 {
            return Ok(Ok(None));
        }
        let Ok(len) = usize::try_from(len) else {
            return Ok(Err("the record's length is negative"));
        };
        if (len as u64) >= left - PREFIX_LEN as u64 {
            return Ok(Err("the record goes on past the end of the file"));
        }
        if len < HEADER_LEN {
            return Ok(Err("the record is too short for a transaction"));
        }
        let body = self.at(offset + PREFIX_LEN as u64, len + 1)?;
        if body[len] != END_MARK {
            return Ok(Err("the record's end mark is missing"));
        }
        if u64::from(adler32(&&body[..len])) != crc {
            return Ok(Err(CHECKSUM));
        }
        Ok(Ok(Some(len)))
    }

    /// Looks at everything behind a damaged place. `last_good` is the last transaction before it.
    pub fn tail(&mut self, damage: Damage, last_good: Zxid) -> Result<Tail, StoreError> {
        let from = damage.offset;
        let used = self.used_after(from)?;
        let mut records_after = 0;
        let mut behind = used;
        let mut at = from + 1;
        while at + ((PREFIX_LEN + HEADER_LEN) as u64) < used {
            match self.resync(at, last_good)? {
                Some(len) => {
                    if records_after == 0 {
                        // The zeros that it begins with may be those of a sector before it.
                        behind = at + ZEROS;
                    }
                    records_after += 1;
                    at += (PREFIX_LEN + len + 1) as u64;
                }
                None => at += 1,
            }
        }
        Ok(Tail {
            used,
            records_after,
            hole: self.has_hole(from, behind)?,
        })
    }

    /// Whether a whole record stood at the damaged place and has changed since: a power cut leaves sectors
    /// out, and never changes one. A part of a record is damaged, or its length, or its end mark.
    pub fn was_whole(&mut self, damage: Damage, tail: &Tail) -> Result<bool, StoreError> {
        let body = damage.offset + PREFIX_LEN as u64;
        if body >= tail.used {
            return Ok(false);
        }
        let (crc, len) = read_prefix(self.at(damage.offset, PREFIX_LEN)?);
        let bytes = self.at(body, (tail.used - body) as usize)?;
        let sound = |bytes: &[u8]| u64::from(adler32(&bytes)) == crc;
        let told = usize::try_from(len).ok().filter(|&len| len < bytes.len());
        if let Some(len) = told.filter(|&len| len >= HEADER_LEN) {
            let mark = bytes[len];
            if mark == END_MARK || mark != 0 && sound(&bytes[..len]) {
                return Ok(true);
            }
        }
        // The last one of the file, with another length.
        let (&last, rest) = bytes.split_last().unwrap_or((&0, bytes));
        Ok(last == END_MARK && sound(rest))
    }

    /// The length of a record that begins exactly at `at`, if one does.
    fn resync(&mut self, at: u64, last_good: Zxid) -> Result<Option<usize>, StoreError> {
        let head = self.at(at, PREFIX_LEN + HEADER_LEN)?;
        // cheap tests first: an adler32 is never 0 and has 32 bits
        if head[..4] != [0; 4] || head[4..8] == [0; 4] {
            return Ok(None);
        }
        match TxnHeader::from_bytes(&head[PREFIX_LEN..]) {
            Ok(h) if h.zxid > last_good.0 && OpCode::from_code(h.op).is_some() => {}
            _ => return Ok(None),
        }
        Ok(self.parse(at)?.ok().flatten())
    }

    /// Whether a sector between the two places was reserved and never written: one of zeros, or
    /// zeros from the first place to where its sector ends. (Those of a record's beginning prove nothing.)
    fn has_hole(&mut self, from: u64, to: u64) -> Result<bool, StoreError> {
        let mut at = from.next_multiple_of(SECTOR);
        let rest = (at.min(to) - from) as usize;
        if rest as u64 > ZEROS && self.at(from, rest)?.iter().all(|b| *b == 0) {
            return Ok(true);
        }
        while at + SECTOR <= to {
            if self.at(at, SECTOR as usize)?.iter().all(|b| *b == 0) {
                return Ok(true);
            }
            at += SECTOR;
        }
        Ok(false)
    }

    /// Where the last byte that is not zero ends; `from` when there is none after it.
    fn used_after(&mut self, from: u64) -> Result<u64, StoreError> {
        let mut used = from;
        let mut at = from;
        while at < self.len {
            let n = CHUNK.min((self.len - at) as usize);
            let bytes = self.at(at, n)?;
            if let Some(i) = bytes.iter().rposition(|b| *b != 0) {
                used = at + i as u64 + 1;
            }
            at += n as u64;
        }
        Ok(used)
    }

    /// `n` bytes from `offset` on, all of them within the file.
    fn at(&mut self, offset: u64, n: usize) -> Result<&[u8], StoreError> {
        let end = offset + n as u64;
        if offset < self.buf_at || end > self.buf_at + self.buf_len as u64 {
            let want = n.max(CHUNK).min((self.len - offset) as usize);
            if self.buf.len() < want {
                self.buf.resize(want, 0);
            }
            let got = self
                .file
                .read_at(&mut self.buf[..want], offset)
                .map_err(StoreError::io("read", &self.path))?;
            self.buf_at = offset;
            self.buf_len = got;
            if got < n {
                let short = io::Error::from(io::ErrorKind::UnexpectedEof);
                return Err(StoreError::io("read", &self.path)(short));
            }
        }
        let start = (offset - self.buf_at) as usize;
        Ok(&self.buf[start..start + n])
    }
}

/// Checksum and length before a record.
pub fn read_prefix(bytes: &[u8]) -> (u64, i32) {
    let mut crc = [0; 8];
    let mut len = [0; 4];
    crc.copy_from_slice(&bytes[..8]);
    len.copy_from_slice(&bytes[8..PREFIX_LEN]);
    (u64::from_be_bytes(crc), i32::from_be_bytes(len))
}
