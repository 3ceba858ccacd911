//! Clients that mean no good, for either service: bytes of other protocols, of nobody, and none.
#![allow(clippy::disallowed_methods, reason = "plain sockets")]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::wait::LIMIT;
use crate::rng::Rng;

/// Connections that are kept open behind the newest.
const OPEN: usize = 50;

/// Sends bytes and gives what comes back until the server closes.
#[track_caller]
pub fn exchange(addr: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(addr).expect("a server that listens");
    socket.set_read_timeout(Some(LIMIT)).expect("a time limit");
    let _ = socket.write_all(bytes);
    let mut answer = Vec::new();
    match socket.read_to_end(&mut answer) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("neither answer nor end"),
        _ => answer,
    }
}

/// Connections that send and never read; dropping it closes them.
#[derive(Debug)]
pub struct Strangers {
    addr: SocketAddr,
    open: Vec<TcpStream>,
}

impl Strangers {
    pub fn new(addr: SocketAddr) -> Self {
        Self {
            addr,
            open: Vec::new(),
        }
    }

    /// One more sends this.
    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        let mut socket = TcpStream::connect(self.addr).expect("a server that listens");
        let _ = socket.write_all(bytes);
        self.open.push(socket);
        if self.open.len() > OPEN {
            self.open.clear();
        }
    }

    /// So many send random bytes, half of them in whole frames.
    #[track_caller]
    pub fn send_random(&mut self, random: &mut Rng, count: usize) {
        for round in 0..count {
            let length = random.below(300);
            let mut bytes = random.bytes(length);
            if round % 2 == 0 && length > 4 {
                let body = u32::try_from(length - 4).expect("a short frame");
                bytes[..4].copy_from_slice(&body.to_be_bytes());
            }
            self.send(&bytes);
        }
    }
}
