//! Sparse indexes of a segment: offset to position, and timestamp to offset. Entries byte-equal with
//! Java's `OffsetIndex` and `TimeIndex`.
//!
//! Java maps the file at its full size and trims it on roll and close; here the file simply grows,
//! and entries wait in memory until a block of them is worth a write. A crash may lose those, as it
//! may lose Java's unsynced pages: segments past the recovery point are indexed anew.

use std::io;
use std::path::PathBuf;

use super::file::{DataFile, Disk};

/// Entries are written when this many bytes have gathered.
const BLOCK: usize = 1024;

/// Fixed-size entries in a file, the newest of them still in memory.
#[derive(Debug)]
struct Entries<const N: usize> {
    file: DataFile,
    pending: Vec<u8>,
    /// handle stays open: the active segment's
    hot: bool,
}

impl<const N: usize> Entries<N> {
    fn at(path: PathBuf) -> io::Result<Self> {
        Ok(Self {
            file: DataFile::at(path)?,
            pending: Vec::new(),
            hot: false,
        })
    }

    fn len(&self) -> usize {
        self.file.len() as usize / N + self.pending.len() / N
    }

    fn get(&mut self, n: usize, disk: Disk) -> io::Result<[u8; N]> {
        let mut out = [0; N];
        let stored = self.file.len() as usize / N;
        if n >= stored {
            out.copy_from_slice(&self.pending[(n - stored) * N..][..N]);
        } else if self.file.read_at(&mut out, (n * N) as u64, disk)? < N {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "index file is shorter than it was",
            ));
        }
        Ok(out)
    }

    fn push(&mut self, entry: [u8; N]) -> io::Result<()> {
        self.pending.extend_from_slice(&entry);
        if self.pending.len() >= BLOCK {
            self.write()
        } else {
            Ok(())
        }
    }

    fn write(&mut self) -> io::Result<()> {
        if !self.pending.is_empty() {
            self.file.append([&self.pending, &[]])?;
            self.pending.clear();
        }
        Ok(())
    }

    fn truncate(&mut self, entries: usize) -> io::Result<()> {
        self.write()?;
        self.file.truncate((entries * N) as u64)
    }

    /// How many entries, from the first on, satisfy `below`, which must hold for a prefix.
    fn partition_point(
        &mut self,
        disk: Disk,
        below: impl Fn(&[u8; N]) -> bool,
    ) -> io::Result<usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let mid = low + (high - low) / 2;
            if below(&self.get(mid, disk)?) {
                low = mid + 1;
            } else {
                high = mid;
            }
        }
        Ok(low)
    }

    /// A lookup is over: files that nobody appends to are closed.
    fn rest(&mut self) {
        if !self.hot {
            self.file.release();
        }
    }
}

fn i32_of(bytes: &[u8]) -> i32 {
    i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// Offset to file position.
#[derive(Debug)]
pub(super) struct OffsetIndex {
    entries: Entries<8>,
    base: i64,
}

impl OffsetIndex {
    pub(super) fn at(path: PathBuf, base: i64) -> io::Result<Self> {
        Ok(Self {
            entries: Entries::at(path)?,
            base,
        })
    }

    pub(super) fn file(&mut self) -> &mut DataFile {
        &mut self.entries.file
    }

    /// Whether the index can be what it claims for a data file of this size.
    pub(super) fn is_sane(&mut self, log_size: u64) -> io::Result<bool> {
        if self.entries.file.len() % 8 != 0 || !self.entries.file.exists() {
            return Ok(false);
        }
        let Some((offset, position)) = self.last(Disk::Wait)? else {
            return Ok(true);
        };
        Ok(offset >= self.base && position < log_size)
    }

    fn decode(&self, entry: [u8; 8]) -> (i64, u64) {
        (
            self.base + i64::from(i32_of(&entry)),
            u64::from(i32_of(&entry[4..]) as u32),
        )
    }

    pub(super) fn last(&mut self, disk: Disk) -> io::Result<Option<(i64, u64)>> {
        match self.entries.len() {
            0 => Ok(None),
            n => {
                let entry = self.entries.get(n - 1, disk)?;
                Ok(Some(self.decode(entry)))
            }
        }
    }

    pub(super) fn is_full(&self, max_bytes: u64) -> bool {
        self.entries.len() as u64 >= max_bytes / 8
    }

    pub(super) fn append(&mut self, offset: i64, position: u64) -> io::Result<()> {
        let relative = (offset - self.base) as i32;
        let mut entry = [0; 8];
        entry[..4].copy_from_slice(&relative.to_be_bytes());
        entry[4..].copy_from_slice(&(position as u32).to_be_bytes());
        self.entries.push(entry)
    }

    /// Position of the last entry at or below `offset`, 0 if there is none.
    pub(super) fn lookup(&mut self, offset: i64, disk: Disk) -> io::Result<u64> {
        let relative = offset - self.base;
        let n = self
            .entries
            .partition_point(disk, |e| i64::from(i32_of(e)) <= relative)?;
        if n == 0 {
            self.entries.rest();
            return Ok(0);
        }
        let entry = self.entries.get(n - 1, disk)?;
        self.entries.rest();
        Ok(self.decode(entry).1)
    }

    /// Offset of the first entry whose position is at least `position`.
    pub(super) fn offset_at_or_after(
        &mut self,
        position: u64,
        disk: Disk,
    ) -> io::Result<Option<i64>> {
        let n = self
            .entries
            .partition_point(disk, |e| u64::from(i32_of(&e[4..]) as u32) < position)?;
        if n == self.entries.len() {
            self.entries.rest();
            return Ok(None);
        }
        let entry = self.entries.get(n, disk)?;
        self.entries.rest();
        Ok(Some(self.decode(entry).0))
    }

    /// Removes the entries at or above `offset`.
    pub(super) fn truncate_to(&mut self, offset: i64) -> io::Result<()> {
        let relative = offset - self.base;
        let n = self
            .entries
            .partition_point(Disk::Wait, |e| i64::from(i32_of(e)) < relative)?;
        self.entries.truncate(n)
    }

    /// Removes all entries.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.entries.truncate(0)
    }

    pub(super) fn write(&mut self) -> io::Result<()> {
        self.entries.write()
    }

    pub(super) fn set_hot(&mut self, hot: bool) {
        self.entries.hot = hot;
        if !hot {
            self.entries.file.release();
        }
    }
}

/// Timestamp to offset: each entry says that up to this offset no record is newer.
#[derive(Debug)]
pub(super) struct TimeIndex {
    entries: Entries<12>,
    base: i64,
}

impl TimeIndex {
    pub(super) fn at(path: PathBuf, base: i64) -> io::Result<Self> {
        Ok(Self {
            entries: Entries::at(path)?,
            base,
        })
    }

    pub(super) fn file(&mut self) -> &mut DataFile {
        &mut self.entries.file
    }

    pub(super) fn is_sane(&mut self) -> io::Result<bool> {
        if self.entries.file.len() % 12 != 0 {
            return Ok(false);
        }
        let Some((timestamp, offset)) = self.last(Disk::Wait)? else {
            return Ok(true);
        };
        let first = self.entries.get(0, Disk::Wait)?;
        Ok(offset >= self.base && self.decode(first).0 <= timestamp)
    }

    fn decode(&self, e: [u8; 12]) -> (i64, i64) {
        let timestamp = i64::from_be_bytes([e[0], e[1], e[2], e[3], e[4], e[5], e[6], e[7]]);
        (timestamp, self.base + i64::from(i32_of(&e[8..])))
    }

    pub(super) fn last(&mut self, disk: Disk) -> io::Result<Option<(i64, i64)>> {
        match self.entries.len() {
            0 => Ok(None),
            n => {
                let entry = self.entries.get(n - 1, disk)?;
                Ok(Some(self.decode(entry)))
            }
        }
    }

    /// One slot is kept for the entry written on roll.
    pub(super) fn is_full(&self, max_bytes: u64) -> bool {
        self.entries.len() as u64 + 1 >= max_bytes / 12
    }

    /// Appends if the timestamp is above the last one.
    pub(super) fn maybe_append(&mut self, timestamp: i64, offset: i64) -> io::Result<()> {
        let (last_timestamp, last_offset) = self.last(Disk::Wait)?.unwrap_or((-1, self.base));
        if timestamp <= last_timestamp || offset < last_offset {
            return Ok(());
        }
        let mut entry = [0; 12];
        entry[..8].copy_from_slice(&timestamp.to_be_bytes());
        entry[8..].copy_from_slice(&((offset - self.base) as i32).to_be_bytes());
        self.entries.push(entry)
    }

    /// Offset up to which every record is older than or as old as some timestamp at or below this.
    pub(super) fn lookup(&mut self, timestamp: i64, disk: Disk) -> io::Result<i64> {
        let base = self.base;
        let n = self.entries.partition_point(disk, |e| {
            i64::from_be_bytes([e[0], e[1], e[2], e[3], e[4], e[5], e[6], e[7]]) <= timestamp
        })?;
        if n == 0 {
            self.entries.rest();
            return Ok(base);
        }
        let entry = self.entries.get(n - 1, disk)?;
        self.entries.rest();
        Ok(self.decode(entry).1)
    }

    /// Removes the entries at or above `offset`.
    pub(super) fn truncate_to(&mut self, offset: i64) -> io::Result<()> {
        let relative = offset - self.base;
        let n = self
            .entries
            .partition_point(Disk::Wait, |e| i64::from(i32_of(&e[8..])) < relative)?;
        self.entries.truncate(n)
    }

    /// Removes all entries.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.entries.truncate(0)
    }

    pub(super) fn write(&mut self) -> io::Result<()> {
        self.entries.write()
    }

    pub(super) fn set_hot(&mut self, hot: bool) {
        self.entries.hot = hot;
        if !hot {
            self.entries.file.release();
        }
    }
}

/// An aborted transaction, as the transaction index and the fetch response have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTxn {
    pub producer_id: i64,
    pub first_offset: i64,
    pub last_offset: i64,
    pub last_stable_offset: i64,
}

const TXN: usize = 34;

/// Aborted transactions of a segment, in the order of their markers (Java: `TransactionIndex`).
/// The file is there only if a transaction was aborted.
#[derive(Debug)]
pub(super) struct TxnIndex {
    file: DataFile,
}

impl TxnIndex {
    pub(super) fn at(path: PathBuf) -> io::Result<Self> {
        Ok(Self {
            file: DataFile::at(path)?,
        })
    }

    pub(super) fn file(&mut self) -> &mut DataFile {
        &mut self.file
    }

    pub(super) fn append(&mut self, txn: AbortedTxn) -> io::Result<()> {
        let mut entry = [0; TXN];
        let fields = [
            txn.producer_id,
            txn.first_offset,
            txn.last_offset,
            txn.last_stable_offset,
        ];
        for (i, field) in fields.into_iter().enumerate() {
            entry[2 + 8 * i..10 + 8 * i].copy_from_slice(&field.to_be_bytes());
        }
        self.file.append([&entry, &[]])
    }

    fn all(&mut self, disk: Disk) -> io::Result<Vec<AbortedTxn>> {
        if self.file.len() == 0 {
            return Ok(Vec::new());
        }
        let mut bytes = vec![0; self.file.len() as usize];
        let got = self.file.read_at(&mut bytes, 0, disk)?;
        let field = |e: &[u8], i: usize| {
            let mut out = [0; 8];
            out.copy_from_slice(&e[2 + 8 * i..10 + 8 * i]);
            i64::from_be_bytes(out)
        };
        Ok(bytes[..got]
            .chunks_exact(TXN)
            .map(|e| AbortedTxn {
                producer_id: field(e, 0),
                first_offset: field(e, 1),
                last_offset: field(e, 2),
                last_stable_offset: field(e, 3),
            })
            .collect())
    }

    pub(super) fn is_sane(&mut self, base: i64) -> io::Result<bool> {
        Ok(self.file.len() % TXN as u64 == 0
            && self.all(Disk::Wait)?.iter().all(|t| t.last_offset >= base))
    }

    /// Adds the transactions that a reader of `from..to` must know; true once no later segment can
    /// hold another.
    pub(super) fn collect(
        &mut self,
        from: i64,
        to: i64,
        disk: Disk,
        out: &mut Vec<AbortedTxn>,
    ) -> io::Result<bool> {
        for txn in self.all(disk)? {
            if txn.last_offset >= from && txn.first_offset < to {
                out.push(txn);
            }
            if txn.last_stable_offset >= to {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn truncate_to(&mut self, offset: i64) -> io::Result<()> {
        let keep = self
            .all(Disk::Wait)?
            .iter()
            .take_while(|t| t.last_offset < offset)
            .count();
        self.file.truncate((keep * TXN) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookups_across_file_and_memory() {
        let dir = tempfile::tempdir().unwrap();
        let mut index =
            OffsetIndex::at(dir.path().join("00000000000000000100.index"), 100).unwrap();
        for i in 0..300 {
            index.append(100 + i * 10, i as u64 * 4096).unwrap();
        }
        for (offset, want) in [
            (99, 0),
            (100, 0),
            (109, 0),
            (110, 4096),
            (3095, 299 * 4096),
            (9999, 299 * 4096),
        ] {
            assert_eq!(index.lookup(offset, Disk::Wait).unwrap(), want, "{offset}");
        }
        assert_eq!(
            index.offset_at_or_after(4097, Disk::Wait).unwrap(),
            Some(120)
        );
        index.truncate_to(150).unwrap();
        assert_eq!(index.last(Disk::Wait).unwrap(), Some((140, 4 * 4096)));
        let mut again =
            OffsetIndex::at(dir.path().join("00000000000000000100.index"), 100).unwrap();
        assert!(again.is_sane(1 << 20).unwrap());
        assert!(!again.is_sane(4096).unwrap(), "points past the data");
        assert_eq!(again.last(Disk::Wait).unwrap(), Some((140, 4 * 4096)));
    }

    #[test]
    fn time_entries_only_grow() {
        let dir = tempfile::tempdir().unwrap();
        let mut index = TimeIndex::at(dir.path().join("x.timeindex"), 5).unwrap();
        for (t, o) in [(10, 6), (9, 7), (10, 8), (20, 9)] {
            index.maybe_append(t, o).unwrap();
        }
        assert_eq!(index.last(Disk::Wait).unwrap(), Some((20, 9)));
        assert_eq!(
            (
                index.lookup(9, Disk::Wait).unwrap(),
                index.lookup(10, Disk::Wait).unwrap(),
                index.lookup(99, Disk::Wait).unwrap()
            ),
            (5, 6, 9)
        );
        index.truncate_to(9).unwrap();
        assert_eq!(index.last(Disk::Wait).unwrap(), Some((10, 6)));
    }
}
