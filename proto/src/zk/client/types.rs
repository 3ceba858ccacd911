//! What goes into a session and what it tells: configuration, states, events (Java:
//! `ZooKeeper.States`, `Watcher.Event.KeeperState`, `WatchedEvent`).

use bytes::Bytes;

use crate::zk::ErrorCode;
use crate::zk::watch::EventType;

use super::connect_string::{Chroot, Server};

/// Id and password, by which a session can be taken up again.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Credentials {
    pub id: i64,
    pub password: Vec<u8>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "session 0x{:x}", self.id)
    }
}

#[derive(Debug, Clone)]
pub struct Config {
    /// tried in turn, in this order: the driver shuffles them
    pub servers: Vec<Server>,
    pub chroot: Chroot,
    /// milliseconds, to be negotiated
    pub timeout_ms: i32,
    /// an earlier session to take up again
    pub session: Option<Credentials>,
    /// a read-only server will do
    pub read_only: bool,
    /// The session counts as expired when no server was heard for 4/3 of its timeout, as clients
    /// from 3.9.4 on hold it; otherwise only a server can say so.
    pub expire_unheard: bool,
    /// of the jitter between attempts
    pub seed: u64,
    /// longest reply that is read
    pub max_frame: usize,
    /// requests without answer beyond which `Session::has_room` is false
    pub max_outstanding: usize,
}

/// Java's `ZooKeeper.States`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum States {
    Connecting,
    Connected,
    ConnectedReadOnly,
    Closed,
    AuthFailed,
}

impl States {
    pub fn is_alive(self) -> bool {
        !matches!(self, Self::Closed | Self::AuthFailed)
    }

    pub fn is_connected(self) -> bool {
        matches!(self, Self::Connected | Self::ConnectedReadOnly)
    }

    /// The name of Java's enum.
    pub fn java_name(self) -> &'static str {
        match self {
            Self::Connecting => "CONNECTING",
            Self::Connected => "CONNECTED",
            Self::ConnectedReadOnly => "CONNECTEDREADONLY",
            Self::Closed => "CLOSED",
            Self::AuthFailed => "AUTH_FAILED",
        }
    }
}

/// Java's `KeeperState`: what watchers are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionState {
    Disconnected,
    SyncConnected,
    ConnectedReadOnly,
    AuthFailed,
    Expired,
    Closed,
}

impl SessionState {
    /// The name of Java's enum.
    pub fn java_name(self) -> &'static str {
        match self {
            Self::Disconnected => "Disconnected",
            Self::SyncConnected => "SyncConnected",
            Self::ConnectedReadOnly => "ConnectedReadOnly",
            Self::AuthFailed => "AuthFailed",
            Self::Expired => "Expired",
            Self::Closed => "Closed",
        }
    }
}

/// A watch fired, or was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedEvent {
    pub event: EventType,
    /// as the client knows it
    pub path: String,
    /// of the session at that moment
    pub state: SessionState,
    /// the change's zxid as servers from 3.9 on tell it, else -1
    pub zxid: i64,
}

/// What the driver does or passes on, in this order.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// Connect to this server, resolving its name anew; a connection that is open is dropped.
    Dial(Server),
    /// Drop the connection or the attempt.
    HangUp,
    /// Ask this server by `isro` whether it is read-write: `Session::probed`.
    Probe(Server),
    State(SessionState),
    Watch(WatchedEvent),
    Reply {
        id: u64,
        zxid: i64,
        result: Result<Bytes, ErrorCode>,
    },
}
