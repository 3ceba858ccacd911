//! Stories of clients and their server, in simulated time: what goes in as frames must come out
//! as the frames that Java's server sends.

mod ensemble;
mod guards;
mod limits;
mod moves;
mod read_only;
mod reconfig;
mod schedules;
mod sessions;
mod travels;
mod wandering;
mod watching;
mod writes;

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::Bytes;
use proto::buf::Reader;
use proto::jute::Jute;
use proto::zk::acl::{Acl, Id, perms};
use proto::zk::multi::MultiHeader;
use proto::zk::request::*;
use proto::zk::response::*;
use proto::zk::stat::Stat;
use proto::zk::watch::WatcherEvent;
use proto::zk::{ErrorCode, OpCode};

use crate::core::io::{Input, Output};
use crate::core::{Server, Settings};
use crate::tree::{Database, EphemeralTypes};
use crate::units::{ConnId, Now, Zxid};

/// A server, its log, and the frames that each connection got.
struct World {
    server: Server,
    now: Now,
    log: Vec<Bytes>,
    /// appended, not yet synced
    unsynced: VecDeque<Zxid>,
    auto_sync: bool,
    got: Vec<(ConnId, Vec<u8>)>,
    closed: Vec<ConnId>,
    paused: Vec<ConnId>,
    choked: Vec<ConnId>,
    snapshots: Vec<crate::store::image::Image>,
    rolls: usize,
    next_conn: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Reply {
    xid: i32,
    zxid: i64,
    err: i32,
    body: Vec<u8>,
}

struct Client {
    conn: ConnId,
    session: i64,
    password: Vec<u8>,
    timeout: i32,
    xid: i32,
}

impl World {
    fn new() -> Self {
        Self::with(Settings::default())
    }

    fn with(settings: Settings) -> Self {
        let db = Database::new(settings.types, settings.digest_enabled);
        Self::on(settings, db)
    }

    fn on(settings: Settings, db: Database) -> Self {
        let now = Now {
            mono_us: 1_000_000,
            wall_ms: 1_700_000_000_000,
        };
        Self {
            server: Server::new(settings, db, now),
            now,
            log: Vec::new(),
            unsynced: VecDeque::new(),
            auto_sync: true,
            got: Vec::new(),
            closed: Vec::new(),
            paused: Vec::new(),
            choked: Vec::new(),
            snapshots: Vec::new(),
            rolls: 0,
            next_conn: 1,
        }
    }

    fn input(&mut self, input: Input) {
        let mut out = Vec::new();
        self.server.handle(self.now, input, &mut out);
        for output in out {
            match output {
                Output::Send { conn, bytes } => {
                    let mut r = Reader::new(&bytes);
                    while !r.is_empty() {
                        let frame = Option::<&[u8]>::read(&mut r).unwrap().unwrap();
                        self.got.push((conn, frame.to_vec()));
                    }
                }
                Output::Close { conn } => self.closed.push(conn),
                Output::Pause { conn } => self.paused.push(conn),
                Output::Resume { conn } => self.paused.retain(|c| *c != conn),
                Output::Choke { conn } => self.choked.push(conn),
                Output::Append { zxid, record } => {
                    self.log.push(record);
                    self.unsynced.push_back(zxid);
                }
                Output::RollLog => self.rolls += 1,
                Output::Quorum(told) => panic!("a server alone told a quorum: {told:?}"),
                Output::Snapshot { image } => self.snapshots.push(image),
            }
        }
        if self.auto_sync {
            self.sync();
        }
    }

    fn sync(&mut self) {
        if let Some(zxid) = self.unsynced.back().copied() {
            self.unsynced.clear();
            self.input(Input::Logged { zxid });
        }
    }

    /// Lets time pass as a driver would: with a tick at every deadline.
    fn pass(&mut self, ms: u64) {
        let end = self.now.mono_us + ms * 1000;
        while let Some(at) = self.server.next_deadline().filter(|&at| at <= end) {
            let step = at.saturating_sub(self.now.mono_us);
            self.now.mono_us += step;
            self.now.wall_ms += (step / 1000) as i64;
            self.input(Input::Tick);
        }
        let step = end - self.now.mono_us;
        self.now.mono_us = end;
        self.now.wall_ms += (step / 1000) as i64;
        self.input(Input::Tick);
    }

    fn open(&mut self) -> ConnId {
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        let peer: SocketAddr = "127.0.0.1:4000".parse().unwrap();
        self.input(Input::Connected { conn, peer });
        conn
    }

    fn send(&mut self, conn: ConnId, frames: &[Vec<u8>]) {
        let mut bytes = Vec::new();
        for frame in frames {
            Some(&frame[..]).write(&mut bytes);
        }
        let frames = bytes.into();
        self.input(Input::Frames { conn, frames });
    }

    /// What the connection got since the last call.
    fn take(&mut self, conn: ConnId) -> Vec<Vec<u8>> {
        let (mine, rest) = std::mem::take(&mut self.got)
            .into_iter()
            .partition(|(c, _)| *c == conn);
        self.got = rest;
        mine.into_iter().map(|(_, frame)| frame).collect()
    }

    fn connect_frame(session: i64, password: &[u8], timeout: i32, seen: i64) -> Vec<u8> {
        ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: seen,
            timeout,
            session_id: session,
            password: Some(password),
            read_only: false,
        }
        .to_vec()
    }

    fn client(&mut self) -> Client {
        self.client_with(0, &[0; 16]).expect("a new session")
    }

    /// One whose session outlives all that a story lets pass.
    fn patient_client(&mut self) -> Client {
        let client = self.connected(0, &[0; 16], 10_000_000);
        client.expect("a new session")
    }

    fn client_with(&mut self, session: i64, password: &[u8]) -> Option<Client> {
        self.connected(session, password, 10_000)
    }

    fn connected(&mut self, session: i64, password: &[u8], timeout: i32) -> Option<Client> {
        let conn = self.open();
        let frame = Self::connect_frame(session, password, timeout, 0);
        self.send(conn, &[frame]);
        let got = self.take(conn);
        let response = ConnectResponse::from_bytes(&got[0]).unwrap();
        (response.timeout > 0).then(|| Client {
            conn,
            session: response.session_id,
            password: response.password.unwrap().to_vec(),
            timeout: response.timeout,
            xid: 0,
        })
    }

    fn replies(&mut self, conn: ConnId) -> Vec<Reply> {
        self.take(conn).iter().map(|f| reply(f)).collect()
    }

    /// One request, one reply.
    fn call(&mut self, client: &mut Client, op: OpCode, body: &[u8]) -> Reply {
        let frame = client.frame(op, body);
        self.send(client.conn, &[frame]);
        let mut replies = self.replies(client.conn);
        let last = replies.pop().expect("a reply");
        assert_eq!(replies, [], "one reply to {op:?}");
        assert_eq!(last.xid, client.xid);
        last
    }

    fn create(&mut self, c: &mut Client, path: &str, flags: i32) -> Result<String, ErrorCode> {
        let body = CreateRequest {
            path,
            data: Some(b"data"),
            acl: vec![Acl::OPEN],
            flags,
        };
        let r = self.call(c, OpCode::Create, &body.to_vec()).ok()?;
        Ok(PathResponse::from_bytes(&r).unwrap().path.to_owned())
    }

    fn exists(&mut self, c: &mut Client, path: &str, watch: bool) -> Result<Stat, ErrorCode> {
        let body = PathWatchRequest { path, watch };
        let r = self.call(c, OpCode::Exists, &body.to_vec()).ok()?;
        Ok(Stat::from_bytes(&r).unwrap())
    }

    fn get(
        &mut self,
        c: &mut Client,
        path: &str,
        watch: bool,
    ) -> Result<(Vec<u8>, Stat), ErrorCode> {
        let body = PathWatchRequest { path, watch };
        let r = self.call(c, OpCode::GetData, &body.to_vec()).ok()?;
        let r = GetDataResponse::from_bytes(&r).unwrap();
        Ok((r.data.unwrap_or_default().to_vec(), r.stat))
    }

    fn set(
        &mut self,
        c: &mut Client,
        path: &str,
        data: &[u8],
        version: i32,
    ) -> Result<Stat, ErrorCode> {
        let data = Some(data);
        let body = SetDataRequest {
            path,
            data,
            version,
        };
        let r = self.call(c, OpCode::SetData, &body.to_vec()).ok()?;
        Ok(Stat::from_bytes(&r).unwrap())
    }

    fn delete(&mut self, c: &mut Client, path: &str, version: i32) -> Result<(), ErrorCode> {
        let body = DeleteRequest { path, version };
        self.call(c, OpCode::Delete, &body.to_vec()).ok().map(drop)
    }

    fn children(
        &mut self,
        c: &mut Client,
        path: &str,
        watch: bool,
    ) -> Result<Vec<String>, ErrorCode> {
        let body = PathWatchRequest { path, watch };
        let r = self.call(c, OpCode::GetChildren, &body.to_vec()).ok()?;
        let r = GetChildrenResponse::from_bytes(&r).unwrap();
        let mut names: Vec<String> = r.children.iter().map(|s| (*s).to_owned()).collect();
        names.sort();
        Ok(names)
    }

    /// Replays the log on a new database: it must become the same.
    fn check_log(&self) {
        let settings = self.server.settings();
        let mut db = Database::new(settings.types, settings.digest_enabled);
        for record in &self.log {
            db.apply_logged(record).unwrap();
        }
        let live = self.server.database();
        assert_eq!(db.digest_mismatches(), 0);
        assert_eq!(live.digest_mismatches(), 0, "prep foresaw every digest");
        assert_eq!(db.tree().digest(), live.tree().digest());
        assert_eq!(db.sessions(), live.sessions());
    }
}

impl Client {
    /// Requests to create `/n0`, `/n1` and so on.
    fn creates(&mut self, count: usize) -> Vec<Vec<u8>> {
        let bodies = (0..count).map(|i| create_body(&format!("/n{i}"), 0));
        bodies
            .map(|body| self.frame(OpCode::Create, &body))
            .collect()
    }

    fn frame(&mut self, op: OpCode, body: &[u8]) -> Vec<u8> {
        self.xid += 1;
        frame(self.xid, op.code(), body)
    }
}

fn frame(xid: i32, op: i32, body: &[u8]) -> Vec<u8> {
    let mut frame = RequestHeader { xid, op }.to_vec();
    frame.extend_from_slice(body);
    frame
}

fn reply(frame: &[u8]) -> Reply {
    let mut r = Reader::new(frame);
    let header = ReplyHeader::read(&mut r).unwrap();
    Reply {
        xid: header.xid,
        zxid: header.zxid,
        err: header.err,
        body: r.rest().to_vec(),
    }
}

impl Reply {
    fn ok(self) -> Result<Vec<u8>, ErrorCode> {
        match ErrorCode::from_code(self.err).unwrap() {
            ErrorCode::Ok => Ok(self.body),
            err => {
                assert_eq!(self.body, [0u8; 0], "an error has no body");
                Err(err)
            }
        }
    }

    fn event(&self) -> (i32, String) {
        assert_eq!((self.xid, self.err), (-1, 0));
        let event = WatcherEvent::from_bytes(&self.body).unwrap();
        assert_eq!(event.state, 3);
        (event.event_type, event.path.to_owned())
    }
}

/// A multi's request body.
fn multi(ops: &[(OpCode, Vec<u8>)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (op, bytes) in ops {
        MultiHeader {
            op: op.code(),
            done: false,
            err: -1,
        }
        .write(&mut body);
        body.extend_from_slice(bytes);
    }
    MultiHeader::END.write(&mut body);
    body
}

fn create_body(path: &str, flags: i32) -> Vec<u8> {
    CreateRequest {
        path,
        data: Some(b"m"),
        acl: vec![Acl::OPEN],
        flags,
    }
    .to_vec()
}
