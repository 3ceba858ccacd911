//! Ports that stay ours: reserved by a bound socket that never listens, so that neither another
//! test nor an outgoing connection gets the number, while a server that sets `SO_REUSEADDR` (Java's
//! and tokio's do) can still listen on it, again and again.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// A reserved port on 127.0.0.1 or another address of this machine, free again when dropped.
#[derive(Debug)]
pub struct Port {
    addr: SocketAddr,
    _held: TcpSocket,
}

impl Port {
    pub fn reserve() -> Self {
        Self::reserve_on(Ipv4Addr::LOCALHOST.into())
    }

    pub fn reserve_on(host: IpAddr) -> Self {
        let any = SocketAddr::new(host, 0);
        let socket = match host {
            IpAddr::V4(_) => TcpSocket::new_v4(),
            IpAddr::V6(_) => TcpSocket::new_v6(),
        };
        let socket = socket.expect("a socket");
        // Only after the bind: two reservations must not share a number.
        socket.set_reuseaddr(false).expect("SO_REUSEADDR off");
        socket.bind(any).expect("a free port");
        socket.set_reuseaddr(true).expect("SO_REUSEADDR on");
        let addr = socket.local_addr().expect("a bound socket");
        Self {
            addr,
            _held: socket,
        }
    }

    pub fn number(&self) -> u16 {
        self.addr.port()
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_port_can_be_listened_on_repeatedly() {
        let port = Port::reserve();
        for _ in 0..3 {
            // std sets SO_REUSEADDR on listeners, as the servers do.
            let listener = std::net::TcpListener::bind(port.addr()).expect("listens");
            let _client = std::net::TcpStream::connect(port.addr()).expect("connects");
            drop(listener.accept().expect("accepts"));
        }
        let others: Vec<Port> = (0..500).map(|_| Port::reserve()).collect();
        assert!(others.iter().all(|other| other.number() != port.number()));
    }
}
