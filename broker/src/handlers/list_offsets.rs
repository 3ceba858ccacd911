//! ListOffsets: offsets by time, and the two ends of a log. Mirrors
//! kafka.server.KafkaApis.handleListOffsetRequest.

use std::collections::HashSet;

use proto::kafka::ErrorCode;
use proto::kafka::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopicResponse,
};

use super::records::{check_known, partition};
use super::{Answer, Call, Handled};
use crate::log::{Isolation, LogError, TopicPartition};
use crate::shard::{OffsetQuery, OffsetsFound};

/// `ListOffsetsRequest.CONSUMER_REPLICA_ID`
const CONSUMER: i32 = -1;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

type Question = (TopicPartition, OffsetQuery, Option<i32>);

/// What is known of one partition's answer before the logs are asked.
enum Early {
    Known(ListOffsetsPartitionResponse),
    /// the next of the logs' answers belongs here
    Asked(i32),
}

pub(super) fn handle(call: Call, request: ListOffsetsRequest) -> Handled {
    let mut questions = Vec::new();
    let early = sort(&call, &request, &mut questions);
    Handled::later(answer(call, request, early, questions))
}

fn sort(
    call: &Call,
    request: &ListOffsetsRequest,
    questions: &mut Vec<Question>,
) -> Vec<Vec<Early>> {
    let image = call.broker.metadata.load_full();
    let duplicates = duplicates(request);
    let mut early = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for asked in &topic.partitions {
            let index = asked.partition_index;
            let known = check_known(&image, &topic.name, index);
            partitions.push(
                if duplicates.contains(&(&*topic.name, index)) && call.api_version > 0 {
                    Early::Known(failed(index, ErrorCode::INVALID_REQUEST))
                } else if call.api_version > 0 && asked.timestamp == LATEST_TIERED {
                    Early::Known(tiered(call.api_version, index, known))
                } else {
                    match query(call.api_version, request, asked)
                        .and_then(|query| known.map(|()| query))
                    {
                        Ok(query) => {
                            let epoch = asked.current_leader_epoch;
                            let epoch = (epoch >= 0).then_some(epoch);
                            questions.push((partition(&topic.name, index), query, epoch));
                            Early::Asked(index)
                        }
                        Err(error) => Early::Known(failed(index, error)),
                    }
                },
            );
        }
        early.push(partitions);
    }
    early
}

fn duplicates(request: &ListOffsetsRequest) -> HashSet<(&str, i32)> {
    let mut seen = HashSet::new();
    let all = request.topics.iter().flat_map(|topic| {
        let name: &str = &topic.name;
        topic
            .partitions
            .iter()
            .map(move |p| (name, p.partition_index))
    });
    all.filter(|partition| !seen.insert(*partition)).collect()
}

fn query(
    version: i16,
    request: &ListOffsetsRequest,
    asked: &ListOffsetsPartition,
) -> Result<OffsetQuery, ErrorCode> {
    let timestamp = asked.timestamp;
    if version == 0 {
        if timestamp < EARLIEST {
            return Err(ErrorCode::UNSUPPORTED_VERSION);
        }
        let max = usize::try_from(asked.max_num_offsets).unwrap_or(0);
        return Ok(OffsetQuery::Before { timestamp, max });
    }
    let isolation = match (request.replica_id == CONSUMER, request.isolation_level) {
        (false, _) => Isolation::LogEnd,
        (true, 1) => Isolation::TxnCommitted,
        (true, _) => Isolation::HighWatermark,
    };
    match timestamp {
        LATEST => Ok(OffsetQuery::Latest(isolation)),
        EARLIEST => Ok(OffsetQuery::Earliest),
        MAX_TIMESTAMP if version >= 7 => Ok(OffsetQuery::MaxTimestamp(isolation)),
        EARLIEST_LOCAL if version >= 8 => Ok(OffsetQuery::Earliest),
        timestamp if timestamp >= 0 => Ok(OffsetQuery::At(timestamp, isolation)),
        _ => Err(ErrorCode::UNSUPPORTED_VERSION),
    }
}

/// There is no tiered storage here, so nothing of the log has moved there.
fn tiered(version: i16, index: i32, known: Result<(), ErrorCode>) -> ListOffsetsPartitionResponse {
    match known {
        _ if version < 9 => failed(index, ErrorCode::UNSUPPORTED_VERSION),
        Ok(()) => failed(index, ErrorCode::NONE),
        Err(error) => failed(index, error),
    }
}

fn failed(partition_index: i32, error_code: ErrorCode) -> ListOffsetsPartitionResponse {
    ListOffsetsPartitionResponse {
        partition_index,
        error_code,
        ..ListOffsetsPartitionResponse::default()
    }
}

async fn answer(
    call: Call,
    request: ListOffsetsRequest,
    early: Vec<Vec<Early>>,
    questions: Vec<Question>,
) -> Answer {
    let Ok(found) = call.broker.shards().list_offsets(questions).await else {
        return Answer::Close;
    };
    let mut found = found.into_iter();
    let mut response = ListOffsetsResponse::default();
    for (topic, early) in request.topics.iter().zip(early) {
        let mut partitions = Vec::with_capacity(early.len());
        for early in early {
            partitions.push(match early {
                Early::Known(known) => known,
                Early::Asked(index) => match found.next() {
                    Some(found) => partition_response(call.api_version, index, found),
                    None => failed(index, ErrorCode::UNKNOWN_SERVER_ERROR),
                },
            });
        }
        response.topics.push(ListOffsetsTopicResponse {
            name: topic.name.clone(),
            partitions,
            ..ListOffsetsTopicResponse::default()
        });
    }
    call.answer(&response)
}

fn partition_response(
    version: i16,
    index: i32,
    found: Result<OffsetsFound, LogError>,
) -> ListOffsetsPartitionResponse {
    let mut response = failed(index, ErrorCode::NONE);
    match found {
        Ok(OffsetsFound::One(Some(found))) => {
            response.timestamp = found.timestamp;
            response.offset = found.offset;
            if version >= 4 {
                response.leader_epoch = found.leader_epoch.unwrap_or(-1);
            }
        }
        Ok(OffsetsFound::One(None)) => {}
        Ok(OffsetsFound::Many(offsets)) => response.old_style_offsets = offsets,
        Err(error) => response.error_code = error.code(),
    }
    response
}
