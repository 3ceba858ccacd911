//! One broker from its configuration to the signal that stops it: the order of the parts, and a
//! sentence for each reason why it cannot start. Mirrors kafka.server.KafkaServer.startup and
//! shutdown.
#![allow(
    clippy::disallowed_methods,
    reason = "starts the broker's tasks and reads its files"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use driver::signals::StopSignals;
use driver::zk_client::{ClientConfig, ZkClient, ZkEvents};
use proto::properties::Properties;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{info, warn};

use crate::config::{EndPoint, KafkaConfig, Settings, TopicOverrides, jvm};
use crate::group::{self, storage::OFFSETS_TOPIC};
use crate::log::LogConfig;
use crate::metrics::{self, BrokerState};
use crate::net::Net;
use crate::shard::{LogDirs, LogManager, LogManagerSettings};
use crate::shutdown::shut_down;
use crate::state::{Broker, now_ms};
use crate::txn::{ProducerIds, ZkBlocks};
use crate::zk::json::{self, BrokerInfo};
use crate::zk::keeper::{self, Keeper};
use crate::zk::{access, configs, paths};

/// Why a broker does not start, in one sentence with the line to change.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(String);

fn failed(error: impl ToString) -> StartError {
    StartError(error.to_string())
}

/// Reads and checks the file; says what deserves a warning.
pub fn read_config(file: &Path, overrides: &[String]) -> Result<KafkaConfig, StartError> {
    let name = file.display().to_string();
    let text =
        std::fs::read(file).map_err(|e| StartError(format!("{name} cannot be read: {e}")))?;
    let properties = Properties::parse(&name, &text).map_err(failed)?;
    KafkaConfig::new(Settings::new(properties, overrides).map_err(failed)?).map_err(failed)
}

/// What a start says before anything else.
fn warn_of(config: &KafkaConfig) {
    for warning in config.settings.warnings() {
        warn!("{warning}");
    }
    let variable = |name: &'static str| Some((name, std::env::var(name).ok()?));
    if let Some(warning) = config.chroot_warning() {
        warn!("{warning}");
    }
    for note in jvm::notes(jvm::VARIABLES.into_iter().filter_map(variable)) {
        warn!("{note}");
    }
    for dir in &config.log_dirs {
        let why = if is_tmpfs(Path::new(dir)) {
            "is in memory (tmpfs) and lost when the machine stops"
        } else if ["/tmp", "/var/tmp"]
            .iter()
            .any(|tmp| Path::new(dir).starts_with(tmp))
        {
            "is in a folder that the system empties, at the next boot at the latest"
        } else {
            continue;
        };
        warn!(
            target: driver::logging::STARTUP,
            "{}: log.dirs={dir} {why}, and all data with it: name a folder that lasts",
            place_of_dirs(config)
        );
    }
}

fn is_tmpfs(folder: &Path) -> bool {
    let existing = folder.ancestors().find(|parent| parent.exists());
    let found = existing.and_then(|folder| nix::sys::statfs::statfs(folder).ok());
    found.is_some_and(|found| found.filesystem_type() == nix::sys::statfs::TMPFS_MAGIC)
}

/// The line that names the log directories.
fn place_of_dirs(config: &KafkaConfig) -> String {
    let key = if config.settings.is_set("log.dirs") {
        "log.dirs"
    } else {
        "log.dir"
    };
    config.settings.place(key)
}

/// An error with the line to change.
fn at(place: String) -> impl Fn(crate::shard::StartError) -> StartError {
    move |error| StartError(format!("{place}: {error}"))
}

/// Runs a broker until it is told to stop, which may be before it serves.
pub async fn run(config: KafkaConfig) -> Result<(), StartError> {
    let mut signals = StopSignals::listen().map_err(failed)?;
    let prepared = tokio::select! {
        prepared = prepare(config) => prepared?,
        signal = signals.wait() => {
            info!("Terminating process due to signal {signal}");
            return Ok(());
        }
    };
    let Prepared {
        broker,
        net,
        keeper,
        events,
        stop,
        is_started,
        failures,
    } = prepared;
    let (net_stop, net_stopped) = watch::channel(false);
    // other brokers and the controller may call as soon as the registration is seen
    net.serve(&broker, &net_stopped);
    let keeper = tokio::spawn(keeper.run(events));
    let end = tokio::select! {
        started = started(&broker, is_started) => {
            started?;
            tokio::select! {
                signal = signals.wait() => Ok(signal),
                why = all_dirs_failed(&broker, failures) => Err(why),
            }
        }
        signal = signals.wait() => Ok(signal),
    };
    if let Ok(signal) = &end {
        info!("Terminating process due to signal {signal}");
    }
    shut_down(&broker, &stop, &net_stop, keeper).await;
    info!(target: driver::logging::STARTUP, "[KafkaServer id={}] shut down completed", broker.id);
    end.map(drop)
}

/// Tells the controller of each log directory that fails; returns when none is left
/// (ReplicaManager.handleLogDirFailure, LogManager.handleLogDirFailure).
async fn all_dirs_failed(
    broker: &Arc<Broker>,
    mut failures: watch::Receiver<BTreeSet<PathBuf>>,
) -> StartError {
    let mut told = 0;
    loop {
        let failed = failures.borrow_and_update().len();
        let dirs = &broker.config().log_dirs.clone();
        if failed >= dirs.len() {
            return StartError(format!(
                "{}: Shutdown broker because all log dirs in {} have failed: look at the disk (full? \
                 read-only? worn out?), then start again",
                place_of_dirs(&broker.config()),
                dirs.join(", ")
            ));
        }
        while told < failed {
            match broker.zk.tell_log_dir_failure(broker.id).await {
                Ok(()) => told += 1,
                Err(e) => {
                    warn!("the controller cannot be told of a log directory that failed: {e}");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
        if failures.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// A broker that has its data and a session, and serves nobody yet.
struct Prepared {
    broker: Arc<Broker>,
    net: Net,
    keeper: Keeper,
    events: ZkEvents,
    stop: watch::Sender<bool>,
    is_started: oneshot::Receiver<Result<(), String>>,
    failures: watch::Receiver<BTreeSet<PathBuf>>,
}

async fn prepare(config: KafkaConfig) -> Result<Prepared, StartError> {
    warn_of(&config);
    info!("starting");
    check_advertised(&config).await?;
    let net = Net::bind(&config).map_err(failed)?;
    let paths: Vec<PathBuf> = config.log_dirs.iter().map(PathBuf::from).collect();
    let mut log_dirs = LogDirs::open(&paths).map_err(at(place_of_dirs(&config)))?;
    let first_dir = log_dirs
        .paths()
        .next()
        .map(Path::to_owned)
        .unwrap_or_default();
    let client_config = client_config(&config);
    let (client, events) = join_cluster(&config, &client_config, &first_dir).await?;
    let (cluster_id, id) = identify(&config, &client, &mut log_dirs).await?;
    let info = broker_info(&config, &net)?;
    check_end_points(&config, &client, (id, &info)).await?;
    let dynamic = configs::load_broker(&client, id).await.map_err(failed)?;
    let config = configs::with_dynamic(&config, dynamic).unwrap_or(config);
    let overrides = configs::load_topics(&client).await.map_err(failed)?;
    let logs = open_logs(log_dirs, &config, &overrides).await?;
    let (failures, shards) = (logs.failures(), logs.runtimes());
    let (sender, commands) = mpsc::channel(16);
    let broker = Arc::new(Broker::new(
        id,
        cluster_id,
        config,
        (logs.shards().clone(), Some(logs)),
        sender,
    ));
    broker.metrics.handlers.watch(shards);
    let _ = broker
        .metrics
        .zookeeper_latency
        .set(client_config.latency.clone());
    broker.set_all_topic_overrides(overrides);
    let access = broker.clone();
    let blocks = ZkBlocks::new(id, Box::new(move || access.zk.client().ok()));
    let _ = broker.producer_ids.set(ProducerIds::new(Box::new(blocks)));
    group::storage::attach(&broker);
    let (stop, stopped) = watch::channel(false);
    let (started, is_started) = oneshot::channel();
    let keeper = Keeper {
        broker: broker.clone(),
        client,
        client_config,
        info,
        log_dir: first_dir,
        commands,
        stop: stopped,
        started: Some(started),
    };
    Ok(Prepared {
        broker,
        net,
        keeper,
        events,
        stop,
        is_started,
        failures,
    })
}

/// Waits for the registration, and says that the broker serves.
async fn started(
    broker: &Arc<Broker>,
    is_started: oneshot::Receiver<Result<(), String>>,
) -> Result<(), StartError> {
    let id = broker.id;
    match is_started.await {
        Ok(Ok(())) => {}
        Ok(Err(why)) => {
            let place = broker.config().settings.place("broker.id");
            return Err(StartError(format!("{place}: broker.id={id}: {why}")));
        }
        Err(_) => return Err(StartError("the session with ZooKeeper was lost".into())),
    }
    broker.metrics.state.set(BrokerState::Running);
    info!(target: driver::logging::STARTUP, "[KafkaServer id={id}] started");
    metrics::serve::start(broker).await;
    warn_of_internal_topics(broker).await;
    Ok(())
}

fn client_config(config: &KafkaConfig) -> ClientConfig {
    let timeout = u64::try_from(config.zookeeper_session_timeout_ms).unwrap_or(18_000);
    ClientConfig::new(&config.zookeeper_connect, Duration::from_millis(timeout))
}

/// A session, after the former run's is closed and the chroot is there.
async fn join_cluster(
    config: &KafkaConfig,
    client_config: &ClientConfig,
    first_dir: &Path,
) -> Result<(ZkClient, ZkEvents), StartError> {
    let limit = Duration::from_millis(
        u64::try_from(config.zookeeper_connect_timeout_ms()).unwrap_or(18_000),
    );
    let unreachable = |why: String| {
        let place = config.settings.place("zookeeper.connect");
        StartError(format!(
            "{place}: {why}: start ZooKeeper, or name the servers that run; a start waits \
             zookeeper.connection.timeout.ms for them"
        ))
    };
    info!("Connecting to zookeeper on {}", config.zookeeper_connect);
    if let Some((servers, chroot)) = config.zookeeper_connect.split_once('/') {
        let rooted = ClientConfig {
            connect: servers.to_owned(),
            ..client_config.clone()
        };
        let (client, _events) = keeper::connect(&rooted, limit).await.map_err(unreachable)?;
        access::create_all(&client, &format!("/{chroot}"), None)
            .await
            .map_err(failed)?;
        client.close().await;
    }
    keeper::close_old(client_config, first_dir, limit).await;
    keeper::connect(client_config, limit)
        .await
        .map_err(unreachable)
}

/// Cluster and broker id, checked against what the log directories remember.
async fn identify(
    config: &KafkaConfig,
    client: &ZkClient,
    log_dirs: &mut LogDirs,
) -> Result<(String, i32), StartError> {
    let own = log_dirs
        .check_broker_id(config.broker_id)
        .map_err(at(config.settings.place("broker.id")))?;
    let new = crate::controller::driver::new_topic_id().to_string();
    let known = log_dirs.cluster_id().map_err(failed)?;
    let had = access::get(client, paths::CLUSTER_ID, false)
        .await
        .map_err(failed)?;
    if let (None, Some(known)) = (had, known) {
        // Java makes a new id, and then refuses because it differs
        return Err(StartError(format!(
            "{}: zookeeper.connect={}: there is no cluster at all (no /cluster/id), but log.dirs hold \
             {} partitions of cluster {known}. The new side is ZooKeeper: was its data folder emptied, \
             or does zookeeper.connect name another ensemble or chroot? To begin a new cluster with \
             this data, remove meta.properties from log.dirs",
            config.settings.place("zookeeper.connect"),
            config.zookeeper_connect,
            log_dirs.partition_count(),
        )));
    }
    access::create_all(
        client,
        paths::CLUSTER_ID,
        Some(&json::encode_cluster_id(&new)),
    )
    .await
    .map_err(failed)?;
    let node = access::get(client, paths::CLUSTER_ID, false)
        .await
        .map_err(failed)?;
    let (data, stat) =
        node.ok_or_else(|| StartError("/cluster/id is gone right after it was made".into()))?;
    let cluster_id = json::decode_cluster_id(&data).map_err(failed)?;
    info!("Cluster ID = {cluster_id}");
    log_dirs
        .check_cluster_id(&cluster_id, stat.ctime)
        .map_err(at(config.settings.place("zookeeper.connect")))?;
    let id = match own {
        Some(id) => id,
        None if config.broker_id_generation_enable => generate_broker_id(config, client).await?,
        None => {
            return Err(StartError(
                "broker.id is missing: give each broker a number of its own".into(),
            ));
        }
    };
    log_dirs.store(&cluster_id, id).map_err(failed)?;
    Ok((cluster_id, id))
}

/// The version of /brokers/seqid counts (KafkaZkClient.generateBrokerSequenceId).
async fn generate_broker_id(config: &KafkaConfig, client: &ZkClient) -> Result<i32, StartError> {
    access::create_all(client, paths::BROKER_SEQUENCE, None)
        .await
        .map_err(failed)?;
    let stat = client
        .set_data(paths::BROKER_SEQUENCE, Some(b""), -1)
        .await
        .map_err(failed)?;
    Ok(config.reserved_broker_max_id.saturating_add(stat.version))
}

async fn open_logs(
    log_dirs: LogDirs,
    config: &KafkaConfig,
    overrides: &BTreeMap<String, TopicOverrides>,
) -> Result<LogManager, StartError> {
    let settings = log_settings(config);
    let (config, overrides) = (config.clone(), overrides.clone());
    let opening = tokio::task::spawn_blocking(move || {
        LogManager::start(log_dirs, &settings, |topic| {
            let values = overrides
                .get(topic)
                .map(|overrides| config.topic(overrides));
            let values = values.as_ref().unwrap_or(&config.topic_defaults);
            LogConfig::of(values, config.producer_id_expiration_ms.into())
        })
    });
    opening.await.map_err(failed)?.map_err(failed)
}

fn log_settings(config: &KafkaConfig) -> LogManagerSettings {
    let ms = |value: i64| u64::try_from(value).map_or(Duration::MAX, Duration::from_millis);
    LogManagerSettings {
        io_threads: usize::try_from(config.num_io_threads).unwrap_or(1),
        initial_task_delay: ms(config.log_initial_task_delay_ms),
        retention_check_interval: ms(config.log_retention_check_interval_ms),
        flush_check_interval: ms(config.log_flush_scheduler_interval_ms),
        recovery_checkpoint_interval: ms(config.log_flush_offset_checkpoint_interval_ms.into()),
        start_offset_checkpoint_interval: ms(config
            .log_flush_start_offset_checkpoint_interval_ms
            .into()),
        high_watermark_checkpoint_interval: ms(config.replica_high_watermark_checkpoint_interval_ms),
        producer_expiration_check_interval: ms(config
            .producer_id_expiration_check_interval_ms
            .into()),
        file_delete_delay: ms(config.topic_defaults.file_delete_delay_ms),
    }
}

/// What is registered: names for empty hosts, bound ports for 0.
fn broker_info(config: &KafkaConfig, net: &Net) -> Result<BrokerInfo, StartError> {
    let mut end_points = Vec::new();
    for point in &config.advertised_listeners {
        let host = if point.host.is_empty() {
            host_name(config)?
        } else {
            point.host.clone()
        };
        let port = if point.port == 0 {
            net.port(&point.name).unwrap_or(0)
        } else {
            point.port
        };
        end_points.push(EndPoint {
            host,
            port,
            ..point.clone()
        });
    }
    Ok(BrokerInfo {
        end_points,
        jmx_port: -1,
        rack: config.broker_rack.clone(),
        timestamp_ms: now_ms(),
    })
}

/// The key that says what clients are told to connect to, and its line.
fn advertised_key(config: &KafkaConfig) -> (&'static str, String) {
    let key = if config.settings.is_set("advertised.listeners") {
        "advertised.listeners"
    } else {
        "listeners"
    };
    (key, config.settings.place(key))
}

/// No other broker may have an address of this one: clients would reach the wrong process
/// (KafkaServer.createBrokerInfo).
async fn check_end_points(
    config: &KafkaConfig,
    client: &ZkClient,
    own: (i32, &BrokerInfo),
) -> Result<(), StartError> {
    let (id, info) = own;
    let live = access::children(client, paths::BROKER_IDS, false).await;
    let others = live.map_err(failed)?.into_iter();
    for other in others
        .filter_map(|name| name.parse().ok())
        .filter(|other| *other != id)
    {
        let node = access::get(client, &paths::broker_id(other), false).await;
        let Some((data, _)) = node.map_err(failed)? else {
            continue;
        };
        // what cannot be read is the controller's to complain about
        let Ok(theirs) = BrokerInfo::decode(&data) else {
            continue;
        };
        let common = common_end_points(info, &theirs);
        if !common.is_empty() {
            let (key, place) = advertised_key(config);
            return Err(StartError(format!(
                "{place}: {key}: requirement failed: Configured end points {common} in advertised \
                 listeners are already registered by broker {other}: give each broker an address \
                 of its own; if broker {other} is gone, its registration goes with its ZooKeeper \
                 session"
            )));
        }
    }
    Ok(())
}

fn common_end_points(own: &BrokerInfo, theirs: &BrokerInfo) -> String {
    let address = |point: &EndPoint| format!("{}:{}", point.host, point.port);
    let theirs: Vec<_> = theirs.end_points.iter().map(address).collect();
    let own = own.end_points.iter().map(address);
    let common: Vec<_> = own.filter(|point| theirs.contains(point)).collect();
    common.join(",")
}

/// The name that brokers are told, this one included, must have an address; a name for clients
/// elsewhere may be known only there.
async fn check_advertised(config: &KafkaConfig) -> Result<(), StartError> {
    for point in &config.advertised_listeners {
        if point.host.is_empty() {
            continue;
        }
        let Err(error) = tokio::net::lookup_host((point.host.as_str(), point.port)).await else {
            continue;
        };
        let (key, place) = advertised_key(config);
        if point.name == config.inter_broker_listener {
            return Err(StartError(format!(
                "{place}: {key}={point}: {} has no address ({error}), so neither brokers nor clients \
                 of this network can connect: set advertised.listeners={}://ADDRESS:{} with an \
                 address of this host",
                point.host, point.name, point.port
            )));
        }
        warn!(
            "{place}: {key}={point}: {} has no address here ({error}); clients that do not know it \
             otherwise cannot connect",
            point.host
        );
    }
    Ok(())
}

/// Groups wait as long as their topic cannot be made; the one who starts brokers should know.
async fn warn_of_internal_topics(broker: &Arc<Broker>) {
    let Ok(client) = broker.zk.client() else {
        return;
    };
    let made = client.exists(&paths::topic(OFFSETS_TOPIC), false).await;
    let live = client.get_children(paths::BROKER_IDS, false).await;
    let (Ok(None), Ok((live, _))) = (made, live) else {
        return;
    };
    let config = broker.config();
    let factor = config.offsets_topic_replication_factor;
    if usize::try_from(factor).is_ok_and(|factor| factor > live.len()) {
        let place = config.settings.place("offsets.topic.replication.factor");
        warn!(
            target: driver::logging::STARTUP,
            "{place}: offsets.topic.replication.factor={factor}, but brokers that live: {}; until there \
             are {factor}, consumer groups wait (COORDINATOR_NOT_AVAILABLE): start more brokers or \
             set it to {}",
            live.len(),
            live.len()
        );
    }
}

/// This host's name, if anybody could find it by it.
fn host_name(config: &KafkaConfig) -> Result<String, StartError> {
    let name = nix::unistd::gethostname()
        .map_err(failed)?
        .to_string_lossy()
        .into_owned();
    match std::net::ToSocketAddrs::to_socket_addrs(&(name.as_str(), 0)) {
        Ok(_) => Ok(name),
        Err(_) => Err(StartError(format!(
            "{}: clients would be told to connect to {name}, this host's name, which has no address: \
             add advertised.listeners=PLAINTEXT://ADDRESS:PORT",
            config.settings.place("listeners")
        ))),
    }
}
