//! The broker as a whole: its state and session, messages by topic, who waits, fetch sessions and groups
//! (kafka.server:type=KafkaServer, BrokerTopicMetrics, DelayedOperationPurgatory, ...).

use std::collections::BTreeMap;

use proto::telemetry::{Metric, MetricType};

use super::{Out, count_of, real};
use crate::metrics::TopicMeters;
use crate::state::Broker;

pub(super) fn server(broker: &Broker, out: &mut Out) {
    let metrics = &broker.metrics;
    out.gauge(
        "kafka_server_kafkaserver_brokerstate",
        "State of the broker: 1 starting, 3 running, 6 handing its leaderships over, 7 stopping",
        f64::from(metrics.state.now()),
    );
    if let Some(io) = driver::process::disk_io() {
        out.gauge(
            "kafka_server_kafkaserver_linux_disk_read_bytes",
            "Bytes that this process read from disks",
            real(io.read),
        );
        out.gauge(
            "kafka_server_kafkaserver_linux_disk_write_bytes",
            "Bytes that this process wrote to disks",
            real(io.written),
        );
    }
    session(broker, out);
    waiting(broker, out);
    let sessions = broker.fetch_sessions.figures();
    const CACHE: &str = "kafka_server_fetchsessioncache";
    out.gauge(
        &format!("{CACHE}_numincrementalfetchsessions"),
        "Fetch sessions that are kept",
        count_of(sessions.sessions),
    );
    out.gauge(
        &format!("{CACHE}_numincrementalfetchpartitionscached"),
        "Partitions in fetch sessions",
        count_of(sessions.partitions),
    );
    out.counter(
        &format!("{CACHE}_incrementalfetchsessionevictions_total"),
        "Fetch sessions that had to go for others",
        sessions.evictions,
    );
}

fn session(broker: &Broker, out: &mut Out) {
    let zookeeper = &broker.metrics.zookeeper;
    for (name, help, counter) in [
        (
            "expires",
            "ZooKeeper sessions that have expired",
            &zookeeper.expires,
        ),
        (
            "disconnects",
            "Connections to ZooKeeper that were lost",
            &zookeeper.disconnects,
        ),
        (
            "syncconnects",
            "Connections to ZooKeeper that were made",
            &zookeeper.sync_connects,
        ),
        (
            "authfailures",
            "Failed authentications to ZooKeeper",
            &zookeeper.auth_failures,
        ),
    ] {
        let name = format!("kafka_server_sessionexpirelistener_zookeeper{name}_total");
        out.counter(&name, help, counter.get());
    }
    if let Some(latency) = broker.metrics.zookeeper_latency.get() {
        out.latency(
            "kafka_server_zookeeperclientmetrics_zookeeperrequestlatencyms",
            "Milliseconds of requests to ZooKeeper",
            latency,
        );
    }
}

fn waiting(broker: &Broker, out: &mut Out) {
    let waiting = &broker.metrics.waiting;
    let (mut operations, mut watched) = (Vec::new(), Vec::new());
    for (name, meter) in [("Fetch", &waiting.fetch), ("Produce", &waiting.produce)] {
        let (requests, partitions) = meter.now();
        let of = |n: i64| {
            let n = real(u64::try_from(n).unwrap_or(0));
            Metric::gauge(n).labelled("delayedOperation", name)
        };
        operations.push(of(requests));
        watched.push(of(partitions));
    }
    const PURGATORY: &str = "kafka_server_delayedoperationpurgatory";
    let help = "Requests that wait: fetches for records, produces for replicas";
    out.gauges(
        &format!("{PURGATORY}_numdelayedoperations"),
        help,
        operations,
    );
    let help = "Partitions that requests wait for";
    out.gauges(&format!("{PURGATORY}_purgatorysize"), help, watched);
    let expires = Metric::counter(real(waiting.fetch_expires.get()));
    out.counters(
        "kafka_server_delayedfetchmetrics_expires_total",
        "Fetches that waited as long as they wanted",
        vec![expires.labelled("fetcherType", "consumer")],
    );
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
    (
        "bytesrejected",
        "Bytes of messages that were too large",
        |m| m.bytes_rejected.get(),
    ),
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
    (
        "producemessageconversions",
        "Appends in an old format",
        |m| m.produce_conversions.get(),
    ),
    ("fetchmessageconversions", "Reads in an old format", |m| {
        m.fetch_conversions.get()
    }),
    (
        "invalidmessagecrcrecords",
        "Appends with a wrong checksum",
        |m| m.corrupt.get(),
    ),
];

/// Those that Kafka keeps for all topics together.
const OF_ALL: &[Meter] = &[
    (
        "invalidmagicnumberrecords",
        "Batches of a format that differs from the first one's of their request",
        |m| m.invalid_magic.get(),
    ),
    (
        "invalidoffsetorsequencerecords",
        "Batches with wrong offsets, counts or sequence numbers",
        |m| m.invalid_offset.get(),
    ),
    (
        "nokeycompactedtopicrecords",
        "Records without a key for compacted topics",
        |m| m.no_key.get(),
    ),
];

pub(super) fn topics(broker: &Broker, out: &mut Out) {
    let stats = &broker.metrics.topics;
    for (name, help, value) in OF_ALL {
        let name = format!("kafka_server_brokertopicmetrics_{name}_total");
        out.counter(&name, help, value(stats.all()));
    }
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

pub(super) fn groups(broker: &Broker, out: &mut Out) {
    let Some(groups) = broker.groups.get() else {
        return;
    };
    let (all, offsets) = groups.ask(|coordinator, _| {
        let (_, all) = coordinator.list(&[]);
        (all, coordinator.offset_count())
    });
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
    out.gauge(
        &format!("{MANAGER}_numoffsets"),
        "Offsets that groups here have committed",
        count_of(offsets),
    );
    for (state, count) in states {
        out.gauge(
            &format!("{MANAGER}_numgroups{}", state.to_lowercase()),
            &format!("Groups in the state {state}"),
            count_of(count),
        );
    }
}
