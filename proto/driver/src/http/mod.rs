//! A small HTTP/1.1 server for metrics and administration: one handler, GET and POST, idle connections
//! closed. Bodies go piece by piece in both directions where they are long, else they are bounded. Not
//! meant for anything that must scale.
#![allow(
    clippy::disallowed_methods,
    reason = "starts a task for each connection"
)]

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

mod body;
mod guests;

pub use body::{Content, RequestBody};

use body::Outgoing;
use guests::{Guests, Visit};

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
    pub forwarded_for: Option<String>,
    pub body: RequestBody,
    pub peer: SocketAddr,
}

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub content_type: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Content,
}

impl Response {
    pub fn new(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type,
            headers: Vec::new(),
            body: Content::Bytes(body.into()),
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
    /// connections at a time; one more takes the place of the one that has asked nothing for longest
    pub connections: usize,
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
                    let visit = place.visit();
                    let request = read(request, peer, limits);
                    let response = handler(request).await;
                    Ok::<_, std::convert::Infallible>(render(response, visit, limits))
                }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits.idle)
                .max_buf_size(64 << 10)
                // One that has said all (`nc -N`) waits for the answer.
                .half_close(true)
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

/// A request whose body has yet to come.
fn read(request: hyper::Request<Incoming>, peer: SocketAddr, limits: Limits) -> Request {
    let (parts, body) = request.into_parts();
    let header = |name| {
        let value: Option<&HeaderValue> = parts.headers.get(name);
        value.and_then(|v| v.to_str().ok()).map(str::to_owned)
    };
    Request {
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().map(query).unwrap_or_default(),
        accept: header(hyper::header::ACCEPT),
        authorization: header(hyper::header::AUTHORIZATION),
        forwarded_for: header(HeaderName::from_static("x-forwarded-for")),
        method: parts.method,
        body: RequestBody::new(body, limits.idle),
        peer,
    }
}

fn render(response: Response, visit: Visit, limits: Limits) -> hyper::Response<Outgoing> {
    let body = Outgoing::new(response.body, visit, limits.idle);
    let mut rendered = hyper::Response::new(body);
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
    async fn requests_are_answered_and_bodies_go_piece_by_piece() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limits = Limits {
            idle: Duration::from_secs(5),
            connections: 2,
        };
        let server = tokio::spawn(serve(listener, limits, |mut request: Request| async move {
            if request.method == Method::POST {
                // what came goes back
                let mut all = Vec::new();
                while let Ok(Some(piece)) = request.body.next().await {
                    all.extend_from_slice(&piece);
                }
                let body = Content::Stream {
                    length: all.len() as u64,
                    source: Box::new(std::io::Cursor::new(all)),
                };
                return Response {
                    body,
                    ..Response::new(200, "application/octet-stream", "")
                };
            }
            Response::new(
                200,
                "text/plain",
                format!("{} {:?}", request.path, request.query),
            )
        }));
        let ask = |text: String| async move {
            let stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let (mut read, mut write) = stream.into_split();
            let writing = tokio::spawn(async move { write.write_all(text.as_bytes()).await });
            let mut answer = String::new();
            read.read_to_string(&mut answer).await.unwrap();
            writing.await.unwrap().unwrap();
            answer
        };
        let head = "HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
        let answer = ask(format!("GET /a?b=c {head}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert!(answer.ends_with("/a [(\"b\", \"c\")]"), "{answer}");
        let long = "0123456789".repeat(100_000);
        let answer = ask(format!(
            "POST / {head}Content-Length: {}\r\n\r\n{long}",
            long.len()
        ))
        .await;
        assert!(answer.contains("content-length: 1000000\r\n"));
        assert!(answer.ends_with(&format!("\r\n\r\n{long}")));
        server.abort();
    }

    #[tokio::test]
    async fn silent_connections_make_room_for_one_that_asks() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limits = Limits {
            idle: Duration::from_secs(3600),
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
