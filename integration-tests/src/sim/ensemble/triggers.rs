//! Faults that come at a certain moment of the protocol: when a server sends this packet or orders that
//! of its files, for the n-th time. Bugs hide there, and random times seldom hit them.

use proto::quorum::PacketType;
use zk_server::store::epochs::Epoch;
use zk_server::store::orders::DiskOrder;

use crate::rng::Rng;

use super::net::Message;
use super::plan::{MS, SECOND};
use super::world::{Event, World};

/// A moment of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    Sent(PacketType),
    SnapshotSent,
    /// a learner has acknowledged NEWLEADER
    AckedLeader,
    /// ordered of the files
    AcceptedEpoch,
    CurrentEpoch,
    Truncate,
    SaveSnapshot,
    Snapshot,
    Reload,
    Flush,
    /// a configuration on its way to its file
    Reconfiguration,
    /// a restored snapshot, on its way to learners
    Offered,
}

/// What happens then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Kill,
    PowerCut,
    /// of every server
    PowerCutAll,
    /// at the n-th change of its files from then on
    PowerCutAtWrite(u64),
    KillAtWrite(u64),
    DiskFull,
    /// its connections to other servers break
    LinksBreak,
    Pause,
    SlowDisk,
    /// nothing gets from or to it for a while
    CutOff,
    /// the same for the leader
    LeaderCutOff,
    /// the operator wants other members
    Members,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trigger {
    pub point: Point,
    /// the first time is 1
    pub nth: u32,
    /// so much later
    pub after_us: u64,
    pub action: Action,
}

const POINTS: &[Point] = &[
    Point::Sent(PacketType::NewLeader),
    Point::Sent(PacketType::UpToDate),
    Point::Sent(PacketType::Ack),
    Point::Sent(PacketType::AckEpoch),
    Point::Sent(PacketType::LeaderInfo),
    Point::Sent(PacketType::Diff),
    Point::Sent(PacketType::Trunc),
    Point::Sent(PacketType::Snap),
    Point::Sent(PacketType::Commit),
    Point::Sent(PacketType::Proposal),
    Point::SnapshotSent,
    Point::AckedLeader,
    Point::AcceptedEpoch,
    Point::CurrentEpoch,
    Point::Truncate,
    Point::SaveSnapshot,
    Point::Snapshot,
    Point::Reload,
    Point::Flush,
];

impl Point {
    pub fn of(order: &DiskOrder) -> Option<Self> {
        Some(match order {
            DiskOrder::WriteEpoch { which, .. } => match which {
                Epoch::Accepted => Self::AcceptedEpoch,
                Epoch::Current => Self::CurrentEpoch,
            },
            DiskOrder::Truncate { .. } => Self::Truncate,
            DiskOrder::SaveSnapshot(_) => Self::SaveSnapshot,
            DiskOrder::Snapshot(_) => Self::Snapshot,
            DiskOrder::Reload => Self::Reload,
            DiskOrder::Flush => Self::Flush,
            _ => return None,
        })
    }
}

impl Action {
    fn random(rng: &mut Rng) -> Self {
        let n = 1 + rng.next_u64() % 10;
        *rng.pick(&[
            Self::Kill,
            Self::PowerCut,
            Self::PowerCutAll,
            Self::PowerCutAtWrite(n),
            Self::KillAtWrite(n),
            Self::DiskFull,
            Self::LinksBreak,
            Self::Pause,
            Self::SlowDisk,
            Self::CutOff,
            Self::LeaderCutOff,
        ])
    }
}

impl Trigger {
    pub fn random(rng: &mut Rng) -> Self {
        let point = *rng.pick(POINTS);
        let often = matches!(
            point,
            Point::Sent(PacketType::Ack | PacketType::Commit | PacketType::Proposal)
        );
        let nth = 1 + rng.below(if often { 500 } else { 8 }) as u32;
        Self {
            point,
            nth,
            after_us: *rng.pick(&[0, 0, 300, 3000]),
            action: Action::random(rng),
        }
    }
}

impl World {
    /// A server is at a point of the protocol.
    pub(super) fn reached(&mut self, point: Point, server: usize) {
        for i in 0..self.plan.triggers.len() {
            let trigger = self.plan.triggers[i];
            if trigger.point != point || self.healing {
                continue;
            }
            self.reached[i] += 1;
            if self.reached[i] == trigger.nth {
                let (at, action) = (self.now + trigger.after_us, trigger.action);
                self.schedule(at, Event::Strike { server, action });
            }
        }
    }

    pub(super) fn strike(&mut self, server: usize, action: Action) {
        if self.healing {
            return;
        }
        self.say(|| format!("strikes server {}: {action:?}", server + 1));
        self.coverage.happened("trigger");
        let soon = self.now + 50 * MS + self.rng.next_u64() % (2 * SECOND);
        match action {
            Action::Kill => self.kill(server),
            Action::PowerCut => self.power_cut(server),
            Action::PowerCutAll => {
                for server in 0..self.servers.len() {
                    self.power_cut(server);
                    let at = self.now + 10 * MS + self.rng.next_u64() % SECOND;
                    self.schedule(at, Event::Start { server });
                }
            }
            Action::PowerCutAtWrite(n) | Action::KillAtWrite(n) => {
                let process_only = matches!(action, Action::KillAtWrite(_));
                self.servers[server].fail_after(n, process_only);
            }
            Action::DiskFull => {
                let disk = &self.servers[server].disk;
                disk.set_capacity(Some(disk.used()));
                self.schedule(soon, Event::DiskRoom { server });
            }
            Action::LinksBreak => self.break_links_of(server),
            Action::Pause => {
                self.servers[server].paused_until = soon;
                self.schedule(soon, Event::Resume { server });
            }
            Action::SlowDisk => {
                self.servers[server].disk_us = 200 * MS;
                self.schedule(soon, Event::DiskFast { server });
            }
            Action::Members => {
                let mut rng = Rng::new(self.rng.next_u64());
                self.change_members_now(&mut rng);
            }
            Action::CutOff => self.block(|a, b| a == server || b == server, soon),
            Action::LeaderCutOff => {
                let leader = self.leader().unwrap_or(server);
                self.block(|a, b| a == leader || b == leader, soon);
            }
        }
        if matches!(action, Action::Kill | Action::PowerCut) {
            self.schedule(soon, Event::Start { server });
        }
    }

    fn break_links_of(&mut self, server: usize) {
        let of = |link: &super::net::Link| link.ends.iter().any(|end| end.server == server);
        let links = self.links.iter().filter(|(_, link)| of(link));
        let numbers: Vec<u64> = links.map(|(&number, _)| number).collect();
        for number in numbers {
            self.transmit(number, 0, Message::Closed);
            self.transmit(number, 1, Message::Closed);
        }
    }
}
