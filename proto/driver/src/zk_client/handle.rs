//! [`ZkClient`]: what users of ZooKeeper call (Java: `ZooKeeper`).

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use proto::zk::ErrorCode;
use proto::zk::client::{
    Call, Calls, Config, ConnectString, ConnectStringError, Credentials, Error, Op, OpResult,
    OwnedAcl, Session, States, WatcherType, multi,
};
use proto::zk::request::CreateMode;
use proto::zk::stat::Stat;
use tokio::sync::{mpsc, oneshot, watch};

use crate::metrics::Latency;

use super::reach::Reach;
use super::task::{Command, MAX_UNREAD_EVENTS, Status, Task, ZkEvents};

/// Requests without answer beyond which callers wait.
const MAX_OUTSTANDING: usize = 4096;

/// How to reach a service and for how long a session lives.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// `host:port,host:port/chroot`
    pub connect: String,
    /// to be negotiated with the server
    pub session_timeout: Duration,
    /// an earlier session to take up again
    pub session: Option<Credentials>,
    /// a read-only server will do
    pub read_only: bool,
    /// see `proto::zk::client::Config::expire_unheard`
    pub expire_unheard: bool,
    /// longest reply that is read
    pub max_frame: usize,
    /// how long requests take; sessions made of one configuration share it
    pub latency: Arc<Latency>,
}

impl ClientConfig {
    pub fn new(connect: &str, session_timeout: Duration) -> Self {
        Self {
            connect: connect.to_owned(),
            session_timeout,
            session: None,
            read_only: false,
            expire_unheard: false,
            max_frame: 64 << 20,
            latency: Arc::default(),
        }
    }
}

/// A handle of a session; clones share it. When the last one is dropped the session is closed.
#[derive(Debug, Clone)]
pub struct ZkClient {
    calls: Calls,
    commands: mpsc::Sender<Command>,
    status: watch::Receiver<Status>,
    latency: Arc<Latency>,
    reach: Arc<Reach>,
}

impl ZkClient {
    /// Starts a session on the current tokio runtime. It connects in the background:
    /// [`Self::wait_connected`], or just call; calls wait for the first connection.
    pub fn connect(config: ClientConfig) -> Result<(Self, ZkEvents), ConnectStringError> {
        let ConnectString {
            mut servers,
            chroot,
        } = ConnectString::parse(&config.connect)?;
        let seed = RandomState::new().build_hasher().finish();
        shuffle(&mut servers, seed);
        let start = Instant::now();
        let machine = Config {
            servers,
            chroot: chroot.clone(),
            timeout_ms: i32::try_from(config.session_timeout.as_millis()).unwrap_or(i32::MAX),
            session: config.session,
            read_only: config.read_only,
            expire_unheard: config.expire_unheard,
            seed,
            max_frame: config.max_frame,
            max_outstanding: MAX_OUTSTANDING,
        };
        let session = Session::new(machine, 0);
        let (commands, receiver) = mpsc::channel(MAX_OUTSTANDING);
        let (event_sender, events) = mpsc::channel(MAX_UNREAD_EVENTS);
        let (status_sender, status) = watch::channel(Status::of(&session));
        let reach = Arc::<Reach>::default();
        let task = Task::new(
            session,
            start,
            receiver,
            event_sender,
            status_sender,
            reach.clone(),
        );
        tokio::spawn(task.run());
        let client = Self {
            calls: Calls { chroot },
            commands,
            status,
            latency: config.latency,
            reach,
        };
        Ok((client, ZkEvents(events)))
    }

    /// The state of the session at this moment.
    pub fn state(&self) -> States {
        self.status.borrow().states
    }

    /// Id and password, by which another process can take the session up. Id 0 before the first
    /// connection.
    pub fn session(&self) -> Credentials {
        self.status.borrow().credentials.clone()
    }

    /// Which server it has, and why others did not answer; keeping it keeps no session.
    pub fn reach(&self) -> Arc<Reach> {
        self.reach.clone()
    }

    /// The negotiated timeout.
    pub fn session_timeout(&self) -> Duration {
        self.status.borrow().timeout
    }

    /// Waits until the session stands, or has ended (the error), or `limit` has passed
    /// (`ConnectionLoss`).
    pub async fn wait_connected(&self, limit: Duration) -> Result<(), Error> {
        let mut status = self.status.clone();
        let settled = status.wait_for(|s| s.states.is_connected() || s.ended);
        let states = match tokio::time::timeout(limit, settled).await {
            Ok(Ok(status)) => status.states,
            Ok(Err(_)) => States::Closed,
            Err(_) => States::Connecting,
        };
        let code = match states {
            States::Connected | States::ConnectedReadOnly => return Ok(()),
            States::Connecting => ErrorCode::ConnectionLoss,
            States::Closed => ErrorCode::SessionExpired,
            States::AuthFailed => ErrorCode::AuthFailed,
        };
        Err(Error::Keeper { code, path: None })
    }

    /// Ends the session at the server and waits until that is done, or until the server could not
    /// be told.
    pub async fn close(&self) {
        let _ = self.commands.send(Command::Close).await;
        let mut status = self.status.clone();
        let _ = status.wait_for(|s| s.ended).await;
    }

    /// Authenticates this and all later connections. A refusal ends the session with
    /// `AuthFailed`.
    pub async fn add_auth(&self, scheme: &str, auth: Option<&[u8]>) {
        let (scheme, auth) = (scheme.to_owned(), auth.map(<[u8]>::to_vec));
        let _ = self.commands.send(Command::AddAuth { scheme, auth }).await;
    }

    /// Makes calls without this handle's methods, e.g. many at once.
    pub fn calls(&self) -> &Calls {
        &self.calls
    }

    /// Sends a call and waits for its answer. Calls are carried out in the order in which they
    /// were first polled.
    pub async fn run<T>(&self, call: Call<T>) -> Result<T, Error> {
        let begun = Instant::now();
        let (sender, answer) = oneshot::channel();
        let command = Command::Call {
            request: call.request,
            answer: sender,
        };
        let answer = match self.commands.send(command).await {
            Ok(()) => answer.await.unwrap_or(Err(ErrorCode::SessionExpired)),
            Err(_) => Err(match self.state() {
                States::AuthFailed => ErrorCode::AuthFailed,
                _ => ErrorCode::SessionExpired,
            }),
        };
        self.latency.took(begun.elapsed());
        call.reader.read(&self.calls.chroot, answer)
    }
}

/// The operations: see [`Calls`] for what each does.
impl ZkClient {
    pub async fn create(
        &self,
        path: &str,
        data: Option<&[u8]>,
        acl: &[OwnedAcl],
        mode: CreateMode,
    ) -> Result<String, Error> {
        self.run(self.calls.create(path, data, acl, mode, 0)?).await
    }

    /// `ttl` counts for the modes with a TTL.
    pub async fn create_with_ttl(
        &self,
        path: &str,
        data: Option<&[u8]>,
        acl: &[OwnedAcl],
        mode: CreateMode,
        ttl: Duration,
    ) -> Result<String, Error> {
        let ttl = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        self.run(self.calls.create(path, data, acl, mode, ttl)?)
            .await
    }

    /// As [`Self::create`], with the Stat of the new znode.
    pub async fn create2(
        &self,
        path: &str,
        data: Option<&[u8]>,
        acl: &[OwnedAcl],
        mode: CreateMode,
    ) -> Result<(String, Stat), Error> {
        self.run(self.calls.create2(path, data, acl, mode, 0)?)
            .await
    }

    pub async fn delete(&self, path: &str, version: i32) -> Result<(), Error> {
        self.run(self.calls.delete(path, version)?).await
    }

    /// `None` when there is no such znode; the watch is set in either case.
    pub async fn exists(&self, path: &str, watch: bool) -> Result<Option<Stat>, Error> {
        match self.run(self.calls.exists(path, watch)?).await {
            Ok(stat) => Ok(Some(stat)),
            Err(error) if error.code() == Some(ErrorCode::NoNode) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub async fn get_data(&self, path: &str, watch: bool) -> Result<(Option<Bytes>, Stat), Error> {
        self.run(self.calls.get_data(path, watch)?).await
    }

    pub async fn get_config(&self, watch: bool) -> Result<(Option<Bytes>, Stat), Error> {
        self.run(self.calls.get_config(watch)).await
    }

    pub async fn set_data(
        &self,
        path: &str,
        data: Option<&[u8]>,
        version: i32,
    ) -> Result<Stat, Error> {
        self.run(self.calls.set_data(path, data, version)?).await
    }

    pub async fn get_acl(&self, path: &str) -> Result<(Vec<OwnedAcl>, Stat), Error> {
        self.run(self.calls.get_acl(path)?).await
    }

    pub async fn set_acl(&self, path: &str, acl: &[OwnedAcl], version: i32) -> Result<Stat, Error> {
        self.run(self.calls.set_acl(path, acl, version)?).await
    }

    pub async fn get_children(
        &self,
        path: &str,
        watch: bool,
    ) -> Result<(Vec<String>, Stat), Error> {
        self.run(self.calls.get_children(path, watch)?).await
    }

    pub async fn get_all_children_number(&self, path: &str) -> Result<i32, Error> {
        self.run(self.calls.get_all_children_number(path)?).await
    }

    pub async fn get_ephemerals(&self, prefix: &str) -> Result<Vec<String>, Error> {
        self.run(self.calls.get_ephemerals(prefix)?).await
    }

    pub async fn sync(&self, path: &str) -> Result<(), Error> {
        self.run(self.calls.sync(path)?).await
    }

    pub async fn add_watch(&self, path: &str, recursive: bool) -> Result<(), Error> {
        self.run(self.calls.add_watch(path, recursive)?).await
    }

    pub async fn remove_watches(
        &self,
        path: &str,
        kind: WatcherType,
        local: bool,
    ) -> Result<(), Error> {
        self.run(self.calls.remove_watches(path, kind, local)?)
            .await
    }

    pub async fn who_am_i(&self) -> Result<Vec<(String, String)>, Error> {
        self.run(self.calls.who_am_i()).await
    }

    pub async fn reconfig(
        &self,
        joining: Option<&str>,
        leaving: Option<&str>,
        members: Option<&str>,
        from_config: i64,
    ) -> Result<(Option<Bytes>, Stat), Error> {
        let call = self.calls.reconfig(joining, leaving, members, from_config);
        self.run(call).await
    }

    /// All of `ops` or none ([`Error::Multi`] names the one that stopped it). Operations that read
    /// are each for itself, with their errors among the results.
    pub async fn multi(&self, ops: &[Op]) -> Result<Vec<OpResult>, Error> {
        if ops.is_empty() {
            return Ok(Vec::new());
        }
        let results = self.run(self.calls.multi(ops)?).await?;
        if ops[0].is_read() {
            return Ok(results);
        }
        match multi::first_error(&results) {
            Some((index, code)) => Err(Error::Multi { code, index }),
            None => Ok(results),
        }
    }
}

/// Spreads clients over the servers.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut random = seed | 1;
    for last in (1..items.len()).rev() {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        items.swap(last, (random % (last as u64 + 1)) as usize);
    }
}
