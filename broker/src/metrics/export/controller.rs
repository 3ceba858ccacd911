//! The controller (kafka.controller:type=KafkaController, ControllerStats, ControllerEventManager,
//! ControllerChannelManager). Zeros on all brokers but the controller, as in Kafka.
#![allow(
    clippy::disallowed_methods,
    reason = "does not wait for a busy controller"
)]

use std::sync::Arc;
use std::time::Duration;

use proto::telemetry::Metric;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{Out, count_of};
use crate::controller::driver::Figures;
use crate::state::Broker;
use crate::zk::keeper::Command;

/// A controller that waits for ZooKeeper must not keep Prometheus waiting.
const PATIENCE: Duration = Duration::from_millis(500);

pub(super) async fn controller(broker: &Arc<Broker>, out: &mut Out) {
    cluster(broker, out);
    let meters = &broker.metrics.controller;
    out.gauge(
        "kafka_controller_kafkacontroller_controllerstate",
        "What the controller is at work on (kafka.controller.ControllerState); 0 idle",
        f64::from(meters.state()),
    );
    for (name, latency) in meters.times() {
        let name = format!("kafka_controller_controllerstats_{name}rateandtimems");
        out.latency(
            &name,
            "Milliseconds of one such task of the controller",
            latency,
        );
    }
    out.latency(
        "kafka_controller_controllereventmanager_eventqueuetimems",
        "Milliseconds that news waited for the controller",
        &meters.queued,
    );
    out.counter(
        "kafka_controller_controllerstats_uncleanleaderelections_total",
        "Leaders elected outside the ISR, with loss of data",
        meters.unclean_elections.get(),
    );
    let asked = match broker.is_controller() {
        true => ask(broker).await,
        false => Some(Figures::default()),
    };
    let Some(figures) = asked else {
        return;
    };
    deletions(&figures, out);
    queues(&figures, out);
}

async fn ask(broker: &Arc<Broker>) -> Option<Figures> {
    let (answer, answered) = oneshot::channel();
    let command = Command::Figures { answer };
    timeout(PATIENCE, async {
        broker.keeper.send(command).await.ok()?;
        answered.await.ok()
    })
    .await
    .ok()?
}

/// What the metadata tells as well.
fn cluster(broker: &Broker, out: &mut Out) {
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
    out.gauge(
        "kafka_server_metadataloader_currentcontrollerid",
        "Id of the controller; -1 while there is none",
        f64::from(image.controller_id.unwrap_or(-1)),
    );
}

fn deletions(figures: &Figures, out: &mut Out) {
    for (name, help, value) in [
        (
            "topicstodeletecount",
            "Topics that are being deleted",
            figures.topics_to_delete,
        ),
        (
            "topicsineligibletodeletecount",
            "Topics whose deletion waits for a broker that is away",
            figures.topics_ineligible,
        ),
        (
            "replicastodeletecount",
            "Replicas that are being deleted",
            figures.replicas_to_delete,
        ),
        (
            "replicasineligibletodeletecount",
            "Replicas whose deletion waits for their broker",
            figures.replicas_ineligible,
        ),
    ] {
        let name = format!("kafka_controller_kafkacontroller_{name}");
        out.gauge(&name, help, count_of(value));
    }
}

fn queues(figures: &Figures, out: &mut Out) {
    out.gauge(
        "kafka_controller_controllereventmanager_eventqueuesize",
        "Events that wait for the controller",
        count_of(figures.events),
    );
    let each = figures.channels.iter().map(|(broker, waiting)| {
        Metric::gauge(count_of(*waiting)).labelled("broker_id", &broker.to_string())
    });
    out.gauges(
        "kafka_controller_controllerchannelmanager_queuesize",
        "Requests of the controller that wait for a broker",
        each.collect(),
    );
    out.gauge(
        "kafka_controller_controllerchannelmanager_totalqueuesize",
        "Requests of the controller that wait for brokers",
        count_of(figures.channels.iter().map(|(_, waiting)| waiting).sum()),
    );
}
