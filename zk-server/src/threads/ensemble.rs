//! What a member of an ensemble has beside the core: its connections with the other servers.

use std::sync::{Arc, Mutex, PoisonError};

use crate::net::election::ElectionNet;
use crate::net::quorum::QuorumNet;
use crate::quorum::View;

#[derive(Debug)]
pub struct Ensemble {
    pub quorum: Arc<QuorumNet>,
    pub election: Arc<ElectionNet>,
    view: Mutex<View>,
}

impl Ensemble {
    pub fn new(quorum: Arc<QuorumNet>, election: Arc<ElectionNet>, view: View) -> Self {
        Self {
            quorum,
            election,
            view: Mutex::new(view),
        }
    }

    /// Servers may have come, gone or moved; one that is only proposed is no reason to forget others.
    pub fn configure(&self, view: &View, active: bool) {
        self.quorum.configure(view.clone());
        if active {
            self.election.configure(view);
        } else {
            self.election.propose(view);
        }
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = view.clone();
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
