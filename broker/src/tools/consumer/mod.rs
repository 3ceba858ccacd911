//! `kafka-console-consumer`: shows the records of topics (Java: `ConsoleConsumer` of 3.9, and of
//! 0.8.2 through ZooKeeper).
#![allow(
    clippy::disallowed_methods,
    reason = "a driver: measures how long no message has come"
)]

mod formatter;
mod old_group;
mod options;
mod zookeeper;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::ops::ControlFlow;
use std::time::Duration;

use driver::kafka_client::cluster::parse_addresses;
use driver::kafka_client::consumer::{
    Consumer, ConsumerError, ConsumerOptions, Reset, Subscription,
};
use driver::kafka_client::fetcher::{Delivered, FetchOptions};
use driver::kafka_client::membership::{GroupOptions, Membership};
use driver::kafka_client::{Cluster, Options as ClientOptions};
use driver::signals::StopSignals;
use proto::kafka::Str;
use tokio::time::timeout;

use self::formatter::Formatter;
use self::options::Options;
use super::Failure;
use super::options::{Tool, TopicFilter, on_standard_error, parse};
use super::settings::Settings;

const TOOL: Tool = Tool {
    name: "kafka-console-consumer",
    alone: Some(options::ABOUT),
    bad_value: on_standard_error,
};

pub async fn run(args: Vec<String>) -> i32 {
    let options: Options = match parse(&TOOL, args) {
        Ok(options) => options,
        Err(code) => return code,
    };
    match consume(&options).await {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("{failure}");
            1
        }
    }
}

async fn consume(options: &Options) -> Result<i32, Failure> {
    options.check()?;
    if let Some(connect) = &options.zookeeper {
        return zookeeper::consume(options, connect).await;
    }
    let mut shown = Shown::new(formatter(options)?, options);
    let mut consumer = consumer(options)?;
    let mut signals = StopSignals::listen()?;
    let mut code = 0;
    tokio::select! {
        result = show_all(&mut consumer, &mut shown, options.timeout_ms) => {
            // As in Java only what can't be shown is a failure of the program.
            match result {
                Ok(None) => {}
                Ok(Some(failure)) => {
                    tracing::error!("Unknown error when running consumer: {failure}");
                    code = 1;
                }
                Err(failure) => {
                    tracing::error!("Error processing message, terminating consumer process: {failure}");
                }
            }
        }
        signal = signals.wait() => code = if signal == "SIGINT" { 130 } else { 143 },
    }
    if let Err(error) = consumer.close().await {
        tracing::warn!("{error}");
    }
    eprintln!("Processed a total of {} messages", shown.count);
    if code != 0 && options.enable_systest_events {
        println!("shutdown_complete");
    }
    Ok(code)
}

struct Shown {
    formatter: Formatter,
    out: Vec<u8>,
    count: i64,
    most: i64,
    skip_errors: bool,
    /// why a message could not be shown
    trouble: Option<Failure>,
}

impl Shown {
    fn new(formatter: Formatter, options: &Options) -> Self {
        Self {
            formatter,
            out: Vec::new(),
            count: 0,
            most: options.max_messages.unwrap_or(-1),
            skip_errors: options.skip_message_on_error,
            trouble: None,
        }
    }

    fn wants_more(&self) -> bool {
        self.most < 0 || self.count < self.most
    }

    /// Takes a message; breaks after the last one, and when one can't be shown.
    fn show(&mut self, message: &Delivered<'_>) -> ControlFlow<()> {
        self.count += 1;
        let begin = self.out.len();
        if let Err(failure) = self.formatter.write(message, &mut self.out) {
            self.out.truncate(begin);
            if !self.skip_errors {
                self.trouble = Some(failure);
                return ControlFlow::Break(());
            }
            tracing::error!("Error processing message, skipping this message: {failure}");
        }
        if self.out.len() > 1 << 16 && !write_out(&mut self.out) || !self.wants_more() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

/// Shows messages until enough are, none came in time, or one can't be shown: that one's failure.
async fn show_all(
    consumer: &mut Consumer,
    shown: &mut Shown,
    timeout_ms: Option<i64>,
) -> Result<Option<Failure>, Failure> {
    let wait = timeout_ms.and_then(|ms| u64::try_from(ms).ok());
    let failed = |e: ConsumerError| Failure::new(e.to_string());
    while shown.wants_more() {
        match wait.map(Duration::from_millis) {
            None => consumer.poll(None).await.map_err(failed)?,
            Some(wait) => timeout(wait, consumer.poll(None))
                .await
                .map_err(|_| Failure::new("org.apache.kafka.common.errors.TimeoutException"))?
                .map_err(failed)?,
        };
        let drained = consumer.drain(|message| shown.show(&message));
        let written = write_out(&mut shown.out);
        if shown.trouble.is_some() {
            return Ok(shown.trouble.take());
        }
        if drained.map_err(failed)?.is_break() || !written {
            break;
        }
    }
    Ok(None)
}

/// Whether somebody still listens.
fn write_out(out: &mut Vec<u8>) -> bool {
    let mut stdout = std::io::stdout().lock();
    let result = stdout.write_all(out).and_then(|()| stdout.flush());
    out.clear();
    if result.is_err() {
        eprintln!("Unable to write to standard out, closing consumer.");
    }
    result.is_ok()
}

fn formatter(options: &Options) -> Result<Formatter, Failure> {
    let file = options.formatter_config.as_deref();
    let mut set = Settings::load(file, "property", &options.property)?;
    let mut properties = HashMap::new();
    for (key, class) in [
        ("key.deserializer", &options.key_deserializer),
        ("value.deserializer", &options.value_deserializer),
    ] {
        if let Some(class) = class.as_ref().filter(|c| !c.is_empty()) {
            properties.insert(key.to_owned(), class.clone());
        }
    }
    for key in formatter::KEYS {
        if let Some(value) = set.get(key) {
            properties.insert(key.to_owned(), value.to_owned());
        }
    }
    set.finish()?;
    Formatter::new(options.formatter.as_deref(), &properties)
}

fn consumer(options: &Options) -> Result<Consumer, Failure> {
    let file = options.consumer_config.as_deref();
    let in_file = match file {
        Some(_) => Settings::load(file, "consumer.config", &[])?
            .get("group.id")
            .map(str::to_owned),
        None => None,
    };
    let group = options.group_id(in_file.as_deref())?;
    let mut set = Settings::load(file, "consumer-property", &options.consumer_property)?;
    for used in ["group.id", "bootstrap.servers"] {
        set.get(used);
    }
    let consumer = consumer_options(options, &mut set, group.is_some())?;
    let request = set.millis("request.timeout.ms", None)?;
    let client = ClientOptions {
        client_id: Str::from(set.get("client.id").unwrap_or("console-consumer")),
        request_timeout: request.unwrap_or(Duration::from_secs(30)),
        ..ClientOptions::default()
    };
    let servers = options
        .servers
        .bootstrap_server
        .as_deref()
        .unwrap_or_default();
    let addresses = parse_addresses(servers)?;
    let subscription = subscription(options)?;
    let membership = match subscription {
        Subscription::Partition(..) => None,
        _ => {
            let group = group_options(&mut set, group.unwrap_or_else(random_group))?;
            let patient = ClientOptions {
                request_timeout: group.max_poll_interval + client.request_timeout,
                ..client.clone()
            };
            let cluster = Cluster::new(addresses.clone(), patient);
            Some(Membership::new(cluster, group))
        }
    };
    set.finish()?;
    let cluster = Cluster::new(addresses, client);
    Ok(Consumer::new(cluster, membership, subscription, consumer))
}

fn random_group() -> String {
    let number = RandomState::new().hash_one(0) % 100_000;
    format!("console-consumer-{number}")
}

fn subscription(options: &Options) -> Result<Subscription, Failure> {
    let Some(topic) = &options.topic else {
        let pattern = options.include.as_ref().or(options.whitelist.as_ref());
        let filter = TopicFilter::new(pattern.map_or("", String::as_str))?;
        return Ok(Subscription::Pattern(Box::new(move |t| filter.allows(t))));
    };
    match options.partition {
        Some(partition) => {
            let start = options.start()?;
            Ok(Subscription::Partition((topic.into(), partition), start))
        }
        None => Ok(Subscription::Topics(vec![topic.into()])),
    }
}

fn consumer_options(
    options: &Options,
    set: &mut Settings,
    has_group: bool,
) -> Result<ConsumerOptions, Failure> {
    let base = FetchOptions::default();
    let isolation = set.merge("isolation.level", options.isolation_level.clone())?;
    let read_committed = match isolation.as_deref() {
        None | Some("read_uncommitted") => false,
        Some("read_committed") => true,
        Some(other) => {
            return Err(Failure::new(format!(
                "Invalid value {other} for configuration isolation.level: String must be one of: \
                 read_committed, read_uncommitted"
            )));
        }
    };
    let reset = match set.get("auto.offset.reset") {
        Some(other) if options.from_beginning && other != "earliest" => {
            return Err(Failure::new(format!(
                "Can't simultaneously specify --from-beginning and 'auto.offset.reset={other}', \
                 please remove one option"
            )));
        }
        Some("earliest" | "smallest") => Reset::Earliest,
        None if options.from_beginning => Reset::Earliest,
        None | Some("latest" | "largest") => Reset::Latest,
        Some("none") => Reset::None,
        Some(other) => {
            return Err(Failure::new(format!(
                "Invalid value {other} for configuration auto.offset.reset: String must be one \
                 of: latest, earliest, none"
            )));
        }
    };
    let interval = set.millis("auto.commit.interval.ms", None)?;
    let commits = set.parsed("enable.auto.commit")?.unwrap_or(has_group);
    Ok(ConsumerOptions {
        fetch: FetchOptions {
            max_wait_ms: set.parsed("fetch.max.wait.ms")?.unwrap_or(base.max_wait_ms),
            min_bytes: set.parsed("fetch.min.bytes")?.unwrap_or(base.min_bytes),
            max_bytes: set.parsed("fetch.max.bytes")?.unwrap_or(base.max_bytes),
            max_partition_bytes: set
                .parsed("max.partition.fetch.bytes")?
                .unwrap_or(base.max_partition_bytes),
            read_committed,
            check_crcs: set.parsed("check.crcs")?.unwrap_or(true),
        },
        reset,
        auto_commit: commits.then(|| interval.unwrap_or(Duration::from_secs(5))),
        metadata_max_age: set
            .millis("metadata.max.age.ms", None)?
            .unwrap_or(Duration::from_secs(300)),
        retry_backoff: set
            .millis("retry.backoff.ms", None)?
            .unwrap_or(Duration::from_millis(100)),
    })
}

fn group_options(set: &mut Settings, group: String) -> Result<GroupOptions, Failure> {
    let seconds = Duration::from_secs;
    Ok(GroupOptions {
        group: group.into(),
        instance_id: set.get("group.instance.id").map(Str::from),
        session_timeout: set
            .millis("session.timeout.ms", None)?
            .unwrap_or(seconds(45)),
        max_poll_interval: set
            .millis("max.poll.interval.ms", None)?
            .unwrap_or(seconds(300)),
        heartbeat_interval: set
            .millis("heartbeat.interval.ms", None)?
            .unwrap_or(seconds(3)),
        retry_backoff: set
            .millis("retry.backoff.ms", None)?
            .unwrap_or(Duration::from_millis(100)),
    })
}
