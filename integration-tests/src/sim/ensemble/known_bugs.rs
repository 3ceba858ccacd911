//! The known bugs, and what shows that they are not here. Each scenario makes the situation of one or
//! some of them; what is no matter of these machines is held by another test, which the table names.

use proto::quorum::PacketType;

use super::faults::Kind;
use super::plan::{MS, SECOND};
use super::scenarios::{
    DIFF, SNAP, Scenario, TRUNC, always, by_snapshot, often, uncommitted_tails,
};
use super::triggers::{Action, Point};

/// What shows that a bug is not here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// the scenario of this name
    Scenario(&'static str),
    /// a test: file and function
    Test(&'static str, &'static str),
    /// It is so here too, as in Java's: file and words that say it.
    Said(&'static str, &'static str),
}

use Shown::{Said, Scenario as In, Test};

/// Issues (of ZOOKEEPER where no project is named) and where they are held.
pub const KNOWN_BUGS: &[(&str, &[Shown])] = &[
    (
        "3911 4646 4785: NEWLEADER acknowledged before the DIFF is on disk",
        &[
            In("all lose power when a quorum has acknowledged the leader"),
            In("power is lost between history, epoch and ack"),
        ],
    ),
    (
        "4643: the epoch written before the transactions",
        &[In("power is lost between history, epoch and ack")],
    ),
    (
        "4685 3023: acknowledgements out of order at NEWLEADER",
        &[In(
            "all lose power when a quorum has acknowledged the leader",
        )],
    ),
    (
        "4394: uncommitted requests applied while syncing",
        &[In("proposals come while a learner is synchronised")],
    ),
    (
        "4925: a hole in the committed log",
        &[In("a follower with old history leads next")],
    ),
    (
        "5094: an interrupted TRUNC leaves memory ahead of the disk",
        &[In("TRUNC breaks off"), In("power is lost during TRUNC")],
    ),
    (
        "2872 3642: DIFF upon a broken SNAP",
        &[In("SNAP breaks off")],
    ),
    (
        "2845: an uncommitted tail is kept or forgotten in memory",
        &[In("a leader alone has logged what nobody else has")],
    ),
    (
        "3104: NEWLEADER too early during SNAP",
        &[In("writes go on during SNAP")],
    ),
    (
        "2418 2846: DIFF from the log on disk skips or mixes transactions",
        &[In("a learner is synchronised from the log on disk")],
    ),
    (
        "3526: mistaken TRUNC after read-only mode",
        &[In("read-only mode and back")],
    ),
    (
        "1154 1156: an election without the highest zxid, a log cut too far",
        &[
            In("all start again with different histories"),
            In("a leader alone has logged what nobody else has"),
        ],
    ),
    (
        "1277: the counter of the zxids runs over",
        &[In("the zxids of an epoch are used up")],
    ),
    (
        "1489: data after a truncation lost",
        &[In("a log that was cut is written to and read again")],
    ),
    (
        "2623: a check outside of a multi spoils the log",
        &[In("a check stands outside of a multi")],
    ),
    (
        "3701: the disk is full during TRUNC",
        &[
            In("the disk is full during TRUNC"),
            In("power is lost during TRUNC"),
        ],
    ),
    (
        "3127 3144 3145 1367 1208: fuzzy snapshots and replay",
        &[
            In("a snapshot is written while everything changes"),
            Test(
                "integration-tests/tests/zk_crash.rs",
                "one_folder_served_in_turn_by_java_and_ours",
            ),
        ],
    ),
    (
        "3306, ClickHouse#118965: wrong access control lists after SNAP",
        &[In("access control lists after SNAP")],
    ),
    (
        "2355 3471: an ephemeral that stays for ever",
        &[
            In("sessions end while the leader changes"),
            In("local sessions become global"),
        ],
    ),
    (
        "3231 2325 3644: purge or missing snapshots lose data",
        &[In("old snapshots and logs are purged")],
    ),
    (
        "3056: logs without a snapshot",
        &[
            In("old snapshots and logs are purged"),
            Test(
                "zk-server/src/store/tests.rs",
                "logs_without_a_snapshot_are_not_trusted",
            ),
        ],
    ),
    (
        "2307 1818 4269: epoch files older than the log, a failed rename",
        &[
            In("power is lost while an epoch is written"),
            In("power is lost between history, epoch and ack"),
        ],
    ),
    (
        "3598 4541 4712: something goes on applying after a shutdown",
        &[In("a role ends while its disk is slow")],
    ),
    (
        "4787: election messages of other versions and charsets",
        &[
            Test(
                "proto/src/quorum/election.rs",
                "messages_of_all_ages_are_read",
            ),
            Test(
                "proto/src/quorum/golden_tests.rs",
                "notifications_are_javas",
            ),
            Test(
                "integration-tests/tests/zk_election.rs",
                "votes_are_counted_by_apaches_servers_and_theirs_by_ours",
            ),
        ],
    ),
    (
        "TLA+ 1 2 3: proposals missed or sent twice around a sync, COMMIT of a later leader",
        &[
            In("proposals come while a learner is synchronised"),
            In("writes go on during SNAP"),
            In("a follower with old history leads next"),
        ],
    ),
    (
        "sync and read is not linearizable when the leader has been replaced",
        &[Said("ARCHITECTURE.md", "`sync` and a read behind it")],
    ),
    (
        "ClickHouse#116690: sessions that live told as lost",
        &[
            In("watches while clients are slow and move"),
            In("sessions end while the leader changes"),
        ],
    ),
    (
        "ClickHouse#65198: requests behind a close applied on one replica alone",
        &[
            In("sessions end while the leader changes"),
            In("local sessions become global"),
        ],
    ),
    (
        "ClickHouse#54572: more of the log applied than a snapshot lacks",
        &[
            In("writes go on during SNAP"),
            In("access control lists after SNAP"),
        ],
    ),
    (
        "ClickHouse#102629: what is durable not taken back at a leader change",
        &[
            In("a leader alone has logged what nobody else has"),
            In("a sync fails, the process starts again, the power goes"),
        ],
    ),
    (
        "etcd#15271 #17529 #19179: watch events twice, lost, or from the past",
        &[In("watches while clients are slow and move")],
    ),
];

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "all lose power when a quorum has acknowledged the leader",
        issues: &[3911, 3023, 4685],
        premise: &["trigger", DIFF],
        build: |plan, rng| {
            always(plan, rng, Point::AckedLeader, |_| Action::PowerCutAll);
            often(plan, rng, Kind::LeaderCut, SECOND);
        },
    },
    Scenario {
        name: "power is lost between history, epoch and ack",
        issues: &[4643, 4646, 4785],
        premise: &["trigger", DIFF],
        build: |plan, rng| {
            always(plan, rng, Point::CurrentEpoch, |rng| {
                Action::PowerCutAtWrite(1 + rng.next_u64() % 8)
            });
            often(plan, rng, Kind::Kill, SECOND);
        },
    },
    Scenario {
        name: "proposals come while a learner is synchronised",
        issues: &[4394],
        premise: &[DIFF, "role abandoned"],
        build: |plan, rng| {
            often(plan, rng, Kind::SlowDisk, 3 * SECOND);
            often(plan, rng, Kind::Kill, 300 * MS);
        },
    },
    Scenario {
        name: "a follower with old history leads next",
        issues: &[4925],
        premise: &["trigger", DIFF],
        build: |plan, rng| {
            always(plan, rng, Point::Sent(PacketType::UpToDate), |_| {
                Action::LeaderCutOff
            });
            often(plan, rng, Kind::Kill, 800 * MS);
        },
    },
    Scenario {
        name: "TRUNC breaks off",
        issues: &[5094],
        premise: &["trigger", TRUNC, "database read back"],
        build: |plan, rng| {
            always(plan, rng, Point::Truncate, |_| Action::LinksBreak);
            plan.triggers.iter_mut().for_each(|t| t.after_us = 0);
            uncommitted_tails(plan, rng);
        },
    },
    Scenario {
        name: "SNAP breaks off",
        issues: &[2872, 3642],
        premise: &["trigger", SNAP],
        build: |plan, rng| {
            by_snapshot(plan);
            always(plan, rng, Point::SnapshotSent, |_| Action::LinksBreak);
            often(plan, rng, Kind::Kill, SECOND);
        },
    },
    Scenario {
        name: "a leader alone has logged what nobody else has",
        issues: &[2845],
        premise: &[TRUNC],
        build: uncommitted_tails,
    },
    Scenario {
        name: "writes go on during SNAP",
        issues: &[3104],
        premise: &[SNAP],
        build: |plan, rng| {
            by_snapshot(plan);
            plan.think_us = 15 * MS;
            often(plan, rng, Kind::Kill, 500 * MS);
        },
    },
    Scenario {
        name: "a learner is synchronised from the log on disk",
        issues: &[2418, 2846],
        premise: &["sync read from the log on disk"],
        build: |plan, rng| {
            plan.commit_log_count = 1;
            plan.snapshot_size_factor = 1000.0;
            plan.snap_count = 30;
            often(plan, rng, Kind::Kill, SECOND);
            often(plan, rng, Kind::LeaderCut, SECOND);
        },
    },
    Scenario {
        name: "read-only mode and back",
        issues: &[3526],
        premise: &["role abandoned", DIFF, "read-only client served"],
        build: |plan, rng| {
            plan.read_only = true;
            // Some must be with a member that is cut off, long enough.
            plan.clients = 16;
            often(plan, rng, Kind::Partition, 4 * SECOND);
        },
    },
    Scenario {
        name: "all start again with different histories",
        issues: &[1154, 1156],
        premise: &["leader elected"],
        build: |plan, rng| {
            often(plan, rng, Kind::CrashAll, SECOND);
            often(plan, rng, Kind::SlowDisk, 2 * SECOND);
        },
    },
    Scenario {
        name: "a log that was cut is written to and read again",
        issues: &[1489],
        premise: &["trigger", TRUNC],
        build: |plan, rng| {
            always(plan, rng, Point::Truncate, |_| Action::PowerCut);
            for trigger in &mut plan.triggers {
                trigger.after_us = 100 * MS + rng.next_u64() % (300 * MS);
            }
            uncommitted_tails(plan, rng);
        },
    },
    Scenario {
        name: "the disk is full during TRUNC",
        issues: &[3701],
        premise: &["trigger", TRUNC],
        build: |plan, rng| {
            always(plan, rng, Point::Truncate, |_| Action::DiskFull);
            uncommitted_tails(plan, rng);
        },
    },
    Scenario {
        name: "power is lost during TRUNC",
        issues: &[3701, 5094],
        premise: &["trigger", TRUNC],
        build: |plan, rng| {
            always(plan, rng, Point::Truncate, |rng| {
                Action::PowerCutAtWrite(1 + rng.next_u64() % 12)
            });
            uncommitted_tails(plan, rng);
        },
    },
    Scenario {
        name: "a snapshot is written while everything changes",
        issues: &[3127, 3144, 3145, 1367, 1208],
        premise: &["trigger"],
        build: |plan, rng| {
            plan.snap_count = 10;
            always(plan, rng, Point::Snapshot, |rng| {
                let n = 1 + rng.next_u64() % 8;
                *rng.pick(&[
                    Action::KillAtWrite(n),
                    Action::KillAtWrite(n),
                    Action::PowerCutAtWrite(n),
                    Action::DiskFull,
                ])
            });
        },
    },
    Scenario {
        name: "access control lists after SNAP",
        issues: &[3306],
        premise: &[SNAP],
        build: |plan, rng| {
            by_snapshot(plan);
            often(plan, rng, Kind::Kill, SECOND);
        },
    },
    Scenario {
        name: "sessions end while the leader changes",
        issues: &[2355, 3471],
        premise: &["session expired", "leader elected"],
        build: |plan, rng| {
            often(plan, rng, Kind::ClientSilent, 3 * SECOND);
            often(plan, rng, Kind::LeaderCut, 500 * MS);
        },
    },
    Scenario {
        name: "power is lost while an epoch is written",
        issues: &[2307, 1818, 4269],
        premise: &["trigger"],
        build: |plan, rng| {
            always(plan, rng, Point::AcceptedEpoch, |rng| {
                Action::PowerCutAtWrite(1 + rng.next_u64() % 6)
            });
            often(plan, rng, Kind::LeaderCut, 500 * MS);
        },
    },
    Scenario {
        name: "a role ends while its disk is slow",
        issues: &[3598, 4541, 4712],
        premise: &["role abandoned"],
        build: |plan, rng| {
            often(plan, rng, Kind::SlowDisk, 5 * SECOND);
            often(plan, rng, Kind::LinkLoss, 0);
        },
    },
    Scenario {
        name: "old snapshots and logs are purged",
        issues: &[3231, 2325, 3644, 3056],
        premise: &["files purged"],
        build: |plan, rng| {
            plan.snap_count = 10;
            plan.purges = true;
            often(plan, rng, Kind::PowerCut, SECOND);
        },
    },
    Scenario {
        name: "a check stands outside of a multi",
        issues: &[2623],
        premise: &["check outside a multi", "leader elected"],
        build: |plan, rng| {
            often(plan, rng, Kind::CrashAll, SECOND);
        },
    },
    Scenario {
        name: "watches while clients are slow and move",
        issues: &[],
        premise: &["session moved to another server", "trigger"],
        build: |plan, rng| {
            always(plan, rng, Point::Sent(PacketType::Commit), |_| {
                Action::Pause
            });
            often(plan, rng, Kind::ClientSilent, 700 * MS);
            often(plan, rng, Kind::ClientCut, 0);
            often(plan, rng, Kind::Partition, SECOND);
        },
    },
    Scenario {
        name: "local sessions become global",
        issues: &[3471],
        premise: &["local session upgraded", "session moved to another server"],
        build: |plan, rng| {
            plan.local_sessions = true;
            often(plan, rng, Kind::ClientCut, 0);
            often(plan, rng, Kind::ClientSilent, 2 * SECOND);
            often(plan, rng, Kind::LeaderCut, 500 * MS);
        },
    },
    Scenario {
        name: "a sync fails, the process starts again, the power goes",
        issues: &[],
        premise: &["started after a failed sync"],
        build: |plan, rng| {
            often(plan, rng, Kind::FailedSync, 0);
            often(plan, rng, Kind::CrashAll, SECOND);
        },
    },
    Scenario {
        name: "members come, go and change",
        issues: &[],
        premise: &["member joined", "member left", "leader reconfigured away"],
        build: |plan, rng| {
            plan.reconfig = true;
            plan.spares = 2;
            plan.observers = 1;
            often(plan, rng, Kind::Members, 0);
            often(plan, rng, Kind::Kill, SECOND);
        },
    },
    Scenario {
        name: "power is lost while members change",
        issues: &[],
        premise: &["trigger", "member joined"],
        build: |plan, rng| {
            plan.reconfig = true;
            plan.spares = 2;
            always(plan, rng, Point::Reconfiguration, |rng| {
                *rng.pick(&[
                    Action::PowerCut,
                    Action::PowerCutAll,
                    Action::LeaderCutOff,
                    Action::KillAtWrite(1),
                ])
            });
            often(plan, rng, Kind::Members, 0);
            often(plan, rng, Kind::Members, 0);
        },
    },
    Scenario {
        name: "members change while a learner is synchronised",
        issues: &[],
        premise: &["trigger", "member changed its address", DIFF],
        build: |plan, rng| {
            plan.reconfig = true;
            plan.spares = 1;
            plan.clients = 6;
            always(plan, rng, Point::Sent(PacketType::NewLeader), |_| {
                Action::Members
            });
            often(plan, rng, Kind::Members, 0);
            often(plan, rng, Kind::Kill, SECOND);
            often(plan, rng, Kind::SlowDisk, 2 * SECOND);
        },
    },
    Scenario {
        name: "the zxids of an epoch are used up",
        issues: &[1277],
        premise: &["zxids of an epoch used up", "leader elected"],
        build: |plan, rng| {
            plan.zxids_per_epoch = 30 + rng.below(60) as u32;
            often(plan, rng, Kind::Kill, SECOND);
            often(plan, rng, Kind::SlowDisk, SECOND);
        },
    },
    Scenario {
        name: "servers remove containers and nodes whose time is over",
        issues: &[],
        premise: &["container removed", "node with a TTL removed"],
        build: |plan, rng| {
            plan.quotas = true;
            plan.old_closings = rng.chance(50);
            often(plan, rng, Kind::LeaderCut, SECOND);
            often(plan, rng, Kind::ClockJump, 0);
            often(plan, rng, Kind::Kill, 500 * MS);
        },
    },
    Scenario {
        name: "groups and weights decide",
        issues: &[],
        premise: &["leader of groups elected", "weights changed"],
        build: |plan, rng| {
            plan.group(rng);
            plan.reconfig = true;
            often(plan, rng, Kind::Members, 0);
            often(plan, rng, Kind::Kill, SECOND);
            often(plan, rng, Kind::LeaderCut, SECOND);
        },
    },
    Scenario {
        name: "snapshots are restored",
        issues: &[],
        premise: &[
            "snapshot restored",
            "history replaced by a restored snapshot",
        ],
        build: |plan, rng| {
            plan.observers = 1;
            often(plan, rng, Kind::Restore, 0);
            often(plan, rng, Kind::LeaderCut, 500 * MS);
            often(plan, rng, Kind::Kill, SECOND);
        },
    },
    Scenario {
        name: "a restore breaks off",
        issues: &[],
        premise: &["trigger", "snapshot restored", "restore given up"],
        build: |plan, rng| {
            always(plan, rng, Point::Offered, |rng| {
                let n = 1 + rng.next_u64() % 6;
                *rng.pick(&[
                    Action::Kill,
                    Action::Kill,
                    Action::PowerCut,
                    Action::KillAtWrite(n),
                    Action::PowerCutAtWrite(n),
                    Action::LeaderCutOff,
                    Action::CutOff,
                    Action::LinksBreak,
                    Action::PowerCutAll,
                ])
            });
            always(plan, rng, Point::SaveSnapshot, |rng| {
                let n = 1 + rng.next_u64() % 6;
                *rng.pick(&[
                    Action::Kill,
                    Action::PowerCutAtWrite(n),
                    Action::KillAtWrite(n),
                    Action::LinksBreak,
                    Action::Pause,
                ])
            });
            often(plan, rng, Kind::Restore, 0);
            often(plan, rng, Kind::Restore, 0);
        },
    },
];
