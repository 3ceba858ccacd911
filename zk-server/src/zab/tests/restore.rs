//! A leader that brings an operator's snapshot: when others get it, when its own files do, when it serves.

use proto::quorum::PacketType::*;
use proto::quorum::{LearnerInfo, PROTOCOL_VERSION, QuorumPacket};

use crate::store::epochs::Epoch;
use crate::store::orders::{DiskDone, DiskOrder};
use crate::tree::{Database, EphemeralTypes};
use crate::units::{LinkId, Zxid};
use crate::zab::leader::Phase;
use crate::zab::testing::{at, database, view, zxid as z};
use crate::zab::{Effect, Leader, Settings, Start};

/// Of three servers the first leads, the others have what it has.
struct Story {
    leader: Leader,
    db: Database,
    out: Vec<Effect>,
}

const LAST: i64 = 4 << 32 | 7;

impl Story {
    fn new(voters: i64) -> Self {
        let start = Start {
            me: 1,
            active: view(voters, 0),
            last_seen: view(voters, 0),
            accepted_epoch: 4,
            current_epoch: 4,
            last_zxid: LAST,
            oracle: Some(true),
        };
        let mut story = Self {
            leader: Leader::restoring(Settings::DEFAULT, start, at(0)),
            db: database(&[LAST - 1, LAST], 9),
            out: Vec::new(),
        };
        story.leader.listening(&mut story.out);
        story
    }

    fn written(&mut self, which: Epoch) {
        let done = DiskDone::EpochWritten { which, value: 6 };
        self.leader.disk(done, &self.db, at(0), &mut self.out);
        self.offer();
    }

    fn gets(&mut self, server: i64, packet: QuorumPacket) {
        let link = LinkId(server as u64);
        self.leader
            .packet(link, packet, &self.db, at(1), &mut self.out);
        self.offer();
    }

    /// Does what `Effect::Offer` asks for.
    fn offer(&mut self) {
        let offer = self.out.iter().find_map(|effect| match effect {
            Effect::Offer { zxid } => Some(*zxid),
            _ => None,
        });
        if let Some(zxid) = offer.filter(|&zxid| self.db.last_zxid().0 != zxid) {
            self.db = Database::new(EphemeralTypes::default(), true);
            self.db.restore_at(Zxid(zxid));
            self.leader.offered(&self.db, at(1), &mut self.out);
        }
    }

    fn connects(&mut self, server: i64) {
        let peer = "10.0.0.9:4000".parse().unwrap();
        self.leader.accepted(LinkId(server as u64), peer, at(1));
        let info = LearnerInfo {
            server: Some(server),
            protocol: PROTOCOL_VERSION,
            config_version: Some(0),
        };
        self.gets(server, info.packet(FollowerInfo, 4));
    }

    fn accepts(&mut self, server: i64) {
        self.gets(server, QuorumPacket::ack_epoch(LAST, Some(4)));
    }

    fn has_it(&mut self, server: i64) {
        self.gets(server, QuorumPacket::new(Ack, z(6, 0)));
    }

    fn has(&self, what: impl Fn(&Effect) -> bool) -> bool {
        self.out.iter().any(what)
    }

    fn keeps(&self) -> bool {
        self.has(|effect| matches!(effect, Effect::Keep { epoch: 6 }))
    }

    fn ordered_current(&self) -> bool {
        self.has(|effect| {
            let which = Epoch::Current;
            matches!(effect, Effect::Disk(DiskOrder::WriteEpoch { which: w, .. }) if *w == which)
        })
    }

    fn sent(&self, server: i64) -> Vec<(proto::quorum::PacketType, i64)> {
        let to = LinkId(server as u64);
        let sent = self.out.iter().filter_map(|effect| match effect {
            Effect::Send { link, packet } if *link == to => Some((packet.kind, packet.zxid)),
            _ => None,
        });
        sent.collect()
    }
}

#[test]
fn others_have_it_before_the_files_of_the_leader_do() {
    let mut story = Story::new(3);
    story.connects(2);
    story.written(Epoch::Accepted);
    assert_eq!(
        story.sent(2),
        [(LeaderInfo, z(6, 0))],
        "an epoch is left out"
    );
    assert!(!story.has(|effect| matches!(effect, Effect::Offer { .. })));
    story.accepts(2);
    assert_eq!(story.sent(2)[1..], [(Snap, z(5, 1)), (NewLeader, z(6, 0))]);
    // One that has this server's whole old history gets it, too.
    story.connects(3);
    story.accepts(3);
    assert_eq!(story.sent(3)[1..], [(Snap, z(5, 1)), (NewLeader, z(6, 0))]);
    assert!(!story.keeps() && !story.ordered_current());
    story.has_it(2);
    assert!(story.keeps() && !story.ordered_current());
    assert_eq!(story.leader.phase(), Phase::Establishing);
    // A slow disk: learners are kept from leaving.
    story.leader.tick(at(60_000), &mut story.out);
    assert!(story.sent(2).contains(&(Ping, 0)));
    story.written(Epoch::Current);
    assert_eq!(story.leader.phase(), Phase::Serving);
    assert!(story.sent(2).contains(&(UpToDate, -1)));
    assert!(!story.sent(3).contains(&(UpToDate, -1)));
}

#[test]
fn without_a_quorum_that_has_it_nothing_is_kept() {
    let mut story = Story::new(3);
    story.connects(2);
    story.written(Epoch::Accepted);
    story.accepts(2);
    story.leader.tick(at(60_000), &mut story.out);
    assert_eq!(story.leader.phase(), Phase::Over);
    assert!(!story.keeps() && !story.ordered_current());
}

#[test]
fn a_quorum_that_is_lost_while_the_files_get_it_is_missed() {
    let mut story = Story::new(3);
    story.connects(2);
    story.written(Epoch::Accepted);
    story.accepts(2);
    story.has_it(2);
    story.leader.gone(LinkId(2), "cut", &mut story.out);
    story.written(Epoch::Current);
    assert_eq!(story.leader.phase(), Phase::Establishing);
    story.leader.tick(at(60_000), &mut story.out);
    assert_eq!(story.leader.phase(), Phase::Over);
}

/// No oracle stands in for a server that does not have it.
#[test]
fn a_server_alone_brings_it_when_it_is_the_ensemble() {
    let mut story = Story::new(1);
    story.written(Epoch::Accepted);
    assert!(story.keeps());
    story.written(Epoch::Current);
    assert_eq!(story.leader.phase(), Phase::Serving);
    let mut story = Story::new(2);
    story.written(Epoch::Accepted);
    assert!(!story.has(|effect| matches!(effect, Effect::Offer { .. })));
}
