//! What an operator should read about a peer; the driver logs it.

use crate::core;
use crate::zab;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerEvent {
    /// of the server that runs on the peer
    Server(core::Event),
    /// of leader or learner
    Zab(zab::Event),
    /// an election begins
    Looking,
    /// The election is over: this one leads.
    Leading { took_us: u64 },
    /// The election is over: that one leads.
    Following { leader: i64, took_us: u64 },
    /// The election is over: that one leads, this one has no vote.
    Observing { leader: i64, took_us: u64 },
    /// From here on clients are served.
    Serving { epoch: i64 },
    /// A role is over; a new election follows.
    Abandoned { reason: String },
    /// An operator's snapshot is this server's state from here on, as of this zxid.
    Restored { zxid: i64 },
    /// An operator's snapshot was not taken.
    NotRestored { reason: &'static str },
    /// The database was not what the files hold and is read back.
    Reloading,
}

/// Events beyond this many between two drains are dropped.
const MAX_EVENTS: usize = 1000;

/// Waits to be drained.
#[derive(Debug, Default)]
pub(super) struct Events(Vec<PeerEvent>);

impl Events {
    pub(super) fn push(&mut self, event: PeerEvent) {
        if self.0.len() < MAX_EVENTS {
            self.0.push(event);
        }
    }

    pub(super) fn take(&mut self) -> Vec<PeerEvent> {
        std::mem::take(&mut self.0)
    }
}
