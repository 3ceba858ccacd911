//! One of the two servers: carries steps out and tells what came back.
#![allow(
    clippy::disallowed_methods,
    reason = "drives real sockets, reads the clock"
)]

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use proto::buf::Reader;
use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::op::xid;
use proto::zk::request::ConnectRequest;
use proto::zk::response::{ConnectResponse, ReplyHeader};

use super::canon::Canon;
use super::coverage::Coverage;
use super::step::{Connect, Request, Step};
use crate::proc::wait_until;
use crate::zk::{RawConn, Received, frame, plain_connect};

#[derive(Debug, Default)]
struct Slot {
    conn: Option<RawConn>,
    session: i64,
    password: Vec<u8>,
}

/// A server and the sessions that the oracle has with it.
#[derive(Debug)]
pub struct Side {
    addr: SocketAddr,
    slots: Vec<Slot>,
    /// Connections whose slot has a newer one.
    replaced: Vec<RawConn>,
    canon: Canon,
    next_xid: i32,
}

impl Side {
    pub fn new(addr: SocketAddr, slots: usize) -> Self {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |t| t.as_millis() as i64);
        Self {
            addr,
            slots: (0..slots).map(|_| Slot::default()).collect(),
            replaced: Vec::new(),
            canon: Canon::new(now),
            next_xid: 1,
        }
    }

    pub fn coverage(&self) -> &Coverage {
        &self.canon.coverage
    }

    pub fn connected(&self, slot: usize) -> bool {
        self.slots[slot].conn.is_some()
    }

    pub fn has_session(&self, slot: usize) -> bool {
        self.slots[slot].session != 0
    }

    /// Carries out one step; the lines say all that came back on any connection.
    pub fn run(&mut self, step: &Step) -> Vec<String> {
        let mut seen = Vec::new();
        match step {
            Step::Connect { slot, how } => self.connect(*slot, how, &mut seen),
            Step::Requests { slot, burst } => {
                self.requests(*slot, burst, usize::MAX, &mut seen);
            }
            Step::Trickle { slot, burst } => self.requests(*slot, burst, 7, &mut seen),
            Step::Garbage { slot, bytes } => {
                if let Some(mut conn) = self.slots[*slot].conn.take() {
                    conn.send(bytes);
                    while let Received::Frame(f) = conn.receive() {
                        seen.push(format!("after garbage: {f:02x?}"));
                    }
                    seen.push("closed".to_owned());
                }
            }
            Step::Drop { slot } => self.slots[*slot].conn = None,
            Step::AwaitGone { slot, path } => self.await_gone(*slot, path, &mut seen),
        }
        self.barrier(&mut seen);
        seen
    }

    fn connect(&mut self, slot: usize, how: &Connect, seen: &mut Vec<String>) {
        let (session, password) = (self.slots[slot].session, self.slots[slot].password.clone());
        let wrong = [7u8; 16];
        let new = ConnectRequest {
            password: Some(&[0; 16]),
            ..ConnectRequest::default()
        };
        let request = match how {
            Connect::New { timeout } | Connect::NewOld { timeout } => ConnectRequest {
                timeout: *timeout,
                ..new
            },
            Connect::NewReadOnly { timeout } => ConnectRequest {
                timeout: *timeout,
                read_only: true,
                ..new
            },
            Connect::Resume { timeout } => ConnectRequest {
                timeout: *timeout,
                session_id: session,
                password: Some(&password),
                ..new
            },
            Connect::WrongPassword => ConnectRequest {
                timeout: 10_000,
                session_id: session,
                password: Some(&wrong),
                ..new
            },
            Connect::Unknown => ConnectRequest {
                timeout: 10_000,
                session_id: 0x1234_5678,
                ..new
            },
            Connect::Ahead => ConnectRequest {
                timeout: 10_000,
                last_zxid_seen: i64::MAX,
                ..new
            },
        };
        let mut bytes = plain_connect(&request);
        if matches!(how, Connect::NewOld { .. }) {
            bytes.pop();
            bytes[3] -= 1;
        }
        let mut conn = RawConn::open(self.addr).expect("the server accepts connections");
        conn.send(&bytes);
        self.connected_as(slot, conn, seen);
    }

    fn connected_as(&mut self, slot: usize, mut conn: RawConn, seen: &mut Vec<String>) {
        let answer = match conn.receive() {
            Received::Frame(answer) => answer,
            other => {
                self.canon.coverage.count("connect", "refused");
                seen.push(format!("connect: {other:?}"));
                return;
            }
        };
        let mut r = Reader::new(&answer);
        let protocol_version = Jute::read(&mut r).unwrap_or(-1);
        let timeout: i32 = Jute::read(&mut r).unwrap_or(-1);
        let session_id: i64 = Jute::read(&mut r).unwrap_or(-1);
        let password = Option::<&[u8]>::read(&mut r)
            .ok()
            .flatten()
            .unwrap_or_default();
        let read_only = r.rest();
        let response = ConnectResponse {
            protocol_version,
            timeout,
            session_id,
            password: Some(password),
            read_only: false,
        };
        seen.push(format!(
            "connect: version={} timeout={} session={} password of {} readOnly={read_only:?}",
            response.protocol_version,
            response.timeout,
            self.canon.session(session_id),
            password.len(),
        ));
        if timeout == 0 {
            self.canon.coverage.count("connect", "expired");
            seen.push(format!("connect: then {:?}", conn.receive()));
            return;
        }
        self.canon.coverage.count("connect", "OK");
        let place = &mut self.slots[slot];
        self.replaced.extend(place.conn.take());
        *place = Slot {
            conn: Some(conn),
            session: session_id,
            password: password.to_vec(),
        };
    }

    fn requests(&mut self, slot: usize, burst: &[Request], piece: usize, seen: &mut Vec<String>) {
        let mut bytes = Vec::new();
        let mut ops = Vec::new();
        for request in burst {
            let id = request.xid.unwrap_or(self.next_xid);
            self.next_xid += 1;
            bytes.extend(frame(id, request.op, &request.body));
            ops.push(request.op);
        }
        let Some(conn) = &mut self.slots[slot].conn else {
            return;
        };
        for part in bytes.chunks(piece) {
            conn.send(part);
        }
        let mut replies = 0;
        while replies < ops.len() {
            match conn.receive() {
                Received::Frame(f) => {
                    let event = is_event(&f);
                    let op = (!event).then(|| ops[replies]);
                    seen.push(format!("[{slot}] {}", self.canon.frame(&f, op)));
                    replies += usize::from(!event);
                }
                end => {
                    seen.push(format!("[{slot}] {end:?}"));
                    self.slots[slot].conn = None;
                    return;
                }
            }
        }
        if ops.contains(&OpCode::CloseSession.code()) {
            self.slots[slot].session = 0;
        }
    }

    fn await_gone(&mut self, slot: usize, path: &str, seen: &mut Vec<String>) {
        let request = Request::read(OpCode::Exists, path, false);
        let id = self.next_xid;
        self.next_xid += 1;
        let conn = self.slots[slot]
            .conn
            .as_mut()
            .expect("an observer is connected");
        let mut events = Vec::new();
        wait_until(&format!("{path} to go away"), || {
            conn.send(&frame(id, request.op, &request.body));
            loop {
                match conn.receive() {
                    Received::Frame(f) if is_event(&f) => events.push(f),
                    Received::Frame(f) => {
                        let header = ReplyHeader::from_bytes(&f).expect("a reply");
                        return header.err != 0;
                    }
                    end => panic!("{end:?} while waiting for {path} to go away"),
                }
            }
        });
        for event in events {
            seen.push(format!("[{slot}] {}", self.canon.frame(&event, None)));
        }
    }

    /// Every connection answers a ping, so that all events of the step have come before.
    fn barrier(&mut self, seen: &mut Vec<String>) {
        let ping = frame(xid::PING, OpCode::Ping.code(), &[]);
        for slot in 0..self.slots.len() {
            let Some(conn) = self.slots[slot].conn.as_mut() else {
                continue;
            };
            if !drain(conn, &ping, &mut self.canon, &format!("[{slot}]"), seen) {
                self.slots[slot].conn = None;
            }
        }
        for mut conn in std::mem::take(&mut self.replaced) {
            if drain(&mut conn, &ping, &mut self.canon, "[old]", seen) {
                self.replaced.push(conn);
            }
        }
    }
}

/// False when the connection has ended.
fn drain(
    conn: &mut RawConn,
    ping: &[u8],
    canon: &mut Canon,
    who: &str,
    seen: &mut Vec<String>,
) -> bool {
    conn.send(ping);
    loop {
        match conn.receive() {
            Received::Frame(f) if is_event(&f) => {
                seen.push(format!("{who} {}", canon.frame(&f, None)));
            }
            Received::Frame(f) => {
                let header = ReplyHeader::from_bytes(&f).unwrap_or_default();
                if header.xid == xid::PING {
                    seen.push(format!("{who} at {:#x}", header.zxid));
                    return true;
                }
                seen.push(format!("{who} unasked {}", canon.frame(&f, Some(0))));
            }
            end => {
                seen.push(format!("{who} {end:?}"));
                return false;
            }
        }
    }
}

fn is_event(frame: &[u8]) -> bool {
    ReplyHeader::from_bytes(frame).is_ok_and(|header| header.xid == xid::NOTIFICATION)
}

/// Runs one step on both sides; the text of the difference, if there is one.
pub fn compare(a: &mut Side, b: &mut Side, step: &Step) -> (Vec<String>, Option<String>) {
    let (left, right) = (a.run(step), b.run(step));
    let (sorted_left, sorted_right) = (unordered_ends(step, &left), unordered_ends(step, &right));
    let differs = sorted_left != sorted_right;
    let text = differs.then(|| {
        let mut text = String::new();
        let longest = left.len().max(right.len());
        for i in 0..longest {
            let (l, r) = (left.get(i), right.get(i));
            if l == r {
                text.push_str(&format!("      {}\n", l.map_or("", |l| l)));
            } else {
                text.push_str(&format!("    A {}\n", l.map_or("-", |l| l)));
                text.push_str(&format!("    B {}\n", r.map_or("-", |r| r)));
            }
        }
        text
    });
    (left, text)
}

/// A closed session's ephemerals go in no particular order (Java walks a hash set).
fn unordered_ends(step: &Step, seen: &[String]) -> Vec<String> {
    let mut seen = seen.to_vec();
    let ends_session = match step {
        Step::Requests { burst, .. } => burst.iter().any(|r| r.op == OpCode::CloseSession.code()),
        Step::AwaitGone { .. } => true,
        _ => false,
    };
    if ends_session {
        seen.sort();
    }
    seen
}
