//! Connecting to a server's election port (Java: `QuorumCnxManager.initiateConnection`). Names are
//! resolved on every try; of several addresses the first that answers is taken.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use proto::quorum::{Address, InitialMessage};
use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{ElectionNet, ElectionNetSettings};

/// A further address is tried when those before it have not answered for so long.
const HEAD_START: Duration = Duration::from_millis(250);

/// Dials, says who this is, and stays with the connection if it is kept.
pub(super) async fn run(
    net: Arc<ElectionNet>,
    server: i64,
    addresses: Vec<Address>,
    initial: InitialMessage,
) {
    let patience = net.settings.connect_timeout;
    let (mut stream, remote) = match connect(addresses, patience).await {
        Ok(connected) => connected,
        Err(failed) => {
            return net.drive_and_tell(|links, now, out| {
                links.dial_failed(server, failed.refused, &failed.reason, now, out);
            });
        }
    };
    prepare(&stream, &net.settings);
    let mut hello = Vec::new();
    initial.encode(net.settings.multi_address, &mut hello);
    if let Err(error) = stream.write_all(&hello).await {
        let reason = format!("{remote}: {error}");
        return net.drive_and_tell(|links, now, out| {
            links.dial_failed(server, false, &reason, now, out);
        });
    }
    let (wire, slot) = net.add();
    net.drive_and_tell(|links, now, out| links.dialled(server, wire, remote, now, out));
    net.run(wire, &slot, stream, BytesMut::new()).await;
}

/// Options of any connection of the election port.
pub(super) fn prepare(stream: &TcpStream, settings: &ElectionNetSettings) {
    let _ = stream.set_nodelay(true);
    if settings.keep_alive {
        let _ = SockRef::from(stream).set_keepalive(true);
    }
}

/// A vote that was not received must not wait for a network that is gone, while another address of
/// that server would answer. Java asks for an answer before it sends a vote; here the system watches for
/// that of each vote.
pub(super) fn limit(stream: &TcpStream, patience: Duration) {
    #[cfg(target_os = "linux")]
    let _ = SockRef::from(stream).set_tcp_user_timeout(Some(patience));
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, patience);
}

pub(super) struct Failed {
    /// every address has a host, which says that nothing listens
    refused: bool,
    reason: String,
}

async fn connect(
    addresses: Vec<Address>,
    patience: Duration,
) -> Result<(TcpStream, IpAddr), Failed> {
    let mut tries = JoinSet::new();
    for (before, address) in (0u32..).zip(addresses) {
        tries.spawn(async move {
            tokio::time::sleep(HEAD_START * before).await;
            let tried = timeout(patience, connect_one(&address)).await;
            tried.unwrap_or_else(|_| {
                let reason = format!("{address}: no answer in {} ms", patience.as_millis());
                Err(Failed {
                    refused: false,
                    reason,
                })
            })
        });
    }
    let mut all = Failed {
        refused: true,
        reason: String::new(),
    };
    while let Some(tried) = tries.join_next().await {
        match tried {
            Ok(Ok(connected)) => return Ok(connected),
            Ok(Err(failed)) => {
                all.refused &= failed.refused;
                if !all.reason.is_empty() {
                    all.reason.push_str("; ");
                }
                all.reason.push_str(&failed.reason);
            }
            Err(_) => all.refused = false,
        }
    }
    Err(all)
}

pub(super) async fn connect_one(address: &Address) -> Result<(TcpStream, IpAddr), Failed> {
    let failed = |refused, reason: String| Failed { refused, reason };
    let resolved = lookup_host((address.host.as_str(), address.port)).await;
    let resolved = resolved.map_err(|error| failed(false, format!("{address}: {error}")))?;
    let (mut last, mut refused) = (format!("{address}: the name has no address"), false);
    for (nth, resolved) in resolved.enumerate() {
        match TcpStream::connect(resolved).await {
            Ok(stream) => return Ok((stream, resolved.ip())),
            Err(error) => {
                let this = error.kind() == io::ErrorKind::ConnectionRefused;
                refused = this && (refused || nth == 0);
                last = match resolved.ip().to_string() == address.host {
                    true => format!("{address}: {error}"),
                    false => format!("{address} ({}): {error}", resolved.ip()),
                };
            }
        }
    }
    Err(failed(refused, last))
}
