//! A server that follows or observes (Java: `Learner`, `Follower`, `Observer`).

use bytes::Bytes;
use proto::quorum::QuorumPacket;

use crate::auth::Identity;
use crate::core::io::{DiskDone, Now};
use crate::tree::Database;

use super::io::{Effect, LinkId};
use super::settings::{Settings, Start};

/// So many links, from the one that it is given on, are a learner's own.
pub const LINKS: u64 = 5;

#[derive(Debug)]
pub struct Learner {
    pub settings: Settings,
    pub start: Start,
}

impl Learner {
    /// Dials `leader`. Whether this server follows or observes is in its configuration.
    pub fn new(
        settings: Settings,
        start: Start,
        leader: i64,
        first_link: LinkId,
        now: Now,
        out: &mut Vec<Effect>,
    ) -> Self {
        let _ = (leader, first_link, now, out);
        Self { settings, start }
    }

    pub fn connected(&mut self, link: LinkId, now: Now, out: &mut Vec<Effect>) {
        let _ = (link, now, out);
    }

    /// Dialling failed, or the connection is gone.
    pub fn gone(&mut self, link: LinkId, reason: &str, now: Now, out: &mut Vec<Effect>) {
        let _ = (link, reason, now, out);
    }

    pub fn packet(&mut self, link: LinkId, packet: QuorumPacket, now: Now, out: &mut Vec<Effect>) {
        let _ = (link, packet, now, out);
    }

    /// What `ReceiveSnapshot` asked for has come.
    pub fn snapshot(
        &mut self,
        link: LinkId,
        database: Box<Database>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let _ = (link, database, now, out);
    }

    /// `EpochWritten`, `SnapshotSaved`, `Reloaded`, `Logged`; others mean nothing to a learner.
    pub fn disk(&mut self, done: DiskDone, now: Now, out: &mut Vec<Effect>) {
        let _ = (done, now, out);
    }

    /// The answer to `Effect::Pinged`: sessions of which this server has heard since the last one,
    /// with their timeouts in milliseconds.
    pub fn pong(
        &mut self,
        zxid: i64,
        touched: impl IntoIterator<Item = (i64, i32)>,
        out: &mut Vec<Effect>,
    ) {
        let _ = (zxid, touched, out);
    }

    /// A client's request for the leader (`ToQuorum::Forward`).
    pub fn forward(
        &mut self,
        session: i64,
        xid: i32,
        op: i32,
        body: Bytes,
        ids: &[Identity],
        out: &mut Vec<Effect>,
    ) {
        let _ = (session, xid, op, body, ids, out);
    }

    /// `ToQuorum::Revalidate`
    pub fn revalidate(&mut self, session: i64, timeout_ms: i32, out: &mut Vec<Effect>) {
        let _ = (session, timeout_ms, out);
    }

    pub fn tick(&mut self, now: Now, out: &mut Vec<Effect>) {
        let _ = (now, out);
    }

    /// In microseconds of `Now::mono_us`.
    pub fn next_deadline(&self) -> u64 {
        0
    }

    /// Whether the files have run ahead of the database, so that `DiskOrder::Reload` has to come
    /// before anything else when this role ends here.
    pub fn needs_reload(&self) -> bool {
        false
    }
}
