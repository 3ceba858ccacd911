//! A client that sends and receives raw frames: no retries, no interpretation.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use proto::jute::Jute;
use proto::zk::request::{ConnectRequest, RequestHeader};

use crate::proc::LIMIT;

/// One connection.
#[derive(Debug)]
pub struct RawConn {
    socket: TcpStream,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    Frame(Vec<u8>),
    /// The server has closed the connection.
    Closed,
    /// Nothing came for as long as it waits.
    Silence,
}

impl RawConn {
    pub fn open(addr: SocketAddr) -> io::Result<Self> {
        Self::open_within(addr, LIMIT)
    }

    /// One that gives up connecting, writing and each read after `limit`.
    pub fn open_within(addr: SocketAddr, limit: Duration) -> io::Result<Self> {
        let socket = TcpStream::connect_timeout(&addr, limit)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(limit))?;
        socket.set_write_timeout(Some(limit))?;
        Ok(Self { socket })
    }

    /// Writes bytes as they are. A server that has closed already is found out by the next read.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.socket.write_all(bytes);
    }

    pub fn receive(&mut self) -> Received {
        let mut length = [0; 4];
        let read = self.socket.read_exact(&mut length).and_then(|()| {
            let mut frame = Vec::new();
            let wanted = u64::from(u32::from_be_bytes(length));
            (&mut self.socket).take(wanted).read_to_end(&mut frame)?;
            if (frame.len() as u64) < wanted {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(frame)
        });
        match read {
            Ok(frame) => Received::Frame(frame),
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) =>
            {
                Received::Silence
            }
            Err(_) => Received::Closed,
        }
    }
}

/// A request as one frame, length included.
pub fn frame(xid: i32, op: i32, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 4];
    RequestHeader { xid, op }.write(&mut out);
    out.extend_from_slice(body);
    let length = (out.len() - 4) as i32;
    out[..4].copy_from_slice(&length.to_be_bytes());
    out
}

/// A connect frame, length included.
pub fn plain_connect(request: &ConnectRequest<'_>) -> Vec<u8> {
    let body = request.to_vec();
    let mut out = (body.len() as i32).to_be_bytes().to_vec();
    out.extend_from_slice(&body);
    out
}
