//! The table of APIs that this broker serves, and how a request gets to its handler. ApiVersions
//! answers from this table, so it is always true.
//!
//! A handler is a plain function, called in the order of a connection's requests: what has to
//! keep that order (an append) happens before it returns; what takes time is in the future that
//! it returns. Mirrors kafka.server.KafkaApis.handle.

mod alter_configs;
mod api_versions;
mod control;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod fetch;
mod find_coordinator;
mod groups;
mod heartbeat;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_groups;
mod list_offsets;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod records;
mod sasl_handshake;
mod sync_group;
mod topics;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proto::kafka::decode::Decoder;
use proto::kafka::header::{HeaderError, RequestHeader};
use proto::kafka::{ApiKey, FrameOut, Message, Request, Str, VersionRange, frame};
use tracing::{debug, warn};

use crate::metrics::Account;
use crate::net::Peer;
use crate::state::Broker;

/// What comes back from a handler.
pub enum Handled {
    Now(FrameOut, Account),
    Later(Pin<Box<dyn Future<Output = Answer> + Send>>),
    /// the request wants no answer (Produce with acks=0)
    Nothing,
    Close,
}

/// What a later answer turns out to be.
pub enum Answer {
    Frame(FrameOut, Account),
    Nothing,
    Close,
}

impl Handled {
    /// An answer that takes time.
    pub fn later(answer: impl Future<Output = Answer> + Send + 'static) -> Self {
        Self::Later(Box::pin(answer))
    }
}

impl From<Answer> for Handled {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Frame(frame, account) => Self::Now(frame, account),
            Answer::Nothing => Self::Nothing,
            Answer::Close => Self::Close,
        }
    }
}

/// One request's circumstances: what a handler needs beside the request itself.
pub struct Call {
    pub broker: Arc<Broker>,
    pub peer: Arc<Peer>,
    pub api_key: ApiKey,
    pub api_version: i16,
    pub correlation_id: i32,
    pub client_id: Option<Str>,
    /// for the metrics
    pub account: Account,
}

impl Call {
    /// The answer as a frame; an answer that does not fit its version is our fault, and closes
    /// the connection.
    pub fn answer<M: Message>(&self, body: &M) -> Answer {
        match frame::response_counted(self.api_key, self.api_version, self.correlation_id, body) {
            Ok((frame, errors)) => {
                let requests = &self.broker.metrics.requests;
                requests.errors(self.api_key, &errors);
                Answer::Frame(frame, self.account)
            }
            Err(e) => {
                warn!("answer to {} v{}: {e}", self.api_key, self.api_version);
                Answer::Close
            }
        }
    }

    /// The same, at once.
    pub fn now<M: Message>(&self, body: &M) -> Handled {
        self.answer(body).into()
    }
}

/// One row of the table.
struct Api {
    key: ApiKey,
    versions: VersionRange,
    handle: fn(Call, &mut Decoder<'_>) -> Handled,
}

/// A row for every version that the codec knows, or for those from `$min` to `$max`.
macro_rules! api {
    ($key:ident, $handler:path) => {
        Api {
            key: ApiKey::$key,
            versions: ApiKey::$key.versions(),
            handle: |call, decoder| typed(call, decoder, $handler),
        }
    };
}

static APIS: &[Api] = &[
    api!(Produce, produce::handle),
    api!(Fetch, fetch::handle),
    api!(ListOffsets, list_offsets::handle),
    api!(OffsetCommit, offset_commit::handle),
    api!(OffsetFetch, offset_fetch::handle),
    api!(JoinGroup, join_group::handle),
    api!(Heartbeat, heartbeat::handle),
    api!(LeaveGroup, leave_group::handle),
    api!(SyncGroup, sync_group::handle),
    api!(DescribeGroups, describe_groups::handle),
    api!(ListGroups, list_groups::handle),
    api!(ApiVersions, api_versions::handle),
    api!(DeleteRecords, delete_records::handle),
    api!(InitProducerId, init_producer_id::handle),
    api!(OffsetForLeaderEpoch, offset_for_leader_epoch::handle),
    api!(DeleteGroups, delete_groups::handle),
    api!(OffsetDelete, offset_delete::handle),
    api!(Metadata, metadata::handle),
    api!(LeaderAndIsr, control::leader_and_isr),
    api!(StopReplica, control::stop_replica),
    api!(UpdateMetadata, control::update_metadata),
    api!(ControlledShutdown, control::controlled_shutdown),
    api!(FindCoordinator, find_coordinator::handle),
    api!(SaslHandshake, sasl_handshake::handle),
    api!(CreateTopics, create_topics::handle),
    api!(DeleteTopics, delete_topics::handle),
    api!(DescribeConfigs, describe_configs::handle),
    api!(AlterConfigs, alter_configs::handle),
    api!(CreatePartitions, create_partitions::handle),
    api!(IncrementalAlterConfigs, alter_configs::handle_incremental),
    api!(DescribeCluster, describe_cluster::handle),
];

/// Reads the body and calls the handler.
fn typed<R: Request>(
    call: Call,
    decoder: &mut Decoder<'_>,
    handler: fn(Call, R) -> Handled,
) -> Handled {
    match R::decode(decoder, call.api_version) {
        Ok(request) => handler(call, request),
        Err(e) => {
            warn!(
                "{} v{} of {}: {e}",
                call.api_key, call.api_version, call.peer.address
            );
            Handled::Close
        }
    }
}

/// The APIs and versions that are served, for ApiVersions.
fn served() -> impl Iterator<Item = (ApiKey, VersionRange)> {
    APIS.iter().map(|api| (api.key, api.versions))
}

fn find(key: ApiKey) -> Option<&'static Api> {
    APIS.iter().find(|api| api.key == key)
}

/// Bytes of memory that the array elements of one request may take: hundreds of thousands of partitions,
/// which no client names at once, and less than a small machine has. The answer takes as much again, or more.
const ELEMENTS: usize = 64 << 20;

/// Begins one request. Called by a connection in the order of its requests.
pub(crate) fn dispatch(broker: &Arc<Broker>, peer: &Arc<Peer>, frame: Bytes) -> Handled {
    let mut decoder = Decoder::bounded(&frame, ELEMENTS);
    let header = match RequestHeader::read(&mut decoder) {
        Ok(header) => header,
        Err(e @ (HeaderError::UnknownApiKey(_) | HeaderError::Read(_))) => {
            debug!("request of {}: {e}", peer.address);
            return Handled::Close;
        }
    };
    let api = find(header.api_key);
    if api.is_none_or(|api| !api.versions.contains(header.api_version)) {
        if header.api_key == ApiKey::ApiVersions {
            return api_versions::unsupported(broker, header.correlation_id);
        }
        debug!(
            "{} of {}: version {} is not served",
            header.api_key, peer.address, header.api_version
        );
        return Handled::Close;
    }
    let call = Call {
        broker: broker.clone(),
        peer: peer.clone(),
        api_key: header.api_key,
        api_version: header.api_version,
        correlation_id: header.correlation_id,
        client_id: header.client_id,
        account: Account::default(),
    };
    let Some(api) = api else {
        return Handled::Close;
    };
    if !broker.cluster_known.is_open() && needs_cluster(api.key) {
        let body = frame.slice(frame.len() - decoder.remaining()..);
        return Handled::later(hold(api, call, body));
    }
    (api.handle)(call, &mut decoder)
}

/// How long a request waits for a broker that starts to hear of its cluster: less than clients wait
/// for an answer. Where there is no controller (one that was killed has its session still), they
/// are told what is known.
const HOLD: Duration = Duration::from_secs(10);

/// Whether an answer takes more than what a process knows that has just started. What a controller
/// sends is how it learns the rest.
fn needs_cluster(key: ApiKey) -> bool {
    !matches!(
        key,
        ApiKey::ApiVersions
            | ApiKey::SaslHandshake
            | ApiKey::LeaderAndIsr
            | ApiKey::StopReplica
            | ApiKey::UpdateMetadata
            | ApiKey::ControlledShutdown
    )
}

/// The port is open before the controller has told of the cluster: a client that is quicker would
/// see one without brokers. (Java opens its port then too, and answers so for a moment.)
async fn hold(api: &'static Api, call: Call, body: Bytes) -> Answer {
    let _ = tokio::time::timeout(HOLD, call.broker.cluster_known.pass()).await;
    match (api.handle)(call, &mut Decoder::bounded(&body, ELEMENTS)) {
        Handled::Now(frame, account) => Answer::Frame(frame, account),
        Handled::Later(answer) => answer.await,
        Handled::Nothing => Answer::Nothing,
        Handled::Close => Answer::Close,
    }
}
