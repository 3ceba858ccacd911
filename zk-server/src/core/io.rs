//! What goes into the server core and what comes out: the whole surface between the pure core and
//! its drivers (the real threads in `threads/`, and the deterministic world of the tests).
//!
//! The driver calls `Server::handle(now, input, &mut outputs)` and carries out the outputs in
//! their order. Time comes in as an argument; `Server::next_deadline` says when to send
//! [`Input::Tick`] at the latest.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::auth::Identity;
use crate::quorum::View;
use crate::store::image::Image;
use crate::units::{ConnId, LinkId, Zxid};

/// A client's request that its learner has forwarded (Java: `LearnerHandler`, `Leader.REQUEST`).
#[derive(Debug, Clone)]
pub struct RemoteRequest {
    /// by whom; the owner of the session from here on
    pub link: LinkId,
    pub session: i64,
    /// the client's xid
    pub xid: i32,
    pub op: i32,
    /// the request's body without its header
    pub body: Bytes,
    /// what the client has proved
    pub ids: Arc<[Identity]>,
}

/// In which role the server handles its clients' requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    #[default]
    Standalone,
    Leading,
    Following,
    Observing,
    /// cut off from the ensemble: reads only
    ReadOnly,
}

impl Mode {
    /// As Java's `srvr` and `mntr` call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Standalone => "standalone",
            Self::Leading => "leader",
            Self::Following => "follower",
            Self::Observing => "observer",
            Self::ReadOnly => "read-only",
        }
    }
}

/// What the rest of the ensemble has to tell a server, through `zab/`.
#[derive(Debug)]
pub enum FromQuorum {
    /// Leader, learner: a quorum has logged everything up to here.
    Commit { zxid: Zxid },
    /// Learner: the leader proposes this. `Output::Append` follows.
    Proposal { zxid: Zxid, record: Bytes },
    /// Learner: a proposal that came during synchronisation and was appended before the server was
    /// there; its commit is still to come.
    Pending { zxid: Zxid, record: Bytes },
    /// Leader: a request that came through a learner.
    Remote(RemoteRequest),
    /// Leader: a learner has heard of this session.
    Touch { session: i64, timeout_ms: i32 },
    /// Leader: a learner asks whether this session lives, and owns it then.
    Revalidate {
        link: LinkId,
        session: i64,
        timeout_ms: i32,
    },
    /// Learner: the leader's answer to `Output::Revalidate`.
    Revalidated { session: i64, valid: bool },
    /// Learner: the leader has answered the oldest `sync`.
    Synced,
    /// Leader: the configuration in force, and the last one that was proposed. Told first, and whenever
    /// one of them changes but for `ToQuorum::Reconfig`.
    Views { active: View, seen: View },
    /// Leader: the learners that have caught up and take part in broadcast (Java:
    /// `forwardingFollowers` that are `synced`), without the leader itself. Told when it changes.
    SyncedLearners(BTreeSet<i64>),
}

/// What a server has to tell the rest of the ensemble.
#[derive(Debug)]
pub enum ToQuorum {
    /// Learner: this goes to the leader (Java: `Leader.REQUEST`); `sync` too.
    Forward {
        session: i64,
        xid: i32,
        op: i32,
        body: Bytes,
        ids: Arc<Vec<Identity>>,
    },
    /// Learner: ask the leader whether this session lives.
    Revalidate { session: i64, timeout_ms: i32 },
    /// Leader: the answer to `Input::Revalidate`.
    Revalidated {
        link: LinkId,
        session: i64,
        valid: bool,
    },
    /// Leader: the `Append` that comes next proposes this configuration.
    Reconfig { zxid: Zxid, view: View },
    /// This role cannot go on: the counter of zxids is used up, or the leader sent what nobody can
    /// read. Nothing more comes out of the server.
    Abandon { reason: String },
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
    /// Every `Append` up to this zxid is on stable storage. Commits it when the server is alone; in
    /// an ensemble it is for `zab/`, and nothing follows from it here.
    Logged { zxid: Zxid },
    /// From the rest of the ensemble. A server alone gets none.
    Quorum(FromQuorum),
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
    /// For the rest of the ensemble. A server alone says none.
    Quorum(ToQuorum),
}
