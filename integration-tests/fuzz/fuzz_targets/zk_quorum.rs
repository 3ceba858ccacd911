//! What other servers send on the election port and the quorum port: packets write themselves back to
//! the same packets, and nothing panics.
#![no_main]
use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use proto::quorum::{
    InitialMessage, LearnerInfo, Notification, QuorumConfig, QuorumPacket, Request, Revalidate,
    Revalidated, Touch,
};

fuzz_target!(|data: &[u8]| {
    let mut buf = BytesMut::from(data);
    while let Ok(Some(packet)) = QuorumPacket::decode(&mut buf, 4096) {
        let mut written = Vec::new();
        packet.encode(&mut written);
        let again = QuorumPacket::decode(&mut BytesMut::from(&written[..]), 4096);
        assert_eq!(again, Ok(Some(packet.clone())));
        let _ = LearnerInfo::read(&packet);
        let _ = Request::read(&packet);
        let _ = Revalidate::read(&packet);
        let _ = Revalidated::read(&packet);
        let _ = Touch::read(&packet).count();
        let _ = (
            packet.leader_version(),
            packet.acked_epoch(),
            packet.activation(),
        );
    }
    let _ = Notification::decode(&Bytes::copy_from_slice(data));
    let _ = InitialMessage::decode(&mut BytesMut::from(data));
    let config = QuorumConfig::from_text("fuzz", data, true);
    let _ = config.map(|config| config.to_string());
});
