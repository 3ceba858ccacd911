//! Why the log refused, by the answer that a client gets.

use std::io;

use proto::kafka::ErrorCode;
use proto::records::{Fault, RecordError, RecordsError};

use super::file::Cold;

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// RECORD_LIST_TOO_LARGE
    #[error(
        "Message batch size is {size} bytes in append to partition {partition}, which exceeds the maximum configured segment size of {max}."
    )]
    LargerThanSegment {
        partition: String,
        size: usize,
        max: u64,
    },
    /// OUT_OF_ORDER_SEQUENCE_NUMBER
    #[error("{0}")]
    OutOfOrderSequence(String),
    /// INVALID_PRODUCER_EPOCH
    #[error("{0}")]
    InvalidProducerEpoch(String),
    /// INVALID_TXN_STATE
    #[error("{0}")]
    InvalidTxnState(String),
    /// TRANSACTION_COORDINATOR_FENCED
    #[error("{0}")]
    CoordinatorFenced(String),
    /// OFFSET_OUT_OF_RANGE
    #[error(
        "Received request for offset {offset} for partition {partition}, but we only have log segments from {start} to {end}."
    )]
    OffsetOutOfRange {
        partition: String,
        offset: i64,
        start: i64,
        end: i64,
    },
    /// A follower was given records that don't continue its log.
    #[error(
        "Unexpected offset in append to {partition}: {offset} is less than the next offset {next}"
    )]
    UnexpectedOffset {
        partition: String,
        offset: i64,
        next: i64,
    },
    /// NOT_LEADER_OR_FOLLOWER
    #[error("There is no log of {partition} on this broker")]
    NotHere { partition: String },
    /// FENCED_LEADER_EPOCH
    #[error(
        "The leader epoch {epoch} of the request for {partition} is older than the current {current}"
    )]
    FencedEpoch {
        partition: String,
        epoch: i32,
        current: i32,
    },
    /// UNKNOWN_LEADER_EPOCH
    #[error(
        "The leader epoch {epoch} of the request for {partition} is newer than the current {current}"
    )]
    UnknownEpoch {
        partition: String,
        epoch: i32,
        current: i32,
    },
    /// KAFKA_STORAGE_ERROR
    #[error("the disk failed: {0}")]
    Io(#[from] io::Error),
    /// KAFKA_STORAGE_ERROR; an earlier append or fsync failed, so the end of the log is not known
    #[error(
        "{partition} takes no appends since an earlier write to {dir} failed; restart the broker after the disk is repaired"
    )]
    Poisoned { partition: String, dir: String },
    /// Damage that must not be repaired silently.
    #[error("{0}")]
    Damaged(String),
}

impl LogError {
    /// The code that a client is answered with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Records(e) => match e {
                RecordsError::Corrupt(_) => ErrorCode::CORRUPT_MESSAGE,
                RecordsError::Invalid { .. } => ErrorCode::INVALID_RECORD,
                RecordsError::InvalidTimestamp { .. } => ErrorCode::INVALID_TIMESTAMP,
                RecordsError::UnsupportedCompression(_) => ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
                RecordsError::UnsupportedForFormat(_) => ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT,
                RecordsError::BatchTooLarge(_) | RecordsError::TooLarge { .. } => {
                    ErrorCode::MESSAGE_TOO_LARGE
                }
            },
            Self::LargerThanSegment { .. } => ErrorCode::RECORD_LIST_TOO_LARGE,
            Self::OutOfOrderSequence(_) => ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
            Self::InvalidProducerEpoch(_) => ErrorCode::INVALID_PRODUCER_EPOCH,
            Self::InvalidTxnState(_) => ErrorCode::INVALID_TXN_STATE,
            Self::CoordinatorFenced(_) => ErrorCode::TRANSACTION_COORDINATOR_FENCED,
            Self::OffsetOutOfRange { .. } => ErrorCode::OFFSET_OUT_OF_RANGE,
            Self::UnexpectedOffset { .. } => ErrorCode::UNKNOWN_SERVER_ERROR,
            Self::FencedEpoch { .. } => ErrorCode::FENCED_LEADER_EPOCH,
            Self::UnknownEpoch { .. } => ErrorCode::UNKNOWN_LEADER_EPOCH,
            Self::NotHere { .. } => ErrorCode::NOT_LEADER_OR_FOLLOWER,
            Self::Io(_) | Self::Poisoned { .. } | Self::Damaged(_) => {
                ErrorCode::KAFKA_STORAGE_ERROR
            }
        }
    }

    /// What has to be read first, where the log was not to wait for the disk.
    pub fn cold(&self) -> Option<&Cold> {
        match self {
            Self::Io(error) => Cold::of(error),
            _ => None,
        }
    }

    /// What makes records invalid, and how many are.
    pub fn fault(&self) -> (Fault, usize) {
        match self {
            Self::Records(RecordsError::Invalid { records, fault, .. }) => {
                (*fault, records.len().max(1))
            }
            _ => (Fault::Other, 1),
        }
    }

    /// The records that were refused, for the `record_errors` of a Produce response.
    pub fn record_errors(&self) -> &[RecordError] {
        match self {
            Self::Records(
                RecordsError::Invalid { records, .. }
                | RecordsError::InvalidTimestamp { records, .. },
            ) => records,
            _ => &[],
        }
    }
}
