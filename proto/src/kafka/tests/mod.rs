//! Tests over every message in every version.

#[allow(
    unreachable_pub,
    reason = "named in a public trait, in test builds only"
)]
pub mod sample;

/// Calls `$with!(type)` for every message and every stored record.
macro_rules! for_each_type {
    ($with:ident) => {
        for_each_message!($with);
        use crate::kafka::internal::{consumer_protocol, offsets, transactions};
        $with!(offsets::OffsetCommitKey);
        $with!(offsets::OffsetCommitValue);
        $with!(offsets::GroupMetadataKey);
        $with!(offsets::GroupMetadataValue);
        $with!(transactions::TransactionLogKey);
        $with!(transactions::TransactionLogValue);
        $with!(consumer_protocol::ConsumerProtocolSubscription);
        $with!(consumer_protocol::ConsumerProtocolAssignment);
    };
}

mod frames;
mod golden;
mod hostile;
mod oracle;

use bytes::Bytes;
use proptest::prelude::*;

use super::api_key::for_each_message;
use super::decode::Decoder;
use super::messages::*;
use super::wire::Message;
use sample::Sampler;

/// Runs over all messages and versions, each with other random values.
const CASES: u32 = 24;

fn read_whole<M: Message>(bytes: &Bytes, version: i16) -> M {
    let mut d = Decoder::new(bytes);
    let m = M::decode(&mut d, version)
        .unwrap_or_else(|e| panic!("{} v{version} at {}: {e}", M::NAME, d.position()));
    assert!(d.is_empty(), "{} v{version}: bytes left over", M::NAME);
    m
}

fn round_trip<M: Message + std::fmt::Debug>(seed: u64) {
    for version in M::VERSIONS.min..=M::VERSIONS.max {
        let what = format!("{} v{version} seed {seed}", M::NAME);
        let value = M::sample(&mut Sampler::new(seed), M::ver(version));
        let bytes = value.to_bytes(version).expect(&what);
        let back: M = read_whole(&bytes, version);
        // As text, because NaN differs from itself.
        assert_eq!(format!("{back:?}"), format!("{value:?}"), "{what}");
        assert_eq!(back.to_bytes(version), Ok(bytes), "{what}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn every_message_reads_what_it_wrote(seed: u64) {
        macro_rules! check {
            ($($path:tt)*) => { round_trip::<$($path)*>(seed) };
        }
        for_each_type!(check);
    }
}
