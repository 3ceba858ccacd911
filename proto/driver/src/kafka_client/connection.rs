//! One connection to one broker: versions agreed on once, any number of requests in flight,
//! answers in request order (Java: `NetworkClient` for one node).
#![allow(
    clippy::disallowed_methods,
    reason = "a driver starts the connection's tasks"
)]

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use proto::buf::ReadError;
use proto::kafka::encode::EncodeError;
use proto::kafka::frame;
use proto::kafka::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use proto::kafka::{ApiKey, ErrorCode, Request, Segment, Str, VersionRange};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// How a connection behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// what the broker's log calls us
    pub client_id: Str,
    /// for name resolution and the TCP handshake together
    pub connect_timeout: Duration,
    /// for one request, from call to answer
    pub request_timeout: Duration,
    /// the largest answer that is read, in bytes
    pub max_frame: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            client_id: Str::EMPTY,
            connect_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(60),
            max_frame: 200 << 20,
        }
    }
}

/// Why a call brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error("cannot connect to {address}: {error}")]
    Connect { address: String, error: io::Error },
    /// the words that Java's admin client has for it come first
    #[error(
        "Timed out waiting for a node assignment: no broker answered within {} ms{}",
        .after.as_millis(),
        .last.as_ref().map_or_else(String::new, |last| format!(": {last}"))
    )]
    NoBroker {
        after: Duration,
        last: Option<Box<CallError>>,
    },
    #[error("the connection to {0} is closed")]
    Closed(String),
    #[error("{address} did not answer {api:?} within {} ms", .after.as_millis())]
    Timeout {
        address: String,
        api: ApiKey,
        after: Duration,
    },
    #[error("{address} does not speak a version of {api:?} that we do")]
    Unsupported { address: String, api: ApiKey },
    #[error("{api:?}: {error}")]
    Encode { api: ApiKey, error: EncodeError },
    #[error("the answer of {address} to {api:?} can't be read: {error}")]
    Read {
        address: String,
        api: ApiKey,
        error: ReadError,
    },
}

struct Call {
    correlation_id: i32,
    frame: Vec<Segment>,
    /// `None` for a request that has no answer (produce with acks=0)
    answer: Option<oneshot::Sender<Bytes>>,
}

/// A handle; clones share the connection, which closes when the last one goes.
#[derive(Debug, Clone)]
pub struct Connection {
    address: Arc<str>,
    calls: mpsc::Sender<Call>,
    next_id: Arc<AtomicI32>,
    versions: Arc<Vec<(i16, VersionRange)>>,
    options: Arc<Options>,
}

impl Connection {
    /// Connects to `host`:`port`, resolving the name anew, and asks for the broker's versions.
    pub async fn connect(host: &str, port: u16, options: Options) -> Result<Self, CallError> {
        let mut connection = Self::open(host, port, options.clone()).await?;
        match connection.ask_versions().await {
            Ok(versions) => connection.versions = Arc::new(versions),
            Err(CallError::Closed(_)) => {
                // Brokers before 0.10 hang up on a request that they do not know.
                connection = Self::open(host, port, options).await?;
                connection.versions = Arc::new(versions_of_0_9());
            }
            Err(error) => return Err(error),
        }
        Ok(connection)
    }

    async fn open(host: &str, port: u16, options: Options) -> Result<Self, CallError> {
        let address: Arc<str> = format!("{host}:{port}").into();
        let failed = |error| CallError::Connect {
            address: address.to_string(),
            error,
        };
        let stream = timeout(options.connect_timeout, dial(host, port))
            .await
            .map_err(|_| failed(io::ErrorKind::TimedOut.into()))?
            .map_err(failed)?;
        let (reader, writer) = stream.into_split();
        let (calls, inbox) = mpsc::channel(64);
        let max_frame = options.max_frame;
        tokio::spawn(async move {
            let waiting = Mutex::new(VecDeque::new());
            // Whichever side ends first ends the connection, and everybody who waits is told.
            tokio::select! {
                () = write_calls(writer, inbox, &waiting) => {}
                () = read_answers(reader, &waiting, max_frame) => {}
            }
        });
        Ok(Self {
            address,
            calls,
            next_id: Arc::default(),
            versions: Arc::default(),
            options: Arc::new(options),
        })
    }

    async fn ask_versions(&self) -> Result<Vec<(i16, VersionRange)>, CallError> {
        let request = ApiVersionsRequest {
            client_software_name: Str::from_static("zk-kafka-tools"),
            client_software_version: Str::from_static(env!("CARGO_PKG_VERSION")),
            ..ApiVersionsRequest::default()
        };
        let mut answer = self.ask_versions_as(3, &request).await?;
        if answer.error_code == ErrorCode::UNSUPPORTED_VERSION {
            answer = self.ask_versions_as(0, &request).await?;
        }
        let ranges = answer.api_keys.iter();
        Ok(ranges
            .map(|v| {
                (
                    v.api_key,
                    VersionRange {
                        min: v.min_version,
                        max: v.max_version,
                    },
                )
            })
            .collect())
    }

    async fn ask_versions_as(
        &self,
        version: i16,
        request: &ApiVersionsRequest,
    ) -> Result<ApiVersionsResponse, CallError> {
        let (_, frame) = self.exchange(version, request).await?;
        let read = frame::read_response::<ApiVersionsRequest>(&frame, version)
            // A broker that does not know the version answers in version 0.
            .or_else(|_| frame::read_response::<ApiVersionsRequest>(&frame, 0));
        read.map(|(_, body)| body)
            .map_err(|error| self.unreadable::<ApiVersionsRequest>(error))
    }

    /// `host:port` as it was dialled.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether the other side has hung up.
    pub fn is_closed(&self) -> bool {
        self.calls.is_closed()
    }

    /// What the broker said that it speaks, by API key.
    pub fn versions(&self) -> &[(i16, VersionRange)] {
        &self.versions
    }

    /// The highest version of `R` that both sides speak.
    pub fn version_of<R: Request>(&self) -> Result<i16, CallError> {
        let theirs = self
            .versions
            .iter()
            .find(|(key, _)| *key == R::KEY as i16)
            .map(|(_, v)| *v);
        theirs
            .map(|v| (v.min.max(R::VERSIONS.min), v.max.min(R::VERSIONS.max)))
            .filter(|(min, max)| min <= max)
            .map(|(_, max)| max)
            .ok_or_else(|| CallError::Unsupported {
                address: self.address.to_string(),
                api: R::KEY,
            })
    }

    /// Sends `request` in the highest common version and waits for its answer.
    pub async fn call<R: Request>(&self, request: &R) -> Result<R::Response, CallError> {
        self.call_in(self.version_of::<R>()?, request).await
    }

    /// As [`Self::call`], in the version that the caller chose.
    pub async fn call_in<R: Request>(
        &self,
        version: i16,
        request: &R,
    ) -> Result<R::Response, CallError> {
        let (id, frame) = self.exchange(version, request).await?;
        let (got, body) = frame::read_response::<R>(&frame, version)
            .map_err(|error| self.unreadable::<R>(error))?;
        if got != id {
            return Err(self.unreadable::<R>(ReadError::Invalid("correlation id")));
        }
        Ok(body)
    }

    /// Sends a request that has no answer.
    pub async fn send<R: Request>(&self, version: i16, request: &R) -> Result<(), CallError> {
        let (correlation_id, frame) = self.encode(version, request)?;
        let call = Call {
            correlation_id,
            frame,
            answer: None,
        };
        self.calls.send(call).await.map_err(|_| self.closed())
    }

    async fn exchange<R: Request>(
        &self,
        version: i16,
        request: &R,
    ) -> Result<(i32, Bytes), CallError> {
        let (correlation_id, frame) = self.encode(version, request)?;
        let (sender, receiver) = oneshot::channel();
        let work = async {
            let call = Call {
                correlation_id,
                frame,
                answer: Some(sender),
            };
            self.calls.send(call).await.map_err(|_| self.closed())?;
            receiver.await.map_err(|_| self.closed())
        };
        let after = self.options.request_timeout;
        let answer = timeout(after, work)
            .await
            .map_err(|_| CallError::Timeout {
                address: self.address.to_string(),
                api: R::KEY,
                after,
            })??;
        Ok((correlation_id, answer))
    }

    fn encode<R: Request>(
        &self,
        version: i16,
        request: &R,
    ) -> Result<(i32, Vec<Segment>), CallError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed) & i32::MAX;
        let client_id = Some(self.options.client_id.clone());
        let frame = frame::request(version, id, client_id, request)
            .map_err(|error| CallError::Encode { api: R::KEY, error })?;
        Ok((id, frame.into_segments()))
    }

    fn closed(&self) -> CallError {
        CallError::Closed(self.address.to_string())
    }

    fn unreadable<R: Request>(&self, error: ReadError) -> CallError {
        CallError::Read {
            address: self.address.to_string(),
            api: R::KEY,
            error,
        }
    }
}

async fn dial(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in tokio::net::lookup_host((host, port)).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Who waits for an answer, in request order.
type Waiting = Mutex<VecDeque<(i32, oneshot::Sender<Bytes>)>>;

fn lock(waiting: &Waiting) -> MutexGuard<'_, VecDeque<(i32, oneshot::Sender<Bytes>)>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn write_calls(
    mut writer: OwnedWriteHalf,
    mut inbox: mpsc::Receiver<Call>,
    waiting: &Waiting,
) {
    while let Some(call) = inbox.recv().await {
        if let Some(answer) = call.answer {
            lock(waiting).push_back((call.correlation_id, answer));
        }
        for segment in call.frame {
            // What we send never lies in a file.
            let Segment::Bytes(bytes) = segment else {
                return;
            };
            if writer.write_all(&bytes).await.is_err() {
                return;
            }
        }
    }
    // The last handle is gone: tell the other side.
    let _ = writer.shutdown().await;
}

async fn read_answers(mut reader: OwnedReadHalf, waiting: &Waiting, max_frame: usize) {
    while let Ok(Some(frame)) = read_frame(&mut reader, max_frame).await {
        let id = frame
            .get(..4)
            .map(|b| i32::from_be_bytes([b[0], b[1], b[2], b[3]]));
        let next = lock(waiting).pop_front();
        match next {
            Some((expected, answer)) if Some(expected) == id => {
                // The caller may have given up.
                let _ = answer.send(frame);
            }
            _ => return,
        }
    }
}

async fn read_frame(reader: &mut OwnedReadHalf, max_frame: usize) -> io::Result<Option<Bytes>> {
    let mut head = [0; 4];
    reader.read_exact(&mut head).await?;
    let Some(len) = usize::try_from(i32::from_be_bytes(head))
        .ok()
        .filter(|n| *n <= max_frame)
    else {
        return Ok(None);
    };
    // Grown as bytes arrive, not by what the length claims.
    let mut frame = BytesMut::with_capacity(len.min(1 << 20));
    let mut body = reader.take(len as u64);
    while frame.len() < len {
        if body.read_buf(&mut frame).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Some(frame.freeze()))
}

/// What a broker of 0.9 speaks; it can't be asked.
fn versions_of_0_9() -> Vec<(i16, VersionRange)> {
    const MAX: [(ApiKey, i16); 17] = [
        (ApiKey::Produce, 1),
        (ApiKey::Fetch, 1),
        (ApiKey::ListOffsets, 0),
        (ApiKey::Metadata, 0),
        (ApiKey::LeaderAndIsr, 0),
        (ApiKey::StopReplica, 0),
        (ApiKey::UpdateMetadata, 1),
        (ApiKey::ControlledShutdown, 1),
        (ApiKey::OffsetCommit, 2),
        (ApiKey::OffsetFetch, 1),
        (ApiKey::FindCoordinator, 0),
        (ApiKey::JoinGroup, 0),
        (ApiKey::Heartbeat, 0),
        (ApiKey::LeaveGroup, 0),
        (ApiKey::SyncGroup, 0),
        (ApiKey::DescribeGroups, 0),
        (ApiKey::ListGroups, 0),
    ];
    MAX.iter()
        .map(|(key, max)| (*key as i16, VersionRange { min: 0, max: *max }))
        .collect()
}
