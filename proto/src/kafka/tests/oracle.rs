//! Every message in every version against crate `kafka-protocol`, in both directions: what ours
//! wrote, the oracle reads as the same fields and writes as the same bytes.

use bytes::BytesMut;
use kafka_protocol::protocol as oracle;
use proptest::prelude::*;

use super::sample::Sampler;
use super::{CASES, read_whole};
use crate::kafka::ApiKey;
use crate::kafka::api_key::for_each_message;
use crate::kafka::decode::Decoder;
use crate::kafka::encode::Encoder;
use crate::kafka::header::RequestHeader;
use crate::kafka::messages::*;
use crate::kafka::types::Str;
use crate::kafka::wire::Message;

/// Null and empty look alike here: a field that the version lacks is null in ours and may be empty
/// in the oracle's. Where the version has it, the comparison of bytes tells them apart.
const NOTHING: &str = "None";

/// A debug text with the two crates' differences taken out: names of types, forms of wrappers.
fn plain(debug: &str) -> String {
    let chars: Vec<char> = debug.chars().collect();
    let mut out = String::new();
    let mut i = 0;
    while i < chars.len() {
        let c = chars[i];
        if c == '"' {
            // Text and bytes are copied as they are.
            let start = i;
            i += 1;
            while chars[i] != '"' {
                i += if chars[i] == '\\' { 2 } else { 1 };
            }
            i += 1;
            out.extend(&chars[start..i]);
        } else if c.is_alphanumeric() || c == '_' || c == '-' || c == '.' {
            let start = i;
            while i < chars.len() && (chars[i].is_alphanumeric() || "_-.".contains(chars[i])) {
                i += 1;
            }
            let word: String = chars[start..i].iter().collect();
            let before_body = chars.get(i) == Some(&'(')
                || (chars.get(i) == Some(&' ') && chars.get(i + 1) == Some(&'{'));
            match word.as_str() {
                _ if before_body => {}
                "Null" => out.push_str("None"),
                "unknown_tagged_fields" => out.push_str("unknown_tags"),
                _ => out.push_str(&plain_word(word.trim_start_matches('_'))),
            }
        } else {
            if !"() ".contains(c) {
                out.push(c);
            }
            i += 1;
        }
    }
    sorted(&mut out.as_str())
}

/// The next value of a plain text with the fields of each struct sorted: ours keep tagged fields
/// last. Empty tags are left out, as messages that never became flexible have none there.
fn sorted(rest: &mut &str) -> String {
    let close = match rest.chars().next() {
        Some('{') => '}',
        Some('[') => ']',
        _ => return scalar(rest),
    };
    *rest = &rest[1..];
    let mut items = Vec::new();
    while !rest.starts_with(close) {
        let mut item = sorted(rest);
        if let Some(value) = rest.strip_prefix(':') {
            *rest = value;
            item = format!("{item}:{}", sorted(rest));
        }
        *rest = rest.strip_prefix(',').unwrap_or(rest);
        if item != "unknown_tags:{}" {
            items.push(item);
        }
    }
    *rest = &rest[1..];
    if items.is_empty() && close == ']' {
        return NOTHING.to_owned();
    }
    if close == ']' {
        return format!("[{}]", items.join(","));
    }
    items.sort();
    format!("{{{}}}", items.join(","))
}

fn scalar(rest: &mut &str) -> String {
    let mut quoted = false;
    let mut escaped = false;
    let end = rest.find(|c: char| {
        let end = !quoted && ":,]}".contains(c);
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        end
    });
    let (value, left) = rest.split_at(end.unwrap_or(rest.len()));
    *rest = left;
    match value {
        "\"\"" | "b\"\"" => NOTHING.to_owned(),
        _ => value.to_owned(),
    }
}

/// Ids: ours show Kafka's base64, the oracle's the usual form.
fn plain_word(word: &str) -> String {
    let hex: String = word.chars().filter(|c| *c != '-').collect();
    if word.len() == 36 && hex.len() == 32 {
        if let Ok(id) = u128::from_str_radix(&hex, 16) {
            return format!("{:?}", crate::kafka::Uuid(id.to_be_bytes()));
        }
    }
    word.to_owned()
}

/// Checks one message in all its versions, which the oracle must know, and gives their number.
fn check<M, O>(seed: u64) -> usize
where
    M: Message + std::fmt::Debug,
    O: oracle::Message + oracle::Encodable + oracle::Decodable + std::fmt::Debug,
{
    for version in M::VERSIONS.min..=M::VERSIONS.max {
        assert!(
            O::VERSIONS.min <= version && version <= O::VERSIONS.max,
            "{} v{version} is unknown to the oracle",
            M::NAME
        );
        check_one::<M, O>(version, seed);
    }
    usize::try_from(M::VERSIONS.max - M::VERSIONS.min + 1).expect("min <= max")
}

fn check_one<M, O>(version: i16, seed: u64)
where
    M: Message + std::fmt::Debug,
    O: oracle::Encodable + oracle::Decodable + std::fmt::Debug,
{
    let what = format!("{} v{version} seed {seed}", M::NAME);
    let value = M::sample(&mut Sampler::new(seed), M::ver(version));
    let ours = value.to_bytes(version).expect(&what);
    let mut left = ours.clone();
    let theirs = O::decode(&mut left, version).expect(&what);
    assert!(left.is_empty(), "{what}: the oracle left bytes over");
    let (a, b) = (format!("{value:?}"), format!("{theirs:?}"));
    assert_eq!(plain(&a), plain(&b), "{what}\n{a}\n{b}");
    let mut bytes = BytesMut::new();
    theirs.encode(&mut bytes, version).expect(&what);
    let bytes = bytes.freeze();
    assert_eq!(bytes, ours, "{what}\n{a}");
    let back: M = read_whole(&bytes, version);
    assert_eq!(format!("{back:?}"), a, "{what}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn every_message_and_version_agrees_with_the_oracle(seed: u64) {
        let mut messages = 0;
        let mut versions = 0;
        macro_rules! check {
            ($module:ident :: $name:ident) => {
                versions += check::<$module::$name, kafka_protocol::messages::$name>(seed);
                messages += 1;
            };
        }
        for_each_message!(check);
        let expected: i16 = ApiKey::ALL
            .iter()
            .map(|key| 2 * (key.versions().max - key.versions().min + 1))
            .sum();
        assert_eq!(messages, 2 * ApiKey::ALL.len());
        assert_eq!(versions, usize::try_from(expected).expect("not negative"));
    }

    #[test]
    fn the_consumer_protocol_agrees_with_the_oracle(seed: u64) {
        use crate::kafka::internal::consumer_protocol as ours;
        use kafka_protocol::messages as theirs;
        check::<ours::ConsumerProtocolSubscription, theirs::ConsumerProtocolSubscription>(seed);
        check::<ours::ConsumerProtocolAssignment, theirs::ConsumerProtocolAssignment>(seed);
    }
}

fn same_default<M, O>()
where
    M: Message + std::fmt::Debug,
    O: Default + std::fmt::Debug,
{
    let (a, b) = (format!("{:?}", M::default()), format!("{:?}", O::default()));
    assert_eq!(plain(&a), plain(&b), "{a}\n{b}");
}

#[test]
fn messages_start_with_the_oracle_s_defaults() {
    macro_rules! check {
        ($module:ident :: $name:ident) => {
            same_default::<$module::$name, kafka_protocol::messages::$name>();
        };
    }
    for_each_message!(check);
}

fn header_versions<O: oracle::HeaderVersion>(key: ApiKey, ours: impl Fn(ApiKey, i16) -> i16) {
    for version in key.versions().min..=key.versions().max {
        assert_eq!(
            ours(key, version),
            O::header_version(version),
            "{key} v{version}"
        );
    }
}

#[test]
fn header_versions_agree_with_the_oracle() {
    let mut keys = ApiKey::ALL.iter().flat_map(|key| [*key, *key]);
    let mut request = true;
    macro_rules! check {
        ($module:ident :: $name:ident) => {
            let key = keys.next().expect("two messages a key");
            header_versions::<kafka_protocol::messages::$name>(
                key,
                if request {
                    ApiKey::request_header_version
                } else {
                    ApiKey::response_header_version
                },
            );
            request = !request;
        };
    }
    for_each_message!(check);
    assert!(request && keys.next().is_none());
}

#[test]
fn request_headers_agree_with_the_oracle() {
    for (key, version) in [(7, 0), (7, 1), (0, 8), (18, 3), (18, 99)] {
        for client_id in [None, Some("a client")] {
            let key = ApiKey::try_from(key).expect("known");
            let header_version = key.request_header_version(version);
            let ours = RequestHeader {
                api_key: key,
                api_version: version,
                correlation_id: 77,
                client_id: client_id.filter(|_| header_version > 0).map(Str::from),
                unknown_tags: Default::default(),
            };
            let mut e = Encoder::new();
            ours.write(&mut e).expect("plain");
            let bytes = e.finish().into_bytes().expect("no file in a header");
            let theirs = kafka_protocol::messages::RequestHeader::default()
                .with_request_api_key(key as i16)
                .with_request_api_version(version)
                .with_correlation_id(77)
                .with_client_id(
                    ours.client_id
                        .as_ref()
                        .map(|s| oracle::StrBytes::from_string(s.to_string())),
                );
            let mut expected = BytesMut::new();
            oracle::Encodable::encode(&theirs, &mut expected, header_version).expect("plain");
            assert_eq!(bytes, expected.freeze(), "{key} v{version}");
            assert_eq!(RequestHeader::read(&mut Decoder::new(&bytes)), Ok(ours));
        }
    }
}
