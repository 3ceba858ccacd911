//! `kafka-topics`: lists, describes, creates, alters and deletes topics, through a broker or
//! through ZooKeeper (Java: `TopicCommand` of 3.9 and of 2.7).

mod bootstrap;
mod options;
mod view;
mod zookeeper;

use std::time::Duration;

use self::bootstrap::Bootstrap;
use self::options::{Action, Options};
use self::zookeeper::ZooKeeper;
use super::Failure;
use super::options::{Tool, TopicFilter, is_internal, parse};

const TOOL: Tool = Tool {
    name: "kafka-topics",
    alone: Some("Create, delete, describe, or change a topic."),
    bad_value: |message| {
        println!("Error while executing topic command : {message}");
        1
    },
};

/// Java's `default.api.timeout.ms`.
const TIMEOUT: Duration = Duration::from_secs(60);

pub async fn run(args: Vec<String>) -> i32 {
    let options: Options = match parse(&TOOL, args) {
        Ok(options) => options,
        Err(code) => return code,
    };
    let action = match options.check() {
        Ok(action) => action,
        Err(message) => {
            eprintln!("{message}");
            return 1;
        }
    };
    match execute(&options, action).await {
        Ok(()) => 0,
        Err(failure) => {
            println!("Error while executing topic command : {failure}");
            1
        }
    }
}

async fn execute(options: &Options, action: Action) -> Result<(), Failure> {
    let name = options.topic.as_deref().unwrap_or_default();
    if action == Action::Create && name.contains(['.', '_']) {
        println!(
            "WARNING: Due to limitations in metric names, topics with a period ('.') or \
             underscore ('_') could collide. To avoid issues it is best to use either, but not \
             both."
        );
    }
    if let Some(hosts) = &options.zookeeper {
        let zookeeper = ZooKeeper::connect(hosts).await?;
        let result = through_zookeeper(&zookeeper, options, action).await;
        zookeeper.close().await;
        return result;
    }
    let mut topics = Bootstrap::connect(options.admin.client(TIMEOUT)?).await?;
    match action {
        Action::Create => topics.create(options).await,
        Action::List => {
            println!("{}", topics.names(options).await?.join("\n"));
            Ok(())
        }
        Action::Describe => topics.describe(options).await,
        Action::Alter => topics.alter(options).await,
        Action::Delete => topics.delete(options).await,
    }
}

async fn through_zookeeper(
    zookeeper: &ZooKeeper,
    options: &Options,
    action: Action,
) -> Result<(), Failure> {
    match action {
        Action::Create => zookeeper.create(options).await,
        Action::List => zookeeper.list(options).await,
        Action::Describe => zookeeper.describe(options).await,
        Action::Alter => zookeeper.alter(options).await,
        Action::Delete => zookeeper.delete(options).await,
    }
}

/// Of all topics those that the options name.
fn select(options: &Options, mut all: Vec<String>) -> Result<Vec<String>, Failure> {
    all.sort();
    let filter = options.topic.as_deref().map(TopicFilter::new).transpose()?;
    all.retain(|name| {
        let hidden = options.exclude_internal && is_internal(name);
        !hidden && filter.as_ref().is_none_or(|f| f.allows(name))
    });
    Ok(all)
}

/// An error when a topic was named, none was found, and that is not allowed.
fn ensure_found(options: &Options, found: &[String]) -> Result<(), Failure> {
    match options.topic.as_deref() {
        Some(name) if !name.is_empty() && found.is_empty() && !options.if_exists => {
            // 3.9 shows the name in the wrapping that it has in Java, 2.7 as it is.
            let shown = match options.zookeeper {
                Some(_) => name.to_owned(),
                None => format!("Optional[{name}]"),
            };
            let text = format!("Topic '{shown}' does not exist as expected");
            Err(Failure::new(text))
        }
        _ => Ok(()),
    }
}
