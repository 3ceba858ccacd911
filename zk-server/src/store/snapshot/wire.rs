//! A snapshot on its way to a learner (Java: `ZKDatabase.serializeSnapshot` in `LearnerHandler`,
//! `deserializeSnapshot` in `Learner`).
//!
//! No file: neither header nor seals nor trailer. Sessions, ACL table, nodes, "/", and then the text
//! "BenWasHere", whose absence means that the leader broke off. Packets follow without a border.
//!
//! Both directions go piece by piece: no length that was read decides how much memory is taken.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use proto::buf::Reader;
use proto::jute::Jute;
use proto::zk::acl::{Acl, Id};
use proto::zk::stat::StatPersisted;

use super::output;
use crate::store::image::{ImageNode, ImageSink, ImageSource};
use crate::store::restoring::DatabaseSettings;
use crate::tree::Database;
use crate::units::Zxid;

const SIGNATURE: &str = "BenWasHere";
/// Key of the ACL and persisted stat, which end a node.
const NODE_END: usize = 8 + 60;

/// Hands the whole stream to `write`, in pieces of about `piece` bytes. Stops at its first error.
pub fn send(
    image: &dyn ImageSource,
    piece: usize,
    mut write: impl FnMut(Bytes) -> io::Result<()>,
) -> io::Result<()> {
    let mut buf = Vec::with_capacity(piece + 4096);
    output::tree(&mut buf, image, &mut |buf| {
        if buf.len() < piece {
            return Ok(());
        }
        let full = std::mem::replace(buf, Vec::with_capacity(piece + 4096));
        write(full.into())
    })?;
    SIGNATURE.write(&mut buf);
    write(buf.into())
}

/// Why a stream is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    #[error("a snapshot with {what} of {length} bytes, at most {limit} are read (jute.maxbuffer)")]
    TooLong {
        what: &'static str,
        length: i64,
        limit: usize,
    },
    #[error("a snapshot with a negative number of {0}")]
    Negative(&'static str),
    #[error("a snapshot that cannot be read: {0}")]
    Bad(String),
    #[error("the snapshot ends with {0:?} instead of {SIGNATURE:?}: the leader broke off")]
    Signature(String),
}

#[derive(Debug, Clone, Copy)]
enum Part {
    SessionCount,
    Sessions(i32),
    AclCount,
    Acls(i32),
    Nodes,
    Signature,
    Done,
}

/// Fills a database from the bytes as they come.
#[derive(Debug)]
pub struct Receiver {
    database: Box<Database>,
    part: Part,
    /// the longest path, value or ACL
    limit: usize,
    nodes: u64,
    bytes: u64,
}

impl Receiver {
    pub fn new(settings: &DatabaseSettings, limit: usize) -> Self {
        Self {
            database: Box::new(settings.for_snapshot()),
            part: Part::SessionCount,
            limit,
            nodes: 0,
            bytes: 0,
        }
    }

    /// Takes what it can off `buf`. True when the snapshot is whole: what is left are packets.
    pub fn take(&mut self, buf: &mut BytesMut) -> Result<bool, WireError> {
        let mut at = 0;
        while let Some(used) = self.step(&buf[at..])? {
            at += used;
            if matches!(self.part, Part::Done) {
                break;
            }
        }
        buf.advance(at);
        self.bytes += at as u64;
        Ok(matches!(self.part, Part::Done))
    }

    /// Nodes and bytes so far.
    pub fn progress(&self) -> (u64, u64) {
        (self.nodes, self.bytes)
    }

    /// The database at the zxid that the leader's SNAP packet named.
    pub fn finish(mut self, zxid: Zxid, settings: &DatabaseSettings) -> Box<Database> {
        self.database.loaded(zxid);
        self.database.committed_mut().keep(settings.commit_log);
        self.database
    }

    /// Takes one item; tells how many bytes it had, or nothing while it is not whole.
    fn step(&mut self, bytes: &[u8]) -> Result<Option<usize>, WireError> {
        let mut r = Reader::new(bytes);
        match self.part {
            Part::SessionCount => {
                let Ok(n) = r.i32() else { return Ok(None) };
                self.part = Part::Sessions(count("sessions", n)?);
            }
            Part::Sessions(0) => self.part = Part::AclCount,
            Part::Sessions(left) => {
                let (Ok(id), Ok(timeout)) = (r.i64(), r.i32()) else {
                    return Ok(None);
                };
                self.database.session(id, timeout);
                self.part = Part::Sessions(left - 1);
            }
            Part::AclCount => {
                let Ok(n) = r.i32() else { return Ok(None) };
                self.part = Part::Acls(count("ACLs", n)?);
            }
            Part::Acls(0) => self.part = Part::Nodes,
            Part::Acls(left) => {
                let Some(used) = self.acl(bytes)? else {
                    return Ok(None);
                };
                self.part = Part::Acls(left - 1);
                return Ok(Some(used));
            }
            Part::Nodes => return self.node(bytes),
            Part::Signature => {
                let Some(len) = self.length("a signature", bytes, 0)? else {
                    return Ok(None);
                };
                let Some(text) = bytes.get(4..4 + len.unwrap_or(0)) else {
                    return Ok(None);
                };
                if text != SIGNATURE.as_bytes() {
                    let text = String::from_utf8_lossy(&text[..text.len().min(32)]);
                    return Err(WireError::Signature(text.into_owned()));
                }
                self.part = Part::Done;
                return Ok(Some(4 + text.len()));
            }
            Part::Done => return Ok(None),
        }
        Ok(Some(r.position()))
    }

    fn acl(&mut self, bytes: &[u8]) -> Result<Option<usize>, WireError> {
        let mut r = Reader::new(bytes);
        let (Ok(key), Ok(entries)) = (r.i64(), r.i32()) else {
            return Ok(None);
        };
        let mut list = Vec::new();
        for _ in 0..entries {
            if r.position() > self.limit {
                return Err(self.too_long("an ACL", r.position() as i64));
            }
            let Ok(perms) = r.i32() else { return Ok(None) };
            let mut texts = [""; 2];
            for text in &mut texts {
                let at = r.position();
                let Some(len) = self.length("an identity", bytes, at)? else {
                    return Ok(None);
                };
                if bytes.len() < at + 4 + len.unwrap_or(0) {
                    return Ok(None);
                }
                *text = <&str>::read(&mut r)
                    .map_err(|_| WireError::Bad("an identity is not valid UTF-8".to_owned()))?;
            }
            list.push(Acl::new(perms, Id::new(texts[0], texts[1])));
        }
        let used = r.position();
        self.database.acl(key, list);
        Ok(Some(used))
    }

    fn node(&mut self, bytes: &[u8]) -> Result<Option<usize>, WireError> {
        let Some(path_len) = self.length("a path", bytes, 0)? else {
            return Ok(None);
        };
        let path_len = path_len.unwrap_or(0);
        if path_len == 1 && bytes.get(4) == Some(&b'/') {
            self.part = Part::Signature;
            return Ok(Some(5));
        }
        let Some(data_len) = self.length("a znode", bytes, 4 + path_len)? else {
            return Ok(None);
        };
        let whole = 4 + path_len + 4 + data_len.unwrap_or(0) + NODE_END;
        let Some(bytes) = bytes.get(..whole) else {
            return Ok(None);
        };
        let path = std::str::from_utf8(&bytes[4..4 + path_len])
            .map_err(|_| WireError::Bad("a path is not valid UTF-8".to_owned()))?;
        let mut r = Reader::new(&bytes[4 + path_len..]);
        let bad = |_| WireError::Bad(format!("the znode {path} is not whole"));
        let node = ImageNode {
            path,
            data: Jute::read(&mut r).map_err(bad)?,
            acl: Jute::read(&mut r).map_err(bad)?,
            stat: StatPersisted::read(&mut r).map_err(bad)?,
        };
        self.database.node(node).map_err(WireError::Bad)?;
        self.nodes += 1;
        Ok(Some(whole))
    }

    /// The length that stands `at` bytes on: outer `None` while it has not come, inner for -1.
    fn length(
        &self,
        what: &'static str,
        bytes: &[u8],
        at: usize,
    ) -> Result<Option<Option<usize>>, WireError> {
        let Some(length) = bytes.get(at..at + 4) else {
            return Ok(None);
        };
        let length = i32::from_be_bytes([length[0], length[1], length[2], length[3]]);
        if length == -1 {
            return Ok(Some(None));
        }
        match usize::try_from(length) {
            Ok(length) if length <= self.limit => Ok(Some(Some(length))),
            _ => Err(self.too_long(what, length.into())),
        }
    }

    fn too_long(&self, what: &'static str, length: i64) -> WireError {
        WireError::TooLong {
            what,
            length,
            limit: self.limit,
        }
    }
}

fn count(what: &'static str, n: i32) -> Result<i32, WireError> {
    if n < 0 {
        return Err(WireError::Negative(what));
    }
    Ok(n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::EphemeralTypes;

    fn settings() -> DatabaseSettings {
        DatabaseSettings {
            types: EphemeralTypes::default(),
            digest: true,
            commit_log: 5,
        }
    }

    /// With nodes, an ACL of their own, and a session.
    fn filled() -> Database {
        let mut database = settings().for_snapshot();
        database.session(7, 30_000);
        database.acl(1, vec![Acl::new(31, Id::new("digest", "bob:x="))]);
        for path in ["", "/zookeeper", "/a", "/a/b"] {
            let node = ImageNode {
                path,
                data: (path.len() > 2).then_some(b"data"),
                acl: if path == "/a" { 1 } else { -1 },
                stat: StatPersisted::default(),
            };
            database.node(node).unwrap();
        }
        database.loaded(Zxid(9));
        database
    }

    fn stream(database: &Database) -> Vec<u8> {
        let mut bytes = Vec::new();
        send(&*database.image().0, 64, |piece| {
            bytes.extend_from_slice(&piece);
            Ok(())
        })
        .unwrap();
        bytes
    }

    #[test]
    fn what_is_sent_is_received_in_any_pieces() {
        let database = filled();
        let mut bytes = stream(&database);
        assert!(bytes.ends_with(b"\0\0\0\x01/\0\0\0\x0aBenWasHere"));
        bytes.extend_from_slice(b"packets");
        for piece in [1, 7, 50, 4096] {
            let mut receiver = Receiver::new(&settings(), 1 << 20);
            let (mut buf, mut whole) = (BytesMut::new(), false);
            for part in bytes.chunks(piece) {
                buf.extend_from_slice(part);
                whole = whole || receiver.take(&mut buf).unwrap();
            }
            assert!(whole);
            assert_eq!(&buf[..], b"packets");
            let received = receiver.finish(Zxid(9), &settings());
            assert_eq!(received.tree().digest(), database.tree().digest());
            assert_eq!(received.sessions(), database.sessions());
            assert_eq!(received.last_zxid(), Zxid(9));
            assert_eq!(stream(&received), stream(&database));
        }
    }

    #[test]
    fn a_stream_that_breaks_off_or_lies_is_refused() {
        let bytes = stream(&filled());
        let take = |bytes: &[u8]| Receiver::new(&settings(), 1000).take(&mut bytes.into());
        for len in 0..bytes.len() {
            assert!(!take(&bytes[..len]).unwrap());
        }
        let mut other = bytes.clone();
        *other.last_mut().unwrap() = b'!';
        assert!(matches!(take(&other), Err(WireError::Signature(_))));
        assert!(matches!(
            take(&[0xff, 0, 0, 0]),
            Err(WireError::Negative("sessions"))
        ));
        let long = [0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff];
        assert!(matches!(take(&long), Err(WireError::TooLong { .. })));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_a_receiver_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            let mut stream = vec![0; 8];
            stream.extend(bytes);
            let _ = Receiver::new(&settings(), 200).take(&mut stream.as_slice().into());
        }
    }
}
