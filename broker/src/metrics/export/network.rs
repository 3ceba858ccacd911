//! Connections, the threads that serve them, and the memory of requests
//! (kafka.network:type=SocketServer, Processor, Acceptor; kafka.server:type=KafkaRequestHandlerPool).

use proto::telemetry::Metric;

use super::{Out, count_of, real};
use crate::state::Broker;

pub(super) fn network(broker: &Broker, out: &mut Out) {
    connections(broker, out);
    threads(broker, out);
    if let Some((size, used)) = broker.metrics.listeners.memory() {
        out.gauge(
            "kafka_network_socketserver_memorypoolavailable",
            "Bytes of requests for which there is room (queued.max.request.bytes)",
            count_of(size.saturating_sub(used)),
        );
        out.gauge(
            "kafka_network_socketserver_memorypoolused",
            "Bytes of requests that are being read or handled",
            count_of(used),
        );
    }
}

fn connections(broker: &Broker, out: &mut Out) {
    let (mut open, mut accepted, mut closed) = (Vec::new(), Vec::new(), Vec::new());
    let mut blocked = Vec::new();
    for (name, meters) in broker.metrics.listeners.all() {
        let (in_all, gone) = meters.counts();
        let labelled = |metric: Metric| metric.labelled("listener", &name);
        open.push(labelled(Metric::gauge(real(in_all - gone))));
        accepted.push(labelled(Metric::counter(real(in_all))));
        closed.push(labelled(Metric::counter(real(gone))));
        blocked.push(labelled(Metric::counter(real(meters.blocked_ns()))));
    }
    const PREFIX: &str = "kafka_server_socket_server_metrics_connection";
    out.gauges(
        &format!("{PREFIX}_count"),
        "Connections that are open",
        open,
    );
    let help = "Connections that were accepted";
    out.counters(&format!("{PREFIX}_creation_total"), help, accepted);
    let help = "Connections that were closed";
    out.counters(&format!("{PREFIX}_close_total"), help, closed);
    out.counters(
        "kafka_network_acceptor_acceptorblockedpercent_count",
        "Nanoseconds in which a listener took no connection because of a limit",
        blocked,
    );
}

fn threads(broker: &Broker, out: &mut Out) {
    let idle = broker.metrics.threads.idle();
    if !idle.is_empty() {
        let sum: f64 = idle.iter().sum();
        out.gauge(
            "kafka_network_socketserver_networkprocessoravgidlepercent",
            "Share of their time that network threads idle, 0 to 1",
            sum / count_of(idle.len()),
        );
    }
    if let Some(idle) = broker.metrics.handlers.idle_time() {
        out.counter(
            "kafka_server_kafkarequesthandlerpool_requesthandleravgidlepercent_count",
            "Nanoseconds that the threads of the logs idled, on average",
            u64::try_from(idle.as_nanos()).unwrap_or(u64::MAX),
        );
    }
    let each = idle
        .iter()
        .enumerate()
        .map(|(at, share)| Metric::gauge(*share).labelled("networkProcessor", &at.to_string()));
    out.gauges(
        "kafka_network_processor_idlepercent",
        "Share of its time that a network thread idles, 0 to 1",
        each.collect(),
    );
}
