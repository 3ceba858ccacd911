//! The way from the controller to one broker: requests in order, each repeated until the broker
//! has answered or is gone. Mirrors kafka.controller.RequestSendThread.
#![allow(
    clippy::disallowed_methods,
    reason = "a driver: it starts the channel's task"
)]

use std::time::Duration;

use driver::kafka_client::{CallError, Connection, Options};
use proto::kafka::messages::leader_and_isr::LeaderAndIsrRequest;
use proto::kafka::messages::stop_replica::{
    StopReplicaPartitionV0, StopReplicaRequest, StopReplicaTopicV1,
};
use proto::kafka::messages::update_metadata::UpdateMetadataRequest;
use proto::kafka::{ErrorCode, Request};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::{ControlRequest, Event, LiveBroker, TopicPartition};

/// Wait before a request is repeated.
const BACKOFF: Duration = Duration::from_millis(100);

/// Requests that wait for one broker. A broker that is gone is removed long before.
const QUEUE: usize = 4096;

/// A running channel; dropped with the broker or the controllership.
pub(crate) struct Channel {
    requests: mpsc::Sender<ControlRequest>,
    task: JoinHandle<()>,
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Channel {
    pub(crate) fn open(
        broker: &LiveBroker,
        listener: &str,
        timeout: Duration,
        events: mpsc::Sender<Event>,
    ) -> Option<Self> {
        let point = broker
            .info
            .end_points
            .iter()
            .find(|point| point.name == listener)?;
        let (requests, queue) = mpsc::channel(QUEUE);
        let remote = Remote {
            id: broker.id,
            host: point.host.clone(),
            port: point.port,
            timeout,
            connection: None,
        };
        let task = tokio::spawn(remote.run(queue, events));
        Some(Self { requests, task })
    }

    /// Requests that wait for the broker.
    pub(crate) fn waiting(&self) -> usize {
        self.requests.max_capacity() - self.requests.capacity()
    }

    pub(crate) async fn send(&self, request: ControlRequest) {
        let _ = self.requests.send(request).await;
    }
}

struct Remote {
    id: i32,
    host: String,
    port: u16,
    timeout: Duration,
    connection: Option<Connection>,
}

impl Remote {
    async fn run(mut self, mut queue: mpsc::Receiver<ControlRequest>, events: mpsc::Sender<Event>) {
        while let Some(request) = queue.recv().await {
            let mut failed = false;
            loop {
                match self.try_send(&request).await {
                    Ok(None) => break,
                    Ok(Some(event)) => {
                        let _ = events.send(event).await;
                        break;
                    }
                    Err(error) => {
                        if !failed {
                            warn!(
                                "controller cannot reach broker {}: {error}; trying on",
                                self.id
                            );
                        }
                        failed = true;
                        self.connection = None;
                        tokio::time::sleep(BACKOFF).await;
                    }
                }
            }
            if failed {
                info!("controller reaches broker {} again", self.id);
            }
        }
    }

    async fn connection(&mut self) -> Result<&Connection, CallError> {
        if self.connection.as_ref().is_none_or(Connection::is_closed) {
            let options = Options {
                client_id: "controller".into(),
                connect_timeout: self.timeout,
                request_timeout: self.timeout,
                ..Options::default()
            };
            self.connection = Some(Connection::connect(&self.host, self.port, options).await?);
        }
        self.connection
            .as_ref()
            .ok_or_else(|| CallError::Closed(self.host.clone()))
    }

    /// Sends in the version that both sides speak; the answer that matters becomes an event.
    async fn try_send(&mut self, request: &ControlRequest) -> Result<Option<Event>, CallError> {
        let id = self.id;
        let connection = self.connection().await?;
        match request {
            ControlRequest::LeaderAndIsr(request) => {
                let version = connection.version_of::<LeaderAndIsrRequest>()?;
                let answer = connection
                    .call_in(version, &leader_and_isr_in(version, request))
                    .await?;
                note::<LeaderAndIsrRequest>(id, answer.error_code);
                Ok(None)
            }
            ControlRequest::UpdateMetadata(request) => {
                let version = connection.version_of::<UpdateMetadataRequest>()?;
                let answer = connection
                    .call_in(version, &update_metadata_in(version, request))
                    .await?;
                note::<UpdateMetadataRequest>(id, answer.error_code);
                Ok(None)
            }
            ControlRequest::StopReplica(request) => {
                let version = connection.version_of::<StopReplicaRequest>()?;
                let mut results = Vec::new();
                for part in stop_replica_in(version, request) {
                    let answer = connection.call_in(version, &part).await?;
                    note::<StopReplicaRequest>(id, answer.error_code);
                    results.extend(answer.partition_errors.into_iter().map(|partition| {
                        (
                            TopicPartition::new(&partition.topic_name, partition.partition_index),
                            partition.error_code,
                        )
                    }));
                }
                Ok(Some(Event::Stopped {
                    broker: id,
                    results,
                }))
            }
        }
    }
}

fn note<R: Request>(broker: i32, error: ErrorCode) {
    if error != ErrorCode::NONE {
        warn!("broker {broker} refuses {}: {error:?}", R::KEY);
    }
}

/// Before version 2 partitions are not grouped by topic.
fn leader_and_isr_in(version: i16, request: &LeaderAndIsrRequest) -> LeaderAndIsrRequest {
    let mut request = request.clone();
    if version < 2 {
        let topics = std::mem::take(&mut request.topic_states);
        request.ungrouped_partition_states = topics
            .into_iter()
            .flat_map(|topic| topic.partition_states)
            .collect();
    }
    request
}

/// Before version 5 partitions are not grouped by topic; version 0 knows one address a broker.
fn update_metadata_in(version: i16, request: &UpdateMetadataRequest) -> UpdateMetadataRequest {
    let mut request = request.clone();
    if version < 5 {
        let topics = std::mem::take(&mut request.topic_states);
        request.ungrouped_partition_states = topics
            .into_iter()
            .flat_map(|topic| topic.partition_states)
            .collect();
    }
    if version == 0 {
        for broker in &mut request.live_brokers {
            if let Some(point) = broker
                .endpoints
                .iter()
                .find(|point| point.security_protocol == 0)
            {
                broker.v0_host = point.host.clone();
                broker.v0_port = point.port;
            }
        }
    }
    request
}

/// Before version 3 deletion is said once for all partitions, so a mixed request becomes two.
fn stop_replica_in(version: i16, request: &StopReplicaRequest) -> Vec<StopReplicaRequest> {
    if version >= 3 {
        return vec![request.clone()];
    }
    let mut parts = Vec::new();
    for delete in [false, true] {
        let mut part = StopReplicaRequest {
            delete_partitions: delete,
            topic_states: Vec::new(),
            ..request.clone()
        };
        for topic in &request.topic_states {
            let wanted = topic
                .partition_states
                .iter()
                .filter(|state| state.delete_partition == delete);
            let indexes: Vec<i32> = wanted.map(|state| state.partition_index).collect();
            if version == 0 {
                part.ungrouped_partitions
                    .extend(indexes.iter().map(|index| StopReplicaPartitionV0 {
                        topic_name: topic.topic_name.clone(),
                        partition_index: *index,
                        ..Default::default()
                    }));
            } else if !indexes.is_empty() {
                part.topics.push(StopReplicaTopicV1 {
                    name: topic.topic_name.clone(),
                    partition_indexes: indexes,
                    ..Default::default()
                });
            }
        }
        if !part.topics.is_empty() || !part.ungrouped_partitions.is_empty() {
            parts.push(part);
        }
    }
    parts
}
