//! Requests, their errors and where their time went (kafka.network:type=RequestMetrics).

use proto::telemetry::Metric;

use super::{Histogram, Out, real};
use crate::metrics::requests::{PARTS, has};
use crate::state::Broker;

const PREFIX: &str = "kafka_network_requestmetrics";

/// What each of [`PARTS`] is.
const HELP: [&str; PARTS.len()] = [
    "Milliseconds from a request to the last byte of its answer",
    "Milliseconds until a request was begun",
    "Milliseconds of this broker's own work",
    "Milliseconds of waiting for others: records, replicas, group members, ZooKeeper",
    "Milliseconds that answers waited for earlier ones of their connection",
    "Milliseconds until the socket had taken an answer",
    "Bytes of requests",
    "Milliseconds of writing records anew, in another format or codec",
    "Bytes that were held only to write records anew",
];

pub(super) fn requests(broker: &Broker, out: &mut Out) {
    let figures = broker.metrics.requests.figures();
    let mut counts = Vec::new();
    for figures in &figures {
        for (version, count) in &figures.versions {
            counts.push(
                Metric::counter(real(*count))
                    .labelled("request", figures.request)
                    .labelled("version", &version.to_string()),
            );
        }
    }
    let help = "Requests by API and version";
    out.counters(&format!("{PREFIX}_requests_total"), help, counts);
    for (at, (part, help)) in PARTS.iter().zip(HELP).enumerate() {
        let histograms: Vec<Histogram> = figures
            .iter()
            .filter(|figures| has(figures.request, at))
            .map(|figures| Histogram {
                labels: vec![("request", figures.request.to_owned())],
                count: real(figures.count),
                sum: figures.parts[at].sum,
                quantiles: figures.parts[at].quantiles,
            })
            .collect();
        out.histogram(&format!("{PREFIX}_{part}"), help, &histograms);
    }
    let errors = broker.metrics.requests.error_figures();
    let errors = errors.into_iter().map(|(request, code, count)| {
        Metric::counter(real(count))
            .labelled("request", request)
            .labelled("error", &code.to_string())
    });
    let help = "Error codes in answers, NONE included, by API";
    out.counters(&format!("{PREFIX}_errors_total"), help, errors.collect());
}
