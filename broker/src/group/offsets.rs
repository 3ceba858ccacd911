//! Committed offsets of one group (Java: the second half of `GroupMetadata`).

use std::collections::HashMap;

use proto::kafka::error::ErrorCode;

use super::coordinator::Context;
use super::effect::{
    AppendId, CommitRequest, CommittedOffset, FetchedOffset, Record, Reply, Token, TopicPartition,
};
use super::state::{Group, State};

/// A committed offset and where the log has it: of two commits the later in the log wins.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) value: CommittedOffset,
    pub(super) log_offset: i64,
}

/// A commit whose records are being appended.
#[derive(Debug)]
pub(super) struct PendingCommit {
    token: Token,
    results: Vec<ErrorCode>,
    offsets: Vec<(TopicPartition, CommittedOffset)>,
}

#[derive(Debug, Default)]
pub(super) struct Offsets {
    pub(super) committed: HashMap<TopicPartition, Entry>,
    pending: HashMap<AppendId, PendingCommit>,
    /// of transactions that have not ended, by producer id
    pub(super) transactional: HashMap<i64, HashMap<TopicPartition, Entry>>,
}

impl Offsets {
    pub(super) fn is_empty(&self) -> bool {
        self.committed.is_empty() && self.pending.is_empty() && self.transactional.is_empty()
    }

    fn is_unstable(&self, at: &TopicPartition) -> bool {
        self.is_pending(at) || self.transactional.values().any(|t| t.contains_key(at))
    }

    fn is_pending(&self, at: &TopicPartition) -> bool {
        self.pending
            .values()
            .any(|p| p.offsets.iter().any(|(tp, _)| tp == at))
    }

    pub(super) fn store(&mut self, at: TopicPartition, value: CommittedOffset, log_offset: i64) {
        match self.committed.get(&at) {
            Some(known) if known.log_offset >= log_offset => {}
            _ => {
                self.committed.insert(at, Entry { value, log_offset });
            }
        }
    }
}

impl Group {
    pub(super) fn commit(&mut self, token: Token, request: CommitRequest, ctx: &mut Context) {
        let count = request.offsets.len();
        let refuse = |error, ctx: &mut Context| ctx.reply(token, Reply::Commit(vec![error; count]));
        if let Err(error) = self.check_commit(&request) {
            return refuse(error, ctx);
        }
        match self.state {
            State::Empty => {}
            State::Stable | State::PreparingRebalance => self.touch(&request.member.member_id, ctx),
            State::CompletingRebalance => return refuse(ErrorCode::REBALANCE_IN_PROGRESS, ctx),
            State::Dead => return refuse(ErrorCode::COORDINATOR_NOT_AVAILABLE, ctx),
        }
        let limit = ctx.config.offset_metadata_max_bytes;
        let results: Vec<ErrorCode> = request
            .offsets
            .iter()
            .map(|(_, o)| match o.metadata.encode_utf16().count() > limit {
                true => ErrorCode::OFFSET_METADATA_TOO_LARGE,
                false => ErrorCode::NONE,
            })
            .collect();
        let offsets: Vec<_> = request
            .offsets
            .into_iter()
            .zip(&results)
            .filter(|(_, error)| **error == ErrorCode::NONE)
            .map(|(offset, _)| offset)
            .collect();
        if offsets.is_empty() {
            return ctx.reply(token, Reply::Commit(results));
        }
        let records = offsets
            .iter()
            .map(|(at, value)| Record::Offset {
                group: self.id.clone(),
                at: at.clone(),
                value: Some(value.clone()),
            })
            .collect();
        let append = ctx.append(self, records);
        self.offsets.pending.insert(
            append,
            PendingCommit {
                token,
                results,
                offsets,
            },
        );
    }

    fn check_commit(&self, request: &CommitRequest) -> Result<(), ErrorCode> {
        let member = &request.member;
        if self.state == State::Dead {
            return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        }
        if request.generation < 0 && self.state == State::Empty {
            return Ok(());
        }
        let is_member = request.generation >= 0
            || !member.member_id.is_empty()
            || member.group_instance_id.is_some();
        if is_member {
            self.check_member(&member.member_id, member.group_instance_id.as_deref())?;
            if request.generation != self.generation {
                return Err(ErrorCode::ILLEGAL_GENERATION);
            }
            return Ok(());
        }
        if self.state == State::Empty {
            Ok(())
        } else {
            Err(ErrorCode::UNKNOWN_MEMBER_ID)
        }
    }

    /// Whether the append was a commit of this group.
    pub(super) fn commit_stored(
        &mut self,
        append: AppendId,
        result: Result<i64, ErrorCode>,
        ctx: &mut Context,
    ) -> bool {
        let Some(commit) = self.offsets.pending.remove(&append) else {
            return false;
        };
        let mut results = commit.results;
        match result {
            Ok(log_offset) => {
                for (at, value) in commit.offsets {
                    self.offsets.store(at, value, log_offset);
                }
            }
            Err(error) => {
                let error = commit_error(error);
                results
                    .iter_mut()
                    .filter(|r| **r == ErrorCode::NONE)
                    .for_each(|r| *r = error);
            }
        }
        ctx.reply(commit.token, Reply::Commit(results));
        true
    }

    /// The coordinator moves away: nobody will hear of these appends here.
    pub(super) fn fail_commits(&mut self, ctx: &mut Context) {
        for (_, commit) in self.offsets.pending.drain() {
            let results = vec![ErrorCode::NOT_COORDINATOR; commit.results.len()];
            ctx.reply(commit.token, Reply::Commit(results));
        }
    }

    /// Offsets of the given partitions, or of all that have one.
    pub(super) fn fetch(
        &self,
        partitions: Option<&[TopicPartition]>,
        require_stable: bool,
    ) -> Vec<FetchedOffset> {
        let one = |at: &TopicPartition| {
            if require_stable && self.offsets.is_unstable(at) {
                let error = ErrorCode::UNSTABLE_OFFSET_COMMIT;
                return FetchedOffset {
                    at: at.clone(),
                    offset: None,
                    error,
                };
            }
            FetchedOffset {
                at: at.clone(),
                offset: self.offsets.committed.get(at).map(|e| e.value.clone()),
                error: ErrorCode::NONE,
            }
        };
        match partitions {
            Some(partitions) => partitions.iter().map(one).collect(),
            None => {
                let mut all: Vec<&TopicPartition> = self.offsets.committed.keys().collect();
                all.sort();
                all.into_iter().map(one).collect()
            }
        }
    }

    /// Partitions whose offsets have outlived their retention (KIP-211).
    pub(super) fn expired_offsets(&self, ctx: &Context) -> Vec<TopicPartition> {
        let consumer = self.protocol_type.as_deref() == Some("consumer");
        let (since_empty, keep) = match (&self.protocol_type, self.state) {
            (Some(_), State::Empty) => (self.state_since_ms, None),
            (Some(_), State::Stable) if consumer && self.subscribed_topics.is_some() => {
                (None, self.subscribed_topics.as_ref())
            }
            (None, _) => (None, None),
            _ => return Vec::new(),
        };
        let (now, retention) = (ctx.now.wall_ms, ctx.config.offsets_retention_ms);
        let expired = |value: &CommittedOffset| match value.expire_timestamp {
            Some(at) => now >= at,
            None => now - since_empty.unwrap_or(value.commit_timestamp) >= retention,
        };
        self.offsets
            .committed
            .iter()
            .filter(|(at, e)| {
                !keep.is_some_and(|topics| topics.contains(&*at.topic))
                    && expired(&e.value)
                    && !self.offsets.is_pending(at)
            })
            .map(|(at, _)| at.clone())
            .collect()
    }

    /// Forgets offsets and, when nothing is left of an empty group, the group; the records that
    /// say so in the log.
    pub(super) fn forget(&mut self, partitions: &[TopicPartition], ctx: &Context) -> Vec<Record> {
        let mut records = Vec::new();
        for at in partitions {
            for transaction in self.offsets.transactional.values_mut() {
                transaction.remove(at);
            }
            if self.offsets.committed.remove(at).is_some() {
                let group = self.id.clone();
                records.push(Record::Offset {
                    group,
                    at: at.clone(),
                    value: None,
                });
            }
        }
        if self.state == State::Empty && self.offsets.is_empty() && self.pending.is_empty() {
            self.transition(State::Dead, ctx);
            // A group of generation 0 never wrote a record of itself.
            if self.generation > 0 {
                records.push(Record::Group {
                    group: self.id.clone(),
                    value: None,
                });
            }
        }
        records
    }
}

/// How an append's error reads to a client that commits (Java:
/// `GroupMetadataManager.maybeConvertOffsetCommitError`).
fn commit_error(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::NETWORK_EXCEPTION => ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        | ErrorCode::NOT_ENOUGH_REPLICAS
        | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND
        | ErrorCode::REQUEST_TIMED_OUT => ErrorCode::COORDINATOR_NOT_AVAILABLE,
        ErrorCode::NOT_LEADER_OR_FOLLOWER | ErrorCode::KAFKA_STORAGE_ERROR => {
            ErrorCode::NOT_COORDINATOR
        }
        ErrorCode::MESSAGE_TOO_LARGE
        | ErrorCode::RECORD_LIST_TOO_LARGE
        | ErrorCode::INVALID_FETCH_SIZE => ErrorCode::INVALID_COMMIT_OFFSET_SIZE,
        other => other,
    }
}
