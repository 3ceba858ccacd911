//! One configuration of the ensemble, immutable and shared.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::config::{QuorumConfig, QuorumServer, Role};

/// A configuration with its version. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View(Arc<QuorumConfig>);

impl View {
    pub fn new(config: QuorumConfig) -> Self {
        Self(Arc::new(config))
    }

    /// zxid of the transaction that made it; 0 for one that was only written in a file
    pub fn version(&self) -> i64 {
        self.0.version
    }

    pub fn config(&self) -> &QuorumConfig {
        &self.0
    }

    pub fn server(&self, id: i64) -> Option<&QuorumServer> {
        self.0.server(id)
    }

    pub fn is_voter(&self, id: i64) -> bool {
        self.server(id).is_some_and(|s| s.role == Role::Participant)
    }

    /// Whether these servers are a quorum (Java: `QuorumVerifier.containsQuorum`).
    pub fn is_quorum(&self, ids: &BTreeSet<i64>) -> bool {
        let voters = ids.iter().filter(|&&id| self.is_voter(id)).count();
        voters > self.0.voters() / 2
    }
}
