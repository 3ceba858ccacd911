//! Control batches: transaction markers. Mirrors Java's `ControlRecordType`, `EndTransactionMarker`
//! and `MemoryRecords.withEndTransactionMarker`.

use super::build::{BatchBuilder, BatchOptions};
use super::iter::Record;
use super::{NO_SEQUENCE, RecordsError};

/// What a control record says (its key's second field).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlType {
    Abort,
    Commit,
    /// written by KRaft, or by a later version; passed over
    Other(i16),
}

impl ControlType {
    /// From a control record's key: version, type.
    pub fn of(record: &Record) -> Result<Self, RecordsError> {
        let key = record
            .key
            .and_then(|k| k.first_chunk::<4>())
            .ok_or_else(|| {
                RecordsError::invalid(format!(
                    "Invalid control record at offset {}: its key is too short",
                    record.offset
                ))
            })?;
        let version = i16::from_be_bytes([key[0], key[1]]);
        if version < 0 {
            return Err(RecordsError::invalid(format!(
                "Invalid version found for control record: {version}"
            )));
        }
        Ok(match i16::from_be_bytes([key[2], key[3]]) {
            0 => Self::Abort,
            1 => Self::Commit,
            other => Self::Other(other),
        })
    }
}

/// The end of a transaction in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndTxnMarker {
    pub commit: bool,
    pub coordinator_epoch: i32,
}

impl EndTxnMarker {
    /// The marker in a control record, or `None` if it is another kind of control record.
    pub fn of(record: &Record) -> Result<Option<Self>, RecordsError> {
        let commit = match ControlType::of(record)? {
            ControlType::Commit => true,
            ControlType::Abort => false,
            ControlType::Other(_) => return Ok(None),
        };
        let value = record
            .value
            .and_then(|v| v.first_chunk::<6>())
            .ok_or_else(|| {
                RecordsError::invalid(format!(
                    "Invalid end transaction marker at offset {}: value too short",
                    record.offset
                ))
            })?;
        let coordinator_epoch = i32::from_be_bytes([value[2], value[3], value[4], value[5]]);
        Ok(Some(Self {
            commit,
            coordinator_epoch,
        }))
    }
}

/// A batch that ends a transaction of this producer; the log sets offset and leader epoch.
pub fn control_batch(
    marker: EndTxnMarker,
    timestamp: i64,
    producer_id: i64,
    producer_epoch: i16,
) -> Result<Vec<u8>, RecordsError> {
    let mut builder = BatchBuilder::new(BatchOptions {
        producer_id,
        producer_epoch,
        base_sequence: NO_SEQUENCE,
        transactional: true,
        control: true,
        ..Default::default()
    });
    let key = [0, 0, 0, u8::from(marker.commit)];
    let mut value = [0; 6];
    value[2..].copy_from_slice(&marker.coordinator_epoch.to_be_bytes());
    builder.append(timestamp, Some(&key), Some(&value), std::iter::empty());
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::super::Batch;
    use super::*;

    #[test]
    fn a_marker_comes_back() {
        let marker = EndTxnMarker {
            commit: true,
            coordinator_epoch: 7,
        };
        let bytes = control_batch(marker, 99, 5, 2).unwrap();
        let batch = Batch::first(&bytes).unwrap().unwrap();
        assert!(batch.header.is_control() && batch.header.is_transactional());
        let mut scratch = Vec::new();
        let record = batch
            .records(&mut scratch, 100)
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        assert_eq!(EndTxnMarker::of(&record), Ok(Some(marker)));
    }
}
