//! Membership of a consumer in a group: join, share out when it leads, heartbeat, leave (Java:
//! `AbstractCoordinator`, `ConsumerCoordinator`; the classic protocol). Never fetches records.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use proto::kafka::encode::EncodeError;
use proto::kafka::internal::consumer_protocol::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, PROTOCOL_TYPE,
    TopicPartition as Share,
};
use proto::kafka::internal::{from_versioned_or_later, to_versioned};
use proto::kafka::messages::heartbeat::HeartbeatRequest;
use proto::kafka::messages::join_group::{
    JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse,
};
use proto::kafka::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use proto::kafka::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};
use proto::kafka::{ErrorCode, Str};
use tokio::time::sleep;

use super::assignor::{Subscriber, range};
use super::cluster::Cluster;
use super::connection::{CallError, Connection};
use super::offsets::{Committer, TopicPartition};

const RANGE: &str = "range";
/// How long a coordinator is looked for before the caller hears of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a member behaves, named as Java's `ConsumerConfig`.
#[derive(Debug, Clone)]
pub struct GroupOptions {
    pub group: Str,
    pub instance_id: Option<Str>,
    pub session_timeout: Duration,
    pub max_poll_interval: Duration,
    pub heartbeat_interval: Duration,
    pub retry_backoff: Duration,
}

/// Why a group can't be taken part in.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    #[error("group {group}: {error}{}{message}", if .message.is_empty() { "" } else { ": " })]
    Refused {
        group: Str,
        error: ErrorCode,
        message: String,
    },
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

#[derive(Debug)]
pub struct Membership {
    /// its own connections: a join may wait for minutes, a fetch must not wait behind it
    cluster: Cluster,
    options: GroupOptions,
    member_id: Str,
    generation: i32,
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

impl Membership {
    /// `cluster`: connections of its own, whose request timeout is above `max_poll_interval`.
    pub fn new(cluster: Cluster, options: GroupOptions) -> Self {
        Self {
            cluster,
            options,
            member_id: Str::EMPTY,
            generation: -1,
        }
    }

    pub fn options(&self) -> &GroupOptions {
        &self.options
    }

    pub fn committer(&self) -> Committer {
        Committer {
            group: self.options.group.clone(),
            member_id: self.member_id.clone(),
            instance_id: self.options.instance_id.clone(),
            generation: self.generation,
        }
    }

    pub async fn coordinator(&mut self) -> Result<Connection, GroupError> {
        let group = self.options.group.clone();
        match self.cluster.coordinator(&group, PATIENCE).await? {
            Ok(connection) => Ok(connection),
            Err((error, message)) => Err(GroupError::Refused {
                group,
                error,
                message,
            }),
        }
    }

    /// Joins, again until it holds, and returns the partitions that are ours.
    pub async fn join(&mut self, topics: &[Str]) -> Result<Vec<TopicPartition>, GroupError> {
        loop {
            let coordinator = match self.coordinator().await {
                Ok(coordinator) => coordinator,
                Err(GroupError::Call(error)) => {
                    tracing::warn!("{error}");
                    sleep(self.options.retry_backoff).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let error = match self.try_join(&coordinator, topics).await {
                Ok(Ok(assigned)) => return Ok(assigned),
                Ok(Err(error)) => error,
                Err(GroupError::Call(error)) => {
                    tracing::warn!("{error}");
                    ErrorCode::COORDINATOR_NOT_AVAILABLE
                }
                Err(error) => return Err(error),
            };
            if !self.recover(error) {
                return Err(GroupError::Refused {
                    group: self.options.group.clone(),
                    error,
                    message: String::new(),
                });
            }
            if error != ErrorCode::MEMBER_ID_REQUIRED {
                sleep(self.options.retry_backoff).await;
            }
        }
    }

    /// Whether joining again helps; forgets an identity that the group no longer knows.
    fn recover(&mut self, error: ErrorCode) -> bool {
        match error {
            ErrorCode::UNKNOWN_MEMBER_ID => self.member_id = Str::EMPTY,
            ErrorCode::ILLEGAL_GENERATION
            | ErrorCode::REBALANCE_IN_PROGRESS
            | ErrorCode::MEMBER_ID_REQUIRED => {}
            error if error.is_retriable() => {}
            _ => return false,
        }
        self.generation = -1;
        true
    }

    async fn try_join(
        &mut self,
        coordinator: &Connection,
        topics: &[Str],
    ) -> Result<Result<Vec<TopicPartition>, ErrorCode>, GroupError> {
        let subscription = ConsumerProtocolSubscription {
            topics: topics.to_vec(),
            ..ConsumerProtocolSubscription::default()
        };
        let request = JoinGroupRequest {
            group_id: self.options.group.clone(),
            session_timeout_ms: millis(self.options.session_timeout),
            rebalance_timeout_ms: millis(self.options.max_poll_interval),
            member_id: self.member_id.clone(),
            group_instance_id: self.options.instance_id.clone(),
            protocol_type: Str::from_static(PROTOCOL_TYPE),
            protocols: vec![JoinGroupRequestProtocol {
                name: Str::from_static(RANGE),
                metadata: to_versioned(&subscription, 0)?,
                ..JoinGroupRequestProtocol::default()
            }],
            ..JoinGroupRequest::default()
        };
        let joined = coordinator.call(&request).await?;
        if joined.error_code == ErrorCode::MEMBER_ID_REQUIRED || joined.error_code.is_none() {
            self.member_id = joined.member_id.detach();
        }
        if joined.error_code.is_some() {
            return Ok(Err(joined.error_code));
        }
        self.generation = joined.generation_id;
        let assignments = if joined.leader == joined.member_id && !joined.skip_assignment {
            self.share_out(&joined).await?
        } else {
            Vec::new()
        };
        let request = SyncGroupRequest {
            group_id: self.options.group.clone(),
            generation_id: self.generation,
            member_id: self.member_id.clone(),
            group_instance_id: self.options.instance_id.clone(),
            protocol_type: Some(Str::from_static(PROTOCOL_TYPE)),
            protocol_name: Some(Str::from_static(RANGE)),
            assignments,
            ..SyncGroupRequest::default()
        };
        let synced = coordinator.call(&request).await?;
        if synced.error_code.is_some() {
            return Ok(Err(synced.error_code));
        }
        Ok(Ok(partitions_of(&synced.assignment)))
    }

    async fn share_out(
        &mut self,
        joined: &JoinGroupResponse,
    ) -> Result<Vec<SyncGroupRequestAssignment>, GroupError> {
        let members: Vec<Subscriber> = joined
            .members
            .iter()
            .map(|m| {
                let read = from_versioned_or_later::<ConsumerProtocolSubscription>(&m.metadata);
                Subscriber {
                    member_id: m.member_id.clone(),
                    instance_id: m.group_instance_id.clone(),
                    // A member whose wishes can't be read gets nothing.
                    topics: read.map(|s| s.topics).unwrap_or_default(),
                }
            })
            .collect();
        let mut topics: Vec<&str> = members
            .iter()
            .flat_map(|m| m.topics.iter().map(Str::as_str))
            .collect();
        topics.sort_unstable();
        topics.dedup();
        let metadata = self.cluster.metadata(Some(&topics)).await?;
        let counts: BTreeMap<Str, i32> = metadata
            .topics
            .iter()
            .filter_map(|t| {
                let count = i32::try_from(t.partitions.len()).ok()?;
                Some((t.name.clone()?, count))
            })
            .collect();
        let mut assignments = Vec::with_capacity(members.len());
        for (member_id, shares) in range(members, &counts) {
            let assigned_partitions = shares
                .into_iter()
                .map(|(topic, partitions)| Share {
                    topic,
                    partitions,
                    ..Share::default()
                })
                .collect();
            let assignment = ConsumerProtocolAssignment {
                assigned_partitions,
                ..ConsumerProtocolAssignment::default()
            };
            assignments.push(SyncGroupRequestAssignment {
                member_id,
                assignment: to_versioned(&assignment, 0)?,
                ..SyncGroupRequestAssignment::default()
            });
        }
        Ok(assignments)
    }

    /// Tells the coordinator that we live; `false` when we have to join again.
    pub async fn heartbeat(&mut self) -> Result<bool, GroupError> {
        let request = HeartbeatRequest {
            group_id: self.options.group.clone(),
            generation_id: self.generation,
            member_id: self.member_id.clone(),
            group_instance_id: self.options.instance_id.clone(),
            ..HeartbeatRequest::default()
        };
        let error = match self.coordinator().await?.call(&request).await {
            Ok(response) => response.error_code,
            // The next one finds the coordinator again; the session goes on meanwhile.
            Err(_) => return Ok(true),
        };
        match error {
            ErrorCode::NONE => Ok(true),
            ErrorCode::COORDINATOR_NOT_AVAILABLE | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS => {
                Ok(true)
            }
            // Its place in the group stays ours while the others join.
            ErrorCode::REBALANCE_IN_PROGRESS => Ok(false),
            error if self.recover(error) => Ok(false),
            error => Err(GroupError::Refused {
                group: self.options.group.clone(),
                error,
                message: String::new(),
            }),
        }
    }

    /// Leaves, so that the others need not wait for the session to end. A static member stays.
    pub async fn leave(&mut self) {
        if self.member_id.is_empty() || self.options.instance_id.is_some() {
            return;
        }
        let Ok(coordinator) = self.coordinator().await else {
            return;
        };
        let Ok(version) = coordinator.version_of::<LeaveGroupRequest>() else {
            return;
        };
        let mut request = LeaveGroupRequest {
            group_id: self.options.group.clone(),
            ..LeaveGroupRequest::default()
        };
        if version >= 3 {
            request.members = vec![MemberIdentity {
                member_id: self.member_id.clone(),
                reason: Some(Str::from_static("the consumer is being closed")),
                ..MemberIdentity::default()
            }];
        } else {
            request.member_id = self.member_id.clone();
        }
        // When it does not arrive, the session ends by itself.
        let _ = coordinator.call_in(version, &request).await;
        self.member_id = Str::EMPTY;
        self.generation = -1;
    }
}

/// The partitions of an assignment; none where it can't be read.
pub fn partitions_of(assignment: &Bytes) -> Vec<TopicPartition> {
    if assignment.is_empty() {
        return Vec::new();
    }
    let read = from_versioned_or_later::<ConsumerProtocolAssignment>(assignment);
    let shares = read.map(|a| a.assigned_partitions).unwrap_or_default();
    let each = |share: Share| {
        let topic = share.topic.detach();
        let named = move |p| (topic.clone(), p);
        share.partitions.into_iter().map(named)
    };
    shares.into_iter().flat_map(each).collect()
}
