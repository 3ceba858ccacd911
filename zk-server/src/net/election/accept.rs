//! Binding the election port, and hearing who connects before that counts as a server (Java:
//! `QuorumCnxManager.Listener`, `handleConnection`).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use proto::quorum::{Address, InitialMessage};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{ElectionNet, dial};
use crate::net::bind;

/// Connections that have not said who they are, at a time.
const UNHEARD: usize = 64;
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Binds all own addresses, with `electionPortBindRetry`.
pub(super) async fn bind(net: &ElectionNet) -> Result<Vec<TcpListener>, String> {
    let mut tries = 0;
    loop {
        let own = net.own(&net.lock().active);
        let error = match try_bind(net, &own).await {
            Ok(listeners) => return Ok(listeners),
            Err(error) => error,
        };
        tries += 1;
        if net.settings.bind_retry != 0 && tries >= net.settings.bind_retry {
            return Err(format!(
                "{error} As I'm leaving the listener thread, I won't be able to participate in leader election any longer ({tries} tries: electionPortBindRetry)."
            ));
        }
        tracing::error!("Exception while listening: {error}");
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

/// After a change of this server's own address: the old one is free when this begins.
pub(super) async fn rebind(net: Arc<ElectionNet>) {
    loop {
        match bind(&net).await {
            Ok(listeners) => return run(net, listeners).await,
            Err(error) => tracing::error!("{error}"),
        }
    }
}

/// Accepts until it is dropped.
pub(super) async fn run(net: Arc<ElectionNet>, listeners: Vec<TcpListener>) {
    let unheard = Arc::new(Semaphore::new(UNHEARD));
    let mut acceptors = JoinSet::new();
    for listener in listeners {
        acceptors.spawn(accept(net.clone(), listener, unheard.clone()));
    }
    while acceptors.join_next().await.is_some() {}
}

async fn accept(net: Arc<ElectionNet>, listener: TcpListener, unheard: Arc<Semaphore>) {
    loop {
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("Exception while accepting on the election port: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
        let Ok(place) = unheard.clone().try_acquire_owned() else {
            net.stranger(remote, "too many have not said who they are");
            continue;
        };
        let task = net.clone();
        net.runtime.spawn(async move {
            let heard = hear(&task, stream, remote).await;
            drop(place);
            let Some((stream, read, initial)) = heard else {
                return;
            };
            tracing::debug!(
                "Received connection request from {remote}: server {}",
                initial.server
            );
            let (wire, slot) = task.add();
            task.accepted(wire, remote, initial);
            task.run(wire, &slot, stream, read).await;
        });
    }
}

/// The first message, and what was read behind it.
async fn hear(
    net: &ElectionNet,
    mut stream: TcpStream,
    remote: SocketAddr,
) -> Option<(TcpStream, BytesMut, InitialMessage)> {
    dial::prepare(&stream, &net.settings);
    let patience = net.settings.connect_timeout;
    let mut read = BytesMut::with_capacity(256);
    let heard = timeout(patience, async {
        loop {
            match InitialMessage::decode(&mut read) {
                Ok(Some(initial)) => return Ok(Some(initial)),
                Ok(None) => {}
                Err(error) => return Err(error.to_string()),
            }
            match stream.read_buf(&mut read).await {
                // a check whether the port is open
                Ok(0) if read.is_empty() => return Ok(None),
                Ok(0) => return Err(format!("it ended after {} bytes", read.len())),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    });
    match heard.await {
        Ok(Ok(Some(initial))) => Some((stream, read, initial)),
        Ok(Ok(None)) => None,
        Ok(Err(why)) => {
            net.stranger(remote, &why);
            None
        }
        Err(_) => {
            let ms = patience.as_millis();
            net.stranger(
                remote,
                &format!("it has not said who it is in {ms} ms (cnxTimeout)"),
            );
            None
        }
    }
}

async fn try_bind(net: &ElectionNet, own: &[Address]) -> Result<Vec<TcpListener>, String> {
    if own.is_empty() {
        let me = net.settings.me;
        return Err(format!(
            "server {me} is not in the configuration: write a line server.{me}, or another number in myid."
        ));
    }
    let mut listeners = Vec::new();
    for address in own {
        let any = address
            .host
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.is_unspecified());
        let bound = match any || net.settings.listen_on_all {
            true => bind::all(address.port),
            false => bind::name(&address.host, address.port).await,
        };
        let listener = bound.map_err(|error| cannot_bind(net.settings.me, address, &error))?;
        if let Ok(at) = listener.local_addr() {
            warn_of_loopback(net, address, at.ip());
            tracing::info!(
                "{} is accepting connections now, my election bind port: {address} ({at})",
                net.settings.me
            );
        }
        listeners.push(listener);
    }
    Ok(listeners)
}

/// Debian's installer writes `127.0.1.1 NAME` into /etc/hosts: such a server reaches the others, and none reaches it.
fn warn_of_loopback(net: &ElectionNet, own: &Address, at: IpAddr) {
    let local = |host: &str| {
        host == own.host
            || host == "localhost"
            || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    };
    let me = net.settings.me;
    let others_are_elsewhere =
        net.lock().active.config().servers.iter().any(|server| {
            server.id != me && server.addresses.iter().any(|(host, ..)| !local(host))
        });
    if at.is_loopback() && others_are_elsewhere {
        tracing::warn!(
            "Other machines cannot reach this server: {own} of its line server.{me} is {at} here. Give {} this machine's own address in /etc/hosts, or set quorumListenOnAllIPs=true",
            own.host
        );
    }
}

fn cannot_bind(me: i64, address: &Address, error: &io::Error) -> String {
    let what = match error.kind() {
        io::ErrorKind::AddrInUse => {
            let holder = driver::port_holder::of_port(address.port);
            let holder = holder.map_or_else(String::new, |who| format!(" ({who})"));
            format!(
                "the port is taken{holder}: stop what listens there or change the line server.{me}"
            )
        }
        io::ErrorKind::AddrNotAvailable => format!(
            "this machine has no such address: if it is not server {me}, correct its myid; otherwise name one of its own addresses in the line server.{me}, or set quorumListenOnAllIPs=true"
        ),
        io::ErrorKind::PermissionDenied => {
            "this user may not listen there: take a port over 1023".to_owned()
        }
        _ => format!(
            "name an address of this machine in the line server.{me}, or set quorumListenOnAllIPs=true"
        ),
    };
    format!("cannot bind the election port {address}: {error}: {what}.")
}
