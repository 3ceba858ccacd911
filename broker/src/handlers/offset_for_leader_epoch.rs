//! OffsetForLeaderEpoch: where the log of a leader epoch ends (KIP-101, KIP-320). Mirrors
//! kafka.server.ReplicaManager.lastOffsetForLeaderEpoch.

use proto::kafka::ErrorCode;
use proto::kafka::messages::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition, OffsetForLeaderTopicResult,
};

use super::records::{check_known, partition};
use super::{Call, Handled};

pub(super) fn handle(call: Call, request: OffsetForLeaderEpochRequest) -> Handled {
    Handled::later(async move {
        let mut response = OffsetForLeaderEpochResponse::default();
        for topic in &request.topics {
            let mut partitions = Vec::new();
            for asked in &topic.partitions {
                let found = end_of_epoch(&call, &topic.topic, asked).await;
                let (error_code, (leader_epoch, end_offset)) = match found {
                    Ok(found) => (ErrorCode::NONE, found.unwrap_or((-1, -1))),
                    Err(error_code) => (error_code, (-1, -1)),
                };
                partitions.push(EpochEndOffset {
                    error_code,
                    partition: asked.partition,
                    leader_epoch,
                    end_offset,
                    ..EpochEndOffset::default()
                });
            }
            response.topics.push(OffsetForLeaderTopicResult {
                topic: topic.topic.clone(),
                partitions,
                ..OffsetForLeaderTopicResult::default()
            });
        }
        call.answer(&response)
    })
}

async fn end_of_epoch(
    call: &Call,
    topic: &str,
    asked: &OffsetForLeaderPartition,
) -> Result<Option<(i32, i64)>, ErrorCode> {
    check_known(&call.broker.metadata.load(), topic, asked.partition)?;
    let shards = call.broker.shards();
    let (current, epoch) = (asked.current_leader_epoch, asked.leader_epoch);
    let found = shards.with(partition(topic, asked.partition), move |hosted| {
        hosted.check_leader((current >= 0).then_some(current))?;
        Ok(hosted.log.end_offset_for_epoch(epoch))
    });
    match found.await {
        Ok(found) => found.map_err(|e| e.code()),
        Err(_) => Err(ErrorCode::NOT_LEADER_OR_FOLLOWER),
    }
}
