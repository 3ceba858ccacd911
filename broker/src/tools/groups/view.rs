//! What `kafka-consumer-groups --describe` and `--list` show (Java: the printing part of
//! `ConsumerGroupCommand`). Text out; prints nothing itself.

use std::fmt::Write;

use driver::kafka_client::membership::partitions_of;
use driver::kafka_client::offsets::TopicPartition;
use proto::kafka::messages::describe_groups::DescribedGroupMember;
use proto::kafka::messages::list_groups::ListedGroup;

const MISSING: &str = "-";

/// A line of `--describe --offsets`.
#[derive(Debug, Clone)]
pub(super) struct OffsetRow {
    pub(super) partition: TopicPartition,
    pub(super) current: Option<i64>,
    pub(super) end: Option<i64>,
    pub(super) consumer_id: String,
    pub(super) host: String,
    pub(super) client_id: String,
}

fn number(value: Option<i64>) -> String {
    value.map_or_else(|| MISSING.to_owned(), |v| v.to_string())
}

/// The width of a column: what it holds, and no less than `least`.
fn width<'a>(least: usize, values: impl Iterator<Item = &'a str>) -> usize {
    values
        .map(|v| v.chars().count())
        .max()
        .unwrap_or(0)
        .max(least)
}

pub(super) fn offsets(group: &str, rows: &[OffsetRow]) -> String {
    let g = width(15, std::iter::once(group));
    let t = width(15, rows.iter().map(|r| r.partition.0.as_str()));
    let c = width(15, rows.iter().map(|r| r.consumer_id.as_str()));
    let h = width(15, rows.iter().map(|r| r.host.as_str()));
    let mut out = String::new();
    let mut line = |cells: [&str; 9]| {
        let [
            group,
            topic,
            partition,
            current,
            end,
            lag,
            consumer,
            host,
            client,
        ] = cells;
        // Writing into a String cannot fail.
        let _ = write!(
            out,
            "\n{group:<g$} {topic:<t$} {partition:<10} {current:<15} {end:<15} {lag:<15} \
             {consumer:<c$} {host:<h$} {client}"
        );
    };
    line([
        "GROUP",
        "TOPIC",
        "PARTITION",
        "CURRENT-OFFSET",
        "LOG-END-OFFSET",
        "LAG",
        "CONSUMER-ID",
        "HOST",
        "CLIENT-ID",
    ]);
    for row in rows {
        let lag = row.current.zip(row.end).map(|(at, end)| end - at);
        line([
            group,
            &row.partition.0,
            &row.partition.1.to_string(),
            &number(row.current),
            &number(row.end),
            &number(lag),
            &row.consumer_id,
            &row.host,
            &row.client_id,
        ]);
    }
    out.push('\n');
    out
}

pub(super) fn members(group: &str, members: &[DescribedGroupMember], verbose: bool) -> String {
    let instance = |m: &DescribedGroupMember| {
        let id = m.group_instance_id.as_ref();
        id.map(|i| i.to_string()).unwrap_or_default()
    };
    let with_instances = members.iter().any(|m| !instance(m).is_empty());
    let instances: Vec<String> = members.iter().map(instance).collect();
    let g = width(15, std::iter::once(group).filter(|_| !members.is_empty()));
    let c = width(15, members.iter().map(|m| m.member_id.as_str()));
    let i = width(17, instances.iter().map(String::as_str));
    let h = width(15, members.iter().map(|m| m.client_host.as_str()));
    let n = width(15, members.iter().map(|m| m.client_id.as_str()));
    let mut out = String::from("\n");
    let mut line = |cells: [&str; 6], last: &str| {
        let [group, consumer, instance, host, client, count] = cells;
        let _ = write!(out, "{group:<g$} {consumer:<c$} ");
        if with_instances {
            let _ = write!(out, "{instance:<i$} ");
        }
        let _ = writeln!(out, "{host:<h$} {client:<n$} {count:<15} {last}");
    };
    line(
        [
            "GROUP",
            "CONSUMER-ID",
            "GROUP-INSTANCE-ID",
            "HOST",
            "CLIENT-ID",
            "#PARTITIONS",
        ],
        if verbose { "ASSIGNMENT" } else { "" },
    );
    for (member, instance) in members.iter().zip(&instances) {
        let assigned = partitions_of(&member.member_assignment);
        let shown = if verbose {
            assignment(&assigned)
        } else {
            String::new()
        };
        line(
            [
                group,
                &member.member_id,
                instance,
                &member.client_host,
                &member.client_id,
                &assigned.len().to_string(),
            ],
            &shown,
        );
    }
    out
}

/// Partitions of each topic, in the order of their text, as Java sorts them.
fn assignment(assigned: &[TopicPartition]) -> String {
    if assigned.is_empty() {
        return MISSING.to_owned();
    }
    let mut topics: Vec<&str> = assigned.iter().map(|(t, _)| t.as_str()).collect();
    topics.sort_unstable();
    topics.dedup();
    let mut groups: Vec<String> = topics
        .iter()
        .map(|topic| {
            let mine = assigned.iter().filter(|(t, _)| t == *topic);
            let mut partitions: Vec<String> = mine.map(|(_, p)| p.to_string()).collect();
            partitions.sort();
            format!("({})", partitions.join(","))
        })
        .collect();
    groups.sort();
    groups.join(", ")
}

pub(super) fn state(
    group: &str,
    coordinator: &str,
    assignor: &str,
    state: &str,
    count: usize,
) -> String {
    let w = coordinator.chars().count().max(25);
    let mut out = String::new();
    for [group, coordinator, assignor, state, count] in [
        [
            "GROUP",
            "COORDINATOR (ID)",
            "ASSIGNMENT-STRATEGY",
            "STATE",
            "#MEMBERS",
        ],
        [group, coordinator, assignor, state, &count.to_string()],
    ] {
        let _ = write!(
            out,
            "\n{group:<w$} {coordinator:<25} {assignor:<20} {state:<15} {count}"
        );
    }
    out.push('\n');
    out
}

pub(super) fn list(groups: &[ListedGroup], with_type: bool, with_state: bool) -> String {
    let w = width(15, groups.iter().map(|g| g.group_id.as_str())) + 10;
    let mut out = String::new();
    let mut line = |group: &str, kind: &str, state: &str| {
        let _ = write!(out, "{group:<w$}");
        if with_type {
            let _ = write!(out, " {kind:<20}");
        }
        if with_state {
            let _ = write!(out, " {state:<20}");
        }
        out.push('\n');
    };
    line("GROUP", "TYPE", "STATE");
    for group in groups {
        line(&group.group_id, &kind(group), known(&group.group_state));
    }
    out
}

fn known(text: &str) -> &str {
    if text.is_empty() { "Unknown" } else { text }
}

/// `classic` is shown as `Classic`.
fn kind(group: &ListedGroup) -> String {
    let mut chars = known(&group.group_type).chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // What Apache's kafka-consumer-groups 3.9.2 prints.
    #[test]
    fn describes_as_apache_does() {
        let row = OffsetRow {
            partition: ("t1".into(), 2),
            current: Some(2),
            end: Some(2),
            consumer_id: "-".into(),
            host: "-".into(),
            client_id: "-".into(),
        };
        assert_eq!(
            offsets("g1", &[row]),
            "\nGROUP           TOPIC           PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG             CONSUMER-ID     HOST            CLIENT-ID\
             \ng1              t1              2          2               2               0               -               -               -\n"
        );
        assert_eq!(
            state("g1", "127.0.0.1:30092  (0)", "", "Empty", 0),
            "\nGROUP                     COORDINATOR (ID)          ASSIGNMENT-STRATEGY  STATE           #MEMBERS\
             \ng1                        127.0.0.1:30092  (0)                           Empty           0\n"
        );
        assert_eq!(
            members("g1", &[], false),
            "\nGROUP           CONSUMER-ID     HOST            CLIENT-ID       #PARTITIONS     \n"
        );
        let group = ListedGroup {
            group_id: "g1".into(),
            group_type: "classic".into(),
            group_state: "Empty".into(),
            ..ListedGroup::default()
        };
        assert_eq!(
            list(&[group], true, true),
            "GROUP                     TYPE                 STATE               \n\
             g1                        Classic              Empty               \n"
        );
    }

    #[test]
    fn an_assignment_sorts_as_text() {
        let assigned = [("b", 10), ("b", 9), ("a", 1)].map(|(t, p)| (t.into(), p));
        assert_eq!(assignment(&assigned), "(1), (10,9)");
        assert_eq!(assignment(&[]), "-");
    }
}
