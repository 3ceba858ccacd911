//! The quorum port: connections between leader and learners, and those of observers with a follower
//! (Java: `Leader.LearnerCnxAcceptor`, `ObserverMaster`, `LearnerHandler`, `Learner.connectToLeader`). Carries packets and snapshots; which of them go where
//! is the peer's business.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`link`] | one connection, shared |
//! | `talk` | its task: reads packets, streams snapshots |
//! | `dial` | connecting to a server: all its addresses, names resolved each time |
//! | `listen` | accepting: learners while leading, observers while a master of observers |

mod dial;
pub mod link;
mod listen;
mod talk;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use proto::quorum::QuorumPacket;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::config::QuorumServer;
use crate::net::strangers::Unheard;
use crate::peer::io::Port;
use crate::quorum::View;
use crate::store::DatabaseSettings;
use crate::store::image::Image;
use crate::threads::core::Core;
use crate::units::LinkId;

pub use link::Link;

/// What the configuration says about these connections.
#[derive(Debug, Clone)]
pub struct QuorumNetSettings {
    pub me: i64,
    /// `quorumListenOnAllIPs`
    pub listen_on_all: bool,
    /// `observerMasterPort`
    pub observer_port: Option<u16>,
    /// how long connecting may take
    pub connect_timeout: Duration,
    /// how long a snapshot may stand still (`initLimit`)
    pub stall_timeout: Duration,
    /// longest data of a packet
    pub max_packet: usize,
    /// `leader.nodelay`, `follower.nodelay`
    pub accepted_nodelay: bool,
    pub dialled_nodelay: bool,
    /// `tcpKeepAlive`
    pub keep_alive: bool,
    pub database: DatabaseSettings,
}

#[derive(Debug)]
pub struct QuorumNet {
    settings: QuorumNetSettings,
    runtime: Handle,
    core: OnceLock<Weak<Core>>,
    links: Mutex<HashMap<LinkId, Arc<Link>>>,
    next_accepted: AtomicU64,
    /// where servers are
    views: Mutex<Views>,
    listening: Mutex<Option<AbortHandle>>,
    /// connections that have not sent a packet
    unheard: Arc<Unheard>,
    /// when it was told that a port can't be bound
    told_unbound: Mutex<Option<Instant>>,
}

#[derive(Debug)]
struct Views {
    active: View,
    proposed: Option<View>,
}

impl QuorumNet {
    /// On the current runtime. Nothing happens before [`Self::attach`].
    pub fn new(settings: QuorumNetSettings, view: View) -> Self {
        Self {
            settings,
            runtime: Handle::current(),
            core: OnceLock::new(),
            links: Mutex::default(),
            next_accepted: AtomicU64::new(1),
            views: Mutex::new(Views {
                active: view,
                proposed: None,
            }),
            listening: Mutex::default(),
            unheard: Arc::default(),
            told_unbound: Mutex::default(),
        }
    }

    pub fn attach(&self, core: &Arc<Core>) {
        let _ = self.core.set(Arc::downgrade(core));
    }

    fn core(&self) -> Option<Arc<Core>> {
        self.core.get().and_then(Weak::upgrade)
    }

    fn links(&self) -> MutexGuard<'_, HashMap<LinkId, Arc<Link>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Links that are open or being opened.
    pub fn link_count(&self) -> usize {
        self.links().len()
    }

    /// Bytes that wait to be written on a link.
    pub fn waiting(&self, link: LinkId) -> usize {
        self.links().get(&link).map_or(0, |link| link.waiting())
    }

    /// One that is only proposed adds to the one in use.
    pub fn configure(&self, view: View, active: bool) {
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        if active {
            views.active = view;
            views.proposed = None;
        } else {
            views.proposed = Some(view);
        }
    }

    fn server(&self, id: i64) -> Option<QuorumServer> {
        let views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        let proposed = views.proposed.as_ref().and_then(|view| view.server(id));
        views.active.server(id).or(proposed).cloned()
    }

    fn add(&self, id: LinkId) -> Arc<Link> {
        let link = Arc::new(Link::new(id));
        self.links().insert(id, link.clone());
        link
    }

    fn forget(&self, id: LinkId) {
        self.links().remove(&id);
    }

    /// Queues a packet; the caller flushes the link that comes back when it has let go of its lock.
    pub fn send(&self, id: LinkId, packet: &QuorumPacket) -> Option<Arc<Link>> {
        let link = self.links().get(&id)?.clone();
        link.queue(packet);
        Some(link)
    }

    pub fn send_snapshot(&self, id: LinkId, image: Image) -> Option<Arc<Link>> {
        let link = self.links().get(&id)?.clone();
        link.queue_snapshot(image);
        Some(link)
    }

    pub fn receive_snapshot(&self, id: LinkId, zxid: i64) {
        if let Some(link) = self.links().get(&id) {
            link.receive(zxid);
        }
    }

    pub fn link(&self, id: LinkId) -> Option<Arc<Link>> {
        self.links().get(&id).cloned()
    }

    pub fn dial(self: &Arc<Self>, id: LinkId, server: i64, port: Port) {
        let link = self.add(id);
        self.runtime
            .spawn(talk::dialled(self.clone(), link, server, port));
    }

    /// Where that port of a server is.
    fn addresses(&self, server: &QuorumServer, port: Port) -> Vec<(String, u16)> {
        let all = server.addresses.iter();
        all.filter_map(|(host, quorum, _)| match port {
            Port::Quorum => Some((host.clone(), *quorum)),
            Port::Observers => Some((host.clone(), self.settings.observer_port?)),
        })
        .collect()
    }

    /// Accepts connections on that port from here on, or on none.
    pub fn listen(self: &Arc<Self>, port: Option<Port>) {
        let mut listening = self
            .listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = listening.take() {
            task.abort();
        }
        if let Some(port) = port {
            let task = self.runtime.spawn(listen::accept(self.clone(), port));
            *listening = Some(task.abort_handle());
        }
    }

    /// Why this server could not lead, if its quorum port is not to be had.
    pub async fn cannot_listen(&self) -> Option<String> {
        let bound = listen::try_bind(self, Port::Quorum).await;
        bound.err().map(|unbound| unbound.why)
    }

    fn next_accepted(&self) -> LinkId {
        LinkId(self.next_accepted.fetch_add(1, Ordering::Relaxed))
    }
}

/// Options of the socket of a link.
fn prepare(stream: &TcpStream, nodelay: bool, keep_alive: bool) {
    let _ = stream.set_nodelay(nodelay);
    if keep_alive {
        let _ = SockRef::from(stream).set_keepalive(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_obey_their_options() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let connected = TcpStream::connect(listener.local_addr().unwrap());
        let stream = runtime.block_on(connected).unwrap();
        for (nodelay, keep_alive) in [(true, false), (false, false), (true, true)] {
            prepare(&stream, nodelay, keep_alive);
            assert_eq!(stream.nodelay().unwrap(), nodelay);
            assert_eq!(SockRef::from(&stream).keepalive().unwrap(), keep_alive);
        }
    }
}
