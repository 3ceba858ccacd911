//! Start of a member of an ensemble (Java: `QuorumPeerMain.runFromConfig`, `QuorumPeer.start`).

use std::sync::Arc;
use std::time::Duration;

use driver::logging::STARTUP;

use crate::config::Config;
use crate::election;
use crate::net::election::{ElectionNet, ElectionNetSettings, Heard};
use crate::net::quorum::{QuorumNet, QuorumNetSettings};
use crate::peer::{Peer, PeerInput, PeerSettings, PeerStart};
use crate::quorum::View;
use crate::store::{Loaded, Worker};
use crate::zab;

use super::clock::Clock;
use super::core::Core;
use super::ensemble::Ensemble;
use super::log::LogQueue;
use super::oracle;
use super::prepare::{self, StartError, unexpected};
use super::roll_call;

/// The core of this server as a member; it does nothing before its first tick.
pub(super) async fn core(
    config: &Config,
    worker: &mut Worker,
    loaded: Loaded,
    clock: Clock,
    queue: Arc<LogQueue>,
) -> Result<Arc<Core>, StartError> {
    let Some(me) = config.server_id else {
        return Err(unexpected("myid file is missing.".to_owned()));
    };
    tracing::info!(target: STARTUP, "Starting quorum peer, myid={me}");
    let epochs = worker
        .epochs(loaded.found.zxid)
        .map_err(|error| prepare::failed_store(&error))?;
    for note in &epochs.notes {
        tracing::warn!(target: STARTUP, "{note}");
    }
    tracing::info!(
        "currentEpoch {}, acceptedEpoch {}, last zxid 0x{:x}",
        epochs.current,
        epochs.accepted,
        loaded.found.zxid.0
    );
    let active = View::new(config.members.quorum.clone());
    let start = PeerStart {
        database: loaded.database,
        current_epoch: epochs.current,
        accepted_epoch: epochs.accepted,
        active: active.clone(),
        seen: config.members.last_seen.clone().map(View::new),
    };
    let quorum = Arc::new(QuorumNet::new(quorum_net(config, me), active.clone()));
    let runtime = tokio::runtime::Handle::current();
    let elections = ElectionNet::new(election_net(config, me), &active, clock, runtime);
    let ensemble = Arc::new(Ensemble::new(me, quorum.clone(), elections.clone(), active));
    let peer = Peer::new(peer_settings(config, me), start, clock.now());
    let core = Arc::new(Core::member(peer, ensemble, clock, queue));
    quorum.attach(&core);
    if let Some(path) = &config.ensemble.oracle {
        oracle::watch(path.clone(), &core)
            .map_err(|error| unexpected(format!("cannot start the oracle's thread: {error}")))?;
    }
    let hearing = Arc::downgrade(&core);
    let hear = move |heard| {
        if let Some(core) = hearing.upgrade() {
            core.peer(match heard {
                Heard::Notification { from, notification } => {
                    if let Some(ensemble) = core.ensemble() {
                        ensemble.compare(from, &notification.config);
                    }
                    PeerInput::Notification { from, notification }
                }
                Heard::Reach { server, gone } => PeerInput::OutOfReach { server, gone },
            });
        }
    };
    elections.start(hear).await.map_err(|message| StartError {
        message,
        exit_code: ELECTION_PORT,
    })?;
    // It is only listened on while this server leads, which may be in a month.
    if let Some(why) = quorum.cannot_listen().await {
        tracing::warn!(target: STARTUP, "This server could not lead: {why}");
    }
    tokio::spawn(roll_call::run(Arc::downgrade(&core), clock));
    Ok(core)
}

/// Java's `ExitCode.UNABLE_TO_BIND_QUORUM_PORT`.
const ELECTION_PORT: u8 = 14;

fn election_net(config: &Config, me: i64) -> ElectionNetSettings {
    let ensemble = &config.ensemble;
    ElectionNetSettings {
        me,
        listen_on_all: ensemble.listen_on_all,
        connect_timeout: Duration::from_millis(ensemble.connect_timeout_ms),
        bind_retry: ensemble.election_bind_retries,
        keep_alive: ensemble.keep_alive,
        multi_address: ensemble.multi_address,
        reachability: ensemble.reachability_ms.map(Duration::from_millis),
    }
}

fn peer_settings(config: &Config, me: i64) -> PeerSettings {
    let ensemble = &config.ensemble;
    PeerSettings {
        id: me,
        server: prepare::settings(config),
        zab: zab_settings(config),
        election: election::Settings {
            min_interval_ms: ensemble.min_notification_ms,
            max_interval_ms: ensemble.max_notification_ms,
            reconfig: config.core.reconfig_enabled,
            multi_address: ensemble.multi_address,
            ..election::Settings::default()
        },
        commit_log_count: ensemble.commit_log_count,
        read_only: ensemble.read_only,
        oracle: ensemble.oracle.as_deref().map(oracle::first),
        sync_enabled: ensemble.sync_enabled,
        observer_election_delay_ms: ensemble.observer_election_delay_ms,
    }
}

fn zab_settings(config: &Config) -> zab::Settings {
    let ensemble = &config.ensemble;
    zab::Settings {
        tick_time_ms: tick_ms(config),
        init_limit: u64::from(ensemble.init_limit),
        sync_limit: u64::from(ensemble.sync_limit),
        connect_limit: u64::from(ensemble.connect_limit),
        connect_retry_ms: ensemble.connect_retry_ms,
        max_time_to_wait_for_epoch_ms: ensemble.max_wait_for_epoch_ms,
        ack_frequency: ensemble.ack_frequency,
        max_concurrent_snap_syncs: ensemble.max_snap_syncs,
        max_concurrent_diff_syncs: ensemble.max_diff_syncs,
        snapshot_size_factor: ensemble.snapshot_size_factor,
        force_snap_sync: ensemble.force_snapshot_sync,
        reconfig_enabled: config.core.reconfig_enabled,
        observer_masters: ensemble.observer_port.is_some(),
        reconnect_delay_ms: ensemble.observer_reconnect_delay_ms,
    }
}

fn quorum_net(config: &Config, me: i64) -> QuorumNetSettings {
    /// What a packet has beside a client's request (Java: `jute.maxbuffer.extrasize`).
    const EXTRA: usize = 1 << 20;
    let ensemble = &config.ensemble;
    let ticks = |ticks: u32| Duration::from_millis(tick_ms(config).saturating_mul(ticks.into()));
    QuorumNetSettings {
        me,
        listen_on_all: ensemble.listen_on_all,
        observer_port: ensemble.observer_port,
        // A second try fits into the time in which the leader must be reached.
        connect_timeout: ticks(match ensemble.connect_limit {
            0 => ensemble.init_limit,
            limit => limit,
        }) / 2,
        stall_timeout: ticks(ensemble.init_limit),
        max_packet: config.limits.jute_max_buffer.saturating_mul(2) + EXTRA,
        accepted_nodelay: ensemble.leader_nodelay,
        dialled_nodelay: ensemble.follower_nodelay,
        keep_alive: ensemble.keep_alive,
        database: prepare::database_settings(config),
    }
}

fn tick_ms(config: &Config) -> u64 {
    u64::try_from(config.tick_time_ms).unwrap_or(1)
}
