//! `QuorumPacket`, the unit of the protocol between leader and learners (Java:
//! `org.apache.zookeeper.server.quorum.QuorumPacket`, types in `Leader`).

use bytes::{Buf, Bytes, BytesMut};

use crate::buf::{ReadError, Reader};
use crate::jute::Jute;

use super::identities::Identities;

/// Java's constants in `Leader`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(i32)]
pub enum PacketType {
    /// a client's request, forwarded by a learner
    Request = 1,
    /// a transaction to log
    Proposal = 2,
    /// a transaction (or the new leader) is on the learner's disk
    Ack = 3,
    Commit = 4,
    Ping = 5,
    /// does this session live?
    Revalidate = 6,
    /// flushes the pipe between learner and leader
    Sync = 7,
    /// a committed transaction, for observers
    Inform = 8,
    /// `Commit` of a new configuration
    CommitAndActivate = 9,
    /// the history of the new leader is complete
    NewLeader = 10,
    FollowerInfo = 11,
    /// the learner may serve
    UpToDate = 12,
    Diff = 13,
    Trunc = 14,
    Snap = 15,
    ObserverInfo = 16,
    LeaderInfo = 17,
    AckEpoch = 18,
    /// `Inform` of a new configuration
    InformAndActivate = 19,
}

impl PacketType {
    const ALL: [Self; 19] = [
        Self::Request,
        Self::Proposal,
        Self::Ack,
        Self::Commit,
        Self::Ping,
        Self::Revalidate,
        Self::Sync,
        Self::Inform,
        Self::CommitAndActivate,
        Self::NewLeader,
        Self::FollowerInfo,
        Self::UpToDate,
        Self::Diff,
        Self::Trunc,
        Self::Snap,
        Self::ObserverInfo,
        Self::LeaderInfo,
        Self::AckEpoch,
        Self::InformAndActivate,
    ];

    pub fn from_number(number: i32) -> Option<Self> {
        let at = usize::try_from(number).ok()?.checked_sub(1)?;
        Self::ALL.get(at).copied()
    }

    pub fn number(self) -> i32 {
        self as i32
    }
}

/// Why bytes are no packet. The connection that brought them can't be used any longer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    #[error("{0} is no packet type of ZooKeeper's quorum protocol (1 to 19)")]
    UnknownType(i32),
    #[error("unreasonable length: {what} of {length} bytes, at most {limit} are read")]
    TooLong {
        what: &'static str,
        length: i64,
        limit: usize,
    },
    #[error("a {kind:?} packet that can't be read: {error}")]
    Malformed { kind: PacketType, error: ReadError },
}

/// One packet. On the wire a jute record without a length of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumPacket {
    pub kind: PacketType,
    /// a zxid, or an epoch in the upper half, or -1, as the kind has it
    pub zxid: i64,
    pub data: Option<Bytes>,
    /// scheme and id, of a forwarded request's client
    pub auth: Identities,
}

/// type, zxid, length of data
const FIXED: usize = 16;
const LEAST: usize = FIXED + 4;

impl QuorumPacket {
    pub fn new(kind: PacketType, zxid: i64) -> Self {
        Self {
            kind,
            zxid,
            data: None,
            auth: Identities::default(),
        }
    }

    pub fn with(kind: PacketType, zxid: i64, data: impl Into<Bytes>) -> Self {
        Self {
            data: Some(data.into()),
            ..Self::new(kind, zxid)
        }
    }

    /// Appends the packet. Java sends a null list of identities with everything but requests, and its
    /// leader walks through that of a request: an empty one goes out as an empty list there.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.reserve(LEAST + self.data.as_ref().map_or(0, Bytes::len));
        self.encode_head(out);
        if let Some(data) = &self.data {
            out.extend_from_slice(data);
        }
        self.encode_tail(out);
    }

    /// What goes before the data, for writers that send the data from where it is.
    pub fn encode_head(&self, out: &mut Vec<u8>) {
        self.kind.number().write(out);
        self.zxid.write(out);
        let length = self.data.as_ref().map_or(-1, |data| data.len() as i32);
        length.write(out);
    }

    /// What goes behind the data.
    pub fn encode_tail(&self, out: &mut Vec<u8>) {
        if self.auth.is_empty() && self.kind != PacketType::Request {
            (-1i32).write(out);
            return;
        }
        self.auth.write(out);
    }

    /// Takes the first packet off `buf`, or nothing while it is incomplete. `limit` holds for the data
    /// and for all identities together (Java: `jute.maxbuffer` and its extra size, for each of them).
    pub fn decode(buf: &mut BytesMut, limit: usize) -> Result<Option<Self>, PacketError> {
        let Some(plan) = Plan::of(buf, limit)? else {
            return Ok(None);
        };
        let mut packet = buf.split_to(plan.total).freeze();
        let auth = Identities::read(&packet, FIXED + plan.data.unwrap_or_default());
        let auth = auth.map_err(|error| PacketError::Malformed {
            kind: plan.kind,
            error,
        })?;
        let data = plan.data.map(|length| {
            packet.advance(FIXED);
            packet.truncate(length);
            packet
        });
        Ok(Some(Self {
            kind: plan.kind,
            zxid: plan.zxid,
            data,
            auth,
        }))
    }
}

/// Where the parts of a complete packet lie.
struct Plan {
    kind: PacketType,
    zxid: i64,
    data: Option<usize>,
    total: usize,
}

impl Plan {
    fn of(bytes: &[u8], limit: usize) -> Result<Option<Self>, PacketError> {
        let mut r = Reader::new(bytes);
        let Ok(number) = r.i32() else {
            return Ok(None);
        };
        let kind = PacketType::from_number(number).ok_or(PacketError::UnknownType(number))?;
        let (Ok(zxid), Ok(length)) = (r.i64(), r.i32()) else {
            return Ok(None);
        };
        let data = match length {
            -1 => None,
            length => Some(checked("data", length, limit)?),
        };
        if r.take(data.unwrap_or_default()).is_err() {
            return Ok(None);
        }
        let Ok(count) = r.i32() else {
            return Ok(None);
        };
        let mut left = limit;
        // an identity takes eight bytes at least, so that this ends with the limit
        for _ in 0..count.max(0) {
            for what in ["an identity's scheme", "an identity"] {
                let Ok(length) = r.i32() else {
                    return Ok(None);
                };
                let length = checked(what, length.max(0), left)?;
                let taken = length + 4;
                left = left.checked_sub(taken).ok_or(PacketError::TooLong {
                    what: "identities",
                    length: (limit - left + taken) as i64,
                    limit,
                })?;
                if r.take(length).is_err() {
                    return Ok(None);
                }
            }
        }
        Ok(Some(Self {
            kind,
            zxid,
            data,
            total: r.position(),
        }))
    }
}

fn checked(what: &'static str, length: i32, limit: usize) -> Result<usize, PacketError> {
    usize::try_from(length)
        .ok()
        .filter(|&length| length <= limit)
        .ok_or(PacketError::TooLong {
            what,
            length: length.into(),
            limit,
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(packet: &QuorumPacket) -> Vec<u8> {
        let mut out = Vec::new();
        packet.encode(&mut out);
        out
    }

    fn decode(bytes: &[u8], limit: usize) -> Result<Option<QuorumPacket>, PacketError> {
        QuorumPacket::decode(&mut BytesMut::from(bytes), limit)
    }

    #[test]
    fn null_and_empty_identities_as_java_writes_them() {
        let ack = bytes(&QuorumPacket::new(PacketType::Ack, 7));
        assert_eq!(ack[12..], [0xff; 8]);
        let request = bytes(&QuorumPacket::with(PacketType::Request, -1, &b"x"[..]));
        assert_eq!(request[16..], [b'x', 0, 0, 0, 0]);
    }

    #[test]
    fn packets_come_off_a_stream_one_by_one() {
        let first = QuorumPacket::with(PacketType::Proposal, 9, vec![1; 100]);
        let second = QuorumPacket {
            auth: Identities::collect([("ip", "127.0.0.1")].into_iter()),
            ..QuorumPacket::with(PacketType::Request, -1, Bytes::new())
        };
        let mut all = bytes(&first);
        all.extend(bytes(&second));
        let mut buf = BytesMut::new();
        let mut seen = Vec::new();
        for byte in all {
            buf.extend_from_slice(&[byte]);
            seen.extend(QuorumPacket::decode(&mut buf, 1000).unwrap());
        }
        assert_eq!(seen, [first, second]);
        assert!(buf.is_empty());
    }

    #[test]
    fn what_is_no_packet_is_named() {
        assert_eq!(
            decode(b"GET / HTTP/1.1\r\n", 100),
            Err(PacketError::UnknownType(0x4745_5420))
        );
        assert_eq!(
            decode(&0i32.to_be_bytes(), 100),
            Err(PacketError::UnknownType(0))
        );
        assert_eq!(
            decode(&20i32.to_be_bytes(), 100),
            Err(PacketError::UnknownType(20))
        );
        let mut long = bytes(&QuorumPacket::with(PacketType::Proposal, 9, vec![1; 100]));
        let error = decode(&long, 99).unwrap_err().to_string();
        assert_eq!(
            error,
            "unreasonable length: data of 100 bytes, at most 99 are read"
        );
        long[12..16].copy_from_slice(&(-2i32).to_be_bytes());
        assert!(decode(&long, 1000).is_err());
    }

    #[test]
    fn identities_without_end_are_refused_before_they_are_kept() {
        let mut packet = bytes(&QuorumPacket::new(PacketType::Ack, 7));
        let at = packet.len() - 4;
        packet[at..].copy_from_slice(&i32::MAX.to_be_bytes());
        packet.extend(std::iter::repeat_n(0, 10_000));
        assert!(matches!(
            decode(&packet, 1000),
            Err(PacketError::TooLong { limit: 1000, .. })
        ));
    }

    proptest! {
        #[test]
        fn any_packet_comes_back(
            kind in 1i32..=19, zxid: i64, data in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..64)),
            auth in proptest::collection::vec(("[a-z]{0,5}", "\\PC{0,8}"), 0..4),
        ) {
            let packet = QuorumPacket {
                kind: PacketType::from_number(kind).unwrap(), zxid, data: data.map(Bytes::from),
                auth: Identities::collect(auth.iter().map(|(scheme, id)| (scheme.as_str(), id.as_str()))),
            };
            prop_assert_eq!(packet.kind.number(), kind);
            let pairs = packet.auth.iter().map(|(scheme, id)| (scheme.to_owned(), id.to_owned()));
            prop_assert_eq!(pairs.collect::<Vec<_>>(), auth);
            prop_assert_eq!(decode(&bytes(&packet), 1000), Ok(Some(packet)));
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80), kind in 0i32..21) {
            let mut packet = kind.to_be_bytes().to_vec();
            packet.extend(bytes);
            let _ = decode(&packet, 64);
        }
    }
}
