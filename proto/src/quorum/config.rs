//! The members of an ensemble as zoo.cfg, a dynamic file, the node `/zookeeper/config` and election
//! notifications carry them: text in, text out (Java: `QuorumMaj`, `QuorumHierarchical`,
//! `QuorumPeerConfig.parseDynamicConfig`). What counts as a quorum of them is the server's matter.

use std::collections::BTreeMap;
use std::fmt;

use super::server_line::{QuorumServer, Role};
use crate::properties::{Place, Properties, Property};

/// One sentence: place, key, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigTextError(pub String);

/// All servers, and the version of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuorumConfig {
    pub servers: Vec<QuorumServer>,
    /// groups or weights are given
    pub hierarchical: bool,
    /// the group of each server that is in one
    pub groups: BTreeMap<i64, i64>,
    /// the weights that are given
    pub weights: BTreeMap<i64, i64>,
    /// zxid of the transaction that made it; 0 for one that was only written in a file
    pub version: i64,
}

impl QuorumConfig {
    /// Reads the lines of a file. `dynamic`: nothing else may stand in it.
    pub fn parse(
        file: &Properties,
        dynamic: bool,
        multi_address: bool,
    ) -> Result<Self, ConfigTextError> {
        let mut quorum = Self::default();
        for property in file.iter() {
            let line = Line::new(file, property);
            if line.key.starts_with("server.") {
                let id = line.number(line.key)?;
                let server = QuorumServer::parse(id, line.value, &line.place, multi_address)?;
                // server.1 and server.01: as with a key that stands twice, the last one counts
                quorum.servers.retain(|known| known.id != id);
                quorum.servers.push(server);
            } else if line.key.starts_with("group") {
                quorum.group(&line)?;
            } else if line.key.starts_with("weight") {
                quorum.hierarchical = true;
                let weight = line.value.parse().ok().filter(|weight| *weight >= 0);
                let weight = weight.ok_or_else(|| line.bad("a weight is a number from 0 on"))?;
                quorum.weights.insert(line.number(line.key)?, weight);
            } else if line.key == "version" {
                quorum.version = i64::from_str_radix(line.value, 16)
                    .map_err(|_| line.bad("the version is a hexadecimal number"))?;
            } else if dynamic {
                return Err(ConfigTextError(format!(
                    "{}: Unrecognised parameter: {}: a dynamic file holds server., group and weight lines only.",
                    line.place, line.key
                )));
            }
        }
        quorum.groups_are_complete()?;
        Ok(quorum)
    }

    /// Reads what another server sent, or what a transaction or node holds (Java:
    /// `QuorumPeer.configFromString`). `source` names it for messages.
    pub fn from_text(
        source: &str,
        text: &[u8],
        multi_address: bool,
    ) -> Result<Self, ConfigTextError> {
        let lines = Properties::parse(source, text).map_err(|e| ConfigTextError(e.to_string()))?;
        Self::parse(&lines, true, multi_address)
    }

    fn group(&mut self, line: &Line<'_>) -> Result<(), ConfigTextError> {
        self.hierarchical = true;
        let group = line.number(line.key)?;
        for id in line.value.split(':') {
            let id = id.trim().parse().map_err(|_| {
                line.bad("a group is a list of servers' numbers with colons between them")
            })?;
            if self.groups.insert(id, group).is_some() {
                return Err(line.bad(&format!("Server {id} is in multiple groups")));
            }
        }
        Ok(())
    }

    fn groups_are_complete(&self) -> Result<(), ConfigTextError> {
        let voter = |s: &&QuorumServer| s.role == Role::Participant;
        let outside = |s: &&QuorumServer| !self.groups.contains_key(&s.id);
        match self.servers.iter().filter(voter).find(outside) {
            Some(server) if self.hierarchical => Err(ConfigTextError(format!(
                "{}: Server {} is not in a group: with groups or weights each voter stands in one group.",
                server.place, server.id
            ))),
            _ => Ok(()),
        }
    }

    pub fn voters(&self) -> usize {
        let voter = |s: &&QuorumServer| s.role == Role::Participant;
        self.servers.iter().filter(voter).count()
    }

    pub fn observers(&self) -> usize {
        self.servers.len() - self.voters()
    }

    pub fn server(&self, id: i64) -> Option<&QuorumServer> {
        self.servers.iter().find(|server| server.id == id)
    }

    /// A server's weight: 1 unless groups are used and it is given.
    pub fn weight(&self, id: i64) -> i64 {
        self.weights.get(&id).copied().unwrap_or(1)
    }
}

/// The text as Java writes it, down to the order of its hash maps for ids that don't collide there.
impl fmt::Display for QuorumConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for id in java_order(self.servers.iter().map(|server| server.id)) {
            if let Some(server) = self.server(id) {
                writeln!(f, "server.{id}={server}")?;
            }
        }
        if self.hierarchical {
            let mut groups: BTreeMap<i64, Vec<String>> = BTreeMap::new();
            for id in java_order(self.groups.keys().copied()) {
                let group = groups.entry(self.groups[&id]).or_default();
                group.push(id.to_string());
            }
            for group in java_order(groups.keys().copied()) {
                writeln!(f, "group.{group}={}", groups[&group].join(":"))?;
            }
            let voter = |s: &&QuorumServer| s.role == Role::Participant;
            let mut weights = self.weights.clone();
            for server in self.servers.iter().filter(voter) {
                weights.entry(server.id).or_insert(1);
            }
            for id in java_order(weights.keys().copied()) {
                writeln!(f, "weight.{id}={}", weights[&id])?;
            }
        }
        write!(f, "version={:x}", self.version)
    }
}

/// The order in which a `HashMap<Long, ?>` gives these keys.
fn java_order(ids: impl Iterator<Item = i64>) -> Vec<i64> {
    let mut ids: Vec<i64> = ids.collect();
    let mut buckets = 16u32;
    while ids.len() as u64 * 4 > u64::from(buckets) * 3 {
        buckets *= 2;
    }
    ids.sort_by_key(|&id| {
        let hash = (id ^ ((id as u64) >> 32) as i64) as u32;
        ((hash ^ (hash >> 16)) & (buckets - 1), id)
    });
    ids
}

struct Line<'a> {
    key: &'a str,
    value: &'a str,
    place: Place,
}

impl<'a> Line<'a> {
    fn new(file: &Properties, property: &'a Property) -> Self {
        Self {
            key: property.key.trim(),
            value: property.value.trim(),
            place: Place {
                source: file.source().clone(),
                line: property.line,
            },
        }
    }

    /// The number behind the dot of a key.
    fn number(&self, key: &str) -> Result<i64, ConfigTextError> {
        let (kind, id) = key.split_once('.').unwrap_or((key, ""));
        id.parse().map_err(|_| {
            let place = &self.place;
            ConfigTextError(match kind {
                "server" => format!(
                    "{place}: {key}: {id} is not a server's number: write server.1, server.2 and so on."
                ),
                _ => format!("{place}: {key}: {id:?} is not a number: write {kind}.1, {kind}.2 and so on."),
            })
        })
    }

    fn bad(&self, what: &str) -> ConfigTextError {
        ConfigTextError(format!(
            "{}: {}={}: {what}.",
            self.place, self.key, self.value
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<QuorumConfig, String> {
        let file = Properties::parse("zoo.cfg", text.as_bytes()).unwrap();
        QuorumConfig::parse(&file, false, false).map_err(|error| error.to_string())
    }

    #[test]
    fn server_lines_are_read() {
        let quorum = parse(
            "server.1=a:2888:3888\nserver.2=[::1]:2888:3888:observer;2181\nserver.3=b:1:2;[::]:2181",
        )
        .unwrap();
        assert_eq!((quorum.voters(), quorum.observers()), (2, 1));
        let two = quorum.server(2).unwrap();
        assert_eq!(two.addresses, [("::1".to_owned(), 2888, 3888)]);
        assert_eq!(two.client, Some(("0.0.0.0".to_owned(), 2181)));
        assert_eq!(
            quorum.server(3).unwrap().client,
            Some(("::".to_owned(), 2181))
        );
        let twice = parse("server.1=a:1:2\nserver.01=b:1:2").unwrap();
        assert_eq!(twice.servers.len(), 1);
    }

    #[test]
    fn groups_and_weights_are_read_and_written() {
        let text = "server.1=a:1:2:participant\nserver.2=b:1:2:participant\nserver.3=c:1:2:observer\n\
                    group.1=1\ngroup.2=2\nweight.1=0\nweight.2=1\nversion=10000000a";
        let quorum = parse(text).unwrap();
        assert_eq!((quorum.weight(1), quorum.weight(2)), (0, 1));
        assert_eq!(quorum.version, 0x1_0000_000a);
        assert_eq!(quorum.to_string(), text);
        let same = QuorumConfig::from_text("notification of server 3", text.as_bytes(), false);
        assert_eq!(same.unwrap(), quorum);
    }

    #[test]
    fn servers_stand_in_the_order_of_javas_hash_map() {
        assert_eq!(
            java_order([17, 3, 16, 1].into_iter()),
            [16, 1, 17, 3],
            "16 buckets"
        );
        assert_eq!(java_order(1..=13)[12], 13);
        assert_eq!(
            java_order((5..=17).rev()),
            (5..=17).collect::<Vec<_>>(),
            "32 buckets from 13 keys on"
        );
    }

    #[test]
    fn broken_lines_name_the_line() {
        for (text, part) in [
            (
                "\nserver.1=a:2888",
                "zoo.cfg, line 2: server.1=a:2888 does not have the form",
            ),
            ("server.x=a:1:2", "x is not a server's number"),
            ("server.1=a:1:2|b:1:2", "multiAddress.enabled"),
            ("group.1=1:x", "group.1=1:x: a group is a list"),
            ("group.1=1\ngroup.2=1", "line 2: group.2=1: Server 1 is in"),
            ("group.x=1", "group.x: \"x\" is not a number"),
            ("weight.1=-1", "a weight is a number from 0 on"),
            (
                "server.1=a:1:2\nweight.1=1",
                "line 1: Server 1 is not in a group",
            ),
            ("version=xyz", "hexadecimal"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        let error = QuorumConfig::from_text("it", b"tickTime=2000", false).unwrap_err();
        assert!(error.0.contains("Unrecognised parameter: tickTime"));
    }
}
