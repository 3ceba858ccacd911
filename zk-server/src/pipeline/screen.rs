//! What is done with a write before it leaves the server that its client is connected to (Java:
//! `LeaderRequestProcessor`, the first half of `FollowerRequestProcessor`).

use proto::zk::acl::perms;
use proto::zk::path;
use proto::zk::request::CreateMode;
use proto::zk::{ErrorCode, OpCode};

use crate::auth::acl;
use crate::core::io::Output;
use crate::core::server::{Event, Server};

use super::request::Write;

impl Server {
    /// A local session that creates an ephemeral becomes one of the ensemble first (Java:
    /// `QuorumZooKeeperServer.checkUpgradeSession`).
    pub(crate) fn upgrade_for(
        &mut self,
        slot: u32,
        write: &Write<'_>,
        out: &mut Vec<Output>,
    ) -> Result<(), ErrorCode> {
        let session = self.conns.get(slot).map_or(0, |conn| conn.session);
        if !creates_ephemeral(write) || !self.tracker.is_local(session) {
            return Ok(());
        }
        if !self.settings.local_sessions_upgrading {
            return Err(ErrorCode::EphemeralOnLocalSession);
        }
        let Some(timeout) = self.tracker.upgrade(session) else {
            return Ok(());
        };
        self.event(Event::SessionUpgraded { session });
        if !self.is_learner() {
            let create = Write::CreateSession { timeout };
            self.propose_internal(session, &create, out);
            return Ok(());
        }
        // The leader tracks it from here on.
        self.tracker.remove(session);
        self.upgrading.insert(session);
        self.forward_session(session, timeout, out);
        Ok(())
    }

    /// `enableEagerACLCheck` (Java: `ZooKeeperServer.authWriteRequest`): what this server knows to be
    /// forbidden goes no further. What it does not know is the leader's to decide.
    pub(crate) fn check_early(&self, slot: u32, write: &Write<'_>) -> Result<(), ErrorCode> {
        let providers = &self.settings.providers;
        let ids = self.conns.get(slot).map_or(&[][..], |conn| &conn.ids);
        let (path, perm) = match write {
            Write::Create(op) if matches!(op.op, OpCode::Create | OpCode::Create2) => {
                acl::fixup(providers, &op.acl, ids)?;
                (path::parent(op.path), perms::CREATE)
            }
            Write::Delete(op) => (path::parent(op.path), perms::DELETE),
            Write::SetData(op) => (op.path, perms::WRITE),
            Write::SetAcl(op) => {
                acl::fixup(providers, &op.acl, ids)?;
                (op.path, perms::ADMIN)
            }
            _ => return Ok(()),
        };
        let tree = self.db.tree();
        match tree.find(path) {
            Some(id) => acl::check(providers, tree.acls().get_ref(tree.node(id).acl), perm, ids),
            None => Ok(()),
        }
    }
}

fn creates_ephemeral(write: &Write<'_>) -> bool {
    match write {
        Write::Create(create) => {
            matches!(create.op, OpCode::Create | OpCode::Create2)
                && CreateMode::from_flag(create.flags).is_some_and(CreateMode::is_ephemeral)
        }
        Write::Multi(ops) => ops.iter().any(creates_ephemeral),
        _ => false,
    }
}
