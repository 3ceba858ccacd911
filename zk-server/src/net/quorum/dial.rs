//! Connecting to a server's quorum port (Java: `Learner.connectToLeader`, `LeaderConnector`): names
//! are resolved on every try, all addresses are tried at once, and the first that answers is taken.

use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Connects, or says what was tried.
pub(super) async fn connect(
    addresses: Vec<(String, u16)>,
    patience: Duration,
) -> Result<TcpStream, String> {
    let mut tries = JoinSet::new();
    for (host, port) in addresses {
        tries.spawn(async move { connect_one(&host, port, patience).await });
    }
    let mut failed = Vec::new();
    while let Some(tried) = tries.join_next().await {
        match tried {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(why)) => failed.push(why),
            Err(error) => failed.push(error.to_string()),
        }
    }
    if failed.is_empty() {
        failed.push("the configuration has no address for this server".to_owned());
    }
    Err(failed.join("; "))
}

async fn connect_one(host: &str, port: u16, patience: Duration) -> Result<TcpStream, String> {
    let mut last = format!("{host}:{port}: the name has no address");
    let resolved = lookup_host((host, port)).await;
    for address in resolved.map_err(|error| format!("{host}:{port}: {error}"))? {
        let why = match timeout(patience, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer in {} ms", patience.as_millis()),
        };
        last = match address.ip().to_string() == host {
            true => format!("{host}:{port}: {why}"),
            false => format!("{host}:{port} ({}): {why}", address.ip()),
        };
    }
    Err(last)
}
