//! The world of an ensemble: one queue of events, one source of chance, simulated time. Everything
//! that happens is taken from the queue, done, and looked at by the invariants.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use bytes::Bytes;
use proto::quorum::Notification;
use zk_server::peer::PeerInput;
use zk_server::peer::io::Port;
use zk_server::store::Job;
use zk_server::units::{ConnId, LinkId};

use crate::rng::Rng;

use super::clients::{Client, Conn};
use super::coverage::Coverage;
use super::facts::{Facts, Seen};
use super::faults::Fault;
use super::fingerprint::Fingerprint;
use super::history::{History, Judgement};
use super::invariants::{INVARIANTS, Verdict};
use super::net::{Link, Message};
use super::operation::Operation;
use super::plan::Plan;
use super::restores::Kept;
use super::server::Server;
use super::triggers::Action;

/// What can come next.
#[derive(Debug)]
pub enum Event {
    Tick {
        server: usize,
        life: u64,
    },
    /// the disk has worked on what it took
    Disk {
        server: usize,
        life: u64,
    },
    Job {
        server: usize,
        life: u64,
        job: Job,
    },
    Input {
        server: usize,
        life: u64,
        input: PeerInput,
    },
    /// something arrives at that end of a link between servers
    Arrive {
        link: u64,
        end: usize,
        message: Message,
    },
    Note {
        from: usize,
        to: usize,
        notification: Notification,
    },
    Dialled {
        server: usize,
        life: u64,
        link: LinkId,
        target: usize,
        port: Port,
    },
    ToServer {
        conn: u64,
        what: FromClient,
    },
    ToClient {
        conn: u64,
        what: FromServer,
    },
    Act {
        client: usize,
        turn: u64,
    },
    Fault(Fault),
    /// what a trigger does to that server
    Strike {
        server: usize,
        action: Action,
    },
    Start {
        server: usize,
    },
    Resume {
        server: usize,
    },
    DiskRoom {
        server: usize,
    },
    DiskFast {
        server: usize,
    },
    /// the operator wants this of the ensemble
    Ask {
        operation: Operation,
        tries: u32,
    },
    /// the machine is not needed any more, unless it is
    Discharge {
        server: usize,
    },
    NetFast,
    ElectionCalm,
    Unblock,
    Look,
    Heal,
    Refill,
    Healed,
}

#[derive(Debug)]
pub enum FromClient {
    Open,
    Frames(Bytes),
    Closed,
}

#[derive(Debug)]
pub enum FromServer {
    Bytes(Bytes),
    Closed,
}

struct Timed {
    at: u64,
    sequence: u64,
    event: Event,
}

impl PartialEq for Timed {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Timed {}
impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Timed {
    /// The heap gives the greatest first: that is the earliest here.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.sequence).cmp(&(self.at, self.sequence))
    }
}

/// A run that has shown an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed}, after {at_us} us: {property}: {what}")]
pub struct Failure {
    pub seed: u64,
    pub at_us: u64,
    pub property: &'static str,
    pub what: String,
}

pub struct World {
    pub(super) plan: Plan,
    pub(super) rng: Rng,
    /// simulated microseconds
    pub(super) now: u64,
    sequence: u64,
    queue: BinaryHeap<Timed>,
    pub(super) servers: Vec<Server>,
    pub(super) links: BTreeMap<u64, Link>,
    pub(super) next_link: u64,
    /// until when nothing gets from one server to another
    pub(super) blocked: Vec<Vec<u64>>,
    /// what waits for that, in order
    pub(super) held: Vec<Event>,
    pub(super) last_note: Vec<Vec<u64>>,
    /// when the last thing gets from one server to another, by whatever way
    pub(super) last_any: Vec<Vec<u64>>,
    /// the network takes so many times as long
    pub(super) slowness: u64,
    /// percent of election messages that are lost
    pub(super) election_loss: usize,
    pub(super) clients: Vec<Client>,
    pub(super) conns: BTreeMap<u64, Conn>,
    pub(super) next_conn: u64,
    pub(super) facts: Facts,
    pub(super) history: History,
    /// the operator's last snapshot
    pub(super) kept: Option<Kept>,
    pub(super) healing: bool,
    /// sessions without a client, and containers that have lost their children, when all was well again
    pub(super) left_sessions: BTreeSet<i64>,
    pub(super) left_containers: BTreeSet<String>,
    /// how often each trigger's point was reached
    pub(super) reached: Vec<u32>,
    pub coverage: Coverage,
    pub(super) fingerprint: Fingerprint,
    pub(super) failure: Option<Failure>,
    /// tell what happens
    pub trace: bool,
}

impl World {
    pub fn new(plan: Plan) -> Self {
        let n = plan.servers();
        let mut world = Self {
            rng: Rng::new(plan.seed),
            now: 0,
            sequence: 0,
            queue: BinaryHeap::new(),
            servers: (0..n).map(|i| Server::new(i, &plan)).collect(),
            links: BTreeMap::new(),
            next_link: 1,
            blocked: vec![vec![0; n]; n],
            held: Vec::new(),
            last_note: vec![vec![0; n]; n],
            last_any: vec![vec![0; n]; n],
            slowness: 1,
            election_loss: 0,
            clients: (0..plan.clients).map(|_| Client::new()).collect(),
            conns: BTreeMap::new(),
            next_conn: 1,
            facts: Facts {
                configs: BTreeMap::from([(0, plan.view())]),
                ..Facts::default()
            },
            history: History::default(),
            kept: None,
            healing: false,
            left_sessions: BTreeSet::new(),
            left_containers: BTreeSet::new(),
            reached: vec![0; plan.triggers.len()],
            coverage: Coverage::default(),
            fingerprint: Fingerprint::default(),
            failure: None,
            trace: false,
            plan,
        };
        for server in 0..n {
            let at = world.rng.next_u64() % 50_000;
            world.schedule(at, Event::Start { server });
        }
        for client in 0..world.clients.len() {
            world.schedule(100_000, Event::Act { client, turn: 0 });
        }
        for planned in world.plan.faults.clone() {
            world.schedule(planned.at, Event::Fault(planned.fault));
        }
        world.schedule(world.plan.heal_at, Event::Heal);
        world.schedule(super::plan::SECOND, Event::Look);
        world
    }

    /// To the end, or to the first error.
    pub fn run(&mut self) -> Result<(), Failure> {
        while self.step() {}
        if self.failure.is_none() {
            self.settled();
        }
        for server in &self.servers {
            self.coverage.disk(&server.disk);
            for (path, bytes) in server.disk.contents() {
                self.fingerprint.bytes(path.as_os_str().as_encoded_bytes());
                self.fingerprint.bytes(&bytes);
            }
        }
        self.coverage.simulated_us += self.now;
        self.coverage.runs += 1;
        self.failure.clone().map_or(Ok(()), Err)
    }

    /// One event; false at the end.
    pub fn step(&mut self) -> bool {
        if self.failure.is_some() {
            return false;
        }
        let Some(Timed { at, event, .. }) = self.queue.pop() else {
            return false;
        };
        if at > self.plan.end_at {
            return false;
        }
        self.now = self.now.max(at);
        self.fingerprint.number(self.now);
        self.handle(event);
        true
    }

    /// A number that two runs have in common only when the same happened in them.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint.value()
    }

    pub fn now(&self) -> u64 {
        self.now
    }

    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    pub fn history(&self) -> &History {
        &self.history
    }

    pub(super) fn schedule(&mut self, at: u64, event: Event) {
        self.sequence += 1;
        let sequence = self.sequence;
        let at = at.max(self.now);
        self.queue.push(Timed {
            at,
            sequence,
            event,
        });
    }

    pub(super) fn handle(&mut self, event: Event) {
        let Some(event) = self.defer(event) else {
            return;
        };
        match event {
            Event::Tick { server, life } => self.tick(server, life),
            Event::Disk { server, life } => self.disk(server, life),
            Event::Job { server, life, job } => self.job(server, life, job),
            Event::Input {
                server,
                life,
                input,
            } => self.input(server, life, input),
            Event::Arrive { link, end, message } => self.arrive(link, end, message),
            Event::Note {
                from,
                to,
                notification,
            } => self.note(from, to, notification),
            Event::Dialled {
                server,
                life,
                link,
                target,
                port,
            } => self.dialled(server, life, link, (target, port)),
            Event::ToServer { conn, what } => self.reach_server(conn, what),
            Event::ToClient { conn, what } => self.reach_client(conn, what),
            Event::Act { client, turn } => self.act(client, turn),
            Event::Fault(fault) => {
                if !self.healing {
                    self.say(|| format!("fault {fault:?}"));
                    self.inject(fault);
                }
            }
            Event::Strike { server, action } => self.strike(server, action),
            Event::Start { server } => self.start(server),
            Event::Resume { server } => self.resume(server),
            Event::DiskRoom { server } => self.servers[server].disk.set_capacity(None),
            Event::DiskFast { server } => self.servers[server].disk_us = 0,
            Event::Ask { operation, tries } => self.ask(operation, tries),
            Event::Discharge { server } => self.discharge(server),
            Event::NetFast => self.slowness = 1,
            Event::ElectionCalm => self.election_loss = 0,
            Event::Unblock => self.release(),
            Event::Look => self.look(),
            Event::Heal => self.heal(),
            Event::Refill => self.refill(),
            Event::Healed => self.healed(),
        }
    }

    /// What is for a paused server waits until it goes on; what the network holds back comes first.
    fn defer(&mut self, event: Event) -> Option<Event> {
        if self.is_behind_held(&event) {
            self.hold(event);
            return None;
        }
        let server = match &event {
            Event::Tick { server, .. }
            | Event::Disk { server, .. }
            | Event::Job { server, .. }
            | Event::Input { server, .. } => *server,
            Event::Note { to, .. } => *to,
            Event::Dialled { target, .. } => *target,
            Event::Arrive { link, end, .. } => self.links.get(link)?.ends[*end].server,
            Event::ToServer { conn, .. } => self.conns.get(conn)?.server,
            _ => return Some(event),
        };
        let server = &mut self.servers[server];
        if self.now >= server.paused_until && server.deferred.is_empty() {
            return Some(event);
        }
        server.deferred.push(event);
        None
    }

    fn resume(&mut self, server: usize) {
        if self.now < self.servers[server].paused_until {
            return;
        }
        for event in std::mem::take(&mut self.servers[server].deferred) {
            self.handle(event);
        }
    }

    /// Asks every invariant what it says to this.
    pub(super) fn see(&mut self, seen: Seen) {
        for &(name, check) in INVARIANTS {
            match check(&self.facts, &seen) {
                Verdict::Silent => {}
                Verdict::Holds => self.coverage.check(name),
                Verdict::Broken(what) => self.fail(name, what),
            }
        }
    }

    pub(super) fn judge(&mut self, judged: impl IntoIterator<Item = Judgement>) {
        for (name, result) in judged {
            match result {
                Ok(()) => self.coverage.check(name),
                Err(what) => self.fail(name, what),
            }
        }
    }

    pub(super) fn fail(&mut self, property: &'static str, what: String) {
        self.say(|| format!("FAILED {property}: {what}"));
        if self.failure.is_none() {
            self.failure = Some(Failure {
                seed: self.plan.seed,
                at_us: self.now,
                property,
                what,
            });
        }
    }

    #[allow(
        clippy::print_stdout,
        reason = "the trace of one run, when it is asked for"
    )]
    pub(super) fn say(&self, text: impl FnOnce() -> String) {
        if self.trace {
            println!("{:>12} {}", self.now, text());
        }
    }

    /// The server that leads and serves, the one of the highest epoch if several think so.
    pub(super) fn leader(&self) -> Option<usize> {
        let leads = |server: &&Server| server.leads();
        let leader = self.servers.iter().filter(leads).max_by_key(|s| s.epoch());
        leader.map(|server| server.index)
    }

    /// The connection of a client that a server knows by this number.
    pub(super) fn conn_of(&self, server: usize, id: ConnId) -> Option<u64> {
        self.servers[server].live.as_ref()?.conns.get(&id).copied()
    }
}
