//! A connection of the election port that is kept: the newest message goes out, notifications come in
//! (Java: `SendWorker`, `RecvWorker`).

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::{Buf, Bytes, BytesMut};
use proto::quorum::Notification;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::{ElectionNet, Heard};

/// What the rules say about a connection, for its task.
#[derive(Debug, Default)]
pub(super) struct Slot {
    server: OnceLock<i64>,
    newest: Mutex<Option<Bytes>>,
    ring: Notify,
    closed: AtomicBool,
}

impl Slot {
    pub(super) fn write(&self, message: Bytes) {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(message);
        self.ring.notify_one();
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.ring.notify_one();
    }

    pub(super) fn keep(&self, server: i64) {
        let _ = self.server.set(server);
    }

    /// Whose connection it is; none while it is not kept.
    pub(super) fn server(&self) -> Option<i64> {
        self.server.get().copied()
    }

    fn take(&self) -> Option<Bytes> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.take()
    }
}

/// Returns why it ended.
pub(super) async fn run(
    net: &Arc<ElectionNet>,
    server: i64,
    slot: &Slot,
    mut stream: TcpStream,
    read: BytesMut,
) -> String {
    let remote = stream.peer_addr();
    let remote = remote.map_or(IpAddr::from([0; 4]), |at| at.ip().to_canonical());
    let (reader, writer) = stream.split();
    tokio::select! {
        end = receive(net, server, remote, reader, read) => end,
        end = send(slot, writer) => match end {
            Ok(()) => "closed by this server".to_owned(),
            Err(error) => error.to_string(),
        },
    }
}

async fn send(slot: &Slot, mut writer: impl AsyncWriteExt + Unpin) -> io::Result<()> {
    loop {
        while let Some(message) = slot.take() {
            writer.write_all(&message).await?;
        }
        if slot.closed.load(Ordering::Acquire) {
            return Ok(());
        }
        slot.ring.notified().await;
    }
}

async fn receive(
    net: &Arc<ElectionNet>,
    server: i64,
    remote: IpAddr,
    mut reader: impl AsyncReadExt + Unpin,
    mut read: BytesMut,
) -> String {
    loop {
        loop {
            match next_message(&mut read) {
                Ok(Some(message)) => heard(net, server, remote, &message),
                Ok(None) => break,
                Err(length) => {
                    let why = format!(
                        "a message of {length} bytes from server {server}: 1 to {} are read",
                        Notification::LIMIT
                    );
                    let line = format!("Closing the connection of {remote} on the election port");
                    net.warn_of(remote, &line, &why);
                    return why;
                }
            }
        }
        match reader.read_buf(&mut read).await {
            Ok(0) => return "closed by the other server".to_owned(),
            Ok(_) => {}
            Err(error) => return error.to_string(),
        }
    }
}

fn heard(net: &Arc<ElectionNet>, from: i64, remote: IpAddr, message: &Bytes) {
    match Notification::decode(message) {
        Ok(notification) => {
            net.drive_and_tell(|links, now, out| links.heard(from, now, out));
            net.tell(Heard::Notification { from, notification });
        }
        // as Java does: the next one may be all right
        Err(error) => {
            let length = message.len();
            let line = format!(
                "Skipping the processing of a partial / malformed response message sent by sid={from} at {remote} (message length: {length})"
            );
            net.warn_of(remote, &line, &error.to_string());
        }
    }
}

/// A message behind its length; the length alone when it is out of range.
fn next_message(read: &mut BytesMut) -> Result<Option<Bytes>, i32> {
    let Some(head) = read.first_chunk::<4>() else {
        return Ok(None);
    };
    let length = i32::from_be_bytes(*head);
    let size = usize::try_from(length).map_err(|_| length)?;
    if size == 0 || size > Notification::LIMIT {
        return Err(length);
    }
    if read.len() < 4 + size {
        return Ok(None);
    }
    read.advance(4);
    Ok(Some(read.split_to(size).freeze()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_off_by_their_length() {
        let mut read = BytesMut::from(&[0, 0, 0, 2, 7, 8, 0, 0, 0, 1][..]);
        assert_eq!(next_message(&mut read), Ok(Some(vec![7, 8].into())));
        assert_eq!(next_message(&mut read), Ok(None));
        for bad in [0, -1, 512 * 1024 + 1] {
            let mut read = BytesMut::from(&i32::to_be_bytes(bad)[..]);
            assert_eq!(next_message(&mut read), Err(bad));
        }
    }
}
