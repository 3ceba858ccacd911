//! What goes into the server core and what comes out: the whole surface between the pure core and
//! its drivers (the real threads in `threads/`, and the deterministic world of the tests).
//!
//! The driver calls `Server::handle(now, input, &mut outputs)` and carries out the outputs in
//! their order. Time comes in as an argument; `Server::next_deadline` says when to send
//! [`Input::Tick`] at the latest.

use std::net::SocketAddr;

use bytes::Bytes;

use super::super::store::image::Image;

/// A connection, named by the driver; never reused while the process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u64);

/// Epoch in the upper, counter in the lower 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Zxid(pub i64);

/// The moment at which an input arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// microseconds of a clock that never goes back: timeouts and latencies
    pub mono_us: u64,
    /// milliseconds since 1970: what transactions and Stats record
    pub wall_ms: i64,
}

#[derive(Debug)]
pub enum Input {
    /// A client connected; nothing was read yet.
    Connected { conn: ConnId, peer: SocketAddr },
    /// Whole frames, each with its 4-byte length, as one socket read brought them.
    Frames { conn: ConnId, frames: Bytes },
    /// The bytes that the connection was choked for have left.
    Drained { conn: ConnId },
    /// The socket is gone. The session lives on until it expires.
    Disconnected { conn: ConnId },
    /// Every `Append` up to this zxid is on stable storage.
    Logged { zxid: Zxid },
    /// The snapshot that an `Output::Snapshot` asked for is on disk, or failed.
    SnapshotDone { zxid: Zxid, ok: bool },
    /// Time has passed.
    Tick,
}

#[derive(Debug)]
pub enum Output {
    /// Bytes for the client, frame lengths included.
    Send {
        conn: ConnId,
        bytes: Bytes,
    },
    /// Close after what was sent has been written.
    Close {
        conn: ConnId,
    },
    /// Stop reading from this connection: too many of its requests wait.
    Pause {
        conn: ConnId,
    },
    Resume {
        conn: ConnId,
    },
    /// Answer with `Input::Drained` once this connection has few bytes left to write: until then it
    /// gets no more replies, and nothing need be read from it.
    Choke {
        conn: ConnId,
    },
    /// Log this: `TxnHeader`, transaction and digest, as Java's `SyncRequestProcessor` would. Appends
    /// come in zxid order; the log reports `Input::Logged` when it has synced.
    Append {
        zxid: Zxid,
        record: Bytes,
    },
    /// The next `Append` starts a new log file.
    RollLog,
    /// Write a snapshot of exactly this state.
    Snapshot {
        image: Image,
    },
}
