//! Records of `__consumer_offsets` and their bytes, in the versions that Kafka 3.9 writes (Java:
//! `GroupMetadataManager.offsetCommitValue`, `groupMetadataValue`, `readMessageKey`).

use std::sync::Arc;

use bytes::Bytes;
use proto::kafka::Str;
use proto::kafka::encode::EncodeError;
use proto::kafka::internal::offsets::{
    GroupMetadataKey, GroupMetadataValue, MemberMetadata, OffsetCommitKey, OffsetCommitValue,
    OffsetsKey,
};
use proto::kafka::internal::{StoredError, from_versioned, to_versioned};

use super::effect::{CommittedOffset, Record, StoredGroup, StoredMember, TopicPartition};

/// Key and value of one record; a tombstone has no value.
pub type KeyValue = (Bytes, Option<Bytes>);

pub fn encode(record: &Record) -> Result<KeyValue, EncodeError> {
    match record {
        Record::Offset { group, at, value } => {
            let key = OffsetCommitKey {
                group: text(group),
                topic: text(&at.topic),
                partition: at.partition,
                ..OffsetCommitKey::default()
            };
            let value = value.as_ref().map(encode_offset).transpose()?;
            Ok((to_versioned(&key, 1)?, value))
        }
        Record::Group { group, value } => {
            let key = GroupMetadataKey {
                group: text(group),
                ..GroupMetadataKey::default()
            };
            let value = value.as_ref().map(encode_group).transpose()?;
            Ok((to_versioned(&key, 2)?, value))
        }
    }
}

/// `None` for keys of kinds that a later Kafka added.
pub fn decode(key: &Bytes, value: Option<&Bytes>) -> Result<Option<Record>, StoredError> {
    Ok(Some(match OffsetsKey::read(key)? {
        OffsetsKey::Unknown(_) => return Ok(None),
        OffsetsKey::Offset(key) => Record::Offset {
            group: owned(&key.group),
            at: TopicPartition::new(&key.topic, key.partition),
            value: value.map(decode_offset).transpose()?,
        },
        OffsetsKey::Group(key) => Record::Group {
            group: owned(&key.group),
            value: value.map(decode_group).transpose()?,
        },
    }))
}

fn encode_offset(value: &CommittedOffset) -> Result<Bytes, EncodeError> {
    // Only version 1 has a time of expiry of its own.
    let version = if value.expire_timestamp.is_some() {
        1
    } else {
        3
    };
    let stored = OffsetCommitValue {
        offset: value.offset,
        leader_epoch: value.leader_epoch,
        metadata: text(&value.metadata),
        commit_timestamp: value.commit_timestamp,
        expire_timestamp: value.expire_timestamp.unwrap_or(-1),
        ..OffsetCommitValue::default()
    };
    to_versioned(&stored, version)
}

fn decode_offset(bytes: &Bytes) -> Result<CommittedOffset, StoredError> {
    let stored: OffsetCommitValue = from_versioned(bytes)?;
    Ok(CommittedOffset {
        offset: stored.offset,
        leader_epoch: stored.leader_epoch,
        metadata: owned(&stored.metadata),
        commit_timestamp: stored.commit_timestamp,
        expire_timestamp: (stored.expire_timestamp >= 0).then_some(stored.expire_timestamp),
    })
}

fn encode_group(value: &StoredGroup) -> Result<Bytes, EncodeError> {
    let member = |m: &StoredMember| MemberMetadata {
        member_id: text(&m.member_id),
        group_instance_id: m.group_instance_id.as_ref().map(text),
        client_id: text(&m.client_id),
        client_host: text(&m.client_host),
        rebalance_timeout: m.rebalance_timeout_ms,
        session_timeout: m.session_timeout_ms,
        subscription: m.subscription.clone(),
        assignment: m.assignment.clone(),
        ..MemberMetadata::default()
    };
    let stored = GroupMetadataValue {
        protocol_type: text(&value.protocol_type),
        generation: value.generation,
        protocol: value.protocol.as_ref().map(text),
        leader: value.leader.as_ref().map(text),
        current_state_timestamp: value.current_state_timestamp,
        members: value.members.iter().map(member).collect(),
        ..GroupMetadataValue::default()
    };
    to_versioned(&stored, 3)
}

fn decode_group(bytes: &Bytes) -> Result<StoredGroup, StoredError> {
    let stored: GroupMetadataValue = from_versioned(bytes)?;
    let member = |m: &MemberMetadata| StoredMember {
        member_id: owned(&m.member_id),
        group_instance_id: m.group_instance_id.as_ref().map(owned),
        client_id: owned(&m.client_id),
        client_host: owned(&m.client_host),
        // Version 0 has one timeout for both.
        rebalance_timeout_ms: match m.rebalance_timeout {
            -1 => m.session_timeout,
            timeout => timeout,
        },
        session_timeout_ms: m.session_timeout,
        subscription: Bytes::copy_from_slice(&m.subscription),
        assignment: Bytes::copy_from_slice(&m.assignment),
    };
    Ok(StoredGroup {
        protocol_type: owned(&stored.protocol_type),
        generation: stored.generation,
        protocol: stored.protocol.as_ref().map(owned),
        leader: stored.leader.as_ref().map(owned),
        current_state_timestamp: stored.current_state_timestamp,
        members: stored.members.iter().map(member).collect(),
    })
}

fn text(text: &Arc<str>) -> Str {
    Str::from(&**text)
}

/// A copy, so that what is kept does not hold the log's read buffer.
fn owned(text: &Str) -> Arc<str> {
    Arc::from(text.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(expire_timestamp: Option<i64>) -> Record {
        let value = CommittedOffset {
            offset: 7,
            leader_epoch: if expire_timestamp.is_some() { -1 } else { 3 },
            metadata: "m".into(),
            commit_timestamp: 5,
            expire_timestamp,
        };
        Record::Offset {
            group: "g".into(),
            at: TopicPartition::new("t", 2),
            value: Some(value),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let member = StoredMember {
            member_id: "c-1".into(),
            group_instance_id: Some("i".into()),
            client_id: "c".into(),
            client_host: "/127.0.0.1".into(),
            rebalance_timeout_ms: 60_000,
            session_timeout_ms: 10_000,
            subscription: Bytes::from_static(b"s"),
            assignment: Bytes::from_static(b"a"),
        };
        let group = StoredGroup {
            protocol_type: "consumer".into(),
            generation: 4,
            protocol: Some("range".into()),
            leader: Some("c-1".into()),
            current_state_timestamp: 9,
            members: vec![member],
        };
        let tombstone = Record::Offset {
            group: "g".into(),
            at: TopicPartition::new("t", 2),
            value: None,
        };
        for record in [
            offset(None),
            offset(Some(99)),
            Record::Group {
                group: "g".into(),
                value: Some(group),
            },
            Record::Group {
                group: "g".into(),
                value: None,
            },
            tombstone,
        ] {
            let (key, value) = encode(&record).unwrap();
            assert_eq!(decode(&key, value.as_ref()).unwrap(), Some(record));
        }
    }

    #[test]
    fn kinds_of_a_later_kafka_are_passed_over() {
        assert_eq!(
            decode(&Bytes::from_static(&[0, 3, 0, 1, b'g']), None).unwrap(),
            None
        );
    }
}
