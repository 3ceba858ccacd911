//! What Apache's servers of 3.6.2 and 3.9.5 wrote, read and written again to the same bytes
//! (`integration-tests/golden/zk-quorum`).
#![allow(clippy::disallowed_methods, reason = "a test reads files")]

use std::path::PathBuf;

use bytes::{Bytes, BytesMut};

use super::*;

fn golden(version: &str, name: &str) -> Vec<u8> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../integration-tests/golden");
    std::fs::read(root.join("zk-quorum").join(version).join(name)).unwrap()
}

const VERSIONS: [&str; 2] = ["3.6.2", "3.9.5"];

#[test]
fn packets_are_javas() {
    for version in VERSIONS {
        let bytes = golden(version, "packets");
        let mut buf = BytesMut::from(bytes.as_slice());
        let mut packets = Vec::new();
        while let Some(packet) = QuorumPacket::decode(&mut buf, 1000).unwrap() {
            packets.push(packet);
        }
        assert!(buf.is_empty());
        let mut written = Vec::new();
        for packet in &packets {
            packet.encode(&mut written);
        }
        assert_eq!(written, bytes, "{version}");
        assert_eq!(made_here(), packets, "{version}");
    }
}

/// The same, by the helpers.
fn made_here() -> Vec<QuorumPacket> {
    use PacketType::{
        Ack, Commit, FollowerInfo, NewLeader, ObserverInfo, Ping, Proposal, Sync, UpToDate,
    };
    let info = |server| LearnerInfo {
        server: Some(server),
        protocol: PROTOCOL_VERSION,
        config_version: Some(0x1_0000_0002),
    };
    let auth = [("ip", "127.0.0.1"), ("digest", "bob:xyz")];
    let auth = Identities::collect(auth.into_iter());
    let request = |op, body: &'static [u8]| Request {
        session: 0x1234,
        cxid: 9,
        op,
        body: Bytes::from_static(body),
    };
    let touch = |session, timeout_ms| Touch {
        session,
        timeout_ms,
    };
    let text = &b"transaction"[..];
    let config = &b"server.1=a:1:2:participant\nversion=0"[..];
    let (session, timeout_ms, valid) = (0x1234, 30_000, true);
    vec![
        info(3).packet(FollowerInfo, 5),
        info(4).packet(ObserverInfo, 5),
        QuorumPacket::leader_info(6),
        QuorumPacket::ack_epoch(0x5_0000_0007, Some(5)),
        QuorumPacket::ack_epoch(0x5_0000_0007, None),
        request(1, text).packet(auth),
        request(-11, b"").packet(Identities::default()),
        Revalidate {
            session,
            timeout_ms,
        }
        .packet(),
        Revalidated { session, valid }.packet(),
        QuorumPacket::new(Ping, 0x6_0000_0001),
        Touch::packet(0x6_0000_0001, [touch(7, 4000), touch(8, 6000)]),
        QuorumPacket::with(Proposal, 0x6_0000_0002, text),
        QuorumPacket::new(Ack, 0x6_0000_0002),
        QuorumPacket::new(Commit, 0x6_0000_0002),
        QuorumPacket::commit_and_activate(0x6_0000_0003, 2),
        QuorumPacket::inform_and_activate(0x6_0000_0003, 2, text),
        QuorumPacket::with(NewLeader, 6 << 32, config),
        QuorumPacket::new(UpToDate, -1),
        QuorumPacket::new(Sync, 0),
    ]
}

#[test]
fn notifications_are_javas() {
    for version in VERSIONS {
        for name in ["notification", "notification.40"] {
            let bytes = Bytes::from(golden(version, name));
            let notification = Notification::decode(&bytes).unwrap();
            let mut written = Vec::new();
            notification.encode(&mut written);
            assert_eq!(written, bytes, "{version} {name}");
            assert_eq!((notification.leader, notification.round), (3, 9));
        }
        // From the wire, with its length.
        let bytes = Bytes::from(golden(version, "notification.looking"));
        let notification = Notification::decode(&bytes.slice(4..)).unwrap();
        assert_eq!(
            (notification.state, notification.leader, notification.zxid),
            (PeerState::Looking, 1, 0)
        );
        let config = QuorumConfig::from_text("it", &notification.config, false).unwrap();
        assert_eq!((config.voters(), config.version), (3, 0));
        assert_eq!(config.to_string().as_bytes(), notification.config);
    }
}

#[test]
fn first_messages_are_javas() {
    for version in VERSIONS {
        for (name, several) in [("initial", false), ("initial.several", true)] {
            let bytes = golden(version, name);
            let mut buf = BytesMut::from(bytes.as_slice());
            let initial = InitialMessage::decode(&mut buf).unwrap().unwrap();
            assert_eq!((initial.server, buf.len()), (1, 0));
            assert_eq!(initial.addresses.len(), if several { 2 } else { 1 });
            let mut written = Vec::new();
            initial.encode(several, &mut written);
            assert_eq!(written, bytes, "{version} {name}");
        }
    }
}

#[test]
fn configurations_are_javas() {
    for version in VERSIONS {
        let text = String::from_utf8(golden(version, "configs.txt")).unwrap();
        for case in text.split_terminator("\n====\n") {
            let (read, written) = case.split_once("\n----\n").unwrap();
            let config = QuorumConfig::from_text("it", read.as_bytes(), true).unwrap();
            assert_eq!(config.to_string(), written, "{version}");
            let again = QuorumConfig::from_text("it", written.as_bytes(), true).unwrap();
            assert_eq!(again.to_string(), written, "{version}");
        }
    }
}
