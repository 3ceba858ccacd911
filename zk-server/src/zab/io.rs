//! What leader and learner machines ask for. `peer/` carries it out, in order.

use bytes::Bytes;
use proto::quorum::QuorumPacket;

use crate::core::io::RemoteRequest;
use crate::quorum::View;
use crate::store::orders::DiskOrder;
use crate::tree::Database;
use crate::units::LinkId;

use super::event::Event;

/// A port on which a server waits for learners. It listens on one of them at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// the leader's, of its line `server.N`
    Quorum,
    /// a follower's, for observers (`observerMasterPort`)
    Observers,
}

#[derive(Debug)]
pub enum Effect {
    // -- network
    /// Learner: connect to that port of that server; answered by `connected` or `gone`.
    Dial {
        link: LinkId,
        server: i64,
        port: Port,
    },
    /// Packets of one link arrive in the order of their effects.
    Send {
        link: LinkId,
        packet: QuorumPacket,
    },
    /// Leader, observer master: stream the database as it is now, then Java's signature. Follows a `Snap` packet;
    /// answered by `snapshot_sent`.
    SendSnapshot {
        link: LinkId,
    },
    /// Learner: what comes next on the link is a snapshot as of `zxid`, not a packet. Answered by
    /// `snapshot`, or by `gone` also when nothing more comes for `initLimit`: a learner can't see
    /// how far the stream is.
    ReceiveSnapshot {
        link: LinkId,
        zxid: i64,
    },
    Close {
        link: LinkId,
    },
    // -- files, carried out in order by one thread
    Disk(DiskOrder),
    // -- the database while no server runs on it (a learner in synchronisation)
    /// A committed transaction: log it and apply it.
    Apply {
        zxid: i64,
        record: Bytes,
    },
    /// This database takes the place of the one that was there (SNAP, TRUNC).
    Install(Box<Database>),
    /// Leader: the snapshot that it is to bring takes the place of the database, as of `zxid`; answered by
    /// `offered`. No file knows of it yet.
    Offer {
        zxid: i64,
    },
    /// Leader: so many others have it that this server makes a quorum: its files get it, then the
    /// epoch, whose `EpochWritten` is the answer.
    Keep {
        epoch: i64,
    },
    // -- the server
    /// Clients may be served from here on. A leader's first zxid is the one after `epoch << 32`.
    Serve {
        epoch: i64,
    },
    /// Learner: a transaction to log; the answer is `logged`.
    Propose {
        zxid: i64,
        record: Bytes,
    },
    /// A quorum has logged everything up to here: apply it.
    Commit {
        zxid: i64,
    },
    /// Leader: a learner's client wants this.
    Request(RemoteRequest),
    /// Leader, observer master: a learner has heard of this session.
    Touch {
        session: i64,
        timeout_ms: i32,
    },
    /// Leader: a learner asks whether this session lives; the answer goes back by `revalidated`.
    Revalidate {
        link: LinkId,
        session: i64,
        timeout_ms: i32,
    },
    /// Learner: the leader asks who is alive; the answer goes back by `Learner::pong`.
    Pinged {
        zxid: i64,
    },
    /// Learner: the leader's answer.
    Revalidated {
        session: i64,
        valid: bool,
    },
    /// Learner: the oldest `sync` is answered.
    Synced,
    // -- configuration
    /// Proposed, not active yet (Java: `setLastSeenQuorumVerifier`).
    Seen(View),
    /// Active from here on (Java: `processReconfig`).
    Activate {
        view: View,
        /// who should lead, when the change names one
        leader: Option<i64>,
    },
    /// For the log.
    Say(Event),
    /// This role is over; the server looks for a leader again. `reason` is for the operator.
    Abandon {
        reason: String,
    },
}
