//! What the rest of the ensemble tells this server, and what follows from it (Java: the server
//! sides of `Leader`, `Follower` and `Observer`).

use bytes::Bytes;
use proto::buf::Reader;
use proto::jute::Jute;
use proto::zk::{ErrorCode, OpCode};

use crate::mutants::{self, Mutant};
use crate::pipeline::prep::Allowed;
use crate::pipeline::reconfig::Views;
use crate::pipeline::request::Write;
use crate::session::Owner;

use super::conn::Phase;
use super::io::{FromQuorum, Mode, Output, RemoteRequest, ToQuorum};
use super::server::Server;
use crate::units::{ConnId, LinkId};

impl Server {
    pub(super) fn hear(&mut self, told: FromQuorum, out: &mut Vec<Output>) {
        if self.mode == Mode::Leading {
            self.hear_as_leader(told, out);
        } else if self.is_learner() {
            self.hear_as_learner(told, out);
        }
    }

    fn hear_as_leader(&mut self, told: FromQuorum, out: &mut Vec<Output>) {
        match told {
            FromQuorum::Commit { zxid } => self.commit_to(zxid.0, out),
            FromQuorum::Remote(request) => self.remote(&request, out),
            FromQuorum::Touch {
                session,
                timeout_ms,
            } => {
                if !mutants::is(Mutant::ForgetTouches) {
                    self.tracker.touch(session, timeout_ms);
                }
            }
            FromQuorum::Revalidate {
                link,
                session,
                timeout_ms,
            } => self.revalidate(link, session, timeout_ms, out),
            FromQuorum::Views { active, seen } => {
                let synced = self.views.take().map(|views| views.synced);
                self.views = Some(Box::new(Views {
                    active,
                    seen,
                    synced: synced.unwrap_or_default(),
                }));
            }
            FromQuorum::SyncedLearners(synced) => {
                if let Some(views) = &mut self.views {
                    views.synced = synced;
                }
            }
            FromQuorum::Proposal { .. }
            | FromQuorum::Pending { .. }
            | FromQuorum::Revalidated { .. }
            | FromQuorum::Synced => {}
        }
    }

    fn hear_as_learner(&mut self, told: FromQuorum, out: &mut Vec<Output>) {
        match told {
            FromQuorum::Commit { zxid } => self.commit_to(zxid.0, out),
            FromQuorum::Proposal { zxid, record } => self.proposed(zxid, record, false, out),
            FromQuorum::Pending { zxid, record } => self.proposed(zxid, record, true, out),
            FromQuorum::Revalidated { session, valid } => self.revalidated(session, valid, out),
            FromQuorum::Synced => self.synced(out),
            // of an observer that this follower serves
            FromQuorum::Touch {
                session,
                timeout_ms,
            } => {
                self.touch(session, timeout_ms);
            }
            FromQuorum::Remote(_)
            | FromQuorum::Revalidate { .. }
            | FromQuorum::Views { .. }
            | FromQuorum::SyncedLearners(_) => {}
        }
    }

    /// A learner's client wants something: a transaction answers in every case.
    fn remote(&mut self, request: &RemoteRequest, out: &mut Vec<Output>) {
        let Some(op) = OpCode::from_code(request.op) else {
            return;
        };
        let RemoteRequest { session, xid, .. } = *request;
        let owner = Owner::Link(request.link);
        let mut allowed = Allowed::ALL;
        let write = match op {
            OpCode::CreateSession => self.remote_session(session, owner, &request.body),
            OpCode::CloseSession => Write::CloseSession,
            op => match Write::read(op, &request.body) {
                Ok(write) => {
                    allowed = self.allowed(session, owner);
                    write
                }
                Err(_) => Write::Refused {
                    op,
                    err: ErrorCode::MarshallingError,
                },
            },
        };
        self.propose_remote((session, xid), &write, &request.ids, allowed, out);
    }

    fn remote_session(&mut self, session: i64, owner: Owner, body: &Bytes) -> Write<'static> {
        let refused = |err| Write::Refused {
            op: OpCode::CreateSession,
            err,
        };
        let Ok(timeout) = i32::read(&mut Reader::new(body)) else {
            return refused(ErrorCode::MarshallingError);
        };
        self.tracker.track(session, timeout);
        if !self.tracker.is_alive(session) {
            return refused(ErrorCode::SessionExpired);
        }
        self.tracker.set_owner(session, owner);
        Write::CreateSession { timeout }
    }

    /// A learner's client has come back with this session: it belongs to that learner from here on
    /// (Java: `Leader.revalidateSession`).
    fn revalidate(&mut self, link: LinkId, session: i64, timeout_ms: i32, out: &mut Vec<Output>) {
        self.stats.revalidations += 1;
        let valid = self.tracker.is_global(session)
            && self.tracker.touch(session, timeout_ms)
            && !mutants::is(Mutant::ForgetSessions);
        if valid {
            self.tracker.set_owner(session, Owner::Link(link));
            // Its connection here, if it still has one, must not write any more.
            if let Some(&slot) = self.by_session.get(&session) {
                self.close(slot, out);
            }
        }
        out.push(Output::Quorum(ToQuorum::Revalidated {
            link,
            session,
            valid,
        }));
    }

    /// Asks the leader whether a session lives that a client has come back with.
    pub(super) fn ask_leader(&mut self, slot: u32, session: i64, out: &mut Vec<Output>) {
        let Some(conn) = self.conns.get_mut(slot) else {
            return;
        };
        conn.session = session;
        conn.phase = Phase::Connecting;
        let waiting = self.revalidations.entry(session).or_default();
        waiting.push_back((slot, conn.id));
        out.push(Output::Quorum(ToQuorum::Revalidate {
            session,
            timeout_ms: conn.timeout_ms,
        }));
    }

    fn revalidated(&mut self, session: i64, valid: bool, out: &mut Vec<Output>) {
        let Some(waiting) = self.revalidations.get_mut(&session) else {
            return;
        };
        let oldest: Option<(u32, ConnId)> = waiting.pop_front();
        if waiting.is_empty() {
            self.revalidations.remove(&session);
        }
        let Some((slot, conn)) = oldest else { return };
        if self.conns.get(slot).is_none_or(|there| there.id != conn) {
            return;
        }
        if valid {
            self.take_over(slot, session, out);
        }
        self.finish_session_init(slot, valid, out);
        self.begin_requests(slot, out);
    }

    /// The client's session is known; what it sent meanwhile gets its turn.
    pub(crate) fn begin_requests(&mut self, slot: u32, out: &mut Vec<Output>) {
        if self.conns.get(slot).is_some_and(|c| !c.queue.is_empty()) {
            self.hold_all(slot);
        }
        self.drain(slot, out);
        self.resume_if_idle(slot, out);
        if let Some(conn) = self.conns.get_mut(slot) {
            conn.queue.trim();
        }
    }

    /// This server has heard of a session. False when there is none any more.
    pub(crate) fn touch(&mut self, session: i64, timeout_ms: i32) -> bool {
        if !self.is_learner() {
            return self.tracker.touch(session, timeout_ms);
        }
        if self.settings.local_sessions {
            if self.tracker.is_local(session) {
                return self.tracker.touch(session, timeout_ms);
            }
            let known = self.db.sessions().contains_key(&session);
            if !known && !self.upgrading.contains(&session) {
                return false;
            }
        }
        self.touched.insert(session, timeout_ms);
        true
    }

    /// Learner: the sessions that were heard of since the last call, with their timeouts, for the
    /// answer to the leader's ping.
    pub fn take_touched(&mut self) -> Vec<(i64, i32)> {
        let mut touched: Vec<_> = self.touched.drain().collect();
        touched.sort_unstable();
        touched
    }

    /// Ephemerals whose session is gone are deleted everywhere, by transactions (Java's leader deletes
    /// its own alone; alone, Java's server writes a snapshot without them before it serves).
    pub(super) fn close_orphans(&mut self, out: &mut Vec<Output>) {
        for session in std::mem::take(&mut self.orphans) {
            self.close_session_of(session, out);
        }
    }
}
