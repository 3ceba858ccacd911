//! Connections over loopback: pipelining, limits, and what strangers send. No ZooKeeper, no logs.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test drives real sockets"
)]

use std::sync::Arc;

use broker::config::{KafkaConfig, Settings};
use broker::net::Net;
use broker::shard::{LogDirs, LogManager, LogManagerSettings};
use broker::state::Broker;
use proto::kafka::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use proto::kafka::{ApiKey, ErrorCode, Message, frame};
use proto::properties::Properties;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

struct Server {
    port: u16,
    /// of the listener IN, where there is one
    inside: Option<u16>,
    _stop: watch::Sender<bool>,
    _logs: LogManager,
    _dir: tempfile::TempDir,
}

fn start(extra: &str) -> Server {
    let text = format!("zookeeper.connect=x:1\nlisteners=PLAINTEXT://127.0.0.1:0\n{extra}");
    let file = Properties::parse("f", text.as_bytes()).unwrap();
    let config = KafkaConfig::new(Settings::new(file, &[]).unwrap()).unwrap();
    let net = Net::bind(&config).unwrap();
    let port = net.port("PLAINTEXT").or_else(|| net.port("OUT")).unwrap();
    let inside = net.port("IN");
    let (stop, stopped) = watch::channel(false);
    let dir = tempfile::tempdir().unwrap();
    let dirs = LogDirs::open(&[dir.path().to_owned()]).unwrap();
    let logs =
        LogManager::start(dirs, &LogManagerSettings::default(), |_| Default::default()).unwrap();
    net.serve(
        &Arc::new(Broker::detached(0, config, logs.shards().clone())),
        &stopped,
    );
    Server {
        port,
        inside,
        _stop: stop,
        _logs: logs,
        _dir: dir,
    }
}

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(("127.0.0.1", server.port))
        .await
        .unwrap()
}

fn api_versions(correlation_id: i32) -> Vec<u8> {
    let request = frame::request(0, correlation_id, None, &ApiVersionsRequest::default()).unwrap();
    request.into_bytes().unwrap().to_vec()
}

async fn answer(stream: &mut TcpStream) -> bytes::Bytes {
    let size = stream.read_u32().await.unwrap();
    let mut body = vec![0; size as usize];
    stream.read_exact(&mut body).await.unwrap();
    body.into()
}

/// Everything until the server closes.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all).await;
    all
}

#[tokio::test]
async fn answers_pipelined_requests_in_order() {
    let server = start("");
    let mut stream = connect(&server).await;
    let sent: Vec<u8> = (0..500).flat_map(api_versions).collect();
    for piece in sent.chunks(1013) {
        stream.write_all(piece).await.unwrap();
    }
    for expected in 0..500 {
        let body = answer(&mut stream).await;
        let (id, response) = frame::read_response::<ApiVersionsRequest>(&body, 0).unwrap();
        assert_eq!(id, expected);
        assert!(
            response
                .api_keys
                .iter()
                .any(|api| api.api_key == ApiKey::ApiVersions as i16)
        );
    }
}

#[tokio::test]
async fn a_later_version_of_api_versions_is_told_the_range() {
    let server = start("");
    let mut stream = connect(&server).await;
    let mut request = api_versions(7);
    request[6..8].copy_from_slice(&99i16.to_be_bytes());
    // the header of flexible versions ends with tagged fields
    request.push(0);
    request[3] += 1;
    stream.write_all(&request).await.unwrap();
    let body = answer(&mut stream).await;
    let response = ApiVersionsResponse::from_bytes(&body.slice(4..), 0).unwrap();
    assert_eq!(response.error_code, ErrorCode::UNSUPPORTED_VERSION);
    assert_eq!(response.api_keys.len(), 1);
}

#[tokio::test]
async fn strangers_are_closed_at_once() {
    let server = start("socket.request.max.bytes=1000");
    let mut unknown = api_versions(1);
    unknown[4..6].copy_from_slice(&999i16.to_be_bytes());
    for hello in [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        vec![0x16, 0x03, 0x01, 0x02, 0x00, 0x01],
        vec![0xff; 64],
        vec![0x00, 0x10, 0x00, 0x00, 1, 2, 3],
        vec![0, 0, 0, 1, 9],
        unknown,
    ] {
        let mut stream = connect(&server).await;
        let _ = stream.write_all(&hello).await;
        assert!(rest(&mut stream).await.is_empty());
    }
    let mut stream = connect(&server).await;
    stream.write_all(&api_versions(3)).await.unwrap();
    assert!(!answer(&mut stream).await.is_empty());
}

#[tokio::test]
async fn idle_connections_are_closed_and_one_address_may_have_so_many() {
    let server = start("connections.max.idle.ms=200\nmax.connections.per.ip=2");
    let mut first = connect(&server).await;
    let _second = connect(&server).await;
    let mut third = connect(&server).await;
    assert!(rest(&mut third).await.is_empty());
    assert!(rest(&mut first).await.is_empty());
}

#[tokio::test]
async fn hundreds_of_idle_connections_do_not_hinder_one_that_works() {
    let server = start("socket.listen.backlog.size=1024");
    let mut idle = Vec::new();
    for _ in 0..400 {
        idle.push(connect(&server).await);
    }
    let mut stream = connect(&server).await;
    stream.write_all(&api_versions(3)).await.unwrap();
    assert!(!answer(&mut stream).await.is_empty());
}

/// KIP-402: brokers are let in although max.connections is reached, and the client that did nothing
/// for the longest goes.
#[tokio::test]
async fn brokers_are_let_in_at_the_cost_of_the_idlest_client() {
    let server = start(
        "listeners=IN://127.0.0.1:0,OUT://127.0.0.1:0\n\
         listener.security.protocol.map=IN:PLAINTEXT,OUT:PLAINTEXT\n\
         inter.broker.listener.name=IN\nmax.connections=2",
    );
    let ask = async |stream: &mut TcpStream| {
        stream.write_all(&api_versions(3)).await.unwrap();
        assert!(!answer(stream).await.is_empty());
    };
    let mut idlest = connect(&server).await;
    ask(&mut idlest).await;
    let mut busy = connect(&server).await;
    ask(&mut busy).await;
    let mut broker = TcpStream::connect(("127.0.0.1", server.inside.unwrap()))
        .await
        .unwrap();
    ask(&mut broker).await;
    assert!(rest(&mut idlest).await.is_empty());
    ask(&mut busy).await;
    // one more client waits until there is room again
    let mut late = connect(&server).await;
    late.write_all(&api_versions(4)).await.unwrap();
    let waiting = tokio::time::timeout(std::time::Duration::from_millis(300), late.read_u32());
    assert!(waiting.await.is_err());
    drop(broker);
    assert!(late.read_u32().await.unwrap() > 0);
}
