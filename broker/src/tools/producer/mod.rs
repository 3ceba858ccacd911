//! `kafka-console-producer`: each line of standard input becomes a record (Java: `ConsoleProducer`).
//!
//! Lines are sent as they come: those that arrive while a request is under way make the next
//! batch, so a line never waits for a timer.
#![allow(
    clippy::disallowed_methods,
    reason = "a thread reads standard input; records carry the time"
)]

mod options;
mod reader;

use std::collections::HashMap;
use std::io::{BufRead, IsTerminal, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use driver::kafka_client::cluster::parse_addresses;
use driver::kafka_client::producer::{Producer, ProducerRecord, Undelivered};
use driver::kafka_client::{Cluster, Options as ClientOptions};
use proto::kafka::Str;
use tokio::sync::mpsc;

use self::options::{Options, Producing};
use self::reader::LineReader;
use super::Failure;
use super::options::{Tool, on_standard_error, parse};
use super::settings::Settings;

const TOOL: Tool = Tool {
    name: "kafka-console-producer",
    alone: None,
    bad_value: on_standard_error,
};

pub async fn run(args: Vec<String>) -> i32 {
    let options: Options = match parse(&TOOL, args) {
        Ok(options) => options,
        Err(code) => return code,
    };
    match produce(&options).await {
        Ok(()) => 0,
        Err(failure) => {
            eprintln!("{failure}");
            1
        }
    }
}

async fn produce(options: &Options) -> Result<(), Failure> {
    let producing = options.check()?;
    let mut reader = LineReader::new(&reader_properties(options)?)?;
    let mut producer = connect(&producing)?;
    let mut lines = stdin_lines();
    let mut result = Ok(());
    'read: while let Some(chunk) = lines.recv().await {
        for line in &chunk {
            let record = match reader.read(line, now()) {
                Ok(record) => record,
                Err(failure) => {
                    result = Err(failure);
                    break 'read;
                }
            };
            let full = match producer.send(record).await {
                Ok(full) => full,
                Err(lost) => {
                    report(&producing.topic, &lost);
                    continue;
                }
            };
            if options.sync || full {
                flush(&producing.topic, &mut producer).await;
            }
        }
        if lines.is_empty() {
            flush(&producing.topic, &mut producer).await;
        }
    }
    flush(&producing.topic, &mut producer).await;
    result
}

fn reader_properties(options: &Options) -> Result<HashMap<String, String>, Failure> {
    match options.line_reader.as_deref() {
        None
        | Some(
            "kafka.tools.ConsoleProducer$LineMessageReader"
            | "org.apache.kafka.tools.LineMessageReader",
        ) => {}
        Some(other) => {
            return Err(Failure::new(format!(
                "--line-reader {other}: only kafka.tools.ConsoleProducer$LineMessageReader is here"
            )));
        }
    }
    const KEYS: [&str; 8] = [
        "parse.key",
        "key.separator",
        "parse.headers",
        "headers.delimiter",
        "headers.separator",
        "headers.key.separator",
        "ignore.error",
        "null.marker",
    ];
    let file = options.reader_config.as_deref();
    let mut set = Settings::load(file, "property", &options.property)?;
    let pick = |key: &&str| Some(((*key).to_owned(), set.get(key)?.to_owned()));
    let properties = KEYS.iter().filter_map(pick).collect();
    set.finish()?;
    Ok(properties)
}

fn connect(producing: &Producing) -> Result<Producer, Failure> {
    let client = ClientOptions {
        client_id: Str::from(&producing.client_id),
        // Beside the time that the broker itself may take.
        request_timeout: producing.producer.request_timeout * 2,
        ..ClientOptions::default()
    };
    let addresses = parse_addresses(&producing.servers).map_err(|_| {
        let servers = &producing.servers;
        let form = "Please provide valid host:port like host1:9091,host2:9092";
        Failure::new(format!("{form}\n {servers} is none"))
    })?;
    let cluster = Cluster::new(addresses, client);
    let seed = now() as u64;
    Ok(Producer::new(
        cluster,
        &producing.topic,
        producing.producer.clone(),
        seed,
    ))
}

async fn flush(topic: &str, producer: &mut Producer) {
    for lost in producer.flush().await {
        report(topic, &lost);
    }
}

fn report(topic: &str, lost: &Undelivered) {
    let size = |field: &Option<Bytes>| {
        let text = |b: &Bytes| format!("{} bytes", b.len());
        field.as_ref().map_or("null".to_owned(), text)
    };
    for ProducerRecord { key, value, .. } in &lost.records {
        tracing::error!(
            "Error when sending message to topic {topic} with key: {}, value: {} with error: {}",
            size(key),
            size(value),
            lost.reason
        );
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

/// Lines of standard input, as many at a time as have arrived.
fn stdin_lines() -> mpsc::Receiver<Vec<Bytes>> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        let prompt = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        // An error of standard input ends it, as its end does.
        let _ = read_lines(std::io::stdin().lock(), prompt, |lines| {
            sender.blocking_send(lines).is_ok()
        });
    });
    receiver
}

fn read_lines(
    mut input: impl BufRead,
    prompt: bool,
    mut give: impl FnMut(Vec<Bytes>) -> bool,
) -> std::io::Result<()> {
    let mut pending = BytesMut::new();
    let show = |count: usize| -> std::io::Result<()> {
        if prompt {
            let mut out = std::io::stdout().lock();
            out.write_all(">".repeat(count).as_bytes())?;
            out.flush()?;
        }
        Ok(())
    };
    show(1)?;
    // A carriage return ends a line, and so does the line feed that may follow it.
    let mut after_return = false;
    loop {
        let chunk = input.fill_buf()?;
        let (taken, mut lines) = (chunk.len(), Vec::new());
        let mut rest = chunk;
        while let Some(at) = rest.iter().position(|b| matches!(b, b'\n' | b'\r')) {
            let second_half = at == 0 && rest[at] == b'\n' && after_return;
            after_return = rest[at] == b'\r';
            if !second_half {
                pending.extend_from_slice(&rest[..at]);
                lines.push(pending.split().freeze());
            }
            rest = &rest[at + 1..];
        }
        pending.extend_from_slice(rest);
        after_return &= rest.is_empty();
        input.consume(taken);
        let at_end = taken == 0;
        if at_end && !pending.is_empty() {
            lines.push(pending.split().freeze());
        }
        let count = lines.len();
        if count > 0 && !give(lines) || at_end {
            return Ok(());
        }
        show(count)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_as_in_java() {
        let mut all = Vec::new();
        let input = std::io::BufReader::with_capacity(2, &b"a\r\nb\n\nc\rd"[..]);
        read_lines(input, false, |lines| {
            all.extend(lines);
            true
        })
        .unwrap();
        assert_eq!(all, ["a", "b", "", "c", "d"].map(Bytes::from));
    }
}
