//! Simulated clients: one session each, over whatever server they reach, with requests under way,
//! watches, pings, and a new connection when the old one is gone.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::{Bytes, BytesMut};
use proto::buf::Reader;
use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::error::ErrorCode;
use proto::zk::op::xid;
use proto::zk::request::{ConnectRequest, CreateMode};
use proto::zk::response::{ConnectResponse, ReplyHeader};
use zk_server::core::io::Input;
use zk_server::peer::PeerInput;
use zk_server::units::ConnId;

use crate::zk::oracle::{Acls, Request};
use crate::zk::{frame, plain_connect};

use super::history::{self, EXPIRY_IS_REAL, History, Pending, SessionView, WatchKind};
use super::observe::HEALS_WITHIN;
use super::operation::Operation;
use super::plan::MS;
use super::world::{Event, FromClient, FromServer, World};

/// Requests that a client has under way at most.
const WINDOW: usize = 4;

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    Away,
    Connecting,
    Connected,
}

#[derive(Debug)]
pub struct Client {
    turn: u64,
    phase: Phase,
    conn: u64,
    /// index of the server that it was connected to last
    server: usize,
    view: SessionView,
    password: Vec<u8>,
    next_xid: i32,
    pending: Vec<Pending>,
    input: BytesMut,
    last_heard: u64,
    last_sent: u64,
    /// sent at once when the connection stands
    made: u64,
    pub silent_until: u64,
    /// when its last write was acknowledged
    pub last_write: u64,
}

/// A connection between a client and a server.
#[derive(Debug)]
pub struct Conn {
    client: usize,
    pub server: usize,
    life: u64,
    id: ConnId,
    last_up: u64,
    last_down: u64,
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl Client {
    pub fn new() -> Self {
        Self {
            turn: 0,
            phase: Phase::Away,
            conn: 0,
            server: 0,
            view: SessionView::default(),
            password: vec![0; 16],
            next_xid: 1,
            pending: Vec::new(),
            input: BytesMut::new(),
            last_heard: 0,
            last_sent: 0,
            made: 0,
            silent_until: 0,
            last_write: 0,
        }
    }

    /// 0 when it has none
    pub fn session(&self) -> i64 {
        self.view.session
    }

    /// Connected, and by this session.
    pub fn talks_as(&self, session: i64) -> bool {
        self.phase == Phase::Connected && self.view.session == session
    }

    /// A connection is gone: nobody knows what became of what was under way.
    fn lose(&mut self) {
        self.phase = Phase::Away;
        self.conn = 0;
        self.pending.clear();
        self.input.clear();
    }
}

impl World {
    fn timeout_us(&self) -> u64 {
        // Some expire during a fault, most do not.
        8 * self.plan.tick_time_ms * MS
    }

    /// A client's turn.
    pub(super) fn act(&mut self, index: usize, turn: u64) {
        if self.clients[index].turn != turn {
            return;
        }
        let timeout = self.timeout_us();
        let client = &self.clients[index];
        match client.phase {
            Phase::Away => self.connect(index),
            Phase::Connecting | Phase::Connected
                if self.now > client.last_heard + timeout * 2 / 3 =>
            {
                self.hang_up(index);
            }
            Phase::Connecting => {}
            Phase::Connected => self.work(index),
        }
        let think = self.plan.think_us / 2 + self.rng.next_u64() % self.plan.think_us;
        let at = self.now + think;
        self.schedule(
            at,
            Event::Act {
                client: index,
                turn,
            },
        );
    }

    fn connect(&mut self, index: usize) {
        let servers = self.servers.len();
        let server = self.rng.below(servers);
        let client = &mut self.clients[index];
        client.view.read_only = false;
        if client.view.cut_off {
            // A session of a server that was cut off is worth nothing elsewhere (Java's clients too
            // ask for a new one).
            client.view = SessionView {
                seen: client.view.seen,
                ..SessionView::default()
            };
            client.password = vec![0; 16];
        }
        let number = self.next_conn;
        self.next_conn += 1;
        let conn = Conn {
            client: index,
            server,
            life: self.servers[server].life,
            id: ConnId(number),
            last_up: self.now,
            last_down: self.now,
        };
        self.conns.insert(number, conn);
        let timeout = (self.timeout_us() / MS) as i32;
        let now = self.now;
        let client = &mut self.clients[index];
        if client.view.session != 0 && client.server != server {
            self.coverage.happened("session moved to another server");
        }
        client.phase = Phase::Connecting;
        client.conn = number;
        client.server = server;
        client.last_heard = now;
        client.last_sent = now;
        let request = plain_connect(&ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: client.view.seen,
            timeout,
            session_id: client.view.session,
            password: Some(&client.password),
            read_only: self.plan.read_only && index % 2 == 0,
        });
        let view = &self.clients[index].view;
        let (session, seen) = (view.session, view.seen);
        self.say(|| {
            let server = server + 1;
            format!(
                "client {index} connects to {server}, session 0x{session:x}, has seen 0x{seen:x}"
            )
        });
        self.tell_server(number, FromClient::Open);
        self.tell_server(number, FromClient::Frames(request.into()));
    }

    fn hang_up(&mut self, index: usize) {
        let conn = self.clients[index].conn;
        self.say(|| format!("client {index} hangs up"));
        self.clients[index].lose();
        self.tell_server(conn, FromClient::Closed);
    }

    /// The network between a client and its server breaks.
    pub(super) fn cut_client(&mut self, index: usize) {
        let conn = self.clients[index].conn;
        if self.conns.contains_key(&conn) {
            self.tell_server(conn, FromClient::Closed);
            self.tell_client(conn, FromServer::Closed);
        }
    }

    fn tell_server(&mut self, conn: u64, what: FromClient) {
        let delay = self.delay();
        let now = self.now;
        let Some(known) = self.conns.get_mut(&conn) else {
            return;
        };
        let silent = self.clients[known.client].silent_until;
        let at = (now + delay).max(known.last_up + 1).max(silent);
        known.last_up = at;
        self.schedule(at, Event::ToServer { conn, what });
    }

    pub(super) fn tell_client(&mut self, conn: u64, what: FromServer) {
        let delay = self.delay();
        let now = self.now;
        let Some(known) = self.conns.get_mut(&conn) else {
            return;
        };
        let silent = self.clients[known.client].silent_until;
        let at = (now + delay).max(known.last_down + 1).max(silent);
        known.last_down = at;
        self.schedule(at, Event::ToClient { conn, what });
    }

    pub(super) fn reach_server(&mut self, number: u64, what: FromClient) {
        let Some(conn) = self.conns.get(&number) else {
            return;
        };
        let (server, life, id) = (conn.server, conn.life, conn.id);
        let there = self.servers[server].life == life && self.servers[server].live.is_some();
        if !there {
            if let Some(conn) = self.conns.get_mut(&number) {
                conn.life = 0;
            }
            return self.tell_client(number, FromServer::Closed);
        }
        let input = match what {
            FromClient::Open => {
                if let Some(live) = &mut self.servers[server].live {
                    live.conns.insert(id, number);
                }
                let peer = SocketAddr::from((Ipv4Addr::new(10, 1, 0, 1), number as u16));
                Input::Connected { conn: id, peer }
            }
            FromClient::Frames(frames) => {
                if self.conn_of(server, id).is_none() {
                    return;
                }
                Input::Frames { conn: id, frames }
            }
            FromClient::Closed => {
                let live = self.servers[server].live.as_mut();
                if live.and_then(|live| live.conns.remove(&id)).is_none() {
                    return;
                }
                Input::Disconnected { conn: id }
            }
        };
        self.input(server, life, PeerInput::Client(input));
    }

    /// The process of a server is gone: so are its connections.
    pub(super) fn drop_conns(&mut self, server: usize) {
        let Some(live) = &mut self.servers[server].live else {
            return;
        };
        for number in std::mem::take(&mut live.conns).into_values() {
            self.tell_client(number, FromServer::Closed);
        }
    }

    pub(super) fn reach_client(&mut self, number: u64, what: FromServer) {
        let Some(conn) = self.conns.get(&number) else {
            return;
        };
        let index = conn.client;
        let current = self.clients[index].conn == number;
        match what {
            FromServer::Closed => {
                self.conns.remove(&number);
                if current {
                    self.say(|| format!("client {index} is disconnected"));
                    self.clients[index].lose();
                }
            }
            FromServer::Bytes(bytes) if current => {
                self.fingerprint.bytes(&bytes);
                self.clients[index].last_heard = self.now;
                self.clients[index].input.extend_from_slice(&bytes);
                while let Some(frame) = self.clients[index].next_frame() {
                    self.frame(index, &frame);
                }
            }
            FromServer::Bytes(_) => {}
        }
    }

    fn frame(&mut self, index: usize, frame: &Bytes) {
        let client = &mut self.clients[index];
        if client.phase == Phase::Connecting {
            return self.connected(index, frame);
        }
        let head = frame.first_chunk::<4>().copied().unwrap_or_default();
        match i32::from_be_bytes(head) {
            xid::PING => {
                let judged = History::ping(&self.facts, &client.view, frame);
                self.judge(judged);
            }
            xid::SET_WATCHES => {
                let judged = History::watched_again(&self.facts, &mut client.view, frame);
                self.judge(judged);
            }
            xid::NOTIFICATION => {
                let judged = self.history.event(&self.facts, &mut client.view, frame);
                self.judge([judged]);
            }
            _ if client.pending.is_empty() => {
                self.fail(
                    super::history::SESSION_ORDER,
                    "a reply to no request".to_owned(),
                );
            }
            _ => {
                let pending = client.pending.remove(0);
                let judged = self
                    .history
                    .reply(&mut self.facts, &mut client.view, &pending, frame);
                let writes = pending.operation.is_write();
                if client.view.read_only && writes {
                    self.coverage
                        .happened("write refused by a read-only server");
                } else if writes && judged.iter().all(|(_, result)| result.is_ok()) {
                    client.last_write = self.now;
                }
                self.count_reply(&pending.operation, frame);
                let client = &mut self.clients[index];
                if pending.operation == Operation::Close {
                    client.view = SessionView::default();
                    client.password = vec![0; 16];
                    self.hang_up(index);
                }
                self.judge(judged);
            }
        }
    }

    fn count_reply(&mut self, operation: &Operation, frame: &Bytes) {
        let err = ReplyHeader::read(&mut Reader::new(frame)).map_or(0, |header| header.err);
        match operation {
            Operation::Reconfig { members, .. } if err == 0 && members.is_some() => {
                self.coverage.happened("all members given anew");
            }
            Operation::Reconfig { .. } if err != 0 => {
                self.coverage.happened("reconfiguration refused");
            }
            Operation::Check { .. } => self.coverage.happened("check outside a multi"),
            _ if err == ErrorCode::QuotaExceeded as i32 => {
                self.coverage.happened("write over its quota");
            }
            Operation::Create {
                mode: CreateMode::Ephemeral,
                ..
            } if self.plan.local_sessions && err == 0 => {
                self.coverage.happened("local session upgraded");
            }
            _ => {}
        }
    }

    fn connected(&mut self, index: usize, frame: &Bytes) {
        let Ok(response) = ConnectResponse::from_bytes(frame) else {
            return self.fail(
                EXPIRY_IS_REAL,
                "a connect response that can't be read".to_owned(),
            );
        };
        let client = &mut self.clients[index];
        if response.timeout == 0 {
            let session = client.view.session;
            client.view = SessionView::default();
            client.password = vec![0; 16];
            let epoch = self.servers[client.server].epoch();
            return self.judge([history::expired(&self.facts, session, epoch)]);
        }
        let known = client.view.session == response.session_id;
        client.phase = Phase::Connected;
        client.password = response.password.unwrap_or_default().to_vec();
        if !known {
            client.view = SessionView {
                session: response.session_id,
                seen: client.view.seen,
                cut_off: response.read_only,
                ..SessionView::default()
            };
        }
        client.view.read_only = response.read_only;
        client.view.told = 0;
        if response.read_only {
            // What it shows may never have been: nothing to compare later states with.
            client.view.watches.clear();
            self.coverage.happened("read-only client served");
        } else if !known && !self.facts.model.knows_session(response.session_id) {
            self.coverage.happened("local session made");
        }
        self.watch_again(index);
    }

    /// Tells the new server of the watches that have not fired, or gives them up.
    fn watch_again(&mut self, index: usize) {
        let keep = self.rng.chance(70);
        let client = &mut self.clients[index];
        if !keep {
            client.view.watches.clear();
        }
        if client.view.watches.is_empty() {
            return;
        }
        let mut lists: [Vec<&str>; 3] = Default::default();
        for ((path, kind), armed) in &client.view.watches {
            let list = match (kind, armed.there) {
                (WatchKind::Data, true) => 0,
                (WatchKind::Data, false) => 1,
                (WatchKind::Child, _) => 2,
            };
            lists[list].push(path);
        }
        let request = Request::set_watches(client.view.seen, lists);
        let both = |path: &&String| {
            let key = |kind| ((*path).clone(), kind);
            let watches = &client.view.watches;
            watches.contains_key(&key(WatchKind::Data))
                && watches.contains_key(&key(WatchKind::Child))
        };
        let paths = client.view.watches.keys().map(|(path, _)| path);
        client.view.twice = paths.filter(both).cloned().collect();
        for armed in client.view.watches.values_mut() {
            armed.again = true;
            armed.since = client.view.seen;
        }
        let conn = client.conn;
        let bytes = frame(xid::SET_WATCHES, request.op, &request.body);
        self.tell_server(conn, FromClient::Frames(bytes.into()));
    }

    /// Something to do while connected.
    fn work(&mut self, index: usize) {
        let quiet = self.now > self.plan.quiet_at;
        let due = self.timeout_us() / 4;
        let client = &mut self.clients[index];
        let conn = client.conn;
        if quiet || client.pending.len() >= WINDOW {
            if self.now > client.last_sent + due {
                client.last_sent = self.now;
                let ping = frame(xid::PING, OpCode::Ping.code(), &[]);
                self.tell_server(conn, FromClient::Frames(ping.into()));
            }
            return;
        }
        let burst = 1 + self.rng.below(2);
        let mut bytes = Vec::new();
        for _ in 0..burst {
            let operation = self.operation(index);
            let closes = operation == Operation::Close;
            bytes.extend(self.request(index, operation));
            // Sometimes there is something behind it, which nobody may carry out.
            if closes && self.rng.chance(50) {
                break;
            }
        }
        self.tell_server(conn, FromClient::Frames(bytes.into()));
    }

    /// Notes what a client asks for; the frame of it.
    fn request(&mut self, index: usize, operation: Operation) -> Vec<u8> {
        let floor = self.facts.acknowledged;
        let client = &mut self.clients[index];
        let xid = client.next_xid;
        client.next_xid += 1;
        client.last_sent = self.now;
        let request = operation.request();
        client.pending.push(Pending {
            xid,
            operation,
            floor,
        });
        frame(xid, request.op, &request.body)
    }

    pub(super) fn can_ask(&self, index: usize) -> bool {
        let client = &self.clients[index];
        let closes = client
            .pending
            .iter()
            .any(|p| p.operation == Operation::Close);
        client.phase == Phase::Connected && !client.view.read_only && !closes
    }

    pub(super) fn send_request(&mut self, index: usize, operation: Operation) {
        let bytes = self.request(index, operation);
        let conn = self.clients[index].conn;
        self.tell_server(conn, FromClient::Frames(bytes.into()));
    }

    /// What belongs to nodes that servers remove by themselves, and to quotas.
    fn special(&mut self, data: Vec<u8>, acl: Acls) -> Operation {
        let n = self.rng.below(3);
        let kinds = if self.plan.quotas { 7 } else { 5 };
        let (path, mode) = match self.rng.below(kinds) {
            0 => (format!("/k{n}"), CreateMode::Container),
            1 => {
                let child = self.rng.below(2);
                (format!("/k{n}/c{child}"), CreateMode::Persistent)
            }
            2 | 3 => {
                let child = self.rng.below(2);
                return Operation::Delete {
                    path: format!("/k{n}/c{child}"),
                    version: -1,
                };
            }
            4 => (format!("/t{n}"), CreateMode::PersistentWithTtl),
            _ => return self.quota(),
        };
        Operation::Create {
            path,
            data,
            mode,
            acl,
        }
    }

    /// A quota for one of the busy places. In the order of Java's `setquota`: a server counts when the
    /// figures come, and anew what has limits when it reads its files, so that in another order those
    /// that have just started know better (in Java, too).
    fn quota(&mut self) -> Operation {
        let top = *self.rng.pick(&["a", "b", "c"]);
        let path = format!("/zookeeper/quota/{top}");
        let limits = format!("{path}/zookeeper_limits");
        let limited = self.facts.model.at(&limits, i64::MAX).is_some();
        let (path, data) = match self.rng.below(3) {
            0 => (path, &b""[..]),
            1 if limited => (path + "/zookeeper_stats", &b""[..]),
            _ => (
                limits,
                &b"count=9,bytes=300=;countHardLimit=12;byteHardLimit=400"[..],
            ),
        };
        Operation::Create {
            path,
            data: data.to_vec(),
            mode: CreateMode::Persistent,
            acl: Acls::Open,
        }
    }

    /// What a client does next.
    fn operation(&mut self, index: usize) -> Operation {
        const PLACES: &[&str] = &["/a", "/b", "/c", "/d", "/a/x", "/a/y", "/b/x"];
        let path = (*self.rng.pick(PLACES)).to_owned();
        let n = self.clients[index].made;
        self.clients[index].made += 1;
        let data = format!("client {index} operation {n}").into_bytes();
        let watch = self.rng.chance(50) && !self.clients[index].view.read_only;
        let version = -1;
        // Whether it can write when all is well is not left to chance.
        let well = self.plan.heal_at + HEALS_WITHIN;
        if self.now > well && self.clients[index].last_write < well {
            return Operation::Set {
                path,
                data,
                version,
            };
        }
        // All of them let everybody read and write.
        let acl = *self
            .rng
            .pick(&[Acls::Open, Acls::Open, Acls::NoAdmin, Acls::Duplicates]);
        match self.rng.below(100) {
            0..25 => Operation::Set {
                path,
                data,
                version,
            },
            25..35 => self.special(data, acl),
            35..43 => Operation::Create {
                path,
                data,
                mode: CreateMode::Persistent,
                acl,
            },
            43..46 => Operation::Delete { path, version },
            46..52 => {
                let path = format!("{path}-");
                Operation::Create {
                    path,
                    data,
                    mode: CreateMode::PersistentSequential,
                    acl,
                }
            }
            52..59 => {
                let path = format!("/e{}", self.rng.below(5));
                Operation::Create {
                    path,
                    data,
                    mode: CreateMode::Ephemeral,
                    acl,
                }
            }
            59..63 => {
                let child = format!("{path}/m{n}");
                Operation::Multi { path, data, child }
            }
            63..75 => Operation::Data { path, watch },
            75..84 => Operation::Exists { path, watch },
            84..92 => Operation::Children { path, watch },
            92..98 => Operation::Sync,
            98 if n % 4 == 0 => Operation::Check { path },
            98 => Operation::Sync,
            _ if self.rng.chance(30) => Operation::Close,
            _ => Operation::Delete {
                path: format!("/e{}", n % 5),
                version,
            },
        }
    }
}

impl Client {
    /// The next whole frame of what has come, without its length.
    fn next_frame(&mut self) -> Option<Bytes> {
        let head = self.input.first_chunk::<4>()?;
        let length = u32::from_be_bytes(*head) as usize;
        if self.input.len() < 4 + length {
            return None;
        }
        let frame = self.input.split_to(4 + length).freeze();
        Some(frame.slice(4..))
    }
}
