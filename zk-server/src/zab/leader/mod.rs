//! A server that leads (Java: `Leader`).

use bytes::Bytes;
use proto::quorum::QuorumPacket;
use std::net::SocketAddr;

use crate::core::io::{DiskDone, Now};
use crate::quorum::View;
use crate::tree::Database;

use super::io::{Effect, LinkId};
use super::settings::{Settings, Start};

#[derive(Debug)]
pub struct Leader {
    pub settings: Settings,
    pub start: Start,
}

impl Leader {
    /// The quorum port should be open from here on.
    pub fn new(settings: Settings, start: Start, now: Now, out: &mut Vec<Effect>) -> Self {
        let _ = (now, out);
        Self { settings, start }
    }

    /// A learner has connected.
    pub fn accepted(&mut self, link: LinkId, peer: SocketAddr, now: Now) {
        let _ = (link, peer, now);
    }

    pub fn packet(
        &mut self,
        link: LinkId,
        packet: QuorumPacket,
        db: &Database,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let _ = (link, packet, db, now, out);
    }

    /// The connection is closed or broken. No answer to an `Effect::Close` is needed.
    pub fn gone(&mut self, link: LinkId, out: &mut Vec<Effect>) {
        let _ = (link, out);
    }

    /// The last byte of a `SendSnapshot` has been written: from here on the learner is expected to
    /// answer within `initLimit`.
    pub fn snapshot_sent(&mut self, link: LinkId, now: Now) {
        let _ = (link, now);
    }

    /// `EpochWritten`, `Flushed`, `Logged` and `LogRead`; others mean nothing to a leader.
    pub fn disk(&mut self, done: DiskDone, db: &Database, now: Now, out: &mut Vec<Effect>) {
        let _ = (done, db, now, out);
    }

    /// The server has made a transaction and `DiskOrder::Append` is ordered. `config`: the new
    /// configuration, when the transaction is a reconfiguration.
    pub fn proposed(
        &mut self,
        zxid: i64,
        record: Bytes,
        config: Option<View>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let _ = (zxid, record, config, now, out);
    }

    /// The server's answer to `Effect::Revalidate`.
    pub fn revalidated(&mut self, link: LinkId, session: i64, valid: bool, out: &mut Vec<Effect>) {
        let _ = (link, session, valid, out);
    }

    /// That server is looking for a leader, as a notification says (Java: `reportLookingSid`).
    pub fn looking(&mut self, server: i64, now: Now, out: &mut Vec<Effect>) {
        let _ = (server, now, out);
    }

    pub fn tick(&mut self, now: Now, out: &mut Vec<Effect>) {
        let _ = (now, out);
    }

    /// In microseconds of `Now::mono_us`.
    pub fn next_deadline(&self) -> Option<u64> {
        None
    }
}
