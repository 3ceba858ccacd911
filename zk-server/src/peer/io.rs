//! The whole surface between a server of an ensemble and its drivers (threads and sockets, or the
//! simulator).

use std::net::SocketAddr;

use proto::quorum::{Notification, QuorumPacket};

use crate::core::io::{Input, Output};
use crate::quorum::View;
use crate::store::image::Image;
use crate::store::orders::{DiskDone, DiskOrder};
use crate::tree::Database;
use crate::units::LinkId;
pub use crate::zab::Port;

#[derive(Debug)]
pub enum PeerInput {
    /// Of clients. While no server runs, a connection is closed when its first frame comes.
    Client(Input),
    /// From the election port of another server (or of this one to itself).
    Notification {
        from: i64,
        notification: Notification,
    },
    /// The host of that server refuses connections to its election port, or takes them again.
    OutOfReach {
        server: i64,
        gone: bool,
    },
    /// `Listen` for learners succeeded. A port for observers is not told of: a follower does without.
    Listening,
    /// Learners can't connect: the port is taken, or its address is no one's here.
    NotListening {
        reason: String,
    },
    /// `Dial` succeeded.
    Connected {
        link: LinkId,
    },
    /// A learner connected to a port that this server listens on.
    Accepted {
        link: LinkId,
        peer: SocketAddr,
    },
    Packet {
        link: LinkId,
        packet: QuorumPacket,
    },
    /// The last byte of what `SendSnapshot` asked for has been written.
    SnapshotSent {
        link: LinkId,
    },
    /// What `ReceiveSnapshot` asked for.
    Snapshot {
        link: LinkId,
        database: Box<Database>,
    },
    /// `Dial` failed, or the connection is gone, or what came on it can't be read.
    Gone {
        link: LinkId,
        reason: String,
    },
    /// What the oracle of an ensemble of two says now.
    Oracle {
        grants: bool,
    },
    Disk(DiskDone),
    /// An operator's snapshot, to take the place of everything that the ensemble has. Answered by
    /// `PeerEvent::Restored` or `NotRestored`.
    Restore {
        database: Box<Database>,
    },
    Tick,
}

#[derive(Debug)]
pub enum PeerOutput {
    /// `Send`, `Close`, `Pause`, `Resume`, `Choke`: for clients' connections.
    Client(Output),
    /// The newest notification for a server takes the place of an unsent older one.
    Notify {
        to: i64,
        notification: Notification,
    },
    /// Accept connections on that port alone, or on none.
    Listen(Option<Port>),
    Dial {
        link: LinkId,
        server: i64,
        port: Port,
    },
    Send {
        link: LinkId,
        packet: QuorumPacket,
    },
    SendSnapshot {
        link: LinkId,
        image: Image,
    },
    /// A snapshot as of `zxid` comes next: answered by `Snapshot` with a database of that zxid, or
    /// by `Gone`, also when the stream stands still for `initLimit`.
    ReceiveSnapshot {
        link: LinkId,
        zxid: i64,
    },
    Close {
        link: LinkId,
    },
    Disk(DiskOrder),
    /// The configuration has changed: write it to the dynamic file, connect elections to it.
    Configured {
        view: View,
        active: bool,
    },
}
