//! Writing a snapshot from an [`ImageSource`] (Java: `FileSnap.serialize`, `DataTree.serialize`).

use std::io::{self, Write};

use flate2::write::GzEncoder;
use proto::jute::Jute;
use simd_adler32::Adler32;

use super::{Compression, DB_ID, MAGIC, VERSION, snappy};
use crate::store::disk::DiskFile;
use crate::store::image::ImageSource;

const CHUNK: usize = 256 << 10;
/// A snapshot is synced in parts, so that the log's own syncs never wait for all of it.
const SYNC_EVERY: u64 = 16 << 20;

/// Writes and syncs the file; returns its length.
pub(super) fn write(
    file: Box<dyn DiskFile>,
    compression: Compression,
    image: &dyn ImageSource,
    last_zxid_trailer: bool,
) -> io::Result<u64> {
    let file = FileWriter {
        file,
        at: 0,
        synced: 0,
    };
    let stream = match compression {
        Compression::None => Stream::Plain(file),
        Compression::Gzip => Stream::Gzip(GzEncoder::new(file, flate2::Compression::default())),
        Compression::Snappy => Stream::Snappy(Box::new(snappy::Writer::open(file)?)),
    };
    let mut out = Output {
        stream,
        buf: Vec::with_capacity(CHUNK + 4096),
        adler: Adler32::new(),
    };
    body(&mut out, image)?;
    out.seal()?;
    // Without a digest the zxid would stand where a reader that knows digests expects one.
    if let Some(digest) = image.digest() {
        digest.zxid.write(&mut out.buf);
        digest.version.write(&mut out.buf);
        digest.digest.write(&mut out.buf);
        out.seal()?;
        if last_zxid_trailer {
            image.zxid().0.write(&mut out.buf);
            out.seal()?;
        }
    }
    out.finish()
}

fn body(out: &mut Output, image: &dyn ImageSource) -> io::Result<()> {
    let mut buf = std::mem::take(&mut out.buf);
    buf.extend_from_slice(MAGIC);
    VERSION.write(&mut buf);
    DB_ID.write(&mut buf);
    let result = tree(&mut buf, image, &mut |buf| {
        if buf.len() >= CHUNK {
            out.take(buf)?;
            buf.clear();
        }
        Ok(())
    });
    out.buf = buf;
    result
}

/// Sessions, ACL table, nodes and the "/" that ends them (Java: `SerializeUtils.serializeSnapshot`).
/// `drain` is offered the buffer after every entry; nothing more is written after its first error.
pub(super) fn tree(
    buf: &mut Vec<u8>,
    image: &dyn ImageSource,
    drain: &mut dyn FnMut(&mut Vec<u8>) -> io::Result<()>,
) -> io::Result<()> {
    // The visitors cannot stop early: after an error they do nothing more.
    let mut result = Ok(());
    let mut offer = |buf: &mut Vec<u8>| {
        if result.is_ok() {
            result = drain(buf);
        } else {
            buf.clear();
        }
    };
    (image.session_count() as i32).write(buf);
    image.sessions(&mut |id, timeout| {
        id.write(buf);
        timeout.write(buf);
        offer(buf);
    });
    (image.acl_count() as i32).write(buf);
    image.acls(&mut |key, acl| {
        key.write(buf);
        (acl.len() as i32).write(buf);
        for entry in acl {
            entry.write(buf);
        }
        offer(buf);
    });
    image.nodes(&mut |node| {
        node.path.write(buf);
        node.data.write(buf);
        node.acl.write(buf);
        node.stat.write(buf);
        offer(buf);
    });
    result?;
    "/".write(buf);
    Ok(())
}

enum Stream {
    Plain(FileWriter),
    Gzip(GzEncoder<FileWriter>),
    Snappy(Box<snappy::Writer<FileWriter>>),
}

struct Output {
    stream: Stream,
    /// neither in the checksum nor in the file yet
    buf: Vec<u8>,
    adler: Adler32,
}

impl Output {
    fn drain(&mut self) -> io::Result<()> {
        let mut buf = std::mem::take(&mut self.buf);
        self.take(&buf)?;
        buf.clear();
        self.buf = buf;
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.adler.write(bytes);
        match &mut self.stream {
            Stream::Plain(w) => w.write_all(bytes),
            Stream::Gzip(w) => w.write_all(bytes),
            Stream::Snappy(w) => w.write_all(bytes),
        }
    }

    fn seal(&mut self) -> io::Result<()> {
        self.drain()?;
        i64::from(self.adler.clone().finish()).write(&mut self.buf);
        "/".write(&mut self.buf);
        Ok(())
    }

    fn finish(mut self) -> io::Result<u64> {
        self.drain()?;
        let mut file = match self.stream {
            Stream::Plain(file) => file,
            Stream::Gzip(gzip) => gzip.finish()?,
            Stream::Snappy(snappy) => snappy.finish()?,
        };
        file.file.sync()?;
        Ok(file.at)
    }
}

struct FileWriter {
    file: Box<dyn DiskFile>,
    at: u64,
    synced: u64,
}

impl Write for FileWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(bytes, self.at)?;
        self.at += bytes.len() as u64;
        if self.at - self.synced >= SYNC_EVERY {
            self.file.sync()?;
            self.synced = self.at;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
