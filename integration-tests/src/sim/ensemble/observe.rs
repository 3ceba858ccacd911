//! Looks at servers as they run and tells the invariants: what was broadcast, taken, delivered, said.

use std::collections::{BTreeMap, BTreeSet};

use proto::zk::OpCode;
use zk_server::core::settings::ZXIDS_PER_EPOCH;
use zk_server::peer::{PeerEvent, ZabState};
use zk_server::store::orders::DiskOrder;
use zk_server::tree::Database;
use zk_server::tree::ephemeral::CONTAINER_OWNER;
use zk_server::tree::txn::{Body, Record};
use zk_server::units::Zxid;
use zk_server::zab;

use super::facts::Seen;
use super::history::{self, COMMITTED_ONCE, CONTAINERS_GO, EXPIRY_IS_REAL, SESSIONS_END};
use super::plan::{MS, SECOND};
use super::triggers::Point;
use super::world::{Event, World};

/// An ensemble without faults has a leader again after so long.
pub(super) const HEALS_WITHIN: u64 = 10 * SECOND;

impl World {
    /// What a peer has become by its last input, before its outputs are carried out.
    pub(super) fn observe_before(&mut self, index: usize) {
        let Some(live) = &mut self.servers[index].live else {
            return;
        };
        let events = live.peer.drain_events();
        let status = live.peer.status();
        let tail = live.tail;
        let leads = live.peer.leader().is_some();
        live.led = live.leads;
        live.leads = leads && status.zab == ZabState::Broadcast;
        live.status = Some(status);
        for event in events {
            self.say(|| format!("server {}: {event:?}", index + 1));
            match event {
                PeerEvent::Serving { epoch } if leads => self.established(index, epoch, tail),
                PeerEvent::Serving { .. } if self.facts.active().is_observer(index as i64 + 1) => {
                    self.coverage.happened("observer served");
                }
                PeerEvent::Zab(zab::Event::Synchronizing {
                    server,
                    leader_zxid,
                    ..
                }) => {
                    let owed = self.facts.real(leader_zxid);
                    if let Some(server) = self.servers.get_mut(server as usize - 1) {
                        server.owed = owed;
                    }
                }
                PeerEvent::Abandoned { reason } => {
                    self.coverage.happened("role abandoned");
                    if reason.starts_with("zxid lower 32 bits have rolled over") {
                        self.coverage.happened("zxids of an epoch used up");
                    }
                    self.judge([history::abandoned(&reason)]);
                }
                PeerEvent::Offers { at, taken } => self.offers(index, at, taken),
                PeerEvent::Restored(restored) => self.restored(restored.at),
                PeerEvent::NotRestored { .. } => self.coverage.happened("restore given up"),
                PeerEvent::Replaced(_) => {
                    self.coverage
                        .happened("history replaced by a restored snapshot");
                }
                PeerEvent::RestoreUndone { .. } => {
                    self.coverage
                        .happened("restored snapshot given up by a member");
                }
                PeerEvent::Server(zk_server::core::Event::SessionExpired { session }) => {
                    self.coverage.happened("session expired");
                    self.look_at_expiry(session);
                }
                _ => {}
            }
        }
    }

    /// When all faults are long over, nobody's session expires who is connected.
    fn look_at_expiry(&mut self, session: i64) {
        if self.now > self.plan.heal_at + HEALS_WITHIN {
            let connected = self.clients.iter().any(|client| client.talks_as(session));
            let result = if connected {
                Err(format!(
                    "session 0x{session:x} expires, and its client is connected"
                ))
            } else {
                Ok(())
            };
            self.judge([(EXPIRY_IS_REAL, result)]);
        }
    }

    fn established(&mut self, index: usize, epoch: i64, zxid: i64) {
        let node = index as i64 + 1;
        self.coverage.happened("leader elected");
        if !self.plan.groups.is_empty() {
            self.coverage.happened("leader of groups elected");
        }
        self.facts.leaders.entry(epoch).or_default().insert(node);
        self.facts.began.entry(epoch).or_insert(zxid);
        self.see(Seen::Established { node, epoch, zxid });
    }

    /// An order on its way to the files.
    pub(super) fn look_at_order(&mut self, index: usize, order: &DiskOrder) {
        let node = index as i64 + 1;
        if let Some(point) = Point::of(order) {
            self.reached(point, index);
        }
        let Some(live) = &mut self.servers[index].live else {
            return;
        };
        match order {
            DiskOrder::Append { zxid, record } => {
                let prev = std::mem::replace(&mut live.tail, zxid.0);
                let zxid = zxid.0;
                // The same input may have ended its role after the broadcast.
                if live.leads || live.led && !self.facts.proposals.contains_key(&zxid) {
                    self.see(Seen::Broadcast { node, zxid, prev });
                    if let Err(why) = self.facts.propose(node, zxid, prev, record) {
                        self.fail("Integrity", why);
                    }
                    return;
                }
                if live.peer.restores() && !self.facts.proposals.contains_key(&zxid) {
                    // what only a leader that restores a snapshot has
                    if let Err(why) = self.facts.propose(node, zxid, prev, record) {
                        self.fail("Integrity", why);
                    }
                    return;
                }
                let known = self.facts.proposals.get(&zxid);
                let same = known.is_some_and(|p| p.record == record);
                self.see(Seen::Accepted {
                    node,
                    zxid,
                    prev,
                    same,
                });
            }
            DiskOrder::SaveSnapshot(image) => live.tail = self.facts.real(image.0.zxid().0),
            _ => {}
        }
    }

    /// A learner acknowledges something.
    pub(super) fn look_at_ack(&mut self, index: usize, zxid: i64) {
        let node = index as i64 + 1;
        let owed = self.servers[index].owed;
        let seen = if zxid & 0xffff_ffff == 0 {
            self.reached(Point::AckedLeader, index);
            let epoch = zxid >> 32;
            Seen::AckedLeader {
                node,
                epoch,
                zxid: owed,
            }
        } else {
            Seen::Acked { node, zxid }
        };
        self.see(seen);
    }

    /// What a peer has delivered by its last input.
    pub(super) fn observe(&mut self, index: usize) {
        let node = index as i64 + 1;
        let Some(live) = &mut self.servers[index].live else {
            return;
        };
        let idle = is_idle(live);
        let was_idle = std::mem::replace(&mut live.idle, idle);
        let Some(db) = live.peer.database() else {
            return;
        };
        let digest = db.tree().digest();
        let zxid = self.facts.real(db.last_zxid().0);
        let serves = live.peer.status().zab == ZabState::Broadcast;
        if live.idle && !was_idle {
            let logged = live.tail;
            return self.see(Seen::Idle {
                node,
                zxid,
                logged,
                digest,
            });
        }
        if !serves || zxid == live.delivered {
            return;
        }
        let from = std::mem::replace(&mut live.delivered, zxid);
        self.see(Seen::Delivered {
            node,
            from,
            to: zxid,
            digest,
        });
        let config = self.facts.config_of(self.facts.last_committed());
        let restored = self.facts.restored;
        match self.facts.commit(zxid) {
            Ok(committed) => {
                for zxid in committed {
                    self.count_commit(zxid);
                }
            }
            Err(why) => return self.fail("PrefixConsistency", why),
        }
        let once = self.facts.repeated.take().map_or(Ok(()), Err);
        self.judge([(COMMITTED_ONCE, once)]);
        if self.facts.restored != restored {
            self.history.restored();
        }
        let next = self.facts.config_of(self.facts.last_committed());
        if next != config {
            let before = self.facts.configs[&config].clone();
            let leader = self.facts.proposals.get(&next).map_or(0, |p| p.leader);
            self.members_changed(&before, leader);
        }
    }

    fn count_commit(&mut self, zxid: i64) {
        let Some(proposal) = self.facts.proposals.get(&zxid) else {
            return;
        };
        let closes = proposal.op == OpCode::CloseSession.code();
        if !closes && proposal.op != OpCode::DeleteContainer.code() {
            return;
        }
        match Record::read(&proposal.record).map(|record| record.body) {
            Ok(Body::CloseSession(None)) => {
                self.coverage
                    .happened("session closed without a list of paths");
            }
            Ok(Body::Delete { path }) => {
                let was = self.facts.model.at(path, zxid - 1);
                let what = match was.map(|znode| znode.owner) {
                    Some(CONTAINER_OWNER) => "container removed",
                    _ => "node with a TTL removed",
                };
                self.coverage.happened(what);
            }
            _ => {}
        }
    }

    /// Once in a while: what can be seen at any moment.
    pub(super) fn look(&mut self) {
        for index in 0..self.servers.len() {
            self.look_at_ephemerals(index);
            self.look_at_committed_log(index);
        }
        let at = self.now + SECOND;
        self.schedule(at, Event::Look);
    }

    fn look_at_committed_log(&mut self, index: usize) {
        let server = &self.servers[index];
        let Some(db) = server.live.as_ref().and_then(|live| live.peer.database()) else {
            return;
        };
        let zxids = db.committed().iter().map(|(zxid, _)| zxid);
        let judged = history::committed_log(&self.facts, server.id(), zxids);
        self.judge([judged]);
    }

    fn look_at_ephemerals(&mut self, index: usize) {
        let server = &self.servers[index];
        let Some(db) = server.live.as_ref().and_then(|live| live.peer.database()) else {
            return;
        };
        let owners = db.tree().ephemeral_owners();
        let orphan = owners.filter(|id| !db.sessions().contains_key(id)).min();
        let (node, zxid) = (server.id(), db.last_zxid().0);
        self.see(Seen::Ephemerals { node, zxid, orphan });
    }

    /// All faults are over.
    pub(super) fn heal(&mut self) {
        self.healing = true;
        self.say(|| "heals".to_owned());
        self.slowness = 1;
        self.election_loss = 0;
        for row in &mut self.blocked {
            row.fill(0);
        }
        self.release();
        for client in &mut self.clients {
            client.silent_until = 0;
        }
        for index in 0..self.servers.len() {
            let now = self.now;
            let server = &mut self.servers[index];
            server.disk.calm();
            server.disk_us = 0;
            server.paused_until = server.paused_until.min(now);
            if self.facts.active().server(server.id()).is_some() {
                server.enlisted = true;
            }
            self.schedule(now, Event::Resume { server: index });
            self.schedule(now + 10 * MS, Event::Start { server: index });
        }
        let at = self.now + SECOND;
        self.schedule(at, Event::Refill);
        let at = self.now + HEALS_WITHIN;
        self.schedule(at, Event::Healed);
    }

    /// An operator gives a server whose files are damaged empty ones, when all others serve.
    pub(super) fn refill(&mut self) {
        let members = self.facts.active();
        let member = |s: &&super::server::Server| members.server(s.id()).is_some();
        let damaged = |s: &super::server::Server| s.damaged && s.live.is_none() && member(&s);
        let Some(index) = self.servers.iter().position(damaged) else {
            return;
        };
        let others = self.servers.iter().filter(member);
        let others = others.filter(|s| s.index != index);
        if others.clone().all(super::server::Server::serves) {
            self.coverage.happened("damaged server refilled");
            let server = &mut self.servers[index];
            self.coverage.disk(&server.disk);
            server.disk = crate::disk::SimDisk::new(self.plan.seed ^ self.now);
            server.damaged = false;
            self.facts.durable.remove(&(index as i64 + 1));
            self.start(index);
        } else {
            let at = self.now + 200 * MS;
            self.schedule(at, Event::Refill);
        }
    }

    pub(super) fn healed(&mut self) {
        let members = self.facts.active();
        let idle: Vec<i64> = self
            .servers
            .iter()
            .filter(|s| !s.serves() && members.server(s.id()).is_some())
            .map(|s| s.id())
            .collect();
        // Where epochs are short, an election may be under way at any moment.
        let short = self.plan.zxids_per_epoch < ZXIDS_PER_EPOCH;
        if !idle.is_empty() && short && self.now < self.plan.heal_at + HEALS_WITHIN + 3 * SECOND {
            return self.schedule(self.now + 200 * MS, Event::Healed);
        }
        let result = if idle.is_empty() {
            Ok(())
        } else {
            let states: Vec<_> = self
                .servers
                .iter()
                .map(|s| s.status().map(|s| (s.state, s.zab)))
                .collect();
            Err(format!(
                "without faults for {HEALS_WITHIN} us, {idle:?} do not serve: {states:?}"
            ))
        };
        self.judge([("Heals", result)]);
        self.left_sessions = self.sessions_of_nobody();
        self.left_containers = self.facts.model.left_containers();
    }

    fn sessions_of_nobody(&self) -> BTreeSet<i64> {
        let mut open = self.facts.model.open_sessions();
        for client in &self.clients {
            open.remove(&client.session());
        }
        open
    }

    /// What had nobody when all was well again is gone at the end.
    fn look_at_what_is_left(&mut self) {
        let now = self.sessions_of_nobody();
        let session = self.left_sessions.intersection(&now).next();
        let ended = session.map_or(Ok(()), |session| {
            Err(format!("session 0x{session:x} has no client and stays"))
        });
        let now = self.facts.model.left_containers();
        let path = self.left_containers.intersection(&now).next();
        let gone = path.map_or(Ok(()), |path| {
            Err(format!("container {path} has lost its children and stays"))
        });
        self.judge([(SESSIONS_END, ended), (CONTAINERS_GO, gone)]);
    }

    /// The end: everything is quiet, and all servers have the same.
    pub(super) fn settled(&mut self) {
        for index in 0..self.servers.len() {
            self.look_at_ephemerals(index);
            let server = &self.servers[index];
            let node = server.id();
            if self.facts.active().server(node).is_none() {
                continue;
            }
            let db = server.live.as_ref().and_then(|live| live.peer.database());
            let zxid = self.facts.real(db.map_or(Zxid(-1), Database::last_zxid).0);
            let digest = db.and_then(|db| db.tree().digest());
            self.see(Seen::Settled { node, zxid, digest });
            let last = self.facts.last_committed();
            if zxid != last {
                self.fail(
                    "Heals",
                    format!("{node} ends at 0x{zxid:x}, others at 0x{last:x}"),
                );
            }
        }
        self.compare_trees();
        self.look_at_what_is_left();
        for index in 0..self.clients.len() {
            let client = &self.clients[index];
            if client.last_write < self.plan.heal_at + HEALS_WITHIN {
                self.fail(
                    "Heals",
                    format!("client {index} has written nothing since all faults ended"),
                );
            }
        }
    }
}

impl World {
    /// Digests leave the access control lists out; and the trees are few.
    fn compare_trees(&mut self) {
        let mut first: Option<(i64, Vec<String>)> = None;
        for index in 0..self.servers.len() {
            let server = &self.servers[index];
            let Some(db) = server.live.as_ref().and_then(|live| live.peer.database()) else {
                continue;
            };
            if self.facts.active().server(server.id()).is_none() {
                continue;
            }
            let (node, tree) = (server.id(), describe(db));
            let result = match &first {
                None => Ok(()),
                Some((other, theirs)) => same_trees(*other, theirs, node, &tree),
            };
            first.get_or_insert((node, tree));
            self.judge([("EqualTrees", result)]);
        }
    }
}

/// Every session and every znode with all that belongs to it, as lines.
fn describe(db: &Database) -> Vec<String> {
    let image = db.image();
    let mut acls: BTreeMap<i64, String> = BTreeMap::new();
    image.0.acls(&mut |key, acl| {
        acls.insert(key, format!("{acl:?}"));
    });
    let mut lines = Vec::new();
    image
        .0
        .sessions(&mut |id, timeout| lines.push(format!("session 0x{id:x} {timeout}")));
    image.0.nodes(&mut |mut node| {
        // Every server writes this one by itself when it starts.
        if node.path == "/zookeeper/config" {
            node.stat.mtime = 0;
        }
        let acl = acls.get(&node.acl).map_or("open", String::as_str);
        lines.push(format!(
            "{} {:?} {acl} {:?}",
            node.path, node.data, node.stat
        ));
    });
    lines.sort_unstable();
    lines
}

fn same_trees(a: i64, ours: &[String], b: i64, theirs: &[String]) -> Result<(), String> {
    let differing = ours.iter().zip(theirs).find(|(x, y)| x != y);
    match differing {
        Some((x, y)) => Err(format!("{a} has {x}; {b} has {y}")),
        None if ours.len() != theirs.len() => Err(format!(
            "{a} has {} entries, {b} {}",
            ours.len(),
            theirs.len()
        )),
        None => Ok(()),
    }
}

fn is_idle(live: &super::server::Live) -> bool {
    live.peer.status().zab == ZabState::Election && live.peer.is_looking()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_that_differ_are_seen() {
        let lines = |lines: &[&str]| lines.iter().map(|&l| l.to_owned()).collect::<Vec<_>>();
        let ours = lines(&["/a", "/b"]);
        assert_eq!(same_trees(1, &ours, 2, &ours), Ok(()));
        for theirs in [&["/a"][..], &["/a", "/c"], &["/a", "/b", "/c"]] {
            assert!(same_trees(1, &ours, 2, &lines(theirs)).is_err());
        }
    }
}
