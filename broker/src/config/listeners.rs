//! Listener addresses: what to bind, what to publish, and the ones no client could use. Never
//! resolves a name. Mirrors kafka.cluster.EndPoint, SocketServerConfigs.listenerListToEndPoints
//! and the listener checks of kafka.server.KafkaConfig.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::net::IpAddr;

use super::settings::{ConfigError, Settings};

/// How a listener's bytes are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityProtocol {
    Plaintext,
    Ssl,
    SaslPlaintext,
    SaslSsl,
}

impl SecurityProtocol {
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "PLAINTEXT" => Self::Plaintext,
            "SSL" => Self::Ssl,
            "SASL_PLAINTEXT" => Self::SaslPlaintext,
            "SASL_SSL" => Self::SaslSsl,
            _ => return None,
        })
    }

    /// Its number in requests among brokers (SecurityProtocol.id).
    pub fn id(self) -> i16 {
        match self {
            Self::Plaintext => 0,
            Self::Ssl => 1,
            Self::SaslPlaintext => 2,
            Self::SaslSsl => 3,
        }
    }

    pub fn from_id(id: i16) -> Option<Self> {
        [
            Self::Plaintext,
            Self::Ssl,
            Self::SaslPlaintext,
            Self::SaslSsl,
        ]
        .into_iter()
        .find(|protocol| protocol.id() == id)
    }
}

impl fmt::Display for SecurityProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        })
    }
}

/// One listener: its name, address and protection. An empty host is "all interfaces" where it is
/// bound, and "this host's name" where it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndPoint {
    pub name: String,
    pub host: String,
    pub port: u16,
    pub protocol: SecurityProtocol,
}

impl fmt::Display for EndPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "{}://[{}]:{}", self.name, self.host, self.port)
        } else {
            write!(f, "{}://{}:{}", self.name, self.host, self.port)
        }
    }
}

/// NAME -> protocol, as listener.security.protocol.map and registrations have it.
pub(crate) type ProtocolMap = BTreeMap<String, SecurityProtocol>;

pub(crate) fn default_protocol_map() -> ProtocolMap {
    ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), SecurityProtocol::from_name(name)?)))
        .collect()
}

/// Reads `NAME://host:port`.
pub(crate) fn parse_end_point(text: &str, map: &ProtocolMap) -> Result<EndPoint, String> {
    let malformed = || format!("{text} is no listener: write NAME://host:port");
    let (name, address) = text.split_once("://").ok_or_else(malformed)?;
    let (host, port) = address.rsplit_once(':').ok_or_else(malformed)?;
    let host = host
        .strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .unwrap_or(host);
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-%._:".contains(&b);
    if name.is_empty() || !host.bytes().all(allowed) {
        return Err(malformed());
    }
    let port = port.parse().map_err(|_| malformed())?;
    let name = name.to_ascii_uppercase();
    let protocol = *map.get(&name).ok_or_else(|| {
        format!(
            "listener {name} has no entry in listener.security.protocol.map: add {name}:PLAINTEXT"
        )
    })?;
    Ok(EndPoint {
        name,
        host: host.to_owned(),
        port,
        protocol,
    })
}

fn protocol_map(settings: &Settings) -> Result<ProtocolMap, ConfigError> {
    const KEY: &str = "listener.security.protocol.map";
    let Some((text, _)) = settings.text(KEY) else {
        return Ok(default_protocol_map());
    };
    let mut map = ProtocolMap::new();
    for entry in text
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
    {
        let (name, protocol) = entry
            .rsplit_once(':')
            .ok_or_else(|| settings.invalid(KEY, format!("{entry} is no NAME:PROTOCOL pair")))?;
        let protocol = SecurityProtocol::from_name(protocol.trim()).ok_or_else(|| {
            settings.invalid(
                KEY,
                format!("{protocol} is none of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"),
            )
        })?;
        map.insert(name.trim().to_ascii_uppercase(), protocol);
    }
    Ok(map)
}

fn parse_list(
    settings: &Settings,
    key: &str,
    text: &str,
    map: &ProtocolMap,
) -> Result<Vec<EndPoint>, ConfigError> {
    let mut points: Vec<EndPoint> = Vec::new();
    for entry in text
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
    {
        let point =
            parse_end_point(entry, map).map_err(|problem| settings.invalid(key, problem))?;
        if points.iter().any(|other| other.name == point.name) {
            return Err(settings.invalid(key, "Each listener must have a different name"));
        }
        points.push(point);
    }
    if points.is_empty() {
        return Err(settings.invalid(key, "at least one listener must be given"));
    }
    Ok(points)
}

/// The listeners of one broker, checked against each other.
#[derive(Debug, Clone)]
pub(crate) struct Listeners {
    pub(crate) bound: Vec<EndPoint>,
    /// what is published; an empty host stands for this host's name, port 0 for the bound one
    pub(crate) advertised: Vec<EndPoint>,
    pub(crate) inter_broker: String,
}

/// The key and the text that `listeners` or, without it, the keys of old versions give.
fn legacy<'a>(settings: &'a Settings, keys: (&'a str, &str, &str)) -> (&'a str, String) {
    let (list, host, port) = keys;
    if let Some((text, _)) = settings.text(list) {
        return (list, text.to_owned());
    }
    let text = |key: &str| settings.text(key).map(|(text, _)| text);
    let host = text(host).unwrap_or("");
    let port = text(port).or(text("port")).unwrap_or("9092");
    (list, format!("PLAINTEXT://{host}:{port}"))
}

impl Listeners {
    pub(crate) fn read(settings: &Settings) -> Result<Self, ConfigError> {
        let map = protocol_map(settings)?;
        let (key, text) = legacy(settings, ("listeners", "host.name", "port"));
        let bound = parse_list(settings, key, &text, &map)?;
        let mut ports = HashSet::new();
        for point in &bound {
            if point.port != 0 && !ports.insert((point.port, is_v6(&point.host))) {
                return Err(settings.invalid(key, "Each listener must have a different port"));
            }
            if point.protocol != SecurityProtocol::Plaintext {
                let problem = format!(
                    "listener {} wants {}, which this version does not serve: use PLAINTEXT listeners",
                    point.name, point.protocol
                );
                return Err(settings.invalid(key, problem));
            }
        }
        let advertised = Self::advertised(settings, &map, &bound)?;
        let inter_broker = Self::inter_broker(settings, &advertised)?;
        Ok(Self {
            bound,
            advertised,
            inter_broker,
        })
    }

    fn advertised(
        settings: &Settings,
        map: &ProtocolMap,
        bound: &[EndPoint],
    ) -> Result<Vec<EndPoint>, ConfigError> {
        let old = settings.is_set("advertised.host.name") || settings.is_set("advertised.port");
        let set = settings.is_set("advertised.listeners");
        let old = old && !settings.is_set("listeners");
        let (key, points) = if set || old {
            let keys = (
                "advertised.listeners",
                "advertised.host.name",
                "advertised.port",
            );
            let (key, text) = legacy(settings, keys);
            (
                if set { key } else { "advertised.host.name" },
                parse_list(settings, key, &text, map)?,
            )
        } else {
            ("listeners", bound.to_vec())
        };
        for point in &points {
            if !bound.iter().any(|other| other.name == point.name) {
                let problem = format!("{} is not among the names in listeners", point.name);
                return Err(settings.invalid(key, problem));
            }
            if let Some(why) = unreachable(&point.host) {
                let problem = format!(
                    "clients cannot connect to {}, {why}: set advertised.listeners={}://ADDRESS:{} \
                     with an address of this host that clients reach",
                    point.host, point.name, point.port
                );
                return Err(settings.invalid(key, problem));
            }
            let port_of_listener = bound.iter().any(|o| o.name == point.name && o.port == 0);
            if point.port == 0 && !port_of_listener {
                return Err(
                    settings.invalid(key, "clients cannot connect to port 0: give the port")
                );
            }
        }
        Ok(points)
    }

    fn inter_broker(settings: &Settings, points: &[EndPoint]) -> Result<String, ConfigError> {
        const NAME: &str = "inter.broker.listener.name";
        const PROTOCOL: &str = "security.inter.broker.protocol";
        if let Some((name, _)) = settings.text(NAME) {
            if settings.is_set(PROTOCOL) {
                return Err(settings.invalid(
                    NAME,
                    format!("only one of {NAME} and {PROTOCOL} may be set"),
                ));
            }
            let name = name.trim().to_ascii_uppercase();
            if !points.iter().any(|point| point.name == name) {
                return Err(settings.invalid(NAME, "it must be a name in advertised.listeners"));
            }
            return Ok(name);
        }
        let name = settings
            .text(PROTOCOL)
            .map_or("PLAINTEXT", |(text, _)| text);
        if points.iter().any(|point| point.name == name) {
            return Ok(name.to_owned());
        }
        let problem =
            format!("no listener is named {name}: set {NAME} to the one that brokers use");
        let key = if settings.is_set(PROTOCOL) {
            PROTOCOL
        } else {
            "listeners"
        };
        Err(settings.invalid(key, problem))
    }
}

fn is_v6(host: &str) -> bool {
    host.contains(':')
}

/// Why no client can ever connect to this host.
fn unreachable(host: &str) -> Option<&'static str> {
    match host.parse::<IpAddr>() {
        Ok(ip) if ip.is_unspecified() => Some("the address that means all interfaces"),
        Ok(ip) if ip.is_multicast() => Some("a multicast address"),
        Ok(IpAddr::V4(ip)) if ip.is_broadcast() => Some("the broadcast address"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proto::properties::Properties;

    use super::*;

    fn read(text: &str) -> Result<Listeners, String> {
        let file = Properties::parse("f", text.as_bytes()).unwrap();
        Listeners::read(&Settings::new(file, &[]).unwrap()).map_err(|e| e.to_string())
    }

    fn shown(points: &[EndPoint]) -> String {
        points
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(",")
    }

    #[test]
    fn the_newest_key_wins_and_the_oldest_still_work() {
        let both = |text| {
            read(text)
                .map(|l| (shown(&l.bound), shown(&l.advertised)))
                .unwrap()
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(both(""), pair("PLAINTEXT://:9092", "PLAINTEXT://:9092"));
        assert_eq!(
            both("host.name=h\nport=1\n"),
            pair("PLAINTEXT://h:1", "PLAINTEXT://h:1")
        );
        assert_eq!(
            both("port=1\nadvertised.host.name=a\n"),
            pair("PLAINTEXT://:1", "PLAINTEXT://a:1")
        );
        assert_eq!(
            both("port=1\nadvertised.port=7\n"),
            pair("PLAINTEXT://:1", "PLAINTEXT://:7")
        );
        assert_eq!(
            both("listeners=PLAINTEXT://[::1]:9\nhost.name=x\nadvertised.host.name=y"),
            pair("PLAINTEXT://[::1]:9", "PLAINTEXT://[::1]:9")
        );
    }

    #[test]
    fn refuses_what_no_client_can_reach() {
        let error = read("listeners=PLAINTEXT://0.0.0.0:9092").unwrap_err();
        assert!(error.starts_with("f, line 1: listeners="), "{error}");
        assert!(
            error.contains("set advertised.listeners=PLAINTEXT://ADDRESS:9092"),
            "{error}"
        );
        for bad in ["[::]:1", "224.0.0.1:1", "255.255.255.255:1", "h:0"] {
            assert!(
                read(&format!("advertised.listeners=PLAINTEXT://{bad}")).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn refuses_protocols_that_are_not_served_and_names_that_do_not_match() {
        for bad in [
            "listeners=SSL://:9093\nadvertised.listeners=SSL://h:9093",
            "listeners=A://:1",
            "listeners=PLAINTEXT://:1,PLAINTEXT://:2",
            "listeners=PLAINTEXT://:1,B://:1\nlistener.security.protocol.map=B:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "advertised.listeners=B://h:1\nlistener.security.protocol.map=B:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "inter.broker.listener.name=X",
            "listeners=PLAINTEXT:/:1",
            "listeners=PLAINTEXT://:99999",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let named = read(
            "listeners=IN://:1,OUT://:2\ninter.broker.listener.name=in\n\
             listener.security.protocol.map=IN:PLAINTEXT,OUT:PLAINTEXT",
        );
        assert_eq!(named.unwrap().inter_broker, "IN");
    }
}
