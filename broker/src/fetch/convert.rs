//! Records for clients of Fetch v0 to v3, which know formats v0 or v1 only: read from the file and
//! rewritten, the one case in which the broker looks into what it sends. Mirrors
//! org.apache.kafka.common.record.LazyDownConversionRecords.
#![allow(
    clippy::disallowed_methods,
    reason = "reads a region of a log's file, away from the threads of connections"
)]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use proto::records::{Batches, Compression, LOG_OVERHEAD, RecordsError, V2_OVERHEAD, down_convert};

/// Bytes that one batch may decompress to.
const DECOMPRESSED_MAX: usize = 256 << 20;

/// The newest format that a version of Fetch understands; `None`: all of them.
pub fn magic_of(version: i16) -> Option<u8> {
    match version {
        0 | 1 => Some(0),
        2 | 3 => Some(1),
        _ => None,
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    #[error(transparent)]
    Records(#[from] RecordsError),
    #[error("reading records to be converted: {0}")]
    Io(#[from] io::Error),
}

/// Records in a log's file, to be rewritten.
#[derive(Debug)]
pub struct Stored {
    pub file: Arc<File>,
    pub position: u64,
    pub len: usize,
    /// what the client asked for
    pub first_offset: i64,
}

impl Stored {
    /// Reads and rewrites, on a thread that may block.
    pub async fn convert(self, magic: u8) -> Result<Bytes, ConvertError> {
        let work = tokio::task::spawn_blocking(move || self.convert_here(magic));
        work.await
            .unwrap_or_else(|e| Err(io::Error::other(e).into()))
    }

    fn convert_here(&self, magic: u8) -> Result<Bytes, ConvertError> {
        let mut stored = vec![0; self.len];
        self.file.read_exact_at(&mut stored, self.position)?;
        // what cannot be rewritten is refused when it is the first that the client asks for
        let end = match convertible(&stored)? {
            0 => stored.len(),
            end => end,
        };
        let converted = down_convert(&stored[..end], magic, self.first_offset, DECOMPRESSED_MAX)?;
        Ok(if converted.is_empty() && !stored.is_empty() {
            too_large(stored.len())
        } else {
            converted.into()
        })
    }
}

/// Where the first batch begins whose codec old clients do not know, or the batches end.
fn convertible(stored: &[u8]) -> Result<usize, RecordsError> {
    let mut batches = Batches::new(stored);
    let mut end = 0;
    while let Some(batch) = batches.next() {
        if batch?.header.compression()? == Compression::Zstd {
            break;
        }
        end = batches.position();
    }
    Ok(end)
}

/// A message that begins and does not end: such clients take it for one that is larger than their
/// fetch size, and say so, where nothing at all would leave them waiting.
fn too_large(len: usize) -> Bytes {
    let size = (len + 1).max(V2_OVERHEAD) as i32;
    let mut head = [0xff; LOG_OVERHEAD];
    head[8..].copy_from_slice(&size.to_be_bytes());
    Bytes::copy_from_slice(&head)
}
