//! Whole frames, file regions, and the rules of what a version can carry.

use std::sync::Arc;

use bytes::Bytes;

use crate::kafka::encode::EncodeError;
use crate::kafka::messages::fetch::{
    FetchRequest, FetchResponse, FetchableTopicResponse, PartitionData,
};
use crate::kafka::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use crate::kafka::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use crate::kafka::types::{Records, Region};
use crate::kafka::wire::Message;
use crate::kafka::{ApiKey, FrameOut, RequestBody, ResponseBody, Segment, frame};
use crate::kafka::{decode::Decoder, header::RequestHeader};

fn fetched(records: Vec<Records>) -> FetchResponse {
    let partition = |(index, records)| PartitionData {
        partition_index: index,
        records,
        ..Default::default()
    };
    FetchResponse {
        responses: vec![FetchableTopicResponse {
            topic: "t".into(),
            partitions: (0..).zip(records).map(partition).collect(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn flat(frame: &FrameOut, region: u8) -> Vec<u8> {
    let mut out = Vec::new();
    for segment in frame.segments() {
        match segment {
            Segment::Bytes(bytes) => out.extend_from_slice(bytes),
            Segment::Region(r) => out.resize(out.len() + r.len, region),
        }
    }
    out
}

#[test]
fn file_regions_and_large_records_are_not_copied() {
    let region = Region {
        in_memory: false,
        file: Arc::new("a file"),
        position: 4711,
        len: 5000,
    };
    let memory = Bytes::from(vec![8; 6000]);
    for version in [4, 11, 12] {
        let parts = vec![
            Records::Bytes(memory.clone()),
            Records::Region(region.clone()),
            Records::Null,
            Records::Bytes(Bytes::from_static(b"small")),
        ];
        let frame = frame::response(ApiKey::Fetch, version, 9, &fetched(parts)).expect("fits");
        let pieces = frame.segments();
        assert_eq!(pieces.len(), 5, "{pieces:?}");
        let Segment::Bytes(shared) = &pieces[1] else {
            panic!("{pieces:?}");
        };
        assert_eq!(shared.as_ptr(), memory.as_ptr());
        assert_eq!(pieces[3], Segment::Region(region.clone()));

        // The same with all in memory has the same bytes.
        let flat = flat(&frame, 7);
        assert_eq!(frame.len(), flat.len());
        assert_eq!(flat[..4], (flat.len() as u32 - 4).to_be_bytes());
        let parts = vec![
            Records::Bytes(memory.clone()),
            Records::Bytes(vec![7; 5000].into()),
            Records::Null,
            Records::Bytes(Bytes::from_static(b"small")),
        ];
        let plain = fetched(parts);
        let body = ResponseBody::from(plain.clone());
        let copied = frame::response_body(version, 9, &body).expect("fits");
        assert_eq!(copied.into_bytes().expect("no file"), flat);
        assert_eq!(
            frame::read_response::<FetchRequest>(&Bytes::from(flat).slice(4..), version),
            Ok((9, plain))
        );
    }
}

#[test]
fn a_request_is_read_back_and_its_records_are_slices_of_the_frame() {
    let request = ProduceRequest {
        acks: -1,
        topic_data: vec![TopicProduceData {
            name: "t".into(),
            partition_data: vec![PartitionProduceData {
                records: Records::Bytes(vec![1; 10_000].into()),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    for version in [3, 9] {
        let frame = frame::request(version, 5, Some("me".into()), &request)
            .expect("fits")
            .into_bytes()
            .expect("no file");
        let frame = frame.slice(4..);
        let mut d = Decoder::new(&frame);
        let header = RequestHeader::read(&mut d).expect("just written");
        assert_eq!(
            (header.api_key, header.api_version),
            (ApiKey::Produce, version)
        );
        let body = RequestBody::decode(header.api_key, header.api_version, &mut d);
        let Ok(RequestBody::Produce(back)) = body else {
            panic!("{body:?}");
        };
        assert_eq!(back, request);
        let records = back.topic_data[0].partition_data[0]
            .records
            .bytes()
            .expect("set");
        let range = frame.as_ptr_range();
        assert!(range.contains(&records.as_ptr()));
    }
}

#[test]
fn a_field_that_the_version_lacks_must_be_default_or_ignorable() {
    // allow_auto_topic_creation came with version 4 and cannot be ignored.
    let strict = MetadataRequest {
        allow_auto_topic_creation: false,
        ..Default::default()
    };
    assert_eq!(
        strict.to_bytes(3),
        Err(EncodeError::FieldNotInVersion {
            field: "MetadataRequest.allow_auto_topic_creation",
            version: 3
        })
    );
    assert!(strict.to_bytes(4).is_ok());
    // The id of a topic can.
    let by_id = MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            topic_id: crate::kafka::Uuid([9; 16]),
            ..Default::default()
        }]),
        ..Default::default()
    };
    assert!(by_id.to_bytes(3).is_ok());
    // Null means "all" from version 1 on.
    let all = MetadataRequest {
        topics: None,
        ..Default::default()
    };
    assert_eq!(
        all.to_bytes(0),
        Err(EncodeError::NullNotInVersion {
            field: "MetadataRequest.topics",
            version: 0
        })
    );
    assert_eq!(all.to_bytes(1).as_deref(), Ok(&[0xff; 4][..]));
    assert!(MetadataRequest::from_bytes(&Bytes::from_static(&[0xff; 4]), 0).is_err());
    assert_eq!(
        all.to_bytes(13),
        Err(EncodeError::Version {
            message: "MetadataRequest",
            version: 13
        })
    );
    // Tagged fields need a flexible version.
    let mut tagged = MetadataRequest::default();
    tagged
        .unknown_tags
        .insert(crate::kafka::types::TaggedField {
            tag: 9,
            data: Bytes::new(),
        });
    assert_eq!(tagged.to_bytes(8), Err(EncodeError::TagsNotInVersion));
    assert!(tagged.to_bytes(9).is_ok());
}

#[test]
fn text_over_the_limit_is_refused_both_ways() {
    let long = MetadataRequest {
        topics: Some(vec![MetadataRequestTopic {
            name: Some("x".repeat(32_768).into()),
            ..Default::default()
        }]),
        ..Default::default()
    };
    for version in [1, 9] {
        assert_eq!(
            long.to_bytes(version),
            Err(EncodeError::TextTooLong(32_768))
        );
    }
    let mut frame = vec![2, 0x81, 0x80, 0x02];
    frame.resize(40_000, b'x');
    assert_eq!(
        MetadataRequest::from_bytes(&frame.into(), 9),
        Err(crate::buf::ReadError::BadLength(32_768))
    );
}
