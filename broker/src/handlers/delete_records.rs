//! DeleteRecords: moves the start of logs forward. Mirrors
//! kafka.server.KafkaApis.handleDeleteRecordsRequest and Partition.deleteRecordsOnLeader.

use proto::kafka::ErrorCode;
use proto::kafka::messages::delete_records::{
    DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse,
    DeleteRecordsTopicResult,
};

use super::records::{check_known, is_internal, partition};
use super::{Call, Handled};
use crate::log::LogError;

/// `DeleteRecordsRequest.HIGH_WATERMARK`: all there is.
const HIGH_WATERMARK: i64 = -1;

pub(super) fn handle(call: Call, request: DeleteRecordsRequest) -> Handled {
    Handled::later(async move {
        let mut response = DeleteRecordsResponse::default();
        for topic in &request.topics {
            let mut partitions = Vec::new();
            for asked in &topic.partitions {
                let deleted = delete(&call, &topic.name, asked.partition_index, asked.offset);
                let (error_code, low_watermark) = match deleted.await {
                    Ok(low_watermark) => (ErrorCode::NONE, low_watermark),
                    Err(error_code) => (error_code, -1),
                };
                partitions.push(DeleteRecordsPartitionResult {
                    partition_index: asked.partition_index,
                    low_watermark,
                    error_code,
                    ..DeleteRecordsPartitionResult::default()
                });
            }
            response.topics.push(DeleteRecordsTopicResult {
                name: topic.name.clone(),
                partitions,
                ..DeleteRecordsTopicResult::default()
            });
        }
        call.answer(&response)
    })
}

/// Deletes below `offset`; gives where the log starts now, which is the low watermark of a
/// partition with one replica.
async fn delete(call: &Call, topic: &str, index: i32, offset: i64) -> Result<i64, ErrorCode> {
    check_known(&call.broker.metadata.load(), topic, index)?;
    if is_internal(topic) {
        return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
    }
    let not_leader = ErrorCode::NOT_LEADER_OR_FOLLOWER;
    let shards = call.broker.shards();
    let work = shards.with(partition(topic, index), move |hosted| {
        hosted.check_leader(None)?;
        if !hosted.log.config().delete {
            return Ok(Err(ErrorCode::POLICY_VIOLATION));
        }
        let to = match offset {
            HIGH_WATERMARK => hosted.log.high_watermark(),
            offset if offset < 0 => return Ok(Err(ErrorCode::OFFSET_OUT_OF_RANGE)),
            offset => offset,
        };
        hosted.log.advance_log_start(to)?;
        Ok(Ok(hosted.log.log_start()))
    });
    match work.await {
        Ok(Ok(done)) => done,
        Ok(Err(e)) => Err(LogError::code(&e)),
        Err(_) => Err(not_leader),
    }
}
