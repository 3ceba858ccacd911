//! Start and stop of a server, alone (Java: `ZooKeeperServerMain.runFromConfig`) or a member of an
//! ensemble (`QuorumPeerMain.runFromConfig`): files, core, log thread, ports, timers, in the order in
//! which each needs the one before.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use driver::logging::STARTUP;
use tokio::net::TcpListener;

use crate::config::{Config, DynamicFiles};
use crate::core::Server;
use crate::core::io::Input;
use crate::net::admission::Admission;
use crate::net::{ClientPortBound, Net, NetCounters, WrongPort, admin, listener, monitor};
use crate::store::FolderLock;

use super::clock::{self, Clock};
use super::core::Core;
use super::log::{LogQueue, LogSettings, LogThread};
use super::member;
use super::prepare::{self, Restored, unexpected};

pub use super::prepare::StartError;

/// A server that serves.
#[derive(Debug)]
pub struct Running {
    net: Arc<Net>,
    log: LogThread,
    _folders: FolderLock,
}

/// What the configuration was read from.
#[derive(Debug, Default)]
pub struct Origin {
    /// zoo.cfg
    pub file: Option<PathBuf>,
    /// its text
    pub text: String,
}

/// Starts everything on the current runtime.
pub async fn start(config: Config, origin: Origin) -> Result<Running, StartError> {
    let clock = Clock::start();
    let open_files = driver::limits::raise_open_files().unwrap_or_else(|error| {
        tracing::warn!("cannot raise the limit of open files: {error}");
        driver::limits::OpenFiles {
            soft: 1024,
            hard: 1024,
        }
    });
    prepare::warn_about_folders(&config);
    let Restored {
        mut worker,
        loaded,
        folders,
        startup,
    } = prepare::restore(&config)?;
    let client = match &config.client {
        Some(port) => Some(listener::bind(port).map_err(unexpected)?),
        None if config.members.distributed => None,
        None => return Err(no_port(&config)),
    };
    let bound = ClientPortBound::default();
    bound.set(port_of(client.as_ref()));
    let admin = bind_admin(&config).await;
    let queue = Arc::new(LogQueue::default());
    let core = if config.members.distributed {
        member::core(&config, &mut worker, loaded, clock, queue.clone()).await?
    } else {
        let server = Server::new(prepare::settings(&config), loaded.database, clock.now());
        Arc::new(Core::new(server, clock, queue.clone()))
    };
    let intake = worker.intake();
    let settings = LogSettings {
        dynamic: dynamic_files(&config, origin.file),
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
        bound,
        admin_port: admin
            .as_ref()
            .and_then(|listener| Some(listener.local_addr().ok()?.port())),
        startup,
        open_files,
        trace_mask: std::sync::atomic::AtomicI64::new(DEFAULT_TRACE_MASK),
        wrong_port: WrongPort::default(),
        intake,
        guarded: admin::Guarded::new(config.admin.rate_interval_ms),
        core,
        log: queue,
        config,
        initial_config: origin.text,
    });
    run(&net, clock, client, admin).await;
    Ok(Running {
        net,
        log,
        _folders: folders,
    })
}

/// The files that a reconfiguration writes.
fn dynamic_files(config: &Config, file: Option<PathBuf>) -> Option<DynamicFiles> {
    let members = &config.members;
    let (file, me) = file.zip(config.server_id)?;
    if !members.distributed || !config.core.reconfig_enabled {
        return None;
    }
    let files = DynamicFiles::new(file, me);
    if members.in_config {
        if let Err(error) = files.backup() {
            tracing::warn!(
                target: STARTUP,
                "zoo.cfg cannot be copied to zoo.cfg.bak: {error}: make its folder writable for this \
                 server, or no reconfiguration is kept over a restart"
            );
        }
    }
    Some(files)
}

/// Java's `ZooTrace` begins with these categories.
const DEFAULT_TRACE_MASK: i64 = 306;

/// Puts everything that listens or repeats on the runtime.
async fn run(
    net: &Arc<Net>,
    clock: Clock,
    client: Option<TcpListener>,
    admin: Option<tokio::net::TcpListener>,
) {
    let timer = net.core.clone();
    timer.feed(Input::Tick);
    tokio::spawn(async move { timer.run_timer().await });
    tokio::spawn(clock::watch(clock));
    tokio::spawn(serve_clients(client, net.clone()));
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

fn port_of(listener: Option<&TcpListener>) -> Option<u16> {
    let address = listener.and_then(|listener| listener.local_addr().ok());
    address.map(|address| address.port())
}

/// Accepts clients, and on another address once a reconfiguration gives this server one; clients that
/// are connected stay (Java: `NIOServerCnxnFactory.reconfigure`).
async fn serve_clients(listener: Option<TcpListener>, net: Arc<Net>) {
    let accept = |listener| tokio::spawn(listener::accept(listener, net.clone())).abort_handle();
    let mut accepting = listener.map(accept);
    let Some(ensemble) = net.core.ensemble() else {
        return;
    };
    let mut addresses = ensemble.client_addresses();
    while addresses.changed().await.is_ok() {
        let Some(port) = addresses.borrow_and_update().clone() else {
            continue;
        };
        // zoo.cfg may have named it before the configuration did
        if net.bound.get() == Some(port.port) {
            continue;
        }
        match listener::bind(&port) {
            Ok(listener) => {
                net.bound.set(port_of(Some(&listener)));
                if let Some(old) = accepting.replace(accept(listener)) {
                    old.abort();
                }
            }
            Err(error) => tracing::error!("Clients stay on the old port: {error}"),
        }
    }
}

impl Running {
    pub fn client_port(&self) -> Option<u16> {
        self.net.bound.get()
    }

    /// Stops taking requests, and returns when everything acknowledged is on disk.
    pub fn stop(self) {
        self.net.core.close_all();
        self.log.stop();
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
