//! Gives writes their zxid and appends them (Java: `PrepRequestProcessor.pRequest`,
//! `ProposalRequestProcessor`): those of this server's clients, of the server itself, and, on a
//! leader, those that learners forward.

use proto::zk::{ErrorCode, OpCode};

use crate::auth::Identity;
use crate::core::io::{Mode, Output, ToQuorum};
use crate::core::server::Server;
use crate::quorum::View;
use crate::tree::data_tree::At;
use crate::units::Zxid;

use super::commit::{Proposal, Requester};
use super::prep::{Allowed, Prep};
use super::request::Write;

/// Whose write it is.
enum Writer<'a> {
    Client(Requester),
    Server,
    Learner {
        ids: &'a [Identity],
        allowed: Allowed,
    },
}

impl Server {
    /// Proposes what a client of this server asked for. Returns the token of its reply.
    pub(crate) fn propose(
        &mut self,
        write: &Write<'_>,
        requester: Requester,
        out: &mut Vec<Output>,
    ) -> i64 {
        let session = self.conns.get(requester.slot).map_or(0, |c| c.session);
        let xid = requester.xid;
        self.prepare(session, xid, write, Writer::Client(requester), out)
    }

    /// A write of the server itself: an expired session, a container without children.
    pub(crate) fn propose_internal(
        &mut self,
        session: i64,
        write: &Write<'_>,
        out: &mut Vec<Output>,
    ) {
        self.prepare(session, 0, write, Writer::Server, out);
    }

    /// A write of a learner's client: the answer is its transaction.
    pub(crate) fn propose_remote(
        &mut self,
        (session, xid): (i64, i32),
        write: &Write<'_>,
        ids: &[Identity],
        allowed: Allowed,
        out: &mut Vec<Output>,
    ) {
        self.prepare(session, xid, write, Writer::Learner { ids, allowed }, out);
    }

    /// Closes a session without a request of its client.
    pub(crate) fn close_session_of(&mut self, session: i64, out: &mut Vec<Output>) {
        self.propose_internal(session, &Write::CloseSession, out);
    }

    fn prepare(
        &mut self,
        session: i64,
        xid: i32,
        write: &Write<'_>,
        writer: Writer<'_>,
        out: &mut Vec<Output>,
    ) -> i64 {
        if self.mode == Mode::Leading && self.zxids_are_used_up(out) {
            return self.last_assigned;
        }
        self.last_assigned += 1;
        let zxid = self.last_assigned;
        let (ids, allowed, requester) = match writer {
            Writer::Client(mut requester) => {
                requester.token = zxid;
                let ids = self
                    .conns
                    .get(requester.slot)
                    .map(|conn| conn.ids.as_slice());
                (ids.unwrap_or_default(), Allowed::ALL, Some(requester))
            }
            Writer::Server => (&[][..], Allowed::ALL, None),
            Writer::Learner { ids, allowed } => (ids, allowed, None),
        };
        let mut prep = Prep {
            tree: self.db.tree(),
            overlay: &mut self.overlay,
            settings: &self.settings,
            ids,
            allowed,
            at: At {
                session,
                zxid,
                time: self.now.wall_ms,
            },
            quota_events: &mut self.quota_events,
            views: self.views.as_deref(),
            next_view: None,
            reconfig_refused: None,
        };
        let record = self.records.make(|out| prep.record(xid, write, out));
        let (next_view, refused) = (prep.next_view, prep.reconfig_refused);
        if let Some(view) = next_view {
            self.propose_view(zxid, view, out);
        }
        if let Some(why) = refused {
            self.event(crate::core::Event::ReconfigRefused { why });
        }
        self.stats.proposed += 1;
        let op = write.op();
        if op == OpCode::CloseSession {
            self.tracker.set_closing(session);
        }
        out.push(Output::Append {
            zxid: Zxid(zxid),
            record: record.clone(),
        });
        if self.snapshots.appended(zxid, record.len()) {
            out.push(Output::RollLog);
        }
        self.proposals.push(Proposal {
            zxid,
            op,
            session,
            record,
            requester,
        });
        zxid
    }

    /// Nobody may propose another one until this one is in force.
    fn propose_view(&mut self, zxid: i64, view: View, out: &mut Vec<Output>) {
        if let Some(views) = &mut self.views {
            views.seen = view.clone();
        }
        let zxid = Zxid(zxid);
        out.push(Output::Quorum(ToQuorum::Reconfig { zxid, view }));
    }

    /// An epoch has 2^32 - 2 transactions; the next leader begins with a new one (Java:
    /// `XidRolloverException`).
    fn zxids_are_used_up(&mut self, out: &mut Vec<Output>) -> bool {
        let used_up = self.last_assigned as u32 >= self.settings.zxids_per_epoch;
        if used_up {
            self.abandon(
                "zxid lower 32 bits have rolled over, forcing re-election, and therefore new epoch start",
                out,
            );
        }
        used_up
    }

    /// The role cannot go on.
    pub(crate) fn abandon(&mut self, reason: &str, out: &mut Vec<Output>) {
        if !self.abandoned {
            self.abandoned = true;
            let reason = reason.to_owned();
            out.push(Output::Quorum(ToQuorum::Abandon { reason }));
        }
    }

    /// Whether the leader lets a learner's client write (Java: `LeaderSessionTracker.checkSession`,
    /// `checkGlobalSession`).
    pub(crate) fn allowed(&mut self, session: i64, owner: crate::session::Owner) -> Allowed {
        let expired = Err(ErrorCode::SessionExpired);
        let checked = self.tracker.check(session, owner);
        match checked {
            Err(ErrorCode::UnknownSession) => {
                // It may be a local session of the learner.
                let mine = session >> 56 == self.settings.server_id;
                let any = if self.settings.local_sessions && !mine {
                    Ok(())
                } else {
                    expired
                };
                Allowed {
                    any,
                    global: expired,
                }
            }
            checked => Allowed {
                any: checked,
                global: checked,
            },
        }
    }
}
