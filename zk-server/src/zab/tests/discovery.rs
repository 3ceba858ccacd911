//! From the election to a leader with a quorum.

use proto::quorum::PacketType::*;
use proto::quorum::payload::{LearnerInfo, PROTOCOL_VERSION};
use proto::quorum::{PacketType, QuorumPacket};

use super::pump::{Role, World};
use crate::store::epochs::Epoch;
use crate::store::orders::{DiskDone, DiskOrder};
use crate::units::LinkId;
use crate::zab::leader::Phase;
use crate::zab::testing::{at, database, record, replay, view, zxid as z};
use crate::zab::{Effect, Leader, Settings, Start};

fn history(zxids: &[i64]) -> super::pump::History {
    zxids.iter().map(|&zxid| (zxid, record(zxid))).collect()
}

/// What was said, in order.
fn packets(world: &World, from: i64, to: i64) -> Vec<(PacketType, i64)> {
    let of = |t: &&(i64, i64, PacketType, i64)| (t.0, t.1) == (from, to);
    world.trace.iter().filter(of).map(|t| (t.2, t.3)).collect()
}

#[test]
fn three_new_servers() {
    let mut world = World::new(view(3, 0));
    world.establish();
    for node in &world.nodes {
        assert!(node.serving, "{node:?}");
        assert_eq!((node.disk.accepted, node.disk.current), (1, 1));
    }
    let epoch = z(1, 0);
    assert_eq!(
        packets(&world, 1, 2),
        [
            (LeaderInfo, epoch),
            (Diff, 0),
            (NewLeader, epoch),
            (UpToDate, -1)
        ]
    );
    assert_eq!(
        packets(&world, 2, 1),
        [(FollowerInfo, 0), (AckEpoch, 0), (Ack, epoch), (Ack, epoch)]
    );
}

#[test]
fn a_server_alone_in_its_configuration() {
    let mut world = World::new(view(1, 0));
    world.lead(1);
    world.settle();
    assert!(world.node(1).serving);
    world.write(1);
    world.settle();
    assert_eq!(world.node(1).zxids(), [z(1, 1)]);
}

#[test]
fn the_new_epoch_is_later_than_any_that_a_quorum_accepted() {
    let mut world = World::new(view(5, 0));
    world.give(2, 3, &[]);
    let at2 = world.at(2);
    world.nodes[at2].disk.accepted = 7;
    world.give(1, 4, &history(&[z(1, 1)]));
    world.establish();
    assert_eq!(world.node(1).disk.current, 8);
    assert!(world.nodes.iter().all(|node| node.serving));
}

#[test]
fn a_server_that_comes_back_does_not_count_for_the_epoch_twice() {
    let mut world = World::new(view(3, 0));
    world.lead(1);
    world.follow(2, 1);
    // The epoch is told, and server 2 leaves before it says that it has it.
    for _ in 0..2 {
        while world
            .links()
            .into_iter()
            .any(|link| world.deliver(link, true))
        {}
        world.disk_step(0);
    }
    while world
        .links()
        .into_iter()
        .any(|link| world.deliver(link, false))
    {}
    world.disk_step(1);
    world.crash(2, 9);
    assert_eq!(world.node(2).disk.accepted, 1);
    world.follow(2, 1);
    world.settle();
    let Role::Leading(leader) = &world.node(1).role else {
        panic!()
    };
    assert_eq!(leader.phase(), Phase::Electing, "Java's -1 is no vote");
    world.follow(3, 1);
    world.settle();
    assert!(world.nodes.iter().all(|node| node.serving));
}

#[test]
fn a_follower_ahead_is_refused() {
    let mut world = World::new(view(3, 0));
    world.give(1, 1, &history(&[z(1, 1)]));
    world.give(2, 1, &history(&[z(1, 1), z(1, 2)]));
    world.lead(1);
    world.follow(2, 1);
    world.settle();
    assert!(world.node(2).abandoned.is_some());
    assert!(!world.node(1).serving);
}

/// Java's leader stays, and the server with the later epoch is out for ever.
#[test]
fn a_leader_makes_room_for_a_server_that_has_accepted_a_later_epoch() {
    let mut world = World::new(view(3, 1));
    world.establish();
    for id in [4, 3] {
        world.crash(id, 0);
        world.give(id, 6, &[]);
        world.follow(id, 1);
        world.settle();
    }
    let reason = world.node(4).abandoned.clone().unwrap();
    assert_eq!(reason, "Leaders epoch, 1 is less than accepted epoch, 6");
    let reason = world.node(1).abandoned.clone().unwrap();
    assert!(reason.contains("can't follow one of epoch 1"), "{reason}");
    world.give(1, 6, &[]);
    world.establish();
    assert!(world.nodes.iter().all(|node| node.disk.current == 7));
}

#[test]
fn each_phase_ends_in_time() {
    let mut world = World::new(view(3, 0));
    world.lead(1);
    world.pass(999);
    assert_eq!(world.node(1).abandoned, None);
    world.pass(1);
    let reason = world.node(1).abandoned.clone().unwrap();
    assert_eq!(reason, "Timeout while waiting for epoch from quorum");
    // A follower that never acknowledges NEWLEADER.
    world.lead(1);
    world.follow(2, 1);
    while world.deliver_up_and(1) {}
    world.pass(1000);
    let reason = world.node(1).abandoned.clone().unwrap();
    assert!(
        reason.starts_with("Waiting for a quorum of followers, only synced with sids: [ [1] ]"),
        "{reason}"
    );
}

impl World {
    /// Everything but what the other servers' disks have to do after their epoch.
    fn deliver_up_and(&mut self, leader: i64) -> bool {
        let at = self.at(leader);
        let links = self.links();
        let moved = links
            .into_iter()
            .any(|link| self.deliver(link, true) || self.deliver(link, false));
        let others = (0..self.nodes.len()).filter(|&other| other != at);
        let accept: Vec<usize> = others
            .filter(|&other| self.nodes[other].disk.accepted == 0)
            .collect();
        moved || self.disk_step(at) || accept.into_iter().any(|other| self.disk_step(other))
    }
}

#[test]
fn a_follower_dials_soon_and_then_five_times_as_java_does() {
    let mut world = World::new(view(3, 0));
    world.follow(2, 1);
    for pause in [5, 10, 20, 40, 80, 100, 100, 100, 100] {
        assert_eq!(world.node(2).abandoned, None);
        world.pass(pause);
    }
    let reason = world.node(2).abandoned.clone().unwrap();
    assert_eq!(
        reason,
        "leader 1 can't be reached, 10 tries: Connection refused"
    );
}

#[test]
fn a_leader_without_followers_gives_up() {
    let mut world = World::new(view(3, 0));
    world.establish();
    // Pings and their answers keep everyone.
    for _ in 0..40 {
        world.pass(50);
        world.settle();
    }
    assert!(world.nodes.iter().all(|node| node.serving));
    // Nothing is delivered any more.
    for _ in 0..20 {
        world.pass(50);
    }
    let reason = world.node(1).abandoned.clone().unwrap();
    assert_eq!(
        reason,
        "Not sufficient followers synced, only synced with sids: [ [1] ]"
    );
}

fn info(server: i64, protocol: i32, config_version: i64) -> QuorumPacket {
    let info = LearnerInfo {
        server: Some(server),
        protocol,
        config_version: Some(config_version),
    };
    info.packet(FollowerInfo, 0)
}

fn start(me: i64, voters: i64) -> Start {
    Start {
        me,
        active: view(voters, 0),
        last_seen: view(voters, 0),
        accepted_epoch: 0,
        current_epoch: 0,
        last_zxid: 0,
        oracle: None,
    }
}

#[test]
fn who_may_not_follow() {
    let refused = |packet: QuorumPacket| {
        let mut out = Vec::new();
        let db = database(&[], 0);
        let mut leader = Leader::new(Settings::DEFAULT, start(1, 3), at(0));
        leader.listening(&mut out);
        leader.accepted(LinkId(9), "10.0.0.9:4000".parse().unwrap(), at(0));
        leader.packet(LinkId(9), packet, &db, at(0), &mut out);
        out.iter()
            .any(|effect| matches!(effect, Effect::Close { link } if *link == LinkId(9)))
    };
    assert!(!refused(info(2, PROTOCOL_VERSION, 0)));
    assert!(
        refused(info(1, PROTOCOL_VERSION, 0)),
        "this server's own id"
    );
    assert!(refused(info(2, 1, 0)), "before 3.4");
    assert!(
        refused(info(2, PROTOCOL_VERSION, 5)),
        "a later configuration"
    );
    assert!(refused(QuorumPacket::new(AckEpoch, 0)));
    let late = LearnerInfo {
        server: Some(2),
        protocol: PROTOCOL_VERSION,
        config_version: None,
    };
    assert!(refused(late.packet(FollowerInfo, 0x7fff_ffff)));
}

#[test]
fn servers_of_no_configuration_use_up_neither_epochs_nor_places() {
    let mut out = Vec::new();
    let db = database(&[], 0);
    let mut leader = Leader::new(Settings::DEFAULT, start(1, 3), at(0));
    leader.listening(&mut out);
    let mut greet = |server: i64, epoch: i64, out: &mut Vec<Effect>| {
        let who = LearnerInfo {
            server: Some(server),
            protocol: PROTOCOL_VERSION,
            config_version: None,
        };
        let link = LinkId(server as u64);
        leader.accepted(link, "10.0.0.9:4000".parse().unwrap(), at(0));
        leader.packet(link, who.packet(ObserverInfo, epoch), &db, at(0), out);
        let refused = |e: &Effect| matches!(e, Effect::Close { link: of } if *of == link);
        out.iter().any(refused)
    };
    let taken = (1000..2000).filter(|id| !greet(*id, 0x7fff_0000, &mut out));
    assert_eq!(taken.count(), 128);
    assert!(!greet(2, 4, &mut out), "a member has its place");
    let epoch = out.iter().find_map(|effect| match effect {
        Effect::Disk(DiskOrder::WriteEpoch { value, .. }) => Some(*value),
        _ => None,
    });
    assert_eq!(epoch, Some(5), "that of the members");
}

#[test]
fn the_second_connection_of_a_server_takes_the_place_of_the_first() {
    let mut out = Vec::new();
    let db = database(&[], 0);
    let mut leader = Leader::new(Settings::DEFAULT, start(1, 5), at(0));
    leader.listening(&mut out);
    for link in [LinkId(7), LinkId(8)] {
        leader.accepted(link, "10.0.0.9:4000".parse().unwrap(), at(0));
        leader.packet(link, info(2, PROTOCOL_VERSION, 0), &db, at(0), &mut out);
    }
    let closed = out.iter().filter_map(|effect| match effect {
        Effect::Close { link } => Some(*link),
        _ => None,
    });
    assert_eq!(closed.collect::<Vec<_>>(), [LinkId(7)]);
    assert_eq!(leader.status().learners.len(), 1);
}

#[test]
fn a_leader_whose_voters_look_again_gives_up_early_if_told_to() {
    let settings = Settings {
        max_time_to_wait_for_epoch_ms: 200,
        ..Settings::DEFAULT
    };
    let mut out = Vec::new();
    let mut leader = Leader::new(settings, start(1, 3), at(0));
    leader.listening(&mut out);
    leader.looking(2, at(200), &mut out);
    leader.looking(9, at(300), &mut out);
    assert_eq!(leader.phase(), Phase::Discovering);
    leader.looking(2, at(201), &mut out);
    assert_eq!(leader.phase(), Phase::Over);
}

#[test]
fn an_initial_configuration_gets_the_epoch_as_its_version() {
    let settings = Settings {
        reconfig_enabled: true,
        ..Settings::DEFAULT
    };
    let mut out = Vec::new();
    let db = replay([], 0);
    let mut leader = Leader::new(settings, start(1, 1), at(0));
    leader.listening(&mut out);
    for which in [Epoch::Accepted, Epoch::Current] {
        let done = DiskDone::EpochWritten { which, value: 1 };
        leader.disk(done, &db, at(0), &mut out);
    }
    let told = out.iter().filter_map(|effect| match effect {
        Effect::Seen(view) => Some(("seen", view.version())),
        Effect::Serve { .. } => Some(("serve", 0)),
        Effect::Activate { view, leader } if *leader == Some(1) => Some(("active", view.version())),
        _ => None,
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [("seen", z(1, 0)), ("active", z(1, 0)), ("serve", 0)]
    );
}
