//! Servers without clients: roles, databases, disks with unsynced tails, links that keep order. Each
//! step is chosen by the caller; every invariant is checked at each step.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use proto::quorum::{PacketType, QuorumPacket};

use super::disk::Disk;
use crate::quorum::View;
use crate::store::orders::DiskOrder;
use crate::tree::Database;
use crate::units::{LinkId, Now, Zxid};
use crate::zab::testing::{record_by, replay};
use crate::zab::{Effect, Leader, Learner, Port, Settings, Start, leader, learner};

pub(super) type History = Vec<(i64, Bytes)>;

#[derive(Debug)]
pub(super) enum Role {
    Idle,
    Leading(Box<Leader>),
    Learning(Box<Learner>),
}

#[derive(Debug)]
pub(super) struct Node {
    pub id: i64,
    pub role: Role,
    pub db: Database,
    /// what is in the database
    pub history: History,
    /// how many transactions the database's committed log holds
    kept: usize,
    pub disk: Disk,
    pub serving: bool,
    /// appended, not committed
    pub proposals: VecDeque<(i64, Bytes)>,
    pub abandoned: Option<String>,
    pub answered: Vec<Effect>,
}

impl Node {
    pub(super) fn zxids(&self) -> Vec<i64> {
        self.history.iter().map(|&(z, _)| z).collect()
    }

    fn apply(&mut self, zxid: i64, record: Bytes) {
        assert!(self.db.last_zxid().0 < zxid);
        self.db.apply_logged(&record).unwrap();
        self.db.committed_mut().push(zxid, record.clone());
        self.history.push((zxid, record));
    }

    /// A database that was read keeps all of its history until now.
    fn install(&mut self, mut db: Database) {
        self.history = db.committed().iter().map(|(z, r)| (z, r.clone())).collect();
        db.committed_mut().keep(self.kept);
        self.db = db;
    }
}

#[derive(Debug)]
enum Wire {
    Packet(QuorumPacket),
    Snapshot(i64, History),
}

#[derive(Debug)]
struct Link {
    learner: usize,
    leader: usize,
    up: VecDeque<Wire>,
    down: VecDeque<Wire>,
}

pub(super) struct World {
    pub nodes: Vec<Node>,
    pub view: View,
    pub settings: Settings,
    pub now: Now,
    links: BTreeMap<LinkId, Link>,
    next_link: u64,
    /// what a quorum has logged, as the leaders say
    pub committed: History,
    /// the last epoch that has a leader
    established: i64,
    /// kinds of all packets to learners and from them, in order of delivery
    pub trace: Vec<(i64, i64, PacketType, i64)>,
    author: i64,
    pub masters_left: usize,
}

impl World {
    pub(super) fn new(view: View) -> Self {
        let settings = Settings {
            tick_time_ms: 100,
            ..Settings::DEFAULT
        };
        let node = |server: &crate::config::QuorumServer| Node {
            id: server.id,
            role: Role::Idle,
            db: replay([], usize::MAX),
            history: Vec::new(),
            kept: usize::MAX,
            disk: Disk::default(),
            serving: false,
            proposals: VecDeque::new(),
            abandoned: None,
            answered: Vec::new(),
        };
        let nodes = view.config().servers.iter().map(node).collect();
        Self {
            nodes,
            view,
            settings,
            now: Now::default(),
            links: BTreeMap::new(),
            next_link: 0,
            committed: Vec::new(),
            established: 0,
            trace: Vec::new(),
            author: 0,
            masters_left: 0,
        }
    }

    pub(super) fn at(&self, id: i64) -> usize {
        self.nodes.iter().position(|node| node.id == id).unwrap()
    }

    pub(super) fn node(&self, id: i64) -> &Node {
        &self.nodes[self.at(id)]
    }

    /// Gives an idle server this history, on disk too.
    pub(super) fn give(&mut self, id: i64, epoch: i64, history: &[(i64, Bytes)]) {
        let at = self.at(id);
        let node = &mut self.nodes[at];
        node.disk.log = history.to_vec();
        node.disk.synced = history.len();
        node.disk.accepted = epoch;
        node.disk.current = epoch;
        node.install(replay(history.iter().cloned(), usize::MAX));
    }

    /// Lets a server's database forget all but the last transactions, so that it must read its log.
    pub(super) fn forget(&mut self, id: i64, kept: usize) {
        let at = self.at(id);
        let node = &mut self.nodes[at];
        node.kept = kept;
        node.db.committed_mut().keep(kept);
    }

    fn start(&self, at: usize) -> Start {
        let node = &self.nodes[at];
        Start {
            me: node.id,
            active: self.view.clone(),
            last_seen: self.view.clone(),
            accepted_epoch: node.disk.accepted,
            current_epoch: node.disk.current,
            last_zxid: node.db.last_zxid().0,
            oracle: None,
        }
    }

    pub(super) fn lead(&mut self, id: i64) {
        let at = self.at(id);
        let mut out = Vec::new();
        let mut leader = Leader::new(self.settings, self.start(at), self.now);
        leader.listening(&mut out);
        self.nodes[at].abandoned = None;
        self.nodes[at].role = Role::Leading(Box::new(leader));
        self.carry_out(at, out);
    }

    pub(super) fn follow(&mut self, id: i64, leader: i64) {
        let at = self.at(id);
        let mut out = Vec::new();
        let first = LinkId(self.next_link);
        self.next_link += learner::LINKS;
        let start = self.start(at);
        let masters = self.masters(id, leader);
        let learner = Learner::new(
            self.settings,
            start,
            leader,
            masters,
            first,
            self.now,
            &mut out,
        );
        self.nodes[at].abandoned = None;
        self.nodes[at].role = Role::Learning(Box::new(learner));
        self.carry_out(at, out);
    }

    /// Whom an observer may connect to when followers serve observers.
    fn masters(&self, id: i64, leader: i64) -> Vec<i64> {
        if !self.settings.observer_masters || !self.view.is_observer(id) {
            return Vec::new();
        }
        let voters = self.view.voters().iter().copied();
        let mut masters: Vec<i64> = voters.filter(|&id| id != leader).collect();
        let first = self.masters_left % masters.len();
        masters.rotate_left(first);
        masters
    }

    /// Server 1 leads, the others follow, until nothing is left to do.
    pub(super) fn establish(&mut self) {
        self.lead(1);
        let others: Vec<i64> = self.nodes[1..].iter().map(|node| node.id).collect();
        for id in others {
            self.follow(id, 1);
        }
        self.settle();
    }

    /// A leader's client writes.
    pub(super) fn write(&mut self, id: i64) -> i64 {
        let at = self.at(id);
        let node = &mut self.nodes[at];
        let Role::Leading(leader) = &mut node.role else {
            panic!("server {id} does not lead");
        };
        let base = node.db.last_zxid().0;
        let last = node.proposals.back().map_or(base, |&(z, _)| z);
        let zxid = last.max(leader.epoch() << 32) + 1;
        self.author += 1;
        let record = record_by(zxid, self.author);
        node.proposals.push_back((zxid, record.clone()));
        node.disk.orders.push_back(DiskOrder::Append {
            zxid: Zxid(zxid),
            record: record.clone(),
        });
        let mut out = Vec::new();
        leader.proposed(zxid, record, None, self.now, &mut out);
        self.carry_out(at, out);
        zxid
    }

    // -- steps

    pub(super) fn settle(&mut self) {
        while self.deliver_any() || self.disk_any() {}
    }

    fn deliver_any(&mut self) -> bool {
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        links
            .into_iter()
            .any(|link| self.deliver(link, true) || self.deliver(link, false))
    }

    fn disk_any(&mut self) -> bool {
        (0..self.nodes.len()).any(|at| self.disk_step(at))
    }

    pub(super) fn links(&self) -> Vec<LinkId> {
        self.links.keys().copied().collect()
    }

    pub(super) fn link_of(&self, id: i64) -> Option<LinkId> {
        let at = self.at(id);
        let mut links = self.links.iter();
        links.find(|(_, l)| l.learner == at).map(|(&link, _)| link)
    }

    /// Who is at the leader's end of a link.
    pub(super) fn served_by(&self, link: LinkId) -> i64 {
        self.nodes[self.links[&link].leader].id
    }

    pub(super) fn deliver(&mut self, link: LinkId, up: bool) -> bool {
        let Some(l) = self.links.get_mut(&link) else {
            return false;
        };
        let queue = if up { &mut l.up } else { &mut l.down };
        let Some(wire) = queue.pop_front() else {
            return false;
        };
        let at = if up { l.leader } else { l.learner };
        let other = if up { l.learner } else { l.leader };
        let mut out = Vec::new();
        let ids = (self.nodes[other].id, self.nodes[at].id);
        let node = &mut self.nodes[at];
        match (&mut node.role, wire) {
            (Role::Leading(leader), Wire::Packet(packet)) => {
                self.trace.push((ids.0, ids.1, packet.kind, packet.zxid));
                leader.packet(link, packet, &node.db, self.now, &mut out);
            }
            (Role::Learning(learner), Wire::Packet(packet)) => {
                self.trace.push((ids.0, ids.1, packet.kind, packet.zxid));
                learner.packet(link, packet, &node.db, self.now, &mut out);
            }
            (Role::Learning(learner), Wire::Snapshot(zxid, history)) => {
                let mut db = replay(history, usize::MAX);
                if zxid > db.last_zxid().0 {
                    let kept = std::mem::take(db.committed_mut());
                    db.loaded(Zxid(zxid));
                    *db.committed_mut() = kept;
                }
                learner.snapshot(link, Box::new(db), self.now, &mut out);
            }
            _ => {}
        }
        self.carry_out(at, out);
        true
    }

    /// A packet that the other end did not send.
    pub(super) fn forge(&mut self, link: LinkId, up: bool, packet: QuorumPacket) {
        let l = &self.links[&link];
        let at = if up { l.leader } else { l.learner };
        let mut out = Vec::new();
        let node = &mut self.nodes[at];
        match &mut node.role {
            Role::Leading(leader) => leader.packet(link, packet, &node.db, self.now, &mut out),
            Role::Learning(learner) => learner.packet(link, packet, &node.db, self.now, &mut out),
            Role::Idle => {}
        }
    }

    pub(super) fn disk_step(&mut self, at: usize) -> bool {
        let node = &mut self.nodes[at];
        let Some(order) = node.disk.orders.pop_front() else {
            return false;
        };
        let done = node.disk.carry_out(order);
        let Some(done) = done else { return true };
        let mut out = Vec::new();
        match &mut node.role {
            Role::Leading(leader) => {
                leader.disk(done, &node.db, self.now, &mut out);
            }
            Role::Learning(learner) => learner.disk(done, &node.db, self.now, &mut out),
            Role::Idle => {}
        }
        self.carry_out(at, out);
        true
    }

    pub(super) fn pass(&mut self, ms: u64) {
        self.now = Now {
            mono_us: self.now.mono_us + ms * 1000,
            wall_ms: self.now.wall_ms + ms as i64,
        };
        for at in 0..self.nodes.len() {
            let mut out = Vec::new();
            match &mut self.nodes[at].role {
                Role::Leading(leader) => leader.tick(self.now, &mut out),
                Role::Learning(learner) => learner.tick(self.now, &mut out),
                Role::Idle => {}
            }
            self.carry_out(at, out);
        }
    }

    /// A link breaks; both ends hear of it.
    pub(super) fn cut(&mut self, link: LinkId) {
        let Some(l) = self.links.remove(&link) else {
            return;
        };
        for at in [l.learner, l.leader] {
            let mut out = Vec::new();
            match &mut self.nodes[at].role {
                Role::Leading(leader) => leader.gone(link, "cut", &mut out),
                Role::Learning(learner) => learner.gone(link, "cut", self.now, &mut out),
                Role::Idle => {}
            }
            self.carry_out(at, out);
        }
    }

    /// The power fails: so much of what was not synced is lost.
    pub(super) fn crash(&mut self, id: i64, lost: usize) {
        let at = self.at(id);
        let node = &mut self.nodes[at];
        node.role = Role::Idle;
        node.serving = false;
        node.proposals.clear();
        let disk = &mut node.disk;
        disk.orders.clear();
        disk.images.clear();
        let kept = disk.log.len().saturating_sub(lost).max(disk.synced);
        disk.log.truncate(kept);
        disk.synced = kept;
        let db = replay(disk.history(), usize::MAX);
        node.install(db);
        self.cut_all(at);
    }

    fn cut_all(&mut self, at: usize) {
        let of = |l: &Link| l.learner == at || l.leader == at;
        let links = self.links.iter().filter(|(_, l)| of(l));
        for link in links.map(|(&link, _)| link).collect::<Vec<_>>() {
            self.cut(link);
        }
    }

    /// Java: `QuorumPeer` goes looking. The disk finishes what it was asked to do.
    fn retire(&mut self, at: usize, reason: String) {
        let node = &mut self.nodes[at];
        let reload = match std::mem::replace(&mut node.role, Role::Idle) {
            Role::Learning(learner) => learner.needs_reload(),
            _ => false,
        };
        node.abandoned = Some(reason);
        node.serving = false;
        while self.disk_step(at) {}
        let node = &mut self.nodes[at];
        let unapplied = std::mem::take(&mut node.proposals);
        if reload {
            node.install(replay(node.disk.history(), usize::MAX));
        } else {
            for (zxid, record) in unapplied {
                node.apply(zxid, record);
            }
        }
        let (memory, disk) = (&node.history, node.disk.history());
        assert_eq!(memory, &disk, "server {}: memory is replay", node.id);
        self.cut_all(at);
    }

    // -- effects

    fn carry_out(&mut self, at: usize, effects: Vec<Effect>) {
        for effect in effects {
            self.one(at, effect);
        }
    }

    fn one(&mut self, at: usize, effect: Effect) {
        match effect {
            Effect::Dial { link, server, port } => self.dial(at, link, server, port),
            Effect::Send { link, packet } => self.send(at, link, packet),
            Effect::SendSnapshot { link } => {
                let history = self.nodes[at].history.clone();
                let zxid = self.nodes[at].db.last_zxid().0;
                if let Some(l) = self.links.get_mut(&link) {
                    l.down.push_back(Wire::Snapshot(zxid, history));
                }
                match &mut self.nodes[at].role {
                    Role::Leading(leader) => leader.snapshot_sent(link, self.now),
                    Role::Learning(learner) => learner.snapshot_sent(link, self.now),
                    Role::Idle => {}
                }
            }
            Effect::Close { link } => {
                // This side has forgotten it.
                if let Some(l) = self.links.remove(&link) {
                    let other = if l.leader == at { l.learner } else { l.leader };
                    let mut out = Vec::new();
                    match &mut self.nodes[other].role {
                        Role::Leading(leader) => leader.gone(link, "closed", &mut out),
                        Role::Learning(l) => l.gone(link, "closed", self.now, &mut out),
                        Role::Idle => {}
                    }
                    self.carry_out(other, out);
                }
            }
            Effect::Disk(order) => self.nodes[at].disk.orders.push_back(order),
            Effect::Apply { zxid, record } => {
                let node = &mut self.nodes[at];
                assert!(!node.serving);
                node.disk.orders.push_back(DiskOrder::Append {
                    zxid: Zxid(zxid),
                    record: record.clone(),
                });
                node.apply(zxid, record);
            }
            Effect::Install(database) => {
                let node = &mut self.nodes[at];
                assert!(!node.serving);
                node.install(*database);
                let saves = node.disk.orders.iter();
                let saves = saves.filter(|o| matches!(o, DiskOrder::SaveSnapshot(_)));
                if saves.count() > node.disk.images.len() {
                    let history = node.history.clone();
                    node.disk.images.push_back(history);
                }
            }
            Effect::Serve { epoch } => self.serve(at, epoch),
            Effect::Propose { zxid, record } => {
                let node = &mut self.nodes[at];
                assert!(node.serving);
                node.proposals.push_back((zxid, record.clone()));
                let zxid = Zxid(zxid);
                let append = DiskOrder::Append { zxid, record };
                node.disk.orders.push_back(append);
            }
            Effect::Commit { zxid } => self.commit(at, zxid),
            Effect::Pinged { zxid } => {
                let mut out = Vec::new();
                if let Role::Learning(learner) = &mut self.nodes[at].role {
                    learner.pong(zxid, [(7, 4000)], &mut out);
                }
                self.carry_out(at, out);
            }
            Effect::Abandon { reason } => self.retire(at, reason),
            Effect::Say(_) => {}
            other => self.nodes[at].answered.push(other),
        }
    }

    fn dial(&mut self, at: usize, link: LinkId, server: i64, port: Port) {
        let leader_at = self.at(server);
        let mut out = Vec::new();
        let peer = "127.0.0.1:40000".parse().unwrap();
        let accepts = match (&mut self.nodes[leader_at].role, port) {
            (Role::Leading(leader), Port::Quorum) => {
                leader.accepted(link, peer, self.now);
                true
            }
            (Role::Learning(learner), Port::Observers) => {
                learner.accepted(link, peer, self.now);
                learner.serves_observers()
            }
            _ => false,
        };
        if accepts {
            self.links.insert(
                link,
                Link {
                    learner: at,
                    leader: leader_at,
                    up: VecDeque::new(),
                    down: VecDeque::new(),
                },
            );
            if let Role::Learning(learner) = &mut self.nodes[at].role {
                learner.connected(link, self.now, &mut out);
            }
        } else if let Role::Learning(learner) = &mut self.nodes[at].role {
            learner.gone(link, "Connection refused", self.now, &mut out);
        }
        self.carry_out(at, out);
    }

    fn send(&mut self, at: usize, link: LinkId, packet: QuorumPacket) {
        let node = &self.nodes[at];
        if packet.kind == PacketType::Ack {
            let (zxid, disk) = (packet.zxid, &node.disk);
            if zxid & 0xffff_ffff == 0 {
                assert_eq!(disk.current, zxid >> 32, "epoch before ack");
                let Role::Learning(learner) = &node.role else {
                    panic!("ACK of {:?}", node.role);
                };
                if learner.phase() == learner::Phase::Established {
                    for zxid in node.zxids() {
                        let is = |o: &DiskOrder| matches!(o, DiskOrder::Append { zxid: z, .. } if z.0 == zxid);
                        // What came after NEWLEADER is ordered after the epoch.
                        let later = disk.orders.iter().any(is);
                        assert!(disk.durable(zxid) || later, "transactions before ack");
                    }
                }
            } else {
                assert!(disk.durable(zxid), "acked is logged");
            }
        }
        if packet.kind == PacketType::LeaderInfo {
            assert_eq!(node.disk.accepted, packet.zxid >> 32);
        }
        if let Some(l) = self.links.get_mut(&link) {
            let queue = if l.leader == at {
                &mut l.down
            } else {
                &mut l.up
            };
            queue.push_back(Wire::Packet(packet));
        }
    }

    fn serve(&mut self, at: usize, epoch: i64) {
        let history = self.nodes[at].history.clone();
        self.nodes[at].serving = true;
        if let Role::Leading(leader) = &self.nodes[at].role {
            assert_eq!(leader.phase(), leader::Phase::Serving);
            assert_eq!(self.nodes[at].disk.current, epoch);
            if epoch > self.established {
                let all = history.starts_with(&self.committed);
                assert!(all, "a leader has all that is committed");
                self.committed = history;
                self.established = epoch;
            } else {
                // Its quorum has turned to another leader, with all that it had acknowledged.
                assert!(epoch < self.established, "one leader an epoch");
                assert!(self.committed.starts_with(&history), "prefix");
            }
        } else {
            assert!(self.committed.starts_with(&history), "prefix");
        }
    }

    fn commit(&mut self, at: usize, zxid: i64) {
        let node = &mut self.nodes[at];
        assert!(node.serving);
        assert!(node.proposals.front().is_some_and(|&(z, _)| z <= zxid));
        while node.proposals.front().is_some_and(|&(z, _)| z <= zxid) {
            let (zxid, record) = node.proposals.pop_front().unwrap();
            node.apply(zxid, record.clone());
            if matches!(node.role, Role::Leading(_)) {
                // A later leader may have been first, as it found this in its history.
                let known = self.committed.iter().find(|(z, _)| *z == zxid);
                if let Some((_, known)) = known {
                    assert_eq!(known, &record, "one transaction a zxid");
                } else {
                    assert!(self.committed.last().is_none_or(|(z, _)| *z < zxid));
                    self.committed.push((zxid, record));
                }
            }
        }
        let history = &self.nodes[at].history;
        assert!(self.committed.starts_with(history), "prefix");
    }
}
