//! Applies what is committed, in zxid order, and answers the writers (Java: the second half of
//! `SyncRequestProcessor`, `FinalRequestProcessor`).

use std::collections::VecDeque;

use bytes::Bytes;
use proto::jute::Jute;
use proto::zk::multi::MultiHeader;
use proto::zk::response::ReplyHeader;
use proto::zk::{ErrorCode, OpCode};

use crate::core::io::{Mode, Output};
use crate::core::queue::Waiting;
use crate::core::server::{Event, Server};
use crate::tree::Applied;
use crate::units::{ConnId, Zxid};

use super::reply;
use super::watches::Delivery;

const CLOSE_SESSION: i32 = OpCode::CloseSession as i32;
const CREATE_SESSION: i32 = OpCode::CreateSession as i32;

/// Who waits for a write.
#[derive(Debug)]
pub(crate) struct Requester {
    pub(crate) slot: u32,
    pub(crate) conn: ConnId,
    /// its place in the connection's queue
    pub(crate) token: i64,
    pub(crate) xid: i32,
    pub(crate) at_us: u64,
    /// its bytes, when it counts as a large request
    pub(crate) large: usize,
}

/// A write that has its zxid and waits to be durable.
#[derive(Debug)]
pub(crate) struct Proposal {
    pub(crate) zxid: i64,
    /// what was asked for; the record may be an error instead
    pub(crate) op: OpCode,
    pub(crate) session: i64,
    pub(crate) record: Bytes,
    pub(crate) requester: Option<Requester>,
}

#[derive(Debug, Default)]
pub(crate) struct Proposals(VecDeque<Proposal>);

impl Proposals {
    pub(crate) fn push(&mut self, proposal: Proposal) {
        debug_assert!(self.0.back().is_none_or(|last| last.zxid < proposal.zxid));
        self.0.push_back(proposal);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// What waits, as it was appended.
    pub(crate) fn into_records(self) -> Vec<(Zxid, Bytes)> {
        let record = |p: Proposal| (Zxid(p.zxid), p.record);
        self.0.into_iter().map(record).collect()
    }

    /// Those behind `after` up to `zxid`.
    fn between(&self, after: i64, zxid: i64) -> impl Iterator<Item = &Proposal> {
        let from = self.0.partition_point(|proposal| proposal.zxid <= after);
        let rest = self.0.range(from..);
        rest.take_while(move |proposal| proposal.zxid <= zxid)
    }

    fn pop_to(&mut self, zxid: i64) -> Option<Proposal> {
        if self.0.front()?.zxid <= zxid {
            self.0.pop_front()
        } else {
            None
        }
    }
}

impl Server {
    /// Everything up to `zxid` is durable.
    pub(crate) fn commit_to(&mut self, zxid: i64, out: &mut Vec<Output>) {
        while let Some(proposal) = self.proposals.pop_to(zxid) {
            self.commit(proposal, out);
        }
    }

    fn commit(&mut self, proposal: Proposal, out: &mut Vec<Output>) {
        let Proposal {
            zxid,
            mut op,
            session,
            record,
            mut requester,
        } = proposal;
        let mut delivery = Delivery {
            watches: &mut self.watches,
            conns: &mut self.conns,
            providers: &self.settings.providers,
            stats: &mut self.stats,
        };
        let (header, applied) = self
            .db
            .apply(&record, &mut delivery)
            .expect("a record that prep has made or a learner has checked can be applied");
        self.overlay.applied(zxid);
        if self.mode != Mode::Standalone {
            self.stats.committed += 1;
            let ms = self.now.wall_ms.saturating_sub(header.time);
            self.stats.applied_ms.record(u64::try_from(ms).unwrap_or(0));
        }
        if self.is_learner() {
            if let Some(forwarded) = self.forwards.answered(&header) {
                (op, requester) = (forwarded.op, forwarded.requester);
            }
        }
        match header.op {
            CLOSE_SESSION => self.session_closed(session),
            CREATE_SESSION if self.settings.local_sessions => self.session_created(session),
            _ => {}
        }
        match &requester {
            Some(requester) => {
                self.large_bytes -= requester.large;
                let there = self.conns.get(requester.slot);
                if there.is_some_and(|conn| conn.id == requester.conn) {
                    self.answer_write(op, requester, header.op, &applied, out);
                } else if op == OpCode::CloseSession {
                    self.close_connection_of(session, out);
                }
            }
            None if op == OpCode::CloseSession => self.close_connection_of(session, out),
            None => {}
        }
        self.report_mismatch(zxid);
        self.db.committed_mut().push(zxid, record);
        if self.snapshots.applied(zxid) {
            self.stats.snapshots += 1;
            let image = self.db.image();
            out.push(Output::Snapshot { image });
        }
    }

    /// A member of an ensemble: its own log has everything up to `zxid`.
    pub fn noted_logged(&mut self, zxid: Zxid) {
        let (after, now) = (self.last_logged, self.now.wall_ms);
        for proposal in self.proposals.between(after, zxid.0) {
            if let Some(ms) = made_before(&proposal.record, now) {
                self.stats.logged_ms.record(ms);
            }
        }
        self.last_logged = zxid.0;
    }

    fn session_closed(&mut self, session: i64) {
        self.tracker.remove(session);
        self.touched.remove(&session);
        self.upgrading.remove(&session);
    }

    /// It is the ensemble's; if it was local, it is so no more.
    fn session_created(&mut self, session: i64) {
        self.upgrading.remove(&session);
        if self.is_learner() {
            self.tracker.remove(session);
        } else {
            self.tracker.upgrade(session);
        }
    }

    /// The first time that the tree is not what the transaction says.
    fn report_mismatch(&mut self, zxid: i64) {
        if self.db.digest_mismatches() > 0 && !self.mismatch_told {
            self.mismatch_told = true;
            self.event(Event::DigestMismatch { zxid });
        }
    }

    pub(crate) fn close_connection_of(&mut self, session: i64, out: &mut Vec<Output>) {
        if let Some(&slot) = self.by_session.get(&session) {
            self.close(slot, out);
        }
    }

    fn answer_write(
        &mut self,
        op: OpCode,
        requester: &Requester,
        txn_op: i32,
        applied: &Applied<'_>,
        out: &mut Vec<Output>,
    ) {
        let slot = requester.slot;
        let zxid = self.db.last_zxid().0;
        let latency = self.now.mono_us.saturating_sub(requester.at_us);
        self.stats.latency.add(latency);
        self.stats.update_latency.add(latency);
        let failed = txn_op == OpCode::Error.code();
        if applied.err == ErrorCode::SessionMoved.code() {
            // As Java: no reply, or client and leader would disagree on where the session is.
            let session = self.conns.get(slot).map_or(0, |conn| conn.session);
            self.event(Event::SessionMoved { session });
            return self.close(slot, out);
        }
        if op == OpCode::CreateSession {
            self.finish_session_init(slot, !failed, out);
        } else if let Some(conn) = self.conns.writer(slot) {
            let start = conn.out.len();
            let header = ReplyHeader {
                xid: requester.xid,
                zxid,
                // The parts of a multi carry their own codes.
                err: if op == OpCode::Multi && !failed {
                    0
                } else {
                    applied.err
                },
            };
            let tree = self.db.tree();
            reply::frame(&mut conn.out, header, |out| {
                if op == OpCode::Reconfig && !failed {
                    let node = tree.find(applied.path).map(|id| tree.node(id));
                    node.and_then(|node| node.data()).write(out);
                }
                if !failed {
                    body(op, applied, out);
                }
            });
            self.stats.packets_sent += 1;
            self.stats.response(conn.out.len() - start - 4);
        }
        let Some(conn) = self.conns.get_mut(slot) else {
            return;
        };
        let (from, now) = (requester.at_us, self.now.mono_us);
        conn.stats
            .answered(requester.xid, zxid, short_name(op), from, now);
        let head = conn.queue.pop();
        debug_assert!(matches!(head, Some(Waiting::Write(token)) if token == requester.token));
        match op {
            OpCode::CloseSession => self.close(slot, out),
            OpCode::CreateSession => self.begin_requests(slot, out),
            _ => {
                self.drain(slot, out);
                self.resume_if_idle(slot, out);
            }
        }
    }
}

/// How many milliseconds ago a transaction was made, by the clock of the one who made it.
pub(crate) fn made_before(record: &[u8], now_ms: i64) -> Option<u64> {
    // session, cxid and zxid stand before the time
    let time = record.get(20..28)?.try_into().ok()?;
    u64::try_from(now_ms.saturating_sub(i64::from_be_bytes(time))).ok()
}

/// What follows the header of a successful write's reply.
fn body(op: OpCode, applied: &Applied<'_>, out: &mut Vec<u8>) {
    match op {
        OpCode::Create => applied.path.write(out),
        OpCode::Create2 | OpCode::CreateTtl | OpCode::CreateContainer => {
            applied.path.write(out);
            applied.stat.write(out);
        }
        OpCode::SetData | OpCode::SetAcl | OpCode::Reconfig => applied.stat.write(out),
        OpCode::Multi => {
            for sub in &applied.multi {
                multi_result(sub, out);
            }
            MultiHeader::END.write(out);
        }
        _ => {}
    }
}

fn multi_result(sub: &Applied<'_>, out: &mut Vec<u8>) {
    let op = OpCode::from_code(sub.op).unwrap_or(OpCode::Error);
    // Java tells all creations but the first kind as create2.
    let told = match op {
        OpCode::CreateTtl | OpCode::CreateContainer => OpCode::Create2,
        op => op,
    };
    let err = if op == OpCode::Error { sub.err } else { 0 };
    MultiHeader {
        op: told.code(),
        done: false,
        err,
    }
    .write(out);
    match op {
        OpCode::Error => err.write(out),
        op => body(op, sub, out),
    }
}

/// What `cons` shows as the last operation.
pub(crate) fn short_name(op: OpCode) -> &'static str {
    match op {
        OpCode::Ping => "PING",
        OpCode::CreateSession => "SESS",
        OpCode::Multi => "MULT",
        OpCode::MultiRead => "MLTR",
        OpCode::Create | OpCode::Create2 | OpCode::CreateTtl | OpCode::CreateContainer => "CREA",
        OpCode::Delete | OpCode::DeleteContainer => "DELE",
        OpCode::SetData => "SETD",
        OpCode::Reconfig => "RECO",
        OpCode::SetAcl => "SETA",
        OpCode::CloseSession => "CLOS",
        OpCode::Sync => "SYNC",
        OpCode::Check => "CHEC",
        OpCode::Exists => "EXIS",
        OpCode::GetData => "GETD",
        OpCode::SetWatches => "SETW",
        OpCode::SetWatches2 => "STW2",
        OpCode::AddWatch => "ADDW",
        OpCode::GetAcl => "GETA",
        OpCode::GetChildren | OpCode::GetChildren2 => "GETC",
        OpCode::GetAllChildrenNumber => "GETACN",
        OpCode::CheckWatches => "CHKW",
        OpCode::RemoveWatches => "REMW",
        OpCode::WhoAmI => "HOMI",
        OpCode::GetEphemerals => "GETE",
        _ => "NA",
    }
}
