//! Broken and malicious input: an error or a value, never a panic, and memory in proportion to
//! the bytes that came.

use allocation_counter::measure;
use bytes::Bytes;
use proptest::prelude::*;

use super::sample::Sampler;
use crate::kafka::api_key::for_each_message;
use crate::kafka::decode::Decoder;
use crate::kafka::header::RequestHeader;
use crate::kafka::messages::*;
use crate::kafka::types::Str;
use crate::kafka::wire::Message;

/// Most memory for a byte of input. An empty text takes one byte on the wire and one [`Str`] here,
/// and a growing array holds its old and its new half for a moment.
const BYTES_A_BYTE: u64 = 3 * size_of::<Str>() as u64;
/// What a message costs however short it is: the first element of an array.
const BYTES_A_MESSAGE: u64 = 1024;

fn decode<M: Message>(bytes: Bytes, version: i16) -> bool {
    let len = bytes.len() as u64;
    let mut ok = false;
    let memory = measure(|| ok = M::from_bytes(&bytes, version).is_ok());
    let limit = len * BYTES_A_BYTE + BYTES_A_MESSAGE;
    assert!(
        memory.bytes_max <= limit,
        "{} v{version}: {} bytes of memory for {len} on the wire: {bytes:02x?}",
        M::NAME,
        memory.bytes_max
    );
    ok
}

/// Replaces bytes by something that reads as a great length, in either encoding.
fn bomb(bytes: &[u8], at: usize, s: &mut Sampler) -> Vec<u8> {
    let lengths: [&[u8]; 5] = [
        &[0x7f, 0xff, 0xff, 0xff],
        &[0x00, 0x7f, 0xff, 0xff],
        &[0x7f, 0xff],
        &[0xff, 0xff, 0xff, 0xff, 0x07],
        &[0xff, 0xff, 0x03],
    ];
    let length = lengths[s.below(5) as usize];
    let mut out = bytes[..at].to_vec();
    out.extend_from_slice(length);
    out.extend_from_slice(bytes.get(at + length.len()..).unwrap_or_default());
    out
}

fn attack<M: Message>(seed: u64) {
    for version in M::VERSIONS.min..=M::VERSIONS.max {
        let mut s = Sampler::new(seed);
        let whole = M::sample(&mut s, M::ver(version))
            .to_bytes(version)
            .expect("a sample has a form");
        let end = whole.len();
        for _ in 0..8 {
            let at = s.below(end as u64 + 1) as usize;
            let cut = decode::<M>(whole.slice(..at), version);
            assert_eq!(cut, at == end, "{} v{version} cut at {at}", M::NAME);
            let mut flipped = whole.to_vec();
            if let Some(byte) = flipped.get_mut(at) {
                *byte ^= 1 << s.below(8);
            }
            decode::<M>(flipped.into(), version);
            decode::<M>(bomb(&whole, at, &mut s).into(), version);
            let noise: Bytes = (0..s.below(200)).map(|_| s.next() as u8).collect();
            decode::<M>(noise, version);
            // Many small lengths make the deepest nesting of the smallest elements.
            let small: Bytes = (0..s.below(400)).map(|_| s.below(3) as u8).collect();
            decode::<M>(small, version);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn no_input_makes_a_message_panic_or_hoard(seed: u64) {
        macro_rules! check {
            ($($path:tt)*) => { attack::<$($path)*>(seed) };
        }
        for_each_type!(check);
    }

    #[test]
    fn no_input_makes_a_header_panic(bytes: Vec<u8>) {
        let _ = RequestHeader::read(&mut Decoder::new(&bytes.into()));
    }
}

/// A request of the smallest elements takes a hundred times its size when it is read.
#[test]
fn elements_of_one_message_are_bounded_by_the_memory_they_take() {
    use crate::kafka::messages::metadata::{MetadataRequest, MetadataRequestTopic};
    let each = size_of::<MetadataRequestTopic>();
    let mut frame = 1000_u32.to_be_bytes().to_vec();
    frame.resize(4 + 2 * 1000, 0);
    let frame = Bytes::from(frame);
    let read = |room| MetadataRequest::decode(&mut Decoder::bounded(&frame, room), 1);
    read(1000 * each).unwrap();
    read(1000 * each - 1).unwrap_err();
}

/// The smallest elements that a message has, as many as the frame can hold.
#[test]
fn arrays_of_the_smallest_elements_stay_in_proportion() {
    for byte in 0..4u8 {
        let mut frame = vec![byte; 20_000];
        macro_rules! check {
            ($module:ident :: $name:ident) => {
                for version in $module::$name::VERSIONS.min..=$module::$name::VERSIONS.max {
                    for start in 0..16 {
                        // A count that the bytes behind it could just satisfy.
                        let n = (frame.len() - start - 4) as u32;
                        frame[start..start + 4].copy_from_slice(&n.to_be_bytes());
                        decode::<$module::$name>(Bytes::copy_from_slice(&frame), version);
                        let varint = [
                            n as u8 | 0x80,
                            (n >> 7) as u8 | 0x80,
                            (n >> 14) as u8 & 0x7f,
                        ];
                        frame[start..start + 3].copy_from_slice(&varint);
                        decode::<$module::$name>(Bytes::copy_from_slice(&frame), version);
                        frame[start..start + 4].fill(byte);
                    }
                }
            };
        }
        for_each_message!(check);
    }
}

/// Unknown tags in falling order must not cost a move of all of them each.
#[test]
fn many_unknown_tags_are_read_in_time() {
    let n = 200_000u32;
    let mut frame = vec![0, 18, 0, 3, 0, 0, 0, 1, 0xff, 0xff];
    let mut varint = |mut v: u32| {
        while v >= 0x80 {
            frame.push(v as u8 | 0x80);
            v >>= 7;
        }
        frame.push(v as u8);
    };
    varint(n);
    for tag in (0..n).rev() {
        varint(tag);
        varint(0);
    }
    let header = RequestHeader::read(&mut Decoder::new(&frame.into())).expect("well formed");
    assert_eq!(header.unknown_tags.as_slice().len(), n as usize);
    assert_eq!(header.unknown_tags.as_slice()[5].tag, 5);
}
