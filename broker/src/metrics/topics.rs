//! Messages and bytes, in all and by topic. Mirrors kafka.server.BrokerTopicStats.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use driver::metrics::Counter;
use proto::records::Fault;

/// The meters of one topic, or of all.
#[derive(Debug, Default)]
pub struct TopicMeters {
    pub messages_in: Counter,
    pub bytes_in: Counter,
    pub bytes_out: Counter,
    pub produce_requests: Counter,
    pub failed_produce_requests: Counter,
    pub fetch_requests: Counter,
    pub failed_fetch_requests: Counter,
    pub bytes_rejected: Counter,
    pub produce_conversions: Counter,
    pub fetch_conversions: Counter,
    pub corrupt: Counter,
    /// kept for all topics together, as in Kafka
    pub invalid_magic: Counter,
    pub invalid_offset: Counter,
    pub no_key: Counter,
}

/// How an append went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Produced {
    /// records of so many bytes, converted from an old format or not
    Appended {
        messages: u64,
        bytes: u64,
        converted: bool,
    },
    /// so many bytes were too large
    TooLarge(u64),
    Corrupt,
    /// so many records with this fault
    Invalid(Fault, u64),
    /// refused for another reason; whether through our own fault
    Refused {
        our_fault: bool,
    },
}

type ByTopic = HashMap<Box<str>, Arc<TopicMeters>>;

#[derive(Debug, Default)]
pub struct BrokerTopicStats {
    all: TopicMeters,
    topics: ArcSwap<ByTopic>,
}

impl BrokerTopicStats {
    pub fn all(&self) -> &TopicMeters {
        &self.all
    }

    /// An append was asked for.
    pub fn produced(&self, topic: &str, produced: Produced) {
        self.count(topic, |meters| {
            meters.produce_requests.add(1);
            match produced {
                Produced::Appended {
                    messages,
                    bytes,
                    converted,
                } => {
                    meters.messages_in.add(messages);
                    meters.bytes_in.add(bytes);
                    if converted {
                        meters.produce_conversions.add(messages);
                    }
                }
                Produced::TooLarge(bytes) => meters.bytes_rejected.add(bytes),
                Produced::Corrupt => meters.corrupt.add(1),
                Produced::Invalid(fault, count) => {
                    meters.failed_produce_requests.add(1);
                    match fault {
                        Fault::Magic => meters.invalid_magic.add(count),
                        Fault::Offset => meters.invalid_offset.add(count),
                        Fault::NoKey => meters.no_key.add(count),
                        Fault::Other => {}
                    }
                }
                Produced::Refused { our_fault } => {
                    meters.failed_produce_requests.add(u64::from(our_fault));
                }
            }
        });
    }

    /// Records were rewritten for an old client.
    pub fn converted_for_fetch(&self, topic: &str) {
        self.count(topic, |meters| meters.fetch_conversions.add(1));
    }

    /// A read for a consumer.
    pub fn fetched(&self, topic: &str, bytes: u64, our_fault: bool) {
        self.count(topic, |meters| {
            meters.fetch_requests.add(1);
            meters.bytes_out.add(bytes);
            meters.failed_fetch_requests.add(u64::from(our_fault));
        });
    }

    /// Counts for all and for the topic, which exists: names come from logs that are open here.
    fn count(&self, topic: &str, add: impl Fn(&TopicMeters)) {
        add(&self.all);
        if let Some(meters) = self.topics.load().get(topic) {
            return add(meters);
        }
        let meters = Arc::<TopicMeters>::default();
        let topics = self.topics.rcu(|topics| {
            let mut topics = ByTopic::clone(topics);
            topics.entry(topic.into()).or_insert_with(|| meters.clone());
            topics
        });
        drop(topics);
        if let Some(meters) = self.topics.load().get(topic) {
            add(meters);
        }
    }

    /// The topic is gone.
    pub fn remove(&self, topic: &str) {
        if self.topics.load().contains_key(topic) {
            self.topics.rcu(|topics| {
                let mut topics = ByTopic::clone(topics);
                topics.remove(topic);
                topics
            });
        }
    }

    /// By name.
    pub(super) fn topics(&self) -> Vec<(Box<str>, Arc<TopicMeters>)> {
        let topics = self.topics.load();
        let mut all: Vec<_> = topics
            .iter()
            .map(|(name, meters)| (name.clone(), meters.clone()))
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_and_each_topic() {
        let stats = BrokerTopicStats::default();
        let appended = Produced::Appended {
            messages: 3,
            bytes: 100,
            converted: true,
        };
        stats.produced("a", appended);
        stats.produced("b", Produced::Refused { our_fault: true });
        stats.produced("a", Produced::TooLarge(9));
        stats.fetched("a", 70, false);
        let all = stats.all();
        assert_eq!((all.messages_in.get(), all.bytes_in.get()), (3, 100));
        assert_eq!(all.failed_produce_requests.get(), 1);
        assert_eq!(
            (all.produce_conversions.get(), all.bytes_rejected.get()),
            (3, 9)
        );
        let topics = stats.topics();
        assert_eq!(&*topics[0].0, "a");
        assert_eq!(topics[0].1.produce_requests.get(), 2);
        assert_eq!(topics[0].1.bytes_out.get(), 70);
        stats.remove("a");
        assert_eq!(stats.topics().len(), 1);
        assert_eq!(stats.all().messages_in.get(), 3);
    }
}
