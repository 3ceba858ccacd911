//! Binds the client port and accepts (Java: `NIOServerCnxnFactory`). What a socket is set to, and
//! who may come in.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::config::ClientPort;

use super::admission::Refusal;
use super::{Net, connection};

/// The system takes as much of it as it allows. Java's default, 50, makes clients that come together
/// wait for seconds.
const BACKLOG: i32 = 4096;
/// Connections over a limit that are heard out for a four-letter word, at a time.
const HEARD_OUT: usize = 64;

/// Binds; an error says what to change.
pub fn bind(port: &ClientPort) -> Result<TcpListener, String> {
    let failed = |address: &str, error: &io::Error| {
        let what = match error.kind() {
            io::ErrorKind::AddrInUse => {
                let who = driver::port_holder::told(port.port);
                format!("the port is taken{who}: stop what listens there or change clientPort")
            }
            io::ErrorKind::PermissionDenied => {
                "this user may not listen there: take a port over 1023".to_owned()
            }
            io::ErrorKind::AddrNotAvailable => {
                "this machine has no such address: change clientPortAddress".to_owned()
            }
            _ => "change clientPort or clientPortAddress".to_owned(),
        };
        format!("{}: cannot bind {address}: {error}: {what}.", port.place)
    };
    let addresses: Vec<SocketAddr> = match &port.host {
        None => vec![
            SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port.port),
            SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port.port),
        ],
        Some(host) => (host.as_str(), port.port)
            .to_socket_addrs()
            .map_err(|error| failed(host, &error))?
            .take(1)
            .collect(),
    };
    let mut last = format!("{}: clientPortAddress has no address.", port.place);
    for address in addresses {
        match listen(address, port.backlog) {
            Ok(listener) => {
                let shown = match &port.host {
                    None => format!("0.0.0.0/0.0.0.0:{}", port.port),
                    Some(host) => format!("{host}/{}:{}", address.ip(), port.port),
                };
                tracing::info!(target: driver::logging::STARTUP, "binding to port {shown}");
                return Ok(listener);
            }
            // A machine without IPv6 has the second address.
            Err(error) => last = failed(&address.to_string(), &error),
        }
    }
    Err(last)
}

fn listen(address: SocketAddr, backlog: Option<u32>) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    let backlog = backlog.and_then(|n| i32::try_from(n).ok());
    socket.listen(backlog.unwrap_or(BACKLOG))?;
    TcpListener::from_std(socket.into())
}

/// Accepts until it is dropped.
pub async fn accept(listener: TcpListener, net: Arc<Net>) {
    let heard_out = Arc::new(Semaphore::new(HEARD_OUT));
    let warned = Mutex::new(HashSet::new());
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("Error accepting new connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // A client of an IPv4 address on a socket of both families.
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        if let Err(error) = prepare(&stream, net.limits.keep_alive) {
            tracing::debug!("connection of {peer}: {error}");
        }
        match net.admission.admit(peer.ip()) {
            Ok(place) => {
                let net = net.clone();
                tokio::spawn(async move {
                    connection::serve(stream, peer, &net).await;
                    drop(place);
                });
            }
            Err(refusal) => {
                refuse(refusal, peer, &warned);
                // Monitors are answered even now; a client cannot be: it would take any answer for
                // the end of its session.
                if let Ok(hearing) = heard_out.clone().try_acquire_owned() {
                    let net = net.clone();
                    tokio::spawn(async move {
                        connection::hear_out(stream, peer, &net).await;
                        drop(hearing);
                    });
                }
            }
        }
    }
}

/// One line for each address; a client in a loop must not fill the log.
fn refuse(refusal: Refusal, peer: SocketAddr, warned: &Mutex<HashSet<IpAddr>>) {
    /// Addresses remembered; then it begins anew.
    const REMEMBERED: usize = 1000;
    let mut warned = warned.lock().unwrap_or_else(PoisonError::into_inner);
    if warned.len() >= REMEMBERED {
        warned.clear();
    }
    if !warned.insert(peer.ip()) {
        return;
    }
    match refusal {
        Refusal::Address { max } => tracing::warn!(
            "Too many connections from /{} - max is {max} (raise maxClientCnxns in zoo.cfg if it \
             should have more)",
            peer.ip()
        ),
        Refusal::Total { open, max } => tracing::error!(
            "Too many connections {open} - max is {max} (raise maxCnxns in zoo.cfg if there should \
             be more)"
        ),
    }
}

fn prepare(stream: &TcpStream, keep_alive: bool) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if keep_alive {
        SockRef::from(stream).set_keepalive(true)?;
    }
    Ok(())
}
