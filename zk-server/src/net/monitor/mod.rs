//! The figures of the server under Java's names: for `mntr`, the AdminServer's `monitor` and
//! Prometheus (Java: `ServerMetrics`, `ServerStats`, the metrics providers). All three read the same
//! [`Figures`].

mod figures;
mod member;
mod names;
mod namespaces;

use std::path::Path;

use proto::quorum::PeerState;
use proto::telemetry::MetricFamily;

use crate::core::Server;
use crate::core::conn::ConnStats;
use crate::core::io::Mode;
use crate::zab::leader::ProposalSizes;

use super::Net;
pub use figures::Figures;
pub use member::{Member, zab_name};

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Int(i64),
    Real(f64),
    Text(String),
}

/// Names and values as `mntr` prints them, without its `zk_`.
pub fn values(net: &Net) -> Vec<(String, Value)> {
    let mut values = vec![
        (
            "version".to_owned(),
            Value::Text(super::environment::full_version().to_owned()),
        ),
        (
            "server_state".to_owned(),
            Value::Text(mode(net).name().to_owned()),
        ),
    ];
    if let Some(member) = Member::of(net) {
        let state = Value::Text(member.state());
        values.push(("peer_state".to_owned(), state));
        if member.status.state == PeerState::Observing {
            let master = member.master.unwrap_or(-1);
            values.push(("observer_master_id".to_owned(), Value::Int(master)));
        }
    }
    if net.config.metrics.prometheus {
        // Java's mntr shows what the provider keeps, as that names it.
        for family in families(net) {
            samples(&family, &mut values);
        }
    } else if !net.config.metrics.off {
        Figures::of(net).values(&mut values);
    }
    values
}

fn mode(net: &Net) -> Mode {
    net.core.with(|server| server.mode()).unwrap_or_default()
}

/// The same for Prometheus.
pub fn families(net: &Net) -> Vec<MetricFamily> {
    let mut families = Figures::of(net).families();
    if net.config.metrics.export_process {
        driver::process::families(&mut families);
    }
    families
}

/// Every sample of a family under its name with labels (Java:
/// `PrometheusMetricsProvider.buildKeyForDump`).
#[allow(clippy::cast_precision_loss, reason = "Prometheus knows only doubles")]
fn samples(family: &MetricFamily, out: &mut Vec<(String, Value)>) {
    let name = family.name.as_deref().unwrap_or_default();
    for metric in &family.metric {
        let labels: Vec<String> = metric
            .label
            .iter()
            .map(|l| {
                let (name, value) = (l.name.as_deref(), l.value.as_deref());
                format!(
                    "{}=\"{}\"",
                    name.unwrap_or_default(),
                    value.unwrap_or_default()
                )
            })
            .collect();
        let mut put = |suffix: &str, rank: Option<f64>, value: f64| {
            let mut labels = labels.clone();
            labels.extend(rank.map(|rank| format!("quantile=\"{}\"", java_double(rank))));
            let labels = match labels.is_empty() {
                true => String::new(),
                false => format!("{{{}}}", labels.join(",")),
            };
            out.push((format!("{name}{suffix}{labels}"), Value::Real(value)));
        };
        let single = metric.counter.as_ref().and_then(|counter| counter.value);
        let single = single.or_else(|| metric.gauge.as_ref().and_then(|gauge| gauge.value));
        if let Some(value) = single {
            put("", None, value);
        }
        if let Some(summary) = &metric.summary {
            for quantile in &summary.quantile {
                put("", quantile.quantile, quantile.value.unwrap_or_default());
            }
            put(
                "_count",
                None,
                summary.sample_count.unwrap_or_default() as f64,
            );
            put("_sum", None, summary.sample_sum.unwrap_or_default());
        }
    }
}

/// `srst`
pub fn reset(net: &Net) {
    net.core.with(Server::reset_stats);
    net.counters.reset();
    net.admission.rejected.reset();
    net.guarded.reset();
    net.log.figures().reset();
    if let Some(ensemble) = net.core.ensemble() {
        ensemble.figures().reset();
    }
}

/// What `srvr` and `server_stats` show.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServerStats {
    pub mode: Mode,
    /// of a leader
    pub proposal_sizes: Option<ProposalSizes>,
    pub min_latency: u64,
    pub avg_latency: f64,
    pub max_latency: u64,
    pub received: u64,
    pub sent: u64,
    pub connections: usize,
    pub outstanding: usize,
    pub zxid: i64,
    pub node_count: usize,
    pub uptime_ms: u64,
    pub last_response: i64,
    pub min_response: i64,
    pub max_response: i64,
    pub auth_failed: u64,
}

impl ServerStats {
    pub fn of(net: &Net) -> Self {
        let now = net.core.now();
        let connections = net.core.connection_count();
        let proposal_sizes = Member::of(net).and_then(|member| member.proposal_sizes());
        net.core
            .with(|server| {
                let stats = server.stats();
                Self {
                    mode: server.mode(),
                    proposal_sizes,
                    min_latency: stats.latency.summary().min() / 1000,
                    avg_latency: milliseconds(stats.latency.summary().avg()),
                    max_latency: stats.latency.summary().max() / 1000,
                    received: stats.packets_received,
                    sent: stats.packets_sent,
                    connections,
                    outstanding: server.outstanding_requests(),
                    zxid: last_zxid(server),
                    node_count: server.database().tree().node_count(),
                    uptime_ms: now.mono_us.saturating_sub(server.started_us()) / 1000,
                    last_response: stats.last_response,
                    min_response: stats.min_response,
                    max_response: stats.max_response,
                    auth_failed: stats.auth_failed,
                }
            })
            .unwrap_or_default()
    }
}

/// A leader counts from the beginning of its epoch, before its first transaction.
fn last_zxid(server: &Server) -> i64 {
    let last = server.last_processed_zxid().0;
    match server.mode() {
        Mode::Leading => last.max(server.last_assigned().0 & !0xffff_ffff),
        _ => last,
    }
}

/// Latencies of one connection in milliseconds, as Java shows them before there are any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnLatency {
    pub last: u64,
    pub min: u64,
    pub avg: u64,
    pub max: u64,
}

impl ConnLatency {
    pub fn of(stats: &ConnStats) -> Self {
        Self {
            last: stats.last_latency_us / 1000,
            min: stats.min_latency_us.unwrap_or(0) / 1000,
            avg: stats.total_latency_us.checked_div(stats.count).unwrap_or(0) / 1000,
            max: stats.max_latency_us / 1000,
        }
    }
}

/// What `conf` shows (Java: `ZooKeeperServerConf`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conf {
    pub client_port: i64,
    pub data_dir: String,
    pub data_log_dir: String,
    pub tick_time: i32,
    pub max_client_cnxns: u32,
    pub min_session_timeout: i32,
    pub max_session_timeout: i32,
    pub server_id: i64,
    pub backlog: i64,
}

impl Conf {
    pub fn of(net: &Net) -> Self {
        let config = &net.config;
        let client = config.client.as_ref();
        Self {
            client_port: net.bound.get().map_or(-1, i64::from),
            data_dir: version_dir(&config.data_dir),
            data_log_dir: version_dir(&config.data_log_dir),
            tick_time: config.tick_time_ms,
            max_client_cnxns: config.limits.max_client_cnxns,
            min_session_timeout: config.min_session_timeout_ms,
            max_session_timeout: config.max_session_timeout_ms,
            // A standalone server does not take it from myid, in Java too.
            server_id: net.core.peer_status().map_or(0, |peer| peer.id),
            backlog: client.and_then(|c| c.backlog).map_or(-1, i64::from),
        }
    }
}

fn version_dir(dir: &Path) -> String {
    let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    dir.join(crate::store::facade::VERSION_DIR)
        .display()
        .to_string()
}

/// Bytes in the folders of snapshots and of the log.
pub fn dir_sizes(net: &Net) -> (u64, u64) {
    let size = |dir: &Path| size_of(&dir.join(crate::store::facade::VERSION_DIR), 0);
    (size(&net.config.data_dir), size(&net.config.data_log_dir))
}

fn size_of(dir: &Path, depth: u32) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return 0;
    };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() && depth < 8 => size_of(&entry.path(), depth + 1),
        Ok(found) => found.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

/// zxid and digest, oldest first (Java: `DataTree.getDigestLog`). Java notes one at every 128th
/// transaction.
pub fn digest_log(net: &Net) -> Vec<(i64, i64)> {
    let digests = net.core.with(|server| server.database().digest_log());
    digests.unwrap_or_default()
}

/// Microseconds as milliseconds with four digits, as Java rounds its averages.
fn milliseconds(us: f64) -> f64 {
    four_digits(us / 1000.0)
}

fn four_digits(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

/// `Double.toString` for the numbers that occur here.
pub fn java_double(value: f64) -> String {
    if value.abs() < 1e7 {
        return format!("{value:?}");
    }
    let text = format!("{value:E}");
    match text.split_once('E') {
        Some((digits, power)) if !digits.contains('.') => format!("{digits}.0E{power}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_print_as_in_java() {
        for (value, text) in [
            (0.0, "0.0"),
            (3.0, "3.0"),
            (0.5, "0.5"),
            (5.5555, "5.5555"),
            (12_345_678.0, "1.2345678E7"),
            (10_000_000.0, "1.0E7"),
        ] {
            assert_eq!(java_double(value), text);
        }
        assert!((four_digits(1.234_56) - 1.2346).abs() < 1e-9);
    }
}
