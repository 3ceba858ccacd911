//! What the runs have exercised: faults, invariants, scenarios, and how much of each.

use std::collections::BTreeMap;
use std::fmt;

use crate::disk::{DEEDS, SimDisk};

use super::faults::Kind;
use super::history::PROPERTIES;
use super::invariants::INVARIANTS;
use super::scenarios::SCENARIOS;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    pub faults: BTreeMap<&'static str, u64>,
    /// what disks have done
    pub deeds: BTreeMap<&'static str, u64>,
    pub checks: BTreeMap<&'static str, u64>,
    /// things that happened: elections, snapshots sent, transactions cut off
    pub happened: BTreeMap<&'static str, u64>,
    /// runs of scenarios that were what they are meant to be
    pub scenarios: BTreeMap<&'static str, u64>,
    pub simulated_us: u64,
    pub runs: u64,
}

impl Coverage {
    pub fn fault(&mut self, kind: &'static str) {
        *self.faults.entry(kind).or_default() += 1;
    }

    pub fn check(&mut self, name: &'static str) {
        *self.checks.entry(name).or_default() += 1;
    }

    pub fn happened(&mut self, what: &'static str) {
        *self.happened.entry(what).or_default() += 1;
    }

    /// What a disk has done.
    pub fn disk(&mut self, disk: &SimDisk) {
        for (deed, count) in disk.deeds() {
            *self.deeds.entry(deed).or_default() += count;
        }
    }

    pub fn scenario(&mut self, name: &'static str) {
        *self.scenarios.entry(name).or_default() += 1;
    }

    pub fn add(&mut self, other: &Self) {
        for (into, from) in [
            (&mut self.faults, &other.faults),
            (&mut self.deeds, &other.deeds),
            (&mut self.checks, &other.checks),
            (&mut self.happened, &other.happened),
            (&mut self.scenarios, &other.scenarios),
        ] {
            for (name, count) in from {
                *into.entry(name).or_default() += count;
            }
        }
        self.simulated_us += other.simulated_us;
        self.runs += other.runs;
    }

    /// Faults, invariants and events that never were.
    pub fn missing(&self) -> Vec<&'static str> {
        let faults = Kind::ALL.iter().map(|kind| kind.name());
        let invariants = INVARIANTS.iter().map(|&(name, _)| name);
        let scenarios = SCENARIOS.iter().map(|scenario| scenario.name);
        let wanted = [
            (faults.collect(), &self.faults),
            (DEEDS.to_vec(), &self.deeds),
            (
                invariants.chain(PROPERTIES.iter().copied()).collect(),
                &self.checks,
            ),
            (HAPPENINGS.to_vec(), &self.happened),
            (scenarios.collect(), &self.scenarios),
        ];
        let missing = wanted.into_iter().flat_map(|(names, there)| {
            let absent = |name: &&str| !there.contains_key(name);
            Vec::into_iter(names).filter(absent)
        });
        missing.collect()
    }
}

/// What must have happened in a run of many seeds.
pub const HAPPENINGS: &[&str] = &[
    "leader elected",
    "learner synchronised by DIFF",
    "learner synchronised by SNAP",
    "learner synchronised by TRUNC",
    "sync read from the log on disk",
    "role abandoned",
    "database read back",
    "session expired",
    "session moved to another server",
    "observer served",
    "links reordered",
    "server refused to start",
    "damaged server refilled",
    "files purged",
    "trigger",
    "started after a failed sync",
    "check outside a multi",
    "member joined",
    "member left",
    "member changed its role",
    "member changed its address",
    "leader reconfigured away",
    "reconfiguration refused",
    "all members given anew",
    "weights changed",
    "leader of groups elected",
    "observer cut off",
    "local session made",
    "local session upgraded",
    "read-only client served",
    "write refused by a read-only server",
    "snapshot restored",
    "restore given up",
    "history replaced by a restored snapshot",
    "container removed",
    "node with a TTL removed",
    "write over its quota",
    "session closed without a list of paths",
    "zxids of an epoch used up",
    "observer served by a follower",
];

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.simulated_us / 1_000_000;
        let faults: u64 = self.faults.values().sum();
        let runs = self.runs;
        writeln!(
            f,
            "{runs} runs, {seconds} simulated seconds, {faults} faults"
        )?;
        for (title, counts) in [
            ("faults", &self.faults),
            ("disks", &self.deeds),
            ("checks", &self.checks),
            ("happened", &self.happened),
            ("scenarios", &self.scenarios),
        ] {
            writeln!(f, "{title}:")?;
            for (name, count) in counts {
                writeln!(f, "  {name:<58} {count}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that can be exercised, once.
    fn complete() -> Coverage {
        let mut coverage = Coverage::default();
        while let Some(&name) = coverage.missing().first() {
            let Coverage {
                faults,
                deeds,
                checks,
                happened,
                scenarios,
                ..
            } = &mut coverage;
            for map in [faults, deeds, checks, happened, scenarios] {
                map.insert(name, 1);
            }
        }
        coverage
    }

    #[test]
    fn what_was_never_exercised_is_missing() {
        let complete = complete();
        assert_eq!(complete.missing(), [""; 0]);
        let invariants = INVARIANTS.iter().map(|&(name, _)| name);
        let faults = Kind::ALL.iter().map(|kind| kind.name());
        let named = invariants.chain(faults).chain(PROPERTIES.iter().copied());
        for name in named.chain(DEEDS.iter().copied()) {
            let mut coverage = complete.clone();
            coverage.faults.remove(name);
            coverage.deeds.remove(name);
            coverage.checks.remove(name);
            assert_eq!(coverage.missing(), [name]);
        }
    }
}
