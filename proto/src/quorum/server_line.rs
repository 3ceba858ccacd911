//! One `server.N` line of an ensemble's configuration: `host:port:port[:role][;[host:]port]`, several
//! addresses with `|` between them (Java: `QuorumPeer.QuorumServer`). Names are not resolved here.

use std::fmt;
use std::net::IpAddr;

use super::config::ConfigTextError;
use crate::properties::Place;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Participant,
    Observer,
}

impl Role {
    /// `participant` or `observer` in any case.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "participant" => Some(Self::Participant),
            "observer" => Some(Self::Observer),
            _ => None,
        }
    }
}

/// One server. Equal to another one when Java calls them equal: where it was written does not count.
#[derive(Debug, Clone)]
pub struct QuorumServer {
    pub id: i64,
    /// host, port for the leader's data, port for elections; more than one with multi-address
    pub addresses: Vec<(String, u16, u16)>,
    pub role: Role,
    /// host (0.0.0.0 when only a port is given) and port for clients
    pub client: Option<(String, u16)>,
    pub place: Place,
}

const FORM: &str = "does not have the form server_config or server_config;client_config where \
    server_config is the pipe separated list of host:port:port or host:port:port:type and \
    client_config is port or host:port";

impl QuorumServer {
    pub fn parse(
        id: i64,
        text: &str,
        place: &Place,
        multi_address: bool,
    ) -> Result<Self, ConfigTextError> {
        let bad = |what: &str| ConfigTextError(format!("{place}: server.{id}={text} {what}."));
        let mut parts = text.split(';');
        let addresses = parts.next().unwrap_or_default();
        let client = match parts.next() {
            Some(client) => Some(client_address(client).ok_or_else(|| bad(FORM))?),
            None => None,
        };
        if parts.next().is_some() {
            return Err(bad(FORM));
        }
        let mut server = Self {
            id,
            addresses: Vec::new(),
            role: Role::Participant,
            client,
            place: place.clone(),
        };
        let mut role = None;
        for address in addresses.split('|') {
            let (address, kind) = one_address(address).map_err(|what| bad(&what))?;
            server.addresses.push(address);
            if let Some(kind) = kind {
                if role.is_some_and(|known| known != kind) {
                    return Err(bad("has addresses with different roles"));
                }
                role = Some(kind);
            }
        }
        if server.addresses.len() > 1 && !multi_address {
            return Err(bad(
                "has several addresses: set multiAddress.enabled=true or keep one",
            ));
        }
        server.role = role.unwrap_or(Role::Participant);
        Ok(server)
    }

    fn sorted(&self) -> Vec<&(String, u16, u16)> {
        let mut addresses: Vec<_> = self.addresses.iter().collect();
        addresses.sort();
        addresses.dedup();
        addresses
    }
}

impl PartialEq for QuorumServer {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
            && self.role == other.role
            && self.client == other.client
            && self.sorted() == other.sorted()
    }
}

impl Eq for QuorumServer {}

/// The value of the line as Java writes it: the role always, the client address in full, IPv6 addresses
/// in brackets and without `::`.
impl fmt::Display for QuorumServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (host, data, election)) in self.sorted().into_iter().enumerate() {
            let bar = if i > 0 { "|" } else { "" };
            write!(f, "{bar}{}:{data}:{election}", bracketed(host))?;
        }
        f.write_str(match self.role {
            Role::Participant => ":participant",
            Role::Observer => ":observer",
        })?;
        match &self.client {
            Some((host, port)) => write!(f, ";{}:{port}", bracketed(host)),
            None => Ok(()),
        }
    }
}

type ServerAddress = (String, u16, u16);

/// `host:port:port[:role]`
fn one_address(text: &str) -> Result<(ServerAddress, Option<Role>), String> {
    let fields = host_and_fields(text).ok_or(FORM)?;
    let [host, data, election, kind @ ..] = fields.as_slice() else {
        return Err(FORM.to_owned());
    };
    let port = |text: &str| {
        text.parse::<u16>()
            .map_err(|_| format!("has a port that is no number: {text}"))
    };
    let (data, election) = (port(data)?, port(election)?);
    if data == election {
        return Err(
            "needs two different ports: Client and election port must be different".to_owned(),
        );
    }
    let role = match kind {
        [] => None,
        [kind] => {
            Some(Role::parse(kind).ok_or_else(|| format!("is an Unrecognised peertype: {kind}"))?)
        }
        _ => return Err(FORM.to_owned()),
    };
    Ok((((*host).to_owned(), data, election), role))
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
pub(super) fn host_and_fields(text: &str) -> Option<Vec<&str>> {
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

/// A host as Java prints it before a port.
pub(super) fn bracketed(host: &str) -> String {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(ip)) => match ip.to_ipv4_mapped() {
            Some(ip) => ip.to_string(),
            None => {
                let groups = ip.segments().map(|group| format!("{group:x}"));
                format!("[{}]", groups.join(":"))
            }
        },
        _ if host.contains(':') => format!("[{host}]"),
        _ => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<QuorumServer, String> {
        let place = Place {
            source: "zoo.cfg".into(),
            line: 2,
        };
        QuorumServer::parse(1, text, &place, true).map_err(|error| error.to_string())
    }

    #[test]
    fn lines_are_written_as_java_writes_them() {
        for (read, written) in [
            ("a:2888:3888", "a:2888:3888:participant"),
            ("a:1:2:OBSERVER;2181", "a:1:2:observer;0.0.0.0:2181"),
            (
                "[::1]:1:2;[fe80::2]:3",
                "[0:0:0:0:0:0:0:1]:1:2:participant;[fe80:0:0:0:0:0:0:2]:3",
            ),
            ("b:1:2|a:3:4:participant;c:5", "a:3:4|b:1:2:participant;c:5"),
        ] {
            let server = parse(read).unwrap();
            assert_eq!(server.to_string(), written);
            assert_eq!(parse(written).unwrap().to_string(), written);
        }
        assert_eq!(parse("b:1:2|a:3:4").unwrap(), parse("a:3:4|b:1:2").unwrap());
        assert_ne!(parse("a:1:2;3").unwrap(), parse("a:1:2").unwrap());
    }

    #[test]
    fn broken_lines_say_what_is_wrong() {
        for (text, part) in [
            (
                "a:2888",
                "zoo.cfg, line 2: server.1=a:2888 does not have the form",
            ),
            ("a:1:1", "must be different"),
            ("a:1:2:king", "Unrecognised peertype: king"),
            ("a:1:2|b:1:2:observer|c:1:2:participant", "different roles"),
            ("a:1:2;3;4", "does not have the form"),
            ("a:x:2", "no number: x"),
            ("[::1:2:3", "does not have the form"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
