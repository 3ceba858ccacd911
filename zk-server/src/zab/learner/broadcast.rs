//! After UPTODATE (Java: `Follower.processPacket`, `Observer.processPacket`,
//! `SendAckRequestProcessor`).

use bytes::Bytes;
use proto::quorum::payload::{Request, Revalidate, Revalidated, Touch};
use proto::quorum::{Identities, PacketType, QuorumPacket};
use proto::zk::OpCode;

use crate::auth::Identity;
use crate::config::Role;
use crate::mutants::{self, Mutant};
use crate::quorum::View;
use crate::zab::io::Effect;

use super::sync::mismatch;
use super::{Learner, Phase, Waiting};

impl Learner {
    pub(super) fn broadcast_packet(&mut self, packet: QuorumPacket, out: &mut Vec<Effect>) {
        let (zxid, observer) = (packet.zxid, self.role == Role::Observer);
        match packet.kind {
            PacketType::Ping => out.push(Effect::Pinged { zxid }),
            PacketType::Sync => match &mut self.observers {
                Some(observers) => observers.synced(out),
                None => out.push(Effect::Synced),
            },
            PacketType::Revalidate => match Revalidated::read(&packet) {
                Ok(answer) => match &mut self.observers {
                    Some(observers) => observers.revalidated(&packet, answer, out),
                    None => out.push(Effect::Revalidated {
                        session: answer.session,
                        valid: answer.valid,
                    }),
                },
                Err(error) => self.abandon(error.to_string(), out),
            },
            PacketType::Proposal if !observer => {
                let record = packet.data.unwrap_or_default();
                self.proposal(zxid, record, out);
            }
            PacketType::Commit if !observer => self.commit(zxid, None, out),
            PacketType::CommitAndActivate if !observer => match packet.activation() {
                Ok((leader, _)) => self.commit(zxid, Some(leader), out),
                Err(error) => self.abandon(error.to_string(), out),
            },
            PacketType::Inform if observer => {
                let record = packet.data.unwrap_or_default();
                self.inform(zxid, record, None, out);
            }
            PacketType::InformAndActivate if observer => match packet.activation() {
                Ok((leader, record)) => self.inform(zxid, record, Some(leader), out),
                Err(error) => self.abandon(error.to_string(), out),
            },
            // Java says so in its log, and goes on.
            PacketType::UpToDate | PacketType::Proposal | PacketType::Commit => {}
            kind => self.unexpected(kind, out),
        }
    }

    fn proposal(&mut self, zxid: i64, record: Bytes, out: &mut Vec<Effect>) {
        if let Some(config) = self.check(zxid, &record, out) {
            self.propose(zxid, record, config, out);
        }
    }

    pub(super) fn propose(
        &mut self,
        zxid: i64,
        record: Bytes,
        config: Option<View>,
        out: &mut Vec<Effect>,
    ) {
        self.last = zxid;
        self.uncommitted.push_back(Waiting {
            zxid,
            record: record.clone(),
            config,
        });
        if mutants::is(Mutant::AckBeforeLog) {
            self.acknowledge(zxid, out);
        } else {
            self.owe_ack(zxid);
        }
        out.push(Effect::Propose { zxid, record });
    }

    fn commit(&mut self, zxid: i64, leader: Option<i64>, out: &mut Vec<Effect>) {
        match self.uncommitted.pop_front() {
            Some(next) if next.zxid == zxid => {
                self.applied = zxid;
                out.push(Effect::Commit { zxid });
                if let Some(observers) = &mut self.observers {
                    observers.committed(zxid, &next.record, leader, out);
                }
                if let (Some(leader), Some(view)) = (leader, next.config) {
                    self.activate(view, Some(leader), out);
                }
            }
            next => {
                let reason = mismatch(zxid, next.map(|next| next.zxid));
                self.abandon(reason, out);
            }
        }
    }

    fn inform(&mut self, zxid: i64, record: Bytes, leader: Option<i64>, out: &mut Vec<Effect>) {
        self.proposal(zxid, record, out);
        if self.phase != Phase::Over {
            self.commit(zxid, leader, out);
        }
    }

    /// Everything up to this zxid is on stable storage.
    pub(super) fn logged(&mut self, zxid: i64, out: &mut Vec<Effect>) {
        while self.unacked.front().is_some_and(|&next| next <= zxid) {
            if let Some(next) = self.unacked.pop_front() {
                self.acknowledge(next, out);
            }
        }
    }

    /// The answer to `Effect::Pinged`: sessions of which this server has heard since the last one,
    /// with their timeouts in milliseconds.
    pub fn pong(
        &mut self,
        zxid: i64,
        touched: impl IntoIterator<Item = (i64, i32)>,
        out: &mut Vec<Effect>,
    ) {
        if self.phase == Phase::Serving {
            let touched = touched.into_iter().map(|(session, timeout_ms)| Touch {
                session,
                timeout_ms,
            });
            self.send(Touch::packet(zxid, touched), out);
        }
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
        if self.phase == Phase::Serving {
            if let (Some(observers), true) = (&mut self.observers, op == OpCode::Sync.code()) {
                observers.own_sync();
            }
            let request = Request {
                session,
                cxid: xid,
                op,
                body,
            };
            let ids = ids.iter().map(|id| (&*id.scheme, &*id.id));
            self.send(request.packet(Identities::collect(ids)), out);
        }
    }

    /// `ToQuorum::Revalidate`
    pub fn revalidate(&mut self, session: i64, timeout_ms: i32, out: &mut Vec<Effect>) {
        if self.phase == Phase::Serving {
            if let Some(observers) = &mut self.observers {
                observers.own_revalidation(session);
            }
            let ask = Revalidate {
                session,
                timeout_ms,
            };
            self.send(ask.packet(), out);
        }
    }
}
