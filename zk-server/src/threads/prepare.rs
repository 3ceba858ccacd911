//! What a start does before anything runs: folders, files, and what the configuration means to the
//! core.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use driver::logging::STARTUP;

use crate::auth::Providers;
use crate::config::Config;
use crate::core::Settings;
use crate::core::settings::ZXIDS_PER_EPOCH;
use crate::net::Startup;
use crate::store::{
    Compression, DatabaseSettings, FolderLock, Loaded, RealDisk, Store, StoreConfig, StoreError,
    Worker,
};
use crate::tree::EphemeralTypes;

/// Why a server did not start, in one sentence, and the exit code of Java's `ExitCode`.
#[derive(Debug)]
pub struct StartError {
    pub message: String,
    pub exit_code: u8,
}

/// What a start has read from the files.
pub(super) struct Restored {
    pub(super) worker: Worker,
    pub(super) loaded: Loaded,
    pub(super) folders: FolderLock,
    pub(super) startup: Startup,
}

/// Reads snapshot and log.
pub(super) fn restore(config: &Config) -> Result<Restored, StartError> {
    let begun = Instant::now();
    let store =
        Store::open(Arc::new(RealDisk), store_config(config)).map_err(|e| failed_folders(&e))?;
    // Before the log is read: what another server is writing looks like a torn end.
    let folders = FolderLock::take(&store_config(config)).map_err(|error| failed_store(&error))?;
    let (worker, loaded) =
        Worker::open(store, database_settings(config)).map_err(|error| failed_store(&error))?;
    let found = &loaded.found;
    if found.zxid.0 < 0 && !config.members.distributed {
        return Err(nothing_to_serve(config));
    }
    for note in &found.notes {
        tracing::warn!(target: STARTUP, "{note}");
    }
    let startup = Startup {
        load_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        replayed: found.replayed,
    };
    tracing::info!(
        "Snapshot loaded in {} ms, highest zxid is 0x{:x}, {} transactions replayed",
        startup.load_ms,
        found.zxid.0,
        found.replayed
    );
    Ok(Restored {
        worker,
        loaded,
        folders,
        startup,
    })
}

pub(crate) fn database_settings(config: &Config) -> DatabaseSettings {
    DatabaseSettings {
        types: EphemeralTypes {
            extended: config.core.extended_types,
            emulate_353: config.core.emulate_353_ttl,
        },
        digest: config.core.digest_enabled,
        commit_log: match config.members.distributed {
            true => config.ensemble.commit_log_count,
            false => 0,
        },
    }
}

pub(crate) fn store_config(config: &Config) -> StoreConfig {
    let files = &config.files;
    StoreConfig {
        data_dir: config.data_dir.clone(),
        log_dir: config.data_log_dir.clone(),
        pre_alloc: files.pre_alloc_kb.saturating_mul(1024),
        force_sync: files.force_sync,
        log_size_limit: files.log_size_limit_kb.map(|kb| kb.saturating_mul(1024)),
        fsync_warning: Duration::from_millis(files.fsync_warning_ms),
        compression: match files.compression.as_str() {
            "gz" => Compression::Gzip,
            "snappy" => Compression::Snappy,
            _ => Compression::None,
        },
        last_zxid_trailer: files.last_processed_zxid,
        datadir_autocreate: files.autocreate_dir,
        db_autocreate: files.autocreate_db,
        trust_empty_snapshot: files.trust_empty_snapshot,
    }
}

pub(crate) fn settings(config: &Config) -> Settings {
    let (core, limits, files) = (&config.core, &config.limits, &config.files);
    let (ensemble, member) = (&config.ensemble, config.members.distributed);
    let access = &config.access;
    let size = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let seed = getrandom::u64().map_or_else(
        |_| super::clock::wall_ms(),
        |seed| i64::from_ne_bytes(seed.to_ne_bytes()),
    );
    Settings {
        // A server that is alone numbers its sessions from 1, whatever myid says, in Java too.
        server_id: match config.members.distributed {
            true => config.server_id.unwrap_or(1),
            false => 1,
        },
        tick_time_ms: u64::try_from(config.tick_time_ms).unwrap_or(1),
        min_session_timeout_ms: config.min_session_timeout_ms,
        max_session_timeout_ms: config.max_session_timeout_ms,
        providers: Providers {
            skip_acl: core.skip_acl,
            digest_enabled: core.digest_auth || access.digest,
            digest_algorithm: core.digest_algorithm,
            super_digest: core.super_digest.clone(),
            ensemble: access.ensemble.then(|| access.ensemble_names.clone()),
        },
        types: EphemeralTypes {
            extended: core.extended_types,
            emulate_353: core.emulate_353_ttl,
        },
        digest_enabled: core.digest_enabled,
        close_session_txn: core.close_session_txn,
        enforce_quota: core.enforce_quota,
        reconfig_enabled: core.reconfig_enabled,
        eager_acl_check: ensemble.eager_acl_check,
        local_sessions: member && ensemble.local_sessions,
        local_sessions_upgrading: member && ensemble.local_sessions_upgrading,
        leader_serves: ensemble.leader_serves,
        multi_address: ensemble.multi_address,
        standalone_enabled: ensemble.standalone_enabled,
        snap_count: u64::from(files.snap_count),
        snap_size_bytes: files.snap_size_limit_kb.unwrap_or(0).saturating_mul(1024),
        global_outstanding_limit: size(u64::from(limits.global_outstanding)),
        throttle_max_requests: size(u64::from(limits.throttle_max_requests)),
        throttled_op_wait_ms: limits.throttled_op_wait_ms,
        stale_latency_check: limits.stale_latency_check,
        drop_stale: limits.drop_stale,
        enforced_schemes: if access.enforced {
            access.schemes.clone()
        } else {
            Vec::new()
        },
        connection_throttle: limits.connection_throttle,
        large_request_threshold: limits.large_request_threshold.map(size),
        large_request_max_bytes: size(limits.large_request_max_bytes),
        max_buffer: limits.jute_max_buffer,
        container_check_interval_ms: core.container_check_interval_ms,
        container_max_per_minute: u64::from(core.container_max_per_minute),
        container_max_never_used_ms: i64::try_from(core.container_max_never_used_ms)
            .unwrap_or(i64::MAX),
        seed,
        zxids_per_epoch: ZXIDS_PER_EPOCH,
    }
}

/// Data where it will not last.
pub(super) fn warn_about_folders(config: &Config) {
    let mut folders = vec![("dataDir", &config.data_dir)];
    if config.data_log_dir != config.data_dir {
        folders.push(("dataLogDir", &config.data_log_dir));
    }
    for (key, folder) in folders {
        let why = if is_tmpfs(folder) {
            "is in memory (tmpfs) and is lost when the machine stops"
        } else if folder.starts_with("/tmp") || folder.starts_with("/var/tmp") {
            "is in a folder for temporary files, which systems empty"
        } else {
            continue;
        };
        tracing::warn!(
            target: STARTUP,
            "{key}={} {why}: choose a folder that lasts",
            folder.display()
        );
    }
}

fn is_tmpfs(folder: &Path) -> bool {
    let existing = folder.ancestors().find(|parent| parent.exists());
    let found = existing.and_then(|folder| nix::sys::statfs::statfs(folder).ok());
    found.is_some_and(|found| found.filesystem_type() == nix::sys::statfs::TMPFS_MAGIC)
}

/// The folders are missing, unwritable or swapped.
fn failed_folders(error: &StoreError) -> StartError {
    StartError {
        message: format!("{error}. Change dataDir or dataLogDir, or the folder."),
        exit_code: 3,
    }
}

/// A server alone has nobody to get a tree from. Java's starts, and refuses every client.
fn nothing_to_serve(config: &Config) -> StartError {
    unexpected(format!(
        "dataDir={} is empty, and db.autocreate=false forbids to begin with an empty tree: run zkServer-initialize.sh \
         --force once, or bring back the data.",
        config.data_dir.display()
    ))
}

pub(super) fn failed_store(error: &StoreError) -> StartError {
    unexpected(format!("{error}."))
}

pub(super) fn unexpected(message: String) -> StartError {
    StartError {
        message,
        exit_code: 1,
    }
}
