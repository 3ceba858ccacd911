//! Packets that make no sense, at any moment: the link is closed or the role ends, and nothing
//! panics.

use bytes::Bytes;
use proptest::prelude::*;
use proto::quorum::{PacketType, QuorumPacket};

use super::pump::World;
use crate::zab::testing::{record, view, zxid as z};

const KINDS: [PacketType; 19] = {
    use PacketType::*;
    [
        Request,
        Proposal,
        Ack,
        Commit,
        Ping,
        Revalidate,
        Sync,
        Inform,
        CommitAndActivate,
        NewLeader,
        FollowerInfo,
        UpToDate,
        Diff,
        Trunc,
        Snap,
        ObserverInfo,
        LeaderInfo,
        AckEpoch,
        InformAndActivate,
    ]
};

fn zxids() -> impl Strategy<Value = i64> {
    prop_oneof![
        Just(-1),
        Just(0),
        Just(i64::MAX),
        Just(i64::MIN),
        (0i64..4, 0i64..5).prop_map(|(epoch, counter)| z(epoch, counter)),
    ]
}

fn packets() -> impl Strategy<Value = QuorumPacket> {
    let data = prop_oneof![
        Just(None),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Some),
        zxids().prop_map(|zxid| Some(record(zxid).to_vec())),
    ];
    (proptest::sample::select(&KINDS[..]), zxids(), data).prop_map(|(kind, zxid, data)| {
        QuorumPacket {
            data: data.map(Bytes::from),
            ..QuorumPacket::new(kind, zxid)
        }
    })
}

proptest! {
    #[test]
    fn nothing_panics(
        steps in 0..60usize,
        packets in proptest::collection::vec((any::<bool>(), 0..3usize, packets()), 1..6),
    ) {
        let mut world = World::new(view(2, 1));
        world.lead(1);
        world.follow(2, 1);
        world.follow(3, 1);
        for step in 0..steps {
            let links = world.links();
            if let Some(&link) = links.get(step % links.len().max(1)) {
                world.deliver(link, step % 2 == 0);
            }
            world.disk_step(step % 3);
        }
        for (up, at, packet) in packets {
            let links = world.links();
            if let Some(&link) = links.get(at) {
                world.forge(link, up, packet);
            }
        }
    }
}
