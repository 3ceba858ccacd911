//! Requests that wait to be sent or answered. Replies come in the order of the requests (Java:
//! `outgoingQueue`, `pendingQueue` and `readResponse` of `ClientCnxn`).

use std::collections::VecDeque;

use crate::jute::Jute;
use crate::zk::OpCode;
use crate::zk::op::xid;
use crate::zk::request::RequestHeader;

use super::call::Request;
use super::watches::Registration;

/// What to do when the reply to a request comes.
#[derive(Debug)]
pub(super) enum Then {
    /// tell the caller, by its number
    Reply {
        id: u64,
        registration: Option<Registration>,
    },
    /// nothing: the session's own `setWatches`
    Ignore,
    /// the session is closed
    Closed,
}

#[derive(Debug)]
pub(super) struct Pending {
    pub(super) xid: i32,
    pub(super) then: Then,
}

/// The queues of one session.
#[derive(Debug, Default)]
pub(super) struct Queue {
    last_xid: i32,
    /// not sent: there is no connection yet
    waiting: VecDeque<(OpCode, Vec<u8>, Then)>,
    /// sent, not answered
    pending: VecDeque<Pending>,
    /// bytes for the socket
    out: Vec<u8>,
}

impl Queue {
    /// Requests that have no answer yet.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.pending.len()
    }

    /// Special xids are negative: 1 follows the largest.
    fn next_xid(&mut self) -> i32 {
        self.last_xid = self.last_xid.checked_add(1).unwrap_or(1);
        self.last_xid
    }

    fn frame(&mut self, header: Option<RequestHeader>, body: &[u8]) {
        let length = body.len() + header.map_or(0, |_| 8);
        (length as i32).write(&mut self.out);
        if let Some(header) = header {
            header.write(&mut self.out);
        }
        self.out.extend_from_slice(body);
    }

    /// A frame without a header and a reply of its own kind: the connect request.
    pub(super) fn send_bare(&mut self, body: &[u8]) {
        self.frame(None, body);
    }

    /// A request whose reply is known by a special xid: ping and auth.
    pub(super) fn send_special(&mut self, xid: i32, op: OpCode, body: &[u8]) {
        self.frame(Some(RequestHeader { xid, op: op.code() }), body);
    }

    /// Sets watches again.
    pub(super) fn send_set_watches(&mut self, op: OpCode, body: &[u8]) {
        self.send_special(xid::SET_WATCHES, op, body);
        self.pending.push_back(Pending {
            xid: xid::SET_WATCHES,
            then: Then::Ignore,
        });
    }

    pub(super) fn send(&mut self, op: OpCode, body: &[u8], then: Then) {
        let xid = self.next_xid();
        self.send_special(xid, op, body);
        self.pending.push_back(Pending { xid, then });
    }

    /// Keeps a request until there is a connection.
    pub(super) fn wait(&mut self, op: OpCode, body: Vec<u8>, then: Then) {
        self.waiting.push_back((op, body, then));
    }

    /// There is a connection: sends what waited.
    pub(super) fn send_waiting(&mut self) {
        while let Some((op, body, then)) = self.waiting.pop_front() {
            self.send(op, &body, then);
        }
    }

    /// The request that a reply with `xid` answers; `Err` holds what was expected instead.
    pub(super) fn answered(&mut self, xid: i32) -> Result<Then, Option<i32>> {
        match self.pending.front() {
            Some(pending) if pending.xid == xid => {}
            other => return Err(other.map(|pending| pending.xid)),
        }
        // Just looked at.
        self.pending.pop_front().map(|p| p.then).ok_or(None)
    }

    /// The connection is gone: takes all requests, in their order.
    pub(super) fn take_all(&mut self) -> Vec<Then> {
        self.out = Vec::new();
        let pending = self.pending.drain(..).map(|p| p.then);
        let waiting = self.waiting.drain(..).map(|(_, _, then)| then);
        pending.chain(waiting).collect()
    }

    pub(super) fn take_out(&mut self) -> Option<Vec<u8>> {
        (!self.out.is_empty()).then(|| std::mem::take(&mut self.out))
    }
}

impl From<(u64, &mut Request)> for Then {
    fn from((id, request): (u64, &mut Request)) -> Self {
        Self::Reply {
            id,
            registration: request.registration.take(),
        }
    }
}
