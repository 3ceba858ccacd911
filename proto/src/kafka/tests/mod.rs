//! Tests over every message in every version.

#[allow(
    unreachable_pub,
    reason = "named in a public trait, in test builds only"
)]
pub mod sample;

use bytes::Bytes;

use super::api_key::for_each_message;
use super::decode::Decoder;
use super::messages::*;
use super::wire::Message;
use sample::Sampler;

/// Random values per message and version.
const ROUNDS: u64 = 24;

fn read_whole<M: Message>(bytes: &Bytes, version: i16) -> M {
    let mut d = Decoder::new(bytes);
    let m = M::decode(&mut d, version)
        .unwrap_or_else(|e| panic!("{} v{version} at {}: {e}", M::NAME, d.position()));
    assert!(d.is_empty(), "{} v{version}: bytes left over", M::NAME);
    m
}

fn round_trip<M: Message + PartialEq + std::fmt::Debug>() {
    for version in M::VERSIONS.min..=M::VERSIONS.max {
        for seed in 0..ROUNDS {
            let value = M::sample(&mut Sampler::new(seed), M::ver(version));
            let bytes = value
                .to_bytes(version)
                .unwrap_or_else(|e| panic!("{} v{version} seed {seed}: {e}", M::NAME));
            let back: M = read_whole(&bytes, version);
            // NaN differs from itself.
            assert_eq!(
                format!("{back:?}"),
                format!("{value:?}"),
                "{} v{version}",
                M::NAME
            );
            let again = back.to_bytes(version).expect("was written once");
            assert_eq!(again, bytes, "{} v{version} seed {seed}", M::NAME);
        }
    }
}

#[test]
fn every_message_reads_what_it_wrote() {
    macro_rules! check {
        ($($path:tt)*) => { round_trip::<$($path)*>() };
    }
    for_each_message!(check);
}
