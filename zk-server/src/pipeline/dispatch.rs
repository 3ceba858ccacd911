//! Sorts requests: writes to `prep` at once, reads to the tree unless something of their own
//! connection stands before them (Java: `ZooKeeperServer.processPacket`, `RequestThrottler`).
//!
//! Replies leave in the order of requests. Only authentication answers at once, as in Java.

use std::ops::Range;

use bytes::Bytes;
use proto::buf::Reader;
use proto::jute::Jute;
use proto::zk::request::{AuthPacket, RequestHeader};
use proto::zk::{ErrorCode, OpCode};

use crate::auth::Proof;
use crate::core::conn::Phase;
use crate::core::io::{Mode, Output};
use crate::core::queue::Waiting;
use crate::core::server::{Event, Server};
use crate::units::ConnId;

use super::commit::Requester;
use super::reply;
use super::request::{Write, is_write};

/// A request's header and where its body starts.
const HEADER: usize = 8;
/// Bytes of replies made for one connection at a time. A request of thirty bytes can ask for a
/// megabyte: a client must not make the server build more answers than it reads.
const MAX_REPLIES: usize = 1 << 20;

/// The operations that a client may ask for (Java: `Request.isValid`; it also lets
/// `createSession` through, which no client sends).
fn valid(op: i32) -> Option<OpCode> {
    OpCode::from_code(op).filter(|op| {
        !matches!(
            op,
            OpCode::Notification
                | OpCode::Check
                | OpCode::Auth
                | OpCode::Sasl
                | OpCode::CreateSession
                | OpCode::Error
        )
    })
}

/// Who the client is, instead of what it wants.
fn is_proof(op: i32) -> bool {
    op == OpCode::Auth.code() || op == OpCode::Sasl.code()
}

/// A request that has a place in the order of all writes.
struct Ordered<'a> {
    slot: u32,
    xid: i32,
    op: OpCode,
    frames: &'a Bytes,
    /// where its frame lies in `frames`
    frame: Range<usize>,
    at_us: u64,
}

impl Ordered<'_> {
    fn body(&self) -> Bytes {
        self.frames.slice(self.frame.start + HEADER..self.frame.end)
    }
}

impl Server {
    pub(crate) fn request(
        &mut self,
        slot: u32,
        frames: &Bytes,
        range: Range<usize>,
        out: &mut Vec<Output>,
    ) {
        let frame = &frames[range.clone()];
        let Some(conn) = self.conns.get_mut(slot) else {
            return;
        };
        let (id, session, timeout, ending) = (conn.id, conn.session, conn.timeout_ms, conn.ending);
        let Ok(header) = RequestHeader::read(&mut Reader::new(frame)) else {
            self.event(Event::Malformed { conn: id });
            return self.close(slot, out);
        };
        let body = &frame[HEADER..];
        if header.op == OpCode::Auth.code() {
            return self.authenticate(slot, header.xid, body, out);
        }
        if header.op == OpCode::Sasl.code() {
            return self.sasl(slot, header.xid);
        }
        if !self.is_authenticated(slot) {
            return self.not_authenticated(slot, header.xid, out);
        }
        let large = self.large(frame.len());
        if large > 0 && self.large_bytes + large > self.settings.large_request_max_bytes {
            self.stats.large_requests_rejected += 1;
            self.event(Event::LargeRequestRefused {
                conn: id,
                bytes: large,
            });
            return self.close(slot, out);
        }
        // A request of a session that is gone or going is dropped without a word.
        if ending || !self.touch(session, timeout) {
            return;
        }
        self.choke_if_full(slot, out);
        let at_us = self.now.mono_us;
        let write = valid(header.op).filter(|&op| self.ordered(op, session));
        let hold = self
            .conns
            .get(slot)
            .is_some_and(|c| c.throttled || (write.is_none() && !c.queue.is_empty()));
        if hold {
            // A session of the ensemble closes in its place among the writes; a local one must not become
            // one of the ensemble while its end waits.
            if header.op == OpCode::CloseSession.code() && self.tracker.is_local(session) {
                if let Some(conn) = self.conns.get_mut(slot) {
                    conn.ending = true;
                }
            }
            self.hold(slot, frames.slice(range), at_us);
            return self.advance(slot, out);
        }
        match write {
            None => self.answer(slot, header, body, at_us, out),
            Some(_) if self.throttle_is_full() || self.many_reads_wait(slot) => {
                self.stats.throttle_waits += u64::from(self.throttle_is_full());
                self.hold_all(slot);
                self.hold(slot, frames.slice(range), at_us);
            }
            Some(op) => {
                let xid = header.xid;
                let ordered = Ordered {
                    slot,
                    xid,
                    op,
                    frames,
                    frame: range.clone(),
                    at_us,
                };
                match self.submit(&ordered, out) {
                    Ok(token) => {
                        if let Some(conn) = self.conns.get_mut(slot) {
                            conn.queue.push_write(token);
                        }
                    }
                    Err(err) if self.conns.get(slot).is_some_and(|c| c.queue.is_empty()) => {
                        self.refuse(slot, xid, err);
                    }
                    Err(_) => {
                        self.hold_all(slot);
                        self.hold(slot, frames.slice(range), at_us);
                    }
                }
            }
        }
    }

    /// Has this request a place in the order of all writes? Everything else is answered from the
    /// tree.
    fn ordered(&self, op: OpCode, session: i64) -> bool {
        let ordered = match self.mode {
            Mode::Standalone => return is_write(op),
            Mode::Leading => is_write(op),
            Mode::Following | Mode::Observing => is_write(op) || op == OpCode::Sync,
            Mode::ReadOnly => return false,
        };
        ordered && !(op == OpCode::CloseSession && self.tracker.is_local(session))
    }

    /// Sends a request on its way, to the log or to the leader. Returns the token by which its place
    /// in the connection's queue is known, or why it goes nowhere.
    fn submit(&mut self, ordered: &Ordered<'_>, out: &mut Vec<Output>) -> Result<i64, ErrorCode> {
        let body = &ordered.frames[ordered.frame.start + HEADER..ordered.frame.end];
        let learner = self.is_learner();
        if learner && ordered.op == OpCode::Sync {
            let requester = self.requester(ordered);
            return Ok(self.forward_sync(ordered.body(), requester, out));
        }
        let Ok(write) = Write::read(ordered.op, body) else {
            return Err(ErrorCode::MarshallingError);
        };
        if self.settings.eager_acl_check && self.mode != Mode::Standalone {
            self.check_early(ordered.slot, &write)?;
        }
        if self.settings.local_sessions {
            self.upgrade_for(ordered.slot, &write, out)?;
        }
        let requester = self.requester(ordered);
        if learner {
            return Ok(self.forward(ordered.op, ordered.body(), requester, out));
        }
        Ok(self.propose(&write, requester, out))
    }

    fn requester(&mut self, ordered: &Ordered<'_>) -> Requester {
        let large = self.large(ordered.frame.len());
        self.large_bytes += large;
        Requester {
            slot: ordered.slot,
            conn: self.conns.get(ordered.slot).map_or(ConnId(0), |c| c.id),
            token: 0,
            xid: ordered.xid,
            at_us: ordered.at_us,
            large,
        }
    }

    /// The bytes of a frame that count as a large request.
    pub(crate) fn large(&self, len: usize) -> usize {
        match self.settings.large_request_threshold {
            Some(threshold) if len > threshold => len,
            _ => 0,
        }
    }

    /// Has the client an identity of one of the schemes that are enforced?
    fn is_authenticated(&self, slot: u32) -> bool {
        let schemes = &self.settings.enforced_schemes;
        let enforced = |scheme: &str| schemes.iter().any(|enforced| enforced == scheme);
        schemes.is_empty()
            || self
                .conns
                .get(slot)
                .is_some_and(|conn| conn.ids.iter().any(|id| enforced(&id.scheme)))
    }

    fn not_authenticated(&mut self, slot: u32, xid: i32, out: &mut Vec<Output>) {
        self.refuse(slot, xid, ErrorCode::SessionClosedRequireSaslAuth);
        if let Some(conn) = self.conns.get(slot).map(|conn| conn.id) {
            self.event(Event::NotAuthenticated { conn });
        }
        self.close(slot, out);
    }

    fn hold(&mut self, slot: u32, frame: Bytes, at_us: u64) {
        self.large_bytes += self.large(frame.len());
        self.held += 1;
        if let Some(conn) = self.conns.get_mut(slot) {
            conn.queue.push(frame, at_us);
        }
    }

    /// From here on everything of the connection waits its turn, writes too.
    pub(crate) fn hold_all(&mut self, slot: u32) {
        if let Some(conn) = self.conns.get_mut(slot) {
            if !conn.throttled {
                conn.throttled = true;
                self.throttled.push_back(conn.id);
            }
        }
    }

    /// The reads before a write that is on its way are all answered at once.
    fn many_reads_wait(&self, slot: u32) -> bool {
        self.conns
            .get(slot)
            .is_some_and(|conn| !conn.queue.is_sorted())
    }

    /// What comes after a lot of replies waits until they are written.
    fn choke_if_full(&mut self, slot: u32, out: &mut Vec<Output>) {
        if let Some(conn) = self.conns.get_mut(slot) {
            // A write that is on its way finds its place at the head of the queue.
            let full = conn.out.len() >= MAX_REPLIES && !conn.choked;
            if full && !conn.queue.has_writes() {
                conn.choked = true;
                out.push(Output::Choke { conn: conn.id });
                self.hold_all(slot);
            }
        }
    }

    /// A connection can take replies again.
    pub(crate) fn drained(&mut self, id: ConnId, out: &mut Vec<Output>) {
        let Some(slot) = self.slot_of(id) else {
            return;
        };
        if let Some(conn) = self.conns.get_mut(slot) {
            conn.choked = false;
        }
        self.drain(slot, out);
        self.resume_if_idle(slot, out);
    }

    fn throttle_is_full(&self) -> bool {
        let max = self.settings.throttle_max_requests;
        max > 0 && self.outstanding_writes() >= max
    }

    /// Goes on with connections that the throttle held back.
    pub(crate) fn wake_throttled(&mut self, out: &mut Vec<Output>) {
        for _ in 0..self.throttled.len() {
            if self.throttle_is_full() {
                return;
            }
            let Some(id) = self.throttled.pop_front() else {
                return;
            };
            if let Some(slot) = self.slot_of(id) {
                self.drain(slot, out);
                self.resume_if_idle(slot, out);
                if self.conns.get(slot).is_some_and(|c| c.throttled) {
                    self.throttled.push_back(id);
                }
            }
        }
    }

    /// Does what waits at the head of a connection's queue, up to the next uncommitted write.
    pub(crate) fn drain(&mut self, slot: u32, out: &mut Vec<Output>) {
        loop {
            let full = self.throttle_is_full();
            let Some(conn) = self.conns.get(slot) else {
                return;
            };
            if matches!(conn.queue.front(), Some(Waiting::Request { .. })) {
                self.choke_if_full(slot, out);
            }
            let Some(conn) = self.conns.get(slot) else {
                return;
            };
            match conn.queue.front() {
                _ if conn.choked => break,
                Some(Waiting::Request { frame, .. })
                    if !full || !self.writes(frame, conn.session) => {}
                _ => break,
            }
            let Some(conn) = self.conns.get_mut(slot) else {
                return;
            };
            let Some(Waiting::Request { frame, at_us }) = conn.queue.pop() else {
                return;
            };
            self.held -= 1;
            self.large_bytes -= self.large(frame.len());
            self.held_request(slot, &frame, at_us, out);
        }
        self.advance(slot, out);
        if let Some(conn) = self.conns.get_mut(slot) {
            conn.throttled &= !conn.queue.is_sorted();
        }
    }

    /// Sends writes on their way that wait behind few reads.
    fn advance(&mut self, slot: u32, out: &mut Vec<Output>) {
        while let Some(conn) = self.conns.get(slot) {
            if conn.choked || conn.phase != Phase::Open {
                return;
            }
            let Some((frame, at_us)) = conn.queue.unsorted() else {
                return;
            };
            let Ok(header) = RequestHeader::read(&mut Reader::new(frame)) else {
                return;
            };
            let op = match valid(header.op) {
                Some(op) if self.ordered(op, conn.session) => op,
                // Sent before the session was there; what comes behind counts on it.
                None if is_proof(header.op) => return,
                _ => {
                    if let Some(conn) = self.conns.get_mut(slot) {
                        conn.queue.is_read();
                    }
                    continue;
                }
            };
            if !self.goes_ahead(slot, op) {
                return;
            }
            let frame = frame.clone();
            let ordered = Ordered {
                slot,
                xid: header.xid,
                op,
                frames: &frame,
                frame: 0..frame.len(),
                at_us,
            };
            // What can't be sent is refused when its turn comes.
            let Ok(token) = self.submit(&ordered, out) else {
                return;
            };
            self.held -= 1;
            self.large_bytes -= self.large(frame.len());
            if let Some(conn) = self.conns.get_mut(slot) {
                conn.queue.is_write(token);
            }
        }
    }

    /// May a write overtake the answers to the reads before it? Behind a throttle each waits its turn,
    /// and behind the end of a session nothing comes.
    fn goes_ahead(&self, slot: u32, op: OpCode) -> bool {
        let settings = &self.settings;
        op != OpCode::CloseSession
            && settings.throttle_max_requests == 0
            && settings.throttled_op_wait_ms == 0
            && self.is_authenticated(slot)
    }

    fn held_request(&mut self, slot: u32, frame: &Bytes, at_us: u64, out: &mut Vec<Output>) {
        let Ok(header) = RequestHeader::read(&mut Reader::new(frame)) else {
            return self.close(slot, out);
        };
        let body = &frame[HEADER..];
        if self.is_stale(slot, header.op, at_us) {
            self.stats.stale_requests += 1;
            if self.settings.drop_stale {
                self.stats.stale_requests_dropped += 1;
                if let Some(conn) = self.conns.get(slot).map(|conn| conn.id) {
                    self.event(Event::StaleRequest { conn });
                }
                return self.close(slot, out);
            }
        }
        if is_proof(header.op) {
            // Sent before the session was there.
            return self.request(slot, frame, 0..frame.len(), out);
        }
        if !self.is_authenticated(slot) {
            return self.not_authenticated(slot, header.xid, out);
        }
        let session = self.conns.get(slot).map_or(0, |conn| conn.session);
        let Some(op) = valid(header.op).filter(|&op| self.ordered(op, session)) else {
            return self.answer(slot, header, body, at_us, out);
        };
        let limit = self.settings.throttled_op_wait_ms * 1000;
        let waited = self.now.mono_us.saturating_sub(at_us);
        if limit > 0 && waited > limit && op != OpCode::CloseSession {
            self.stats.throttled_ops += 1;
            return self.refuse(slot, header.xid, ErrorCode::ThrottledOp);
        }
        let ordered = Ordered {
            slot,
            xid: header.xid,
            op,
            frames: frame,
            frame: 0..frame.len(),
            at_us,
        };
        match self.submit(&ordered, out) {
            Ok(token) => {
                if let Some(conn) = self.conns.get_mut(slot) {
                    conn.queue.put_back(token);
                }
            }
            Err(err) => self.refuse(slot, header.xid, err),
        }
    }

    /// Did a request wait for the throttle until its client must think that this server is gone?
    fn is_stale(&self, slot: u32, op: i32, at_us: u64) -> bool {
        let settings = &self.settings;
        let checked = settings.throttle_max_requests > 0 && settings.stale_latency_check;
        checked
            && op != OpCode::CloseSession.code()
            && self.conns.get(slot).is_some_and(|conn| {
                let waited_ms = self.now.mono_us.saturating_sub(at_us) / 1000;
                conn.session != 0 && waited_ms > u64::try_from(conn.timeout_ms).unwrap_or(0)
            })
    }

    fn writes(&self, frame: &[u8], session: i64) -> bool {
        RequestHeader::read(&mut Reader::new(frame))
            .is_ok_and(|header| valid(header.op).is_some_and(|op| self.ordered(op, session)))
    }

    /// Answers with an error and nothing else.
    pub(crate) fn refuse(&mut self, slot: u32, xid: i32, err: ErrorCode) {
        let zxid = self.db.last_zxid().0;
        if let Some(conn) = self.conns.writer(slot) {
            reply::error(&mut conn.out, xid, zxid, err);
            self.stats.packets_sent += 1;
        }
    }

    fn authenticate(&mut self, slot: u32, xid: i32, body: &[u8], out: &mut Vec<Output>) {
        let Some(conn) = self.conns.get_mut(slot) else {
            return;
        };
        let id = conn.id;
        let Ok(packet) = AuthPacket::from_bytes(body) else {
            self.event(Event::Malformed { conn: id });
            return self.close(slot, out);
        };
        let address = crate::auth::ip::host_address(conn.peer.ip());
        let providers = &self.settings.providers;
        let ok = match providers.authenticate(packet.scheme, packet.auth, &address) {
            Proof::Proved(ids) => {
                let room = conn.add_identities(ids);
                if !room {
                    let what = "identities";
                    self.event(Event::LimitReached { conn: id, what });
                }
                room
            }
            Proof::Failed => false,
            Proof::RightEnsemble { checked: true } => {
                self.stats.ensemble_auth_ok += 1;
                true
            }
            Proof::RightEnsemble { checked: false } => {
                self.stats.ensemble_auth_skipped += 1;
                true
            }
            Proof::WrongEnsemble => {
                self.stats.ensemble_auth_failed += 1;
                let scheme = packet.scheme.to_owned();
                self.event(Event::AuthFailed { conn: id, scheme });
                return self.close(slot, out);
            }
        };
        if let Some(conn) = self.conns.writer(slot) {
            let err = if ok {
                ErrorCode::Ok
            } else {
                ErrorCode::AuthFailed
            };
            reply::error(&mut conn.out, xid, 0, err);
            self.stats.packets_sent += 1;
        }
        if !ok {
            self.stats.auth_failed += 1;
            let scheme = packet.scheme.to_owned();
            self.event(Event::AuthFailed { conn: id, scheme });
            self.close(slot, out);
        }
    }

    /// What a server without SASL answers: yes, with an empty token.
    fn sasl(&mut self, slot: u32, xid: i32) {
        if let Some(conn) = self.conns.writer(slot) {
            reply::ok(&mut conn.out, xid, 0, |out| None::<&[u8]>.write(out));
            self.stats.packets_sent += 1;
        }
    }
}
