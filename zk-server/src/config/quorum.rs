//! The servers of an ensemble as zoo.cfg or a dynamic file lists them. The text is `proto`'s: the
//! same lines stand in notifications and transactions.

use super::error::ConfigError;

pub use proto::quorum::{QuorumConfig, QuorumServer, Role};

impl From<proto::quorum::ConfigTextError> for ConfigError {
    fn from(error: proto::quorum::ConfigTextError) -> Self {
        Self::invalid(error.0)
    }
}

/// One quorum or election address in the lines of two servers.
#[derive(Debug)]
pub struct Twice<'a> {
    pub server: &'a QuorumServer,
    /// the one before it
    pub other: &'a QuorumServer,
    pub host: &'a str,
    pub port: u16,
}

/// Pairs of servers that have an address in common, each pair with the first of its addresses. A wildcard
/// means another machine in each line; names are compared as they stand.
pub fn addresses_twice(config: &QuorumConfig) -> Vec<Twice<'_>> {
    let mut found = Vec::new();
    for (at, server) in config.servers.iter().enumerate() {
        for other in &config.servers[..at] {
            let shared = sockets(server).find(|(host, port)| {
                sockets(other)
                    .any(|(name, taken)| taken == *port && name.eq_ignore_ascii_case(host))
            });
            if let Some((host, port)) = shared {
                found.push(Twice {
                    server,
                    other,
                    host,
                    port,
                });
            }
        }
    }
    found
}

fn sockets(server: &QuorumServer) -> impl Iterator<Item = (&str, u16)> {
    server
        .addresses
        .iter()
        .filter(|(host, ..)| host != "0.0.0.0" && host != "::")
        .flat_map(|(host, data, election)| [(host.as_str(), *data), (host.as_str(), *election)])
}
