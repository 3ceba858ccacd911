//! The last committed transactions, in memory (Java: `ZKDatabase.committedLog`,
//! `zookeeper.commitLogCount`): a learner that lacks only those gets a DIFF of them.

use std::collections::VecDeque;

use bytes::Bytes;

/// Contiguous within an epoch, oldest first. Keeps nothing until [`CommittedLog::keep`] is called.
#[derive(Debug, Default)]
pub struct CommittedLog {
    limit: usize,
    entries: VecDeque<(i64, Bytes)>,
}

impl CommittedLog {
    /// Keeps that many transactions from here on.
    pub fn keep(&mut self, limit: usize) {
        self.limit = limit;
        while self.entries.len() > limit {
            self.entries.pop_front();
        }
    }

    /// How many it keeps.
    pub fn limit(&self) -> usize {
        self.limit
    }

    pub fn push(&mut self, zxid: i64, record: Bytes) {
        if self.limit == 0 {
            return;
        }
        debug_assert!(self.entries.back().is_none_or(|&(last, _)| last < zxid));
        if self.entries.len() == self.limit {
            self.entries.pop_front();
        }
        self.entries.push_back((zxid, record));
    }

    pub fn min(&self) -> Option<i64> {
        self.entries.front().map(|&(zxid, _)| zxid)
    }

    pub fn max(&self) -> Option<i64> {
        self.entries.back().map(|&(zxid, _)| zxid)
    }

    pub fn iter(&self) -> impl Iterator<Item = (i64, &Bytes)> {
        self.entries.iter().map(|(zxid, record)| (*zxid, record))
    }
}
