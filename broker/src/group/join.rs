//! The first half of a rebalance: members join (Java: `GroupCoordinator.handleJoinGroup` to
//! `onCompleteJoin`).

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use proto::buf::{ReadError, Reader};
use proto::kafka::error::ErrorCode;

use super::coordinator::Context;
use super::effect::{JoinReply, JoinRequest, Record, SyncReply, Token};
use super::member::Member;
use super::state::{Group, GroupAppend, InitialWait, JoinWait, State};
use super::timers::Timer;

/// How long a new member may wait for its first rebalance without a sign of life; its heartbeats
/// begin only afterwards.
const NEW_MEMBER_JOIN_TIMEOUT_MS: u64 = 5 * 60 * 1000;

/// The protocol type of consumers.
const CONSUMER: &str = "consumer";

impl Group {
    pub(super) fn join(&mut self, token: Token, request: JoinRequest, ctx: &mut Context) {
        if !self.accepts(&request.member_id, ctx.config.group_max_size) {
            self.remove(&request.member_id);
            ctx.reply_join(token, "", ErrorCode::GROUP_MAX_SIZE_REACHED);
        } else if self.state == State::Dead {
            ctx.reply_join(
                token,
                &request.member_id,
                ErrorCode::COORDINATOR_NOT_AVAILABLE,
            );
        } else if !self.supports(&request.protocol_type, &request.protocols) {
            ctx.reply_join(
                token,
                &request.member_id,
                ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
            );
        } else if request.member_id.is_empty() {
            self.join_new(token, request, ctx);
        } else {
            self.join_known(token, request, ctx);
        }
        self.try_complete_join(ctx);
    }

    fn accepts(&self, member_id: &str, max_size: usize) -> bool {
        let member = self.members.get(member_id);
        match self.state {
            State::Empty | State::Dead => true,
            State::PreparingRebalance => {
                member.is_some_and(|m| m.awaiting_join.is_some()) || self.awaiting_join() < max_size
            }
            State::CompletingRebalance | State::Stable => {
                member.is_some() || self.members.len() < max_size
            }
        }
    }

    fn join_new(&mut self, token: Token, request: JoinRequest, ctx: &mut Context) {
        let prefix = request
            .group_instance_id
            .as_deref()
            .unwrap_or(&request.client_id);
        let id: Arc<str> = ctx.new_member_id(prefix).into();
        let instance = request.group_instance_id.as_deref();
        if let Some(old) = instance.and_then(|i| self.static_members.get(i)).cloned() {
            self.replace_static_member(token, &old, id, request, ctx);
        } else if instance.is_none() && request.require_known_member_id {
            self.pending.insert(id.clone());
            let timeout = u64::try_from(request.session_timeout_ms).unwrap_or(0);
            let timer = Timer::Pending {
                group: self.id.clone(),
                member: id.clone(),
            };
            ctx.timers.set(ctx.now.mono_ms + timeout, timer);
            ctx.reply_join(token, &id, ErrorCode::MEMBER_ID_REQUIRED);
        } else {
            self.add_and_rebalance(token, id, request, ctx);
        }
    }

    fn join_known(&mut self, token: Token, request: JoinRequest, ctx: &mut Context) {
        let id: Arc<str> = request.member_id.as_str().into();
        if self.pending.contains(&id) {
            if request.group_instance_id.is_some() {
                // Ids are handed out beforehand to dynamic members only.
                return ctx.reply_join(token, &id, ErrorCode::UNKNOWN_MEMBER_ID);
            }
            return self.add_and_rebalance(token, id, request, ctx);
        }
        if let Err(error) = self.check_member(&id, request.group_instance_id.as_deref()) {
            return ctx.reply_join(token, &id, error);
        }
        let same = self
            .members
            .get(&id)
            .is_some_and(|m| m.protocols == request.protocols);
        match self.state {
            State::CompletingRebalance if same => {
                // Its JoinGroup response was lost: the generation still holds.
                ctx.reply(token, super::effect::Reply::Join(self.join_reply(&id)));
            }
            State::Stable if same && !self.is_leader(&id) => {
                ctx.reply(token, super::effect::Reply::Join(self.join_reply(&id)));
            }
            State::PreparingRebalance | State::CompletingRebalance | State::Stable => {
                let why = if self.state == State::Stable && self.is_leader(&id) {
                    "leader joins again"
                } else {
                    "member joins again"
                };
                let reason = request.reason.clone();
                self.update(&id, Some(token), request, ctx);
                self.maybe_prepare_rebalance(&explain(why, &id, reason.as_deref()), ctx);
            }
            State::Empty | State::Dead => {
                ctx.reply_join(token, &id, ErrorCode::UNKNOWN_MEMBER_ID);
            }
        }
    }

    fn add_and_rebalance(
        &mut self,
        token: Token,
        id: Arc<str>,
        request: JoinRequest,
        ctx: &mut Context,
    ) {
        if self.state == State::PreparingRebalance && self.generation == 0 {
            self.new_member_added = true;
        }
        if self.members.is_empty() {
            self.protocol_type = Some(request.protocol_type.into());
        }
        self.add(Member {
            id: id.clone(),
            group_instance_id: request.group_instance_id.map(Into::into),
            client_id: request.client_id.into(),
            client_host: request.client_host.into(),
            rebalance_timeout_ms: request.rebalance_timeout_ms,
            session_timeout_ms: request.session_timeout_ms,
            protocols: request.protocols,
            assignment: Bytes::new(),
            awaiting_join: Some(token),
            awaiting_sync: None,
            is_new: true,
            deadline_ms: 0,
            timer_at_ms: None,
        });
        self.touch_for(&id, NEW_MEMBER_JOIN_TIMEOUT_MS, ctx);
        let why = explain("new member", &id, request.reason.as_deref());
        self.maybe_prepare_rebalance(&why, ctx);
    }

    /// Takes over what the member says of itself in a JoinGroup.
    fn update(&mut self, id: &str, token: Option<Token>, request: JoinRequest, ctx: &mut Context) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        member.protocols = request.protocols;
        member.rebalance_timeout_ms = request.rebalance_timeout_ms;
        member.session_timeout_ms = request.session_timeout_ms;
        let earlier = std::mem::replace(&mut member.awaiting_join, token);
        if let Some(earlier) = earlier {
            // The same member asks again, on another connection: one of the two gets the answer.
            ctx.reply_join(earlier, id, ErrorCode::REBALANCE_IN_PROGRESS);
        }
    }

    /// A static member restarted: it takes its old place under a new id (KIP-345).
    fn replace_static_member(
        &mut self,
        token: Token,
        old: &Arc<str>,
        new: Arc<str>,
        request: JoinRequest,
        ctx: &mut Context,
    ) {
        let old_leader = self.leader.clone();
        self.answer_join(
            old,
            JoinReply::error(old, ErrorCode::FENCED_INSTANCE_ID),
            ctx,
        );
        self.answer_sync(old, SyncReply::error(ErrorCode::FENCED_INSTANCE_ID), ctx);
        self.rename_member(old, &new);
        self.touch(&new, ctx);
        let skip_assignment = request.support_skipping_assignment;
        let reason = request.reason.clone();
        self.update(&new, Some(token), request, ctx);
        match self.state {
            State::Stable if self.select_protocol() == self.protocol => {
                let value = Some(self.stored(|m| m.assignment.clone()));
                let record = Record::Group {
                    group: self.id.clone(),
                    value,
                };
                let append = ctx.append(self, vec![record]);
                let then = GroupAppend::StaticMember {
                    old_member_id: old.clone(),
                    new_member_id: new,
                    old_leader,
                    skip_assignment,
                };
                self.appends.insert(append, then);
            }
            State::Stable => {
                let why = explain("static member changed protocols", &new, reason.as_deref());
                self.maybe_prepare_rebalance(&why, ctx);
            }
            State::CompletingRebalance => {
                let why = explain("static member joins again", &new, reason.as_deref());
                self.prepare_rebalance(&why, ctx);
            }
            // The rebalance under way takes it in.
            State::PreparingRebalance | State::Empty | State::Dead => {}
        }
    }

    fn rename_member(&mut self, old: &Arc<str>, new: &Arc<str>) {
        let Some(mut member) = self.members.shift_remove(old) else {
            return;
        };
        member.id = new.clone();
        member.timer_at_ms = None;
        if let Some(instance) = &member.group_instance_id {
            self.static_members.insert(instance.clone(), new.clone());
        }
        if self.is_leader(old) {
            self.leader = Some(new.clone());
        }
        if self.pending_sync.remove(old) {
            self.pending_sync.insert(new.clone());
        }
        self.members.insert(new.clone(), member);
    }

    /// The record of a static member's return is committed, or is not.
    pub(super) fn static_member_stored(
        &mut self,
        then: (Arc<str>, Arc<str>, Option<Arc<str>>, bool),
        result: Result<(), ErrorCode>,
        ctx: &mut Context,
    ) {
        let (old, new, old_leader, skip_assignment) = then;
        if let Err(error) = result {
            let mut reply = self.join_reply(&Arc::from(""));
            reply.error = error;
            reply.leader = old_leader;
            reply.members = Vec::new();
            self.answer_join(&new, reply, ctx);
            self.rename_member(&new, &old);
            return self.touch(&old, ctx);
        }
        let mut reply = self.join_reply(&new);
        if skip_assignment {
            reply.skip_assignment = self.is_leader(&new);
        } else {
            // Without KIP-814 a returning leader must not believe that it has to assign: it is
            // told its old id as the leader's.
            reply.members = Vec::new();
            reply.leader = old_leader;
        }
        self.answer_join(&new, reply, ctx);
    }

    pub(super) fn maybe_prepare_rebalance(&mut self, why: &str, ctx: &mut Context) {
        if matches!(
            self.state,
            State::Stable | State::CompletingRebalance | State::Empty
        ) {
            self.prepare_rebalance(why, ctx);
        }
    }

    pub(super) fn prepare_rebalance(&mut self, why: &str, ctx: &mut Context) {
        if self.state == State::CompletingRebalance {
            self.propagate_assignment_error(ErrorCode::REBALANCE_IN_PROGRESS, ctx);
        }
        self.pending_sync.clear();
        let timeout = self.rebalance_timeout_ms();
        let wait = if self.state == State::Empty {
            let delay_ms = ctx.config.group_initial_rebalance_delay_ms;
            let initial = InitialWait {
                delay_ms,
                remaining_ms: timeout.saturating_sub(delay_ms),
            };
            JoinWait {
                deadline_ms: ctx.now.mono_ms + delay_ms,
                initial: Some(initial),
            }
        } else {
            JoinWait {
                deadline_ms: ctx.now.mono_ms + timeout,
                initial: None,
            }
        };
        ctx.log(
            &self.id,
            format!(
                "preparing to rebalance, old generation {}: {why}",
                self.generation
            ),
        );
        self.transition(State::PreparingRebalance, ctx);
        self.wait_for_joins(wait, ctx);
        self.try_complete_join(ctx);
    }

    fn wait_for_joins(&mut self, wait: JoinWait, ctx: &mut Context) {
        self.join_wait = Some(wait);
        ctx.timers.set(
            wait.deadline_ms,
            Timer::Join {
                group: self.id.clone(),
            },
        );
    }

    /// Ends the wait as soon as everybody is there; the first rebalance of an empty group always
    /// waits its time.
    pub(super) fn try_complete_join(&mut self, ctx: &mut Context) {
        let waits = self.state == State::PreparingRebalance
            && self.join_wait.is_some_and(|wait| wait.initial.is_none());
        if waits && self.all_joined() {
            self.complete_join(ctx);
        }
    }

    pub(super) fn join_wait_over(&mut self, ctx: &mut Context) {
        let Some(wait) = self.join_wait else { return };
        if self.state != State::PreparingRebalance || wait.deadline_ms > ctx.now.mono_ms {
            return;
        }
        match wait.initial {
            Some(initial) if self.new_member_added && initial.remaining_ms > 0 => {
                self.new_member_added = false;
                let delay_ms = ctx
                    .config
                    .group_initial_rebalance_delay_ms
                    .min(initial.remaining_ms);
                let remaining_ms = initial.remaining_ms.saturating_sub(initial.delay_ms);
                let initial = Some(InitialWait {
                    delay_ms,
                    remaining_ms,
                });
                let deadline_ms = ctx.now.mono_ms + delay_ms;
                self.wait_for_joins(
                    JoinWait {
                        deadline_ms,
                        initial,
                    },
                    ctx,
                );
            }
            _ => self.complete_join(ctx),
        }
    }

    fn complete_join(&mut self, ctx: &mut Context) {
        self.join_wait = None;
        let gone: Vec<Arc<str>> = self
            .members
            .values()
            .filter(|m| m.awaiting_join.is_none() && m.group_instance_id.is_none())
            .map(|m| m.id.clone())
            .collect();
        for id in &gone {
            self.remove(id);
        }
        if !gone.is_empty() {
            ctx.log(
                &self.id,
                format!("removed members that did not join in time: {gone:?}"),
            );
        }
        if !self.members.is_empty() && !self.elect_joined_leader() {
            ctx.log(
                &self.id,
                "no member joined: the rebalance waits once more".to_owned(),
            );
            let deadline_ms = ctx.now.mono_ms + self.rebalance_timeout_ms();
            return self.wait_for_joins(
                JoinWait {
                    deadline_ms,
                    initial: None,
                },
                ctx,
            );
        }
        self.generation += 1;
        self.pending_sync.clear();
        if self.members.is_empty() {
            self.become_empty(ctx);
        } else {
            self.begin_generation(ctx);
        }
    }

    fn become_empty(&mut self, ctx: &mut Context) {
        self.protocol = None;
        self.subscribed_topics = self.topics_of_members();
        self.transition(State::Empty, ctx);
        ctx.log(&self.id, format!("generation {} is empty", self.generation));
        let value = Some(self.stored(|_| Bytes::new()));
        let append = ctx.append(
            self,
            vec![Record::Group {
                group: self.id.clone(),
                value,
            }],
        );
        self.appends.insert(append, GroupAppend::Empty);
    }

    fn begin_generation(&mut self, ctx: &mut Context) {
        self.protocol = self.select_protocol();
        self.subscribed_topics = self.topics_of_members();
        self.transition(State::CompletingRebalance, ctx);
        ctx.log(
            &self.id,
            format!(
                "generation {} has {} members",
                self.generation,
                self.members.len()
            ),
        );
        let ids: Vec<Arc<str>> = self.members.keys().cloned().collect();
        for id in ids {
            let reply = self.join_reply(&id);
            self.answer_join(&id, reply, ctx);
            self.touch(&id, ctx);
            if let Some(member) = self.members.get_mut(&id) {
                member.is_new = false;
            }
            self.pending_sync.insert(id);
        }
        let timer = Timer::Sync {
            group: self.id.clone(),
            generation: self.generation,
        };
        ctx.timers
            .set(ctx.now.mono_ms + self.rebalance_timeout_ms(), timer);
    }

    /// Keeps the leader when it has joined, or takes the first member that has.
    fn elect_joined_leader(&mut self) -> bool {
        let joined = |m: &Member| m.awaiting_join.is_some();
        let Some(leader) = &self.leader else {
            return false;
        };
        if self.members.get(leader).is_some_and(joined) {
            return true;
        }
        match self.members.values().find(|m| joined(m)) {
            Some(member) => {
                self.leader = Some(member.id.clone());
                true
            }
            None => false,
        }
    }

    /// The topics that the members of a consumer group subscribe to; `None` when it can't be
    /// known.
    fn topics_of_members(&self) -> Option<HashSet<String>> {
        if self.protocol_type.as_deref() != Some(CONSUMER) {
            return None;
        }
        let mut topics = HashSet::new();
        for member in self.members.values() {
            let metadata = member.metadata(self.protocol.as_deref()?);
            subscribed(&metadata, &mut topics).ok()?;
        }
        Some(topics)
    }

    /// After a load: what the topics of the group's members are.
    pub(super) fn refresh_subscribed_topics(&mut self) {
        self.subscribed_topics = self.topics_of_members();
    }

    /// The member has gone: the others rebalance.
    pub(super) fn remove_and_rebalance(&mut self, id: &str, why: &str, ctx: &mut Context) {
        self.answer_join(id, JoinReply::error("", ErrorCode::UNKNOWN_MEMBER_ID), ctx);
        self.answer_sync(id, SyncReply::error(ErrorCode::UNKNOWN_MEMBER_ID), ctx);
        self.remove(id);
        match self.state {
            State::Stable | State::CompletingRebalance => self.maybe_prepare_rebalance(why, ctx),
            State::PreparingRebalance => self.try_complete_join(ctx),
            State::Empty | State::Dead => {}
        }
    }

    pub(super) fn remove_pending(&mut self, id: &str, ctx: &mut Context) {
        if self.pending.remove(id) {
            self.try_complete_join(ctx);
        }
    }
}

fn explain(what: &str, member: &str, reason: Option<&str>) -> String {
    format!(
        "{what} {member}; client reason: {}",
        reason.unwrap_or("not provided")
    )
}

/// The topics of a `ConsumerProtocolSubscription` of any version: they come first.
fn subscribed(metadata: &[u8], topics: &mut HashSet<String>) -> Result<(), ReadError> {
    let mut r = Reader::new(metadata);
    r.i16()?;
    let count = r.i32()?;
    for _ in 0..count {
        let len = r.i16()?;
        let len = usize::try_from(len).map_err(|_| ReadError::BadLength(len.into()))?;
        let name = std::str::from_utf8(r.take(len)?).map_err(|_| ReadError::BadUtf8)?;
        topics.insert(name.to_owned());
    }
    Ok(())
}
