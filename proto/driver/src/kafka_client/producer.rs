//! Produces to one topic: records are gathered into batches by partition, sent to the leaders one
//! request at a time each, and sent again where that may help (Java: `KafkaProducer`,
//! `RecordAccumulator`, `Sender`). Never reorders the records of a partition; with idempotence
//! never doubles one.
#![allow(
    clippy::disallowed_methods,
    reason = "a driver measures how long it has been trying"
)]

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use proto::kafka::messages::init_producer_id::InitProducerIdRequest;
use proto::kafka::messages::metadata::MetadataResponseTopic;
use proto::kafka::messages::produce::{
    PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData,
};
use proto::kafka::{ErrorCode, Records, Str};
use proto::records::{BatchBuilder, BatchOptions, Compression, Header, MessageSetBuilder};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::cluster::Cluster;
use super::connection::{CallError, Connection};
use super::partitioner::partition_for_key;

/// The knobs of a producer, named as Java's `ProducerConfig`.
#[derive(Debug, Clone)]
pub struct ProducerOptions {
    pub acks: i16,
    pub compression: Compression,
    pub batch_size: usize,
    pub buffer_memory: usize,
    pub retries: u32,
    pub retry_backoff: Duration,
    pub request_timeout: Duration,
    pub delivery_timeout: Duration,
    pub max_block: Duration,
    pub idempotence: bool,
}

impl Default for ProducerOptions {
    fn default() -> Self {
        Self {
            acks: -1,
            compression: Compression::None,
            batch_size: 16 << 10,
            buffer_memory: 32 << 20,
            retries: u32::MAX,
            retry_backoff: Duration::from_millis(100),
            request_timeout: Duration::from_secs(30),
            delivery_timeout: Duration::from_secs(120),
            max_block: Duration::from_secs(60),
            idempotence: true,
        }
    }
}

/// One record on its way.
#[derive(Debug, Clone, Default)]
pub struct ProducerRecord {
    pub timestamp: i64,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<(Bytes, Option<Bytes>)>,
}

impl ProducerRecord {
    fn size(&self) -> usize {
        let fields = [&self.key, &self.value];
        let headers: usize = self.headers.iter().map(|(k, v)| k.len() + len(v)).sum();
        fields.into_iter().map(len).sum::<usize>() + headers + 24
    }
}

fn len(field: &Option<Bytes>) -> usize {
    field.as_ref().map_or(0, Bytes::len)
}

/// Records that could not be delivered, and why.
#[derive(Debug)]
pub struct Undelivered {
    pub records: Vec<ProducerRecord>,
    pub reason: String,
}

#[derive(Debug, Default)]
struct Batch {
    records: Vec<ProducerRecord>,
    bytes: usize,
    attempts: u32,
    first_try: Option<Instant>,
    /// set at the first try: a repetition is the same to the byte
    encoded: Option<(i16, Bytes)>,
}

#[derive(Debug, Default)]
struct Partition {
    leader: i32,
    queue: VecDeque<Batch>,
    next_sequence: i32,
}

/// What became of one try of one batch.
enum Outcome {
    Done,
    Again(String),
    Failed(String),
}

#[derive(Debug)]
pub struct Producer {
    cluster: Cluster,
    topic: Str,
    options: ProducerOptions,
    partitions: Vec<Partition>,
    /// where records without a key go until its batch is full
    sticky: usize,
    random: u64,
    buffered: usize,
    /// id and epoch, once asked for
    identity: Option<(i64, i16)>,
}

impl Producer {
    pub fn new(cluster: Cluster, topic: &str, options: ProducerOptions, seed: u64) -> Self {
        Self {
            cluster,
            topic: topic.into(),
            options,
            partitions: Vec::new(),
            sticky: 0,
            random: seed | 1,
            buffered: 0,
            identity: None,
        }
    }

    /// Takes a record; `true` when enough is gathered that [`Self::flush`] should follow.
    pub async fn send(&mut self, record: ProducerRecord) -> Result<bool, Undelivered> {
        if self.partitions.is_empty() {
            if let Err(reason) = self.wait_for_topic().await {
                let records = vec![record];
                return Err(Undelivered { records, reason });
            }
        }
        let size = record.size();
        let at = match &record.key {
            Some(key) => partition_for_key(key, self.partitions.len()),
            None => self.sticky,
        };
        let limit = self.options.batch_size;
        let queue = &mut self.partitions[at].queue;
        let open = queue
            .back_mut()
            .filter(|b| b.encoded.is_none() && b.bytes + size <= limit);
        match open {
            Some(batch) => {
                batch.bytes += size;
                batch.records.push(record);
            }
            None => {
                let keyless = record.key.is_none();
                let full = !queue.is_empty();
                queue.push_back(Batch {
                    records: vec![record],
                    bytes: size,
                    ..Batch::default()
                });
                if keyless && full {
                    self.next_sticky();
                }
            }
        }
        self.buffered += size;
        Ok(self.buffered >= self.options.buffer_memory.min(1 << 20))
    }

    /// Java: the partition of records without a key changes at random with each full batch.
    fn next_sticky(&mut self) {
        // xorshift: spreads load, nothing depends on its quality.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let live: Vec<usize> = (0..self.partitions.len())
            .filter(|i| self.partitions[*i].leader >= 0)
            .collect();
        let among = live.len().max(1) as u64;
        let pick = (self.random % among) as usize;
        self.sticky = live.get(pick).copied().unwrap_or(0);
    }

    async fn wait_for_topic(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        let mut last = String::new();
        while begun.elapsed() < self.options.max_block {
            match self.refresh().await {
                Ok(ErrorCode::NONE) if !self.partitions.is_empty() => {
                    self.next_sticky();
                    return Ok(());
                }
                Ok(error) if error.is_none() || error.is_retriable() => {
                    let topic = &self.topic;
                    let line = format!("Error while fetching metadata : {{{topic}={error}}}");
                    warn_once!(&mut last, line);
                }
                Ok(error) => return Err(error.to_string()),
                Err(error) => warn_once!(&mut last, error.to_string()),
            }
            sleep(self.options.retry_backoff).await;
        }
        Err(format!(
            "Topic {} not present in metadata after {} ms.",
            self.topic,
            self.options.max_block.as_millis()
        ))
    }

    /// Asks who leads the partitions now.
    async fn refresh(&mut self) -> Result<ErrorCode, CallError> {
        let topic = self.topic.clone();
        let response = self.cluster.metadata_creating(&[&topic]).await?;
        let found = response.topics.into_iter().next();
        let Some(topic) = found else {
            return Ok(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        };
        if topic.error_code.is_none() {
            self.take_leaders(&topic);
        }
        Ok(topic.error_code)
    }

    fn take_leaders(&mut self, topic: &MetadataResponseTopic) {
        let count = topic.partitions.len().max(self.partitions.len());
        self.partitions.resize_with(count, Partition::default);
        for partition in &topic.partitions {
            let at = usize::try_from(partition.partition_index).unwrap_or(usize::MAX);
            if let Some(known) = self.partitions.get_mut(at) {
                known.leader = partition.leader_id;
            }
        }
    }

    /// Sends all that is gathered; what could not be delivered comes back.
    pub async fn flush(&mut self) -> Vec<Undelivered> {
        let mut lost = Vec::new();
        if self.buffered > 0 {
            self.identify().await;
        }
        let mut last = String::new();
        while self.partitions.iter().any(|p| !p.queue.is_empty()) {
            if !self.send_round(&mut lost, &mut last).await {
                continue;
            }
            sleep(self.options.retry_backoff).await;
            if let Err(error) = self.refresh().await {
                warn_once!(&mut last, error.to_string());
            }
        }
        self.buffered = 0;
        if !self.partitions.is_empty() {
            self.next_sticky();
        }
        lost
    }

    /// One request to each leader that has something to get; whether something has to be sent
    /// again.
    async fn send_round(&mut self, lost: &mut Vec<Undelivered>, last: &mut String) -> bool {
        let mut by_leader: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
        for (at, partition) in self.partitions.iter_mut().enumerate() {
            if let Some(batch) = partition.queue.front_mut() {
                batch.attempts += 1;
                batch.first_try.get_or_insert_with(Instant::now);
                by_leader.entry(partition.leader).or_default().push(at);
            }
        }
        let mut running = JoinSet::new();
        let mut outcomes = Vec::new();
        for (leader, partitions) in by_leader {
            match self.request_for(leader, &partitions).await {
                Ok((connection, version, request)) => {
                    running.spawn(async move {
                        (partitions, exchange(&connection, version, request).await)
                    });
                }
                Err(reason) => outcomes.extend(
                    partitions
                        .iter()
                        .map(|p| (*p, Outcome::Again(reason.clone()))),
                ),
            }
        }
        while let Some(Ok((partitions, answer))) = running.join_next().await {
            outcomes.extend(judge(&partitions, answer));
        }
        let mut again = false;
        for (at, outcome) in outcomes {
            again |= self.settle(at, outcome, lost, last);
        }
        again
    }

    fn settle(
        &mut self,
        at: usize,
        outcome: Outcome,
        lost: &mut Vec<Undelivered>,
        last: &mut String,
    ) -> bool {
        let options = &self.options;
        let partition = &mut self.partitions[at];
        let Some(batch) = partition.queue.front() else {
            return false;
        };
        let reason = match outcome {
            Outcome::Done => {
                partition.next_sequence += batch.records.len() as i32;
                partition.queue.pop_front();
                return false;
            }
            Outcome::Again(reason)
                if batch.attempts <= options.retries
                    && batch
                        .first_try
                        .is_none_or(|t| t.elapsed() < options.delivery_timeout) =>
            {
                let topic = &self.topic;
                let line = format!(
                    "Got error produce response on topic-partition {topic}-{at}, retrying. \
                     Error: {reason}"
                );
                warn_once!(last, line);
                return true;
            }
            Outcome::Again(reason) | Outcome::Failed(reason) => reason,
        };
        if let Some(batch) = partition.queue.pop_front() {
            let records = batch.records;
            lost.push(Undelivered { records, reason });
        }
        if self.identity.is_some_and(|(id, _)| id >= 0) {
            // Whether the batch arrived is not known, so the sequence is not either: begin anew.
            self.identity = None;
            for partition in &mut self.partitions {
                partition.next_sequence = 0;
            }
        }
        false
    }

    async fn request_for(
        &mut self,
        leader: i32,
        partitions: &[usize],
    ) -> Result<(Connection, i16, ProduceRequest), String> {
        if leader < 0 {
            return Err(ErrorCode::LEADER_NOT_AVAILABLE.to_string());
        }
        let connection = self.cluster.broker(leader).await;
        let connection = connection.map_err(|e| e.to_string())?;
        let version = connection.version_of::<ProduceRequest>();
        let version = version.map_err(|e| e.to_string())?;
        if self.identity.is_none() {
            self.identify().await;
        }
        let mut data = Vec::with_capacity(partitions.len());
        for at in partitions {
            let records = self.encode(*at, version)?;
            data.push(PartitionProduceData {
                index: *at as i32,
                records: Records::Bytes(records),
                ..PartitionProduceData::default()
            });
        }
        let timeout = self.options.request_timeout.as_millis();
        let request = ProduceRequest {
            acks: self.options.acks,
            timeout_ms: i32::try_from(timeout).unwrap_or(i32::MAX),
            topic_data: vec![TopicProduceData {
                name: self.topic.clone(),
                partition_data: data,
                ..TopicProduceData::default()
            }],
            ..ProduceRequest::default()
        };
        Ok((connection, version, request))
    }

    /// The bytes of the first batch of a partition, in the format that belongs to the version.
    fn encode(&mut self, at: usize, version: i16) -> Result<Bytes, String> {
        let identity = self.identity.unwrap_or((-1, -1));
        let compression = self.options.compression;
        let partition = &mut self.partitions[at];
        let sequence = partition.next_sequence;
        let Some(batch) = partition.queue.front_mut() else {
            return Ok(Bytes::new());
        };
        let format = version.min(3);
        if let Some((_, bytes)) = batch.encoded.as_ref().filter(|(f, _)| *f == format) {
            return Ok(bytes.clone());
        }
        let built = if format < 3 {
            message_set(&batch.records, u8::from(format == 2), compression)
        } else {
            let has_id = identity.0 >= 0;
            let options = BatchOptions {
                compression,
                producer_id: identity.0,
                producer_epoch: identity.1,
                base_sequence: if has_id { sequence } else { -1 },
                ..BatchOptions::default()
            };
            record_batch(&batch.records, options, batch.bytes)
        };
        let bytes = Bytes::from(built.map_err(|e| e.to_string())?);
        batch.encoded = Some((format, bytes.clone()));
        Ok(bytes)
    }

    /// Gets an id for idempotence once; a broker that gives none is produced to without.
    async fn identify(&mut self) {
        if self.identity.is_some() {
            return;
        }
        if !self.options.idempotence || self.options.acks != -1 {
            self.identity = Some((-1, -1));
            return;
        }
        let request = InitProducerIdRequest {
            transaction_timeout_ms: i32::MAX,
            ..InitProducerIdRequest::default()
        };
        for _ in 0..50 {
            let answer = match self.cluster.any().await {
                Ok(connection) => connection.call(&request).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(r) if r.error_code.is_none() => {
                    self.identity = Some((r.producer_id, r.producer_epoch));
                    return;
                }
                Ok(r) if r.error_code.is_retriable() => sleep(self.options.retry_backoff).await,
                Err(CallError::Closed(_) | CallError::Connect { .. }) => return,
                Ok(_) | Err(_) => break,
            }
        }
        self.identity = Some((-1, -1));
    }
}

async fn exchange(
    connection: &Connection,
    version: i16,
    request: ProduceRequest,
) -> Result<Option<ProduceResponse>, CallError> {
    if request.acks == 0 {
        return connection.send(version, &request).await.map(|()| None);
    }
    connection.call_in(version, &request).await.map(Some)
}

fn judge(
    partitions: &[usize],
    answer: Result<Option<ProduceResponse>, CallError>,
) -> Vec<(usize, Outcome)> {
    let response = match answer {
        Ok(Some(response)) => response,
        Ok(None) => return partitions.iter().map(|p| (*p, Outcome::Done)).collect(),
        Err(error) => {
            let again = |p: &usize| (*p, Outcome::Again(error.to_string()));
            return partitions.iter().map(again).collect();
        }
    };
    let mut results: BTreeMap<usize, Outcome> = BTreeMap::new();
    for p in response
        .responses
        .iter()
        .flat_map(|t| &t.partition_responses)
    {
        let outcome = match p.error_code {
            // The broker has it from an earlier try whose answer was lost.
            ErrorCode::NONE | ErrorCode::DUPLICATE_SEQUENCE_NUMBER => Outcome::Done,
            error if error.is_retriable() => Outcome::Again(error.to_string()),
            error => Outcome::Failed(match &p.error_message {
                Some(message) => format!("{error}: {message}"),
                None => error.to_string(),
            }),
        };
        results.insert(usize::try_from(p.index).unwrap_or(usize::MAX), outcome);
    }
    let missing = || Outcome::Failed("the broker's answer leaves the partition out".to_owned());
    partitions
        .iter()
        .map(|p| (*p, results.remove(p).unwrap_or_else(missing)))
        .collect()
}

fn record_batch(
    records: &[ProducerRecord],
    options: BatchOptions,
    size: usize,
) -> Result<Vec<u8>, proto::records::RecordsError> {
    let mut builder = BatchBuilder::with_capacity(options, size + 64);
    for record in records {
        let headers = record.headers.iter().map(|(key, value)| Header {
            key,
            value: value.as_deref(),
        });
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        builder.append(record.timestamp, key, value, headers);
    }
    builder.build()
}

fn message_set(
    records: &[ProducerRecord],
    magic: u8,
    compression: Compression,
) -> Result<Vec<u8>, proto::records::RecordsError> {
    let mut builder = MessageSetBuilder::new(magic, compression, None);
    for (offset, record) in records.iter().enumerate() {
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        builder.append(offset as i64, record.timestamp, key, value);
    }
    let mut out = Vec::new();
    builder.finish_into(&mut out)?;
    Ok(out)
}
