//! Name resolution, connecting, and the question whether a server is read-write.

use std::io;
use std::time::Duration;

use proto::zk::client::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Connects to the first of the server's addresses that answers; its name is resolved anew each
/// time, since servers move. The caller limits the time.
pub(super) async fn dial(server: Server) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in tokio::net::lookup_host((server.host.as_str(), server.port)).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Whether the server answers `isro` with `rw`, within a second.
pub(super) async fn is_read_write(server: Server) -> bool {
    let ask = async {
        let mut stream = dial(server).await?;
        stream.write_all(b"isro").await?;
        let mut answer = Vec::new();
        stream.take(16).read_to_end(&mut answer).await?;
        io::Result::Ok(answer.starts_with(b"rw"))
    };
    matches!(timeout(Duration::from_secs(1), ask).await, Ok(Ok(true)))
}
