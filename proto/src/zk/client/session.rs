//! The session machine (Java: `ClientCnxn.SendThread`). Its driver carries out what [`Session::poll_event`]
//! and [`Session::poll_transmit`] give, tells it what happens to the socket, and calls
//! [`Session::handle_timeout`] when [`Session::poll_timeout`] is due. Time is milliseconds of any
//! clock that never goes back.
//!
//! It never opens a socket, resolves a name or reads a clock.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use crate::buf::Reader;
use crate::jute::Jute;
use crate::zk::op::xid;
use crate::zk::request::{AuthPacket, ConnectRequest};
use crate::zk::response::ReplyHeader;
use crate::zk::watch::{EventType, WatcherEvent};
use crate::zk::{ErrorCode, OpCode};

use super::call::Request;
use super::queue::{Queue, Then};
use super::types::{Config, Credentials, Event, SessionState, States, WatchedEvent};
use super::watches::{Registration, Watches};

/// Between attempts, when every server has been tried.
const MAX_BACKOFF_MS: u64 = 1000;
/// The first wait before the next server.
const MIN_BACKOFF_MS: u64 = 50;
/// A connection that sends nothing gets a ping at least this often.
const MAX_PING_INTERVAL_MS: u64 = 10_000;
/// How often a read-only session looks for a read-write server: doubles up to the maximum.
const MIN_PROBE_MS: u64 = 100;
const MAX_PROBE_MS: u64 = 60_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// no connection until this time
    Waiting {
        until: u64,
    },
    Dialing {
        since: u64,
    },
    /// connected, the session is asked for
    Handshake {
        since: u64,
    },
    Established,
    /// closed, expired or refused
    Dead,
}

#[derive(Debug)]
pub struct Session {
    config: Config,
    states: States,
    phase: Phase,
    /// what watchers were told last
    told: SessionState,
    credentials: Credentials,
    /// negotiated, or asked for
    timeout_ms: u64,
    last_zxid: i64,
    seen_read_write: bool,
    closing: bool,
    next_server: usize,
    /// servers tried in vain since the last session
    failures: u32,
    /// a read-write server that a probe found
    found: Option<usize>,
    probe: Option<usize>,
    next_probe: u64,
    probe_interval: u64,
    last_heard: u64,
    last_sent: u64,
    random: u64,
    auth: Vec<(String, Option<Vec<u8>>)>,
    watches: Watches,
    queue: Queue,
    events: VecDeque<Event>,
}

impl Session {
    /// A session that dials at once. `config.servers` has at least one.
    pub fn new(config: Config, now: u64) -> Self {
        let credentials = config.session.clone().unwrap_or_else(|| Credentials {
            id: 0,
            password: vec![0; 16],
        });
        Self {
            states: States::Connecting,
            phase: Phase::Waiting { until: now },
            told: SessionState::Disconnected,
            timeout_ms: config.timeout_ms.max(1) as u64,
            last_zxid: 0,
            seen_read_write: config.session.is_some(),
            credentials,
            closing: false,
            next_server: 0,
            failures: 0,
            found: None,
            probe: None,
            next_probe: 0,
            probe_interval: MIN_PROBE_MS,
            last_heard: now,
            last_sent: now,
            random: config.seed | 1,
            auth: Vec::new(),
            watches: Watches::default(),
            queue: Queue::default(),
            events: VecDeque::new(),
            config,
        }
    }

    pub fn states(&self) -> States {
        self.states
    }

    /// Id 0 until a server gave one.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The timeout that counts, in milliseconds.
    pub fn timeout_ms(&self) -> u64 {
        self.timeout_ms
    }

    /// Whether another request should be submitted now; there is no refusal, the driver waits.
    pub fn has_room(&self) -> bool {
        self.queue.len() < self.config.max_outstanding
    }

    /// Whether nothing will happen any more.
    pub fn is_dead(&self) -> bool {
        self.phase == Phase::Dead
    }

    // ---- what the user asks for ----------------------------------------------------------------

    /// Sends a request; its answer comes as [`Event::Reply`] with this `id`, whatever happens.
    pub fn submit(&mut self, now: u64, id: u64, mut request: Request) {
        if let Some(code) = self.refusal() {
            let then = Then::from((id, &mut request));
            self.fail(then, code);
            return;
        }
        let then = Then::from((id, &mut request));
        if self.phase == Phase::Established {
            self.last_sent = now;
            self.queue.send(request.op, &request.body, then);
        } else {
            self.queue.wait(request.op, request.body, then);
        }
    }

    /// Authenticates this and every later connection.
    pub fn add_auth(&mut self, now: u64, scheme: &str, auth: Option<&[u8]>) {
        if !self.states.is_alive() {
            return;
        }
        self.auth
            .push((scheme.to_owned(), auth.map(<[u8]>::to_vec)));
        if self.phase == Phase::Established {
            self.last_sent = now;
            self.send_auth(self.auth.len() - 1);
        }
    }

    /// Ends the session at the server, after the requests before. [`SessionState::Closed`] tells
    /// that it is done, or that no server could be told.
    pub fn close(&mut self, now: u64) {
        if self.closing || self.phase == Phase::Dead {
            return;
        }
        self.closing = true;
        match self.phase {
            Phase::Established => {
                self.last_sent = now;
                self.queue.send(OpCode::CloseSession, &[], Then::Closed);
            }
            Phase::Dialing { .. } | Phase::Handshake { .. } => {
                self.queue
                    .wait(OpCode::CloseSession, Vec::new(), Then::Closed);
            }
            Phase::Waiting { .. } | Phase::Dead => {
                self.finish(States::Closed, SessionState::Closed)
            }
        }
    }

    // ---- what happens to the socket ------------------------------------------------------------

    /// The connection that [`Event::Dial`] asked for stands.
    pub fn connected(&mut self, now: u64) {
        if !matches!(self.phase, Phase::Dialing { .. }) {
            return;
        }
        self.phase = Phase::Handshake { since: now };
        self.last_heard = now;
        self.last_sent = now;
        let session_id = if self.seen_read_write {
            self.credentials.id
        } else {
            0
        };
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: self.last_zxid,
            timeout: self.config.timeout_ms,
            session_id,
            password: Some(&self.credentials.password),
            read_only: self.config.read_only,
        };
        let body = request.to_vec();
        self.queue.send_bare(&body);
    }

    /// The connection, or the attempt at one, is gone.
    pub fn disconnected(&mut self, now: u64) {
        if !matches!(self.phase, Phase::Waiting { .. } | Phase::Dead) {
            self.lost(now, false);
        }
    }

    /// Bytes came; whole frames are taken from `input`, replies share its memory.
    pub fn handle_bytes(&mut self, now: u64, input: &mut BytesMut) {
        while matches!(self.phase, Phase::Handshake { .. } | Phase::Established) {
            let Some(length) = input.first_chunk::<4>() else {
                return;
            };
            let length = match usize::try_from(i32::from_be_bytes(*length)) {
                Ok(length) if length <= self.config.max_frame => length,
                _ => return self.lost(now, true),
            };
            if input.len() < 4 + length {
                return;
            }
            input.advance(4);
            let frame = input.split_to(length).freeze();
            self.last_heard = now;
            let read = match self.phase {
                Phase::Handshake { .. } => self.connect_reply(now, &frame),
                _ => self.reply(&frame),
            };
            if read.is_err() {
                return self.lost(now, true);
            }
        }
    }

    /// What a probe found.
    pub fn probed(&mut self, now: u64, read_write: bool) {
        let Some(index) = self.probe.take() else {
            return;
        };
        if read_write && self.states == States::ConnectedReadOnly {
            self.found = Some(index);
            self.probe_interval = MIN_PROBE_MS;
            self.lost(now, true);
        }
    }

    // ---- time ----------------------------------------------------------------------------------

    /// When [`Self::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<u64> {
        let own = match self.phase {
            Phase::Dead => return None,
            Phase::Waiting { until } => until,
            Phase::Dialing { since } | Phase::Handshake { since } => since + self.connect_timeout(),
            Phase::Established => {
                let probe = if self.states == States::ConnectedReadOnly {
                    self.next_probe
                } else {
                    u64::MAX
                };
                (self.last_heard + self.read_timeout())
                    .min(self.next_ping())
                    .min(probe)
            }
        };
        Some(self.expiry().map_or(own, |expiry| own.min(expiry)))
    }

    pub fn handle_timeout(&mut self, now: u64) {
        if self.phase != Phase::Dead && self.expiry().is_some_and(|expiry| now >= expiry) {
            return self.finish(States::Closed, SessionState::Expired);
        }
        match self.phase {
            Phase::Waiting { until } if now >= until => self.dial(now),
            Phase::Dialing { since } | Phase::Handshake { since }
                if now >= since + self.connect_timeout() =>
            {
                self.lost(now, true);
            }
            Phase::Established if now >= self.last_heard + self.read_timeout() => {
                self.lost(now, true);
            }
            Phase::Established => {
                if now >= self.next_ping() {
                    self.last_sent = now;
                    self.queue.send_special(xid::PING, OpCode::Ping, &[]);
                }
                self.probe_if_due(now);
            }
            _ => {}
        }
    }

    /// Every server gets its share of the timeout.
    fn connect_timeout(&self) -> u64 {
        (self.timeout_ms / self.config.servers.len().max(1) as u64).max(1)
    }

    fn read_timeout(&self) -> u64 {
        (self.timeout_ms * 2 / 3).max(1)
    }

    /// At a third of the timeout, and a second before it where there is room for that: a ping that
    /// is lost or slow leaves time for another one.
    fn next_ping(&self) -> u64 {
        let third = self.read_timeout() / 2;
        let early = if third > 2000 { third - 1000 } else { third };
        self.last_sent + early.clamp(1, MAX_PING_INTERVAL_MS)
    }

    fn expiry(&self) -> Option<u64> {
        (self.config.expire_unheard && self.credentials.id != 0)
            .then(|| self.last_heard + self.timeout_ms * 4 / 3)
    }

    fn probe_if_due(&mut self, now: u64) {
        if self.states != States::ConnectedReadOnly || now < self.next_probe {
            return;
        }
        let index = self.take_server();
        self.probe = Some(index);
        self.events
            .push_back(Event::Probe(self.config.servers[index].clone()));
        self.probe_interval = (2 * self.probe_interval).min(MAX_PROBE_MS);
        self.next_probe = now + self.probe_interval;
    }

    // ---- what comes out ------------------------------------------------------------------------

    /// Bytes for the socket.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.queue.take_out()
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    // ---- inside --------------------------------------------------------------------------------

    fn refusal(&self) -> Option<ErrorCode> {
        match self.states {
            States::AuthFailed => Some(ErrorCode::AuthFailed),
            States::Closed => Some(ErrorCode::SessionExpired),
            _ => self.closing.then_some(ErrorCode::ConnectionLoss),
        }
    }

    fn take_server(&mut self) -> usize {
        let index = self.next_server % self.config.servers.len();
        self.next_server = index + 1;
        index
    }

    fn dial(&mut self, now: u64) {
        let index = match self.found.take() {
            Some(index) => index,
            None => self.take_server(),
        };
        self.phase = Phase::Dialing { since: now };
        self.events
            .push_back(Event::Dial(self.config.servers[index].clone()));
    }

    /// xorshift: spreads the clients of a server that died.
    fn jitter(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below.max(1)
    }

    fn tell(&mut self, state: SessionState) {
        if self.told != state {
            self.told = state;
            self.events.push_back(Event::State(state));
        }
    }

    /// The connection is of no use any more: fails what was asked through it, tries the next.
    fn lost(&mut self, now: u64, hang_up: bool) {
        if hang_up {
            self.events.push_back(Event::HangUp);
        }
        if self.closing {
            return self.finish(States::Closed, SessionState::Closed);
        }
        self.states = States::Connecting;
        self.probe = None;
        for then in self.queue.take_all() {
            self.fail(then, ErrorCode::ConnectionLoss);
        }
        self.tell(SessionState::Disconnected);
        let rounds = self.failures / self.config.servers.len().max(1) as u32;
        let most = (MIN_BACKOFF_MS << rounds.min(8)).min(MAX_BACKOFF_MS);
        let wait = if self.found.is_some() {
            0
        } else {
            most / 2 + self.jitter(most / 2)
        };
        self.failures = self.failures.saturating_add(1);
        self.phase = Phase::Waiting { until: now + wait };
    }

    /// The end of the session, one way or another.
    fn finish(&mut self, states: States, state: SessionState) {
        if !matches!(self.phase, Phase::Waiting { .. }) {
            self.events.push_back(Event::HangUp);
        }
        self.states = states;
        self.phase = Phase::Dead;
        let code = match states {
            States::AuthFailed => ErrorCode::AuthFailed,
            _ => ErrorCode::SessionExpired,
        };
        for then in self.queue.take_all() {
            self.fail(then, code);
        }
        self.tell(state);
    }

    fn fail(&mut self, then: Then, code: ErrorCode) {
        if let Then::Reply { id, registration } = then {
            self.answer(id, registration, 0, Err(code));
        }
    }

    fn send_auth(&mut self, index: usize) {
        let (scheme, auth) = &self.auth[index];
        let packet = AuthPacket {
            auth_type: 0,
            scheme,
            auth: auth.as_deref(),
        };
        let body = packet.to_vec();
        self.queue.send_special(xid::AUTH, OpCode::Auth, &body);
    }

    /// `ConnectResponse`; servers before 3.4 end without `readOnly`.
    fn connect_reply(&mut self, now: u64, frame: &Bytes) -> Result<(), crate::buf::ReadError> {
        let mut r = Reader::new(frame);
        let _protocol_version = i32::read(&mut r)?;
        let timeout = i32::read(&mut r)?;
        let id = i64::read(&mut r)?;
        let password = Option::<&[u8]>::read(&mut r)?.unwrap_or_default().to_vec();
        let read_only = !r.is_empty() && bool::read(&mut r)?;
        if timeout <= 0 {
            self.finish(States::Closed, SessionState::Expired);
            return Ok(());
        }
        self.timeout_ms = timeout as u64;
        self.credentials = Credentials { id, password };
        self.phase = Phase::Established;
        self.failures = 0;
        self.seen_read_write |= !read_only;
        self.last_sent = now;
        for index in 0..self.auth.len() {
            self.send_auth(index);
        }
        for (op, body) in self.watches.requests(self.last_zxid) {
            self.queue.send_set_watches(op, &body);
        }
        self.queue.send_waiting();
        if read_only {
            self.states = States::ConnectedReadOnly;
            self.next_probe = now + self.probe_interval;
            self.tell(SessionState::ConnectedReadOnly);
        } else {
            self.states = States::Connected;
            self.tell(SessionState::SyncConnected);
        }
        Ok(())
    }

    fn reply(&mut self, frame: &Bytes) -> Result<(), crate::buf::ReadError> {
        let mut r = Reader::new(frame);
        let header = ReplyHeader::read(&mut r)?;
        match header.xid {
            xid::PING => return Ok(()),
            xid::AUTH => {
                if header.err == ErrorCode::AuthFailed.code() {
                    self.finish(States::AuthFailed, SessionState::AuthFailed);
                }
                return Ok(());
            }
            xid::NOTIFICATION => {
                let event = WatcherEvent::read(&mut r)?;
                self.notification(&event, header.zxid);
                return Ok(());
            }
            _ => {}
        }
        let Ok(then) = self.queue.answered(header.xid) else {
            return Err(crate::buf::ReadError::Invalid("xid of a reply"));
        };
        if header.zxid > 0 {
            self.last_zxid = header.zxid;
        }
        match then {
            Then::Ignore => {}
            Then::Closed => self.finish(States::Closed, SessionState::Closed),
            Then::Reply { id, registration } => {
                let result = match ErrorCode::from_code(header.err) {
                    Some(ErrorCode::Ok) => Ok(frame.slice(r.position()..)),
                    Some(code) => Err(code),
                    None => Err(ErrorCode::SystemError),
                };
                self.answer(id, registration, header.zxid, result);
            }
        }
        Ok(())
    }

    fn notification(&mut self, event: &WatcherEvent<'_>, zxid: i64) {
        let Some(kind) = EventType::from_code(event.event_type) else {
            return;
        };
        if self.watches.fire(kind, event.path) {
            self.push_watch(kind, event.path, zxid);
        }
    }

    fn push_watch(&mut self, event: EventType, server_path: &str, zxid: i64) {
        let path = self.config.chroot.to_client(server_path).to_owned();
        let state = if self.states.is_connected() {
            SessionState::SyncConnected
        } else {
            SessionState::Disconnected
        };
        let event = WatchedEvent {
            event,
            path,
            state,
            zxid,
        };
        self.events.push_back(Event::Watch(event));
    }

    /// Hands an answer over, after what it means for the watches.
    fn answer(
        &mut self,
        id: u64,
        registration: Option<Registration>,
        zxid: i64,
        mut result: Result<Bytes, ErrorCode>,
    ) {
        let code = result.as_ref().err().copied().unwrap_or(ErrorCode::Ok);
        match registration {
            None => {}
            Some(Registration::Remove { path, kind, local }) => {
                if !self.watches.contains(&path, kind) {
                    result = Err(ErrorCode::NoWatcher);
                } else if code == ErrorCode::Ok || local {
                    for event in self.watches.remove(&path, kind) {
                        self.push_watch(event, &path, -1);
                    }
                    result = result.or_else(|_| Ok(Bytes::new()));
                }
            }
            Some(registration) => self.watches.register(registration, code),
        }
        self.events.push_back(Event::Reply { id, zxid, result });
    }
}
