//! Writes are linearizable: each is answered where it is in the committed history, with what it did there,
//! and behind all that was acknowledged when it began.

use proto::zk::OpCode;
use proto::zk::error::ErrorCode;
use proto::zk::response::ReplyHeader;

use super::answers::{self, Answer};
use super::expiry_is_real::expired;
use super::{
    History, Judgement, LINEARIZABLE_WRITES, Pending, SEQUENTIAL_ONCE, SESSION_ORDER, SessionView,
    broken,
};
use crate::sim::ensemble::facts::Facts;
use crate::sim::ensemble::operation::Operation;

impl History {
    pub(super) fn write(
        &mut self,
        facts: &mut Facts,
        view: &mut SessionView,
        pending: &Pending,
        header: &ReplyHeader,
        body: &[u8],
        judged: &mut Vec<Judgement>,
    ) {
        let zxid = header.zxid;
        if header.err == ErrorCode::SessionExpired as i32 {
            judged.push(expired(facts, view.session, i64::MAX));
            return;
        }
        if header.err == ErrorCode::SessionMoved as i32 {
            return;
        }
        if view.read_only {
            let allowed = header.err == ErrorCode::NotReadOnly as i32
                || pending.operation == Operation::Close && header.err == 0;
            let told = if allowed {
                Ok(())
            } else {
                Err(format!(
                    "a server that is cut off answered a write with {}",
                    header.err
                ))
            };
            judged.push((LINEARIZABLE_WRITES, told));
            return;
        }
        // A local session ends where it is.
        if pending.operation == Operation::Close && !facts.model.knows_session(view.session) {
            return;
        }
        self.writes += 1;
        let session = view.session;
        let claim = facts
            .proposals
            .get(&zxid)
            .filter(|_| facts.is_committed(zxid));
        let right = match claim {
            None => Err(format!(
                "a write was answered at 0x{zxid:x}, which is not committed"
            )),
            Some(p) if p.session != session || p.cxid != pending.xid => Err(format!(
                "write {} of 0x{session:x} was answered with {} at 0x{zxid:x}, which is write {} of 0x{:x}",
                pending.xid, header.err, p.cxid, p.session
            )),
            Some(p) if (p.op == OpCode::Error.code()) != (header.err != 0) => Err(format!(
                "write at 0x{zxid:x} was answered with error {}",
                header.err
            )),
            Some(_) if zxid <= pending.floor => Err(format!(
                "a write at 0x{zxid:x} began after 0x{:x} was acknowledged",
                pending.floor
            )),
            Some(p) => answers::check(
                &facts.model,
                &pending.operation,
                &Answer {
                    zxid,
                    err: header.err,
                    body,
                    record: &p.record,
                },
            )
            .map_err(|why| format!("write {} at 0x{zxid:x}: {why}", pending.xid)),
        };
        judged.push((LINEARIZABLE_WRITES, right));
        if zxid <= view.last_write {
            judged.push(broken(
                SESSION_ORDER,
                format!(
                    "session 0x{session:x} wrote at 0x{:x}, then at 0x{zxid:x}",
                    view.last_write
                ),
            ));
        }
        view.last_write = zxid;
        facts.acknowledge(zxid);
        if let Operation::Create { mode, path, .. } = &pending.operation {
            // A restore takes the numbers back that were given since.
            if mode.is_sequential() && header.err == 0 && zxid > facts.restored {
                judged.push((SEQUENTIAL_ONCE, self.sequential(path, *mode, body)));
            }
        }
    }
}
