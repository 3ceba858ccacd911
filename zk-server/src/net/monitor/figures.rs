//! All figures at one moment, by Java's names.

use driver::metrics::Summary;
use proto::telemetry::{Metric, MetricFamily, MetricType};

use crate::core::io::Mode;
use crate::core::stats::{Latency, Sums};
use crate::net::admin::GuardedFigures;
use crate::net::{Net, environment};
use crate::peer::Peer;
use crate::threads::ensemble::ElectionFigures;
use crate::threads::log::LogFigures;
use crate::zab::Leader;

use super::member::Member;
use super::names::{ADVANCED, BASIC, BY_SERVER, COUNTERS, GAUGES};
use super::namespaces::NamespaceFigures;
use super::{ServerStats, Value, four_digits};

/// Count, sum, least and largest; percentiles where they are kept.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum {
    pub(super) count: u64,
    pub(super) sum: u64,
    min: u64,
    max: u64,
    /// 50, 95, 99, 99.9 and 90 of a hundred
    pub(super) ranks: [u64; 5],
}

/// `mntr` prints those with a name.
const RANKS: [(Option<&str>, f64); 5] = [
    (Some("p50"), 0.5),
    (Some("p95"), 0.95),
    (Some("p99"), 0.99),
    (Some("p999"), 0.999),
    (None, 0.9),
];

/// The quantiles that Java's provider declares for advanced summaries, and where they stand.
const ADVANCED_RANKS: &[(usize, f64)] = &[(0, 0.5), (4, 0.9), (2, 0.99)];

fn acks(peer: &Peer) -> Vec<(String, Sum)> {
    let all = peer.leader().map(Leader::ack_ms).into_iter().flatten();
    all.map(|(server, ms)| (server.to_string(), Sum::of(ms)))
        .collect()
}

#[allow(clippy::cast_precision_loss, reason = "Prometheus knows only doubles")]
fn by_key((server, sum): &(String, Sum)) -> Metric {
    let ranks = sum.quantiles(ADVANCED_RANKS);
    Metric::summary(sum.count, sum.sum as f64, &ranks).labelled("key", server)
}

/// What the core counts, copied out under its lock.
#[derive(Debug, Default)]
struct CoreFigures {
    stats: crate::core::stats::Stats,
    ephemerals: usize,
    watches: usize,
    sessions: usize,
    data_size: i64,
    digest_mismatches: u64,
    proposals: usize,
    drop_chance: f64,
    namespaces: NamespaceFigures,
}

#[derive(Debug)]
pub struct Figures {
    server: ServerStats,
    core: CoreFigures,
    log: LogFigures,
    rejected: u64,
    sessionless_expired: u64,
    dropped: u64,
    open_files: u64,
    max_files: u64,
    startup: crate::net::Startup,
    guarded: GuardedFigures,
    /// what a leader has of each server of the ensemble
    ack_ms: Vec<(String, Sum)>,
    /// of a member of an ensemble
    member: Vec<(&'static str, Value)>,
    elections: ElectionFigures,
}

impl Figures {
    pub fn of(net: &Net) -> Self {
        let core = net.core.with(|server| {
            let tree = server.database().tree();
            CoreFigures {
                stats: server.stats().clone(),
                ephemerals: tree.ephemeral_count(),
                watches: server.watch_count(),
                sessions: server.database().sessions().len(),
                data_size: tree.approximate_data_size(),
                digest_mismatches: server.database().digest_mismatches(),
                proposals: server.outstanding_proposals(),
                drop_chance: server.connection_drop_chance(),
                namespaces: NamespaceFigures::of(server),
            }
        });
        Self {
            server: ServerStats::of(net),
            core: core.unwrap_or_default(),
            log: net.log.figures().clone(),
            rejected: net.admission.rejected.get(),
            sessionless_expired: net.counters.sessionless_expired.get(),
            dropped: net.counters.dropped.get(),
            open_files: environment::open_file_count(),
            max_files: net.open_files.soft,
            startup: net.startup,
            guarded: net.guarded.figures(),
            ack_ms: net.core.with_peer(|peer| acks(peer)).unwrap_or_default(),
            member: Member::of(net).map_or_else(Vec::new, |member| member.gauges(net)),
            elections: match net.core.ensemble() {
                Some(ensemble) => ensemble.figures().clone(),
                None => ElectionFigures::default(),
            },
        }
    }

    pub(super) fn values(&self, out: &mut Vec<(String, Value)>) {
        for name in GAUGES {
            out.push((name.to_owned(), self.gauge(name)));
        }
        let member = self.member.iter();
        out.extend(member.map(|(name, value)| ((*name).to_owned(), value.clone())));
        for name in COUNTERS {
            out.push((name.to_owned(), int(self.counter(name))));
        }
        for name in BASIC {
            self.sum(name).values(name, false, out);
        }
        for name in ADVANCED {
            self.sum(name).values(name, true, out);
        }
        for (server, sum) in &self.ack_ms {
            sum.values(&format!("{server}_ack_latency"), true, out);
        }
        self.core.namespaces.values(out);
    }

    #[allow(clippy::cast_precision_loss, reason = "Prometheus knows only doubles")]
    pub(super) fn families(&self) -> Vec<MetricFamily> {
        let own = GAUGES.iter().map(|name| (*name, self.gauge(name)));
        let gauges = own.chain(self.member.iter().cloned()).map(|(name, value)| {
            let value = match value {
                Value::Int(value) => value as f64,
                Value::Real(value) => value,
                Value::Text(_) => 0.0,
            };
            MetricFamily::gauge(name, name, value)
        });
        let counters = COUNTERS
            .iter()
            .map(|name| MetricFamily::counter(name, name, self.counter(name) as f64));
        let summary = |name: &&str, ranks: &[(usize, f64)]| {
            let sum = self.sum(name);
            MetricFamily::summary(name, name, sum.count, sum.sum as f64, &sum.quantiles(ranks))
        };
        // The quantiles that Java's provider declares for each level of detail.
        let basic = BASIC.iter().map(|name| summary(name, &[(0, 0.5)]));
        let advanced = ADVANCED.iter().map(|name| summary(name, ADVANCED_RANKS));
        let by_server = BY_SERVER.iter().map(|name| {
            let all = match *name {
                "ack_latency" => self.ack_ms.iter().map(by_key).collect(),
                _ => Vec::new(),
            };
            MetricFamily::of(name, name, MetricType::Summary, all)
        });
        gauges
            .chain(counters)
            .chain(basic)
            .chain(advanced)
            .chain(self.core.namespaces.families())
            .chain(by_server)
            .collect()
    }

    fn gauge(&self, name: &str) -> Value {
        let server = &self.server;
        match name {
            "ephemerals_count" => size(self.core.ephemerals),
            "num_alive_connections" => size(server.connections),
            "avg_latency" => Value::Real(server.avg_latency),
            "outstanding_requests" => size(server.outstanding),
            "znode_count" => size(server.node_count),
            "global_sessions" => size(self.core.sessions),
            "last_client_response_size" => Value::Int(server.last_response),
            "packets_sent" => int(server.sent),
            "packets_received" => int(server.received),
            "max_client_response_size" => Value::Int(server.max_response),
            "connection_drop_probability" => Value::Real(self.core.drop_chance),
            "watch_count" => size(self.core.watches),
            "auth_failed_count" => int(server.auth_failed),
            "min_latency" => int(server.min_latency),
            "max_file_descriptor_count" => int(self.max_files),
            "approximate_data_size" => Value::Int(self.core.data_size),
            "open_file_descriptor_count" => int(self.open_files),
            "uptime" => int(server.uptime_ms),
            "max_latency" => int(server.max_latency),
            "min_client_response_size" => Value::Int(server.min_response),
            _ => Value::Int(0),
        }
    }

    fn leads(&self) -> bool {
        self.server.mode == Mode::Leading
    }

    fn counter(&self, name: &str) -> u64 {
        let stats = &self.core.stats;
        match name {
            "throttled_ops" => stats.throttled_ops,
            "connection_rejected" => self.rejected + stats.connections_throttled,
            "watch_bytes" => stats.watch_bytes,
            "stale_requests" => stats.stale_requests,
            "stale_requests_dropped" => stats.stale_requests_dropped,
            "request_throttle_wait_count" => stats.throttle_waits,
            "ensemble_auth_success" => stats.ensemble_auth_ok,
            "ensemble_auth_fail" => stats.ensemble_auth_failed,
            "ensemble_auth_skip" => stats.ensemble_auth_skipped,
            "sessionless_connections_expired" => self.sessionless_expired,
            "connection_drop_count" => self.dropped,
            "bytes_received_count" => stats.bytes_received,
            "response_bytes" => stats.bytes_sent,
            "connection_revalidate_count" => stats.connection_revalidations,
            "prep_processor_request_queued" => stats.latency.summary().count(),
            "sync_processor_request_queued" => stats.latency.summary().count(),
            "outstanding_changes_queued" => {
                stats.update_latency.summary().count() + self.core.proposals as u64
            }
            "outstanding_changes_removed" => stats.update_latency.summary().count(),
            "large_requests_rejected" => stats.large_requests_rejected,
            "digest_mismatches_count" => self.core.digest_mismatches,
            "snapshot_error_count" => self.log.snapshot_errors + self.guarded.snapshot_errors,
            "snapshot_rate_limited_count" => self.guarded.snapshots_limited,
            "restore_error_count" => self.guarded.restore_errors,
            "restore_rate_limited_count" => self.guarded.restores_limited,
            "connection_request_count" => stats.connection_requests,
            "proposal_count" if self.leads() => stats.proposed,
            "commit_count" if self.leads() => stats.committed,
            "request_commit_queued" => stats.committed,
            "learner_proposal_received_count" => stats.proposals_received,
            "learner_commit_received_count" if !self.leads() => stats.committed,
            "revalidate_count" => stats.revalidations,
            "snap_count" => stats.snapshots + self.elections.snaps,
            "stale_sessions_expired" => stats.sessions_expired,
            "looking_count" => self.elections.looking,
            "diff_count" => self.elections.diffs,
            _ => 0,
        }
    }

    fn sum(&self, name: &str) -> Sum {
        let stats = &self.core.stats;
        match name {
            "fsynctime" | "sync_process_time" => Sum::of(&self.log.fsync_ms),
            "sync_processor_batch_size" => Sum::of(&self.log.batch_size),
            "sync_processor_queue_and_flush_time_ms" | "sync_processor_queue_flush_time_ms" => {
                Sum::of(&self.log.fsync_ms)
            }
            "restore_time" => Sum::of(&self.guarded.restore_ms),
            "proposal_latency" => Sum::of(&stats.proposal_ms),
            "proposal_ack_creation_latency" => Sum::of(&stats.logged_ms),
            // A transaction is applied when its quorum, or its commit, is there.
            "propagation_latency" => Sum::of(&stats.applied_ms),
            "quorum_ack_latency" if self.leads() => Sum::of(&stats.applied_ms),
            "commit_propagation_latency" if !self.leads() => Sum::of(&stats.applied_ms),
            "learner_request_processor_queue_size" => Sum::of_sums(&stats.forwards_waiting),
            // What waits is taken as one batch.
            "sync_processor_queue_size" => Sum::of(&self.log.batch_size),
            "follower_sync_time" => Sum::of(&self.elections.follower_sync_ms),
            "observer_sync_time" => Sum::of(&self.elections.observer_sync_ms),
            "inflight_diff_count" => Sum::of_sums(&self.elections.diffs_in_flight),
            "inflight_snap_count" => Sum::of_sums(&self.elections.snaps_in_flight),
            "snapshottime" => Sum::of(&self.log.snapshot_ms),
            "readlatency" => Sum::of_latency(&stats.read_latency),
            "updatelatency" => Sum::of_latency(&stats.update_latency),
            "election_time" => Sum::of(&self.elections.election_ms),
            "unavailable_time" => Sum::of(&self.elections.unavailable_ms),
            "leader_unavailable_time" => Sum::of(&self.elections.leader_unavailable_ms),
            "dbinittime" => Sum::once(self.startup.load_ms),
            "startup_txns_loaded" => Sum::once(self.startup.replayed),
            "startup_snap_load_time" => Sum::once(self.startup.load_ms),
            "connection_token_deficit" => Sum::of_sums(&stats.token_deficit),
            "node_created_watch_count" => Sum::total(stats.node_created_watches),
            "node_deleted_watch_count" => Sum::total(stats.node_deleted_watches),
            "node_changed_watch_count" => Sum::total(stats.node_changed_watches),
            "node_children_watch_count" => Sum::total(stats.node_children_watches),
            _ => Sum::default(),
        }
    }
}

impl Sum {
    /// Of nothing there are none, as Java's library says it.
    #[allow(clippy::cast_precision_loss, reason = "Prometheus knows only doubles")]
    pub(super) fn quantiles(&self, ranks: &[(usize, f64)]) -> Vec<(f64, f64)> {
        let value = |at: usize| match self.count {
            0 => f64::NAN,
            _ => self.ranks[at] as f64,
        };
        ranks.iter().map(|(at, rank)| (*rank, value(*at))).collect()
    }

    pub(super) fn of(summary: &Summary) -> Self {
        Self {
            count: summary.count(),
            sum: summary.sum(),
            min: summary.min(),
            max: summary.max(),
            ranks: RANKS.map(|(_, rank)| summary.percentile(rank)),
        }
    }

    fn of_sums(sums: &Sums) -> Self {
        Self {
            count: sums.count,
            sum: sums.sum,
            min: sums.min,
            max: sums.max,
            ranks: Default::default(),
        }
    }

    fn of_latency(latency: &Latency) -> Self {
        let us = latency.summary();
        Self {
            count: us.count(),
            sum: us.sum() / 1000,
            min: us.min() / 1000,
            max: us.max() / 1000,
            ranks: RANKS.map(|(_, rank)| us.percentile(rank) / 1000),
        }
    }

    /// One event with this value.
    fn once(value: u64) -> Self {
        Self {
            count: 1,
            sum: value,
            min: value,
            max: value,
            ranks: [value; 5],
        }
    }

    /// Events of which only their number is known.
    fn total(count: u64) -> Self {
        Self {
            count,
            sum: count,
            min: u64::from(count > 0),
            max: u64::from(count > 0),
            ranks: [u64::from(count > 0); 5],
        }
    }

    pub(super) fn values(&self, name: &str, ranks: bool, out: &mut Vec<(String, Value)>) {
        #[allow(clippy::cast_precision_loss, reason = "an average is a fraction")]
        let avg = match self.count {
            0 => 0.0,
            count => four_digits(self.sum as f64 / count as f64),
        };
        out.push((format!("avg_{name}"), Value::Real(avg)));
        for (what, value) in [
            ("min", self.min),
            ("max", self.max),
            ("cnt", self.count),
            ("sum", self.sum),
        ] {
            out.push((format!("{what}_{name}"), int(value)));
        }
        if ranks {
            for ((what, _), value) in RANKS.iter().zip(self.ranks) {
                if let Some(what) = what {
                    out.push((format!("{what}_{name}"), int(value)));
                }
            }
        }
    }
}

pub(super) fn int(value: u64) -> Value {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

fn size(value: usize) -> Value {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}
