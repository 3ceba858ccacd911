//! What the `data` of a [`QuorumPacket`] holds, kind by kind (Java: `LearnerHandler`, `Learner`,
//! `Leader`, record `LearnerInfo`). Pure views; unknown kinds never get here.

use bytes::Bytes;

use super::identities::Identities;
use super::packet::{PacketError, PacketType, QuorumPacket};
use crate::buf::{ReadError, Reader};
use crate::jute::Jute;

/// Protocol version of 3.4 and everything after it: discovery with epochs.
pub const PROTOCOL_VERSION: i32 = 0x1_0000;

/// Who a learner is: `FollowerInfo`, `ObserverInfo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LearnerInfo {
    /// `None`: a server from before 3.3, which does not say
    pub server: Option<i64>,
    /// 0 from before 3.4
    pub protocol: i32,
    /// version of the configuration that it has activated; `None` from before 3.5
    pub config_version: Option<i64>,
}

impl LearnerInfo {
    pub fn packet(self, kind: PacketType, accepted_epoch: i64) -> QuorumPacket {
        let mut data = Vec::with_capacity(20);
        self.server.unwrap_or_default().write(&mut data);
        self.protocol.write(&mut data);
        self.config_version.unwrap_or_default().write(&mut data);
        QuorumPacket::with(kind, accepted_epoch << 32, data)
    }

    /// Reads as much as is there, as Java does.
    pub fn read(packet: &QuorumPacket) -> Self {
        let data = packet.data.as_deref().unwrap_or_default();
        let mut r = Reader::new(data);
        Self {
            server: r.i64().ok(),
            protocol: r.i32().unwrap_or_default(),
            config_version: r.i64().ok(),
        }
    }
}

/// A client's request on its way to the leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub session: i64,
    pub cxid: i32,
    pub op: i32,
    /// the request's record without its header
    pub body: Bytes,
}

impl Request {
    pub fn packet(&self, auth: Identities) -> QuorumPacket {
        let mut data = Vec::with_capacity(16 + self.body.len());
        self.session.write(&mut data);
        self.cxid.write(&mut data);
        self.op.write(&mut data);
        data.extend_from_slice(&self.body);
        QuorumPacket {
            auth,
            ..QuorumPacket::with(PacketType::Request, -1, data)
        }
    }

    pub fn read(packet: &QuorumPacket) -> Result<Self, PacketError> {
        let head = |r: &mut Reader<'_>| Ok((r.i64()?, r.i32()?, r.i32()?));
        let (session, cxid, op) = packet.parse(packet.bytes(), head)?;
        let body = packet.data.as_ref().map(|data| data.slice(16..));
        Ok(Self {
            session,
            cxid,
            op,
            body: body.unwrap_or_default(),
        })
    }
}

/// A learner asks whether a session lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revalidate {
    pub session: i64,
    pub timeout_ms: i32,
}

impl Revalidate {
    pub fn packet(self) -> QuorumPacket {
        let mut data = Vec::with_capacity(12);
        self.session.write(&mut data);
        self.timeout_ms.write(&mut data);
        QuorumPacket::with(PacketType::Revalidate, -1, data)
    }

    pub fn read(packet: &QuorumPacket) -> Result<Self, PacketError> {
        packet.parse(packet.bytes(), |r| {
            Ok(Self {
                session: r.i64()?,
                timeout_ms: r.i32()?,
            })
        })
    }
}

/// The leader's answer to [`Revalidate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revalidated {
    pub session: i64,
    pub valid: bool,
}

impl Revalidated {
    /// Java sends the asking packet back, so that its zxid comes back too.
    pub fn packet(self) -> QuorumPacket {
        let mut data = Vec::with_capacity(9);
        self.session.write(&mut data);
        self.valid.write(&mut data);
        QuorumPacket::with(PacketType::Revalidate, -1, data)
    }

    pub fn read(packet: &QuorumPacket) -> Result<Self, PacketError> {
        packet.parse(packet.bytes(), |r| {
            Ok(Self {
                session: r.i64()?,
                valid: bool::read(r)?,
            })
        })
    }
}

/// One session that a learner has heard of since its last ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Touch {
    pub session: i64,
    pub timeout_ms: i32,
}

impl Touch {
    /// A learner's answer to the leader's ping, which carried `zxid`.
    pub fn packet(zxid: i64, touches: impl IntoIterator<Item = Self>) -> QuorumPacket {
        let mut data = Vec::new();
        for touch in touches {
            touch.session.write(&mut data);
            touch.timeout_ms.write(&mut data);
        }
        QuorumPacket::with(PacketType::Ping, zxid, data)
    }

    /// All of a learner's ping. A last entry that is cut off is an error, as in Java.
    pub fn read(packet: &QuorumPacket) -> impl Iterator<Item = Result<Self, PacketError>> + '_ {
        packet.bytes().chunks(12).map(|entry| {
            packet.parse(entry, |r| {
                Ok(Self {
                    session: r.i64()?,
                    timeout_ms: r.i32()?,
                })
            })
        })
    }
}

impl QuorumPacket {
    /// The leader's answer to `FollowerInfo` or `ObserverInfo`.
    pub fn leader_info(epoch: i64) -> Self {
        let version = PROTOCOL_VERSION.to_be_bytes().to_vec();
        Self::with(PacketType::LeaderInfo, epoch << 32, version)
    }

    /// Protocol version of a leader that sent `LeaderInfo`.
    pub fn leader_version(&self) -> Result<i32, PacketError> {
        self.parse(self.bytes(), |r| r.i32())
    }

    /// A learner accepts an epoch. `current_epoch` is `None` when it had done so before, so that this
    /// does not count again.
    pub fn ack_epoch(last_zxid: i64, current_epoch: Option<i64>) -> Self {
        let epoch = current_epoch.map_or(-1, |epoch| epoch as i32);
        Self::with(
            PacketType::AckEpoch,
            last_zxid,
            epoch.to_be_bytes().to_vec(),
        )
    }

    /// `currentEpoch` of a learner that sent `AckEpoch`; `None` when it has acknowledged this epoch
    /// before.
    pub fn acked_epoch(&self) -> Result<Option<i64>, PacketError> {
        let epoch = self.parse(self.bytes(), |r| r.i32())?;
        Ok((epoch != -1).then_some(i64::from(epoch)))
    }

    pub fn commit_and_activate(zxid: i64, leader: i64) -> Self {
        let leader = leader.to_be_bytes().to_vec();
        Self::with(PacketType::CommitAndActivate, zxid, leader)
    }

    pub fn inform_and_activate(zxid: i64, leader: i64, record: &[u8]) -> Self {
        let mut data = Vec::with_capacity(8 + record.len());
        leader.write(&mut data);
        data.extend_from_slice(record);
        Self::with(PacketType::InformAndActivate, zxid, data)
    }

    /// Who should lead from here on, and behind it the transaction of an `InformAndActivate`.
    pub fn activation(&self) -> Result<(i64, Bytes), PacketError> {
        let leader = self.parse(self.bytes(), |r| r.i64())?;
        let record = self.data.as_ref().map(|data| data.slice(8..));
        Ok((leader, record.unwrap_or_default()))
    }

    /// The data, none being as good as empty.
    pub fn bytes(&self) -> &[u8] {
        self.data.as_deref().unwrap_or_default()
    }

    /// What `read` makes of `data`, which is this packet's or a part of it.
    fn parse<'a, T>(
        &self,
        data: &'a [u8],
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, ReadError>,
    ) -> Result<T, PacketError> {
        read(&mut Reader::new(data)).map_err(|error| PacketError::Malformed {
            kind: self.kind,
            error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn learner_infos_of_all_ages_are_read() {
        let info = LearnerInfo {
            server: Some(3),
            protocol: PROTOCOL_VERSION,
            config_version: Some(0x1_0000_0002),
        };
        let packet = info.packet(PacketType::FollowerInfo, 5);
        assert_eq!((packet.zxid, packet.bytes().len()), (5 << 32, 20));
        assert_eq!(LearnerInfo::read(&packet), info);
        let cut = |n: usize| {
            let data = packet.data.as_ref().map(|data| data.slice(..n));
            LearnerInfo::read(&QuorumPacket {
                data,
                ..packet.clone()
            })
        };
        assert_eq!((cut(12).server, cut(12).config_version), (Some(3), None));
        assert_eq!((cut(8).server, cut(8).protocol), (Some(3), 0));
        assert_eq!(cut(0).server, None);
    }

    #[test]
    fn every_payload_comes_back() {
        let request = Request {
            session: 0x1234,
            cxid: -4,
            op: 9,
            body: Bytes::from_static(b"body"),
        };
        let packet = request.packet(Identities::collect([("ip", "::1")].into_iter()));
        assert_eq!(Request::read(&packet), Ok(request));
        let ask = Revalidate {
            session: 7,
            timeout_ms: 30_000,
        };
        assert_eq!(Revalidate::read(&ask.packet()), Ok(ask));
        let answer = Revalidated {
            session: 7,
            valid: true,
        };
        assert_eq!(Revalidated::read(&answer.packet()), Ok(answer));
        let touches = [7, 8].map(|session| Touch {
            session,
            timeout_ms: 4000,
        });
        let packet = Touch::packet(99, touches);
        let read: Result<Vec<_>, _> = Touch::read(&packet).collect();
        assert_eq!((packet.zxid, read), (99, Ok(touches.to_vec())));
        assert_eq!(QuorumPacket::ack_epoch(1, None).acked_epoch(), Ok(None));
        assert_eq!(
            QuorumPacket::ack_epoch(1, Some(8)).acked_epoch(),
            Ok(Some(8))
        );
        assert_eq!(
            QuorumPacket::leader_info(3).leader_version(),
            Ok(PROTOCOL_VERSION)
        );
        let inform = QuorumPacket::inform_and_activate(4, 2, b"txn");
        assert_eq!(inform.activation(), Ok((2, Bytes::from_static(b"txn"))));
        let commit = QuorumPacket::commit_and_activate(4, -1);
        assert_eq!(commit.activation(), Ok((-1, Bytes::new())));
    }

    #[test]
    fn short_payloads_are_errors() {
        let short = |kind| QuorumPacket::with(kind, 0, &b"123"[..]);
        assert!(Request::read(&short(PacketType::Request)).is_err());
        assert!(Revalidate::read(&short(PacketType::Revalidate)).is_err());
        assert!(Revalidated::read(&short(PacketType::Revalidate)).is_err());
        assert!(Touch::read(&short(PacketType::Ping)).any(|touch| touch.is_err()));
        assert!(
            short(PacketType::CommitAndActivate)
                .activation()
                .unwrap_err()
                .to_string()
                .starts_with("a CommitAndActivate packet that can't be read")
        );
        assert!(
            QuorumPacket::new(PacketType::AckEpoch, 0)
                .acked_epoch()
                .is_err()
        );
    }
}
