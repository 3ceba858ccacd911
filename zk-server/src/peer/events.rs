//! What an operator should read about a peer; the driver logs it.

use crate::core;
use crate::units::Zxid;
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
    /// This leader gives an operator's snapshot, taken at `taken`, to the others as its history.
    Offers { at: Zxid, taken: Zxid },
    /// An operator's snapshot is the ensemble's state from here on: a quorum has it in its files.
    Restored(Replaced),
    /// An operator's snapshot was not taken, or nobody knows.
    NotRestored { reason: String },
    /// The leader's state has come from an operator's snapshot that this server's history is not of.
    Replaced(Replaced),
    /// An operator's snapshot that this server had as of `at` is not the ensemble's state.
    RestoreUndone { at: Zxid, ours: Zxid },
    /// The database was not what the files hold and is read back.
    Reloading,
}

/// What a restored snapshot does to a server's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replaced {
    /// the snapshot's place in the ensemble's history
    pub at: Zxid,
    /// its last transaction when it was taken; 0: it can't be told
    pub taken: Zxid,
    /// the last transaction of what it takes the place of
    pub ours: Zxid,
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
