//! The task that owns one session machine and its socket: moves bytes, replies and events
//! between them and the handles.

use std::collections::HashMap;
use std::future::{Future, pending};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use proto::zk::ErrorCode;
use proto::zk::client::call::Request;
use proto::zk::client::{Credentials, Event, Session, SessionState, States, WatchedEvent};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};

use super::dial::{dial, is_read_write};
use super::reach::Reach;

/// Events that nobody has taken yet, beyond which nothing more is read from the server.
pub(super) const MAX_UNREAD_EVENTS: usize = 1 << 16;
/// Bytes asked of the socket at a time.
const READ_SIZE: usize = 16 * 1024;
/// Commands taken before the socket gets its turn.
const MAX_BATCH: usize = 256;

/// What a client is told without having asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ZkEvent {
    State(SessionState),
    Watch(WatchedEvent),
}

/// The events of a client, in the order in which the server sent them; each comes before the
/// reply that shows the change. Whoever keeps this takes its events: a long queue of them holds
/// replies back. Whoever drops it wants none.
#[derive(Debug)]
pub struct ZkEvents(pub(super) mpsc::Receiver<ZkEvent>);

impl ZkEvents {
    /// The next event; `None` after the session has ended and all are taken.
    pub async fn recv(&mut self) -> Option<ZkEvent> {
        self.0.recv().await
    }

    /// An event that is here already.
    pub fn try_recv(&mut self) -> Option<ZkEvent> {
        self.0.try_recv().ok()
    }

    /// [`Self::recv`] for those who share the receiver.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<ZkEvent>> {
        self.0.poll_recv(context)
    }
}

pub(super) type Answer = Result<Bytes, ErrorCode>;

#[derive(Debug)]
pub(super) enum Command {
    Call {
        request: Request,
        answer: oneshot::Sender<Answer>,
    },
    AddAuth {
        scheme: String,
        auth: Option<Vec<u8>>,
    },
    Close,
}

/// What handles may look at without asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) states: States,
    pub(super) credentials: Credentials,
    pub(super) timeout: Duration,
    /// nothing will happen any more
    pub(super) ended: bool,
}

impl Status {
    pub(super) fn of(session: &Session) -> Self {
        Self {
            states: session.states(),
            credentials: session.credentials().clone(),
            timeout: Duration::from_millis(session.timeout_ms()),
            ended: session.is_dead(),
        }
    }
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

struct Open {
    stream: TcpStream,
    input: BytesMut,
    output: BytesMut,
}

enum Connection {
    None,
    Dialing(Boxed<io::Result<TcpStream>>),
    Open(Box<Open>),
}

/// What happened to the connection.
enum Step {
    Dialed(io::Result<TcpStream>),
    Read(io::Result<usize>),
    Written(io::Result<usize>),
}

impl Connection {
    /// Waits for the next thing; nothing is lost when the wait is given up.
    async fn step(&mut self, read: bool) -> Step {
        match self {
            Self::None => pending().await,
            Self::Dialing(attempt) => Step::Dialed(attempt.await),
            Self::Open(open) => {
                let Open {
                    stream,
                    input,
                    output,
                } = &mut **open;
                let (mut reader, mut writer) = stream.split();
                input.reserve(READ_SIZE);
                tokio::select! {
                    n = writer.write_buf(output), if output.has_remaining() => Step::Written(n),
                    n = reader.read_buf(input), if read => Step::Read(n),
                    else => pending().await,
                }
            }
        }
    }
}

pub(super) struct Task {
    session: Session,
    start: Instant,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<ZkEvent>,
    /// an event that found no room
    blocked: Option<ZkEvent>,
    status: watch::Sender<Status>,
    answers: HashMap<u64, oneshot::Sender<Answer>>,
    next_id: u64,
    connection: Connection,
    probe: Option<Boxed<bool>>,
    reach: Arc<Reach>,
}

/// What woke the task.
enum Woken {
    Command(Option<Command>),
    Step(Step),
    Probed(bool),
    EventRoom,
    Timeout,
}

impl Task {
    pub(super) fn new(
        session: Session,
        start: Instant,
        commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<ZkEvent>,
        status: watch::Sender<Status>,
        reach: Arc<Reach>,
    ) -> Self {
        Self {
            session,
            start,
            commands,
            events,
            blocked: None,
            status,
            answers: HashMap::new(),
            next_id: 0,
            connection: Connection::None,
            probe: None,
            reach,
        }
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }

    pub(super) async fn run(mut self) {
        let now = self.now();
        self.session.handle_timeout(now);
        loop {
            self.carry_out();
            if self.session.is_dead() && self.blocked.is_none() {
                break;
            }
            let woken = self.wait().await;
            self.react(woken);
        }
        // Commands that came too late are refused by the machine like any others.
        self.commands.close();
        while let Ok(command) = self.commands.try_recv() {
            self.command(command);
        }
        self.carry_out();
    }

    async fn wait(&mut self) -> Woken {
        let due = self.session.poll_timeout();
        let at = self.start + Duration::from_millis(due.unwrap_or(0));
        let blocked = self.blocked.is_some();
        tokio::select! {
            command = self.commands.recv(), if !blocked && self.session.has_room() => {
                Woken::Command(command)
            }
            step = self.connection.step(!blocked) => Woken::Step(step),
            probed = wait_for(&mut self.probe), if self.probe.is_some() => Woken::Probed(probed),
            _ = self.events.reserve(), if blocked => Woken::EventRoom,
            () = tokio::time::sleep_until(at.into()), if due.is_some() => Woken::Timeout,
        }
    }

    fn react(&mut self, woken: Woken) {
        let now = self.now();
        match woken {
            // All handles are gone.
            Woken::Command(None) => self.session.close(now),
            Woken::Command(Some(command)) => {
                self.command(command);
                for _ in 0..MAX_BATCH {
                    if !self.session.has_room() {
                        break;
                    }
                    let Ok(command) = self.commands.try_recv() else {
                        break;
                    };
                    self.command(command);
                }
            }
            Woken::Step(step) => self.step(now, step),
            Woken::Probed(read_write) => {
                self.probe = None;
                self.session.probed(now, read_write);
            }
            Woken::EventRoom | Woken::Timeout => {}
        }
        if self.session.poll_timeout().is_some_and(|due| now >= due) {
            self.session.handle_timeout(now);
        }
    }

    fn command(&mut self, command: Command) {
        let now = self.now();
        match command {
            Command::Call { request, answer } => {
                let id = self.next_id;
                self.next_id += 1;
                self.answers.insert(id, answer);
                self.session.submit(now, id, request);
            }
            Command::AddAuth { scheme, auth } => {
                self.session.add_auth(now, &scheme, auth.as_deref())
            }
            Command::Close => self.session.close(now),
        }
    }

    fn step(&mut self, now: u64, step: Step) {
        match step {
            Step::Dialed(Ok(stream)) => {
                tracing::debug!(peer = ?stream.peer_addr().ok(), "connected to ZooKeeper");
                self.connection = Connection::Open(Box::new(Open {
                    stream,
                    input: BytesMut::new(),
                    output: BytesMut::new(),
                }));
                self.session.connected(now);
            }
            Step::Read(Ok(n)) if n > 0 => {
                if let Connection::Open(open) = &mut self.connection {
                    self.session.handle_bytes(now, &mut open.input);
                }
            }
            Step::Written(Ok(_)) => {}
            Step::Dialed(Err(error)) | Step::Read(Err(error)) | Step::Written(Err(error)) => {
                tracing::debug!(%error, "connection to ZooKeeper failed");
                self.reach.failed(error);
                self.drop_connection(now);
            }
            Step::Read(Ok(_)) => {
                self.reach.failed("the server closed the connection");
                self.drop_connection(now);
            }
        }
    }

    fn drop_connection(&mut self, now: u64) {
        self.connection = Connection::None;
        self.session.disconnected(now);
    }

    /// Does what the machine asks for.
    fn carry_out(&mut self) {
        // Handles see the state before they see an event or a reply that follows from it.
        let status = Status::of(&self.session);
        self.status.send_if_modified(|old| {
            let changed = *old != status;
            if changed {
                *old = status;
            }
            changed
        });
        if let Some(event) = self.blocked.take() {
            self.tell(event);
        }
        while self.blocked.is_none() {
            let Some(event) = self.session.poll_event() else {
                break;
            };
            match event {
                Event::Dial(server) => {
                    tracing::debug!(%server, "connecting to ZooKeeper");
                    self.reach.dialing(&server);
                    self.connection = Connection::Dialing(Box::pin(dial(server)));
                }
                Event::HangUp => {
                    self.reach.failed("no answer in time");
                    self.connection = Connection::None;
                }
                Event::Probe(server) => self.probe = Some(Box::pin(is_read_write(server))),
                Event::State(state) => {
                    if let SessionState::SyncConnected | SessionState::ConnectedReadOnly = state {
                        self.reach.connected();
                    }
                    self.tell(ZkEvent::State(state));
                }
                Event::Watch(event) => self.tell(ZkEvent::Watch(event)),
                Event::Reply { id, result, .. } => {
                    if let Some(answer) = self.answers.remove(&id) {
                        // Whoever asked may have gone.
                        let _ = answer.send(result);
                    }
                }
            }
        }
        if let Some(bytes) = self.session.poll_transmit() {
            if let Connection::Open(open) = &mut self.connection {
                if open.output.is_empty() {
                    open.output = BytesMut::from(Bytes::from(bytes));
                } else {
                    open.output.extend_from_slice(&bytes);
                }
            }
        }
    }

    fn tell(&mut self, event: ZkEvent) {
        if let Err(TrySendError::Full(event)) = self.events.try_send(event) {
            self.blocked = Some(event);
        }
    }
}

async fn wait_for(probe: &mut Option<Boxed<bool>>) -> bool {
    match probe {
        Some(probe) => probe.await,
        None => pending().await,
    }
}
