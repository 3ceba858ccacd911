//! The known bugs of ZooKeeper as runs: each makes the situation in which the bug showed itself, again
//! and again, at other moments with each seed. A scenario whose situation never came is an error.

use crate::rng::Rng;

use super::coverage::Coverage;
use super::faults::{Fault, Kind, Planned};
use super::plan::{MS, Plan, SECOND};
use super::triggers::{Action, Point, Trigger};

pub use super::known_bugs::SCENARIOS;

/// A situation that has broken ZooKeeper before.
#[derive(Clone, Copy)]
pub struct Scenario {
    pub name: &'static str,
    /// numbers of ZOOKEEPER issues
    pub issues: &'static [u32],
    /// what must have happened, or it was not this situation
    pub premise: &'static [&'static str],
    pub(super) build: fn(&mut Plan, &mut Rng),
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
pub(super) fn base(seed: u64) -> Plan {
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
pub(super) fn often(plan: &mut Plan, rng: &mut Rng, kind: Kind, lasts: u64) {
    let mut at = 2 * SECOND;
    while at < 24 * SECOND {
        at += SECOND + rng.next_u64() % (2 * SECOND);
        let pick = rng.next_u64();
        let fault = Fault { kind, pick, lasts };
        plan.faults.push(Planned { at, fault });
    }
}

/// This action whenever the point is reached, but for the first times.
pub(super) fn always(plan: &mut Plan, rng: &mut Rng, point: Point, action: fn(&mut Rng) -> Action) {
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
pub(super) fn by_snapshot(plan: &mut Plan) {
    plan.commit_log_count = 1;
    plan.snapshot_size_factor = -1.0;
}

/// Servers log what no quorum does, and then have to give it up: slow disks, broken links, leaders
/// that are cut off.
pub(super) fn uncommitted_tails(plan: &mut Plan, rng: &mut Rng) {
    plan.sync_limit = 10;
    often(plan, rng, Kind::SlowDisk, 2 * SECOND);
    often(plan, rng, Kind::SlowDisk, 2 * SECOND);
    for _ in 0..3 {
        often(plan, rng, Kind::LinkLoss, 0);
    }
    often(plan, rng, Kind::LeaderCut, SECOND);
}

pub(super) const DIFF: &str = "learner synchronised by DIFF";
pub(super) const SNAP: &str = "learner synchronised by SNAP";
pub(super) const TRUNC: &str = "learner synchronised by TRUNC";
