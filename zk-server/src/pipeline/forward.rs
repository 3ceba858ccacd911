//! A learner's writes: sent to the leader, answered when their transaction is applied here (Java:
//! `FollowerRequestProcessor`, `ObserverRequestProcessor`, `CommitProcessor`).
//!
//! The leader makes one transaction of every request that it gets, if only an error, and keeps their
//! order. So a session's transactions answer its requests one by one, and a transaction that is not
//! the oldest request's came through another server before the session moved here.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use proto::zk::OpCode;
use proto::zk::request::RequestHeader;
use proto::zk::txn::TxnHeader;

use crate::core::io::{Mode, Output, ToQuorum};
use crate::core::queue::Waiting;
use crate::core::server::Server;
use crate::tree::txn::Record;
use crate::units::Zxid;

use super::commit::{Proposal, Requester};

/// A write that the leader has been asked for.
#[derive(Debug)]
pub(crate) struct Forwarded {
    pub(crate) op: OpCode,
    xid: i32,
    /// the last proposal that was here when it left: none of those before is its own
    after: i64,
    /// `None` for what the server itself asked for
    pub(crate) requester: Option<Requester>,
}

/// What waits for the leader.
#[derive(Debug, Default)]
pub(crate) struct Forwards {
    by_session: HashMap<i64, VecDeque<Forwarded>>,
    writes: usize,
    /// `sync`s, with their bodies; the leader answers them in order
    syncs: VecDeque<(Bytes, Requester)>,
    /// of the places in the queues of connections
    last_token: i64,
}

impl Forwards {
    pub(crate) fn len(&self) -> usize {
        self.writes + self.syncs.len()
    }

    fn push(&mut self, session: i64, forwarded: Forwarded) {
        self.writes += 1;
        let queue = self.by_session.entry(session).or_default();
        queue.push_back(forwarded);
    }

    /// The request that this transaction answers, if it came through this server.
    pub(crate) fn answered(&mut self, header: &TxnHeader) -> Option<Forwarded> {
        let queue = self.by_session.get_mut(&header.client_id)?;
        let oldest = queue.front()?;
        let failed = header.op == OpCode::Error.code();
        let same_op = failed || header.op == oldest.op.code();
        if oldest.xid != header.cxid || header.zxid <= oldest.after || !same_op {
            return None;
        }
        let answered = queue.pop_front();
        if queue.is_empty() {
            self.by_session.remove(&header.client_id);
        }
        self.writes -= 1;
        answered
    }

    fn token(&mut self) -> i64 {
        self.last_token += 1;
        self.last_token
    }
}

impl Server {
    pub(crate) fn is_learner(&self) -> bool {
        matches!(self.mode, Mode::Following | Mode::Observing)
    }

    /// Writes that were taken on and are not done.
    pub(crate) fn outstanding_writes(&self) -> usize {
        if self.is_learner() {
            self.forwards.len()
        } else {
            self.proposals.len()
        }
    }

    /// Asks the leader to make a session of the ensemble of one that it does not know.
    pub(crate) fn forward_session(&mut self, session: i64, timeout: i32, out: &mut Vec<Output>) {
        let forwarded = Forwarded {
            op: OpCode::CreateSession,
            xid: 0,
            after: self.last_assigned,
            requester: None,
        };
        self.forwards.push(session, forwarded);
        self.stats.forwards_waiting.add(self.forwards.len() as u64);
        out.push(Output::Quorum(ToQuorum::Forward {
            session,
            xid: 0,
            op: OpCode::CreateSession.code(),
            body: Bytes::copy_from_slice(&timeout.to_be_bytes()),
            ids: Arc::default(),
        }));
    }

    /// Sends a client's write to the leader. Returns the token of its reply.
    pub(crate) fn forward(
        &mut self,
        op: OpCode,
        body: Bytes,
        mut requester: Requester,
        out: &mut Vec<Output>,
    ) -> i64 {
        let token = self.forwards.token();
        requester.token = token;
        let conn = self.conns.get(requester.slot);
        let session = conn.map_or(0, |conn| conn.session);
        let ids = conn.map(|conn| conn.ids.clone()).unwrap_or_default();
        let xid = requester.xid;
        let forwarded = Forwarded {
            op,
            xid,
            after: self.last_assigned,
            requester: Some(requester),
        };
        self.forwards.push(session, forwarded);
        self.stats.forwards_waiting.add(self.forwards.len() as u64);
        out.push(Output::Quorum(ToQuorum::Forward {
            session,
            xid,
            op: op.code(),
            body,
            ids,
        }));
        token
    }

    /// A `sync` goes through the leader, so that what was committed before is here when it comes back.
    pub(crate) fn forward_sync(
        &mut self,
        body: Bytes,
        mut requester: Requester,
        out: &mut Vec<Output>,
    ) -> i64 {
        let token = self.forwards.token();
        requester.token = token;
        let conn = self.conns.get(requester.slot);
        out.push(Output::Quorum(ToQuorum::Forward {
            session: conn.map_or(0, |conn| conn.session),
            xid: requester.xid,
            op: OpCode::Sync.code(),
            body: body.clone(),
            ids: conn.map(|conn| conn.ids.clone()).unwrap_or_default(),
        }));
        self.forwards.syncs.push_back((body, requester));
        token
    }

    /// The leader has answered the oldest `sync`.
    pub(crate) fn synced(&mut self, out: &mut Vec<Output>) {
        let Some((body, requester)) = self.forwards.syncs.pop_front() else {
            return;
        };
        self.large_bytes -= requester.large;
        let slot = requester.slot;
        let Some(conn) = self.conns.get_mut(slot).filter(|c| c.id == requester.conn) else {
            return;
        };
        // The transactions of the connection's earlier writes came before.
        if !matches!(conn.queue.front(), Some(Waiting::Write(token)) if *token == requester.token) {
            return self.close(slot, out);
        }
        conn.queue.pop();
        let header = RequestHeader {
            xid: requester.xid,
            op: OpCode::Sync.code(),
        };
        self.answer(slot, header, &body, requester.at_us, out);
        self.drain(slot, out);
        self.resume_if_idle(slot, out);
    }

    /// The leader proposes a transaction. `logged`: it is in the log already.
    pub(crate) fn proposed(
        &mut self,
        zxid: Zxid,
        record: Bytes,
        logged: bool,
        out: &mut Vec<Output>,
    ) {
        let header = match Record::check(&record) {
            Ok(header) if header.zxid == zxid.0 && zxid.0 > self.last_assigned => header,
            Ok(header) => {
                let last = self.last_assigned;
                let reason = format!(
                    "the leader proposed 0x{:x} as 0x{:x} after 0x{last:x}",
                    header.zxid, zxid.0
                );
                return self.abandon(&reason, out);
            }
            Err(error) => {
                let reason = format!(
                    "the leader's proposal 0x{:x} cannot be read: {error}",
                    zxid.0
                );
                return self.abandon(&reason, out);
            }
        };
        self.last_assigned = zxid.0;
        if self.mode == Mode::Following {
            self.stats.proposals_received += 1;
            if let Ok(ms) = u64::try_from(self.now.wall_ms.saturating_sub(header.time)) {
                self.stats.proposal_ms.record(ms);
            }
        }
        if !logged {
            let len = record.len();
            out.push(Output::Append {
                zxid,
                record: record.clone(),
            });
            if self.snapshots.appended(zxid.0, len) {
                out.push(Output::RollLog);
            }
        }
        self.proposals.push(Proposal {
            zxid: zxid.0,
            op: OpCode::from_code(header.op).unwrap_or(OpCode::Error),
            session: header.client_id,
            record,
            requester: None,
        });
    }
}
