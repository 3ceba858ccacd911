//! A learner as its master sees it (Java: `LearnerHandler`, `SyncLimitCheck`).

use std::net::SocketAddr;
use std::sync::Arc;

use proto::quorum::Identities;

use crate::auth::Identity;
use crate::config::Role;
use crate::zab::event::Sync;

/// What a learner has told so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::zab) enum Stage {
    /// FOLLOWERINFO or OBSERVERINFO is next.
    Greeting,
    /// The epoch is not decided, or not written.
    Known,
    /// LEADERINFO is sent, ACKEPOCH is next.
    Informed,
    /// Has acknowledged the epoch, others have not yet. `zxid`: the end of its history.
    Elected { zxid: i64 },
    /// What it lacks is being read from the log.
    ReadingLog { zxid: i64 },
    /// NEWLEADER is sent, its ACK is next. From here on it gets proposals and commits.
    Syncing,
    /// Has acknowledged NEWLEADER, others have not yet.
    Synced,
    /// UPTODATE is sent.
    Active,
}

#[derive(Debug)]
pub(in crate::zab) struct Handler {
    pub peer: SocketAddr,
    /// when it connected, in milliseconds since 1970
    pub since_ms: i64,
    /// `None` until it says who it is
    pub server: Option<i64>,
    pub role: Role,
    pub stage: Stage,
    /// until when it has to speak; `None` while it is not its turn
    pub deadline_us: Option<u64>,
    /// leader: up to this tick it counts for the quorum (Java: `tickOfNextAckDeadline`)
    pub counts_until_tick: u64,
    /// how it is brought up to date, until it is
    pub sync: Option<Sync>,
    pub acks: AckCheck,
    pub received: u64,
    pub sent: u64,
    pub requests: u64,
    /// the last zxid that was sent to it
    pub last_zxid: i64,
    /// what the last request's client had proved, as it came and as it is used
    proved: (Identities, Arc<[Identity]>),
}

impl Handler {
    pub(in crate::zab) fn new(
        peer: SocketAddr,
        since_ms: i64,
        deadline_us: u64,
        counts_until_tick: u64,
    ) -> Self {
        Self {
            peer,
            since_ms,
            server: None,
            role: Role::Participant,
            stage: Stage::Greeting,
            deadline_us: Some(deadline_us),
            counts_until_tick,
            sync: None,
            acks: AckCheck::default(),
            received: 0,
            sent: 0,
            requests: 0,
            last_zxid: -1,
            proved: (Identities::default(), Arc::default()),
        }
    }

    /// What a request's client has proved.
    pub(in crate::zab) fn identities(&mut self, auth: &Identities) -> Arc<[Identity]> {
        if self.proved.0 != *auth {
            let ids = auth.iter().map(|(scheme, id)| Identity::new(scheme, id));
            self.proved = (auth.detached(), ids.collect());
        }
        self.proved.1.clone()
    }

    /// Whether a snapshot is on its way to it.
    pub(in crate::zab) fn is_snap(&self) -> bool {
        self.sync == Some(Sync::Snap)
    }

    /// Whether proposals, commits and informs go to it.
    pub(in crate::zab) fn forwarding(&self) -> bool {
        matches!(self.stage, Stage::Syncing | Stage::Synced | Stage::Active)
    }
}

/// How long the leader has been waiting for the ACK of a proposal: of one at a time, then of the
/// latest (Java: `SyncLimitCheck`).
#[derive(Debug, Default)]
pub(in crate::zab) struct AckCheck {
    started: bool,
    /// zxid, and when it was sent
    current: Option<(i64, u64)>,
    next: Option<(i64, u64)>,
}

impl AckCheck {
    pub(in crate::zab) fn start(&mut self) {
        self.started = true;
    }

    pub(in crate::zab) fn proposed(&mut self, zxid: i64, at_us: u64) {
        if !self.started {
            return;
        }
        if self.current.is_none() {
            self.current = Some((zxid, at_us));
        } else {
            self.next = Some((zxid, at_us));
        }
    }

    pub(in crate::zab) fn acknowledged(&mut self, zxid: i64) {
        let is = |waiting: Option<(i64, u64)>| waiting.is_some_and(|(other, _)| other == zxid);
        if is(self.current) {
            self.current = self.next.take();
        } else if is(self.next) {
            self.next = None;
        }
    }

    /// Microseconds since the proposal was sent that is waited for.
    pub(in crate::zab) fn waiting_us(&self, now_us: u64) -> u64 {
        self.current.map_or(0, |(_, at)| now_us.saturating_sub(at))
    }
}
