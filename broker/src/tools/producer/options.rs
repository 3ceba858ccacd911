//! The flags of `kafka-console-producer`.

use clap::Parser;
use driver::kafka_client::producer::ProducerOptions;
use proto::records::Compression;

use crate::tools::Failure;
use crate::tools::options::{Servers, VERSION};
use crate::tools::settings::Settings;

#[derive(Debug, Parser)]
#[command(
    about = "This tool helps to read data from standard input and publish it to Kafka.",
    infer_long_args = true,
    version = VERSION,
    max_term_width = 100
)]
pub(super) struct Options {
    /// The topic to produce to
    #[arg(long)]
    pub(super) topic: Option<String>,
    #[command(flatten)]
    pub(super) servers: Servers,
    /// The old name of --bootstrap-server
    #[arg(long, value_name = "broker-list")]
    pub(super) broker_list: Option<String>,
    /// Wait for the answer to each message before the next is sent
    #[arg(long)]
    pub(super) sync: bool,
    /// none, gzip, snappy, lz4 or zstd; gzip when no value follows
    #[arg(long, num_args = 0..=1, default_missing_value = "gzip", value_name = "codec")]
    compression_codec: Option<String>,
    /// Bytes in a batch
    #[arg(long, value_name = "size")]
    batch_size: Option<usize>,
    /// Bytes in a batch; stands over --batch-size
    #[arg(long, value_name = "memory in bytes per partition")]
    max_partition_memory_bytes: Option<usize>,
    /// How often a batch is sent again
    #[arg(long, value_name = "Integer")]
    message_send_max_retries: Option<u32>,
    /// Milliseconds before a batch is sent again
    #[arg(long, value_name = "Long")]
    retry_backoff_ms: Option<u64>,
    /// Milliseconds that a message waits for others at most
    #[arg(long, value_name = "timeout_ms", allow_negative_numbers = true)]
    timeout: Option<i64>,
    /// 0, 1, -1 or all
    #[arg(
        long,
        value_name = "request required acks",
        allow_negative_numbers = true
    )]
    request_required_acks: Option<String>,
    /// Milliseconds that a broker may take to answer
    #[arg(long, value_name = "request timeout ms")]
    request_timeout_ms: Option<u64>,
    /// Milliseconds to wait for the topic's metadata
    #[arg(long, alias = "metadata-fetch-timeout-ms", value_name = "ms")]
    max_block_ms: Option<u64>,
    /// Bytes that may wait to be sent
    #[arg(long, value_name = "total memory in bytes")]
    max_memory_bytes: Option<usize>,
    /// key=value for the reader of lines: parse.key, key.separator, parse.headers, headers.delimiter,
    /// headers.separator, headers.key.separator, ignore.error, null.marker
    #[arg(long, value_name = "prop")]
    pub(super) property: Vec<String>,
    /// Property file for the reader of lines
    #[arg(long, value_name = "config file")]
    pub(super) reader_config: Option<String>,
    /// The class that reads lines; only Kafka's own LineMessageReader
    #[arg(long, value_name = "reader_class")]
    pub(super) line_reader: Option<String>,
    /// key=value for the producer
    #[arg(long, value_name = "producer_prop")]
    producer_property: Vec<String>,
    /// Property file for the producer
    #[arg(long = "producer.config", value_name = "config file")]
    producer_config: Option<String>,
    /// Accepted as in Java: metadata is asked for again when it turns out to be old
    #[arg(long, value_name = "ms", hide = true)]
    metadata_expiry_ms: Option<u64>,
    /// Accepted as in Java: the system chooses
    #[arg(long, value_name = "size", hide = true)]
    socket_buffer_size: Option<u64>,
    /// Accepted as 0.8.2 did: there is one producer
    #[arg(long, hide = true)]
    new_producer: bool,
    /// Accepted as 0.8.2 did: the queue is bounded by --max-memory-bytes
    #[arg(long, value_name = "queue_size", hide = true)]
    queue_size: Option<u64>,
    /// Accepted as 0.8.2 did: a full queue makes the reader wait
    #[arg(
        long = "queue-enqueuetimeout-ms",
        value_name = "ms",
        hide = true,
        allow_negative_numbers = true
    )]
    queue_enqueue_timeout_ms: Option<i64>,
    /// Accepted as 0.8.2 did: values are the bytes of the line
    #[arg(long, value_name = "encoder_class", hide = true)]
    value_serializer: Option<String>,
    /// Accepted as 0.8.2 did: keys are the bytes of the line
    #[arg(long, value_name = "encoder_class", hide = true)]
    key_serializer: Option<String>,
}

/// What a run of the tool needs to know of the producer.
#[derive(Debug)]
pub(super) struct Producing {
    pub(super) topic: String,
    pub(super) servers: String,
    pub(super) client_id: String,
    pub(super) producer: ProducerOptions,
}

impl Options {
    pub(super) fn check(&self) -> Result<Producing, Failure> {
        let missing = |what: &str| Failure::new(format!("Missing required {what}"));
        let servers = self.servers.bootstrap_server.as_ref();
        let servers = servers.or(self.broker_list.as_ref()).cloned();
        let servers = servers.ok_or_else(|| missing("option(s) [bootstrap-server]"))?;
        let topic = self.topic.clone();
        let topic = topic.ok_or_else(|| missing("argument \"[topic]\""))?;
        let file = self.producer_config.as_deref();
        let mut set = Settings::load(file, "producer-property", &self.producer_property)?;
        let producer = self.producer(&mut set)?;
        let client_id = set
            .get("client.id")
            .unwrap_or("console-producer")
            .to_owned();
        // Servers come from the flag; a line never waits longer than the one before it is under
        // way, so there is no time to wait at least.
        for key in ["bootstrap.servers", "linger.ms", "metadata.max.age.ms"] {
            set.get(key);
        }
        set.finish()?;
        Ok(Producing {
            topic,
            servers,
            client_id,
            producer,
        })
    }

    fn producer(&self, set: &mut Settings) -> Result<ProducerOptions, Failure> {
        let base = ProducerOptions::default();
        let codec = set.merge("compression.type", self.compression_codec.clone())?;
        let codec = codec.unwrap_or_else(|| "none".to_owned());
        let compression = Compression::from_name(&codec).ok_or_else(|| {
            Failure::new(format!(
                "Invalid value {codec} for configuration compression.type: String must be one of: \
                 none, gzip, snappy, lz4, zstd"
            ))
        })?;
        let acks = set.merge("acks", self.request_required_acks.clone())?;
        let acks = match acks.as_deref().unwrap_or("-1") {
            "-1" | "all" => -1,
            "0" => 0,
            "1" => 1,
            other => {
                return Err(Failure::new(format!(
                    "Invalid value {other} for configuration acks: String must be one of: all, \
                     -1, 0, 1"
                )));
            }
        };
        let batch = self.max_partition_memory_bytes.or(self.batch_size);
        let retries = set.merge("retries", self.message_send_max_retries)?;
        let backoff = set.millis("retry.backoff.ms", self.retry_backoff_ms)?;
        let request = set.millis("request.timeout.ms", self.request_timeout_ms)?;
        let block = set.millis("max.block.ms", self.max_block_ms)?;
        let memory = set.merge("buffer.memory", self.max_memory_bytes)?;
        Ok(ProducerOptions {
            acks,
            compression,
            batch_size: set.merge("batch.size", batch)?.unwrap_or(base.batch_size),
            buffer_memory: memory.unwrap_or(base.buffer_memory),
            retries: retries.unwrap_or(3),
            retry_backoff: backoff.unwrap_or(base.retry_backoff),
            request_timeout: request.unwrap_or(std::time::Duration::from_millis(1500)),
            max_block: block.unwrap_or(base.max_block),
            delivery_timeout: set
                .millis("delivery.timeout.ms", None)?
                .unwrap_or(base.delivery_timeout),
            idempotence: set.parsed("enable.idempotence")?.unwrap_or(acks == -1),
        })
    }
}
