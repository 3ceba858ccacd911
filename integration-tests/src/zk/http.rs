//! A plain HTTP client for what servers tell operators: one request, one connection.
#![allow(clippy::disallowed_methods, reason = "talks to real servers")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::proc::LIMIT;

/// What came back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpAnswer {
    /// 0 when the connection ended without an answer
    pub status: u16,
    /// names in lower case
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl HttpAnswer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body, which must be JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }
}

pub fn http_get(addr: SocketAddr, path: &str, headers: &[(&str, &str)]) -> HttpAnswer {
    request(addr, "GET", path, headers, b"")
}

pub fn http_post(
    addr: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> HttpAnswer {
    request(addr, "POST", path, headers, body)
}

fn request(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> HttpAnswer {
    let exchange = || -> std::io::Result<Vec<u8>> {
        let mut socket = TcpStream::connect(addr)?;
        socket.set_read_timeout(Some(LIMIT))?;
        // 1.0: the answer comes in one piece and ends with the connection.
        let mut head = format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if method == "POST" {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        socket.write_all(head.as_bytes())?;
        // A server may answer before it has read all.
        let _ = socket.write_all(body);
        let mut bytes = Vec::new();
        let ended = socket.read_to_end(&mut bytes);
        if bytes.is_empty() {
            ended?;
        }
        Ok(bytes)
    };
    parse(&exchange().unwrap_or_default()).unwrap_or_default()
}

fn parse(bytes: &[u8]) -> Option<HttpAnswer> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    Some(HttpAnswer {
        status,
        headers: headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect(),
        body: bytes[end + 4..].to_vec(),
    })
}
