//! Whatever is lost and delayed, whoever restarts: once messages arrive and a quorum runs, all agree on
//! one leader in bounded time, and it has the best log of a quorum.

use proptest::prelude::*;
use proto::quorum::PeerState;

use super::testing::{Table, voters};

/// A generator of numbers from a seed, so that a failing case is the same each time.
fn numbers(mut state: u64) -> impl FnMut(u64) -> u64 {
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn it_ends_with_one_leader(
        servers in 3i64..=7,
        seed in 1u64..u64::MAX,
        loss in 0u64..60,
        logs in proptest::collection::vec((1i64..4, 0i64..6), 7),
        restarts in proptest::collection::vec((0i64..7, 0u64..400), 0..12),
    ) {
        let mut table = Table::new(voters(1..=servers));
        let mut random = numbers(seed);
        table.delay = Box::new(move |_, _| (random(100) >= loss).then(|| random(30_000)));
        for id in 1..=servers {
            let (epoch, zxid) = logs[id as usize - 1];
            table.start(id, epoch, zxid);
        }
        for (id, wait) in restarts {
            table.run_for(wait);
            let id = id % servers + 1;
            let (epoch, zxid) = logs[id as usize - 1];
            table.stop(id);
            table.start(id, epoch, zxid);
        }
        // Faults are over. Who follows one that does not lead gives up after a while, as a server
        // whose leader does not answer, or a leader whom no quorum follows.
        let mut random = numbers(seed ^ 0xff);
        table.delay = Box::new(move |_, _| Some(random(5_000)));
        for _ in 0..12 {
            table.run_for(20_000);
            for id in 1..=servers {
                if !is_served(&table, id, servers) {
                    table.look(id);
                }
            }
            if (1..=servers).all(|id| is_served(&table, id, servers)) {
                break;
            }
        }
        prop_assert!(table.decided(), "{:?}", table.states());
        prop_assert!((1..=servers).all(|id| is_served(&table, id, servers)), "{:?}", table.states());
        let leader = table.leader();
        let log = |id: i64| logs[id as usize - 1];
        let behind = (1..=servers).filter(|&id| log(id) <= log(leader)).count() as i64;
        prop_assert!(behind > servers / 2, "{leader} leads with {:?} of {logs:?}", log(leader));
    }
}

/// Whether the leader that this server has decided for leads, and a quorum with it.
fn is_served(table: &Table, id: i64, servers: i64) -> bool {
    let leader = table.servers[&id].vote().leader;
    let Some(lead) = table.servers.get(&leader) else {
        return false;
    };
    let follow =
        |e: &&super::Election| e.state() != PeerState::Looking && e.vote().leader == leader;
    let followers = table.servers.values().filter(follow).count() as i64;
    table.servers[&id].state() != PeerState::Looking
        && lead.state() == PeerState::Leading
        && followers > servers / 2
}
