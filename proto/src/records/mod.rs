//! Record batches (format v2) and message sets (formats v0 and v1): views, iteration, building,
//! conversion, compression, and the validation a leader does before it appends.
//!
//! Never reads a file or a clock; never allocates by a length it read. Mirrors Java's package
//! `org.apache.kafka.common.record` and `LogValidator`.

mod batch;
mod build;
mod compress;
mod control;
mod convert;
mod error;
mod iter;
mod legacy;
mod lz4;
mod snappy;
mod validate;
mod varint;

pub use batch::{
    Batch, BatchHeader, Batches, HEADER_PREFIX_V2, LOG_OVERHEAD, MAGIC_OFFSET, V2_OVERHEAD,
    set_base_offset, set_leader_epoch, set_max_timestamp,
};
pub use build::{BatchBuilder, BatchOptions};
pub use compress::{Compression, compress, decompress};
pub use control::{ControlType, EndTxnMarker, control_batch};
pub use convert::{down_convert, up_convert};
pub use error::{Fault, RecordError, RecordsError};
pub use iter::{Header, HeaderIter, Headers, Record, RecordIter};
pub use legacy::MessageSetBuilder;
pub use validate::{Origin, Validated, Validator};

/// `RecordBatch.NO_TIMESTAMP`
pub const NO_TIMESTAMP: i64 = -1;
/// `RecordBatch.NO_PRODUCER_ID`
pub const NO_PRODUCER_ID: i64 = -1;
/// `RecordBatch.NO_PRODUCER_EPOCH`
pub const NO_PRODUCER_EPOCH: i16 = -1;
/// `RecordBatch.NO_SEQUENCE`
pub const NO_SEQUENCE: i32 = -1;
/// `RecordBatch.NO_PARTITION_LEADER_EPOCH`
pub const NO_LEADER_EPOCH: i32 = -1;

/// Who set a batch's timestamps (`message.timestamp.type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TimestampType {
    #[default]
    CreateTime,
    LogAppendTime,
}

impl TimestampType {
    /// As the configuration writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::CreateTime => "CreateTime",
            Self::LogAppendTime => "LogAppendTime",
        }
    }
}
