//! OffsetDelete (Java: `KafkaApis.handleOffsetDeleteRequest`, KIP-496).

use proto::kafka::ErrorCode;
use proto::kafka::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteResponse, OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
};

use super::groups::{answer, groups};
use super::{Call, Handled};
use crate::group::effect::{Reply, TopicPartition};

pub(super) fn handle(call: Call, request: OffsetDeleteRequest) -> Handled {
    let Some(groups) = groups(&call) else {
        let error_code = ErrorCode::COORDINATOR_NOT_AVAILABLE;
        return call.now(&OffsetDeleteResponse {
            error_code,
            ..OffsetDeleteResponse::default()
        });
    };
    let metadata = call.broker.metadata.load_full();
    let all: Vec<TopicPartition> = request
        .topics
        .iter()
        .flat_map(|t| {
            t.partitions
                .iter()
                .map(|p| TopicPartition::new(&t.name, p.partition_index))
        })
        .collect();
    let known: Vec<bool> = all
        .iter()
        .map(|at| metadata.partition(&at.topic, at.partition).is_some())
        .collect();
    let deletable: Vec<TopicPartition> = all
        .iter()
        .zip(&known)
        .filter(|(_, known)| **known)
        .map(|(at, _)| at.clone())
        .collect();
    let mut codes = Vec::new();
    let reply = groups.call(|coordinator, now, token| {
        codes = coordinator.delete_offsets(now, token, &request.group_id, &deletable);
    });
    answer(call, reply, move |_, reply| {
        let group_error = match reply {
            Some(Reply::Deleted(error)) => error,
            _ => ErrorCode::COORDINATOR_NOT_AVAILABLE,
        };
        if group_error != ErrorCode::NONE {
            let error_code = group_error;
            return OffsetDeleteResponse {
                error_code,
                ..OffsetDeleteResponse::default()
            };
        }
        let mut codes = codes.into_iter();
        let mut known = known.into_iter();
        let topics = request
            .topics
            .iter()
            .map(|topic| OffsetDeleteResponseTopic {
                name: topic.name.clone(),
                partitions: topic
                    .partitions
                    .iter()
                    .map(|p| OffsetDeleteResponsePartition {
                        partition_index: p.partition_index,
                        error_code: match known.next() {
                            Some(true) => codes.next().unwrap_or(ErrorCode::UNKNOWN_SERVER_ERROR),
                            _ => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                        },
                        ..OffsetDeleteResponsePartition::default()
                    })
                    .collect(),
                ..OffsetDeleteResponseTopic::default()
            });
        OffsetDeleteResponse {
            topics: topics.collect(),
            ..OffsetDeleteResponse::default()
        }
    })
}
