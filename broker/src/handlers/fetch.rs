//! Fetch: what records a client gets, and what it waits for. Record bytes are named by file and
//! position and go out by sendfile. Mirrors kafka.server.KafkaApis.handleFetchRequest and
//! ReplicaManager.fetchMessages.
#![allow(clippy::disallowed_methods, reason = "measures how long requests wait")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::kafka::messages::fetch::{
    AbortedTransaction, FetchRequest, FetchResponse, FetchableTopicResponse, LeaderIdAndEpoch,
    NodeEndpoint, PartitionData,
};
use proto::kafka::{ErrorCode, Records, Region, Uuid};
use tracing::{debug, warn};

use super::records::{self, leader_of};
use super::{Answer, Call, Handled};
use crate::fetch::convert::{self, ConvertError, Stored};
use crate::fetch::plan::Budget;
use crate::fetch::session::{Context, Wanted, is_follower};
use crate::log::{Isolation, LogError, ReadPlan};
use crate::metadata::ClusterImage;
use crate::shard::{ReadItem, ReadResults, ReadWait, ShardGone};

/// `FetchRequest.ORDINARY_CONSUMER_ID`
const CONSUMER: i32 = -1;

pub(super) fn handle(mut call: Call, request: FetchRequest) -> Handled {
    let image = call.broker.metadata.load_full();
    let now_ms = call.broker.uptime_ms();
    let sessions = &call.broker.fetch_sessions;
    let (context, wanted) = sessions.begin(now_ms, call.api_version, &request, &image);
    call.account.follower = is_follower(&request);
    let fetch = Fetch {
        limits: Limits::new(&call, &request),
        context,
        image,
        call,
    };
    let mut reading = Vec::with_capacity(wanted.len());
    let mut refused = Vec::new();
    for one in wanted {
        match fetch.refuse(&one, &request) {
            Some(error) => refused.push((one, failed(error))),
            None => reading.push(one),
        }
    }
    if reading.is_empty() {
        return fetch.respond(refused).into();
    }
    Handled::later(fetch.run(reading, refused))
}

/// How much, and how long.
#[derive(Debug, Clone, Copy)]
struct Limits {
    max_bytes: usize,
    min_bytes: usize,
    max_wait: Duration,
    isolation: Isolation,
}

impl Limits {
    fn new(call: &Call, request: &FetchRequest) -> Self {
        let most = call.broker.config().fetch_max_bytes;
        let max_bytes = size(request.max_bytes.min(most));
        let consumer = request.replica_id == CONSUMER;
        Self {
            max_bytes,
            min_bytes: size(request.min_bytes).min(max_bytes),
            max_wait: Duration::from_millis(request.max_wait_ms.max(0) as u64),
            isolation: match (consumer, request.isolation_level) {
                (false, _) => Isolation::LogEnd,
                (true, 1) => Isolation::TxnCommitted,
                (true, _) => Isolation::HighWatermark,
            },
        }
    }
}

fn size(bytes: i32) -> usize {
    usize::try_from(bytes).unwrap_or(0)
}

/// `FetchResponse.partitionResponse`
fn failed(error_code: ErrorCode) -> PartitionData {
    PartitionData {
        error_code,
        high_watermark: -1,
        records: no_records(),
        ..PartitionData::default()
    }
}

fn no_records() -> Records {
    Records::Bytes(bytes::Bytes::new())
}

/// One request on its way.
struct Fetch {
    call: Call,
    limits: Limits,
    context: Context,
    image: Arc<ClusterImage>,
}

impl Fetch {
    /// Why a partition is not even looked for.
    fn refuse(&self, one: &Wanted, request: &FetchRequest) -> Option<ErrorCode> {
        let Some(topic) = &one.topic else {
            return Some(ErrorCode::UNKNOWN_TOPIC_ID);
        };
        let Some(known) = self.image.topic(topic) else {
            return Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        };
        if !known.partitions.contains_key(&one.partition) {
            return Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        }
        let ids_differ = !one.topic_id.is_zero() && !known.id.is_zero() && one.topic_id != known.id;
        if ids_differ {
            return Some(ErrorCode::INCONSISTENT_TOPIC_ID);
        }
        // followers come with replication: until then none of them is to be led astray
        is_follower(request).then_some(ErrorCode::NOT_LEADER_OR_FOLLOWER)
    }

    async fn run(mut self, reading: Vec<Wanted>, refused: Vec<(Wanted, PartitionData)>) -> Answer {
        let hard = self.call.api_version <= 2;
        let mut budget = Budget::new(self.limits.max_bytes, hard);
        let items = reading.iter().map(|one| ReadItem {
            partition: records::partition(one.topic.as_deref().unwrap_or_default(), one.partition),
            offset: one.fetch_offset,
            max_bytes: size(one.max_bytes),
            isolation: self.limits.isolation,
            leader_epoch: (one.leader_epoch >= 0).then_some(one.leader_epoch),
            min_one_batch: budget.asks_for_whole_batches(),
        });
        let wait = ReadWait {
            min_bytes: self.limits.min_bytes,
            max_wait: self.limits.max_wait,
        };
        let Ok(results) = self.read(items.collect(), wait).await else {
            return Answer::Close;
        };
        let mut answers = Vec::with_capacity(reading.len() + refused.len());
        let metrics = self.call.broker.metrics.clone();
        let stats = &metrics.topics;
        for (one, result) in reading.into_iter().zip(results) {
            let answer = match result {
                Ok(plan) => self.found(&mut budget, &one, plan).await,
                Err(e) => self.not_found(&one, &e),
            };
            let topic = one.topic.as_deref().unwrap_or_default();
            let ours = answer.error_code == ErrorCode::UNKNOWN_SERVER_ERROR;
            stats.fetched(topic, answer.records.len() as u64, ours);
            answers.push((one, answer));
        }
        answers.extend(refused);
        self.respond(answers)
    }

    /// Reads, and counts those who wait for records.
    async fn read(&self, items: Vec<ReadItem>, wait: ReadWait) -> Result<ReadResults, ShardGone> {
        let shards = self.call.broker.shards();
        if wait.min_bytes == 0 || wait.max_wait.is_zero() {
            return shards.read(items, Some(wait)).await;
        }
        let waiting = &self.call.broker.metrics.waiting;
        let _waits = waiting.fetch.enter(items.len());
        let begun = Instant::now();
        let results = shards.read(items, Some(wait)).await;
        if begun.elapsed() >= wait.max_wait {
            waiting.fetch_expires.add(1);
        }
        results
    }

    async fn found(&mut self, budget: &mut Budget, one: &Wanted, plan: ReadPlan) -> PartitionData {
        let len = budget.take(plan.len, plan.first_batch_len, size(one.max_bytes));
        if plan.zstd && self.call.api_version < 10 {
            return failed(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
        }
        let records = match plan.file {
            Some(file) if len > 0 => match convert::magic_of(self.call.api_version) {
                None => Records::Region(Region {
                    file,
                    position: plan.position,
                    len,
                    in_memory: plan.in_memory,
                }),
                Some(_) if !plan.down_conversion => return failed(ErrorCode::UNSUPPORTED_VERSION),
                Some(magic) => {
                    let stored = Stored {
                        file,
                        position: plan.position,
                        len,
                        first_offset: one.fetch_offset,
                    };
                    match self.converted(one, stored, magic).await {
                        Ok(records) => records,
                        Err(error) => return failed(error),
                    }
                }
            },
            _ => no_records(),
        };
        let aborted = plan.aborted.map(|all| {
            all.iter()
                .map(|txn| AbortedTransaction {
                    producer_id: txn.producer_id,
                    first_offset: txn.first_offset,
                    ..AbortedTransaction::default()
                })
                .collect()
        });
        PartitionData {
            high_watermark: plan.offsets.high_watermark,
            last_stable_offset: plan.offsets.last_stable,
            log_start_offset: plan.offsets.log_start,
            aborted_transactions: aborted,
            records,
            ..PartitionData::default()
        }
    }

    /// Records rewritten for an old client.
    async fn converted(
        &mut self,
        one: &Wanted,
        stored: Stored,
        magic: u8,
    ) -> Result<Records, ErrorCode> {
        let topic = one.topic.as_deref().unwrap_or_default();
        let (begun, read) = (Instant::now(), stored.len);
        match stored.convert(magic).await {
            Ok(bytes) => {
                let account = &mut self.call.account;
                account.converted(begun.elapsed(), read + bytes.len());
                self.call.broker.metrics.topics.converted_for_fetch(topic);
                Ok(Records::Bytes(bytes))
            }
            Err(ConvertError::Records(e)) => {
                debug!("[{topic}-{}] not for old clients: {e}", one.partition);
                Err(LogError::from(e).code())
            }
            Err(ConvertError::Io(e)) => {
                warn!("[{topic}-{}] {e}", one.partition);
                Err(ErrorCode::NOT_LEADER_OR_FOLLOWER)
            }
        }
    }

    fn not_found(&self, one: &Wanted, error: &LogError) -> PartitionData {
        let mut code = error.code();
        debug!(
            "fetch of {} from {}-{}: {error}",
            self.call.peer.address,
            one.topic.as_deref().unwrap_or_default(),
            one.partition
        );
        if code == ErrorCode::KAFKA_STORAGE_ERROR && self.call.api_version <= 5 {
            // clients of that time know no such code; this one makes them ask again
            code = ErrorCode::NOT_LEADER_OR_FOLLOWER;
        }
        failed(code)
    }

    fn respond(self, answers: Vec<(Wanted, PartitionData)>) -> Answer {
        let sessions = &self.call.broker.fetch_sessions;
        let now_ms = self.call.broker.uptime_ms();
        let outcome = sessions.finish(now_ms, self.context, answers);
        let mut response = FetchResponse {
            error_code: outcome.error,
            session_id: outcome.session_id,
            ..FetchResponse::default()
        };
        for (one, mut answer) in outcome.answers {
            answer.partition_index = one.partition;
            if self.call.api_version >= 16
                && matches!(
                    answer.error_code,
                    ErrorCode::NOT_LEADER_OR_FOLLOWER | ErrorCode::FENCED_LEADER_EPOCH
                )
            {
                tell_leader(&self.call, &self.image, &one, &mut answer, &mut response);
            }
            match response.responses.last_mut() {
                Some(topic) if is_same(topic, &one) => topic.partitions.push(answer),
                _ => response.responses.push(FetchableTopicResponse {
                    topic: one.topic.unwrap_or_default(),
                    topic_id: one.topic_id,
                    partitions: vec![answer],
                    ..FetchableTopicResponse::default()
                }),
            }
        }
        self.call.answer(&response)
    }
}

fn is_same(topic: &FetchableTopicResponse, one: &Wanted) -> bool {
    topic.topic_id == one.topic_id
        && (topic.topic_id != Uuid::ZERO || Some(&topic.topic) == one.topic.as_ref())
}

/// KIP-951: who leads now.
fn tell_leader(
    call: &Call,
    image: &ClusterImage,
    one: &Wanted,
    answer: &mut PartitionData,
    response: &mut FetchResponse,
) {
    let topic = one.topic.as_deref().unwrap_or_default();
    let (leader_id, leader_epoch, node) =
        leader_of(image, topic, one.partition, &call.peer.listener);
    answer.current_leader = LeaderIdAndEpoch {
        leader_id,
        leader_epoch,
        ..LeaderIdAndEpoch::default()
    };
    let known = &mut response.node_endpoints;
    if let Some((host, port, rack)) = node {
        if known.iter().all(|n| n.node_id != leader_id) {
            known.push(NodeEndpoint {
                node_id: leader_id,
                host,
                port,
                rack,
                ..NodeEndpoint::default()
            });
        }
    }
}
