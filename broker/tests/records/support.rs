//! A broker with logs in a temporary folder and topics that it leads, and a client of few words.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use broker::config::{KafkaConfig, Settings};
use broker::log::{LogConfig, TopicPartition};
use broker::net::Net;
use broker::shard::{LogDirs, LogManager, LogManagerSettings};
use broker::state::Broker;
use broker::txn::{Block, BlockSource, ProducerIds};
use bytes::Bytes;
use proto::kafka::messages::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, TopicProduceData,
};
use proto::kafka::messages::update_metadata::{
    UpdateMetadataBroker, UpdateMetadataEndpoint, UpdateMetadataPartitionState,
    UpdateMetadataRequest, UpdateMetadataTopicState,
};
use proto::kafka::{Records, Request, Uuid, frame};
use proto::properties::Properties;
use proto::records::{BatchBuilder, BatchOptions};
use std::pin::Pin;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

pub(crate) const NOW: i64 = 1_700_000_000_000;

pub(crate) struct Server {
    pub(crate) broker: Arc<Broker>,
    pub(crate) logs: LogManager,
    port: u16,
    _dir: tempfile::TempDir,
    _stop: watch::Sender<bool>,
}

/// Blocks as if from ZooKeeper.
struct Blocks;

impl BlockSource for Blocks {
    fn reserve(&self) -> Pin<Box<dyn Future<Output = Option<Block>> + Send + '_>> {
        Box::pin(std::future::ready(Some(4000..=4999)))
    }
}

pub(crate) fn start() -> Server {
    let text = "zookeeper.connect=x:1\nlisteners=PLAINTEXT://127.0.0.1:0\n";
    let file = Properties::parse("f", text.as_bytes()).unwrap();
    let config = KafkaConfig::new(Settings::new(file, &[]).unwrap()).unwrap();
    let net = Net::bind(&config).unwrap();
    let port = net.port("PLAINTEXT").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let dirs = LogDirs::open(&[PathBuf::from(dir.path())]).unwrap();
    let settings = LogManagerSettings {
        io_threads: 2,
        ..Default::default()
    };
    let logs = LogManager::start(dirs, &settings, |_| LogConfig::default()).unwrap();
    let broker = Arc::new(Broker::detached(1, config, logs.shards().clone()));
    let _ = broker.producer_ids.set(ProducerIds::new(Box::new(Blocks)));
    let (stop, stopped) = watch::channel(false);
    net.serve(&broker, &stopped);
    Server {
        broker,
        logs,
        port,
        _dir: dir,
        _stop: stop,
    }
}

pub(crate) fn topic_id(name: &str) -> Uuid {
    let mut id = [7; 16];
    id[..name.len().min(16)].copy_from_slice(&name.as_bytes()[..name.len().min(16)]);
    Uuid(id)
}

impl Server {
    /// A topic of `partitions` that this broker leads in epoch 3, with or without another replica
    /// that is in sync.
    pub(crate) async fn topic(&self, name: &str, partitions: i32, config: LogConfig, sole: bool) {
        let states = (0..partitions).map(|index| UpdateMetadataPartitionState {
            partition_index: index,
            leader: 1,
            leader_epoch: 3,
            replicas: vec![1],
            isr: vec![1],
            ..Default::default()
        });
        self.broker.metadata.update(&UpdateMetadataRequest {
            controller_id: 1,
            topic_states: vec![UpdateMetadataTopicState {
                topic_name: name.into(),
                topic_id: topic_id(name),
                partition_states: states.collect(),
                ..Default::default()
            }],
            live_brokers: vec![UpdateMetadataBroker {
                id: 1,
                endpoints: vec![UpdateMetadataEndpoint {
                    host: "h".into(),
                    port: 9092,
                    listener: "PLAINTEXT".into(),
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        });
        for index in 0..partitions {
            let partition = TopicPartition {
                topic: name.into(),
                partition: index,
            };
            let created = self.logs.create(partition.clone(), None, config.clone());
            created.await.unwrap().unwrap();
            let lead = self
                .logs
                .shards()
                .with(partition, move |hosted| hosted.become_leader(3, sole));
            lead.await.unwrap().unwrap();
        }
    }

    pub(crate) async fn client(&self) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        Client {
            stream,
            correlation_id: 0,
        }
    }
}

pub(crate) struct Client {
    stream: TcpStream,
    correlation_id: i32,
}

impl Client {
    pub(crate) async fn send<R: Request>(&mut self, version: i16, request: &R) {
        self.correlation_id += 1;
        let frame = frame::request(version, self.correlation_id, None, request).unwrap();
        let bytes = frame.into_bytes().unwrap();
        self.stream.write_all(&bytes).await.unwrap();
    }

    pub(crate) async fn receive<R: Request>(&mut self, version: i16) -> (i32, R::Response) {
        let size = self.stream.read_u32().await.unwrap();
        let mut body = vec![0; size as usize];
        self.stream.read_exact(&mut body).await.unwrap();
        frame::read_response::<R>(&body.into(), version).unwrap()
    }

    pub(crate) async fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.send(version, request).await;
        self.receive::<R>(version).await.1
    }

    /// True once the server has closed the connection.
    pub(crate) async fn is_closed(&mut self) -> bool {
        matches!(self.stream.read(&mut [0; 1]).await, Ok(0) | Err(_))
    }

    pub(crate) async fn produce(
        &mut self,
        topic: &str,
        records: Bytes,
    ) -> PartitionProduceResponse {
        let request = produce(topic, 0, records, 1);
        let mut response = self.call(9, &request).await;
        response.responses[0].partition_responses.remove(0)
    }
}

pub(crate) fn produce(topic: &str, index: i32, records: Bytes, acks: i16) -> ProduceRequest {
    ProduceRequest {
        acks,
        timeout_ms: 300,
        topic_data: vec![TopicProduceData {
            name: topic.into(),
            partition_data: vec![PartitionProduceData {
                index,
                records: Records::Bytes(records),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// One batch of such values.
pub(crate) fn batch(options: BatchOptions, values: &[&str]) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    for (i, value) in values.iter().enumerate() {
        let none = std::iter::empty();
        builder.append(NOW + i as i64, None, Some(value.as_bytes()), none);
    }
    builder.build().unwrap().into()
}

pub(crate) fn values(values: &[&str]) -> Bytes {
    batch(BatchOptions::default(), values)
}
