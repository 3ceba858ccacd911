//! What a member of an ensemble has beside the core: its connections with the other servers.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use proto::quorum::Notification;

use crate::net::quorum::QuorumNet;
use crate::quorum::View;

/// The election port, as the core sees it. Neither call waits.
pub trait Elections: Send + Sync + fmt::Debug {
    /// The newest notification for a server takes the place of an unsent older one.
    fn notify(&self, to: i64, notification: Notification);
    /// Connects to these servers from here on.
    fn configure(&self, view: &View);
}

#[derive(Debug)]
pub struct Ensemble {
    pub quorum: Arc<QuorumNet>,
    pub election: Box<dyn Elections>,
    view: Mutex<View>,
}

impl Ensemble {
    pub fn new(quorum: Arc<QuorumNet>, election: Box<dyn Elections>, view: View) -> Self {
        Self {
            quorum,
            election,
            view: Mutex::new(view),
        }
    }

    /// Servers may have come, gone or moved.
    pub fn configure(&self, view: &View) {
        self.quorum.configure(view.clone());
        self.election.configure(view);
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
