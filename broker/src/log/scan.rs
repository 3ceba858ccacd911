//! Walks the batches of a segment's data file. Reads in chunks, so that small batches cost no
//! system call each, and skips over large ones when only headers are wanted.

use std::io;

use proto::records::{Batch, BatchHeader, RecordsError, V2_OVERHEAD};

use super::file::{DataFile, Disk};

const CHUNK: usize = 8 * 1024;

#[derive(Debug, thiserror::Error)]
pub(super) enum ScanError {
    #[error(transparent)]
    Io(#[from] io::Error),
    /// what is at this position is no batch
    #[error("{0}")]
    Records(#[from] RecordsError),
}

pub(super) struct Scanner<'a> {
    file: &'a mut DataFile,
    disk: Disk,
    position: u64,
    end: u64,
    chunk: Vec<u8>,
    chunk_at: u64,
}

impl<'a> Scanner<'a> {
    /// Batches from `position`, where one must begin, to the file's end.
    pub(super) fn new(file: &'a mut DataFile, position: u64, disk: Disk) -> Self {
        let end = file.len();
        Self {
            file,
            disk,
            position,
            end,
            chunk: Vec::new(),
            chunk_at: 0,
        }
    }

    /// Goes (back) to a position where a batch begins.
    pub(super) fn seek(&mut self, position: u64) {
        self.position = position;
    }

    fn fill(&mut self, need: usize, read: usize) -> io::Result<&[u8]> {
        let from = self.position.wrapping_sub(self.chunk_at);
        if self.position < self.chunk_at || from + need as u64 > self.chunk.len() as u64 {
            let want = (self.end - self.position).min(need.max(read) as u64) as usize;
            self.chunk.resize(want, 0);
            let got = self
                .file
                .read_at(&mut self.chunk, self.position, self.disk)?;
            self.chunk.truncate(got);
            self.chunk_at = self.position;
        }
        Ok(&self.chunk[(self.position - self.chunk_at) as usize..])
    }

    /// The next batch's header and position; `None` at the end or where the rest is no whole batch.
    pub(super) fn next_header(&mut self) -> Result<Option<(u64, BatchHeader)>, ScanError> {
        if self.position >= self.end {
            return Ok(None);
        }
        let need = (self.end - self.position).min(V2_OVERHEAD as u64) as usize;
        let bytes = self.fill(need, CHUNK)?;
        let Some(header) = BatchHeader::parse(bytes)? else {
            return Ok(None);
        };
        if self.position + header.size as u64 > self.end {
            return Ok(None);
        }
        let at = self.position;
        self.position += header.size as u64;
        Ok(Some((at, header)))
    }

    /// The next batch with its bytes.
    pub(super) fn next_batch(&mut self) -> Result<Option<(u64, Batch<'_>)>, ScanError> {
        let Some((at, header)) = self.next_header()? else {
            return Ok(None);
        };
        self.position = at;
        let size = header.size;
        self.fill(size, 16 * CHUNK)?;
        self.position = at + size as u64;
        let start = (at - self.chunk_at) as usize;
        let bytes = self.chunk.get(start..start + size);
        Ok(bytes.map(|bytes| (at, Batch { header, bytes })))
    }
}
