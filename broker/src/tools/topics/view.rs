//! How `kafka-topics --describe` shows a topic: 3.9's lines through a broker, 2.7's through
//! ZooKeeper.

use std::fmt::Write as _;

use super::options::Options;

/// One topic as the source told it.
#[derive(Debug, Clone, Default)]
pub(super) struct TopicView {
    pub(super) name: String,
    /// only through brokers of 2.8 and later
    pub(super) id: Option<String>,
    /// name and value of what differs from the default
    pub(super) configs: Vec<(String, String)>,
    /// the effective value; unknown through ZooKeeper
    pub(super) min_insync_replicas: Option<usize>,
    pub(super) partitions: Vec<PartitionView>,
    pub(super) marked_for_deletion: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct PartitionView {
    pub(super) index: i32,
    pub(super) leader: Option<i32>,
    pub(super) replicas: Vec<i32>,
    pub(super) isr: Vec<i32>,
    pub(super) adding: Vec<i32>,
    pub(super) removing: Vec<i32>,
}

/// What differs between the two sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// 3.9
    Broker,
    /// 2.7
    ZooKeeper,
}

fn list(ids: &[i32]) -> String {
    ids.iter().map(i32::to_string).collect::<Vec<_>>().join(",")
}

impl PartitionView {
    fn replication_factor(&self) -> usize {
        self.replicas.len()
            - self
                .adding
                .iter()
                .filter(|a| self.replicas.contains(a))
                .count()
    }

    fn is_asked_for(&self, options: &Options, live: &[i32], min_isr: Option<usize>) -> bool {
        let only = options.under_replicated_partitions
            || options.unavailable_partitions
            || options.under_min_isr_partitions
            || options.at_min_isr_partitions;
        let dead = self.leader.is_none_or(|l| !live.contains(&l));
        let too_few = self.leader.is_none() || min_isr.is_some_and(|min| self.isr.len() < min);
        !only
            || (options.under_replicated_partitions && self.isr.len() < self.replication_factor())
            || (options.unavailable_partitions && dead)
            || (options.under_min_isr_partitions && too_few)
            || (options.at_min_isr_partitions && min_isr == Some(self.isr.len()))
    }

    fn line(&self, topic: &TopicView, style: Style) -> String {
        let leader = self.leader.map_or("none".to_owned(), |id| id.to_string());
        let mut line = format!(
            "\tTopic: {}\tPartition: {}\tLeader: {leader}\tReplicas: {}\tIsr: {}",
            topic.name,
            self.index,
            list(&self.replicas),
            list(&self.isr)
        );
        if !self.adding.is_empty() || !self.removing.is_empty() {
            let (adding, removing) = (list(&self.adding), list(&self.removing));
            let _ = write!(
                line,
                "\tAdding Replicas: {adding}\tRemoving Replicas: {removing}"
            );
        }
        if style == Style::Broker {
            // Eligible leader replicas are a matter of KRaft.
            line.push_str("\tElr: N/A\tLastKnownElr: N/A");
        }
        line.push_str(topic.deletion_mark());
        line
    }
}

impl TopicView {
    fn deletion_mark(&self) -> &'static str {
        if self.marked_for_deletion {
            "\tMarkedForDeletion: true"
        } else {
            ""
        }
    }

    fn line(&self) -> String {
        let configs: Vec<String> = self
            .configs
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let id = self
            .id
            .as_ref()
            .map(|id| format!("\tTopicId: {id}"))
            .unwrap_or_default();
        format!(
            "Topic: {}{id}\tPartitionCount: {}\tReplicationFactor: {}\tConfigs: {}{}",
            self.name,
            self.partitions.len(),
            self.partitions
                .first()
                .map_or(0, PartitionView::replication_factor),
            configs.join(","),
            self.deletion_mark()
        )
    }

    /// The lines that the options ask for.
    pub(super) fn lines(&self, options: &Options, live: &[i32], style: Style) -> Vec<String> {
        let mut lines = Vec::new();
        let filtered = options.under_replicated_partitions
            || options.unavailable_partitions
            || options.under_min_isr_partitions
            || options.at_min_isr_partitions;
        if !filtered && (!options.topics_with_overrides || !self.configs.is_empty()) {
            lines.push(self.line());
        }
        if !options.topics_with_overrides {
            let mut partitions: Vec<&PartitionView> = self.partitions.iter().collect();
            partitions.sort_by_key(|p| p.index);
            lines.extend(
                partitions
                    .into_iter()
                    .filter(|p| p.is_asked_for(options, live, self.min_insync_replicas))
                    .map(|p| p.line(self, style)),
            );
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn view() -> TopicView {
        TopicView {
            name: "test".into(),
            id: Some("abc".into()),
            configs: vec![("segment.bytes".into(), "1".into())],
            min_insync_replicas: Some(1),
            partitions: vec![
                PartitionView {
                    index: 0,
                    leader: Some(0),
                    replicas: vec![0, 1],
                    isr: vec![0],
                    ..PartitionView::default()
                },
                PartitionView {
                    index: 1,
                    replicas: vec![1, 0],
                    ..PartitionView::default()
                },
            ],
            marked_for_deletion: false,
        }
    }

    fn shown(flags: &[&str], style: Style) -> String {
        let words = std::iter::once("x").chain(flags.iter().copied());
        let options = Options::try_parse_from(words).unwrap();
        view().lines(&options, &[0], style).join("\n")
    }

    #[test]
    fn describes_as_apache_does() {
        assert_eq!(
            shown(&[], Style::Broker),
            "Topic: test\tTopicId: abc\tPartitionCount: 2\tReplicationFactor: 2\t\
             Configs: segment.bytes=1\n\
             \tTopic: test\tPartition: 0\tLeader: 0\tReplicas: 0,1\tIsr: 0\tElr: N/A\t\
             LastKnownElr: N/A\n\
             \tTopic: test\tPartition: 1\tLeader: none\tReplicas: 1,0\tIsr: \tElr: N/A\t\
             LastKnownElr: N/A"
        );
        assert_eq!(
            shown(&["--unavailable-partitions"], Style::ZooKeeper),
            "\tTopic: test\tPartition: 1\tLeader: none\tReplicas: 1,0\tIsr: "
        );
        assert_eq!(
            shown(&["--at-min-isr-partitions"], Style::ZooKeeper)
                .lines()
                .count(),
            1
        );
        assert_eq!(
            shown(&["--under-replicated-partitions"], Style::Broker)
                .lines()
                .count(),
            2
        );
        assert!(shown(&["--topics-with-overrides"], Style::Broker).starts_with("Topic: test\t"));
    }
}
