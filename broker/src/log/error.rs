//! Why the log refused, by the answer that a client gets.

use std::io;

use proto::records::RecordsError;

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
