//! What a learner must be sent to have the leader's history: the decisions of Java's
//! `LearnerHandler.syncFollower` and `queueCommittedProposals`.
//!
//! Stricter than Java in one point: where a history that would be sent has a hole, the learner gets
//! a snapshot (ZOOKEEPER-4925, 2846).

use bytes::Bytes;

use crate::core::io::Zxid;
use crate::tree::Database;
use crate::zab::zxid::{begins_epoch, epoch_of, follows};

use super::Settings;

/// Transactions, committed all.
pub(super) type History = Vec<(i64, Bytes)>;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// `announce`: the leader's last committed zxid, which the packet names
    Diff {
        announce: i64,
        then: History,
    },
    /// Cut everything after `to` first.
    Trunc {
        to: i64,
        then: History,
    },
    Snap,
    /// Decide again with what the log has after the learner's last zxid.
    ReadLog {
        bytes: u64,
    },
}

/// A node's share of a snapshot beside its path and data: lengths, ACL and stat.
const NODE_BYTES: u64 = 76;

pub(super) fn plan(learner: i64, db: &Database, settings: &Settings) -> Plan {
    let last = db.last_zxid().0;
    let committed = db.committed();
    let min = committed.min().unwrap_or(last);
    let max = committed.max().unwrap_or(last);
    if settings.force_snap_sync {
        Plan::Snap
    } else if last == learner {
        Plan::Diff {
            announce: learner,
            then: Vec::new(),
        }
    } else if learner > max && !begins_epoch(learner) {
        // It has what no quorum committed: it may be an old leader.
        Plan::Trunc {
            to: max,
            then: Vec::new(),
        }
    } else if (min..=max).contains(&learner) {
        let history = committed.iter();
        select(
            learner,
            max,
            history.map(|(zxid, record)| (zxid, record.clone())),
        )
    } else if learner < min && settings.snapshot_size_factor >= 0.0 {
        let nodes = db.tree().node_count() as u64 * NODE_BYTES;
        let data = u64::try_from(db.tree().approximate_data_size()).unwrap_or_default();
        Plan::ReadLog {
            bytes: ((nodes + data) as f64 * settings.snapshot_size_factor) as u64,
        }
    } else {
        Plan::Snap
    }
}

/// `log` begins at or before the learner's last zxid; its end may not be committed.
pub(super) fn plan_with_log(learner: i64, db: &Database, log: &[(Zxid, Bytes)]) -> Plan {
    if log.first().is_none_or(|&(first, _)| first.0 > learner) {
        return Plan::Snap;
    }
    let last = db.last_zxid().0;
    let committed = log.iter().map(|(zxid, record)| (zxid.0, record.clone()));
    let committed: History = committed.take_while(|&(zxid, _)| zxid <= last).collect();
    let read_to = committed.last().map_or(learner, |&(zxid, _)| zxid);
    let rest = db.committed().iter().filter(|&(zxid, _)| zxid > read_to);
    let rest: History = rest.map(|(zxid, record)| (zxid, record.clone())).collect();
    let end = rest.last().map_or(read_to, |&(zxid, _)| zxid);
    // What the log lacks is not made good by what comes after it.
    if end != last && !(begins_epoch(last) && end < last) {
        return Plan::Snap;
    }
    select(learner, end, committed.into_iter().chain(rest))
}

/// Finds the learner's place in a part of the history, and what comes after it.
fn select(learner: i64, announce: i64, history: impl Iterator<Item = (i64, Bytes)>) -> Plan {
    enum Op {
        Diff,
        Trunc(i64),
    }
    let new_epoch = begins_epoch(learner);
    let (mut before, mut op) = (None, None);
    let mut last = learner;
    let mut then = Vec::new();
    for (zxid, record) in history {
        if zxid < learner {
            before = Some(zxid);
            continue;
        }
        if op.is_none() {
            if zxid == learner || new_epoch {
                op = Some(Op::Diff);
            } else {
                // The learner's last transaction is not in this history. A cut is right only within
                // one epoch: what an older one ended with may be missing from its log.
                let within = |z: &i64| epoch_of(*z) == epoch_of(learner);
                let Some(to) = before.filter(within).filter(|_| within(&zxid)) else {
                    return Plan::Snap;
                };
                op = Some(Op::Trunc(to));
                last = to;
            }
        }
        if zxid <= last {
            continue;
        }
        if !follows(last, zxid) {
            return Plan::Snap;
        }
        last = zxid;
        then.push((zxid, record));
    }
    match op {
        Some(Op::Diff) => Plan::Diff { announce, then },
        Some(Op::Trunc(to)) => Plan::Trunc { to, then },
        // Nothing has been written since the epoch that the learner saw begin.
        None if new_epoch => Plan::Diff { announce, then },
        None => Plan::Snap,
    }
}
