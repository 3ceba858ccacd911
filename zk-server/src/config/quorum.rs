//! The servers of an ensemble as zoo.cfg or a dynamic file lists them. The text is `proto`'s: the
//! same lines stand in notifications and transactions.

use super::error::ConfigError;

pub use proto::quorum::{QuorumConfig, QuorumServer, Role};

impl From<proto::quorum::ConfigTextError> for ConfigError {
    fn from(error: proto::quorum::ConfigTextError) -> Self {
        Self::invalid(error.0)
    }
}
