//! `host1:2181,host2:2181/chroot` (Java: `ConnectStringParser`, `NetUtils`), and paths below a
//! chroot (Java: `ZooKeeper.prependChroot`, `ClientCnxn.stripChroot`).

use std::borrow::Cow;
use std::fmt;

use crate::zk::path::{self, PathError};

const DEFAULT_PORT: u16 = 2181;

/// One server of a connect string, not resolved.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Server {
    pub host: String,
    pub port: u16,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Why a connect string is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectStringError {
    #[error("connect string \"{0}\" names no server")]
    NoServer(String),
    #[error("\"{port}\" is not a port number, in \"{server}\" of the connect string")]
    BadPort { server: String, port: String },
    #[error("connect string \"{text}\": the chroot is not a path: {source}")]
    BadChroot { text: String, source: PathError },
}

/// A parsed connect string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectString {
    pub servers: Vec<Server>,
    pub chroot: Chroot,
}

impl ConnectString {
    pub fn parse(text: &str) -> Result<Self, ConnectStringError> {
        let (hosts, chroot) = match text.find('/') {
            None => (text, Chroot::default()),
            Some(at) => {
                let chroot =
                    Chroot::new(&text[at..]).map_err(|source| ConnectStringError::BadChroot {
                        text: text.to_owned(),
                        source,
                    })?;
                (&text[..at], chroot)
            }
        };
        let servers = hosts
            .split(',')
            .map(str::trim)
            .filter(|server| !server.is_empty())
            .map(parse_server)
            .collect::<Result<Vec<_>, _>>()?;
        if servers.is_empty() {
            return Err(ConnectStringError::NoServer(text.to_owned()));
        }
        Ok(Self { servers, chroot })
    }
}

fn parse_server(text: &str) -> Result<Server, ConnectStringError> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':').unwrap_or_default()),
        None => text.rsplit_once(':').unwrap_or((text, "")),
    };
    let port = match port {
        "" => DEFAULT_PORT,
        port => port.parse().map_err(|_| ConnectStringError::BadPort {
            server: text.to_owned(),
            port: port.to_owned(),
        })?,
    };
    Ok(Server {
        host: host.to_owned(),
        port,
    })
}

/// The znode below which a client sees its whole world; by default the root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chroot(Option<Box<str>>);

impl Chroot {
    /// A chroot of `/` is none.
    pub fn new(chroot: &str) -> Result<Self, PathError> {
        path::validate(chroot)?;
        Ok(Self((chroot.len() > 1).then(|| chroot.into())))
    }

    /// The chroot's path; `/` when there is none.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or("/")
    }

    /// The path that the server knows.
    pub fn to_server<'a>(&self, client_path: &'a str) -> Cow<'a, str> {
        match &self.0 {
            None => Cow::Borrowed(client_path),
            Some(chroot) if client_path.len() == 1 => Cow::Owned(chroot.to_string()),
            Some(chroot) => Cow::Owned(format!("{chroot}{client_path}")),
        }
    }

    /// The path that the client knows. What is not below the chroot (`/zookeeper/config` is not)
    /// stays as it is.
    pub fn to_client<'a>(&self, server_path: &'a str) -> &'a str {
        let Some(rest) = self.0.as_deref().and_then(|c| server_path.strip_prefix(c)) else {
            return server_path;
        };
        match rest.as_bytes().first() {
            None => "/",
            Some(b'/') => rest,
            Some(_) => server_path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(text: &str) -> Vec<String> {
        let parsed = ConnectString::parse(text).unwrap();
        parsed.servers.iter().map(Server::to_string).collect()
    }

    #[test]
    fn hosts_ports_and_chroot() {
        assert_eq!(servers("localhost"), ["localhost:2181"]);
        assert_eq!(servers("a:1, b:2 ,c"), ["a:1", "b:2", "c:2181"]);
        assert_eq!(
            servers("[::1]:2182,[fe80::1]"),
            ["[::1]:2182", "[fe80::1]:2181"]
        );
        let parsed = ConnectString::parse("a:1,b:2/kafka/x").unwrap();
        assert_eq!(parsed.chroot.as_str(), "/kafka/x");
        assert_eq!(ConnectString::parse("a/").unwrap().chroot.as_str(), "/");
    }

    #[test]
    fn refusals_name_the_part() {
        let message = |text| ConnectString::parse(text).unwrap_err().to_string();
        assert_eq!(
            message("a:b"),
            "\"b\" is not a port number, in \"a:b\" of the connect string"
        );
        assert_eq!(message("/x"), "connect string \"/x\" names no server");
        assert!(message("a/x/").contains("must not end with /"));
    }

    #[test]
    fn paths_cross_the_chroot() {
        let chroot = Chroot::new("/app").unwrap();
        assert_eq!(chroot.to_server("/"), "/app");
        assert_eq!(chroot.to_server("/x"), "/app/x");
        assert_eq!(chroot.to_client("/app"), "/");
        assert_eq!(chroot.to_client("/app/x"), "/x");
        assert_eq!(chroot.to_client("/apple"), "/apple");
        assert_eq!(chroot.to_client("/zookeeper/config"), "/zookeeper/config");
    }
}
