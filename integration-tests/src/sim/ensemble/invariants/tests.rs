//! Each invariant can fail: the smallest change of a sound history that breaks it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::super::facts::Proposal;
use super::super::plan::Plan;
use super::*;

const fn z(epoch: i64, n: i64) -> i64 {
    epoch << 32 | n
}

fn proposal(prev: i64, leader: i64) -> Proposal {
    Proposal {
        prev,
        record: Bytes::new(),
        digest: Some(prev),
        session: 0,
        cxid: 0,
        op: 0,
        leader,
        config: 0,
    }
}

/// Server 1 leads epoch 1 and has proposed four transactions: 2 has logged three of them, which are
/// committed, 3 has logged two. Somebody has proposed another third one, in epoch 2.
fn facts() -> Facts {
    let mut facts = Facts {
        committed: vec![z(1, 1), z(1, 2), z(1, 3)],
        leaders: BTreeMap::from([(1, BTreeSet::from([1]))]),
        durable: BTreeMap::from([(1, z(1, 4)), (2, z(1, 3)), (3, z(1, 2))]),
        epochs: BTreeMap::from([(1, 1), (2, 1), (3, 1)]),
        acknowledged: z(1, 3),
        acknowledged_in: BTreeMap::from([(1, z(1, 3))]),
        configs: BTreeMap::from([(0, Plan::calm(0).view())]),
        ..Facts::default()
    };
    facts.proposals.insert(z(1, 1), proposal(0, 1));
    for n in 2..=4 {
        facts.proposals.insert(z(1, n), proposal(z(1, n - 1), 1));
    }
    facts.proposals.insert(z(2, 1), proposal(z(1, 2), 3));
    facts
}

fn delivered(from: i64, to: i64) -> Seen {
    Seen::Delivered {
        node: 2,
        from,
        to,
        digest: Some(to - 1),
    }
}

/// Name, something that is right, something that is not.
fn cases() -> Vec<(&'static str, Seen, Seen)> {
    let node = 3;
    let established = |node, epoch, zxid| Seen::Established { node, epoch, zxid };
    let accepted = |prev, same| Seen::Accepted {
        node,
        zxid: z(1, 3),
        prev,
        same,
    };
    let broadcast = |node| Seen::Broadcast {
        node,
        zxid: z(1, 5),
        prev: z(1, 4),
    };
    let idle = |logged| Seen::Idle {
        node,
        zxid: z(1, 2),
        logged,
        digest: Some(z(1, 1)),
    };
    let ephemerals = |orphan| Seen::Ephemerals {
        node,
        zxid: z(1, 2),
        orphan,
    };
    let epoch_written = |node| Seen::EpochWritten {
        node,
        epoch: 1,
        zxid: z(1, 3),
    };
    let acked_leader = |epoch| Seen::AckedLeader {
        node: 2,
        epoch,
        zxid: z(1, 3),
    };
    let cut = |to| Seen::Cut {
        node,
        from: z(1, 4),
        to,
        owed: z(1, 3),
    };
    let settled = |digest| Seen::Settled {
        node,
        zxid: z(1, 3),
        digest: Some(digest),
    };
    let acked = |zxid| Seen::Acked { node, zxid };
    let third = delivered(z(1, 2), z(1, 3));
    let stray = delivered(z(1, 2), z(2, 1));
    vec![
        ("Leadership1", established(1, 1, 0), established(2, 1, 0)),
        ("Leadership2", broadcast(1), broadcast(2)),
        ("PrefixConsistency", third, stray),
        (
            "Integrity",
            accepted(z(1, 2), true),
            accepted(z(1, 2), false),
        ),
        ("TotalOrder", third, delivered(z(1, 3), z(2, 1))),
        (
            "LocalPrimaryOrder",
            accepted(z(1, 2), true),
            accepted(z(1, 1), true),
        ),
        ("GlobalPrimaryOrder", stray, delivered(z(2, 1), z(1, 3))),
        (
            "PrimaryIntegrity",
            established(1, 2, z(1, 3)),
            established(3, 2, z(1, 2)),
        ),
        (
            "AcknowledgedIsKept",
            established(1, 2, z(1, 3)),
            established(3, 2, z(1, 2)),
        ),
        ("LoggedBeforeAck", acked(z(1, 2)), acked(z(1, 3))),
        ("HistoryBeforeEpoch", epoch_written(2), epoch_written(3)),
        ("EpochBeforeAck", acked_leader(1), acked_leader(2)),
        ("MemoryIsDisk", idle(z(1, 2)), idle(z(1, 3))),
        ("CutsExactly", cut(z(1, 3)), cut(z(1, 2))),
        ("EqualDigests", settled(z(1, 2)), settled(7)),
        ("EphemeralHasSession", ephemerals(None), ephemerals(Some(1))),
    ]
}

#[test]
fn every_invariant_holds_and_breaks() {
    let facts = facts();
    let mut named = BTreeSet::from(["Agreement"]);
    for (name, right, wrong) in cases() {
        let (_, check) = INVARIANTS.iter().find(|(n, _)| *n == name).unwrap();
        assert_eq!(check(&facts, &right), Verdict::Holds, "{name}");
        let verdict = check(&facts, &wrong);
        assert!(matches!(verdict, Verdict::Broken(_)), "{name}: {verdict:?}");
        named.insert(name);
    }
    let all: BTreeSet<_> = INVARIANTS.iter().map(|(name, _)| *name).collect();
    assert_eq!(named, all);
}

/// `PrefixConsistency` is in `prefix_consistency.rs`.
#[test]
fn every_invariant_has_its_file() {
    let sources = include_str!("mod.rs");
    for (name, _) in INVARIANTS {
        let mut file = String::new();
        for (i, c) in name.char_indices() {
            if c.is_uppercase() && i > 0 {
                file.push('_');
            }
            file.push(c.to_ascii_lowercase());
        }
        assert!(sources.contains(&format!("\nmod {file};\n")), "{name}");
        assert!(
            sources.contains(&format!("(\"{name}\", {file}::check)")),
            "{name}"
        );
    }
}

#[test]
fn a_minority_commits_nothing_and_a_new_configuration_needs_the_old_one_too() {
    let agreement = |facts: &Facts| agreement::check(facts, &delivered(z(1, 3), z(1, 4)));
    let mut facts = facts();
    assert!(matches!(agreement(&facts), Verdict::Broken(_)));
    facts.durable.insert(2, z(1, 4));
    assert_eq!(agreement(&facts), Verdict::Holds);
    // The fourth one makes 1 and 4 to 6 the members: 2 says nothing there.
    let plan = Plan {
        voters: 6,
        ..Plan::calm(0)
    };
    let mut config = plan.view().config().clone();
    config.servers.retain(|server| ![2, 3].contains(&server.id));
    facts
        .configs
        .insert(z(1, 4), zk_server::quorum::View::new(config));
    facts.proposals.get_mut(&z(1, 4)).unwrap().config = z(1, 4);
    assert!(matches!(agreement(&facts), Verdict::Broken(_)));
    facts.durable.extend([(4, z(1, 4)), (5, z(1, 4))]);
    assert_eq!(agreement(&facts), Verdict::Holds);
    facts.durable.insert(2, z(1, 3));
    assert!(matches!(agreement(&facts), Verdict::Broken(_)));
}
