//! Kafka's command line tools, in one program: `kafka-tools NAME ARGUMENTS`; the scripts give each
//! its own name. Flags are the union of those of 0.8.2, 2.7 and 3.9.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "command line programs speak to their user"
)]

pub mod consumer;
pub mod errors;
pub mod groups;
pub mod options;
pub mod producer;
pub mod settings;
pub mod topics;

use std::fmt;
use std::io;

use driver::kafka_client::CallError;
use driver::kafka_client::cluster::AddressError;
use proto::kafka::{ErrorCode, Str};

/// What ends a tool early: a message for the user, and exit code 1.
#[derive(Debug)]
pub struct Failure(pub String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Failure {
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// A broker's error code, with what it said of it.
    pub fn of_code(code: ErrorCode, message: Option<&Str>) -> Self {
        match message {
            Some(message) => Self(message.to_string()),
            None => Self(code.name().unwrap_or("UNKNOWN_SERVER_ERROR").to_owned()),
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self(error.to_string())
    }
}

impl From<AddressError> for Failure {
    fn from(error: AddressError) -> Self {
        Self(error.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Runs the tool of that name; its exit code.
pub async fn run(tool: &str, args: Vec<String>) -> i32 {
    if let Err(error) = driver::logging::init_for_tool() {
        eprintln!("{error}");
    }
    match tool {
        "kafka-topics" => topics::run(args).await,
        "kafka-console-consumer" => consumer::run(args).await,
        "kafka-consumer-groups" => groups::run(args).await,
        "kafka-console-producer" => producer::run(args).await,
        other => {
            eprintln!(
                "kafka-tools has no {other}; it has: kafka-topics, kafka-console-producer, \
                 kafka-console-consumer, kafka-consumer-groups"
            );
            1
        }
    }
}
