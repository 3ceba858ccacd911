//! One group: members, protocols, generation, state (Java: `GroupMetadata`).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use indexmap::IndexMap;
use proto::kafka::error::ErrorCode;

use super::coordinator::Context;
use super::effect::{
    AppendId, GroupDescription, GroupListing, JoinReply, JoinedMember, Reply, StoredGroup,
    StoredMember, SyncReply, Token,
};
use super::member::Member;
use super::offsets::Offsets;
use super::timers::Timer;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Empty,
    PreparingRebalance,
    CompletingRebalance,
    Stable,
    Dead,
}

impl State {
    /// The name that Kafka's tools print.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        }
    }
}

/// The wait of a group in `PreparingRebalance` (Java: `DelayedJoin`, `InitialDelayedJoin`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct JoinWait {
    pub(super) deadline_ms: u64,
    /// A group that was empty waits for further members even when all have joined.
    pub(super) initial: Option<InitialWait>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InitialWait {
    pub(super) delay_ms: u64,
    pub(super) remaining_ms: u64,
}

/// What happens when an append of the group's metadata is committed, or is not.
#[derive(Debug)]
pub(super) enum GroupAppend {
    /// The leader's assignment: the generation becomes stable.
    Assignment {
        generation: i32,
        assignments: HashMap<Arc<str>, bytes::Bytes>,
    },
    /// A static member came back under a new id.
    StaticMember {
        old_member_id: Arc<str>,
        new_member_id: Arc<str>,
        old_leader: Option<Arc<str>>,
        skip_assignment: bool,
    },
    /// The group became empty: nobody waits.
    Empty,
}

#[derive(Debug)]
pub(super) struct Group {
    pub(super) id: Arc<str>,
    /// of `__consumer_offsets`
    pub(super) partition: i32,
    pub(super) state: State,
    /// wall clock of the last change of state
    pub(super) state_since_ms: Option<i64>,
    pub(super) protocol_type: Option<Arc<str>>,
    pub(super) protocol: Option<Arc<str>>,
    pub(super) generation: i32,
    pub(super) leader: Option<Arc<str>>,
    pub(super) members: IndexMap<Arc<str>, Member>,
    pub(super) static_members: HashMap<Arc<str>, Arc<str>>,
    /// ids handed out to members that must come back with them
    pub(super) pending: HashSet<Arc<str>>,
    /// members of the generation that have not sent SyncGroup
    pub(super) pending_sync: HashSet<Arc<str>>,
    pub(super) join_wait: Option<JoinWait>,
    pub(super) new_member_added: bool,
    pub(super) subscribed_topics: Option<HashSet<String>>,
    pub(super) offsets: Offsets,
    pub(super) appends: HashMap<AppendId, GroupAppend>,
}

impl Group {
    pub(super) fn new(id: Arc<str>, partition: i32, wall_ms: i64) -> Self {
        Self {
            id,
            partition,
            state: State::Empty,
            state_since_ms: Some(wall_ms),
            protocol_type: None,
            protocol: None,
            generation: 0,
            leader: None,
            members: IndexMap::new(),
            static_members: HashMap::new(),
            pending: HashSet::new(),
            pending_sync: HashSet::new(),
            join_wait: None,
            new_member_added: false,
            subscribed_topics: None,
            offsets: Offsets::default(),
            appends: HashMap::new(),
        }
    }

    pub(super) fn transition(&mut self, to: State, ctx: &Context) {
        self.state = to;
        self.state_since_ms = Some(ctx.now.wall_ms);
    }

    pub(super) fn is_leader(&self, member: &str) -> bool {
        self.leader.as_deref() == Some(member)
    }

    /// Who speaks: an error unless the member belongs to the group, and is the one that its
    /// instance id names now.
    pub(super) fn check_member(
        &self,
        member_id: &str,
        instance: Option<&str>,
    ) -> Result<(), ErrorCode> {
        if let Some(instance) = instance {
            match self.static_members.get(instance) {
                None => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
                Some(current) if &**current != member_id => {
                    return Err(ErrorCode::FENCED_INSTANCE_ID);
                }
                Some(_) => {}
            }
        }
        if self.members.contains_key(member_id) {
            Ok(())
        } else {
            Err(ErrorCode::UNKNOWN_MEMBER_ID)
        }
    }

    pub(super) fn add(&mut self, member: Member) {
        if let Some(instance) = &member.group_instance_id {
            self.static_members
                .insert(instance.clone(), member.id.clone());
        }
        self.leader.get_or_insert_with(|| member.id.clone());
        self.pending.remove(&member.id);
        self.members.insert(member.id.clone(), member);
    }

    pub(super) fn remove(&mut self, member_id: &str) -> Option<Member> {
        let member = self.members.shift_remove(member_id);
        if let Some(instance) = member.as_ref().and_then(|m| m.group_instance_id.as_ref()) {
            self.static_members.remove(instance);
        }
        if self.is_leader(member_id) {
            self.leader = self.members.keys().next().cloned();
        }
        self.pending.remove(member_id);
        self.pending_sync.remove(member_id);
        member
    }

    pub(super) fn all_joined(&self) -> bool {
        self.pending.is_empty() && self.members.values().all(|m| m.awaiting_join.is_some())
    }

    pub(super) fn awaiting_join(&self) -> usize {
        self.members
            .values()
            .filter(|m| m.awaiting_join.is_some())
            .count()
    }

    pub(super) fn rebalance_timeout_ms(&self) -> u64 {
        let longest = self
            .members
            .values()
            .map(|m| m.rebalance_timeout_ms)
            .max()
            .unwrap_or(0);
        u64::try_from(longest).unwrap_or(0)
    }

    /// Whether somebody with these protocols can take part: one of them must be everybody's.
    pub(super) fn supports(
        &self,
        protocol_type: &str,
        protocols: &[(Arc<str>, bytes::Bytes)],
    ) -> bool {
        if self.state == State::Empty {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols
                .iter()
                .any(|(p, _)| self.members.values().all(|m| m.supports(p)))
    }

    /// The protocol with the most votes among those that every member supports; each votes for
    /// the first of its own list.
    pub(super) fn select_protocol(&self) -> Option<Arc<str>> {
        let mut votes: IndexMap<&Arc<str>, usize> = IndexMap::new();
        for member in self.members.values() {
            let choice = member
                .protocols
                .iter()
                .map(|(p, _)| p)
                .find(|p| self.members.values().all(|m| m.supports(p)));
            if let Some(choice) = choice {
                *votes.entry(choice).or_default() += 1;
            }
        }
        let most = votes.values().copied().max()?;
        votes
            .into_iter()
            .find(|(_, n)| *n == most)
            .map(|(p, _)| p.clone())
    }

    pub(super) fn joined_members(&self) -> Vec<JoinedMember> {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        self.members
            .values()
            .map(|m| JoinedMember {
                member_id: m.id.clone(),
                group_instance_id: m.group_instance_id.clone(),
                metadata: m.metadata(protocol),
            })
            .collect()
    }

    /// The reply that tells a member of the current generation; the leader gets all members.
    pub(super) fn join_reply(&self, member_id: &Arc<str>) -> JoinReply {
        JoinReply {
            error: ErrorCode::NONE,
            member_id: member_id.clone(),
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            skip_assignment: false,
            members: if self.is_leader(member_id) {
                self.joined_members()
            } else {
                Vec::new()
            },
        }
    }

    pub(super) fn answer_join(&mut self, member_id: &str, reply: JoinReply, ctx: &mut Context) {
        if let Some(token) = self
            .members
            .get_mut(member_id)
            .and_then(|m| m.awaiting_join.take())
        {
            ctx.reply(token, Reply::Join(reply));
        }
    }

    /// Whether the member was waiting.
    pub(super) fn answer_sync(
        &mut self,
        member_id: &str,
        reply: SyncReply,
        ctx: &mut Context,
    ) -> bool {
        let token: Option<Token> = self
            .members
            .get_mut(member_id)
            .and_then(|m| m.awaiting_sync.take());
        if let Some(token) = token {
            ctx.reply(token, Reply::Sync(reply));
        }
        token.is_some()
    }

    /// Something was heard of the member: its session lasts for `timeout_ms` more.
    pub(super) fn touch_for(&mut self, member_id: &str, timeout_ms: u64, ctx: &mut Context) {
        let Some(member) = self.members.get_mut(member_id) else {
            return;
        };
        member.deadline_ms = ctx.now.mono_ms.saturating_add(timeout_ms);
        if member.timer_at_ms.is_none_or(|at| at > member.deadline_ms) {
            member.timer_at_ms = Some(member.deadline_ms);
            let timer = Timer::Member {
                group: self.id.clone(),
                member: member.id.clone(),
            };
            ctx.timers.set(member.deadline_ms, timer);
        }
    }

    pub(super) fn touch(&mut self, member_id: &str, ctx: &mut Context) {
        if let Some(member) = self.members.get(member_id) {
            let timeout = u64::try_from(member.session_timeout_ms).unwrap_or(0);
            self.touch_for(member_id, timeout, ctx);
        }
    }

    /// The group as the log keeps it; `assignment` gives each member's.
    pub(super) fn stored(&self, assignment: impl Fn(&Member) -> bytes::Bytes) -> StoredGroup {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        StoredGroup {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            current_state_timestamp: self.state_since_ms.unwrap_or(-1),
            members: self
                .members
                .values()
                .map(|m| StoredMember {
                    member_id: m.id.clone(),
                    group_instance_id: m.group_instance_id.clone(),
                    client_id: m.client_id.clone(),
                    client_host: m.client_host.clone(),
                    rebalance_timeout_ms: m.rebalance_timeout_ms,
                    session_timeout_ms: m.session_timeout_ms,
                    subscription: m.metadata(protocol),
                    assignment: assignment(m),
                })
                .collect(),
        }
    }

    pub(super) fn describe(&self) -> GroupDescription {
        let protocol = match self.state {
            State::Stable => self.protocol.clone(),
            _ => None,
        };
        GroupDescription {
            error: ErrorCode::NONE,
            state: self.state.name(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            members: self
                .members
                .values()
                .map(|m| m.describe(protocol.as_deref()))
                .collect(),
            protocol: protocol.unwrap_or_default(),
        }
    }

    pub(super) fn listing(&self) -> GroupListing {
        GroupListing {
            group_id: self.id.clone(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            state: self.state.name(),
        }
    }
}
