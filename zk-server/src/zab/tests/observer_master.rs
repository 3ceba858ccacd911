//! Observers that a follower serves: what they are sent, what of theirs goes on to the leader, whose
//! answer is whose.

use bytes::Bytes;
use proto::quorum::PacketType::*;
use proto::quorum::payload::{Request, Revalidate, Revalidated};
use proto::quorum::{Identities, LearnerInfo, PROTOCOL_VERSION, PacketType, QuorumPacket};
use proto::zk::OpCode;

use super::pump::{History, World};
use crate::store::epochs::Epoch;
use crate::store::orders::DiskDone;
use crate::tree::Database;
use crate::units::LinkId;
use crate::zab::learner::Phase;
use crate::zab::testing::{at, database, record, view, zxid as z};
use crate::zab::{Effect, Learner, Port, Settings, Start};

const SETTINGS: Settings = Settings {
    observer_masters: true,
    ..Settings::DEFAULT
};
/// to the leader
const UP: LinkId = LinkId(40);
const OBSERVERS: [LinkId; 2] = [LinkId(1), LinkId(2)];

fn start(me: i64) -> Start {
    Start {
        me,
        active: view(3, 2),
        last_seen: view(3, 2),
        accepted_epoch: 5,
        current_epoch: 5,
        last_zxid: z(5, 2),
        oracle: None,
    }
}

/// A follower that serves, with observers 4 and 5.
struct Master {
    learner: Learner,
    db: Database,
    out: Vec<Effect>,
}

impl Master {
    fn new() -> Self {
        let mut out = Vec::new();
        let learner = Learner::new(SETTINGS, start(2), 1, Vec::new(), UP, at(0), &mut out);
        let mut master = Self {
            learner,
            db: database(&[z(5, 1), z(5, 2)], 9),
            out,
        };
        master.learner.connected(UP, at(0), &mut master.out);
        master.gets(UP, QuorumPacket::leader_info(6));
        master.done(Epoch::Accepted);
        master.gets(UP, QuorumPacket::new(Diff, z(5, 2)));
        master.gets(UP, QuorumPacket::with(NewLeader, z(6, 0), Bytes::new()));
        master.done(Epoch::Current);
        assert!(!master.learner.serves_observers());
        master.gets(UP, QuorumPacket::new(UpToDate, -1));
        assert_eq!(master.learner.phase(), Phase::Serving);
        master
    }

    fn with_observers() -> Self {
        let mut master = Self::new();
        for (link, id) in OBSERVERS.into_iter().zip([4, 5]) {
            master.joins(link, id, z(5, 1));
            master.gets(link, QuorumPacket::new(Ack, z(6, 0)));
        }
        assert_eq!(master.learner.synced_observers(), Some(2));
        master.out.clear();
        master
    }

    /// Up to NEWLEADER.
    fn joins(&mut self, link: LinkId, id: i64, zxid: i64) {
        self.greets(link, id, ObserverInfo);
        self.gets(link, QuorumPacket::ack_epoch(zxid, Some(5)));
    }

    fn greets(&mut self, link: LinkId, id: i64, kind: PacketType) {
        let peer = "10.0.0.9:4000".parse().unwrap();
        self.learner.accepted(link, peer, at(0));
        let info = LearnerInfo {
            server: Some(id),
            protocol: PROTOCOL_VERSION,
            config_version: Some(0),
        };
        self.gets(link, info.packet(kind, 5));
    }

    fn done(&mut self, which: Epoch) {
        let done = DiskDone::EpochWritten { which, value: 6 };
        self.learner.disk(done, &self.db, at(0), &mut self.out);
    }

    fn gets(&mut self, link: LinkId, packet: QuorumPacket) {
        self.learner
            .packet(link, packet, &self.db, at(1), &mut self.out);
    }

    /// What has gone out on a link since the last call.
    fn sent(&mut self, to: LinkId) -> Vec<(PacketType, i64)> {
        let sent = self.out.iter().filter_map(|effect| match effect {
            Effect::Send { link, packet } if *link == to => Some((packet.kind, packet.zxid)),
            _ => None,
        });
        sent.collect()
    }

    fn closed(&self, link: LinkId) -> bool {
        let close = |e: &Effect| matches!(e, Effect::Close { link: l } if *l == link);
        self.out.iter().any(close)
    }
}

fn sync(session: i64) -> QuorumPacket {
    let request = Request {
        session,
        cxid: 1,
        op: OpCode::Sync.code(),
        body: Bytes::new(),
    };
    request.packet(Identities::default())
}

#[test]
fn an_observer_gets_what_it_lacks_then_every_commit() {
    let mut master = Master::new();
    master.out.clear();
    master.joins(OBSERVERS[0], 4, z(5, 1));
    let history = [
        (LeaderInfo, z(6, 0)),
        (Diff, z(5, 2)),
        (Proposal, z(5, 2)),
        (Commit, z(5, 2)),
        (NewLeader, z(6, 0)),
    ];
    assert_eq!(master.sent(OBSERVERS[0]), history);
    master.out.clear();
    let proposal = QuorumPacket::with(Proposal, z(6, 1), record(z(6, 1)));
    master.gets(UP, proposal);
    assert_eq!(master.sent(OBSERVERS[0]), [], "not committed");
    master.gets(UP, QuorumPacket::new(Commit, z(6, 1)));
    master.gets(OBSERVERS[0], QuorumPacket::new(Ack, z(6, 0)));
    let then = [(Inform, z(6, 1)), (UpToDate, -1)];
    assert_eq!(master.sent(OBSERVERS[0]), then);
    let informed = master.out.iter().any(|effect| {
        matches!(effect, Effect::Send { packet, .. }
            if packet.kind == Inform && packet.data == Some(record(z(6, 1))))
    });
    assert!(informed);
    assert_eq!(master.learner.observers()[0].server, Some(4));
}

/// Its last master had heard of more. Nothing that it has is taken back (Java: TRUNC).
#[test]
fn an_observer_that_is_ahead_waits_for_its_master() {
    let mut master = Master::new();
    master.joins(OBSERVERS[0], 4, z(6, 2));
    let greeted = [(LeaderInfo, z(6, 0))];
    assert_eq!(master.sent(OBSERVERS[0]), greeted);
    for end in 1..=3 {
        let zxid = z(6, end);
        master.out.clear();
        master.gets(UP, QuorumPacket::with(Proposal, zxid, record(zxid)));
        assert_eq!(master.sent(OBSERVERS[0]), [], "0x{zxid:x} is not committed");
        master.gets(UP, QuorumPacket::new(Commit, zxid));
        let all = [z(5, 1), z(5, 2), z(6, 1), z(6, 2), z(6, 3)];
        master.db = database(&all[..2 + end as usize], 9);
        master.gets(UP, QuorumPacket::with(Ping, zxid, Bytes::new()));
        let sent = master.sent(OBSERVERS[0]);
        match end {
            1 => assert_eq!(sent, []),
            2 => assert_eq!(sent, [(Diff, zxid), (NewLeader, z(6, 0))]),
            _ => assert_eq!(sent, [(Inform, zxid)]),
        }
    }
    assert!(!master.closed(OBSERVERS[0]));
    // What another epoch has left behind is taken back.
    let mut master = Master::new();
    master.out.clear();
    master.joins(OBSERVERS[0], 4, z(5, 3));
    assert_eq!(master.sent(OBSERVERS[0])[1], (Trunc, z(5, 2)));
}

/// Java: `FollowerRequestProcessor`, `FollowerZooKeeperServer.sync`.
#[test]
fn answers_to_sync_go_to_those_who_asked() {
    let mut master = Master::with_observers();
    master.gets(OBSERVERS[1], sync(7));
    let (op, none) = (OpCode::Sync.code(), Bytes::new());
    master.learner.forward(8, 1, op, none, &[], &mut master.out);
    master.gets(OBSERVERS[0], sync(9));
    assert_eq!(master.sent(UP).len(), 3);
    let answer = || QuorumPacket::new(Sync, 0);
    master.out.clear();
    master.gets(UP, answer());
    assert_eq!(master.sent(OBSERVERS[1]), [(Sync, 0)]);
    master.out.clear();
    master.gets(UP, answer());
    assert!(matches!(master.out[..], [Effect::Synced]));
    master.out.clear();
    master
        .learner
        .gone(OBSERVERS[0], "cut", at(1), &mut master.out);
    master.out.clear();
    master.gets(UP, answer());
    assert_eq!(master.out.len(), 0, "who asked has gone: {:?}", master.out);
}

/// Java: `revalidateLearnerSession`.
#[test]
fn a_session_is_revalidated_for_whom_it_has_moved_to() {
    let mut master = Master::with_observers();
    let ask = |session| Revalidate {
        session,
        timeout_ms: 4000,
    };
    master.gets(OBSERVERS[0], ask(7).packet());
    master.learner.revalidate(8, 4000, &mut master.out);
    master.gets(OBSERVERS[1], ask(7).packet());
    assert_eq!(master.sent(UP).len(), 3);
    let answer = |session, valid| Revalidated { session, valid }.packet();
    master.out.clear();
    master.gets(UP, answer(7, true));
    assert_eq!(master.sent(OBSERVERS[0]).len(), 1);
    let touched = |e: &Effect| matches!(e, Effect::Touch { session: 7, .. });
    assert!(master.out.iter().any(touched), "{:?}", master.out);
    master.out.clear();
    master.gets(UP, answer(8, true));
    let own = [&Effect::Revalidated {
        session: 8,
        valid: true,
    }];
    let same = |(a, b): (&Effect, &&Effect)| format!("{a:?}") == format!("{b:?}");
    assert!(master.out.iter().zip(&own).all(same) && master.out.len() == 1);
    master.out.clear();
    master.gets(UP, answer(7, false));
    assert_eq!(master.sent(OBSERVERS[1]).len(), 1);
    assert!(!master.out.iter().any(touched));
}

#[test]
fn only_observers_are_served() {
    let mut master = Master::new();
    master.greets(LinkId(9), 3, FollowerInfo);
    assert!(master.closed(LinkId(9)));
    let mut master = Master::with_observers();
    master.gets(OBSERVERS[0], QuorumPacket::new(Ack, z(6, 1)));
    assert!(master.closed(OBSERVERS[0]), "it has no vote");
    assert!(!master.closed(OBSERVERS[1]));
    // The second connection of a server takes the place of the first.
    master.greets(LinkId(9), 5, ObserverInfo);
    assert!(master.closed(OBSERVERS[1]));
}

#[test]
fn a_silent_observer_is_left_and_others_are_pinged() {
    let mut master = Master::with_observers();
    master.learner.tick(at(1001), &mut master.out);
    assert_eq!(master.sent(OBSERVERS[0]), [(Ping, z(5, 2))]);
    master.out.clear();
    let late = at(9_999);
    let ping = QuorumPacket::with(Ping, 0, Bytes::new());
    for link in [UP, OBSERVERS[0]] {
        master
            .learner
            .packet(link, ping.clone(), &master.db, late, &mut master.out);
    }
    master.learner.tick(at(10_002), &mut master.out);
    assert!(master.closed(OBSERVERS[1]));
    assert!(!master.closed(OBSERVERS[0]));
}

/// A follower that follows no longer serves no longer.
#[test]
fn observers_are_left_with_the_role() {
    let mut master = Master::with_observers();
    master.learner.gone(UP, "cut", at(1), &mut master.out);
    assert!(OBSERVERS.iter().all(|&link| master.closed(link)));
    assert!(!master.learner.serves_observers());
}

#[test]
fn an_observer_tries_one_master_after_the_other() {
    let mut out = Vec::new();
    let masters = vec![3, 2];
    let mut observer = Learner::new(SETTINGS, start(4), 1, masters, UP, at(0), &mut out);
    let mut dialled = Vec::new();
    for ms in (0..).step_by(100).take(3) {
        observer.tick(at(ms), &mut out);
        for effect in std::mem::take(&mut out) {
            if let Effect::Dial { link, server, port } = effect {
                assert_eq!(port, Port::Observers);
                dialled.push(server);
                observer.gone(link, "Connection refused", at(ms), &mut out);
            }
        }
    }
    assert_eq!(dialled, [3, 2, 3]);
    assert_eq!(observer.masters_left(), 1);
}

/// `observer.reconnectDelayMs`: at most so long.
#[test]
fn an_observer_waits_before_it_connects_to_the_leader() {
    let settings = Settings {
        reconnect_delay_ms: 500,
        ..Settings::DEFAULT
    };
    let dials = |out: &[Effect]| {
        out.iter()
            .filter(|e| matches!(e, Effect::Dial { .. }))
            .count()
    };
    let mut waits = std::collections::BTreeSet::new();
    for id in [4, 5] {
        let mut out = Vec::new();
        let mut observer = Learner::new(settings, start(id), 1, Vec::new(), UP, at(7), &mut out);
        assert_eq!(dials(&out), 0);
        waits.extend(observer.next_deadline());
        observer.tick(at(507), &mut out);
        assert_eq!(dials(&out), 1);
    }
    assert_eq!(waits.len(), 2, "not all at once");
    let mut out = Vec::new();
    Learner::new(settings, start(2), 1, Vec::new(), UP, at(7), &mut out);
    assert_eq!(dials(&out), 1, "a follower does not wait");
}

/// Writes, a master that goes, another one that is found; from the log, too.
#[test]
fn an_observer_follows_whichever_follower_serves() {
    let history: History = [z(1, 1), z(1, 2), z(1, 3)]
        .map(|zxid| (zxid, record(zxid)))
        .to_vec();
    let mut world = World::new(view(3, 1));
    world.settings.observer_masters = true;
    for id in [1, 2, 3] {
        world.give(id, 1, &history);
        world.forget(id, 1);
    }
    world.give(4, 1, &history[..1]);
    for id in [2, 3] {
        world.lead(1);
        world.follow(2, 1);
        world.follow(3, 1);
        world.settle();
        world.follow(4, 1);
        world.settle();
        let served = world.link_of(4).map(|link| world.served_by(link));
        assert_eq!(served, Some(id));
        world.write(1);
        world.settle();
        assert_eq!(world.node(4).history, world.committed);
        for id in [1, 2, 3, 4] {
            world.crash(id, 0);
        }
        world.masters_left += 1;
    }
}
