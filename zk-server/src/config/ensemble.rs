//! What makes a server a member of an ensemble, and how it is one (Java: `QuorumPeerConfig`, and the
//! properties that `QuorumPeer`, `Leader`, `Learner`, `QuorumCnxManager` read).

use std::path::{Path, PathBuf};

use proto::properties::Properties;

use super::error::ConfigError;
use super::quorum::{QuorumConfig, Role, addresses_twice};
use super::resolve::Resolved;
use super::settings::at;

/// How this server is a member. A server that is alone reads none of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Ensemble {
    pub init_limit: u32,
    pub sync_limit: u32,
    /// ticks; 0: `initLimit`
    pub connect_limit: u32,
    pub listen_on_all: bool,
    pub multi_address: bool,
    /// of servers with several addresses; `None`: `cnxTimeout`
    pub reachability_ms: Option<u64>,
    /// `cnxTimeout` in milliseconds
    pub connect_timeout_ms: u64,
    /// 0: for ever
    pub election_bind_retries: u32,
    pub keep_alive: bool,
    pub min_notification_ms: u64,
    pub max_notification_ms: u64,
    /// negative: no limit of its own
    pub max_wait_for_epoch_ms: i64,
    /// `leader.ackLoggingFrequency`; 0: none is measured
    pub ack_frequency: i64,
    pub max_snap_syncs: usize,
    pub max_diff_syncs: usize,
    pub connect_retry_ms: u64,
    pub force_snapshot_sync: bool,
    /// negative: no sync from the log
    pub snapshot_size_factor: f64,
    pub commit_log_count: usize,
    pub leader_nodelay: bool,
    pub follower_nodelay: bool,
    pub read_only: bool,
    /// `observerMasterPort`
    pub observer_port: Option<u16>,
    pub observer_reconnect_delay_ms: u64,
    pub observer_election_delay_ms: u64,
    /// `oraclePath`: the file says whether this one of two servers goes on alone
    pub oracle: Option<PathBuf>,
    /// observers write log and snapshots
    pub sync_enabled: bool,
    pub local_sessions: bool,
    pub local_sessions_upgrading: bool,
    pub leader_serves: bool,
    pub standalone_enabled: bool,
    pub eager_acl_check: bool,
}

/// The members as the files list them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Members {
    pub quorum: QuorumConfig,
    /// zoo.cfg itself lists them
    pub in_config: bool,
    /// This server is one of several (Java: `isDistributed`).
    pub distributed: bool,
    /// proposed when this server last ran, and not in use
    pub last_seen: Option<QuorumConfig>,
}

/// Texts of the files that list members.
pub(super) struct MemberFiles<'a> {
    /// `dynamicConfigFile`
    pub(super) dynamic: Option<&'a Properties>,
    /// `zoo.cfg.dynamic.next`
    pub(super) next: Option<&'a Properties>,
    pub(super) server_id: Option<i64>,
    pub(super) data_dir: &'a Path,
    /// see [`super::Sources`]
    pub(super) no_data_dir: Option<&'static str>,
}

pub(super) fn members(set: &mut Resolved, files: &MemberFiles<'_>) -> Result<Members, ConfigError> {
    let multi = set.bool("multiAddress.enabled");
    let quorum = match files.dynamic {
        Some(file) => dynamic_members(set, file, multi)?,
        None => QuorumConfig::parse(set.file(), false, multi)?,
    };
    let role = set.text("peerType");
    let Some(role) = Role::parse(&role) else {
        return Err(ConfigError::invalid(format!(
            "{}: Unrecognised peertype: write participant or observer.",
            at(set, "peerType")
        )));
    };
    let distributed = judge(set, &quorum)?;
    if distributed {
        let listed = files.server_id.and_then(|id| quorum.server(id));
        let listed = listed.map_or(Role::Participant, |server| server.role);
        if listed != role {
            set.warn(format!(
                "{}: Peer type from servers list ({}) doesn't match peerType ({}). Defaulting to \
                 servers list.",
                at(set, "peerType"),
                role_name(listed),
                role_name(role)
            ));
        }
        check(set, &quorum, files)?;
    }
    let last_seen = match files.next.filter(|_| files.dynamic.is_some()) {
        Some(file) => Some(QuorumConfig::parse(file, true, multi)?),
        None => None,
    };
    Ok(Members {
        quorum,
        in_config: files.dynamic.is_none(),
        distributed,
        last_seen,
    })
}

fn dynamic_members(
    set: &Resolved,
    file: &Properties,
    multi: bool,
) -> Result<QuorumConfig, ConfigError> {
    if let Some(place) = file.place("version") {
        return Err(ConfigError::invalid(format!(
            "{place}: dynamic file shouldn't have version inside: take the line out."
        )));
    }
    let outside = set.file().iter().find(|property| {
        let key = property.key.trim();
        ["server.", "group", "weight"]
            .iter()
            .any(|p| key.starts_with(p))
    });
    if let Some(property) = outside {
        return Err(ConfigError::invalid(format!(
            "{}, line {}: parameter: {} must be in a separate dynamic config file.",
            set.file().source(),
            property.line,
            property.key
        )));
    }
    let mut quorum = QuorumConfig::parse(file, true, multi)?;
    quorum.version = version_of(Path::new(&**file.source()));
    Ok(quorum)
}

/// The hexadecimal number that ends the name of a dynamic file (Java: `getVersionFromFilename`).
fn version_of(file: &Path) -> i64 {
    let name = file.file_name().and_then(|name| name.to_str());
    let end = name.and_then(|name| name.rsplit_once('.'));
    end.and_then(|(_, version)| i64::from_str_radix(version, 16).ok())
        .unwrap_or(0)
}

/// Whether these servers make an ensemble (Java: `parseDynamicConfig`, `isDistributed`).
fn judge(set: &mut Resolved, quorum: &QuorumConfig) -> Result<bool, ConfigError> {
    let standalone = set.bool("standaloneEnabled");
    let voters = quorum.voters();
    let refuse = |place: String, why: &str| Err(ConfigError::invalid(format!("{place}: {why}.")));
    if voters == 0 && !standalone {
        return refuse(
            at(set, "standaloneEnabled"),
            "standaloneEnabled = false then number of participants should be >0",
        );
    }
    let observer = quorum.servers.iter().find(|s| s.role == Role::Observer);
    if let (Some(observer), 0) = (observer, voters) {
        return refuse(
            observer.place.to_string(),
            "Observers w/o participants is an invalid configuration",
        );
    }
    if voters == 1 && standalone {
        if let Some(observer) = observer {
            return refuse(
                observer.place.to_string(),
                "Observers w/o quorum is an invalid configuration",
            );
        }
        set.warn(format!(
            "{}: only one server specified (ignoring): this server runs standalone.",
            quorum.servers[0].place
        ));
        return Ok(false);
    }
    if voters == 0 {
        return Ok(false);
    }
    if voters <= 2 {
        set.warn(format!(
            "{}: the list has {voters} server{} with a vote. No server failure will be tolerated. You need at \
             least 3 servers.",
            quorum.servers[0].place,
            if voters == 1 { "" } else { "s" }
        ));
    } else if voters % 2 == 0 {
        set.warn(format!(
            "{}: the list has {voters} servers with a vote. Non-optimal configuration, consider an odd number \
             of servers.",
            quorum.servers[0].place
        ));
    }
    Ok(true)
}

/// What an ensemble needs (Java: `checkValidity`, `QuorumPeer.start`), and what this server does not
/// have.
fn check(
    set: &mut Resolved,
    quorum: &QuorumConfig,
    files: &MemberFiles<'_>,
) -> Result<(), ConfigError> {
    let source = set.file().source().clone();
    for key in ["initLimit", "syncLimit"] {
        if set.int(key) <= 0 {
            let place = match set.value(key) {
                Some(_) => at(set, key),
                None => source.to_string(),
            };
            return Err(ConfigError::invalid(format!(
                "{place}: {key} is not set: an ensemble needs it, for instance {key}={}.",
                if key == "initLimit" { 10 } else { 5 }
            )));
        }
    }
    let Some(id) = files.server_id else {
        return Err(no_myid(set, files));
    };
    if quorum.server(id).is_none() {
        return Err(not_listed(set, quorum, files, id));
    }
    warn_of_addresses_twice(set, quorum);
    let observers = set.int("observerMasterPort");
    if observers > i32::from(u16::MAX) {
        return Err(ConfigError::invalid(format!(
            "{}: observerMasterPort={observers}: a port is a number up to 65535.",
            at(set, "observerMasterPort")
        )));
    }
    for (key, harmless, why) in MISSING {
        let Some(value) = set.value(key) else {
            continue;
        };
        if !harmless
            .iter()
            .any(|off| value.text.eq_ignore_ascii_case(off))
        {
            return Err(ConfigError::invalid(format!(
                "{}: {key}={}: {why}.",
                value.place, value.text
            )));
        }
    }
    Ok(())
}

/// The line of `dataDir` is named too: a wrong folder is as likely as a forgotten file.
fn no_myid(set: &Resolved, files: &MemberFiles<'_>) -> ConfigError {
    let myid = files.data_dir.join("myid");
    let why = match files.no_data_dir {
        Some(what) => format!("{} {what}: correct dataDir, or", files.data_dir.display()),
        None => format!("there is no {}:", myid.display()),
    };
    ConfigError::invalid(format!(
        "{}: myid file is missing: {why} write the N of this server's line server.N into the file {} \
         (zkServer-initialize.sh --myid=N does it).",
        at(set, "dataDir"),
        myid.display()
    ))
}

/// Java: "My id N not in the peer list". Of a dynamic file the operator may never have heard: an ensemble
/// writes it that has taken this server out, or one that a server has come to and is no member of yet.
fn not_listed(
    set: &Resolved,
    quorum: &QuorumConfig,
    files: &MemberFiles<'_>,
    id: i64,
) -> ConfigError {
    let known: Vec<String> = quorum.servers.iter().map(|s| s.id.to_string()).collect();
    let known = known.join(", ");
    let file = set.file().source();
    let myid = files.data_dir.join("myid");
    let (place, what_to_do) = match files.dynamic {
        None => (
            file.to_string(),
            format!("change the number in that file or add a line server.{id}=host:2888:3888"),
        ),
        Some(dynamic) => (
            format!("{} ({})", dynamic.source(), at(set, "dynamicConfigFile")),
            format!(
                "the ensemble wrote this file, and has taken this server out or not taken it in yet. To let it \
                 join, copy {file}.bak, which has your own lines, back to {file}, start this server, and say \
                 reconfig -add server.{id}=... in zkCli.sh"
            ),
        ),
    };
    ConfigError::unexpected(format!(
        "{place}: My id {id} not in the peer list: {} says {id}, and the servers are {known}: {what_to_do}.",
        myid.display()
    ))
}

/// Java starts all the same, and a leader of Java's may have committed it: one of the two never gets its
/// port, the others serve.
fn warn_of_addresses_twice(set: &mut Resolved, quorum: &QuorumConfig) {
    for twice in addresses_twice(quorum) {
        set.warn(format!(
            "{}: server.{} and server.{} ({}) both have {}:{}: two servers cannot listen at one address, \
             correct one of the lines on all servers.",
            twice.server.place,
            twice.server.id,
            twice.other.id,
            twice.other.place,
            twice.host,
            twice.port
        ));
    }
}

/// Keys that an ensemble would have to obey, the values that ask for nothing, and the refusal.
const MISSING: &[(&str, &[&str], &str)] = &[
    (
        "sslQuorum",
        &["false"],
        "TLS between servers is not served by this build: take the line out on all servers, or keep \
         Apache's ZooKeeper",
    ),
    (
        "portUnification",
        &["false"],
        "TLS between servers is not served by this build: take the line out",
    ),
    (
        "quorum.auth.enableSasl",
        &["false"],
        "SASL between servers is not served by this build: take the line out on all servers, or keep \
         Apache's ZooKeeper",
    ),
];

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Participant => "PARTICIPANT",
        Role::Observer => "OBSERVER",
    }
}

pub(super) fn ensemble(set: &mut Resolved) -> Ensemble {
    let at_least_0 = |value: i32| u32::try_from(value).unwrap_or(0);
    let ms = |value: i64| u64::try_from(value).unwrap_or(0);
    let many = |value: i32| usize::try_from(value).unwrap_or(0);
    Ensemble {
        init_limit: at_least_0(set.int("initLimit")),
        sync_limit: at_least_0(set.int("syncLimit")),
        connect_limit: at_least_0(set.int("connectToLearnerMasterLimit")),
        listen_on_all: set.bool("quorumListenOnAllIPs"),
        multi_address: set.bool("multiAddress.enabled"),
        reachability_ms: set
            .bool("multiAddress.reachabilityCheckEnabled")
            .then(|| ms(set.int("multiAddress.reachabilityCheckTimeoutMs").into())),
        connect_timeout_ms: ms(set.long("cnxTimeout")),
        election_bind_retries: at_least_0(set.int("electionPortBindRetry")),
        keep_alive: set.bool("tcpKeepAlive"),
        min_notification_ms: ms(set.long("fastleader.minNotificationInterval")),
        max_notification_ms: ms(set.long("fastleader.maxNotificationInterval")),
        max_wait_for_epoch_ms: set.long("leader.maxTimeToWaitForEpoch"),
        ack_frequency: set.int("leader.ackLoggingFrequency").max(0).into(),
        max_snap_syncs: many(set.int("leader.maxConcurrentSnapSyncs")),
        max_diff_syncs: many(set.int("leader.maxConcurrentDiffSyncs")),
        connect_retry_ms: ms(set.long("leaderConnectDelayDuringRetryMs")),
        force_snapshot_sync: set.bool("forceSnapshotSync"),
        snapshot_size_factor: set.float("snapshotSizeFactor"),
        commit_log_count: many(set.int("commitLogCount")),
        leader_nodelay: set.bool("leader.nodelay"),
        follower_nodelay: set.bool("follower.nodelay"),
        read_only: set.bool("readonlymode.enabled"),
        observer_port: u16::try_from(set.int("observerMasterPort"))
            .ok()
            .filter(|&port| port > 0),
        observer_reconnect_delay_ms: ms(set.long("observer.reconnectDelayMs")),
        observer_election_delay_ms: ms(set.long("observer.election.DelayMs")),
        oracle: Some(set.text("oraclePath"))
            .filter(|path| !path.is_empty())
            .map(PathBuf::from),
        // as in Java: the property has the last word
        sync_enabled: match set.value("observer.syncEnabled") {
            Some(_) => set.bool("observer.syncEnabled"),
            None => set.bool("syncEnabled"),
        },
        local_sessions: set.bool("localSessionsEnabled"),
        local_sessions_upgrading: set.bool("localSessionsUpgradingEnabled"),
        // as Java: only "no" means no
        leader_serves: set.text("leaderServes") != "no",
        standalone_enabled: set.bool("standaloneEnabled"),
        eager_acl_check: set.bool("enableEagerACLCheck"),
    }
}
