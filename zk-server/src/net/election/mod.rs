//! The election port: connections among all servers of an ensemble, for votes (Java:
//! `QuorumCnxManager`). Which connections are kept is decided by `election::Links`; here they are
//! made, read and written.
//!
//! | module | what it is |
//! | --- | --- |
//! | `accept` | binding the port; hearing who connects, before that counts as a server |
//! | `dial` | connecting to a server, names resolved on every try |
//! | `wire` | a connection that is kept: one newest message out, notifications in |

mod accept;
mod dial;
mod wire;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use proto::quorum::{Address, InitialMessage, Notification, PeerState};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::election::links::{Contact, Links, Order, Wire};
use crate::net::strangers::Strangers;
use crate::quorum::View;
use crate::threads::clock::Clock;
use crate::units::Now;

use wire::Slot;

/// What the configuration says about the election port.
#[derive(Debug, Clone)]
pub struct ElectionNetSettings {
    pub me: i64,
    /// `quorumListenOnAllIPs`
    pub listen_on_all: bool,
    /// `cnxTimeout`
    pub connect_timeout: Duration,
    /// `electionPortBindRetry`; 0: for ever
    pub bind_retry: u32,
    /// `tcpKeepAlive`
    pub keep_alive: bool,
    /// `multiAddress.enabled`: all own addresses are told, which servers before 3.6 don't understand
    pub multi_address: bool,
    /// `multiAddress.reachabilityCheckTimeoutMs`; `None`: no check
    pub reachability: Option<Duration>,
}

impl ElectionNetSettings {
    /// How long a message may stay without an answer of the other machine's network.
    fn patience(&self, several_addresses: bool) -> Duration {
        match self.reachability {
            Some(limit) if several_addresses => limit.min(self.connect_timeout),
            _ => self.connect_timeout,
        }
    }
}

/// What comes from other servers.
#[derive(Debug)]
pub enum Heard {
    Notification {
        from: i64,
        notification: Notification,
    },
    /// see `Election::out_of_reach`
    Reach { server: i64, gone: bool },
}

type Sink = Box<dyn Fn(Heard) + Send + Sync>;

pub struct ElectionNet {
    settings: ElectionNetSettings,
    runtime: Handle,
    clock: Clock,
    state: Mutex<State>,
    strangers: Strangers,
    /// the time of the next try has changed
    wake: Notify,
    sink: OnceLock<Sink>,
    next_wire: AtomicU64,
    acceptor: Mutex<Option<AbortHandle>>,
    /// this server tries whether its own address is another's, and may hear itself
    knocking: AtomicBool,
}

struct State {
    links: Links,
    wires: HashMap<Wire, Arc<Slot>>,
    active: View,
    proposed: Option<View>,
}

impl ElectionNet {
    /// Nothing is bound or dialled yet.
    pub fn new(
        settings: ElectionNetSettings,
        view: &View,
        clock: Clock,
        runtime: Handle,
    ) -> Arc<Self> {
        let mut links = Links::new(settings.me);
        links.configure(addresses(view, None));
        Arc::new(Self {
            settings,
            runtime,
            clock,
            state: Mutex::new(State {
                links,
                wires: HashMap::new(),
                active: view.clone(),
                proposed: None,
            }),
            strangers: Strangers::default(),
            wake: Notify::new(),
            sink: OnceLock::new(),
            next_wire: AtomicU64::new(1),
            acceptor: Mutex::new(None),
            knocking: AtomicBool::new(false),
        })
    }

    /// Binds the port and begins. `sink` gets what comes in, never from within a call of `notify` or
    /// `configure`. An error says what to change; Java leaves with exit code 14 then.
    pub async fn start(
        self: &Arc<Self>,
        sink: impl Fn(Heard) + Send + Sync + 'static,
    ) -> Result<(), String> {
        let _ = self.sink.set(Box::new(sink));
        let listeners = accept::bind(self).await?;
        self.accept(accept::run(self.clone(), listeners));
        self.runtime.spawn(accept::knock(self.clone()));
        self.runtime.spawn(timer(self.clone()));
        Ok(())
    }

    /// Sends a notification; the newest takes the place of an unsent older one. Does not wait.
    pub fn notify(self: &Arc<Self>, to: i64, notification: &Notification) {
        let mut message = Vec::with_capacity(64 + notification.config.len());
        message.extend_from_slice(&[0; 4]);
        notification.encode(&mut message);
        let length = (message.len() - 4) as u32;
        message[..4].copy_from_slice(&length.to_be_bytes());
        let looking = notification.state == PeerState::Looking;
        self.drive(|links, now, out| links.send(to, message.into(), looking, now, out));
    }

    /// These servers are the ensemble from here on. When this server's own address is another one, the
    /// port is bound anew.
    pub fn configure(self: &Arc<Self>, view: &View) {
        let moved = {
            let mut state = self.lock();
            let old = self.own(&state.active);
            state.active = view.clone();
            let newer = |proposed: &View| proposed.version() > view.version();
            state.proposed = state.proposed.take().filter(newer);
            let all = addresses(&state.active, state.proposed.as_ref());
            state.links.configure(all);
            let own = self.own(view);
            !own.is_empty() && own != old
        };
        if moved && self.sink.get().is_some() {
            self.accept(accept::rebind(self.clone()));
        }
    }

    /// These may be the ensemble soon: they can be reached too.
    pub fn propose(&self, view: &View) {
        let mut state = self.lock();
        state.proposed = Some(view.clone());
        let all = addresses(&state.active, state.proposed.as_ref());
        state.links.configure(all);
    }

    /// Servers with which there is a connection.
    pub fn connected(&self) -> Vec<i64> {
        let state = self.lock();
        let kept = state.wires.values().filter_map(|slot| slot.server());
        kept.collect()
    }

    /// What is known of the other servers.
    pub fn contacts(&self) -> Vec<Contact> {
        self.lock().links.contacts()
    }

    fn accept(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut acceptor = self.acceptor.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = acceptor.take() {
            old.abort();
        }
        *acceptor = Some(self.runtime.spawn(task).abort_handle());
    }

    /// Whether this server has its port.
    fn is_bound(&self) -> bool {
        let acceptor = self.acceptor.lock();
        acceptor.unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn own(&self, view: &View) -> Vec<Address> {
        let mut all = addresses(view, None);
        all.remove(&self.settings.me).unwrap_or_default()
    }

    /// This server's line and where it is written.
    fn own_line(&self) -> String {
        let me = self.settings.me;
        match self.lock().active.server(me) {
            Some(server) => format!("server.{me} ({})", server.place),
            None => format!("server.{me}"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, heard: Heard) {
        if let Some(sink) = self.sink.get() {
            sink(heard);
        }
    }

    /// Gives the rules something to decide and carries out what follows. What the election has to
    /// know is returned, to be told without the lock.
    fn drive(self: &Arc<Self>, f: impl FnOnce(&mut Links, Now, &mut Vec<Order>)) -> Vec<Heard> {
        let mut orders = Vec::new();
        let mut heard = Vec::new();
        let mut state = self.lock();
        let before = state.links.next_deadline();
        f(&mut state.links, self.clock.now(), &mut orders);
        for order in orders {
            match order {
                Order::Dial { server, addresses } => {
                    let initial = state.links.initial();
                    let task = dial::run(self.clone(), server, addresses, initial);
                    self.runtime.spawn(task);
                }
                Order::Write { wire, message } => {
                    if let Some(slot) = state.wires.get(&wire) {
                        slot.write(message);
                    }
                }
                Order::Close { wire } => {
                    if let Some(slot) = state.wires.remove(&wire) {
                        slot.close();
                    }
                }
                Order::Keep { wire, server } => {
                    if let Some(slot) = state.wires.get(&wire) {
                        slot.keep(server);
                    }
                }
                Order::Reach { server, gone } => heard.push(Heard::Reach { server, gone }),
                Order::Warn(text) => tracing::warn!("{text}"),
                Order::Info(text) => tracing::info!("{text}"),
            }
        }
        if state.links.next_deadline() != before {
            self.wake.notify_one();
        }
        heard
    }

    fn drive_and_tell(self: &Arc<Self>, f: impl FnOnce(&mut Links, Now, &mut Vec<Order>)) {
        for heard in self.drive(f) {
            self.tell(heard);
        }
    }

    /// A connection that has to find out whether it is kept. Its task goes on with it if so.
    fn add(&self) -> (Wire, Arc<Slot>) {
        let wire = Wire(self.next_wire.fetch_add(1, Ordering::Relaxed));
        let slot = Arc::new(Slot::default());
        self.lock().wires.insert(wire, slot.clone());
        (wire, slot)
    }

    /// Reads and writes until the connection ends, when it is kept at all.
    async fn run(self: &Arc<Self>, wire: Wire, slot: &Slot, stream: TcpStream, read: BytesMut) {
        if let Some(server) = slot.server() {
            let several = |view: &View| view.server(server).is_some_and(|s| s.addresses.len() > 1);
            let several = several(&self.lock().active);
            dial::limit(&stream, self.settings.patience(several));
            let end = wire::run(self, server, slot, stream, read).await;
            tracing::debug!(
                "Connection broken for id {server}, my id = {}: {end}",
                self.settings.me
            );
            self.lock().wires.remove(&wire);
            self.drive_and_tell(|links, now, out| links.closed(wire, now, out));
        }
        self.lock().wires.remove(&wire);
    }

    /// Says what is wrong with a connection that is none of a server; not each time.
    fn stranger(&self, remote: SocketAddr, why: &str) {
        let line = format!("Closing the connection of {remote} on the election port");
        self.warn_of(remote.ip(), &line, why);
    }

    fn warn_of(&self, remote: IpAddr, line: &str, why: &str) {
        let now = self.clock.now().mono_us;
        self.strangers.warn(remote, now, line, why);
    }

    fn accepted(self: &Arc<Self>, wire: Wire, remote: SocketAddr, initial: InitialMessage) {
        self.drive_and_tell(|links, now, out| {
            links.accepted(wire, remote.ip(), initial, now, out);
        });
    }
}

impl fmt::Debug for ElectionNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ElectionNet")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Tries again when it is time.
async fn timer(net: Arc<ElectionNet>) {
    loop {
        let deadline = net.lock().links.next_deadline();
        match deadline {
            Some(at) => {
                let at = tokio::time::Instant::from_std(net.clock.instant(at));
                tokio::select! {
                    () = tokio::time::sleep_until(at) => {}
                    () = net.wake.notified() => {}
                }
            }
            None => net.wake.notified().await,
        }
        net.drive_and_tell(Links::tick);
    }
}

/// Where the servers of both configurations listen for elections.
fn addresses(active: &View, proposed: Option<&View>) -> BTreeMap<i64, Vec<Address>> {
    let mut all: BTreeMap<i64, Vec<Address>> = BTreeMap::new();
    for view in [Some(active), proposed].into_iter().flatten() {
        for server in &view.config().servers {
            let known = all.entry(server.id).or_default();
            for (host, _, port) in &server.addresses {
                let address = Address {
                    host: host.clone(),
                    port: *port,
                };
                if !known.contains(&address) {
                    known.push(address);
                }
            }
        }
    }
    all
}
