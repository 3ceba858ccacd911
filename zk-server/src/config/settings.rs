//! The typed configuration: what the rest of the server is given. Built from the texts of the files
//! alone; reads no file, resolves no name. Mirrors the checks of `QuorumPeerConfig` and
//! `ServerConfig`, and the defaults of the classes that read system properties.

use std::path::{Path, PathBuf};

use proto::properties::{Place, Properties};

use crate::auth::digest::Algorithm;
use crate::core::throttle::ThrottleSettings;

use super::access::{Access, access, connection_throttle};
use super::ensemble::{Ensemble, MemberFiles, Members, ensemble, members};
use super::error::ConfigError;
use super::flags::JvmFlags;
use super::quorum::QuorumConfig;
use super::resolve::Resolved;

/// The texts that a configuration is made of.
#[derive(Debug, Default)]
pub struct Sources {
    pub cfg: Properties,
    pub flags: JvmFlags,
    /// the file that `dynamicConfigFile` names
    pub dynamic: Option<Properties>,
    /// `zoo.cfg.dynamic.next`
    pub next: Option<Properties>,
    /// the first line of `dataDir/myid`
    pub myid: Option<String>,
    /// what `dataDir` is instead of a folder, where it has no `myid`
    pub no_data_dir: Option<&'static str>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub data_dir: PathBuf,
    pub data_log_dir: PathBuf,
    pub client: Option<ClientPort>,
    pub tick_time_ms: i32,
    pub min_session_timeout_ms: i32,
    pub max_session_timeout_ms: i32,
    /// from `myid`
    pub server_id: Option<i64>,
    pub members: Members,
    pub ensemble: Ensemble,
    pub limits: Limits,
    pub core: Core,
    pub access: Access,
    pub files: Files,
    pub four_letter: FourLetter,
    pub admin: Admin,
    pub metrics: Metrics,
    /// system properties as Java would see them
    pub properties: Vec<(String, String)>,
    /// keys that are accepted without effect
    pub notes: Vec<String>,
    pub warnings: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientPort {
    /// `None`: all addresses
    pub host: Option<String>,
    pub port: u16,
    pub backlog: Option<u32>,
    /// the line to change when it cannot be bound
    pub place: Place,
}

/// What clients may use up.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// of one address; 0: no limit
    pub max_client_cnxns: u32,
    /// in all; 0: no limit
    pub max_cnxns: u32,
    /// longest frame in bytes
    pub jute_max_buffer: usize,
    pub sessionless_timeout_ms: u64,
    pub keep_alive: bool,
    pub global_outstanding: u32,
    /// 0: no limit
    pub throttle_max_requests: u32,
    /// 0: never
    pub throttled_op_wait_ms: u64,
    /// whether what waited for longer than its session's timeout is stale, and dropped
    pub stale_latency_check: bool,
    pub drop_stale: bool,
    pub connection_throttle: ThrottleSettings,
    pub large_request_max_bytes: u64,
    /// `None`: no request is large
    pub large_request_threshold: Option<u64>,
}

/// How the tree behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Core {
    pub skip_acl: bool,
    pub enforce_quota: bool,
    pub extended_types: bool,
    pub emulate_353_ttl: bool,
    pub reconfig_enabled: bool,
    pub digest_enabled: bool,
    pub close_session_txn: bool,
    pub digest_auth: bool,
    pub digest_algorithm: Algorithm,
    pub super_digest: Option<String>,
    pub container_check_interval_ms: u64,
    pub container_max_per_minute: u32,
    pub container_max_never_used_ms: u64,
}

/// How log and snapshots are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    pub pre_alloc_kb: u64,
    pub snap_count: u32,
    pub snap_size_limit_kb: Option<u64>,
    pub log_size_limit_kb: Option<u64>,
    pub force_sync: bool,
    pub fsync_warning_ms: u64,
    pub autocreate_dir: bool,
    pub autocreate_db: bool,
    pub trust_empty_snapshot: bool,
    /// `gz`, `snappy` or empty
    pub compression: String,
    pub last_processed_zxid: bool,
    pub retain: u32,
    /// 0: no purge
    pub purge_interval_hours: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FourLetter {
    pub enabled: Vec<String>,
    pub all: bool,
}

impl FourLetter {
    pub fn allows(&self, word: &str) -> bool {
        self.all || self.enabled.iter().any(|enabled| enabled == word)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    pub enabled: bool,
    pub address: String,
    pub port: u16,
    pub idle_timeout_ms: u64,
    pub command_url: String,
    /// `admin.snapshot.enabled`
    pub snapshot: bool,
    /// `admin.restore.enabled`
    pub restore: bool,
    /// `admin.rateLimiterIntervalInMS`
    pub rate_interval_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metrics {
    /// whether the values are exported on a port
    pub prometheus: bool,
    pub host: String,
    pub port: u16,
    pub export_process: bool,
    /// `NullMetricsProvider`: mntr shows no counters
    pub off: bool,
}

/// Longest frame that is accepted from zoo.cfg: 1 GiB, the most that lengths of Java arrays allow
/// with room for what a frame holds besides.
const LARGEST_FRAME: i32 = 1 << 30;

impl Config {
    pub fn new(sources: Sources) -> Result<Self, ConfigError> {
        let mut set = Resolved::new(sources.cfg, sources.flags)?;
        let data_dir = data_dir(&set)?;
        let data_log_dir = match set.text("dataLogDir") {
            dir if dir.is_empty() => data_dir.clone(),
            dir => PathBuf::from(dir),
        };
        for dir in [&data_dir, &data_log_dir] {
            relative_path(&mut set, dir);
        }
        let client = client_port(&mut set)?;
        let (tick, min, max) = session_times(&mut set)?;
        let server_id = server_id(sources.myid.as_deref(), &data_dir)?;
        let member_files = MemberFiles {
            dynamic: sources.dynamic.as_ref(),
            next: sources.next.as_ref(),
            server_id,
            data_dir: &data_dir,
            no_data_dir: sources.no_data_dir,
        };
        let members = members(&mut set, &member_files)?;
        let client = dynamic_client(client, &members.quorum, server_id)?;
        let mut config = Self {
            data_dir,
            data_log_dir,
            client,
            tick_time_ms: tick,
            min_session_timeout_ms: min,
            max_session_timeout_ms: max,
            server_id,
            members,
            ensemble: ensemble(&mut set),
            limits: limits(&mut set),
            core: core(&mut set)?,
            access: access(&mut set)?,
            files: files(&mut set),
            four_letter: four_letter(&set),
            admin: admin(&mut set)?,
            metrics: metrics(&mut set)?,
            properties: set.system_properties(),
            notes: Vec::new(),
            warnings: Vec::new(),
        };
        config.notes = set.notes().to_vec();
        config.warnings = set.warnings().to_vec();
        Ok(config)
    }
}

/// `file, line n: key` for messages about a key, or the key alone.
pub(super) fn at(set: &Resolved, key: &str) -> String {
    match set.value(key) {
        Some(value) => format!("{}: {key}={}", value.place, value.text),
        None => key.to_owned(),
    }
}

fn data_dir(set: &Resolved) -> Result<PathBuf, ConfigError> {
    match set.text("dataDir") {
        dir if dir.is_empty() => Err(ConfigError::invalid(format!(
            "{}: dataDir is not set: {}.",
            set.file().source(),
            match set
                .warnings()
                .iter()
                .find(|line| line.ends_with(" dataDir.") || line.ends_with(" dataDir?"))
            {
                Some(misspelt) => misspelt.trim_end_matches(['.', '?']),
                None => "add a line dataDir=/path/to/a/folder",
            }
        ))),
        dir => Ok(PathBuf::from(dir)),
    }
}

fn relative_path(set: &mut Resolved, dir: &Path) {
    let text = dir.display().to_string();
    let known = format!("{text} is relative");
    if dir.is_relative()
        && !text.starts_with('.')
        && !set.warnings().iter().any(|line| line.starts_with(&known))
    {
        set.warn(format!("{known}. Prepend ./ to indicate that you're sure!"));
    }
}

fn client_port(set: &mut Resolved) -> Result<Option<ClientPort>, ConfigError> {
    let host = set.value("clientPortAddress").map(|value| value.text);
    let Some(port) = set.value("clientPort") else {
        if host.is_some() {
            return Err(ConfigError::invalid(format!(
                "{}: clientPortAddress is set but clientPort is not set: add a line clientPort=2181.",
                at(set, "clientPortAddress")
            )));
        }
        return Ok(None);
    };
    let place = port.place.clone();
    let port = port_number(set, "clientPort")?;
    let backlog = u32::try_from(set.int("clientPortListenBacklog")).ok();
    Ok(Some(ClientPort {
        host,
        port,
        backlog: backlog.filter(|&backlog| backlog > 0),
        place,
    }))
}

fn port_number(set: &mut Resolved, key: &str) -> Result<u16, ConfigError> {
    let number = set.int(key);
    u16::try_from(number).map_err(|_| {
        ConfigError::invalid(format!(
            "{}: port out of range: write a number from 1 to 65535.",
            at(set, key)
        ))
    })
}

fn session_times(set: &mut Resolved) -> Result<(i32, i32, i32), ConfigError> {
    let tick = set.int("tickTime");
    if tick <= 0 {
        return Err(ConfigError::invalid(format!(
            "{}: tickTime is not set: write a number of milliseconds over 0.",
            at(set, "tickTime")
        )));
    }
    let or_ticks = |value: i32, ticks: i32| match value {
        -1 => tick.saturating_mul(ticks),
        value => value,
    };
    let min = or_ticks(set.int("minSessionTimeout"), 2);
    let max = or_ticks(set.int("maxSessionTimeout"), 20);
    if min > max {
        return Err(ConfigError::invalid(format!(
            "{} ({min}) and {} ({max}): minSessionTimeout must not be larger than maxSessionTimeout.",
            at(set, "minSessionTimeout"),
            at(set, "maxSessionTimeout")
        )));
    }
    Ok((tick, min, max))
}

fn server_id(myid: Option<&str>, data_dir: &Path) -> Result<Option<i64>, ConfigError> {
    let Some(text) = myid else {
        return Ok(None);
    };
    let text = text.trim_end_matches('\r');
    text.parse().map(Some).map_err(|_| {
        let what = match text.trim() {
            "" => "has no number in its first line".to_owned(),
            // a file of any length may stand here
            _ => {
                let begin: String = text.chars().take(40).collect();
                format!("serverid {begin:?} is not a number")
            }
        };
        ConfigError::invalid(format!(
            "{}: {what}: write the N of this server's line server.N into it and nothing else.",
            data_dir.join("myid").display()
        ))
    })
}

/// The client address of this server's own line in a dynamic file counts, and must not contradict.
fn dynamic_client(
    client: Option<ClientPort>,
    quorum: &QuorumConfig,
    server_id: Option<i64>,
) -> Result<Option<ClientPort>, ConfigError> {
    let own = server_id.and_then(|id| quorum.server(id));
    let Some((own, (host, port))) = own.and_then(|s| Some((s, s.client.as_ref()?))) else {
        return Ok(client);
    };
    let any = |host: Option<&str>| matches!(host, None | Some("0.0.0.0" | "::"));
    if let Some(known) = &client {
        let same_host = any(known.host.as_deref()) || known.host.as_ref() == Some(host);
        if known.port != *port || !same_host {
            return Err(ConfigError::invalid(format!(
                "{}: the client address for this server (id = {}) is {}:{} there and {host}:{port} in {}: make them equal.",
                known.place,
                own.id,
                known.host.as_deref().unwrap_or("0.0.0.0"),
                known.port,
                own.place
            )));
        }
    }
    Ok(Some(ClientPort {
        host: (!any(Some(host))).then(|| host.clone()),
        port: *port,
        backlog: client.and_then(|client| client.backlog),
        place: own.place.clone(),
    }))
}

fn limits(set: &mut Resolved) -> Limits {
    let frame = set.int("jute.maxbuffer").clamp(0, LARGEST_FRAME);
    let at_least_0 = |value: i32| u32::try_from(value).unwrap_or(0);
    Limits {
        max_client_cnxns: at_least_0(set.int("maxClientCnxns")),
        max_cnxns: at_least_0(set.int("maxCnxns")),
        jute_max_buffer: usize::try_from(frame).unwrap_or_default(),
        sessionless_timeout_ms: u64::from(at_least_0(set.int("nio.sessionlessCnxnTimeout"))),
        keep_alive: set.bool("clientTcpKeepAlive"),
        global_outstanding: at_least_0(set.int("globalOutstandingLimit")).max(1),
        throttle_max_requests: at_least_0(set.int("request_throttle_max_requests")),
        throttled_op_wait_ms: u64::from(at_least_0(set.int("throttled_op_wait_time"))),
        stale_latency_check: set.bool("request_stale_latency_check"),
        drop_stale: set.bool("request_throttle_drop_stale"),
        connection_throttle: connection_throttle(set),
        large_request_max_bytes: u64::from(at_least_0(set.int("largeRequestMaxBytes"))),
        large_request_threshold: u64::try_from(set.int("largeRequestThreshold")).ok(),
    }
}

fn core(set: &mut Resolved) -> Result<Core, ConfigError> {
    let super_digest = set.text("DigestAuthenticationProvider.superDigest");
    let algorithm = set.text("DigestAuthenticationProvider.digestAlg");
    let Some(digest_algorithm) = Algorithm::from_name(&algorithm) else {
        return Err(ConfigError::invalid(format!(
            "{}: not a digest algorithm: write SHA1, SHA-256, SHA-384 or SHA-512.",
            at(set, "DigestAuthenticationProvider.digestAlg")
        )));
    };
    Ok(Core {
        digest_algorithm,
        skip_acl: set.text("skipACL") == "yes",
        enforce_quota: set.bool("enforceQuota"),
        extended_types: set.bool("extendedTypesEnabled"),
        emulate_353_ttl: set.bool("emulate353TTLNodes"),
        reconfig_enabled: set.bool("reconfigEnabled"),
        digest_enabled: set.bool("digest.enabled"),
        close_session_txn: set.bool("closeSessionTxn.enabled"),
        digest_auth: set.bool("DigestAuthenticationProvider.enabled"),
        super_digest: Some(super_digest).filter(|digest| !digest.is_empty()),
        container_check_interval_ms: u64::try_from(set.int("znode.container.checkIntervalMs"))
            .unwrap_or(0)
            .max(1),
        container_max_per_minute: u32::try_from(set.int("znode.container.maxPerMinute"))
            .unwrap_or(0)
            .max(1),
        container_max_never_used_ms: u64::try_from(
            set.long("znode.container.maxNeverUsedIntervalMs"),
        )
        .unwrap_or(0),
    })
}

fn files(set: &mut Resolved) -> Files {
    let over_0 = |value: i64| u64::try_from(value).ok().filter(|&value| value > 0);
    let retain = set.int("autopurge.snapRetainCount");
    if retain < 3 {
        set.warn(format!(
            "Invalid autopurge.snapRetainCount: {retain}. Defaulting to 3"
        ));
    }
    let snap_count = set.int("snapCount");
    if snap_count < 2 {
        set.warn("SnapCount should be 2 or more. Now, snapCount is reset to 2".to_owned());
    }
    let mut compression = set.text("snapshot.compression.method");
    if !matches!(compression.as_str(), "" | "gz" | "snappy") {
        set.warn(format!(
            "{}: snapshots are written without compression: write gz or snappy.",
            at(set, "snapshot.compression.method")
        ));
        compression.clear();
    }
    let purge = set.int("autopurge.purgeInterval");
    let pre_alloc = set.long("preAllocSize");
    let fsync = set.long("fsync.warningthresholdms");
    Files {
        pre_alloc_kb: u64::try_from(pre_alloc).unwrap_or(0),
        snap_count: u32::try_from(snap_count).unwrap_or(2).max(2),
        snap_size_limit_kb: over_0(set.long("snapSizeLimitInKb")),
        log_size_limit_kb: over_0(set.long("txnLogSizeLimitInKb")),
        force_sync: set.text("forceSync") != "no",
        fsync_warning_ms: u64::try_from(fsync).unwrap_or(0),
        autocreate_dir: set.bool("datadir.autocreate"),
        autocreate_db: set.bool("db.autocreate"),
        trust_empty_snapshot: set.bool("snapshot.trust.empty"),
        compression,
        last_processed_zxid: set.bool("serializeLastProcessedZxid.enabled"),
        retain: u32::try_from(retain).unwrap_or(3).max(3),
        purge_interval_hours: u32::try_from(purge).unwrap_or(0),
    }
}

/// `srvr` is always answered (zkServer.sh needs it), `isro` where read-only mode is on.
fn four_letter(set: &Resolved) -> FourLetter {
    let text = set.text("4lw.commands.whitelist");
    let words = text.split(',').map(str::trim);
    let mut enabled: Vec<String> = words
        .filter(|word| !word.is_empty() && *word != "*")
        .map(str::to_owned)
        .collect();
    let mut always = vec!["srvr"];
    if set.text("readonlymode.enabled") == "true" {
        always.push("isro");
    }
    for word in always {
        if !enabled.iter().any(|known| known == word) {
            enabled.push(word.to_owned());
        }
    }
    FourLetter {
        enabled,
        all: text.split(',').any(|word| word.trim() == "*"),
    }
}

fn admin(set: &mut Resolved) -> Result<Admin, ConfigError> {
    let idle = set.int("admin.idleTimeout");
    let mut command_url = set.text("admin.commandURL");
    if !command_url.starts_with('/') {
        command_url.insert(0, '/');
    }
    Ok(Admin {
        enabled: set.text("admin.enableServer") != "false",
        address: set.text("admin.serverAddress"),
        port: port_number(set, "admin.serverPort")?,
        idle_timeout_ms: u64::try_from(idle).unwrap_or(0),
        command_url,
        snapshot: set.bool("admin.snapshot.enabled"),
        restore: set.bool("admin.restore.enabled"),
        rate_interval_ms: u64::try_from(set.int("admin.rateLimiterIntervalInMS")).unwrap_or(0),
    })
}

fn metrics(set: &mut Resolved) -> Result<Metrics, ConfigError> {
    let class = set.text("metricsProvider.className");
    let (prometheus, off) = match class.as_str() {
        "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider" => (true, false),
        "org.apache.zookeeper.metrics.impl.DefaultMetricsProvider" => (false, false),
        "org.apache.zookeeper.metrics.impl.NullMetricsProvider" => (false, true),
        _ => {
            return Err(ConfigError::invalid(format!(
                "{}: metrics provider class was not found: \
                 DefaultMetricsProvider and NullMetricsProvider of org.apache.zookeeper.metrics.impl and \
                 org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider are built in.",
                at(set, "metricsProvider.className")
            )));
        }
    };
    Ok(Metrics {
        prometheus,
        host: set.text("metricsProvider.httpHost"),
        port: port_number(set, "metricsProvider.httpPort")?,
        export_process: set.bool("metricsProvider.exportJvmInfo"),
        off,
    })
}
