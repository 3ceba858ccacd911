//! One partition in its shard: its log, who leads it, and who waits for it.
//!
//! Replication adds followers' offsets later: it drives the high watermark through
//! `advance_high_watermark`; a sole replica's is the log's end.

use std::time::Duration;

use bytes::Bytes;
use proto::records::Origin;

use super::command::{Appended, OffsetQuery, OffsetsFound, ReadItem};
use crate::log::{AppendInfo, Disk, Isolation, Log, LogError, ReadPlan, TopicPartition};

/// What this broker is to a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// nobody said yet
    Unknown,
    /// `sole`: no other replica is in sync, so what is appended is committed
    Leader {
        epoch: i32,
        sole: bool,
    },
    Follower {
        epoch: i32,
    },
}

#[derive(Debug)]
pub struct Hosted {
    pub partition: TopicPartition,
    pub log: Log,
    role: Role,
    /// parked fetches and watches to look at when readers may see more
    pub(super) waiting: Vec<u64>,
    /// readers may see more than when `waiting` was last looked at
    pub(super) stirred: bool,
    /// the control thread knows that its directory has failed
    pub(super) failure_told: bool,
}

impl Hosted {
    pub(super) fn new(partition: TopicPartition, log: Log) -> Self {
        Self {
            partition,
            log,
            role: Role::Unknown,
            waiting: Vec::new(),
            stirred: false,
            failure_told: false,
        }
    }

    pub fn role(&self) -> Role {
        self.role
    }

    /// Leads from now on; notes where the epoch begins. A leader that already leads in this epoch
    /// only learns whether it is alone.
    pub fn become_leader(&mut self, epoch: i32, sole: bool) -> Result<(), LogError> {
        if !matches!(self.role, Role::Leader { epoch: old, .. } if old == epoch) {
            self.log.start_epoch(epoch)?;
        }
        self.role = Role::Leader { epoch, sole };
        self.stirred = true;
        if sole {
            self.log.set_high_watermark(self.log.log_end());
        }
        Ok(())
    }

    pub fn become_follower(&mut self, epoch: i32) {
        self.role = Role::Follower { epoch };
        self.stirred = true; // whoever waits here must go elsewhere
    }

    /// Commits up to `offset`, as far as the log goes; never goes back.
    pub fn advance_high_watermark(&mut self, offset: i64) -> i64 {
        let old = self.log.high_watermark();
        if offset > old {
            self.stirred = true;
            return self.log.set_high_watermark(offset);
        }
        old
    }

    pub fn append(
        &mut self,
        records: &Bytes,
        origin: Origin,
        now_ms: i64,
        scratch: &mut Vec<u8>,
    ) -> Result<AppendInfo, LogError> {
        let Role::Leader { epoch, sole } = self.role else {
            return Err(LogError::NotHere {
                partition: self.partition.to_string(),
            });
        };
        let info = self
            .log
            .append_as_leader(records, origin, epoch, now_ms, scratch)?;
        if sole {
            self.log.set_high_watermark(self.log.log_end());
        }
        self.stirred = true;
        Ok(info)
    }

    pub fn append_as_follower(&mut self, records: &[u8], now_ms: i64) -> Result<i64, LogError> {
        self.stirred = true;
        self.log.append_as_follower(records, now_ms)
    }

    /// The checks of `Partition.readRecords`: only a leader answers, and only to readers of its
    /// epoch.
    pub fn check_leader(&self, reader_epoch: Option<i32>) -> Result<(), LogError> {
        let Role::Leader { epoch, .. } = self.role else {
            return Err(LogError::NotHere {
                partition: self.partition.to_string(),
            });
        };
        match reader_epoch {
            Some(e) if e < epoch => Err(LogError::FencedEpoch {
                partition: self.partition.to_string(),
                epoch: e,
                current: epoch,
            }),
            Some(e) if e > epoch => Err(LogError::UnknownEpoch {
                partition: self.partition.to_string(),
                epoch: e,
                current: epoch,
            }),
            _ => Ok(()),
        }
    }

    pub(super) fn read(&mut self, item: &ReadItem, disk: Disk) -> Result<ReadPlan, LogError> {
        self.check_leader(item.leader_epoch)?;
        self.log.read(
            item.offset,
            item.max_bytes,
            item.isolation,
            item.min_one_batch,
            disk,
        )
    }

    /// Where readers with this isolation see the end.
    pub(super) fn bound(&self, isolation: Isolation) -> i64 {
        match isolation {
            Isolation::LogEnd => self.log.log_end(),
            Isolation::HighWatermark => self.log.high_watermark(),
            Isolation::TxnCommitted => self.log.last_stable(),
        }
    }

    pub(super) fn find_offsets(
        &mut self,
        query: OffsetQuery,
        reader_epoch: Option<i32>,
        now_ms: i64,
        scratch: &mut Vec<u8>,
        disk: Disk,
    ) -> Result<OffsetsFound, LogError> {
        self.check_leader(reader_epoch)?;
        Ok(match query {
            OffsetQuery::Earliest => OffsetsFound::One(Some(self.log.earliest())),
            OffsetQuery::Latest(isolation) => OffsetsFound::One(Some(self.log.latest(isolation))),
            OffsetQuery::MaxTimestamp(isolation) => {
                let bound = self.bound(isolation);
                let found = self.log.max_timestamp(scratch, disk)?;
                OffsetsFound::One(found.filter(|found| found.offset < bound))
            }
            OffsetQuery::At(timestamp, isolation) => {
                let bound = self.bound(isolation);
                let found = self.log.offset_for_timestamp(timestamp, scratch, disk)?;
                OffsetsFound::One(found.filter(|found| found.offset < bound))
            }
            OffsetQuery::Before { timestamp, max } => {
                let mut found = self.log.offsets_before(timestamp, max, now_ms);
                // Consumers must not be sent past what they may read.
                let high_watermark = self.log.high_watermark();
                if found.iter().any(|o| *o > high_watermark) {
                    found.retain(|o| *o < high_watermark);
                    found.insert(0, high_watermark);
                    found.truncate(max);
                }
                OffsetsFound::Many(found)
            }
        })
    }

    pub(super) fn appended(
        &self,
        result: Result<AppendInfo, LogError>,
        took: Duration,
    ) -> Appended {
        Appended {
            result,
            offsets: self.log.offsets(),
            took,
        }
    }
}
