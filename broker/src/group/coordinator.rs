//! The door of the group coordinator: which groups are ours, and each request's way in.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use proto::kafka::error::ErrorCode;

use super::effect::{
    AppendId, CommitRequest, Config, Effect, FetchedOffset, GroupDescription, GroupListing,
    Identity, JoinReply, JoinRequest, Now, Record, Reply, SyncReply, SyncRequest, Token,
    TopicPartition,
};
use super::load::Loading;
use super::state::{Group, GroupAppend, State};
use super::timers::{Timer, Timers};

/// Makes the random part of a member id.
pub type RandomId = Box<dyn FnMut() -> String + Send>;

/// What a group needs of its coordinator while it handles an input.
pub(super) struct Context {
    pub(super) now: Now,
    pub(super) config: Config,
    pub(super) timers: Timers,
    out: Vec<Effect>,
    /// which group an append belongs to
    appends: HashMap<AppendId, Appended>,
    next_append: u64,
    random_id: RandomId,
}

enum Appended {
    Group(Arc<str>),
    /// Tombstones that a `DeleteGroups` or `OffsetDelete` waits for.
    Deletion(Token),
    /// Tombstones of expired offsets: written again at the next check if they are lost.
    Expiry,
}

impl Context {
    pub(super) fn reply(&mut self, token: Token, reply: Reply) {
        self.out.push(Effect::Reply { token, reply });
    }

    pub(super) fn reply_join(&mut self, token: Token, member_id: &str, error: ErrorCode) {
        self.reply(token, Reply::Join(JoinReply::error(member_id, error)));
    }

    pub(super) fn append(&mut self, group: &Group, records: Vec<Record>) -> AppendId {
        self.append_for(group.partition, records, Appended::Group(group.id.clone()))
    }

    fn append_for(&mut self, partition: i32, records: Vec<Record>, then: Appended) -> AppendId {
        self.next_append += 1;
        let id = AppendId(self.next_append);
        self.appends.insert(id, then);
        self.out.push(Effect::Append {
            id,
            partition,
            records,
        });
        id
    }

    pub(super) fn log(&mut self, group: &Arc<str>, message: String) {
        self.out.push(Effect::Log {
            group: group.clone(),
            message,
        });
    }

    pub(super) fn new_member_id(&mut self, prefix: &str) -> String {
        format!("{prefix}-{}", (self.random_id)())
    }
}

enum Ownership {
    /// Records read so far.
    Loading {
        epoch: i32,
        loading: Box<Loading>,
    },
    Owned {
        epoch: i32,
    },
}

/// Every group of the partitions of `__consumer_offsets` that this broker leads.
pub struct GroupCoordinator {
    ctx: Context,
    partitions: HashMap<i32, Ownership>,
    groups: HashMap<Arc<str>, Group>,
    /// how many partitions `__consumer_offsets` has; 0 until it exists
    partition_count: i32,
}

impl std::fmt::Debug for GroupCoordinator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GroupCoordinator({} groups)", self.groups.len())
    }
}

impl GroupCoordinator {
    pub fn new(config: Config, now: Now, random_id: RandomId) -> Self {
        let mut timers = Timers::default();
        timers.set(
            now.mono_ms + config.offsets_retention_check_interval_ms,
            Timer::Retention,
        );
        let ctx = Context {
            now,
            config,
            timers,
            out: Vec::new(),
            appends: HashMap::new(),
            next_append: 0,
            random_id,
        };
        Self {
            ctx,
            partitions: HashMap::new(),
            groups: HashMap::new(),
            partition_count: 0,
        }
    }

    /// What the inputs since the last call asked for, in order.
    pub fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.ctx.out)
    }

    /// When `tick` is due.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        self.ctx.timers.next()
    }

    pub fn set_partition_count(&mut self, count: i32) {
        self.partition_count = count;
    }

    /// The partition of `__consumer_offsets` that holds the group, once the topic exists.
    pub fn partition_for(&self, group_id: &str) -> Option<i32> {
        (self.partition_count > 0).then(|| partition_for(group_id, self.partition_count))
    }

    // ---- ownership ----

    /// This broker leads the partition now: its records follow through `load`.
    pub fn begin_load(&mut self, partition: i32, epoch: i32) {
        self.unload(partition);
        let loading = Box::default();
        self.partitions
            .insert(partition, Ownership::Loading { epoch, loading });
    }

    /// The collector of a load that is under way in this epoch.
    pub fn load(&mut self, partition: i32, epoch: i32) -> Option<&mut Loading> {
        match self.partitions.get_mut(&partition)? {
            Ownership::Loading { epoch: e, loading } if *e == epoch => Some(loading),
            _ => None,
        }
    }

    /// Everything up to the log's end was read: the groups serve.
    pub fn finish_load(&mut self, now: Now, partition: i32, epoch: i32) {
        self.ctx.now = now;
        match self.partitions.remove(&partition) {
            Some(Ownership::Loading { epoch: e, loading }) if e == epoch => {
                self.partitions
                    .insert(partition, Ownership::Owned { epoch });
                for mut group in loading.into_groups(partition, now.wall_ms) {
                    group.loaded(&mut self.ctx);
                    self.groups.insert(group.id.clone(), group);
                }
            }
            Some(other) => {
                self.partitions.insert(partition, other);
            }
            None => {}
        }
    }

    /// Another broker leads the partition, or it is gone: whoever waits is told.
    pub fn unload(&mut self, partition: i32) {
        self.partitions.remove(&partition);
        let ctx = &mut self.ctx;
        self.groups.retain(|_, group| {
            if group.partition != partition {
                return true;
            }
            group.unloaded(ctx);
            false
        });
    }

    /// The epoch in which this broker owns or loads the partition.
    pub fn epoch_of(&self, partition: i32) -> Option<i32> {
        self.partitions.get(&partition).map(|o| match o {
            Ownership::Loading { epoch, .. } | Ownership::Owned { epoch } => *epoch,
        })
    }

    fn check_group(&self, group_id: &str, may_be_empty: bool) -> Result<i32, ErrorCode> {
        if group_id.is_empty() && !may_be_empty {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        let partition = self
            .partition_for(group_id)
            .ok_or(ErrorCode::NOT_COORDINATOR)?;
        match self.partitions.get(&partition) {
            Some(Ownership::Owned { .. }) => Ok(partition),
            Some(Ownership::Loading { .. }) => Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
            None => Err(ErrorCode::NOT_COORDINATOR),
        }
    }

    // ---- requests that may wait ----

    pub fn join(&mut self, now: Now, token: Token, request: JoinRequest) {
        self.ctx.now = now;
        let partition = match self.check_group(&request.group_id, false) {
            Ok(partition) => partition,
            Err(error) => return self.ctx.reply_join(token, &request.member_id, error),
        };
        let limits = &self.ctx.config;
        let allowed = limits.group_min_session_timeout_ms..=limits.group_max_session_timeout_ms;
        if !allowed.contains(&request.session_timeout_ms) {
            let error = ErrorCode::INVALID_SESSION_TIMEOUT;
            return self.ctx.reply_join(token, &request.member_id, error);
        }
        let id: Arc<str> = request.group_id.as_str().into();
        if !self.groups.contains_key(&id) {
            if !request.member_id.is_empty() {
                let error = ErrorCode::UNKNOWN_MEMBER_ID;
                return self.ctx.reply_join(token, &request.member_id, error);
            }
            self.groups
                .insert(id.clone(), Group::new(id.clone(), partition, now.wall_ms));
        }
        if let Some(group) = self.groups.get_mut(&id) {
            group.join(token, request, &mut self.ctx);
        }
        self.run_due();
    }

    pub fn sync(&mut self, now: Now, token: Token, request: SyncRequest) {
        self.ctx.now = now;
        let error = match self.check_group(&request.group_id, false) {
            Ok(_) => match self.groups.get_mut(request.group_id.as_str()) {
                Some(group) => return group.sync(token, request, &mut self.ctx),
                None => ErrorCode::UNKNOWN_MEMBER_ID,
            },
            // The coordinator lost its memory of the wait: the member joins again.
            Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS) => ErrorCode::REBALANCE_IN_PROGRESS,
            Err(error) => error,
        };
        self.ctx.reply(token, Reply::Sync(SyncReply::error(error)));
    }

    pub fn commit(&mut self, now: Now, token: Token, request: CommitRequest) {
        self.ctx.now = now;
        let count = request.offsets.len();
        let error = match self.check_group(&request.group_id, true) {
            Ok(partition) => {
                let id: Arc<str> = request.group_id.as_str().into();
                if request.generation < 0 && !self.groups.contains_key(&id) {
                    let group = Group::new(id.clone(), partition, now.wall_ms);
                    self.groups.insert(id.clone(), group);
                }
                match self.groups.get_mut(&id) {
                    Some(group) => return group.commit(token, request, &mut self.ctx),
                    None => ErrorCode::ILLEGAL_GENERATION,
                }
            }
            Err(error) => error,
        };
        self.ctx.reply(token, Reply::Commit(vec![error; count]));
    }

    pub fn delete_group(&mut self, now: Now, token: Token, group_id: &str) {
        self.ctx.now = now;
        if let Err(error) = self.check_group(group_id, true) {
            return self.ctx.reply(token, Reply::Deleted(error));
        }
        let Some(group) = self.groups.get_mut(group_id) else {
            return self
                .ctx
                .reply(token, Reply::Deleted(ErrorCode::GROUP_ID_NOT_FOUND));
        };
        if group.state != State::Empty {
            return self
                .ctx
                .reply(token, Reply::Deleted(ErrorCode::NON_EMPTY_GROUP));
        }
        let all: Vec<TopicPartition> = group.offsets.committed.keys().cloned().collect();
        let mut records = group.forget(&all, &self.ctx);
        if group.state != State::Dead && group.generation > 0 {
            records.push(Record::Group {
                group: group.id.clone(),
                value: None,
            });
        }
        let partition = group.partition;
        if let Some(mut group) = self.groups.remove(group_id) {
            group.unloaded(&mut self.ctx);
        }
        self.write_tombstones(partition, records, token);
    }

    /// `OffsetDelete`: offsets of topics that nobody of the group subscribes to.
    pub fn delete_offsets(
        &mut self,
        now: Now,
        token: Token,
        group_id: &str,
        partitions: &[TopicPartition],
    ) -> Vec<ErrorCode> {
        self.ctx.now = now;
        let error = match self.check_group(group_id, false) {
            Err(error) => error,
            Ok(_) => match self.groups.get_mut(group_id) {
                None => ErrorCode::GROUP_ID_NOT_FOUND,
                Some(g) if g.state == State::Dead => ErrorCode::GROUP_ID_NOT_FOUND,
                Some(g)
                    if g.state != State::Empty
                        && g.protocol_type.as_deref() != Some("consumer") =>
                {
                    ErrorCode::NON_EMPTY_GROUP
                }
                Some(group) => {
                    let subscribed = |at: &TopicPartition| {
                        group.state != State::Empty
                            && group
                                .subscribed_topics
                                .as_ref()
                                .is_none_or(|topics| topics.contains(&*at.topic))
                    };
                    let results: Vec<ErrorCode> = partitions
                        .iter()
                        .map(|at| match subscribed(at) {
                            true => ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC,
                            false => ErrorCode::NONE,
                        })
                        .collect();
                    let free: Vec<TopicPartition> = partitions
                        .iter()
                        .filter(|at| !subscribed(at))
                        .cloned()
                        .collect();
                    let records = group.forget(&free, &self.ctx);
                    let partition = group.partition;
                    if group.state == State::Dead {
                        self.groups.remove(group_id);
                    }
                    self.write_tombstones(partition, records, token);
                    return results;
                }
            },
        };
        self.ctx.reply(token, Reply::Deleted(error));
        Vec::new()
    }

    fn write_tombstones(&mut self, partition: i32, records: Vec<Record>, token: Token) {
        if records.is_empty() {
            self.ctx.reply(token, Reply::Deleted(ErrorCode::NONE));
        } else {
            self.ctx
                .append_for(partition, records, Appended::Deletion(token));
        }
    }

    // ---- requests that are answered at once ----

    pub fn heartbeat(
        &mut self,
        now: Now,
        group_id: &str,
        member: &Identity,
        generation: i32,
    ) -> ErrorCode {
        self.ctx.now = now;
        match self.check_group(group_id, false) {
            // The member's session is not lost while its group is being read.
            Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS) => ErrorCode::NONE,
            Err(error) => error,
            Ok(_) => match self.groups.get_mut(group_id) {
                None => ErrorCode::UNKNOWN_MEMBER_ID,
                Some(group) => group.heartbeat(
                    &member.member_id,
                    member.group_instance_id.as_deref(),
                    generation,
                    &mut self.ctx,
                ),
            },
        }
    }

    /// One code for the request, or one for each member.
    pub fn leave(
        &mut self,
        now: Now,
        group_id: &str,
        members: &[(Identity, Option<String>)],
    ) -> Result<Vec<ErrorCode>, ErrorCode> {
        self.ctx.now = now;
        self.check_group(group_id, false)?;
        let Some(group) = self.groups.get_mut(group_id) else {
            return Ok(vec![ErrorCode::UNKNOWN_MEMBER_ID; members.len()]);
        };
        if group.state == State::Dead {
            return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        }
        let ctx = &mut self.ctx;
        Ok(members
            .iter()
            .map(|(who, reason)| leave_one(group, who, reason.as_deref(), ctx))
            .collect())
    }

    pub fn fetch_offsets(
        &self,
        group_id: &str,
        partitions: Option<&[TopicPartition]>,
        require_stable: bool,
    ) -> Result<Vec<FetchedOffset>, ErrorCode> {
        self.check_group(group_id, true)?;
        Ok(match self.groups.get(group_id) {
            Some(group) if group.state != State::Dead => group.fetch(partitions, require_stable),
            _ => partitions
                .unwrap_or_default()
                .iter()
                .map(|at| FetchedOffset {
                    at: at.clone(),
                    offset: None,
                    error: ErrorCode::NONE,
                })
                .collect(),
        })
    }

    pub fn describe(&self, group_id: &str) -> GroupDescription {
        let nothing = |error, state| GroupDescription {
            error,
            state,
            protocol_type: "".into(),
            protocol: "".into(),
            members: Vec::new(),
        };
        match self.check_group(group_id, true) {
            Err(error) => nothing(error, ""),
            Ok(_) => match self.groups.get(group_id) {
                None => nothing(ErrorCode::NONE, State::Dead.name()),
                Some(group) => group.describe(),
            },
        }
    }

    /// The groups of this broker, sorted; an error besides when some are still being loaded.
    pub fn list(&self, states: &[String]) -> (ErrorCode, Vec<GroupListing>) {
        let loading = self
            .partitions
            .values()
            .any(|o| matches!(o, Ownership::Loading { .. }));
        let error = if loading {
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
        } else {
            ErrorCode::NONE
        };
        let states: HashSet<String> = states.iter().map(|s| s.to_lowercase()).collect();
        let mut groups: Vec<GroupListing> = self
            .groups
            .values()
            .map(Group::listing)
            .filter(|g| states.is_empty() || states.contains(&g.state.to_lowercase()))
            .collect();
        groups.sort_by(|a, b| a.group_id.cmp(&b.group_id));
        (error, groups)
    }

    /// Offsets that are committed in all groups.
    pub fn offset_count(&self) -> usize {
        let groups = self.groups.values();
        groups.map(|group| group.offsets.committed.len()).sum()
    }

    // ---- the log and the clock ----

    /// The records of an append are committed at this log offset, or will never be.
    pub fn appended(&mut self, now: Now, id: AppendId, result: Result<i64, ErrorCode>) {
        self.ctx.now = now;
        match self.ctx.appends.remove(&id) {
            None | Some(Appended::Expiry) => {}
            Some(Appended::Deletion(token)) => {
                let error = result.err().map_or(ErrorCode::NONE, group_error);
                self.ctx.reply(token, Reply::Deleted(error));
            }
            Some(Appended::Group(group_id)) => {
                let Some(group) = self.groups.get_mut(&group_id) else {
                    return;
                };
                if !group.commit_stored(id, result, &mut self.ctx) {
                    group.stored_metadata(id, result.map(drop).map_err(group_error), &mut self.ctx);
                }
            }
        }
        self.run_due();
    }

    pub fn tick(&mut self, now: Now) {
        self.ctx.now = now;
        self.run_due();
    }

    fn run_due(&mut self) {
        while let Some(timer) = self.ctx.timers.pop_due(self.ctx.now.mono_ms) {
            let ctx = &mut self.ctx;
            match timer {
                Timer::Member { group, member } => {
                    if let Some(group) = self.groups.get_mut(&group) {
                        group.member_timer(&member, ctx);
                    }
                }
                Timer::Pending { group, member } => {
                    if let Some(group) = self.groups.get_mut(&group) {
                        group.remove_pending(&member, ctx);
                    }
                }
                Timer::Join { group } => {
                    if let Some(group) = self.groups.get_mut(&group) {
                        group.join_wait_over(ctx);
                    }
                }
                Timer::Sync { group, generation } => {
                    if let Some(group) = self.groups.get_mut(&group) {
                        group.sync_wait_over(generation, ctx);
                    }
                }
                Timer::Retention => self.expire_offsets(),
            }
        }
    }

    fn expire_offsets(&mut self) {
        let interval = self.ctx.config.offsets_retention_check_interval_ms.max(1);
        self.ctx
            .timers
            .set(self.ctx.now.mono_ms + interval, Timer::Retention);
        let ctx = &mut self.ctx;
        self.groups.retain(|_, group| {
            let expired = group.expired_offsets(ctx);
            let records = group.forget(&expired, ctx);
            for at in &expired {
                let message = format!("the offset of {}-{} expired", at.topic, at.partition);
                ctx.log(&group.id, message);
            }
            if !records.is_empty() {
                ctx.append_for(group.partition, records, Appended::Expiry);
            }
            group.state != State::Dead
        });
    }
}

fn leave_one(
    group: &mut Group,
    who: &Identity,
    reason: Option<&str>,
    ctx: &mut Context,
) -> ErrorCode {
    let instance = who.group_instance_id.as_deref();
    let id: Arc<str> = if who.member_id.is_empty() {
        match instance.and_then(|i| group.static_members.get(i)) {
            Some(id) => id.clone(),
            None => return ErrorCode::UNKNOWN_MEMBER_ID,
        }
    } else if group.pending.contains(who.member_id.as_str()) {
        group.remove_pending(&who.member_id, ctx);
        return ErrorCode::NONE;
    } else {
        if let Err(error) = group.check_member(&who.member_id, instance) {
            return error;
        }
        who.member_id.as_str().into()
    };
    let why = format!(
        "member {id} left; client reason: {}",
        reason.unwrap_or("not provided")
    );
    group.remove_and_rebalance(&id, &why, ctx);
    ErrorCode::NONE
}

impl Group {
    fn stored_metadata(&mut self, id: AppendId, result: Result<(), ErrorCode>, ctx: &mut Context) {
        match self.appends.remove(&id) {
            None | Some(GroupAppend::Empty) => {}
            Some(GroupAppend::Assignment {
                generation,
                assignments,
            }) => {
                self.assignment_stored(generation, assignments, result, ctx);
            }
            Some(GroupAppend::StaticMember {
                old_member_id,
                new_member_id,
                old_leader,
                skip_assignment,
            }) => {
                let then = (old_member_id, new_member_id, old_leader, skip_assignment);
                self.static_member_stored(then, result, ctx);
            }
        }
    }

    fn loaded(&mut self, ctx: &mut Context) {
        self.refresh_subscribed_topics();
        let ids: Vec<Arc<str>> = self.members.keys().cloned().collect();
        for id in &ids {
            self.touch(id, ctx);
        }
        if ids.len() > ctx.config.group_max_size {
            self.prepare_rebalance("the group is larger than group.max.size allows", ctx);
        }
    }

    fn unloaded(&mut self, ctx: &mut Context) {
        self.transition(State::Dead, ctx);
        let ids: Vec<Arc<str>> = self.members.keys().cloned().collect();
        for id in ids {
            let reply = JoinReply::error(&id, ErrorCode::NOT_COORDINATOR);
            self.answer_join(&id, reply, ctx);
            self.answer_sync(&id, SyncReply::error(ErrorCode::NOT_COORDINATOR), ctx);
        }
        self.fail_commits(ctx);
    }
}

/// How an append's error reads to a member (Java: `GroupMetadataManager.storeGroup`).
fn group_error(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        | ErrorCode::NOT_ENOUGH_REPLICAS
        | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND => ErrorCode::COORDINATOR_NOT_AVAILABLE,
        ErrorCode::NOT_LEADER_OR_FOLLOWER | ErrorCode::KAFKA_STORAGE_ERROR => {
            ErrorCode::NOT_COORDINATOR
        }
        ErrorCode::REQUEST_TIMED_OUT => ErrorCode::REBALANCE_IN_PROGRESS,
        ErrorCode::MESSAGE_TOO_LARGE
        | ErrorCode::RECORD_LIST_TOO_LARGE
        | ErrorCode::INVALID_FETCH_SIZE => ErrorCode::UNKNOWN_SERVER_ERROR,
        other => other,
    }
}

/// Java's `Utils.abs(groupId.hashCode) % count`: both brokers and old clients rely on it.
pub fn partition_for(group_id: &str, count: i32) -> i32 {
    let hash = group_id.encode_utf16().fold(0i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    });
    let positive = if hash == i32::MIN { 0 } else { hash.abs() };
    positive % count.max(1)
}
