//! The driver against a server played by hand on a real socket.

use std::time::Duration;

use proto::jute::Jute;
use proto::zk::request::RequestHeader;
use proto::zk::response::{ConnectResponse, GetDataResponse, ReplyHeader};
use proto::zk::stat::Stat;
use proto::zk::{ErrorCode, OpCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

async fn read_frame(stream: &mut TcpStream) -> Vec<u8> {
    let length = stream.read_i32().await.unwrap();
    let mut frame = vec![0; length as usize];
    stream.read_exact(&mut frame).await.unwrap();
    frame
}

async fn write_frame(stream: &mut TcpStream, parts: &[&[u8]]) {
    let body = parts.concat();
    stream.write_i32(body.len() as i32).await.unwrap();
    stream.write_all(&body).await.unwrap();
}

async fn welcome(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    read_frame(&mut stream).await;
    let reply = ConnectResponse {
        timeout: 4000,
        session_id: 0x11,
        password: Some(b"pw"),
        ..Default::default()
    };
    write_frame(&mut stream, &[&reply.to_vec()]).await;
    stream
}

/// Answers reads of data with their xid, any other request with nothing; drops the connection at
/// a sync.
async fn serve(listener: TcpListener) {
    loop {
        let mut stream = welcome(&listener).await;
        loop {
            let frame = read_frame(&mut stream).await;
            let header = RequestHeader::from_bytes(&frame).unwrap();
            let reply = ReplyHeader {
                xid: header.xid,
                zxid: 1,
                err: 0,
            }
            .to_vec();
            let data = header.xid.to_string();
            let body = GetDataResponse {
                data: Some(data.as_bytes()),
                stat: Stat::default(),
            };
            match OpCode::from_code(header.op) {
                Some(OpCode::Sync) => break,
                Some(OpCode::GetData) => write_frame(&mut stream, &[&reply, &body.to_vec()]).await,
                Some(OpCode::CloseSession) => {
                    write_frame(&mut stream, &[&reply]).await;
                    return;
                }
                _ => write_frame(&mut stream, &[&reply]).await,
            }
        }
    }
}

#[tokio::test]
async fn calls_reconnects_and_closes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connect = format!("{}/app", listener.local_addr().unwrap());
    let server = tokio::spawn(serve(listener));
    let config = ClientConfig::new(&connect, Duration::from_secs(10));
    let (client, mut events) = ZkClient::connect(config).unwrap();
    // Calls wait for the first connection, and keep their order.
    let (first, second) = tokio::join!(client.get_data("/a", false), client.get_data("/b", false));
    assert_eq!(first.unwrap().0.unwrap(), "1");
    assert_eq!(second.unwrap().0.unwrap(), "2");
    assert_eq!(
        client.session(),
        Credentials {
            id: 0x11,
            password: b"pw".to_vec()
        }
    );
    assert_eq!(client.session_timeout(), Duration::from_secs(4));
    let lost = client.sync("/").await.unwrap_err();
    assert_eq!(lost.to_string(), "KeeperErrorCode = ConnectionLoss for /");
    client
        .wait_connected(Duration::from_secs(60))
        .await
        .unwrap();
    assert_eq!(client.get_data("/a", false).await.unwrap().0.unwrap(), "4");
    client.close().await;
    assert_eq!(client.state(), States::Closed);
    let late = client.get_data("/a", false).await.unwrap_err();
    assert_eq!(late.code(), Some(ErrorCode::SessionExpired));
    server.await.unwrap();
    drop(client);
    let mut states = Vec::new();
    while let Some(event) = events.recv().await {
        states.push(event);
    }
    use SessionState::{Closed, Disconnected, SyncConnected};
    let told = [SyncConnected, Disconnected, SyncConnected, Closed].map(ZkEvent::State);
    assert_eq!(states, told);
}

#[tokio::test]
async fn arguments_are_checked_before_they_are_sent() {
    let config = ClientConfig::new("127.0.0.1:1", Duration::from_secs(1));
    let (client, _events) = ZkClient::connect(config).unwrap();
    let refused = client.get_data("x", false).await.unwrap_err();
    assert_eq!(refused.to_string(), "Path must start with / character");
    let refused = client
        .create("/x", None, &[], CreateMode::Persistent)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::InvalidAcl));
    assert!(
        client
            .wait_connected(Duration::from_millis(50))
            .await
            .is_err()
    );
    client.close().await;
}
