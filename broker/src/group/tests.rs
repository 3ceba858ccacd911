//! Stories of groups, told in simulated time.

use std::sync::Arc;

use bytes::Bytes;
use proto::kafka::error::ErrorCode;

use super::coordinator::{GroupCoordinator, partition_for};
use super::effect::*;

struct World {
    coordinator: GroupCoordinator,
    now: Now,
    next_token: u64,
    replies: Vec<(Token, Reply)>,
    log: Vec<Record>,
    fail_appends: Option<ErrorCode>,
}

impl World {
    fn new(config: Config) -> Self {
        let now = Now {
            mono_ms: 1_000,
            wall_ms: 1_000_000,
        };
        let mut n = 0;
        let random = Box::new(move || {
            n += 1;
            format!("id{n}")
        });
        let mut coordinator = GroupCoordinator::new(config, now, random);
        coordinator.set_partition_count(1);
        coordinator.begin_load(0, 0);
        coordinator.finish_load(now, 0, 0);
        Self {
            coordinator,
            now,
            next_token: 0,
            replies: Vec::new(),
            log: Vec::new(),
            fail_appends: None,
        }
    }

    fn quick() -> Self {
        Self::new(Config {
            group_initial_rebalance_delay_ms: 0,
            ..Config::default()
        })
    }

    fn token(&mut self) -> Token {
        self.next_token += 1;
        Token(self.next_token)
    }

    /// Carries out what the coordinator asks for.
    fn settle(&mut self) {
        loop {
            let effects = self.coordinator.effects();
            if effects.is_empty() {
                return;
            }
            for effect in effects {
                match effect {
                    Effect::Reply { token, reply } => self.replies.push((token, reply)),
                    Effect::Log { .. } => {}
                    Effect::Append { id, records, .. } => {
                        let result = match self.fail_appends {
                            Some(error) => Err(error),
                            None => Ok(self.log.len() as i64),
                        };
                        if result.is_ok() {
                            self.log.extend(records);
                        }
                        self.coordinator.appended(self.now, id, result);
                    }
                }
            }
        }
    }

    fn wait(&mut self, ms: u64) {
        let until = self.now.mono_ms + ms;
        while let Some(due) = self.coordinator.next_deadline_ms().filter(|d| *d <= until) {
            let step = due.saturating_sub(self.now.mono_ms);
            self.now = Now {
                mono_ms: due,
                wall_ms: self.now.wall_ms + step as i64,
            };
            self.coordinator.tick(self.now);
            self.settle();
        }
        let step = until - self.now.mono_ms;
        self.now = Now {
            mono_ms: until,
            wall_ms: self.now.wall_ms + step as i64,
        };
    }

    fn join(&mut self, member: &str, instance: Option<&str>) -> Token {
        self.join_with(member, instance, &["range"], false)
    }

    fn join_with(
        &mut self,
        member: &str,
        instance: Option<&str>,
        protocols: &[&str],
        known: bool,
    ) -> Token {
        let token = self.token();
        let request = JoinRequest {
            group_id: "g".into(),
            member_id: member.into(),
            group_instance_id: instance.map(Into::into),
            require_known_member_id: known,
            support_skipping_assignment: false,
            client_id: "c".into(),
            client_host: "/127.0.0.1".into(),
            rebalance_timeout_ms: 60_000,
            session_timeout_ms: 10_000,
            protocol_type: "consumer".into(),
            protocols: protocols
                .iter()
                .map(|p| (Arc::from(*p), subscription("t")))
                .collect(),
            reason: None,
        };
        self.coordinator.join(self.now, token, request);
        self.settle();
        token
    }

    fn sync(&mut self, member: &str, generation: i32, assignments: &[(&str, &str)]) -> Token {
        let token = self.token();
        let request = SyncRequest {
            group_id: "g".into(),
            generation,
            member_id: member.into(),
            group_instance_id: None,
            protocol_type: Some("consumer".into()),
            protocol: None,
            assignments: assignments
                .iter()
                .map(|(m, a)| ((*m).to_owned(), Bytes::copy_from_slice(a.as_bytes())))
                .collect(),
        };
        self.coordinator.sync(self.now, token, request);
        self.settle();
        token
    }

    fn commit(&mut self, member: &str, generation: i32, offset: i64) -> ErrorCode {
        let token = self.token();
        let value = CommittedOffset {
            offset,
            leader_epoch: -1,
            metadata: "".into(),
            commit_timestamp: self.now.wall_ms,
            expire_timestamp: None,
        };
        let request = CommitRequest {
            group_id: "g".into(),
            generation,
            member: Identity {
                member_id: member.into(),
                group_instance_id: None,
            },
            offsets: vec![(TopicPartition::new("t", 0), value)],
        };
        self.coordinator.commit(self.now, token, request);
        self.settle();
        match self.reply(token) {
            Some(Reply::Commit(codes)) => codes[0],
            other => panic!("{other:?}"),
        }
    }

    fn committed(&self) -> Option<i64> {
        let at = [TopicPartition::new("t", 0)];
        let fetched = self
            .coordinator
            .fetch_offsets("g", Some(&at), false)
            .unwrap();
        fetched[0].offset.as_ref().map(|o| o.offset)
    }

    fn heartbeat(&mut self, member: &str, generation: i32) -> ErrorCode {
        let who = Identity {
            member_id: member.into(),
            group_instance_id: None,
        };
        let error = self.coordinator.heartbeat(self.now, "g", &who, generation);
        self.settle();
        error
    }

    fn reply(&mut self, token: Token) -> Option<Reply> {
        let at = self.replies.iter().position(|(t, _)| *t == token)?;
        Some(self.replies.remove(at).1)
    }

    fn joined(&mut self, token: Token) -> JoinReply {
        match self.reply(token) {
            Some(Reply::Join(reply)) => reply,
            other => panic!("no join reply: {other:?}"),
        }
    }

    fn synced(&mut self, token: Token) -> SyncReply {
        match self.reply(token) {
            Some(Reply::Sync(reply)) => reply,
            other => panic!("no sync reply: {other:?}"),
        }
    }

    fn state(&self) -> &'static str {
        self.coordinator.describe("g").state
    }

    /// One member, stable in its first generation; its id.
    fn one_member(&mut self) -> String {
        let token = self.join("", None);
        self.wait(0);
        let joined = self.joined(token);
        let id = joined.member_id.to_string();
        let token = self.sync(&id, joined.generation, &[(&id, "all")]);
        assert_eq!(self.synced(token).error, ErrorCode::NONE);
        id
    }
}

fn subscription(topic: &str) -> Bytes {
    let mut bytes = vec![0, 0, 0, 0, 0, 1, 0, topic.len() as u8];
    bytes.extend_from_slice(topic.as_bytes());
    Bytes::from(bytes)
}

#[test]
fn java_places_groups_in_the_same_partition() {
    // "test".hashCode() is 3556498; "polygenelubricants".hashCode() is Integer.MIN_VALUE.
    assert_eq!(partition_for("test", 50), 48);
    assert_eq!(partition_for("polygenelubricants", 50), 0);
}

#[test]
fn a_lone_member_leads_and_gets_what_it_assigns() {
    let mut w = World::quick();
    let token = w.join("", None);
    let joined = w.joined(token);
    assert_eq!((joined.error, joined.generation), (ErrorCode::NONE, 1));
    assert_eq!(joined.leader.as_deref(), Some("c-id1"));
    assert_eq!(joined.members.len(), 1);
    let token = w.sync("c-id1", 1, &[("c-id1", "mine")]);
    assert_eq!(w.synced(token).assignment, "mine");
    assert_eq!(w.state(), "Stable");
    assert!(matches!(&w.log[..], [Record::Group { value: Some(g), .. }] if g.generation == 1));
}

#[test]
fn a_member_without_an_id_is_told_one_first() {
    let mut w = World::quick();
    let token = w.join_with("", None, &["range"], true);
    let refused = w.joined(token);
    assert_eq!(refused.error, ErrorCode::MEMBER_ID_REQUIRED);
    let token = w.join_with(&refused.member_id, None, &["range"], true);
    assert_eq!(w.joined(token).error, ErrorCode::NONE);
}

#[test]
fn an_id_that_never_came_back_does_not_hold_the_group_up() {
    let mut w = World::quick();
    let id = w.one_member();
    let token = w.join_with("", None, &["range"], true);
    w.joined(token);
    let token = w.join(&id, None);
    assert!(
        w.reply(token).is_none(),
        "the pending member may still join"
    );
    w.wait(10_000);
    assert_eq!(w.joined(token).generation, 2);
}

#[test]
fn the_first_rebalance_waits_for_further_members() {
    let mut w = World::new(Config::default());
    let a = w.join("", None);
    w.wait(2_000);
    let b = w.join("", None);
    w.wait(2_000);
    assert!(w.reply(a).is_none(), "a member came: the wait is extended");
    w.wait(3_000);
    let (a, b) = (w.joined(a), w.joined(b));
    assert_eq!((a.generation, b.generation), (1, 1));
    assert_eq!(a.members.len(), 2, "the leader learns of both");
    assert!(b.members.is_empty());
}

#[test]
fn a_second_member_makes_the_first_join_again() {
    let mut w = World::quick();
    let first = w.one_member();
    let second = w.join("", None);
    assert_eq!(w.heartbeat(&first, 1), ErrorCode::REBALANCE_IN_PROGRESS);
    let token = w.join(&first, None);
    assert_eq!(w.joined(token).generation, 2);
    let second = w.joined(second);
    assert_eq!(second.generation, 2);
    let id = second.member_id.to_string();
    let waiting = w.sync(&id, 2, &[]);
    assert!(
        w.reply(waiting).is_none(),
        "a follower waits for the leader"
    );
    let token = w.sync(&first, 2, &[(&first, "a"), (&id, "b")]);
    assert_eq!(w.synced(token).assignment, "a");
    assert_eq!(w.synced(waiting).assignment, "b");
    assert_eq!(w.commit(&first, 1, 5), ErrorCode::ILLEGAL_GENERATION);
}

#[test]
fn a_silent_member_is_removed_after_its_session_timeout() {
    let mut w = World::quick();
    let id = w.one_member();
    for _ in 0..5 {
        w.wait(9_000);
        assert_eq!(w.heartbeat(&id, 1), ErrorCode::NONE);
    }
    w.wait(10_000);
    assert_eq!(w.state(), "Empty");
    assert_eq!(w.heartbeat(&id, 1), ErrorCode::UNKNOWN_MEMBER_ID);
    assert!(
        matches!(w.log.last(), Some(Record::Group { value: Some(g), .. }) if g.members.is_empty())
    );
}

#[test]
fn a_member_that_joined_but_does_not_sync_is_removed() {
    let mut w = World::quick();
    let token = w.join("", None);
    let id = w.joined(token).member_id;
    for _ in 0..7 {
        w.wait(9_000);
        w.heartbeat(&id, 1);
    }
    assert_eq!(w.state(), "Empty");
}

#[test]
fn a_static_member_returns_without_a_rebalance() {
    let mut w = World::quick();
    let token = w.join("", Some("i"));
    let old = w.joined(token).member_id;
    let token = w.sync(&old, 1, &[(&old, "mine")]);
    w.synced(token);
    let token = w.join("", Some("i"));
    let reply = w.joined(token);
    assert_eq!((reply.error, reply.generation), (ErrorCode::NONE, 1));
    assert_ne!(reply.member_id, old);
    assert_eq!(
        reply.leader,
        Some(old.clone()),
        "before KIP-814 the leader keeps its old id"
    );
    let token = w.sync(&reply.member_id, 1, &[]);
    assert_eq!(w.synced(token).assignment, "mine");
    let who = Identity {
        member_id: old.to_string(),
        group_instance_id: Some("i".into()),
    };
    assert_eq!(
        w.coordinator.heartbeat(w.now, "g", &who, 1),
        ErrorCode::FENCED_INSTANCE_ID
    );
}

#[test]
fn an_assignment_that_cannot_be_stored_is_an_error_for_all() {
    let mut w = World::quick();
    let token = w.join("", None);
    let id = w.joined(token).member_id;
    w.fail_appends = Some(ErrorCode::NOT_LEADER_OR_FOLLOWER);
    let token = w.sync(&id, 1, &[(&id, "mine")]);
    assert_eq!(w.synced(token).error, ErrorCode::NOT_COORDINATOR);
    assert_eq!(w.state(), "PreparingRebalance");
}

#[test]
fn members_without_a_common_protocol_are_refused() {
    let mut w = World::quick();
    w.one_member();
    let token = w.join_with("", None, &["roundrobin"], false);
    assert_eq!(
        w.joined(token).error,
        ErrorCode::INCONSISTENT_GROUP_PROTOCOL
    );
    let token = w.join_with("", None, &["roundrobin", "range"], false);
    assert!(w.reply(token).is_none());
}

#[test]
fn limits_are_kept() {
    let mut w = World::new(Config {
        group_max_size: 1,
        group_initial_rebalance_delay_ms: 0,
        ..Config::default()
    });
    w.one_member();
    let token = w.join("", None);
    assert_eq!(w.joined(token).error, ErrorCode::GROUP_MAX_SIZE_REACHED);
}

#[test]
fn offsets_are_committed_and_expire() {
    let mut w = World::quick();
    let id = w.one_member();
    assert_eq!(w.commit(&id, 1, 7), ErrorCode::NONE);
    assert_eq!(w.committed(), Some(7));
    assert_eq!(
        w.commit("", -1, 8),
        ErrorCode::UNKNOWN_MEMBER_ID,
        "the group has members"
    );
    let leave = [(
        Identity {
            member_id: id,
            group_instance_id: None,
        },
        None,
    )];
    assert_eq!(
        w.coordinator.leave(w.now, "g", &leave),
        Ok(vec![ErrorCode::NONE])
    );
    w.settle();
    assert_eq!(
        w.commit("", -1, 9),
        ErrorCode::NONE,
        "an empty group takes anybody's"
    );
    w.wait(7 * 24 * 3_600_000 - 3_600_000);
    assert_eq!(w.committed(), Some(9));
    w.wait(2 * 3_600_000);
    assert_eq!(w.committed(), None);
    assert_eq!(w.state(), "Dead");
    assert!(
        matches!(w.log.last(), Some(Record::Group { value: None, .. })),
        "a tombstone"
    );
}

#[test]
fn a_failed_commit_changes_nothing() {
    let mut w = World::quick();
    assert_eq!(w.commit("", -1, 1), ErrorCode::NONE);
    w.fail_appends = Some(ErrorCode::NOT_ENOUGH_REPLICAS);
    assert_eq!(w.commit("", -1, 2), ErrorCode::COORDINATOR_NOT_AVAILABLE);
    assert_eq!(w.committed(), Some(1));
}

#[test]
fn a_group_is_deleted_only_when_empty() {
    let mut w = World::quick();
    let id = w.one_member();
    w.commit(&id, 1, 3);
    let token = w.token();
    w.coordinator.delete_group(w.now, token, "g");
    w.settle();
    assert_eq!(
        w.reply(token),
        Some(Reply::Deleted(ErrorCode::NON_EMPTY_GROUP))
    );
    let leave = [(
        Identity {
            member_id: id,
            group_instance_id: None,
        },
        None,
    )];
    w.coordinator.leave(w.now, "g", &leave).unwrap();
    w.settle();
    let token = w.token();
    w.coordinator.delete_group(w.now, token, "g");
    w.settle();
    assert_eq!(w.reply(token), Some(Reply::Deleted(ErrorCode::NONE)));
    assert_eq!(w.committed(), None);
    let token = w.token();
    w.coordinator.delete_group(w.now, token, "g");
    w.settle();
    assert_eq!(
        w.reply(token),
        Some(Reply::Deleted(ErrorCode::GROUP_ID_NOT_FOUND))
    );
}

#[test]
fn a_new_coordinator_knows_what_the_log_says() {
    let mut w = World::quick();
    let id = w.one_member();
    w.commit(&id, 1, 42);
    let log = std::mem::take(&mut w.log);
    let mut fresh = World::quick();
    fresh.coordinator.begin_load(0, 1);
    let who = Identity {
        member_id: id.clone(),
        group_instance_id: None,
    };
    assert_eq!(
        fresh.coordinator.heartbeat(fresh.now, "g", &who, 1),
        ErrorCode::NONE,
        "a load does not cost a session"
    );
    for (offset, record) in log.into_iter().enumerate() {
        fresh
            .coordinator
            .load(0, 1)
            .unwrap()
            .record(record, offset as i64, None);
    }
    fresh.coordinator.finish_load(fresh.now, 0, 1);
    assert_eq!(fresh.state(), "Stable");
    assert_eq!(fresh.committed(), Some(42));
    assert_eq!(fresh.heartbeat(&id, 1), ErrorCode::NONE);
    fresh.wait(10_000);
    assert_eq!(fresh.state(), "Empty", "sessions run from the load on");
}

#[test]
fn whoever_waits_is_told_when_the_coordinator_moves() {
    let mut w = World::quick();
    w.one_member();
    let token = w.join("", None);
    w.coordinator.unload(0);
    w.settle();
    assert_eq!(w.joined(token).error, ErrorCode::NOT_COORDINATOR);
}

#[test]
fn offsets_of_an_open_transaction_wait_for_its_marker() {
    let mut loading = super::load::Loading::default();
    let value = CommittedOffset {
        offset: 5,
        leader_epoch: -1,
        metadata: "".into(),
        commit_timestamp: 0,
        expire_timestamp: None,
    };
    let at = TopicPartition::new("t", 0);
    let record = || Record::Offset {
        group: "g".into(),
        at: at.clone(),
        value: Some(value.clone()),
    };
    loading.record(record(), 1, Some(9));
    loading.marker(9, true);
    loading.record(record(), 2, Some(10));
    loading.marker(10, false);
    let groups = loading.into_groups(0, 0);
    assert_eq!(groups[0].offsets.committed[&at].log_offset, 1);
}
