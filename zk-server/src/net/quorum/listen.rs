//! Accepting learners (Java: `Leader.LearnerCnxAcceptor`), or observers (Java: `ObserverMaster`). Only
//! while leading, or while a master of observers: a learner that knocks too early is refused by the
//! system, and tries again as Java's learners do.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{QuorumNet, prepare, talk};
use crate::net::bind;
use crate::peer::PeerInput;
use crate::peer::io::Port;
use crate::threads::core::Core;

/// Links beyond this many are closed at once.
const MAX_LINKS: usize = 1024;

/// Accepts on all addresses until it is dropped.
pub(super) async fn accept(net: Arc<QuorumNet>, port: Port) {
    let mut acceptors = JoinSet::new();
    for listener in bind(&net, port).await {
        acceptors.spawn(accept_on(listener, net.clone()));
    }
    if let (Some(core), Port::Quorum) = (net.core(), port) {
        core.peer(PeerInput::Listening);
    }
    while acceptors.join_next().await.is_some() {}
}

async fn accept_on(listener: TcpListener, net: Arc<QuorumNet>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                let Some(core) = net.core() else { return };
                take(stream, peer, &net, core);
            }
            Err(error) => {
                tracing::warn!("Exception while accepting follower: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn take(stream: TcpStream, peer: SocketAddr, net: &Arc<QuorumNet>, core: Arc<Core>) {
    if net.link_count() >= MAX_LINKS {
        tracing::warn!("Closing the connection of {peer} to the quorum port: {MAX_LINKS} are open");
        return;
    }
    let settings = &net.settings;
    prepare(&stream, settings.accepted_nodelay, settings.keep_alive);
    // A task of its own: it outlives the listener.
    net.runtime
        .spawn(talk::accepted(net.clone(), core, stream, peer));
}

/// A port that is taken for longer is taken by somebody else, not by the listener that was closed just
/// now.
const LONG: Duration = Duration::from_millis(100);
/// A leader whose port is taken for as long gives up its role. By then the others have found that they
/// can't connect and have looked for another leader, whom this server then follows; if it gave up at
/// once, as Java's does, it would be elected again and again.
const PATIENCE: Duration = Duration::from_millis(1500);
/// Between two lines about a port that stays taken.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// Binds every address of this server; tries again as long as one cannot be bound.
async fn bind(net: &QuorumNet, port: Port) -> Vec<TcpListener> {
    let began = Instant::now();
    let mut given_up = false;
    let mut pause = Duration::from_millis(2);
    loop {
        let unbound = match try_bind(net, port).await {
            Ok(listeners) => return listeners,
            Err(unbound) => unbound,
        };
        let quiet = if unbound.passing { PATIENCE } else { LONG };
        if began.elapsed() > quiet {
            tell(net, port, &unbound.why);
        }
        if port == Port::Quorum && !given_up && began.elapsed() > PATIENCE {
            given_up = true;
            if let Some(core) = net.core() {
                let reason = "learners can't connect: the quorum port can't be bound".to_owned();
                core.peer(PeerInput::NotListening { reason });
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(2 * LONG);
    }
}

fn tell(net: &QuorumNet, port: Port, why: &str) {
    let mut told = net
        .told_unbound
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if told.is_none_or(|at| at.elapsed() > TELL_AGAIN) {
        *told = Some(Instant::now());
        match port {
            Port::Quorum => tracing::error!(
                "Couldn't bind to the quorum port, so that this server can't lead: {why}"
            ),
            Port::Observers => tracing::error!(
                "Couldn't bind to observerMasterPort, so that no observer can connect here: {why}"
            ),
        }
    }
}

/// Why a port could not be bound.
pub(super) struct Unbound {
    pub(super) why: String,
    /// Nobody listens there: a connection that comes from the port holds it, and most of them end soon.
    passing: bool,
}

pub(super) async fn try_bind(net: &QuorumNet, which: Port) -> Result<Vec<TcpListener>, Unbound> {
    let Some(server) = net.server(net.settings.me) else {
        return Err(Unbound {
            why: "this server is not in the configuration".to_owned(),
            passing: false,
        });
    };
    let mut listeners = Vec::new();
    for (host, port) in net.addresses(&server, which) {
        let bound = if net.settings.listen_on_all || host == "0.0.0.0" || host == "::" {
            bind::all(port)
        } else {
            bind::name(&host, port).await
        };
        listeners.push(bound.map_err(|error| {
            let (what, line) = match which {
                Port::Quorum => ("quorum", format!("server.{} ({})", server.id, server.place)),
                Port::Observers => ("observer", "observerMasterPort".to_owned()),
            };
            Unbound {
                why: bind::explained(what, &host, port, &line, &error),
                passing: error.kind() == ErrorKind::AddrInUse
                    && !driver::port_holder::is_listened(port),
            }
        })?);
    }
    Ok(listeners)
}
