//! The flags of `kafka-console-consumer`, and which of them go together.

use clap::Parser;

use crate::tools::Failure;
use crate::tools::options::{Servers, VERSION};
use crate::tools::settings::key_values;

pub(super) const ABOUT: &str =
    "This tool helps to read data from Kafka topics and outputs it to standard output.";

#[derive(Debug, Parser)]
#[command(
    about = ABOUT,
    infer_long_args = true,
    version = VERSION,
    max_term_width = 100
)]
pub(super) struct Options {
    /// The topic to read
    #[arg(long)]
    pub(super) topic: Option<String>,
    /// Regular expression of the topics to read
    #[arg(long, value_name = "Java regex")]
    pub(super) include: Option<String>,
    /// The old name of --include
    #[arg(long, value_name = "Java regex")]
    pub(super) whitelist: Option<String>,
    /// ZooKeeper to find brokers and keep offsets in, host:port[/chroot] (as up to 1.1)
    #[arg(long, value_name = "urls")]
    pub(super) zookeeper: Option<String>,
    /// With --zookeeper: regular expression of the topics to leave out
    #[arg(long, value_name = "Java regex")]
    pub(super) blacklist: Option<String>,
    /// With --zookeeper: delete what is known of the group before the start
    #[arg(long)]
    pub(super) delete_consumer_offsets: bool,
    #[command(flatten)]
    pub(super) servers: Servers,
    /// The partition to read, from its end unless --offset says otherwise
    #[arg(long, value_name = "partition")]
    pub(super) partition: Option<i32>,
    /// The offset to begin at: a number, earliest or latest
    #[arg(long, value_name = "consume offset", allow_negative_numbers = true)]
    pub(super) offset: Option<String>,
    /// Begin with the earliest message where the group has no offset yet
    #[arg(long)]
    pub(super) from_beginning: bool,
    /// Stop after so many messages
    #[arg(long, value_name = "num_messages", allow_negative_numbers = true)]
    pub(super) max_messages: Option<i64>,
    /// Stop when no message has come for so many milliseconds
    #[arg(long, value_name = "timeout_ms", allow_negative_numbers = true)]
    pub(super) timeout_ms: Option<i64>,
    /// Pass over a message that can't be shown instead of stopping
    #[arg(long)]
    pub(super) skip_message_on_error: bool,
    /// The group to read as a member of
    #[arg(long, value_name = "consumer group id")]
    pub(super) group: Option<String>,
    /// read_committed or read_uncommitted
    #[arg(long, value_name = "String")]
    pub(super) isolation_level: Option<String>,
    /// key=value for the consumer
    #[arg(long, value_name = "consumer_prop")]
    pub(super) consumer_property: Vec<String>,
    /// Property file for the consumer
    #[arg(long = "consumer.config", value_name = "config file")]
    pub(super) consumer_config: Option<String>,
    /// DefaultMessageFormatter, LoggingMessageFormatter or NoOpMessageFormatter
    #[arg(long, value_name = "class")]
    pub(super) formatter: Option<String>,
    /// key=value for the formatter: print.timestamp, print.key, print.offset, print.partition,
    /// print.headers, print.value, key.separator, line.separator, headers.separator, null.literal,
    /// key.deserializer, value.deserializer, headers.deserializer
    #[arg(long, value_name = "prop")]
    pub(super) property: Vec<String>,
    /// Property file for the formatter
    #[arg(long, value_name = "config file")]
    pub(super) formatter_config: Option<String>,
    /// Deserializer of keys
    #[arg(long, value_name = "deserializer for key")]
    pub(super) key_deserializer: Option<String>,
    /// Deserializer of values
    #[arg(long, value_name = "deserializer for values")]
    pub(super) value_deserializer: Option<String>,
    /// Say on standard output that the consumer has stopped
    #[arg(long)]
    pub(super) enable_systest_events: bool,
    /// Accepted as 0.9 to 1.1 did: there is no other
    #[arg(long, hide = true)]
    new_consumer: bool,
}

fn err<T>(message: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::new(message))
}

impl Options {
    /// Java: `checkRequiredArgs`, and what the group options say together.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let old = self.blacklist.is_some() || self.delete_consumer_offsets;
        match (&self.zookeeper, &self.servers.bootstrap_server) {
            (Some(_), Some(_)) => {
                return err("Only one of --bootstrap-server or --zookeeper must be specified");
            }
            (Some(_), None) if self.partition.is_some() || self.offset.is_some() => {
                return err("--partition and --offset need --bootstrap-server");
            }
            (Some(_), None) => return Ok(()),
            (None, _) if old => {
                return err("--blacklist and --delete-consumer-offsets need --zookeeper");
            }
            (None, _) => {}
        }
        let pattern = self.include.as_ref().or(self.whitelist.as_ref());
        if self.topic.is_some() == pattern.is_some() {
            let old = if self.whitelist.is_some() {
                "--whitelist is DEPRECATED use --include instead; ignored if --include specified."
            } else {
                ""
            };
            return err(format!(
                "Exactly one of --include/--topic is required. {old}"
            ));
        }
        match self.partition {
            Some(_) if self.topic.is_none() => {
                return err("The topic is required when partition is specified.");
            }
            Some(_) if self.from_beginning && self.offset.is_some() => {
                return err("Options from-beginning and offset cannot be specified together.");
            }
            None if self.offset.is_some() => {
                return err("The partition is required when offset is specified.");
            }
            _ => {}
        }
        if self.servers.bootstrap_server.is_none() {
            return err("Missing required argument \"[bootstrap-server]\"");
        }
        Ok(())
    }

    /// The offset to begin at: at least 0, or a time as `ListOffsets` takes it.
    pub(super) fn start(&self) -> Result<i64, Failure> {
        use driver::kafka_client::offsets::{EARLIEST, LATEST};
        let Some(offset) = &self.offset else {
            return Ok(if self.from_beginning {
                EARLIEST
            } else {
                LATEST
            });
        };
        match offset.to_lowercase().as_str() {
            "earliest" => Ok(EARLIEST),
            "latest" => Ok(LATEST),
            number => match number.parse() {
                Ok(at) if at >= 0 => Ok(at),
                _ => err(format!(
                    "The provided offset value '{offset}' is incorrect. Valid values are \
                     'earliest', 'latest', or a non-negative long."
                )),
            },
        }
    }

    /// The one group that flag, property and file may name; `in_file` is the file's.
    pub(super) fn group_id(&self, in_file: Option<&str>) -> Result<Option<String>, Failure> {
        let properties = key_values(&self.consumer_property)?;
        let in_property = properties
            .iter()
            .rev()
            .find(|(k, _)| k == "group.id")
            .map(|(_, v)| v.as_str());
        let mut named: Vec<&str> = Vec::new();
        for group in [self.group.as_deref(), in_file, in_property]
            .into_iter()
            .flatten()
        {
            if !named.contains(&group) {
                named.push(group);
            }
        }
        if named.len() > 1 {
            let quoted: Vec<String> = named.iter().map(|g| format!("'{g}'")).collect();
            return err(format!(
                "The group ids provided in different places (directly using '--group', via \
                 '--consumer-property', or via '--consumer.config') do not match. Detected group \
                 ids: {}",
                quoted.join(", ")
            ));
        }
        if !named.is_empty() && self.partition.is_some() {
            return err("Options group and partition cannot be specified together.");
        }
        Ok(named.first().map(|g| (*g).to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(args: &str) -> Options {
        Options::try_parse_from(std::iter::once("tool").chain(args.split(' '))).unwrap()
    }

    fn refusal(args: &str) -> String {
        options(args).check().unwrap_err().0
    }

    #[test]
    fn flags_that_do_not_go_together() {
        assert!(refusal("--bootstrap-server a:1").starts_with("Exactly one of"));
        assert!(refusal("--topic a --include b").starts_with("Exactly one of"));
        assert!(refusal("--topic a --offset 1").starts_with("The partition is required"));
        assert!(refusal("--topic a --partition 0 --offset 1 --from-b").starts_with("Options from"));
        assert!(refusal("--topic a").starts_with("Missing required"));
        assert!(options("--topic a --bootstrap-server b:1").check().is_ok());
        assert!(options("--topic a --offset -3").start().is_err());
        let two = options("--group a --consumer-property group.id=b").group_id(None);
        assert!(two.unwrap_err().0.ends_with("Detected group ids: 'a', 'b'"));
        let one = options("--group a --consumer-property group.id=a").group_id(Some("a"));
        assert_eq!(one.unwrap().as_deref(), Some("a"));
    }
}
