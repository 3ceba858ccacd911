//! One configuration of the ensemble, immutable and shared, and what counts as a quorum of it (Java:
//! `QuorumVerifier`, `QuorumMaj`, `QuorumHierarchical`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use proto::quorum::ConfigTextError;

use crate::config::{QuorumConfig, QuorumServer, Role};
use crate::mutants::{self, Mutant};

/// A configuration with its version. Cheap to clone.
#[derive(Debug, Clone)]
pub struct View(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: QuorumConfig,
    text: Bytes,
    voters: BTreeSet<i64>,
    /// total weight of each group that has any
    groups: BTreeMap<i64, i64>,
}

impl View {
    pub fn new(config: QuorumConfig) -> Self {
        let voter = |s: &&QuorumServer| s.role == Role::Participant;
        let voters: BTreeSet<i64> = config.servers.iter().filter(voter).map(|s| s.id).collect();
        let mut groups = BTreeMap::new();
        for (id, group) in &config.groups {
            // Java adds the weights of all who stand in a group; only a voter's need not be given.
            let given = config.weights.get(id).copied();
            let weight = given.unwrap_or(i64::from(voters.contains(id)));
            let total: &mut i64 = groups.entry(*group).or_default();
            *total = total.saturating_add(weight);
        }
        groups.retain(|_, weight| *weight > 0);
        Self(Arc::new(Inner {
            text: Bytes::from(config.to_string()),
            config,
            voters,
            groups,
        }))
    }

    /// Reads what another server sent, or what a transaction or node holds.
    pub fn parse(source: &str, text: &[u8], multi_address: bool) -> Result<Self, ConfigTextError> {
        QuorumConfig::from_text(source, text, multi_address).map(Self::new)
    }

    /// The same members with another version.
    pub fn with_version(&self, version: i64) -> Self {
        Self::new(QuorumConfig {
            version,
            ..self.0.config.clone()
        })
    }

    /// zxid of the transaction that made it; 0 for one that was only written in a file
    pub fn version(&self) -> i64 {
        self.0.config.version
    }

    pub fn config(&self) -> &QuorumConfig {
        &self.0.config
    }

    /// As Java writes it: what notifications, `NewLeader` packets and `/zookeeper/config` hold.
    pub fn text(&self) -> &Bytes {
        &self.0.text
    }

    pub fn server(&self, id: i64) -> Option<&QuorumServer> {
        self.0.config.server(id)
    }

    pub fn is_voter(&self, id: i64) -> bool {
        self.0.voters.contains(&id)
    }

    pub fn is_observer(&self, id: i64) -> bool {
        self.server(id).is_some_and(|s| s.role == Role::Observer)
    }

    /// In ascending order.
    pub fn voters(&self) -> &BTreeSet<i64> {
        &self.0.voters
    }

    /// A server of weight 0 follows and never leads.
    pub fn weight(&self, id: i64) -> i64 {
        match self.0.config.hierarchical {
            true => self.0.config.weight(id),
            false => 1,
        }
    }

    /// Whether these servers are a quorum (Java: `QuorumVerifier.containsQuorum`): more than half of
    /// the voters, or more than half the weight in more than half of the groups. Others than voters
    /// don't count.
    pub fn is_quorum(&self, ids: &BTreeSet<i64>) -> bool {
        let votes = ids.iter().filter(|&&id| self.is_voter(id));
        if !self.0.config.hierarchical {
            let enough = usize::from(!mutants::is(Mutant::HalfIsQuorum));
            return votes.count() >= self.0.voters.len() / 2 + enough;
        }
        let mut weights: BTreeMap<i64, i64> = BTreeMap::new();
        for id in votes {
            if let Some(group) = self.0.config.groups.get(id) {
                let total = weights.entry(*group).or_default();
                *total = total.saturating_add(self.0.config.weight(*id));
            }
        }
        let majority = |(group, all): &(&i64, &i64)| {
            weights.get(group).is_some_and(|weight| *weight > **all / 2)
        };
        self.0.groups.iter().filter(majority).count() > self.0.groups.len() / 2
    }

    /// Whether Java calls them equal: by version, or else by members, weights and groups.
    pub fn agrees_with(&self, other: &Self) -> bool {
        let (a, b) = (&self.0.config, &other.0.config);
        a.hierarchical == b.hierarchical && (a.version == b.version || self.has_members_of(other))
    }

    /// Equal but for version and order.
    pub fn has_members_of(&self, other: &Self) -> bool {
        let (a, b) = (&self.0.config, &other.0.config);
        let weights = |view: &Self| {
            let voters = view.voters().iter();
            voters.map(|&id| view.weight(id)).collect::<Vec<_>>()
        };
        a.hierarchical == b.hierarchical
            && a.servers.len() == b.servers.len()
            && a.servers.iter().all(|s| b.server(s.id) == Some(s))
            && a.groups == b.groups
            && weights(self) == weights(other)
    }
}

/// Equal in everything, the version too.
impl PartialEq for View {
    fn eq(&self, other: &Self) -> bool {
        self.version() == other.version() && self.has_members_of(other)
    }
}

impl Eq for View {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn view(text: &str) -> View {
        View::parse("test", text.as_bytes(), false).unwrap()
    }

    fn ids(ids: &[i64]) -> BTreeSet<i64> {
        ids.iter().copied().collect()
    }

    #[test]
    fn a_majority_of_the_voters_is_a_quorum() {
        let view = view("server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\nserver.4=d:1:2:observer");
        assert!(!view.is_quorum(&ids(&[1, 4, 9])));
        assert!(view.is_quorum(&ids(&[1, 3])));
        assert_eq!(view.voters(), &ids(&[1, 2, 3]));
        assert!(view.is_observer(4) && !view.is_voter(4) && !view.is_observer(9));
        assert_eq!(view.weight(1), 1);
    }

    #[test]
    fn groups_decide_by_weight() {
        let servers = (1..=9).map(|id| format!("server.{id}=h{id}:1:2\n"));
        let text = servers.collect::<String>()
            + "group.1=1:2:3\ngroup.2=4:5:6\ngroup.3=7:8:9\nweight.1=2\nweight.7=0\nweight.8=0\nweight.9=0\n";
        let view = view(&text);
        // The third group has no weight: two groups count, and both are needed.
        assert!(!view.is_quorum(&ids(&[1, 2, 3, 7, 8, 9])));
        assert!(!view.is_quorum(&ids(&[2, 3, 4, 5])), "half of the weight");
        assert!(view.is_quorum(&ids(&[1, 2, 4, 5])));
        assert_eq!((view.weight(1), view.weight(2), view.weight(7)), (2, 1, 0));
    }

    #[test]
    fn views_are_equal_by_version_or_by_members() {
        let one = view("server.1=a:1:2\nserver.2=b:1:2\nversion=5");
        let turned = view("server.2=b:1:2\nserver.1=a:1:2\nversion=6");
        let other = view("server.1=a:1:2\nserver.2=c:1:2\nversion=5");
        let third = view("server.1=a:1:2\nserver.2=c:1:2\nversion=6");
        assert!(one.agrees_with(&turned) && one.has_members_of(&turned) && one != turned);
        assert!(one.agrees_with(&other) && !one.has_members_of(&other));
        assert!(!one.agrees_with(&third));
        assert_eq!(one.with_version(6), turned);
        let grouped = view("server.1=a:1:2\nserver.2=b:1:2\ngroup.1=1:2\nversion=5");
        assert!(!one.agrees_with(&grouped));
    }

    /// Word for word after Java's `QuorumHierarchical`.
    fn naive(groups: &[Vec<(i64, i64)>], set: &BTreeSet<i64>) -> bool {
        let mut counted = groups.len();
        let mut won = 0;
        for group in groups {
            let total: i64 = group.iter().map(|(_, weight)| weight).sum();
            if total == 0 {
                counted -= 1;
            }
            let got = group.iter().filter(|(id, _)| set.contains(id));
            if got.map(|(_, weight)| weight).sum::<i64>() > total / 2 {
                won += 1;
            }
        }
        !set.is_empty() && won > counted / 2
    }

    proptest! {
        #[test]
        fn hierarchical_quorums_are_javas(
            weights in proptest::collection::vec(proptest::collection::vec(0i64..4, 1..4), 1..5),
            chosen in proptest::collection::btree_set(1i64..16, 0..16),
        ) {
            let (mut id, mut text, mut groups) = (0, String::new(), Vec::new());
            for (group, weights) in weights.iter().enumerate() {
                let mut members = Vec::new();
                for weight in weights {
                    id += 1;
                    text += &format!("server.{id}=h{id}:1:2\nweight.{id}={weight}\n");
                    members.push((id, *weight));
                }
                let list: Vec<_> = members.iter().map(|(id, _)| id.to_string()).collect();
                text += &format!("group.{}={}\n", group + 1, list.join(":"));
                groups.push(members);
            }
            let chosen: BTreeSet<i64> = chosen.into_iter().filter(|&chosen| chosen <= id).collect();
            prop_assert_eq!(view(&text).is_quorum(&chosen), naive(&groups, &chosen));
        }

        #[test]
        fn two_quorums_have_a_server_in_common(
            a in proptest::collection::btree_set(1i64..6, 0..6), b in proptest::collection::btree_set(1i64..6, 0..6),
        ) {
            let text: String = (1..=5).map(|id| format!("server.{id}=h:{id}:10\n")).collect();
            let view = view(&text);
            if view.is_quorum(&a) && view.is_quorum(&b) {
                prop_assert!(a.intersection(&b).next().is_some());
            }
        }
    }
}
