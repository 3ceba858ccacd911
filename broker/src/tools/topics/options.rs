//! The flags of `kafka-topics`, and which of them go together.

use clap::Parser;

use crate::tools::Failure;
use crate::tools::options::{AdminServers, VERSION};

#[derive(Debug, Parser)]
#[command(
    about = "This tool helps to create, delete, describe, or change a topic.",
    infer_long_args = true,
    version = VERSION,
    max_term_width = 100
)]
pub(super) struct Options {
    #[command(flatten)]
    pub(super) admin: AdminServers,
    /// ZooKeeper to connect to, host:port[/chroot], separated by commas (as up to 2.8)
    #[arg(long, value_name = "hosts")]
    pub(super) zookeeper: Option<String>,
    /// List all topics
    #[arg(long)]
    pub(super) list: bool,
    /// Create a topic
    #[arg(long)]
    pub(super) create: bool,
    /// Delete topics
    #[arg(long)]
    pub(super) delete: bool,
    /// Change the number of partitions or the configuration
    #[arg(long)]
    pub(super) alter: bool,
    /// Describe topics
    #[arg(long)]
    pub(super) describe: bool,
    /// The topic; a regular expression except with --create
    #[arg(long)]
    pub(super) topic: Option<String>,
    /// Describe the topic with this id
    #[arg(long)]
    pub(super) topic_id: Option<String>,
    /// A configuration of the topic, name=value; may be given several times
    #[arg(long, value_name = "name=value")]
    pub(super) config: Vec<String>,
    /// A configuration to go back to its default (only with --zookeeper)
    #[arg(long, alias = "deleteConfig", value_name = "name")]
    pub(super) delete_config: Vec<String>,
    /// Number of partitions
    #[arg(long, value_name = "# of partitions", allow_negative_numbers = true)]
    pub(super) partitions: Option<i32>,
    /// Number of replicas of each partition
    #[arg(long, value_name = "replication factor", allow_negative_numbers = true)]
    pub(super) replication_factor: Option<i32>,
    /// Brokers of each partition: b1:b2,b1:b3,...
    #[arg(long, value_name = "assignment")]
    pub(super) replica_assignment: Option<String>,
    /// Describe only partitions with replicas out of sync
    #[arg(long)]
    pub(super) under_replicated_partitions: bool,
    /// Describe only partitions without a live leader
    #[arg(long)]
    pub(super) unavailable_partitions: bool,
    /// Describe only partitions with fewer replicas in sync than configured
    #[arg(long)]
    pub(super) under_min_isr_partitions: bool,
    /// Describe only partitions with just as many replicas in sync as configured
    #[arg(long)]
    pub(super) at_min_isr_partitions: bool,
    /// Describe only topics that have configurations of their own
    #[arg(long)]
    pub(super) topics_with_overrides: bool,
    /// No error when the topic does not exist
    #[arg(long)]
    pub(super) if_exists: bool,
    /// No error when the topic exists already
    #[arg(long)]
    pub(super) if_not_exists: bool,
    /// Assign replicas without regard to racks
    #[arg(long)]
    pub(super) disable_rack_aware: bool,
    /// Accepted for old scripts: nothing asks
    #[arg(long)]
    pub(super) force: bool,
    /// Leave out Kafka's own topics
    #[arg(long)]
    pub(super) exclude_internal: bool,
    /// Partitions in one answer to describe
    #[arg(long, value_name = "count")]
    pub(super) partition_size_limit_per_response: Option<i32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Create,
    List,
    Describe,
    Alter,
    Delete,
}

impl Options {
    /// What is to be done, or which flags are missing or do not go together.
    pub(super) fn check(&self) -> Result<Action, String> {
        let chosen: Vec<Action> = [
            (self.create, Action::Create),
            (self.list, Action::List),
            (self.alter, Action::Alter),
            (self.describe, Action::Describe),
            (self.delete, Action::Delete),
        ]
        .into_iter()
        .filter_map(|(given, action)| given.then_some(action))
        .collect();
        let [action] = chosen[..] else {
            return Err(
                "Command must include exactly one action: --list, --describe, --create, \
                        --alter or --delete"
                    .to_owned(),
            );
        };
        match (&self.admin.servers.bootstrap_server, &self.zookeeper) {
            (None, None) => return Err("--bootstrap-server must be specified".to_owned()),
            (Some(_), Some(_)) => {
                return Err(
                    "Only one of --bootstrap-server or --zookeeper must be specified".to_owned(),
                );
            }
            _ => {}
        }
        self.check_required(action)?;
        self.check_combinations(action)?;
        Ok(action)
    }

    fn check_required(&self, action: Action) -> Result<(), String> {
        let missing = |name: &str| Err(format!("Missing required argument \"[{name}]\""));
        let named = self.topic.is_some() || self.topic_id.is_some();
        match action {
            Action::List => {}
            Action::Describe if self.if_exists && !named => {
                return Err("--topic or --topic-id is required to describe a topic".to_owned());
            }
            Action::Describe => {}
            _ if self.topic.is_none() => return missing("topic"),
            Action::Create if self.zookeeper.is_some() && self.replica_assignment.is_none() => {
                if self.partitions.is_none() {
                    return missing("partitions");
                }
                if self.replication_factor.is_none() {
                    return missing("replication-factor");
                }
            }
            Action::Alter if self.zookeeper.is_none() => {
                if !self.config.is_empty() {
                    return Err(
                        "Option combination \"[bootstrap-server],[config]\" can't be \
                                used with option \"[alter]\" (the kafka-configs CLI supports \
                                altering topic configs with a --bootstrap-server option)"
                            .to_owned(),
                    );
                }
                if self.partitions.is_none() {
                    return missing("partitions");
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn check_combinations(&self, action: Action) -> Result<(), String> {
        let reports = [
            self.under_replicated_partitions,
            self.unavailable_partitions,
            self.under_min_isr_partitions,
            self.at_min_isr_partitions,
        ];
        let describe = &[Action::Describe][..];
        let rules: [(&str, bool, &[Action]); 12] = [
            (
                "config",
                !self.config.is_empty(),
                &[Action::Alter, Action::Create],
            ),
            (
                "delete-config",
                !self.delete_config.is_empty(),
                &[Action::Alter],
            ),
            (
                "partitions",
                self.partitions.is_some(),
                &[Action::Alter, Action::Create],
            ),
            (
                "replication-factor",
                self.replication_factor.is_some(),
                &[Action::Create],
            ),
            (
                "replica-assignment",
                self.replica_assignment.is_some(),
                &[Action::Alter, Action::Create],
            ),
            (
                "under-replicated-partitions",
                self.under_replicated_partitions,
                describe,
            ),
            (
                "unavailable-partitions",
                self.unavailable_partitions,
                describe,
            ),
            (
                "under-min-isr-partitions",
                self.under_min_isr_partitions,
                describe,
            ),
            (
                "at-min-isr-partitions",
                self.at_min_isr_partitions,
                describe,
            ),
            (
                "topics-with-overrides",
                self.topics_with_overrides,
                describe,
            ),
            (
                "if-exists",
                self.if_exists,
                &[Action::Alter, Action::Delete, Action::Describe],
            ),
            ("if-not-exists", self.if_not_exists, &[Action::Create]),
        ];
        let clash = |a: &str, b: &str| {
            Err(format!(
                "Option \"[{a}]\" can't be used with option \"[{b}]\""
            ))
        };
        for (name, given, allowed) in rules {
            if given && !allowed.contains(&action) {
                return clash(name, action.flag());
            }
        }
        if self.exclude_internal && !matches!(action, Action::List | Action::Describe) {
            return clash("exclude-internal", action.flag());
        }
        if !self.delete_config.is_empty() && self.admin.servers.bootstrap_server.is_some() {
            return clash("delete-config", "bootstrap-server");
        }
        if action == Action::Create && self.replica_assignment.is_some() {
            if self.partitions.is_some() {
                return clash("replica-assignment", "partitions");
            }
            if self.replication_factor.is_some() {
                return clash("replica-assignment", "replication-factor");
            }
        }
        let reported = reports.iter().filter(|r| **r).count();
        if reported > 1 || (reported == 1 && self.topics_with_overrides) {
            return Err(
                "Only one of --under-replicated-partitions, --unavailable-partitions, \
                        --under-min-isr-partitions, --at-min-isr-partitions and \
                        --topics-with-overrides can be used"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// `--config` as pairs.
    pub(super) fn configs(&self) -> Result<Vec<(String, String)>, Failure> {
        let pair = |text: &String| {
            let (name, value) = text.split_once('=')?;
            let (name, value) = (name.trim(), value.trim());
            (!name.is_empty() && !value.is_empty()).then(|| (name.to_owned(), value.to_owned()))
        };
        self.config
            .iter()
            .map(pair)
            .collect::<Option<_>>()
            .ok_or_else(|| {
                Failure::new(
                    "requirement failed: Invalid topic config: all configs to be added must be in \
                 the format \"key=val\".",
                )
            })
    }

    /// `--replica-assignment`: the brokers of each partition.
    pub(super) fn assignment(&self) -> Result<Option<Vec<Vec<i32>>>, Failure> {
        let Some(text) = self.replica_assignment.as_deref().filter(|t| !t.is_empty()) else {
            return Ok(None);
        };
        let mut partitions: Vec<Vec<i32>> = Vec::new();
        for (index, part) in text.split(',').enumerate() {
            let brokers = part
                .split(':')
                .map(|id| id.trim().parse())
                .collect::<Result<Vec<i32>, _>>()
                .map_err(|_| Failure::new(format!("For input string: \"{part}\"")))?;
            let mut seen = Vec::new();
            for broker in &brokers {
                if seen.contains(broker) {
                    return Err(Failure::new(format!(
                        "Partition replica lists may not contain duplicate entries: {broker}"
                    )));
                }
                seen.push(*broker);
            }
            if partitions
                .first()
                .is_some_and(|first| first.len() != brokers.len())
            {
                return Err(Failure::new(format!(
                    "Partition {index} has different replication factor: {brokers:?}"
                )));
            }
            partitions.push(brokers);
        }
        Ok(Some(partitions))
    }
}

impl Action {
    fn flag(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::List => "list",
            Self::Describe => "describe",
            Self::Alter => "alter",
            Self::Delete => "delete",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str) -> Result<Action, String> {
        let words = std::iter::once("kafka-topics").chain(line.split_whitespace());
        Options::try_parse_from(words)
            .map_err(|e| e.to_string())?
            .check()
    }

    #[test]
    fn flags_that_do_not_go_together_are_refused() {
        assert_eq!(check("--list --bootstrap-server a:1"), Ok(Action::List));
        assert_eq!(
            check("--create --bootstrap a:1 --topic t"),
            Ok(Action::Create)
        );
        for bad in [
            "--list",
            "--list --create --bootstrap-server a:1",
            "--bootstrap-server a:1",
            "--list --bootstrap-server a:1 --zookeeper b:2",
            "--create --bootstrap-server a:1",
            "--create --zookeeper a:1 --topic t",
            "--alter --bootstrap-server a:1 --topic t --config a=b",
            "--describe --bootstrap-server a:1 --partitions 3",
            "--create --bootstrap-server a:1 --topic t --replica-assignment 0 --partitions 1",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn assignments_are_read() {
        let read = |text: &str| {
            let words = ["x", "--replica-assignment", text];
            let options = Options::try_parse_from(words).map_err(|e| e.to_string())?;
            options.assignment().map_err(|e| e.0)
        };
        assert_eq!(read("0:1, 1:2"), Ok(Some(vec![vec![0, 1], vec![1, 2]])));
        assert!(read("0:0").unwrap_err().contains("duplicate entries: 0"));
        assert!(
            read("0,0:1")
                .unwrap_err()
                .starts_with("Partition 1 has different")
        );
    }
}
