//! What a peer is told when it starts: the configuration, and what the files held.

use crate::core::Settings;
use crate::election;
use crate::quorum::View;
use crate::tree::Database;
use crate::zab;

/// What the configuration means to a server of an ensemble; each field names its key.
#[derive(Debug, Clone)]
pub struct PeerSettings {
    /// `myid`
    pub id: i64,
    /// of the server that runs while there is a leader; `server_id` is `myid`
    pub server: Settings,
    pub zab: zab::Settings,
    pub election: election::Settings,
    /// `commitLogCount`
    pub commit_log_count: usize,
    /// `readonlymode.enabled`
    pub read_only: bool,
    /// `oraclePath`: what the oracle says; `None`: there is none
    pub oracle: Option<bool>,
    /// `syncEnabled`: an observer writes what it is told of to its log
    pub sync_enabled: bool,
    /// `observer.election.DelayMs`: an observer looks for a leader after so long at most
    pub observer_election_delay_ms: u64,
}

/// What a start has found in the files.
#[derive(Debug)]
pub struct PeerStart {
    /// snapshot and log, replayed to the end
    pub database: Database,
    /// `currentEpoch`: of the leader whose history this is
    pub current_epoch: i64,
    /// `acceptedEpoch`: the newest that this server has promised itself to
    pub accepted_epoch: i64,
    /// the configuration in use
    pub active: View,
    /// a newer one that was proposed and not activated (`zoo.cfg.dynamic.next`)
    pub seen: Option<View>,
}
