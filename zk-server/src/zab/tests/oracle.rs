//! Two servers with an oracle: who goes on without the other one, and until when (Java:
//! `QuorumOracleMaj`).

use bytes::Bytes;
use proto::quorum::PacketType::*;
use proto::quorum::{LearnerInfo, PROTOCOL_VERSION, QuorumPacket};

use crate::store::epochs::Epoch;
use crate::store::orders::DiskDone;
use crate::tree::Database;
use crate::units::{LinkId, Zxid};
use crate::zab::leader::Phase;
use crate::zab::testing::{at, database, record, view, zxid as z};
use crate::zab::{Effect, Leader, Settings, Start};

const LINK: LinkId = LinkId(2);

struct Alone {
    leader: Leader,
    db: Database,
    out: Vec<Effect>,
}

impl Alone {
    fn new(voters: i64, oracle: Option<bool>) -> Self {
        let start = Start {
            me: 1,
            active: view(voters, 0),
            last_seen: view(voters, 0),
            accepted_epoch: 4,
            current_epoch: 4,
            last_zxid: z(4, 1),
            oracle,
        };
        let mut alone = Self {
            leader: Leader::new(Settings::DEFAULT, start, at(0)),
            db: database(&[z(4, 1)], 9),
            out: Vec::new(),
        };
        alone.leader.listening(&mut alone.out);
        alone.epochs();
        alone
    }

    fn epochs(&mut self) {
        for which in [Epoch::Accepted, Epoch::Current] {
            let done = DiskDone::EpochWritten { which, value: 5 };
            self.leader.disk(done, &self.db, at(0), &mut self.out);
        }
    }

    fn oracle(&mut self, grants: bool) {
        self.leader.oracle(grants, &self.db, at(1), &mut self.out);
    }

    fn gets(&mut self, packet: QuorumPacket) {
        self.leader
            .packet(LINK, packet, &self.db, at(1), &mut self.out);
    }

    /// The other server follows.
    fn joined(&mut self) {
        let peer = "10.0.0.9:4000".parse().unwrap();
        self.leader.accepted(LINK, peer, at(1));
        let info = LearnerInfo {
            server: Some(2),
            protocol: PROTOCOL_VERSION,
            config_version: Some(0),
        };
        self.gets(info.packet(FollowerInfo, 4));
        self.gets(QuorumPacket::ack_epoch(z(4, 1), Some(4)));
        self.gets(QuorumPacket::new(Ack, z(5, 0)));
    }

    fn write(&mut self, zxid: i64) {
        let record: Bytes = record(zxid);
        self.leader
            .proposed(zxid, record, None, at(1), &mut self.out);
        let done = DiskDone::Logged { zxid: Zxid(zxid) };
        self.leader.disk(done, &self.db, at(1), &mut self.out);
    }

    fn committed(&self) -> Option<i64> {
        let commits = self.out.iter().filter_map(|effect| match effect {
            Effect::Commit { zxid } => Some(*zxid),
            _ => None,
        });
        commits.last()
    }
}

#[test]
fn a_server_that_the_oracle_names_goes_on_alone() {
    let mut alone = Alone::new(2, Some(true));
    assert_eq!(alone.leader.phase(), Phase::Serving);
    alone.write(z(5, 1));
    assert_eq!(alone.committed(), Some(z(5, 1)));
    alone.leader.tick(at(60_000), &mut alone.out);
    assert_eq!(alone.leader.phase(), Phase::Serving);
    // The oracle turns to the other server.
    alone.oracle(false);
    alone.write(z(5, 2));
    assert_eq!(alone.committed(), Some(z(5, 1)));
    for ms in [61_000, 62_000] {
        alone.leader.tick(at(ms), &mut alone.out);
    }
    assert_eq!(alone.leader.phase(), Phase::Over);
}

#[test]
fn others_wait_for_a_quorum() {
    for (voters, oracle) in [(2, None), (2, Some(false)), (3, Some(true))] {
        let mut alone = Alone::new(voters, oracle);
        assert_eq!(
            alone.leader.phase(),
            Phase::Discovering,
            "{voters} {oracle:?}"
        );
        if oracle == Some(false) {
            alone.oracle(true);
            alone.epochs();
            assert_eq!(alone.leader.phase(), Phase::Serving);
        }
    }
}

#[test]
fn a_server_that_follows_is_asked_and_not_the_oracle() {
    let mut alone = Alone::new(2, Some(true));
    alone.joined();
    alone.write(z(5, 1));
    alone.write(z(5, 2));
    assert_eq!(alone.committed(), None);
    alone.gets(QuorumPacket::new(Ack, z(5, 1)));
    assert_eq!(alone.committed(), Some(z(5, 1)));
    // It goes: what it has not acknowledged is committed at the next tick.
    alone.leader.gone(LINK, "cut", &mut alone.out);
    for ms in [1_100, 2_200] {
        alone.leader.tick(at(ms), &mut alone.out);
    }
    assert_eq!(alone.committed(), Some(z(5, 2)));
    assert_eq!(alone.leader.phase(), Phase::Serving);
}
