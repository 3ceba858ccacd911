//! What can be wrong with records, by the answer a producer gets.

/// One rejected record of a batch (`Produce` response field `record_errors`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordError {
    /// position in the batch, from 0
    pub index: i32,
    pub message: String,
}

/// What makes records invalid, as far as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Magic,
    /// offsets, counts, sequences
    Offset,
    /// records without a key on a compacted topic
    NoKey,
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordsError {
    /// Java: `CorruptRecordException`, code CORRUPT_MESSAGE.
    #[error("{0}")]
    Corrupt(String),
    /// Java: `InvalidRecordException`, code INVALID_RECORD.
    #[error("{message}")]
    Invalid {
        message: String,
        records: Vec<RecordError>,
        fault: Fault,
    },
    /// Java: `InvalidTimestampException`, code INVALID_TIMESTAMP.
    #[error("{message}")]
    InvalidTimestamp {
        message: String,
        records: Vec<RecordError>,
    },
    /// Java: `UnsupportedCompressionTypeException`, code UNSUPPORTED_COMPRESSION_TYPE.
    #[error("{0}")]
    UnsupportedCompression(String),
    /// Java: `UnsupportedForMessageFormatException`, code UNSUPPORTED_FOR_MESSAGE_FORMAT.
    #[error("{0}")]
    UnsupportedForFormat(String),
    /// Java: `RecordTooLargeException`, code MESSAGE_TOO_LARGE.
    #[error("{0}")]
    BatchTooLarge(String),
    /// Decompressed data outgrew the caller's limit; answered like a batch that is too large.
    #[error("the records decompress to more than {limit} bytes")]
    TooLarge { limit: usize },
}

impl RecordsError {
    pub(crate) fn corrupt(message: impl Into<String>) -> Self {
        Self::Corrupt(message.into())
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::faulty(Fault::Other, message)
    }

    pub(crate) fn faulty(fault: Fault, message: impl Into<String>) -> Self {
        Self::Invalid {
            message: message.into(),
            records: Vec::new(),
            fault,
        }
    }
}
