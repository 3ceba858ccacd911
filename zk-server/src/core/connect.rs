//! The first frame of a connection: a new session, or an old one resumed (Java:
//! `ZooKeeperServer.processConnectRequest`, `finishSessionInit`).

use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::request::ConnectRequest;
use proto::zk::response::ConnectResponse;

use crate::pipeline::commit::Requester;
use crate::pipeline::request::Write;
use crate::session::Owner;
use crate::session::id::password;

use super::conn::Phase;
use super::io::{Mode, Output};
use super::server::{Event, Server};
use crate::units::ConnId;

impl Server {
    pub(super) fn connect(&mut self, slot: u32, frame: &[u8], out: &mut Vec<Output>) {
        let Some(conn) = self.conns.get_mut(slot) else {
            return;
        };
        let id = conn.id;
        let Ok((request, knows_read_only)) = ConnectRequest::read_lenient(frame) else {
            self.event(Event::Malformed { conn: id });
            return self.close(slot, out);
        };
        let resumed = request.session_id != 0;
        if !self.throttle.admits(resumed, self.now.mono_us / 1000) {
            self.stats.connections_throttled += 1;
            // At the first, second, fourth and so on: a crowd must not fill the log.
            if self.stats.connections_throttled.is_power_of_two() {
                self.event(Event::ConnectionThrottled { conn: id });
            }
            return self.close(slot, out);
        }
        self.stats.token_deficit.add(self.throttle.deficit());
        self.stats.connection_requests += 1;
        if self.mode == Mode::Leading && !self.settings.leader_serves {
            return self.close(slot, out);
        }
        if self.mode == Mode::ReadOnly && !request.read_only {
            self.event(Event::ReadWriteClient { conn: id });
            return self.close(slot, out);
        }
        let ours = self.db.last_zxid().0;
        if request.last_zxid_seen > ours {
            let seen = request.last_zxid_seen;
            self.event(Event::ClientAhead {
                conn: id,
                seen,
                ours,
            });
            return self.close(slot, out);
        }
        let timeout = request
            .timeout
            .max(self.settings.min_session_timeout_ms)
            .min(self.settings.max_session_timeout_ms);
        conn.knows_read_only = knows_read_only;
        conn.timeout_ms = timeout;
        if request.session_id == 0 {
            let session = self.next_session;
            self.next_session += 1;
            conn.session = session;
            conn.phase = Phase::Connecting;
            self.by_session.insert(session, slot);
            self.create_session(slot, session, timeout, out);
        } else {
            self.resume(slot, &request, timeout, out);
        }
    }

    fn create_session(&mut self, slot: u32, session: i64, timeout: i32, out: &mut Vec<Output>) {
        let local = self.settings.local_sessions && self.mode != Mode::Standalone;
        if local || self.mode == Mode::ReadOnly {
            self.tracker.track_local(session, timeout);
            return self.finish_session_init(slot, true, out);
        }
        let conn = self.conns.get(slot).map_or(ConnId(0), |conn| conn.id);
        let requester = Requester {
            slot,
            conn,
            token: 0,
            xid: 0,
            at_us: self.now.mono_us,
            large: 0,
        };
        let token = if self.is_learner() {
            let body = timeout.to_vec().into();
            self.forward(OpCode::CreateSession, body, requester, out)
        } else {
            self.tracker.track(session, timeout);
            self.tracker.set_owner(session, Owner::Here);
            self.propose(&Write::CreateSession { timeout }, requester, out)
        };
        if let Some(conn) = self.conns.get_mut(slot) {
            conn.queue.push_write(token);
        }
    }

    fn resume(
        &mut self,
        slot: u32,
        request: &ConnectRequest<'_>,
        timeout: i32,
        out: &mut Vec<Output>,
    ) {
        let session = request.session_id;
        self.stats.connection_revalidations += 1;
        let knows = request.password == Some(&password(session)[..]);
        let local = self.tracker.is_local(session);
        if self.mode == Mode::ReadOnly && !local {
            if self.db.sessions().contains_key(&session) {
                // Nobody could close or keep it here.
                return self.close(slot, out);
            }
            // It may be one of the ensemble that has not come here: nobody can tell that it is over.
            // Java too lets it read.
            if knows {
                self.tracker.track_local(session, timeout);
            }
        }
        if knows && self.is_learner() && !local {
            return self.ask_leader(slot, session, out);
        }
        let valid = knows && self.tracker.touch(session, timeout);
        if valid {
            self.tracker.set_owner(session, Owner::Here);
            self.take_over(slot, session, out);
        }
        self.finish_session_init(slot, valid, out);
    }

    /// The session belongs to this connection. Unlike Java only for one who knows the password.
    pub(super) fn take_over(&mut self, slot: u32, session: i64, out: &mut Vec<Output>) {
        if let Some(old) = self.by_session.insert(session, slot) {
            self.close(old, out);
            self.by_session.insert(session, slot);
        }
        if let Some(conn) = self.conns.get_mut(slot) {
            conn.session = session;
        }
    }

    /// Tells the client its session, or that it has none any more.
    pub(crate) fn finish_session_init(&mut self, slot: u32, valid: bool, out: &mut Vec<Output>) {
        let Some(conn) = self.conns.writer(slot) else {
            return;
        };
        let password = if valid {
            password(conn.session)
        } else {
            [0; 16]
        };
        let start = conn.out.len();
        conn.out.extend_from_slice(&[0; 4]);
        ConnectResponse {
            protocol_version: 0,
            timeout: if valid { conn.timeout_ms } else { 0 },
            session_id: if valid { conn.session } else { 0 },
            password: Some(&password),
            read_only: self.mode == Mode::ReadOnly,
        }
        .write(&mut conn.out);
        if !conn.knows_read_only {
            conn.out.pop();
        }
        let len = (conn.out.len() - start - 4) as u32;
        conn.out[start..start + 4].copy_from_slice(&len.to_be_bytes());
        self.stats.packets_sent += 1;
        if valid {
            conn.phase = Phase::Open;
        } else {
            self.close(slot, out);
        }
    }
}
