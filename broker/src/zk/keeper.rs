//! The driver of session, registration and controllership: one task, one queue. Mirrors the ZooKeeper side
//! of kafka.server.KafkaServer and KafkaController.elect.
#![allow(
    clippy::disallowed_methods,
    reason = "the driver of the session reads clocks and starts its task"
)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use driver::zk_client::{ClientConfig, CreateMode, Error, Op, OwnedAcl, ZkClient, ZkEvents};
use proto::zk::ErrorCode;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, info, warn};

use super::configs::Changes;
use super::json::{self, BrokerInfo};
use super::lifecycle::{Lifecycle, Next, Seen};
use super::session::{self, Inbox, SessionEvent};
use super::{access, paths};
use crate::controller::Event;
use crate::controller::driver::{Figures, Lost, Ruling, ShutdownAnswer};
use crate::state::{Broker, now_ms};

/// Lines about the controllership belong to the controller's logger.
const CONTROLLER: &str = "broker::controller";

/// What others want of this broker's part in the cluster.
pub(crate) enum Command {
    /// a broker wants to stop; answered with `None` where this is not the controller
    ControlledShutdown {
        broker: i32,
        broker_epoch: i64,
        answer: oneshot::Sender<Option<ShutdownAnswer>>,
    },
    /// metrics of the controller; zeros where this is not it
    Figures { answer: oneshot::Sender<Figures> },
}

/// After so long without an answer a start says what it is waiting for.
const SILENCE: Duration = Duration::from_secs(2);

/// One attempt at a first session.
pub(crate) async fn connect(
    config: &ClientConfig,
    limit: Duration,
) -> Result<(ZkClient, ZkEvents), String> {
    let (client, events) = ZkClient::connect(config.clone()).map_err(|e| e.to_string())?;
    let mut waited = client.wait_connected(limit.min(SILENCE)).await;
    if waited.is_err() && client.state().is_alive() && limit > SILENCE {
        warn!(
            "no ZooKeeper server answers yet at zookeeper.connect={} ({}); trying on for {} ms",
            config.connect,
            client.reach().failures(),
            (limit - SILENCE).as_millis()
        );
        waited = client.wait_connected(limit - SILENCE).await;
    }
    match waited {
        Ok(()) => Ok((client, events)),
        Err(_) => Err(format!(
            "no ZooKeeper server answers at zookeeper.connect={} within {} ms ({})",
            config.connect,
            limit.as_millis(),
            client.reach().failures()
        )),
    }
}

/// Ends the session that a former run has left, so that its registration does not stand in the
/// way (Java waits for its expiry, or fails).
pub(crate) async fn close_old(config: &ClientConfig, log_dir: &std::path::Path, limit: Duration) {
    let Some(old) = session::load(log_dir) else {
        return;
    };
    let id = old.id;
    let config = ClientConfig {
        session: Some(old),
        ..config.clone()
    };
    if let Ok((client, _events)) = connect(&config, limit).await {
        if client.session().id == id {
            info!("Closing session 0x{id:x} of this broker's former run");
            client.close().await;
        }
    }
    session::forget(log_dir);
}

/// The task.
pub(crate) struct Keeper {
    pub(crate) broker: Arc<Broker>,
    /// the session of now
    pub(crate) client: ZkClient,
    pub(crate) client_config: ClientConfig,
    pub(crate) info: BrokerInfo,
    pub(crate) log_dir: PathBuf,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) stop: watch::Receiver<bool>,
    /// told once: registered, or why not
    pub(crate) started: Option<oneshot::Sender<Result<(), String>>>,
}

impl Keeper {
    /// Serves from the first session on until the stop, which interrupts whatever goes on: without
    /// ZooKeeper any of it may take for ever.
    pub(crate) async fn run(mut self, events: ZkEvents) {
        let mut stop = self.stop.clone();
        tokio::select! {
            () = self.work(events) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
        self.leave().await;
    }

    /// Session after session; ends when the broker's id is somebody else's.
    async fn work(&mut self, events: ZkEvents) {
        let start = Instant::now();
        // A server that has just started gives a session its whole time anew, and rounds it up.
        let patience = self.client_config.session_timeout * 3 / 2;
        let patience = patience.as_millis().try_into().unwrap_or(u64::MAX);
        let (mut life, _) = Lifecycle::new(false, patience);
        let elapsed = || u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let metrics = self.broker.metrics.clone();
        let mut inbox = Inbox::follow(events, metrics, self.client.reach());
        let mut next = life.on(Seen::Connected, elapsed());
        let mut told = None;
        let mut away = None;
        loop {
            let seen = match next {
                Next::CloseOld => Seen::OldClosed,
                Next::Connect => {
                    inbox = self.reconnect().await;
                    Seen::Connected
                }
                Next::Register | Next::RegisterAfter { .. } => {
                    if let Next::RegisterAfter { ms, because } = &next {
                        if told.as_ref() != Some(because) {
                            warn!(
                                "broker id {} is taken {because}; waiting for that session to end",
                                self.broker.id
                            );
                            told = Some(because.clone());
                        }
                        tokio::time::sleep(Duration::from_millis(*ms)).await;
                    }
                    let seen = self.register().await;
                    if let (Seen::Registered, Some(since)) = (&seen, away) {
                        away = None;
                        info!(
                            "ZooKeeper is back: registered anew with session 0x{:x}, {} ms after \
                             the former one was of use",
                            self.client.session().id,
                            Instant::now().duration_since(since).as_millis()
                        );
                    }
                    seen
                }
                Next::Serve => {
                    let client = self.client.clone();
                    self.serve(&client, &inbox).await;
                    let since = inbox.lost_since().unwrap_or_else(Instant::now);
                    away = Some(since);
                    warn!(
                        "ZooKeeper session 0x{:x} has expired ({} ms after its connection was \
                         lost); registering anew",
                        client.session().id,
                        since.elapsed().as_millis()
                    );
                    self.broker.zk.set(None);
                    Seen::Ended
                }
                Next::Refuse(why) => {
                    if let Some(started) = self.started.take() {
                        let _ = started.send(Err(why));
                    }
                    return;
                }
            };
            next = life.on(seen, elapsed());
        }
    }

    /// A new session, however long it takes.
    async fn reconnect(&mut self) -> Arc<Inbox> {
        loop {
            let limit = self.client_config.session_timeout;
            match connect(&self.client_config, limit).await {
                Ok((client, events)) => {
                    let reach = client.reach();
                    self.client = client;
                    return Inbox::follow(events, self.broker.metrics.clone(), reach);
                }
                Err(e) => warn!("{e}; trying on"),
            }
        }
    }

    async fn register(&mut self) -> Seen {
        match self.try_register(&self.client).await {
            Ok(Seen::Registered) => {
                if let Err(e) = session::store(&self.log_dir, &self.client.session()) {
                    warn!(
                        "the session cannot be kept in {}: {e}",
                        self.log_dir.display()
                    );
                }
                self.broker.zk.set(Some(self.client.clone()));
                Seen::Registered
            }
            Ok(seen) => seen,
            Err(e) => {
                error!("registration of broker {}: {e}", self.broker.id);
                Seen::Ended
            }
        }
    }

    async fn try_register(&self, client: &ZkClient) -> Result<Seen, Error> {
        for path in paths::PERSISTENT {
            access::create_all(client, path, None).await?;
        }
        let path = paths::broker_id(self.broker.id);
        let acl = [OwnedAcl::OPEN];
        let data = BrokerInfo {
            timestamp_ms: now_ms(),
            ..self.info.clone()
        }
        .encode();
        match access::retry(|| client.create(&path, Some(&data), &acl, CreateMode::Ephemeral)).await
        {
            Ok(_) => {}
            Err(e) if e.code() == Some(ErrorCode::NodeExists) => {
                let Some((data, stat)) = access::get(client, &path, false).await? else {
                    return Ok(Seen::Taken("by a session that has just ended".into()));
                };
                // a create whose answer was lost was ours
                if stat.ephemeral_owner != client.session().id {
                    return Ok(Seen::Taken(owner(&data, stat.ephemeral_owner)));
                }
            }
            Err(e) => return Err(e),
        }
        let stat = access::retry(|| client.exists(&path, false)).await?;
        let Some(stat) = stat else {
            return Ok(Seen::Ended);
        };
        self.broker.set_epoch(stat.czxid);
        let points: Vec<_> = self
            .info
            .end_points
            .iter()
            .map(ToString::to_string)
            .collect();
        info!(
            "Registered broker {} at path {path} with addresses: {}, czxid (broker epoch): {}",
            self.broker.id,
            points.join(","),
            stat.czxid
        );
        Ok(Seen::Registered)
    }

    /// Watches, controllership, commands: until the session ends.
    async fn serve(&mut self, client: &ZkClient, inbox: &Inbox) {
        let mut changes = Changes::default();
        if changes.handle(client, &self.broker).await.is_err() {
            return;
        }
        let (events, mut queue) = mpsc::channel(1024);
        let Ok(mut ruling) = self.elect(client, &events).await else {
            return;
        };
        self.broker.joined();
        if let Some(started) = self.started.take() {
            let _ = started.send(Ok(()));
        }
        let mut balance = self.balance_interval();
        loop {
            let done = tokio::select! {
                event = inbox.next() => match event {
                    SessionEvent::Ended => return,
                    SessionEvent::Changed(path, waited) => {
                        if ruling.is_some() {
                            self.broker.metrics.controller.queued.took(waited);
                        }
                        self.changed(client, &path, &mut changes, &mut ruling, &events).await
                    }
                },
                Some(event) = queue.recv() => match &mut ruling {
                    Some(rule) => rule.on(event).await,
                    None => Ok(()),
                },
                Some(command) = self.commands.recv() => {
                    self.command(command, &mut ruling, queue.len()).await
                }
                _ = balance.tick() => match &mut ruling {
                    Some(rule) if self.broker.config().auto_leader_rebalance_enable => {
                        rule.on(Event::BalanceLeaders).await
                    }
                    _ => Ok(()),
                },
            };
            match done {
                Ok(()) => {}
                Err(Lost::Fenced) => {
                    info!(
                        target: CONTROLLER,
                        "[Controller id={}] resigned: another controller has been elected",
                        self.broker.id
                    );
                    ruling = None;
                }
                Err(Lost::Zk(e)) => {
                    error!(target: CONTROLLER,"[Controller id={}] resigned: {e}", self.broker.id);
                    if !client.state().is_alive() {
                        return;
                    }
                    ruling = None;
                }
            }
        }
    }

    fn balance_interval(&self) -> tokio::time::Interval {
        let seconds = self.broker.config().leader_imbalance_check_interval_seconds;
        let period = Duration::from_secs(u64::try_from(seconds).unwrap_or(300).max(1));
        tokio::time::interval_at(tokio::time::Instant::now() + period, period)
    }

    async fn changed(
        &self,
        client: &ZkClient,
        path: &str,
        changes: &mut Changes,
        ruling: &mut Option<Ruling>,
        events: &mpsc::Sender<Event>,
    ) -> Result<(), Lost> {
        match path {
            paths::CONFIG_CHANGES => Ok(changes.handle(client, &self.broker).await?),
            paths::CONTROLLER => {
                let node = access::get(client, path, true).await?;
                let ours =
                    node.is_some_and(|(_, stat)| stat.ephemeral_owner == client.session().id);
                if ours && ruling.is_some() {
                    return Ok(());
                }
                *ruling = None;
                *ruling = self.elect(client, events).await?;
                Ok(())
            }
            _ => match ruling {
                Some(rule) => rule.changed(path).await,
                None => Ok(()),
            },
        }
    }

    async fn command(
        &self,
        command: Command,
        ruling: &mut Option<Ruling>,
        events: usize,
    ) -> Result<(), Lost> {
        let (broker, broker_epoch, answer) = match command {
            Command::ControlledShutdown {
                broker,
                broker_epoch,
                answer,
            } => (broker, broker_epoch, answer),
            Command::Figures { answer } => {
                let figures = ruling.as_ref().map(|rule| rule.figures(events));
                let _ = answer.send(figures.unwrap_or_default());
                return Ok(());
            }
        };
        let Some(rule) = ruling else {
            let _ = answer.send(None);
            return Ok(());
        };
        let (sender, receiver) = oneshot::channel();
        tokio::spawn(async move {
            let _ = answer.send(receiver.await.ok());
        });
        rule.controlled_shutdown(broker, broker_epoch, sender).await
    }

    /// Competes for /controller, watching it in any case (KafkaController.elect).
    async fn elect(
        &self,
        client: &ZkClient,
        events: &mpsc::Sender<Event>,
    ) -> Result<Option<Ruling>, Lost> {
        loop {
            let now = access::retry(|| client.exists(paths::CONTROLLER, true)).await?;
            if let Some(stat) = now {
                if stat.ephemeral_owner != client.session().id {
                    return Ok(None);
                }
                // ours from before a resignation: begin with a new epoch
                let _ = client.delete(paths::CONTROLLER, stat.version).await;
                continue;
            }
            create_epoch(client).await?;
            let Some((data, stat)) = access::get(client, paths::CONTROLLER_EPOCH, false).await?
            else {
                continue;
            };
            let epoch: i32 = std::str::from_utf8(&data)
                .ok()
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or(0);
            let epoch = epoch + 1;
            let claim = [
                Op::Create {
                    path: paths::CONTROLLER.into(),
                    data: Some(json::encode_controller(self.broker.id, now_ms()).into()),
                    acl: vec![OwnedAcl::OPEN],
                    mode: CreateMode::Ephemeral,
                    ttl: -1,
                },
                Op::SetData {
                    path: paths::CONTROLLER_EPOCH.into(),
                    data: Some(epoch.to_string().into_bytes().into()),
                    version: stat.version,
                },
            ];
            match client.multi(&claim).await {
                Ok(_) => {}
                Err(Error::Multi { .. }) => continue,
                Err(e) if e.is_connection_loss() => continue,
                Err(e) => return Err(e.into()),
            }
            info!(target: CONTROLLER,"[Controller id={}] elected, epoch {epoch}", self.broker.id);
            let ruling = Ruling::begin(
                client.clone(),
                self.broker.clone(),
                epoch,
                stat.version + 1,
                events.clone(),
            );
            return match ruling.await {
                Ok(ruling) => Ok(Some(ruling)),
                Err(Lost::Fenced) => Ok(None),
                Err(lost) => Err(lost),
            };
        }
    }

    /// The end in good order: the session closes, so that everybody knows at once. Its credentials
    /// stay: where ZooKeeper has stopped first, it could not be told, and has the session still
    /// when both start again.
    async fn leave(&self) {
        self.broker.zk.set(None);
        self.client.close().await;
    }
}

async fn create_epoch(client: &ZkClient) -> Result<(), Error> {
    // 0 is never an epoch: the first controller has 1
    access::create_all(client, paths::CONTROLLER_EPOCH, Some(b"0")).await
}

fn owner(data: &[u8], session: i64) -> String {
    match BrokerInfo::decode(data)
        .ok()
        .and_then(|info| info.end_points.into_iter().next())
    {
        Some(point) => format!("by {}:{} (session 0x{session:x})", point.host, point.port),
        None => format!("by session 0x{session:x}"),
    }
}
