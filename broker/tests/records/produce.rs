//! Produce and InitProducerId.

use broker::log::LogConfig;
use bytes::Bytes;
use proto::kafka::ErrorCode;
use proto::kafka::messages::init_producer_id::InitProducerIdRequest;
use proto::kafka::messages::produce::ProduceRequest;
use proto::records::{BatchOptions, Compression, MessageSetBuilder};

use super::support::{NOW, batch, produce, start, values};

#[tokio::test]
async fn every_version_appends_and_answers() {
    let server = start();
    server.topic("t", 1, LogConfig::default(), true).await;
    let mut client = server.client().await;
    for version in 0..=11 {
        let records = if version < 3 {
            let mut builder =
                MessageSetBuilder::new(u8::from(version == 2), Compression::None, None);
            builder.append(0, NOW, None, Some(b"a"));
            builder.append(1, NOW, None, Some(b"b"));
            let mut bytes = Vec::new();
            builder.finish_into(&mut bytes).unwrap();
            bytes.into()
        } else {
            values(&["a", "b"])
        };
        let response = client.call(version, &produce("t", 0, records, -1)).await;
        let answer = &response.responses[0].partition_responses[0];
        assert_eq!(answer.error_code, ErrorCode::NONE, "v{version}");
        assert_eq!(answer.base_offset, i64::from(version) * 2);
    }
}

#[tokio::test]
async fn pipelined_requests_keep_their_order() {
    let server = start();
    server.topic("t", 1, LogConfig::default(), true).await;
    let mut client = server.client().await;
    for _ in 0..300 {
        client.send(9, &produce("t", 0, values(&["x"]), 1)).await;
    }
    for expected in 0..300 {
        let (id, response) = client.receive::<ProduceRequest>(9).await;
        assert_eq!(i64::from(id), expected + 1);
        let answer = &response.responses[0].partition_responses[0];
        assert_eq!(answer.base_offset, expected);
    }
}

#[tokio::test]
async fn what_is_refused() {
    let server = start();
    let small = LogConfig {
        max_message_bytes: 100,
        ..LogConfig::default()
    };
    server.topic("t", 1, LogConfig::default(), true).await;
    server.topic("small", 1, small, true).await;
    let compacted = LogConfig {
        compact: true,
        ..LogConfig::default()
    };
    server.topic("compacted", 1, compacted, true).await;
    server
        .topic("__consumer_offsets", 1, LogConfig::default(), true)
        .await;
    let mut client = server.client().await;
    let good = values(&["value"]);
    let mut corrupt = good.to_vec();
    corrupt[65] ^= 1;
    let large = "x".repeat(200);
    let cases = [
        ("none", good.clone(), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        ("t", corrupt.into(), ErrorCode::CORRUPT_MESSAGE),
        ("t", Bytes::new(), ErrorCode::INVALID_RECORD),
        (
            "t",
            [&good[..], &good[..]].concat().into(),
            ErrorCode::INVALID_RECORD,
        ),
        ("small", values(&[&large]), ErrorCode::MESSAGE_TOO_LARGE),
        ("compacted", good.clone(), ErrorCode::INVALID_RECORD),
        (
            "__consumer_offsets",
            good.clone(),
            ErrorCode::INVALID_TOPIC_EXCEPTION,
        ),
        ("t", good.slice(..30), ErrorCode::INVALID_RECORD),
    ];
    for (topic, records, error) in cases {
        let answer = client.produce(topic, records).await;
        assert_eq!(answer.error_code, error, "{topic}");
        assert_eq!(answer.base_offset, -1);
        assert_eq!(!answer.record_errors.is_empty(), topic == "compacted");
    }
    let response = client.call(9, &produce("t", 0, good.clone(), 2)).await;
    let answer = &response.responses[0].partition_responses[0];
    assert_eq!(answer.error_code, ErrorCode::INVALID_REQUIRED_ACKS);
    let zstd = batch(
        BatchOptions {
            compression: Compression::Zstd,
            ..BatchOptions::default()
        },
        &["a"],
    );
    let response = client.call(6, &produce("t", 0, zstd, 1)).await;
    let answer = &response.responses[0].partition_responses[0];
    assert_eq!(answer.error_code, ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
}

#[tokio::test]
async fn without_acks_there_is_no_answer_but_a_closed_connection() {
    let server = start();
    server.topic("t", 1, LogConfig::default(), true).await;
    let mut client = server.client().await;
    client.send(9, &produce("t", 0, values(&["a"]), 0)).await;
    assert_eq!(client.produce("t", values(&["b"])).await.base_offset, 1);
    client.send(9, &produce("none", 0, values(&["a"]), 0)).await;
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn acks_all_wait_for_the_high_watermark() {
    let server = start();
    server.topic("t", 1, LogConfig::default(), false).await;
    let mut client = server.client().await;
    let response = client.call(9, &produce("t", 0, values(&["a"]), -1)).await;
    let answer = &response.responses[0].partition_responses[0];
    assert_eq!(answer.error_code, ErrorCode::REQUEST_TIMED_OUT);
    let mut request = produce("t", 0, values(&["b"]), -1);
    request.timeout_ms = 60_000;
    client.send(9, &request).await;
    // as the replication would, once a follower has them
    let partition = broker::log::TopicPartition {
        topic: "t".into(),
        partition: 0,
    };
    let shards = server.logs.shards();
    loop {
        let advance = shards.with(partition.clone(), |hosted| {
            Ok(hosted.advance_high_watermark(2))
        });
        if advance.await.unwrap().unwrap() == 2 {
            break;
        }
    }
    let (_, response) = client.receive::<ProduceRequest>(9).await;
    let answer = &response.responses[0].partition_responses[0];
    assert_eq!(
        (answer.error_code, answer.base_offset),
        (ErrorCode::NONE, 1)
    );
}

#[tokio::test]
async fn idempotent_producers_write_once() {
    let server = start();
    server.topic("t", 1, LogConfig::default(), true).await;
    let mut client = server.client().await;
    let request = InitProducerIdRequest {
        producer_epoch: -1,
        ..Default::default()
    };
    let given = client.call(4, &request).await;
    assert_eq!((given.producer_id, given.producer_epoch), (4000, 0));
    let numbered = |sequence| {
        let options = BatchOptions {
            producer_id: given.producer_id,
            producer_epoch: 0,
            base_sequence: sequence,
            ..BatchOptions::default()
        };
        batch(options, &["a", "b"])
    };
    assert_eq!(client.produce("t", numbered(0)).await.base_offset, 0);
    assert_eq!(client.produce("t", numbered(2)).await.base_offset, 2);
    assert_eq!(
        client.produce("t", numbered(0)).await.base_offset,
        0,
        "again"
    );
    let gap = client.produce("t", numbered(9)).await;
    assert_eq!(gap.error_code, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    let transactional = InitProducerIdRequest {
        transactional_id: Some("x".into()),
        ..request
    };
    let refused = client.call(4, &transactional).await;
    assert_eq!(refused.error_code, ErrorCode::UNSUPPORTED_VERSION);
    assert_eq!(refused.producer_id, -1);
}
