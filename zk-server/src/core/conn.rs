//! One client connection as the core sees it (Java: `ServerCnxn`).

use std::net::SocketAddr;
use std::sync::Arc;

use crate::auth::{Identity, ip};
use crate::units::{ConnId, Now};

use super::queue::Queue;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// the connect request has not come
    New,
    /// its session is being created
    Connecting,
    Open,
}

/// Counters of one connection; latencies in microseconds.
#[derive(Debug, Clone, Default)]
pub struct ConnStats {
    /// wall clock, milliseconds
    pub established_ms: i64,
    pub received: u64,
    pub sent: u64,
    pub min_latency_us: Option<u64>,
    pub max_latency_us: u64,
    pub total_latency_us: u64,
    pub count: u64,
    pub last_op: &'static str,
    pub last_cxid: i64,
    pub last_zxid: i64,
    /// monotonic clock, microseconds
    pub last_response_us: u64,
    pub last_latency_us: u64,
}

impl ConnStats {
    pub fn reset(&mut self) {
        *self = Self {
            established_ms: self.established_ms,
            last_op: "NA",
            last_cxid: -1,
            last_zxid: -1,
            ..Self::default()
        };
    }

    pub fn answered(&mut self, xid: i32, zxid: i64, op: &'static str, from_us: u64, now_us: u64) {
        // Special xids are not the client's own operations.
        if xid >= 0 {
            self.last_cxid = xid.into();
        }
        let latency = now_us.saturating_sub(from_us);
        self.last_zxid = zxid;
        self.last_op = op;
        self.last_response_us = now_us;
        self.last_latency_us = latency;
        self.min_latency_us = Some(self.min_latency_us.map_or(latency, |min| min.min(latency)));
        self.max_latency_us = self.max_latency_us.max(latency);
        self.total_latency_us += latency;
        self.count += 1;
    }
}

/// Identities of one connection. Each check of a permission looks at all of them.
const MAX_IDENTITIES: usize = 1000;
const MAX_IDENTITY_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub struct Conn {
    pub id: ConnId,
    pub peer: SocketAddr,
    pub phase: Phase,
    /// 0 before there is one
    pub session: i64,
    /// negotiated
    pub timeout_ms: i32,
    /// clients before 3.4 do not know the read-only flag
    pub knows_read_only: bool,
    pub ids: Arc<Vec<Identity>>,
    /// frames to send when the current input is done
    pub out: Vec<u8>,
    pub dirty: bool,
    pub queue: Queue,
    /// requests from here on wait for the throttle
    pub throttled: bool,
    /// it has as many replies as it can take now; `Input::Drained` ends that
    pub choked: bool,
    pub paused: bool,
    /// the end of its local session waits for its turn: what comes behind it is dropped
    pub ending: bool,
    pub stats: ConnStats,
}

impl Conn {
    /// `like`: another connection's identities, which are shared where they are the same.
    pub fn new(id: ConnId, peer: SocketAddr, now: Now, like: Option<&Arc<Vec<Identity>>>) -> Self {
        let address = [Identity::new("ip", &ip::host_address(peer.ip()))];
        let ids = match like {
            Some(like) if **like == address => like.clone(),
            _ => Arc::new(Vec::from(address)),
        };
        let mut stats = ConnStats {
            established_ms: now.wall_ms,
            ..ConnStats::default()
        };
        stats.reset();
        Self {
            id,
            peer,
            phase: Phase::New,
            session: 0,
            timeout_ms: 0,
            knows_read_only: true,
            ids,
            out: Vec::new(),
            dirty: false,
            queue: Queue::default(),
            throttled: false,
            choked: false,
            paused: false,
            ending: false,
            stats,
        }
    }

    /// Adds what is not there yet; false when there is no room.
    pub fn add_identities(&mut self, ids: Vec<Identity>) -> bool {
        for identity in ids {
            if self.ids.contains(&identity) {
                continue;
            }
            let bytes: usize = self.ids.iter().map(|known| known.id.len()).sum();
            if self.ids.len() >= MAX_IDENTITIES || bytes + identity.id.len() > MAX_IDENTITY_BYTES {
                return false;
            }
            Arc::make_mut(&mut self.ids).push(identity);
        }
        true
    }

    /// Requests without a reply.
    pub fn outstanding(&self) -> usize {
        self.queue.len()
    }
}

/// The connections by slot, and which of them have something to send.
#[derive(Debug, Default)]
pub struct Conns {
    pub slots: slab::Slab<Conn>,
    pub dirty: Vec<u32>,
    /// identities of the last one that came
    last_ids: Option<Arc<Vec<Identity>>>,
}

impl Conns {
    /// A new connection; its number.
    pub fn add(&mut self, id: ConnId, peer: SocketAddr, now: Now) -> u32 {
        let conn = Conn::new(id, peer, now, self.last_ids.as_ref());
        self.last_ids = Some(conn.ids.clone());
        self.slots.insert(conn) as u32
    }

    pub fn get(&self, slot: u32) -> Option<&Conn> {
        self.slots.get(slot as usize)
    }

    pub fn get_mut(&mut self, slot: u32) -> Option<&mut Conn> {
        self.slots.get_mut(slot as usize)
    }

    /// The connection to write to; it will be flushed.
    pub fn writer(&mut self, slot: u32) -> Option<&mut Conn> {
        let conn = self.slots.get_mut(slot as usize)?;
        conn.stats.sent += 1;
        if !conn.dirty {
            conn.dirty = true;
            self.dirty.push(slot);
        }
        Some(conn)
    }
}
