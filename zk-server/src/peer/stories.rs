//! One peer between two roles: when it looks again, and what it does when its port is taken.

use bytes::Bytes;
use proto::quorum::{Notification, PacketType, PeerState, QuorumPacket};

use super::{Peer, PeerInput, PeerOutput, PeerSettings, PeerStart};
use crate::peer::io::Port;
use crate::quorum::View;
use crate::store::orders::{DiskDone, DiskOrder};
use crate::tree::{Database, EphemeralTypes};
use crate::units::{LinkId, Now, Zxid};
use crate::zab::testing::reconfig;
use crate::{core, election, zab};

fn at(ms: u64) -> Now {
    Now {
        mono_us: 1_000_000 + ms * 1000,
        wall_ms: 0,
    }
}

struct Alone {
    peer: Peer,
    out: Vec<PeerOutput>,
}

impl Alone {
    fn new(id: i64, lines: &str, delay_ms: u64) -> Self {
        Self::with(id, lines, |settings| {
            settings.observer_election_delay_ms = delay_ms;
        })
    }

    fn with(id: i64, lines: &str, change: impl FnOnce(&mut PeerSettings)) -> Self {
        let mut settings = PeerSettings {
            id,
            server: core::Settings {
                server_id: id,
                ..core::Settings::default()
            },
            zab: zab::Settings::DEFAULT,
            election: election::Settings::default(),
            commit_log_count: 500,
            read_only: false,
            oracle: None,
            sync_enabled: true,
            observer_election_delay_ms: 0,
        };
        change(&mut settings);
        let start = PeerStart {
            database: Database::new(EphemeralTypes::default(), true),
            current_epoch: 0,
            accepted_epoch: 0,
            active: View::parse("test", lines.as_bytes(), false).unwrap(),
            seen: None,
        };
        let mut alone = Self {
            peer: Peer::new(settings, start, at(0)),
            out: Vec::new(),
        };
        alone.gets(0, PeerInput::Tick);
        alone
    }

    fn gets(&mut self, ms: u64, input: PeerInput) {
        self.peer.handle(at(ms), input, &mut self.out);
    }

    fn done(&mut self, ms: u64) {
        for output in std::mem::take(&mut self.out) {
            let done = match output {
                PeerOutput::Disk(DiskOrder::Flush) => DiskDone::Flushed,
                PeerOutput::Disk(DiskOrder::WriteEpoch { which, value }) => {
                    DiskDone::EpochWritten { which, value }
                }
                _ => continue,
            };
            self.gets(ms, PeerInput::Disk(done));
        }
    }

    fn asks(&self) -> bool {
        let asks = |o: &PeerOutput| matches!(o, PeerOutput::Notify { .. });
        self.out.iter().any(asks)
    }
}

const OBSERVED: &str = "server.1=a:1:2\nserver.2=b:1:2:observer\n";

/// `observer.election.DelayMs`: at most so long after its leader has gone.
#[test]
fn an_observer_waits_before_it_looks_again() {
    for (delay_ms, waits) in [(0, false), (300, true)] {
        let mut alone = Alone::new(2, OBSERVED, delay_ms);
        assert!(alone.asks());
        let leads = Notification {
            state: PeerState::Leading,
            leader: 1,
            zxid: 0,
            round: 1,
            peer_epoch: 0,
            version: Notification::VERSION,
            config: bytes::Bytes::new(),
        };
        let from = 1;
        alone.gets(
            5,
            PeerInput::Notification {
                from,
                notification: leads,
            },
        );
        let link = LinkId::FIRST_DIALLED;
        alone.gets(6, PeerInput::Connected { link });
        assert_eq!(alone.peer.status().state, PeerState::Observing);
        alone.done(6);
        let reason = "cut".to_owned();
        alone.gets(7, PeerInput::Gone { link, reason });
        alone.done(7);
        assert!(alone.peer.is_looking());
        assert_eq!(alone.asks(), !waits);
        if waits {
            let next = alone.peer.next_deadline().unwrap();
            assert!((at(7).mono_us..at(307).mono_us).contains(&next), "{next}");
            alone.gets(307, PeerInput::Tick);
            assert!(alone.asks());
        }
    }
}

/// ZooKeeper's own leader gives up, too; see `net/quorum/listen.rs` for when.
#[test]
fn a_leader_without_its_port_does_nothing_and_gives_up() {
    let mut alone = Alone::new(1, "server.1=a:1:2\n", 0);
    let listens = |alone: &Alone, port| {
        let mut all = alone.out.iter();
        all.any(|o| matches!(o, PeerOutput::Listen(p) if *p == port))
    };
    assert!(listens(&alone, Some(Port::Quorum)));
    alone.done(1);
    assert!(alone.peer.server().is_none(), "alone, it is a quorum");
    let reason = "taken".to_owned();
    alone.gets(1500, PeerInput::NotListening { reason });
    assert!(listens(&alone, None));
    alone.done(1500);
    assert_eq!(alone.peer.status().state, PeerState::Leading, "once more");
    alone.out.clear();
    alone.gets(1501, PeerInput::Listening);
    alone.done(1501);
    alone.done(1501);
    assert!(alone.peer.server().is_some());
    assert_eq!(alone.peer.status().current_epoch, 1);
}

/// Of three servers the third has this port.
fn three(port: u16, version: &str) -> String {
    let line = |id: u16| {
        let port = if id == 3 { port } else { 2888 };
        format!("server.{id}=host{id}:{port}:3888:participant;2181\n")
    };
    let lines: String = (1..=3).map(line).collect();
    lines + version
}

/// NEWLEADER tells a learner of a configuration that it has missed, and before UPTODATE comes another one,
/// which is not committed yet: that one is in its file when its transaction is logged. Whoever starts
/// again must know that its quorum counts.
#[test]
fn a_configuration_proposed_before_uptodate_is_in_its_file_when_it_is_logged() {
    let mut alone = Alone::with(2, &three(2888, ""), |settings| {
        settings.server.reconfig_enabled = true;
        settings.zab.reconfig_enabled = true;
        settings.election.reconfig = true;
    });
    for (from, state) in [(1, PeerState::Leading), (3, PeerState::Following)] {
        let notification = Notification {
            state,
            leader: 1,
            zxid: 0,
            round: 1,
            peer_epoch: 4,
            version: Notification::VERSION,
            config: Bytes::new(),
        };
        alone.gets(5, PeerInput::Notification { from, notification });
    }
    assert_eq!(alone.peer.status().state, PeerState::Following);
    let link = LinkId::FIRST_DIALLED;
    alone.gets(6, PeerInput::Connected { link });
    let first = three(2889, "version=400000001");
    let second = three(2890, "version=500000001");
    let logged = Zxid(5 << 32 | 1);
    let proposal = reconfig(logged.0, second.as_bytes());
    let packets = [
        QuorumPacket::leader_info(5),
        QuorumPacket::new(PacketType::Diff, 0),
        QuorumPacket::with(PacketType::NewLeader, 5 << 32, first.into_bytes()),
        QuorumPacket::with(PacketType::Proposal, logged.0, proposal),
        QuorumPacket::new(PacketType::UpToDate, -1),
    ];
    for packet in packets {
        let to_files = packet.kind != PacketType::Proposal;
        alone.gets(7, PeerInput::Packet { link, packet });
        if to_files && alone.peer.server().is_none() {
            alone.done(7);
        }
    }
    assert!(alone.peer.server().is_some(), "it serves");
    let append = alone.out.iter().position(
        |o| matches!(o, PeerOutput::Disk(DiskOrder::Append { zxid, .. }) if *zxid == logged),
    );
    let before = alone.out[..append.unwrap()].iter();
    let files: Vec<(i64, bool)> = before
        .filter_map(|o| match o {
            PeerOutput::Configured { view, active } => Some((view.version(), *active)),
            _ => None,
        })
        .collect();
    let second = (logged.0, false);
    assert_eq!(files, [second, (4 << 32 | 1, true), second]);
}
