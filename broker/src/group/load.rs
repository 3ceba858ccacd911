//! Replay of one partition of `__consumer_offsets` when this broker becomes its leader (Java:
//! `GroupMetadataManager.doLoadGroupsAndOffsets`).

use std::collections::HashMap;
use std::sync::Arc;

use super::effect::{Record, StoredGroup, StoredMember, TopicPartition};
use super::member::Member;
use super::offsets::Entry;
use super::state::{Group, State};

/// An offset committed in a transaction that has not ended; `None` takes it back.
type OpenCommit = (Arc<str>, TopicPartition, Option<Entry>);

/// What the records read so far say.
#[derive(Debug, Default)]
pub struct Loading {
    groups: HashMap<Arc<str>, StoredGroup>,
    offsets: HashMap<Arc<str>, HashMap<TopicPartition, Entry>>,
    /// of transactions that have not ended, by producer id
    transactions: HashMap<i64, Vec<OpenCommit>>,
}

impl Loading {
    /// The next record in log order. `producer` is the producer id of a transactional batch.
    pub fn record(&mut self, record: Record, log_offset: i64, producer: Option<i64>) {
        match record {
            Record::Group {
                group,
                value: Some(value),
            } => {
                self.groups.insert(group, value);
            }
            Record::Group { group, value: None } => {
                self.groups.remove(&group);
            }
            Record::Offset { group, at, value } => {
                let entry = value.map(|value| Entry { value, log_offset });
                match producer {
                    Some(id) => self
                        .transactions
                        .entry(id)
                        .or_default()
                        .push((group, at, entry)),
                    None => self.put(group, at, entry),
                }
            }
        }
    }

    fn put(&mut self, group: Arc<str>, at: TopicPartition, entry: Option<Entry>) {
        let offsets = self.offsets.entry(group).or_default();
        match entry {
            None => {
                offsets.remove(&at);
            }
            Some(entry) => match offsets.get(&at) {
                Some(known) if known.log_offset >= entry.log_offset => {}
                _ => {
                    offsets.insert(at, entry);
                }
            },
        }
    }

    /// A marker ends the producer's transaction.
    pub fn marker(&mut self, producer: i64, committed: bool) {
        let Some(records) = self.transactions.remove(&producer) else {
            return;
        };
        if committed {
            for (group, at, entry) in records {
                self.put(group, at, entry);
            }
        }
    }

    pub(super) fn into_groups(self, partition: i32, wall_ms: i64) -> Vec<Group> {
        let mut groups: HashMap<Arc<str>, Group> = self
            .groups
            .into_iter()
            .map(|(id, stored)| (id.clone(), restore(id, partition, stored)))
            .collect();
        let mut group_of = |id: Arc<str>, fill: &mut dyn FnMut(&mut Group)| {
            fill(
                groups
                    .entry(id.clone())
                    .or_insert_with(|| Group::new(id, partition, wall_ms)),
            );
        };
        for (id, offsets) in self.offsets {
            if offsets.is_empty() {
                continue;
            }
            let mut offsets = Some(offsets);
            group_of(id, &mut |group| {
                group.offsets.committed = offsets.take().unwrap_or_default();
            });
        }
        for (producer, records) in self.transactions {
            for (id, at, entry) in records {
                let Some(entry) = entry else { continue };
                group_of(id, &mut |group| {
                    let open = group.offsets.transactional.entry(producer).or_default();
                    open.insert(at.clone(), entry.clone());
                });
            }
        }
        groups.into_values().collect()
    }
}

fn restore(id: Arc<str>, partition: i32, stored: StoredGroup) -> Group {
    let mut group = Group::new(id, partition, 0);
    group.state = if stored.members.is_empty() {
        State::Empty
    } else {
        State::Stable
    };
    group.state_since_ms =
        (stored.current_state_timestamp >= 0).then_some(stored.current_state_timestamp);
    group.generation = stored.generation;
    group.protocol_type = (!stored.protocol_type.is_empty()).then_some(stored.protocol_type);
    group.protocol = stored.protocol.clone();
    for member in stored.members {
        group.add(restore_member(member, stored.protocol.as_ref()));
    }
    group.leader = stored.leader;
    group
}

fn restore_member(stored: StoredMember, protocol: Option<&Arc<str>>) -> Member {
    Member {
        id: stored.member_id,
        group_instance_id: stored.group_instance_id,
        client_id: stored.client_id,
        client_host: stored.client_host,
        rebalance_timeout_ms: stored.rebalance_timeout_ms,
        session_timeout_ms: stored.session_timeout_ms,
        protocols: protocol
            .map(|p| (p.clone(), stored.subscription))
            .into_iter()
            .collect(),
        assignment: stored.assignment,
        awaiting_join: None,
        awaiting_sync: None,
        is_new: false,
        deadline_ms: 0,
        timer_at_ms: None,
    }
}
