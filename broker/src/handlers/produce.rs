//! Produce: appends records to partitions that this broker leads. Records stay slices of the
//! request's frame until the log writes them. Mirrors kafka.server.KafkaApis.handleProduceRequest
//! and ReplicaManager.appendRecords.
#![allow(clippy::disallowed_methods, reason = "measures how long requests wait")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use proto::kafka::messages::produce::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceData,
    PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceResponse,
};
use proto::kafka::{ErrorCode, Str};
use proto::records::{Batches, Compression, Origin};
use tracing::{debug, info};

use super::records::{check_known, is_internal, leader_of, partition};
use super::{Answer, Call, Handled};
use crate::log::{AppendInfo, LogError};
use crate::metadata::ClusterImage;
use crate::metrics::Produced;
use crate::purgatory::{Uncommitted, wait_for_commit};
use crate::shard::{AppendItem, Appended, Shards};

/// Who may write to internal topics (`AdminUtils.ADMIN_CLIENT_ID`).
const ADMIN_CLIENT: &str = "__admin_client";

const ACKS_ALL: i16 = -1;

pub(super) fn handle(call: Call, request: ProduceRequest) -> Handled {
    let ProduceRequest {
        acks, timeout_ms, ..
    } = request;
    let limit = Duration::from_millis(timeout_ms.max(0) as u64);
    let mut produce = Produce {
        call,
        acks,
        limit,
        response: ProduceResponse::default(),
        at: Vec::new(),
    };
    let items = produce.sort(request);
    if items.is_empty() {
        return produce.respond().into();
    }
    Handled::later(produce.run(items))
}

/// Where the answer to an append goes, and how much it brought.
#[derive(Debug, Clone, Copy)]
struct Place {
    topic: usize,
    partition: usize,
    bytes: usize,
}

/// Why records are not even tried, with words where Java has some.
struct Refused(ErrorCode, Option<String>);

impl From<ErrorCode> for Refused {
    fn from(code: ErrorCode) -> Self {
        Self(code, None)
    }
}

/// One request on its way.
struct Produce {
    call: Call,
    acks: i16,
    limit: Duration,
    /// complete but for what the logs will say
    response: ProduceResponse,
    /// for each append
    at: Vec<Place>,
}

impl Produce {
    /// Sorts out what cannot be appended, and gives the rest.
    fn sort(&mut self, request: ProduceRequest) -> Vec<AppendItem> {
        let image = self.call.broker.metadata.load_full();
        let transactional_id = request.transactional_id.is_some();
        let mut items = Vec::with_capacity(1);
        for topic in request.topic_data {
            let mut partitions = Vec::with_capacity(topic.partition_data.len());
            for data in topic.partition_data {
                let (mut error_code, mut error_message) = (ErrorCode::NONE, None);
                match self.check(&image, &topic.name, &data, transactional_id) {
                    Ok(records) => {
                        self.at.push(Place {
                            topic: self.response.responses.len(),
                            partition: partitions.len(),
                            bytes: records.len(),
                        });
                        items.push(AppendItem {
                            partition: partition(&topic.name, data.index),
                            records,
                        });
                    }
                    Err(Refused(code, why)) => {
                        (error_code, error_message) = (code, why);
                    }
                }
                partitions.push(PartitionProduceResponse {
                    index: data.index,
                    error_code,
                    error_message: error_message.map(Str::from),
                    base_offset: -1,
                    ..PartitionProduceResponse::default()
                });
            }
            self.response.responses.push(TopicProduceResponse {
                name: topic.name,
                partition_responses: partitions,
                ..TopicProduceResponse::default()
            });
        }
        items
    }

    fn check(
        &self,
        image: &ClusterImage,
        topic: &str,
        data: &PartitionProduceData,
        transactional_id: bool,
    ) -> Result<Bytes, Refused> {
        check_known(image, topic, data.index)?;
        let records = data.records.bytes().cloned().unwrap_or_default();
        check_records(&records, self.call.api_version, transactional_id)?;
        if !(ACKS_ALL..=1).contains(&self.acks) {
            return Err(ErrorCode::INVALID_REQUIRED_ACKS.into());
        }
        if is_internal(topic) && self.call.client_id.as_deref() != Some(ADMIN_CLIENT) {
            return Err(ErrorCode::INVALID_TOPIC_EXCEPTION.into());
        }
        if self.acks == ACKS_ALL {
            self.check_in_sync(image, topic, data.index)?;
        }
        Ok(records)
    }

    /// min.insync.replicas, as far as there are so many replicas at all.
    fn check_in_sync(
        &self,
        image: &ClusterImage,
        topic: &str,
        index: i32,
    ) -> Result<(), ErrorCode> {
        let Some(known) = image.partition(topic, index) else {
            return Ok(());
        };
        let (in_sync, replicas) = (known.isr.len(), known.replicas.len());
        if in_sync >= replicas {
            return Ok(());
        }
        let least = self.call.broker.topic_config(topic).min_insync_replicas;
        let least = usize::try_from(least).unwrap_or(1).min(replicas);
        if in_sync < least {
            debug!("[{topic}-{index}] {in_sync} replicas in sync, min.insync.replicas is {least}");
            return Err(ErrorCode::NOT_ENOUGH_REPLICAS);
        }
        Ok(())
    }

    async fn run(mut self, items: Vec<AppendItem>) -> Answer {
        let shards = self.call.broker.shards().clone();
        let names: Vec<_> = if self.acks == ACKS_ALL {
            items.iter().map(|item| item.partition.clone()).collect()
        } else {
            Vec::new()
        };
        let Ok(pending) = shards.submit_append(items, Origin::Client).await else {
            return Answer::Close;
        };
        let Ok(done) = pending.wait().await else {
            return Answer::Close;
        };
        // the way over the shard was this broker's own work
        self.call.account.waited = Some(Duration::ZERO);
        let mut uncommitted = Vec::new();
        let mut names = names.into_iter();
        for (at, appended) in done.iter().enumerate() {
            let name = names.next();
            self.fill(at, appended);
            if let Some((time, bytes)) = appended.conversion() {
                self.call.account.converted(time, bytes);
            }
            if let (Some(name), Ok(info)) = (name, &appended.result) {
                let end = info.last_offset + 1;
                if appended.offsets.high_watermark < end {
                    uncommitted.push((at, Uncommitted::new(name, end)));
                }
            }
        }
        if !uncommitted.is_empty() {
            self.wait_for_commit(&shards, uncommitted).await;
        }
        self.respond()
    }

    async fn wait_for_commit(&mut self, shards: &Shards, waiting: Vec<(usize, Uncommitted)>) {
        let (at, mut appends): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
        let metrics = self.call.broker.metrics.clone();
        let _waits = metrics.waiting.produce.enter(appends.len());
        let begun = Instant::now();
        wait_for_commit(shards, &mut appends, self.limit).await;
        self.call.account.waited = Some(begun.elapsed());
        for (at, append) in at.into_iter().zip(appends) {
            if let Some(error_code) = append.failed {
                self.answer(at).error_code = error_code;
            }
        }
    }

    fn answer(&mut self, at: usize) -> &mut PartitionProduceResponse {
        let Place {
            topic, partition, ..
        } = self.at[at];
        &mut self.response.responses[topic].partition_responses[partition]
    }

    fn fill(&mut self, at: usize, appended: &Appended) {
        self.count(at, &appended.result);
        let answer = self.answer(at);
        match &appended.result {
            Ok(info) => {
                let AppendInfo {
                    first_offset,
                    log_append_time,
                    log_start,
                    ..
                } = *info;
                answer.base_offset = first_offset;
                answer.log_append_time_ms = log_append_time;
                answer.log_start_offset = log_start;
            }
            Err(error) => {
                let index = answer.index;
                refuse(answer, error, appended.offsets.log_start);
                let address = self.call.peer.address;
                debug!("produce of {address} to partition {index}: {error}");
            }
        }
    }

    fn count(&self, at: usize, result: &Result<AppendInfo, LogError>) {
        let Place { topic, bytes, .. } = self.at[at];
        let topic = &self.response.responses[topic].name;
        let bytes = bytes as u64;
        let produced = match result {
            Ok(info) => {
                let new = info.first_offset >= 0 && !info.duplicate;
                let messages = if new {
                    info.last_offset - info.first_offset + 1
                } else {
                    0
                };
                Produced::Appended {
                    messages: u64::try_from(messages).unwrap_or(0),
                    bytes,
                    converted: self.call.api_version < 3,
                }
            }
            Err(error) => match error.code() {
                ErrorCode::MESSAGE_TOO_LARGE | ErrorCode::RECORD_LIST_TOO_LARGE => {
                    Produced::TooLarge(bytes)
                }
                ErrorCode::CORRUPT_MESSAGE => Produced::Corrupt,
                ErrorCode::INVALID_RECORD => {
                    let (fault, count) = error.fault();
                    Produced::Invalid(fault, count as u64)
                }
                code => Produced::Refused {
                    our_fault: !is_expected(code),
                },
            },
        };
        self.call.broker.metrics.topics.produced(topic, produced);
    }

    fn respond(mut self) -> Answer {
        let failed = |p: &PartitionProduceResponse| p.error_code != ErrorCode::NONE;
        let mut partitions = self
            .response
            .responses
            .iter()
            .flat_map(|t| &t.partition_responses);
        if self.acks == 0 {
            return match partitions.find(|p| failed(p)) {
                None => Answer::Nothing,
                // the only way to tell such a client: it asks for metadata again
                Some(first) => {
                    info!(
                        "Closing connection of {} due to an error during a produce request with \
                         acks=0: partition {}: {}",
                        self.call.peer.address, first.index, first.error_code
                    );
                    Answer::Close
                }
            };
        }
        if self.call.api_version >= 10 && partitions.any(failed) {
            let image = self.call.broker.metadata.load_full();
            tell_leaders(&mut self.response, &image, &self.call.peer.listener);
        }
        self.call.answer(&self.response)
    }
}

/// What can be said of records without a log (`ProduceRequest.validateRecords`).
fn check_records(records: &Bytes, version: i16, transactional_id: bool) -> Result<(), Refused> {
    if version < 3 {
        return Ok(());
    }
    let mut batches = Batches::new(records);
    let header = match batches.next() {
        Some(Ok(batch)) => batch.header,
        Some(Err(e)) => {
            let why = e.to_string();
            return Err(Refused(LogError::from(e).code(), Some(why)));
        }
        None => return Err(ErrorCode::INVALID_RECORD.into()),
    };
    if header.magic != 2 {
        return Err(ErrorCode::INVALID_RECORD.into());
    }
    let zstd = matches!(header.compression(), Ok(Compression::Zstd));
    if zstd && version < 7 {
        return Err(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE.into());
    }
    if batches.next().is_some() {
        return Err(ErrorCode::INVALID_RECORD.into());
    }
    match (header.is_transactional(), transactional_id) {
        (false, _) => Ok(()),
        (true, false) => Err(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED.into()),
        // no transaction was ever begun here
        (true, true) => Err(ErrorCode::INVALID_TXN_STATE.into()),
    }
}

/// Errors that every cluster has at times.
fn is_expected(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::CORRUPT_MESSAGE
            | ErrorCode::MESSAGE_TOO_LARGE
            | ErrorCode::RECORD_LIST_TOO_LARGE
            | ErrorCode::NOT_LEADER_OR_FOLLOWER
            | ErrorCode::KAFKA_STORAGE_ERROR
    )
}

fn refuse(answer: &mut PartitionProduceResponse, error: &LogError, log_start: i64) {
    let code = error.code();
    answer.error_code = code;
    if !is_expected(code) {
        answer.log_start_offset = log_start;
    }
    let records = error.record_errors();
    if records.is_empty() {
        return;
    }
    answer.error_message = Some(Str::from(error.to_string()));
    answer.record_errors = records
        .iter()
        .map(|record| BatchIndexAndErrorMessage {
            batch_index: record.index,
            batch_index_error_message: Some(Str::from(&record.message)),
            ..BatchIndexAndErrorMessage::default()
        })
        .collect();
}

/// KIP-951: who leads now, for partitions that are led elsewhere.
fn tell_leaders(response: &mut ProduceResponse, image: &ClusterImage, listener: &str) {
    for topic in &mut response.responses {
        let elsewhere =
            |p: &&mut PartitionProduceResponse| p.error_code == ErrorCode::NOT_LEADER_OR_FOLLOWER;
        for answer in topic.partition_responses.iter_mut().filter(elsewhere) {
            let (leader_id, leader_epoch, node) =
                leader_of(image, &topic.name, answer.index, listener);
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
    }
}
