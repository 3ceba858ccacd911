//! Listening on the ports between servers (Java: `QuorumCnxManager.Listener`, `Leader`'s server
//! sockets): on all addresses, or on those that a name has now.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, lookup_host};

/// Servers that connect together wait here.
const BACKLOG: i32 = 128;

/// On every address of this machine, of IPv4 alone where there is no IPv6.
pub(super) fn all(port: u16) -> io::Result<TcpListener> {
    listen(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port))
        .or_else(|_| listen(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)))
}

/// On the first address of the name that is this machine's.
pub(super) async fn name(host: &str, port: u16) -> io::Result<TcpListener> {
    let mut last = io::Error::other("the name has no address");
    for address in lookup_host((host, port)).await? {
        match listen(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// What is wrong with a port that could not be bound, and what to change in which line.
pub(super) fn explained(
    kind: &str,
    host: &str,
    port: u16,
    line: &str,
    error: &io::Error,
) -> String {
    let what = match error.kind() {
        io::ErrorKind::AddrInUse => {
            let holder = driver::port_holder::told(port);
            format!(
                "the port is taken{holder}: stop what listens there, or change the line {line} on all \
                 servers"
            )
        }
        io::ErrorKind::AddrNotAvailable => format!(
            "this machine has no such address: if it is another server of the ensemble, correct its \
             myid; otherwise name one of its own addresses in the line {line}, or set \
             quorumListenOnAllIPs=true"
        ),
        io::ErrorKind::PermissionDenied => {
            format!("this user may not listen there: take a port over 1023 in the line {line}")
        }
        _ => format!(
            "name an address of this machine in the line {line}, or set quorumListenOnAllIPs=true"
        ),
    };
    format!("cannot bind the {kind} port {host}:{port}: {error}: {what}.")
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}
