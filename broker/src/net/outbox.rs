//! What waits to be written to one connection: bytes go out with vectored writes, regions of
//! files with sendfile, never through user space. Mirrors org.apache.kafka.common.network.Send
//! and FileRecords.writeTo.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice};

use bytes::Buf;
use proto::kafka::{FrameOut, Segment};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Pieces handed to one vectored write.
const SLICES: usize = 32;

/// The most that one sendfile call moves, so that one fast reader does not hold a worker.
const SENDFILE: usize = 1 << 20;

/// The frames to be written, in order.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    segments: VecDeque<Segment>,
    len: usize,
    /// bytes that were ever put in
    pushed: u64,
}

impl Outbox {
    pub(super) fn push(&mut self, frame: FrameOut) {
        self.len += frame.len();
        self.pushed += frame.len() as u64;
        self.segments.extend(frame.into_segments());
    }

    /// Bytes that are still to be written.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes that were ever put in.
    pub(super) fn pushed(&self) -> u64 {
        self.pushed
    }

    /// Bytes of them that the socket has taken.
    pub(super) fn written(&self) -> u64 {
        self.pushed - self.len as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Writes as much as the socket takes; `Ok` also when it takes nothing more for now.
    pub(super) fn write(&mut self, stream: &TcpStream) -> io::Result<()> {
        while !self.segments.is_empty() {
            match self.write_once(stream) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.len -= written,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn write_once(&mut self, stream: &TcpStream) -> io::Result<usize> {
        match self.segments.front() {
            Some(Segment::Region(region)) => {
                let sent = send_region(stream, region)?;
                self.advance_region(sent);
                Ok(sent)
            }
            _ => {
                let written = self.write_bytes(stream)?;
                self.advance_bytes(written);
                Ok(written)
            }
        }
    }

    fn write_bytes(&self, stream: &TcpStream) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut used = 0;
        for (slot, segment) in slices.iter_mut().zip(&self.segments) {
            let Segment::Bytes(bytes) = segment else {
                break;
            };
            *slot = IoSlice::new(bytes);
            used += 1;
        }
        stream.try_write_vectored(&slices[..used])
    }

    fn advance_bytes(&mut self, mut written: usize) {
        while let Some(Segment::Bytes(bytes)) = self.segments.front_mut() {
            if bytes.len() > written {
                bytes.advance(written);
                return;
            }
            written -= bytes.len();
            self.segments.pop_front();
            if written == 0 {
                return;
            }
        }
    }

    fn advance_region(&mut self, sent: usize) {
        if let Some(Segment::Region(region)) = self.segments.front_mut() {
            region.position += sent as u64;
            region.len -= sent;
            if region.len == 0 {
                self.segments.pop_front();
            }
        }
    }
}

/// The log hands out regions whose file is a [`std::fs::File`].
fn send_region(stream: &TcpStream, region: &proto::kafka::Region) -> io::Result<usize> {
    let Some(file) = region.file.downcast_ref::<File>() else {
        return Err(io::Error::other("a region of something that is no file"));
    };
    let mut offset = i64::try_from(region.position).map_err(io::Error::other)?;
    let count = region.len.min(SENDFILE);
    stream.try_io(Interest::WRITABLE, || {
        nix::sys::sendfile::sendfile(stream, file, Some(&mut offset), count)
            .map_err(io::Error::from)
    })
}
