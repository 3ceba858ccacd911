//! The disk of a server of `pump`: what is synced, and what a crash takes.

use std::collections::VecDeque;

use super::pump::History;
use crate::store::epochs::Epoch;
use crate::store::orders::{DiskDone, DiskOrder};
use crate::units::Zxid;
use crate::zab::testing::replay;

/// What one server has on its disk, and what it was asked to write there.
#[derive(Debug, Default)]
pub(super) struct Disk {
    pub orders: VecDeque<DiskOrder>,
    /// histories of the databases in `SaveSnapshot`
    pub images: VecDeque<History>,
    pub snapshot: History,
    pub snapshot_zxid: i64,
    /// zxids of all snapshots that came from leaders
    installed: Vec<i64>,
    pub log: History,
    /// how much of the log a crash can't take
    pub synced: usize,
    pub accepted: i64,
    pub current: i64,
}

impl Disk {
    pub(super) fn history(&self) -> History {
        let log = self.log.iter().filter(|(z, _)| *z > self.snapshot_zxid);
        self.snapshot.iter().chain(log).cloned().collect()
    }

    pub(super) fn durable(&self, zxid: i64) -> bool {
        let log = self.log[..self.synced].iter().any(|(z, _)| *z == zxid);
        log || self.snapshot.iter().any(|(z, _)| *z == zxid)
    }

    /// Does what was ordered; what there is to tell of it.
    pub(super) fn carry_out(&mut self, order: DiskOrder) -> Option<DiskDone> {
        match order {
            DiskOrder::Append { zxid, record } => {
                let last = self.history().last().map_or(0, |&(z, _)| z);
                assert!(last < zxid.0, "log in order: 0x{last:x}, 0x{:x}", zxid.0);
                self.log.push((zxid.0, record));
                if !matches!(self.orders.front(), Some(DiskOrder::Append { .. })) {
                    self.synced = self.log.len();
                    Some(DiskDone::Logged { zxid })
                } else {
                    None
                }
            }
            DiskOrder::WriteEpoch { which, value } => {
                self.synced = self.log.len();
                match which {
                    Epoch::Accepted => self.accepted = value,
                    Epoch::Current => self.current = value,
                }
                Some(DiskDone::EpochWritten { which, value })
            }
            DiskOrder::SaveSnapshot(image) => {
                self.snapshot = self.images.pop_front().unwrap();
                self.snapshot_zxid = image.0.zxid().0;
                self.log.retain(|(z, _)| *z <= self.snapshot_zxid);
                self.synced = self.log.len();
                self.installed.push(self.snapshot_zxid);
                Some(DiskDone::SnapshotSaved {
                    zxid: image.0.zxid(),
                })
            }
            DiskOrder::Truncate { zxid } => {
                self.log.retain(|(z, _)| *z <= zxid.0);
                self.installed.retain(|z| *z <= zxid.0);
                if self.snapshot_zxid > zxid.0 {
                    self.snapshot.clear();
                    self.snapshot_zxid = 0;
                }
                self.synced = self.log.len();
                let database = replay(self.history(), usize::MAX);
                Some(DiskDone::Reloaded {
                    database: Box::new(database),
                })
            }
            DiskOrder::ReadLog { link, after, .. } => {
                let from = self.log.iter().rposition(|(z, _)| *z <= after.0);
                let read = from.map(|from| self.log[from..].to_vec());
                let mut read = read.unwrap_or_default();
                let has = |z: &i64| read.iter().any(|(zxid, _)| zxid == z);
                let gap = |z: &i64| *z > after.0 && !has(z);
                if self.installed.iter().any(gap) {
                    read.clear();
                }
                let read = read.into_iter();
                Some(DiskDone::LogRead {
                    link,
                    records: read.map(|(z, record)| (Zxid(z), record)).collect(),
                })
            }
            order => panic!("{order:?}"),
        }
    }
}
