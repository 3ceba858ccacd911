//! What the controller sends to brokers, and brokers to the controller. Mirrors
//! KafkaApis.handleLeaderAndIsrRequest and its sisters.

use proto::kafka::messages::controlled_shutdown::{
    ControlledShutdownRequest, ControlledShutdownResponse, RemainingPartition,
};
use proto::kafka::messages::leader_and_isr::{LeaderAndIsrRequest, LeaderAndIsrResponse};
use proto::kafka::messages::stop_replica::{StopReplicaRequest, StopReplicaResponse};
use proto::kafka::messages::update_metadata::{UpdateMetadataRequest, UpdateMetadataResponse};
use proto::kafka::{ErrorCode, Str};
use tokio::sync::oneshot;
use tracing::warn;

use super::{Call, Handled};
use crate::zk::keeper::Command;

/// Whether a request was meant for this broker's former registration (KIP-380). Versions without
/// an epoch have -1.
fn is_stale(call: &Call, broker_epoch: i64) -> bool {
    let current = call.broker.epoch();
    let stale = broker_epoch >= 0 && broker_epoch < current;
    if stale {
        warn!(
            "{} with broker epoch {broker_epoch} ignored, now {current}",
            call.api_key
        );
    }
    stale
}

pub(super) fn leader_and_isr(call: Call, request: LeaderAndIsrRequest) -> Handled {
    if is_stale(&call, request.broker_epoch) {
        let error_code = ErrorCode::STALE_BROKER_EPOCH;
        return call.now(&LeaderAndIsrResponse {
            error_code,
            ..LeaderAndIsrResponse::default()
        });
    }
    Handled::later(async move {
        let mut response = call.broker.leader_and_isr(&request).await;
        if call.api_version < 5 {
            let topics = std::mem::take(&mut response.topics);
            response
                .partition_errors
                .extend(topics.into_iter().flat_map(|topic| topic.partition_errors));
        }
        call.answer(&response)
    })
}

pub(super) fn update_metadata(call: Call, request: UpdateMetadataRequest) -> Handled {
    if is_stale(&call, request.broker_epoch) {
        let error_code = ErrorCode::STALE_BROKER_EPOCH;
        return call.now(&UpdateMetadataResponse {
            error_code,
            ..UpdateMetadataResponse::default()
        });
    }
    let response = call.broker.update_metadata(&request);
    call.now(&response)
}

pub(super) fn stop_replica(call: Call, request: StopReplicaRequest) -> Handled {
    if is_stale(&call, request.broker_epoch) {
        let error_code = ErrorCode::STALE_BROKER_EPOCH;
        return call.now(&StopReplicaResponse {
            error_code,
            ..StopReplicaResponse::default()
        });
    }
    Handled::later(async move {
        let response = call.broker.replicas.stop_replicas(&request).await;
        call.answer(&response)
    })
}

pub(super) fn controlled_shutdown(call: Call, request: ControlledShutdownRequest) -> Handled {
    Handled::later(async move {
        let (answer, answered) = oneshot::channel();
        let (broker, broker_epoch) = (request.broker_id, request.broker_epoch);
        let command = Command::ControlledShutdown {
            broker,
            broker_epoch,
            answer,
        };
        let sent = call.broker.keeper.send(command).await.is_ok();
        let result = match answered.await {
            Ok(Some(result)) if sent => result,
            _ => Err(ErrorCode::NOT_CONTROLLER),
        };
        let mut response = ControlledShutdownResponse::default();
        match result {
            Ok(remaining) => {
                let partitions = remaining.iter().map(|tp| RemainingPartition {
                    topic_name: Str::from(&*tp.topic),
                    partition_index: tp.partition,
                    ..RemainingPartition::default()
                });
                response.remaining_partitions = partitions.collect();
            }
            Err(error_code) => response.error_code = error_code,
        }
        call.answer(&response)
    })
}
