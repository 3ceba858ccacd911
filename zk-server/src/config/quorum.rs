//! The servers of an ensemble as zoo.cfg or a dynamic file lists them. Names are not resolved here.
//! Mirrors Java's `QuorumServer`, `QuorumMaj` and the checks of `parseDynamicConfig`.

use proto::properties::{Place, Properties};

use super::error::ConfigError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Participant,
    Observer,
}

/// One `server.N` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumServer {
    pub id: i64,
    /// host, port for the leader's data, port for elections; more than one with multi-address
    pub addresses: Vec<(String, u16, u16)>,
    pub role: Role,
    /// host (0.0.0.0 when only a port is given) and port for clients
    pub client: Option<(String, u16)>,
    pub place: Place,
}

/// All of them, and the version of a dynamic file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuorumConfig {
    pub servers: Vec<QuorumServer>,
    /// groups or weights are given
    pub hierarchical: bool,
    pub version: i64,
}

const FORM: &str = "does not have the form server_config or server_config;client_config where \
    server_config is the pipe separated list of host:port:port or host:port:port:type and \
    client_config is port or host:port";

impl QuorumConfig {
    /// Reads the lines of a file. `dynamic`: nothing else may stand in it.
    pub fn parse(
        file: &Properties,
        dynamic: bool,
        multi_address: bool,
    ) -> Result<Self, ConfigError> {
        let mut quorum = Self::default();
        for property in file.iter() {
            let (key, value) = (property.key.trim(), property.value.trim());
            let place = Place {
                source: file.source().clone(),
                line: property.line,
            };
            if let Some(id) = key.strip_prefix("server.") {
                let id = id.parse().map_err(|_| {
                    ConfigError::invalid(format!(
                        "{place}: {key}: {id} is not a server's number: write server.1, server.2 and so on."
                    ))
                })?;
                quorum
                    .servers
                    .push(server(id, value, &place, multi_address)?);
            } else if key.starts_with("group") || key.starts_with("weight") {
                quorum.hierarchical = true;
            } else if key == "version" {
                quorum.version = i64::from_str_radix(value, 16).unwrap_or_default();
            } else if dynamic {
                return Err(ConfigError::invalid(format!(
                    "{place}: Unrecognised parameter: {key}: a dynamic file holds server., group and weight lines only."
                )));
            }
        }
        Ok(quorum)
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
}

fn server(
    id: i64,
    text: &str,
    place: &Place,
    multi_address: bool,
) -> Result<QuorumServer, ConfigError> {
    let bad = |what: &str| ConfigError::invalid(format!("{place}: server.{id}={text} {what}."));
    let mut parts = text.split(';');
    let addresses = parts.next().unwrap_or_default();
    let client = match parts.next() {
        Some(client) => Some(client_address(client).ok_or_else(|| bad(FORM))?),
        None => None,
    };
    if parts.next().is_some() {
        return Err(bad(FORM));
    }
    let mut server = QuorumServer {
        id,
        addresses: Vec::new(),
        role: Role::Participant,
        client,
        place: place.clone(),
    };
    let mut role = None;
    for address in addresses.split('|') {
        let fields = host_and_fields(address).ok_or_else(|| bad(FORM))?;
        let (host, ports) = fields.split_first().ok_or_else(|| bad(FORM))?;
        let [data, election, kind @ ..] = ports else {
            return Err(bad(FORM));
        };
        let port = |text: &str| {
            text.parse::<u16>()
                .map_err(|_| bad(&format!("has a port that is no number: {text}")))
        };
        let (data, election) = (port(data)?, port(election)?);
        if data == election {
            return Err(bad(
                "needs two different ports: Client and election port must be different",
            ));
        }
        match kind {
            [] => {}
            [kind] => {
                let kind = peer_role(kind)
                    .ok_or_else(|| bad(&format!("is an Unrecognised peertype: {kind}")))?;
                if role.is_some_and(|known| known != kind) {
                    return Err(bad("has addresses with different roles"));
                }
                role = Some(kind);
            }
            _ => return Err(bad(FORM)),
        }
        server.addresses.push(((*host).to_owned(), data, election));
    }
    if server.addresses.len() > 1 && !multi_address {
        return Err(bad(
            "has several addresses: set multiAddress.enabled=true or keep one",
        ));
    }
    server.role = role.unwrap_or(Role::Participant);
    Ok(server)
}

/// `participant` or `observer` in any case.
pub(super) fn peer_role(text: &str) -> Option<Role> {
    match text.trim().to_ascii_lowercase().as_str() {
        "participant" => Some(Role::Participant),
        "observer" => Some(Role::Observer),
        _ => None,
    }
}

fn client_address(text: &str) -> Option<(String, u16)> {
    let fields = host_and_fields(text)?;
    match fields.as_slice() {
        [port] => Some(("0.0.0.0".to_owned(), port.parse().ok()?)),
        [host, port] => Some(((*host).to_owned(), port.parse().ok()?)),
        _ => None,
    }
}

/// Splits at colons, an IPv6 address in brackets being one field.
fn host_and_fields(text: &str) -> Option<Vec<&str>> {
    let Some(rest) = text.strip_prefix('[') else {
        return Some(text.split(':').collect());
    };
    let (host, rest) = rest.split_once(']')?;
    let mut fields = vec![host];
    if !rest.is_empty() {
        fields.extend(rest.strip_prefix(':')?.split(':'));
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<QuorumConfig, String> {
        let file = Properties::parse("zoo.cfg", text.as_bytes()).unwrap();
        QuorumConfig::parse(&file, false, false).map_err(|error| error.message)
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
    }

    #[test]
    fn broken_server_lines_name_the_line() {
        for (text, part) in [
            (
                "\nserver.1=a:2888",
                "zoo.cfg, line 2: server.1=a:2888 does not have the form",
            ),
            ("server.x=a:1:2", "x is not a server's number"),
            ("server.1=a:1:1", "must be different"),
            ("server.1=a:1:2:king", "Unrecognised peertype: king"),
            ("server.1=a:1:2|b:1:2", "multiAddress.enabled"),
            ("server.1=a:1:2;3;4", "does not have the form"),
            ("server.1=a:x:2", "no number: x"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
