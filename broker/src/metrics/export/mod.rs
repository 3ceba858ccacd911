//! The families of one scrape, named as Kafka's MBeans come through the rules that the JMX exporter
//! ships for Kafka (`kafka_server_brokertopicmetrics_messagesin_total`). Reads, never counts.

mod controller;
mod network;
mod partitions;
mod requests;
mod server;

use std::sync::Arc;

use driver::metrics::Latency;
use proto::telemetry::{Metric, MetricFamily, MetricType};

use super::requests::RANKS;
use crate::state::Broker;

/// Everything that Prometheus gets.
pub(super) async fn families(broker: &Arc<Broker>) -> Vec<MetricFamily> {
    let mut out = Out(Vec::with_capacity(128));
    server::server(broker, &mut out);
    server::topics(broker, &mut out);
    server::groups(broker, &mut out);
    requests::requests(broker, &mut out);
    network::network(broker, &mut out);
    partitions::partitions(broker, &mut out).await;
    controller::controller(broker, &mut out).await;
    driver::process::families(&mut out.0);
    out.0
}

struct Out(Vec<MetricFamily>);

#[allow(clippy::cast_precision_loss, reason = "Prometheus knows only doubles")]
fn real(value: u64) -> f64 {
    value as f64
}

#[allow(clippy::cast_precision_loss, reason = "Prometheus knows only doubles")]
fn count_of(value: usize) -> f64 {
    value as f64
}

impl Out {
    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.0.push(MetricFamily::gauge(name, help, value));
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.0.push(MetricFamily::counter(name, help, real(value)));
    }

    fn gauges(&mut self, name: &str, help: &str, metrics: Vec<Metric>) {
        self.family(name, help, MetricType::Gauge, metrics);
    }

    fn counters(&mut self, name: &str, help: &str, metrics: Vec<Metric>) {
        self.family(name, help, MetricType::Counter, metrics);
    }

    fn family(&mut self, name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) {
        if !metrics.is_empty() {
            self.0.push(MetricFamily::of(name, help, kind, metrics));
        }
    }

    /// One of Kafka's histograms as the rules show it: percentiles are gauges whose label is text
    /// (`0.50`), so that it is the same in every format. The sum is ours.
    fn histogram(&mut self, name: &str, help: &str, of: &[Histogram]) {
        let quantiles = of.iter().flat_map(|histogram| {
            RANKS
                .iter()
                .zip(histogram.quantiles)
                .map(|((rank, _), value)| {
                    let metric = labelled(Metric::gauge(value), &histogram.labels);
                    metric.labelled("quantile", rank)
                })
        });
        let recent = format!("{help}; percentiles of the last minutes");
        self.gauges(name, &recent, quantiles.collect());
        let total = |value: fn(&Histogram) -> f64| {
            of.iter()
                .map(|h| labelled(Metric::counter(value(h)), &h.labels))
                .collect()
        };
        self.counters(&format!("{name}_count"), help, total(|h| h.count));
        self.counters(&format!("{name}_sum"), help, total(|h| h.sum));
    }

    fn latency(&mut self, name: &str, help: &str, latency: &Latency) {
        let recent = latency.recent();
        let histogram = Histogram {
            labels: Vec::new(),
            count: real(latency.count()),
            sum: real(latency.sum()),
            quantiles: RANKS.map(|(_, rank)| real(recent.percentile(rank))),
        };
        self.histogram(name, help, &[histogram]);
    }
}

/// Count, sum and percentiles of one thing.
struct Histogram {
    labels: Vec<(&'static str, String)>,
    count: f64,
    sum: f64,
    quantiles: [f64; RANKS.len()],
}

fn labelled(metric: Metric, labels: &[(&'static str, String)]) -> Metric {
    labels
        .iter()
        .fold(metric, |metric, (name, value)| metric.labelled(name, value))
}
