//! Groups: joining in every version, members that are too many, static members, rebalances that some do
//! not answer, offsets, and what the administrators' requests show.

use bytes::Bytes;
use integration_tests::broker::RawKafka;
use integration_tests::proc::wait_until;
use proto::kafka::messages::delete_groups::DeleteGroupsRequest;
use proto::kafka::messages::describe_groups::DescribeGroupsRequest;
use proto::kafka::messages::find_coordinator::FindCoordinatorRequest;
use proto::kafka::messages::heartbeat::HeartbeatRequest;
use proto::kafka::messages::join_group::{
    JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse,
};
use proto::kafka::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use proto::kafka::messages::list_groups::ListGroupsRequest;
use proto::kafka::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
    OffsetCommitResponse,
};
use proto::kafka::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use proto::kafka::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};
use proto::kafka::{ErrorCode, Str};

use super::Side;

pub(crate) fn story(side: &mut Side) {
    side.create("offsets", 3, &[]);
    let find = FindCoordinatorRequest {
        key: "any".into(),
        ..Default::default()
    };
    wait_until("a coordinator", || {
        side.broker.call(0, &find).unwrap().error_code == ErrorCode::NONE
    });
    what_is_refused(side);
    for version in 0..=9 {
        life_of_a_group(side, version);
    }
    too_many(side);
    one_does_not_come_back(side);
    static_members(side);
    offsets(side);
    administration(side);
}

fn protocol(name: &str) -> JoinGroupRequestProtocol {
    JoinGroupRequestProtocol {
        name: name.into(),
        // version 0, one topic, no user data
        metadata: Bytes::from_static(b"\0\0\0\0\0\x01\0\x07offsets\xff\xff\xff\xff"),
        ..Default::default()
    }
}

fn join(group: &str, member: &str) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: group.into(),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 30_000,
        member_id: member.into(),
        protocol_type: "consumer".into(),
        protocols: vec![protocol("range")],
        ..Default::default()
    }
}

/// Notes an answer; members in the order of their names.
fn joined(side: &mut Side, what: &str, mut answer: JoinGroupResponse) -> JoinGroupResponse {
    side.name("member", &answer.member_id);
    side.name("member", &answer.leader);
    let names = side.names.clone();
    answer
        .members
        .sort_by_key(|m| names.get(m.member_id.as_str()).cloned());
    side.say(what, &answer);
    answer
}

fn joins(side: &mut Side, what: &str, version: i16, request: &JoinGroupRequest) -> String {
    let answer = side.broker.call(version, request).unwrap();
    joined(side, &format!("v{version} {what}"), answer)
        .member_id
        .to_string()
}

fn what_is_refused(side: &mut Side) {
    for version in 0..=9 {
        joins(side, "no group", version, &join("", ""));
        for session_timeout_ms in [0, 99, 60_001, -1] {
            let request = JoinGroupRequest {
                session_timeout_ms,
                ..join("refused", "")
            };
            joins(side, "session timeout", version, &request);
        }
        joins(
            side,
            "unknown member",
            version,
            &join("refused", "stranger"),
        );
        let request = JoinGroupRequest {
            protocols: Vec::new(),
            ..join("refused", "")
        };
        joins(side, "no protocols", version, &request);
        let request = JoinGroupRequest {
            protocol_type: "".into(),
            ..join("refused", "")
        };
        joins(side, "no protocol type", version, &request);
        if version >= 5 {
            let request = JoinGroupRequest {
                group_instance_id: Some("i".into()),
                ..join("refused", "stranger")
            };
            joins(side, "unknown static member", version, &request);
        }
    }
    for version in 0..=4 {
        for (group, generation_id, member) in [("", 0, "m"), ("none", 0, "m"), ("none", -1, "")] {
            let request = HeartbeatRequest {
                group_id: group.into(),
                generation_id,
                member_id: member.into(),
                ..Default::default()
            };
            let answer = side.broker.call(version, &request).unwrap();
            side.say(format!("v{version} heartbeat {group}"), answer);
            let request = SyncGroupRequest {
                group_id: group.into(),
                generation_id,
                member_id: member.into(),
                ..Default::default()
            };
            let answer = side.broker.call(version, &request).unwrap();
            side.say(format!("v{version} sync {group}"), answer);
        }
    }
    for version in 0..=5 {
        for (group, member) in [("", "m"), ("none", "m"), ("none", "")] {
            leave(side, version, group, member, None);
        }
    }
}

fn leave(side: &mut Side, version: i16, group: &str, member: &str, instance: Option<&str>) {
    let mut request = LeaveGroupRequest {
        group_id: group.into(),
        ..Default::default()
    };
    if version < 3 {
        request.member_id = member.into();
    } else {
        request.members.push(MemberIdentity {
            member_id: member.into(),
            group_instance_id: instance.map(Str::from),
            ..Default::default()
        });
    }
    let answer = side.broker.call(version, &request).unwrap();
    let what = format!("v{version} leave {group} {member} {instance:?}");
    side.say(what, answer);
}

fn sync(group: &str, generation: i32, member: &str, members: &[&str]) -> SyncGroupRequest {
    let assignment = |member: &&str| SyncGroupRequestAssignment {
        member_id: (*member).into(),
        assignment: Bytes::from_static(b"what it gets"),
        ..Default::default()
    };
    SyncGroupRequest {
        group_id: group.into(),
        generation_id: generation,
        member_id: member.into(),
        protocol_type: Some("consumer".into()),
        protocol_name: Some("range".into()),
        assignments: members.iter().map(assignment).collect(),
        ..Default::default()
    }
}

fn heartbeat(side: &mut Side, group: &str, generation_id: i32, member: &str) -> ErrorCode {
    let request = HeartbeatRequest {
        group_id: group.into(),
        generation_id,
        member_id: member.into(),
        ..Default::default()
    };
    side.broker.call(1, &request).unwrap().error_code
}

/// A new member's id, with the answer that asks for it where the version does so.
fn first_join(side: &mut Side, version: i16, group: &str) -> String {
    let id = joins(side, "first", version, &join(group, ""));
    if version >= 4 {
        return joins(side, "again with the id", version, &join(group, &id));
    }
    id
}

fn life_of_a_group(side: &mut Side, version: i16) {
    let group = format!("life-{version}");
    let group = group.as_str();
    let id = first_join(side, version, group);
    let of_sync = version.min(5);
    for (what, request) in [
        ("early heartbeat's generation", sync(group, 7, &id, &[&id])),
        ("unknown member", sync(group, 1, "nobody", &[])),
        (
            "other protocol",
            SyncGroupRequest {
                protocol_name: Some("other".into()),
                ..sync(group, 1, &id, &[&id])
            },
        ),
        (
            "other type",
            SyncGroupRequest {
                protocol_type: Some("other".into()),
                ..sync(group, 1, &id, &[&id])
            },
        ),
        ("its own", sync(group, 1, &id, &[&id])),
        ("again", sync(group, 1, &id, &[])),
    ] {
        if of_sync < 5 && what.starts_with("other") {
            continue;
        }
        let answer = side.broker.call(of_sync, &request).unwrap();
        side.say(format!("v{of_sync} sync {what}"), answer);
    }
    for (generation, member) in [(1, id.as_str()), (0, &id), (2, &id), (1, "nobody")] {
        let answer = heartbeat(side, group, generation, member);
        side.say(format!("heartbeat {generation} {member}"), answer);
    }
    // with what it said before, and with something else
    joins(side, "leader again", version, &join(group, &id));
    describe(side, group);
    let answer = side.broker.call(of_sync, &sync(group, 2, &id, &[&id]));
    side.say("sync of the second generation", answer.unwrap());
    let other = JoinGroupRequest {
        protocols: vec![protocol("sticky"), protocol("range")],
        ..join(group, &id)
    };
    joins(side, "other protocols", version, &other);
    let strange = JoinGroupRequest {
        protocol_type: "connect".into(),
        ..join(group, "")
    };
    joins(side, "another type", version, &strange);
    let strange = JoinGroupRequest {
        protocols: vec![protocol("unheard")],
        ..join(group, "")
    };
    joins(side, "no common protocol", version, &strange);
    delete(side, group);
    leave(side, version.min(5), group, "nobody", None);
    leave(side, version.min(5), group, &id, None);
    describe(side, group);
    let answer = heartbeat(side, group, 3, &id);
    side.say("heartbeat after leaving", answer);
    delete(side, group);
    describe(side, group);
    delete(side, group);
}

fn describe(side: &mut Side, group: &str) {
    for version in [0, 3, 5] {
        let request = DescribeGroupsRequest {
            groups: vec![group.into()],
            include_authorized_operations: version >= 3,
            ..Default::default()
        };
        let mut answer = side.broker.call(version, &request).unwrap();
        let names = side.names.clone();
        for group in &mut answer.groups {
            group
                .members
                .sort_by_key(|m| names.get(m.member_id.as_str()).cloned());
        }
        side.say(format!("v{version} describe {group}"), answer);
    }
}

fn delete(side: &mut Side, group: &str) {
    for version in 0..=2 {
        let request = DeleteGroupsRequest {
            groups_names: vec![group.into()],
            ..Default::default()
        };
        let answer = side.broker.call(version, &request).unwrap();
        side.say(format!("v{version} delete {group}"), answer);
    }
}

/// Members one after another, each on a connection of its own; all join again as one comes.
fn gather(side: &mut Side, group: &str, count: usize) -> Vec<(RawKafka, String)> {
    let mut members: Vec<(RawKafka, String)> = Vec::new();
    let mut generation = 0;
    for _ in 0..count {
        let mut connection = side.connect();
        let id = connection.call(4, &join(group, "")).unwrap().member_id;
        side.name("member", &id);
        connection.send(4, &join(group, &id)).unwrap();
        let first = members.first().map(|(_, id)| id.clone());
        if let Some(first) = first {
            wait_until("the rebalance to be seen", || {
                heartbeat(side, group, generation, &first) == ErrorCode::REBALANCE_IN_PROGRESS
            });
        }
        members.push((connection, id.to_string()));
        let known = members.len() - 1;
        for (connection, id) in &mut members[..known] {
            connection.send(4, &join(group, id)).unwrap();
        }
        generation = together(side, group, &mut members);
    }
    members
}

/// All have joined: their answers, and their assignments.
fn together(side: &mut Side, group: &str, members: &mut [(RawKafka, String)]) -> i32 {
    let mut generation = 0;
    for (connection, id) in members.iter_mut() {
        let answer = connection.receive::<JoinGroupRequest>(4).unwrap();
        side.name("member", id);
        generation = answer.generation_id;
        joined(side, &format!("join of {group}"), answer);
    }
    let ids: Vec<String> = members.iter().map(|(_, id)| id.clone()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    for (connection, id) in members.iter_mut() {
        let request = sync(group, generation, id, &ids);
        connection.send(3, &request).unwrap();
    }
    for (connection, id) in members.iter_mut() {
        let answer = connection.receive::<SyncGroupRequest>(3).unwrap();
        side.say(format!("sync of {id}"), answer);
    }
    generation
}

fn too_many(side: &mut Side) {
    let mut members = gather(side, "many", 3);
    for version in [0, 3, 4, 5, 9] {
        let id = joins(side, "a fourth", version, &join("many", ""));
        if version >= 4 && !id.is_empty() {
            joins(side, "a fourth with its id", version, &join("many", &id));
        }
    }
    describe(side, "many");
    // one that leaves makes room for it
    let (_, gone) = members.pop().unwrap();
    leave(side, 1, "many", &gone, None);
    for (connection, id) in &mut members {
        connection.send(4, &join("many", id)).unwrap();
    }
    together(side, "many", &mut members);
    describe(side, "many");
    let (mut others, _): (Vec<_>, ()) = (members, ());
    let (_, first) = others.remove(0);
    leave(side, 1, "many", &first, None);
    let (connection, last) = &mut others[0];
    let answer = connection.call(4, &join("many", last)).unwrap();
    joined(side, "the last one", answer);
}

/// A member that does not join again is taken out when the rebalance's time is over.
fn one_does_not_come_back(side: &mut Side) {
    let group = "late";
    let quick = |id: &str| JoinGroupRequest {
        rebalance_timeout_ms: 1000,
        ..join(group, id)
    };
    let mut first = side.connect();
    let one = first.call(3, &quick("")).unwrap();
    let one = joined(side, "one", one).member_id;
    first.call(3, &sync(group, 1, &one, &[&one])).unwrap();
    let mut second = side.connect();
    second.send(3, &quick("")).unwrap();
    // the first one lives, and does not join
    wait_until("the rebalance to be seen", || {
        heartbeat(side, group, 1, &one) == ErrorCode::REBALANCE_IN_PROGRESS
    });
    let answer = second.receive::<JoinGroupRequest>(3).unwrap();
    let two = joined(side, "the other alone", answer).member_id;
    let answer = heartbeat(side, group, 1, &one);
    side.say("heartbeat of the late one", answer);
    joins(side, "the late one joins", 3, &quick(&one));
    // nobody assigns anything: those who do not sync are taken out too
    wait_until("the second to be gone", || {
        heartbeat(side, group, 2, &two) == ErrorCode::UNKNOWN_MEMBER_ID
    });
    describe(side, group);
    // a session that ends, since nothing is heard of it
    let silent = JoinGroupRequest {
        session_timeout_ms: 300,
        ..join("silent", "")
    };
    let id = joins(side, "silent", 3, &silent);
    let answer = side.broker.call(3, &sync("silent", 1, &id, &[&id]));
    side.say("silent syncs", answer.unwrap());
    std::thread::sleep(std::time::Duration::from_millis(100));
    let ask = DescribeGroupsRequest {
        groups: vec!["silent".into()],
        ..Default::default()
    };
    wait_until("the silent one to be gone", || {
        side.broker.call(0, &ask).unwrap().groups[0]
            .members
            .is_empty()
    });
    let answer = heartbeat(side, "silent", 1, &id);
    side.say("heartbeat of the silent one", answer);
    describe(side, "silent");
}

fn static_members(side: &mut Side) {
    for version in [5, 7, 9] {
        let group = format!("static-{version}");
        let group = group.as_str();
        let as_instance = |id: &str| JoinGroupRequest {
            group_instance_id: Some("instance".into()),
            ..join(group, id)
        };
        let old = joins(side, "static", version, &as_instance(""));
        let request = SyncGroupRequest {
            group_instance_id: Some("instance".into()),
            ..sync(group, 1, &old, &[&old])
        };
        let answer = side.broker.call(5, &request).unwrap();
        side.say("static sync", answer);
        // a restart: a new id in its old place, without a rebalance
        let new = joins(side, "static again", version, &as_instance(""));
        side.say("another id", old != new);
        for id in [old.as_str(), &new] {
            let request = HeartbeatRequest {
                group_id: group.into(),
                generation_id: 1,
                member_id: id.into(),
                group_instance_id: Some("instance".into()),
                ..Default::default()
            };
            let answer = side.broker.call(4, &request).unwrap();
            side.say(format!("static heartbeat of {id}"), answer);
            let request = SyncGroupRequest {
                group_instance_id: Some("instance".into()),
                ..sync(group, 1, id, &[])
            };
            let answer = side.broker.call(5, &request).unwrap();
            side.say(format!("static sync of {id}"), answer);
            let mut request = commit(group, 1, id, 4, "");
            request.group_instance_id = Some("instance".into());
            let answer = commits(side, 7, &request);
            side.say(format!("static commit of {id}"), answer);
        }
        joins(side, "the old id", version, &as_instance(&old));
        let other = JoinGroupRequest {
            group_instance_id: Some("other".into()),
            ..join(group, &new)
        };
        joins(side, "another instance", version, &other);
        describe(side, group);
        leave(side, 3, group, &old, Some("instance"));
        leave(side, 3, group, "", Some("nobody"));
        leave(side, 4, group, "", Some("instance"));
        describe(side, group);
    }
}

fn commit(
    group: &str,
    generation: i32,
    member: &str,
    offset: i64,
    note: &str,
) -> OffsetCommitRequest {
    let partition = |partition_index| OffsetCommitRequestPartition {
        partition_index,
        committed_offset: offset,
        committed_leader_epoch: 3,
        committed_metadata: Some(note.into()),
        ..Default::default()
    };
    OffsetCommitRequest {
        group_id: group.into(),
        generation_id_or_member_epoch: generation,
        member_id: member.into(),
        topics: vec![OffsetCommitRequestTopic {
            name: "offsets".into(),
            partitions: vec![partition(0), partition(2), partition(9)],
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// Commits, and gives the answer in the order of the partitions.
fn commits(side: &mut Side, version: i16, request: &OffsetCommitRequest) -> OffsetCommitResponse {
    let mut answer = side.broker.call(version, request).unwrap();
    for topic in &mut answer.topics {
        topic.partitions.sort_by_key(|p| p.partition_index);
    }
    answer
}

fn offsets(side: &mut Side) {
    for version in 1..=9 {
        let group = format!("offsets-{version}");
        let group = group.as_str();
        for (generation, member, offset, note) in [
            (-1, "", 10, "note"),
            (-1, "", 5, "a note that is longer than twenty"),
            (-1, "stranger", 5, ""),
            (0, "", 5, ""),
            (1, "stranger", 5, ""),
            (-1, "", -7, ""),
        ] {
            let request = commit(group, generation, member, offset, note);
            let answer = commits(side, version, &request);
            let what = format!("v{version} commit {generation} {member} {offset} {note}");
            side.say(what, answer);
            fetch(side, version.min(7), group);
        }
        let unnamed = commit("", -1, "", 1, "");
        let answer = commits(side, version, &unnamed);
        side.say(format!("v{version} commit without a group"), answer);
    }
    for version in [8, 9] {
        for require_stable in [false, true] {
            let group =
                |id: &str, topics: Option<Vec<OffsetFetchRequestTopics>>| OffsetFetchRequestGroup {
                    group_id: id.into(),
                    topics,
                    ..Default::default()
                };
            let some = OffsetFetchRequestTopics {
                name: "offsets".into(),
                partition_indexes: vec![0, 1],
                ..Default::default()
            };
            let request = OffsetFetchRequest {
                groups: vec![
                    group("offsets-3", None),
                    group("offsets-4", Some(vec![some])),
                    group("nobody", None),
                ],
                require_stable,
                ..Default::default()
            };
            let mut answer = side.broker.call(version, &request).unwrap();
            for group in &mut answer.groups {
                for topic in &mut group.topics {
                    topic.partitions.sort_by_key(|p| p.partition_index);
                }
            }
            answer.groups.sort_by_key(|g| g.group_id.to_string());
            side.say(format!("v{version} fetch of three groups"), answer);
        }
    }
    // a member's own
    let id = first_join(side, 3, "offsets-member");
    let what = [(1, id.as_str()), (0, &id), (1, "nobody"), (-1, "")];
    for (generation, member) in what {
        let request = commit("offsets-member", generation, member, 3, "");
        let answer = commits(side, 6, &request);
        side.say(format!("before its sync {generation} {member}"), answer);
    }
    let answer = side.broker.call(3, &sync("offsets-member", 1, &id, &[&id]));
    side.say("sync", answer.unwrap());
    for (generation, member) in what {
        let request = commit("offsets-member", generation, member, 3, "");
        let answer = commits(side, 6, &request);
        side.say(format!("after its sync {generation} {member}"), answer);
    }
}

fn fetch(side: &mut Side, version: i16, group: &str) {
    let topic = OffsetFetchRequestTopic {
        name: "offsets".into(),
        partition_indexes: vec![0, 1, 2, 9],
        ..Default::default()
    };
    let nobody = OffsetFetchRequestTopic {
        name: "nobody".into(),
        partition_indexes: vec![0],
        ..Default::default()
    };
    let request = OffsetFetchRequest {
        group_id: group.into(),
        topics: Some(vec![topic, nobody]),
        ..Default::default()
    };
    let mut answer = side.broker.call(version, &request).unwrap();
    for topic in &mut answer.topics {
        topic.partitions.sort_by_key(|p| p.partition_index);
    }
    answer.topics.sort_by_key(|t| t.name.to_string());
    side.say(format!("v{version} fetch {group}"), answer);
}

fn administration(side: &mut Side) {
    for version in 0..=5 {
        for states in [&[][..], &["Stable"], &["empty"], &["Unheard"]] {
            let request = ListGroupsRequest {
                states_filter: match version {
                    4.. => states.iter().map(|s| Str::from(*s)).collect(),
                    _ => Vec::new(),
                },
                ..Default::default()
            };
            let mut answer = side.broker.call(version, &request).unwrap();
            answer.groups.sort_by_key(|g| g.group_id.to_string());
            side.say(format!("v{version} list {states:?}"), answer);
        }
    }
    describe(side, "nobody");
    describe(side, "");
    delete(side, "nobody");
    delete(side, "");
}
