//! Fetch: versions, waiting, limits, sessions, old formats.

use std::time::{Duration, Instant};

use broker::log::LogConfig;
use proto::kafka::messages::fetch::{
    FetchPartition, FetchRequest, FetchResponse, FetchTopic, ForgottenTopic,
};
use proto::kafka::{ErrorCode, Records};
use proto::records::{BatchOptions, Batches, Compression};

use super::support::{batch, produce, start, topic_id, values};

pub(crate) fn fetch(topic: &str, offset: i64) -> FetchRequest {
    FetchRequest {
        max_wait_ms: 0,
        min_bytes: 1,
        max_bytes: 1 << 20,
        topics: vec![FetchTopic {
            topic: topic.into(),
            topic_id: topic_id(topic),
            partitions: vec![FetchPartition {
                fetch_offset: offset,
                partition_max_bytes: 1 << 20,
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn bytes(response: &FetchResponse) -> Vec<u8> {
    match &response.responses[0].partitions[0].records {
        Records::Bytes(bytes) => bytes.to_vec(),
        other => panic!("{other:?}"),
    }
}

fn texts(response: &FetchResponse) -> Vec<String> {
    let (bytes, mut scratch, mut texts) = (bytes(response), Vec::new(), Vec::new());
    for batch in Batches::new(&bytes) {
        for record in batch.unwrap().records(&mut scratch, 1 << 20).unwrap() {
            let value = record.unwrap().value.unwrap().to_vec();
            texts.push(String::from_utf8(value).unwrap());
        }
    }
    texts
}

fn error(response: &FetchResponse) -> ErrorCode {
    response.responses[0].partitions[0].error_code
}

#[tokio::test]
async fn every_version_reads_in_its_own_format() {
    let server = start();
    server.topic("t", 1, LogConfig::default(), true).await;
    let mut client = server.client().await;
    for compression in [Compression::None, Compression::Gzip, Compression::Lz4] {
        let options = BatchOptions {
            compression,
            ..BatchOptions::default()
        };
        client.produce("t", batch(options, &["a", "b"])).await;
    }
    for version in 0..=17 {
        let response = client.call(version, &fetch("t", 0)).await;
        assert_eq!(error(&response), ErrorCode::NONE, "v{version}");
        assert_eq!(
            texts(&response),
            ["a", "b", "a", "b", "a", "b"],
            "v{version}"
        );
        let magic = match version {
            0 | 1 => 0,
            2 | 3 => 1,
            _ => 2,
        };
        assert_eq!(bytes(&response)[16], magic, "v{version}");
        let partition = &response.responses[0].partitions[0];
        assert_eq!(partition.high_watermark, 6);
    }
}

#[tokio::test]
async fn old_clients_and_codecs_they_do_not_know() {
    let server = start();
    server.topic("t", 1, LogConfig::default(), true).await;
    let never = LogConfig {
        down_conversion: false,
        ..LogConfig::default()
    };
    server.topic("never", 1, never, true).await;
    let zstd_only = LogConfig {
        compression: Some(Compression::Zstd),
        ..LogConfig::default()
    };
    server.topic("zstd", 1, zstd_only, true).await;
    let mut client = server.client().await;
    let zstd = BatchOptions {
        compression: Compression::Zstd,
        ..BatchOptions::default()
    };
    client.produce("t", values(&["a"])).await;
    client.produce("t", batch(zstd, &["b"])).await;
    client.produce("never", values(&["a"])).await;
    client.produce("zstd", values(&["a"])).await;
    // the records before it are served, then it is refused
    assert_eq!(texts(&client.call(3, &fetch("t", 0)).await), ["a"]);
    let refused = client.call(3, &fetch("t", 1)).await;
    assert_eq!(error(&refused), ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
    let refused = client.call(2, &fetch("never", 0)).await;
    assert_eq!(error(&refused), ErrorCode::UNSUPPORTED_VERSION);
    let refused = client.call(9, &fetch("zstd", 0)).await;
    assert_eq!(error(&refused), ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
    assert_eq!(texts(&client.call(10, &fetch("zstd", 0)).await), ["a"]);
}

#[tokio::test]
async fn errors_of_partitions() {
    let server = start();
    server.topic("t", 1, LogConfig::default(), true).await;
    let mut client = server.client().await;
    client.produce("t", values(&["a"])).await;
    let code = error(&client.call(12, &fetch("none", 0)).await);
    assert_eq!(code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    let code = error(&client.call(13, &fetch("none", 0)).await);
    assert_eq!(code, ErrorCode::UNKNOWN_TOPIC_ID);
    let code = error(&client.call(12, &fetch("t", 2)).await);
    assert_eq!(code, ErrorCode::OFFSET_OUT_OF_RANGE);
    for (epoch, expected) in [
        (2, ErrorCode::FENCED_LEADER_EPOCH),
        (3, ErrorCode::NONE),
        (4, ErrorCode::UNKNOWN_LEADER_EPOCH),
    ] {
        let mut request = fetch("t", 0);
        request.topics[0].partitions[0].current_leader_epoch = epoch;
        assert_eq!(error(&client.call(12, &request).await), expected);
    }
    let mut follower = fetch("t", 0);
    follower.replica_id = 2;
    let code = error(&client.call(12, &follower).await);
    assert_eq!(code, ErrorCode::NOT_LEADER_OR_FOLLOWER);
}

#[tokio::test]
async fn a_fetch_waits_for_data_and_not_for_ever() {
    let server = start();
    server.topic("t", 2, LogConfig::default(), true).await;
    let (mut reader, mut writer) = (server.client().await, server.client().await);
    let mut request = fetch("t", 0);
    let second = FetchPartition {
        partition: 1,
        ..request.topics[0].partitions[0].clone()
    };
    request.topics[0].partitions.push(second);
    request.max_wait_ms = 100;
    let begun = Instant::now();
    let empty = reader.call(4, &request).await;
    assert!(begun.elapsed() >= Duration::from_millis(100));
    assert_eq!(empty.responses[0].partitions.len(), 2);
    request.max_wait_ms = 60_000;
    for index in [0, 1] {
        let request = FetchRequest {
            topics: vec![FetchTopic {
                partitions: request.topics[0].partitions[..=index].to_vec(),
                ..request.topics[0].clone()
            }],
            ..request.clone()
        };
        // partition 0 has data by then, and is read from its end on
        let mut request = request;
        request.topics[0].partitions[0].fetch_offset = index as i64;
        reader.send(4, &request).await;
        let produced = produce("t", index as i32, values(&["late"]), 1);
        writer.call(9, &produced).await;
        let (_, response) = reader.receive::<FetchRequest>(4).await;
        let records = &response.responses[0].partitions[index].records;
        assert!(!records.is_empty());
    }
}

#[tokio::test]
async fn limits_of_bytes_leave_whole_batches() {
    let server = start();
    server.topic("t", 2, LogConfig::default(), true).await;
    let mut client = server.client().await;
    let large = "x".repeat(5000);
    for index in [0, 1] {
        client
            .call(9, &produce("t", index, values(&[&large]), 1))
            .await;
    }
    let mut request = fetch("t", 0);
    request.topics[0].partitions[0].partition_max_bytes = 10;
    let second = FetchPartition {
        partition: 1,
        ..request.topics[0].partitions[0].clone()
    };
    request.topics[0].partitions.push(second);
    let response = client.call(4, &request).await;
    assert_eq!(
        texts(&response),
        [large.as_str()],
        "the first batch is whole"
    );
    assert!(response.responses[0].partitions[1].records.is_empty());
    let old = client.call(2, &request).await;
    let partitions = &old.responses[0].partitions;
    // a message cut off: the client must ask for more
    assert_eq!(partitions[0].records.len(), 12);
}

#[tokio::test]
async fn a_session_names_only_what_changes() {
    let server = start();
    server.topic("a", 1, LogConfig::default(), true).await;
    server.topic("b", 1, LogConfig::default(), true).await;
    let mut client = server.client().await;
    client.produce("a", values(&["1"])).await;
    for (end, version) in [7, 12, 13, 17].into_iter().enumerate() {
        let mut full = fetch("a", 0);
        full.session_epoch = 0;
        full.topics.extend(fetch("b", end as i64).topics);
        let first = client.call(version, &full).await;
        assert_ne!(first.session_id, 0);
        assert_eq!(first.responses.len(), 2);
        let mut next = FetchRequest {
            session_id: first.session_id,
            session_epoch: 1,
            ..fetch("a", 1)
        };
        let response = client.call(version, &next).await;
        assert_eq!(response.session_id, first.session_id);
        assert_eq!(response.responses, [], "nothing is new");
        next.topics.clear();
        next.session_epoch = 2;
        client.produce("b", values(&["2"])).await;
        let response = client.call(version, &next).await;
        assert_eq!(response.responses.len(), 1);
        let b = &response.responses[0].partitions[0];
        assert_eq!(b.high_watermark, end as i64 + 1);
        // the same epoch again
        let response = client.call(version, &next).await;
        assert_eq!(response.error_code, ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        next.session_epoch = 3;
        let forget = |name: &str| ForgottenTopic {
            topic: name.into(),
            topic_id: topic_id(name),
            partitions: vec![0],
            ..Default::default()
        };
        next.forgotten_topics_data = vec![forget("a"), forget("b")];
        let response = client.call(version, &next).await;
        assert_eq!((response.session_id, response.responses.len()), (0, 0));
        next.session_epoch = 4;
        let response = client.call(version, &next).await;
        assert_eq!(response.error_code, ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    }
    assert_eq!(server.broker.fetch_sessions.count(), (0, 0));
}
