//! The commands `snapshot` and `restore` (Java: `SnapshotCommand`, `RestoreCommand`, `RateLimiter`).
//! Neither holds a snapshot in memory as bytes: one goes out of its file, one goes into a file first.

use std::io::{self, Read};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use driver::http::{Content, Request, Response};
use driver::metrics::Summary;
use serde_json::json;

use super::commands::Body;
use super::{failed, render};
use crate::net::Net;
use crate::store::DiskFile;
use crate::store::intake::{Incoming, IntakeError, Received};
use crate::threads::later;
use crate::threads::log::Taken;

/// How often they may run, and what came of it.
#[derive(Debug)]
pub struct Guarded {
    snapshots: RateLimiter,
    restores: RateLimiter,
    figures: Mutex<GuardedFigures>,
}

/// For metrics.
#[derive(Debug, Clone, Default)]
pub struct GuardedFigures {
    pub snapshots_limited: u64,
    pub snapshot_errors: u64,
    pub restores_limited: u64,
    pub restore_errors: u64,
    pub restore_ms: Summary,
}

impl Guarded {
    /// Java takes `admin.rateLimiterIntervalInMS` for microseconds where it limits snapshots.
    pub fn new(interval_ms: u64) -> Self {
        Self {
            snapshots: RateLimiter::new(Duration::from_millis(interval_ms / 1000)),
            restores: RateLimiter::new(Duration::from_millis(interval_ms)),
            figures: Mutex::default(),
        }
    }

    pub fn figures(&self) -> GuardedFigures {
        self.lock().clone()
    }

    /// `srst`
    pub fn reset(&self) {
        *self.lock() = GuardedFigures::default();
    }

    fn lock(&self) -> MutexGuard<'_, GuardedFigures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One in each interval.
#[derive(Debug)]
struct RateLimiter {
    interval: Duration,
    /// when the interval began, and whether its one is left
    state: Mutex<(Instant, bool)>,
}

impl RateLimiter {
    fn new(interval: Duration) -> Self {
        Self {
            interval,
            state: Mutex::new((Instant::now(), true)),
        }
    }

    fn allow(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.0.elapsed() > self.interval {
            *state = (Instant::now(), true);
        }
        std::mem::replace(&mut state.1, false)
    }
}

pub(super) async fn snapshot(request: &Request, net: &Net) -> Response {
    const NAME: &str = "snapshot";
    if let Some(refusal) = closed(NAME, net.config.admin.snapshot, net) {
        return refusal;
    }
    if !net.guarded.snapshots.allow() {
        net.guarded.lock().snapshots_limited += 1;
        return limited(NAME);
    }
    let streaming = request.query.iter().find(|(name, _)| name == "streaming");
    let streaming = streaming.is_none_or(|(_, value)| value.eq_ignore_ascii_case("true"));
    let Some(image) = net.core.with(|server| server.image()) else {
        let error = "This ZooKeeper instance is not currently serving requests";
        return failed(200, NAME, error);
    };
    let why = match net.log.take_snapshot(image).await {
        Ok(Ok(taken)) => return give(taken, streaming),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the server is stopping".to_owned(),
    };
    net.guarded.lock().snapshot_errors += 1;
    tracing::warn!("The snapshot that {} wants failed: {why}", request.peer);
    failed(500, NAME, &why)
}

fn give(taken: Taken, streaming: bool) -> Response {
    let headers = vec![
        ("last_zxid", format!("0x{:x}", taken.zxid.0)),
        ("snapshot_size", taken.bytes.to_string()),
    ];
    if !streaming {
        let mut response = render(200, "snapshot", Body::new());
        response.headers.extend(headers);
        return response;
    }
    Response {
        status: 200,
        content_type: "application/octet-stream",
        headers,
        body: Content::Stream {
            length: taken.bytes,
            source: Box::new(FromFile {
                file: taken.file,
                at: 0,
            }),
        },
    }
}

struct FromFile {
    file: Box<dyn DiskFile>,
    at: u64,
}

impl Read for FromFile {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(buf, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

pub(super) async fn restore(request: &mut Request, net: &Net) -> Response {
    const NAME: &str = "restore";
    if let Some(refusal) = closed(NAME, net.config.admin.restore, net) {
        return refusal;
    }
    // Which does not count as one.
    if let Some(Some(why)) = net.core.with_peer(|peer| peer.cannot_restore()) {
        return not_restored(503, &why, request, net);
    }
    if !net.guarded.restores.allow() {
        net.guarded.lock().restores_limited += 1;
        return limited(NAME);
    }
    let begun = Instant::now();
    let (status, why) = match try_restore(request, net).await {
        Ok(zxid) => {
            let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!("Restore taken in {ms} ms");
            net.guarded.lock().restore_ms.record(ms);
            let mut body = Body::new();
            body.insert("last_zxid".to_owned(), json!(zxid));
            return render(200, NAME, body);
        }
        Err(refused) => refused,
    };
    not_restored(status, &why, request, net)
}

fn not_restored(status: u16, why: &str, request: &Request, net: &Net) -> Response {
    net.guarded.lock().restore_errors += 1;
    tracing::warn!("The snapshot from {} is not restored: {why}", request.peer);
    failed(status, "restore", why)
}

/// The zxid of the snapshot that is the state of this server, or its ensemble, from here on; or the
/// status and why it is not.
async fn try_restore(request: &mut Request, net: &Net) -> Result<i64, (u16, String)> {
    let mut incoming = net.intake.begin(request.body.length()).map_err(text)?;
    loop {
        let piece = request.body.next().await;
        let piece = piece.map_err(|error| (500, format!("the request breaks off: {error}")))?;
        let Some(piece) = piece else { break };
        later::block(|| incoming.write(&piece)).map_err(text)?;
    }
    let bytes = incoming.len();
    let reading = tokio::task::spawn_blocking(move || Incoming::read(incoming)).await;
    let Received {
        database,
        zxid,
        nodes,
        same_digest,
    } = reading
        .map_err(|error| (500, error.to_string()))?
        .map_err(text)?;
    let sessions = database.sessions().len();
    tracing::info!(
        "Restoring a snapshot of {bytes} bytes from {}: lastProcessedZxid=0x{:x}, nodeCount={nodes}, \
         sessionCount={sessions}",
        request.peer,
        zxid.0
    );
    if !same_digest {
        tracing::warn!("The digest in the snapshot is not that of the tree it gives");
    }
    match net.core.restore(database).await {
        Ok(Ok(())) => Ok(zxid.0),
        Ok(Err(why)) => Err((503, why)),
        Err(_) => Err((503, "the server is stopping".to_owned())),
    }
}

fn text(error: IntakeError) -> (u16, String) {
    (500, error.to_string())
}

/// Switched off, or impossible with this configuration.
fn closed(name: &'static str, enabled: bool, net: &Net) -> Option<Response> {
    if !enabled {
        tracing::warn!("The {name} command is disabled");
        let why = format!("admin.{name}.enabled is false");
        return Some(failed(503, name, &why));
    }
    if !net.config.files.last_processed_zxid {
        let why = "serializeLastProcessedZxid.enabled must not be false for this command";
        return Some(failed(500, name, why));
    }
    None
}

fn limited(name: &'static str) -> Response {
    tracing::warn!("A {name} request was rate limited");
    failed(
        429,
        name,
        "too soon after the one before (admin.rateLimiterIntervalInMS)",
    )
}
