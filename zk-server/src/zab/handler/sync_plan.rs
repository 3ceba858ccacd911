//! What a learner must be sent to have the leader's history: the decisions of Java's
//! `LearnerHandler.syncFollower` and `queueCommittedProposals`.
//!
//! Stricter than Java in one point: where a history that would be sent has a hole, the learner gets
//! a snapshot (ZOOKEEPER-4925, 2846).

use bytes::Bytes;

use crate::tree::Database;
use crate::units::Zxid;
use crate::zab::zxid::{begins_epoch, follows};

use crate::zab::settings::Settings;

/// Transactions, committed all.
pub(super) type History = Vec<(i64, Bytes)>;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// `announce`: the leader's last committed zxid, which the packet names
    Diff {
        announce: i64,
        then: History,
    },
    /// Cut everything after `to`.
    Trunc {
        to: i64,
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
    } else if max != last {
        // The committed log is not that of this database.
        Plan::Snap
    } else if learner > max && !begins_epoch(learner) {
        // It has what no quorum committed: it may be an old leader.
        Plan::Trunc { to: max }
    } else if (min..=max).contains(&learner) {
        let history = committed.iter();
        let history = history.map(|(zxid, record)| (zxid, record.clone()));
        select(learner, max, history)
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
    let read = log.iter().map(|(zxid, record)| (zxid.0, record.clone()));
    let read: History = read.take_while(|&(zxid, _)| zxid <= last).collect();
    let read_to = read.last().map_or(learner, |&(zxid, _)| zxid);
    // Commits went on while the log was read.
    let rest = db.committed().iter().filter(|&(zxid, _)| zxid > read_to);
    let rest: History = rest.map(|(zxid, record)| (zxid, record.clone())).collect();
    let end = rest.last().map_or(read_to, |&(zxid, _)| zxid);
    if end != last {
        return Plan::Snap;
    }
    select(learner, end, read.into_iter().chain(rest))
}

/// Finds the learner's place in a part of the history, and what comes after it. Java cuts the log of
/// a learner that ends between two transactions of one epoch; as there are no holes, none does.
fn select(learner: i64, announce: i64, history: impl Iterator<Item = (i64, Bytes)>) -> Plan {
    // That one has all that came before the epoch (Java: `isPeerNewEpochZxid`).
    let mut found = begins_epoch(learner);
    let mut last = learner;
    let mut then = Vec::new();
    for (zxid, record) in history {
        found |= zxid == learner;
        if zxid <= last {
            continue;
        }
        if !found || !follows(last, zxid) {
            return Plan::Snap;
        }
        last = zxid;
        then.push((zxid, record));
    }
    if found {
        Plan::Diff { announce, then }
    } else {
        Plan::Snap
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::EphemeralTypes;
    use crate::zab::testing::{database, record, zxid as z};

    /// The leader's database after this history, of which it keeps the last so many.
    fn leader(history: &[i64], kept: usize) -> Database {
        database(history, kept)
    }

    fn then(zxids: &[i64]) -> History {
        zxids.iter().map(|&zxid| (zxid, record(zxid))).collect()
    }

    fn diff(announce: i64, zxids: &[i64]) -> Plan {
        Plan::Diff {
            announce,
            then: then(zxids),
        }
    }

    fn read_log(zxids: &[i64]) -> Vec<(Zxid, Bytes)> {
        let read = then(zxids).into_iter();
        read.map(|(zxid, record)| (Zxid(zxid), record)).collect()
    }

    const NO_LOG: Settings = Settings {
        snapshot_size_factor: -1.0,
        ..DEFAULT
    };
    const DEFAULT: Settings = Settings::DEFAULT;

    /// Java: `LearnerHandlerTest.testEmptyCommittedLog`.
    #[test]
    fn without_a_committed_log() {
        let db = leader(&[1], 0);
        assert_eq!(plan(3, &db, &DEFAULT), Plan::Trunc { to: 1 });
        assert_eq!(plan(1, &db, &DEFAULT), diff(1, &[]));
        assert_eq!(plan(0, &db, &NO_LOG), Plan::Snap);
        assert!(matches!(plan(0, &db, &DEFAULT), Plan::ReadLog { .. }));
    }

    /// Java: `testCommittedLog`.
    #[test]
    fn within_the_committed_log() {
        let db = leader(&[1, 2, 3, 4, 5], 3);
        assert_eq!(plan(6, &db, &DEFAULT), Plan::Trunc { to: 5 });
        assert_eq!(plan(5, &db, &DEFAULT), diff(5, &[]));
        assert_eq!(plan(4, &db, &DEFAULT), diff(5, &[5]));
        assert_eq!(plan(3, &db, &DEFAULT), diff(5, &[4, 5]));
        assert_eq!(plan(2, &db, &NO_LOG), Plan::Snap);
        let forced = Settings {
            force_snap_sync: true,
            ..DEFAULT
        };
        assert_eq!(plan(5, &db, &forced), Plan::Snap);
    }

    /// Java: `testTxnLog`, `testTxnLogOnly`, `testTxnLogGap`. The log ends with what is not
    /// committed.
    #[test]
    fn from_the_log_on_disk() {
        for kept in [0, 1, 3] {
            let db = leader(&[1, 2, 3, 4, 5, 6, 7], kept);
            let of = |learner, log: &[i64]| plan_with_log(learner, &db, &read_log(log));
            assert!(matches!(plan(3, &db, &DEFAULT), Plan::ReadLog { .. }));
            assert_eq!(of(3, &[3, 4, 5, 6, 7, 8]), diff(7, &[4, 5, 6, 7]));
            assert_eq!(of(3, &[2, 3, 4, 5, 6, 7]), diff(7, &[4, 5, 6, 7]));
            assert_eq!(of(3, &[4, 5, 6, 7]), Plan::Snap, "begins too late");
            assert_eq!(of(3, &[]), Plan::Snap);
            assert_eq!(of(3, &[3, 5, 6, 7]), Plan::Snap, "a hole");
        }
        let db = leader(&[1, 2, 3, 4, 5, 6, 7, 8], 2);
        let of = |log: &[i64]| plan_with_log(3, &db, &read_log(log));
        assert_eq!(of(&[2, 3, 4]), Plan::Snap, "a gap before the committed log");
        assert_eq!(of(&[2, 3, 4, 5, 6]), diff(8, &[4, 5, 6, 7, 8]));
    }

    /// Java: `testNewEpochZxid`.
    #[test]
    fn learners_that_have_seen_only_the_beginning_of_an_epoch() {
        let history = [z(0, 1), z(1, 1), z(1, 2)];
        let db = leader(&history, 2);
        let end = z(1, 2);
        assert_eq!(plan(z(1, 1), &db, &DEFAULT), diff(end, &[end]));
        let of_log = plan_with_log(0, &db, &read_log(&history));
        assert_eq!(of_log, Plan::Snap, "nothing says that it lacks no more");
        let db = leader(&history, 3);
        let all = diff(z(1, 2), &[z(1, 1), z(1, 2)]);
        assert_eq!(plan(z(1, 0), &db, &DEFAULT), all);
        assert_eq!(
            plan(z(2, 0), &db, &DEFAULT),
            Plan::Snap,
            "later than all here"
        );
        // The leader too: it began with a snapshot of that moment.
        let mut db = Database::for_snapshot(EphemeralTypes::default(), true);
        db.loaded(Zxid(z(2, 0)));
        assert_eq!(plan(z(2, 0), &db, &DEFAULT), diff(z(2, 0), &[]));
        assert_eq!(plan(z(2, 3), &db, &DEFAULT), Plan::Trunc { to: z(2, 0) });
        let of_log = plan_with_log(z(1, 1), &db, &read_log(&history));
        assert_eq!(
            of_log,
            Plan::Snap,
            "its log may be another history (ZOOKEEPER-2846)"
        );
    }

    /// Java: `testCrossEpochTrunc`.
    #[test]
    fn what_an_older_epoch_left_is_not_cut() {
        let history = [z(1, 1), z(2, 1), z(2, 2), z(4, 1)];
        for kept in [0, 4] {
            let db = leader(&history, kept);
            let learner = z(3, 1);
            let decided = match plan(learner, &db, &DEFAULT) {
                Plan::ReadLog { .. } => plan_with_log(learner, &db, &read_log(&history)),
                plan => plan,
            };
            assert_eq!(decided, Plan::Snap);
        }
    }

    /// ZOOKEEPER-4925: a hole in the committed log is not handed on.
    #[test]
    fn a_hole_is_never_sent() {
        let db = leader(&[z(1, 1), z(1, 2), z(1, 4), z(2, 1)], 4);
        assert_eq!(plan(z(1, 2), &db, &DEFAULT), Plan::Snap);
        assert_eq!(plan(z(1, 4), &db, &DEFAULT), diff(z(2, 1), &[z(2, 1)]));
        let db = leader(&[z(1, 1), z(2, 2)], 4);
        assert_eq!(
            plan(z(1, 1), &db, &DEFAULT),
            Plan::Snap,
            "an epoch begins with 1"
        );
    }
}
