//! The partitions that this broker hosts, as the controller assigns them: logs are opened, roles
//! taken, data removed. Followers wait for replication. Mirrors the control side of
//! kafka.server.ReplicaManager.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use proto::kafka::messages::leader_and_isr::{
    LeaderAndIsrPartitionError, LeaderAndIsrPartitionState, LeaderAndIsrRequest,
    LeaderAndIsrResponse, LeaderAndIsrTopicError,
};
use proto::kafka::messages::stop_replica::{
    StopReplicaPartitionError, StopReplicaRequest, StopReplicaResponse,
};
use proto::kafka::{ErrorCode, Str, Uuid};
use tokio::sync::RwLock;
use tracing::{error, info, warn};

use crate::log::{LogConfig, TopicPartition};
use crate::shard::{LogManager, ShardGone, Shards};

/// Sentinel epoch of a topic that is being deleted: older than nothing.
const EPOCH_DURING_DELETE: i32 = -2;

/// Who wants to know when this broker begins or ceases to lead a partition: the coordinators.
pub trait LeadershipListener: Send + Sync {
    fn leads(&self, topic: &str, partition: i32, leader_epoch: i32);
    fn leads_no_more(&self, topic: &str, partition: i32, leader_epoch: i32);
}

/// The log's configuration of a topic.
pub type ConfigOf<'a> = dyn Fn(&str) -> LogConfig + Send + Sync + 'a;

#[derive(Debug, Clone, Copy)]
struct Hosted {
    leader_epoch: i32,
    leads: bool,
}

/// All replicas of this broker.
pub struct ReplicaManager {
    id: i32,
    shards: Shards,
    /// gone after [`Self::take_logs`]
    logs: RwLock<Option<LogManager>>,
    hosted: Mutex<HashMap<TopicPartition, Hosted>>,
    /// of the last controller that was obeyed
    controller_epoch: Mutex<i32>,
    listener: OnceLock<Box<dyn LeadershipListener>>,
}

/// What a partition is to become.
struct Assigned<'a> {
    topic: &'a str,
    topic_id: Uuid,
    state: &'a LeaderAndIsrPartitionState,
}

impl ReplicaManager {
    pub(crate) fn new(id: i32, shards: Shards, logs: Option<LogManager>) -> Self {
        Self {
            id,
            shards,
            logs: RwLock::new(logs),
            hosted: Mutex::default(),
            controller_epoch: Mutex::new(0),
            listener: OnceLock::new(),
        }
    }

    /// Sets who is told of leaderships; once, before requests are served.
    pub fn listen(&self, listener: Box<dyn LeadershipListener>) {
        let _ = self.listener.set(listener);
    }

    pub fn shards(&self) -> &Shards {
        &self.shards
    }

    /// The logs, to be closed; nothing is created or deleted from now on.
    pub async fn take_logs(&self) -> Option<LogManager> {
        self.logs.write().await.take()
    }

    /// The id of a topic that a log of it here was made with.
    pub(crate) fn stored_topic_id<'a>(
        &self,
        topic: &str,
        partitions: impl Iterator<Item = &'a i32>,
    ) -> Option<Uuid> {
        // only the end of this broker takes them away
        let logs = self.logs.try_read().ok()?;
        let logs = logs.as_ref()?;
        let mut stored = partitions.filter_map(|partition| {
            logs.stored_topic_id(&TopicPartition {
                topic: topic.to_owned(),
                partition: *partition,
            })
        });
        stored.find_map(|id| id.parse().ok())
    }

    /// The log directories, and whether each has failed.
    pub async fn log_dirs(&self) -> Vec<(PathBuf, bool)> {
        let logs = self.logs.read().await;
        let Some(logs) = logs.as_ref() else {
            return Vec::new();
        };
        let failed = logs.failures().borrow().clone();
        let dirs = logs.paths().into_iter();
        dirs.map(|dir| {
            let gone = failed.contains(&dir);
            (dir, gone)
        })
        .collect()
    }

    /// Partitions that this broker leads.
    pub fn led(&self) -> usize {
        self.lock().values().filter(|hosted| hosted.leads).count()
    }

    /// Partitions that this broker hosts.
    pub fn hosted(&self) -> Vec<TopicPartition> {
        self.lock().keys().cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<TopicPartition, Hosted>> {
        self.hosted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a controller of this epoch is to be obeyed.
    pub fn accept_controller(&self, epoch: i32) -> bool {
        let mut current = self
            .controller_epoch
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *current = epoch.max(*current);
        epoch >= *current
    }

    /// Takes the roles that the controller assigns.
    pub async fn leader_and_isr(
        &self,
        request: &LeaderAndIsrRequest,
        config: &ConfigOf<'_>,
    ) -> LeaderAndIsrResponse {
        if !self.accept_controller(request.controller_epoch) {
            warn!(
                "LeaderAndIsr of controller {} with epoch {} ignored: a later one is known",
                request.controller_id, request.controller_epoch
            );
            let error_code = ErrorCode::STALE_CONTROLLER_EPOCH;
            return LeaderAndIsrResponse {
                error_code,
                ..LeaderAndIsrResponse::default()
            };
        }
        let mut response = LeaderAndIsrResponse::default();
        for state in &request.ungrouped_partition_states {
            let assigned = Assigned {
                topic: &state.topic_name,
                topic_id: Uuid::ZERO,
                state,
            };
            response
                .partition_errors
                .push(self.assign(&assigned, config).await);
        }
        for topic in &request.topic_states {
            let mut errors = Vec::new();
            for state in &topic.partition_states {
                let assigned = Assigned {
                    topic: &topic.topic_name,
                    topic_id: topic.topic_id,
                    state,
                };
                errors.push(self.assign(&assigned, config).await);
            }
            // up to version 4 the errors are not grouped by topic: the caller's version decides
            response.topics.push(LeaderAndIsrTopicError {
                topic_id: topic.topic_id,
                partition_errors: errors,
                ..LeaderAndIsrTopicError::default()
            });
        }
        response
    }

    async fn assign(
        &self,
        assigned: &Assigned<'_>,
        config: &ConfigOf<'_>,
    ) -> LeaderAndIsrPartitionError {
        let Assigned { topic, state, .. } = assigned;
        let error_code = match self.become_what_it_is(assigned, config).await {
            Ok(error_code) => error_code,
            Err(ShardGone) => ErrorCode::KAFKA_STORAGE_ERROR,
        };
        LeaderAndIsrPartitionError {
            topic_name: Str::from(*topic),
            partition_index: state.partition_index,
            error_code,
            ..LeaderAndIsrPartitionError::default()
        }
    }

    async fn become_what_it_is(
        &self,
        assigned: &Assigned<'_>,
        config: &ConfigOf<'_>,
    ) -> Result<ErrorCode, ShardGone> {
        let Assigned {
            topic,
            topic_id,
            state,
        } = *assigned;
        let partition = TopicPartition {
            topic: topic.to_owned(),
            partition: state.partition_index,
        };
        let known = self.lock().get(&partition).copied();
        if known.is_some_and(|known| state.leader_epoch < known.leader_epoch) {
            return Ok(ErrorCode::STALE_CONTROLLER_EPOCH);
        }
        if !state.replicas.contains(&self.id) {
            return Ok(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        }
        if let Err(code) = self.open(&partition, topic_id, config(topic)).await? {
            return Ok(code);
        }
        let (epoch, leads) = (state.leader_epoch, state.leader == self.id);
        let sole = state.isr == [self.id];
        let became = self.shards.with(partition.clone(), move |hosted| {
            // one on a disk that has failed is the controller's to replace
            hosted.log.check_usable()?;
            if leads {
                return hosted.become_leader(epoch, sole);
            }
            hosted.become_follower(epoch);
            Ok(())
        });
        if let Err(e) = became.await? {
            error!("{partition} cannot take its role: {e}");
            return Ok(ErrorCode::KAFKA_STORAGE_ERROR);
        }
        self.lock().insert(
            partition,
            Hosted {
                leader_epoch: epoch,
                leads,
            },
        );
        self.tell(topic, state.partition_index, epoch, known, leads);
        Ok(ErrorCode::NONE)
    }

    async fn open(
        &self,
        partition: &TopicPartition,
        topic_id: Uuid,
        config: LogConfig,
    ) -> Result<Result<(), ErrorCode>, ShardGone> {
        let logs = self.logs.read().await;
        let Some(logs) = logs.as_ref() else {
            return Err(ShardGone);
        };
        let id = (!topic_id.is_zero()).then(|| topic_id.to_string());
        if let (Some(id), Some(stored)) = (&id, logs.stored_topic_id(partition)) {
            if *id != stored {
                error!("{partition}: the controller says topic id {id}, the log has {stored}");
                return Ok(Err(ErrorCode::INCONSISTENT_TOPIC_ID));
            }
        }
        let opened = logs
            .create(partition.clone(), id.as_deref(), config)
            .await?;
        Ok(opened.map_err(|e| {
            error!("log of {partition} cannot be opened: {e}");
            ErrorCode::KAFKA_STORAGE_ERROR
        }))
    }

    fn tell(&self, topic: &str, partition: i32, epoch: i32, known: Option<Hosted>, leads: bool) {
        let Some(listener) = self.listener.get() else {
            return;
        };
        match known {
            Some(known) if known.leads == leads && known.leader_epoch == epoch => {}
            _ if leads => listener.leads(topic, partition, epoch),
            Some(known) if known.leads => listener.leads_no_more(topic, partition, epoch),
            _ => {}
        }
    }

    /// Stops replicas, with their data where the topic goes.
    pub async fn stop_replicas(&self, request: &StopReplicaRequest) -> StopReplicaResponse {
        if !self.accept_controller(request.controller_epoch) {
            let error_code = ErrorCode::STALE_CONTROLLER_EPOCH;
            return StopReplicaResponse {
                error_code,
                ..StopReplicaResponse::default()
            };
        }
        let mut response = StopReplicaResponse::default();
        for (topic, index, epoch, delete) in stopped(request) {
            let error_code = self.stop(&topic, index, epoch, delete).await;
            response.partition_errors.push(StopReplicaPartitionError {
                topic_name: topic,
                partition_index: index,
                error_code,
                ..StopReplicaPartitionError::default()
            });
        }
        response
    }

    async fn stop(&self, topic: &Str, index: i32, epoch: i32, delete: bool) -> ErrorCode {
        let partition = TopicPartition {
            topic: topic.to_string(),
            partition: index,
        };
        let known = self.lock().get(&partition).copied();
        if let Some(known) = known.filter(|known| epoch >= 0 && epoch < known.leader_epoch) {
            warn!(
                "{partition}: StopReplica of leader epoch {epoch} ignored, now {}",
                known.leader_epoch
            );
            return ErrorCode::FENCED_LEADER_EPOCH;
        }
        if let (Some(listener), Some(known)) =
            (self.listener.get(), known.filter(|known| known.leads))
        {
            listener.leads_no_more(topic, index, known.leader_epoch);
        }
        self.lock().remove(&partition);
        if !delete {
            let follows = known.map_or(epoch, |known| known.leader_epoch);
            let stopped = self.shards.with(partition, move |hosted| {
                hosted.become_follower(follows);
                Ok(())
            });
            return if stopped.await.is_ok() {
                ErrorCode::NONE
            } else {
                ErrorCode::KAFKA_STORAGE_ERROR
            };
        }
        let logs = self.logs.read().await;
        let Some(logs) = logs.as_ref() else {
            return ErrorCode::KAFKA_STORAGE_ERROR;
        };
        match logs.delete(partition.clone()).await {
            Ok(Ok(_)) => {
                info!("{partition} is deleted");
                ErrorCode::NONE
            }
            Ok(Err(e)) => {
                error!("{partition} cannot be deleted: {e}");
                ErrorCode::KAFKA_STORAGE_ERROR
            }
            Err(ShardGone) => ErrorCode::KAFKA_STORAGE_ERROR,
        }
    }
}

/// The partitions of a StopReplica of any version: name, index, leader epoch, deletion.
fn stopped(request: &StopReplicaRequest) -> Vec<(Str, i32, i32, bool)> {
    let all = request.delete_partitions;
    let epoch = if all { EPOCH_DURING_DELETE } else { -1 };
    let v0 = request
        .ungrouped_partitions
        .iter()
        .map(|p| (p.topic_name.detach(), p.partition_index, epoch, all));
    let v1 = request.topics.iter().flat_map(|topic| {
        topic
            .partition_indexes
            .iter()
            .map(move |index| (topic.name.detach(), *index, epoch, all))
    });
    let v3 = request.topic_states.iter().flat_map(|topic| {
        topic.partition_states.iter().map(|state| {
            (
                topic.topic_name.detach(),
                state.partition_index,
                state.leader_epoch,
                state.delete_partition,
            )
        })
    });
    v0.chain(v1).chain(v3).collect()
}
