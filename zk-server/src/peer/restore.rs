//! An operator's snapshot takes the place of a member's state (Java:
//! `ZooKeeperServer.restoreFromSnapshot`).
//!
//! Java swaps the tree below the running server: members differ until all of them were restored, and
//! a restart brings the old state back. Here it is a new history: its epoch is later than any that the
//! ensemble has, it is durable before the next election begins, and the others then get it as
//! a snapshot. No file is removed for it, and **no zxid has two meanings**.

use crate::store::epochs::Epoch;
use crate::store::orders::DiskOrder;
use crate::tree::Database;
use crate::units::Zxid;

use super::events::PeerEvent;
use super::io::PeerOutput;
use super::machine::{Home, Peer, Role};
use super::retire::Retiring;

/// So many leaders may be elected by the others until this server has the snapshot in its files.
const EPOCHS_AHEAD: i64 = 16;

impl Peer {
    /// Why this server takes no operator's snapshot now.
    pub fn cannot_restore(&self) -> Option<&'static str> {
        if self.observes() {
            return Some("an observer takes its state from the voters: restore one of them");
        }
        match self.role {
            Role::Retiring(_) => Some("this server is between two roles: try again"),
            _ => None,
        }
    }

    pub(super) fn restore(&mut self, database: Box<Database>, out: &mut Vec<PeerOutput>) {
        if let Some(reason) = self.cannot_restore() {
            self.events.push(PeerEvent::NotRestored { reason });
            return;
        }
        self.retire("a snapshot is restored".to_owned(), out);
        self.order(DiskOrder::Flush, out);
        self.role = Role::Retiring(Retiring::restoring(database));
    }

    /// The files take it; the next election begins when they have.
    pub(super) fn install(&mut self, mut database: Box<Database>, out: &mut Vec<PeerOutput>) {
        let epochs = [
            self.accepted_epoch,
            self.current_epoch,
            self.last_appended.0 >> 32,
            database.last_zxid().0 >> 32,
        ];
        let epoch = epochs.into_iter().max().unwrap_or(0) + EPOCHS_AHEAD;
        // No leader gives this zxid, and no other member.
        let zxid = Zxid((epoch << 32) | ((self.settings.id & 0xffff) + 1));
        database.continue_at(zxid);
        let image = database.image();
        self.last_appended = zxid;
        self.home = Home::Idle(database);
        self.keep_committed();
        // In this order: a start takes no `currentEpoch` that is later than `acceptedEpoch`.
        for order in [
            DiskOrder::WriteEpoch {
                which: Epoch::Accepted,
                value: epoch,
            },
            DiskOrder::SaveSnapshot(image),
            DiskOrder::WriteEpoch {
                which: Epoch::Current,
                value: epoch,
            },
        ] {
            self.order(order, out);
        }
    }
}
