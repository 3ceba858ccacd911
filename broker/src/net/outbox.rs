//! What waits to be written to one connection: bytes go out with vectored writes, regions of
//! files with sendfile, never through user space. Mirrors org.apache.kafka.common.network.Send
//! and FileRecords.writeTo.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Buf;
use proto::kafka::{FrameOut, Segment};
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::cold::{self, Loading, Readers};

/// Pieces handed to one vectored write.
const SLICES: usize = 32;

/// The most that one sendfile call moves, so that one fast reader does not hold a worker.
const SENDFILE: usize = 1 << 20;

/// The frames to be written, in order.
pub(super) struct Outbox {
    segments: VecDeque<Segment>,
    len: usize,
    /// bytes that were ever put in
    pushed: u64,
    readers: Readers,
    /// bytes of the region in front that are in memory
    warm: usize,
    /// nothing is written before they are there
    loading: Option<(usize, Loading)>,
}

impl Outbox {
    pub(super) fn new(readers: Readers) -> Self {
        Self {
            segments: VecDeque::new(),
            len: 0,
            pushed: 0,
            readers,
            warm: 0,
            loading: None,
        }
    }

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

    /// Waits for bytes of a file; ready when there is something to write again.
    pub(super) fn poll_loaded(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some((len, loading)) = &mut self.loading else {
            return Poll::Pending;
        };
        let len = *len;
        loading.as_mut().poll(cx).map(|()| {
            // not asked again: what memory has no room for would be read for ever
            self.warm = len;
            self.loading = None;
        })
    }

    /// Waits for its file, not for the socket.
    pub(super) fn is_loading(&self) -> bool {
        self.loading.is_some()
    }

    /// Writes as much as the socket takes; `Ok` also when it takes nothing more for now, or when
    /// the file has to be read first.
    pub(super) fn write(&mut self, stream: &TcpStream) -> io::Result<()> {
        while !self.segments.is_empty() && !self.is_loading() {
            match self.write_once(stream) {
                Ok(Some(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(Some(written)) => self.len -= written,
                Ok(None) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    // until the socket takes more, memory may have had to give
                    self.warm = 0;
                    return Ok(());
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// `None`: nothing, because the file is being read.
    fn write_once(&mut self, stream: &TcpStream) -> io::Result<Option<usize>> {
        let Some(Segment::Region(region)) = self.segments.front() else {
            let written = self.write_bytes(stream)?;
            self.advance_bytes(written);
            return Ok(Some(written));
        };
        // the log hands out regions whose file is a [`std::fs::File`]
        let Ok(file) = region.file.clone().downcast::<File>() else {
            return Err(io::Error::other("a region of something that is no file"));
        };
        let (position, len) = (region.position, region.len.min(SENDFILE));
        if self.warm == 0 {
            self.warm = match region.in_memory {
                true => len,
                false => cold::in_memory(&file, position, len),
            };
        }
        if self.warm == 0 {
            self.loading = Some((len, self.readers.load(file, position, len)));
            return Ok(None);
        }
        let sent = send(stream, &file, position, len.min(self.warm))?;
        self.advance_region(sent);
        Ok(Some(sent))
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
            self.warm -= sent;
            if region.len == 0 {
                self.segments.pop_front();
                self.warm = 0;
            }
        }
    }
}

fn send(stream: &TcpStream, file: &Arc<File>, position: u64, len: usize) -> io::Result<usize> {
    let mut offset = i64::try_from(position).map_err(io::Error::other)?;
    stream.try_io(Interest::WRITABLE, || {
        nix::sys::sendfile::sendfile(stream, file, Some(&mut offset), len).map_err(io::Error::from)
    })
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::os::unix::fs::FileExt;

    use proto::kafka::Region;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
        (ours.unwrap(), theirs.unwrap().0)
    }

    fn outbox(file: &Arc<File>, len: usize) -> Outbox {
        let mut outbox = Outbox::new(Readers::default());
        outbox.segments.push_back(Segment::Region(Region {
            file: file.clone(),
            position: 0,
            len,
            in_memory: false,
        }));
        outbox.segments.push_back(Segment::Bytes("end".into()));
        outbox.len = len + 3;
        outbox
    }

    /// Writes all of it to a reader; how often the file had to be read first.
    async fn deliver(mut outbox: Outbox, expected: &[u8]) -> usize {
        let (ours, mut theirs) = pair().await;
        let mut loads = 0;
        let write = async {
            loop {
                outbox.write(&ours).unwrap();
                if outbox.is_loading() {
                    loads += 1;
                    poll_fn(|cx| outbox.poll_loaded(cx)).await;
                } else if outbox.is_empty() {
                    break;
                } else {
                    ours.writable().await.unwrap();
                }
            }
        };
        let mut got = vec![0; expected.len() + 3];
        let (_, read) = tokio::join!(write, theirs.read_exact(&mut got));
        read.unwrap();
        assert!(got.starts_with(expected) && got.ends_with(b"end"));
        loads
    }

    #[tokio::test]
    async fn what_is_on_disk_only_is_read_elsewhere_before_it_is_sent() {
        let bytes: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
        let warm = tempfile::tempfile().unwrap();
        warm.write_all_at(&bytes, 0).unwrap();
        assert_eq!(
            deliver(outbox(&Arc::new(warm), bytes.len()), &bytes).await,
            0
        );
        if let Some(cold) = cold::tests::cold_file(&bytes) {
            assert!(deliver(outbox(&cold, bytes.len()), &bytes).await >= 1);
        }
    }
}
