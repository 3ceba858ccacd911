//! Bytes that Kafka's own classes wrote, read and written again. How they came about stands in
//! `integration-tests/golden/kafka/RewriteMessages.java`.

use std::collections::HashSet;

use bytes::Bytes;

use super::read_whole;
use crate::kafka::api_key::for_each_message;
use crate::kafka::internal::consumer_protocol::{ConsumerProtocolAssignment, TopicPartition};
use crate::kafka::internal::offsets::{GroupMetadataValue, OffsetCommitValue, OffsetsKey};
use crate::kafka::internal::{from_versioned, from_versioned_or_later, to_versioned};
use crate::kafka::messages::*;
use crate::kafka::wire::Message;

const KAFKA_3_9: &str =
    include_str!("../../../../integration-tests/golden/kafka/messages-kafka-3.9.2.hex");
const KAFKA_2_7: &str =
    include_str!("../../../../integration-tests/golden/kafka/messages-kafka-2.7.0.hex");

fn bytes(hex: &str) -> Bytes {
    (0..hex.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).expect("hex"))
        .collect()
}

fn rewrite<M: Message>(version: i16, golden: &Bytes) {
    let message: M = read_whole(golden, version);
    let again = message
        .to_bytes(version)
        .expect("was read from that version");
    assert_eq!(again, *golden, "{} v{version}", M::NAME);
}

/// Checks all lines and gives the messages and versions they hold.
fn check(lines: &str) -> HashSet<(String, i16)> {
    let mut seen = HashSet::new();
    for line in lines.lines().filter(|line| !line.starts_with('#')) {
        let mut parts = line.split(' ');
        let name = parts.next().expect("name");
        let version = parts.next().and_then(|v| v.parse().ok()).expect("version");
        let golden = bytes(parts.next().expect("bytes"));
        macro_rules! try_one {
            ($($path:tt)*) => {
                if name == <$($path)*>::NAME {
                    rewrite::<$($path)*>(version, &golden);
                    seen.insert((name.to_owned(), version));
                }
            };
        }
        for_each_type!(try_one);
        assert!(
            seen.contains(&(name.to_owned(), version)),
            "{name} is not ours"
        );
    }
    seen
}

#[test]
fn what_kafka_3_9_wrote_is_read_and_written_alike() {
    let seen = check(KAFKA_3_9);
    macro_rules! covered {
        ($($path:tt)*) => {
            for version in <$($path)*>::VERSIONS.min..=<$($path)*>::VERSIONS.max {
                let name = <$($path)*>::NAME.to_owned();
                assert!(seen.contains(&(name, version)), "{} v{version}", <$($path)*>::NAME);
            }
        };
    }
    for_each_type!(covered);
}

#[test]
fn what_kafka_2_7_wrote_is_read_and_written_alike() {
    assert!(check(KAFKA_2_7).len() > 400);
}

#[test]
fn stored_records_carry_their_version() {
    let value = OffsetCommitValue {
        offset: 12,
        leader_epoch: 3,
        metadata: "m".into(),
        commit_timestamp: 99,
        ..Default::default()
    };
    let stored = to_versioned(&value, 3).expect("version 3 has all of it");
    assert_eq!(stored[..2], [0, 3]);
    assert_eq!(from_versioned(&stored), Ok(value));
    assert!(from_versioned::<GroupMetadataValue>(&Bytes::from_static(&[0, 9])).is_err());
    assert!(from_versioned::<GroupMetadataValue>(&Bytes::from_static(&[0])).is_err());
}

#[test]
fn a_later_consumer_protocol_is_read_as_the_latest_known() {
    let assignment = ConsumerProtocolAssignment {
        assigned_partitions: vec![TopicPartition {
            topic: "t".into(),
            partitions: vec![0, 2],
            ..Default::default()
        }],
        ..Default::default()
    };
    let mut stored = to_versioned(&assignment, 3).expect("fits").to_vec();
    stored[1] = 9;
    stored.extend_from_slice(b"fields of the future");
    assert_eq!(from_versioned_or_later(&stored.into()), Ok(assignment));
    let negative = Bytes::from_static(&[0xff, 0xff, 0, 0, 0, 0]);
    assert!(from_versioned_or_later::<ConsumerProtocolAssignment>(&negative).is_err());
}

#[test]
fn keys_of_consumer_offsets_are_told_apart() {
    let offset = OffsetsKey::read(&bytes("00010001670001740000000a")).expect("v1");
    assert!(matches!(&offset, OffsetsKey::Offset(k) if k.group == "g" && k.partition == 10));
    let group = OffsetsKey::read(&bytes("0002000167")).expect("v2");
    assert!(matches!(&group, OffsetsKey::Group(k) if k.group == "g"));
    assert_eq!(
        OffsetsKey::read(&bytes("0003000167")),
        Ok(OffsetsKey::Unknown(3))
    );
    assert!(OffsetsKey::read(&bytes("00")).is_err());
}
