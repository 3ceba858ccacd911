//! Binds listeners, accepts connections within the limits, and starts a task for each. Mirrors
//! kafka.network.SocketServer and its Acceptor.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tracing::{debug, info, warn};

use super::cold::Readers;
use super::connection::{Connection, End, Peer, Rules};
use super::limits::{Limits, Quotas};
use super::memory::Memory;
use super::open::OpenConnections;
use crate::config::{EndPoint, KafkaConfig};
use crate::metrics::ListenerMeters;
use crate::state::Broker;

/// A listener that cannot be bound, and the line to change.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error(
        "{place}: listeners={listener}: port {port} is taken by {by}: stop it or choose another port"
    )]
    Taken {
        place: String,
        listener: String,
        port: u16,
        by: String,
    },
    #[error("{place}: listeners={listener}: {error}")]
    Other {
        place: String,
        listener: String,
        error: io::Error,
    },
}

/// What connections go by, from the configuration.
#[derive(Debug, Clone)]
pub struct NetSettings {
    max_request: usize,
    max_in_progress: usize,
    max_idle: Option<Duration>,
    memory: usize,
    send_buffer: Option<usize>,
    receive_buffer: Option<usize>,
    backlog: i32,
}

impl NetSettings {
    pub fn new(config: &KafkaConfig) -> Self {
        let size = |value: i32| usize::try_from(value).unwrap_or(0);
        let buffer = |value: i32| usize::try_from(value).ok().filter(|bytes| *bytes > 0);
        let idle = u64::try_from(config.connections_max_idle_ms)
            .ok()
            .map(Duration::from_millis);
        Self {
            max_request: size(config.socket_request_max_bytes),
            max_in_progress: size(config.queued_max_requests).max(1),
            max_idle: idle,
            memory: config.request_memory(),
            send_buffer: buffer(config.socket_send_buffer_bytes),
            receive_buffer: buffer(config.socket_receive_buffer_bytes),
            backlog: config.socket_listen_backlog_size,
        }
    }
}

/// The bound listeners, not serving yet: the ports are known, and taken.
pub struct Net {
    bound: Vec<(EndPoint, TcpListener)>,
    settings: NetSettings,
}

struct Shared {
    limits: Mutex<Limits>,
    open: Mutex<OpenConnections>,
    closed: Notify,
    start: Instant,
    complaints: Complaints,
}

impl Net {
    /// Binds every listener of the configuration.
    pub fn bind(config: &KafkaConfig) -> Result<Self, BindError> {
        let settings = NetSettings::new(config);
        let mut bound = Vec::new();
        for point in &config.listeners {
            let place = || config.settings.place("listeners");
            let listener = bind(point, &settings).map_err(|error| match error.kind() {
                io::ErrorKind::AddrInUse => BindError::Taken {
                    place: place(),
                    listener: point.to_string(),
                    port: point.port,
                    by: driver::port_holder::of_port(point.port)
                        .unwrap_or_else(|| "a process of another user".into()),
                },
                _ => BindError::Other {
                    place: place(),
                    listener: point.to_string(),
                    error,
                },
            })?;
            bound.push((point.clone(), listener));
        }
        Ok(Self { bound, settings })
    }

    /// The port that a listener got.
    pub fn port(&self, name: &str) -> Option<u16> {
        let (_, listener) = self.bound.iter().find(|(point, _)| point.name == name)?;
        listener.local_addr().ok().map(|address| address.port())
    }

    /// Serves until `stop` turns true; connections end with it.
    pub fn serve(self, broker: &Arc<Broker>, stop: &watch::Receiver<bool>) {
        let s = self.settings;
        let shared = Arc::new(Shared {
            limits: Mutex::new(Limits::new(Quotas::new(&broker.config()))),
            open: Mutex::default(),
            closed: Notify::new(),
            start: Instant::now(),
            complaints: Complaints::default(),
        });
        let memory = Memory::new(s.memory);
        let (size, free) = memory.room();
        broker.metrics.listeners.set_memory(size, free);
        let runtime = tokio::runtime::Handle::current().metrics();
        broker.metrics.threads.watch(vec![runtime]);
        let rules = Arc::new(Rules {
            max_request: s.max_request,
            max_in_progress: s.max_in_progress,
            max_idle: s.max_idle,
            memory,
            readers: Readers::default(),
        });
        for (point, listener) in self.bound {
            info!(
                "Awaiting socket connections on {}:{}.",
                point.host,
                port_of(&listener)
            );
            let name: Arc<str> = point.name.as_str().into();
            let acceptor = Acceptor {
                meters: broker.metrics.listeners.register(&name),
                name,
                broker: broker.clone(),
                rules: rules.clone(),
                shared: shared.clone(),
                stop: stop.clone(),
            };
            tokio::spawn(acceptor.run(listener));
        }
    }
}

fn port_of(listener: &TcpListener) -> u16 {
    listener.local_addr().map_or(0, |address| address.port())
}

fn bind(point: &EndPoint, settings: &NetSettings) -> io::Result<TcpListener> {
    let mut last = io::Error::other(format!("{} has no address", point.host));
    for address in addresses(point)? {
        match bind_address(address, settings) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// All interfaces for an empty host, both families where the system has both.
fn addresses(point: &EndPoint) -> io::Result<Vec<SocketAddr>> {
    if point.host.is_empty() {
        return Ok(vec![
            (Ipv6Addr::UNSPECIFIED, point.port).into(),
            (Ipv4Addr::UNSPECIFIED, point.port).into(),
        ]);
    }
    std::net::ToSocketAddrs::to_socket_addrs(&(point.host.as_str(), point.port))
        .map(Iterator::collect)
}

fn bind_address(address: SocketAddr, settings: &NetSettings) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    if let Some(bytes) = settings.receive_buffer {
        // before listen: the window scale is fixed when a connection is set up
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(bytes) = settings.send_buffer {
        socket.set_send_buffer_size(bytes)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(settings.backlog)?;
    TcpListener::from_std(socket.into())
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

struct Acceptor {
    name: Arc<str>,
    meters: Arc<ListenerMeters>,
    broker: Arc<Broker>,
    rules: Arc<Rules>,
    shared: Arc<Shared>,
    stop: watch::Receiver<bool>,
}

impl Acceptor {
    async fn run(mut self, listener: TcpListener) {
        let stopped = stopped(self.stop.clone());
        tokio::select! {
            () = stopped => {}
            () = self.accept_all(&listener) => {}
        }
    }

    async fn accept_all(&mut self, listener: &TcpListener) {
        let mut reconfigured = self.broker.reconfigured();
        loop {
            self.wait_for_room(&mut reconfigured).await;
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = reconfigured.changed() => {
                    self.shared.apply(&self.broker.config());
                    continue;
                }
            };
            match accepted {
                Ok((stream, address)) => self.accepted(stream, address),
                Err(e) => {
                    // out of file descriptors, mostly: the backlog waits with us
                    let text = format!("listener {} cannot accept: {e}", self.name);
                    self.shared.complaints.say(self.shared.start, &text);
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn wait_for_room(&self, reconfigured: &mut watch::Receiver<()>) {
        let mut since = None;
        loop {
            let mut closed = pin!(self.shared.closed.notified());
            closed.as_mut().enable();
            let now_us = self.shared.now_us();
            let allowed = self.shared.lock().may_accept(&self.name, now_us);
            match allowed {
                Ok(()) => {
                    if let Some(since) = since {
                        let blocked = now_us.saturating_sub(since);
                        self.meters.blocked(Duration::from_micros(blocked));
                    }
                    return;
                }
                Err(None) => drop(since.get_or_insert(now_us)),
                Err(Some(us)) => {
                    since.get_or_insert(now_us);
                    tokio::time::sleep(Duration::from_micros(us)).await;
                    continue;
                }
            }
            tokio::select! {
                () = closed => {}
                _ = reconfigured.changed() => self.shared.apply(&self.broker.config()),
            }
        }
    }

    fn accepted(&self, stream: TcpStream, address: SocketAddr) {
        let ip = address.ip().to_canonical();
        let opened = self.shared.lock().open(&self.name, ip);
        if let Err(too_many) = opened {
            self.shared
                .complaints
                .say(self.shared.start, &format!("{address} refused: {too_many}"));
            return;
        }
        let _ = stream.set_nodelay(true);
        let _ = socket2::SockRef::from(&stream).set_keepalive(true);
        let peer = Peer {
            address,
            listener: self.name.clone(),
        };
        let protected = self.shared.lock().quotas().is_protected(&self.name);
        let activity = self.shared.open().insert(protected);
        self.shared.evict();
        let connection = Connection::new(
            stream,
            peer,
            self.broker.clone(),
            self.rules.clone(),
            activity.clone(),
        );
        let name = self.name.clone();
        let (shared, stop) = (self.shared.clone(), stopped(self.stop.clone()));
        let open = self.meters.open();
        tokio::spawn(async move {
            let end = tokio::select! {
                end = connection.run() => end,
                () = stop => End::Closed,
                () = activity.evicted() => End::Evicted,
            };
            shared.lock().close(&name, ip);
            shared.open().remove(&activity);
            shared.closed.notify_waiters();
            drop(open);
            match end {
                End::Closed | End::Idle | End::Io(_) => debug!("connection of {address}: {end}"),
                End::Frame(_) | End::Refused | End::Evicted => {
                    shared.complaints.say(
                        shared.start,
                        &format!("connection of {address} closed: {end}"),
                    );
                }
            }
        });
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Limits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> std::sync::MutexGuard<'_, OpenConnections> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes by the limits of this configuration from now on.
    fn apply(&self, config: &KafkaConfig) {
        self.lock().set_quotas(Quotas::new(config));
        self.closed.notify_waiters();
        self.evict();
    }

    /// Closes as many connections as are too many, those first that did nothing for the longest.
    fn evict(&self) {
        let excess = self.lock().excess();
        if excess > 0 {
            self.open().evict(excess);
        }
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// One line a second at most about what strangers do, and how many were left out.
#[derive(Debug, Default)]
struct Complaints {
    last_s: AtomicU64,
    hidden: AtomicU64,
}

impl Complaints {
    fn say(&self, start: Instant, text: &str) {
        let now = start.elapsed().as_secs() + 1;
        if self.last_s.swap(now, Ordering::Relaxed) == now {
            self.hidden.fetch_add(1, Ordering::Relaxed);
            return;
        }
        match self.hidden.swap(0, Ordering::Relaxed) {
            0 => warn!("{text}"),
            hidden => warn!("{text} ({hidden} more like this)"),
        }
    }
}
