//! The stream format of Java's `SnappyOutputStream` (xerial): a header, then blocks, each with its
//! compressed length. Not the framing format of Snappy's own specification.

use std::io::{self, Read, Write};

use super::input::bad;

pub(super) const MAGIC: &[u8; 8] = b"\x82SNAPPY\0";
/// version and least compatible version of the stream format
const VERSIONS: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 1];
const BLOCK: usize = 32 << 10;
/// No block that Java writes comes near it.
const MAX_BLOCK: usize = 64 << 20;

pub(super) struct Writer<W> {
    inner: W,
    block: Vec<u8>,
    compressed: Vec<u8>,
    encoder: snap::raw::Encoder,
}

impl<W: Write> Writer<W> {
    pub(super) fn open(mut inner: W) -> io::Result<Self> {
        inner.write_all(MAGIC)?;
        inner.write_all(&VERSIONS)?;
        Ok(Self {
            inner,
            block: Vec::with_capacity(BLOCK),
            compressed: vec![0; 4 + snap::raw::max_compress_len(BLOCK)],
            encoder: snap::raw::Encoder::new(),
        })
    }

    fn write_block(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let n = self
            .encoder
            .compress(&self.block, &mut self.compressed[4..])
            .map_err(io::Error::other)?;
        self.compressed[..4].copy_from_slice(&(n as u32).to_be_bytes());
        self.block.clear();
        self.inner.write_all(&self.compressed[..4 + n])
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        self.write_block()?;
        Ok(self.inner)
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&bytes[..n]);
        if self.block.len() == BLOCK {
            self.write_block()?;
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) struct Reader<R> {
    inner: io::BufReader<R>,
    block: Vec<u8>,
    at: usize,
}

impl<R: Read> Reader<R> {
    pub(super) fn open(inner: R) -> io::Result<Self> {
        let mut inner = io::BufReader::with_capacity(64 << 10, inner);
        let mut header = [0; 16];
        inner.read_exact(&mut header)?;
        if &header[..8] != MAGIC {
            return Err(bad("this is not a Snappy stream"));
        }
        Ok(Self {
            inner,
            block: Vec::new(),
            at: 0,
        })
    }

    /// False at the end of the stream.
    fn next_block(&mut self) -> io::Result<bool> {
        let mut len = Vec::with_capacity(4);
        (&mut self.inner).take(4).read_to_end(&mut len)?;
        let Ok(len) = <[u8; 4]>::try_from(len.as_slice()) else {
            return if len.is_empty() {
                Ok(false)
            } else {
                Err(bad("the Snappy stream is cut off"))
            };
        };
        let len = u32::from_be_bytes(len) as usize;
        let mut compressed = Vec::new();
        if len > MAX_BLOCK {
            return Err(bad("a Snappy block's length is impossible"));
        }
        (&mut self.inner)
            .take(len as u64)
            .read_to_end(&mut compressed)?;
        if compressed.len() < len {
            return Err(bad("the Snappy stream is cut off"));
        }
        let size = snap::raw::decompress_len(&compressed).map_err(io::Error::other)?;
        if size > MAX_BLOCK {
            return Err(bad("a Snappy block's size is impossible"));
        }
        self.block = snap::raw::Decoder::new()
            .decompress_vec(&compressed)
            .map_err(io::Error::other)?;
        self.at = 0;
        Ok(true)
    }
}

impl<R: Read> Read for Reader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.at == self.block.len() {
            if !self.next_block()? {
                return Ok(0);
            }
        }
        let n = buf.len().min(self.block.len() - self.at);
        buf[..n].copy_from_slice(&self.block[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}
