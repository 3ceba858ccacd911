//! Carries out what the controller wants: fenced writes, reads with watches, requests to brokers.
//! Holds the one [`Controller`] of this broker while it has the leadership.
#![allow(clippy::disallowed_methods, reason = "measures how long events take")]

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use driver::zk_client::{Error, Op, ZkClient};
use proto::kafka::{ErrorCode, Uuid};
use proto::zk::ErrorCode as ZkCode;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use super::channel::Channel;
use super::machine::Rules;
use super::znodes::{load, read_brokers, read_preferred, read_states, read_topic, read_topics};
use super::{
    ControlRequest, Controller, Effect, Event, LiveBroker, Outcome, TopicPartition, Write,
};
use crate::metrics::ControllerTask;
use crate::state::Broker;
use crate::zk::access::{children, create_all, create_op, get};
use crate::zk::json::{self, LeaderAndIsr};
use crate::zk::paths;

/// Operations in one multi: well below any server's jute.maxbuffer.
const BATCH: usize = 200;

/// Why the leadership ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    #[error("another controller has been elected")]
    Fenced,
    #[error("ZooKeeper: {0}")]
    Zk(#[from] Error),
}

/// The answer to a controlled shutdown.
pub(crate) type ShutdownAnswer = Result<Vec<TopicPartition>, ErrorCode>;

/// What metrics show of a controller at one moment.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) topics_to_delete: usize,
    /// those with a replica whose broker is away
    pub(crate) topics_ineligible: usize,
    pub(crate) replicas_to_delete: usize,
    pub(crate) replicas_ineligible: usize,
    /// events that wait
    pub(crate) events: usize,
    /// requests that wait, by broker
    pub(crate) channels: Vec<(i32, usize)>,
}

/// What an event is counted as.
fn task_of(event: &Event) -> ControllerTask {
    match event {
        Event::Brokers(_) => ControllerTask::BrokerChange,
        Event::TopicNames(_) | Event::Topic(..) | Event::Written(..) => ControllerTask::TopicChange,
        Event::Deletions(_) | Event::Stopped { .. } => ControllerTask::TopicDeletion,
        Event::PreferredElection(_) => ControllerTask::ManualLeaderBalance,
        Event::States(_) => ControllerTask::IsrChange,
        Event::ControlledShutdown { .. } => ControllerTask::ControlledShutdown,
        Event::BalanceLeaders => ControllerTask::AutoLeaderBalance,
    }
}

/// The leadership of this broker.
pub(crate) struct Ruling {
    controller: Controller,
    client: ZkClient,
    broker: Arc<Broker>,
    /// version of /controller_epoch by which every write is fenced
    epoch_version: i32,
    channels: HashMap<i32, Channel>,
    events: mpsc::Sender<Event>,
    shutdowns: HashMap<u64, oneshot::Sender<ShutdownAnswer>>,
    next_token: u64,
}

impl Ruling {
    /// Reads everything and begins (KafkaController.onControllerFailover).
    pub(crate) async fn begin(
        client: ZkClient,
        broker: Arc<Broker>,
        epoch: i32,
        epoch_version: i32,
        events: mpsc::Sender<Event>,
    ) -> Result<Self, Lost> {
        let begun = Instant::now();
        let metrics = broker.metrics.clone();
        metrics.controller.begins(ControllerTask::ControllerChange);
        create_all(&client, paths::FEATURE, Some(&json::encode_feature())).await?;
        let loaded = load(&client).await?;
        let rules = rules(&broker, epoch);
        let mut effects = Vec::new();
        let controller = Controller::begin(rules, loaded, &mut effects);
        let (channels, shutdowns) = (HashMap::new(), HashMap::new());
        let mut this = Self {
            controller,
            client,
            broker,
            epoch_version,
            channels,
            events,
            shutdowns,
            next_token: 0,
        };
        this.carry_out(effects).await?;
        this.changed(paths::ISR_CHANGES).await?;
        let took = begun.elapsed();
        metrics
            .controller
            .ended(ControllerTask::ControllerChange, took);
        info!(
            "[Controller id={}] epoch {epoch}: ready to serve",
            this.broker.id
        );
        Ok(this)
    }

    /// A watch has fired.
    pub(crate) async fn changed(&mut self, path: &str) -> Result<(), Lost> {
        let event = match path {
            paths::BROKER_IDS => Event::Brokers(read_brokers(&self.client).await?),
            paths::TOPICS => Event::TopicNames(
                children(&self.client, path, true)
                    .await?
                    .into_iter()
                    .collect(),
            ),
            paths::DELETE_TOPICS => Event::Deletions(children(&self.client, path, true).await?),
            paths::PREFERRED_ELECTION => match read_preferred(&self.client).await? {
                Some(partitions) => Event::PreferredElection(partitions),
                None => return Ok(()),
            },
            paths::ISR_CHANGES => return self.isr_changes().await,
            _ if paths::broker_of(path).is_some() => {
                Event::Brokers(read_brokers(&self.client).await?)
            }
            _ => match paths::topic_of(path) {
                Some(topic) => {
                    Event::Topic(topic.to_owned(), read_topic(&self.client, topic).await?)
                }
                None => return Ok(()),
            },
        };
        self.on(event).await
    }

    pub(crate) async fn on(&mut self, event: Event) -> Result<(), Lost> {
        let (begun, task) = (Instant::now(), task_of(&event));
        let meters = &self.broker.clone().metrics.controller;
        meters.begins(task);
        let mut effects = Vec::new();
        self.controller.on_event(event, &mut effects);
        let done = self.carry_out(effects).await;
        let unclean = self.controller.take_unclean_elections();
        meters.unclean_elections.add(unclean);
        meters.ended(task, begun.elapsed());
        done
    }

    /// `events` wait in the queue.
    pub(crate) fn figures(&self, events: usize) -> Figures {
        let channels = self
            .channels
            .iter()
            .map(|(id, channel)| (*id, channel.waiting()));
        let mut figures = Figures {
            events,
            channels: channels.collect(),
            ..Figures::default()
        };
        figures.channels.sort_unstable();
        for replicas in self.controller.doomed() {
            let away = replicas.iter().filter(|live| !**live).count();
            figures.topics_to_delete += 1;
            figures.topics_ineligible += usize::from(away > 0);
            figures.replicas_to_delete += replicas.len();
            figures.replicas_ineligible += away;
        }
        figures
    }

    pub(crate) async fn controlled_shutdown(
        &mut self,
        broker: i32,
        broker_epoch: i64,
        answer: oneshot::Sender<ShutdownAnswer>,
    ) -> Result<(), Lost> {
        self.next_token += 1;
        let token = self.next_token;
        self.shutdowns.insert(token, answer);
        self.on(Event::ControlledShutdown {
            broker,
            broker_epoch,
            token,
        })
        .await
    }

    /// Effects in order; outcomes of writes are events, whose effects come after.
    async fn carry_out(&mut self, effects: Vec<Effect>) -> Result<(), Lost> {
        let mut queue: VecDeque<Effect> = effects.into();
        while let Some(effect) = queue.pop_front() {
            let events = match effect {
                Effect::Write(Write::CreateState(tp, state)) => {
                    let mut batch = vec![(tp, state)];
                    while batch.len() < BATCH / 2 {
                        match queue.pop_front() {
                            Some(Effect::Write(Write::CreateState(tp, state))) => {
                                batch.push((tp, state))
                            }
                            Some(other) => {
                                queue.push_front(other);
                                break;
                            }
                            None => break,
                        }
                    }
                    self.create_states(batch).await?
                }
                Effect::Write(write) => {
                    let outcome = self.write(&write).await?;
                    vec![Event::Written(write, outcome)]
                }
                other => self.carry_out_one(other).await?,
            };
            let mut more = Vec::new();
            for event in events {
                self.controller.on_event(event, &mut more);
            }
            queue.extend(more);
        }
        Ok(())
    }

    async fn carry_out_one(&mut self, effect: Effect) -> Result<Vec<Event>, Lost> {
        match effect {
            Effect::Send(id, request) if id == self.broker.id => {
                return Ok(self.apply_here(request).await);
            }
            Effect::Send(id, request) => {
                if let Some(channel) = self.channels.get(&id) {
                    channel.send(request).await;
                }
            }
            Effect::ReadTopics(names) => {
                let mut events = Vec::new();
                for (name, topic) in read_topics(&self.client, names).await? {
                    events.push(Event::Topic(name, topic));
                }
                return Ok(events);
            }
            Effect::AddBroker(broker) => self.add_broker(&broker),
            Effect::RemoveBroker(id) => drop(self.channels.remove(&id)),
            Effect::ShutdownReply { token, result } => {
                if let Some(answer) = self.shutdowns.remove(&token) {
                    let _ = answer.send(result);
                }
            }
            Effect::Write(_) => {}
        }
        Ok(Vec::new())
    }

    fn add_broker(&mut self, broker: &LiveBroker) {
        if broker.id == self.broker.id {
            return;
        }
        let config = self.broker.config();
        let timeout = Duration::from_millis(
            u64::try_from(config.controller_socket_timeout_ms).unwrap_or(30_000),
        );
        match Channel::open(
            broker,
            &config.inter_broker_listener,
            timeout,
            self.events.clone(),
        ) {
            Some(channel) => drop(self.channels.insert(broker.id, channel)),
            None => error!(
                "broker {} has no listener {}: the controller cannot reach it",
                broker.id, config.inter_broker_listener
            ),
        }
    }

    /// This broker's own part needs no connection.
    async fn apply_here(&self, request: ControlRequest) -> Vec<Event> {
        match request {
            ControlRequest::LeaderAndIsr(request) => {
                drop(self.broker.leader_and_isr(&request).await)
            }
            ControlRequest::UpdateMetadata(request) => drop(self.broker.update_metadata(&request)),
            ControlRequest::StopReplica(request) => {
                let answer = self.broker.replicas.stop_replicas(&request).await;
                let results = answer.partition_errors.iter().map(|partition| {
                    (
                        TopicPartition::new(&partition.topic_name, partition.partition_index),
                        partition.error_code,
                    )
                });
                return vec![Event::Stopped {
                    broker: self.broker.id,
                    results: results.collect(),
                }];
            }
        }
        Vec::new()
    }

    /// All of `ops` or none, and only while this is the controller.
    async fn fenced(&self, mut ops: Vec<Op>) -> Result<Result<i32, ZkCode>, Lost> {
        let fence = Op::Check {
            path: paths::CONTROLLER_EPOCH.into(),
            version: self.epoch_version,
        };
        ops.insert(0, fence);
        loop {
            return match self.client.multi(&ops).await {
                Ok(results) => Ok(Ok(match results.last() {
                    Some(driver::zk_client::OpResult::Set(stat)) => stat.version,
                    _ => 0,
                })),
                Err(Error::Multi { index: 0, .. }) => Err(Lost::Fenced),
                Err(Error::Multi { code, .. }) => Ok(Err(code)),
                Err(e) if e.is_connection_loss() => {
                    // whether it was done shows when it is tried again
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
                Err(e) => Err(e.into()),
            };
        }
    }

    async fn write(&self, write: &Write) -> Result<Outcome, Lost> {
        match write {
            Write::CreateState(..) => Ok(Outcome::Failed("not in a batch".into())),
            Write::SetState(tp, state, version) => {
                let path = paths::partition_state(&tp.topic, tp.partition);
                match self
                    .fenced(vec![set_op(path, state.encode(), *version)])
                    .await?
                {
                    Ok(version) => Ok(Outcome::Done(version)),
                    Err(code) => self.read_state(tp, code).await,
                }
            }
            Write::SetTopic(name, assignment, version) => {
                match self
                    .fenced(vec![set_op(
                        paths::topic(name),
                        assignment.encode(),
                        *version,
                    )])
                    .await?
                {
                    Ok(version) => Ok(Outcome::Done(version)),
                    Err(_) => Ok(Outcome::Topic(read_topic(&self.client, name).await?)),
                }
            }
            Write::DeleteTopic(name) => self.delete_topic(name).await,
            Write::DeleteRequest(name) => self.delete(paths::delete_topic(name)).await,
            Write::DeletePreferredElection => self.delete(paths::PREFERRED_ELECTION.into()).await,
        }
    }

    async fn delete(&self, path: String) -> Result<Outcome, Lost> {
        match self.fenced(vec![Op::Delete { path, version: -1 }]).await? {
            Ok(_) | Err(ZkCode::NoNode) => Ok(Outcome::Done(0)),
            Err(code) => Ok(Outcome::Failed(format!("{code:?}"))),
        }
    }

    async fn read_state(&self, tp: &TopicPartition, code: ZkCode) -> Result<Outcome, Lost> {
        let node = get(
            &self.client,
            &paths::partition_state(&tp.topic, tp.partition),
            false,
        )
        .await?;
        match node.map(|(data, stat)| (LeaderAndIsr::decode(&data), stat.version)) {
            Some((Ok(state), _)) if state.controller_epoch > self.controller.epoch() => {
                Err(Lost::Fenced)
            }
            Some((Ok(state), version)) => Ok(Outcome::State(state, version)),
            Some((Err(e), _)) => Ok(Outcome::Failed(e.to_string())),
            None => Ok(Outcome::Failed(format!("{tp}: {code:?}"))),
        }
    }

    /// First states, many partitions in one multi; where one is in the way, each for itself.
    async fn create_states(
        &self,
        batch: Vec<(TopicPartition, LeaderAndIsr)>,
    ) -> Result<Vec<Event>, Lost> {
        let topics: BTreeSet<_> = batch.iter().map(|(tp, _)| tp.topic.clone()).collect();
        for topic in topics {
            create_all(&self.client, &paths::partitions(&topic), None).await?;
        }
        let ops = batch.iter().flat_map(|(tp, state)| {
            let above = Op::Create {
                path: paths::partition(&tp.topic, tp.partition),
                data: None,
                acl: vec![driver::zk_client::OwnedAcl::OPEN],
                mode: driver::zk_client::CreateMode::Persistent,
                ttl: -1,
            };
            [
                above,
                create_op(
                    paths::partition_state(&tp.topic, tp.partition),
                    state.encode(),
                ),
            ]
        });
        let done = |(tp, state)| Event::Written(Write::CreateState(tp, state), Outcome::Done(0));
        if self.fenced(ops.collect()).await?.is_ok() {
            return Ok(batch.into_iter().map(done).collect());
        }
        let mut events = Vec::new();
        for (tp, state) in batch {
            create_all(
                &self.client,
                &paths::partition(&tp.topic, tp.partition),
                None,
            )
            .await?;
            let path = paths::partition_state(&tp.topic, tp.partition);
            let outcome = match self.fenced(vec![create_op(path, state.encode())]).await? {
                Ok(_) => Outcome::Done(0),
                Err(code) => self.read_state(&tp, code).await?,
            };
            if let Outcome::Failed(why) = &outcome {
                warn!(
                    "[Controller id={}] state of {tp} is not written: {why}",
                    self.broker.id
                );
            }
            events.push(Event::Written(Write::CreateState(tp, state), outcome));
        }
        Ok(events)
    }

    /// From the leaves up; the request to delete goes last, so that a successor goes on with it.
    async fn delete_topic(&self, name: &str) -> Result<Outcome, Lost> {
        let mut doomed = Vec::new();
        for partition in children(&self.client, &paths::partitions(name), false).await? {
            let path = format!("{}/{partition}", paths::partitions(name));
            for child in children(&self.client, &path, false).await? {
                doomed.push(format!("{path}/{child}"));
            }
            doomed.push(path);
        }
        doomed.extend([
            paths::partitions(name),
            paths::topic(name),
            paths::topic_config(name),
        ]);
        doomed.push(paths::delete_topic(name));
        for chunk in doomed.chunks(BATCH) {
            let ops = chunk.iter().map(|path| Op::Delete {
                path: path.clone(),
                version: -1,
            });
            if self.fenced(ops.collect()).await?.is_ok() {
                continue;
            }
            for path in chunk {
                if let Outcome::Failed(why) = self.delete(path.clone()).await? {
                    warn!(
                        "[Controller id={}] {path} is not deleted: {why}",
                        self.broker.id
                    );
                    return Ok(Outcome::Failed(why));
                }
            }
        }
        info!(
            "[Controller id={}] deletion of topic {name} successfully completed",
            self.broker.id
        );
        Ok(Outcome::Done(0))
    }

    /// Brokers before 2.7 change the ISR themselves and leave a note here.
    async fn isr_changes(&mut self) -> Result<(), Lost> {
        let mut changed = BTreeSet::new();
        let names = children(&self.client, paths::ISR_CHANGES, true).await?;
        for name in &names {
            let path = format!("{}/{name}", paths::ISR_CHANGES);
            if let Some((data, _)) = get(&self.client, &path, false).await? {
                match json::decode_partitions(&data) {
                    Ok(partitions) => changed.extend(partitions),
                    Err(e) => warn!("{path}: {e}"),
                }
            }
            self.delete(path).await?;
        }
        if changed.is_empty() {
            return Ok(());
        }
        let states = read_states(&self.client, changed.into_iter().collect()).await?;
        self.on(Event::States(states)).await
    }
}

fn rules(broker: &Arc<Broker>, epoch: i32) -> Rules {
    let config = broker.config();
    let (topics, logs) = (broker.clone(), broker.clone());
    Rules {
        id: broker.id,
        epoch,
        inter_broker_listener: config.inter_broker_listener.clone(),
        delete_topics: config.delete_topic_enable,
        imbalance_percentage: usize::try_from(config.leader_imbalance_per_broker_percentage)
            .unwrap_or(10),
        unclean: Box::new(move |topic| topics.topic_config(topic).unclean_leader_election_enable),
        // a controller of 2.7 writes znodes anew without their ids (Java gives them other ones then,
        // and refuses the logs that have the first)
        topic_id: Box::new(move |topic, znode| {
            let stored = logs
                .replicas
                .stored_topic_id(topic, znode.partitions.keys());
            stored.unwrap_or_else(new_topic_id)
        }),
    }
}

/// A random id that tools can take as an argument: no reserved one, none that begins with a dash.
pub(crate) fn new_topic_id() -> Uuid {
    loop {
        let id = Uuid(uuid::Uuid::new_v4().into_bytes());
        if !id.is_zero() && id != Uuid::ONE && !id.to_string().starts_with('-') {
            return id;
        }
    }
}

fn set_op(path: String, data: Vec<u8>, version: i32) -> Op {
    Op::SetData {
        path,
        data: Some(data.into()),
        version,
    }
}
