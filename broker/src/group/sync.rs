//! The second half of a rebalance: the leader hands out the assignment (Java:
//! `GroupCoordinator.handleSyncGroup`), and the heartbeats in between.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use proto::kafka::error::ErrorCode;

use super::coordinator::Context;
use super::effect::{Record, Reply, SyncReply, SyncRequest, Token};
use super::state::{Group, GroupAppend, State};
use super::timers::Timer;

impl Group {
    pub(super) fn sync(&mut self, token: Token, request: SyncRequest, ctx: &mut Context) {
        if let Err(error) = self.check_sync(&request) {
            return ctx.reply(token, Reply::Sync(SyncReply::error(error)));
        }
        let id = request.member_id.as_str();
        match self.state {
            State::Empty | State::Dead => {
                let reply = SyncReply::error(ErrorCode::UNKNOWN_MEMBER_ID);
                ctx.reply(token, Reply::Sync(reply));
            }
            State::PreparingRebalance => {
                let reply = SyncReply::error(ErrorCode::REBALANCE_IN_PROGRESS);
                ctx.reply(token, Reply::Sync(reply));
            }
            State::CompletingRebalance => {
                self.pending_sync.remove(id);
                self.await_assignment(id, token, ctx);
                if self.is_leader(id) {
                    self.store_assignment(request, ctx);
                }
            }
            State::Stable => {
                self.pending_sync.remove(id);
                let reply = self.assignment_reply(id);
                ctx.reply(token, Reply::Sync(reply));
                self.touch(id, ctx);
            }
        }
    }

    fn check_sync(&self, request: &SyncRequest) -> Result<(), ErrorCode> {
        if self.state == State::Dead {
            return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        }
        self.check_member(&request.member_id, request.group_instance_id.as_deref())?;
        if request.generation != self.generation {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        let differs = |given: &Option<String>, ours: &Option<Arc<str>>| {
            given.is_some() && given.as_deref() != ours.as_deref()
        };
        if differs(&request.protocol_type, &self.protocol_type)
            || differs(&request.protocol, &self.protocol)
        {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        Ok(())
    }

    fn await_assignment(&mut self, id: &str, token: Token, ctx: &mut Context) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        if let Some(earlier) = member.awaiting_sync.replace(token) {
            let reply = SyncReply::error(ErrorCode::REBALANCE_IN_PROGRESS);
            ctx.reply(earlier, Reply::Sync(reply));
        }
    }

    /// The assignment counts once it is in the log. Members that the leader left out get none.
    fn store_assignment(&mut self, request: SyncRequest, ctx: &mut Context) {
        let waiting = |a: &GroupAppend| matches!(a, GroupAppend::Assignment { generation, .. } if *generation == self.generation);
        if self.appends.values().any(waiting) {
            return;
        }
        let assignments: HashMap<Arc<str>, Bytes> = request
            .assignments
            .into_iter()
            .map(|(id, bytes)| (id.into(), bytes))
            .collect();
        let value = Some(self.stored(|m| assignments.get(&m.id).cloned().unwrap_or_default()));
        let record = Record::Group {
            group: self.id.clone(),
            value,
        };
        let append = ctx.append(self, vec![record]);
        let generation = self.generation;
        self.appends.insert(
            append,
            GroupAppend::Assignment {
                generation,
                assignments,
            },
        );
    }

    pub(super) fn assignment_stored(
        &mut self,
        generation: i32,
        mut assignments: HashMap<Arc<str>, Bytes>,
        result: Result<(), ErrorCode>,
        ctx: &mut Context,
    ) {
        if self.state != State::CompletingRebalance || self.generation != generation {
            return;
        }
        if let Err(error) = result {
            self.propagate_assignment_error(error, ctx);
            let why = format!("the assignment could not be stored: {error:?}");
            return self.maybe_prepare_rebalance(&why, ctx);
        }
        for member in self.members.values_mut() {
            member.assignment = assignments.remove(&member.id).unwrap_or_default();
        }
        let ids: Vec<Arc<str>> = self.members.keys().cloned().collect();
        for id in ids {
            let reply = self.assignment_reply(&id);
            if self.answer_sync(&id, reply, ctx) {
                self.touch(&id, ctx);
            }
        }
        self.transition(State::Stable, ctx);
    }

    fn assignment_reply(&self, id: &str) -> SyncReply {
        SyncReply {
            error: ErrorCode::NONE,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment: self
                .members
                .get(id)
                .map(|m| m.assignment.clone())
                .unwrap_or_default(),
        }
    }

    pub(super) fn propagate_assignment_error(&mut self, error: ErrorCode, ctx: &mut Context) {
        let ids: Vec<Arc<str>> = self.members.keys().cloned().collect();
        for id in ids {
            if let Some(member) = self.members.get_mut(&id) {
                member.assignment = Bytes::new();
            }
            if self.answer_sync(&id, SyncReply::error(error), ctx) {
                self.touch(&id, ctx);
            }
        }
    }

    /// Members that joined the generation but never asked for their assignment are removed.
    pub(super) fn sync_wait_over(&mut self, generation: i32, ctx: &mut Context) {
        let active = matches!(self.state, State::CompletingRebalance | State::Stable);
        if generation != self.generation || !active || self.pending_sync.is_empty() {
            return;
        }
        let late: Vec<Arc<str>> = self.pending_sync.drain().collect();
        for id in &late {
            self.remove(id);
        }
        self.prepare_rebalance(&format!("members {late:?} did not sync in time"), ctx);
    }

    pub(super) fn heartbeat(
        &mut self,
        member_id: &str,
        instance: Option<&str>,
        generation: i32,
        ctx: &mut Context,
    ) -> ErrorCode {
        if self.state == State::Dead {
            return ErrorCode::COORDINATOR_NOT_AVAILABLE;
        }
        if let Err(error) = self.check_member(member_id, instance) {
            return error;
        }
        if generation != self.generation {
            return ErrorCode::ILLEGAL_GENERATION;
        }
        match self.state {
            State::Empty | State::Dead => ErrorCode::UNKNOWN_MEMBER_ID,
            State::PreparingRebalance => {
                self.touch(member_id, ctx);
                ErrorCode::REBALANCE_IN_PROGRESS
            }
            State::CompletingRebalance | State::Stable => {
                self.touch(member_id, ctx);
                ErrorCode::NONE
            }
        }
    }

    /// The member's session may have ended.
    pub(super) fn member_timer(&mut self, id: &Arc<str>, ctx: &mut Context) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        if member.timer_at_ms.is_some_and(|at| at > ctx.now.mono_ms) {
            // An entry from before the deadline moved closer; the right one is still to come.
            return;
        }
        member.timer_at_ms = None;
        if member.is_excused_from_heartbeats() {
            return;
        }
        if member.deadline_ms > ctx.now.mono_ms {
            member.timer_at_ms = Some(member.deadline_ms);
            let timer = Timer::Member {
                group: self.id.clone(),
                member: id.clone(),
            };
            return ctx.timers.set(member.deadline_ms, timer);
        }
        let timeout = member.session_timeout_ms;
        let why = format!("nothing was heard of member {id} for its session timeout, {timeout} ms");
        self.remove_and_rebalance(id, &why, ctx);
    }
}
