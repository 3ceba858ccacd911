//! A small HTTP/1.1 server for metrics and administration: one handler, GET and POST, bounded request
//! bodies, idle connections closed. Not meant for anything that must scale.
#![allow(
    clippy::disallowed_methods,
    reason = "starts a task for each connection"
)]

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// What a client asks.
#[derive(Debug)]
pub struct Request {
    pub method: Method,
    /// without the query
    pub path: String,
    /// decoded names and values
    pub query: Vec<(String, String)>,
    pub accept: Option<String>,
    pub authorization: Option<String>,
    pub body: Bytes,
    pub peer: SocketAddr,
}

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub content_type: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

impl Response {
    pub fn new(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    pub fn not_found() -> Self {
        Self::new(404, "text/plain", "not found\n")
    }
}

/// Bounds of a server.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// a connection without a request for so long is closed
    pub idle: Duration,
    /// longest body of a request
    pub body: usize,
    /// connections at a time; one more takes the place of the one that has asked nothing for longest
    pub connections: usize,
}

/// One open connection.
#[derive(Debug, Default)]
struct Guest {
    /// a request of it is being answered
    busy: AtomicBool,
    /// the turn of its last answer, or of its coming
    turn: AtomicU64,
    leave: Notify,
}

/// The open connections. Many that say nothing must not keep out one that asks.
#[derive(Debug, Default)]
struct Guests {
    all: Mutex<Vec<Arc<Guest>>>,
    turns: AtomicU64,
    left: Notify,
}

impl Guests {
    fn next_turn(&self) -> u64 {
        self.turns.fetch_add(1, Ordering::Relaxed)
    }

    /// Waits for a place; asks the guest to leave that has been silent for longest.
    async fn enter(self: &Arc<Self>, places: usize) -> Place {
        loop {
            {
                let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
                if all.len() < places {
                    let guest = Arc::new(Guest::default());
                    guest.turn.store(self.next_turn(), Ordering::Relaxed);
                    all.push(guest.clone());
                    return Place {
                        guests: self.clone(),
                        guest,
                    };
                }
                let silent = all.iter().filter(|g| !g.busy.load(Ordering::Relaxed));
                if let Some(guest) = silent.min_by_key(|g| g.turn.load(Ordering::Relaxed)) {
                    guest.leave.notify_one();
                }
            }
            // All of them may be busy: one of them is silent soon.
            let _ = tokio::time::timeout(Duration::from_millis(50), self.left.notified()).await;
        }
    }
}

/// A guest's place, free again when this is dropped.
#[derive(Debug)]
struct Place {
    guests: Arc<Guests>,
    guest: Arc<Guest>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self
            .guests
            .all
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.retain(|guest| !Arc::ptr_eq(guest, &self.guest));
        self.guests.left.notify_one();
    }
}

/// Serves until the future is dropped.
pub async fn serve<H, F>(listener: TcpListener, limits: Limits, handler: H)
where
    H: Fn(Request) -> F + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let handler = Arc::new(handler);
    let guests = Arc::new(Guests::default());
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!("accept: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let place = guests.enter(limits.connections).await;
        let (handler, guest) = (handler.clone(), place.guest.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let (handler, place) = (&handler, &place);
                async move {
                    let request = match read(request, peer, limits).await {
                        Ok(request) => request,
                        Err(refused) => return Ok(render(refused)),
                    };
                    // Only now: a body that never comes keeps no place.
                    place.guest.busy.store(true, Ordering::Relaxed);
                    let response = render(handler(request).await);
                    let turn = place.guests.next_turn();
                    place.guest.turn.store(turn, Ordering::Relaxed);
                    place.guest.busy.store(false, Ordering::Relaxed);
                    Ok::<_, std::convert::Infallible>(response)
                }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits.idle)
                .max_buf_size(64 << 10)
                .serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::debug!("HTTP connection of {peer}: {error}");
                },
                () = guest.leave.notified() => {
                    tracing::debug!("HTTP connection of {peer} made room for another");
                }
            }
        });
    }
}

/// Reads a request with its body, or says what is wrong with it.
async fn read(
    request: hyper::Request<Incoming>,
    peer: SocketAddr,
    limits: Limits,
) -> Result<Request, Response> {
    let refused = |status, why: &'static str| Err(Response::new(status, "text/plain", why));
    let (parts, body) = request.into_parts();
    let reading = Limited::new(body, limits.body).collect();
    let body = match tokio::time::timeout(limits.idle, reading).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => return refused(413, "request body too large\n"),
        Err(_) => return refused(408, "request body too slow\n"),
    };
    let header = |name| {
        let value: Option<&HeaderValue> = parts.headers.get(name);
        value.and_then(|v| v.to_str().ok()).map(str::to_owned)
    };
    Ok(Request {
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().map(query).unwrap_or_default(),
        accept: header(hyper::header::ACCEPT),
        authorization: header(hyper::header::AUTHORIZATION),
        method: parts.method,
        body,
        peer,
    })
}

fn render(response: Response) -> hyper::Response<Full<Bytes>> {
    let mut rendered = hyper::Response::new(Full::new(response.body));
    *rendered.status_mut() =
        StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = rendered.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static(response.content_type),
    );
    for (name, value) in response.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    rendered
}

/// Names and values of a query, percent-decoded.
fn query(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let mut ahead = rest.clone();
                let mut digit = || ahead.next().and_then(|d| char::from(d).to_digit(16));
                match (digit(), digit()) {
                    (Some(high), Some(low)) => {
                        bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                        rest = ahead;
                    }
                    _ => bytes.push(b'%'),
                }
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[test]
    fn queries_are_decoded() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            query("a=1&b=x%20y+z&c&%zz=%4"),
            [
                pair("a", "1"),
                pair("b", "x y z"),
                pair("c", ""),
                pair("%zz", "%4")
            ]
        );
    }

    #[tokio::test]
    async fn requests_are_answered_and_bodies_bounded() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limits = Limits {
            idle: Duration::from_secs(5),
            body: 4,
            connections: 2,
        };
        let server = tokio::spawn(serve(listener, limits, |request: Request| async move {
            Response::new(
                200,
                "text/plain",
                format!("{} {:?}", request.path, request.query),
            )
        }));
        let ask = |text: &'static str| async move {
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            stream.write_all(text.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let answer = ask("GET /a?b=c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert!(answer.ends_with("/a [(\"b\", \"c\")]"), "{answer}");
        let answer = ask(
            "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\n12345",
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        server.abort();
    }

    #[tokio::test]
    async fn silent_connections_make_room_for_one_that_asks() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limits = Limits {
            idle: Duration::from_secs(3600),
            body: 4,
            connections: 3,
        };
        let server = tokio::spawn(serve(listener, limits, |_| async {
            Response::new(200, "text/plain", "here")
        }));
        let mut silent = Vec::new();
        for said in [
            "",
            "GET / HT",
            "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n",
        ]
        .repeat(10)
        {
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            stream.write_all(said.as_bytes()).await.unwrap();
            silent.push(stream);
        }
        for _ in 0..5 {
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            stream.write_all(request).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.ends_with("here"), "{answer}");
        }
        server.abort();
    }
}
