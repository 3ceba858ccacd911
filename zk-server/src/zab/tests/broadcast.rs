//! An established leader: commits in order, pings, syncs, sessions, reconfigurations.

use bytes::Bytes;
use proto::quorum::PacketType::*;
use proto::quorum::payload::Request;
use proto::quorum::{Identities, PacketType, QuorumPacket};
use proto::zk::OpCode;

use super::pump::{Role, World};
use crate::auth::Identity;
use crate::quorum::View;
use crate::store::epochs::Epoch;
use crate::store::orders::DiskDone;
use crate::tree::Database;
use crate::units::{LinkId, Now, Zxid};
use crate::zab::leader::Phase;
use crate::zab::testing::{at, database, reconfig, record, view, zxid as z};
use crate::zab::{Effect, Leader, Settings, Start};

#[test]
fn writes_are_committed_everywhere_in_order() {
    let mut world = World::new(view(3, 1));
    world.establish();
    for _ in 0..10 {
        world.write(1);
    }
    world.settle();
    let expected: Vec<i64> = (1..=10).map(|n| z(1, n)).collect();
    for node in &world.nodes {
        assert_eq!(node.zxids(), expected);
    }
}

#[test]
fn a_minority_commits_nothing() {
    let mut world = World::new(view(3, 0));
    world.establish();
    for id in [2, 3] {
        world.cut(world.link_of(id).unwrap());
    }
    world.write(1);
    world.settle();
    assert!(world.node(1).zxids().is_empty());
    for _ in 0..5 {
        world.pass(50);
    }
    assert!(world.node(1).abandoned.is_some());
    // It has logged it, and so it may come back with it.
    assert_eq!(world.node(1).zxids(), [z(1, 1)]);
}

/// What a follower had acknowledged before its log was cut does not count after.
#[test]
fn acknowledgements_are_withdrawn_when_a_follower_comes_anew() {
    let mut world = World::new(view(3, 0));
    world.establish();
    world.cut(world.link_of(3).unwrap());
    world.write(1);
    let link = world.link_of(2).unwrap();
    // Server 2 logs and acknowledges; the leader's own disk is slow.
    world.deliver(link, false);
    world.disk_step(1);
    world.deliver(link, true);
    world.cut(link);
    assert_eq!(world.node(2).zxids(), [z(1, 1)]);
    world.follow(2, 1);
    while world
        .links()
        .into_iter()
        .any(|l| world.deliver(l, true) || world.deliver(l, false))
    {}
    // The order to cut is carried out, and then the leader's disk is done.
    world.disk_step(1);
    assert!(world.node(2).disk.log.is_empty());
    world.disk_step(0);
    assert!(world.committed.is_empty(), "one disk has it");
    world.settle();
    assert_eq!(world.committed.len(), 1);
    assert_eq!(world.node(2).zxids(), [z(1, 1)]);
}

#[test]
fn silent_followers_are_closed_when_they_owe_an_ack() {
    let mut world = World::new(view(5, 0));
    world.establish();
    world.write(1);
    let link = world.link_of(5).unwrap();
    // Server 5 hears everything and answers pings; its disk never finishes.
    for _ in 0..11 {
        world.pass(50);
        for link in world.links() {
            while world.deliver(link, false) || world.deliver(link, true) {}
        }
        for at in 0..4 {
            while world.disk_step(at) {}
        }
    }
    assert_eq!(world.link_of(5), None, "{link:?}");
    assert!(world.node(4).serving && world.node(1).serving);
}

/// A leader by itself, with followers 2 and 3 on links of these numbers.
struct Alone {
    leader: Leader,
    db: Database,
    out: Vec<Effect>,
}

impl Alone {
    fn new(view: View, reconfig_enabled: bool, followers: &[i64], observers: &[i64]) -> Self {
        let start = Start {
            me: 1,
            active: view.clone(),
            last_seen: view,
            accepted_epoch: 4,
            current_epoch: 4,
            last_zxid: z(4, 1),
            oracle: None,
        };
        let settings = Settings {
            reconfig_enabled,
            ..Settings::DEFAULT
        };
        let mut alone = Self {
            leader: Leader::new(settings, start, at(0)),
            db: database(&[z(4, 1)], 9),
            out: Vec::new(),
        };
        alone.leader.listening(&mut alone.out);
        for (&id, kind) in followers
            .iter()
            .map(|id| (id, FollowerInfo))
            .chain(observers.iter().map(|id| (id, ObserverInfo)))
        {
            let link = LinkId(id as u64);
            alone
                .leader
                .accepted(link, "10.0.0.9:4000".parse().unwrap(), at(0));
            let info = proto::quorum::LearnerInfo {
                server: Some(id),
                protocol: proto::quorum::PROTOCOL_VERSION,
                config_version: Some(0),
            };
            alone.gets(id, info.packet(kind, 4));
        }
        alone.epoch(Epoch::Accepted);
        for &id in followers.iter().chain(observers) {
            alone.gets(id, QuorumPacket::ack_epoch(z(4, 1), Some(4)));
        }
        alone.epoch(Epoch::Current);
        for &id in followers.iter().chain(observers) {
            alone.gets(id, QuorumPacket::new(Ack, z(5, 0)));
        }
        assert_eq!(alone.leader.phase(), Phase::Serving);
        alone.out.clear();
        alone
    }

    fn epoch(&mut self, which: Epoch) {
        let done = DiskDone::EpochWritten { which, value: 5 };
        self.leader.disk(done, &self.db, at(0), &mut self.out);
    }

    fn gets(&mut self, from: i64, packet: QuorumPacket) {
        let link = LinkId(from as u64);
        self.leader
            .packet(link, packet, &self.db, at(1), &mut self.out);
    }

    fn write(&mut self, zxid: i64, config: Option<View>) {
        let data = config.as_ref().map(|view| view.text().clone());
        let record = data.map_or_else(|| record(zxid), |text| reconfig(zxid, &text));
        self.leader
            .proposed(zxid, record, config, at(1), &mut self.out);
    }

    fn logged(&mut self, zxid: i64) {
        let done = DiskDone::Logged { zxid: Zxid(zxid) };
        self.leader.disk(done, &self.db, at(1), &mut self.out);
    }

    fn acks(&mut self, from: i64, zxid: i64) {
        self.gets(from, QuorumPacket::new(Ack, zxid));
    }

    fn to(&self, id: i64) -> Vec<(PacketType, i64)> {
        let sent = self.out.iter().filter_map(|effect| match effect {
            Effect::Send { link, packet } if link.0 == id as u64 => {
                Some((packet.kind, packet.zxid))
            }
            _ => None,
        });
        sent.collect()
    }

    fn committed(&self) -> Option<i64> {
        self.out.iter().rev().find_map(|effect| match effect {
            Effect::Commit { zxid } => Some(*zxid),
            _ => None,
        })
    }
}

#[test]
fn commits_are_in_order_and_acks_mean_what_they_say() {
    let mut alone = Alone::new(view(3, 1), false, &[2, 3], &[4]);
    for n in 1..=3 {
        alone.write(z(5, n), None);
    }
    // After UPTODATE, of what is not proposed, of an observer, twice by the same.
    for (from, zxid) in [
        (2, z(5, 0)),
        (2, z(5, 9)),
        (4, z(5, 1)),
        (2, z(5, 2)),
        (2, z(5, 2)),
    ] {
        alone.acks(from, zxid);
        assert_eq!(alone.committed(), None);
    }
    alone.acks(3, z(5, 2));
    assert_eq!(alone.committed(), None, "the first is not committed");
    alone.logged(z(5, 1));
    assert_eq!(alone.committed(), None);
    alone.acks(2, z(5, 1));
    assert_eq!(alone.committed(), Some(z(5, 2)));
    assert_eq!(alone.to(4), [(Inform, z(5, 1)), (Inform, z(5, 2))]);
    alone.logged(z(5, 3));
    alone.acks(2, z(5, 1));
    assert_eq!(alone.committed(), Some(z(5, 2)));
    alone.acks(3, z(5, 3));
    assert_eq!(alone.committed(), Some(z(5, 3)));
    let commits: Vec<_> = alone.to(2).into_iter().filter(|p| p.0 == Commit).collect();
    assert_eq!(
        commits,
        [(Commit, z(5, 1)), (Commit, z(5, 2)), (Commit, z(5, 3))]
    );
}

fn request(op: OpCode) -> QuorumPacket {
    let request = Request {
        session: 77,
        cxid: 3,
        op: op.code(),
        body: Bytes::from_static(b"body"),
    };
    request.packet(Identities::collect([("ip", "10.0.0.7")].into_iter()))
}

#[test]
fn a_sync_waits_for_what_was_proposed_before_it() {
    let mut alone = Alone::new(view(3, 0), false, &[2, 3], &[]);
    alone.gets(2, request(OpCode::Sync));
    assert_eq!(alone.to(2), [(Sync, 0)]);
    alone.out.clear();
    alone.write(z(5, 1), None);
    alone.gets(2, request(OpCode::Sync));
    alone.write(z(5, 2), None);
    alone.gets(2, request(OpCode::Sync));
    alone.acks(2, z(5, 1));
    alone.acks(3, z(5, 1));
    let expected = [
        (Proposal, z(5, 1)),
        (Proposal, z(5, 2)),
        (Commit, z(5, 1)),
        (Sync, 0),
    ];
    assert_eq!(alone.to(2), expected);
    assert_eq!(alone.leader.status().pending_syncs, 1);
    alone.leader.gone(LinkId(2), "test", &mut alone.out);
    assert_eq!(alone.leader.status().pending_syncs, 0);
}

#[test]
fn what_learners_forward_reaches_the_server() {
    let mut alone = Alone::new(view(3, 0), false, &[2, 3], &[]);
    alone.gets(2, request(OpCode::Create));
    let Some(Effect::Request(remote)) = alone.out.pop() else {
        panic!()
    };
    assert_eq!(
        (remote.link, remote.session, remote.xid),
        (LinkId(2), 77, 3)
    );
    assert_eq!(
        (remote.op, &remote.body[..]),
        (OpCode::Create.code(), &b"body"[..])
    );
    assert_eq!(*remote.ids, [Identity::new("ip", "10.0.0.7")]);
    let ask = proto::quorum::Revalidate {
        session: 77,
        timeout_ms: 4000,
    };
    alone.gets(3, ask.packet());
    assert!(matches!(
        alone.out[..],
        [Effect::Revalidate {
            link: LinkId(3),
            session: 77,
            timeout_ms: 4000
        }]
    ));
    alone
        .leader
        .revalidated(LinkId(3), 77, true, &mut alone.out);
    assert_eq!(alone.to(3), [(Revalidate, -1)]);
    let touch = proto::quorum::Touch {
        session: 77,
        timeout_ms: 4000,
    };
    alone.gets(3, proto::quorum::Touch::packet(z(5, 0), [touch]));
    assert!(matches!(
        alone.out.last(),
        Some(Effect::Touch { session: 77, .. })
    ));
    for kind in [Request, Revalidate, Ping] {
        alone.out.clear();
        let mut fresh = Alone::new(view(3, 0), false, &[2, 3], &[]);
        fresh.gets(2, QuorumPacket::with(kind, 0, &b"short"[..]));
        assert!(matches!(
            fresh.out[..],
            [Effect::Close { link: LinkId(2) }, Effect::Say(_)]
        ));
    }
}

#[test]
fn the_end_of_an_epochs_zxids_ends_the_epoch() {
    let mut alone = Alone::new(view(3, 0), false, &[2, 3], &[]);
    alone.write(z(5, 0xffff_ffff), None);
    assert!(matches!(alone.out.last(), Some(Effect::Abandon { .. })));
}

#[test]
fn a_reconfiguration_needs_both_quorums_and_may_name_another_leader() {
    let before = view(3, 0);
    let text = "server.2=host2:2888:3888\nserver.3=host3:2888:3888\nserver.4=host4:2888:3888\nversion=500000001";
    let after = View::parse("test", text.as_bytes(), false).unwrap();
    let mut alone = Alone::new(before, true, &[2, 3, 4], &[]);
    alone.write(z(5, 1), Some(after));
    assert!(alone.out.iter().any(|e| matches!(e, Effect::Seen(_))));
    alone.write(z(5, 2), None);
    alone.logged(z(5, 2));
    alone.acks(2, z(5, 1));
    assert_eq!(alone.committed(), None, "1 and 2 of 1, 2, 3; 2 of 2, 3, 4");
    alone.acks(3, z(5, 2));
    alone.acks(3, z(5, 1));
    assert_eq!(alone.committed(), Some(z(5, 1)));
    let told = alone.to(2);
    assert_eq!(told.last(), Some(&(CommitAndActivate, z(5, 1))));
    let activated = alone.out.iter().find_map(|effect| match effect {
        Effect::Activate { leader, .. } => *leader,
        _ => None,
    });
    assert_eq!(activated, Some(3), "it has acknowledged more");
    alone.acks(2, z(5, 2));
    alone.acks(4, z(5, 2));
    assert_eq!(
        alone.committed(),
        Some(z(5, 1)),
        "the next leader commits it"
    );
}

#[test]
fn pings_carry_the_last_proposal_and_come_twice_a_tick() {
    let mut alone = Alone::new(view(3, 1), false, &[2, 3], &[4]);
    alone.write(z(5, 1), None);
    alone.out.clear();
    // It began to serve when the second server had acknowledged NEWLEADER.
    assert_eq!(alone.leader.next_deadline(), Some(1_001_000));
    alone.leader.tick(at(1001), &mut alone.out);
    for id in [2, 3, 4] {
        assert_eq!(alone.to(id), [(Ping, z(5, 1))]);
    }
    let Now { mono_us, .. } = at(2001);
    assert_eq!(alone.leader.next_deadline(), Some(mono_us));
}

#[test]
fn pongs_touch_sessions() {
    let mut world = World::new(view(3, 0));
    world.establish();
    world.pass(50);
    world.settle();
    let touched = world.nodes[0].answered.iter();
    assert_eq!(
        touched
            .filter(|e| matches!(e, Effect::Touch { session: 7, .. }))
            .count(),
        2
    );
    assert!(matches!(world.node(1).role, Role::Leading(_)));
}
