//! What a member of an ensemble has beside the core: its connections with the other servers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use driver::metrics::Summary;
use proto::quorum::QuorumConfig;
use tokio::sync::watch;

use super::differ;
use crate::config::ClientPort;
use crate::core::stats::Sums;
use crate::net::election::ElectionNet;
use crate::net::quorum::QuorumNet;
use crate::net::strangers::Strangers;
use crate::peer::PeerEvent;
use crate::quorum::View;
use crate::units::Now;
use crate::zab::{self, event::Sync};

/// What elections and syncs took (Java: `ServerMetrics`).
#[derive(Debug, Clone, Default)]
pub struct ElectionFigures {
    pub looking: u64,
    pub election_ms: Summary,
    pub unavailable_ms: Summary,
    pub leader_unavailable_ms: Summary,
    /// learners synced by differences, and by snapshots
    pub diffs: u64,
    pub snaps: u64,
    /// learners that are being synced so, whenever one begins or is done
    pub diffs_in_flight: Sums,
    pub snaps_in_flight: Sums,
    /// what this server's own syncs with a leader took, as a follower and as an observer
    pub follower_sync_ms: Summary,
    pub observer_sync_ms: Summary,
    syncing: BTreeMap<i64, Sync>,
    receiving_since_us: Option<u64>,
    observes: bool,
    /// since when this server has no leader, on the monotonic clock
    looking_since_us: Option<u64>,
    leads: bool,
}

impl ElectionFigures {
    pub(super) fn looking_since_us(&self) -> Option<u64> {
        self.looking_since_us
    }

    /// As `srst` leaves them.
    pub fn reset(&mut self) {
        *self = Self {
            syncing: std::mem::take(&mut self.syncing),
            receiving_since_us: self.receiving_since_us,
            observes: self.observes,
            looking_since_us: self.looking_since_us,
            leads: self.leads,
            ..Self::default()
        };
    }

    fn note(&mut self, event: &PeerEvent, now: Now) {
        match event {
            PeerEvent::Looking => {
                self.looking += 1;
                self.looking_since_us.get_or_insert(now.mono_us);
            }
            PeerEvent::Leading { took_us } => {
                self.leads = true;
                self.election_ms.record(took_us / 1000);
            }
            PeerEvent::Following { took_us, .. } | PeerEvent::Observing { took_us, .. } => {
                self.leads = false;
                self.observes = matches!(event, PeerEvent::Observing { .. });
                self.receiving_since_us = None;
                // Java's observer does not count its own.
                if !self.observes {
                    self.election_ms.record(took_us / 1000);
                }
            }
            PeerEvent::Serving { .. } => {
                if let Some(since) = self.receiving_since_us.take() {
                    let ms = now.mono_us.saturating_sub(since) / 1000;
                    match self.observes {
                        true => self.observer_sync_ms.record(ms),
                        false => self.follower_sync_ms.record(ms),
                    }
                }
                let Some(since) = self.looking_since_us.take() else {
                    return;
                };
                let ms = now.mono_us.saturating_sub(since) / 1000;
                self.unavailable_ms.record(ms);
                if self.leads {
                    self.leader_unavailable_ms.record(ms);
                }
            }
            PeerEvent::Abandoned { .. } => self.syncing.clear(),
            PeerEvent::Zab(event) => self.note_sync(event, now),
            _ => {}
        }
    }

    fn note_sync(&mut self, event: &zab::Event, now: Now) {
        match event {
            zab::Event::Receiving { .. } => self.receiving_since_us = Some(now.mono_us),
            zab::Event::Synchronizing { server, sync, .. } => {
                match sync {
                    Sync::Snap => self.snaps += 1,
                    Sync::Diff | Sync::Trunc => self.diffs += 1,
                }
                self.syncing.insert(*server, *sync);
                self.note_in_flight(*sync);
            }
            zab::Event::LearnerSynced { server }
            | zab::Event::LearnerClosed {
                server: Some(server),
                ..
            } => {
                if let Some(sync) = self.syncing.remove(server) {
                    self.note_in_flight(sync);
                }
            }
            _ => {}
        }
    }

    fn note_in_flight(&mut self, sync: Sync) {
        let snap = |sync: &Sync| *sync == Sync::Snap;
        let all = self.syncing.values();
        let count = all.filter(|other| snap(other) == snap(&sync)).count() as u64;
        match sync {
            Sync::Snap => self.snaps_in_flight.add(count),
            Sync::Diff | Sync::Trunc => self.diffs_in_flight.add(count),
        }
    }
}

#[derive(Debug)]
pub struct Ensemble {
    pub quorum: Arc<QuorumNet>,
    pub election: Arc<ElectionNet>,
    view: Mutex<View>,
    me: i64,
    /// where this server's clients connect, when a reconfiguration has changed it
    client: watch::Sender<Option<ClientPort>>,
    figures: Mutex<ElectionFigures>,
    /// how the configurations of others differ, as it was told last
    differences: Mutex<BTreeMap<i64, String>>,
    /// who came to the quorum port and is no server
    pub(super) strangers: Strangers,
}

impl Ensemble {
    pub fn new(me: i64, quorum: Arc<QuorumNet>, election: Arc<ElectionNet>, view: View) -> Self {
        Self {
            me,
            client: watch::Sender::new(None),
            quorum,
            election,
            view: Mutex::new(view),
            figures: Mutex::default(),
            differences: Mutex::default(),
            strangers: Strangers::default(),
        }
    }

    /// Servers may have come, gone or moved; one that is only proposed is no reason to forget others.
    pub fn configure(&self, view: &View, active: bool) {
        self.quorum.configure(view.clone(), active);
        if active {
            self.election.configure(view);
            self.move_clients(view);
            let was_listed = self.knows(self.me);
            *self.view.lock().unwrap_or_else(PoisonError::into_inner) = view.clone();
            if was_listed && !self.knows(self.me) {
                tracing::warn!(
                    "The configuration of the ensemble has no line for this server: it follows without a \
                     vote, until reconfig -add brings one"
                );
            }
        } else {
            self.election.propose(view);
        }
    }

    /// Another address for clients than the configuration before had.
    fn move_clients(&self, view: &View) {
        let old = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        let client = |view: &View| view.server(self.me).and_then(|s| s.client.clone());
        let (Some((host, port)), Some(server)) = (client(view), view.server(self.me)) else {
            return;
        };
        if client(&old).as_ref() == Some(&(host.clone(), port)) {
            return;
        }
        let any = host == "0.0.0.0" || host == "::";
        self.client.send_replace(Some(ClientPort {
            host: (!any).then_some(host),
            port,
            backlog: None,
            place: server.place.clone(),
        }));
    }

    pub fn client_addresses(&self) -> watch::Receiver<Option<ClientPort>> {
        self.client.subscribe()
    }

    pub fn figures(&self) -> MutexGuard<'_, ElectionFigures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts what the member tells.
    pub(super) fn note(&self, event: &PeerEvent, now: Now) {
        self.figures().note(event, now);
    }

    /// Looks at the configuration that another server goes by, and says once in what it differs.
    pub(super) fn compare(&self, from: i64, config: &[u8]) {
        let Ok(theirs) = QuorumConfig::from_text("a notification", config, true) else {
            return;
        };
        let ours = self.view();
        if theirs.servers.is_empty() || theirs.version != ours.version() {
            return;
        }
        let mut told = self
            .differences
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match differ::difference(ours.config(), &theirs) {
            None => {
                told.remove(&from);
            }
            Some(difference) if told.get(&from) == Some(&difference) => {}
            Some(difference) => {
                tracing::error!(
                    "The configuration of {} is not that of this server: {difference}. Give both the \
                     same server lines and restart the one that is wrong",
                    self.name_of(from)
                );
                told.insert(from, difference);
            }
        }
    }

    /// The ids of the servers that vote.
    pub(super) fn voters(&self) -> String {
        let view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        let servers = view.config().servers.iter().map(|server| server.id);
        let voters: Vec<String> = servers
            .filter(|id| view.is_voter(*id))
            .map(|id| id.to_string())
            .collect();
        voters.join(", ")
    }

    pub(super) fn me(&self) -> i64 {
        self.me
    }

    /// The configuration that is in use.
    pub(super) fn view(&self) -> View {
        let view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        view.clone()
    }

    /// Whether the configuration lists this server.
    pub(super) fn knows(&self, id: i64) -> bool {
        let view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        view.server(id).is_some()
    }

    /// How log lines name a server.
    pub fn name_of(&self, id: i64) -> String {
        let view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        match view.server(id).and_then(|server| server.addresses.first()) {
            Some((host, port, _)) => format!("server {id} ({host}:{port})"),
            None => format!("server {id}"),
        }
    }
}
