//! Brokers that come, go, change and shut down. Mirrors KafkaController.onBrokerStartup,
//! onBrokerFailure, onBrokerUpdate and doControlledShutdown.

use std::collections::BTreeMap;

use proto::kafka::ErrorCode;

use super::context::{LiveBroker, TopicPartition};
use super::event::Effect;
use super::machine::Controller;

impl Controller {
    pub(super) fn brokers_changed(&mut self, now: Vec<LiveBroker>, out: &mut Vec<Effect>) {
        let now: BTreeMap<i32, LiveBroker> =
            now.into_iter().map(|broker| (broker.id, broker)).collect();
        let mut gone = Vec::new();
        let mut updated = false;
        for (id, old) in &self.context.brokers {
            match now.get(id) {
                // another registration: the broker was away in between
                Some(new) if new.epoch != old.epoch => gone.push(*id),
                Some(new) if new.info != old.info => {
                    updated = true;
                    out.push(Effect::AddBroker(new.clone()));
                }
                Some(_) => {}
                None => gone.push(*id),
            }
        }
        let come: Vec<LiveBroker> = now
            .values()
            .filter(|new| {
                self.context
                    .brokers
                    .get(&new.id)
                    .is_none_or(|old| old.epoch != new.epoch)
            })
            .cloned()
            .collect();
        self.brokers_gone(&gone, &come, out);
        for (id, broker) in &now {
            if let Some(old) = self.context.brokers.get_mut(id) {
                old.info = broker.info.clone();
            }
        }
        self.brokers_come(come, out);
        if updated {
            self.batch
                .metadata(self.context.brokers.keys().copied(), []);
        }
    }

    fn brokers_gone(&mut self, gone: &[i32], come: &[LiveBroker], out: &mut Vec<Effect>) {
        for id in gone {
            self.context.brokers.remove(id);
            self.context.shutting_down.remove(id);
            self.deletions.broker_gone(*id);
            out.push(Effect::RemoveBroker(*id));
        }
        for id in gone {
            // one that is back at once keeps what it leads: its new registration says that it
            // can, and nobody else has led in between
            let back = come.iter().any(|broker| broker.id == *id);
            for tp in self.context.on_broker(*id) {
                let alone = self
                    .context
                    .partition(&tp)
                    .is_some_and(|p| p.assignment.replicas.len() == 1);
                if !(back && alone) {
                    self.evaluate(&tp, out);
                }
            }
        }
        if !gone.is_empty() {
            self.batch
                .metadata(self.context.brokers.keys().copied(), []);
            self.flush(out);
        }
    }

    fn brokers_come(&mut self, come: Vec<LiveBroker>, out: &mut Vec<Effect>) {
        if come.is_empty() {
            return;
        }
        let existing: Vec<i32> = self.context.brokers.keys().copied().collect();
        let new: Vec<i32> = come.iter().map(|broker| broker.id).collect();
        for broker in come {
            out.push(Effect::AddBroker(broker.clone()));
            self.context.brokers.insert(broker.id, broker);
        }
        // the others learn of it, it learns of everything
        self.batch.metadata(existing, []);
        self.flush(out);
        let led = self
            .context
            .all()
            .filter(|(_, partition)| partition.leadership.is_some());
        let led: Vec<TopicPartition> = led.map(|(tp, _)| tp).collect();
        self.batch.metadata(new.iter().copied(), led);
        self.flush(out);
        for id in &new {
            for tp in self.context.on_broker(*id) {
                if !self.deletions.contains(&tp.topic) {
                    self.batch.leader_and_isr(&[*id], &tp, false, &self.context);
                }
            }
        }
        self.flush(out);
        for id in &new {
            for tp in self.context.on_broker(*id) {
                self.evaluate(&tp, out);
            }
        }
        self.resume_deletions(out);
    }

    /// Hands the broker's leaderships to others; the answer waits until the writes are done.
    pub(super) fn controlled_shutdown(
        &mut self,
        id: i32,
        epoch: i64,
        token: u64,
        out: &mut Vec<Effect>,
    ) {
        let error = match self.context.brokers.get(&id) {
            None => Some(ErrorCode::BROKER_NOT_AVAILABLE),
            // versions without an epoch send -1
            Some(broker) if epoch >= 0 && epoch < broker.epoch => {
                Some(ErrorCode::STALE_BROKER_EPOCH)
            }
            Some(_) => None,
        };
        if let Some(error) = error {
            out.push(Effect::ShutdownReply {
                token,
                result: Err(error),
            });
            return;
        }
        self.context.shutting_down.insert(id);
        for tp in self.context.on_broker(id) {
            let Some(partition) = self.context.partition(&tp) else {
                continue;
            };
            let follows = partition
                .leadership
                .as_ref()
                .is_some_and(|l| l.state.leader != id);
            if follows && partition.assignment.replicas.len() > 1 {
                self.batch.stop(id, &tp, false);
            }
            self.evaluate(&tp, out);
        }
        self.shutdowns.insert(token, id);
    }

    /// Answers the shutdowns whose writes are all done.
    pub(super) fn answer_shutdowns(&mut self, out: &mut Vec<Effect>) {
        let context = &self.context;
        self.shutdowns.retain(|token, id| {
            let here = context.on_broker(*id);
            let writing = here
                .iter()
                .any(|tp| context.partition(tp).is_some_and(|p| p.writing));
            if writing {
                return true;
            }
            let led = here.into_iter().filter(|tp| {
                context.partition(tp).is_some_and(|partition| {
                    let leader = partition.leadership.as_ref().map(|l| l.state.leader);
                    leader == Some(*id) && partition.assignment.replicas.len() > 1
                })
            });
            out.push(Effect::ShutdownReply {
                token: *token,
                result: Ok(led.collect()),
            });
            false
        });
    }
}
