//! Events in, effects out: topics and partitions. One decision a partition at a time: while a
//! write of its state is on its way nothing else is decided about it, and each outcome leads to
//! the next look. No I/O, no clock. Mirrors kafka.controller.KafkaController with its partition
//! and replica state machines.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proto::kafka::Uuid;

use super::batch::{Batch, Sender};
use super::context::{Context, Leadership, Partition, TopicPartition};
use super::deletion::Deletions;
use super::election::{self, NO_LEADER};
use super::event::{Effect, Event, Loaded, Outcome, Write};
use crate::zk::json::{Assignment, LeaderAndIsr, TopicAssignment};

/// Gives a topic of this name and assignment an id.
pub(crate) type GiveId = Box<dyn FnMut(&str, &TopicAssignment) -> Uuid + Send + Sync>;

/// What a controller goes by.
pub struct Rules {
    /// of this broker
    pub id: i32,
    /// of the leadership, from /controller_epoch
    pub epoch: i32,
    pub inter_broker_listener: String,
    pub delete_topics: bool,
    /// share of a broker's partitions, in per cent, that others may lead before they move back
    pub imbalance_percentage: usize,
    /// whether this topic may be led by a replica outside the ISR
    pub unclean: Box<dyn Fn(&str) -> bool + Send + Sync>,
    /// the id of a topic that has none in its znode: what logs remember, else a new one
    pub topic_id: GiveId,
}

/// The one value.
pub struct Controller {
    pub(super) rules: Rules,
    pub(super) context: Context,
    pub(super) deletions: Deletions,
    pub(super) batch: Batch,
    /// controlled shutdowns whose answer waits for writes: token -> broker
    pub(super) shutdowns: BTreeMap<u64, i32>,
    /// leaders that were elected outside the ISR
    pub(super) unclean_elections: u64,
}

impl Controller {
    /// Begins to rule over what is loaded (KafkaController.onControllerFailover).
    pub fn begin(rules: Rules, loaded: Loaded, out: &mut Vec<Effect>) -> Self {
        let mut this = Self {
            rules,
            context: Context::default(),
            deletions: Deletions::default(),
            batch: Batch::default(),
            shutdowns: BTreeMap::new(),
            unclean_elections: 0,
        };
        for broker in loaded.brokers {
            out.push(Effect::AddBroker(broker.clone()));
            this.context.brokers.insert(broker.id, broker);
        }
        // brokers first learn who is there, so that they can answer metadata requests
        this.batch
            .metadata(this.context.brokers.keys().copied(), []);
        this.flush(out);
        for (name, assignment, version) in loaded.topics {
            this.adopt_topic(&name, assignment, version, out);
        }
        for (tp, state, version) in loaded.states {
            if let Some(partition) = this.context.partition_mut(&tp) {
                partition.leadership = Some(Leadership { state, version });
            }
        }
        let all: Vec<_> = this.context.all().map(|(tp, _)| tp).collect();
        for tp in &all {
            this.announce(tp, false);
        }
        this.flush(out);
        for tp in &all {
            this.evaluate(tp, out);
        }
        this.delete_requested(loaded.deletions, out);
        this.elect_preferred(&loaded.preferred_election, out);
        this.flush(out);
        this
    }

    pub fn epoch(&self) -> i32 {
        self.rules.epoch
    }

    /// Takes one event.
    pub fn on_event(&mut self, event: Event, out: &mut Vec<Effect>) {
        match event {
            Event::Brokers(brokers) => self.brokers_changed(brokers, out),
            Event::TopicNames(names) => self.topic_names(&names, out),
            Event::Topic(name, Some((assignment, version))) => {
                self.topic_changed(&name, assignment, version, out)
            }
            Event::Topic(name, None) => self.topic_gone(&name),
            Event::Deletions(names) => self.delete_requested(names, out),
            Event::PreferredElection(partitions) => {
                self.elect_preferred(&partitions, out);
                out.push(Effect::Write(Write::DeletePreferredElection));
            }
            Event::States(states) => self.states_changed(states, out),
            Event::Written(write, outcome) => self.written(write, outcome, out),
            Event::Stopped { broker, results } => self.replicas_stopped(broker, results, out),
            Event::ControlledShutdown {
                broker,
                broker_epoch,
                token,
            } => {
                self.controlled_shutdown(broker, broker_epoch, token, out);
            }
            Event::BalanceLeaders => self.balance_leaders(out),
        }
        self.flush(out);
        self.answer_shutdowns(out);
    }

    /// Sends what was collected.
    pub(super) fn flush(&mut self, out: &mut Vec<Effect>) {
        let sender = Sender {
            id: self.rules.id,
            epoch: self.rules.epoch,
            inter_broker_listener: self.rules.inter_broker_listener.clone(),
        };
        let deletions = &self.deletions;
        std::mem::take(&mut self.batch).send(
            &sender,
            &self.context,
            &|topic| deletions.contains(topic),
            out,
        );
    }

    /// Unclean elections since this was last asked.
    pub(super) fn take_unclean_elections(&mut self) -> u64 {
        std::mem::take(&mut self.unclean_elections)
    }

    fn topic_names(&mut self, names: &BTreeSet<String>, out: &mut Vec<Effect>) {
        let new: Vec<_> = names
            .iter()
            .filter(|name| !self.context.topics.contains_key(name.as_str()))
            .cloned()
            .collect();
        let gone: Vec<_> = self
            .context
            .topics
            .keys()
            .filter(|name| !names.contains(&***name))
            .cloned()
            .collect();
        for name in gone {
            self.topic_gone(&name);
        }
        if !new.is_empty() {
            out.push(Effect::ReadTopics(new));
        }
    }

    /// Somebody removed the znode by hand, or it is what our own deletion has done.
    fn topic_gone(&mut self, name: &str) {
        self.context.topics.remove(name);
        self.deletions.forget(name);
    }

    fn topic_changed(
        &mut self,
        name: &str,
        assignment: TopicAssignment,
        version: i32,
        out: &mut Vec<Effect>,
    ) {
        if self.deletions.contains(name) {
            return;
        }
        let known = self.context.topics.get(name);
        let made_anew = known.is_some_and(|topic| {
            assignment.id.is_some() && topic.id.is_some() && assignment.id != topic.id
        });
        if made_anew {
            self.context.topics.remove(name);
        }
        let new = self.adopt_topic(name, assignment, version, out);
        for tp in new {
            self.evaluate(&tp, out);
        }
    }

    /// Takes over a topic's znode; returns the partitions that are new. A topic without an id
    /// gets the one it had, or a new one: old tools write none.
    fn adopt_topic(
        &mut self,
        name: &str,
        mut znode: TopicAssignment,
        version: i32,
        out: &mut Vec<Effect>,
    ) -> Vec<TopicPartition> {
        let key: Arc<str> = name.into();
        let topic = self.context.topics.entry(key.clone()).or_default();
        let mut rewrite = false;
        let known = topic.id.or(znode.id);
        let id = known.unwrap_or_else(|| (self.rules.topic_id)(name, &znode));
        topic.id = Some(id);
        if znode.id != Some(id) {
            znode.id = Some(id);
            rewrite = true;
        }
        // partitions never go away one by one: what a tool left out is put back
        for (index, partition) in &topic.partitions {
            if !znode.partitions.contains_key(index) {
                znode
                    .partitions
                    .insert(*index, partition.assignment.clone());
                rewrite = true;
            }
        }
        let mut new = Vec::new();
        for (index, assignment) in &znode.partitions {
            topic.partitions.entry(*index).or_insert_with(|| {
                new.push(TopicPartition {
                    topic: key.clone(),
                    partition: *index,
                });
                Partition {
                    assignment: assignment.clone(),
                    ..Partition::default()
                }
            });
        }
        if rewrite {
            out.push(Effect::Write(Write::SetTopic(
                name.to_owned(),
                znode,
                version,
            )));
        }
        new
    }

    /// Decides what is due for one partition: its first leader, another one, a smaller ISR.
    pub(super) fn evaluate(&mut self, tp: &TopicPartition, out: &mut Vec<Effect>) {
        if self.deletions.contains(&tp.topic) {
            return;
        }
        let Some(partition) = self.context.partition(tp) else {
            return;
        };
        if partition.writing {
            return;
        }
        let write = match &partition.leadership {
            None => {
                let live = |id| self.context.is_live(id);
                let first = election::first(&partition.assignment.replicas, self.rules.epoch, live);
                first.map(|state| Write::CreateState(tp.clone(), state))
            }
            Some(leadership) => self
                .desired(tp, &partition.assignment, &leadership.state)
                .and_then(|(leader, isr)| self.next_state(tp, leadership, leader, isr)),
        };
        self.write_state(tp, write, out);
    }

    fn write_state(&mut self, tp: &TopicPartition, write: Option<Write>, out: &mut Vec<Effect>) {
        if let (Some(write), Some(partition)) = (write, self.context.partition_mut(tp)) {
            partition.writing = true;
            out.push(Effect::Write(write));
        }
    }

    fn next_state(
        &self,
        tp: &TopicPartition,
        now: &Leadership,
        leader: i32,
        isr: Vec<i32>,
    ) -> Option<Write> {
        if (leader, &isr) == (now.state.leader, &now.state.isr) {
            return None;
        }
        let state = LeaderAndIsr {
            leader,
            leader_epoch: now.state.leader_epoch + 1,
            isr,
            controller_epoch: self.rules.epoch,
            recovery: now.state.recovery,
        };
        Some(Write::SetState(tp.clone(), state, now.version))
    }

    /// Leader and ISR as they should be.
    fn desired(
        &self,
        tp: &TopicPartition,
        assignment: &Assignment,
        state: &LeaderAndIsr,
    ) -> Option<(i32, Vec<i32>)> {
        let live = |id| self.context.is_live(id);
        let replicas = &assignment.replicas;
        if !self.context.brokers.contains_key(&state.leader) {
            let unclean = (self.rules.unclean)(&tp.topic);
            return election::offline(replicas, state, live, unclean).or_else(|| {
                (state.leader != NO_LEADER).then(|| election::without(state, state.leader))
            });
        }
        if !live(state.leader) && replicas.len() > 1 {
            if let Some(moved) = election::controlled_shutdown(replicas, state, live) {
                return Some(moved);
            }
        }
        let isr = state
            .isr
            .iter()
            .copied()
            .filter(|id| live(*id) || *id == state.leader)
            .collect();
        Some((state.leader, isr))
    }

    /// The partition's brokers learn its leader.
    pub(super) fn announce(&mut self, tp: &TopicPartition, is_new: bool) {
        let Some(partition) = self.context.partition(tp) else {
            return;
        };
        if partition.leadership.is_none() {
            return;
        }
        let replicas = partition.assignment.replicas.clone();
        self.batch
            .leader_and_isr(&replicas, tp, is_new, &self.context);
    }

    fn written(&mut self, write: Write, outcome: Outcome, out: &mut Vec<Effect>) {
        match (write, outcome) {
            (Write::CreateState(tp, state), Outcome::Done(version)) => {
                self.lead(&tp, state, version, true, out);
            }
            (Write::SetState(tp, state, _), Outcome::Done(version)) => {
                let before = self.context.partition(&tp);
                let before = before.and_then(|partition| partition.leadership.as_ref());
                let in_sync = before.is_some_and(|now| now.state.isr.contains(&state.leader));
                self.unclean_elections += u64::from(state.leader != NO_LEADER && !in_sync);
                self.lead(&tp, state, version, false, out);
            }
            (
                Write::CreateState(tp, _) | Write::SetState(tp, ..),
                Outcome::State(state, version),
            ) => {
                self.lead(&tp, state, version, false, out);
            }
            (Write::CreateState(tp, _) | Write::SetState(tp, ..), _) => {
                if let Some(partition) = self.context.partition_mut(&tp) {
                    partition.writing = false;
                }
            }
            (Write::SetTopic(name, ..), Outcome::Topic(Some((assignment, version)))) => {
                self.topic_changed(&name, assignment, version, out);
            }
            (Write::SetTopic(name, ..), Outcome::Topic(None)) => self.topic_gone(&name),
            (Write::DeleteTopic(name), Outcome::Done(_)) => self.topic_gone(&name),
            (Write::DeleteTopic(name), _) => self.deletions.retry_later(&name),
            _ => {}
        }
    }

    fn lead(
        &mut self,
        tp: &TopicPartition,
        state: LeaderAndIsr,
        version: i32,
        is_new: bool,
        out: &mut Vec<Effect>,
    ) {
        let Some(partition) = self.context.partition_mut(tp) else {
            return;
        };
        partition.writing = false;
        partition.leadership = Some(Leadership { state, version });
        self.announce(tp, is_new);
        self.evaluate(tp, out);
    }

    /// Leaders themselves may change the ISR in ZooKeeper (brokers before 2.7).
    fn states_changed(
        &mut self,
        states: Vec<(TopicPartition, LeaderAndIsr, i32)>,
        out: &mut Vec<Effect>,
    ) {
        for (tp, state, version) in states {
            let Some(partition) = self.context.partition_mut(&tp) else {
                continue;
            };
            if partition
                .leadership
                .as_ref()
                .is_none_or(|known| known.version < version)
            {
                partition.leadership = Some(Leadership { state, version });
                self.batch
                    .metadata(self.context.brokers.keys().copied(), [tp.clone()]);
                self.evaluate(&tp, out);
            }
        }
    }

    fn elect_preferred(&mut self, partitions: &[(String, i32)], out: &mut Vec<Effect>) {
        for (topic, index) in partitions {
            let tp = TopicPartition::new(topic, *index);
            if self.deletions.contains(topic) {
                continue;
            }
            let Some(partition) = self.context.partition(&tp) else {
                continue;
            };
            let Some(leadership) = partition.leadership.as_ref().filter(|_| !partition.writing)
            else {
                continue;
            };
            let replicas = &partition.assignment.replicas;
            let chosen =
                election::preferred(replicas, &leadership.state, |id| self.context.is_live(id));
            let write =
                chosen.and_then(|(leader, isr)| self.next_state(&tp, leadership, leader, isr));
            self.write_state(&tp, write, out);
        }
    }

    /// Brokers that lost more of their preferred partitions than is allowed get them back.
    fn balance_leaders(&mut self, out: &mut Vec<Effect>) {
        let mut by_broker: BTreeMap<i32, (usize, Vec<(String, i32)>)> = BTreeMap::new();
        for (tp, partition) in self.context.all() {
            let Some(preferred) = partition.assignment.replicas.first() else {
                continue;
            };
            let (total, elsewhere) = by_broker.entry(*preferred).or_default();
            *total += 1;
            let leader = partition
                .leadership
                .as_ref()
                .map(|leadership| leadership.state.leader);
            if leader.is_some_and(|leader| leader != *preferred) {
                elsewhere.push((tp.topic.to_string(), tp.partition));
            }
        }
        for (broker, (total, elsewhere)) in by_broker {
            let imbalanced = elsewhere.len() * 100 > total * self.rules.imbalance_percentage;
            if imbalanced && self.context.is_live(broker) {
                self.elect_preferred(&elsewhere, out);
            }
        }
    }
}
