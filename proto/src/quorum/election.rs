//! Messages of the election port once a connection stands (Java:
//! `FastLeaderElection.Notification`). A message carries its length before it, which is the
//! connection's matter.

use bytes::Bytes;

use crate::buf::{ReadError, Reader};
use crate::jute::Jute;

/// Java's `QuorumPeer.ServerState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum PeerState {
    Looking = 0,
    Following = 1,
    Leading = 2,
    Observing = 3,
}

impl PeerState {
    pub fn from_number(number: i32) -> Option<Self> {
        Some(match number {
            0 => Self::Looking,
            1 => Self::Following,
            2 => Self::Leading,
            3 => Self::Observing,
            _ => return None,
        })
    }
}

/// A server's vote, told to another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    pub state: PeerState,
    /// whom it votes for
    pub leader: i64,
    /// last zxid of that server
    pub zxid: i64,
    /// the round of the election (Java: `electionEpoch`, the logical clock)
    pub round: i64,
    /// `currentEpoch` of that server
    pub peer_epoch: i64,
    /// format: 0 before 3.4.6, 1, and 2 with a configuration
    pub version: i32,
    /// the sender's configuration as text; empty when it sent none
    pub config: Bytes,
}

impl Notification {
    /// What 3.5 and later send.
    pub const VERSION: i32 = 2;
    /// Longest message that is read (Java: `QuorumCnxManager.PACKETMAXSIZE`).
    pub const LIMIT: usize = 512 * 1024;

    /// The message without its length. Formats before 2 take 40 bytes and no configuration.
    pub fn encode(&self, out: &mut Vec<u8>) {
        (self.state as i32).write(out);
        self.leader.write(out);
        self.zxid.write(out);
        self.round.write(out);
        self.peer_epoch.write(out);
        self.version.write(out);
        if self.version > 1 {
            Some(self.config.as_ref()).write(out);
        }
    }

    /// One whole message, of any age: 28 bytes from before 3.4, 36 or 40 of 3.4, longer ones since.
    pub fn decode(message: &Bytes) -> Result<Self, ReadError> {
        let mut r = Reader::new(message);
        let state = PeerState::from_number(r.i32()?).ok_or(ReadError::Invalid("server state"))?;
        let (leader, zxid, round) = (r.i64()?, r.i64()?, r.i64()?);
        let peer_epoch = match r.is_empty() {
            true => zxid >> 32,
            false => r.i64()?,
        };
        let version = r.i32().unwrap_or_default();
        let mut config = Bytes::new();
        if version > 1 {
            let length = r.i32()?;
            let length =
                usize::try_from(length).map_err(|_| ReadError::BadLength(length.into()))?;
            let at = r.position();
            r.take(length)?;
            config = message.slice(at..at + length);
        }
        Ok(Self {
            state,
            leader,
            zxid,
            round,
            peer_epoch,
            version,
            config,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn notification() -> Notification {
        Notification {
            state: PeerState::Following,
            leader: 3,
            zxid: 0x5_0000_0007,
            round: 9,
            peer_epoch: 6,
            version: 2,
            config: Bytes::from_static(b"server.1=a:1:2:participant\nversion=0"),
        }
    }

    fn bytes(notification: &Notification) -> Bytes {
        let mut out = Vec::new();
        notification.encode(&mut out);
        out.into()
    }

    #[test]
    fn messages_of_all_ages_are_read() {
        let new = notification();
        let message = bytes(&new);
        assert_eq!(Notification::decode(&message), Ok(new.clone()));
        let old = Notification {
            version: 1,
            config: Bytes::new(),
            ..new.clone()
        };
        assert_eq!(bytes(&old).len(), 40);
        assert_eq!(Notification::decode(&bytes(&old)), Ok(old.clone()));
        let older = Notification::decode(&message.slice(..36)).unwrap();
        assert_eq!((older.version, older.peer_epoch), (0, 6));
        let oldest = Notification::decode(&message.slice(..28)).unwrap();
        assert_eq!((oldest.version, oldest.peer_epoch), (0, 5));
    }

    #[test]
    fn broken_messages_are_errors() {
        let message = bytes(&notification());
        for cut in (0..28).chain(29..36).chain(40..message.len()) {
            let read = Notification::decode(&message.slice(..cut));
            assert!(read.is_err(), "{cut} bytes: {read:?}");
        }
        let mut bad = message.to_vec();
        bad[40..44].copy_from_slice(&(-1i32).to_be_bytes());
        assert_eq!(
            Notification::decode(&bad.clone().into()),
            Err(ReadError::BadLength(-1))
        );
        bad[3] = 4;
        assert_eq!(
            Notification::decode(&bad.into()),
            Err(ReadError::Invalid("server state"))
        );
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80), state in 0i32..5) {
            let mut message = state.to_be_bytes().to_vec();
            message.extend(bytes);
            let _ = Notification::decode(&message.into());
        }
    }
}
