//! Committed offsets go to the offsets topic and come back from it.

use std::sync::Arc;
use std::time::Duration;

use broker::group::runtime::Groups;
use broker::group::storage::{
    OFFSETS_TOPIC, follow_partition_count, leads, leads_no_more, start as start_groups,
};
use broker::log::LogConfig;
use proto::kafka::ErrorCode;
use proto::kafka::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use proto::kafka::messages::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestTopic};

use super::support::{Client, Server, start};

async fn commit(client: &mut Client, offset: i64) -> ErrorCode {
    let request = OffsetCommitRequest {
        group_id: "g".into(),
        generation_id_or_member_epoch: -1,
        topics: vec![OffsetCommitRequestTopic {
            name: "t".into(),
            partitions: vec![OffsetCommitRequestPartition {
                committed_offset: offset,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    client.call(8, &request).await.topics[0].partitions[0].error_code
}

async fn fetch(client: &mut Client) -> (ErrorCode, i64) {
    let request = OffsetFetchRequest {
        group_id: "g".into(),
        topics: Some(vec![OffsetFetchRequestTopic {
            name: "t".into(),
            partition_indexes: vec![0],
            ..Default::default()
        }]),
        ..Default::default()
    };
    let response = client.call(5, &request).await;
    if response.error_code != ErrorCode::NONE {
        return (response.error_code, -1);
    }
    let found = &response.topics[0].partitions[0];
    (found.error_code, found.committed_offset)
}

/// Leads the partition of the group until its records are read.
async fn lead(server: &Server, groups: &Arc<Groups>, epoch: i32) {
    let shards = server.logs.shards();
    leads(groups, shards, 0, epoch, 5 << 20);
    let is_loading = || groups.ask(|c, _| c.list(&[]).0) != ErrorCode::NONE;
    while is_loading() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn commits_outlive_the_coordinator() {
    let server = start();
    server.topic("t", 1, LogConfig::default(), true).await;
    server
        .topic(OFFSETS_TOPIC, 1, LogConfig::default(), true)
        .await;
    let config = server.broker.config().clone();
    let groups = start_groups(&config, server.logs.shards().clone());
    let _ = server.broker.groups.set(groups.clone());
    let broker = server.broker.clone();
    let following = groups.clone();
    tokio::spawn(async move { follow_partition_count(following, &broker.metadata).await });
    while groups.ask(|c, _| c.partition_for("g")) != Some(0) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut client = server.client().await;
    assert_eq!(commit(&mut client, 5).await, ErrorCode::NOT_COORDINATOR);
    lead(&server, &groups, 3).await;
    for offset in [5, 6, 7] {
        assert_eq!(commit(&mut client, offset).await, ErrorCode::NONE);
    }
    assert_eq!(fetch(&mut client).await, (ErrorCode::NONE, 7));
    leads_no_more(&groups, 0);
    assert_eq!(fetch(&mut client).await.0, ErrorCode::NOT_COORDINATOR);
    lead(&server, &groups, 4).await;
    assert_eq!(fetch(&mut client).await, (ErrorCode::NONE, 7));
}
