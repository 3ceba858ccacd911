//! Each way to bring a learner up to date, between our own leader and learner, and what leaders of
//! Java's send that ours does not.

use bytes::Bytes;
use proto::quorum::PacketType::*;
use proto::quorum::{PacketType, QuorumPacket};

use super::pump::{History, World};
use crate::store::epochs::Epoch;
use crate::store::orders::{DiskDone, DiskOrder};
use crate::units::LinkId;
use crate::zab::learner::Phase;
use crate::zab::testing::{at, database, reconfig, record, record_by, view, zxid as z};
use crate::zab::{Effect, Learner, Settings, Start};

fn history(zxids: &[i64]) -> History {
    zxids.iter().map(|&zxid| (zxid, record(zxid))).collect()
}

fn kinds(world: &World, to: i64) -> Vec<PacketType> {
    let down = world.trace.iter().filter(|t| t.1 == to);
    let sync = |kind: &PacketType| matches!(kind, Diff | Trunc | Snap);
    down.map(|t| t.2).filter(sync).collect()
}

/// What the learner has, and what the leader sends for it.
#[test]
fn a_learner_gets_what_it_lacks() {
    let leader = [z(1, 1), z(1, 2), z(1, 3), z(2, 1), z(2, 2)];
    let cases: [(&[i64], usize, PacketType); 8] = [
        (&leader, 9, Diff),
        (&leader[..4], 9, Diff),
        (&leader[..2], 9, Diff),
        (&leader[..2], 2, Diff), // from the log
        (&[], 9, Snap),
        (&[z(1, 1), z(1, 2), z(1, 3), z(1, 4)], 9, Snap),
        (
            &[z(1, 1), z(1, 2), z(1, 3), z(2, 1), z(2, 2), z(2, 3)],
            9,
            Trunc,
        ),
        (&[z(1, 1), z(1, 2), z(1, 3), z(1, 4)], 1, Snap), // from the log
    ];
    for (learner, kept, expected) in cases {
        let mut world = World::new(view(5, 0));
        for id in [1, 3, 4] {
            world.give(id, 2, &history(&leader));
        }
        world.forget(1, kept);
        world.lead(1);
        world.follow(3, 1);
        world.follow(4, 1);
        world.settle();
        assert!(world.node(1).serving);
        world.give(2, 1, &history(learner));
        world.follow(2, 1);
        world.settle();
        assert_eq!(kinds(&world, 2), [expected], "{learner:x?}");
        assert!(world.node(2).serving, "{:?}", world.node(2).abandoned);
        assert_eq!(world.node(2).zxids(), leader);
        assert_eq!(world.node(2).disk.history(), history(&leader));
    }
}

/// ZOOKEEPER-3104, 4925, TLA+ issues 1 and 2: proposals go on while a learner is brought up to
/// date.
#[test]
fn a_late_joiner_sees_every_proposal_once() {
    for joins_after in 0..8 {
        let mut world = World::new(view(3, 1));
        world.give(1, 1, &history(&[z(1, 1), z(1, 2)]));
        world.lead(1);
        world.follow(2, 1);
        world.settle();
        let mut steps = 0;
        for _ in 0..4 {
            world.write(1);
            for link in world.links() {
                for up in [true, false] {
                    if steps == joins_after {
                        world.follow(3, 1);
                        world.follow(4, 1);
                    }
                    steps += 1;
                    world.deliver(link, up);
                }
            }
        }
        world.settle();
        assert!(steps > joins_after);
        let expected = world.node(1).zxids();
        assert_eq!(expected.len(), 6);
        for node in &world.nodes {
            assert!(node.serving, "{:?}", node.abandoned);
            assert_eq!(node.zxids(), expected);
        }
    }
}

#[test]
fn an_observer_does_not_count() {
    let mut world = World::new(view(3, 1));
    world.lead(1);
    world.follow(4, 1);
    world.settle();
    assert!(!world.node(1).serving && !world.node(4).serving);
    world.follow(2, 1);
    world.settle();
    assert!(world.node(1).serving && world.node(4).serving);
    world.write(1);
    world.settle();
    assert_eq!(world.node(4).zxids(), [z(1, 1)]);
    let acks = world.trace.iter().filter(|t| t.0 == 4 && t.2 == Ack);
    assert!(acks.clone().all(|t| t.3 == z(1, 0)), "no proposal's");
    assert_eq!(acks.count(), 2);
}

#[test]
fn too_many_observers_at_a_time_are_sent_away() {
    let mut world = World::new(view(1, 2));
    world.settings.max_concurrent_snap_syncs = 1;
    world.give(1, 1, &history(&[z(1, 1)]));
    world.lead(1);
    world.settle();
    world.follow(2, 1);
    world.follow(3, 1);
    world.settle();
    let serving = |id| world.node(id).serving;
    // One is done before the other begins, or else the second is sent away.
    assert!(serving(2) || serving(3));
}

/// A learner by itself, and what it asks for.
struct Alone {
    learner: Learner,
    out: Vec<Effect>,
}

const LINK: LinkId = LinkId(50);

impl Alone {
    fn new(last_zxid: i64) -> Self {
        Self::with(Settings::DEFAULT, last_zxid)
    }

    fn with(settings: Settings, last_zxid: i64) -> Self {
        let start = Start {
            me: 2,
            active: view(3, 1),
            last_seen: view(3, 1),
            accepted_epoch: last_zxid >> 32,
            current_epoch: last_zxid >> 32,
            last_zxid,
            oracle: None,
        };
        let mut out = Vec::new();
        let mut learner = Learner::new(settings, start, 1, Vec::new(), LINK, at(0), &mut out);
        learner.connected(LINK, at(0), &mut out);
        let mut alone = Self { learner, out };
        alone.gets(QuorumPacket::leader_info(5));
        alone.done(Epoch::Accepted);
        alone.out.clear();
        alone
    }

    fn gets(&mut self, packet: QuorumPacket) {
        self.learner
            .packet(LINK, packet, &database(&[], 0), at(1), &mut self.out);
    }

    fn done(&mut self, which: Epoch) {
        let done = DiskDone::EpochWritten { which, value: 5 };
        self.learner
            .disk(done, &database(&[], 0), at(1), &mut self.out);
    }

    fn proposal(&mut self, zxid: i64) {
        self.gets(QuorumPacket::with(Proposal, zxid, record(zxid)));
    }

    fn commit(&mut self, zxid: i64) {
        self.gets(QuorumPacket::new(Commit, zxid));
    }

    fn applied(&self) -> Vec<i64> {
        let applied = self.out.iter().filter_map(|effect| match effect {
            Effect::Apply { zxid, .. } => Some(*zxid),
            _ => None,
        });
        applied.collect()
    }

    fn acks(&self) -> Vec<i64> {
        let acks = self.out.iter().filter_map(|effect| match effect {
            Effect::Send { packet, .. } if packet.kind == Ack => Some(packet.zxid),
            _ => None,
        });
        acks.collect()
    }

    fn reason(&self) -> Option<&str> {
        self.out.iter().find_map(|effect| match effect {
            Effect::Abandon { reason } => Some(reason.as_str()),
            _ => None,
        })
    }
}

/// ZOOKEEPER-4394, 3911: a leader's proposals and commits in every place between DIFF and UPTODATE.
#[test]
fn only_what_is_committed_is_applied_before_uptodate() {
    let mut alone = Alone::new(z(4, 1));
    alone.gets(QuorumPacket::new(Diff, z(4, 3)));
    alone.proposal(z(4, 2));
    alone.commit(z(4, 2));
    alone.proposal(z(4, 3));
    alone.proposal(z(5, 1));
    alone.proposal(z(5, 2));
    alone.commit(z(4, 3));
    alone.gets(QuorumPacket::new(NewLeader, z(5, 0)));
    assert_eq!(
        (alone.applied(), alone.acks()),
        (vec![z(4, 2), z(4, 3)], vec![])
    );
    alone.commit(z(5, 1));
    alone.proposal(z(5, 3));
    alone.done(Epoch::Current);
    assert_eq!(alone.acks(), [z(5, 0)]);
    alone.learner.disk(
        DiskDone::Logged {
            zxid: crate::units::Zxid(z(5, 1)),
        },
        &database(&[], 0),
        at(1),
        &mut alone.out,
    );
    assert_eq!(
        alone.acks(),
        [z(5, 0), z(5, 1)],
        "sent after NEWLEADER began"
    );
    alone.gets(QuorumPacket::new(UpToDate, -1));
    let proposed = alone.out.iter().filter_map(|effect| match effect {
        Effect::Propose { zxid, .. } => Some(*zxid),
        _ => None,
    });
    assert_eq!(proposed.collect::<Vec<_>>(), [z(5, 2), z(5, 3)]);
    assert_eq!(alone.applied(), [z(4, 2), z(4, 3), z(5, 1)]);
    assert_eq!(alone.acks().last(), Some(&z(5, 0)));
}

/// With NEWLEADER comes the last configuration that the leader has proposed. Where it is committed only
/// later, it is in force only then.
#[test]
fn a_configuration_that_is_only_proposed_is_not_in_force_at_uptodate() {
    let text = b"server.1=host1:2888:3888\nserver.2=host2:2888:3888\nversion=500000001";
    let settings = Settings {
        reconfig_enabled: true,
        ..Settings::DEFAULT
    };
    for committed in [true, false] {
        let mut alone = Alone::with(settings, z(4, 1));
        alone.gets(QuorumPacket::new(Diff, z(5, 1)));
        let proposal = reconfig(z(5, 1), text);
        alone.gets(QuorumPacket::with(Proposal, z(5, 1), proposal));
        if committed {
            alone.commit(z(5, 1));
        }
        let begins = z(5, 0);
        alone.gets(QuorumPacket::with(NewLeader, begins, &text[..]));
        alone.done(Epoch::Current);
        alone.gets(QuorumPacket::new(UpToDate, -1));
        let activated = |alone: &Alone| {
            let mut views = alone.out.iter();
            views.any(|e| matches!(e, Effect::Activate { view, .. } if view.version() == z(5, 1)))
        };
        let seen = |e: &Effect| matches!(e, Effect::Seen(view) if view.version() == z(5, 1));
        assert!(alone.out.iter().any(seen), "committed: {committed}");
        assert_eq!(activated(&alone), committed);
        if !committed {
            alone.gets(QuorumPacket::commit_and_activate(z(5, 1), 1));
            assert!(activated(&alone), "{:?}", alone.reason());
        }
    }
}

/// A leader of Java's takes its snapshot while it goes on.
#[test]
fn what_is_in_the_snapshot_already_is_passed_over() {
    let mut alone = Alone::new(0);
    alone.gets(QuorumPacket::new(Snap, z(5, 3)));
    let db = database(&[z(5, 1), z(5, 2), z(5, 3)], 9);
    alone
        .learner
        .snapshot(LINK, Box::new(db), at(1), &mut alone.out);
    for zxid in [z(5, 2), z(5, 3), z(5, 4)] {
        alone.proposal(zxid);
        alone.commit(zxid);
    }
    assert_eq!((alone.applied(), alone.reason()), (vec![z(5, 4)], None));
}

#[test]
fn a_snapshot_is_saved_before_it_is_used() {
    let mut alone = Alone::new(z(4, 9));
    alone.gets(QuorumPacket::new(Snap, z(3, 1)));
    let zxid = z(3, 1);
    assert_eq!(alone.learner.phase(), Phase::ReceivingSnapshot { zxid });
    let db = database(&[z(3, 1)], 9);
    alone.out.clear();
    alone
        .learner
        .snapshot(LINK, Box::new(db), at(1), &mut alone.out);
    alone.proposal(z(5, 1));
    alone.commit(z(5, 1));
    assert!(matches!(
        &alone.out[..],
        [
            Effect::Disk(DiskOrder::SaveSnapshot(_)),
            Effect::Install(_),
            Effect::Apply { .. }
        ]
    ));
}

#[test]
fn a_log_that_cannot_be_cut_where_the_leader_wants_is_told() {
    for (end, expected) in [(z(4, 1), Phase::Synchronizing), (z(3, 9), Phase::Over)] {
        let mut alone = Alone::new(z(4, 2));
        alone.gets(QuorumPacket::new(Trunc, z(4, 1)));
        let (empty, database) = (database(&[], 0), Box::new(database(&[end], 9)));
        let done = DiskDone::Reloaded { database };
        alone.learner.disk(done, &empty, at(1), &mut alone.out);
        assert_eq!(alone.learner.phase(), expected);
    }
    // To the beginning of its epoch, where no transaction is.
    let mut alone = Alone::new(z(4, 2));
    alone.gets(QuorumPacket::new(Trunc, z(4, 0)));
    let (empty, database) = (database(&[], 0), Box::new(database(&[z(3, 9)], 9)));
    let done = DiskDone::Reloaded { database };
    alone.learner.disk(done, &empty, at(1), &mut alone.out);
    alone.proposal(z(5, 1));
    assert_eq!(alone.reason(), None);
}

#[test]
fn a_hole_in_what_the_leader_sends_ends_the_role() {
    for zxid in [z(4, 3), z(4, 9)] {
        let mut alone = Alone::new(z(4, 1));
        alone.gets(QuorumPacket::new(Diff, zxid));
        alone.proposal(zxid);
        assert!(
            alone
                .reason()
                .unwrap()
                .starts_with("DIFF sync got proposal")
        );
    }
    let mut alone = Alone::new(z(4, 1));
    alone.gets(QuorumPacket::new(Diff, z(4, 2)));
    alone.proposal(z(4, 2));
    alone.commit(z(4, 3));
    assert!(alone.reason().unwrap().contains("but next proposal is"));
    let mut alone = Alone::new(z(4, 1));
    alone.gets(QuorumPacket::new(Diff, z(4, 2)));
    let broken = Bytes::from_static(b"no transaction");
    alone.gets(QuorumPacket::with(Proposal, z(4, 2), broken));
    assert!(alone.reason().unwrap().contains("can't be read"));
    let mut alone = Alone::new(z(4, 1));
    alone.gets(QuorumPacket::new(Diff, z(4, 2)));
    alone.gets(QuorumPacket::with(Proposal, z(4, 2), record_by(z(4, 3), 1)));
    assert!(alone.reason().is_some(), "the zxid inside is another");
}

/// Each wait for the leader has its limit; what takes its time here has none.
#[test]
fn a_silent_leader_is_left() {
    let late = |alone: &mut Alone, ms: u64| {
        assert_eq!(alone.learner.next_deadline(), Some(ms * 1000));
        alone.learner.tick(at(ms - 1), &mut alone.out);
        assert_eq!(alone.reason(), None);
        alone.learner.tick(at(ms), &mut alone.out);
        let reason = alone.reason().unwrap();
        assert!(reason.starts_with("leader 1 has been silent"), "{reason}");
    };
    late(&mut Alone::new(z(4, 1)), 20_001);
    let mut alone = Alone::new(z(4, 1));
    alone.gets(QuorumPacket::new(Diff, z(4, 1)));
    alone.gets(QuorumPacket::new(NewLeader, z(5, 0)));
    assert_eq!(alone.learner.next_deadline(), None);
    alone.done(Epoch::Current);
    alone.gets(QuorumPacket::new(UpToDate, -1));
    late(&mut alone, 10_001);
}

#[test]
fn a_leader_of_before_zab_is_refused() {
    let start = Start {
        me: 2,
        active: view(3, 0),
        last_seen: view(3, 0),
        accepted_epoch: 0,
        current_epoch: 0,
        last_zxid: 0,
        oracle: None,
    };
    let mut out = Vec::new();
    let mut learner = Learner::new(
        Settings::DEFAULT,
        start,
        1,
        Vec::new(),
        LINK,
        at(0),
        &mut out,
    );
    learner.connected(LINK, at(0), &mut out);
    let packet = QuorumPacket::new(NewLeader, z(5, 0));
    learner.packet(LINK, packet, &database(&[], 0), at(1), &mut out);
    assert_eq!(learner.phase(), Phase::Over);
}
