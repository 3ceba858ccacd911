//! The table of APIs: numbers, names, messages. Version ranges come from the messages themselves.
//!
//! Java: `ApiKeys`, `ApiMessageType`, and the dispatch in `AbstractRequest.parseRequest`.

use super::decode::Decoder;
use super::encode::{EncodeError, Encoder};
use super::messages;
use super::wire::{Message, VersionRange};
use crate::buf::ReadError;

/// A request, which knows its key and its answer.
pub trait Request: Message {
    const KEY: ApiKey;
    type Response: Message;
}

macro_rules! apis {
    ($( $name:ident = $key:literal, $module:ident, $request:ident, $response:ident; )*) => {
        /// The APIs of a broker in ZooKeeper mode, named and numbered as in Java.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        pub enum ApiKey {
            $( $name = $key, )*
        }

        /// The body of a request.
        #[derive(Debug, Clone, PartialEq)]
        pub enum RequestBody {
            $( $name(messages::$module::$request), )*
        }

        /// The body of a response.
        #[derive(Debug, Clone, PartialEq)]
        pub enum ResponseBody {
            $( $name(messages::$module::$response), )*
        }

        impl ApiKey {
            /// Every API, by rising number.
            pub const ALL: &[Self] = &[$( Self::$name ),*];

            /// Versions that the schema knows (what a broker offers may be less).
            pub const fn versions(self) -> VersionRange {
                match self {
                    $( Self::$name => <messages::$module::$request as Message>::VERSIONS, )*
                }
            }

            /// First version with compact lengths and tagged fields, `i16::MAX` if there is none.
            pub const fn flexible_from(self) -> i16 {
                match self {
                    $( Self::$name => <messages::$module::$request as Message>::FLEXIBLE_FROM, )*
                }
            }

            /// The name as Java's `ApiKeys` and the tools print it.
            pub const fn name(self) -> &'static str {
                match self {
                    $( Self::$name => stringify!($name), )*
                }
            }
        }

        impl TryFrom<i16> for ApiKey {
            /// The number, if no such API is known.
            type Error = i16;
            fn try_from(key: i16) -> Result<Self, i16> {
                match key {
                    $( $key => Ok(Self::$name), )*
                    _ => Err(key),
                }
            }
        }

        impl RequestBody {
            /// Reads the body that follows a header with this key and version.
            pub fn decode(
                key: ApiKey,
                version: i16,
                d: &mut Decoder<'_>,
            ) -> Result<Self, ReadError> {
                match key {
                    $( ApiKey::$name => Message::decode(d, version).map(Self::$name), )*
                }
            }

            pub fn encode(&self, e: &mut Encoder, version: i16) -> Result<(), EncodeError> {
                match self {
                    $( Self::$name(m) => m.encode(e, version), )*
                }
            }

            pub fn key(&self) -> ApiKey {
                match self {
                    $( Self::$name(_) => ApiKey::$name, )*
                }
            }
        }

        impl ResponseBody {
            pub fn decode(
                key: ApiKey,
                version: i16,
                d: &mut Decoder<'_>,
            ) -> Result<Self, ReadError> {
                match key {
                    $( ApiKey::$name => Message::decode(d, version).map(Self::$name), )*
                }
            }

            pub fn encode(&self, e: &mut Encoder, version: i16) -> Result<(), EncodeError> {
                match self {
                    $( Self::$name(m) => m.encode(e, version), )*
                }
            }

            pub fn key(&self) -> ApiKey {
                match self {
                    $( Self::$name(_) => ApiKey::$name, )*
                }
            }
        }

        $(
            impl Request for messages::$module::$request {
                const KEY: ApiKey = ApiKey::$name;
                type Response = messages::$module::$response;
            }
            impl From<messages::$module::$request> for RequestBody {
                fn from(m: messages::$module::$request) -> Self {
                    Self::$name(m)
                }
            }
            impl From<messages::$module::$response> for ResponseBody {
                fn from(m: messages::$module::$response) -> Self {
                    Self::$name(m)
                }
            }
        )*

        /// Calls `$with!(message)` for the type of every request and response.
        #[cfg(test)]
        macro_rules! for_each_message {
            ($with:ident) => {
                $( $with!($module::$request); $with!($module::$response); )*
            };
        }
        #[cfg(test)]
        pub(super) use for_each_message;
    };
}

apis! {
    Produce = 0, produce, ProduceRequest, ProduceResponse;
    Fetch = 1, fetch, FetchRequest, FetchResponse;
    ListOffsets = 2, list_offsets, ListOffsetsRequest, ListOffsetsResponse;
    Metadata = 3, metadata, MetadataRequest, MetadataResponse;
    LeaderAndIsr = 4, leader_and_isr, LeaderAndIsrRequest, LeaderAndIsrResponse;
    StopReplica = 5, stop_replica, StopReplicaRequest, StopReplicaResponse;
    UpdateMetadata = 6, update_metadata, UpdateMetadataRequest, UpdateMetadataResponse;
    ControlledShutdown = 7, controlled_shutdown, ControlledShutdownRequest, ControlledShutdownResponse;
    OffsetCommit = 8, offset_commit, OffsetCommitRequest, OffsetCommitResponse;
    OffsetFetch = 9, offset_fetch, OffsetFetchRequest, OffsetFetchResponse;
    FindCoordinator = 10, find_coordinator, FindCoordinatorRequest, FindCoordinatorResponse;
    JoinGroup = 11, join_group, JoinGroupRequest, JoinGroupResponse;
    Heartbeat = 12, heartbeat, HeartbeatRequest, HeartbeatResponse;
    LeaveGroup = 13, leave_group, LeaveGroupRequest, LeaveGroupResponse;
    SyncGroup = 14, sync_group, SyncGroupRequest, SyncGroupResponse;
    DescribeGroups = 15, describe_groups, DescribeGroupsRequest, DescribeGroupsResponse;
    ListGroups = 16, list_groups, ListGroupsRequest, ListGroupsResponse;
    SaslHandshake = 17, sasl_handshake, SaslHandshakeRequest, SaslHandshakeResponse;
    ApiVersions = 18, api_versions, ApiVersionsRequest, ApiVersionsResponse;
    CreateTopics = 19, create_topics, CreateTopicsRequest, CreateTopicsResponse;
    DeleteTopics = 20, delete_topics, DeleteTopicsRequest, DeleteTopicsResponse;
    DeleteRecords = 21, delete_records, DeleteRecordsRequest, DeleteRecordsResponse;
    InitProducerId = 22, init_producer_id, InitProducerIdRequest, InitProducerIdResponse;
    OffsetForLeaderEpoch = 23, offset_for_leader_epoch, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse;
    AddPartitionsToTxn = 24, add_partitions_to_txn, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse;
    AddOffsetsToTxn = 25, add_offsets_to_txn, AddOffsetsToTxnRequest, AddOffsetsToTxnResponse;
    EndTxn = 26, end_txn, EndTxnRequest, EndTxnResponse;
    WriteTxnMarkers = 27, write_txn_markers, WriteTxnMarkersRequest, WriteTxnMarkersResponse;
    TxnOffsetCommit = 28, txn_offset_commit, TxnOffsetCommitRequest, TxnOffsetCommitResponse;
    DescribeAcls = 29, describe_acls, DescribeAclsRequest, DescribeAclsResponse;
    CreateAcls = 30, create_acls, CreateAclsRequest, CreateAclsResponse;
    DeleteAcls = 31, delete_acls, DeleteAclsRequest, DeleteAclsResponse;
    DescribeConfigs = 32, describe_configs, DescribeConfigsRequest, DescribeConfigsResponse;
    AlterConfigs = 33, alter_configs, AlterConfigsRequest, AlterConfigsResponse;
    AlterReplicaLogDirs = 34, alter_replica_log_dirs, AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse;
    DescribeLogDirs = 35, describe_log_dirs, DescribeLogDirsRequest, DescribeLogDirsResponse;
    SaslAuthenticate = 36, sasl_authenticate, SaslAuthenticateRequest, SaslAuthenticateResponse;
    CreatePartitions = 37, create_partitions, CreatePartitionsRequest, CreatePartitionsResponse;
    CreateDelegationToken = 38, create_delegation_token, CreateDelegationTokenRequest, CreateDelegationTokenResponse;
    RenewDelegationToken = 39, renew_delegation_token, RenewDelegationTokenRequest, RenewDelegationTokenResponse;
    ExpireDelegationToken = 40, expire_delegation_token, ExpireDelegationTokenRequest, ExpireDelegationTokenResponse;
    DescribeDelegationToken = 41, describe_delegation_token, DescribeDelegationTokenRequest, DescribeDelegationTokenResponse;
    DeleteGroups = 42, delete_groups, DeleteGroupsRequest, DeleteGroupsResponse;
    ElectLeaders = 43, elect_leaders, ElectLeadersRequest, ElectLeadersResponse;
    IncrementalAlterConfigs = 44, incremental_alter_configs, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse;
    AlterPartitionReassignments = 45, alter_partition_reassignments, AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse;
    ListPartitionReassignments = 46, list_partition_reassignments, ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse;
    OffsetDelete = 47, offset_delete, OffsetDeleteRequest, OffsetDeleteResponse;
    DescribeClientQuotas = 48, describe_client_quotas, DescribeClientQuotasRequest, DescribeClientQuotasResponse;
    AlterClientQuotas = 49, alter_client_quotas, AlterClientQuotasRequest, AlterClientQuotasResponse;
    DescribeUserScramCredentials = 50, describe_user_scram_credentials, DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse;
    AlterUserScramCredentials = 51, alter_user_scram_credentials, AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse;
    AlterPartition = 56, alter_partition, AlterPartitionRequest, AlterPartitionResponse;
    UpdateFeatures = 57, update_features, UpdateFeaturesRequest, UpdateFeaturesResponse;
    Envelope = 58, envelope, EnvelopeRequest, EnvelopeResponse;
    DescribeCluster = 60, describe_cluster, DescribeClusterRequest, DescribeClusterResponse;
    DescribeProducers = 61, describe_producers, DescribeProducersRequest, DescribeProducersResponse;
    DescribeTransactions = 65, describe_transactions, DescribeTransactionsRequest, DescribeTransactionsResponse;
    ListTransactions = 66, list_transactions, ListTransactionsRequest, ListTransactionsResponse;
    AllocateProducerIds = 67, allocate_producer_ids, AllocateProducerIdsRequest, AllocateProducerIdsResponse;
    ConsumerGroupHeartbeat = 68, consumer_group_heartbeat, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse;
    ConsumerGroupDescribe = 69, consumer_group_describe, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse;
}

impl ApiKey {
    pub const fn is_flexible(self, version: i16) -> bool {
        version >= self.flexible_from()
    }

    pub const fn request_header_version(self, version: i16) -> i16 {
        match self {
            // The first broker shut itself down before clients had names.
            Self::ControlledShutdown if version == 0 => 0,
            _ if self.is_flexible(version) => 2,
            _ => 1,
        }
    }

    pub const fn response_header_version(self, version: i16) -> i16 {
        match self {
            // A client that does not know the broker's versions yet must be able to read it.
            Self::ApiVersions => 0,
            _ if self.is_flexible(version) => 1,
            _ => 0,
        }
    }
}

impl std::fmt::Display for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}
