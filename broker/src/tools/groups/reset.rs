//! `kafka-consumer-groups --reset-offsets`: which partitions, and to which offsets (Java:
//! `ConsumerGroupService.resetOffsets` and what it calls).
#![allow(
    clippy::disallowed_methods,
    reason = "reads the plan that the user names; a duration counts from now"
)]

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use driver::kafka_client::offsets::{EARLIEST, LATEST, TopicPartition};

use super::admin::Admin;
use super::options::Options;
use super::time::{date_time, duration};
use super::{groups_of, print_error};
use crate::tools::Failure;
use crate::tools::errors::exception;

type Offsets = BTreeMap<TopicPartition, i64>;

pub(super) async fn run(admin: &mut Admin, options: &Options) -> Result<(), Failure> {
    let plan = match &options.from_file {
        Some(path) => Some(read_plan(path, &options.group)?),
        None => None,
    };
    let mut results = BTreeMap::new();
    for group in groups_of(admin, options).await? {
        let state = admin.describe(&group).await?.group.group_state;
        if !matches!(state.as_str(), "Empty" | "Dead") {
            print_error(&format!(
                "Assignments can only be reset if the group '{group}' is inactive, but the current \
                 state is {state}."
            ));
            results.insert(group, Offsets::new());
            continue;
        }
        let offsets = match &plan {
            Some(plan) => match plan.get(&group) {
                Some(wanted) => within_log(admin, wanted.clone()).await?,
                None => {
                    print_error(&format!("No reset plan for group {group} found"));
                    Offsets::new()
                }
            },
            None => prepare(admin, options, &group).await?,
        };
        if options.execute {
            admin.commit(&group, &offsets).await?;
        }
        results.insert(group, offsets);
    }
    if options.export {
        println!("{}", csv(&results, options.group.len() == 1));
    } else {
        show(&results);
    }
    Ok(())
}

fn show(results: &BTreeMap<String, Offsets>) {
    if results.is_empty() {
        return;
    }
    let line = |group: &str, topic: &str, partition: &str, offset: &str| {
        println!("{group:<30} {topic:<30} {partition:<10} {offset:<15}");
    };
    println!();
    line("GROUP", "TOPIC", "PARTITION", "NEW-OFFSET");
    for (group, offsets) in results {
        for ((topic, partition), offset) in offsets {
            line(group, topic, &partition.to_string(), &offset.to_string());
        }
    }
}

/// `topic[:0,1,...]` of `--topic`: its name, and the partitions that are named.
pub(super) fn topic_argument(argument: &str) -> Result<(String, Option<Vec<i32>>), Failure> {
    let Some((topic, partitions)) = argument.split_once(':') else {
        return Ok((argument.to_owned(), None));
    };
    if partitions.is_empty() || partitions.contains(':') {
        return Err(Failure::new(format!(
            "Invalid topic arg '{argument}', expected topic name and partitions"
        )));
    }
    let number = |text: &str| {
        text.parse().map_err(|_| {
            Failure::new(format!(
                "Invalid partition '{text}' specified in topic arg '{argument}''"
            ))
        })
    };
    let numbers = partitions
        .split(',')
        .map(number)
        .collect::<Result<_, _>>()?;
    Ok((topic.to_owned(), Some(numbers)))
}

async fn scope(
    admin: &mut Admin,
    options: &Options,
    group: &str,
) -> Result<Vec<TopicPartition>, Failure> {
    if options.all_topics {
        return Ok(admin.committed(group).await?.into_keys().collect());
    }
    let mut partitions = Vec::new();
    for argument in &options.topic {
        let (topic, named) = topic_argument(argument)?;
        match named {
            Some(named) => {
                partitions.extend(named.into_iter().map(|p| (topic.as_str().into(), p)));
            }
            None => match admin.partitions(&topic).await? {
                Ok(all) => partitions.extend(all),
                Err(error) => return Err(Failure::new(exception(error))),
            },
        }
    }
    Ok(partitions)
}

async fn prepare(admin: &mut Admin, options: &Options, group: &str) -> Result<Offsets, Failure> {
    let scope = scope(admin, options, group).await?;
    if let Some(to) = options.to_offset {
        return within_log(admin, scope.into_iter().map(|p| (p, to)).collect()).await;
    }
    if options.to_earliest {
        return admin.offsets_at(&scope, EARLIEST).await;
    }
    if options.to_latest {
        return admin.offsets_at(&scope, LATEST).await;
    }
    if let Some(text) = &options.to_datetime {
        return at_time(admin, &scope, date_time(text)?).await;
    }
    if let Some(text) = &options.by_duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX));
        return at_time(admin, &scope, now.saturating_sub(duration(text)?)).await;
    }
    let committed = admin.committed(group).await?;
    if let Some(by) = options.shift_by {
        let mut wanted = Offsets::new();
        for partition in scope {
            let Some(current) = committed.get(&partition) else {
                return Err(Failure::new(format!(
                    "Cannot shift offset for partition {}-{} since there is no current committed \
                     offset",
                    partition.0, partition.1
                )));
            };
            wanted.insert(partition, current.saturating_add(by));
        }
        return within_log(admin, wanted).await;
    }
    // --to-current: what was never committed goes to the end.
    let (known, unknown): (Vec<_>, Vec<_>) =
        scope.into_iter().partition(|p| committed.contains_key(p));
    let mut offsets = admin.offsets_at(&unknown, LATEST).await?;
    offsets.extend(known.into_iter().map(|p| {
        let offset = committed[&p];
        (p, offset)
    }));
    Ok(offsets)
}

async fn at_time(
    admin: &mut Admin,
    scope: &[TopicPartition],
    time: i64,
) -> Result<Offsets, Failure> {
    // Below 0 the request means something else.
    let mut offsets = admin.offsets_at(scope, time.max(0)).await?;
    let none: Vec<TopicPartition> = offsets
        .iter()
        .filter(|(_, offset)| **offset < 0)
        .map(|(p, _)| p.clone())
        .collect();
    for (topic, partition) in &none {
        println!(
            "\nWarn: Partition {partition} from topic {topic} is empty. Falling back to latest \
             known offset."
        );
    }
    offsets.extend(admin.offsets_at(&none, LATEST).await?);
    Ok(offsets)
}

/// Java: `checkOffsetsRange`.
async fn within_log(admin: &mut Admin, wanted: Offsets) -> Result<Offsets, Failure> {
    let starts = admin.offsets_at(wanted.keys(), EARLIEST).await?;
    let ends = admin.offsets_at(wanted.keys(), LATEST).await?;
    let mut offsets = Offsets::new();
    for (partition, offset) in wanted {
        let start = starts.get(&partition).copied().unwrap_or(0);
        let end = ends.get(&partition).copied().unwrap_or(i64::MAX);
        let (name, bound) = if offset > end {
            ("higher than latest", end)
        } else if offset < start {
            ("lower than earliest", start)
        } else {
            offsets.insert(partition, offset);
            continue;
        };
        tracing::warn!(
            "New offset ({offset}) is {name} offset for topic partition {}-{}. Value will be set \
             to {bound}",
            partition.0,
            partition.1
        );
        offsets.insert(partition, bound);
    }
    Ok(offsets)
}

fn cell(text: &str) -> String {
    if text.contains(['"', ',', '\n']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}

fn csv(results: &BTreeMap<String, Offsets>, one_group: bool) -> String {
    let mut out = String::new();
    for (group, offsets) in results {
        for ((topic, partition), offset) in offsets {
            if !one_group {
                out.push_str(&cell(group));
                out.push(',');
            }
            out.push_str(&format!("{},{partition},{offset}\n", cell(topic)));
        }
    }
    out
}

fn read_plan(path: &str, groups: &[String]) -> Result<BTreeMap<String, Offsets>, Failure> {
    let text = std::fs::read(path).map_err(|e| Failure::new(format!("{path}: {e}")))?;
    let text = String::from_utf8_lossy(&text);
    parse_plan(&text, groups).map_err(|(line, row)| {
        Failure::new(format!(
            "{path}, line {line}: '{row}' is not [group,]topic,partition,offset"
        ))
    })
}

/// Lines of `topic,partition,offset` for the one group, or with the group in front; else the
/// number and text of the first that is neither.
fn parse_plan(text: &str, groups: &[String]) -> Result<BTreeMap<String, Offsets>, (usize, String)> {
    let mut plan: BTreeMap<String, Offsets> = BTreeMap::new();
    for (at, row) in text.lines().enumerate() {
        if row.trim().is_empty() {
            continue;
        }
        let wrong = || (at + 1, row.to_owned());
        let cells = cells(row).ok_or_else(wrong)?;
        let (group, rest) = match (&cells[..], groups) {
            (rest @ [_, _, _], [group]) => (group.clone(), rest),
            ([group, rest @ ..], _) if rest.len() == 3 => (group.clone(), rest),
            _ => return Err(wrong()),
        };
        let partition: i32 = rest[1].parse().map_err(|_| wrong())?;
        let offset: i64 = rest[2].parse().map_err(|_| wrong())?;
        let offsets = plan.entry(group).or_default();
        offsets.insert((rest[0].as_str().into(), partition), offset);
    }
    Ok(plan)
}

/// The cells of a line of CSV; `None` when a quote has no end.
fn cells(row: &str) -> Option<Vec<String>> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    let mut chars = row.trim_end_matches('\r').chars().peekable();
    while let Some(c) = chars.next() {
        let cell = cells.last_mut()?;
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            _ => cell.push(c),
        }
    }
    let trim = |c: String| c.trim().to_owned();
    (!quoted).then(|| cells.into_iter().map(trim).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_comes_back_as_it_was_exported() {
        let offsets = Offsets::from([(("t".into(), 0), 5), (("t".into(), 1), 6)]);
        let plan = BTreeMap::from([("a,\"b".to_owned(), offsets)]);
        let several = csv(&plan, false);
        assert_eq!(several, "\"a,\"\"b\",t,0,5\n\"a,\"\"b\",t,1,6\n");
        assert_eq!(parse_plan(&several, &[]), Ok(plan.clone()));
        let one = csv(&plan, true);
        assert_eq!(parse_plan(&one, &["a,\"b".to_owned()]), Ok(plan));
        assert_eq!(
            parse_plan("t,0,1\nt,0", &["g".to_owned()]),
            Err((2, "t,0".to_owned()))
        );
    }

    #[test]
    fn topics_with_partitions() {
        assert_eq!(
            topic_argument("t:0,2").unwrap(),
            ("t".to_owned(), Some(vec![0, 2]))
        );
        assert_eq!(topic_argument("t").unwrap(), ("t".to_owned(), None));
        assert!(topic_argument("t:").is_err());
        assert!(topic_argument("t:x").unwrap_err().0.contains("'x'"));
    }
}
