//! What a partition knows of its idempotent and transactional producers: the last five batches of
//! each, open transactions, and the snapshots of it. Mirrors Java's `ProducerStateManager`,
//! `ProducerStateEntry` and `ProducerAppendInfo`.
//!
//! Never writes a data file; snapshots go through the log's file layer.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};

use proto::records::{BatchHeader, EndTxnMarker, NO_PRODUCER_EPOCH, NO_SEQUENCE, Origin};

use super::error::LogError;
use super::{file, producer_snapshot};

/// Batches remembered per producer: as many as may be in flight.
const BATCHES: usize = 5;

/// One appended batch of a producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchMeta {
    pub last_sequence: i32,
    pub last_offset: i64,
    pub offset_delta: i32,
    pub timestamp: i64,
}

impl BatchMeta {
    pub fn first_offset(&self) -> i64 {
        self.last_offset - i64::from(self.offset_delta)
    }

    fn first_sequence(&self) -> i32 {
        (i64::from(self.last_sequence) - i64::from(self.offset_delta)).rem_euclid(1 << 31) as i32
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Producer {
    pub epoch: i16,
    pub coordinator_epoch: i32,
    pub last_timestamp: i64,
    /// first offset of the open transaction
    pub txn_first_offset: Option<i64>,
    pub(super) batches: VecDeque<BatchMeta>,
}

impl Default for Producer {
    fn default() -> Self {
        let batches = VecDeque::new();
        Self {
            epoch: NO_PRODUCER_EPOCH,
            coordinator_epoch: -1,
            last_timestamp: -1,
            txn_first_offset: None,
            batches,
        }
    }
}

impl Producer {
    pub fn last_sequence(&self) -> i32 {
        self.batches.back().map_or(NO_SEQUENCE, |b| b.last_sequence)
    }

    fn set_epoch(&mut self, epoch: i16) {
        if self.epoch != epoch {
            self.batches.clear();
            self.epoch = epoch;
        }
    }

    fn duplicate_of(&self, batch: &BatchHeader) -> Option<BatchMeta> {
        if batch.producer_epoch != self.epoch {
            return None;
        }
        let range = (batch.base_sequence, batch.last_sequence());
        self.batches
            .iter()
            .find(|b| (b.first_sequence(), b.last_sequence) == range)
            .copied()
    }
}

/// The end of a transaction in this partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CompletedTxn {
    pub(super) producer_id: i64,
    pub(super) first_offset: i64,
    pub(super) last_offset: i64,
    pub(super) aborted: bool,
    /// last stable offset once this transaction is over
    pub(super) last_stable_offset: i64,
}

#[derive(Debug)]
pub(super) struct ProducerState {
    partition: String,
    dir: PathBuf,
    producers: HashMap<i64, Producer>,
    /// open transactions: first offset to producer id
    ongoing: BTreeMap<i64, i64>,
    /// ended transactions whose marker is above the high watermark: first to last offset
    unreplicated: BTreeMap<i64, i64>,
    /// offsets that have a snapshot file
    snapshots: BTreeSet<i64>,
    map_end_offset: i64,
    last_snapshot_offset: i64,
}

fn snapshot_path(dir: &Path, offset: i64) -> PathBuf {
    dir.join(format!("{offset:020}.snapshot"))
}

impl ProducerState {
    pub(super) fn new(partition: &str, dir: &Path) -> io::Result<Self> {
        let mut state = Self {
            partition: partition.to_owned(),
            dir: dir.to_owned(),
            producers: HashMap::new(),
            ongoing: BTreeMap::new(),
            unreplicated: BTreeMap::new(),
            snapshots: BTreeSet::new(),
            map_end_offset: 0,
            last_snapshot_offset: 0,
        };
        state.list_snapshots()?;
        Ok(state)
    }

    fn list_snapshots(&mut self) -> io::Result<()> {
        let names = file::list(&self.dir, false)?;
        self.snapshots = names
            .iter()
            .filter_map(|n| n.strip_suffix(".snapshot")?.parse().ok())
            .collect();
        Ok(())
    }

    pub(super) fn producers(&self) -> &HashMap<i64, Producer> {
        &self.producers
    }

    pub(super) fn map_end_offset(&self) -> i64 {
        self.map_end_offset
    }

    pub(super) fn set_map_end_offset(&mut self, offset: i64) {
        self.map_end_offset = offset;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.producers.is_empty() && self.unreplicated.is_empty()
    }

    pub(super) fn has_snapshot(&self) -> bool {
        !self.snapshots.is_empty()
    }

    /// The first offset that a read_committed consumer may not pass yet.
    pub(super) fn first_unstable_offset(&self) -> Option<i64> {
        let open = self.ongoing.keys().next();
        let ended = self.unreplicated.keys().next();
        open.into_iter().chain(ended).min().copied()
    }

    /// Checks a leader's batch against what is known; a duplicate is answered with the batch that
    /// was appended the first time.
    pub(super) fn check(
        &self,
        batch: &BatchHeader,
        marker: Option<EndTxnMarker>,
        origin: Origin,
    ) -> Result<Option<BatchMeta>, LogError> {
        if !batch.has_producer_id() {
            return Ok(None);
        }
        let none = Producer::default();
        let known = self.producers.get(&batch.producer_id).unwrap_or(&none);
        if origin == Origin::Client {
            if let Some(duplicate) = known.duplicate_of(batch) {
                return Ok(Some(duplicate));
            }
        }
        let (id, offset, partition) = (batch.producer_id, batch.offset, &self.partition);
        if batch.producer_epoch < known.epoch {
            return Err(LogError::InvalidProducerEpoch(format!(
                "Epoch of producer {id} at offset {offset} in {partition} is {}, which is smaller than the last seen epoch {}",
                batch.producer_epoch, known.epoch
            )));
        }
        if let Some(marker) = marker {
            if marker.coordinator_epoch < known.coordinator_epoch {
                return Err(LogError::CoordinatorFenced(format!(
                    "Invalid coordinator epoch for producerId {id} at offset {offset} in partition {partition}: {} (zombie), {} (current)",
                    marker.coordinator_epoch, known.coordinator_epoch
                )));
            }
            return Ok(None);
        }
        if origin == Origin::Client {
            self.check_sequence(known, batch)?;
        }
        if known.txn_first_offset.is_some() && !batch.is_transactional() {
            return Err(LogError::InvalidTxnState(format!(
                "Expected transactional write from producer {id} at offset {offset} in partition {partition}"
            )));
        }
        Ok(None)
    }

    fn check_sequence(&self, known: &Producer, batch: &BatchHeader) -> Result<(), LogError> {
        let (id, offset, partition, first) = (
            batch.producer_id,
            batch.offset,
            &self.partition,
            batch.base_sequence,
        );
        // Without a current epoch (all its records were deleted) any sequence is taken.
        if known.epoch == NO_PRODUCER_EPOCH {
            return Ok(());
        }
        if batch.producer_epoch != known.epoch {
            if first == 0 {
                return Ok(());
            }
            return Err(LogError::OutOfOrderSequence(format!(
                "Invalid sequence number for new epoch of producer {id} at offset {offset} in partition {partition}: {} (request epoch), {first} (seq. number), {} (current producer epoch)",
                batch.producer_epoch, known.epoch
            )));
        }
        let last = known.last_sequence();
        if i64::from(first) == i64::from(last) + 1 || (first == 0 && last == i32::MAX) {
            return Ok(());
        }
        Err(LogError::OutOfOrderSequence(format!(
            "Out of order sequence number for producer {id} at offset {offset} in partition {partition}: {first} (incoming seq. number), {last} (current end sequence number)"
        )))
    }

    /// Takes note of a batch that is in the log. A transaction that its marker ends is handed back.
    pub(super) fn apply(
        &mut self,
        batch: &BatchHeader,
        marker: Option<(EndTxnMarker, i64)>,
    ) -> Option<CompletedTxn> {
        self.map_end_offset = batch.next_offset();
        if !batch.has_producer_id() {
            return None;
        }
        let id = batch.producer_id;
        let producer = self.producers.entry(id).or_default();
        if batch.is_control() {
            let (marker, timestamp) = marker?;
            let first_offset = producer.txn_first_offset.take();
            producer.set_epoch(batch.producer_epoch);
            producer.coordinator_epoch = marker.coordinator_epoch;
            producer.last_timestamp = timestamp;
            return Some(self.complete(id, first_offset?, batch.offset, !marker.commit));
        }
        producer.set_epoch(batch.producer_epoch);
        if producer.batches.len() == BATCHES {
            producer.batches.pop_front();
        }
        producer.batches.push_back(BatchMeta {
            last_sequence: batch.last_sequence(),
            last_offset: batch.last_offset(),
            offset_delta: batch.last_offset_delta,
            timestamp: batch.max_timestamp,
        });
        producer.last_timestamp = batch.max_timestamp;
        if producer.txn_first_offset.is_none() && batch.is_transactional() {
            producer.txn_first_offset = Some(batch.offset);
            self.ongoing.insert(batch.offset, id);
        }
        None
    }

    fn complete(
        &mut self,
        producer_id: i64,
        first_offset: i64,
        last_offset: i64,
        aborted: bool,
    ) -> CompletedTxn {
        let next_open = self
            .ongoing
            .iter()
            .find(|(_, id)| **id != producer_id)
            .map(|(first, _)| *first);
        self.ongoing.remove(&first_offset);
        self.unreplicated.insert(first_offset, last_offset);
        let last_stable_offset = next_open.unwrap_or(last_offset + 1);
        CompletedTxn {
            producer_id,
            first_offset,
            last_offset,
            aborted,
            last_stable_offset,
        }
    }

    pub(super) fn on_high_watermark(&mut self, high_watermark: i64) {
        if !self.unreplicated.is_empty() {
            self.unreplicated.retain(|_, last| *last >= high_watermark);
        }
    }

    pub(super) fn on_log_start_offset(&mut self, start: i64) {
        self.on_high_watermark(start);
        self.map_end_offset = self.map_end_offset.max(start);
        self.last_snapshot_offset = self.snapshots.last().copied().unwrap_or(start);
    }

    /// Forgets producers that wrote nothing for `expiration_ms`.
    pub(super) fn expire(&mut self, now_ms: i64, expiration_ms: i64) {
        self.producers.retain(|_, p| {
            p.txn_first_offset.is_some() || now_ms - p.last_timestamp < expiration_ms
        });
    }

    fn clear(&mut self) {
        self.producers.clear();
        self.ongoing.clear();
        self.unreplicated.clear();
    }

    pub(super) fn truncate_fully(&mut self, offset: i64) -> io::Result<()> {
        self.clear();
        self.remove_snapshots(|_| true)?;
        self.last_snapshot_offset = 0;
        self.map_end_offset = offset;
        Ok(())
    }

    /// Goes back to the newest snapshot within the log, unless the state already ends where it does.
    pub(super) fn truncate_and_reload(
        &mut self,
        start: i64,
        end: i64,
        now_ms: i64,
        expiration_ms: i64,
    ) -> io::Result<()> {
        self.remove_snapshots(|offset| offset > end || offset <= start)?;
        if end == self.map_end_offset {
            self.on_log_start_offset(start);
            return Ok(());
        }
        self.clear();
        while let Some(offset) = self.snapshots.last().copied() {
            match self.read_snapshot(offset)? {
                Ok(producers) => {
                    for (id, producer) in producers {
                        if let Some(first) = producer.txn_first_offset {
                            self.ongoing.insert(first, id);
                        }
                        self.producers.insert(id, producer);
                    }
                    self.expire(now_ms, expiration_ms);
                    self.last_snapshot_offset = offset;
                    self.map_end_offset = offset;
                    return Ok(());
                }
                Err(what) => {
                    let path = snapshot_path(&self.dir, offset);
                    tracing::warn!(
                        "Removing producer snapshot {}, it is rebuilt from the log: {what}",
                        path.display()
                    );
                    self.remove_snapshots(|o| o == offset)?;
                }
            }
        }
        self.last_snapshot_offset = start;
        self.map_end_offset = start;
        Ok(())
    }

    pub(super) fn remove_snapshots(&mut self, which: impl Fn(i64) -> bool) -> io::Result<()> {
        for offset in self.snapshots.clone() {
            if which(offset) {
                file::remove_if_exists(&snapshot_path(&self.dir, offset))?;
                self.snapshots.remove(&offset);
            }
        }
        Ok(())
    }

    /// Keeps snapshots at segments' base offsets, and the newest one if it is above them all.
    pub(super) fn remove_stray_snapshots(&mut self, bases: &BTreeSet<i64>) -> io::Result<()> {
        self.list_snapshots()?;
        let newest_base = bases.last().copied().unwrap_or(i64::MIN);
        let newest_stray = self
            .snapshots
            .iter()
            .rev()
            .find(|o| !bases.contains(o))
            .copied();
        self.remove_snapshots(|offset| {
            !bases.contains(&offset) && (Some(offset) != newest_stray || offset < newest_base)
        })
    }

    /// Writes a snapshot at the state's end if there is none yet; the path is for whoever syncs it.
    pub(super) fn take_snapshot(&mut self) -> io::Result<Option<PathBuf>> {
        if self.map_end_offset <= self.last_snapshot_offset {
            return Ok(None);
        }
        let path = snapshot_path(&self.dir, self.map_end_offset);
        file::write_plain(&path, &producer_snapshot::encode(&self.producers))?;
        self.snapshots.insert(self.map_end_offset);
        self.last_snapshot_offset = self.map_end_offset;
        Ok(Some(path))
    }

    fn read_snapshot(&self, offset: i64) -> io::Result<Result<Vec<(i64, Producer)>, String>> {
        let bytes = file::read_if_exists(&snapshot_path(&self.dir, offset))?;
        Ok(bytes.map_or_else(
            || Err("it is gone".to_owned()),
            |bytes| producer_snapshot::decode(&bytes),
        ))
    }

    pub(super) fn moved_to(&mut self, dir: &Path) {
        self.dir = dir.to_owned();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::records::{Batch, BatchBuilder, BatchOptions};

    fn batch(offset: i64, epoch: i16, sequence: i32, n: i32, transactional: bool) -> BatchHeader {
        let mut b = BatchBuilder::new(BatchOptions {
            base_offset: offset,
            producer_id: 9,
            producer_epoch: epoch,
            base_sequence: sequence,
            transactional,
            ..Default::default()
        });
        for _ in 0..n {
            b.append(1000, None, Some(b"v"), std::iter::empty());
        }
        Batch::first(&b.build().unwrap()).unwrap().unwrap().header
    }

    fn state() -> (tempfile::TempDir, ProducerState) {
        let dir = tempfile::tempdir().unwrap();
        let state = ProducerState::new("t-0", dir.path()).unwrap();
        (dir, state)
    }

    #[test]
    fn five_batches_back_a_duplicate_is_known() {
        let (_dir, mut s) = state();
        for i in 0..6 {
            let b = batch(i * 2, 0, i as i32 * 2, 2, false);
            assert!(s.check(&b, None, Origin::Client).unwrap().is_none());
            s.apply(&b, None);
        }
        let again = s
            .check(&batch(12, 0, 2, 2, false), None, Origin::Client)
            .unwrap()
            .unwrap();
        assert_eq!((again.first_offset(), again.last_offset), (2, 3));
        let gone = s.check(&batch(12, 0, 0, 2, false), None, Origin::Client);
        assert!(matches!(gone, Err(LogError::OutOfOrderSequence(_))));
        assert!(matches!(
            s.check(&batch(12, 0, 13, 1, false), None, Origin::Client),
            Err(LogError::OutOfOrderSequence(_))
        ));
        assert!(matches!(
            s.check(&batch(12, 1, 5, 1, false), None, Origin::Client),
            Err(LogError::OutOfOrderSequence(_))
        ));
        s.apply(&batch(12, 1, 0, 1, false), None);
        assert!(matches!(
            s.check(&batch(13, 0, 12, 1, false), None, Origin::Client),
            Err(LogError::InvalidProducerEpoch(_))
        ));
    }

    #[test]
    fn transactions_hold_the_stable_offset_until_replicated() {
        let (_dir, mut s) = state();
        s.apply(&batch(5, 0, 0, 2, true), None);
        assert_eq!(s.first_unstable_offset(), Some(5));
        assert!(matches!(
            s.check(&batch(7, 0, 2, 1, false), None, Origin::Client),
            Err(LogError::InvalidTxnState(_))
        ));
        let bytes = proto::records::control_batch(
            EndTxnMarker {
                commit: false,
                coordinator_epoch: 3,
            },
            2000,
            9,
            0,
        )
        .unwrap();
        let mut marker = Batch::first(&bytes).unwrap().unwrap().header;
        marker.offset = 7;
        let done = s
            .apply(
                &marker,
                Some((
                    EndTxnMarker {
                        commit: false,
                        coordinator_epoch: 3,
                    },
                    2000,
                )),
            )
            .unwrap();
        assert_eq!(
            (
                done.first_offset,
                done.last_offset,
                done.aborted,
                done.last_stable_offset
            ),
            (5, 7, true, 8)
        );
        assert_eq!(s.first_unstable_offset(), Some(5));
        s.on_high_watermark(8);
        assert_eq!(s.first_unstable_offset(), None);
    }

    #[test]
    fn snapshots_come_back() {
        let (_dir, mut s) = state();
        s.apply(&batch(0, 3, 7, 2, true), None);
        let path = s.take_snapshot().unwrap().unwrap();
        assert!(path.ends_with("00000000000000000002.snapshot"));
        let before = s.producers.clone();
        s.map_end_offset = 99;
        s.truncate_and_reload(0, 50, 1000, 1 << 40).unwrap();
        assert_eq!(s.producers, before);
        assert_eq!((s.map_end_offset, s.first_unstable_offset()), (2, Some(0)));
    }
}
