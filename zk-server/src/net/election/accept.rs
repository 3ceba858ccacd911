//! Binding the election port, and hearing who connects before that counts as a server (Java:
//! `QuorumCnxManager.Listener`, `handleConnection`).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::BytesMut;
use proto::quorum::{Address, InitialMessage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{ElectionNet, dial};
use crate::net::bind;
use crate::net::strangers::{Place, Unheard};

const RETRY_AFTER: Duration = Duration::from_secs(1);
/// With more tries than that an operator is told before the last one,
const PATIENT: u32 = 5;
/// and again after so many.
const TELL_AGAIN: u32 = 60;

/// Binds all own addresses, with `electionPortBindRetry`.
pub(super) async fn bind(net: &Arc<ElectionNet>) -> Result<Vec<TcpListener>, String> {
    let mut tries = 0;
    loop {
        let own = net.own(&net.lock().active);
        let error = match try_bind(net, &own).await {
            Ok(listeners) => return Ok(listeners),
            Err(error) => error,
        };
        tries += 1;
        if tries == 1 {
            net.runtime.spawn(knock(net.clone()));
        }
        if net.settings.bind_retry != 0 && tries >= net.settings.bind_retry {
            return Err(format!(
                "{error} As I'm leaving the listener thread, I won't be able to participate in leader election any longer ({tries} tries: electionPortBindRetry)."
            ));
        }
        // Whoever gives up soon says it then.
        let patient = net.settings.bind_retry == 0 || net.settings.bind_retry > PATIENT;
        if patient && tries % TELL_AGAIN == 1 {
            tracing::error!("Exception while listening: {error} It is tried again every second.");
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

/// Whoever listens at this server's own address may be the server whose number this one was given by
/// mistake: then that one tells its operator too, and this one knows.
pub(super) async fn knock(net: Arc<ElectionNet>) {
    /// A server closes a connection that comes in its own name.
    const PATIENCE: Duration = Duration::from_secs(2);
    /// The other one may dial this server by that number in the same moment, which looks like this
    /// server's own knock.
    const KNOCKS: usize = 5;
    for _ in 0..KNOCKS {
        if knocked(&net, PATIENCE).await {
            return;
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

/// Whether it is certain now who listens there.
async fn knocked(net: &ElectionNet, patience: Duration) -> bool {
    let own = net.own(&net.lock().active);
    let mut certain = true;
    for address in &own {
        let connecting = dial::connect_one(address);
        let Ok(Ok((mut stream, at))) = timeout(patience, connecting).await else {
            continue;
        };
        // this machine; when the port was free, this server
        let here = stream.local_addr().is_ok_and(|local| local.ip() == at);
        if here && net.is_bound() {
            continue;
        }
        let mut hello = Vec::new();
        let initial = InitialMessage {
            server: net.settings.me,
            addresses: own.clone(),
        };
        initial.encode(net.settings.multi_address, &mut hello);
        net.knocking.store(true, Ordering::Release);
        let said = stream.write_all(&hello).await;
        let _ = timeout(patience, stream.read(&mut [0])).await;
        // A translated address may have led back to this server.
        let elsewhere = net.knocking.swap(false, Ordering::AcqRel);
        certain &= elsewhere;
        if elsewhere && said.is_ok() && net.is_bound() {
            tracing::warn!(
                "Another server listens at {address}, the address of this server's own line {}: if this is not server {}, correct its myid",
                net.own_line(),
                net.settings.me
            );
        }
    }
    certain
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
    let unheard = Arc::new(Unheard::default());
    let mut acceptors = JoinSet::new();
    for listener in listeners {
        acceptors.spawn(accept(net.clone(), listener, unheard.clone()));
    }
    while acceptors.join_next().await.is_some() {}
}

async fn accept(net: Arc<ElectionNet>, listener: TcpListener, unheard: Arc<Unheard>) {
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
        let place = unheard.enter(remote.ip());
        let task = net.clone();
        net.runtime.spawn(async move {
            let heard = hear(&task, stream, remote, place).await;
            let Some((stream, read, initial)) = heard else {
                return;
            };
            // Of this machine it is a dial of a line that names this machine by another number.
            let here = stream.local_addr();
            let here = here.is_ok_and(|at| at.ip().to_canonical() == remote.ip());
            let own = initial.server == task.settings.me;
            if own && !here && task.knocking.swap(false, Ordering::AcqRel) {
                return;
            }
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
    place: Place,
) -> Option<(TcpStream, BytesMut, InitialMessage)> {
    dial::prepare(&stream, &net.settings);
    let patience = net.settings.connect_timeout;
    let mut read = BytesMut::with_capacity(256);
    let heard = tokio::select! {
        biased;
        heard = first_message(&mut stream, &mut read) => heard,
        () = tokio::time::sleep(patience) => {
            let ms = patience.as_millis();
            Err(format!("it has not said who it is in {ms} ms (cnxTimeout)"))
        }
        () = place.evicted() => {
            Err("it has not said who it is, and its place is needed".to_owned())
        }
    };
    match heard {
        Ok(initial) => Some((stream, read, initial?)),
        Err(why) => {
            net.stranger(remote, &why);
            None
        }
    }
}

/// None when the connection ends without a byte: a check whether the port is open.
async fn first_message(
    stream: &mut TcpStream,
    read: &mut BytesMut,
) -> Result<Option<InitialMessage>, String> {
    loop {
        if let Some(initial) = InitialMessage::decode(read).map_err(|error| error.to_string())? {
            return Ok(Some(initial));
        }
        match stream.read_buf(read).await {
            Ok(0) if read.is_empty() => return Ok(None),
            Ok(0) => return Err(format!("it ended after {} bytes", read.len())),
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
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
        let listener = bound.map_err(|error| {
            bind::explained(
                "election",
                &address.host,
                address.port,
                &net.own_line(),
                &error,
            )
        })?;
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

/// A name may stay, and mean something else; a number means the same everywhere.
fn what_to_do_about_loopback(host: &str, me: i64) -> String {
    if host.parse::<IpAddr>().is_ok() {
        return format!(
            "Write the address at which the others reach this machine into the line server.{me}, on all servers"
        );
    }
    format!(
        "Give {host} this machine's own address in /etc/hosts, or set quorumListenOnAllIPs=true"
    )
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
        let what_to_do = what_to_do_about_loopback(&own.host, me);
        tracing::warn!(
            "Other machines cannot reach this server: {own} of its line server.{me} is {at} here. {what_to_do}"
        );
    }
}
