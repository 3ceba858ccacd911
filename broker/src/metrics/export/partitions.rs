//! Replicas and their logs (kafka.server:type=ReplicaManager, kafka.cluster:type=Partition,
//! kafka.log:type=Log).

use std::collections::HashMap;
use std::sync::Arc;

use proto::telemetry::Metric;

use super::{Out, count_of, real};
use crate::log::TopicPartition;
use crate::state::Broker;

/// What a log is asked.
#[derive(Debug, Clone, Copy)]
struct LogFigures {
    size: u64,
    start: i64,
    end: i64,
    segments: usize,
    /// records that are committed, but behind an open transaction
    unstable: i64,
    producers: usize,
    /// takes no appends since its directory has failed
    failed: bool,
}

pub(super) async fn partitions(broker: &Arc<Broker>, out: &mut Out) {
    out.latency(
        "kafka_log_logflushstats_logflushrateandtimems",
        "Milliseconds of fsyncs of logs",
        broker.shards().flush_times(),
    );
    let mut hosted = broker.replicas.hosted();
    hosted.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
    let mut known = Vec::with_capacity(hosted.len());
    for partition in &hosted {
        let asked = broker.shards().with(partition.clone(), |hosted| {
            let log = &hosted.log;
            Ok(LogFigures {
                size: log.size(),
                start: log.log_start(),
                end: log.log_end(),
                segments: log.segment_count(),
                unstable: log.high_watermark() - log.last_stable(),
                producers: log.active_producers().count(),
                failed: log.is_poisoned(),
            })
        });
        if let Ok(Ok(figures)) = asked.await {
            known.push((partition, figures));
        }
    }
    logs(&known, out);
    directories(broker, out).await;
    replicas(broker, &hosted, &known, out);
}

/// kafka.log:type=LogManager
async fn directories(broker: &Broker, out: &mut Out) {
    let dirs = broker.replicas.log_dirs().await;
    let offline = dirs.iter().filter(|(_, failed)| *failed).count();
    out.gauge(
        "kafka_log_logmanager_offlinelogdirectorycount",
        "Log directories that have failed",
        count_of(offline),
    );
    let each = dirs.iter().map(|(dir, failed)| {
        // quoted, as in the name of Java's MBean
        let name = format!("\"{}\"", dir.display());
        Metric::gauge(f64::from(u8::from(*failed))).labelled("logDirectory", &name)
    });
    out.gauges(
        "kafka_log_logmanager_logdirectoryoffline",
        "1: the log directory has failed",
        each.collect(),
    );
}

fn of_partition(value: f64, topic: &str, partition: i32) -> Metric {
    Metric::gauge(value)
        .labelled("topic", topic)
        .labelled("partition", &partition.to_string())
}

fn logs(known: &[(&TopicPartition, LogFigures)], out: &mut Out) {
    let offset = |offset: i64| real(u64::try_from(offset).unwrap_or(0));
    let mut family = |name: &str, help: &str, value: &dyn Fn(&LogFigures) -> f64| {
        let metrics = known
            .iter()
            .map(|(at, figures)| of_partition(value(figures), &at.topic, at.partition));
        out.gauges(&format!("kafka_log_log_{name}"), help, metrics.collect());
    };
    family("size", "Bytes of a partition's log", &|f| real(f.size));
    family("logstartoffset", "First offset of a partition", &|f| {
        offset(f.start)
    });
    family(
        "logendoffset",
        "Offset behind the last message of a partition",
        &|f| offset(f.end),
    );
    family("numlogsegments", "Segments of a partition's log", &|f| {
        count_of(f.segments)
    });
}

/// What the cluster says of a partition of this broker.
#[derive(Debug, Clone, Copy)]
struct Standing {
    leads: bool,
    replicas: usize,
    in_sync: usize,
    least: usize,
}

impl Standing {
    fn of(broker: &Broker, at: &TopicPartition, least: usize) -> Option<Self> {
        let image = broker.metadata.load();
        let partition = image.partition(&at.topic, at.partition)?;
        Some(Self {
            leads: partition.leader == broker.id,
            replicas: partition.replicas.len(),
            in_sync: partition.isr.len(),
            least,
        })
    }

    fn is_behind(self) -> bool {
        self.leads && self.in_sync < self.replicas
    }

    fn is_under_min(self) -> bool {
        self.leads && self.in_sync < self.least
    }

    fn is_at_min(self) -> bool {
        self.leads && self.in_sync == self.least
    }
}

fn replicas(
    broker: &Broker,
    hosted: &[TopicPartition],
    known: &[(&TopicPartition, LogFigures)],
    out: &mut Out,
) {
    let mut least: HashMap<&str, usize> = HashMap::new();
    let mut standings = Vec::with_capacity(hosted.len());
    for at in hosted {
        let least = *least.entry(at.topic.as_str()).or_insert_with(|| {
            let least = broker.topic_config(&at.topic).min_insync_replicas;
            usize::try_from(least).unwrap_or(1)
        });
        if let Some(standing) = Standing::of(broker, at, least) {
            standings.push((at, standing));
        }
    }
    each(&standings, known, out);
    let count = |is: fn(Standing) -> bool| standings.iter().filter(|(_, s)| is(*s)).count();
    let producers = known.iter().map(|(_, figures)| figures.producers).sum();
    let offline = known.iter().filter(|(_, figures)| figures.failed).count();
    for (name, help, value) in [
        ("leadercount", "Partitions led here", broker.replicas.led()),
        ("partitioncount", "Replicas here", hosted.len()),
        (
            "offlinereplicacount",
            "Replicas here in log directories that have failed",
            offline,
        ),
        (
            "underreplicatedpartitions",
            "Partitions led here with replicas that are not in sync",
            count(Standing::is_behind),
        ),
        (
            "underminisrpartitioncount",
            "Partitions led here with fewer replicas in sync than min.insync.replicas",
            count(Standing::is_under_min),
        ),
        (
            "atminisrpartitioncount",
            "Partitions led here with just min.insync.replicas in sync",
            count(Standing::is_at_min),
        ),
        (
            "produceridcount",
            "Idempotent producers that logs here remember",
            producers,
        ),
    ] {
        let name = format!("kafka_server_replicamanager_{name}");
        out.gauge(&name, help, count_of(value));
    }
    let isr = &broker.metrics.isr;
    for (name, help, counter) in [
        (
            "isrshrinks",
            "Replicas taken out of ISRs here",
            &isr.shrinks,
        ),
        ("isrexpands", "Replicas taken into ISRs here", &isr.expands),
        (
            "failedisrupdates",
            "Changes of ISRs that the controller refused",
            &isr.failed_updates,
        ),
    ] {
        let name = format!("kafka_server_replicamanager_{name}_total");
        out.counter(&name, help, counter.get());
    }
}

/// The families with a line for each partition.
fn each(
    standings: &[(&TopicPartition, Standing)],
    known: &[(&TopicPartition, LogFigures)],
    out: &mut Out,
) {
    let flag = |is: bool| f64::from(u8::from(is));
    let mut family = |name: &str, help: &str, value: &dyn Fn(Standing) -> f64| {
        let metrics = standings
            .iter()
            .map(|(at, standing)| of_partition(value(*standing), &at.topic, at.partition));
        let name = format!("kafka_cluster_partition_{name}");
        out.gauges(&name, help, metrics.collect());
    };
    let led = |s: Standing, value: usize| if s.leads { count_of(value) } else { 0.0 };
    family("replicascount", "Replicas of a partition led here", &|s| {
        led(s, s.replicas)
    });
    family(
        "insyncreplicascount",
        "Replicas in sync of a partition led here",
        &|s| led(s, s.in_sync),
    );
    family(
        "underreplicated",
        "1: led here, and not all replicas are in sync",
        &|s| flag(s.is_behind()),
    );
    family(
        "underminisr",
        "1: led here with fewer in sync than min.insync.replicas",
        &|s| flag(s.is_under_min()),
    );
    family(
        "atminisr",
        "1: led here with just min.insync.replicas in sync",
        &|s| flag(s.is_at_min()),
    );
    let lags = known.iter().map(|(at, figures)| {
        let lag = real(u64::try_from(figures.unstable).unwrap_or(0));
        of_partition(lag, &at.topic, at.partition)
    });
    out.gauges(
        "kafka_cluster_partition_laststableoffsetlag",
        "Committed messages behind an open transaction",
        lags.collect(),
    );
}
