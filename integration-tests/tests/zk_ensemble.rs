//! Ensembles of real servers, ours and Apache's: whatever happens to one of them, nothing
//! acknowledged is lost, sessions and watches live on, and all end with the same tree.
//!
//! A choice by seed (`TEST_SEED`) in which every two of which one is ours meet: ours in each place with each
//! kind in each other place, and each kind in each place with each trouble. `ENSEMBLES=all` runs every one
//! with every trouble.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test: prints what it saw, makes folders"
)]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use integration_tests::peers::Java;
use integration_tests::proc::skipped;
use integration_tests::rng::{Rng, seed};
use integration_tests::zk::{Ensemble, Kind, Load, check};
use integration_tests::{java_or_skip, netns};

const OURS: Kind = Kind::Ours;
const JAVA36: Kind = Kind::Java("3.6.2");
const JAVA39: Kind = Kind::Java("3.9.5");
const SESSION_MS: i32 = 40_000;

fn named(kinds: &[Kind]) -> String {
    let names: Vec<String> = kinds.iter().map(Kind::to_string).collect();
    names.join(", ")
}

/// What happens to each member in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Killed,
    /// stands still, then is cut off
    CutOff,
}

const TROUBLES: [Trouble; 2] = [Trouble::Killed, Trouble::CutOff];

/// The compositions of three that this run puts into that trouble.
fn troubled(trouble: Trouble) -> Vec<[Kind; 3]> {
    let all: Vec<([Kind; 3], Trouble)> = compositions()
        .into_iter()
        .flat_map(|kinds| TROUBLES.map(|trouble| (kinds, trouble)))
        .collect();
    let chosen = if std::env::var("ENSEMBLES").as_deref() == Ok("all") {
        all
    } else {
        // One choice, of which each test has a part.
        static SEED: OnceLock<u64> = OnceLock::new();
        let seed = *SEED.get_or_init(seed);
        println!("TEST_SEED={seed}");
        pairwise(all, &mut Rng::new(seed))
    };
    let chosen = chosen.into_iter().filter(|(_, of)| *of == trouble);
    chosen.map(|(kinds, _)| kinds).collect()
}

/// So few of these that each pair of their parts is in one of them: the one with the most new pairs comes
/// next.
fn pairwise(mut all: Vec<([Kind; 3], Trouble)>, random: &mut Rng) -> Vec<([Kind; 3], Trouble)> {
    let pairs = |(kinds, trouble): &([Kind; 3], Trouble)| {
        let parts = [
            kinds[0].to_string(),
            kinds[1].to_string(),
            kinds[2].to_string(),
            format!("{trouble:?}"),
        ];
        let mut pairs = Vec::new();
        let ours = |at: usize| kinds.get(at).is_none_or(|kind| *kind == OURS);
        for a in 0..parts.len() {
            for b in (a + 1..parts.len()).filter(|&b| ours(a) || ours(b)) {
                pairs.push((a, parts[a].clone(), b, parts[b].clone()));
            }
        }
        pairs
    };
    let mut missing: BTreeSet<_> = all.iter().flat_map(pairs).collect();
    let mut chosen = Vec::new();
    while !missing.is_empty() {
        // Among equals the seed decides.
        for i in (1..all.len()).rev() {
            all.swap(i, random.below(i + 1));
        }
        let new = |one: &([Kind; 3], Trouble)| {
            pairs(one)
                .iter()
                .filter(|pair| missing.contains(*pair))
                .count()
        };
        let Some(at) = (0..all.len()).max_by_key(|&at| new(&all[at])) else {
            break;
        };
        let next = all.swap_remove(at);
        for pair in pairs(&next) {
            missing.remove(&pair);
        }
        chosen.push(next);
    }
    chosen
}

#[test]
fn a_choice_has_every_pair() {
    let all = || -> Vec<([Kind; 3], Trouble)> {
        let kinds = compositions().into_iter();
        kinds
            .flat_map(|kinds| TROUBLES.map(|t| (kinds, t)))
            .collect()
    };
    for seed in 0..20 {
        let chosen = pairwise(all(), &mut Rng::new(seed));
        assert!((6..=9).contains(&chosen.len()), "{}", chosen.len());
        for place in 0..3 {
            for kind in [OURS, JAVA39, JAVA36] {
                for trouble in TROUBLES {
                    let meets =
                        |(kinds, t): &([Kind; 3], Trouble)| kinds[place] == kind && *t == trouble;
                    assert!(chosen.iter().any(meets), "seed {seed}");
                }
                for other in (0..3).filter(|&other| other != place) {
                    let meets = |(kinds, _): &([Kind; 3], Trouble)| {
                        kinds[place] == kind && kinds[other] == OURS
                    };
                    assert!(chosen.iter().any(meets), "seed {seed}");
                }
            }
        }
    }
}

/// The compositions that this run tries: `count` of them by seed, or all.
fn choice<T: Clone>(all: &[T], count: usize) -> Vec<T> {
    if std::env::var("ENSEMBLES").as_deref() == Ok("all") {
        return all.to_vec();
    }
    let seed = seed();
    println!("TEST_SEED={seed}");
    let mut rng = Rng::new(seed);
    let mut left = all.to_vec();
    (0..count.min(all.len()))
        .map(|_| left.swap_remove(rng.below(left.len())))
        .collect()
}

/// Each member in turn is killed and comes back, under load; the last ones are observers.
fn killed(dir: &Path, java: Java, kinds: &[Kind], observers: usize) {
    println!("killed in turn: {}", named(kinds));
    let mut ensemble = Ensemble::local(dir, kinds.len() - observers, observers).java(java);
    let leader = ensemble.start_all(kinds);
    println!("member {leader} leads");
    let load = Load::start(&ensemble.addrs(), 3, SESSION_MS);
    for id in ensemble.ids() {
        ensemble.kill(id);
        load.wait_for(30);
        ensemble.start(id, kinds[id - 1]);
        let leader = ensemble.wait_serving();
        println!("member {id} was killed and is back; member {leader} leads");
        load.wait_for(30);
    }
    check(&mut ensemble, load);
}

/// Each member in turn stands still, then is cut off from the others, under load.
fn cut_off(dir: &Path, java: Java, kinds: &[Kind]) -> Result<(), String> {
    println!("paused and cut off in turn: {}", named(kinds));
    let mut ensemble = Ensemble::on_hosts(dir, kinds.len(), 0)?
        .java(java)
        .line("syncLimit=6");
    ensemble.start_all(kinds);
    let load = Load::start(&ensemble.addrs(), 3, SESSION_MS);
    for id in ensemble.ids() {
        ensemble.pause(id);
        load.wait_for(30);
        ensemble.unpause(id);
        ensemble.wait_serving();
        ensemble.cut(id, true);
        load.wait_for(30);
        ensemble.cut(id, false);
        let leader = ensemble.wait_serving();
        println!("member {id} was paused, cut off, and is back; member {leader} leads");
    }
    check(&mut ensemble, load);
    Ok(())
}

/// Every member is replaced in its own folder by the other kind, and back.
fn swapped(dir: &Path, java: Java, from: Kind, to: Kind) -> Duration {
    println!("swapped: {from} to {to} and back");
    let mut ensemble = Ensemble::local(dir, 3, 0).java(java);
    ensemble.start_all(&[from; 3]);
    let load = Load::start(&ensemble.addrs(), 3, SESSION_MS);
    for kind in [to, from] {
        for id in ensemble.ids() {
            ensemble.stop(id);
            ensemble.start(id, kind);
            let leader = ensemble.wait_serving();
            println!("member {id} is {kind} now; member {leader} leads");
            load.wait_for(30);
        }
    }
    check(&mut ensemble, load)
}

#[test]
fn killed_members_come_back() {
    let java = java_or_skip!();
    for kinds in troubled(Trouble::Killed) {
        let dir = tempfile::tempdir().unwrap();
        killed(dir.path(), java, &kinds, 0);
    }
}

#[test]
fn five_of_which_one_observes() {
    let java = java_or_skip!();
    let all = [
        [OURS, JAVA36, JAVA39, OURS, JAVA39],
        [JAVA39, OURS, JAVA39, JAVA36, OURS],
        [JAVA36, JAVA39, OURS, OURS, JAVA36],
        [OURS, OURS, OURS, OURS, OURS],
    ];
    for kinds in choice(&all, 1) {
        let dir = tempfile::tempdir().unwrap();
        killed(dir.path(), java, &kinds, 1);
    }
}

#[test]
fn members_that_stand_still_or_are_cut_off_come_back() {
    let java = java_or_skip!();
    if let Some(why) = netns::unavailable() {
        return skipped(&why);
    }
    for kinds in troubled(Trouble::CutOff) {
        let dir = tempfile::tempdir().unwrap();
        cut_off(dir.path(), java, &kinds).unwrap();
    }
}

#[test]
fn servers_are_replaced_under_load_and_back() {
    let java = java_or_skip!();
    for (from, to) in choice(&[(JAVA39, OURS), (JAVA36, OURS)], 1) {
        let dir = tempfile::tempdir().unwrap();
        let ours = swapped(dir.path(), java, from, to);
        let dir = tempfile::tempdir().unwrap();
        let theirs = swapped(dir.path(), java, from, from);
        println!("longest time without a write: {ours:?}, where Java restarts alone {theirs:?}");
        // Both on one busy machine, one after the other.
        let noise = theirs / 2 + Duration::from_millis(500);
        assert!(ours <= theirs + noise, "{ours:?}, Java alone {theirs:?}");
    }
}

/// Every ensemble of three with one of ours at least; who has the highest id leads first.
fn compositions() -> Vec<[Kind; 3]> {
    let kinds = [OURS, JAVA39, JAVA36];
    let mut all = Vec::new();
    for a in kinds {
        for b in kinds {
            for c in kinds {
                if [a, b, c].contains(&OURS) {
                    all.push([a, b, c]);
                }
            }
        }
    }
    all
}
