//! The network between servers: links that keep their order and break, election messages of which the
//! newest counts, and times in which nothing gets from one server to another.

use bytes::Bytes;
use proto::quorum::{Notification, PacketType, QuorumPacket};
use zk_server::peer::PeerInput;
use zk_server::peer::io::Port;
use zk_server::units::LinkId;

use crate::rng::Rng;

use super::plan::{MS, SECOND};
use super::triggers::Point;
use super::world::{Event, World};

/// What goes over a link.
#[derive(Debug, Clone)]
pub enum Message {
    Connected,
    Packet(QuorumPacket),
    Snapshot(Bytes),
    Closed,
}

/// One side of a link.
#[derive(Debug, Clone, Copy)]
pub struct End {
    pub server: usize,
    pub life: u64,
    pub id: LinkId,
    /// when the last thing for this side arrives
    pub last: u64,
    pub open: bool,
}

/// A connection between two servers; the first end has dialled.
#[derive(Debug)]
pub struct Link {
    pub ends: [End; 2],
}

impl World {
    /// How long something is on its way: mostly short, now and then not.
    pub(super) fn delay(&mut self) -> u64 {
        let base = 100 + self.rng.next_u64() % 900;
        let slow = if self.rng.chance(1) {
            self.rng.next_u64() % (80 * MS)
        } else {
            0
        };
        (base + slow) * self.slowness
    }

    pub(super) fn is_blocked(&self, from: usize, to: usize) -> bool {
        self.blocked[from][to] > self.now
    }

    /// From now on nothing gets through where `cut` says so.
    pub(super) fn block(&mut self, cut: impl Fn(usize, usize) -> bool, until: u64) {
        let leader = self.leader();
        let learns = |id| self.facts.active().is_observer(id);
        for from in 0..self.servers.len() {
            for to in 0..self.servers.len() {
                if from != to && cut(from, to) {
                    if Some(from) == leader && learns(to as i64 + 1) {
                        self.coverage.happened("observer cut off");
                    }
                    let blocked = &mut self.blocked[from][to];
                    *blocked = until.max(*blocked);
                }
            }
        }
        self.schedule(until, Event::Unblock);
    }

    /// What was held back goes on where the way is free.
    pub(super) fn release(&mut self) {
        for event in std::mem::take(&mut self.held) {
            self.handle(event);
        }
    }

    /// Whether what was sent before it by the same way is held back still. Then it waits too, even for a
    /// server that is paused: what is held would come to that one behind it.
    pub(super) fn is_behind_held(&self, event: &Event) -> bool {
        self.held.iter().any(|held| match (held, event) {
            (
                Event::Arrive {
                    link: l, end: e, ..
                },
                Event::Arrive { link, end, .. },
            ) => (l, e) == (link, end),
            (Event::Note { from: f, to: t, .. }, Event::Note { from, to, .. }) => {
                (f, t) == (from, to)
            }
            _ => false,
        })
    }

    /// Keeps what can't get through; of election messages only the newest.
    pub(super) fn hold(&mut self, event: Event) {
        if let Event::Note { from, to, .. } = event {
            self.held.retain(
                |held| !matches!(held, Event::Note { from: f, to: t, .. } if (*f, *t) == (from, to)),
            );
        }
        self.held.push(event);
    }

    pub(super) fn dial(&mut self, server: usize, link: LinkId, target: i64, port: Port) {
        let life = self.servers[server].life;
        let target = usize::try_from(target - 1).unwrap_or(usize::MAX);
        if target >= self.servers.len() || target == server {
            let reason = "no such server".to_owned();
            let input = PeerInput::Gone { link, reason };
            self.schedule(
                self.now,
                Event::Input {
                    server,
                    life,
                    input,
                },
            );
            return;
        }
        let at = self.now + self.delay();
        self.schedule(
            at,
            Event::Dialled {
                server,
                life,
                link,
                target,
                port,
            },
        );
    }

    /// A dial has got to its target.
    pub(super) fn dialled(
        &mut self,
        server: usize,
        life: u64,
        id: LinkId,
        (target, port): (usize, Port),
    ) {
        if self.servers[server].life != life {
            return;
        }
        let cut = self.is_blocked(server, target) || self.is_blocked(target, server);
        let listens = self.servers[target]
            .live
            .as_ref()
            .is_some_and(|l| l.listens == Some(port));
        if cut || !listens {
            let (after, reason) = if cut {
                (2 * SECOND, "connect timed out")
            } else {
                (MS, "connection refused")
            };
            let input = PeerInput::Gone {
                link: id,
                reason: reason.to_owned(),
            };
            let at = self.now + after;
            return self.schedule(
                at,
                Event::Input {
                    server,
                    life,
                    input,
                },
            );
        }
        let number = self.next_link;
        self.next_link += 1;
        let accepted = LinkId(number);
        let end = |server, life, id| End {
            server,
            life,
            id,
            last: self.now,
            open: true,
        };
        let their_life = self.servers[target].life;
        let ends = [end(server, life, id), end(target, their_life, accepted)];
        self.links.insert(number, Link { ends });
        self.servers[server].attach(id, number, 0);
        self.servers[target].attach(accepted, number, 1);
        self.transmit(number, 0, Message::Connected);
        if port == Port::Observers {
            self.coverage.happened("observer served by a follower");
        }
        let peer = super::server::address(server);
        let input = PeerInput::Accepted {
            link: accepted,
            peer,
        };
        self.input(target, their_life, input);
    }

    /// Something goes from one end of a link to the other, `to`.
    pub(super) fn transmit(&mut self, number: u64, to: usize, message: Message) {
        let mut delay = self.delay();
        if let Message::Snapshot(bytes) = &message {
            delay += bytes.len() as u64 / 20;
        }
        let Some(link) = self.links.get_mut(&number) else {
            return;
        };
        let end = &mut link.ends[to];
        let at = (self.now + delay).max(end.last + 1);
        end.last = at;
        let pair = (link.ends[1 - to].server, link.ends[to].server);
        self.note_order(pair, at);
        self.schedule(
            at,
            Event::Arrive {
                link: number,
                end: to,
                message,
            },
        );
    }

    pub(super) fn arrive(&mut self, number: u64, end: usize, message: Message) {
        let Some(link) = self.links.get(&number) else {
            return;
        };
        let (to, from) = (link.ends[end], link.ends[1 - end]);
        if self.is_blocked(from.server, to.server) {
            return self.hold(Event::Arrive {
                link: number,
                end,
                message,
            });
        }
        if !to.open || self.servers[to.server].life != to.life {
            return;
        }
        let link = to.id;
        let input = match message {
            Message::Connected => PeerInput::Connected { link },
            Message::Packet(packet) => {
                self.fingerprint.number(packet.kind as u64);
                self.fingerprint.number(packet.zxid as u64);
                self.fingerprint
                    .bytes(packet.data.as_deref().unwrap_or(&[]));
                PeerInput::Packet { link, packet }
            }
            Message::Snapshot(bytes) => match self.servers[to.server].receive(link, &bytes) {
                Some(database) => PeerInput::Snapshot { link, database },
                None => PeerInput::Gone {
                    link,
                    reason: "a snapshot that nobody asked for".to_owned(),
                },
            },
            Message::Closed => {
                self.shut(number, end);
                PeerInput::Gone {
                    link,
                    reason: "connection closed".to_owned(),
                }
            }
        };
        self.input(to.server, to.life, input);
    }

    /// A server closes its end; the other learns of it after what was sent.
    pub(super) fn close_link(&mut self, server: usize, id: LinkId) {
        let Some((number, end)) = self.servers[server].detach(id) else {
            return;
        };
        self.shut(number, end);
        self.transmit(number, 1 - end, Message::Closed);
    }

    fn shut(&mut self, number: u64, end: usize) {
        let Some(link) = self.links.get_mut(&number) else {
            return;
        };
        link.ends[end].open = false;
        let End { server, id, .. } = link.ends[end];
        let done = link.ends.iter().all(|end| !end.open);
        self.servers[server].detach(id);
        if done {
            self.links.remove(&number);
        }
    }

    /// Everything that a server had open ends with its process; the others are told, unless the whole
    /// machine is gone: then they learn of it when it is back.
    pub(super) fn drop_links(&mut self, server: usize, told: bool) {
        let mut gone = Vec::new();
        for (&number, link) in &mut self.links {
            for end in 0..2 {
                if link.ends[end].server == server && link.ends[end].open {
                    link.ends[end].open = false;
                    gone.push((number, 1 - end));
                }
            }
        }
        for (number, other) in gone {
            if told {
                self.transmit(number, other, Message::Closed);
            } else {
                self.servers[server].unheard.push((number, other));
            }
        }
    }

    /// Counts what overtakes, on its way between two servers, what was sent before it by another way.
    fn note_order(&mut self, (from, to): (usize, usize), at: u64) {
        let last = &mut self.last_any[from][to];
        if at < *last {
            self.coverage.happened("links reordered");
        }
        *last = at.max(*last);
    }

    /// Some links between servers break.
    pub(super) fn break_links(&mut self, rng: &mut Rng) {
        let numbers: Vec<u64> = self.links.keys().copied().collect();
        for number in numbers {
            if rng.chance(50) {
                self.transmit(number, 0, Message::Closed);
                self.transmit(number, 1, Message::Closed);
            }
        }
    }

    /// A server tells another one its vote.
    pub(super) fn notify(&mut self, from: usize, to: i64, notification: Notification) {
        let Ok(to) = usize::try_from(to - 1) else {
            return;
        };
        if to >= self.servers.len() {
            return;
        }
        if to != from && self.rng.chance(self.election_loss) {
            return;
        }
        let delay = self.delay();
        let last = &mut self.last_note[from][to];
        let at = (self.now + delay).max(*last + 1);
        *last = at;
        self.note_order((from, to), at);
        self.schedule(
            at,
            Event::Note {
                from,
                to,
                notification,
            },
        );
    }

    pub(super) fn note(&mut self, from: usize, to: usize, notification: Notification) {
        if from != to && self.is_blocked(from, to) {
            return self.hold(Event::Note {
                from,
                to,
                notification,
            });
        }
        self.fingerprint.number(notification.leader as u64);
        self.fingerprint.number(notification.zxid as u64);
        self.fingerprint.number(notification.round as u64);
        let life = self.servers[to].life;
        let input = PeerInput::Notification {
            from: from as i64 + 1,
            notification,
        };
        self.input(to, life, input);
    }

    /// A packet on its way out: what it says is looked at, and it is sent.
    pub(super) fn send_packet(&mut self, server: usize, id: LinkId, packet: QuorumPacket) {
        self.look_at_packet(server, &packet);
        self.reached(Point::Sent(packet.kind), server);
        if let Some((number, end)) = self.servers[server].link(id) {
            self.transmit(number, 1 - end, Message::Packet(packet));
        }
    }

    fn look_at_packet(&mut self, server: usize, packet: &QuorumPacket) {
        let what = match packet.kind {
            PacketType::Diff => "learner synchronised by DIFF",
            PacketType::Snap => "learner synchronised by SNAP",
            PacketType::Trunc => "learner synchronised by TRUNC",
            PacketType::Ack => return self.look_at_ack(server, packet.zxid),
            _ => return,
        };
        self.coverage.happened(what);
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::Plan;
    use super::*;

    fn run_until(world: &mut World, at: u64) {
        while world.now < at {
            assert!(world.step(), "{:?}", world.failure);
        }
    }

    /// A follower is paused while the network holds back what its leader has sent, and goes on after
    /// the network does: a link keeps its order.
    #[test]
    fn what_a_cut_holds_back_stays_ahead_of_what_a_pause_keeps() {
        let mut plan = Plan::calm(1);
        plan.think_us = 10 * MS;
        let mut world = World::new(plan);
        run_until(&mut world, SECOND);
        let leader = world.leader().expect("a leader that serves");
        let follower = (leader + 1) % 3;
        let cut_until = world.now + 300 * MS;
        world.block(|from, to| (from, to) == (leader, follower), cut_until);
        let pause_at = world.now + 200 * MS;
        run_until(&mut world, pause_at);
        let waiting = |world: &World| world.held.len() + world.servers[follower].deferred.len();
        let before = waiting(&world);
        assert!(before > 0, "the leader has sent nothing");
        let goes_on = cut_until + 200 * MS;
        world.servers[follower].paused_until = goes_on;
        world.schedule(goes_on, Event::Resume { server: follower });
        run_until(&mut world, cut_until - 10 * MS);
        assert!(waiting(&world) > before, "the leader has sent no more");
        world.run().expect("no property is broken");
    }
}
