//! One connection between leader and learner as all threads share it: its socket, and what waits to
//! be written. Whoever queued a packet writes it, without waiting; what the socket does not take is
//! left to the link's own task. A snapshot goes between the packets before and after it.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::{Buf, Bytes};
use proto::quorum::QuorumPacket;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;

use crate::store::image::Image;
use crate::units::LinkId;

/// Bytes waiting at which a server that does not read is given up.
const GIVE_UP: usize = 1 << 30;
/// Data of this length is written from where it is; shorter data is copied.
const SHARED: usize = 4 << 10;
/// Pieces written by one call.
const PIECES: usize = 64;
/// What the buffer may keep between writes.
const KEEP: usize = 64 << 10;

#[derive(Debug)]
pub struct Link {
    pub id: LinkId,
    write: OnceLock<OwnedWriteHalf>,
    out: Mutex<Outbox>,
    /// something changed that the link's task must look at
    pub wake: Notify,
}

#[derive(Debug)]
enum Item {
    Bytes(Bytes),
    Snapshot(Image),
}

#[derive(Debug)]
struct Outbox {
    items: VecDeque<Item>,
    /// packets behind the items, encoded
    tail: Vec<u8>,
    bytes: usize,
    /// not connected yet, the socket took no more, or a snapshot is on its way
    blocked: bool,
    /// over, as far as this server is concerned
    closing: bool,
    /// nothing more can be written
    broken: Option<String>,
    /// the zxid of the snapshot that comes next, once somebody wants it
    receive: Option<i64>,
}

/// What the link's task is to do.
#[derive(Debug)]
pub enum Todo {
    /// Nothing but reading; `write`: the socket was full.
    Wait {
        write: bool,
    },
    Snapshot(Image),
    Close(Option<String>),
}

impl Link {
    pub fn new(id: LinkId) -> Self {
        Self {
            id,
            write: OnceLock::new(),
            out: Mutex::new(Outbox {
                items: VecDeque::new(),
                tail: Vec::new(),
                bytes: 0,
                blocked: true,
                closing: false,
                broken: None,
                receive: None,
            }),
            wake: Notify::new(),
        }
    }

    fn out(&self) -> MutexGuard<'_, Outbox> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection stands: what was queued may leave.
    pub fn open(&self, write: OwnedWriteHalf) {
        if self.write.set(write).is_ok() {
            self.flush_more();
        }
    }

    /// The socket, once it is connected.
    pub fn socket(&self) -> Option<&OwnedWriteHalf> {
        self.write.get()
    }

    /// Puts a packet behind those that wait. [`Self::flush`] writes it.
    pub fn queue(&self, packet: &QuorumPacket) {
        let mut out = self.out();
        if out.broken.is_some() || out.closing {
            return;
        }
        let before = out.tail.len();
        match &packet.data {
            Some(data) if data.len() >= SHARED => {
                packet.encode_head(&mut out.tail);
                out.bytes += out.tail.len() - before + data.len();
                out.close_tail();
                out.items.push_back(Item::Bytes(data.clone()));
                packet.encode_tail(&mut out.tail);
                out.bytes += out.tail.len();
            }
            _ => {
                packet.encode(&mut out.tail);
                out.bytes += out.tail.len() - before;
            }
        }
        if out.bytes > GIVE_UP {
            let why = format!("it does not read, {} bytes wait for it", out.bytes);
            out.break_off(why);
            self.wake.notify_one();
        }
    }

    /// Puts a whole snapshot behind what waits.
    pub fn queue_snapshot(&self, image: Image) {
        let mut out = self.out();
        out.close_tail();
        out.items.push_back(Item::Snapshot(image));
    }

    /// A snapshot as of `zxid` comes next on this link.
    pub fn receive(&self, zxid: i64) {
        self.out().receive = Some(zxid);
        self.wake.notify_one();
    }

    pub fn take_receive(&self) -> Option<i64> {
        self.out().receive.take()
    }

    /// Closes the link. What the socket has not taken by now is dropped.
    pub fn close(&self) {
        self.flush();
        self.out().closing = true;
        self.wake.notify_one();
    }

    /// Whether [`Self::close`] was called.
    pub fn is_closed(&self) -> bool {
        self.out().closing
    }

    pub fn is_ending(&self) -> bool {
        let out = self.out();
        out.closing || out.broken.is_some()
    }

    /// Bytes that wait to be written.
    pub fn waiting(&self) -> usize {
        self.out().bytes
    }

    /// Writes as much as the socket takes now.
    pub fn flush(&self) {
        let mut out = self.out();
        if !out.blocked {
            self.write_out(&mut out);
        }
    }

    /// The socket takes bytes again, says the link's task.
    pub fn flush_more(&self) {
        let mut out = self.out();
        out.blocked = false;
        self.write_out(&mut out);
    }

    pub fn todo(&self) -> Todo {
        let mut out = self.out();
        if let Some(why) = &out.broken {
            return Todo::Close(Some(why.clone()));
        }
        if out.closing {
            return Todo::Close(None);
        }
        if let Some(Item::Snapshot(_)) = out.items.front() {
            if let Some(Item::Snapshot(image)) = out.items.pop_front() {
                // until the task says `flush_more`
                out.blocked = true;
                return Todo::Snapshot(image);
            }
        }
        Todo::Wait {
            write: out.blocked && self.write.get().is_some(),
        }
    }

    fn write_out(&self, out: &mut Outbox) {
        let Some(socket) = self.write.get() else {
            out.blocked = true;
            return;
        };
        if out.items.is_empty() && !out.tail.is_empty() {
            // Mostly that is all, and the socket takes it.
            if let Ok(n) = socket.try_write(&out.tail) {
                out.advance_tail(n);
            }
        }
        out.close_tail();
        loop {
            let mut slices = [IoSlice::new(&[]); PIECES];
            let mut count = 0;
            for (slice, item) in slices.iter_mut().zip(&out.items) {
                let Item::Bytes(bytes) = item else {
                    break;
                };
                *slice = IoSlice::new(bytes);
                count += 1;
            }
            if count == 0 {
                if !out.items.is_empty() {
                    // a snapshot: the task's work
                    out.blocked = true;
                    self.wake.notify_one();
                }
                return;
            }
            match socket.try_write_vectored(&slices[..count]) {
                Ok(n) => out.advance(n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    out.blocked = true;
                    self.wake.notify_one();
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    out.break_off(format!("cannot write: {error}"));
                    self.wake.notify_one();
                    return;
                }
            }
        }
    }
}

impl Outbox {
    fn close_tail(&mut self) {
        if self.tail.is_empty() {
            return;
        }
        let bytes = if self.tail.len() < KEEP / 2 {
            let bytes = Bytes::copy_from_slice(&self.tail);
            self.tail.clear();
            bytes
        } else {
            std::mem::take(&mut self.tail).into()
        };
        self.items.push_back(Item::Bytes(bytes));
    }

    fn advance_tail(&mut self, written: usize) {
        self.bytes = self.bytes.saturating_sub(written);
        self.tail.drain(..written);
        if self.tail.is_empty() {
            self.tail.shrink_to(KEEP);
        }
    }

    fn advance(&mut self, mut written: usize) {
        self.bytes = self.bytes.saturating_sub(written);
        while let Some(Item::Bytes(first)) = self.items.front_mut() {
            if written < first.len() {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.items.pop_front();
        }
    }

    fn break_off(&mut self, why: String) {
        self.broken = Some(why);
        self.items.clear();
        self.tail.clear();
        self.bytes = 0;
    }
}
