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
        tries.spawn(async move {
            match timeout(patience, connect_one(&host, port)).await {
                Ok(Ok(stream)) => Ok(stream),
                Ok(Err(error)) => Err(format!("{host}:{port}: {error}")),
                Err(_) => Err(format!(
                    "{host}:{port}: no answer in {} ms",
                    patience.as_millis()
                )),
            }
        });
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

async fn connect_one(host: &str, port: u16) -> std::io::Result<TcpStream> {
    let mut last = std::io::Error::other("the name has no address");
    for address in lookup_host((host, port)).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}
