//! Random runs: servers crash and lose what was not synced, links break, leaders change while
//! clients write. `pump` checks at each step what ZAB promises; in the end everyone has the same.

use proptest::prelude::*;

use super::pump::{Role, World};
use crate::zab::testing::view;

/// One number a step: small runs are found by shrinking the list.
fn run(choices: &[u32], (voters, observers): (i64, i64), kept: usize, masters: bool) -> World {
    let mut world = World::new(view(voters, observers));
    world.settings.observer_masters = masters;
    for id in 1..=voters + observers {
        world.forget(id, kept);
    }
    for &choice in choices {
        step(&mut world, choice, voters);
    }
    heal(&mut world, voters);
    world
}

fn step(world: &mut World, choice: u32, voters: i64) {
    let (what, which) = (choice % 100, (choice / 100) as usize);
    let nodes = world.nodes.len();
    let id = world.nodes[which % nodes].id;
    match what {
        0..40 => {
            let links = world.links();
            if let Some(&link) = links.get(which % links.len().max(1)) {
                world.deliver(link, choice & 1 == 0);
            }
        }
        40..60 => {
            world.disk_step(which % nodes);
        }
        60..75 => {
            let leaders = world.nodes.iter().map(|node| node.id);
            let leaders: Vec<i64> = leaders.filter(|&id| leads(world, id)).collect();
            if let Some(&id) = leaders.get(which % leaders.len().max(1)) {
                world.write(id);
            }
        }
        75..80 => join(world, id),
        80..86 => elect(world, which, voters),
        86..88 => world.crash(id, which % 4),
        88..90 => {
            let links = world.links();
            if let Some(&link) = links.get(which % links.len().max(1)) {
                world.cut(link);
            }
        }
        90..92 => world.pass(20),
        _ => {
            for _ in 0..which % 40 {
                let links = world.links();
                for link in links {
                    world.deliver(link, true);
                    world.deliver(link, false);
                }
                world.disk_step(which % nodes);
            }
        }
    }
}

fn leads(world: &World, id: i64) -> bool {
    matches!(world.node(id).role, Role::Leading(_)) && world.node(id).serving
}

fn idle(world: &World, id: i64) -> bool {
    matches!(world.node(id).role, Role::Idle)
}

/// Follows whoever leads, established or not.
fn join(world: &mut World, id: i64) {
    let leader = world.nodes.iter();
    let leader = leader.filter(|n| matches!(n.role, Role::Leading(_)));
    if let Some(leader) = leader.map(|n| n.id).max() {
        if idle(world, id) {
            world.follow(id, leader);
        }
    }
}

/// A quorum of those that look elects the one with the most.
fn elect(world: &mut World, which: usize, voters: i64) {
    let looking = (1..=voters).filter(|&id| idle(world, id));
    let mut looking: Vec<i64> = looking.collect();
    let quorum = voters as usize / 2 + 1;
    if looking.len() < quorum {
        return;
    }
    let turn = which % looking.len();
    looking.rotate_left(turn);
    looking.truncate(quorum);
    let best = looking.iter().copied().max_by_key(|&id| {
        let node = world.node(id);
        (node.disk.current, node.db.last_zxid(), id)
    });
    let Some(best) = best else { return };
    world.lead(best);
    for id in looking {
        if id != best {
            world.follow(id, best);
        }
    }
}

/// Faults end: everyone crashes, the best leads, all follow, one more write reaches all.
fn heal(world: &mut World, voters: i64) {
    let ids: Vec<i64> = world.nodes.iter().map(|node| node.id).collect();
    for &id in &ids {
        world.crash(id, 1);
    }
    let mut best = 1;
    for _ in 0..6 {
        let leads = |id: &i64| matches!(world.node(*id).role, Role::Leading(_));
        if !(1..=voters).any(|id| leads(&id)) {
            let end = |id: &i64| {
                let node = world.node(*id);
                (node.disk.current, node.db.last_zxid(), *id)
            };
            best = (1..=voters).max_by_key(end).unwrap();
            world.lead(best);
        }
        for &id in &ids {
            if id != best && idle(world, id) {
                world.follow(id, best);
            }
        }
        world.settle();
        // An observer finds a master when that serves.
        world.pass(10);
        world.settle();
    }
    for node in &world.nodes {
        assert!(node.serving, "server {}: {:?}", node.id, node.abandoned);
    }
    world.write(best);
    world.settle();
    for node in &world.nodes {
        assert_eq!(node.history, world.committed, "server {}", node.id);
        assert_eq!(node.disk.history(), world.committed, "server {}", node.id);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn three_servers(choices in proptest::collection::vec(any::<u32>(), 0..400), kept in 1usize..6) {
        run(&choices, (3, 0), kept, false);
    }

    #[test]
    fn followers_serve_two_observers(
        choices in proptest::collection::vec(any::<u32>(), 0..300),
        kept in 1usize..6,
    ) {
        run(&choices, (3, 2), kept, true);
    }

    #[test]
    fn five_servers_of_which_two_observe(
        choices in proptest::collection::vec(any::<u32>(), 0..300),
        kept in 1usize..6,
    ) {
        run(&choices, (3, 2), kept, false);
    }
}
