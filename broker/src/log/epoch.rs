//! Which leader epoch began at which offset, kept in `leader-epoch-checkpoint`. Mirrors Java's
//! `LeaderEpochFileCache` (KIP-101, KIP-279).

use std::io;
use std::path::{Path, PathBuf};

use super::checkpoint;
use super::file;

pub(super) const FILE: &str = "leader-epoch-checkpoint";

/// The first offset written in a leader epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEntry {
    pub epoch: i32,
    pub start_offset: i64,
}

#[derive(Debug)]
pub(super) struct LeaderEpochs {
    path: PathBuf,
    /// epochs and offsets both grow
    entries: Vec<EpochEntry>,
}

impl LeaderEpochs {
    /// Reads the file in `dir`; `Err` with its text tells that it is damaged and must be rebuilt.
    pub(super) fn load(dir: &Path) -> io::Result<Result<Self, String>> {
        let mut epochs = Self {
            path: dir.join(FILE),
            entries: Vec::new(),
        };
        let Some(bytes) = file::read_if_exists(&epochs.path)? else {
            return Ok(Ok(epochs));
        };
        let parsed = checkpoint::parse_lines(&bytes, |fields| match fields {
            [epoch, offset] => Some(EpochEntry {
                epoch: epoch.parse().ok()?,
                start_offset: offset.parse().ok()?,
            }),
            _ => None,
        });
        Ok(parsed.map(|entries| {
            for entry in entries {
                epochs.insert(entry);
            }
            epochs
        }))
    }

    pub(super) fn empty(dir: &Path) -> Self {
        Self {
            path: dir.join(FILE),
            entries: Vec::new(),
        }
    }

    pub(super) fn entries(&self) -> &[EpochEntry] {
        &self.entries
    }

    pub(super) fn latest(&self) -> Option<EpochEntry> {
        self.entries.last().copied()
    }

    pub(super) fn earliest(&self) -> Option<EpochEntry> {
        self.entries.first().copied()
    }

    fn insert(&mut self, entry: EpochEntry) -> bool {
        if self
            .latest()
            .is_some_and(|l| l.epoch == entry.epoch && l.start_offset <= entry.start_offset)
        {
            return false;
        }
        if entry.epoch < 0 || entry.start_offset < 0 {
            return false;
        }
        // Entries that contradict the new one came from a leader whose records were truncated.
        while self
            .latest()
            .is_some_and(|l| l.epoch >= entry.epoch || l.start_offset >= entry.start_offset)
        {
            self.entries.pop();
        }
        self.entries.push(entry);
        true
    }

    /// Notes that `epoch` writes from `start_offset` on, if that is news; durable when it returns.
    pub(super) fn assign(&mut self, epoch: i32, start_offset: i64) -> io::Result<()> {
        if self.insert(EpochEntry {
            epoch,
            start_offset,
        }) {
            self.write()
        } else {
            Ok(())
        }
    }

    /// As `assign`, to be followed by `write`.
    pub(super) fn assign_unwritten(&mut self, epoch: i32, start_offset: i64) -> bool {
        self.latest().is_none_or(|l| epoch > l.epoch)
            && self.insert(EpochEntry {
                epoch,
                start_offset,
            })
    }

    pub(super) fn write(&self) -> io::Result<()> {
        let lines = self
            .entries
            .iter()
            .map(|e| format!("{} {}", e.epoch, e.start_offset));
        file::write_atomically(&self.path, checkpoint::format_lines(lines).as_bytes())
    }

    /// Removes the epochs that began at or after `end_offset`.
    pub(super) fn truncate_from_end(&mut self, end_offset: i64) -> io::Result<()> {
        let before = self.entries.len();
        self.entries.retain(|e| e.start_offset < end_offset);
        if self.entries.len() == before {
            Ok(())
        } else {
            self.write()
        }
    }

    /// Moves the epoch that holds `start_offset` up to it and removes those before.
    pub(super) fn truncate_from_start(&mut self, start_offset: i64) -> io::Result<()> {
        let passed = self
            .entries
            .partition_point(|e| e.start_offset <= start_offset);
        let Some(last) = passed.checked_sub(1) else {
            return Ok(());
        };
        if last == 0 && self.entries[0].start_offset == start_offset {
            return Ok(());
        }
        self.entries[last].start_offset = start_offset;
        self.entries.drain(..last);
        self.write()
    }

    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.entries.clear();
        self.write()
    }

    /// The epoch that wrote `offset`.
    pub(super) fn epoch_for(&self, offset: i64) -> Option<i32> {
        let n = self.entries.partition_point(|e| e.start_offset <= offset);
        n.checked_sub(1).map(|i| self.entries[i].epoch)
    }

    /// The largest epoch at or below the requested one and the offset where it ends
    /// (OffsetForLeaderEpoch); `None` where Java answers "undefined".
    pub(super) fn end_offset_for(&self, requested: i32, log_end: i64) -> Option<(i32, i64)> {
        let latest = self.latest()?;
        if requested == latest.epoch {
            return Some((requested, log_end));
        }
        let n = self.entries.partition_point(|e| e.epoch <= requested);
        let higher = self.entries.get(n)?;
        let epoch = if n == 0 {
            requested
        } else {
            self.entries[n - 1].epoch
        };
        Some((epoch, higher.start_offset))
    }

    pub(super) fn moved_to(&mut self, dir: &Path) {
        self.path = dir.join(FILE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_epochs_as_java_answers() {
        let dir = tempfile::tempdir().unwrap();
        let mut epochs = LeaderEpochs::empty(dir.path());
        for (epoch, offset) in [(2, 0), (2, 5), (4, 10), (7, 20)] {
            epochs.assign(epoch, offset).unwrap();
        }
        let text = std::fs::read_to_string(dir.path().join(FILE)).unwrap();
        assert_eq!(text, "0\n3\n2 0\n4 10\n7 20\n");
        let ends: Vec<_> = [0, 2, 3, 4, 6, 7, 8]
            .map(|e| epochs.end_offset_for(e, 30))
            .into();
        assert_eq!(
            ends,
            [
                Some((0, 0)),
                Some((2, 10)),
                Some((2, 10)),
                Some((4, 20)),
                Some((4, 20)),
                Some((7, 30)),
                None
            ]
        );
        assert_eq!(
            (
                epochs.epoch_for(9),
                epochs.epoch_for(10),
                epochs.epoch_for(99)
            ),
            (Some(2), Some(4), Some(7))
        );
        epochs.truncate_from_start(15).unwrap();
        assert_eq!(
            epochs.entries(),
            [
                EpochEntry {
                    epoch: 4,
                    start_offset: 15
                },
                EpochEntry {
                    epoch: 7,
                    start_offset: 20
                }
            ]
        );
        epochs.truncate_from_end(20).unwrap();
        epochs.assign(9, 12).unwrap();
        let again = LeaderEpochs::load(dir.path()).unwrap().unwrap();
        assert_eq!(
            again.entries(),
            [EpochEntry {
                epoch: 9,
                start_offset: 12
            }]
        );
    }
}
