//! Records of `__consumer_offsets` (Java: `OffsetCommitKey`, `OffsetCommitValue`,
//! `GroupMetadataKey`, `GroupMetadataValue`, `GroupMetadataManager.readMessageKey`).
//!
//! Which value version to write follows from the message format and the fields in use, as the
//! coordinator decides; all that 0.8.2 to 3.9 wrote can be read.

use bytes::Bytes;

use super::{StoredError, from_versioned, version_of};
use crate::kafka::macros::messages;
use crate::kafka::types::Str;
use crate::kafka::wire::Message;

messages! {
    /// Java: `OffsetCommitKey`. Versions 0 and 1 are the same.
    struct OffsetCommitKey (0..=1) {
        group: Str,
        topic: Str,
        partition: i32,
    }
    /// Java: `OffsetCommitValue`. 1 has a time of expiry of its own, 3 the leader epoch; 4 is
    /// flexible and only read.
    struct OffsetCommitValue (0..=4, flexible 4..) {
        offset: i64,
        leader_epoch: i32 [3.., ignorable] = -1,
        metadata: Str,
        commit_timestamp: i64,
        expire_timestamp: i64 [1, ignorable] = -1,
    }
    /// Java: `GroupMetadataKey`. Its versions go on where those of [`OffsetCommitKey`] end.
    struct GroupMetadataKey (2..=2) {
        group: Str,
    }
    /// Java: `GroupMetadataValue`. 1 adds the rebalance timeout, 2 the time of the state, 3 static
    /// members; 4 is flexible and only read.
    struct GroupMetadataValue (0..=4, flexible 4..) {
        protocol_type: Str,
        generation: i32,
        protocol: Option<Str>,
        leader: Option<Str>,
        current_state_timestamp: i64 [2.., ignorable] = -1,
        members: Vec<MemberMetadata>,
    }
    struct MemberMetadata {
        member_id: Str,
        group_instance_id: Option<Str> [3.., ignorable],
        client_id: Str,
        client_host: Str,
        rebalance_timeout: i32 [1.., ignorable] = -1,
        session_timeout: i32,
        /// a versioned [`super::consumer_protocol::ConsumerProtocolSubscription`], if the group is
        /// one of consumers
        subscription: Bytes,
        assignment: Bytes,
    }
}

/// A key of `__consumer_offsets`.
#[derive(Debug, Clone, PartialEq)]
pub enum OffsetsKey {
    Offset(OffsetCommitKey),
    Group(GroupMetadataKey),
    /// of the next generation's groups, or later still: passed over when the topic is loaded
    Unknown(i16),
}

impl OffsetsKey {
    pub fn read(key: &Bytes) -> Result<Self, StoredError> {
        let version = version_of(key).map_err(|error| StoredError::Read {
            message: "key of __consumer_offsets",
            error,
        })?;
        if OffsetCommitKey::VERSIONS.contains(version) {
            from_versioned(key).map(Self::Offset)
        } else if GroupMetadataKey::VERSIONS.contains(version) {
            from_versioned(key).map(Self::Group)
        } else {
            Ok(Self::Unknown(version))
        }
    }
}
