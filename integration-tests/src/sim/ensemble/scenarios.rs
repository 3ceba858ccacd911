//! The known bugs of ZooKeeper as runs: each makes the situation in which the bug showed itself, again
//! and again, at other moments with each seed. A scenario whose situation never came is an error.

use proto::quorum::PacketType;

use crate::rng::Rng;

use super::coverage::Coverage;
use super::faults::{Fault, Kind, Planned};
use super::plan::{MS, Plan, SECOND};
use super::triggers::{Action, Point, Trigger};

/// A situation that has broken ZooKeeper before.
#[derive(Clone, Copy)]
pub struct Scenario {
    pub name: &'static str,
    /// numbers of ZOOKEEPER issues
    pub issues: &'static [u32],
    /// what must have happened, or it was not this situation
    pub premise: &'static [&'static str],
    build: fn(&mut Plan, &mut Rng),
}

impl Scenario {
    pub fn plan(&self, seed: u64) -> Plan {
        let mut rng = Rng::new(seed ^ 0x5ce_0a10);
        let mut plan = base(seed);
        (self.build)(&mut plan, &mut rng);
        plan.faults.sort_by_key(|planned| planned.at);
        plan
    }

    pub fn has_happened(&self, coverage: &Coverage) -> bool {
        let there = |what: &&str| coverage.happened.contains_key(*what);
        self.premise.iter().all(there)
    }

    pub fn find(name: &str) -> Option<&'static Self> {
        SCENARIOS.iter().find(|scenario| scenario.name == name)
    }
}

/// Busy clients, short limits, 24 seconds for what goes wrong.
fn base(seed: u64) -> Plan {
    Plan {
        clients: 4,
        tick_time_ms: 200,
        sync_limit: 3,
        think_us: 40 * MS,
        snap_count: 200,
        heal_at: 26 * SECOND,
        quiet_at: 37 * SECOND,
        end_at: 40 * SECOND,
        ..Plan::calm(seed)
    }
}

/// This kind of fault again and again.
fn often(plan: &mut Plan, rng: &mut Rng, kind: Kind, lasts: u64) {
    let mut at = 2 * SECOND;
    while at < 24 * SECOND {
        at += SECOND + rng.next_u64() % (2 * SECOND);
        let pick = rng.next_u64();
        let fault = Fault { kind, pick, lasts };
        plan.faults.push(Planned { at, fault });
    }
}

/// This action whenever the point is reached, but for the first times.
fn always(plan: &mut Plan, rng: &mut Rng, point: Point, action: fn(&mut Rng) -> Action) {
    let first = 1 + rng.below(3) as u32;
    for nth in (first..first + 30).step_by(2) {
        let action = action(rng);
        let after_us = *rng.pick(&[0, 0, 500, 5000]);
        plan.triggers.push(Trigger {
            point,
            nth,
            after_us,
            action,
        });
    }
}

/// A learner that was away gets a SNAP.
fn by_snapshot(plan: &mut Plan) {
    plan.commit_log_count = 1;
    plan.snapshot_size_factor = -1.0;
}

/// Servers log what no quorum does, and then have to give it up: slow disks, broken links, leaders
/// that are cut off.
fn uncommitted_tails(plan: &mut Plan, rng: &mut Rng) {
    plan.sync_limit = 10;
    often(plan, rng, Kind::SlowDisk, 2 * SECOND);
    often(plan, rng, Kind::SlowDisk, 2 * SECOND);
    for _ in 0..3 {
        often(plan, rng, Kind::LinkLoss, 0);
    }
    often(plan, rng, Kind::LeaderCut, SECOND);
}

const DIFF: &str = "learner synchronised by DIFF";
const SNAP: &str = "learner synchronised by SNAP";
const TRUNC: &str = "learner synchronised by TRUNC";

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
        premise: &["role abandoned", DIFF],
        build: |plan, rng| {
            plan.read_only = true;
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
                Action::KillAtWrite(1 + rng.next_u64() % 8)
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
];
