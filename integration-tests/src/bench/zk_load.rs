//! ZooKeeper load: one session, a window of requests in flight.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use proto::jute::Jute;
use proto::zk::OpCode;
use proto::zk::acl::Acl;
use proto::zk::request::{
    ConnectRequest, CreateRequest, PathWatchRequest, RequestHeader, SetDataRequest,
};
use proto::zk::response::{ConnectResponse, ReplyHeader};

use super::round::{Inbox, Round, Until, pipelined};

/// Bytes of data in each znode.
pub const DATA: usize = 100;
/// Znodes that get and set go through.
pub const NODES: usize = 1000;
/// Creations in flight while they are made.
const WINDOW: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZkOp {
    Get,
    Set,
    Create,
    /// seven gets to three sets
    Mix,
}

#[derive(Debug)]
pub struct ZkLoad {
    stream: TcpStream,
    xid: i32,
    counter: usize,
    folder: String,
}

impl ZkLoad {
    /// Connects, opens a session and makes the znodes under `/bench-TAG`.
    pub fn prepare(addr: SocketAddr, tag: &str) -> Result<Self> {
        let mut load = Self::connect(addr)?;
        load.folder = format!("/bench-{tag}");
        load.make(&load.folder.clone())?;
        let folder = load.folder.clone();
        load.create(NODES as u64, WINDOW, |n, path| {
            use std::fmt::Write as _;
            let _ = write!(path, "{folder}/n{n}");
        })?;
        Ok(load)
    }

    /// Connects and opens a session.
    pub fn connect(addr: SocketAddr) -> Result<Self> {
        let mut stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let connect = ConnectRequest {
            // As long as the server lets it: it is silent while others have their rounds.
            timeout: 600_000,
            password: Some(&[0; 16]),
            ..ConnectRequest::default()
        };
        let mut out = Vec::new();
        frame(&mut out, |out| connect.write(out));
        stream.write_all(&out)?;
        let mut inbox = Inbox::default();
        inbox.fill(&mut stream)?;
        let reply = inbox.next().context("no answer to connect")?;
        if ConnectResponse::from_bytes(reply)?.session_id == 0 {
            bail!("the server refused the session");
        }
        Ok(Self {
            stream,
            xid: 0,
            counter: 0,
            folder: String::new(),
        })
    }

    /// Creates `count` znodes, the n-th (from 0) where `name` says, `window` of them in flight.
    pub fn create(
        &mut self,
        count: u64,
        window: usize,
        name: impl Fn(u64, &mut String),
    ) -> Result<Round> {
        let Self { stream, xid, .. } = self;
        let (mut n, mut path) = (0, String::new());
        let next = |out: &mut Vec<u8>| {
            *xid = xid.wrapping_add(1) & i32::MAX;
            path.clear();
            name(n, &mut path);
            n += 1;
            create(out, *xid, &path);
        };
        pipelined(stream, window, Until::Count(count), next, check)
    }

    fn make(&mut self, path: &str) -> Result<()> {
        let mut out = Vec::new();
        self.xid += 1;
        create(&mut out, self.xid, path);
        self.stream.write_all(&out)?;
        let mut inbox = Inbox::default();
        inbox.fill(&mut self.stream)?;
        check(inbox.next().context("no reply")?).map(drop)
    }

    /// Runs one round of `op`.
    pub fn run(&mut self, op: ZkOp, window: usize, until: Until) -> Result<Round> {
        let Self {
            stream,
            xid,
            counter,
            folder,
        } = self;
        let mut path = String::new();
        pipelined(
            stream,
            window,
            until,
            |out| {
                use std::fmt::Write as _;
                *xid = xid.wrapping_add(1) & i32::MAX;
                *counter += 1;
                path.clear();
                let op = match op {
                    ZkOp::Mix if *counter % 10 < 7 => ZkOp::Get,
                    ZkOp::Mix => ZkOp::Set,
                    op => op,
                };
                let _ = match op {
                    ZkOp::Create => write!(path, "{folder}/c{counter}"),
                    _ => write!(path, "{folder}/n{}", *counter % NODES),
                };
                match op {
                    ZkOp::Create => create(out, *xid, &path),
                    ZkOp::Get => frame(out, |out| {
                        RequestHeader {
                            xid: *xid,
                            op: OpCode::GetData.code(),
                        }
                        .write(out);
                        PathWatchRequest {
                            path: &path,
                            watch: false,
                        }
                        .write(out);
                    }),
                    ZkOp::Set | ZkOp::Mix => frame(out, |out| {
                        RequestHeader {
                            xid: *xid,
                            op: OpCode::SetData.code(),
                        }
                        .write(out);
                        SetDataRequest {
                            path: &path,
                            data: Some(&[b'x'; DATA]),
                            version: -1,
                        }
                        .write(out);
                    }),
                }
            },
            check,
        )
    }
}

fn create(out: &mut Vec<u8>, xid: i32, path: &str) {
    frame(out, |out| {
        RequestHeader {
            xid,
            op: OpCode::Create.code(),
        }
        .write(out);
        let data = Some([b'x'; DATA].as_slice());
        CreateRequest {
            path,
            data,
            acl: vec![Acl::OPEN],
            flags: 0,
        }
        .write(out);
    });
}

/// Appends a frame with its length.
pub fn frame(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    let len = (out.len() - at - 4) as u32;
    out[at..at + 4].copy_from_slice(&len.to_be_bytes());
}

fn check(reply: &[u8]) -> Result<u64> {
    let header = ReplyHeader::from_bytes(reply)?;
    if header.err != 0 {
        bail!("request {} failed with error {}", header.xid, header.err);
    }
    Ok(reply.len() as u64)
}
