//! One connection: reads requests, hands each to its handler in order, and writes the answers in
//! the same order, while later requests may already be in progress. One task; a request whose
//! answer is ready at once costs no hop. Mirrors kafka.network.Processor for one channel.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use proto::kafka::FrameOut;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use super::buffers::ReadBuffer;
use super::cold::Readers;
use super::frames::{self, FrameError, Next};
use super::memory::{Memory, Reserved};
use super::open::Activity;
use super::outbox::Outbox;
use crate::handlers::{Answer, Handled, dispatch};
use crate::metrics::{Account, Timed};
use crate::state::Broker;

/// Bytes that may wait to be written before no further request is begun.
const OUTBOX: usize = 1 << 20;

/// Requests of one connection that are driven at a time, beyond their first step.
const DRIVEN: usize = 8;

/// The least and the most that is read at once.
const REACH: (usize, usize) = (4 * 1024, 128 * 1024);

/// Reads in a row before other connections get their turn.
const ROUNDS: usize = 16;

/// Who is at the other end.
#[derive(Debug)]
pub struct Peer {
    pub address: SocketAddr,
    /// name of the listener that it came through
    pub listener: Arc<str>,
}

/// What all connections of one listener go by.
pub(super) struct Rules {
    pub(super) max_request: usize,
    pub(super) max_in_progress: usize,
    pub(super) max_idle: Option<Duration>,
    pub(super) memory: Memory,
    pub(super) readers: Readers,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("closed by the peer")]
    Closed,
    #[error("idle")]
    Idle,
    #[error("{0}")]
    Frame(#[from] FrameError),
    #[error("a request that cannot be served")]
    Refused,
    #[error("max.connections is reached, and it did nothing for the longest")]
    Evicted,
    #[error("{0}")]
    Io(#[from] io::Error),
}

type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// A request whose answer has not left yet, with its share of memory.
struct InProgress {
    work: Work,
    /// polled at least once: whatever it queues elsewhere is queued in the order of the requests
    begun: bool,
    timed: Option<Timed>,
    _reserved: Reserved,
}

enum Work {
    Answering(Answering),
    Answered(Answer),
}

impl InProgress {
    fn new(work: Work, timed: Option<Timed>, reserved: Reserved) -> Self {
        Self {
            work,
            begun: false,
            timed,
            _reserved: reserved,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>, clock: &mut Lazy) {
        self.begun = true;
        let Work::Answering(future) = &mut self.work else {
            return;
        };
        match (future.as_mut().poll(cx), &mut self.timed) {
            (Poll::Ready(answer), timed) => {
                if let (Answer::Frame(_, account), Some(timed)) = (&answer, timed) {
                    timed.ready(clock.now(), *account);
                }
                self.work = Work::Answered(answer);
            }
            (Poll::Pending, Some(timed)) if !timed.is_waiting() => timed.waits(clock.now()),
            (Poll::Pending, _) => {}
        }
    }

    fn is_answered(&self) -> bool {
        matches!(self.work, Work::Answered(_))
    }
}

/// The time of one round, read when it is first asked for.
#[derive(Default)]
struct Lazy(Option<std::time::Instant>);

impl Lazy {
    fn now(&mut self) -> std::time::Instant {
        *self.0.get_or_insert_with(std::time::Instant::now)
    }
}

type Reserving = Pin<Box<dyn Future<Output = Reserved> + Send>>;

pub(super) struct Connection {
    activity: Arc<Activity>,
    stream: TcpStream,
    peer: Arc<Peer>,
    broker: Arc<Broker>,
    rules: Arc<Rules>,
    buf: ReadBuffer,
    in_progress: VecDeque<InProgress>,
    outbox: Outbox,
    /// memory of the request at the start of `buf`, once there is some
    reserved: Option<Reserved>,
    reserving: Option<Reserving>,
    /// bytes to read at once, beyond what the request at the start of `buf` lacks
    reach: usize,
    /// when the bytes in `buf` came
    read_at: std::time::Instant,
    /// answers in the outbox, and what it has to have written for each
    sending: VecDeque<(u64, Timed)>,
    /// the peer sends no more, but may still read
    read_closed: bool,
}

impl Connection {
    pub(super) fn new(
        stream: TcpStream,
        peer: Peer,
        broker: Arc<Broker>,
        rules: Arc<Rules>,
        activity: Arc<Activity>,
    ) -> Self {
        let outbox = Outbox::new(rules.readers.clone());
        Self {
            activity,
            stream,
            peer: Arc::new(peer),
            broker,
            rules,
            buf: ReadBuffer::default(),
            in_progress: VecDeque::new(),
            outbox,
            reserved: None,
            reserving: None,
            reach: REACH.0,
            read_at: std::time::Instant::now(),
            sending: VecDeque::new(),
            read_closed: false,
        }
    }

    /// Serves until either side has had enough.
    pub(super) async fn run(mut self) -> End {
        let mut last_active = Instant::now();
        let mut idle = Box::pin(sleep(self.rules.max_idle.unwrap_or(Duration::MAX)));
        loop {
            match self.advance() {
                Ok(())
                    if self.read_closed
                        && self.in_progress.is_empty()
                        && self.outbox.is_empty() =>
                {
                    return End::Closed;
                }
                Ok(()) => {}
                Err(end) => return end,
            }
            match self.wait(idle.as_mut()).await {
                Ok(true) => {
                    last_active = Instant::now();
                    self.activity.touch(last_active.into_std());
                }
                Ok(false) => match self
                    .rules
                    .max_idle
                    .filter(|max| last_active.elapsed() < *max)
                {
                    Some(max) => idle.as_mut().reset(last_active + max),
                    // a request in progress may take as long as it asked for
                    None if !self.in_progress.is_empty() && self.outbox.is_empty() => {
                        let max = self.rules.max_idle.unwrap_or(Duration::MAX);
                        idle.as_mut().reset(Instant::now() + max);
                    }
                    None => return End::Idle,
                },
                Err(e) => return e.into(),
            }
        }
    }

    /// Everything that can be done without waiting.
    fn advance(&mut self) -> Result<(), End> {
        // not for ever: other connections share the thread
        for _ in 0..ROUNDS {
            self.write()?;
            let begun = self.begin_requests()?;
            self.write()?;
            let read = self.wants_read() && self.read()?;
            if !read && !begun {
                break;
            }
        }
        Ok(())
    }

    /// Writes what the socket takes, and notes which answers have left with it.
    fn write(&mut self) -> io::Result<()> {
        if self.outbox.is_empty() {
            return Ok(());
        }
        self.outbox.write(&self.stream)?;
        let written = self.outbox.written();
        let mut now = None;
        while let Some((_, timed)) = self.sending.front().filter(|(end, _)| *end <= written) {
            let now = *now.get_or_insert_with(std::time::Instant::now);
            self.broker.metrics.requests.done(timed, now);
            self.sending.pop_front();
        }
        Ok(())
    }

    fn send(&mut self, frame: FrameOut, timed: Option<Timed>) {
        self.outbox.push(frame);
        if let Some(timed) = timed {
            self.sending.push_back((self.outbox.pushed(), timed));
        }
    }

    fn may_begin(&self) -> bool {
        self.outbox.len() < OUTBOX && self.in_progress.len() < self.rules.max_in_progress
    }

    fn wants_read(&self) -> bool {
        !self.read_closed && self.reserving.is_none() && self.may_begin()
    }

    /// Begins every request that is complete. Whether there was one.
    fn begin_requests(&mut self) -> Result<bool, End> {
        let mut begun = false;
        while self.may_begin() {
            let Next::Request(size) = frames::next(&self.buf.bytes, self.rules.max_request)? else {
                break;
            };
            if self.reserved.is_none() && !self.reserve(size) {
                break;
            }
            if !frames::is_complete(&self.buf.bytes, size) {
                break;
            }
            let reserved = self.reserved.take().flatten();
            let frame = frames::take(&mut self.buf.bytes, size);
            begun = true;
            let mut timed = Timed::begin(&frame, self.read_at);
            let work = match dispatch(&self.broker, &self.peer, frame) {
                Handled::Now(frame, account) => {
                    if let Some(timed) = &mut timed {
                        timed.ready(std::time::Instant::now(), account);
                    }
                    if self.in_progress.is_empty() {
                        self.send(frame, timed);
                        continue;
                    }
                    Work::Answered(Answer::Frame(frame, account))
                }
                Handled::Later(answer) => Work::Answering(answer),
                Handled::Nothing => {
                    self.answered_nothing(timed);
                    continue;
                }
                Handled::Close => return Err(End::Refused),
            };
            self.in_progress
                .push_back(InProgress::new(work, timed, reserved));
        }
        Ok(begun)
    }

    /// Whether the request at the start of the buffer has its memory.
    fn reserve(&mut self, size: usize) -> bool {
        if self.reserving.is_some() {
            return false;
        }
        self.reserved = self.rules.memory.try_reserve(size);
        if self.reserved.is_none() {
            self.reserving = Some(Box::pin(self.rules.memory.clone().reserve(size)));
        }
        self.reserved.is_some()
    }

    /// Reads once; whether anything came.
    fn read(&mut self) -> Result<bool, End> {
        let room = match frames::next(&self.buf.bytes, self.rules.max_request)? {
            Next::Unknown => self.reach,
            Next::Request(size) => frames::room(self.buf.bytes.len(), size).max(self.reach),
        };
        self.buf.make_room(room);
        let spare = self.buf.spare();
        match self.stream.try_read_buf(&mut self.buf.bytes) {
            Ok(0) => {
                self.read_closed = true;
                Ok(false)
            }
            Ok(read) => {
                self.read_at = std::time::Instant::now();
                // a busy peer's requests come in few reads, an idle one's take little room
                if read == spare {
                    self.reach = (self.reach * 2).min(REACH.1);
                } else if read < self.reach / 4 {
                    self.reach = (self.reach / 2).max(REACH.0);
                }
                Ok(true)
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                if self.buf.bytes.is_empty() {
                    // an idle connection keeps no buffer
                    self.buf.release();
                }
                Ok(false)
            }
            Err(e) => Err(e.into()),
        }
    }

    /// Waits for the socket, the oldest answer or memory. `false`: the time is up.
    async fn wait(&mut self, mut idle: Pin<&mut Sleep>) -> io::Result<bool> {
        poll_fn(|cx| {
            if self.poll_answers(cx)? || self.poll_memory(cx) {
                return Poll::Ready(Ok(true));
            }
            if self.wants_read() {
                if let Poll::Ready(ready) = self.stream.poll_read_ready(cx) {
                    return Poll::Ready(ready.map(|()| true));
                }
            }
            if self.outbox.poll_loaded(cx).is_ready() {
                return Poll::Ready(Ok(true));
            }
            if !self.outbox.is_empty() && !self.outbox.is_loading() {
                if let Poll::Ready(ready) = self.stream.poll_write_ready(cx) {
                    return Poll::Ready(ready.map(|()| true));
                }
            }
            idle.as_mut().poll(cx).map(|()| Ok(false))
        })
        .await
    }

    /// Moves finished answers to the outbox, oldest first. Whether there was one. New requests
    /// are begun in order, the oldest ones are driven on; the rest waits for its turn.
    fn poll_answers(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut clock = Lazy::default();
        for (at, request) in self.in_progress.iter_mut().enumerate() {
            if at < DRIVEN || !request.begun {
                request.poll(cx, &mut clock);
            }
        }
        let mut any = false;
        while self.outbox.len() < OUTBOX
            && self
                .in_progress
                .front()
                .is_some_and(InProgress::is_answered)
        {
            any = true;
            let Some(mut request) = self.in_progress.pop_front() else {
                break;
            };
            match request.work {
                Work::Answered(Answer::Frame(frame, _)) => {
                    if let Some(timed) = &mut request.timed {
                        timed.sends(clock.now());
                    }
                    self.send(frame, request.timed);
                }
                Work::Answered(Answer::Close) => {
                    return Err(io::Error::other("a request that cannot be served"));
                }
                _ => self.answered_nothing(request.timed),
            }
        }
        Ok(any)
    }

    fn answered_nothing(&self, timed: Option<Timed>) {
        if let Some(mut timed) = timed {
            let now = std::time::Instant::now();
            timed.ready(now, Account::default());
            self.broker.metrics.requests.done(&timed, now);
        }
    }

    fn poll_memory(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(reserving) = self.reserving.as_mut() else {
            return false;
        };
        let Poll::Ready(reserved) = reserving.as_mut().poll(cx) else {
            return false;
        };
        self.reserving = None;
        self.reserved = Some(reserved);
        true
    }
}
