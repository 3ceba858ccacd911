//! The task of one connection: reads, cuts frames, hands them to the core, and writes on when the
//! socket was full. What is written otherwise is written by whoever caused it.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::timeout;

use super::Net;
use super::frames::{FrameBuffer, LenError};
use super::outbox::Conn;
use super::sniff::{First, first};

/// Bytes read by one call.
const READ: usize = 64 << 10;
/// First bytes that are looked at to tell who is there.
const FIRST: usize = 8;

thread_local! {
    /// Idle connections hold no buffer: all of a thread read into this one.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

/// Serves an admitted connection to its end.
pub(super) async fn serve(stream: TcpStream, peer: SocketAddr, net: &Arc<Net>) {
    let (mut read, write) = stream.into_split();
    let conn = net.core.connect(write, peer);
    let mut buffer = FrameBuffer::default();
    let patience = Duration::from_millis(net.limits.sessionless_timeout_ms);
    // What a connection needs at its beginning and at its end only is not kept all its life.
    let greeting = Box::pin(timeout(patience, greet(&conn, &mut read, &mut buffer, net)));
    match greeting.await {
        Ok(Some(frames)) => {
            net.core.frames(conn.id, frames);
            talk(&conn, &mut read, &mut buffer, net).await;
        }
        Ok(None) => {}
        Err(_) => {
            net.counters.sessionless_expired.add(1);
            tracing::debug!("{peer} did not begin a session in time");
        }
    }
    net.core.disconnect(conn.id);
}

/// A connection over the limits: only a four-letter word is answered.
pub(super) async fn hear_out(mut stream: TcpStream, peer: SocketAddr, net: &Arc<Net>) {
    let hearing = async {
        let mut head = [0; 4];
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut head).await?;
        if let Some(First::Word(word)) = first(&head) {
            let answer = super::four_letter::answer(word, &[], peer, net).await;
            stream.write_all(answer.as_bytes()).await?;
            stream.shutdown().await?;
        }
        io::Result::Ok(())
    };
    let _ = timeout(Duration::from_secs(1), hearing).await;
}

/// Reads until the first frame is whole. `None`: there is nothing to serve.
async fn greet(
    conn: &Arc<Conn>,
    read: &mut OwnedReadHalf,
    buffer: &mut FrameBuffer,
    net: &Arc<Net>,
) -> Option<Bytes> {
    let mut known = false;
    loop {
        let mut first_bytes = |bytes: &[u8]| buffer.keep(bytes);
        if !read_some(read, &mut first_bytes).await.unwrap_or(false) {
            net.counters.dropped.add(1);
            return None;
        }
        if !known {
            match first(buffer.rest()) {
                None => continue,
                Some(First::Frames) => known = buffer.rest().len() >= FIRST,
                Some(visitor) => {
                    stranger(visitor, conn, read, buffer, net).await;
                    return None;
                }
            }
        }
        let (frames, error) = buffer.cut(net.limits.jute_max_buffer);
        if let Some(error) = error {
            len_error(conn, error, net);
            return None;
        }
        if frames.is_some() {
            return frames;
        }
    }
}

/// Whoever is not a client: answered as far as there is an answer, and closed.
async fn stranger(
    visitor: First,
    conn: &Arc<Conn>,
    read: &mut OwnedReadHalf,
    buffer: &mut FrameBuffer,
    net: &Arc<Net>,
) {
    let answer: Bytes = match visitor {
        First::Word(word) => {
            // stmk takes eight bytes more.
            while word == "stmk" && buffer.rest().len() < 12 {
                let mut more = |bytes: &[u8]| buffer.keep(bytes);
                if !read_some(read, &mut more).await.unwrap_or(false) {
                    return;
                }
            }
            let arguments = buffer.rest().get(4..).unwrap_or_default();
            let text = super::four_letter::answer(word, arguments, conn.peer, net).await;
            text.into()
        }
        First::Http => {
            net.wrong_port.http(conn.peer, net.admin_port);
            let text = "This is the port of ZooKeeper's clients; it does not speak HTTP.\n";
            let length = text.len();
            format!(
                "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\
                 Connection: close\r\n\r\n{text}"
            )
            .into()
        }
        First::Tls => {
            net.wrong_port.tls(conn.peer);
            // A fatal alert, handshake_failure.
            Bytes::from_static(&[0x15, 0x03, 0x01, 0, 2, 2, 40])
        }
        First::Kafka => {
            net.wrong_port.kafka(conn.peer);
            Bytes::new()
        }
        First::TelnetClose | First::Frames => Bytes::new(),
    };
    conn.queue(answer);
    conn.close_when_sent();
    conn.flush();
    while !conn.todo().close {
        tokio::select! {
            () = conn.wake.notified() => {}
            _ = conn.write.writable(), if conn.todo().write => conn.flush_more(),
        }
    }
    // Whoever asks next must not be shown a connection that is over.
    net.core.disconnect(conn.id);
    finish(conn, read).await;
}

/// Ends the stream in both directions without a reset that could overtake the answer.
async fn finish(conn: &Arc<Conn>, read: &mut OwnedReadHalf) {
    let _ = socket2::SockRef::from(conn.write.as_ref()).shutdown(std::net::Shutdown::Write);
    let drained = async {
        let mut left = 1 << 20;
        let mut drop_bytes = |bytes: &[u8]| left -= bytes.len().min(left);
        while read_some(read, &mut drop_bytes).await.unwrap_or(false) {}
    };
    let _ = timeout(Duration::from_millis(200), drained).await;
}

/// The life of a client's connection after its first frame.
async fn talk(
    conn: &Arc<Conn>,
    read: &mut OwnedReadHalf,
    buffer: &mut FrameBuffer,
    net: &Arc<Net>,
) {
    let max = net.limits.jute_max_buffer;
    // What came with the first frame.
    let mut pending = buffer.has_rest();
    loop {
        let todo = conn.todo();
        if todo.close {
            return Box::pin(finish(conn, read)).await;
        }
        if conn.take_drained() {
            net.core.drained(conn.id);
            continue;
        }
        if pending && todo.read {
            pending = false;
            let (frames, error) = buffer.cut(max);
            if hand_over(conn, frames, error, net) {
                return;
            }
            continue;
        }
        let mut cut = (None, None);
        let mut take = |bytes: &[u8]| cut = buffer.take(bytes, max);
        tokio::select! {
            biased;
            went_on = read_some(read, &mut take), if todo.read => match went_on {
                Ok(true) => {
                    let (frames, error) = cut;
                    if hand_over(conn, frames, error, net) {
                        return;
                    }
                }
                Ok(false) | Err(_) => {
                    net.counters.dropped.add(1);
                    return;
                }
            },
            () = writable(conn), if todo.write => conn.flush_more(),
            () = conn.wake.notified() => {}
        }
    }
}

/// The socket takes bytes again. On the heap, since few connections ever wait for that.
async fn writable(conn: &Conn) {
    let _ = Box::pin(conn.write.writable()).await;
}

/// Gives frames to the core; true when the connection must end.
fn hand_over(
    conn: &Arc<Conn>,
    frames: Option<Bytes>,
    error: Option<LenError>,
    net: &Arc<Net>,
) -> bool {
    if let Some(frames) = frames {
        net.core.frames(conn.id, frames);
    }
    if let Some(error) = error {
        len_error(conn, error, net);
        return true;
    }
    false
}

fn len_error(conn: &Conn, error: LenError, net: &Net) {
    tracing::warn!(
        "Len error. A message from /{} with advertised length of {} is either a malformed message \
         or too large to process (length is greater than jute.maxbuffer={})",
        conn.peer,
        error.len,
        net.limits.jute_max_buffer
    );
}

/// One read into the thread's buffer. False at the end of the stream.
fn read_some<'a>(
    read: &'a mut OwnedReadHalf,
    take: &'a mut impl FnMut(&[u8]),
) -> impl Future<Output = io::Result<bool>> + 'a {
    poll_fn(move |context| {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut bytes = ReadBuf::new(scratch);
            match Pin::new(&mut *read).poll_read(context, &mut bytes) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) => {
                    let filled = bytes.filled();
                    if !filled.is_empty() {
                        take(filled);
                    }
                    Poll::Ready(Ok(!filled.is_empty()))
                }
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten thousand idle clients are held in a few megabytes.
    #[test]
    fn a_connection_is_small() {
        fn size<F>(_: impl FnOnce(TcpStream, SocketAddr, &'static Arc<Net>) -> F) -> usize {
            size_of::<F>()
        }
        let task = size(serve);
        let shared = size_of::<Conn>();
        let core = size_of::<crate::core::conn::Conn>();
        assert!(task <= 512, "{task}");
        assert!(shared <= 192, "{shared}");
        assert!(core <= 256, "{core}");
    }
}
