//! What comes and goes behind the headers of a request and of a response. Long content never lies in
//! memory whole: a reader that does not read for the idle time loses its connection.

use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::mpsc;

use super::guests::Visit;

/// Bytes that are read from a source at a time.
const PIECE: usize = 64 << 10;
/// Pieces that wait for the socket.
const PIECES: usize = 2;

/// The body of a request, which has yet to be read.
#[derive(Debug)]
pub struct RequestBody {
    incoming: Incoming,
    idle: Duration,
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming, idle: Duration) -> Self {
        Self { incoming, idle }
    }

    /// How long it says that it is.
    pub fn length(&self) -> Option<u64> {
        self.incoming.size_hint().exact()
    }

    /// The next piece; `None` behind the last one.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let frame = tokio::time::timeout(self.idle, self.incoming.frame()).await;
            let Some(frame) = frame.map_err(|_| io::ErrorKind::TimedOut)? else {
                return Ok(None);
            };
            // Trailers say nothing to anybody here.
            if let Ok(data) = frame.map_err(io::Error::other)?.into_data() {
                return Ok(Some(data));
            }
        }
    }
}

/// The body of a response.
pub enum Content {
    Bytes(Bytes),
    /// Read on a thread of its own as fast as the other side takes it.
    Stream {
        length: u64,
        source: Box<dyn Read + Send>,
    },
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Stream { length, .. } => write!(f, "a stream of {length} bytes"),
        }
    }
}

/// A response's body on its way, as hyper takes it.
#[derive(Debug)]
pub(super) struct Outgoing {
    left: u64,
    whole: Option<Bytes>,
    pieces: Option<mpsc::Receiver<io::Result<Bytes>>>,
    /// of content that lies here; that of a stream is with its reader
    _visit: Option<Visit>,
}

impl Outgoing {
    pub(super) fn new(content: Content, visit: Visit, idle: Duration) -> Self {
        match content {
            Content::Bytes(bytes) => Self {
                left: bytes.len() as u64,
                whole: Some(bytes).filter(|bytes| !bytes.is_empty()),
                pieces: None,
                _visit: Some(visit),
            },
            Content::Stream { length, source } => {
                let (give, pieces) = mpsc::channel(PIECES);
                let runtime = tokio::runtime::Handle::current();
                tokio::task::spawn_blocking(move || {
                    feed(source, length, &visit, &runtime, &give, idle);
                });
                Self {
                    left: length,
                    whole: None,
                    pieces: Some(pieces),
                    _visit: None,
                }
            }
        }
    }
}

fn feed(
    source: Box<dyn Read + Send>,
    length: u64,
    visit: &Visit,
    runtime: &tokio::runtime::Handle,
    give: &mpsc::Sender<io::Result<Bytes>>,
    idle: Duration,
) {
    let mut source = source.take(length);
    loop {
        let mut piece = vec![0; PIECE];
        let piece = match source.read(&mut piece) {
            Ok(0) => return,
            Ok(n) => {
                piece.truncate(n);
                Ok(piece.into())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = piece.is_err();
        match runtime.block_on(tokio::time::timeout(idle, give.send(piece))) {
            Ok(Ok(())) if !failed => {}
            // the connection is gone, or the source is
            Ok(_) => return,
            Err(_) => return visit.send_away(),
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let piece = match &mut self.pieces {
            None => self.whole.take().map(Ok),
            Some(pieces) => match pieces.poll_recv(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) if self.left > 0 => {
                    Some(Err(io::ErrorKind::UnexpectedEof.into()))
                }
                Poll::Ready(piece) => piece,
            },
        };
        if let Some(Ok(bytes)) = &piece {
            self.left = self.left.saturating_sub(bytes.len() as u64);
        }
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
