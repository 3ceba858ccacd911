//! The first words on a connection to the election port (Java: `QuorumCnxManager.InitialMessage`):
//! who dials, and where that server listens for elections. Pure.

use std::fmt;

use bytes::{Buf, BytesMut};

use super::server_line::{bracketed, host_and_fields};
use crate::jute::Jute;

/// Host (a name or an address without brackets) and port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    pub host: String,
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", bracketed(&self.host), self.port)
    }
}

/// Why a connection is not one of a server. Each is a line for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InitialError {
    #[error("{0} speaks here, not a ZooKeeper server")]
    Foreign(&'static str),
    #[error("Got unrecognized protocol version {0}")]
    UnknownVersion(i64),
    #[error("Unreasonable buffer length: {length}, of server {server}")]
    BadLength { server: i64, length: i32 },
    #[error("Badly formed address: {text:?}, of server {server}")]
    BadAddress { server: i64, text: String },
}

/// A connection's first message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitialMessage {
    /// who dials
    pub server: i64,
    /// where it listens for elections; none from a 3.4 server
    pub addresses: Vec<Address>,
}

/// one address: 3.5 and later
const VERSION_1: i64 = -65536;
/// several addresses: 3.6 and later
const VERSION_2: i64 = -65535;
const LONGEST: i32 = 2048;

impl InitialMessage {
    /// `several`: the form with all addresses, which servers before 3.6 refuse.
    pub fn encode(&self, several: bool, out: &mut Vec<u8>) {
        let version = if several { VERSION_2 } else { VERSION_1 };
        version.write(out);
        self.server.write(out);
        let count = if several { self.addresses.len() } else { 1 };
        let addresses: Vec<String> = self
            .addresses
            .iter()
            .take(count)
            .map(Address::to_string)
            .collect();
        addresses.join("|").as_str().write(out);
    }

    /// Takes the message off `buf`, or nothing while it is incomplete.
    pub fn decode(buf: &mut BytesMut) -> Result<Option<Self>, InitialError> {
        if let Some(who) = foreign(buf) {
            return Err(InitialError::Foreign(who));
        }
        let mut r = crate::buf::Reader::new(buf);
        let Ok(version) = r.i64() else {
            return Ok(None);
        };
        if version >= 0 {
            buf.advance(8);
            return Ok(Some(Self {
                server: version,
                addresses: Vec::new(),
            }));
        }
        if version != VERSION_1 && version != VERSION_2 {
            return Err(InitialError::UnknownVersion(version));
        }
        let (Ok(server), Ok(length)) = (r.i64(), r.i32()) else {
            return Ok(None);
        };
        if length <= 0 || length > LONGEST {
            return Err(InitialError::BadLength { server, length });
        }
        let Ok(text) = r.take(length as usize) else {
            return Ok(None);
        };
        let addresses = addresses(server, &String::from_utf8_lossy(text))?;
        let taken = r.position();
        buf.advance(taken);
        Ok(Some(Self { server, addresses }))
    }
}

/// What else connects to a port that nobody told it to: a positive number to Java, and so a server's id.
fn foreign(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x16, 0x03, ..] => Some("TLS"),
        [b'G', b'E', b'T', b' ', ..]
        | [b'P', b'O', b'S', b'T', ..]
        | [b'H', b'E', b'A', b'D', ..]
        | [b'P', b'U', b'T', b' ', ..] => Some("HTTP"),
        [b'S', b'S', b'H', b'-', ..] => Some("SSH"),
        [first, ..] if first.is_ascii_alphanumeric() => Some("a text protocol"),
        _ => None,
    }
}

fn addresses(server: i64, text: &str) -> Result<Vec<Address>, InitialError> {
    let mut addresses = Vec::new();
    for part in text.split('|') {
        let bad = || InitialError::BadAddress {
            server,
            text: part.chars().take(256).collect(),
        };
        let fields = host_and_fields(part).ok_or_else(bad)?;
        let [host, port] = fields.as_slice() else {
            return Err(bad());
        };
        let port = port.parse().map_err(|_| bad())?;
        addresses.push(Address {
            host: (*host).to_owned(),
            port,
        });
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(host: &str, port: u16) -> Address {
        Address {
            host: host.to_owned(),
            port,
        }
    }

    fn decode(bytes: &[u8]) -> Result<Option<InitialMessage>, InitialError> {
        InitialMessage::decode(&mut BytesMut::from(bytes))
    }

    #[test]
    fn all_forms_are_read() {
        assert_eq!(
            decode(&3i64.to_be_bytes()).unwrap().unwrap(),
            InitialMessage {
                server: 3,
                addresses: vec![]
            }
        );
        let message = InitialMessage {
            server: 4,
            addresses: vec![
                address("pi-node13", 3888),
                address("fe80:0:0:0:0:0:0:1", 3889),
            ],
        };
        let mut one = Vec::new();
        message.encode(false, &mut one);
        assert_eq!(&one[..8], (-65536i64).to_be_bytes());
        assert_eq!(&one[20..], b"pi-node13:3888");
        assert_eq!(decode(&one).unwrap().unwrap().addresses.len(), 1);
        let mut all = Vec::new();
        message.encode(true, &mut all);
        assert_eq!(&all[20..], b"pi-node13:3888|[fe80:0:0:0:0:0:0:1]:3889");
        for cut in 0..all.len() {
            assert_eq!(decode(&all[..cut]), Ok(None), "{cut}");
        }
        assert_eq!(decode(&all), Ok(Some(message)));
    }

    #[test]
    fn strangers_are_named() {
        for (bytes, error) in [
            (&b"GET / HTTP/1.0\r\n"[..], "HTTP speaks here"),
            (b"\x16\x03\x01\x02\x00\x01", "TLS speaks here"),
            (b"ruok", "a text protocol speaks here"),
            (&(-7i64).to_be_bytes(), "unrecognized protocol version -7"),
        ] {
            let text = decode(bytes).unwrap_err().to_string();
            assert!(text.contains(error), "{text}");
        }
        let with = |length: i32, text: &str| {
            let mut out = (-65536i64).to_be_bytes().to_vec();
            out.extend(1i64.to_be_bytes());
            out.extend(length.to_be_bytes());
            out.extend(text.as_bytes());
            decode(&out).unwrap_err().to_string()
        };
        assert!(with(-1, "").contains("Unreasonable buffer length: -1, of server 1"));
        assert!(with(2049, "").contains("Unreasonable buffer length: 2049"));
        assert!(with(4, "host").contains("Badly formed address: \"host\""));
        assert!(with(6, "host:x").contains("Badly formed address"));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64), version in -65537i64..-65533) {
            let mut message = version.to_be_bytes().to_vec();
            message.extend(bytes);
            let _ = decode(&message);
        }
    }
}
