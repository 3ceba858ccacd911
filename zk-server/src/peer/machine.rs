//! The peer itself: which role it has, who holds the database meanwhile, and where each input goes
//! (Java: `QuorumPeer.run`).

use std::collections::BTreeMap;
use std::net::SocketAddr;

use proto::quorum::PeerState;

use crate::core::Server;
use crate::core::io::{ConnId, Input, Now, Output, Zxid};
use crate::quorum::View;
use crate::tree::Database;

use super::events::{Events, PeerEvent};
use super::io::{PeerInput, PeerOutput};
use super::settings::{PeerSettings, PeerStart};
use super::status::{PeerStatus, ZabState};

/// The database lies in one place at a time.
#[derive(Debug)]
#[expect(dead_code, reason = "the roles that make the other places follow")]
pub(super) enum Home {
    /// no server runs
    Idle(Box<Database>),
    Serving(Box<Server>),
    /// it is being read back from the files
    Files,
}

#[derive(Debug)]
pub struct Peer {
    pub(super) settings: PeerSettings,
    pub(super) now: Now,
    pub(super) home: Home,
    pub(super) current_epoch: i64,
    pub(super) accepted_epoch: i64,
    pub(super) active: View,
    pub(super) seen: Option<View>,
    /// end of the log, durable or not
    pub(super) last_appended: Zxid,
    /// clients that connected while no server ran, and have said nothing yet
    pub(super) early: BTreeMap<ConnId, SocketAddr>,
    pub(super) events: Events,
}

impl Peer {
    /// A peer that looks for a leader. The driver then calls [`Peer::handle`] with a `Tick`.
    pub fn new(settings: PeerSettings, start: PeerStart, now: Now) -> Self {
        let PeerStart {
            mut database,
            current_epoch,
            accepted_epoch,
            active,
            seen,
        } = start;
        database.committed_mut().keep(settings.commit_log_count);
        let mut events = Events::default();
        events.push(PeerEvent::Looking);
        Self {
            settings,
            now,
            last_appended: database.last_zxid(),
            home: Home::Idle(Box::new(database)),
            current_epoch,
            accepted_epoch,
            active,
            seen,
            early: BTreeMap::new(),
            events,
        }
    }

    /// Takes one input and appends what it leads to, in the order in which it must be done.
    pub fn handle(&mut self, now: Now, input: PeerInput, out: &mut Vec<PeerOutput>) {
        self.now = now;
        if let PeerInput::Client(input) = input {
            self.client(input, out);
        }
    }

    /// When the next `Tick` must come at the latest, on the monotonic clock.
    pub fn next_deadline(&self) -> Option<u64> {
        match &self.home {
            Home::Serving(server) => server.next_deadline(),
            Home::Idle(_) | Home::Files => None,
        }
    }

    /// What the operator should be told since the last call.
    pub fn drain_events(&mut self) -> Vec<PeerEvent> {
        self.events.take()
    }

    /// The server, while clients are served.
    pub fn server(&self) -> Option<&Server> {
        match &self.home {
            Home::Serving(server) => Some(server),
            Home::Idle(_) | Home::Files => None,
        }
    }

    pub fn server_mut(&mut self) -> Option<&mut Server> {
        match &mut self.home {
            Home::Serving(server) => Some(server),
            Home::Idle(_) | Home::Files => None,
        }
    }

    /// Wherever it is, unless it is being read from the files.
    pub fn database(&self) -> Option<&Database> {
        match &self.home {
            Home::Serving(server) => Some(server.database()),
            Home::Idle(database) => Some(database),
            Home::Files => None,
        }
    }

    pub fn status(&self) -> PeerStatus {
        PeerStatus {
            id: self.settings.id,
            state: PeerState::Looking,
            zab: ZabState::Election,
            leader: None,
            current_epoch: self.current_epoch,
            accepted_epoch: self.accepted_epoch,
            last_processed: self.database().map_or(Zxid(0), Database::last_zxid),
            last_appended: self.last_appended,
            active: self.active.clone(),
            seen: self.seen.clone(),
            election_us: None,
        }
    }

    fn client(&mut self, input: Input, out: &mut Vec<PeerOutput>) {
        match input {
            Input::Connected { conn, peer } => {
                self.early.insert(conn, peer);
            }
            Input::Frames { conn, .. } if self.early.remove(&conn).is_some() => {
                out.push(PeerOutput::Client(Output::Close { conn }));
            }
            Input::Disconnected { conn } => {
                self.early.remove(&conn);
            }
            _ => {}
        }
    }
}
