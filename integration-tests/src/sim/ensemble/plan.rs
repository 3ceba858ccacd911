//! What a seed stands for: the ensemble, its configuration, its clients, and which faults come when.

use zk_server::core::settings::ZXIDS_PER_EPOCH;
use zk_server::quorum::View;

use crate::rng::Rng;

use super::faults::{Fault, Kind, Planned};
use super::triggers::Trigger;

/// Simulated microseconds.
pub const MS: u64 = 1000;
pub const SECOND: u64 = 1_000_000;

#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    pub voters: usize,
    pub observers: usize,
    pub clients: usize,
    pub tick_time_ms: u64,
    pub init_limit: u64,
    pub sync_limit: u64,
    pub commit_log_count: usize,
    pub snap_count: u64,
    pub snapshot_size_factor: f64,
    /// how long a client thinks between two requests
    pub think_us: u64,
    pub faults: Vec<Planned>,
    pub triggers: Vec<Trigger>,
    /// `readonlymode.enabled`; some clients are content to read then
    pub read_only: bool,
    /// machines that are in no configuration at first
    pub spares: usize,
    /// `reconfigEnabled`, with an operator who makes use of it
    pub reconfig: bool,
    /// `group.*` and `weight.*` lines, or nothing
    pub groups: &'static str,
    /// `localSessionsEnabled`, `localSessionsUpgradingEnabled`
    pub local_sessions: bool,
    /// followers serve observers (`observerMasterPort`)
    pub observer_masters: bool,
    /// `enforceQuota`, and clients that set some
    pub quotas: bool,
    /// `zookeeper.closeSessionTxn.enabled=false`: sessions are closed as 3.5 logs it
    pub old_closings: bool,
    /// an epoch ends after so many transactions
    pub zxids_per_epoch: u32,
    /// old snapshots and logs are removed after each snapshot
    pub purges: bool,
    /// no fault later than this
    pub heal_at: u64,
    /// clients ask for nothing more
    pub quiet_at: u64,
    pub end_at: u64,
}

/// Voters, and how they stand in groups.
const GROUPS: &[(usize, &str)] = &[
    (3, "group.1=1:2:3\n"),
    (4, "group.1=1:2:3:4\nweight.1=2\n"),
    (5, "group.1=1:2:3\ngroup.2=4\ngroup.3=5\nweight.3=0\n"),
    (6, "group.1=1:2\ngroup.2=3:4\ngroup.3=5:6\nweight.5=2\n"),
];

impl Plan {
    /// The random run of a seed: 60 seconds, of which faults fill the first 40.
    pub fn random(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x5eed);
        let mut plan = Self::calm(seed);
        plan.voters = *rng.pick(&[3, 3, 3, 5]);
        plan.observers = *rng.pick(&[0, 0, 1]);
        plan.clients = 2 + rng.below(3);
        plan.tick_time_ms = *rng.pick(&[200, 400, 500]);
        plan.init_limit = 5 + rng.below(6) as u64;
        plan.sync_limit = 2 + rng.below(4) as u64;
        plan.commit_log_count = *rng.pick(&[5, 30, 500]);
        plan.snap_count = *rng.pick(&[20, 100, 1000]);
        plan.snapshot_size_factor = *rng.pick(&[-1.0, 0.33, 100.0]);
        plan.think_us = *rng.pick(&[60, 120, 250]) * MS;
        plan.shape(&mut rng);
        let count = 20 + rng.below(12);
        for _ in 0..count {
            let at = 2 * SECOND + rng.next_u64() % (plan.heal_at - 3 * SECOND);
            let fault = Fault::random(&mut rng, plan.reconfig);
            plan.faults.push(Planned { at, fault });
        }
        for _ in 0..rng.below(4) {
            plan.triggers.push(Trigger::random(&mut rng));
        }
        plan.read_only = rng.chance(20);
        plan.purges = rng.chance(30);
        plan.observer_masters = rng.chance(50);
        plan.quotas = rng.chance(25);
        plan.old_closings = rng.chance(20);
        if rng.chance(15) {
            plan.zxids_per_epoch = 60 + rng.below(200) as u32;
        }
        plan.restore();
        plan.faults.sort_by_key(|planned| planned.at);
        plan
    }

    /// In one of five ensembles there is an operator who restores snapshots.
    fn restore(&mut self) {
        let mut rng = Rng::new(self.seed ^ 0x7e57_0000);
        if rng.chance(20) {
            for _ in 0..3 + rng.below(4) {
                let at = 2 * SECOND + rng.next_u64() % (self.heal_at - 3 * SECOND);
                let fault = Fault {
                    kind: Kind::Restore,
                    pick: 0,
                    lasts: 0,
                };
                self.faults.push(Planned { at, fault });
            }
        }
    }

    /// What kind of ensemble it is, and of sessions.
    fn shape(&mut self, rng: &mut Rng) {
        match rng.below(10) {
            0..4 => {
                self.reconfig = true;
                self.spares = 1 + rng.below(2);
            }
            4 => self.group(rng),
            _ => {}
        }
        self.local_sessions = rng.chance(20);
    }

    /// Groups and weights decide.
    pub(super) fn group(&mut self, rng: &mut Rng) {
        (self.voters, self.groups) = *rng.pick(GROUPS);
        self.reconfig = rng.chance(50);
    }

    /// Three servers and nothing that goes wrong.
    pub fn calm(seed: u64) -> Self {
        Self {
            seed,
            voters: 3,
            observers: 0,
            clients: 2,
            tick_time_ms: 500,
            init_limit: 10,
            sync_limit: 4,
            commit_log_count: 500,
            snap_count: 1000,
            snapshot_size_factor: 0.33,
            think_us: 100 * MS,
            faults: Vec::new(),
            triggers: Vec::new(),
            read_only: false,
            spares: 0,
            reconfig: false,
            groups: "",
            local_sessions: false,
            observer_masters: false,
            quotas: false,
            old_closings: false,
            zxids_per_epoch: ZXIDS_PER_EPOCH,
            purges: false,
            heal_at: 42 * SECOND,
            quiet_at: 54 * SECOND,
            end_at: 60 * SECOND,
        }
    }

    pub fn members(&self) -> usize {
        self.voters + self.observers
    }

    /// All machines.
    pub fn servers(&self) -> usize {
        self.members() + self.spares
    }

    /// The configuration as zoo.cfg has it.
    pub fn view(&self) -> View {
        let mut text = String::new();
        for id in 1..=self.members() {
            let role = if id <= self.voters {
                "participant"
            } else {
                "observer"
            };
            text += &super::members::line(id as i64, 2888, role);
            text.push('\n');
        }
        text += self.groups;
        let config = proto::quorum::QuorumConfig::from_text("plan", text.as_bytes(), false)
            .expect("lines in the right form");
        View::new(config)
    }
}
