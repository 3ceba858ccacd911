//! Whether two servers were given the same ensemble. Java's servers say nothing when they were not, and
//! elect no leader, or two.

use proto::quorum::{QuorumConfig, QuorumServer};

/// The first line in which they differ, ours against theirs. Hosts are not compared: a server may know
/// itself as 0.0.0.0, and others by names of its own.
pub(super) fn difference(ours: &QuorumConfig, theirs: &QuorumConfig) -> Option<String> {
    for server in &ours.servers {
        let id = server.id;
        match theirs.server(id) {
            None => {
                return Some(format!(
                    "{}: server.{id} is here and not there",
                    server.place
                ));
            }
            Some(other) if ports(server) != ports(other) || server.role != other.role => {
                return Some(format!(
                    "{}: server.{id}={server} here is server.{id}={other} there",
                    server.place
                ));
            }
            Some(_) => {}
        }
        let weights = (ours.weight(id), theirs.weight(id));
        if weights.0 != weights.1 {
            return Some(format!(
                "weight.{id} is {} here and {} there",
                weights.0, weights.1
            ));
        }
        if ours.groups.get(&id) != theirs.groups.get(&id) {
            return Some(format!("server.{id} is in another group there"));
        }
    }
    let missing = theirs.servers.iter().find(|s| ours.server(s.id).is_none());
    missing.map(|server| format!("server.{}={server} is there and not here", server.id))
}

fn ports(server: &QuorumServer) -> Vec<(u16, u16)> {
    let mut ports: Vec<(u16, u16)> = server.addresses.iter().map(|a| (a.1, a.2)).collect();
    ports.sort_unstable();
    ports
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2:observer\n";

    fn config(text: &str) -> QuorumConfig {
        QuorumConfig::from_text("zoo.cfg", text.as_bytes(), false).unwrap()
    }

    fn against(theirs: &str) -> Option<String> {
        difference(&config(OURS), &config(theirs))
    }

    #[test]
    fn the_line_that_differs_is_named() {
        assert_eq!(against(OURS), None);
        let hosts = "server.1=0.0.0.0:1:2\nserver.2=x:1:2\nserver.3=c:1:2:observer;2181\n";
        assert_eq!(against(hosts), None);
        for (theirs, part) in [
            (
                "server.1=a:1:2\nserver.2=b:1:3\nserver.3=c:1:2:observer",
                "zoo.cfg, line 2: server.2=b:1:2:participant here is",
            ),
            (
                "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2",
                "zoo.cfg, line 3: server.3",
            ),
            ("server.1=a:1:2\nserver.2=b:1:2", "server.3 is here and not"),
            (
                "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2:observer\nserver.4=d:1:2",
                "server.4=d:1:2:participant is there and not here",
            ),
        ] {
            let difference = against(theirs).unwrap();
            assert!(difference.contains(part), "{difference}");
        }
    }
}
