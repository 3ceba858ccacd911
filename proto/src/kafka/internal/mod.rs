//! Records that outlive a connection: keys and values of the internal topics, and what consumers
//! tell each other through the group. Each is kept with its version, two bytes, in front.
//!
//! Java: `MessageUtil.toVersionPrefixedByteBuffer` and its readers.

use bytes::Bytes;

use super::decode::Decoder;
use super::encode::{EncodeError, Encoder};
use super::wire::{Message, Ver, Wire};
use crate::buf::ReadError;

pub mod consumer_protocol;
pub mod offsets;
pub mod transactions;

/// Why a stored record could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StoredError {
    #[error("{message} of version {version}: written by a later Kafka")]
    Version { message: &'static str, version: i16 },
    #[error("{message}: {error}")]
    Read {
        message: &'static str,
        error: ReadError,
    },
}

const PREFIX: Ver = Ver {
    version: 0,
    flexible: false,
};

/// The version in front of a stored record.
pub fn version_of(bytes: &Bytes) -> Result<i16, ReadError> {
    i16::read(&mut Decoder::new(bytes), PREFIX)
}

/// The record with its version in front.
pub fn to_versioned<M: Message>(record: &M, version: i16) -> Result<Bytes, EncodeError> {
    let mut e = Encoder::new();
    version.write(&mut e, PREFIX)?;
    record.encode(&mut e, version)?;
    let len = e.len();
    e.finish().into_bytes().ok_or(EncodeError::TooLong(len))
}

/// Reads a record by the version in front of it, which must be one that the schema has.
pub fn from_versioned<M: Message>(bytes: &Bytes) -> Result<M, StoredError> {
    read(bytes, |version| {
        M::VERSIONS.contains(version).then_some(version)
    })
}

/// As [`from_versioned`], but reads a later version as the latest known: consumers only ever
/// append fields to their protocol.
pub fn from_versioned_or_later<M: Message>(bytes: &Bytes) -> Result<M, StoredError> {
    read(bytes, |version| {
        (version >= M::VERSIONS.min).then_some(version.min(M::VERSIONS.max))
    })
}

fn read<M: Message>(
    bytes: &Bytes,
    choose: impl FnOnce(i16) -> Option<i16>,
) -> Result<M, StoredError> {
    let message = M::NAME;
    let failed = |error| StoredError::Read { message, error };
    let mut d = Decoder::new(bytes);
    let version = i16::read(&mut d, PREFIX).map_err(failed)?;
    let version = choose(version).ok_or(StoredError::Version { message, version })?;
    M::decode(&mut d, version).map_err(failed)
}
