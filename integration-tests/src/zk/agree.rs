//! After the trouble: do all members of an ensemble have the same, and nothing of it been lost?
#![allow(clippy::print_stdout, reason = "tests print what they saw")]

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Ensemble, Load, ZkClient};

const SESSION_MS: i32 = 40_000;

/// Everything of a dump but what each server writes there by itself.
fn shared(dump: &str) -> impl Iterator<Item = &str> {
    dump.lines()
        .filter(|line| !line.starts_with("/zookeeper/config "))
}

/// All members agree, and have what was acknowledged. Gives the longest time without a write.
#[track_caller]
pub fn check(ensemble: &mut Ensemble, load: Load) -> Duration {
    ensemble.wait_serving();
    load.wait_for(30);
    let reports = load.stop();
    ensemble.wait_level();
    // Nobody pings the sessions any more, and dumps take long.
    for id in ensemble.running() {
        let mut client = connect(ensemble, id);
        for report in &reports {
            report.check(&mut client, &format!("member {id}"));
        }
    }
    let anyone = ensemble.addr(ensemble.running()[0]);
    reports
        .iter()
        .for_each(|report| report.close_session(anyone));
    ensemble.wait_level();
    let dump = |id| (id, connect(ensemble, id).dump());
    let dumps: Vec<_> = ensemble.running().into_iter().map(dump).collect();
    let (first, expected) = &dumps[0];
    for (id, dump) in &dumps {
        let other = shared(expected).zip(shared(dump)).find(|(a, b)| a != b);
        assert_eq!(other, None, "members {first} and {id} have different trees");
        assert_eq!(shared(dump).count(), shared(expected).count());
    }
    same_digests(ensemble);
    let lost: u64 = reports.iter().map(|report| report.expired).sum();
    assert_eq!(lost, 0, "sessions were lost");
    let writes: usize = reports.iter().map(|r| r.acknowledged()).sum();
    let gap = reports.iter().map(|report| report.longest_gap).max();
    println!("{writes} writes acknowledged, longest gap {gap:?}");
    gap.unwrap_or_default()
}

fn connect(ensemble: &Ensemble, id: usize) -> ZkClient {
    ZkClient::connect(ensemble.addr(id), SESSION_MS).expect("the member serves")
}

/// The digests that members have noted at the same zxid are the same (four-letter word `hash`).
#[track_caller]
fn same_digests(ensemble: &Ensemble) {
    let mut known = BTreeMap::new();
    let mut compared = 0;
    for id in ensemble.running() {
        for line in ensemble.four_letter(id, "hash").lines() {
            let Some((zxid, digest)) = line.rsplit_once(": ") else {
                continue;
            };
            let (before, by) = known
                .entry(zxid.to_owned())
                .or_insert((digest.to_owned(), id));
            compared += usize::from(*by != id);
            assert_eq!(before, digest, "digest at {zxid} of members {by} and {id}");
        }
    }
    println!("{compared} digests compared");
}
