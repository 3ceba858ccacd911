//! The values of one broker in use: typed, defaulted and checked against each other. Built anew
//! when a dynamic configuration changes. Mirrors kafka.server.KafkaConfig.

use super::def::Value;
use super::keys;
use super::listeners::{EndPoint, Listeners};
use super::settings::{ConfigError, Settings, listener_key};
use super::topic::{TopicConfig, TopicOverrides};

/// How a field takes its value.
trait Field: Sized {
    fn from_value(value: Option<Value>) -> Option<Self>;
}

macro_rules! number_fields {
    ($($ty:ty),*) => {$(
        impl Field for $ty {
            fn from_value(value: Option<Value>) -> Option<Self> {
                match value { Some(Value::Number(n)) => n.try_into().ok(), _ => None }
            }
        }
    )*};
}
number_fields!(i16, i32, i64, u32, u64, usize);

impl Field for bool {
    fn from_value(value: Option<Value>) -> Option<Self> {
        match value {
            Some(Value::Bool(value)) => Some(value),
            _ => None,
        }
    }
}

impl Field for String {
    fn from_value(value: Option<Value>) -> Option<Self> {
        match value {
            Some(Value::Text(text)) => Some(text),
            None => Some(Self::new()),
            _ => None,
        }
    }
}

impl<T: Field> Field for Option<T> {
    fn from_value(value: Option<Value>) -> Option<Self> {
        match value {
            None => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

macro_rules! fields {
    ($($field:ident: $ty:ty = $key:literal),* $(,)?) => {
        /// The values in use, by the names of their keys.
        #[derive(Debug, Clone)]
        pub struct KafkaConfig {
            pub settings: Settings,
            /// what to bind
            pub listeners: Vec<EndPoint>,
            /// what to publish; an empty host stands for this host's name, port 0 for the bound one
            pub advertised_listeners: Vec<EndPoint>,
            pub inter_broker_listener: String,
            /// log.dirs, or log.dir
            pub log_dirs: Vec<String>,
            /// servers and chroot, blanks removed
            pub zookeeper_connect: String,
            /// what a topic without configuration of its own gets
            pub topic_defaults: TopicConfig,
            $(pub $field: $ty,)*
        }

        impl KafkaConfig {
            fn from_settings(settings: Settings, derived: Derived) -> Result<Self, ConfigError> {
                Ok(Self {
                    $($field: read(&settings, $key)?,)*
                    listeners: derived.listeners.bound,
                    advertised_listeners: derived.listeners.advertised,
                    inter_broker_listener: derived.listeners.inter_broker,
                    log_dirs: derived.log_dirs,
                    zookeeper_connect: derived.zookeeper_connect,
                    topic_defaults: derived.topic_defaults,
                    settings,
                })
            }
        }
    };
}

fields! {
    auto_create_topics_enable: bool = "auto.create.topics.enable",
    auto_leader_rebalance_enable: bool = "auto.leader.rebalance.enable",
    broker_id: i32 = "broker.id",
    broker_id_generation_enable: bool = "broker.id.generation.enable",
    broker_rack: Option<String> = "broker.rack",
    connections_max_idle_ms: i64 = "connections.max.idle.ms",
    controlled_shutdown_enable: bool = "controlled.shutdown.enable",
    controlled_shutdown_max_retries: i32 = "controlled.shutdown.max.retries",
    controlled_shutdown_retry_backoff_ms: i64 = "controlled.shutdown.retry.backoff.ms",
    controller_socket_timeout_ms: i32 = "controller.socket.timeout.ms",
    default_replication_factor: i32 = "default.replication.factor",
    delete_topic_enable: bool = "delete.topic.enable",
    fetch_max_bytes: i32 = "fetch.max.bytes",
    group_initial_rebalance_delay_ms: i32 = "group.initial.rebalance.delay.ms",
    group_max_session_timeout_ms: i32 = "group.max.session.timeout.ms",
    group_max_size: i32 = "group.max.size",
    group_min_session_timeout_ms: i32 = "group.min.session.timeout.ms",
    leader_imbalance_check_interval_seconds: i64 = "leader.imbalance.check.interval.seconds",
    leader_imbalance_per_broker_percentage: i32 = "leader.imbalance.per.broker.percentage",
    log_flush_offset_checkpoint_interval_ms: i32 = "log.flush.offset.checkpoint.interval.ms",
    log_flush_scheduler_interval_ms: i64 = "log.flush.scheduler.interval.ms",
    log_flush_start_offset_checkpoint_interval_ms: i32 = "log.flush.start.offset.checkpoint.interval.ms",
    log_initial_task_delay_ms: i64 = "log.initial.task.delay.ms",
    log_retention_check_interval_ms: i64 = "log.retention.check.interval.ms",
    max_connection_creation_rate: i32 = "max.connection.creation.rate",
    max_connections: i32 = "max.connections",
    max_connections_per_ip: i32 = "max.connections.per.ip",
    max_connections_per_ip_overrides: String = "max.connections.per.ip.overrides",
    max_incremental_fetch_session_cache_slots: i32 = "max.incremental.fetch.session.cache.slots",
    metrics_http_host: String = "metrics.http.host",
    metrics_http_port: Option<i32> = "metrics.http.port",
    num_io_threads: i32 = "num.io.threads",
    num_network_threads: i32 = "num.network.threads",
    num_partitions: i32 = "num.partitions",
    num_recovery_threads_per_data_dir: i32 = "num.recovery.threads.per.data.dir",
    offset_metadata_max_bytes: i32 = "offset.metadata.max.bytes",
    offsets_commit_required_acks: i16 = "offsets.commit.required.acks",
    offsets_commit_timeout_ms: i32 = "offsets.commit.timeout.ms",
    offsets_load_buffer_size: i32 = "offsets.load.buffer.size",
    offsets_retention_check_interval_ms: i64 = "offsets.retention.check.interval.ms",
    offsets_retention_minutes: i32 = "offsets.retention.minutes",
    offsets_topic_compression_codec: i32 = "offsets.topic.compression.codec",
    offsets_topic_num_partitions: i32 = "offsets.topic.num.partitions",
    offsets_topic_replication_factor: i16 = "offsets.topic.replication.factor",
    offsets_topic_segment_bytes: i32 = "offsets.topic.segment.bytes",
    producer_id_expiration_check_interval_ms: i32 = "producer.id.expiration.check.interval.ms",
    producer_id_expiration_ms: i32 = "producer.id.expiration.ms",
    queued_max_request_bytes: i64 = "queued.max.request.bytes",
    queued_max_requests: i32 = "queued.max.requests",
    replica_high_watermark_checkpoint_interval_ms: i64 = "replica.high.watermark.checkpoint.interval.ms",
    request_timeout_ms: i32 = "request.timeout.ms",
    reserved_broker_max_id: i32 = "reserved.broker.max.id",
    socket_connection_setup_timeout_max_ms: i64 = "socket.connection.setup.timeout.max.ms",
    socket_connection_setup_timeout_ms: i64 = "socket.connection.setup.timeout.ms",
    socket_listen_backlog_size: i32 = "socket.listen.backlog.size",
    socket_receive_buffer_bytes: i32 = "socket.receive.buffer.bytes",
    socket_request_max_bytes: i32 = "socket.request.max.bytes",
    socket_send_buffer_bytes: i32 = "socket.send.buffer.bytes",
    zookeeper_connection_timeout_ms: Option<i32> = "zookeeper.connection.timeout.ms",
    zookeeper_session_timeout_ms: i32 = "zookeeper.session.timeout.ms",
}

/// What takes more than one key, or more than one step.
struct Derived {
    listeners: Listeners,
    log_dirs: Vec<String>,
    zookeeper_connect: String,
    topic_defaults: TopicConfig,
}

fn read<T: Field>(settings: &Settings, name: &str) -> Result<T, ConfigError> {
    let value = match keys::broker_key(name) {
        Some(key) => settings.value(key)?,
        None => None,
    };
    T::from_value(value).ok_or_else(|| settings.invalid(name, "the value does not fit"))
}

impl KafkaConfig {
    /// Reads and checks everything, or says the first thing that is wrong.
    pub fn new(settings: Settings) -> Result<Self, ConfigError> {
        for key in keys::broker_keys() {
            settings.value(key)?;
        }
        refuse_what_is_not_served(&settings)?;
        let derived = Derived {
            listeners: Listeners::read(&settings)?,
            log_dirs: log_dirs(&settings)?,
            zookeeper_connect: zookeeper_connect(&settings)?,
            topic_defaults: TopicConfig::new(&settings, &TopicOverrides::new())?,
        };
        let config = Self::from_settings(settings, derived)?;
        config.check_ids()?;
        config.check_ranges()?;
        Ok(config)
    }

    /// The configuration of a topic with these overrides.
    pub fn topic(&self, overrides: &TopicOverrides) -> TopicConfig {
        TopicConfig::new(&self.settings, overrides).unwrap_or_else(|_| self.topic_defaults.clone())
    }

    /// Time that the first connection to ZooKeeper may take.
    /// A chroot after each server, of which there is one, at the end: Apache takes all from the
    /// first slash on.
    pub fn chroot_warning(&self) -> Option<String> {
        let (servers, chroot) = self.zookeeper_connect.split_once('/')?;
        if !chroot.contains([',', ':']) {
            return None;
        }
        Some(format!(
            "{}: zookeeper.connect={}: the chroot is all that follows the first slash, so the \
             server is {servers} and the chroot /{chroot}; write it once, after the last server: \
             host:port,host:port/chroot",
            self.settings.place("zookeeper.connect"),
            self.zookeeper_connect
        ))
    }

    pub fn zookeeper_connect_timeout_ms(&self) -> i32 {
        self.zookeeper_connection_timeout_ms
            .unwrap_or(self.zookeeper_session_timeout_ms)
    }

    /// Bytes of requests that may be in memory (queued.max.request.bytes, bounded even when it
    /// is -1, where Java sets no bound at all).
    pub fn request_memory(&self) -> usize {
        let max = usize::try_from(self.socket_request_max_bytes).unwrap_or(0);
        match usize::try_from(self.queued_max_request_bytes) {
            Ok(bytes) if bytes > 0 => bytes.max(max),
            _ => max.saturating_mul(4),
        }
    }

    /// `host:number` pairs of max.connections.per.ip.overrides.
    pub fn connections_per_host(&self) -> Result<Vec<(&str, usize)>, ConfigError> {
        const KEY: &str = "max.connections.per.ip.overrides";
        let pairs = self.max_connections_per_ip_overrides.split(',');
        let pairs = pairs.map(str::trim).filter(|pair| !pair.is_empty());
        let read = |pair: &'_ str| -> Option<(usize, usize)> {
            let (host, max) = pair.rsplit_once(':')?;
            let host = host.trim_end();
            Some((host.len(), max.trim().parse().ok()?)).filter(|_| !host.is_empty())
        };
        pairs
            .map(|pair| match read(pair) {
                Some((host, max)) => Ok((&pair[..host], max)),
                None => {
                    let problem = format!("{pair} is not host:number");
                    Err(self.settings.invalid(KEY, problem))
                }
            })
            .collect()
    }

    /// Values that are wrong only beside others (KafkaConfig.validateValues).
    fn check_against_each_other(&self) -> Result<(), ConfigError> {
        let long = |name: &str| read::<i64>(&self.settings, name);
        let int = |name: &str| read::<i32>(&self.settings, name).map(i64::from);
        let wait = int("replica.fetch.wait.max.ms")?;
        for (key, limit) in [
            (
                "replica.socket.timeout.ms",
                int("replica.socket.timeout.ms")?,
            ),
            ("replica.lag.time.max.ms", long("replica.lag.time.max.ms")?),
        ] {
            if wait > limit {
                let problem =
                    format!("it must be at least replica.fetch.wait.max.ms, which is {wait}");
                return Err(self.settings.invalid(key, problem));
            }
        }
        let threads = int("log.cleaner.threads")?.max(1);
        if long("log.cleaner.dedupe.buffer.size")? / threads <= 1 << 20 {
            let key = "log.cleaner.dedupe.buffer.size";
            let problem =
                format!("it must be more than 1 MB for each of {threads} cleaner threads");
            return Err(self.settings.invalid(key, problem));
        }
        Ok(())
    }

    fn check_ids(&self) -> Result<(), ConfigError> {
        let (id, max) = (self.broker_id, self.reserved_broker_max_id);
        if self.broker_id_generation_enable {
            if id < -1 || id > max {
                let problem = format!("it must be -1 to {max} (reserved.broker.max.id)");
                return Err(self.settings.invalid("broker.id", problem));
            }
        } else if id < 0 {
            return Err(self.settings.invalid("broker.id", "it must be 0 or more"));
        }
        Ok(())
    }

    fn check_ranges(&self) -> Result<(), ConfigError> {
        let invalid = |key: &str, problem: &str| Err(self.settings.invalid(key, problem));
        if self.queued_max_request_bytes != -1
            && self.queued_max_request_bytes < i64::from(self.socket_request_max_bytes)
            && self.queued_max_request_bytes != 0
        {
            return invalid(
                "queued.max.request.bytes",
                "it must be -1 or at least socket.request.max.bytes",
            );
        }
        if self.default_replication_factor < 1 {
            return invalid("default.replication.factor", "it must be 1 or more");
        }
        if self.offsets_commit_required_acks < -1
            || self.offsets_commit_required_acks > self.offsets_topic_replication_factor
        {
            let problem = "it must be -1 to offsets.topic.replication.factor";
            return invalid("offsets.commit.required.acks", problem);
        }
        if !(0..=4).contains(&self.offsets_topic_compression_codec) {
            return invalid("offsets.topic.compression.codec", "it must be 0 to 4");
        }
        if self.group_max_size < 1 {
            return invalid("group.max.size", "it must be 1 or more");
        }
        if self.max_connections_per_ip == 0 && self.max_connections_per_ip_overrides.is_empty() {
            let problem = "0 lets nobody in: set it to 1 or more, or name those who may come in \
                           max.connections.per.ip.overrides";
            return invalid("max.connections.per.ip", problem);
        }
        self.connections_per_host()?;
        self.check_against_each_other()?;
        // what counts for one listener is as valid as for all
        for name in self.settings.names() {
            let base = listener_key(name).and_then(keys::broker_key);
            let text = self.settings.text(name).map_or("", |(text, _)| text);
            if let Some(Err(problem)) = base.map(|key| key.parse(text)) {
                return Err(self.settings.invalid(name, problem));
            }
        }
        Ok(())
    }
}

/// Keys that ask for something whose silent absence would be worse than no start.
fn refuse_what_is_not_served(settings: &Settings) -> Result<(), ConfigError> {
    let text = |key: &str| settings.text(key).map_or("", |(text, _)| text.trim());
    let on = |key: &str| text(key).eq_ignore_ascii_case("true");
    let refuse = |key: &str, problem: &str| Err(settings.invalid(key, problem));
    if !text("process.roles").is_empty() {
        return refuse(
            "process.roles",
            "KRaft mode is not served: remove the line to run with ZooKeeper",
        );
    }
    for (key, what) in [
        ("zookeeper.metadata.migration.enable", "moving to KRaft"),
        ("remote.log.storage.system.enable", "tiered storage"),
        ("zookeeper.ssl.client.enable", "TLS towards ZooKeeper"),
        (
            "zookeeper.set.acl",
            "protecting znodes, which needs SASL towards ZooKeeper,",
        ),
    ] {
        if on(key) {
            return refuse(
                key,
                &format!("{what} is not served by this version: set it to false"),
            );
        }
    }
    const BUILDER: &str =
        "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder";
    for (key, harmless) in [
        ("authorizer.class.name", ""),
        ("create.topic.policy.class.name", ""),
        ("alter.config.policy.class.name", ""),
        ("client.quota.callback.class", ""),
        ("principal.builder.class", BUILDER),
    ] {
        if !text(key).is_empty() && text(key) != harmless {
            return refuse(
                key,
                "this Java class cannot be loaded and running without it would let \
                                through what it should stop: remove the line",
            );
        }
    }
    Ok(())
}

fn log_dirs(settings: &Settings) -> Result<Vec<String>, ConfigError> {
    let key = if settings.is_set("log.dirs") {
        "log.dirs"
    } else {
        "log.dir"
    };
    let text = settings
        .text(key)
        .map_or("/tmp/kafka-logs", |(text, _)| text);
    let dirs: Vec<String> = text
        .split(',')
        .map(str::trim)
        .filter(|dir| !dir.is_empty())
        .map(str::to_owned)
        .collect();
    if dirs.is_empty() {
        return Err(settings.invalid(key, "at least one log directory must be given"));
    }
    for (at, dir) in dirs.iter().enumerate() {
        if dirs[..at].contains(dir) {
            return Err(settings.invalid(key, format!("{dir} is given twice")));
        }
    }
    Ok(dirs)
}

/// `host:port,host:port/chroot` with the blanks that people put after commas taken out.
fn zookeeper_connect(settings: &Settings) -> Result<String, ConfigError> {
    const KEY: &str = "zookeeper.connect";
    let Some((text, _)) = settings.text(KEY) else {
        let problem = "add a line such as zookeeper.connect=localhost:2181";
        return Err(settings.missing(KEY, problem));
    };
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let (servers, chroot) = match text.find('/') {
        Some(at) => text.split_at(at),
        None => (text.as_str(), ""),
    };
    let servers: Vec<&str> = servers
        .split(',')
        .filter(|server| !server.is_empty())
        .collect();
    if servers.is_empty() {
        return Err(settings.invalid(KEY, "no server is named: write host:port"));
    }
    for server in &servers {
        let port = server
            .rsplit_once(':')
            .filter(|(host, _)| !host.ends_with(':'))
            .map(|(_, port)| port);
        if port.is_some_and(|port| !port.ends_with(']') && port.parse::<u16>().is_err()) {
            return Err(settings.invalid(KEY, format!("{server} is not host:port")));
        }
        let wrong = |c: char| !(c.is_alphanumeric() || ".-_:[]%".contains(c));
        if server.contains(wrong) {
            let problem = format!("{server} is not host:port (commas stand between servers)");
            return Err(settings.invalid(KEY, problem));
        }
    }
    let chroot = chroot.trim_end_matches('/');
    if chroot.contains("//") {
        return Err(settings.invalid(KEY, format!("{chroot} is no valid chroot path")));
    }
    Ok(servers.join(",") + chroot)
}

#[cfg(test)]
mod tests {
    use proto::properties::Properties;

    use super::*;

    fn config(text: &str) -> Result<KafkaConfig, String> {
        let text = format!("zookeeper.connect=localhost:2181\n{text}");
        let file = Properties::parse("f", text.as_bytes()).unwrap();
        KafkaConfig::new(Settings::new(file, &[]).unwrap()).map_err(|e| e.to_string())
    }

    #[test]
    fn a_file_with_zookeeper_alone_gives_kafkas_defaults() {
        let config = config("").unwrap();
        assert_eq!(config.num_partitions, 1);
        assert_eq!(config.broker_id, -1);
        assert_eq!(config.log_dirs, ["/tmp/kafka-logs"]);
        assert_eq!(config.zookeeper_session_timeout_ms, 18_000);
        assert_eq!(config.zookeeper_connect_timeout_ms(), 18_000);
    }

    #[test]
    fn zookeeper_connect_may_have_blanks_and_a_chroot() {
        let with = |value: &str| {
            let file =
                Properties::parse("f", format!("zookeeper.connect={value}").as_bytes()).unwrap();
            zookeeper_connect(&Settings::new(file, &[]).unwrap()).map_err(|e| e.to_string())
        };
        assert_eq!(
            with("a:2181, b:2181 ,c:2181/k/x/"),
            Ok("a:2181,b:2181,c:2181/k/x".into())
        );
        assert_eq!(with("a"), Ok("a".into()));
        assert_eq!(with("[::1]:2181"), Ok("[::1]:2181".into()));
        assert!(with("").is_err());
        assert!(with("a:x").is_err());
        for bad in ["a:1;b:2", "http://a:1"] {
            let why = with(bad).unwrap_err();
            assert!(why.contains("is not host:port"), "{why}");
        }
    }

    #[test]
    fn a_chroot_after_each_server_is_told() {
        let warning = |connect: &str| {
            let text = format!("zookeeper.connect={connect}");
            let file = Properties::parse("f", text.as_bytes()).unwrap();
            let settings = Settings::new(file, &[]).unwrap();
            KafkaConfig::new(settings).unwrap().chroot_warning()
        };
        assert_eq!(warning("a:1,b:2/kafka"), None);
        let why = warning("a:1/kafka,b:2/kafka").unwrap();
        assert!(why.starts_with("f, line 1: "), "{why}");
        assert!(why.contains("the chroot /kafka,b:2/kafka;"), "{why}");
    }

    #[test]
    fn refuses_what_it_cannot_honour() {
        for bad in [
            "process.roles=broker",
            "authorizer.class.name=kafka.security.authorizer.AclAuthorizer",
            "zookeeper.set.acl=true",
            "remote.log.storage.system.enable=true",
            "broker.id=2000",
            "log.dirs=,",
            "log.dirs=/a,/a",
            "log.retention.ms=0",
            "log.roll.ms=0",
            "log.roll.hours=0",
            "log.roll.jitter.ms=-1",
            "max.connections.per.ip=0",
            "max.connections.per.ip.overrides=host",
            "max.connections.per.ip.overrides=a:1,b:x",
            "replica.lag.time.max.ms=100",
            "log.cleaner.dedupe.buffer.size=1048576",
            "offsets.topic.compression.codec=9",
        ] {
            let error = config(bad).unwrap_err();
            assert!(error.starts_with("f, line 2: "), "{bad}: {error}");
        }
        assert!(config("authorizer.class.name=").is_ok());
        let config =
            config("max.connections.per.ip=0\nmax.connections.per.ip.overrides=a:1, ::1 : 2,");
        let config = config.unwrap();
        assert_eq!(
            config.connections_per_host().unwrap(),
            [("a", 1), ("::1", 2)]
        );
    }
}
