//! Topics that are being deleted: every replica is stopped and its data removed before the
//! znodes go; a broker that is away is waited for. Mirrors kafka.controller.TopicDeletionManager.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proto::kafka::ErrorCode;

use super::context::TopicPartition;
use super::event::{Effect, Write};
use super::machine::Controller;

/// One replica.
type Replica = (i32, i32);

/// How far one topic is.
#[derive(Debug, Default)]
struct Deletion {
    /// (partition, broker) that were told, and have not answered
    asked: BTreeSet<Replica>,
    done: BTreeSet<Replica>,
    /// the znodes are being removed
    removing: bool,
}

/// The topics that go.
#[derive(Debug, Default)]
pub(super) struct Deletions {
    topics: BTreeMap<Arc<str>, Deletion>,
}

impl Deletions {
    pub(super) fn contains(&self, topic: &str) -> bool {
        self.topics.contains_key(topic)
    }

    pub(super) fn forget(&mut self, topic: &str) {
        self.topics.remove(topic);
    }

    /// The znodes could not be removed: the next occasion tries again.
    pub(super) fn retry_later(&mut self, topic: &str) {
        if let Some(deletion) = self.topics.get_mut(topic) {
            deletion.removing = false;
        }
    }

    /// What it was told may not have reached it.
    pub(super) fn broker_gone(&mut self, broker: i32) {
        for deletion in self.topics.values_mut() {
            deletion.asked.retain(|(_, id)| *id != broker);
        }
    }
}

impl Controller {
    pub(super) fn delete_requested(&mut self, names: Vec<String>, out: &mut Vec<Effect>) {
        for name in names {
            let known = self
                .context
                .topics
                .get_key_value(name.as_str())
                .map(|(key, _)| key.clone());
            match known {
                Some(key) if self.rules.delete_topics => {
                    if self.deletions.contains(&name) {
                        continue;
                    }
                    self.deletions
                        .topics
                        .insert(key.clone(), Deletion::default());
                    // everybody forgets the topic before its data goes
                    let all = self.partitions_of(&key);
                    self.batch
                        .metadata(self.context.brokers.keys().copied(), all);
                    self.flush(out);
                }
                _ => out.push(Effect::Write(Write::DeleteRequest(name))),
            }
        }
        self.resume_deletions(out);
    }

    /// For each topic that goes, its replicas that are left: whether their brokers are there.
    pub(super) fn doomed(&self) -> impl Iterator<Item = Vec<bool>> {
        self.deletions.topics.iter().map(|(name, deletion)| {
            let topic = self.context.topics.get(name);
            let all = topic.into_iter().flat_map(|topic| &topic.partitions);
            let all = all.flat_map(|(index, partition)| {
                let replicas = partition.assignment.replicas.iter();
                replicas.map(move |broker| (*index, *broker))
            });
            all.filter(|replica| !deletion.done.contains(replica))
                .map(|(_, broker)| self.context.brokers.contains_key(&broker))
                .collect()
        })
    }

    fn partitions_of(&self, topic: &Arc<str>) -> Vec<TopicPartition> {
        let partitions = self
            .context
            .topics
            .get(topic)
            .map(|topic| topic.partitions.keys());
        let all = partitions.into_iter().flatten();
        all.map(|index| TopicPartition {
            topic: topic.clone(),
            partition: *index,
        })
        .collect()
    }

    /// Tells every replica that can be reached and has not been told; removes the znodes of
    /// topics whose replicas are all gone.
    pub(super) fn resume_deletions(&mut self, out: &mut Vec<Effect>) {
        for (name, deletion) in &mut self.deletions.topics {
            let Some(topic) = self.context.topics.get(name) else {
                continue;
            };
            let mut left = false;
            for (index, partition) in &topic.partitions {
                for broker in &partition.assignment.replicas {
                    let replica = (*index, *broker);
                    if deletion.done.contains(&replica) {
                        continue;
                    }
                    left = true;
                    if self.context.brokers.contains_key(broker) && deletion.asked.insert(replica) {
                        let tp = TopicPartition {
                            topic: name.clone(),
                            partition: *index,
                        };
                        self.batch.stop(*broker, &tp, true);
                    }
                }
            }
            if !left && !deletion.removing {
                deletion.removing = true;
                out.push(Effect::Write(Write::DeleteTopic(name.to_string())));
            }
        }
    }

    /// A broker has removed replicas, or says why not.
    pub(super) fn replicas_stopped(
        &mut self,
        broker: i32,
        results: Vec<(TopicPartition, ErrorCode)>,
        out: &mut Vec<Effect>,
    ) {
        for (tp, error) in results {
            let Some(deletion) = self.deletions.topics.get_mut(&tp.topic) else {
                continue;
            };
            // one that is unwilling is asked again when it comes back
            if error == ErrorCode::NONE || error == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION {
                deletion.asked.remove(&(tp.partition, broker));
                deletion.done.insert((tp.partition, broker));
            }
        }
        self.resume_deletions(out);
    }
}
