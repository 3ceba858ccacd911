//! Accepting learners (Java: `Leader.LearnerCnxAcceptor`). Only while leading: a learner that knocks
//! too early is refused by the system, and tries again as Java's learners do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{QuorumNet, prepare, talk};
use crate::net::bind;
use crate::threads::core::Core;

/// Links beyond this many are closed at once.
const MAX_LINKS: usize = 1024;

/// Accepts on all addresses until it is dropped.
pub(super) async fn accept(net: Arc<QuorumNet>) {
    let mut acceptors = JoinSet::new();
    for listener in bind(&net).await {
        acceptors.spawn(accept_on(listener, net.clone()));
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

/// Binds every address of this server; tries again as long as one cannot be bound.
async fn bind(net: &QuorumNet) -> Vec<TcpListener> {
    // The port may still be held by the listener that was closed just now.
    let mut pause = Duration::from_millis(2);
    let mut said = false;
    loop {
        match try_bind(net).await {
            Ok(listeners) => return listeners,
            Err(why) => {
                if !said && pause > LONG {
                    tracing::error!("Couldn't bind to the quorum port: {why}");
                    said = true;
                }
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(2 * LONG);
    }
}

/// A port that is taken for longer is taken by somebody else.
const LONG: Duration = Duration::from_millis(100);

pub(super) async fn try_bind(net: &QuorumNet) -> Result<Vec<TcpListener>, String> {
    let Some(server) = net.server(net.settings.me) else {
        return Err("this server is not in the configuration".to_owned());
    };
    let mut listeners = Vec::new();
    for (host, port, _) in &server.addresses {
        let bound = if net.settings.listen_on_all || host == "0.0.0.0" || host == "::" {
            bind::all(*port)
        } else {
            bind::name(host, *port).await
        };
        listeners.push(bound.map_err(|error| {
            let line = format!("server.{} ({})", server.id, server.place);
            bind::explained("quorum", host, *port, &line, &error)
        })?);
    }
    Ok(listeners)
}
