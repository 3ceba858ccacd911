//! The operator who keeps snapshots of the ensemble and restores them, as the AdminServer's commands do.
//!
//! To the invariants a restore is one transaction at the end of the leader's history: it makes every znode
//! and session what it was when the snapshot was taken. So all that they say of transactions goes for
//! it too; and nothing that was acknowledged is lost by one that was not, or that came before.

use bytes::{Bytes, BytesMut};
use zk_server::peer::PeerInput;
use zk_server::store::snapshot::wire;
use zk_server::tree::Database;
use zk_server::units::Zxid;

use super::facts::Facts;
use super::triggers::Point;
use super::world::World;

/// What `snapshot` has given.
#[derive(Debug)]
pub struct Kept {
    zxid: Zxid,
    bytes: Bytes,
}

impl Kept {
    fn of(database: &Database) -> Self {
        let mut bytes = Vec::new();
        let sent = wire::send(&*database.image().0, 1 << 16, |piece| {
            bytes.extend_from_slice(&piece);
            Ok(())
        });
        debug_assert!(sent.is_ok());
        Self {
            zxid: database.last_zxid(),
            bytes: bytes.into(),
        }
    }
}

impl World {
    /// Keeps a snapshot of now, and restores the one that was kept before.
    pub(super) fn keep_and_restore(&mut self) {
        let Some(index) = self.leader() else {
            return;
        };
        let server = &self.servers[index];
        let (life, settings) = (server.life, server.database_settings());
        let database = server.live.as_ref().and_then(|live| live.peer.database());
        let Some(now) = database.map(Kept::of) else {
            return;
        };
        let Some(kept) = self.kept.replace(now) else {
            return;
        };
        let mut receiver = wire::Receiver::new(&settings, 1 << 20);
        if let Ok(true) = receiver.take(&mut BytesMut::from(&kept.bytes[..])) {
            let database = receiver.finish(kept.zxid, &settings);
            self.input(index, life, PeerInput::Restore { database });
        }
    }

    /// A leader gives a snapshot to learners for the first time.
    pub(super) fn offers(&mut self, index: usize, at: Zxid, taken: Zxid) {
        let Some(live) = &self.servers[index].live else {
            return;
        };
        let digest = live.peer.database().and_then(|db| db.tree().digest());
        let (node, prev) = (index as i64 + 1, live.tail);
        let noted = self.facts.restore(node, at.0, prev, taken.0, digest);
        if let Err(why) = noted {
            self.fail("Integrity", why);
        }
        self.reached(Point::Offered, index);
    }

    /// The operator is told that it is done.
    pub(super) fn restored(&mut self, at: Zxid) {
        self.coverage.happened("snapshot restored");
        self.facts.acknowledge(at.0);
    }
}

impl Facts {
    /// A write, or a restore, that somebody was told of.
    pub fn acknowledge(&mut self, zxid: i64) {
        self.acknowledged = self.acknowledged.max(zxid);
        let last = self.acknowledged_in.entry(zxid >> 32).or_default();
        *last = zxid.max(*last);
    }
}
