//! Kafka load: raw produce and fetch requests on one connection, a window of them in flight.

#![allow(
    clippy::disallowed_methods,
    reason = "a load generator reads the clock"
)]

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use proto::kafka::frame;
use proto::kafka::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use proto::kafka::messages::fetch::{FetchPartition, FetchRequest, FetchTopic};
use proto::kafka::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use proto::kafka::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use proto::kafka::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use proto::kafka::{ErrorCode, Records, Request, Str};
use proto::records::{BatchBuilder, BatchOptions};

use super::round::{Inbox, Round, Until, pipelined};

const PRODUCE: i16 = 9;
const FETCH: i16 = 12;

#[derive(Debug)]
pub struct KafkaLoad {
    stream: TcpStream,
    topic: String,
}

impl KafkaLoad {
    /// Connects and creates the topic, whose oldest segments go soon so that the disk stays free.
    pub fn prepare(addr: SocketAddr, topic: &str) -> Result<Self> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut load = Self {
            stream,
            topic: topic.to_owned(),
        };
        let config = |name: &str, value: &str| CreatableTopicConfig {
            name: name.into(),
            value: Some(value.into()),
            ..CreatableTopicConfig::default()
        };
        let request = CreateTopicsRequest {
            topics: vec![CreatableTopic {
                name: topic.into(),
                num_partitions: 1,
                replication_factor: 1,
                configs: vec![
                    config("segment.bytes", "134217728"),
                    config("retention.bytes", "536870912"),
                    // the records carry one fixed time
                    config("retention.ms", "-1"),
                    config("file.delete.delay.ms", "1000"),
                ],
                ..CreatableTopic::default()
            }],
            timeout_ms: 30_000,
            ..CreateTopicsRequest::default()
        };
        load.create(&request)?;
        load.await_leader()?;
        Ok(load)
    }

    /// A Java broker answers before it is in its own metadata, and has no brokers for a replica then.
    fn create(&mut self, request: &CreateTopicsRequest) -> Result<()> {
        let mut last = None;
        for _ in 0..600 {
            let response = self.call(5, request)?;
            match response.topics.first().map(|t| t.error_code) {
                Some(ErrorCode::NONE) => return Ok(()),
                early @ Some(ErrorCode::INVALID_REPLICATION_FACTOR | ErrorCode::NOT_CONTROLLER) => {
                    last = early
                }
                other => bail!("the topic could not be created: {other:?}"),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("the topic could not be created in 30 s: {last:?}")
    }

    fn await_leader(&mut self) -> Result<()> {
        for _ in 0..600 {
            let request = MetadataRequest {
                topics: Some(vec![MetadataRequestTopic {
                    name: Some(Str::from(self.topic.as_str())),
                    ..MetadataRequestTopic::default()
                }]),
                ..MetadataRequest::default()
            };
            let response = self.call(4, &request)?;
            let led = response
                .topics
                .iter()
                .flat_map(|t| &t.partitions)
                .any(|p| p.leader_id >= 0);
            if led {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("{} has no leader after 30 s", self.topic)
    }

    fn call<R: Request>(&mut self, version: i16, request: &R) -> Result<R::Response> {
        self.stream.write_all(&encode(version, 0, request)?)?;
        let mut inbox = Inbox::default();
        inbox.fill(&mut self.stream)?;
        let frame = Bytes::copy_from_slice(inbox.next().context("no reply")?);
        Ok(frame::read_response::<R>(&frame, version)?.1)
    }

    fn offsets(&mut self) -> Result<(i64, i64)> {
        let mut at = [0; 2];
        for (offset, timestamp) in at.iter_mut().zip([-2, -1]) {
            let request = ListOffsetsRequest {
                replica_id: -1,
                topics: vec![ListOffsetsTopic {
                    name: self.topic.as_str().into(),
                    partitions: vec![ListOffsetsPartition {
                        timestamp,
                        ..ListOffsetsPartition::default()
                    }],
                    ..ListOffsetsTopic::default()
                }],
                ..ListOffsetsRequest::default()
            };
            let response = self.call(4, &request)?;
            let partition = response.topics.iter().flat_map(|t| &t.partitions).next();
            *offset = partition.context("no partition")?.offset;
        }
        Ok((at[0], at[1]))
    }

    /// Produces batches of about `size` bytes with acks=1.
    pub fn produce(&mut self, size: usize, window: usize, until: Until) -> Result<Round> {
        let batch = batch(size)?;
        let bytes = batch.len() as u64;
        let request = ProduceRequest {
            acks: 1,
            timeout_ms: 30_000,
            topic_data: vec![TopicProduceData {
                name: self.topic.as_str().into(),
                partition_data: vec![PartitionProduceData {
                    index: 0,
                    records: Records::from(Bytes::from(batch)),
                    ..PartitionProduceData::default()
                }],
                ..TopicProduceData::default()
            }],
            ..ProduceRequest::default()
        };
        let frame = encode(PRODUCE, 0, &request)?;
        pipelined(
            &mut self.stream,
            window,
            until,
            |out| out.extend_from_slice(&frame),
            |reply| {
                let reply = Bytes::copy_from_slice(reply);
                let (_, body) = frame::read_response::<ProduceRequest>(&reply, PRODUCE)?;
                let partitions = body.responses.iter().flat_map(|t| &t.partition_responses);
                match partitions.map(|p| p.error_code).next() {
                    Some(ErrorCode::NONE) => Ok(bytes),
                    other => bail!("produce failed: {other:?}"),
                }
            },
        )
    }

    /// Reads the log over and over, up to 1 MiB a request.
    pub fn fetch(&mut self, window: usize, until: Until) -> Result<Round> {
        let (start, end) = self.offsets()?;
        // Far from what retention may take away, which lags behind a fast producer.
        let at = end - (end - start) / 16;
        let request = FetchRequest {
            max_wait_ms: 500,
            min_bytes: 1,
            max_bytes: 1 << 20,
            topics: vec![FetchTopic {
                topic: self.topic.as_str().into(),
                partitions: vec![FetchPartition {
                    fetch_offset: at,
                    partition_max_bytes: 1 << 20,
                    ..FetchPartition::default()
                }],
                ..FetchTopic::default()
            }],
            ..FetchRequest::default()
        };
        let frame = encode(FETCH, 0, &request)?;
        pipelined(
            &mut self.stream,
            window,
            until,
            |out| out.extend_from_slice(&frame),
            |reply| {
                // The response's head is small; a frame without records would be as small.
                if reply.len() < 512 * 1024 {
                    let frame = Bytes::copy_from_slice(reply);
                    let (_, body) = frame::read_response::<FetchRequest>(&frame, FETCH)?;
                    let partitions = body.responses.iter().flat_map(|t| &t.partitions);
                    let codes: Vec<_> = partitions.map(|p| p.error_code).collect();
                    bail!(
                        "fetch from {at} of {start} to {end} brought {} bytes, not a full answer: {codes:?}",
                        reply.len()
                    );
                }
                Ok(reply.len() as u64)
            },
        )
    }
}

fn encode<R: Request>(version: i16, id: i32, request: &R) -> Result<Vec<u8>> {
    let frame = frame::request(version, id, Some(Str::from_static("bench")), request)?;
    Ok(frame
        .into_bytes()
        .context("requests lie in memory")?
        .to_vec())
}

/// A v2 batch of 1,000-byte records (or one smaller record), about `size` bytes in all.
fn batch(size: usize) -> Result<Vec<u8>> {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    // Old timestamps would make retention take the records at once.
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
    let record = vec![b'x'; size.min(1_000)];
    while builder.count() == 0 || builder.size() + record.len() <= size {
        builder.append(now_ms, None, Some(&record), std::iter::empty());
    }
    Ok(builder.build()?)
}
