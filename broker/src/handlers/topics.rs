//! What the handlers of topics share: names, assignments, waiting for the controller's word.
//! Mirrors org.apache.kafka.common.internals.Topic and kafka.server.ZkAdminManager.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use proto::kafka::ErrorCode;
use proto::zk::ErrorCode as ZkCode;
use tokio::time::Sleep;

use crate::config::TopicOverrides;
use crate::controller::assign::{self, AssignError, Candidate, Start};
use crate::controller::driver::new_topic_id;
use crate::metadata::ClusterImage;
use crate::state::Broker;
use crate::zk::ZkError;
use crate::zk::json::{Assignment, TopicAssignment};

/// Where consumer groups keep their offsets.
pub(super) const OFFSETS_TOPIC: &str = "__consumer_offsets";
const TRANSACTIONS_TOPIC: &str = "__transaction_state";

/// An error code and, for versions that carry it, why.
pub(super) type Refused = (ErrorCode, String);

pub(super) fn is_internal(name: &str) -> bool {
    name == OFFSETS_TOPIC || name == TRANSACTIONS_TOPIC
}

/// Why this can be no topic's name.
pub(super) fn check_name(name: &str) -> Result<(), Refused> {
    const MAX: usize = 249;
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let problem = if name.is_empty() {
        "the empty string is not allowed".to_owned()
    } else if name == "." || name == ".." {
        "'.' or '..' is not allowed".to_owned()
    } else if name.len() > MAX {
        format!("the length of '{name}' is longer than the max allowed length {MAX}")
    } else if !name.bytes().all(legal) {
        format!(
            "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
        )
    } else {
        return Ok(());
    };
    Err((
        ErrorCode::INVALID_TOPIC_EXCEPTION,
        format!("Topic name is invalid: {problem}"),
    ))
}

/// A topic whose name would have the same metric names: `a.b` and `a_b`.
fn collision<'a>(image: &'a ClusterImage, name: &str) -> Option<&'a str> {
    if !name.contains(['.', '_']) {
        return None;
    }
    let folded = name.replace('.', "_");
    image
        .topics
        .keys()
        .map(|other| &**other)
        .find(|other| other.replace('.', "_") == folded)
}

/// Why a topic of this name cannot be created.
pub(super) fn check_new(image: &ClusterImage, name: &str) -> Result<(), Refused> {
    check_name(name)?;
    if image.topic(name).is_some() {
        return Err(exists(name));
    }
    match collision(image, name) {
        Some(other) => Err((
            ErrorCode::INVALID_TOPIC_EXCEPTION,
            format!("Topic '{name}' collides with existing topics: {other}"),
        )),
        None => Ok(()),
    }
}

fn exists(name: &str) -> Refused {
    (
        ErrorCode::TOPIC_ALREADY_EXISTS,
        format!("Topic '{name}' already exists."),
    )
}

/// Replicas of new partitions on the live brokers.
pub(super) fn assign(
    image: &ClusterImage,
    partitions: usize,
    factor: usize,
    first: usize,
    like: Option<i32>,
) -> Result<BTreeMap<i32, Vec<i32>>, Refused> {
    let candidates: Vec<Candidate> = image
        .nodes
        .values()
        .map(|node| Candidate {
            id: node.id,
            rack: node.rack.as_deref().map(str::to_owned),
        })
        .collect();
    let at = like.and_then(|leader| {
        candidates
            .iter()
            .position(|candidate| candidate.id == leader)
    });
    let start = match at {
        // further partitions go on where the first ones began
        Some(index) => Start {
            index,
            shift: index,
        },
        None => Start {
            index: random(candidates.len()),
            shift: random(candidates.len()),
        },
    };
    let made =
        assign::assign(&candidates, partitions, factor, first, start).or_else(
            |error| match error {
                // some racks unknown: spread without them, as topics made by clients are
                AssignError::Racks => {
                    let blind: Vec<_> = candidates
                        .iter()
                        .map(|c| Candidate {
                            id: c.id,
                            rack: None,
                        })
                        .collect();
                    assign::assign(&blind, partitions, factor, first, start)
                }
                error => Err(error),
            },
        );
    made.map_err(|error| {
        let code = match error {
            AssignError::Partitions => ErrorCode::INVALID_PARTITIONS,
            _ => ErrorCode::INVALID_REPLICATION_FACTOR,
        };
        (code, error.to_string())
    })
}

fn random(below: usize) -> usize {
    let mut bytes = [0; 8];
    match getrandom::fill(&mut bytes) {
        Ok(()) if below > 0 => usize::from_le_bytes(bytes) % below,
        _ => 0,
    }
}

/// Writes a new topic's znodes.
pub(super) async fn create(
    broker: &Broker,
    name: &str,
    partitions: BTreeMap<i32, Vec<i32>>,
    configs: &TopicOverrides,
) -> Result<TopicAssignment, Refused> {
    let partitions = partitions.into_iter().map(|(index, replicas)| {
        (
            index,
            Assignment {
                replicas,
                ..Assignment::default()
            },
        )
    });
    let topic = TopicAssignment {
        id: Some(new_topic_id()),
        partitions: partitions.collect(),
    };
    match broker.zk.create_topic(name, &topic, configs).await {
        Ok(()) => {
            if !configs.is_empty() {
                broker.set_topic_overrides(name, configs.clone());
            }
            Ok(topic)
        }
        Err(e) if e.is(ZkCode::NodeExists) => Err(exists(name)),
        Err(e) => Err(zk_failed(&e)),
    }
}

pub(super) fn zk_failed(error: &ZkError) -> Refused {
    let code = if error.is_unreachable() {
        ErrorCode::REQUEST_TIMED_OUT
    } else {
        ErrorCode::UNKNOWN_SERVER_ERROR
    };
    (code, format!("ZooKeeper: {error}"))
}

/// How long a request waits for ZooKeeper, which may be away: whoever asked is told while it
/// still listens.
pub(super) struct Patience {
    ms: u64,
    over: Pin<Box<Sleep>>,
}

impl Patience {
    /// For requests that do not say how long they wait.
    pub(super) const UNSAID_MS: i32 = 15_000;

    /// The request's timeout but for the way back; enough to begin in any case.
    pub(super) fn new(timeout_ms: i32) -> Self {
        let ms = u64::try_from(timeout_ms).unwrap_or(0);
        let ms = (ms - (ms / 10).min(1000)).max(500);
        let over = Box::pin(tokio::time::sleep(Duration::from_millis(ms)));
        Self { ms, over }
    }

    /// What `work` has come to; once the time is over, what is begun at once is all that is done.
    pub(super) async fn limit<T>(
        &mut self,
        work: impl Future<Output = Result<T, Refused>>,
    ) -> Result<T, Refused> {
        tokio::select! {
            biased;
            done = work => done,
            () = &mut self.over => Err((
                ErrorCode::REQUEST_TIMED_OUT,
                format!(
                    "ZooKeeper has not answered the broker within {} ms; what was asked may still \
                     be done when it is back",
                    self.ms
                ),
            )),
        }
    }
}

/// Waits until this many partitions of a topic have leaders; whether they have.
pub(super) async fn wait_for_leaders(
    broker: &Broker,
    name: &str,
    partitions: usize,
    timeout_ms: i32,
) -> bool {
    let timeout = Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0));
    let led = broker.metadata.wait_for(|image| {
        image.topic(name).is_some_and(|topic| {
            topic.partitions.len() >= partitions && topic.partitions.values().all(|p| p.leader >= 0)
        })
    });
    tokio::time::timeout(timeout, led).await.is_ok()
}

/// How long a request for metadata waits for the topics that it makes.
const AUTO_CREATE_MS: i32 = 5000;

/// Creates a topic that a client has asked about, with the broker's defaults; an internal one
/// with its own. The error is what the client is told meanwhile.
pub(super) async fn auto_create(broker: &Broker, name: &str) -> Refused {
    let config = broker.config().clone();
    let image = broker.metadata.load_full();
    let (partitions, factor, overrides) = if name == OFFSETS_TOPIC {
        let overrides = TopicOverrides::from([
            ("cleanup.policy".to_owned(), "compact".to_owned()),
            ("compression.type".to_owned(), "producer".to_owned()),
            (
                "segment.bytes".to_owned(),
                config.offsets_topic_segment_bytes.to_string(),
            ),
        ]);
        (
            config.offsets_topic_num_partitions,
            config.offsets_topic_replication_factor.into(),
            overrides,
        )
    } else {
        (
            config.num_partitions,
            config.default_replication_factor,
            TopicOverrides::new(),
        )
    };
    let size = |value: i32| usize::try_from(value).unwrap_or(0);
    let made = match check_new(&image, name) {
        Ok(()) => assign(&image, size(partitions), size(factor), 0, None),
        Err(refused) => Err(refused),
    };
    let created = match made {
        Ok(partitions) => {
            let create = create(broker, name, partitions, &overrides);
            let mut patience = Patience::new(AUTO_CREATE_MS);
            patience.limit(create).await.map(drop)
        }
        Err(refused) => Err(refused),
    };
    match created {
        Ok(()) => (ErrorCode::LEADER_NOT_AVAILABLE, String::new()),
        Err((ErrorCode::TOPIC_ALREADY_EXISTS | ErrorCode::REQUEST_TIMED_OUT, why)) => {
            (ErrorCode::LEADER_NOT_AVAILABLE, why)
        }
        Err(refused) => refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_waits_for_zookeeper_is_told_within_the_requests_timeout() {
        assert_eq!(Patience::new(30_000).ms, 29_000);
        assert_eq!(Patience::new(-1).ms, 500);
        let mut patience = Patience::new(600);
        for _ in 0..2 {
            let never = std::future::pending::<Result<(), Refused>>();
            let (code, why) = patience.limit(never).await.unwrap_err();
            assert_eq!(code, ErrorCode::REQUEST_TIMED_OUT);
            assert!(why.contains("ZooKeeper"), "{why}");
        }
        // what needs no waiting is done all the same
        assert_eq!(patience.limit(async { Ok(1) }).await, Ok(1));
    }

    #[test]
    fn names_follow_kafkas_rules() {
        for good in ["a", "a.b_c-D9", "__consumer_offsets"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a b", "a/b", "ä"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        assert!(check_name(&"x".repeat(249)).is_ok());
        assert!(check_name(&"x".repeat(250)).is_err());
    }
}
