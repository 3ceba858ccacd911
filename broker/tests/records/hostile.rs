//! Requests that are wrong in every way: each is answered or its connection closed, and the next
//! one is served as if nothing had been.

use broker::log::LogConfig;
use bytes::Bytes;
use proto::kafka::ErrorCode;
use proto::kafka::messages::fetch::FetchRequest;
use proto::records::{BatchOptions, Compression};

use super::fetch::fetch;
use super::support::{batch, produce, start, values};

/// Numbers that are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % n
    }
}

#[tokio::test]
async fn records_with_bytes_changed_never_stop_the_log() {
    let server = start();
    server.topic("t", 1, LogConfig::default(), true).await;
    let mut client = server.client().await;
    let mut numbers = Numbers(1);
    for round in 0..600 {
        let options = BatchOptions {
            compression: Compression::from_id((round % 5) as u8).unwrap(),
            ..BatchOptions::default()
        };
        let mut bytes = batch(options, &["some value", "another"]).to_vec();
        for _ in 0..=numbers.below(3) {
            let at = numbers.below(bytes.len());
            bytes[at] = numbers.below(256) as u8;
        }
        bytes.truncate(bytes.len() - numbers.below(2) * numbers.below(40));
        if round % 2 == 0 && bytes.len() > 21 {
            // a checksum that is right for what is wrong
            let crc = crc32c::crc32c(&bytes[21..]);
            bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        }
        let version = 9 - 7 * i16::from(round % 3 == 0);
        let request = produce("t", 0, Bytes::from(bytes), 1);
        let response = client.call(version, &request).await;
        assert_eq!(response.responses.len(), 1);
    }
    let answer = client.produce("t", values(&["good"])).await;
    assert_eq!(answer.error_code, ErrorCode::NONE);
    for version in [0, 3, 4, 17] {
        // whatever was let in can be read, in any format
        client.call(version, &fetch("t", 0)).await;
    }
}

#[tokio::test]
async fn fetches_with_odd_numbers_are_answered() {
    let server = start();
    server.topic("t", 1, LogConfig::default(), true).await;
    let mut client = server.client().await;
    client.produce("t", values(&["a"])).await;
    for (max_bytes, min_bytes, partition_max, offset) in [
        (-1, -1, -1, 0),
        (0, i32::MAX, 0, 0),
        (i32::MAX, 1, i32::MAX, -5),
        (1, 1, 1, i64::MAX),
        (i32::MIN, i32::MIN, i32::MIN, i64::MIN),
    ] {
        let mut request = FetchRequest {
            max_bytes,
            min_bytes,
            max_wait_ms: if min_bytes == 1 { i32::MIN } else { 1 },
            ..fetch("t", offset)
        };
        request.topics[0].partitions[0].partition_max_bytes = partition_max;
        let response = client.call(11, &request).await;
        assert_eq!(response.responses.len(), 1);
    }
}
