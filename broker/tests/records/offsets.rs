//! ListOffsets, OffsetForLeaderEpoch, DeleteRecords.

use broker::log::LogConfig;
use proto::kafka::ErrorCode;
use proto::kafka::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use proto::kafka::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsTopic,
};
use proto::kafka::messages::offset_for_leader_epoch::{
    OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};

use super::support::{Client, NOW, start, values};

async fn ask(client: &mut Client, version: i16, timestamp: i64) -> ListOffsetsPartitionResponse {
    let request = ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic {
            name: "t".into(),
            partitions: vec![ListOffsetsPartition {
                timestamp,
                max_num_offsets: if version == 0 { 5 } else { 1 },
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    let mut response = client.call(version, &request).await;
    response.topics[0].partitions.remove(0)
}

#[tokio::test]
async fn offsets_by_time_and_the_two_ends() {
    let server = start();
    server.topic("t", 1, LogConfig::default(), true).await;
    let mut client = server.client().await;
    client.produce("t", values(&["a", "b", "c"])).await;
    for version in 1..=9 {
        let mut found = Vec::new();
        for timestamp in [-1, -2, NOW + 1, NOW + 9] {
            let answer = ask(&mut client, version, timestamp).await;
            assert_eq!(answer.error_code, ErrorCode::NONE);
            found.push(answer.offset);
        }
        assert_eq!(found, [3, 0, 1, -1], "v{version}");
        let newest = ask(&mut client, version, -3).await;
        if version >= 7 {
            assert_eq!((newest.offset, newest.timestamp), (2, NOW + 2));
        } else {
            assert_eq!(newest.error_code, ErrorCode::UNSUPPORTED_VERSION);
        }
    }
    assert_eq!(ask(&mut client, 0, -1).await.old_style_offsets, [3, 0]);
    assert_eq!(ask(&mut client, 0, -2).await.old_style_offsets, [0]);
    assert_eq!(ask(&mut client, 9, -5).await.offset, -1);
    assert_eq!(ask(&mut client, 4, -1).await.leader_epoch, 3);
}

#[tokio::test]
async fn a_leader_epoch_ends_where_the_next_begins() {
    let server = start();
    server.topic("t", 1, LogConfig::default(), true).await;
    let mut client = server.client().await;
    client.produce("t", values(&["a", "b", "c"])).await;
    let request = |current, epoch| OffsetForLeaderEpochRequest {
        topics: vec![OffsetForLeaderTopic {
            topic: "t".into(),
            partitions: vec![OffsetForLeaderPartition {
                current_leader_epoch: current,
                leader_epoch: epoch,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    for version in 0..=4 {
        let response = client.call(version, &request(-1, 3)).await;
        let found = &response.topics[0].partitions[0];
        assert_eq!((found.error_code, found.end_offset), (ErrorCode::NONE, 3));
    }
    let response = client.call(4, &request(2, 3)).await;
    let found = &response.topics[0].partitions[0];
    assert_eq!(found.error_code, ErrorCode::FENCED_LEADER_EPOCH);
}

#[tokio::test]
async fn records_are_deleted_up_to_an_offset() {
    let server = start();
    server.topic("t", 1, LogConfig::default(), true).await;
    let mut client = server.client().await;
    client.produce("t", values(&["a", "b", "c"])).await;
    for (offset, expected) in [
        (2, (ErrorCode::NONE, 2)),
        (9, (ErrorCode::OFFSET_OUT_OF_RANGE, -1)),
        (-1, (ErrorCode::NONE, 3)),
    ] {
        let request = DeleteRecordsRequest {
            topics: vec![DeleteRecordsTopic {
                name: "t".into(),
                partitions: vec![DeleteRecordsPartition {
                    offset,
                    ..Default::default()
                }],
                ..Default::default()
            }],
            timeout_ms: 1000,
            ..Default::default()
        };
        let response = client.call(2, &request).await;
        let done = &response.topics[0].partitions[0];
        assert_eq!((done.error_code, done.low_watermark), expected);
    }
    assert_eq!(ask(&mut client, 9, -2).await.offset, 3);
}
