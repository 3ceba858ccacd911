//! `kafka-consumer-groups`: lists, describes and deletes groups of consumers, sets and deletes
//! their offsets (Java: `ConsumerGroupCommand` of 3.9).
//!
//! Rows stand in the order of topic and partition, each on a line of its own (Java 3.9: in the
//! order of a hash table, some without line ends).

mod admin;
mod options;
mod reset;
mod time;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use driver::kafka_client::Cluster;
use driver::kafka_client::membership::partitions_of;
use driver::kafka_client::offsets::{LATEST, TopicPartition};
use proto::kafka::{ErrorCode, Str};

use self::admin::{Admin, Description};
use self::options::{Action, Options};
use self::view::OffsetRow;
use super::Failure;
use super::errors::exception;
use super::options::{AdminClient, Tool, parse};

const TOOL: Tool = Tool {
    name: "kafka-consumer-groups",
    alone: Some(options::ABOUT),
    bad_value: |message| {
        failed(message);
        0
    },
};

pub async fn run(args: Vec<String>) -> i32 {
    let options: Options = match parse(&TOOL, args) {
        Ok(options) => options,
        Err(code) => return code,
    };
    let checked = options.check().and_then(|action| {
        let filters = Filters::of(&options)?;
        let timeout = Duration::from_millis(options.timeout.unwrap_or(5000));
        let client = options.admin.client(timeout).map_err(|f| f.0)?;
        Ok((action, filters, client, timeout))
    });
    let (action, filters, client, timeout) = match checked {
        Ok(checked) => checked,
        Err(message) => {
            eprintln!("{message}");
            return 1;
        }
    };
    if let Err(failure) = execute(&options, action, &filters, client, timeout).await {
        // Java's tool ends with 0 here, and scripts may have come to rely on it.
        failed(&failure.0);
    }
    0
}

async fn execute(
    options: &Options,
    action: Action,
    filters: &Filters,
    client: AdminClient,
    timeout: Duration,
) -> Result<(), Failure> {
    let mut cluster = Cluster::new(client.addresses, client.options);
    cluster.any_within(client.patience).await?;
    let mut admin = Admin::new(cluster, timeout);
    match action {
        Action::List => list(&mut admin, options, filters).await,
        Action::Describe => describe(&mut admin, options).await,
        Action::Delete => delete(&mut admin, options).await,
        Action::ResetOffsets => reset::run(&mut admin, options).await,
        Action::DeleteOffsets => delete_offsets(&mut admin, options).await,
    }
}

fn failed(why: &str) {
    print_error(&format!(
        "Executing consumer group command failed due to {why}"
    ));
}

fn print_error(message: &str) {
    println!("\nError: {message}");
}

/// The states and types that `--list` is to show.
struct Filters {
    states: Vec<String>,
    types: Vec<String>,
}

const STATES: [&str; 7] = [
    "PreparingRebalance",
    "CompletingRebalance",
    "Stable",
    "Dead",
    "Empty",
    "Assigning",
    "Reconciling",
];
const TYPES: [&str; 2] = ["Consumer", "Classic"];

impl Filters {
    fn of(options: &Options) -> Result<Self, String> {
        let read = |value: &Option<String>, known: &[&str], what: &str| {
            let text = value.as_deref().unwrap_or_default();
            let mut names = Vec::new();
            for name in text.split(',').map(str::trim).filter(|_| !text.is_empty()) {
                match known.iter().find(|k| k.eq_ignore_ascii_case(name)) {
                    Some(known) => names.push((*known).to_owned()),
                    None => {
                        return Err(format!(
                            "Invalid {what}s list '{text}'. Valid {what}s are: {}",
                            known.join(", ")
                        ));
                    }
                }
            }
            Ok(names)
        };
        let states = if options.describe {
            Vec::new()
        } else {
            read(&options.state, &STATES, "state")
                .map_err(|e| e.replacen("states list", "state list", 1))?
        };
        Ok(Self {
            states,
            types: read(&options.group_type, &TYPES, "type")?,
        })
    }
}

async fn list(admin: &mut Admin, options: &Options, filters: &Filters) -> Result<(), Failure> {
    let groups = admin.list(&filters.states, &filters.types).await?;
    let (types, states) = (options.group_type.is_some(), options.state.is_some());
    if types || states {
        print!("{}", view::list(&groups, types, states));
    } else {
        for group in groups {
            println!("{}", group.group_id);
        }
    }
    Ok(())
}

/// The groups that are meant, sorted, each once.
async fn groups_of(admin: &mut Admin, options: &Options) -> Result<BTreeSet<String>, Failure> {
    if options.all_groups {
        let all = admin.list(&[], &[]).await?;
        return Ok(all.into_iter().map(|g| g.group_id.to_string()).collect());
    }
    Ok(options.group.iter().cloned().collect())
}

async fn describe(admin: &mut Admin, options: &Options) -> Result<(), Failure> {
    for group in groups_of(admin, options).await? {
        let description = admin.describe(&group).await?;
        let found = &description.group;
        let members = &found.members;
        if options.members {
            let some = !members.is_empty();
            // Java shows the heading even of a group that is not there.
            show_state(&group, &found.group_state, some);
            print!("{}", view::members(&group, members, options.verbose));
        } else if options.state.is_some() {
            if show_state(&group, &found.group_state, true) {
                let Description { coordinator, .. } = &description;
                let (assignor, state) = (&found.protocol_data, &found.group_state);
                print!(
                    "{}",
                    view::state(&group, coordinator, assignor, state, members.len())
                );
            }
        } else {
            let rows = offset_rows(admin, &group, &description).await?;
            if show_state(&group, &found.group_state, !rows.is_empty()) {
                print!("{}", view::offsets(&group, &rows));
            }
        }
    }
    Ok(())
}

/// Says what is unusual about the group; whether there is something to show of it.
fn show_state(group: &str, state: &str, some: bool) -> bool {
    match state {
        "Dead" => print_error(&format!("Consumer group '{group}' does not exist.")),
        "Empty" => eprintln!("\nConsumer group '{group}' has no active members."),
        "PreparingRebalance" | "CompletingRebalance" | "Assigning" | "Reconciling" => {
            eprintln!("\nWarning: Consumer group '{group}' is rebalancing.");
        }
        _ => {}
    }
    state != "Dead" && some
}

/// Members with the most partitions first, then what nobody reads.
async fn offset_rows(
    admin: &mut Admin,
    group: &str,
    description: &Description,
) -> Result<Vec<OffsetRow>, Failure> {
    let committed = admin.committed(group).await?;
    let mut shares: Vec<_> = description
        .group
        .members
        .iter()
        .map(|m| (partitions_of(&m.member_assignment), m))
        .filter(|(partitions, _)| !partitions.is_empty())
        .collect();
    shares.sort_by_key(|(partitions, _)| std::cmp::Reverse(partitions.len()));
    let assigned: BTreeSet<TopicPartition> = shares.iter().flat_map(|(p, _)| p.clone()).collect();
    let all: BTreeSet<&TopicPartition> = assigned.iter().chain(committed.keys()).collect();
    let ends = admin.offsets_at(all, LATEST).await?;
    let row = |partition: &TopicPartition, [consumer_id, host, client_id]: [&str; 3]| OffsetRow {
        partition: partition.clone(),
        current: committed.get(partition).copied(),
        end: ends.get(partition).copied(),
        consumer_id: consumer_id.to_owned(),
        host: host.to_owned(),
        client_id: client_id.to_owned(),
    };
    let mut rows = Vec::new();
    for (mut partitions, m) in shares {
        partitions.sort();
        let who: [&str; 3] = [&m.member_id, &m.client_host, &m.client_id];
        rows.extend(partitions.iter().map(|p| row(p, who)));
    }
    let unread = committed.keys().filter(|p| !assigned.contains(p));
    rows.extend(unread.map(|p| row(p, ["-", "-", "-"])));
    Ok(rows)
}

async fn delete(admin: &mut Admin, options: &Options) -> Result<(), Failure> {
    let (mut deleted, mut failed) = (Vec::new(), Vec::new());
    for group in groups_of(admin, options).await? {
        match admin.delete(&group).await? {
            ErrorCode::NONE => deleted.push(group),
            error => failed.push((group, error)),
        }
    }
    if failed.is_empty() {
        println!(
            "Deletion of requested consumer groups ('{}') was successful.",
            deleted.join(", ")
        );
        return Ok(());
    }
    print_error("Deletion of some consumer groups failed:");
    for (group, error) in failed {
        println!(
            "* Group '{group}' could not be deleted due to: \
             java.util.concurrent.ExecutionException: {}",
            exception(error)
        );
    }
    if !deleted.is_empty() {
        println!(
            "\nThese consumer groups were deleted successfully: '{}', '",
            deleted.join("'")
        );
    }
    Ok(())
}

async fn delete_offsets(admin: &mut Admin, options: &Options) -> Result<(), Failure> {
    let group = options
        .group
        .first()
        .map(String::as_str)
        .unwrap_or_default();
    let mut results: BTreeMap<TopicPartition, ErrorCode> = BTreeMap::new();
    let mut partitions = BTreeSet::new();
    for argument in &options.topic {
        let (topic, named) = reset::topic_argument(argument)?;
        match named {
            Some(named) => {
                partitions.extend(named.into_iter().map(|p| (Str::from(topic.as_str()), p)));
            }
            None => match admin.partitions(&topic).await? {
                Ok(all) => partitions.extend(all),
                Err(error) => {
                    results.insert((topic.as_str().into(), -1), error);
                }
            },
        }
    }
    let partitions: Vec<TopicPartition> = partitions.into_iter().collect();
    let (whole, found) = admin.delete_offsets(group, &partitions).await?;
    let mut worst = whole;
    for partition in partitions {
        let missing = ErrorCode::UNKNOWN_SERVER_ERROR;
        let error = match whole {
            ErrorCode::NONE => found.get(&partition).copied().unwrap_or(missing),
            whole => whole,
        };
        if worst.is_none() {
            worst = error;
        }
        results.insert(partition, error);
    }
    match worst {
        ErrorCode::NONE => println!(
            "Request succeed for deleting offsets with topic {} group {group}",
            options.topic.join(", ")
        ),
        ErrorCode::INVALID_GROUP_ID => print_error(&format!("'{group}' is not valid.")),
        ErrorCode::GROUP_ID_NOT_FOUND => print_error(&format!("'{group}' does not exist.")),
        ErrorCode::GROUP_AUTHORIZATION_FAILED => {
            print_error(&format!("Access to '{group}' is not authorized."));
        }
        ErrorCode::NON_EMPTY_GROUP => print_error(&format!(
            "Deleting offsets of a consumer group '{group}' is forbidden if the group is not empty."
        )),
        ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC
        | ErrorCode::TOPIC_AUTHORIZATION_FAILED
        | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => {
            print_error("Encounter some partition level error, see the follow-up details:");
        }
        other => print_error(&format!("Encounter some unknown error: {other}")),
    }
    println!("\n{:<30} {:<15} {:<15}", "TOPIC", "PARTITION", "STATUS");
    for ((topic, partition), error) in results {
        let number = match partition {
            -1 => "Not Provided".to_owned(),
            known => known.to_string(),
        };
        let status = match error {
            ErrorCode::NONE => "Successful".to_owned(),
            error => format!("Error: :{}", exception(error)),
        };
        println!("{topic:<30} {number:<15} {status:<15}");
    }
    Ok(())
}
