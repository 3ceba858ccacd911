//! Start and stop of a standalone server (Java: `ZooKeeperServerMain.runFromConfig`): files, core,
//! log thread, ports, timers, in the order in which each needs the one before.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use driver::logging::STARTUP;

use crate::auth::Providers;
use crate::config::Config;
use crate::core::{Server, Settings};
use crate::net::admission::Admission;
use crate::net::{Net, NetCounters, Startup, WrongPort, admin, listener, monitor};
use crate::store::{
    Compression, DatabaseSettings, FolderLock, RealDisk, Store, StoreConfig, StoreError, Worker,
};
use crate::tree::EphemeralTypes;

use super::clock::Clock;
use super::core::Core;
use super::log::{LogQueue, LogSettings, LogThread};

/// Why a server did not start, in one sentence, and the exit code of Java's `ExitCode`.
#[derive(Debug)]
pub struct StartError {
    pub message: String,
    pub exit_code: u8,
}

/// A server that serves.
#[derive(Debug)]
pub struct Running {
    net: Arc<Net>,
    log: LogThread,
    _folders: FolderLock,
}

/// Starts everything on the current runtime.
pub async fn start(config: Config, initial_config: String) -> Result<Running, StartError> {
    let clock = Clock::start();
    let open_files = driver::limits::raise_open_files().unwrap_or_else(|error| {
        tracing::warn!("cannot raise the limit of open files: {error}");
        driver::limits::OpenFiles {
            soft: 1024,
            hard: 1024,
        }
    });
    warn_about_folders(&config);
    let (server, worker, folders, startup) = restore(&config, clock)?;
    let client = match &config.client {
        Some(port) => Some(listener::bind(port).map_err(unexpected)?),
        None => return Err(no_port(&config)),
    };
    let client_port = client
        .as_ref()
        .and_then(|listener| listener.local_addr().ok())
        .map(|address| address.port());
    let admin = bind_admin(&config).await;
    let queue = Arc::new(LogQueue::default());
    let core = Arc::new(Core::new(server, clock, queue.clone()));
    let settings = LogSettings {
        dynamic: None,
        retain: usize::try_from(config.files.retain).unwrap_or(3),
    };
    let log = LogThread::start(worker, core.clone(), queue.clone(), settings)
        .map_err(|error| unexpected(format!("cannot start the log thread: {error}")))?;
    let net = Arc::new(Net {
        limits: config.limits.clone(),
        admission: Arc::new(Admission::new(
            config.limits.max_client_cnxns,
            config.limits.max_cnxns,
        )),
        counters: NetCounters::default(),
        client_port,
        admin_port: admin
            .as_ref()
            .and_then(|listener| Some(listener.local_addr().ok()?.port())),
        startup,
        open_files,
        trace_mask: std::sync::atomic::AtomicI64::new(DEFAULT_TRACE_MASK),
        wrong_port: WrongPort::default(),
        core,
        log: queue,
        config,
        initial_config,
    });
    run(&net, client, admin).await;
    Ok(Running {
        net,
        log,
        _folders: folders,
    })
}

/// Java's `ZooTrace` begins with these categories.
const DEFAULT_TRACE_MASK: i64 = 306;

/// Puts everything that listens or repeats on the runtime.
async fn run(
    net: &Arc<Net>,
    client: Option<tokio::net::TcpListener>,
    admin: Option<tokio::net::TcpListener>,
) {
    let timer = net.core.clone();
    tokio::spawn(async move { timer.run_timer().await });
    if let Some(listener) = client {
        tokio::spawn(listener::accept(listener, net.clone()));
    }
    if let Some(listener) = admin {
        tokio::spawn(admin::serve(listener, net.clone()));
    }
    if net.config.metrics.prometheus {
        serve_metrics(net).await;
    }
    tracing::info!(
        "autopurge.snapRetainCount set to {}, autopurge.purgeInterval set to {}",
        net.config.files.retain,
        net.config.files.purge_interval_hours
    );
    if net.config.files.purge_interval_hours > 0 {
        tokio::spawn(purge(net.clone()));
    }
}

impl Running {
    pub fn client_port(&self) -> Option<u16> {
        self.net.client_port
    }

    /// Stops taking requests, and returns when everything acknowledged is on disk.
    pub fn stop(self) {
        self.net.core.close_all();
        self.log.stop();
    }
}

/// Reads snapshot and log.
fn restore(
    config: &Config,
    clock: Clock,
) -> Result<(Server, Worker, FolderLock, Startup), StartError> {
    let begun = Instant::now();
    let store =
        Store::open(Arc::new(RealDisk), store_config(config)).map_err(|e| failed_folders(&e))?;
    // Before the log is read: what another server is writing looks like a torn end.
    let folders = FolderLock::take(&store_config(config)).map_err(|error| failed_store(&error))?;
    let (worker, loaded) =
        Worker::open(store, database_settings(config)).map_err(|error| failed_store(&error))?;
    let found = &loaded.found;
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
    let server = Server::new(settings(config), loaded.database, clock.now());
    Ok((server, worker, folders, startup))
}

fn database_settings(config: &Config) -> DatabaseSettings {
    DatabaseSettings {
        types: EphemeralTypes {
            extended: config.core.extended_types,
            emulate_353: config.core.emulate_353_ttl,
        },
        digest: config.core.digest_enabled,
        commit_log: 0,
    }
}

fn store_config(config: &Config) -> StoreConfig {
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

fn settings(config: &Config) -> Settings {
    let (core, limits, files) = (&config.core, &config.limits, &config.files);
    let access = &config.access;
    let size = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let seed = getrandom::u64().map_or_else(
        |_| super::clock::wall_ms(),
        |seed| i64::from_ne_bytes(seed.to_ne_bytes()),
    );
    Settings {
        // A standalone server numbers its sessions from 1, whatever myid says, in Java too.
        server_id: 1,
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
        ..Settings::default()
    }
}

/// A side port: whatever happens to it, the server goes on.
async fn bind_admin(config: &Config) -> Option<tokio::net::TcpListener> {
    let admin = &config.admin;
    if !admin.enabled {
        tracing::info!("The AdminServer is off (admin.enableServer=false)");
        return None;
    }
    match admin::bind(&admin.address, admin.port).await {
        Ok(listener) => {
            tracing::info!(
                "Started AdminServer on address {}, port {} and command URL {}",
                admin.address,
                admin.port,
                admin.command_url
            );
            Some(listener)
        }
        Err(error) => {
            tracing::warn!(
                target: STARTUP,
                "The server goes on without AdminServer: {error}. Change admin.serverPort, or set \
                 admin.enableServer=false in zoo.cfg"
            );
            None
        }
    }
}

/// Prometheus' port; a failure to bind is reported and the server goes on.
async fn serve_metrics(net: &Arc<Net>) {
    let metrics = &net.config.metrics;
    let (host, port) = (metrics.host.clone(), metrics.port);
    let listener = match tokio::net::TcpListener::bind((host.as_str(), port)).await {
        Ok(listener) => listener,
        Err(error) => {
            let who = driver::port_holder::of_port(port)
                .map_or_else(String::new, |who| format!(", held by {who}"));
            tracing::warn!(
                target: STARTUP,
                "The server goes on without metrics for Prometheus: cannot bind {host}:{port}{who}: \
                 {error}. Change metricsProvider.httpPort in zoo.cfg"
            );
            return;
        }
    };
    tracing::info!(
        "Starting /metrics HTTP endpoint at host: {host}, port: {port}, exportJvmInfo: {}",
        metrics.export_process
    );
    let limits = driver::http::Limits {
        idle: Duration::from_secs(30),
        body: 64 << 10,
        connections: 32,
    };
    let net = net.clone();
    tokio::spawn(driver::http::serve(listener, limits, move |request| {
        let net = net.clone();
        async move {
            if request.path != "/metrics" {
                return driver::http::Response::not_found();
            }
            let families = monitor::families(&net);
            let (kind, body) = proto::telemetry::negotiate(request.accept.as_deref(), &families);
            driver::http::Response::new(200, kind, body.freeze())
        }
    }));
}

/// `autopurge.purgeInterval`: at once, then every so many hours (Java: `DatadirCleanupManager`).
async fn purge(net: Arc<Net>) {
    let hours = u64::from(net.config.files.purge_interval_hours);
    let mut every = tokio::time::interval(Duration::from_secs(hours.saturating_mul(3600)));
    loop {
        every.tick().await;
        net.log.purge();
    }
}

/// Data where it will not last.
fn warn_about_folders(config: &Config) {
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

fn failed_store(error: &StoreError) -> StartError {
    unexpected(format!("{error}."))
}

fn no_port(config: &Config) -> StartError {
    StartError {
        message: format!(
            "clientPort is not set, so nobody could connect: add a line clientPort=2181 to the \
             configuration of {}.",
            config.data_dir.display()
        ),
        exit_code: 2,
    }
}

fn unexpected(message: String) -> StartError {
    StartError {
        message,
        exit_code: 1,
    }
}
