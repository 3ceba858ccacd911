//! The network side of the server: listener, connections, and what operators ask. Frames go to the
//! core whole; nothing of the protocol beyond their length is read here.
//!
//! | module | what it is | in Java |
//! | --- | --- | --- |
//! | [`listener`] | binds, accepts | `NIOServerCnxnFactory` |
//! | [`admission`] | how many may come in | `maxClientCnxns`, `maxCnxns` |
//! | [`connection`], [`outbox`], `frames` | one connection | `NIOServerCnxn` |
//! | `sniff` | who is there, by the first bytes | `checkFourLetterWord` |
//! | [`quorum`] | links between leader and learners | `LearnerHandler`, `Learner` |
//! | [`four_letter`] | four-letter words | `server.command` |
//! | [`admin`] | the AdminServer | `server.admin` |
//! | `bind` | listens on the ports between servers | |
//! | [`election`] | the election port | `QuorumCnxManager` |
//! | `strangers` | who comes to those ports and is no server | |
//! | [`monitor`] | the values of mntr and Prometheus | `ServerMetrics` |
#![allow(
    clippy::disallowed_methods,
    reason = "this module is the driver of sockets: it starts tasks and reads clocks"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};

use driver::metrics::Counter;

use crate::config::{Config, Limits};
use crate::store::Intake;
use crate::threads::core::Core;
use crate::threads::log::LogQueue;

pub mod admin;
pub mod admission;
mod bind;
pub mod connection;
pub mod election;
pub mod environment;
pub mod four_letter;
mod frames;
pub mod listener;
pub mod monitor;
pub mod outbox;
pub mod quorum;
mod sniff;
pub(crate) mod strangers;

/// What all connections and the operators' side share.
#[derive(Debug)]
pub struct Net {
    pub core: Arc<Core>,
    pub log: Arc<LogQueue>,
    pub config: Config,
    /// zoo.cfg as it was read
    pub initial_config: String,
    pub limits: Limits,
    pub admission: Arc<admission::Admission>,
    pub counters: NetCounters,
    pub bound: ClientPortBound,
    pub admin_port: Option<u16>,
    pub startup: Startup,
    pub open_files: driver::limits::OpenFiles,
    /// the mask of `stmk`; it has no effect, as in Java without trace logging
    pub trace_mask: AtomicI64,
    pub wrong_port: WrongPort,
    /// takes snapshots from operators
    pub intake: Intake,
    pub guarded: admin::Guarded,
}

/// The client port as it is bound: zoo.cfg may say 0, and a reconfiguration another one.
#[derive(Debug, Default)]
pub struct ClientPortBound(AtomicU32);

impl ClientPortBound {
    pub fn set(&self, port: Option<u16>) {
        self.0.store(port.map_or(0, u32::from), Ordering::Relaxed);
    }

    pub fn get(&self) -> Option<u16> {
        let port = self.0.load(Ordering::Relaxed);
        u16::try_from(port).ok().filter(|port| *port > 0)
    }
}

/// What the start took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Startup {
    /// milliseconds for snapshot and log
    pub load_ms: u64,
    /// transactions of the log
    pub replayed: u64,
}

/// What only the network sees.
#[derive(Debug, Default)]
pub struct NetCounters {
    pub sessionless_expired: Counter,
    pub dropped: Counter,
}

impl NetCounters {
    pub fn reset(&self) {
        self.sessionless_expired.reset();
        self.dropped.reset();
    }
}

/// Says once what speaks the wrong protocol on the client port.
#[derive(Debug, Default)]
pub struct WrongPort {
    http: AtomicBool,
    tls: AtomicBool,
    kafka: AtomicBool,
}

impl WrongPort {
    fn http(&self, peer: SocketAddr, admin_port: Option<u16>) {
        if !self.http.swap(true, Ordering::Relaxed) {
            let advice = admin_port.map_or_else(String::new, |port| {
                format!("; the AdminServer answers on port {port}")
            });
            tracing::warn!("{peer} sent an HTTP request to the client port{advice}. Said once.");
        }
    }

    fn tls(&self, peer: SocketAddr) {
        if !self.tls.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "{peer} sent a TLS hello to the client port, which serves plain text: take TLS off in \
                 the client. Said once."
            );
        }
    }

    fn kafka(&self, peer: SocketAddr) {
        if !self.kafka.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "{peer} sent a Kafka request to ZooKeeper's client port: its bootstrap.servers or \
                 --broker-list should name a broker. Said once."
            );
        }
    }
}
