//! One connection as all threads share it: its socket, and the bytes that wait to be written.
//! Whoever queued bytes writes them, without waiting; what the socket does not take is left to the
//! connection's own task.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Buf, Bytes};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;

use crate::units::ConnId;

/// Bytes waiting to be written from which nothing more is read from the client.
const HIGH_WATER: usize = 1 << 20;
/// Bytes waiting to be written at which a client that does not read is given up.
const GIVE_UP: usize = 512 << 20;
/// Pieces written by one call.
const PIECES: usize = 64;

#[derive(Debug)]
pub struct Conn {
    pub id: ConnId,
    pub peer: SocketAddr,
    pub write: OwnedWriteHalf,
    out: Mutex<Outbox>,
    /// the core asked not to read
    paused: AtomicBool,
    /// the core waits until few bytes are left to write
    choked: AtomicBool,
    /// something changed that the connection's task must look at
    pub wake: Notify,
}

#[derive(Debug, Default)]
struct Outbox {
    /// what is written next, empty when nothing waits: mostly all that there is, so that one who
    /// waits for nothing needs no queue
    first: Bytes,
    more: VecDeque<Bytes>,
    bytes: usize,
    /// the socket took no more; the connection's task writes on
    blocked: bool,
    /// close once all is written
    closing: bool,
    /// nothing more can be written
    broken: bool,
}

/// What the connection's task is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Todo {
    pub read: bool,
    pub write: bool,
    pub close: bool,
}

impl Conn {
    pub fn new(id: ConnId, peer: SocketAddr, write: OwnedWriteHalf) -> Self {
        Self {
            id,
            peer,
            write,
            out: Mutex::default(),
            paused: AtomicBool::new(false),
            choked: AtomicBool::new(false),
            wake: Notify::new(),
        }
    }

    fn out(&self) -> MutexGuard<'_, Outbox> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts bytes behind those that wait. [`Self::flush`] writes them.
    pub fn queue(&self, bytes: Bytes) {
        let mut out = self.out();
        if out.broken || out.closing || bytes.is_empty() {
            return;
        }
        out.bytes += bytes.len();
        if out.first.is_empty() {
            out.first = bytes;
        } else {
            out.more.push_back(bytes);
        }
        if out.bytes > GIVE_UP {
            tracing::warn!(
                "Closing the connection of {}: it does not read, {} bytes wait for it",
                self.peer,
                out.bytes
            );
            out.give_up();
            self.wake.notify_one();
        }
    }

    /// Closes the connection after what was queued before.
    pub fn close_when_sent(&self) {
        self.out().closing = true;
        self.wake.notify_one();
    }

    pub fn pause(&self) {
        self.paused.store(true, Ordering::Relaxed);
    }

    pub fn resume(&self) {
        self.paused.store(false, Ordering::Relaxed);
        self.wake.notify_one();
    }

    pub fn choke(&self) {
        self.choked.store(true, Ordering::Relaxed);
        self.wake.notify_one();
    }

    /// Whether the core must be told that the bytes it waited for have left.
    pub fn take_drained(&self) -> bool {
        let few = self.out().bytes < HIGH_WATER;
        few && self.choked.swap(false, Ordering::Relaxed)
    }

    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    /// Writes as much as the socket takes now.
    pub fn flush(&self) {
        let mut out = self.out();
        if !out.blocked {
            self.write_out(&mut out);
        }
        // The task may have looked between the request to close and this write.
        if out.closing && out.first.is_empty() {
            self.wake.notify_one();
        }
    }

    /// The socket takes bytes again, says the connection's task.
    pub fn flush_more(&self) {
        let mut out = self.out();
        out.blocked = false;
        self.write_out(&mut out);
    }

    fn write_out(&self, out: &mut Outbox) {
        while !out.first.is_empty() {
            let written = if out.more.is_empty() {
                self.write.try_write(&out.first)
            } else {
                let mut slices = [IoSlice::new(&[]); PIECES];
                let count = (out.more.len() + 1).min(PIECES);
                let pieces = std::iter::once(&out.first).chain(&out.more);
                for (slice, piece) in slices.iter_mut().zip(pieces) {
                    *slice = IoSlice::new(piece);
                }
                self.write.try_write_vectored(&slices[..count])
            };
            match written {
                Ok(n) => out.advance(n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    out.blocked = true;
                    self.wake.notify_one();
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    out.give_up();
                    self.wake.notify_one();
                    return;
                }
            }
        }
    }

    pub fn todo(&self) -> Todo {
        let out = self.out();
        Todo {
            read: !self.is_paused()
                && !self.choked.load(Ordering::Relaxed)
                && out.bytes < HIGH_WATER
                && !out.closing,
            write: out.blocked,
            close: out.broken || out.closing && out.first.is_empty(),
        }
    }
}

impl Outbox {
    fn advance(&mut self, mut written: usize) {
        self.bytes -= written;
        while written >= self.first.len() {
            written -= self.first.len();
            match self.more.pop_front() {
                Some(next) => self.first = next,
                None => {
                    self.first = Bytes::new();
                    return;
                }
            }
        }
        self.first.advance(written);
    }

    fn give_up(&mut self) {
        self.broken = true;
        self.first = Bytes::new();
        self.more.clear();
        self.bytes = 0;
    }
}
