//! The families of one scrape, named as Kafka's MBeans come through the rules that the JMX exporter
//! ships for Kafka (`kafka_server_brokertopicmetrics_messagesin_total`). Reads, never counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use proto::telemetry::{Metric, MetricFamily, MetricType};

use super::topics::TopicMeters;
use crate::log::TopicPartition;
use crate::state::Broker;

/// Everything that Prometheus gets.
pub(super) async fn families(broker: &Arc<Broker>) -> Vec<MetricFamily> {
    let mut out = Out(Vec::with_capacity(64));
    server(broker, &mut out);
    topics(broker, &mut out);
    requests(broker, &mut out);
    listeners(broker, &mut out);
    replicas(broker, &mut out);
    controller(broker, &mut out);
    groups(broker, &mut out);
    logs(broker, &mut out).await;
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

    fn family(&mut self, name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) {
        if !metrics.is_empty() {
            self.0.push(MetricFamily::of(name, help, kind, metrics));
        }
    }
}

fn server(broker: &Broker, out: &mut Out) {
    const RUNNING: f64 = 3.0;
    out.gauge(
        "kafka_server_kafkaserver_brokerstate",
        "State of the broker; 3 is running",
        RUNNING,
    );
    let zookeeper = &broker.metrics.zookeeper;
    for (name, help, counter) in [
        (
            "kafka_server_sessionexpirelistener_zookeeperexpires_total",
            "ZooKeeper sessions that have expired",
            &zookeeper.expires,
        ),
        (
            "kafka_server_sessionexpirelistener_zookeeperdisconnects_total",
            "Connections to ZooKeeper that were lost",
            &zookeeper.disconnects,
        ),
        (
            "kafka_server_sessionexpirelistener_zookeepersyncconnects_total",
            "Connections to ZooKeeper that were made",
            &zookeeper.sync_connects,
        ),
        (
            "kafka_server_sessionexpirelistener_zookeeperauthfailures_total",
            "Failed authentications to ZooKeeper",
            &zookeeper.auth_failures,
        ),
    ] {
        out.0
            .push(MetricFamily::counter(name, help, real(counter.get())));
    }
}

/// Name, help and value of one meter.
type Meter = (&'static str, &'static str, fn(&TopicMeters) -> u64);

const METERS: &[Meter] = &[
    ("messagesin", "Messages appended", |m| m.messages_in.get()),
    ("bytesin", "Bytes of messages from clients", |m| {
        m.bytes_in.get()
    }),
    ("bytesout", "Bytes of messages to consumers", |m| {
        m.bytes_out.get()
    }),
    ("totalproducerequests", "Appends asked for", |m| {
        m.produce_requests.get()
    }),
    (
        "failedproducerequests",
        "Appends that failed through no fault of the client",
        |m| m.failed_produce_requests.get(),
    ),
    ("totalfetchrequests", "Reads asked for", |m| {
        m.fetch_requests.get()
    }),
    (
        "failedfetchrequests",
        "Reads that failed through no fault of the client",
        |m| m.failed_fetch_requests.get(),
    ),
];

fn topics(broker: &Broker, out: &mut Out) {
    let stats = &broker.metrics.topics;
    let topics = stats.topics();
    for (name, help, value) in METERS {
        let mut metrics = vec![Metric::counter(real(value(stats.all())))];
        metrics.extend(
            topics.iter().map(|(topic, meters)| {
                Metric::counter(real(value(meters))).labelled("topic", topic)
            }),
        );
        let name = format!("kafka_server_brokertopicmetrics_{name}_total");
        out.family(&name, help, MetricType::Counter, metrics);
    }
}

fn requests(broker: &Broker, out: &mut Out) {
    let (mut counts, mut times) = (Vec::new(), Vec::new());
    for figures in broker.metrics.requests.figures() {
        let api = figures.api.name();
        for (version, count) in figures.versions {
            counts.push(
                Metric::counter(real(count))
                    .labelled("request", api)
                    .labelled("version", &version.to_string()),
            );
        }
        let ms = |us: u64| real(us) / 1000.0;
        let quantiles = figures.quantiles_us.map(|(rank, us)| (rank, ms(us)));
        let time = Metric::summary(figures.count, ms(figures.sum_us), &quantiles);
        times.push(time.labelled("request", api));
    }
    out.family(
        "kafka_network_requestmetrics_requests_total",
        "Requests by API and version",
        MetricType::Counter,
        counts,
    );
    out.family(
        "kafka_network_requestmetrics_totaltimems",
        "Milliseconds from a request to its answer; quantiles of the last minutes",
        MetricType::Summary,
        times,
    );
}

fn listeners(broker: &Broker, out: &mut Out) {
    let (mut open, mut accepted, mut closed) = (Vec::new(), Vec::new(), Vec::new());
    for (name, meters) in broker.metrics.listeners.all() {
        let (in_all, gone) = meters.counts();
        open.push(Metric::gauge(real(in_all - gone)).labelled("listener", &name));
        accepted.push(Metric::counter(real(in_all)).labelled("listener", &name));
        closed.push(Metric::counter(real(gone)).labelled("listener", &name));
    }
    out.family(
        "kafka_server_socket_server_metrics_connection_count",
        "Connections that are open",
        MetricType::Gauge,
        open,
    );
    out.family(
        "kafka_server_socket_server_metrics_connection_creation_total",
        "Connections that were accepted",
        MetricType::Counter,
        accepted,
    );
    out.family(
        "kafka_server_socket_server_metrics_connection_close_total",
        "Connections that were closed",
        MetricType::Counter,
        closed,
    );
}

fn replicas(broker: &Broker, out: &mut Out) {
    let image = broker.metadata.load();
    let (mut behind, mut under_min, mut at_min) = (0, 0, 0);
    for topic in image.topics.values() {
        let led = topic.partitions.values().filter(|p| p.leader == broker.id);
        let mut least = None;
        for partition in led {
            let in_sync = partition.isr.len();
            behind += usize::from(in_sync < partition.replicas.len());
            let least = *least.get_or_insert_with(|| {
                let least = broker.topic_config(&topic.name).min_insync_replicas;
                usize::try_from(least).unwrap_or(1)
            });
            under_min += usize::from(in_sync < least);
            at_min += usize::from(in_sync == least);
        }
    }
    let manager = &broker.replicas;
    for (name, help, value) in [
        ("leadercount", "Partitions led here", manager.led()),
        ("partitioncount", "Replicas here", manager.hosted().len()),
        (
            "underreplicatedpartitions",
            "Partitions led here with replicas that are not in sync",
            behind,
        ),
        (
            "underminisrpartitioncount",
            "Partitions led here with fewer replicas in sync than min.insync.replicas",
            under_min,
        ),
        (
            "atminisrpartitioncount",
            "Partitions led here with just min.insync.replicas in sync",
            at_min,
        ),
    ] {
        let name = format!("kafka_server_replicamanager_{name}");
        out.gauge(&name, help, count_of(value));
    }
}

/// Zeros on all brokers but the controller, as in Kafka.
fn controller(broker: &Broker, out: &mut Out) {
    let image = broker.metadata.load();
    let active = broker.is_controller();
    let partitions = || image.topics.values().flat_map(|t| t.partitions.values());
    let here = |count: usize| if active { count_of(count) } else { 0.0 };
    let offline = partitions().filter(|p| p.leader < 0).count();
    let imbalanced = partitions()
        .filter(|p| p.replicas.first() != Some(&p.leader))
        .count();
    for (name, help, value) in [
        (
            "activecontrollercount",
            "1 on the broker that is the controller",
            here(1),
        ),
        (
            "offlinepartitionscount",
            "Partitions without a leader",
            here(offline),
        ),
        (
            "preferredreplicaimbalancecount",
            "Partitions that are not led by their preferred replica",
            here(imbalanced),
        ),
        (
            "globaltopiccount",
            "Topics of the cluster",
            here(image.topics.len()),
        ),
        (
            "globalpartitioncount",
            "Partitions of the cluster",
            here(partitions().count()),
        ),
        (
            "activebrokercount",
            "Brokers that are registered",
            here(image.nodes.len()),
        ),
    ] {
        let name = format!("kafka_controller_kafkacontroller_{name}");
        out.gauge(&name, help, value);
    }
}

fn groups(broker: &Broker, out: &mut Out) {
    let Some(groups) = broker.groups.get() else {
        return;
    };
    let (_, all) = groups.ask(|coordinator, _| coordinator.list(&[]));
    let mut states: BTreeMap<&str, usize> = [
        "PreparingRebalance",
        "CompletingRebalance",
        "Stable",
        "Dead",
        "Empty",
    ]
    .map(|state| (state, 0))
    .into();
    for group in &all {
        *states.entry(group.state).or_default() += 1;
    }
    const MANAGER: &str = "kafka_coordinator_group_groupmetadatamanager";
    out.gauge(
        &format!("{MANAGER}_numgroups"),
        "Groups that this broker coordinates",
        count_of(all.len()),
    );
    for (state, count) in states {
        out.gauge(
            &format!("{MANAGER}_numgroups{}", state.to_lowercase()),
            &format!("Groups in the state {state}"),
            count_of(count),
        );
    }
}

/// What a log is asked.
#[derive(Debug, Clone, Copy)]
struct LogFigures {
    size: u64,
    start: i64,
    end: i64,
    segments: usize,
}

async fn logs(broker: &Arc<Broker>, out: &mut Out) {
    let mut hosted = broker.replicas.hosted();
    hosted.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
    let mut known: Vec<(TopicPartition, LogFigures)> = Vec::with_capacity(hosted.len());
    for partition in hosted {
        let asked = broker.shards().with(partition.clone(), |hosted| {
            let log = &hosted.log;
            Ok(LogFigures {
                size: log.size(),
                start: log.log_start(),
                end: log.log_end(),
                segments: log.segment_count(),
            })
        });
        if let Ok(Ok(figures)) = asked.await {
            known.push((partition, figures));
        }
    }
    let offset = |offset: i64| real(u64::try_from(offset).unwrap_or(0));
    let mut family = |name: &str, help: &str, value: &dyn Fn(&LogFigures) -> f64| {
        let metrics = known.iter().map(|(partition, figures)| {
            Metric::gauge(value(figures))
                .labelled("topic", &partition.topic)
                .labelled("partition", &partition.partition.to_string())
        });
        let metrics = metrics.collect();
        out.family(name, help, MetricType::Gauge, metrics);
    };
    family("kafka_log_log_size", "Bytes of a partition's log", &|f| {
        real(f.size)
    });
    family(
        "kafka_log_log_logstartoffset",
        "First offset of a partition",
        &|f| offset(f.start),
    );
    family(
        "kafka_log_log_logendoffset",
        "Offset behind the last message of a partition",
        &|f| offset(f.end),
    );
    family(
        "kafka_log_log_numlogsegments",
        "Segments of a partition's log",
        &|f| count_of(f.segments),
    );
}
