//! The figures of each namespace (a child of the root) under Java's names: `mntr` puts the name of
//! the namespace before that of the metric, Prometheus has it as the label `key`.

use std::collections::BTreeMap;

use driver::metrics::Summary;
use proto::telemetry::{Metric, MetricFamily, MetricType};

use crate::core::Server;
use crate::core::namespaces::top;

use super::Value;
use super::figures::{Sum, int};

/// Sums over all quotas of a namespace (Java: `QuotaMetricsUtils`).
#[derive(Debug, Clone, Copy, Default)]
struct Quota {
    count_limit: i64,
    bytes_limit: i64,
    count_usage: i64,
    bytes_usage: i64,
}

#[derive(Debug)]
struct Traffic {
    name: String,
    writes: Sum,
    reads: Sum,
    quota_exceeded: u64,
}

#[derive(Debug, Default)]
pub(super) struct NamespaceFigures {
    quotas: BTreeMap<String, Quota>,
    traffic: Vec<Traffic>,
}

/// The name of a metric, and how its value is read.
type Named<T, V> = (&'static str, fn(&T) -> V);

const GAUGES: [Named<Quota, i64>; 4] = [
    ("quota_count_limit_per_namespace", |q| q.count_limit),
    ("quota_bytes_limit_per_namespace", |q| q.bytes_limit),
    ("quota_count_usage_per_namespace", |q| q.count_usage),
    ("quota_bytes_usage_per_namespace", |q| q.bytes_usage),
];
const EXCEEDED: &str = "quota_exceeded_error_per_namespace";
const SUMS: [Named<Traffic, Sum>; 2] = [
    ("write_per_namespace", |t| t.writes),
    ("read_per_namespace", |t| t.reads),
];

impl NamespaceFigures {
    pub(super) fn of(server: &Server) -> Self {
        let mut quotas: BTreeMap<String, Quota> = BTreeMap::new();
        for (path, limits, usage) in server.database().tree().all_quotas() {
            let Some(name) = top(path) else { continue };
            let hard_or = |hard: i64, soft: i64| if hard > -1 { hard } else { soft };
            let quota = quotas.entry(name.to_owned()).or_default();
            quota.count_limit += hard_or(limits.count_hard_limit(), limits.count());
            quota.bytes_limit += hard_or(limits.byte_hard_limit(), limits.bytes());
            quota.count_usage += usage.count();
            quota.bytes_usage += usage.bytes();
        }
        let traffic = server.stats().namespaces.sorted().into_iter();
        let sum = |summary: &Summary| Sum::of(summary);
        let traffic = traffic.map(|(name, namespace)| Traffic {
            name: name.to_owned(),
            writes: sum(&namespace.writes),
            reads: sum(&namespace.reads),
            quota_exceeded: namespace.quota_exceeded,
        });
        Self {
            quotas,
            traffic: traffic.collect(),
        }
    }

    fn exceeded(&self) -> impl Iterator<Item = (&str, u64)> {
        let all = self.traffic.iter().map(|t| (&*t.name, t.quota_exceeded));
        all.filter(|(_, times)| *times > 0)
    }

    pub(super) fn values(&self, out: &mut Vec<(String, Value)>) {
        for (metric, value) in GAUGES {
            for (name, quota) in &self.quotas {
                out.push((format!("{name}_{metric}"), Value::Int(value(quota))));
            }
        }
        for (name, times) in self.exceeded() {
            out.push((format!("{name}_{EXCEEDED}"), int(times)));
        }
        for (metric, sum) in SUMS {
            for traffic in self.traffic.iter().filter(|t| sum(t).count > 0) {
                sum(traffic).values(&format!("{}_{metric}", traffic.name), false, out);
            }
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "Prometheus knows only doubles")]
    pub(super) fn families(&self) -> Vec<MetricFamily> {
        let family = |name, kind, metrics| MetricFamily::of(name, name, kind, metrics);
        let mut families = Vec::new();
        for (metric, value) in GAUGES {
            let all = self.quotas.iter();
            let all = all.map(|(name, q)| Metric::gauge(value(q) as f64).labelled("key", name));
            families.push(family(metric, MetricType::Gauge, all.collect()));
        }
        let all = self.exceeded();
        let all = all.map(|(name, times)| Metric::counter(times as f64).labelled("key", name));
        families.push(family(EXCEEDED, MetricType::Counter, all.collect()));
        for (metric, sum) in SUMS {
            let all = self.traffic.iter().filter(|t| sum(t).count > 0);
            let all = all.map(|traffic| {
                let sum = sum(traffic);
                let median = [(0.5, sum.ranks[0] as f64)];
                Metric::summary(sum.count, sum.sum as f64, &median).labelled("key", &traffic.name)
            });
            families.push(family(metric, MetricType::Summary, all.collect()));
        }
        families
    }
}
