//! A small synchronous client on raw frames, for tests that need to know exactly what was
//! acknowledged; and the dump of a whole tree, to compare servers by.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use proto::buf::Reader;
use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::acl::Acl;
use proto::zk::request::{
    AuthPacket, ConnectRequest, CreateRequest, PathRequest, PathWatchRequest,
};
use proto::zk::response::{
    ConnectResponse, GetAclResponse, GetChildren2Response, GetDataResponse, ReplyHeader,
};
use proto::zk::stat::Stat;

use super::{RawConn, Received, frame, plain_connect};
use crate::proc::wait_until;

/// A session on one connection.
#[derive(Debug)]
pub struct ZkClient {
    conn: RawConn,
    pub session: i64,
    /// negotiated, milliseconds
    pub timeout: i32,
    password: [u8; 16],
    /// newest zxid that a server has told
    zxid: i64,
    next_xid: i32,
}

/// The server went away, or answered what no server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone;

/// What a session needs to go on elsewhere.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ticket {
    pub session: i64,
    password: [u8; 16],
    zxid: i64,
}

impl Ticket {
    /// Ends the session through one of those servers.
    #[track_caller]
    pub fn close_session(&self, addrs: &[SocketAddr]) {
        let mut turn = addrs.iter().cycle();
        wait_until("a session to be closed", || {
            let addr = turn.next().expect("an address");
            let client = ZkClient::resume(*addr, self, 10_000, Duration::from_secs(5));
            client.is_ok_and(|mut client| {
                client.session == 0 || client.call(OpCode::CloseSession, &[]).is_ok()
            })
        });
    }

    /// newest zxid that the session has seen
    pub fn zxid(&self) -> i64 {
        self.zxid
    }
}

impl ZkClient {
    /// Opens a session with that timeout, in milliseconds.
    pub fn connect(addr: SocketAddr, timeout: i32) -> Result<Self, Gone> {
        let conn = RawConn::open(addr).map_err(|_| Gone)?;
        Self::handshake(conn, &Ticket::default(), timeout, false)
    }

    /// Goes on with a session, or opens one when the ticket is a new one. `limit` is for each wait.
    /// A session that has expired comes back as 0.
    pub fn resume(
        addr: SocketAddr,
        ticket: &Ticket,
        timeout: i32,
        limit: Duration,
    ) -> Result<Self, Gone> {
        let conn = RawConn::open_within(addr, limit).map_err(|_| Gone)?;
        Self::handshake(conn, ticket, timeout, false)
    }

    /// As [`ZkClient::resume`], and content with a server that can only be read.
    pub fn resume_read_only(
        addr: SocketAddr,
        ticket: &Ticket,
        timeout: i32,
        limit: Duration,
    ) -> Result<Self, Gone> {
        let conn = RawConn::open_within(addr, limit).map_err(|_| Gone)?;
        Self::handshake(conn, ticket, timeout, true)
    }

    fn handshake(
        mut conn: RawConn,
        ticket: &Ticket,
        timeout: i32,
        read_only: bool,
    ) -> Result<Self, Gone> {
        conn.send(&plain_connect(&ConnectRequest {
            timeout,
            last_zxid_seen: ticket.zxid,
            session_id: ticket.session,
            password: Some(&ticket.password),
            read_only,
            ..ConnectRequest::default()
        }));
        let Received::Frame(answer) = conn.receive() else {
            return Err(Gone);
        };
        let response = ConnectResponse::from_bytes(&answer).map_err(|_| Gone)?;
        let password = response.password.and_then(|p| p.try_into().ok());
        Ok(Self {
            conn,
            session: response.session_id,
            timeout: response.timeout,
            password: password.unwrap_or_default(),
            zxid: ticket.zxid,
            next_xid: 1,
        })
    }

    pub fn ticket(&self) -> Ticket {
        Ticket {
            session: self.session,
            password: self.password,
            zxid: self.zxid,
        }
    }

    /// Sends a request without waiting for its reply.
    pub fn send(&mut self, op: OpCode, body: &[u8]) {
        self.conn.send(&frame(self.next_xid, op.code(), body));
        self.next_xid += 1;
    }

    /// The next reply: its error code and its body. Watch events are passed over.
    pub fn receive(&mut self) -> Result<(i32, Vec<u8>), Gone> {
        loop {
            let Received::Frame(answer) = self.conn.receive() else {
                return Err(Gone);
            };
            let mut r = Reader::new(&answer);
            let header = ReplyHeader::read(&mut r).map_err(|_| Gone)?;
            self.zxid = self.zxid.max(header.zxid);
            if header.xid != proto::zk::op::xid::NOTIFICATION {
                return Ok((header.err, r.rest().to_vec()));
            }
        }
    }

    /// A request with an xid that has a meaning of its own; its reply is passed over by
    /// [`ZkClient::wait_event`].
    pub fn send_special<'a>(&mut self, xid: i32, op: OpCode, body: &impl Jute<'a>) {
        self.conn.send(&frame(xid, op.code(), &body.to_vec()));
    }

    /// Waits for a watch event; false when there was only silence, which a ping has broken.
    pub fn wait_event(&mut self) -> Result<bool, Gone> {
        match self.conn.receive() {
            Received::Frame(answer) => {
                let header = ReplyHeader::from_bytes(&answer).map_err(|_| Gone)?;
                let event = header.xid == proto::zk::op::xid::NOTIFICATION;
                if !event {
                    self.zxid = self.zxid.max(header.zxid);
                }
                Ok(event)
            }
            Received::Silence => {
                self.conn
                    .send(&frame(proto::zk::op::xid::PING, OpCode::Ping.code(), &[]));
                Ok(false)
            }
            Received::Closed => Err(Gone),
        }
    }

    /// Sends a request and waits for its reply.
    pub fn call(&mut self, op: OpCode, body: &[u8]) -> Result<(i32, Vec<u8>), Gone> {
        self.send(op, body);
        self.receive()
    }

    /// A request that must succeed.
    #[track_caller]
    pub fn must<'a>(&mut self, op: OpCode, body: &impl Jute<'a>) -> Vec<u8> {
        let (err, reply) = self.call(op, &body.to_vec()).expect("the server answers");
        assert_eq!(err, 0, "{op:?}");
        reply
    }

    /// Adds an identity, which the server must accept.
    #[track_caller]
    pub fn authenticate(&mut self, scheme: &str, auth: &[u8]) {
        let packet = AuthPacket {
            auth_type: 0,
            scheme,
            auth: Some(auth),
        };
        self.must(OpCode::Auth, &packet);
    }

    /// Creates an open znode and gives the error code.
    pub fn create(&mut self, path: &str, flags: i32) -> Result<i32, Gone> {
        let request = CreateRequest {
            path,
            data: Some(b"x"),
            acl: vec![Acl::OPEN],
            flags,
        };
        Ok(self.call(OpCode::Create, &request.to_vec())?.0)
    }

    /// What a znode has after all that was committed before, whoever committed it; none where there is
    /// no such znode.
    pub fn synced(&mut self, path: &str) -> Result<Option<Vec<u8>>, Gone> {
        let sync = PathRequest { path };
        if self.call(OpCode::Sync, &sync.to_vec())?.0 != 0 {
            return Err(Gone);
        }
        let watch = false;
        let get = PathWatchRequest { path, watch }.to_vec();
        let (err, reply) = self.call(OpCode::GetData, &get)?;
        if err != 0 {
            return Ok(None);
        }
        let reply = GetDataResponse::from_bytes(&reply).map_err(|_| Gone)?;
        Ok(Some(reply.data.unwrap_or_default().to_vec()))
    }

    /// Every znode with data, ACL and Stat, one a line, sorted by path.
    #[track_caller]
    pub fn dump(&mut self) -> String {
        let mut text = String::new();
        for node in self.below("/") {
            let shown = node.data.map(|bytes| bytes.escape_ascii().to_string());
            let _ = writeln!(text, "{} {shown:?} {} {:?}", node.path, node.acl, node.stat);
        }
        text
    }

    /// The znode at `root` and all below it, sorted by path.
    #[track_caller]
    pub fn below(&mut self, root: &str) -> Vec<Znode> {
        let mut nodes = Vec::new();
        let mut todo = vec![root.to_owned()];
        while let Some(path) = todo.pop() {
            let watch = false;
            let data = self.must(OpCode::GetData, &PathWatchRequest { path: &path, watch });
            let data = GetDataResponse::from_bytes(&data).expect("a reply to getData");
            let acl = self.must(OpCode::GetAcl, &PathRequest { path: &path });
            let acl = GetAclResponse::from_bytes(&acl).expect("a reply to getACL");
            let kids = self.must(
                OpCode::GetChildren2,
                &PathWatchRequest { path: &path, watch },
            );
            let kids = GetChildren2Response::from_bytes(&kids).expect("a reply to getChildren2");
            let slash = if path == "/" { "" } else { "/" };
            let mut children = kids.children;
            children.sort_unstable_by(|a, b| b.cmp(a));
            todo.extend(children.iter().map(|kid| format!("{path}{slash}{kid}")));
            nodes.push(Znode {
                acl: format!("{:?}", acl.acl),
                data: data.data.map(<[u8]>::to_vec),
                stat: data.stat,
                path,
            });
        }
        nodes
    }
}

/// A znode as it was read.
#[derive(Debug, Clone)]
pub struct Znode {
    pub path: String,
    pub data: Option<Vec<u8>>,
    pub acl: String,
    pub stat: Stat,
}
