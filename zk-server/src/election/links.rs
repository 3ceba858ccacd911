//! Which connections between the servers' election ports are kept, who dials, and what is sent again
//! (Java: `QuorumCnxManager`). Pure: the driver in `net/election/` dials, reads and writes.
//!
//! Of two servers the one with the higher id dials; who is dialled by a lower one closes and dials
//! back. One connection a pair. A new connection is told of, and the election says what it thinks at
//! that moment: an old one may have lost the last message.
//!
//! Different from Java on purpose: no message is kept (Java sends its last one again over a new
//! connection, however old it is); a server for which there was a message is dialled again with
//! growing pauses (Java: with the next message); an unreachable server is told about once, not each
//! time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use bytes::Bytes;
use proto::quorum::{Address, InitialMessage};

use crate::units::Now;

/// A connection, named by the driver; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Wire(pub u64);

/// Servers that stand in no configuration (they may join): as many are heard.
const STRANGERS: usize = 64;
const FIRST_PAUSE_US: u64 = 50_000;
const LONGEST_PAUSE_US: u64 = 2_000_000;
/// A server that stays out of reach is told about again after this long.
const TELL_AGAIN_US: u64 = 60_000_000;
/// Two connections of one id from two addresses within this time: two servers, likely.
const CLASH_US: u64 = 5_000_000;
/// Addresses of a server that are taken from itself: each costs a try.
const SAID: usize = 8;
/// As many short connections in a row are no accident.
const SHORT: u32 = 4;
/// The id that observers without an id of their own come with.
const ANY_OBSERVER: i64 = i64::MAX;

/// What the driver is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Answered by `dialled` or `dial_failed`. The first of these that answers, in this order.
    Dial {
        server: i64,
        addresses: Vec<Address>,
    },
    /// The newest takes the place of an unsent older one.
    Write {
        wire: Wire,
        message: Bytes,
    },
    /// Close once what was written is out.
    Close {
        wire: Wire,
    },
    /// Messages of this connection are this server's.
    Keep {
        wire: Wire,
        server: i64,
    },
    /// A server refuses connections: nothing runs there. Or it is back.
    Reach {
        server: i64,
        gone: bool,
    },
    /// For the operator.
    Warn(String),
    Info(String),
}

#[derive(Debug, Default)]
struct Peer {
    wire: Option<Wire>,
    remote: Option<IpAddr>,
    /// when the connection was made
    since: u64,
    /// connections in a row that it closed soon after they were made, and when that was told
    short: u32,
    short_told: Option<u64>,
    dialling: bool,
    /// there is a message that may not have got there
    wanted: bool,
    /// the last message was one of a server that looks for a leader
    looking: bool,
    /// when a message came last
    heard_at: Option<u64>,
    failures: u32,
    failing_since: u64,
    /// of the last failure
    why: String,
    told_at: u64,
    retry_at: Option<u64>,
    gone: bool,
    /// where it said that it listens; counts for servers that stand in no configuration
    said: Vec<Address>,
}

#[derive(Debug)]
pub struct Links {
    me: i64,
    own: Vec<Address>,
    known: BTreeMap<i64, Vec<Address>>,
    peers: BTreeMap<i64, Peer>,
    next_observer: i64,
    clashes: BTreeSet<(i64, IpAddr)>,
    /// when it was told that somebody came in this server's own name
    own_id_told: Option<u64>,
    /// when it was told that too many came that nobody knows
    crowd_told: Option<u64>,
}

/// What is known of another server, for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    pub server: i64,
    pub addresses: Vec<Address>,
    pub connected: bool,
    /// when its last message came
    pub heard_at: Option<u64>,
    /// since when it cannot be reached, and why the last time
    pub failing: Option<(u64, String)>,
}

impl Links {
    pub fn new(me: i64) -> Self {
        Self {
            me,
            own: Vec::new(),
            known: BTreeMap::new(),
            peers: BTreeMap::new(),
            next_observer: -1,
            clashes: BTreeSet::new(),
            own_id_told: None,
            crowd_told: None,
        }
    }

    /// The other servers of the configuration.
    pub fn contacts(&self) -> Vec<Contact> {
        let contact = |(id, addresses): (&i64, &Vec<Address>)| {
            let peer = self.peers.get(id);
            let failing = peer.filter(|peer| peer.failures > 0 && peer.wire.is_none());
            Contact {
                server: *id,
                addresses: addresses.clone(),
                connected: peer.is_some_and(|peer| peer.wire.is_some()),
                heard_at: peer.and_then(|peer| peer.heard_at),
                failing: failing.map(|peer| (peer.failing_since, peer.why.clone())),
            }
        };
        self.known.iter().map(contact).collect()
    }

    /// Where this server and the others listen, of the active and of a proposed configuration.
    /// Connections that stand are kept. One that the configuration does not name yet, or no longer,
    /// says where it listened before: without an address nobody takes its connection.
    pub fn configure(&mut self, mut servers: BTreeMap<i64, Vec<Address>>) {
        if let Some(own) = servers.remove(&self.me) {
            self.own = own;
        }
        self.known = servers;
        let known = &self.known;
        self.peers
            .retain(|id, peer| known.contains_key(id) || peer.wire.is_some());
    }

    /// What this server says first on a connection that it dials.
    pub fn initial(&self) -> InitialMessage {
        InitialMessage {
            server: self.me,
            addresses: self.own.clone(),
        }
    }

    /// A message for a server; `looking`: from one that looks for a leader.
    pub fn send(&mut self, to: i64, message: Bytes, looking: bool, now: Now, out: &mut Vec<Order>) {
        if to == self.me || !self.has_room_for(to) {
            return;
        }
        let peer = self.peers.entry(to).or_default();
        peer.looking = looking;
        peer.wanted = peer.wire.is_none();
        match peer.wire {
            Some(wire) => out.push(Order::Write { wire, message }),
            None => self.connect(to, now, out),
        }
    }

    /// A connection to a server stands and `initial` was written.
    pub fn dialled(
        &mut self,
        server: i64,
        wire: Wire,
        remote: IpAddr,
        now: Now,
        out: &mut Vec<Order>,
    ) {
        let Some(peer) = self.peers.get_mut(&server) else {
            return out.push(Order::Close { wire });
        };
        peer.dialling = false;
        peer.reached(server, now, out);
        if server > self.me {
            // It dials back. Should that not come, there is another try.
            out.push(Order::Close { wire });
            peer.retry_at = Some(now.mono_us + LONGEST_PAUSE_US);
            return;
        }
        self.keep(server, wire, remote, now, out);
    }

    /// `refused`: a host answered that nothing listens there, at every address.
    pub fn dial_failed(
        &mut self,
        server: i64,
        refused: bool,
        reason: &str,
        now: Now,
        out: &mut Vec<Order>,
    ) {
        let Some(peer) = self.peers.get_mut(&server) else {
            return;
        };
        peer.dialling = false;
        if peer.wire.is_some() {
            return;
        }
        if peer.failures == 0 {
            peer.failing_since = now.mono_us;
            peer.told_at = now.mono_us;
            out.push(Order::Warn(format!(
                "Cannot open channel to {server} at election address {reason}"
            )));
        } else if now.mono_us >= peer.told_at + TELL_AGAIN_US {
            peer.told_at = now.mono_us;
            let seconds = (now.mono_us - peer.failing_since) / 1_000_000;
            out.push(Order::Warn(format!(
                "Cannot open channel to {server} for {seconds} s now, {} tries; the last one: election address {reason}",
                peer.failures + 1
            )));
        }
        reason.clone_into(&mut peer.why);
        if refused && !peer.gone {
            peer.gone = true;
            out.push(Order::Reach { server, gone: true });
        }
        let pause = (FIRST_PAUSE_US << peer.failures.min(10)).min(LONGEST_PAUSE_US);
        peer.failures = peer.failures.saturating_add(1);
        peer.retry_at = peer.wanted.then_some(now.mono_us + pause);
    }

    /// A server has dialled this one.
    pub fn accepted(
        &mut self,
        wire: Wire,
        remote: IpAddr,
        initial: InitialMessage,
        now: Now,
        out: &mut Vec<Order>,
    ) {
        let mut server = initial.server;
        if server == self.me {
            return self.own_id(wire, remote, &initial, now, out);
        }
        if server == ANY_OBSERVER {
            server = self.next_observer;
            self.next_observer -= 1;
        }
        if !self.has_room_for(server) {
            out.push(Order::Close { wire });
            if is_due(&mut self.crowd_told, now) {
                out.push(Order::Warn(format!(
                    "Closing the connection of {remote} on the election port: server {server} stands in no configuration, and {STRANGERS} others like it are connected"
                )));
            }
            return;
        }
        self.clash(server, remote, &initial, now, out);
        let peer = self.peers.entry(server).or_default();
        peer.said = initial.addresses;
        peer.said.truncate(SAID);
        if server > self.me || server < 0 {
            peer.reached(server, now, out);
            return self.keep(server, wire, remote, now, out);
        }
        // It runs; whether it can be reached shows when it is dialled back.
        peer.back(server, out);
        // The connection that stands may be dead: that server would not dial otherwise.
        out.push(Order::Close { wire });
        if let Some(old) = peer.wire.take() {
            out.push(Order::Close { wire: old });
        }
        peer.retry_at = None;
        peer.wanted = true;
        self.connect(server, now, out);
    }

    /// A connection is gone.
    pub fn closed(&mut self, wire: Wire, now: Now, out: &mut Vec<Order>) {
        let by_wire = |(_, peer): &(&i64, &mut Peer)| peer.wire == Some(wire);
        let Some((&server, peer)) = self.peers.iter_mut().find(by_wire) else {
            return;
        };
        peer.wire = None;
        peer.ended(server, self.me, now, out);
        if !self.known.contains_key(&server) {
            self.peers.remove(&server);
        } else if peer.looking {
            peer.wanted = true;
            self.connect(server, now, out);
        }
    }

    /// A message has come in: its sender runs.
    pub fn heard(&mut self, server: i64, now: Now, out: &mut Vec<Order>) {
        if let Some(peer) = self.peers.get_mut(&server) {
            peer.heard_at = Some(now.mono_us);
            peer.reached(server, now, out);
        }
    }

    pub fn next_deadline(&self) -> Option<u64> {
        self.peers.values().filter_map(|peer| peer.retry_at).min()
    }

    pub fn tick(&mut self, now: Now, out: &mut Vec<Order>) {
        let due = |(id, peer): (&i64, &Peer)| {
            let due = peer.retry_at.is_some_and(|at| at <= now.mono_us);
            due.then_some(*id)
        };
        let due: Vec<i64> = self.peers.iter().filter_map(due).collect();
        for server in due {
            if let Some(peer) = self.peers.get_mut(&server) {
                peer.retry_at = None;
            }
            self.connect(server, now, out);
        }
    }

    /// Dials unless there is a connection, or will be.
    fn connect(&mut self, server: i64, now: Now, out: &mut Vec<Order>) {
        let known = self.known.get(&server);
        let Some(peer) = self.peers.get_mut(&server) else {
            return;
        };
        let waits = peer.retry_at.is_some_and(|at| at > now.mono_us);
        if peer.wire.is_some() || peer.dialling || waits {
            return;
        }
        let mut addresses = known.cloned().unwrap_or_default();
        for said in &peer.said {
            if !addresses.contains(said) && !is_wildcard(&said.host) {
                addresses.push(said.clone());
            }
        }
        if addresses.is_empty() {
            return;
        }
        peer.dialling = true;
        out.push(Order::Dial { server, addresses });
    }

    fn keep(&mut self, server: i64, wire: Wire, remote: IpAddr, now: Now, out: &mut Vec<Order>) {
        let peer = self.peers.entry(server).or_default();
        if let Some(old) = peer.wire.replace(wire) {
            out.push(Order::Close { wire: old });
        }
        peer.remote = Some(remote);
        peer.since = now.mono_us;
        peer.retry_at = None;
        out.push(Order::Keep { wire, server });
        peer.wanted = false;
        out.push(Order::Reach {
            server,
            gone: false,
        });
    }

    fn has_room_for(&self, server: i64) -> bool {
        let stranger = |id: &&i64| !self.known.contains_key(id);
        self.known.contains_key(&server)
            || self.peers.contains_key(&server)
            || self.peers.keys().filter(stranger).count() < STRANGERS
    }

    fn own_id(
        &mut self,
        wire: Wire,
        remote: IpAddr,
        initial: &InitialMessage,
        now: Now,
        out: &mut Vec<Order>,
    ) {
        out.push(Order::Close { wire });
        if is_due(&mut self.own_id_told, now) {
            out.push(Order::Warn(format!(
                "We got a connection request from a server with our own ID: {remote} (it says {}) is server {} too, as is this one at {}. Refused: give each server its own number, in its file myid and in its line server.N",
                text(&initial.addresses),
                self.me,
                text(&self.own),
            )));
        }
    }

    /// Says when one id comes from two hosts at a time.
    fn clash(
        &mut self,
        server: i64,
        remote: IpAddr,
        initial: &InitialMessage,
        now: Now,
        out: &mut Vec<Order>,
    ) {
        let Some(peer) = self.peers.get(&server) else {
            return;
        };
        let fresh = peer.wire.is_some() && now.mono_us < peer.since + CLASH_US;
        let elsewhere = peer.remote.filter(|known| *known != remote && fresh);
        let Some(other) = elsewhere else {
            return;
        };
        if self.clashes.len() < STRANGERS && self.clashes.insert((server, remote)) {
            out.push(Order::Warn(format!(
                "Two hosts say that they are server {server}: {other} ({}) and {remote} ({}). Give each server its own number, in its file myid and in its line server.N",
                text(&peer.said),
                text(&initial.addresses),
            )));
        }
    }
}

impl Peer {
    fn reached(&mut self, server: i64, now: Now, out: &mut Vec<Order>) {
        if self.failures > 0 {
            let ms = (now.mono_us - self.failing_since) / 1000;
            out.push(Order::Info(format!(
                "Server {server} is within reach again, after {ms} ms"
            )));
        }
        self.failures = 0;
        self.back(server, out);
    }

    /// Two servers with one number take each other's connections: those they lose them to say why, and
    /// they themselves would only see connections end.
    fn ended(&mut self, server: i64, me: i64, now: Now, out: &mut Vec<Order>) {
        let short = now.mono_us < self.since + CLASH_US;
        self.short = if short { self.short + 1 } else { 0 };
        if self.short >= SHORT && is_due(&mut self.short_told, now) {
            out.push(Order::Warn(format!(
                "Server {server} has closed {} connections in a row within seconds: see its log. It may have trouble of its own, or another server may have the number of this one, {me}: no two files myid may hold the same",
                self.short
            )));
        }
    }

    fn back(&mut self, server: i64, out: &mut Vec<Order>) {
        if std::mem::take(&mut self.gone) {
            out.push(Order::Reach {
                server,
                gone: false,
            });
        }
    }
}

/// Whether something may be told (again); then it counts as told.
fn is_due(told: &mut Option<u64>, now: Now) -> bool {
    let due = told.is_none_or(|at| now.mono_us >= at + TELL_AGAIN_US);
    if due {
        *told = Some(now.mono_us);
    }
    due
}

fn is_wildcard(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified())
}

fn text(addresses: &[Address]) -> String {
    let all: Vec<_> = addresses.iter().map(Address::to_string).collect();
    match all.is_empty() {
        true => "no address".to_owned(),
        false => all.join("|"),
    }
}
